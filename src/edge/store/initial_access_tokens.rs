//! `initial_access_tokens`: what lets a client register where registration is closed (RFC 7591 3).

use super::{Db, Exists, Shards, Statement};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::secret::SecretHash;

/// Whether this is a token that can still be used: asked before anything is fetched for whoever has it.
pub async fn is_live(ctx: &Ctx, token: &SecretHash) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM initial_access_tokens WHERE sha256 = ?1 AND uses > 0 AND expires_at > ?2";
    let rows = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [text(token).into(), ctx.now.into()])).await?;
    Ok(rows.first::<Exists>()?.is_some())
}

/// Takes one use for the client of this id that was inserted by the same batch and is not paid for yet.
pub fn pay_for(client: &str, token: &SecretHash) -> Statement {
    let sql = "UPDATE initial_access_tokens SET uses = uses - 1 \
               WHERE sha256 = ?1 AND uses > 0 AND EXISTS (SELECT 1 FROM clients WHERE id = ?2 AND version = 0)";
    Statement::new(sql, [text(token).into(), client.into()])
}

/// A hash as it is stored.
pub fn text(hash: &SecretHash) -> String {
    hash.clone().into()
}
