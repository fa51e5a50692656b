//! Metadata, JWKS and health.

use std::cell::RefCell;

use crate::edge::crypto;
use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::published;
use crate::protocol::discovery::metadata;
use crate::protocol::secret::{base64url, sha256};
use crate::protocol::time::{Seconds, Timestamp};

/// So long an isolate answers the JWKS from memory.
const JWKS_MEMORY: Seconds = Seconds(30);

thread_local! {
    static JWKS: RefCell<Option<(Timestamp, String)>> = const { RefCell::new(None) };
}

/// `GET /.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`
/// (RFC 8414 3, OpenID Connect Discovery 4): one document.
pub fn document(ctx: &Ctx, request: &WireRequest) -> WireResponse {
    public_json(ctx, request, metadata(&ctx.config).to_string())
}

/// `GET /jwks.json` (RFC 7517 5): from this isolate's memory, else KV, else the database, where the
/// first keys are made. Never a set without a key that this isolate signs with.
pub async fn jwks(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    let young = JWKS.with_borrow(|jwks| {
        let (read_at, text) = jwks.as_ref()?;
        (0..JWKS_MEMORY.millis()).contains(&ctx.now.since(*read_at)).then(|| text.clone())
    });
    // The first key of an algorithm signs at once, so it is shown at once.
    if let Some(text) = young.filter(|text| !crypto::lacks_a_key(ctx, text)) {
        return Ok(public_json(ctx, request, text));
    }
    let text = match published::jwks(ctx).await {
        Ok(Some(text)) if !crypto::lacks_a_key(ctx, &text) => text,
        Ok(None) => {
            let text = crypto::current_jwks(ctx).await?;
            // Only the cron has to succeed with this; here it is an early gift.
            let _ = published::put_jwks(ctx, &text).await;
            text
        }
        // A KV that does not answer may hold something newer, and what it shows this place may be older than what
        // is signed with here: answer from the database, put nothing.
        Ok(Some(_)) | Err(_) => crypto::current_jwks(ctx).await?,
    };
    JWKS.set(Some((ctx.now, text.clone())));
    Ok(public_json(ctx, request, text))
}

/// `GET /healthz`: configured, and the signing keys are there (read within `KEY_CACHE`).
pub async fn health(ctx: &Ctx) -> Result<WireResponse, Failure> {
    crypto::have_keys(ctx).await?;
    Ok(WireResponse::json(200, &serde_json::json!({ "status": "ok" })))
}

fn public_json(ctx: &Ctx, request: &WireRequest, text: String) -> WireResponse {
    let tag = format!("\"{}\"", base64url(sha256(text.as_bytes()).first_chunk::<12>().unwrap_or(&[0; 12])));
    let cache_control = format!("public, max-age={}", ctx.config.settings.jwks_max_age);
    let is_current = request
        .header("if-none-match")
        .is_some_and(|tags| tags.split(',').any(|other| other.trim().trim_start_matches("W/") == tag || other.trim() == "*"));
    let mut response = WireResponse::cacheable("application/json", &cache_control, text.into_bytes());
    if is_current {
        response = response.without_body();
        response.status = 304;
    }
    response.header("etag", tag).for_all_origins()
}
