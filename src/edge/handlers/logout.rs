//! `/logout`: the page of that name, and the `end_session_endpoint` of clients (OpenID Connect RP-Initiated
//! Logout 1.0).

use crate::edge::crypto;
use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::answer::may_lead_to;
use crate::edge::handlers::browser::{Browser, client_on_page, from_our_own_page, is_fresh, opened, sealed_form};
use crate::edge::handlers::session_end;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::pairwise;
use crate::edge::store::clients;
use crate::edge::store::sessions::SignedIn;
use crate::pages;
use crate::protocol::client::Client;
use crate::protocol::cookie::Cookie;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;
use crate::protocol::jose::Typ;
use crate::protocol::logout::{Hint, LogoutAsked, LogoutRequest, LogoutStep};
use crate::protocol::session::LogoutForm;

/// What was asked, and the row of the client that asks.
///
/// The row it is, also of a client that a metadata document describes: who got an ID token has one, and a
/// document that cannot be fetched must keep nobody from signing out.
struct Asked {
    asked: LogoutAsked,
    client: Option<Client>,
}

/// `GET /logout`.
///
/// 1. A request, or the step that one became which another site posted. What is wrong with it is told on an
///    error page, and nobody is signed out.
/// 2. Nobody is signed in: then it is done already.
/// 3. A valid hint names who is signed in here: the client proved it, and nobody is asked.
/// 4. Else the person is asked, for a link must not sign anybody out.
pub async fn show(ctx: &Ctx, request: &WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let query = request.query()?;
    let asked = match query.get("step") {
        Some(step) => Asked::of_step(ctx, step).await?,
        None => Asked::read(ctx, &query, line).await?,
    };
    line.client = line.client.take().or_else(|| asked.asked.client.clone());
    let browser = Browser::of(ctx, request).reading(asked.asked.ui_locales.as_deref());
    // 2
    let present = browser.all_signed_in(ctx).await?;
    let Some(first) = present.first() else {
        return Ok(asked.nothing_left(ctx, &browser));
    };
    // 3: HEAD changes nothing.
    if request.method == "GET" && asked.names_one_of(ctx, &present).await? {
        session_end::end(ctx, &browser.session_keys(ctx)?).await?;
        return Ok(asked.signed_out(ctx, &browser, false));
    }
    // 4
    Ok(asked.confirmation(ctx, &browser, first, false))
}

/// `POST /logout`: the page's own form, or a client's request (RP-Initiated Logout 2).
///
/// A client's comes from another site, and then browsers do not send our cookies (`SameSite=Lax`): it is
/// sealed and asked for again by GET. The page's form signs all accounts out of this browser, or this one of
/// everything, devices included.
pub async fn submit(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    let form = request.form().await?;
    if form.get("form").is_none() && form.get("action").is_none() {
        let Asked { asked, .. } = Asked::read(ctx, &form, line).await?;
        let step = LogoutStep { asked, made_at: ctx.now };
        let sealed = ctx.config.sealer().seal(&step, &mut Platform);
        return Ok(WireResponse::see_other(&format!("/logout?step={sealed}")));
    }
    from_our_own_page(request)?;
    let browser = Browser::of(ctx, request);
    let sealed: Option<LogoutForm> = sealed_form(ctx, &form)?;
    let sealed = sealed.filter(|sealed| sealed.holder.browser == browser.hash);
    let browser = browser.reading(sealed.as_ref().and_then(|sealed| sealed.asked.ui_locales.as_deref()));
    let present = browser.all_signed_in(ctx).await?;
    let is_held = |first: &SignedIn| sealed.as_ref().is_some_and(|sealed| browser.holds(ctx, &sealed.holder, first));
    let (first, is_held) = (present.first(), present.first().is_some_and(is_held));
    let asked = Asked::again(ctx, sealed.map(|sealed| sealed.asked).unwrap_or_default()).await?;
    let Some(first) = first else {
        return Ok(asked.nothing_left(ctx, &browser));
    };
    if !is_held {
        "form expired, or of another session".clone_into(&mut line.detail);
        return Ok(asked.confirmation(ctx, &browser, first, true));
    }
    let everywhere = form.get("action") == Some("everywhere");
    let sessions = browser.session_keys(ctx)?;
    if everywhere {
        session_end::end_everywhere(ctx, &first.session.user, &sessions).await?;
    } else {
        session_end::end(ctx, &sessions).await?;
    }
    Ok(asked.signed_out(ctx, &browser, everywhere))
}

impl Asked {
    /// Of a client's request: the hint is verified, and the client must be who it says.
    async fn read(ctx: &Ctx, form: &Form, line: &mut Line) -> Result<Self, Failure> {
        let request = LogoutRequest::parse(form)?;
        let hint = match &request.id_token_hint {
            Some(text) => Some(verified_hint(ctx, text).await?),
            None => None,
        };
        let hint = hint.as_ref();
        let id = request.client(hint)?.filter(|id| Client::is_id(id));
        line.client = id.map(str::to_owned);
        // A copy from memory may say yes, never no.
        if let Some(client) = id.and_then(|id| clients::remembered(ctx, id))
            && let Ok(asked) = request.decide(hint, Some(&client))
        {
            return Ok(Self { asked, client: Some(client) });
        }
        let client = match id {
            Some(id) => clients::fresh(ctx, id).await?,
            None => None,
        };
        let asked = request.decide(hint, client.as_ref())?;
        Ok(Self { asked, client: client.filter(|client| client.enabled) })
    }

    /// Of a step. One that is old, or none of ours, asks for nothing but the page.
    async fn of_step(ctx: &Ctx, step: &str) -> Result<Self, Failure> {
        let step: Option<LogoutStep> = opened(ctx, step)?;
        let step = step.filter(|step| is_fresh(ctx, step.made_at));
        Self::again(ctx, step.map(|step| step.asked).unwrap_or_default()).await
    }

    /// Of what was decided before: only the client is read again.
    async fn again(ctx: &Ctx, asked: LogoutAsked) -> Result<Self, Failure> {
        let client = match asked.client.as_deref() {
            None => None,
            Some(id) => match clients::remembered(ctx, id) {
                Some(client) => Some(client),
                None => clients::fresh(ctx, id).await?,
            },
        };
        Ok(Self { asked, client })
    }

    /// Whether the hint names somebody who is signed in here.
    async fn names_one_of(&self, ctx: &Ctx, present: &[SignedIn]) -> Result<bool, Fault> {
        for SignedIn { session, .. } in present {
            let sid = match &self.client {
                Some(client) => pairwise::sid(ctx, client, &session.sid).await?,
                // A client that is gone still says whom it had signed in.
                None => session.sid.clone(),
            };
            if self.asked.names(&sid) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Nobody is signed in.
    fn nothing_left(&self, ctx: &Ctx, browser: &Browser) -> WireResponse {
        match &self.asked.target {
            Some(target) => browser.name_on(ctx, WireResponse::see_other(target)),
            None => browser.page(ctx, 200, pages::signed_out(&browser.realm(ctx), &pages::SignedOut { everywhere: false })),
        }
    }

    /// It is done. Who signed out leaves nothing usable behind: the browser's id changes too.
    fn signed_out(&self, ctx: &Ctx, browser: &Browser, everywhere: bool) -> WireResponse {
        let renamed = browser.renamed();
        let mut response = match &self.asked.target {
            Some(target) => renamed.name_on(ctx, WireResponse::see_other(target)),
            None => renamed.page(ctx, 200, pages::signed_out(&browser.realm(ctx), &pages::SignedOut { everywhere })),
        };
        for cookie in [Cookie::Session, Cookie::UserCode] {
            response.set_cookie(cookie.clear(ctx.config.is_secure()));
        }
        response
    }

    fn confirmation(&self, ctx: &Ctx, browser: &Browser, signed_in: &SignedIn, expired: bool) -> WireResponse {
        let form = LogoutForm { holder: browser.holder(ctx, signed_in), asked: self.asked.clone() };
        let form = ctx.config.sealer().seal(&form, &mut Platform);
        let client = self.client.as_ref();
        let model = pages::Logout { form: &form, name: &signed_in.name, expired, client: client.map(client_on_page) };
        let status = if expired { 400 } else { 200 };
        let page = browser.page_about(ctx, status, pages::logout(&browser.realm(ctx), &model), client);
        match &self.asked.target {
            Some(target) => may_lead_to(page, target),
            None => page,
        }
    }
}

/// The claims of an `id_token_hint`: an ID token of ours, of whatever age (RP-Initiated Logout 2).
async fn verified_hint(ctx: &Ctx, text: &str) -> Result<Hint, Failure> {
    let claims: Option<(Hint, _)> = crypto::verified_at_any_time(ctx, text, Typ::IdToken).await?;
    let hint = claims.map(|(hint, _)| hint).filter(|hint| hint.iss == ctx.config.issuer);
    hint.ok_or_else(|| OAuthError::new(Code::InvalidRequest, "id_token_hint is not an ID token of this issuer").into())
}
