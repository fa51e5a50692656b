//! `GET /style.css`.

use crate::edge::ctx::Ctx;
use crate::edge::http::{WireRequest, WireResponse};
use crate::pages;

/// The one stylesheet, with the realm's colour. Its address carries a hash, so it may be kept for ever.
pub fn style(ctx: &Ctx, request: &WireRequest) -> WireResponse {
    let color = ctx.config.realm.color;
    let is_current = pages::style_href(color).split_once('?').is_some_and(|(_, query)| query == request.query);
    let cache_control = if is_current { "public, max-age=31536000, immutable" } else { "no-cache" };
    WireResponse::cacheable("text/css; charset=utf-8", cache_control, pages::style(color).into_bytes())
}
