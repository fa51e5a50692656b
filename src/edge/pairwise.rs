//! The subject that a client sees of a user: OpenID Connect Core 8.

use super::ctx::Ctx;
use super::failure::Fault;
use super::salts::{Purpose, salt};
use crate::protocol::client::Client;
use crate::protocol::ids::UserId;
use crate::protocol::pairwise;

/// `sid` of this browser session for this client.
pub async fn sid(ctx: &Ctx, client: &Client, sid: &str) -> Result<String, Fault> {
    if !pairwise::is_pairwise(client) {
        return Ok(sid.to_owned());
    }
    Ok(pairwise::sid(&salt(ctx, Purpose::Pairwise).await?, client, sid))
}

/// `sub` of this user for this client.
pub async fn subject(ctx: &Ctx, client: &Client, user: &UserId) -> Result<String, Fault> {
    if !pairwise::is_pairwise(client) {
        return Ok(user.as_str().to_owned());
    }
    Ok(pairwise::subject(&salt(ctx, Purpose::Pairwise).await?, client, user))
}
