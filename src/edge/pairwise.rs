//! Shim until the branch `keys` is merged.
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::client::Client;
use crate::protocol::ids::UserId;

/// The subject of a user at a client.
#[expect(clippy::unused_async, reason = "shim")]
pub async fn subject(_ctx: &Ctx, _client: &Client, user: &UserId) -> Result<String, Fault> {
    Ok(user.as_str().to_owned())
}
