//! Grants that come from another grant by token exchange (RFC 8693): rows of `grants` with a parent.

use serde::Deserialize;

use super::gate::gate;
use super::grants::{Grant, basis};
use super::{Db, Shards, Statement, to_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::client::{Client, TOKEN_EXCHANGE};
use crate::protocol::ids::OwnedId;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// A grant about to be.
pub struct Exchanged<'a> {
    /// The grant that it comes from, and ends with.
    pub parent: &'a Grant,
    /// Its id.
    pub id: &'a OwnedId,
    /// Whose it is, as it was when the request was decided.
    pub client: &'a Client,
    /// What it may have.
    pub scope: &'a Scope,
    /// For which resources.
    pub resources: &'a [String],
}

/// Inserts it if its parent is alive, the gate is open and the client is still what it was; when it ends, if it
/// is there after that. It never lasts longer than its parent, which is of a sign-in: whoever ends that ends all
/// that came of it, and nothing is to be looked for further up.
pub async fn insert(ctx: &Ctx, new: &Exchanged<'_>) -> Result<Option<Timestamp>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        expires_at: Timestamp,
    }
    const INSERT: &str = concat!(
        "INSERT INTO grants (user_id, id, client_id, name, approved_scope, granted_scope, resources, approved_at, auth_time, acr, amr, \
         created_at, expires_at, rotated_at, basis, grant_type, sid, parent, place) \
         SELECT p.user_id, ?2, ?4, ?5, ?6, ?6, ?7, p.approved_at, p.auth_time, p.acr, p.amr, ?8, MIN(p.expires_at, ?9), ?8, ?10, ?11, ?12, p.id, p.place \
         FROM grants p WHERE p.user_id = ?1 AND p.id = ?3 AND p.revoked_at IS NULL AND p.expires_at > ?8 AND p.parent = '' AND ",
        gate!("p.approved_at", "p.auth_time", "?1", "?4", "?13"),
        " ON CONFLICT DO NOTHING"
    );
    let (parent, client) = (new.parent, new.client);
    let insert = Statement::new(
        INSERT,
        [
            parent.user.as_str().into(),
            new.id.into(),
            (&parent.id).into(),
            client.id.as_str().into(),
            client.metadata.client_name.as_str().into(),
            new.scope.to_string().into(),
            to_json(&new.resources).into(),
            ctx.now.into(),
            ctx.now.plus(client.metadata.refresh_absolute_lifetime).into(),
            basis(ctx, client).into(),
            TOKEN_EXCHANGE.into(),
            parent.sid.as_str().into(),
            client.version.into(),
        ],
    );
    let sql = "SELECT expires_at FROM grants WHERE user_id = ?1 AND id = ?2";
    let select = Statement::new(sql, [parent.user.as_str().into(), new.id.into()]);
    let [_, rows] = Db::new(ctx, Shards::of(new.id)).batch([insert, select]).await?;
    Ok(rows.first::<Row>()?.map(|row| row.expires_at))
}
