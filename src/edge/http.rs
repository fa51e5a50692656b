//! Requests and responses as plain data.

use serde::Serialize;
use wasm_bindgen::JsValue;
use worker::{Headers, Request, Response};

use super::failure::{Failure, Fault};
use super::js;
use crate::pages::Html;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;
use crate::protocol::uri::network;

/// Largest body that is read, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// A request as plain data. The body is read only when a handler asks for it.
pub struct WireRequest {
    /// Method, as sent.
    pub method: String,
    /// Path without query, as sent.
    pub path: String,
    /// Query without `?`.
    pub query: String,
    inner: Request,
}

impl WireRequest {
    /// Takes a request apart.
    pub fn new(inner: Request) -> Self {
        let method = inner.inner().method();
        let url = inner.inner().url();
        let after_host = url.split_once("://").map_or("", |(_, rest)| rest);
        let target = after_host.find(['/', '?', '#']).and_then(|at| after_host.get(at..)).unwrap_or_default();
        let target = target.split('#').next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = if path.is_empty() { "/" } else { path };
        Self { method, path: path.to_owned(), query: query.to_owned(), inner }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        self.inner.headers().get(name).ok().flatten()
    }

    /// The network that the request came from, as the platform saw it: an IPv4 address, or the /64 of
    /// an IPv6 one, for that is what one holder has.
    pub fn network(&self) -> String {
        network(&self.header("cf-connecting-ip").unwrap_or_default())
    }

    /// The coarse place that the request came from, in words: "Bern, CH"; empty when unknown.
    pub fn place(&self) -> String {
        let request: &JsValue = self.inner.inner();
        let parts = ["city", "country"].map(|name| js::cf_member(request, name).filter(|part| !part.is_empty()));
        let words: Vec<String> =
            parts.into_iter().flatten().map(|part| part.chars().filter(|c| !c.is_control()).take(60).collect()).collect();
        words.join(", ")
    }

    /// The query's parameters.
    pub fn query(&self) -> Result<Form, OAuthError> {
        Form::parse(self.query.as_bytes())
    }

    /// The body's parameters: at most 64 KiB of `application/x-www-form-urlencoded`.
    pub async fn form(&mut self) -> Result<Form, Failure> {
        if !self.has_type("application/x-www-form-urlencoded") {
            return Err(OAuthError::new(Code::InvalidRequest, "the body must be application/x-www-form-urlencoded").into());
        }
        Ok(Form::parse(&self.body().await?)?)
    }

    /// The body: at most 64 KiB of `application/json`.
    pub async fn json(&mut self) -> Result<Vec<u8>, Failure> {
        if !self.has_type("application/json") {
            return Err(OAuthError::new(Code::InvalidRequest, "the body must be application/json").into());
        }
        self.body().await
    }

    /// The body of a change: at most 64 KiB of `application/json` or `application/merge-patch+json` (RFC 7396); empty
    /// where there is none.
    pub async fn json_or_patch(&mut self) -> Result<Vec<u8>, Failure> {
        self.json_up_to(MAX_BODY).await
    }

    /// The same, of another most: 1 MiB.
    pub async fn json_up_to(&mut self, most: usize) -> Result<Vec<u8>, Failure> {
        let is_json = self.has_type("application/json") || self.has_type("application/merge-patch+json");
        if !is_json && self.header("content-type").is_some() {
            return Err(OAuthError::new(Code::InvalidRequest, "the body must be application/json").into());
        }
        self.body_up_to(most).await
    }

    fn has_type(&self, media_type: &str) -> bool {
        let content_type = self.header("content-type").unwrap_or_default();
        content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    }

    /// The body, refused before it is read when it says that it is too large, and while it is read
    /// when it does not say so but is.
    async fn body(&mut self) -> Result<Vec<u8>, Failure> {
        self.body_up_to(MAX_BODY).await
    }

    async fn body_up_to(&mut self, most: usize) -> Result<Vec<u8>, Failure> {
        let what = if most == MAX_BODY { "the body is larger than 64 KiB" } else { "the body is larger than 1 MiB" };
        let too_large = OAuthError::new(Code::TooLarge, what);
        let length = self.header("content-length").and_then(|length| length.parse::<usize>().ok());
        if length.is_some_and(|length| length > most) {
            return Err(too_large.into());
        }
        let request = self.inner.inner();
        let body = match (length, request.body()) {
            (_, None) => return Ok(Vec::new()),
            // What says its length has it (RFC 9112 6.3), so it can be had at once: a wait less than by pieces.
            (Some(_), Some(_)) => js::whole(request).await.map(|body| Some(body).filter(|body| body.len() <= most)),
            (None, Some(stream)) => js::read(&stream, most).await,
        };
        let body = body.map_err(|error| Fault::unavailable("request body", js::message(&error)))?;
        body.ok_or_else(|| too_large.into())
    }
}

/// An answer as plain data.
#[derive(Debug)]
pub struct WireResponse {
    /// Status.
    pub status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// What a page may do besides showing itself; nothing for what is no page.
    policy: Option<Policy>,
}

/// The sources of a page's Content-Security-Policy that differ between pages.
#[derive(Debug)]
struct Policy {
    /// `img-src` besides our own.
    images: Vec<String>,
    /// `form-action` besides our own.
    form_actions: Vec<String>,
    /// Whether our own scripts may run.
    has_script: bool,
}

impl Policy {
    /// The header's value.
    fn header(&self) -> String {
        let sources = |more: &[String]| [&["'self'".to_owned()], more].concat().join(" ");
        format!(
            "default-src 'none'; style-src 'self'; img-src {}; form-action {}; frame-ancestors 'none'; base-uri 'none'{}",
            sources(&self.images),
            sources(&self.form_actions),
            if self.has_script { "; script-src 'self'" } else { "" },
        )
    }
}

impl WireResponse {
    /// An empty answer that nobody may store.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), policy: None }
            .header("cache-control", "no-store")
            .header("x-content-type-options", "nosniff")
    }

    /// JSON that nobody may store (RFC 6749 5.1).
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self { body, ..Self::empty(status) }.header("content-type", "application/json")
    }

    /// A problem (RFC 9457 3).
    pub fn problem(status: u16, body: &impl Serialize) -> Self {
        Self::json(status, body).replace("content-type", "application/problem+json")
    }

    /// Bytes of some type that may be kept as `cache_control` says.
    pub fn cacheable(content_type: &'static str, cache_control: &str, body: Vec<u8>) -> Self {
        Self { body, ..Self::empty(200) }.replace("cache-control", cache_control).header("content-type", content_type)
    }

    /// A page. `images` are origins besides our own that it may show pictures from.
    pub fn page(status: u16, html: Html, images: &[&str], secure: bool) -> Self {
        let images = images.iter().map(|image| (*image).to_owned()).collect();
        let policy = Some(Policy { images, form_actions: Vec::new(), has_script: false });
        let page = Self { body: html.into_string().into_bytes(), policy, ..Self::empty(status) }
            .header("content-type", "text/html; charset=utf-8")
            // With no-referrer, browsers would send `Origin: null` on our own forms.
            .header("referrer-policy", "same-origin")
            .header("x-frame-options", "DENY")
            .header("cross-origin-opener-policy", "same-origin")
            .header("cross-origin-resource-policy", "same-origin")
            .header("permissions-policy", "camera=(), geolocation=(), microphone=()");
        if secure { page.header("strict-transport-security", "max-age=31536000") } else { page }
    }

    /// A page whose form may also lead here: `source` is what [`crate::protocol::redirect::form_action`] says of
    /// the redirect URI that the form's answer may lead to. Browsers hold the redirects after a form to it too.
    #[must_use]
    pub fn form_action(mut self, source: &str) -> Self {
        if let Some(policy) = &mut self.policy {
            policy.form_actions.push(source.to_owned());
        }
        self
    }

    /// A page on which a script of ours runs.
    #[must_use]
    pub fn with_script(mut self) -> Self {
        if let Some(policy) = &mut self.policy {
            policy.has_script = true;
        }
        self
    }

    /// 303 to a place of ours, or of a client's.
    pub fn see_other(location: &str) -> Self {
        Self::empty(303).header("location", location).header("referrer-policy", "same-origin")
    }

    /// The peer's error as JSON (RFC 6749 5.2), with the request id.
    pub fn error(error: &OAuthError, request_id: &str) -> Self {
        let (code, status, _) = error.code.row();
        let body = serde_json::json!({ "error": code, "error_description": error.told(), "request_id": request_id });
        Self::json(status, &body).retry_after(error)
    }

    /// `Retry-After` where the error has one.
    #[must_use]
    pub fn retry_after(self, error: &OAuthError) -> Self {
        match error.retry_after {
            Some(seconds) => self.header("retry-after", seconds.to_string()),
            None => self,
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With one more cookie.
    pub fn set_cookie(&mut self, cookie: String) {
        self.headers.push(("set-cookie", cookie));
    }

    /// Open to scripts of every origin: public documents only.
    #[must_use]
    pub fn for_all_origins(self) -> Self {
        self.header("access-control-allow-origin", "*")
    }

    /// The same without a body, as HEAD wants it.
    #[must_use]
    pub fn without_body(mut self) -> Self {
        self.body.clear();
        self
    }

    fn replace(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(n, _)| *n != name);
        self.header(name, value)
    }

    /// The platform's response.
    pub fn into_response(self) -> worker::Result<Response> {
        let headers = Headers::new();
        for (name, value) in &self.headers {
            headers.append(name, value)?;
        }
        if let Some(policy) = &self.policy {
            headers.append("content-security-policy", &policy.header())?;
        }
        let response = if self.body.is_empty() { Response::empty()? } else { Response::from_bytes(self.body)? };
        // from_bytes sets a content type of its own; ours replaces all headers.
        Ok(response.with_status(self.status).with_headers(headers))
    }
}
