//! The redemption of authorization codes: one row each, in `grants` when it yields a refresh token, else in
//! `redemptions`, where it ends with its browser session.

use super::gate::gate;
use super::grants::{self, Grant, Outcome, Row};
use super::{Db, Shards, Statement, to_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::audit::Event;
use crate::protocol::claims::Origin;
use crate::protocol::client::{AUTHORIZATION_CODE, Client};
use crate::protocol::code::AuthorizationCode;
use crate::protocol::ids::{OwnedId, UserId};
use crate::protocol::scope::Scope;
use crate::protocol::time::{Seconds, Timestamp};

/// A row of `redemptions` in the form of one of `grants`, with its user, client and session.
const SELECT: &str = "SELECT r.client_id, r.approved_scope, r.approved_scope AS granted_scope, '[]' AS resources, r.approved_at, r.auth_time, r.acr, \
     r.amr, r.created_at, 0 AS generation, r.created_at AS rotated_at, r.revoked_at, 'authorization_code' AS grant_type, r.sid, \
     r.requested_claims, r.attempt, 1 AS parent_alive, u.roles, u.enabled AS user_enabled, u.not_before, u.claims, \
     EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = r.user_id AND s.sid = r.sid AND s.auth_time > ?3 AND s.seen_at > ?4) AS session_alive, \
     (SELECT x.withdrawn_at FROM consents x WHERE x.user_id = r.user_id AND x.client_id = r.client_id) AS withdrawn_at, \
     (SELECT c.enabled FROM clients c WHERE c.id = r.client_id) AS client_enabled \
     FROM redemptions r JOIN users u ON u.id = r.user_id WHERE r.user_id = ?1 AND r.id = ?2";

/// A code about to be redeemed.
pub struct Redemption<'a> {
    /// The code: everything about it is right.
    pub code: &'a AuthorizationCode,
    /// The client, as it was when the request was decided.
    pub client: &'a Client,
    /// What it may have now.
    pub scope: &'a Scope,
    /// This request: what tells our own second try from a replay.
    pub attempt: &'a str,
    /// When the row may be counted as ended.
    pub expires_at: Timestamp,
}

/// Inserts the row of a code if its session is alive, the gate is open, the client is still what it was and
/// the row is not there yet; reads what is there after that.
///
/// `auth_time`, `acr` and `amr` come from the session's row, nowhere else.
pub async fn redeem(ctx: &Ctx, new: &Redemption<'_>) -> Result<Outcome, Fault> {
    const GRANT: &str = concat!(
        "INSERT INTO grants (user_id, id, client_id, name, approved_scope, granted_scope, resources, approved_at, auth_time, acr, amr, \
         created_at, expires_at, rotated_at, basis, grant_type, sid, requested_claims, attempt, place) \
         SELECT ?1, ?2, ?3, ?13, ?4, ?14, ?15, ?5, s.auth_time, s.acr, s.amr, ?6, ?7, ?6, ?16, ?17, s.sid, ?8, ?9, s.place \
         FROM sessions s WHERE s.user_id = ?1 AND s.sid = ?10 AND s.auth_time > ?11 AND s.seen_at > ?12 AND ",
        gate!("?5", "s.auth_time", "?1", "?3", "?18"),
        " ON CONFLICT DO NOTHING RETURNING id"
    );
    const REDEMPTION: &str = concat!(
        "INSERT INTO redemptions (user_id, id, client_id, approved_scope, approved_at, auth_time, acr, amr, created_at, expires_at, \
         requested_claims, attempt, sid) \
         SELECT ?1, ?2, ?3, ?4, ?5, s.auth_time, s.acr, s.amr, ?6, ?7, ?8, ?9, s.sid \
         FROM sessions s WHERE s.user_id = ?1 AND s.sid = ?10 AND s.auth_time > ?11 AND s.seen_at > ?12 AND ",
        gate!("?5", "s.auth_time", "?1", "?3", "?13"),
        " ON CONFLICT DO NOTHING RETURNING id"
    );
    let (code, client) = (new.code, new.client);
    let [absolute, idle] = ended_before(ctx);
    let common = [
        code.user.as_str().into(),
        (&code.id).into(),
        client.id.as_str().into(),
        code.scope.to_string().into(),
        code.made_at.into(),
        ctx.now.into(),
        new.expires_at.into(),
        code.claims.to_text().into(),
        new.attempt.into(),
        code.sid.as_str().into(),
        absolute.into(),
        idle.into(),
    ];
    let insert = match code.origin() {
        Origin::Grant => {
            let more = [
                client.metadata.client_name.as_str().into(),
                new.scope.to_string().into(),
                to_json(&code.resources).into(),
                grants::basis(ctx, client).into(),
                AUTHORIZATION_CODE.into(),
                client.version.into(),
            ];
            Statement::new(GRANT, common.into_iter().chain(more))
        }
        Origin::Redemption => Statement::new(REDEMPTION, common.into_iter().chain([client.version.into()])),
    };
    let statements = [insert, select(ctx, &code.user, &code.id, code.origin()), super::clients::select(&client.id)];
    let rows = Db::new(ctx, Shards::of(&code.id)).batch(statements).await?;
    Outcome::parse(&rows, &code.user, &code.id, code.origin())
}

/// What an access token comes from, as it is now.
pub async fn by_id(ctx: &Ctx, user: &UserId, id: &OwnedId, origin: Origin) -> Result<Option<Grant>, Fault> {
    let rows = Db::new(ctx, Shards::of(id)).run(select(ctx, user, id, origin)).await?;
    rows.first::<Row>()?.map(|row| Grant::parse(row, user, id, origin)).transpose()
}

/// Revokes what a code or an access token stands for, if its row is there; its tokens stop working.
pub async fn revoke(
    ctx: &Ctx,
    user: &UserId,
    id: &OwnedId,
    origin: Origin,
    why: &'static str,
    event: &Event,
) -> Result<(), Fault> {
    if origin == Origin::Grant {
        return grants::revoke(ctx, user, id, why, event).await;
    }
    let sql = "UPDATE redemptions SET revoked_at = ?3, revoked_why = ?4 WHERE user_id = ?1 AND id = ?2 AND revoked_at IS NULL";
    let parameters = [user.as_str().into(), id.into(), ctx.now.into(), why.into()];
    Db::new(ctx, Shards::of(id)).record([Statement::new(sql, parameters)], event).await.map(drop)
}

/// Collects redemptions that ended before an instant. `limit` rows at most.
pub fn purge(ended_before: Timestamp, limit: u32) -> Statement {
    let sql = "DELETE FROM redemptions WHERE (user_id, id) IN \
               (SELECT user_id, id FROM redemptions WHERE expires_at < ?1 LIMIT ?2)";
    Statement::new(sql, [ended_before.into(), limit.into()])
}

fn select(ctx: &Ctx, user: &UserId, id: &OwnedId, origin: Origin) -> Statement {
    match origin {
        Origin::Grant => grants::select(ctx, user, id),
        Origin::Redemption => {
            let [absolute, idle] = ended_before(ctx);
            Statement::new(SELECT, [user.as_str().into(), id.into(), absolute.into(), idle.into()])
        }
    }
}

/// Sessions that began, or were last seen, at or before these instants are over.
fn ended_before(ctx: &Ctx) -> [Timestamp; 2] {
    let settings = &ctx.config.settings;
    [settings.session_absolute, settings.session_idle].map(|life| ctx.now.minus(Seconds(life)))
}
