//! `latchkey-seed FILE..`: users, clients and trusted issuers in JSON become SQL for a local database.
//!
//! The Worker has no development mode and no demo data in it; this is how they get into a database
//! beside it. Everything is checked by the same code that the Worker reads it with, all faults are
//! listed, and nothing is printed unless all files are good. Running the SQL again updates what is
//! there and keeps what administrators changed (`enabled`, `not_before`).

use std::fmt::Write as _;
use std::process::ExitCode;

use latchkey::protocol::claims::{claim_faults, is_role};
use latchkey::protocol::client::{AUTHORIZATION_CODE, AuthMethod, Client, Metadata, StoredSecret};
use latchkey::protocol::config::STANDARD_SCOPES;
use latchkey::protocol::ids::{Entropy, UserId};
use latchkey::protocol::password::PasswordHash;
use latchkey::protocol::secret::{Secret, SecretHash, base64url, sha256};
use latchkey::protocol::session::login_name;
use latchkey::protocol::trust::Settings;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A seed file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    #[serde(default)]
    users: Vec<User>,
    #[serde(default)]
    clients: Vec<Map<String, Value>>,
    #[serde(default)]
    initial_access_tokens: Vec<InitialAccessToken>,
    /// Outside issuers: `issuer` beside the settings.
    #[serde(default)]
    trusted_issuers: Vec<Map<String, Value>>,
}

/// An initial access token (RFC 7591 3), for clients to register themselves with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InitialAccessToken {
    token: String,
    /// So many clients may be registered with it.
    uses: u32,
    /// Seconds from now.
    expires_in: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    login: String,
    password: String,
    #[serde(default)]
    claims: Map<String, Value>,
    /// What the user is here: `roles` of access tokens.
    #[serde(default)]
    roles: Vec<String>,
}

/// The operating system's generator.
struct System;

impl Entropy for System {
    fn fill(&mut self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            std::process::abort();
        }
    }
}

fn main() -> ExitCode {
    let mut sql = String::new();
    let mut faults = Vec::new();
    for file in std::env::args().skip(1) {
        match std::fs::read_to_string(&file).map_err(|error| error.to_string()).and_then(|text| parse(&text)) {
            Ok(seed) => statements(&seed, &mut sql, &mut faults),
            Err(fault) => faults.push(format!("{file}: {fault}")),
        }
    }
    if faults.is_empty() {
        print!("{sql}");
        return ExitCode::SUCCESS;
    }
    for fault in faults {
        eprintln!("{fault}");
    }
    ExitCode::FAILURE
}

fn parse(text: &str) -> Result<Seed, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn statements(seed: &Seed, sql: &mut String, faults: &mut Vec<String>) {
    for user in &seed.users {
        match user_statements(user) {
            Ok(text) => sql.push_str(&text),
            Err(more) => faults.extend(more.into_iter().map(|fault| format!("user {:?}: {fault}", user.login))),
        }
    }
    for token in &seed.initial_access_tokens {
        if token.token.len() < 32 {
            faults.push("initial_access_tokens: at least 32 characters".to_owned());
            continue;
        }
        let hash = quoted(&base64url(&sha256(token.token.as_bytes())));
        let _ = writeln!(
            sql,
            "INSERT INTO initial_access_tokens (sha256, uses, expires_at) VALUES ({hash}, {}, {NOW} + {}) \
             ON CONFLICT (sha256) DO UPDATE SET uses = excluded.uses, expires_at = excluded.expires_at;",
            token.uses,
            u64::from(token.expires_in) * 1000
        );
    }
    for client in &seed.clients {
        let id = client.get("client_id").and_then(Value::as_str).unwrap_or_default();
        match client_statement(id, client) {
            Ok(text) => sql.push_str(&text),
            Err(more) => faults.extend(more.into_iter().map(|fault| format!("client {id:?}: {fault}"))),
        }
    }
    for trusted in &seed.trusted_issuers {
        let issuer = trusted.get("issuer").and_then(Value::as_str).unwrap_or_default();
        match issuer_statement(issuer, trusted) {
            Ok(text) => sql.push_str(&text),
            Err(more) => faults.extend(more.into_iter().map(|fault| format!("trusted issuer {issuer:?}: {fault}"))),
        }
    }
}

/// Milliseconds now, by the database's clock.
const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

fn user_statements(user: &User) -> Result<String, Vec<String>> {
    let mut faults = claim_faults(&user.claims);
    let login = login_name(&user.login);
    let hash = PasswordHash::create(&Secret::new(user.password.clone()), &mut System);
    if user.password.is_empty() || hash.is_none() {
        faults.push("password: 1 to 1024 bytes".to_owned());
    }
    if login.is_none() {
        faults.push("login: 1 to 254 characters without control characters".to_owned());
    }
    if user.roles.len() > 50 || !user.roles.iter().all(|role| is_role(role)) {
        faults.push("roles: at most 50 of 1 to 64 printable characters".to_owned());
    }
    let (Some(login), Some(hash), true) = (login, hash, faults.is_empty()) else {
        return Err(faults);
    };
    // The same login is the same user in every seed, so that running it again finds its row.
    let digest = sha256(format!("latchkey seed user {login}").as_bytes());
    let id = UserId::from_bytes(digest.first_chunk::<16>().copied().unwrap_or_default());
    let (id, login, password, claims) =
        (quoted(id.as_str()), quoted(&login), quoted(&hash.to_text()), quoted(&Value::from(user.claims.clone()).to_string()));
    let roles = quoted(&Value::from(user.roles.clone()).to_string());
    let mut sql = String::new();
    let _ = writeln!(
        sql,
        "INSERT INTO users (id, login, password, claims, roles, created_at, updated_at) VALUES ({id}, {login}, {password}, {claims}, {roles}, {NOW}, {NOW}) \
         ON CONFLICT (id) DO UPDATE SET password = excluded.password, claims = excluded.claims, roles = excluded.roles, updated_at = excluded.updated_at;"
    );
    let _ = writeln!(
        sql,
        "INSERT INTO logins (login, user_id) VALUES ({login}, {id}) ON CONFLICT (login) DO UPDATE SET user_id = excluded.user_id;"
    );
    Ok(sql)
}

/// What RFC 7591 2 says of members that are left out; and a client without a name is called by its id.
fn with_defaults(id: &str, client: &Map<String, Value>) -> Map<String, Value> {
    let mut members = client.clone();
    for (member, default) in [
        ("client_name", id.into()),
        ("grant_types", vec![AUTHORIZATION_CODE].into()),
        ("token_endpoint_auth_method", "client_secret_basic".into()),
        ("scope", STANDARD_SCOPES.join(" ").into()),
    ] {
        members.entry(member).or_insert(default);
    }
    members
}

fn client_statement(id: &str, client: &Map<String, Value>) -> Result<String, Vec<String>> {
    let known =
        |name: &str| ["client_id", "client_secret", "next_client_secret"].contains(&name) || Metadata::MEMBERS.contains(&name);
    let mut faults: Vec<String> =
        client.keys().filter(|name| !known(name)).map(|name| format!("{name}: no such member")).collect();
    if !Client::is_id(id) {
        faults.push("client_id: 1 to 128 letters, digits or -._~".to_owned());
    }
    let metadata: Metadata = match serde_json::from_value(Value::Object(with_defaults(id, client))) {
        Ok(metadata) => metadata,
        Err(error) => {
            faults.push(error.to_string());
            return Err(faults);
        }
    };
    faults.extend(metadata.faults());
    let secret = client.get("client_secret").and_then(Value::as_str);
    // A second live one, while the first is being replaced.
    let next = client.get("next_client_secret").and_then(Value::as_str);
    if next.is_some_and(|next| next.len() < 32 || secret.is_none()) {
        faults.push("next_client_secret: at least 32 characters, beside client_secret".to_owned());
    }
    match (metadata.token_endpoint_auth_method, secret) {
        (AuthMethod::None | AuthMethod::PrivateKeyJwt, Some(_)) => {
            faults.push("client_secret: a client of this method has none".to_owned());
        }
        (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost, None) => faults.push("client_secret: needed".to_owned()),
        (_, Some(secret)) if secret.len() < 32 => faults.push("client_secret: at least 32 characters".to_owned()),
        _ => {}
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let secrets: Vec<StoredSecret> = secret
        .into_iter()
        .chain(next)
        .map(|secret| StoredSecret { sha256: SecretHash::of(secret.as_bytes()), expires_at: None })
        .collect();
    let json = |value: serde_json::Result<String>| quoted(&value.unwrap_or_default());
    let (id, metadata, secrets) = (quoted(id), json(serde_json::to_string(&metadata)), json(serde_json::to_string(&secrets)));
    Ok(format!(
        "INSERT INTO clients (id, metadata, secrets, created_at) VALUES ({id}, {metadata}, {secrets}, {NOW}) \
         ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata, secrets = excluded.secrets, version = version + 1 \
         WHERE metadata <> excluded.metadata OR secrets <> excluded.secrets;\n"
    ))
}

fn issuer_statement(issuer: &str, trusted: &Map<String, Value>) -> Result<String, Vec<String>> {
    let mut settings = trusted.clone();
    settings.remove("issuer");
    let settings: Settings = serde_json::from_value(settings.into()).map_err(|error| vec![error.to_string()])?;
    let faults = settings.check(issuer);
    if !faults.is_empty() {
        return Err(faults);
    }
    let (issuer, settings) = (quoted(issuer), quoted(&serde_json::to_string(&settings).unwrap_or_default()));
    Ok(format!(
        "INSERT INTO trusted_issuers (issuer, settings, created_at) VALUES ({issuer}, {settings}, {NOW}) \
         ON CONFLICT (issuer) DO UPDATE SET settings = excluded.settings, version = version + 1 \
         WHERE settings <> excluded.settings;\n"
    ))
}

/// An SQL string literal. Control characters, which could break a line-wise reader, go as JSON
/// escapes already or are refused before.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(json: &str) -> Vec<String> {
        let (mut sql, mut faults) = (String::new(), Vec::new());
        statements(&parse(json).unwrap(), &mut sql, &mut faults);
        assert_eq!(sql.is_empty(), !faults.is_empty(), "{sql}");
        faults
    }

    #[test]
    fn the_defaults_are_those_of_registration() {
        let client =
            r#"{"client_id":"c","client_secret":"0123456789abcdef0123456789abcdef","redirect_uris":["https://a.example/cb"]}"#;
        assert_eq!(faults(&format!(r#"{{"clients":[{client}]}}"#)), [""; 0]);
        let Value::Object(client) = serde_json::from_str(client).unwrap() else { panic!("an object") };
        let metadata: Metadata = serde_json::from_value(with_defaults("c", &client).into()).unwrap();
        assert_eq!((metadata.client_name.as_str(), metadata.token_endpoint_auth_method), ("c", AuthMethod::ClientSecretBasic));
        assert_eq!(metadata.scope.to_string(), "openid profile email address phone offline_access");
        assert_eq!(metadata.grant_types, ["authorization_code"]);
    }

    #[test]
    fn nothing_is_dropped_in_silence() {
        let long = "x".repeat(1025);
        assert_eq!(faults(&format!(r#"{{"users":[{{"login":"a","password":"{long}"}}]}}"#)).len(), 1);
        assert_eq!(faults(r#"{"users":[{"login":" ","password":"","claims":{"name":1},"roles":[""]}]}"#).len(), 4);
        assert_eq!(faults(r#"{"users":[{"login":"o'hara","password":"p","claims":{"name":"O'Hara"}}]}"#), [""; 0]);
        // No such member, no client id, no redirect URI, no secret.
        assert_eq!(faults(r#"{"clients":[{"client_id":"a b","client_naem":"x"}]}"#).len(), 4);
        assert_eq!(faults(r#"{"initial_access_tokens":[{"token":"short","uses":1,"expires_in":60}]}"#).len(), 1);
        // No issuer, no audience, no rule; then no such member.
        assert_eq!(faults(r#"{"trusted_issuers":[{"preset":"oidc","audiences":[],"rules":[]}]}"#).len(), 3);
        assert_eq!(faults(r#"{"trusted_issuers":[{"issuer":"https://a.example","preset":"oidc","rulez":[]}]}"#).len(), 1);
    }

    #[test]
    fn a_trusted_issuer_is_written_with_its_settings_beside_it() {
        let rule = r#"{"id":"r","claims":{"sub":{"equals":"it's"}},"yields":{"client":"c","scope":"s"}}"#;
        let json = format!(r#"{{"trusted_issuers":[{{"issuer":"https://a.example","preset":"oidc","rules":[{rule}]}}]}}"#);
        let (mut sql, mut faults) = (String::new(), Vec::new());
        statements(&parse(&json).unwrap(), &mut sql, &mut faults);
        assert_eq!(faults, [""; 0]);
        let stored = rule.replace('\'', "''");
        let values = format!("VALUES ('https://a.example', '{{\"preset\":\"oidc\",\"rules\":[{stored}]}}', ");
        assert!(sql.contains(&values), "{sql}");
    }
}
