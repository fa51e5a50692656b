//! How an authorization ends: the browser goes back to the client, with a code or an error.

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::authorize::{client_for, request_of};
use crate::edge::handlers::browser::Browser;
use crate::edge::http::WireResponse;
use crate::edge::log::Line;
use crate::edge::store::pushed_requests;
use crate::pages::{self, Html};
use crate::protocol::authorize::{AuthorizationRequest, ResponseMode, ReturnTo, with_query};
use crate::protocol::client::Client;
use crate::protocol::code::{self, AuthorizationCode};
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::ids::OwnedId;
use crate::protocol::redirect;
use crate::protocol::requested_claims::RequestedClaims;
use crate::protocol::scope::Scope;
use crate::protocol::session::Session;
use crate::protocol::steps::Asked;
use crate::protocol::time::Seconds;

/// Back to the client with these parameters, `state` and `iss`.
pub fn back(ctx: &Ctx, browser: &Browser, client: &Client, to: &ReturnTo, parameters: &[(&'static str, String)]) -> WireResponse {
    let parameters = to.parameters(parameters, &ctx.config.issuer);
    match to.mode {
        ResponseMode::Query => WireResponse::see_other(&with_query(&to.redirect_uri, &parameters)),
        ResponseMode::FormPost => {
            let fields: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let model = pages::FormPost { action: &to.redirect_uri, fields: &fields, client_name: &client.metadata.client_name };
            let page = browser.page(ctx, 200, pages::form_post(&browser.realm(ctx), &model)).with_script();
            may_lead_to(page, &to.redirect_uri)
        }
    }
}

/// A page of an authorization: it shows the client's logo, and its forms may lead to the redirect URI.
pub fn page(ctx: &Ctx, browser: &Browser, status: u16, html: Html, client: &Client, redirect_uri: &str) -> WireResponse {
    may_lead_to(browser.page_about(ctx, status, html, Some(client)), redirect_uri)
}

/// Back to the client, because the person cancelled on the way.
pub async fn cancelled(ctx: &Ctx, browser: &Browser, asked: &Asked, line: &mut Line) -> Result<WireResponse, Failure> {
    let request = request_of(ctx, asked).await?;
    line.client = Some(request.client.clone());
    let (client, outcome) = client_for(ctx, request).await?;
    let to = outcome.map_or_else(|(to, _)| to, |request| request.to);
    let error = OAuthError::new(Code::AccessDenied, "the user cancelled");
    line.error = Some(error.code.row().0);
    refuse(ctx, browser, &client, asked, &to, &error).await
}

/// A page whose forms may lead to a redirect URI: browsers hold the redirects after a form to the policy too.
pub fn may_lead_to(page: WireResponse, redirect_uri: &str) -> WireResponse {
    match redirect::form_action(redirect_uri) {
        Some(source) => page.form_action(&source),
        None => page,
    }
}

/// Back to the client with an error. A pushed request is spent by it.
pub async fn refuse(
    ctx: &Ctx,
    browser: &Browser,
    client: &Client,
    asked: &Asked,
    to: &ReturnTo,
    error: &OAuthError,
) -> Result<WireResponse, Failure> {
    if let Some(key) = &asked.pushed {
        pushed_requests::complete(ctx, key).await?;
    }
    Ok(back(ctx, browser, client, to, &ReturnTo::error(error)))
}

/// An authorization that is granted.
pub struct Granted<'a> {
    /// What was asked.
    pub asked: &'a Asked,
    /// The request.
    pub request: &'a AuthorizationRequest,
    /// The client.
    pub client: &'a Client,
    /// The session of who granted it.
    pub session: &'a Session,
    /// Scope granted.
    pub scope: Scope,
    /// Single claims granted.
    pub claims: RequestedClaims,
}

/// Back to the client with a code. A pushed request yields one once.
pub async fn grant(ctx: &Ctx, browser: &Browser, granted: Granted<'_>) -> Result<WireResponse, Failure> {
    let Granted { asked, request, client, session, scope, claims } = granted;
    if let Some(key) = &asked.pushed
        && !pushed_requests::complete(ctx, key).await?
    {
        return Err(OAuthError::new(Code::InvalidRequestUri, "the request_uri was used").into());
    }
    let code = AuthorizationCode {
        client: client.id.clone(),
        user: session.user.clone(),
        id: OwnedId::generate(&session.user, &mut Platform),
        offline: scope.contains("offline_access"),
        sid: session.sid.clone(),
        redirect: AuthorizationCode::redirect_hash(&request.to),
        challenge: request.challenge.clone(),
        scope,
        resources: request.resources.clone(),
        claims,
        nonce: request.nonce.clone(),
        made_at: ctx.now,
        expires_at: ctx.now.plus(Seconds(ctx.config.settings.code_lifetime)),
    };
    let sealed = ctx.config.sealer().seal(&code, &mut Platform);
    if sealed.len() > code::MOST {
        let error = OAuthError::new(Code::InvalidRequest, "scope, resources, nonce and claims are too long together");
        return Ok(back(ctx, browser, client, &request.to, &ReturnTo::error(&error)));
    }
    Ok(back(ctx, browser, client, &request.to, &[("code", sealed)]))
}

/// `GET /form_post.js`: what submits the page of the form_post response mode.
pub fn form_post_script() -> WireResponse {
    let script = pages::form_post_script().as_bytes().to_vec();
    WireResponse::cacheable("text/javascript; charset=utf-8", "public, max-age=86400", script)
}
