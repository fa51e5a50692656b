//! Clients by their id, for the pages: registered ones.

use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::store::clients as store;
use crate::protocol::client::Client;

/// A copy from memory, if there is a young one. It may say yes, never no.
pub fn remembered(ctx: &Ctx, id: &str) -> Option<Client> {
    store::remembered(ctx, id)
}

/// The client as it is now.
pub async fn fresh(ctx: &Ctx, id: &str) -> Result<Option<Client>, Failure> {
    Ok(store::fresh(ctx, id).await?)
}

/// The client of a user's yes, as the token endpoint will know it.
#[expect(clippy::unused_async, reason = "shim until registration is merged")]
pub async fn settle(_ctx: &Ctx, client: Client) -> Result<Client, Failure> {
    Ok(client)
}
