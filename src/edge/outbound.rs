//! Everything that this Worker fetches from others' servers, and nothing else does: keys, documents and
//! request objects of clients, where they want to hear of sign-outs, and webhooks.
//!
//! Which URLs, `protocol::outbound` decides. No redirect is followed, no cookie or credential is sent, and
//! time and size are bounded.

use std::cell::Cell;

use js_sys::Reflect;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, RequestCache, RequestInit, RequestRedirect, Response, WorkerGlobalScope};

use super::ctx::Ctx;
use super::js;
use super::log::{self, Meter};
use crate::protocol::outbound::{Reach, check};
use crate::protocol::time::Seconds;

thread_local! {
    /// Whether this isolate has warned that `OUTBOUND_ALLOW` was used.
    static WARNED: Cell<bool> = const { Cell::new(false) };
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The URL may not be fetched; why.
    Forbidden(&'static str),
    /// No whole answer within `OUTBOUND_TIMEOUT`.
    Timeout,
    /// The answer is larger than it may be.
    TooLarge,
    /// The answer is a redirect: followed, it could lead anywhere.
    Redirect,
    /// The answer to a GET has another status than 200.
    Status(u16),
    /// No answer.
    Unreachable,
}

impl Refused {
    /// In words, for a log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Forbidden(why) => why,
            Self::Timeout => "the other server timed out",
            Self::TooLarge => "the other server answered too much",
            Self::Redirect => "the other server answered with a redirect",
            Self::Status(_) => "the other server answered with another status than 200",
            Self::Unreachable => "the other server is unreachable",
        }
    }
}

/// What a URL answers with 200.
pub struct Document {
    /// The body.
    pub body: Vec<u8>,
    /// `Content-Type`; empty when there is none.
    pub content_type: String,
    /// `Cache-Control`; empty when there is none.
    pub cache_control: String,
}

/// The body of what a URL answers with 200, at most `most` bytes of it. `accept` is the media type asked for.
pub async fn get(ctx: &Ctx, url: &str, accept: &str, most: usize) -> Result<Vec<u8>, Refused> {
    Ok(document(ctx, url, accept, most).await?.body)
}

/// The same with what the headers say about it.
pub async fn document(ctx: &Ctx, url: &str, accept: &str, most: usize) -> Result<Document, Refused> {
    let response = send(ctx, url, "GET", &[("accept", accept)], None).await?;
    if response.status() != 200 {
        discard(&response);
        return Err(Refused::Status(response.status()));
    }
    let header = |name: &str| response.headers().get(name).ok().flatten().unwrap_or_default();
    if header("content-length").parse::<usize>().is_ok_and(|length| length > most) {
        discard(&response);
        return Err(Refused::TooLarge);
    }
    let body = match response.body() {
        Some(stream) => js::read(&stream, most).await.map_err(|error| refused(&error))?.ok_or(Refused::TooLarge)?,
        None => Vec::new(),
    };
    Ok(Document { body, content_type: header("content-type"), cache_control: header("cache-control") })
}

/// Posts a form; the status that was answered, which is never a redirect's. The body is not read.
pub async fn post_form(ctx: &Ctx, url: &str, body: &str) -> Result<u16, Refused> {
    post(ctx, url, &[("content-type", "application/x-www-form-urlencoded")], body).await
}

/// Posts a body with these headers; the status that was answered, which is never a redirect's. The answer is not read.
pub async fn post(ctx: &Ctx, url: &str, headers: &[(&str, &str)], body: &str) -> Result<u16, Refused> {
    let response = send(ctx, url, "POST", headers, Some(body)).await?;
    discard(&response);
    Ok(response.status())
}

async fn send(ctx: &Ctx, url: &str, method: &str, more: &[(&str, &str)], body: Option<&str>) -> Result<Response, Refused> {
    let allow = &ctx.config.outbound_allow;
    let reach = check(url, &ctx.config.issuer, allow).map_err(Refused::Forbidden)?;
    if reach == Reach::Allowed && !WARNED.replace(true) {
        let detail = format!("OUTBOUND_ALLOW lets requests reach {}", allow.join(", "));
        log::event("warning", "outbound", &detail, &ctx.meter);
    }
    let headers = Headers::new().map_err(|_| Refused::Unreachable)?;
    for (name, value) in [("user-agent", "Latchkey")].iter().chain(more) {
        headers.set(name, value).map_err(|_| Refused::Unreachable)?;
    }
    let init = RequestInit::new();
    init.set_method(method);
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    // What was fetched is kept here or not at all: a cache between would make "fetch again" a lie.
    init.set_cache(RequestCache::NoStore);
    // It also ends a body that trickles in.
    let millis = u32::try_from(Seconds(ctx.config.settings.outbound_timeout).millis()).unwrap_or(u32::MAX);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(millis)));
    if let Some(body) = body {
        init.set_body(&JsValue::from_str(body));
    }
    Meter::add(&ctx.meter.outbound, 1);
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    let answered = JsFuture::from(global.fetch_with_str_and_init(url, &init)).await;
    let response: Response = answered.map_err(|error| refused(&error))?.unchecked_into();
    // 0 is what a browser makes of a redirect that is not followed.
    if matches!(response.status(), 0 | 300..=399) {
        discard(&response);
        return Err(Refused::Redirect);
    }
    Ok(response)
}

/// Lets go of a body that nobody reads.
fn discard(response: &Response) {
    if let Some(stream) = response.body() {
        let _ = stream.cancel();
    }
}

fn refused(error: &JsValue) -> Refused {
    let name = Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string());
    if name.as_deref() == Some("TimeoutError") { Refused::Timeout } else { Refused::Unreachable }
}
