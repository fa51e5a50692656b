//! `/admin/v1/`: administration, for programs.

use crate::edge::ctx::Ctx;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::protocol::error::{Code, OAuthError};

/// Answers a request below it.
#[expect(clippy::unused_async, reason = "what comes below it waits")]
pub async fn answer(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> WireResponse {
    let _ = request;
    let _ = line;
    WireResponse::error(&OAuthError::new(Code::NotFound, "nothing here"), &ctx.request_id)
}
