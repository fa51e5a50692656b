//! `sessions`: who is signed in at which browser.

use serde::Deserialize;

use super::{Db, Rows, Shards, Statement, consents, from_json, to_json, users};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::consent::Choice;
use crate::protocol::ids::{OwnedId, UserId};
use crate::protocol::session::{Session, SessionKey};
use crate::protocol::time::{Seconds, Timestamp};

/// A session that is alive, and who it belongs to.
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// The user's name on pages.
    pub name: String,
    /// Something more to tell accounts apart by: the e-mail address.
    pub detail: Option<String>,
    /// What the user is here now.
    pub roles: Vec<String>,
}

#[derive(Deserialize)]
struct Row {
    sid: String,
    auth_time: Timestamp,
    seen_at: Timestamp,
    acr: String,
    amr: String,
    enabled: i64,
    not_before: Timestamp,
    claims: String,
    roles: String,
}

/// The session, if it is alive. Its last use is written down at most every few minutes.
pub async fn alive(ctx: &Ctx, key: &SessionKey) -> Result<Option<SignedIn>, Fault> {
    let [_, rows] = Db::new(ctx, Shards::of(&key.session)).batch([touch(ctx, key), select(key)]).await?;
    parse(ctx, key, &rows)
}

/// The session, if it is alive, and what its user said to a client before: one round trip.
pub async fn alive_with_consent(ctx: &Ctx, key: &SessionKey, client: &str) -> Result<Option<(SignedIn, Option<Choice>)>, Fault> {
    let statements = [touch(ctx, key), select(key), consents::select(&key.user, client)];
    let [_, rows, consent] = Db::new(ctx, Shards::of(&key.session)).batch(statements).await?;
    let Some(signed_in) = parse(ctx, key, &rows)? else {
        return Ok(None);
    };
    Ok(Some((signed_in, consents::choice(&consent)?)))
}

fn parse(ctx: &Ctx, key: &SessionKey, rows: &Rows) -> Result<Option<SignedIn>, Fault> {
    let Some(row) = rows.first::<Row>()? else {
        return Ok(None);
    };
    let session = Session {
        user: key.user.clone(),
        id: key.session.clone(),
        sid: public_sid(row.sid, key),
        auth_time: row.auth_time,
        seen_at: row.seen_at,
        acr: row.acr,
        amr: from_json("sessions.amr", &row.amr)?,
    };
    if !session.is_alive(row.enabled != 0, row.not_before, &ctx.config, ctx.now) {
        return Ok(None);
    }
    let claims = users::claims(&row.claims)?;
    let name = users::display_name(&claims);
    let detail = users::text_claim(&claims, "email").or(users::text_claim(&claims, "preferred_username"));
    let roles = from_json("users.roles", &row.roles)?;
    Ok(Some(SignedIn { session, name, detail: detail.map(str::to_owned), roles }))
}

/// A session from before there was a `sid` is about to get one that follows from its id.
fn public_sid(sid: String, key: &SessionKey) -> String {
    if sid.is_empty() { key.session.sid() } else { sid }
}

fn select(key: &SessionKey) -> Statement {
    let sql = "SELECT s.sid, s.auth_time, s.seen_at, s.acr, s.amr, u.enabled, u.not_before, u.claims, u.roles \
               FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = ?1 AND s.id = ?2";
    Statement::new(sql, [key.user.as_str().into(), (&key.session).into()])
}

/// Notes the use of a session that is not over, when that was last done some minutes ago: often enough that
/// a session in use never goes idle. A session from before there was a `sid` gets one.
fn touch(ctx: &Ctx, key: &SessionKey) -> Statement {
    let settings = &ctx.config.settings;
    let every = Seconds(settings.session_touch.min(settings.session_idle / 2));
    let sql = "UPDATE sessions SET seen_at = ?3, sid = CASE sid WHEN '' THEN ?7 ELSE sid END \
               WHERE user_id = ?1 AND id = ?2 AND (seen_at <= ?4 OR sid = '') AND seen_at > ?5 AND auth_time > ?6";
    let parameters = [
        key.user.as_str().into(),
        (&key.session).into(),
        ctx.now.into(),
        ctx.now.minus(every).into(),
        ctx.now.minus(Seconds(settings.session_idle)).into(),
        ctx.now.minus(Seconds(settings.session_absolute)).into(),
        key.session.sid().into(),
    ];
    Statement::new(sql, parameters)
}

/// A session that is alive, as its user and administrators see it.
#[derive(Clone, Debug, Deserialize)]
pub struct Listed {
    /// Its id, which nobody is told.
    pub id: OwnedId,
    /// When the user signed in.
    pub auth_time: Timestamp,
    /// When it was last used, within some minutes.
    pub seen_at: Timestamp,
    /// Where the sign-in came from, coarsely.
    pub place: String,
}

/// The sessions of a user that are alive, the last used first; at most a thousand.
pub async fn of_user(ctx: &Ctx, user: &UserId) -> Result<Vec<Listed>, Fault> {
    let settings = &ctx.config.settings;
    let sql = "SELECT s.id, s.auth_time, s.seen_at, s.place FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = ?1 \
               AND s.auth_time > u.not_before AND s.auth_time > ?2 AND s.seen_at > ?3 ORDER BY s.seen_at DESC LIMIT 1000";
    let absolute = ctx.now.minus(Seconds(settings.session_absolute));
    let idle = ctx.now.minus(Seconds(settings.session_idle));
    Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [user.as_str().into(), absolute.into(), idle.into()])).await?.all()
}

/// Writes a new session.
pub fn insert(ctx: &Ctx, session: &Session) -> Statement {
    let sql = "INSERT INTO sessions (user_id, id, sid, auth_time, seen_at, acr, amr, place) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
               ON CONFLICT DO NOTHING";
    let parameters = [
        session.user.as_str().into(),
        (&session.id).into(),
        session.sid.as_str().into(),
        session.auth_time.into(),
        session.seen_at.into(),
        session.acr.as_str().into(),
        to_json(&session.amr).into(),
        ctx.place.as_str().into(),
    ];
    Statement::new(sql, parameters)
}

/// Ends the session of a browser, by what clients know it as: of two sign-ins at the same time only one is left.
pub fn delete(key: &SessionKey, sid: &str) -> Statement {
    let sql = "DELETE FROM sessions WHERE user_id = ?1 AND (id = ?2 OR sid = ?3)";
    Statement::new(sql, [key.user.as_str().into(), (&key.session).into(), sid.into()])
}

/// Ends some sessions of a user.
pub fn delete_these(user: &UserId, ids: &[OwnedId]) -> Statement {
    let sql = "DELETE FROM sessions WHERE user_id = ?1 AND (id IN (SELECT value FROM json_each(?2)) OR sid IN \
               (SELECT s.sid FROM sessions s WHERE s.user_id = ?1 AND s.sid <> '' AND s.id IN (SELECT value FROM json_each(?2))))";
    Statement::new(sql, [user.as_str().into(), to_json(&ids).into()])
}

/// Ends all sessions of a user.
pub fn delete_all(user: &UserId) -> Statement {
    Statement::new("DELETE FROM sessions WHERE user_id = ?1", [user.as_str().into()])
}

/// Collects sessions that ended. `limit` rows at most, so that no run is long.
pub fn purge(ended_before: Timestamp, idle_before: Timestamp, limit: u32) -> Statement {
    let sql = "DELETE FROM sessions WHERE (user_id, id) IN \
               (SELECT user_id, id FROM sessions WHERE auth_time < ?1 OR seen_at < ?2 LIMIT ?3)";
    Statement::new(sql, [ended_before.into(), idle_before.into(), limit.into()])
}
