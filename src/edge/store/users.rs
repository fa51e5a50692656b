//! `users` and `logins`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::idempotency::unanswered;
use super::{Db, Exists, Rows, Shards, Statement, from_json, to_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::admin::page::Page;
use crate::protocol::admin::scopes::ADMIN;
use crate::protocol::audit::Event;
use crate::protocol::ids::{OwnedId, UserId};
use crate::protocol::time::Timestamp;

/// What a sign-in needs of a user.
pub struct LoginUser {
    /// Whose account.
    pub id: UserId,
    /// Stored password, PHC.
    pub password: String,
    /// The administrator's switch.
    pub enabled: bool,
}

/// The user with this (folded) login name.
pub async fn by_login(ctx: &Ctx, login: &str) -> Result<Option<LoginUser>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        id: UserId,
        password: String,
        enabled: i64,
    }
    let sql = "SELECT u.id, u.password, u.enabled FROM logins l JOIN users u ON u.id = l.user_id WHERE l.login = ?1";
    let row: Option<Row> = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [login.into()])).await?.first()?;
    Ok(row.map(|row| LoginUser { id: row.id, password: row.password, enabled: row.enabled != 0 }))
}

/// Voids every approval and sign-in up to `now`.
pub fn sign_out_everywhere(user: &UserId, now: Timestamp) -> Statement {
    let sql = "UPDATE users SET not_before = ?2, updated_at = ?2 WHERE id = ?1 AND not_before < ?2";
    Statement::new(sql, [user.as_str().into(), now.into()])
}

/// Claims as stored.
pub fn claims(text: &str) -> Result<Map<String, Value>, Fault> {
    from_json("users.claims", text)
}

/// What a person is called on pages: the first that there is of name, preferred_username, nickname, email.
pub fn display_name(claims: &Map<String, Value>) -> String {
    let names = ["name", "preferred_username", "nickname", "email"];
    names.into_iter().find_map(|name| text_claim(claims, name)).unwrap_or("your account").to_owned()
}

/// A claim that is a text and not empty.
pub fn text_claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A user, as an administrator sees one.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Id, and `sub`.
    pub id: UserId,
    /// The folded name that they sign in with.
    pub login: String,
    /// Claims of OpenID Connect Core 5.1.
    pub claims: Map<String, Value>,
    /// Roles.
    pub roles: Vec<String>,
    /// The administrator's switch.
    pub enabled: bool,
    /// What was approved or signed in up to here is void.
    pub not_before: Timestamp,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A row.
#[derive(Deserialize)]
pub struct UserRow {
    id: UserId,
    login: String,
    claims: String,
    roles: String,
    enabled: i64,
    not_before: Timestamp,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl UserRow {
    /// The user in it.
    pub fn parse(self) -> Result<User, Fault> {
        Ok(User {
            id: self.id,
            login: self.login,
            claims: claims(&self.claims)?,
            roles: from_json("users.roles", &self.roles)?,
            enabled: self.enabled != 0,
            not_before: self.not_before,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// What stands in the way of changing a user so that the realm has no administrator left: another one who is
/// enabled has to be there, unless this one stays (?keeps) or is none. All users are looked at only where it counts.
macro_rules! administrator_stays {
    ($id:literal, $keeps:literal) => {
        concat!(
            "(",
            $keeps,
            " = 1 OR enabled = 0 OR NOT EXISTS (SELECT 1 FROM json_each(users.roles) r WHERE r.value = 'latchkey:admin') \
             OR EXISTS (SELECT 1 FROM users o, json_each(o.roles) r WHERE o.id <> ",
            $id,
            " AND o.enabled = 1 AND r.value = 'latchkey:admin'))"
        )
    };
}

/// The users of a page whose login begins so, by login.
pub async fn list(ctx: &Ctx, prefix: &str, page: &Page) -> Result<Vec<User>, Fault> {
    let sql = "SELECT u.id, l.login, u.claims, u.roles, u.enabled, u.not_before, u.version, u.created_at, u.updated_at \
               FROM logins l JOIN users u ON u.id = l.user_id WHERE l.login > ?1 AND l.login >= ?2 AND l.login < ?3 ORDER BY l.login LIMIT ?4";
    let end = format!("{prefix}\u{10ffff}");
    let parameters = [page.after.as_str().into(), prefix.into(), end.into(), page.rows().into()];
    let rows: Vec<UserRow> = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, parameters)).await?.all()?;
    rows.into_iter().map(UserRow::parse).collect()
}

/// A user.
pub async fn by_id(ctx: &Ctx, id: &UserId) -> Result<Option<User>, Fault> {
    // The column is empty of a user whom an older seed tool wrote: those alone are looked for.
    let sql = "SELECT id, CASE login WHEN '' THEN COALESCE((SELECT l.login FROM logins l WHERE l.user_id = ?1), '') ELSE login END AS login, \
               claims, roles, enabled, not_before, version, created_at, updated_at FROM users WHERE id = ?1";
    let row: Option<UserRow> = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [id.as_str().into()])).await?.first()?;
    row.map(UserRow::parse).transpose()
}

/// Makes a user, if nobody has the login: the login, then the user.
pub fn insert(user: &User, password: &str, key: &str) -> Vec<Statement> {
    const LOGIN: &str =
        concat!("INSERT INTO logins (login, user_id) SELECT ?1, ?2 WHERE ", unanswered!("?3"), " ON CONFLICT DO NOTHING");
    let login = Statement::new(LOGIN, [user.login.as_str().into(), user.id.as_str().into(), key.into()]);
    let sql = "INSERT INTO users (id, login, password, claims, roles, enabled, not_before, version, created_at, updated_at) \
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0, 1, ?7, ?7 WHERE changes() > 0 ON CONFLICT DO NOTHING";
    let parameters = [
        user.id.as_str().into(),
        user.login.as_str().into(),
        password.into(),
        to_json(&user.claims).into(),
        to_json(&user.roles).into(),
        u32::from(user.enabled).into(),
        user.created_at.into(),
    ];
    vec![login, Statement::new(sql, parameters)]
}

/// Changes a user of this version, unless the new login is another's or the realm would be left without an
/// administrator. `before`: the login that they had. Whether it was done by this run.
pub async fn update(ctx: &Ctx, user: &User, before: &str, event: &Event) -> Result<bool, Fault> {
    const UPDATE: &str = concat!(
        "UPDATE users SET login = ?3, claims = ?4, roles = ?5, enabled = ?6, version = version + 1, updated_at = ?7 \
         WHERE id = ?1 AND version = ?2 AND EXISTS (SELECT 1 FROM logins l WHERE l.login = ?3 AND l.user_id = ?1) AND ",
        administrator_stays!("?1", "?8")
    );
    let keeps = user.enabled && user.roles.iter().any(|role| role == ADMIN);
    let update = Statement::new(
        UPDATE,
        [
            user.id.as_str().into(),
            user.version.into(),
            user.login.as_str().into(),
            to_json(&user.claims).into(),
            to_json(&user.roles).into(),
            u32::from(user.enabled).into(),
            ctx.now.into(),
            u32::from(keeps).into(),
        ],
    );
    let id = || user.id.as_str().into();
    let reserve = "INSERT INTO logins (login, user_id) SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM users WHERE id = ?2 AND version = ?3) \
                   ON CONFLICT DO NOTHING";
    // Whichever of the two is not the user's now, so also the new one where nothing came of it.
    let release =
        "DELETE FROM logins WHERE login IN (?1, ?2) AND user_id = ?3 AND login <> (SELECT login FROM users WHERE id = ?3)";
    let (mut statements, place) = (Vec::new(), usize::from(user.login != before));
    if place == 1 {
        statements.push(Statement::new(reserve, [user.login.as_str().into(), id(), user.version.into()]));
    }
    statements.push(update);
    if place == 1 {
        statements.push(Statement::new(release, [before.into(), user.login.as_str().into(), id()]));
    }
    let rows = Db::new(ctx, Shards::COMMON).record_after(place + 1, statements, event).await?;
    Ok(rows.get(place).is_some_and(|rows| rows.changes() > 0))
}

/// Deletes a user and all that is theirs, unless the realm would be left without an administrator. The rows of
/// their grants go too: every token of theirs is dead at once.
pub async fn delete(ctx: &Ctx, user: &User, event: &Event) -> Result<(), Fault> {
    const DELETE: &str = concat!("DELETE FROM users WHERE id = ?1 AND version = ?2 AND ", administrator_stays!("?1", "0"));
    let id = || user.id.as_str().into();
    let of_nobody = |sql: &'static str| Statement::new(sql, [id()]);
    let statements = vec![
        Statement::new(DELETE, [id(), user.version.into()]),
        Statement::new(
            "DELETE FROM logins WHERE login = ?2 AND user_id = ?1 AND NOT EXISTS (SELECT 1 FROM users WHERE id = ?1)",
            [id(), user.login.as_str().into()],
        ),
        of_nobody("DELETE FROM sessions WHERE user_id = ?1 AND NOT EXISTS (SELECT 1 FROM users WHERE id = ?1)"),
        of_nobody("DELETE FROM grants WHERE user_id = ?1 AND NOT EXISTS (SELECT 1 FROM users WHERE id = ?1)"),
        of_nobody("DELETE FROM redemptions WHERE user_id = ?1 AND NOT EXISTS (SELECT 1 FROM users WHERE id = ?1)"),
        of_nobody("DELETE FROM consents WHERE user_id = ?1 AND NOT EXISTS (SELECT 1 FROM users WHERE id = ?1)"),
    ];
    Db::new(ctx, Shards::COMMON).record_after(1, statements, event).await.map(drop)
}

/// A password to be.
pub struct NewPassword<'a> {
    /// PHC.
    pub hash: &'a str,
    /// Whether everything up to now is void.
    pub sign_out: bool,
    /// The session that stays all the same, for its user has just proved who they are, and the id that it gets: whoever
    /// has a copy of the cookie is out.
    pub keep: Option<(&'a OwnedId, &'a OwnedId)>,
    /// What its owner is told that happened.
    pub what: &'static str,
}

/// A change of credentials, as its owner is told.
#[derive(Clone, Debug, Deserialize)]
pub struct SecurityEvent {
    /// What.
    pub what: String,
    /// When.
    pub at: Timestamp,
    /// Where from, coarsely.
    pub place: String,
}

/// A user's security events with one more in front of them, ten at most.
macro_rules! noted {
    ($event:literal) => {
        concat!(
            "(SELECT json_group_array(json(value)) FROM (SELECT ",
            $event,
            " AS value UNION ALL SELECT value FROM (SELECT value FROM json_each(users.security_events) LIMIT 9)))"
        )
    };
}
pub(super) use noted;

/// A security event of now, as it is noted.
pub fn security_event(ctx: &Ctx, what: &str) -> String {
    serde_json::json!({ "what": what, "at": ctx.now, "place": ctx.place }).to_string()
}

/// The user and the stored password.
pub async fn with_password(ctx: &Ctx, id: &UserId) -> Result<Option<(User, String)>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        password: String,
        #[serde(flatten)]
        user: UserRow,
    }
    let sql = "SELECT password, id, login, claims, roles, enabled, not_before, version, created_at, updated_at FROM users WHERE id = ?1";
    let row: Option<Row> = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [id.as_str().into()])).await?.first()?;
    row.map(|row| Ok((row.user.parse()?, row.password))).transpose()
}

/// The last changes of a user's credentials, newest first.
pub async fn security_events(ctx: &Ctx, id: &UserId) -> Result<Vec<SecurityEvent>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        security_events: String,
    }
    let sql = "SELECT security_events FROM users WHERE id = ?1";
    let row: Option<Row> = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [id.as_str().into()])).await?.first()?;
    row.map_or(Ok(Vec::new()), |row| from_json("users.security_events", &row.security_events))
}

/// Sets the password of a user of this version, and notes that for its owner in the same row. Whether it is this password
/// now: told by what stands there, for a batch may be run twice.
pub async fn set_password(ctx: &Ctx, user: &User, new: &NewPassword<'_>, event: &Event) -> Result<bool, Fault> {
    // What was approved in this very millisecond is void too, unless it is the session that stays.
    const SQL: &str = concat!(
        "UPDATE users SET password = ?3, version = version + 1, updated_at = ?4, \
         not_before = CASE ?5 WHEN 1 THEN MAX(not_before, ?4 - ?6) ELSE not_before END, security_events = ",
        noted!("?7"),
        " WHERE id = ?1 AND version = ?2"
    );
    let id = || user.id.as_str().into();
    let parameters = [
        id(),
        user.version.into(),
        new.hash.into(),
        ctx.now.into(),
        u32::from(new.sign_out).into(),
        u32::from(new.keep.is_some()).into(),
        security_event(ctx, new.what).into(),
    ];
    let mut statements = vec![Statement::new(SQL, parameters)];
    if let Some((before, after)) = new.keep {
        let sql = "UPDATE sessions SET id = ?5, auth_time = ?3, seen_at = ?3 WHERE user_id = ?1 AND id = ?2 \
                   AND EXISTS (SELECT 1 FROM users WHERE id = ?1 AND password = ?4)";
        statements.push(Statement::new(sql, [id(), before.into(), ctx.now.into(), new.hash.into(), after.into()]));
    }
    let over = "DELETE FROM sessions WHERE user_id = ?1 AND auth_time <= (SELECT not_before FROM users WHERE id = ?1)";
    statements.push(Statement::new(over, [id()]));
    let is_it = "SELECT 1 FROM users WHERE id = ?1 AND password = ?2";
    statements.push(Statement::new(is_it, [id(), new.hash.into()]));
    let rows = Db::new(ctx, Shards::COMMON).record_after(1, statements, event).await?;
    Ok(rows.last().map(Rows::first::<Exists>).transpose()?.flatten().is_some())
}
