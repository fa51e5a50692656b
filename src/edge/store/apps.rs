//! The apps that a user lets use the account: one for each client, however many sign-ins there are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::gate::parent_alive;
use super::{Db, Shards, Statement, consents, from_json, to_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::audit::Event;
use crate::protocol::consent::Choice;
use crate::protocol::ids::{OwnedId, UserId};
use crate::protocol::time::Timestamp;

/// An app, for its user to see.
#[derive(Clone, Debug, Deserialize)]
pub struct App {
    /// Its client.
    pub client_id: String,
    /// The client's name.
    pub name: String,
    /// The client's logo.
    pub logo: Option<String>,
    /// When it was allowed.
    pub since: Timestamp,
    /// When it last got tokens on its own.
    pub used_at: Option<Timestamp>,
}

/// The apps of a user, by consent and by grants that are alive; at most a hundred.
pub async fn of_user(ctx: &Ctx, session: &OwnedId, user: &UserId) -> Result<Vec<App>, Fault> {
    const SELECT: &str = concat!(
        "SELECT a.client_id, json_extract(c.metadata, '$.client_name') AS name, json_extract(c.metadata, '$.logo_uri') AS logo, \
               MIN(a.since) AS since, MAX(a.used_at) AS used_at FROM \
               (SELECT client_id, given_at AS since, NULL AS used_at FROM consents \
                WHERE user_id = ?1 AND choice <> '' AND (withdrawn_at IS NULL OR withdrawn_at < given_at) \
                UNION ALL \
                SELECT g.client_id, g.approved_at, g.rotated_at FROM grants g JOIN users u ON u.id = g.user_id \
                WHERE g.user_id = ?1 AND g.grant_type <> 'urn:ietf:params:oauth:grant-type:device_code' AND g.revoked_at IS NULL AND g.expires_at > ?2 \
                AND g.approved_at > u.not_before AND ",
        parent_alive!("g.user_id", "g.parent", "?2"),
        " AND NOT EXISTS (SELECT 1 FROM consents x WHERE x.user_id = g.user_id AND x.client_id = g.client_id \
                 AND x.withdrawn_at >= g.approved_at)) a \
               JOIN clients c ON c.id = a.client_id GROUP BY a.client_id ORDER BY name LIMIT 100"
    );
    Db::new(ctx, Shards::of(session)).run(Statement::new(SELECT, [user.as_str().into(), ctx.now.into()])).await?.all()
}

/// Names of clients by id.
pub async fn names(ctx: &Ctx, clients: impl Iterator<Item = &str>) -> Result<BTreeMap<String, String>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        id: String,
        name: String,
    }
    let ids: BTreeSet<&str> = clients.collect();
    let sql =
        "SELECT id, json_extract(metadata, '$.client_name') AS name FROM clients WHERE id IN (SELECT value FROM json_each(?1))";
    let rows = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [to_json(&ids).into()])).await?;
    Ok(rows.all::<Row>()?.into_iter().map(|row| (row.id, row.name)).collect())
}

/// What a user allowed apps, by client: scopes that are remembered.
pub async fn allowed(ctx: &Ctx, user: &UserId) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        client_id: String,
        choice: String,
    }
    let sql = "SELECT client_id, choice FROM consents WHERE user_id = ?1 AND choice <> '' AND (withdrawn_at IS NULL OR withdrawn_at < given_at)";
    let rows = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [user.as_str().into()])).await?;
    let allowed = |row: Row| {
        let choice: Choice = from_json("consents.choice", &row.choice)?;
        Ok((row.client_id, choice.allowed.iter().map(str::to_owned).collect()))
    };
    rows.all::<Row>()?.into_iter().map(allowed).collect()
}

/// Disconnects an app: the consent is taken back, which voids all that was approved for it up to now, and
/// what is signed in ends.
pub async fn end(ctx: &Ctx, session: &OwnedId, user: &UserId, client: &str, event: &Event) -> Result<(), Fault> {
    let key = || [user.as_str().into(), client.into(), ctx.now.into()];
    let grants = "UPDATE grants SET revoked_at = ?3, revoked_why = 'app disconnected' \
                  WHERE user_id = ?1 AND client_id = ?2 AND grant_type <> 'urn:ietf:params:oauth:grant-type:device_code' AND revoked_at IS NULL";
    let redemptions = "UPDATE redemptions SET revoked_at = ?3, revoked_why = 'app disconnected' \
                       WHERE user_id = ?1 AND client_id = ?2 AND revoked_at IS NULL AND expires_at > ?3";
    // The consent last: whether there was something to end is in it.
    let statements =
        [Statement::new(grants, key()), Statement::new(redemptions, key()), consents::withdraw(user, client, ctx.now)];
    Db::new(ctx, Shards::of(session)).record(statements, event).await.map(drop)
}
