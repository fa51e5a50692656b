//! `/console`: administration, for people.

use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::protocol::error::{Code, OAuthError};

/// Answers a request below it.
#[expect(clippy::unused_async, reason = "what comes below it waits")]
pub async fn answer(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    let _ = (ctx, request, line);
    Err(OAuthError::new(Code::NotFound, "nothing here").into())
}
