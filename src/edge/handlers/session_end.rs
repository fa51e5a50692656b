//! Shim until the branch `logout` is merged.
use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::store::{Db, Shards, sessions};
use crate::protocol::session::SessionKey;

/// Ends sessions.
pub async fn end(ctx: &Ctx, ended: &[SessionKey]) -> Result<(), Failure> {
    for key in ended {
        Db::new(ctx, Shards::of(&key.session)).run(sessions::delete(key)).await?;
    }
    Ok(())
}
