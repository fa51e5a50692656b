//! `grants`: one row per signed-in device and per sign-in of an app that stays signed in: the whole state of
//! its refresh family.

use serde::Deserialize;

use super::clients::ClientRow;
use super::gate::{gate, parent_alive};
use super::{Db, Rows, Shards, Statement, from_json, to_json, users};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::audit::Event;
use crate::protocol::claims::Origin;
use crate::protocol::client::Client;
use crate::protocol::device::Approval;
use crate::protocol::ids::{OwnedId, UserId};
use crate::protocol::refresh::{Family, Gate, Policy, RefreshToken, Why};
use crate::protocol::requested_claims::RequestedClaims;
use crate::protocol::scope::Scope;
use crate::protocol::time::{Seconds, Timestamp};

/// Everything about a grant, its user and its client, read in one row.
const SELECT: &str = concat!(
    "SELECT g.client_id, g.approved_scope, g.granted_scope, g.resources, g.approved_at, g.auth_time, g.acr, g.amr, g.created_at, \
     g.generation, g.rotated_at, g.revoked_at, g.grant_type, g.sid, g.requested_claims, g.attempt, 1 AS session_alive, \
     ",
    parent_alive!("g.user_id", "g.parent", "?3"),
    " AS parent_alive, \
     u.roles, u.enabled AS user_enabled, u.not_before, u.claims, \
     (SELECT x.withdrawn_at FROM consents x WHERE x.user_id = g.user_id AND x.client_id = g.client_id) AS withdrawn_at, \
     (SELECT c.enabled FROM clients c WHERE c.id = g.client_id) AS client_enabled \
     FROM grants g JOIN users u ON u.id = g.user_id WHERE g.user_id = ?1 AND g.id = ?2"
);

/// A row of `grants`, or of `redemptions` in the same form, with user, client and session.
#[derive(Deserialize)]
pub(super) struct Row {
    client_id: String,
    approved_scope: Scope,
    granted_scope: Scope,
    resources: String,
    approved_at: Timestamp,
    auth_time: Timestamp,
    acr: String,
    amr: String,
    created_at: Timestamp,
    generation: u32,
    rotated_at: Timestamp,
    revoked_at: Option<Timestamp>,
    grant_type: String,
    sid: Option<String>,
    requested_claims: String,
    attempt: String,
    session_alive: i64,
    parent_alive: i64,
    roles: String,
    user_enabled: i64,
    not_before: Timestamp,
    claims: String,
    withdrawn_at: Option<Timestamp>,
    client_enabled: Option<i64>,
}

/// A grant with what the gate says about it.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Owner.
    pub user: UserId,
    /// Id.
    pub id: OwnedId,
    /// Its table.
    pub origin: Origin,
    /// The grant type that it came by.
    pub kind: String,
    /// `sid` in its tokens: the browser session's, or a device's own.
    pub sid: String,
    /// Single claims that were asked for and approved.
    pub requested_claims: RequestedClaims,
    /// The request that inserted it.
    pub attempt: String,
    /// Whether the browser session that it ends with has ended.
    pub session_ended: bool,
    /// The refresh family.
    pub family: Family,
    /// The gate, now.
    pub gate: Gate,
    /// What the user approved.
    pub approved_scope: Scope,
    /// What the last token could have.
    pub granted_scope: Scope,
    /// Resources approved.
    pub resources: Vec<String>,
    /// When the user had signed in.
    pub auth_time: Timestamp,
    /// How.
    pub acr: String,
    /// How.
    pub amr: Vec<String>,
    /// The user's claims, as JSON.
    pub claims: String,
    /// What the user is here now.
    pub roles: Vec<String>,
    /// Whether the grant that it was exchanged from has ended.
    pub parent_ended: bool,
}

impl Grant {
    pub(super) fn parse(row: Row, user: &UserId, id: &OwnedId, origin: Origin) -> Result<Self, Fault> {
        let gate = Gate {
            user_enabled: row.user_enabled != 0,
            client_enabled: row.client_enabled.is_some_and(|enabled| enabled != 0),
            after_not_before: row.not_before < row.approved_at && row.not_before < row.auth_time,
            consented: row.withdrawn_at.is_none_or(|at| at < row.approved_at),
        };
        let family = Family {
            client: row.client_id,
            generation: row.generation,
            rotated_at: row.rotated_at,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        };
        Ok(Self {
            user: user.clone(),
            id: id.clone(),
            origin,
            kind: row.grant_type,
            sid: row.sid.unwrap_or_else(|| id.sid()),
            requested_claims: RequestedClaims::from_text(&row.requested_claims)
                .ok_or_else(|| Fault::Broken("requested_claims is malformed".to_owned()))?,
            attempt: row.attempt,
            session_ended: row.session_alive == 0,
            family,
            gate,
            approved_scope: row.approved_scope,
            granted_scope: row.granted_scope,
            resources: from_json("grants.resources", &row.resources)?,
            auth_time: row.auth_time,
            acr: row.acr,
            amr: from_json("grants.amr", &row.amr)?,
            claims: row.claims,
            roles: from_json("users.roles", &row.roles)?,
            parent_ended: row.parent_alive == 0,
        })
    }

    /// Why its tokens are not good any more, if so: revoked, the gate is shut, or its session ended.
    pub const fn refusal(&self) -> Option<Why> {
        match self.gate.refusal() {
            _ if self.family.revoked_at.is_some() || self.parent_ended => Some(Why::Revoked),
            None if self.session_ended => Some(Why::SessionEnded),
            why => why,
        }
    }
}

/// A grant and the client's row as it is now, after a batch.
pub struct Outcome {
    /// The grant, if its row exists.
    pub grant: Option<Grant>,
    /// The client, if its row exists.
    pub client: Option<Client>,
    /// Whether this batch wrote.
    pub wrote: bool,
}

impl Outcome {
    pub(super) fn parse(rows: &[Rows; 3], user: &UserId, id: &OwnedId, origin: Origin) -> Result<Self, Fault> {
        let [written, grant, client] = rows;
        Ok(Self {
            wrote: written.first::<super::Exists>()?.is_some(),
            grant: grant.first::<Row>()?.map(|row| Grant::parse(row, user, id, origin)).transpose()?,
            client: client.first::<ClientRow>()?.map(ClientRow::parse).transpose()?,
        })
    }
}

/// A grant about to be.
pub struct NewGrant<'a> {
    /// The yes it comes from.
    pub approval: &'a Approval,
    /// The client, as it was when the request was decided.
    pub client: &'a Client,
    /// What it may have now.
    pub granted_scope: &'a Scope,
    /// Resources asked for.
    pub resources: &'a [String],
    /// What its owner sees it as.
    pub name: &'a str,
    /// When it is over for certain.
    pub expires_at: Timestamp,
}

/// Inserts the grant of an approval if the gate is open, the client is still what it was and the row
/// is not there yet, and reads what is there after that. However often it is run, there is one row.
pub async fn redeem(ctx: &Ctx, new: &NewGrant<'_>) -> Result<Outcome, Fault> {
    const INSERT: &str = concat!(
        "INSERT INTO grants (user_id, id, client_id, name, approved_scope, granted_scope, resources, approved_at, auth_time, acr, amr, \
         created_at, expires_at, rotated_at, basis, place) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?12, ?15, ?16 \
         WHERE ",
        gate!("?8", "?9", "?1", "?3", "?14"),
        " ON CONFLICT DO NOTHING RETURNING id"
    );
    let approval = new.approval;
    let insert = Statement::new(
        INSERT,
        [
            approval.user.as_str().into(),
            (&approval.grant).into(),
            new.client.id.as_str().into(),
            new.name.into(),
            approval.scope.to_string().into(),
            new.granted_scope.to_string().into(),
            to_json(&new.resources).into(),
            approval.approved_at.into(),
            approval.auth_time.into(),
            approval.acr.as_str().into(),
            to_json(&approval.amr).into(),
            ctx.now.into(),
            new.expires_at.into(),
            new.client.version.into(),
            basis(ctx, new.client).into(),
            ctx.place.as_str().into(),
        ],
    );
    let statements = [insert, select(ctx, &approval.user, &approval.grant), super::clients::select(&new.client.id)];
    let rows = Db::new(ctx, Shards::of(&approval.grant)).batch(statements).await?;
    Outcome::parse(&rows, &approval.user, &approval.grant, Origin::Grant)
}

/// Advances the token's generation by one if it is current, the family is alive, the gate is open and
/// the client is still what it was; reads what is there after that.
///
/// Without `decided` it does so only on the basis of the last answer; with it, that is what is granted
/// from now on.
pub async fn rotate(
    ctx: &Ctx,
    token: &RefreshToken,
    client: &Client,
    policy: Policy,
    decided: Option<&Scope>,
) -> Result<Outcome, Fault> {
    const UPDATE: &str = concat!(
        "UPDATE grants SET generation = generation + 1, rotated_at = ?5, expires_at = MAX(expires_at, created_at + ?9), basis = ?10, \
         granted_scope = CASE WHEN ?11 = '' THEN granted_scope ELSE ?11 END \
         WHERE user_id = ?1 AND id = ?2 AND client_id = ?3 AND generation = ?4 AND revoked_at IS NULL AND created_at > ?6 AND rotated_at > ?7 \
         AND (basis = ?10 OR ?11 <> '') \
         AND ",
        parent_alive!("?1", "grants.parent", "?5"),
        " AND ",
        gate!("grants.approved_at", "grants.auth_time", "?1", "?3", "?8"),
        " RETURNING id"
    );
    let update = Statement::new(
        UPDATE,
        [
            token.user.as_str().into(),
            (&token.grant).into(),
            client.id.as_str().into(),
            token.generation.into(),
            ctx.now.into(),
            ctx.now.minus(policy.absolute).into(),
            ctx.now.minus(policy.idle).into(),
            client.version.into(),
            policy.absolute.millis().into(),
            basis(ctx, client).into(),
            decided.map(Scope::to_string).unwrap_or_default().into(),
        ],
    );
    let statements = [update, select(ctx, &token.user, &token.grant), super::clients::select(&client.id)];
    let rows = Db::new(ctx, Shards::of(&token.grant)).batch(statements).await?;
    Outcome::parse(&rows, &token.user, &token.grant, Origin::Grant)
}

/// Takes over the token's generation, which is ahead of the row, under the same conditions as a rotation. Of several at
/// once the highest stays.
pub async fn adopt(ctx: &Ctx, token: &RefreshToken, client: &Client, policy: Policy, event: &Event) -> Result<(), Fault> {
    const UPDATE: &str = concat!(
        "UPDATE grants SET generation = ?4 \
         WHERE user_id = ?1 AND id = ?2 AND client_id = ?3 AND generation < ?4 AND revoked_at IS NULL AND created_at > ?6 \
         AND rotated_at > ?7 AND ",
        parent_alive!("?1", "grants.parent", "?5"),
        " AND ",
        gate!("grants.approved_at", "grants.auth_time", "?1", "?3", "?8"),
    );
    let update = Statement::new(
        UPDATE,
        [
            token.user.as_str().into(),
            (&token.grant).into(),
            client.id.as_str().into(),
            token.generation.into(),
            ctx.now.into(),
            ctx.now.minus(policy.absolute).into(),
            ctx.now.minus(policy.idle).into(),
            client.version.into(),
        ],
    );
    Db::new(ctx, Shards::of(&token.grant)).record([update], event).await.map(drop)
}

/// What an answer is decided on besides the grant itself: this very version of the client, and the
/// realm's scopes.
pub(super) fn basis(ctx: &Ctx, client: &Client) -> String {
    format!("{} {}", client.version, ctx.config.scopes.digest())
}

/// A grant as it is now.
pub async fn by_id(ctx: &Ctx, user: &UserId, id: &OwnedId) -> Result<Option<Grant>, Fault> {
    let rows = Db::new(ctx, Shards::of(id)).run(select(ctx, user, id)).await?;
    rows.first::<Row>()?.map(|row| Grant::parse(row, user, id, Origin::Grant)).transpose()
}

/// A device that is signed in, for its owner to see.
#[derive(Clone, Debug, Deserialize)]
pub struct Listed {
    /// Its grant.
    pub id: OwnedId,
    /// What its owner sees it as.
    pub name: String,
    /// When it was allowed.
    pub approved_at: Timestamp,
    /// When it last got tokens.
    pub rotated_at: Timestamp,
}

/// The devices of an owner that are signed in, the last used first; at most a hundred.
pub async fn of_user(ctx: &Ctx, session: &OwnedId, user: &UserId) -> Result<Vec<Listed>, Fault> {
    let sql = "SELECT g.id, g.name, g.approved_at, g.rotated_at FROM grants g JOIN users u ON u.id = g.user_id \
               WHERE g.user_id = ?1 AND g.grant_type = 'urn:ietf:params:oauth:grant-type:device_code' \
               AND g.revoked_at IS NULL AND g.expires_at > ?2 AND g.approved_at > u.not_before \
               AND NOT EXISTS (SELECT 1 FROM consents x WHERE x.user_id = g.user_id AND x.client_id = g.client_id \
                AND x.withdrawn_at >= g.approved_at) \
               ORDER BY g.rotated_at DESC LIMIT 100";
    Db::new(ctx, Shards::of(session)).run(Statement::new(sql, [user.as_str().into(), ctx.now.into()])).await?.all()
}

/// A grant that is alive, as an administrator sees it.
#[derive(Clone, Debug, Deserialize)]
pub struct Alive {
    /// Its id, which nobody is told.
    pub id: OwnedId,
    /// Its client.
    pub client_id: String,
    /// What its owner sees it as.
    pub name: String,
    /// The grant type that it came by.
    pub grant_type: String,
    /// What was approved.
    pub approved_scope: Scope,
    /// When.
    pub approved_at: Timestamp,
    /// When it last got tokens.
    pub rotated_at: Timestamp,
    /// When it is over for certain.
    pub expires_at: Timestamp,
    /// Where it was collected, coarsely.
    pub place: String,
}

/// The grants of a user that are alive: devices, and apps that stay signed in; at most a thousand.
pub async fn alive(ctx: &Ctx, user: &UserId) -> Result<Vec<Alive>, Fault> {
    const SELECT: &str = concat!(
        "SELECT g.id, g.client_id, g.name, g.grant_type, g.approved_scope, g.approved_at, g.rotated_at, g.expires_at, g.place \
         FROM grants g JOIN users u ON u.id = g.user_id WHERE g.user_id = ?1 AND g.revoked_at IS NULL AND g.expires_at > ?2 \
         AND g.approved_at > u.not_before AND ",
        parent_alive!("g.user_id", "g.parent", "?2"),
        " AND NOT EXISTS (SELECT 1 FROM consents x WHERE x.user_id = g.user_id AND x.client_id = g.client_id \
           AND x.withdrawn_at >= g.approved_at) ORDER BY g.rotated_at DESC LIMIT 1000"
    );
    Db::new(ctx, Shards::COMMON).run(Statement::new(SELECT, [user.as_str().into(), ctx.now.into()])).await?.all()
}

/// Gives a grant another name.
pub async fn rename(ctx: &Ctx, user: &UserId, id: &OwnedId, name: &str, event: &Event) -> Result<(), Fault> {
    let sql = "UPDATE grants SET name = ?3 WHERE user_id = ?1 AND id = ?2 AND name <> ?3";
    let parameters = [user.as_str().into(), id.into(), name.into()];
    Db::new(ctx, Shards::of(id)).record([Statement::new(sql, parameters)], event).await.map(drop)
}

/// Revokes all grants of a user, and what their codes yielded.
pub async fn revoke_all(ctx: &Ctx, user: &UserId, why: &'static str, event: &Event) -> Result<(), Fault> {
    let redemptions = "UPDATE redemptions SET revoked_at = ?2, revoked_why = ?3 WHERE user_id = ?1 AND revoked_at IS NULL";
    let grants = "UPDATE grants SET revoked_at = ?2, revoked_why = ?3 WHERE user_id = ?1 AND revoked_at IS NULL";
    let parameters = || [user.as_str().into(), ctx.now.into(), why.into()];
    let statements = [Statement::new(redemptions, parameters()), Statement::new(grants, parameters())];
    Db::new(ctx, Shards::COMMON).record(statements, event).await.map(drop)
}

/// Ends all devices of a user.
pub async fn revoke_devices(ctx: &Ctx, user: &UserId, why: &'static str, event: &Event) -> Result<(), Fault> {
    let sql = "UPDATE grants SET revoked_at = ?2, revoked_why = ?3 WHERE user_id = ?1 AND revoked_at IS NULL \
               AND grant_type = 'urn:ietf:params:oauth:grant-type:device_code'";
    let parameters = [user.as_str().into(), ctx.now.into(), why.into()];
    Db::new(ctx, Shards::COMMON).record([Statement::new(sql, parameters)], event).await.map(drop)
}

/// Revokes a grant for good, and notes that with it.
pub async fn revoke(ctx: &Ctx, user: &UserId, id: &OwnedId, why: &'static str, event: &Event) -> Result<(), Fault> {
    let sql = "UPDATE grants SET revoked_at = ?3, revoked_why = ?4 WHERE user_id = ?1 AND id = ?2 AND revoked_at IS NULL";
    let parameters = [user.as_str().into(), id.into(), ctx.now.into(), why.into()];
    Db::new(ctx, Shards::of(id)).record([Statement::new(sql, parameters)], event).await.map(drop)
}

/// Revokes a grant whether its row is there already or is about to be inserted by a poll that is
/// under way: the tombstone makes that insert a conflict.
pub async fn revoke_or_bury(ctx: &Ctx, user: &UserId, id: &OwnedId, client: &str, event: &Event) -> Result<(), Fault> {
    let sql = "INSERT INTO grants (user_id, id, client_id, name, approved_scope, granted_scope, resources, approved_at, auth_time, acr, amr, \
               created_at, expires_at, rotated_at, basis, revoked_at, revoked_why) \
               VALUES (?1, ?2, ?3, '', '', '', '[]', ?4, ?4, '', '[]', ?4, ?5, ?4, '', ?4, 'undone') \
               ON CONFLICT (user_id, id) DO UPDATE SET revoked_at = ?4, revoked_why = 'undone' WHERE revoked_at IS NULL";
    let parameters = [user.as_str().into(), id.into(), client.into(), ctx.now.into(), ctx.now.plus(Seconds(86_400)).into()];
    Db::new(ctx, Shards::of(id)).record([Statement::new(sql, parameters)], event).await.map(drop)
}

/// Collects grants that ended before an instant. `limit` rows at most.
pub fn purge(ended_before: Timestamp, limit: u32) -> Statement {
    let sql = "DELETE FROM grants WHERE (user_id, id) IN \
               (SELECT user_id, id FROM grants WHERE expires_at < ?1 OR revoked_at < ?1 LIMIT ?2)";
    Statement::new(sql, [ended_before.into(), limit.into()])
}

pub(super) fn select(ctx: &Ctx, user: &UserId, id: &OwnedId) -> Statement {
    Statement::new(SELECT, [user.as_str().into(), id.into(), ctx.now.into()])
}

/// The claims of a grant's user.
pub fn user_claims(grant: &Grant) -> Result<serde_json::Map<String, serde_json::Value>, Fault> {
    users::claims(&grant.claims)
}
