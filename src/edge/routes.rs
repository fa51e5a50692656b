//! Which handler answers what, and how a failure is told there.

use super::ctx::Ctx;
use super::failure::Failure;
use super::handlers::{
    account, accounts, admin, answer, authorize,
    browser::{self, Browser},
    consent, console, device_authorization, device_page, home, introspect, login, logout, metadata, par, register, reset, revoke,
    style, token, trust_explain, userinfo,
};
use super::http::{WireRequest, WireResponse};
use super::log::Line;
use super::store::clients;
use crate::pages;
use crate::protocol::error::{Code, OAuthError};

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Metadata (RFC 8414, Discovery).
    Metadata,
    /// JWK Set.
    Jwks,
    /// Health.
    Health,
    /// Stylesheet.
    Style,
    /// What submits a form_post page.
    FormPostScript,
    /// Authorization endpoint.
    Authorize,
    /// Yes or no to an app.
    Consent,
    /// Which account.
    Accounts,
    /// Pushed authorization requests.
    Par,
    /// One app disconnected.
    EndApp,
    /// Device authorization endpoint.
    DeviceAuthorization,
    /// Token endpoint.
    Token,
    /// Revocation endpoint.
    Revoke,
    /// Introspection endpoint (RFC 7662).
    Introspect,
    /// Userinfo endpoint.
    Userinfo,
    /// Why an outside token is worth what it is.
    TrustExplain,
    /// Administration, for programs.
    Admin,
    /// Client registration endpoint (RFC 7591).
    Register,
    /// Client configuration endpoint of one client (RFC 7592).
    Registration,
    /// QR code of a user code.
    Qr,
    /// Start page.
    Home,
    /// Sign-in.
    Login,
    /// What is a person's own.
    Account,
    /// What operators do daily.
    Console,
    /// A new password, by mail.
    Reset,
    /// An address confirmed, by mail.
    Verify,
    /// Mails of a developer's machine.
    DevOutbox,
    /// Sign-out.
    Logout,
    /// User code.
    Device,
    /// Yes or no.
    Approve,
    /// The yes taken back.
    Undo,
    /// One device signed out.
    EndDevice,
    /// Browsers ask for it; there is none.
    Favicon,
    /// Nothing here.
    Unknown,
}

impl Route {
    /// The route of a path.
    pub fn of(path: &str) -> Self {
        match path {
            "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server" => Self::Metadata,
            "/jwks.json" => Self::Jwks,
            "/healthz" => Self::Health,
            "/style.css" => Self::Style,
            "/form_post.js" => Self::FormPostScript,
            "/authorize" => Self::Authorize,
            "/consent" => Self::Consent,
            "/accounts" => Self::Accounts,
            "/par" => Self::Par,
            "/apps/end" => Self::EndApp,
            "/device_authorization" => Self::DeviceAuthorization,
            "/token" => Self::Token,
            "/revoke" => Self::Revoke,
            "/introspect" => Self::Introspect,
            "/userinfo" => Self::Userinfo,
            "/admin/trust/explain" => Self::TrustExplain,
            _ if path.starts_with("/admin/v1/") => Self::Admin,
            "/register" => Self::Register,
            _ if path.starts_with("/register/") => Self::Registration,
            "/device/qr" => Self::Qr,
            "/" => Self::Home,
            "/login" => Self::Login,
            "/account" => Self::Account,
            "/console" => Self::Console,
            _ if path.starts_with("/console/") => Self::Console,
            "/reset" => Self::Reset,
            "/verify" => Self::Verify,
            "/dev/outbox" => Self::DevOutbox,
            "/logout" => Self::Logout,
            "/device" => Self::Device,
            "/device/approve" => Self::Approve,
            "/device/undo" => Self::Undo,
            "/device/end" => Self::EndDevice,
            "/favicon.ico" => Self::Favicon,
            _ => Self::Unknown,
        }
    }

    /// Its name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Jwks => "jwks",
            Self::Health => "health",
            Self::Style => "style",
            Self::FormPostScript => "form_post.js",
            Self::Authorize => "authorize",
            Self::Consent => "consent",
            Self::Accounts => "accounts",
            Self::Par => "par",
            Self::EndApp => "apps/end",
            Self::DeviceAuthorization => "device_authorization",
            Self::Token => "token",
            Self::Revoke => "revoke",
            Self::Introspect => "introspect",
            Self::Userinfo => "userinfo",
            Self::TrustExplain => "admin/trust/explain",
            Self::Admin => "admin",
            Self::Register => "register",
            Self::Registration => "register/client",
            Self::Qr => "device/qr",
            Self::Home => "home",
            Self::Login => "login",
            Self::Account => "account",
            Self::Console => "console",
            Self::Reset => "reset",
            Self::Verify => "verify",
            Self::DevOutbox => "dev/outbox",
            Self::Logout => "logout",
            Self::Device => "device",
            Self::Approve => "device/approve",
            Self::Undo => "device/undo",
            Self::EndDevice => "device/end",
            Self::Favicon => "favicon",
            Self::Unknown => "unknown",
        }
    }

    /// The methods that it answers.
    const fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Metadata | Self::Jwks => &["GET", "HEAD", "OPTIONS"],
            Self::Health | Self::Style | Self::FormPostScript | Self::Qr | Self::Home | Self::DevOutbox | Self::Favicon => {
                &["GET", "HEAD"]
            }
            Self::DeviceAuthorization
            | Self::Introspect
            | Self::Par
            | Self::TrustExplain
            | Self::Register
            | Self::Approve
            | Self::Undo
            | Self::EndDevice
            | Self::EndApp => &["POST"],
            Self::Registration => &["GET", "PUT", "DELETE"],
            // Each of its resources says which of these.
            Self::Admin => &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
            Self::Token | Self::Revoke => &["POST", "OPTIONS"],
            Self::Userinfo => &["GET", "POST", "OPTIONS"],
            // A GET may spend a pushed request, so it is no HEAD.
            Self::Authorize => &["GET", "POST"],
            Self::Consent
            | Self::Accounts
            | Self::Login
            | Self::Logout
            | Self::Device
            | Self::Account
            | Self::Console
            | Self::Reset
            | Self::Verify => &["GET", "HEAD", "POST"],
            Self::Unknown => &[],
        }
    }

    /// Whether scripts of a client's own pages may call it.
    const fn is_for_scripts(self) -> bool {
        matches!(self, Self::Token | Self::Revoke | Self::Userinfo)
    }

    /// Whether people look at it.
    const fn is_page(self) -> bool {
        matches!(
            self,
            Self::Home
                | Self::Authorize
                | Self::Consent
                | Self::Accounts
                | Self::Login
                | Self::Account
                | Self::Console
                | Self::Reset
                | Self::Verify
                | Self::DevOutbox
                | Self::Logout
                | Self::Device
                | Self::Approve
                | Self::Undo
                | Self::EndDevice
                | Self::EndApp
                | Self::Unknown
        )
    }
}

/// Answers a request; a failure becomes the route's kind of error.
pub async fn answer(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> WireResponse {
    let route = Route::of(&request.path);
    let outcome = dispatch(ctx, route, request, line).await;
    let response = outcome.unwrap_or_else(|failure| failed(ctx, route, request, failure, line));
    let response = if route.is_for_scripts() { for_scripts(ctx, request, line, response).await } else { response };
    if request.method == "HEAD" { response.without_body() } else { response }
}

async fn dispatch(ctx: &Ctx, route: Route, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // Who must not know of the console is told the same by every method.
    let is_known_here = route != Route::Console || route.methods().contains(&request.method.as_str());
    if route == Route::Unknown || !is_known_here {
        return Err(OAuthError::new(Code::NotFound, "nothing here").into());
    }
    if !route.methods().contains(&request.method.as_str()) {
        return Err(OAuthError::new(Code::MethodNotAllowed, "another HTTP method is needed").into());
    }
    let is_post = request.method == "POST";
    match route {
        Route::Metadata | Route::Jwks if request.method == "OPTIONS" => Ok(preflight()),
        Route::Token | Route::Revoke | Route::Userinfo if request.method == "OPTIONS" => Ok(script_preflight(request)),
        Route::Metadata => Ok(metadata::document(ctx, request)),
        Route::Jwks => metadata::jwks(ctx, request).await,
        Route::Health => metadata::health(ctx).await,
        Route::Style => Ok(style::style(ctx, request)),
        Route::FormPostScript => Ok(answer::form_post_script()),
        Route::Authorize if is_post => authorize::submit(ctx, request, line).await,
        Route::Authorize => authorize::show(ctx, request, line).await,
        Route::Consent if is_post => consent::submit(ctx, request, line).await,
        Route::Consent => consent::show(ctx, request, line).await,
        Route::Accounts if is_post => accounts::submit(ctx, request, line).await,
        Route::Accounts => accounts::show(ctx, request, line).await,
        Route::Par => par::push(ctx, request, line).await,
        Route::EndApp => home::end_app(ctx, request, line).await,
        Route::DeviceAuthorization => device_authorization::start(ctx, request, line).await,
        Route::Token => token::token(ctx, request, line).await,
        Route::Revoke => revoke::revoke(ctx, request, line).await,
        Route::Introspect => introspect::introspect(ctx, request, line).await,
        Route::Userinfo => userinfo::info(ctx, request, line).await,
        Route::TrustExplain => trust_explain::explain(ctx, request, line).await,
        Route::Admin => Ok(admin::answer(ctx, request, line).await),
        Route::Register => register::create(ctx, request, line).await,
        Route::Registration => register::manage(ctx, request, line).await,
        Route::Qr => device_page::qr(ctx, request),
        Route::Home => home::home(ctx, request).await,
        Route::Login if is_post => login::submit(ctx, request, line).await,
        Route::Login => login::show(ctx, request).await,
        Route::Console if is_post => console::submit(ctx, request, line).await,
        Route::Console => console::show(ctx, request).await,
        Route::Account if is_post => account::submit(ctx, request, line).await,
        Route::Account => account::show(ctx, request).await,
        Route::Reset if is_post => reset::submit(ctx, request, line).await,
        Route::Reset => reset::show(ctx, request).await,
        Route::Verify if is_post => reset::submit_verify(ctx, request, line).await,
        Route::Verify => reset::show_verify(ctx, request).await,
        Route::DevOutbox => reset::outbox(ctx, request).await,
        Route::Logout if is_post => logout::submit(ctx, request, line).await,
        Route::Logout => logout::show(ctx, request, line).await,
        Route::Device if is_post => device_page::submit_code(ctx, request, line).await,
        Route::Device => device_page::show(ctx, request).await,
        Route::Approve => device_page::submit_approval(ctx, request, line).await,
        Route::Undo => device_page::undo(ctx, request, line).await,
        Route::EndDevice => home::end_device(ctx, request, line).await,
        Route::Favicon | Route::Unknown => Ok(WireResponse::empty(204)),
    }
}

/// Public documents may be fetched by scripts of any origin, with any simple header.
fn preflight() -> WireResponse {
    WireResponse::empty(204)
        .for_all_origins()
        .header("access-control-allow-methods", "GET, HEAD")
        .header("access-control-max-age", "86400")
}

/// A script may ask whether it may call. Which client it is of is not known yet, so any may; who may read the
/// answer is decided with it. Never with credentials: no cookie of ours is of use there.
fn script_preflight(request: &WireRequest) -> WireResponse {
    let response = WireResponse::empty(204).header("vary", "origin");
    match request.header("origin") {
        Some(origin) => response
            .header("access-control-allow-origin", origin)
            .header("access-control-allow-methods", "GET, POST")
            .header("access-control-allow-headers", "authorization, content-type, dpop")
            .header("access-control-max-age", "600"),
        None => response,
    }
}

/// Lets a script of the client's own pages read the answer: one whose origin is that of a redirect URI.
async fn for_scripts(ctx: &Ctx, request: &WireRequest, line: &Line, response: WireResponse) -> WireResponse {
    let (Some(origin), Some(id)) = (request.header("origin"), &line.client) else {
        return response;
    };
    if request.method == "OPTIONS" {
        return response;
    }
    let response = response.header("vary", "origin");
    match clients::known(ctx, id).await {
        Ok(Some(client)) if client.has_origin(&origin) => response
            .header("access-control-allow-origin", origin)
            .header("access-control-expose-headers", "DPoP, WWW-Authenticate"),
        _ => response,
    }
}

/// The error as this route tells it: a page for people, JSON for clients, a challenge at userinfo.
fn failed(ctx: &Ctx, route: Route, request: &WireRequest, failure: Failure, line: &mut Line) -> WireResponse {
    let (error, detail) = failure.into_parts();
    let (code, status, _) = error.code.row();
    line.error = Some(code);
    line.detail = detail;
    // Where there may be nothing, the answer is as where there is nothing.
    let is_perhaps_nothing = matches!(route, Route::Unknown | Route::Console);
    let wants_html = !is_perhaps_nothing || request.header("accept").is_some_and(|accept| accept.contains("text/html"));
    let mut response = if route.is_page() && wants_html {
        let model =
            pages::ErrorPage { status, request_id: &ctx.request_id, code: Some(code), description: Some(error.description) };
        let query = request.query().ok();
        let ui_locales = query.as_ref().and_then(|query| query.get("ui_locales"));
        let realm = Browser::of(ctx, request).reading(ui_locales).realm(ctx);
        browser::page(ctx, status, pages::error(&realm, &model), &[]).retry_after(&error)
    } else {
        WireResponse::error(&error, &ctx.request_id)
    };
    let scope = if route == Route::TrustExplain { trust_explain::SCOPE } else { "openid" };
    match error.code {
        Code::MethodNotAllowed => response = response.header("allow", route.methods().join(", ")),
        // RFC 6749 5.2; RFC 7662 2.3 wants it however a resource server authenticates.
        Code::InvalidClient if request.header("authorization").is_some() || route == Route::Introspect => {
            response.status = 401;
            response = response.header("www-authenticate", format!("Basic realm=\"{}\"", ctx.config.issuer));
        }
        Code::InvalidRequest if route == Route::Userinfo => {
            response = response.header("www-authenticate", userinfo::challenge(ctx, Some(&error), scope));
        }
        Code::InvalidToken | Code::InsufficientScope => {
            response = response.header("www-authenticate", userinfo::challenge(ctx, Some(&error), scope));
        }
        _ => {}
    }
    response
}
