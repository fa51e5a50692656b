//! `GET /`.

use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::browser::{Browser, realm};
use crate::edge::http::{WireRequest, WireResponse};
use crate::pages;

/// Who is signed in, and where to go from here.
pub async fn home(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    let browser = Browser::of(ctx, request);
    let signed_in = browser.signed_in(ctx).await?;
    let name = signed_in.as_ref().map(|signed_in| signed_in.name.as_str());
    Ok(browser.page(ctx, 200, pages::home(&realm(ctx), &pages::Home { name })))
}
