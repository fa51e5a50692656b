//! A realm as one document: what `export` tells, `plan` compares and `import` makes so.
//!
//! It declares whole things: a member that is left out has its default, except secrets and passwords, which stay as they
//! are. Grants and sessions are never in it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::claims::{claim_faults, is_role};
use super::super::client::{Client, Metadata, Origin, StoredSecret};
use super::super::ids::UserId;
use super::super::json;
use super::super::password::{PasswordHash, WEAK, is_settable};
use super::super::secret::{Secret, SecretHash};
use super::super::session::login_name;
use super::super::trust::{Settings, TrustedIssuer};
use super::client::{LEAST_SECRET, has_secret, metadata};
use super::issuer;
use super::problem::{Wrong, pointer};
use super::scopes::is_administrative;

/// The only form that there is.
pub const FORMAT: u32 = 1;
/// Largest document, in bytes.
pub const MOST_BYTES: usize = 1_048_576;

/// A client as declared.
#[derive(Clone, Debug)]
pub struct ClientEntry {
    /// Id and metadata.
    pub id: String,
    /// Metadata with defaults.
    pub metadata: Metadata,
    /// Its secrets, if the document says any.
    pub secrets: Option<Vec<StoredSecret>>,
    /// The operator's switch.
    pub enabled: bool,
}

/// How a user's password is declared.
#[derive(Debug)]
pub enum Password {
    /// Not at all: it stays.
    Kept,
    /// In the clear.
    Plain(Secret),
    /// As a PHC string.
    Hash(String),
}

/// A user as declared.
#[derive(Debug)]
pub struct UserEntry {
    /// Id, where it must be this one.
    pub id: Option<UserId>,
    /// The folded login name.
    pub login: String,
    /// The password.
    pub password: Password,
    /// Claims.
    pub claims: Map<String, Value>,
    /// Roles.
    pub roles: Vec<String>,
    /// The operator's switch.
    pub enabled: bool,
}

/// A role as declared.
#[derive(Clone, Debug)]
pub struct RoleEntry {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
}

/// A trusted issuer as declared.
#[derive(Clone, Debug)]
pub struct IssuerEntry {
    /// `iss`.
    pub issuer: String,
    /// Its settings.
    pub settings: Settings,
    /// The operator's switch.
    pub enabled: bool,
}

/// A document without faults.
#[derive(Debug, Default)]
pub struct Document {
    /// Clients.
    pub clients: Vec<ClientEntry>,
    /// Users.
    pub users: Vec<UserEntry>,
    /// Roles.
    pub roles: Vec<RoleEntry>,
    /// Trusted issuers.
    pub trusted_issuers: Vec<IssuerEntry>,
    /// Signing keys and salts, sealed by a passphrase.
    pub keys: Option<Value>,
}

/// Reads a document, or says everything that is wrong with it.
pub fn parse(document: &Value) -> Result<Document, Vec<Wrong>> {
    let mut reader = Reader { wrong: Vec::new() };
    let Some(members) = document.as_object() else {
        return Err(vec![Wrong { pointer: String::new(), detail: "a realm is an object".to_owned() }]);
    };
    let known = ["format", "issuer", "clients", "users", "roles", "trusted_issuers", "keys"];
    reader.unknown("", members, &known);
    if members.get("format") != Some(&json!(FORMAT)) {
        reader.fault("/format", "must be 1");
    }
    let document = Document {
        clients: reader.list(members, "clients", "client_id", Reader::client),
        users: reader.list(members, "users", "login", Reader::user),
        roles: reader.list(members, "roles", "name", Reader::role),
        trusted_issuers: reader.list(members, "trusted_issuers", "issuer", Reader::issuer),
        keys: members.get("keys").cloned(),
    };
    let mut ids = BTreeSet::new();
    for (number, user) in document.users.iter().enumerate() {
        if user.id.as_ref().is_some_and(|id| !ids.insert(id.as_str())) {
            reader.fault(&format!("/users/{number}/id"), "stands in the list twice");
        }
    }
    if reader.wrong.is_empty() { Ok(document) } else { Err(reader.wrong) }
}

/// Gathers faults while it reads.
struct Reader {
    wrong: Vec<Wrong>,
}

impl Reader {
    fn fault(&mut self, pointer: &str, detail: impl Into<String>) {
        self.wrong.push(Wrong { pointer: pointer.to_owned(), detail: detail.into() });
    }

    fn unknown(&mut self, place: &str, members: &Map<String, Value>, known: &[&str]) {
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            self.fault(&format!("{place}{}", pointer(name)), "no such member");
        }
    }

    /// The things of a list, each under a name of its own.
    fn list<T>(
        &mut self,
        document: &Map<String, Value>,
        list: &str,
        id: &str,
        read: impl Fn(&mut Self, &str, &Map<String, Value>) -> Option<T>,
    ) -> Vec<T> {
        let empty = Vec::new();
        let items = match document.get(list) {
            None => &empty,
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.fault(&pointer(list), "must be a list");
                return Vec::new();
            }
        };
        let (mut seen, mut things) = (BTreeSet::new(), Vec::new());
        for (number, item) in items.iter().enumerate() {
            let place = format!("/{list}/{number}");
            let Some(members) = item.as_object() else {
                self.fault(&place, "must be an object");
                continue;
            };
            let name = members.get(id).and_then(Value::as_str).unwrap_or_default().trim().to_lowercase();
            if !name.is_empty() && !seen.insert(name) {
                self.fault(&format!("{place}{}", pointer(id)), "stands in the list twice");
            }
            things.extend(read(self, &place, members));
        }
        things
    }

    fn text(&mut self, place: &str, members: &Map<String, Value>, name: &str) -> String {
        match members.get(name) {
            Some(Value::String(text)) => text.clone(),
            None => String::new(),
            Some(_) => {
                self.fault(&format!("{place}{}", pointer(name)), "must be a text");
                String::new()
            }
        }
    }

    fn enabled(&mut self, place: &str, members: &Map<String, Value>) -> bool {
        match members.get("enabled") {
            None => true,
            Some(Value::Bool(enabled)) => *enabled,
            Some(_) => {
                self.fault(&format!("{place}/enabled"), "must be true or false");
                true
            }
        }
    }

    fn client(&mut self, place: &str, members: &Map<String, Value>) -> Option<ClientEntry> {
        let own = ["client_id", "client_secret", "secrets", "enabled"];
        self.unknown(place, members, &[&own[..], Metadata::MEMBERS].concat());
        let id = self.text(place, members, "client_id");
        if !Client::is_id(&id) || Client::is_document_id(&id) {
            self.fault(&format!("{place}/client_id"), "1 to 128 letters, digits or -._~");
        }
        let enabled = self.enabled(place, members);
        let mut secrets: Option<Vec<StoredSecret>> = None;
        if let Some(stored) = members.get("secrets") {
            match json::from_value::<Vec<StoredSecret>>(stored.clone()) {
                Ok(stored) => secrets = Some(stored),
                Err(_) => self.fault(&format!("{place}/secrets"), "must be a list of sha256 and expires_at"),
            }
        }
        if members.contains_key("client_secret") {
            let secret = self.text(place, members, "client_secret");
            if secret.len() < LEAST_SECRET {
                self.fault(&format!("{place}/client_secret"), "at least 32 characters");
            }
            let plain = StoredSecret { sha256: SecretHash::of(secret.as_bytes()), expires_at: None };
            secrets.get_or_insert_default().push(plain);
        }
        let described = members.iter().filter(|(name, _)| Metadata::MEMBERS.contains(&name.as_str()));
        let described = described.map(|(name, value)| (name.clone(), value.clone())).collect();
        let metadata = match metadata(&id, described, Origin::Operator) {
            Ok(metadata) => metadata,
            Err(problem) => {
                let none = problem.wrong.is_empty();
                self.wrong.extend(
                    problem.wrong.into_iter().map(|wrong| Wrong { pointer: format!("{place}{}", wrong.pointer), ..wrong }),
                );
                if none {
                    self.fault(place, problem.detail);
                }
                return None;
            }
        };
        if !has_secret(metadata.token_endpoint_auth_method) && secrets.as_ref().is_some_and(|secrets| !secrets.is_empty()) {
            self.fault(&format!("{place}/client_secret"), "a client of this token_endpoint_auth_method has none");
        }
        Some(ClientEntry { id, metadata, secrets, enabled })
    }

    fn user(&mut self, place: &str, members: &Map<String, Value>) -> Option<UserEntry> {
        self.unknown(place, members, &["id", "login", "password", "password_hash", "claims", "roles", "enabled"]);
        let id = match members.get("id") {
            None => None,
            Some(id) => {
                let id = id.as_str().and_then(UserId::parse);
                if id.is_none() {
                    self.fault(&format!("{place}/id"), "is no user id");
                }
                id
            }
        };
        let typed = self.text(place, members, "login");
        let login = login_name(&typed);
        if login.is_none() {
            self.fault(&format!("{place}/login"), "1 to 254 characters without control characters");
        }
        let password = match (members.get("password"), members.get("password_hash")) {
            (None, None) => Password::Kept,
            (Some(Value::String(plain)), None) => {
                let plain = Secret::new(plain.clone());
                if !is_settable(&plain) {
                    self.fault(&format!("{place}/password"), WEAK);
                }
                Password::Plain(plain)
            }
            (None, Some(Value::String(hash))) if PasswordHash::parse(hash).is_some_and(|hash| hash.is_affordable()) => {
                Password::Hash(hash.clone())
            }
            (Some(_), None) => {
                self.fault(&format!("{place}/password"), "must be a text");
                Password::Kept
            }
            (_, Some(_)) => {
                self.fault(&format!("{place}/password_hash"), "must be an argon2id hash, without password beside it");
                Password::Kept
            }
        };
        let claims = match members.get("claims") {
            None => Map::new(),
            Some(Value::Object(claims)) => claims.clone(),
            Some(_) => {
                self.fault(&format!("{place}/claims"), "must be an object");
                Map::new()
            }
        };
        for fault in claim_faults(&claims) {
            self.fault(&format!("{place}/claims"), fault);
        }
        let roles: Option<Vec<String>> =
            members.get("roles").map_or(Some(Vec::new()), |roles| json::from_value(roles.clone()).ok());
        if roles.as_ref().is_none_or(|roles| roles.len() > 50 || !roles.iter().all(|role| is_role(role))) {
            self.fault(&format!("{place}/roles"), "at most 50 of 1 to 64 printable ASCII characters");
        }
        let enabled = self.enabled(place, members);
        Some(UserEntry { id, login: login?, password, claims, roles: roles?, enabled })
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the other things are read")]
    fn role(&mut self, place: &str, members: &Map<String, Value>) -> Option<RoleEntry> {
        self.unknown(place, members, &["name", "description"]);
        let (name, description) = (self.text(place, members, "name"), self.text(place, members, "description"));
        if !is_role(&name) {
            self.fault(&format!("{place}/name"), "1 to 64 printable ASCII characters without spaces");
        } else if is_administrative(&name) {
            self.fault(&format!("{place}/name"), "roles that begin with latchkey: are built in");
        }
        if description.chars().count() > 500 {
            self.fault(&format!("{place}/description"), "500 characters at most");
        }
        Some(RoleEntry { name, description })
    }

    fn issuer(&mut self, place: &str, members: &Map<String, Value>) -> Option<IssuerEntry> {
        match issuer::read(members) {
            Ok(TrustedIssuer { issuer, settings, enabled, .. }) => Some(IssuerEntry { issuer, settings, enabled }),
            Err(wrong) => {
                let placed = |wrong: Wrong| Wrong { pointer: format!("{place}{}", wrong.pointer), ..wrong };
                self.wrong.extend(wrong.into_iter().map(placed));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(document: &Value) -> Vec<String> {
        parse(document).unwrap_err().into_iter().map(|wrong| wrong.pointer).collect()
    }

    #[test]
    fn every_fault_is_listed() {
        let document = json!({ "format": 2, "klients": [], "keys": null, "users": {},
            "clients": [
                { "client_id": "a b", "nope": 1, "token_endpoint_auth_method": "none", "client_secret": "short", "scope": 1 },
                { "client_id": "a", "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"], "token_endpoint_auth_method": "none",
                  "client_secret": "0123456789abcdef0123456789abcdef", "enabled": 1 },
                { "client_id": "a", "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"], "token_endpoint_auth_method": "none" },
                3,
            ],
            "roles": [{ "name": "latchkey:x" }, { "name": "a b", "description": 1, "version": 1 }],
            "trusted_issuers": [{ "issuer": "http://a.example", "preset": "oidc", "audiences": [], "rules": [] }, { "issuer": "x", "rulez": [] }],
        });
        let found = faults(&document);
        for expected in [
            "/klients",
            "/format",
            "/clients/0/nope",
            "/clients/0/client_id",
            "/clients/0/client_secret",
            "/clients/0/scope",
            "/clients/1/enabled",
            "/clients/1/client_secret",
            "/clients/2/client_id",
            "/clients/3",
            "/users",
            "/roles/0/name",
            "/roles/1/version",
            "/roles/1/description",
            "/roles/1/name",
            "/trusted_issuers/0/issuer",
            "/trusted_issuers/0/audiences",
            "/trusted_issuers/0/rules",
            "/trusted_issuers/1/issuer",
            "/trusted_issuers/1/rulez",
            "/trusted_issuers/1",
        ] {
            assert!(found.iter().any(|pointer| pointer == expected), "{expected}: {found:?}");
        }
        let users = json!({ "format": 1, "users": [
            { "login": "\u{7}", "password": "short", "roles": ["a b"], "claims": { "nmae": "x" }, "id": "x", "mail": 1 },
            { "login": "Ada", "password": "long enough for all", "password_hash": "x" },
            { "login": " ada ", "password_hash": "md5" },
        ] });
        assert_eq!(
            faults(&users),
            [
                "/users/0/mail",
                "/users/0/id",
                "/users/0/login",
                "/users/0/password",
                "/users/0/claims",
                "/users/0/roles",
                "/users/1/password_hash",
                "/users/2/login",
                "/users/2/password_hash",
            ]
        );
        assert_eq!(faults(&json!([])), [""]);
    }

    #[test]
    fn an_id_is_of_one_user() {
        let user = |login: &str| json!({ "login": login, "id": "AAAAAAAAAAAAAAAAAAAAAA" });
        assert_eq!(faults(&json!({ "format": 1, "users": [user("a"), user("b")] })), ["/users/1/id"]);
    }

    #[test]
    fn what_is_left_out_has_its_default_or_stays() {
        let document = json!({ "format": 1, "users": [{ "login": "Ada" }], "clients": [
            { "client_id": "c", "redirect_uris": ["https://a.example/cb"] },
        ] });
        let document = parse(&document).unwrap();
        let (user, client) = (document.users.first().unwrap(), document.clients.first().unwrap());
        assert!(user.login == "ada" && user.enabled && user.roles.is_empty() && matches!(user.password, Password::Kept));
        assert!(client.enabled && client.secrets.is_none());
    }
}
