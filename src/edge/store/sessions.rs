//! `sessions`: who is signed in at which browser.

use serde::Deserialize;

use super::{Db, Shards, Statement, from_json, to_json, users};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::ids::UserId;
use crate::protocol::session::{Session, SessionCookie};
use crate::protocol::time::{Seconds, Timestamp};

/// A session that is alive, and who it belongs to.
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// The user's name on pages.
    pub name: String,
}

#[derive(Deserialize)]
struct Row {
    auth_time: Timestamp,
    seen_at: Timestamp,
    acr: String,
    amr: String,
    enabled: i64,
    not_before: Timestamp,
    claims: String,
}

/// The session of a cookie, if it is alive. Its last use is written down at most every few minutes.
pub async fn alive(ctx: &Ctx, cookie: &SessionCookie) -> Result<Option<SignedIn>, Fault> {
    let db = Db::new(ctx, Shards::of(&cookie.session));
    let sql = "SELECT s.auth_time, s.seen_at, s.acr, s.amr, u.enabled, u.not_before, u.claims \
               FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = ?1 AND s.id = ?2";
    let key = [cookie.user.as_str().into(), (&cookie.session).into()];
    let Some(row) = db.run(Statement::new(sql, key)).await?.first::<Row>()? else {
        return Ok(None);
    };
    let session = Session {
        user: cookie.user.clone(),
        id: cookie.session.clone(),
        auth_time: row.auth_time,
        seen_at: row.seen_at,
        acr: row.acr,
        amr: from_json("sessions.amr", &row.amr)?,
    };
    if !session.is_alive(row.enabled != 0, row.not_before, &ctx.config, ctx.now) {
        return Ok(None);
    }
    // Often enough that a session in use never goes idle.
    let touch = ctx.config.settings.session_touch.min(ctx.config.settings.session_idle / 2);
    if ctx.now.since(session.seen_at) >= Seconds(touch).millis() {
        let sql = "UPDATE sessions SET seen_at = ?3 WHERE user_id = ?1 AND id = ?2 AND seen_at < ?3";
        let parameters = [cookie.user.as_str().into(), (&cookie.session).into(), ctx.now.into()];
        db.run(Statement::new(sql, parameters)).await?;
    }
    let name = users::display_name(&users::claims(&row.claims)?);
    Ok(Some(SignedIn { session, name }))
}

/// Writes a new session.
pub fn insert(session: &Session) -> Statement {
    let sql =
        "INSERT INTO sessions (user_id, id, auth_time, seen_at, acr, amr) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let parameters = [
        session.user.as_str().into(),
        (&session.id).into(),
        session.auth_time.into(),
        session.seen_at.into(),
        session.acr.as_str().into(),
        to_json(&session.amr).into(),
    ];
    Statement::new(sql, parameters)
}

/// Ends one session.
pub fn delete(cookie: &SessionCookie) -> Statement {
    Statement::new("DELETE FROM sessions WHERE user_id = ?1 AND id = ?2", [cookie.user.as_str().into(), (&cookie.session).into()])
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
