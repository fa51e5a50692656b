//! Shim until the branch `keys` is merged.
use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::protocol::client::Client;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;

/// Shim.
#[expect(clippy::unused_async, reason = "shim")]
pub async fn opened(_ctx: &Ctx, _client: &Client, _object: &str) -> Result<Form, Failure> {
    Err(OAuthError::new(Code::InvalidRequestObject, "not yet").into())
}
/// Shim.
#[expect(clippy::unused_async, reason = "shim")]
pub async fn fetched(_ctx: &Ctx, _client: &Client, _uri: &str) -> Result<String, Failure> {
    Err(OAuthError::new(Code::InvalidRequestUri, "not yet").into())
}
