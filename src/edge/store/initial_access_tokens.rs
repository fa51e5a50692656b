//! `initial_access_tokens`: what lets a client register where registration is closed (RFC 7591 3).

use serde::Deserialize;

use super::idempotency::unanswered;
use super::{Db, Exists, Shards, Statement};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::admin::page::Page;
use crate::protocol::audit::Event;
use crate::protocol::secret::SecretHash;
use crate::protocol::time::Timestamp;

/// One, for its operator to see.
#[derive(Clone, Debug, Deserialize)]
pub struct Listed {
    /// Its hash.
    pub sha256: String,
    /// So many clients may still be registered with it.
    pub uses: u32,
    /// When it is over.
    pub expires_at: Timestamp,
}

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

/// Those of a page, by hash.
pub async fn list(ctx: &Ctx, page: &Page) -> Result<Vec<Listed>, Fault> {
    let sql = "SELECT sha256, uses, expires_at FROM initial_access_tokens WHERE sha256 > ?1 ORDER BY sha256 LIMIT ?2";
    let parameters = [page.after.as_str().into(), page.rows().into()];
    Db::new(ctx, Shards::COMMON).run(Statement::new(sql, parameters)).await?.all()
}

/// Whether there is one of this hash, whatever it is still good for.
pub async fn is_there(ctx: &Ctx, sha256: &str) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM initial_access_tokens WHERE sha256 = ?1";
    Ok(Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [sha256.into()])).await?.first::<Exists>()?.is_some())
}

/// Makes one.
pub fn insert(new: &Listed, key: &str) -> Statement {
    const SQL: &str = concat!(
        "INSERT INTO initial_access_tokens (sha256, uses, expires_at) SELECT ?1, ?2, ?3 WHERE ",
        unanswered!("?4"),
        " ON CONFLICT DO NOTHING"
    );
    Statement::new(SQL, [new.sha256.as_str().into(), new.uses.into(), new.expires_at.into(), key.into()])
}

/// Deletes one.
pub async fn delete(ctx: &Ctx, sha256: &str, event: &Event) -> Result<(), Fault> {
    let sql = "DELETE FROM initial_access_tokens WHERE sha256 = ?1";
    Db::new(ctx, Shards::COMMON).record([Statement::new(sql, [sha256.into()])], event).await.map(drop)
}
