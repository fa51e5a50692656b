//! The end of sessions, and the clients that want to hear of it: over `sessions`, `grants`, `redemptions`,
//! `users` and `clients`.

use serde::Deserialize;

use super::clients::ClientRow;
use super::{Db, Rows, Shards, Statement, sessions, to_json, users};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::audit::Event;
use crate::protocol::client::Client;
use crate::protocol::ids::{OwnedId, UserId};

/// Every pair of a client that has a `backchannel_logout_uri` and a session (?2, or any where ?3 is 1) in
/// which it got something: by a code, or by a device, which has a session of its own. What "sign out
/// everywhere" ended before does not count.
const LISTENERS: &str = "SELECT c.*, x.sid AS heard_sid, x.id AS heard_id FROM \
     (SELECT client_id, id, sid, approved_at FROM redemptions WHERE user_id = ?1 \
      UNION ALL SELECT client_id, id, sid, approved_at FROM grants WHERE user_id = ?1) x \
     JOIN clients c ON c.id = x.client_id JOIN users u ON u.id = ?1 \
     WHERE c.enabled = 1 AND json_extract(c.metadata, '$.backchannel_logout_uri') IS NOT NULL AND x.approved_at > u.not_before \
     AND (?3 = 1 OR x.sid IN \
      (SELECT s.sid FROM sessions s WHERE s.user_id = ?1 AND s.id IN (SELECT value FROM json_each(?2)))) \
     GROUP BY x.client_id, COALESCE(x.sid, x.id)";

/// Sessions of a user that end together.
pub struct Ended {
    /// Whose.
    pub user: UserId,
    /// Which; at least one, unless all do.
    pub sessions: Vec<OwnedId>,
    /// Whether all others end too, and all that was approved up to now, devices included.
    pub everywhere: bool,
    /// What the audit log says of it.
    pub event: Event,
}

/// A client that wants to hear that a session ended.
pub struct Listener {
    /// The client.
    pub client: Client,
    /// What it knows the session by.
    pub sid: String,
}

#[derive(Deserialize)]
struct Row {
    #[serde(flatten)]
    client: ClientRow,
    heard_sid: Option<String>,
    heard_id: OwnedId,
}

/// Who wants to hear that these sessions end.
pub async fn listeners(ctx: &Ctx, ended: &Ended) -> Result<Vec<Listener>, Fault> {
    parse(&database(ctx, ended).run(select(ended)).await?)
}

/// Who wants to hear that all of a user's sessions end, with all that was approved up to now.
pub async fn listeners_of_all(ctx: &Ctx, user: &UserId) -> Result<Vec<Listener>, Fault> {
    let statement = Statement::new(LISTENERS, [user.as_str().into(), "[]".into(), 1_u32.into()]);
    parse(&Db::new(ctx, Shards::COMMON).run(statement).await?)
}

/// Ends them, and says once more who wants to hear of it: nobody comes after this.
pub async fn end(ctx: &Ctx, ended: &Ended) -> Result<Vec<Listener>, Fault> {
    let db = database(ctx, ended);
    if ended.everywhere {
        let void = users::sign_out_everywhere(&ended.user, ctx.now);
        let [listeners, ..] = db.record([select(ended), sessions::delete_all(&ended.user), void], &ended.event).await?;
        parse(&listeners)
    } else {
        let [listeners, _] =
            db.record([select(ended), sessions::delete_these(&ended.user, &ended.sessions)], &ended.event).await?;
        parse(&listeners)
    }
}

fn database<'a>(ctx: &'a Ctx, ended: &Ended) -> Db<'a> {
    Db::new(ctx, ended.sessions.first().map_or(Shards::COMMON, Shards::of))
}

fn select(ended: &Ended) -> Statement {
    let everywhere = u32::from(ended.everywhere);
    Statement::new(LISTENERS, [ended.user.as_str().into(), to_json(&ended.sessions).into(), everywhere.into()])
}

fn parse(rows: &Rows) -> Result<Vec<Listener>, Fault> {
    let listener =
        |row: Row| Ok(Listener { client: row.client.parse()?, sid: row.heard_sid.unwrap_or_else(|| row.heard_id.sid()) });
    rows.all::<Row>()?.into_iter().map(listener).collect()
}
