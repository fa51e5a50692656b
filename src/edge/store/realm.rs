//! A realm's clients, users, roles and trusted issuers at once: read for a document, and written by one batch.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::client_registry::{self, Listed};
use super::idempotency::unanswered;
use super::users::User;
use super::{Db, Exists, Parameter, Shards, Statement, clients, roles, to_json, trusted_issuers, users};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::admin::page::Page;
use crate::protocol::audit::Event;
use crate::protocol::ids::UserId;
use crate::protocol::time::Seconds;
use crate::protocol::trust::TrustedIssuer;

/// Whether something hangs on the realm's keys and salts.
macro_rules! used {
    () => {
        "EXISTS (SELECT 1 FROM secrets) OR EXISTS (SELECT 1 FROM grants WHERE client_id <> 'latchkey-cli')"
    };
}

/// Rows of a collection that are read at once.
const PAGE: u32 = 1_000;

/// A user and the stored password.
#[derive(Clone, Debug)]
pub struct WithPassword {
    /// The user.
    pub user: User,
    /// PHC.
    pub password: String,
}

/// What there is.
#[derive(Debug, Default)]
pub struct Realm {
    /// All clients.
    pub clients: Vec<Listed>,
    /// The users that were asked for.
    pub users: Vec<WithPassword>,
    /// All roles that are not built in.
    pub roles: Vec<roles::Role>,
    /// All trusted issuers.
    pub issuers: Vec<TrustedIssuer>,
}

/// Reads everything but users.
pub async fn read(ctx: &Ctx) -> Result<Realm, Fault> {
    let mut realm = Realm::default();
    let mut page = Page { limit: PAGE, after: String::new() };
    loop {
        let mut clients = client_registry::list(ctx, &page).await?;
        let has_more = clients.len() > PAGE as usize;
        clients.truncate(PAGE as usize);
        page.after = clients.last().map(|listed| listed.client.id.clone()).unwrap_or_default();
        realm.clients.extend(clients);
        if !has_more {
            break;
        }
    }
    realm.roles = roles::list(ctx, &Page { limit: 100_000, after: String::new() }).await?;
    realm.issuers = trusted_issuers::all(ctx).await?;
    Ok(realm)
}

/// The users of these logins.
pub async fn users_of(ctx: &Ctx, logins: &[&str]) -> Result<Vec<WithPassword>, Fault> {
    let sql = "SELECT u.password, u.id, l.login, u.claims, u.roles, u.enabled, u.not_before, u.version, u.created_at, u.updated_at \
               FROM json_each(?1) e JOIN logins l ON l.login = e.value JOIN users u ON u.id = l.user_id";
    with_passwords(ctx, Statement::new(sql, [to_json(&logins).into()])).await
}

/// Which of these ids somebody has.
pub async fn owners(ctx: &Ctx, ids: &[&UserId]) -> Result<Vec<UserId>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        id: UserId,
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT id FROM users WHERE id IN (SELECT value FROM json_each(?1))";
    let rows: Vec<Row> = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [to_json(&ids).into()])).await?.all()?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Which of the roles that go somebody has, once the users are changed. All users are looked at.
pub async fn had_roles(ctx: &Ctx, changes: &Changes) -> Result<Vec<String>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        role: String,
    }
    if changes.gone_roles.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT DISTINCT r.value AS role FROM users u, json_each(u.roles) r \
               WHERE r.value IN (SELECT value FROM json_each(?1)) AND u.id NOT IN (SELECT value FROM json_each(?2))";
    let redone: Vec<&UserId> = changes.users.iter().map(|user| &user.user.id).collect();
    let parameters = [to_json(&changes.gone_roles).into(), to_json(&redone).into()];
    let rows: Vec<Row> = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, parameters)).await?.all()?;
    let mut roles: BTreeSet<String> = rows.into_iter().map(|row| row.role).collect();
    let kept = changes.users.iter().flat_map(|user| &user.user.roles);
    roles.extend(kept.filter(|role| changes.gone_roles.contains(role)).cloned());
    Ok(roles.into_iter().collect())
}

/// All users, by login, after one; at most a page.
pub async fn users_after(ctx: &Ctx, login: &str) -> Result<Vec<WithPassword>, Fault> {
    let sql = "SELECT u.password, u.id, l.login, u.claims, u.roles, u.enabled, u.not_before, u.version, u.created_at, u.updated_at \
               FROM logins l JOIN users u ON u.id = l.user_id WHERE l.login > ?1 ORDER BY l.login LIMIT ?2";
    with_passwords(ctx, Statement::new(sql, [login.into(), PAGE.into()])).await
}

async fn with_passwords(ctx: &Ctx, statement: Statement) -> Result<Vec<WithPassword>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        password: String,
        #[serde(flatten)]
        user: users::UserRow,
    }
    let rows: Vec<Row> = Db::new(ctx, Shards::COMMON).run(statement).await?.all()?;
    rows.into_iter().map(|row| Ok(WithPassword { user: row.user.parse()?, password: row.password })).collect()
}

/// What is written.
#[derive(Debug, Default)]
pub struct Changes {
    /// Clients that are made or changed; of one that is changed, the version that it has.
    pub clients: Vec<Listed>,
    /// Clients that go.
    pub gone_clients: Vec<String>,
    /// Users that are made (version 0) or changed.
    pub users: Vec<WithPassword>,
    /// Roles that are made (version 0) or changed.
    pub roles: Vec<roles::Role>,
    /// Roles that go.
    pub gone_roles: Vec<String>,
    /// Trusted issuers that are made (version 0) or changed.
    pub issuers: Vec<TrustedIssuer>,
    /// Trusted issuers that go.
    pub gone_issuers: Vec<String>,
    /// What takes the place of all keys and salts that there are.
    pub keys: Option<NewKeys>,
    /// The versions that all of these, and what goes, have now; 0: it is not there.
    pub versions: Versions,
}

/// Keys and salts of another realm.
#[derive(Debug)]
pub struct NewKeys {
    /// Signing keys, each as the members of its row.
    pub signing_keys: Vec<Value>,
    /// Salts by name, wrapped.
    pub salts: Vec<(String, String)>,
}

/// Versions by id.
#[derive(Debug, Default)]
pub struct Versions {
    /// Of clients.
    pub clients: serde_json::Map<String, Value>,
    /// Of roles.
    pub roles: serde_json::Map<String, Value>,
    /// Of trusted issuers.
    pub issuers: serde_json::Map<String, Value>,
}

/// Writes all of it, or nothing: whether it was written. It is not when anything was changed since it was read, not when
/// somebody has a role that goes, and not when the realm would be left without an administrator. `key` names the attempt: run twice, it is done once.
pub async fn apply(ctx: &Ctx, changes: &Changes, key: &str, events: &[Event]) -> Result<bool, Fault> {
    let mut statements = vec![guard(changes, key)];
    statements.extend(upserts(ctx, changes, key));
    statements.extend(removals(ctx, changes, key));
    if let Some(keys) = &changes.keys {
        statements.extend(replaced_keys(keys, key));
    }
    if !changes.gone_roles.is_empty() {
        let had = "SELECT CASE WHEN EXISTS (SELECT 1 FROM users u, json_each(u.roles) r JOIN json_each(?1) gone ON gone.value = r.value) \
                   THEN json('somebody has the role') ELSE 1 END";
        statements.push(Statement::new(had, [to_json(&changes.gone_roles).into()]));
    }
    let kept = "INSERT INTO idempotency (key, request, answer, expires_at) VALUES (?1, '', '', ?2) ON CONFLICT DO NOTHING";
    statements.push(Statement::new(kept, [key.into(), ctx.now.plus(Seconds(86_400)).into()]));
    // Fails, and takes all of it back.
    let administered = "SELECT CASE WHEN EXISTS (SELECT 1 FROM users u, json_each(u.roles) r WHERE r.value = 'latchkey:admin' \
                        AND u.enabled = 1) THEN 1 ELSE json('no administrator') END";
    statements.push(Statement::new(administered, []));
    let db = Db::new(ctx, Shards::COMMON);
    let outcome = db.record_each(statements, events).await;
    for listed in &changes.clients {
        clients::forget(&listed.client.id);
    }
    changes.gone_clients.iter().for_each(|id| clients::forget(id));
    trusted_issuers::forget_all();
    let error = match outcome {
        Ok(()) => return Ok(true),
        Err(error) => error,
    };
    let is_there = Statement::new("SELECT 1 FROM idempotency WHERE key = ?1", [key.into()]);
    if db.run(is_there).await?.first::<Exists>()?.is_some() {
        return Ok(true);
    }
    // What our guards say no with.
    if error.detail().contains("malformed JSON") { Ok(false) } else { Err(error) }
}

/// Fails, and with it the batch, unless everything still has the version that it was read in, and nothing hangs on keys
/// that are replaced.
fn guard(changes: &Changes, key: &str) -> Statement {
    const SQL: &str = concat!(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM idempotency WHERE key = ?1) OR NOT EXISTS ( \
        SELECT 1 FROM json_each(?2) e LEFT JOIN clients t ON t.id = e.key WHERE COALESCE(t.version, 0) <> e.value UNION ALL \
        SELECT 1 FROM json_each(?3) e LEFT JOIN logins l ON l.login = (e.value ->> 'login') LEFT JOIN users t ON t.id = l.user_id \
            LEFT JOIN users o ON o.id = (e.value ->> 'id') \
            WHERE COALESCE(t.version, 0) <> (e.value ->> 'version') OR COALESCE(o.version, 0) <> (e.value ->> 'version') UNION ALL \
        SELECT 1 FROM json_each(?4) e LEFT JOIN roles t ON t.name = e.key WHERE COALESCE(t.version, 0) <> e.value UNION ALL \
        SELECT 1 FROM json_each(?5) e LEFT JOIN trusted_issuers t ON t.issuer = e.key WHERE COALESCE(t.version, 0) <> e.value \
        UNION ALL SELECT 1 WHERE ?6 = 1 AND (",
        used!(),
        ")) THEN 1 ELSE json('changed meanwhile') END"
    );
    let Versions { clients, roles, issuers } = &changes.versions;
    let [clients, roles, issuers] = [clients, roles, issuers].map(|versions| Parameter::from(to_json(versions)));
    // By login and by id: both have to lead to the same user, or to none.
    let users = changes
        .users
        .iter()
        .map(|WithPassword { user, .. }| json!({ "login": user.login, "id": user.id, "version": user.version }));
    let users: Vec<Value> = users.collect();
    let replaces_keys = u32::from(changes.keys.is_some());
    Statement::new(SQL, [key.into(), clients, to_json(&users).into(), roles, issuers, replaces_keys.into()])
}

fn upserts(ctx: &Ctx, changes: &Changes, key: &str) -> Vec<Statement> {
    const CLIENTS: &str = concat!(
        "INSERT INTO clients (id, metadata, secrets, enabled, version, created_at, origin) \
         SELECT e.value ->> 'id', e.value ->> 'metadata', e.value ->> 'secrets', e.value ->> 'enabled', ?2, ?2, 'operator' \
         FROM json_each(?1) e WHERE ",
        unanswered!("?3"),
        " ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata, secrets = excluded.secrets, enabled = excluded.enabled, \
         version = clients.version + 1"
    );
    const LOGINS: &str = concat!(
        "INSERT INTO logins (login, user_id) SELECT e.value ->> 'login', e.value ->> 'id' FROM json_each(?1) e WHERE ",
        unanswered!("?2"),
        " ON CONFLICT DO NOTHING"
    );
    const USERS: &str = concat!(
        "INSERT INTO users (id, login, password, claims, roles, enabled, not_before, version, created_at, updated_at) \
         SELECT e.value ->> 'id', e.value ->> 'login', e.value ->> 'password', e.value ->> 'claims', e.value ->> 'roles', \
         e.value ->> 'enabled', 0, 1, ?2, ?2 FROM json_each(?1) e WHERE ",
        unanswered!("?3"),
        " ON CONFLICT (id) DO UPDATE SET password = excluded.password, claims = excluded.claims, roles = excluded.roles, \
         enabled = excluded.enabled, version = users.version + 1, updated_at = excluded.updated_at, \
         security_events = CASE excluded.password WHEN users.password THEN users.security_events ELSE ",
        users::noted!("?4"),
        " END"
    );
    const ROLES: &str = concat!(
        "INSERT INTO roles (name, description, version, created_at) \
         SELECT e.value ->> 'name', e.value ->> 'description', 1, ?2 FROM json_each(?1) e WHERE ",
        unanswered!("?3"),
        " ON CONFLICT (name) DO UPDATE SET description = excluded.description, version = roles.version + 1"
    );
    const ISSUERS: &str = concat!(
        "INSERT INTO trusted_issuers (issuer, settings, enabled, created_at) \
         SELECT e.value ->> 'issuer', e.value ->> 'settings', e.value ->> 'enabled', ?2 FROM json_each(?1) e WHERE ",
        unanswered!("?3"),
        " ON CONFLICT (issuer) DO UPDATE SET settings = excluded.settings, enabled = excluded.enabled, \
         version = trusted_issuers.version + 1"
    );
    let clients = changes.clients.iter().map(|Listed { client, .. }| {
        json!({ "id": client.id, "metadata": to_json(&client.metadata), "secrets": to_json(&client.secrets),
            "enabled": u32::from(client.enabled) })
    });
    let users = changes.users.iter().map(|WithPassword { user, password }| {
        json!({ "id": user.id, "login": user.login, "password": password, "claims": to_json(&user.claims),
            "roles": to_json(&user.roles), "enabled": u32::from(user.enabled) })
    });
    let roles = changes.roles.iter().map(|role| json!({ "name": role.name, "description": role.description }));
    let issuers = changes.issuers.iter().map(|trusted| {
        json!({ "issuer": trusted.issuer, "settings": to_json(&trusted.settings), "enabled": u32::from(trusted.enabled) })
    });
    let (clients, users): (Vec<Value>, Vec<Value>) = (clients.collect(), users.collect());
    let (roles, issuers): (Vec<Value>, Vec<Value>) = (roles.collect(), issuers.collect());
    let mut statements = Vec::new();
    for (sql, rows) in [(CLIENTS, &clients), (USERS, &users), (ROLES, &roles), (ISSUERS, &issuers)] {
        if rows.is_empty() {
            continue;
        }
        if sql == USERS {
            statements.push(Statement::new(LOGINS, [to_json(rows).into(), key.into()]));
        }
        let mut parameters = vec![to_json(rows).into(), ctx.now.into(), key.into()];
        if sql == USERS {
            // Its owner is told that somebody else set the password.
            parameters.push(users::security_event(ctx, "password_set").into());
        }
        statements.push(Statement::new(sql, parameters));
    }
    statements
}

fn removals(ctx: &Ctx, changes: &Changes, key: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut each = |sql: &'static [&'static str], ids: &[String]| {
        if !ids.is_empty() {
            statements.extend(sql.iter().map(|sql| Statement::new(sql, [to_json(&ids).into(), key.into(), ctx.now.into()])));
        }
    };
    each(
        &[
            concat!(
                "UPDATE grants SET revoked_at = ?3, revoked_why = 'client deleted' \
                 WHERE client_id IN (SELECT value FROM json_each(?1)) AND revoked_at IS NULL AND ",
                unanswered!("?2")
            ),
            concat!(
                "UPDATE redemptions SET revoked_at = ?3, revoked_why = 'client deleted' \
                 WHERE client_id IN (SELECT value FROM json_each(?1)) AND revoked_at IS NULL AND ",
                unanswered!("?2")
            ),
            concat!(
                "UPDATE consents SET withdrawn_at = ?3, choice = '' WHERE client_id IN (SELECT value FROM json_each(?1)) AND ",
                unanswered!("?2")
            ),
            concat!(
                "DELETE FROM pushed_requests WHERE ?3 > 0 AND client_id IN (SELECT value FROM json_each(?1)) AND ",
                unanswered!("?2")
            ),
            concat!("DELETE FROM clients WHERE ?3 > 0 AND id IN (SELECT value FROM json_each(?1)) AND ", unanswered!("?2")),
        ],
        &changes.gone_clients,
    );
    each(
        &[concat!("DELETE FROM roles WHERE ?3 > 0 AND name IN (SELECT value FROM json_each(?1)) AND ", unanswered!("?2"))],
        &changes.gone_roles,
    );
    each(
        &[concat!(
            "DELETE FROM trusted_issuers WHERE ?3 > 0 AND issuer IN (SELECT value FROM json_each(?1)) AND ",
            unanswered!("?2")
        )],
        &changes.gone_issuers,
    );
    statements
}

fn replaced_keys(NewKeys { signing_keys, salts }: &NewKeys, key: &str) -> [Statement; 4] {
    const KEYS: &str = concat!(
        "INSERT INTO signing_keys (alg, number, kid, public_jwk, wrapped, publish, sign_from, sign_until, remove_at) \
         SELECT e.value ->> 'alg', e.value ->> 'number', e.value ->> 'kid', e.value ->> 'public_jwk', e.value ->> 'wrapped', \
         e.value ->> 'publish', e.value ->> 'sign_from', e.value ->> 'sign_until', e.value ->> 'remove_at' FROM json_each(?1) e WHERE ",
        unanswered!("?2"),
        " ON CONFLICT DO NOTHING"
    );
    const SALTS: &str = concat!(
        "INSERT INTO secrets (name, wrapped) SELECT e.value ->> 0, e.value ->> 1 FROM json_each(?1) e WHERE ",
        unanswered!("?2"),
        " ON CONFLICT DO NOTHING"
    );
    [
        Statement::new(concat!("DELETE FROM signing_keys WHERE ", unanswered!("?1")), [key.into()]),
        Statement::new(concat!("DELETE FROM secrets WHERE ", unanswered!("?1")), [key.into()]),
        Statement::new(KEYS, [to_json(signing_keys).into(), key.into()]),
        Statement::new(SALTS, [to_json(salts).into(), key.into()]),
    ]
}

/// Whether anybody has, or had, anything that hangs on the realm's keys and salts: devices, apps, salts.
pub async fn is_used(ctx: &Ctx) -> Result<bool, Fault> {
    const SQL: &str = concat!("SELECT 1 WHERE ", used!());
    Ok(Db::new(ctx, Shards::COMMON).run(Statement::new(SQL, [])).await?.first::<Exists>()?.is_some())
}
