//! `export`, `plan` and `import`: a whole realm as one document.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::edge::crypto;
use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Fault;
use crate::edge::handlers::admin::{Actor, Call, Outcome};
use crate::edge::http::WireResponse;
use crate::edge::salts;
use crate::edge::store::client_registry::Listed;
use crate::edge::store::realm::{self as store, Changes, NewKeys, Realm, WithPassword};
use crate::edge::store::roles::Role;
use crate::edge::store::users::User;
use crate::protocol::admin::client::has_secret;
use crate::protocol::admin::document::{self, ClientEntry, Document, FORMAT, MOST_BYTES, Password, UserEntry};
use crate::protocol::admin::issuer;
use crate::protocol::admin::operations::Name;
use crate::protocol::admin::problem::{Problem, Word, Wrong};
use crate::protocol::admin::scopes::ADMIN;
use crate::protocol::admin::sealed_keys::{self as sealed, Keys};
use crate::protocol::client::{Client, Origin};
use crate::protocol::ids::{UserId, random};
use crate::protocol::password::{PasswordHash, WEAK, is_settable};
use crate::protocol::secret::{Secret, base64url};
use crate::protocol::time::Timestamp;
use crate::protocol::trust::TrustedIssuer;

/// Changes of one import at most: each leaves an event.
const MOST_CHANGES: usize = 500;
/// Passwords in the clear in one document at most: each is hashed, which takes its time.
const MOST_PASSWORDS: usize = 100;

#[derive(Deserialize)]
struct Asked {
    document: Value,
    /// Whether clients, roles and trusted issuers that the document does not have are deleted. Users never are.
    #[serde(default)]
    prune: bool,
    /// Opens the document's keys.
    #[serde(default)]
    passphrase: Option<String>,
}

/// Answers an operation on the whole realm.
pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    match name {
        Name::ExportRealm => Ok(WireResponse::json(200, &export(ctx, sees_hashes(&call.actor)).await?)),
        Name::ExportRealmWithKeys => {
            #[derive(Deserialize)]
            struct Body {
                passphrase: String,
            }
            let body: Body = call.body(&["passphrase"]).await?;
            let passphrase = Secret::new(body.passphrase);
            if !is_settable(&passphrase) {
                return Err(Problem::invalid(vec![Wrong::at("passphrase", WEAK)]).into());
            }
            let (mut document, keys) = (export(ctx, true).await?, own_keys(ctx).await?);
            let sealed =
                sealed::seal(&keys, &passphrase, &mut Platform).ok_or_else(|| Fault::Broken("keys are not sealed".to_owned()))?;
            if let Some(members) = document.as_object_mut() {
                members.insert("keys".to_owned(), sealed);
            }
            crate::edge::store::audit::note_or_log(ctx, &call.actor.changed("realm.export_keys", "", &[])).await;
            Ok(WireResponse::json(200, &document))
        }
        Name::PlanImport => {
            let asked: Asked = call.large_body(&["document", "prune", "passphrase"], MOST_BYTES).await?;
            let plan = plan(ctx, &call.actor, asked).await?;
            Ok(WireResponse::json(200, &json!({ "changes": plan.told })))
        }
        _ => {
            let asked: Asked = call.large_body(&["document", "prune", "passphrase"], MOST_BYTES).await?;
            let plan = plan(ctx, &call.actor, asked).await?;
            import(ctx, &call.actor, &plan).await?;
            Ok(WireResponse::json(200, &json!({ "changes": plan.told })))
        }
    }
}

/// Whether somebody is told hashes of passwords and secrets, or anything from which they could be guessed. Whoever may
/// only look is not: a password is guessed as fast from its hash, and unseen, as from a plan that says "no change".
fn sees_hashes(actor: &Actor) -> bool {
    actor.scopes.contains(ADMIN)
}

/// The realm without keys: the operator's clients, users, roles and trusted issuers, with hashes for secrets or, without
/// `hashes`, nothing.
pub async fn export(ctx: &Ctx, hashes: bool) -> Outcome<Value> {
    let realm = store::read(ctx).await?;
    let mut users = Vec::new();
    let mut after = String::new();
    loop {
        let some = store::users_after(ctx, &after).await?;
        let Some(last) = some.last() else { break };
        after.clone_from(&last.user.login);
        users.extend(some.iter().map(|user| told_user(user, hashes)));
    }
    let clients = realm.clients.iter().filter(|listed| listed.client.origin == Origin::Operator);
    let clients: Vec<Value> = clients.map(|listed| told_client(&listed.client, hashes)).collect();
    let roles: Vec<Value> =
        realm.roles.iter().map(|role| json!({ "name": role.name, "description": role.description })).collect();
    let issuers: Vec<Value> = realm.issuers.iter().map(told_issuer).collect();
    Ok(json!({ "format": FORMAT, "issuer": ctx.config.issuer, "clients": clients, "users": users, "roles": roles,
        "trusted_issuers": issuers }))
}

fn told_client(client: &Client, hashes: bool) -> Value {
    let mut members = members_of(&client.metadata);
    members.insert("client_id".to_owned(), client.id.clone().into());
    members.insert("enabled".to_owned(), client.enabled.into());
    if hashes && has_secret(client.metadata.token_endpoint_auth_method) {
        members.insert("secrets".to_owned(), json!(client.secrets));
    }
    Value::Object(members)
}

fn told_user(WithPassword { user, password }: &WithPassword, hashes: bool) -> Value {
    let mut told =
        json!({ "id": user.id, "login": user.login, "claims": user.claims, "roles": user.roles, "enabled": user.enabled });
    if let (true, Some(members)) = (hashes, told.as_object_mut()) {
        members.insert("password_hash".to_owned(), password.as_str().into());
    }
    told
}

fn told_issuer(trusted: &TrustedIssuer) -> Value {
    Value::Object(issuer::members(trusted))
}

fn members_of(value: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// What an import would do.
#[derive(Debug, Default)]
pub struct Plan {
    /// As it is told: `action`, `kind`, `id` and, of a change, `fields`.
    pub told: Vec<Value>,
    changes: Changes,
}

impl Plan {
    fn tell(&mut self, action: &str, kind: &str, id: &str, fields: &[String]) {
        let mut told = json!({ "action": action, "kind": kind, "id": id });
        if let (false, Some(members)) = (fields.is_empty(), told.as_object_mut()) {
            members.insert("fields".to_owned(), json!(fields));
        }
        self.told.push(told);
    }
}

/// Compares a document with the realm.
async fn plan(ctx: &Ctx, actor: &Actor, asked: Asked) -> Outcome<Plan> {
    let mut document = document::parse(&asked.document).map_err(Problem::invalid)?;
    let to_hash = document.users.iter().filter(|user| matches!(user.password, Password::Plain(_))).count();
    if to_hash > MOST_PASSWORDS {
        let detail = format!("{to_hash} passwords in the clear, and 100 at once at most: send password_hash");
        return Err(Problem::invalid(vec![Wrong::at("users", detail)]).into());
    }
    let logins: Vec<&str> = document.users.iter().map(|user| user.login.as_str()).collect();
    let realm = Realm { users: store::users_of(ctx, &logins).await?, ..store::read(ctx).await? };
    if !sees_hashes(actor) {
        keep_known_secrets(&mut document, &realm);
    }
    let (mut plan, mut wrong) = (Plan::default(), Vec::new());
    plan_clients(ctx, &mut plan, &mut wrong, &document, &realm);
    let new_ids: Vec<&UserId> = document.users.iter().filter_map(|user| user.id.as_ref()).collect();
    let taken = store::owners(ctx, &new_ids).await?;
    plan_users(ctx, &mut plan, &mut wrong, &document, (&realm, &taken));
    plan_roles(&mut plan, &document, &realm, ctx.now);
    plan_issuers(&mut plan, &document, &realm);
    if asked.prune {
        plan_removals(&mut plan, &document, &realm, &actor.id);
        for role in store::had_roles(ctx, &plan.changes).await? {
            wrong.push(Wrong::at("roles", format!("{role} is to go, and somebody has it")));
        }
    }
    if let Some(keys) = &document.keys {
        let passphrase = asked.passphrase.map(Secret::new);
        match passphrase.as_ref().and_then(|passphrase| sealed::open(keys, passphrase)) {
            Some(keys) if !store::is_used(ctx).await? => {
                plan.changes.keys = Some(wrapped(ctx, &keys)?);
                plan.tell("update", "keys", "", &[]);
            }
            Some(_) => wrong.push(Wrong::at("keys", "the realm has devices or salts that hang on its own keys")),
            None => wrong.push(Wrong::at("keys", "do not open with this passphrase")),
        }
    }
    if plan.told.len() > MOST_CHANGES {
        wrong.push(Wrong { pointer: String::new(), detail: format!("{} changes, and 500 at once at most", plan.told.len()) });
    }
    if wrong.is_empty() { Ok(plan) } else { Err(Problem::invalid(wrong).into()) }
}

/// The members of two objects that differ.
fn differing(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

fn plan_clients(ctx: &Ctx, plan: &mut Plan, wrong: &mut Vec<Wrong>, document: &Document, realm: &Realm) {
    for (number, entry) in document.clients.iter().enumerate() {
        let ClientEntry { id, metadata, secrets, enabled } = entry;
        let before = realm.clients.iter().find(|listed| listed.client.id == *id).map(|listed| &listed.client);
        let needs = has_secret(metadata.token_endpoint_auth_method);
        let kept = before.map(|before| before.secrets.clone()).unwrap_or_default();
        let secrets = if needs { secrets.clone().unwrap_or(kept) } else { Vec::new() };
        if needs && secrets.is_empty() {
            wrong
                .push(Wrong { pointer: format!("/clients/{number}/client_secret"), detail: "a new client needs one".to_owned() });
            continue;
        }
        if before.is_some_and(|before| before.origin != Origin::Operator) {
            let detail = "the client registered itself: it is not the operator's to declare".to_owned();
            wrong.push(Wrong { pointer: format!("/clients/{number}/client_id"), detail });
            continue;
        }
        let version = before.map_or(0, |before| before.version);
        let client =
            Client { id: id.clone(), metadata: metadata.clone(), secrets, enabled: *enabled, version, origin: Origin::Operator };
        match before {
            None => plan.tell("create", "client", id, &[]),
            Some(before) => {
                let fields = differing(
                    &told_client(before, true).as_object().cloned().unwrap_or_default(),
                    &told_client(&client, true).as_object().cloned().unwrap_or_default(),
                );
                if fields.is_empty() {
                    continue;
                }
                plan.tell("update", "client", id, &fields);
            }
        }
        plan.changes.versions.clients.insert(id.clone(), version.into());
        plan.changes.clients.push(Listed { client, created_at: ctx.now });
    }
}

/// Leaves passwords and secrets of what there is out of a document.
fn keep_known_secrets(document: &mut Document, realm: &Realm) {
    for entry in &mut document.users {
        if realm.users.iter().any(|known| known.user.login == entry.login) {
            entry.password = Password::Kept;
        }
    }
    for entry in &mut document.clients {
        let known = realm.clients.iter().find(|known| known.client.id == entry.id);
        if known.is_some_and(|known| !known.client.secrets.is_empty()) {
            entry.secrets = None;
        }
    }
}

/// `taken`: the ids that somebody has.
fn plan_users(ctx: &Ctx, plan: &mut Plan, wrong: &mut Vec<Wrong>, document: &Document, (realm, taken): (&Realm, &[UserId])) {
    for (number, entry) in document.users.iter().enumerate() {
        let UserEntry { id, login, password, claims, roles, enabled } = entry;
        let mut fault = |member: &str, detail: &str| {
            wrong.push(Wrong { pointer: format!("/users/{number}/{member}"), detail: detail.to_owned() });
        };
        let before = realm.users.iter().find(|known| known.user.login == *login);
        let hashed = |typed: &Secret| PasswordHash::create(typed, &mut Platform).map(|hash| hash.to_text()).unwrap_or_default();
        let is_it = |typed: &Secret, stored: &str| PasswordHash::parse(stored).is_some_and(|stored| stored.verify(typed));
        let password = match (password, before) {
            (Password::Kept, None) => {
                fault("password", "a new user needs one, or a password_hash");
                continue;
            }
            (Password::Kept, Some(before)) => before.password.clone(),
            (Password::Plain(typed), Some(before)) if is_it(typed, &before.password) => before.password.clone(),
            (Password::Plain(typed), _) => hashed(typed),
            (Password::Hash(hash), _) => hash.clone(),
        };
        let made = || User {
            id: id.clone().unwrap_or_else(|| UserId::generate(&mut Platform)),
            login: login.clone(),
            claims: Map::new(),
            roles: Vec::new(),
            enabled: true,
            not_before: Timestamp::EPOCH,
            version: 0,
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        if before.zip(id.as_ref()).is_some_and(|(before, id)| before.user.id != *id) {
            fault("id", "the user of this login has another id");
            continue;
        }
        if before.is_none() && id.as_ref().is_some_and(|id| taken.contains(id)) {
            fault("id", "the user of this id has another login");
            continue;
        }
        let user = before.map_or_else(made, |before| before.user.clone());
        let user = User { claims: claims.clone(), roles: roles.clone(), enabled: *enabled, ..user };
        let after = WithPassword { user, password };
        match before {
            None => plan.tell("create", "user", login, &[]),
            Some(before) => {
                let object = |user: &WithPassword| told_user(user, true).as_object().cloned().unwrap_or_default();
                let fields = differing(&object(before), &object(&after));
                if fields.is_empty() {
                    continue;
                }
                plan.tell("update", "user", login, &fields);
            }
        }
        plan.changes.users.push(after);
    }
}

fn plan_roles(plan: &mut Plan, document: &Document, realm: &Realm, now: Timestamp) {
    for entry in &document.roles {
        let before = realm.roles.iter().find(|role| role.name == entry.name);
        match before {
            None => plan.tell("create", "role", &entry.name, &[]),
            Some(before) if before.description == entry.description => continue,
            Some(_) => plan.tell("update", "role", &entry.name, &["description".to_owned()]),
        }
        let version = before.map_or(0, |before| before.version);
        plan.changes.versions.roles.insert(entry.name.clone(), version.into());
        let (name, description) = (entry.name.clone(), entry.description.clone());
        plan.changes.roles.push(Role { name, description, version, created_at: now });
    }
}

fn plan_issuers(plan: &mut Plan, document: &Document, realm: &Realm) {
    for entry in &document.trusted_issuers {
        let before = realm.issuers.iter().find(|trusted| trusted.issuer == entry.issuer);
        let version = before.map_or(0, |before| before.version);
        let (issuer, settings, enabled) = (entry.issuer.clone(), entry.settings.clone(), entry.enabled);
        let after = TrustedIssuer { issuer, settings, enabled, version };
        match before {
            None => plan.tell("create", "trusted_issuer", &entry.issuer, &[]),
            Some(before) => {
                let fields = differing(&issuer::members(before), &issuer::members(&after));
                if fields.is_empty() {
                    continue;
                }
                plan.tell("update", "trusted_issuer", &entry.issuer, &fields);
            }
        }
        plan.changes.versions.issuers.insert(entry.issuer.clone(), version.into());
        plan.changes.issuers.push(after);
    }
}

/// What the document does not have goes; never users, and never the client that this is asked by.
fn plan_removals(plan: &mut Plan, document: &Document, realm: &Realm, asking: &str) {
    for Listed { client, .. } in &realm.clients {
        let is_asking = client.id == crate::protocol::admin::cli::CLIENT_ID || client.id == asking;
        let is_kept = is_asking || client.origin != Origin::Operator;
        if !is_kept && !document.clients.iter().any(|entry| entry.id == client.id) {
            plan.tell("delete", "client", &client.id, &[]);
            plan.changes.versions.clients.insert(client.id.clone(), client.version.into());
            plan.changes.gone_clients.push(client.id.clone());
        }
    }
    for role in &realm.roles {
        if !document.roles.iter().any(|entry| entry.name == role.name) {
            plan.tell("delete", "role", &role.name, &[]);
            plan.changes.versions.roles.insert(role.name.clone(), role.version.into());
            plan.changes.gone_roles.push(role.name.clone());
        }
    }
    for trusted in &realm.issuers {
        if !document.trusted_issuers.iter().any(|entry| entry.issuer == trusted.issuer) {
            plan.tell("delete", "trusted_issuer", &trusted.issuer, &[]);
            plan.changes.versions.issuers.insert(trusted.issuer.clone(), trusted.version.into());
            plan.changes.gone_issuers.push(trusted.issuer.clone());
        }
    }
}

/// Makes the realm so: all of it, or nothing.
async fn import(ctx: &Ctx, actor: &Actor, plan: &Plan) -> Outcome<()> {
    if plan.told.is_empty() {
        return Ok(());
    }
    let text = |told: &Value, name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let events: Vec<_> = plan
        .told
        .iter()
        .map(|told| {
            let (action, kind, id) = (text(told, "action"), text(told, "kind"), text(told, "id"));
            let fields: Vec<&str> =
                told.get("fields").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            let event = actor.changed(&format!("{kind}.import_{action}"), &id, &fields);
            if kind == "client" { event.of_client(&id) } else { event }
        })
        .collect();
    let key = base64url(&random::<24>(&mut Platform));
    if store::apply(ctx, &plan.changes, &key, &events).await? {
        if plan.changes.keys.is_some() {
            crypto::forget();
            crypto::publish(ctx).await?;
        }
        return Ok(());
    }
    let no_administrator =
        "it was changed meanwhile, or no enabled user would have the role latchkey:admin: nothing was imported";
    Err(Problem::new(Word::Conflict, no_administrator).into())
}

async fn own_keys(ctx: &Ctx) -> Outcome<Keys> {
    Ok(Keys { signing_keys: crypto::exported(ctx).await?, salts: salts::exported(ctx).await? })
}

fn wrapped(ctx: &Ctx, keys: &Keys) -> Outcome<NewKeys> {
    let signing = keys.signing_keys.iter().map(|key| crypto::to_import(ctx, key)).collect::<Option<Vec<Value>>>();
    let salts = keys.salts.iter().map(|(name, salt)| salts::to_import(ctx, name, salt)).collect::<Option<Vec<_>>>();
    let bad = || Problem::invalid(vec![Wrong::at("keys", "hold what is no key")]);
    Ok(NewKeys { signing_keys: signing.ok_or_else(bad)?, salts: salts.ok_or_else(bad)? })
}
