//! `/consent`: OpenID Connect Core 3.1.2.4.

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::answer::{self, Granted};
use crate::edge::handlers::authorize::{self, Staged, stage, step_of};
use crate::edge::handlers::browser::{Browser, client_on_page, posted, scopes_on_page, sealed_form};
use crate::edge::handlers::clients;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::store::{Db, Shards, consents, sessions};
use crate::pages::{self, ConsentError};
use crate::protocol::authorize::{AuthorizationRequest, Next};
use crate::protocol::client::Client;
use crate::protocol::consent::alone;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;
use crate::protocol::requested_claims::RequestedClaims;
use crate::protocol::scope::Scope;
use crate::protocol::session::Session;
use crate::protocol::steps::{Asked, ConsentForm};
use crate::protocol::uri;

/// `GET /consent?step=`: asks, if that is what comes next; else on to what does.
pub async fn show(ctx: &Ctx, request: &WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    let browser = Browser::of(ctx, request);
    let asked = step_of(ctx, &browser, request.query()?.require("step")?)?;
    let request = authorize::request_of(ctx, &asked).await?;
    let stage = match stage(ctx, browser, &asked, request, line).await? {
        Staged::Stage(stage) => *stage,
        Staged::Over(response) => return Ok(response),
    };
    match (&stage.next, &stage.account) {
        (Next::Consent, Some((signed_in, _))) => {
            let shown = Shown { client: &stage.client, request: &stage.request, asked: &asked, answered: None };
            Ok(page(ctx, &stage.browser, &signed_in.session, &signed_in.name, &shown))
        }
        _ => Ok(stage.browser.to_step(ctx, "/authorize", asked)),
    }
}

/// `POST /consent`: yes or no.
///
/// 1. The form must be this browser's, session's and subject's; else the flow starts over.
/// 2. No: `access_denied`.
/// 3. Yes: required scopes stay, optional ones and single claims as ticked. What was asked of the sign-in must
///    still be met.
/// 4. The choice is remembered if it is new, and the code is made.
pub async fn submit(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    let Some(ConsentForm { holder, asked }) = sealed_form(ctx, &form)? else {
        return Err(OAuthError::new(Code::InvalidRequest, "the form is not valid").into());
    };
    let Some(key) = browser.key_of(ctx, &holder)? else {
        "form expired, or of another session".clone_into(&mut line.detail);
        return Ok(browser.to_step(ctx, "/authorize", asked.anew(ctx.now)));
    };
    let request = authorize::request_of(ctx, &asked).await?;
    line.client = Some(request.client.clone());
    let browser = browser.reading(request.ui_locales.as_deref());
    let (client, outcome) = authorize::client_for(ctx, request).await?;
    let request = match outcome {
        Ok(request) => request,
        Err((to, error)) => return answer::refuse(ctx, &browser, &client, &asked, &to, &error).await,
    };
    let Some((signed_in, before)) = sessions::alive_with_consent(ctx, &key, &client.id).await? else {
        return Ok(browser.to_step(ctx, "/authorize", asked));
    };
    // 2
    if form.get("action") != Some("allow") {
        let error = OAuthError::new(Code::AccessDenied, "the user said no");
        line.error = Some(error.code.row().0);
        return answer::refuse(ctx, &browser, &client, &asked, &request.to, &error).await;
    }
    // 3
    let request = request.for_user(&signed_in.roles);
    let session = &signed_in.session;
    if request.wants_sign_in_after(session.auth_time) {
        return Ok(browser.to_step(ctx, "/authorize", asked));
    }
    let before = before.unwrap_or_default();
    let (scope, claims) = (&request.scope, &request.claims);
    let choice = before.answered(
        (scope, claims),
        |name| is_required(&client, name) || is_ticked(&form, "scope", name),
        |name| is_ticked(&form, "claim", name),
    );
    let (granted_scope, granted_claims): (Scope, RequestedClaims) = choice.granted(scope, claims);
    if granted_scope.is_empty() {
        let shown =
            Shown { client: &client, request: &request, asked: &asked, answered: Some((&form, ConsentError::NothingChosen)) };
        return Ok(page(ctx, &browser, session, &signed_in.name, &shown));
    }
    // 4
    let client = clients::settle(ctx, client).await?;
    let choice = choice.to_remember();
    if choice != before {
        Db::new(ctx, Shards::of(&session.id)).run(consents::give(&session.user, &client.id, &choice, ctx.now)).await?;
    }
    let granted =
        Granted { asked: &asked, request: &request, client: &client, session, scope: granted_scope, claims: granted_claims };
    answer::grant(ctx, &browser, granted).await
}

fn is_ticked(form: &Form, kind: &str, name: &str) -> bool {
    form.get(&format!("{kind}.{name}")) == Some("1")
}

/// Whether a user cannot leave a scope out.
fn is_required(client: &Client, scope: &str) -> bool {
    client.metadata.required_scope.contains(scope)
}

/// What the page is about.
struct Shown<'a> {
    client: &'a Client,
    request: &'a AuthorizationRequest,
    asked: &'a Asked,
    /// What came back and why that was no answer.
    answered: Option<(&'a Form, ConsentError)>,
}

fn page(ctx: &Ctx, browser: &Browser, session: &Session, name: &str, shown: &Shown<'_>) -> WireResponse {
    let Shown { client, request, asked, answered } = shown;
    let form = ConsentForm { holder: browser.holder_of(ctx, session), asked: (*asked).clone() };
    let form = ctx.config.sealer().seal(&form, &mut Platform);
    let checked = |name: &str| answered.is_none_or(|(form, _)| is_ticked(form, "scope", name));
    let scopes = scopes_on_page(ctx, &request.scope, |name| is_required(client, name), checked);
    let switch = browser.step_url(ctx, "/accounts", (*asked).clone());
    let redirect_uri = &request.to.redirect_uri;
    let model = pages::Consent {
        form: &form,
        name,
        client: client_on_page(client),
        scopes: &scopes,
        claims: &alone(&request.scope, &request.claims),
        destination: destination(redirect_uri),
        switch: &switch,
        error: answered.map(|(_, error)| error),
    };
    let status = if answered.is_some() { 400 } else { 200 };
    let html = pages::consent(&browser.realm(ctx), &model);
    answer::page(ctx, browser, status, html, client, redirect_uri)
}

/// Where the browser goes from here, in a form that people can check: a host, or an app's scheme.
fn destination(redirect_uri: &str) -> &str {
    uri::host_of(redirect_uri).or_else(|| redirect_uri.split(':').next()).unwrap_or(redirect_uri)
}
