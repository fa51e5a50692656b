//! `/device`: where a person connects a device. RFC 8628 3.3 and 5, RFC 10027.

use serde_json::json;

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::browser::{Browser, client_on_page, is_fresh, minutes, posted, scopes_on_page, sealed_form};
use crate::edge::handlers::guess::Guess;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::letters;
use crate::edge::log::Line;
use crate::edge::objects::device_flow;
use crate::edge::store::sessions::SignedIn;
use crate::edge::store::{audit, clients, grants};
use crate::pages::{self, ApprovalError, CodeError};
use crate::protocol::admin::scopes::of_user;
use crate::protocol::audit::Kind;
use crate::protocol::client::Client;
use crate::protocol::cookie::Cookie;
use crate::protocol::device::{Answer, Approval, Flow, Message};
use crate::protocol::device_authorization::verification_uri_complete;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;
use crate::protocol::ids::OwnedId;
use crate::protocol::letter::About;
use crate::protocol::session::{ApprovalForm, CodeForm, Next, PrefilledCode, UndoForm};
use crate::protocol::throttle::wait_seconds;
use crate::protocol::time::{Seconds, Timestamp};
use crate::protocol::user_code::UserCode;

/// `GET /device`: sign in first, then the code.
///
/// A code in the query goes into a cookie sealed to the browser and the query away (303), so that it
/// lingers in no history. It fills the field in and is never submitted for the user (RFC 8628 5.4).
pub async fn show(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    let browser = Browser::of(ctx, request);
    if let Some(typed) = request.query()?.get("user_code") {
        let mut response = browser.name_on(ctx, WireResponse::see_other("/device"));
        if let Some(code) = UserCode::parse(typed) {
            let prefilled = PrefilledCode { browser: browser.hash.clone(), user_code: code.display(), made_at: ctx.now };
            let sealed = ctx.config.sealer().seal(&prefilled, &mut Platform);
            response.set_cookie(Cookie::UserCode.set(&sealed, Some(ctx.config.settings.form_lifetime), ctx.config.is_secure()));
        }
        return Ok(response);
    }
    let user_code = prefilled(ctx, &browser);
    Ok(match browser.signed_in(ctx).await? {
        Some(signed_in) => code_page(ctx, &browser, &signed_in, 200, user_code.as_deref(), None),
        None => browser.to_login(ctx, Next::Device { user_code, after: None }),
    })
}

/// `POST /device`: the code.
///
/// 1. The form must be this browser's, session's and subject's. What is no code stops here.
/// 2. *Reserve* a guess: per session, account and realm. A right code gives it back.
/// 3. Unknown, expired, used and denied codes get one page.
/// 4. The client may demand a fresh sign-in, or that the code be typed by hand.
pub async fn submit_code(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    let typed = form.get("user_code").unwrap_or_default();
    let code = UserCode::parse(typed);
    let Some(signed_in) = browser.signed_in(ctx).await? else {
        let user_code = code.as_ref().map(UserCode::display);
        return Ok(browser.to_login(ctx, Next::Device { user_code, after: None }));
    };
    let sealed: Option<CodeForm> = sealed_form(ctx, &form)?;
    let Some(sealed) = sealed.filter(|sealed| browser.holds(ctx, &sealed.holder, &signed_in)) else {
        "form expired, or of another session".clone_into(&mut line.detail);
        return Ok(code_page(ctx, &browser, &signed_in, 400, None, Some(CodeError::Expired)));
    };
    let not_found = || code_page(ctx, &browser, &signed_in, 400, None, Some(CodeError::NotFound));
    let Some(code) = code else {
        return Ok(not_found());
    };
    // 2
    let guess = guess(ctx, &signed_in);
    if let Some(wait) = guess.reserve(ctx).await? {
        "too many wrong codes".clone_into(&mut line.detail);
        let throttled = CodeError::Throttled { minutes: minutes(wait) };
        let page = code_page(ctx, &browser, &signed_in, 429, None, Some(throttled));
        return Ok(page.header("retry-after", wait_seconds(wait).to_string()));
    }
    // 3
    let open = match open_flow(ctx, &code).await {
        Ok(open) => open,
        Err(failure) => {
            // Our failure is not the person's guess.
            guess.release(ctx).await;
            return Err(failure);
        }
    };
    let Some((name, flow, age)) = open else {
        if guess.spend(ctx).await? {
            let burst = audit::by_user(ctx, Kind::FailureBurst, &signed_in.session.user).with(&json!({ "of": "user code" }));
            audit::note_or_log(ctx, &burst).await;
        }
        "no open flow has this code".clone_into(&mut line.detail);
        return Ok(not_found());
    };
    guess.release(ctx).await;
    let Some(client) = clients::fresh(ctx, &flow.client).await?.filter(|client| client.enabled) else {
        return Ok(not_found());
    };
    line.client = Some(client.id.clone());
    // 4
    let user_code = code.display();
    if !client.metadata.verification_uri_complete && sealed.prefilled.as_ref() == Some(&user_code) {
        return Ok(clear_code(ctx, not_found()));
    }
    if let Some(response) = stale_sign_in(ctx, &browser, &client, &signed_in, &user_code) {
        return Ok(response);
    }
    let asked = ApprovalForm {
        holder: browser.holder(ctx, &signed_in),
        flow: name,
        instance: flow.instance,
        user_code,
        client: flow.client,
        scope: of_user(&flow.scope, &signed_in.roles),
        place: flow.place,
        requested_at: Timestamp::from_millis(ctx.now.millis() - age),
    };
    Ok(clear_code(ctx, approval_page(ctx, &browser, request, &client, &signed_in, &asked, None)))
}

/// `POST /device/approve`: yes or no.
///
/// 1. The form must be this browser's, session's and subject's, and its flow the one it was made for.
/// 2. No: one message.
/// 3. Yes: the tick "this is my device" is checked here too; the client must still be there and the
///    sign-in fresh enough for it; required scopes stay, optional ones as ticked.
/// 4. One message. The grant's id is minted now; the page after it can take the yes back.
pub async fn submit_approval(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    let Some(signed_in) = browser.signed_in(ctx).await? else {
        return Ok(browser.to_login(ctx, Next::Device { user_code: None, after: None }));
    };
    let sealed: Option<ApprovalForm> = sealed_form(ctx, &form)?;
    let Some(asked) = sealed.filter(|sealed| browser.holds(ctx, &sealed.holder, &signed_in)) else {
        "form expired, or of another session".clone_into(&mut line.detail);
        return Ok(code_page(ctx, &browser, &signed_in, 400, None, Some(CodeError::Expired)));
    };
    line.client = Some(asked.client.clone());
    let not_found = || code_page(ctx, &browser, &signed_in, 400, None, Some(CodeError::NotFound));
    let user = signed_in.session.user.clone();
    // 2
    if form.get("action") != Some("allow") {
        let event = audit::by_user(ctx, Kind::Denial, &user).of_client(&asked.client);
        let message = Message::Deny { instance: asked.instance.clone(), user };
        return Ok(match device_flow::send(ctx, &asked.flow, &message).await? {
            Answer::Settled { .. } => {
                audit::note_or_log(ctx, &event).await;
                browser.page(ctx, 200, pages::denied(&browser.realm(ctx)))
            }
            _ => not_found(),
        });
    }
    // 3
    let Some(client) = clients::fresh(ctx, &asked.client).await?.filter(|client| client.enabled) else {
        return Ok(not_found());
    };
    if let Some(response) = stale_sign_in(ctx, &browser, &client, &signed_in, &asked.user_code) {
        return Ok(response);
    }
    let again = |problem| approval_page(ctx, &browser, request, &client, &signed_in, &asked, Some((&form, problem)));
    if form.get("confirm_device") != Some("1") {
        return Ok(again(ApprovalError::Unconfirmed));
    }
    let scope = of_user(&asked.scope, &signed_in.roles).filter(|scope| is_required(&client, scope) || is_ticked(&form, scope));
    if scope.is_empty() {
        return Ok(again(ApprovalError::NothingChosen));
    }
    // 4
    let session = &signed_in.session;
    let event = audit::by_user(ctx, Kind::Approval, &user).of_client(&client.id);
    let event = event.with(&json!({ "scope": scope.to_string(), "device_place": asked.place }));
    let minted = OwnedId::generate(&user, &mut Platform);
    let approval = Approval {
        grant: minted.clone(),
        user,
        scope,
        approved_at: ctx.now,
        auth_time: session.auth_time,
        acr: session.acr.clone(),
        amr: session.amr.clone(),
        interval: Seconds(0),
    };
    let message = Message::Approve { instance: asked.instance.clone(), approval };
    let Answer::Settled { grant: Some(grant) } = device_flow::send(ctx, &asked.flow, &message).await? else {
        return Ok(not_found());
    };
    // The same page posted twice keeps the first yes, which was noted then.
    if grant == minted {
        audit::note_or_log(ctx, &event).await;
        let about = About::NewDevice { client: client.metadata.client_name.clone(), place: asked.place.clone() };
        letters::post_or_log(ctx, &session.user, about, browser.texts).await;
    }
    let undo = UndoForm {
        holder: browser.holder(ctx, &signed_in),
        flow: asked.flow,
        instance: asked.instance,
        client: asked.client,
        grant,
    };
    let undo = ctx.config.sealer().seal(&undo, &mut Platform);
    let model = pages::Allowed { form: &undo, client_name: &client.metadata.client_name };
    Ok(browser.page(ctx, 200, pages::allowed(&browser.realm(ctx), &model)))
}

/// `POST /device/undo`: takes a yes back. The flow answers `access_denied` from here on, and the
/// grant is revoked, whether its row is there already or about to be inserted by a poll under way.
pub async fn undo(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    let Some(signed_in) = browser.signed_in(ctx).await? else {
        return Ok(browser.to_login(ctx, Next::Device { user_code: None, after: None }));
    };
    let sealed: Option<UndoForm> = sealed_form(ctx, &form)?;
    let Some(undo) = sealed.filter(|sealed| browser.holds(ctx, &sealed.holder, &signed_in)) else {
        "form expired, or of another session".clone_into(&mut line.detail);
        return Ok(code_page(ctx, &browser, &signed_in, 400, None, Some(CodeError::Expired)));
    };
    line.client = Some(undo.client.clone());
    let user = signed_in.session.user.clone();
    device_flow::send(ctx, &undo.flow, &Message::Deny { instance: undo.instance, user: user.clone() }).await?;
    let event = audit::by_user(ctx, Kind::Revocation, &user).of_client(&undo.client).with(&json!({ "what": "approval" }));
    grants::revoke_or_bury(ctx, &user, &undo.grant, &undo.client, &event).await?;
    Ok(browser.page(ctx, 200, pages::undone(&browser.realm(ctx))))
}

/// `GET /device/qr?user_code=XXXX-XXXX`: `verification_uri_complete` as an SVG. A pure function of a
/// well-formed code; nothing is looked up.
pub fn qr(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    let query = request.query()?;
    let malformed = OAuthError::new(Code::InvalidRequest, "user_code must be a well-formed user code");
    let code = UserCode::parse(query.require("user_code")?).ok_or(malformed)?;
    let svg = pages::qr_svg(&verification_uri_complete(&ctx.config, &code))
        .ok_or_else(|| Fault::Broken("QR code too large".to_owned()))?;
    let response = WireResponse::cacheable("image/svg+xml", "no-store", svg.into_bytes());
    Ok(response.header("content-security-policy", "default-src 'none'; frame-ancestors 'none'"))
}

/// The code that a link brought, if it is this browser's and young.
fn prefilled(ctx: &Ctx, browser: &Browser) -> Option<String> {
    let code: PrefilledCode = browser.hint(ctx, Cookie::UserCode)?;
    (code.browser == browser.hash && is_fresh(ctx, code.made_at)).then_some(code.user_code)
}

fn clear_code(ctx: &Ctx, mut response: WireResponse) -> WireResponse {
    response.set_cookie(Cookie::UserCode.clear(ctx.config.is_secure()));
    response
}

/// The open flow with this code: its object's name, the flow and its age in milliseconds. While a
/// root secret is being replaced, the name may be under another key of the ring.
async fn open_flow(ctx: &Ctx, code: &UserCode) -> Result<Option<(String, Flow, i64)>, Failure> {
    for number in ctx.config.ring.numbers() {
        let name = code.flow_name(&ctx.config.sealer(), number);
        if let Answer::Open { flow, age } = device_flow::send(ctx, &name, &Message::Look).await? {
            return Ok(Some((name, flow, age)));
        }
    }
    Ok(None)
}

/// To the login page, when the client wants a younger sign-in than this one (shared workstations).
fn stale_sign_in(ctx: &Ctx, browser: &Browser, client: &Client, signed_in: &SignedIn, user_code: &str) -> Option<WireResponse> {
    let most = client.metadata.device_max_auth_age?;
    let is_stale = ctx.now.since(signed_in.session.auth_time) > most.millis();
    // Filled in again after the sign-in, unless codes of this client are to be typed.
    let user_code = client.metadata.verification_uri_complete.then(|| user_code.to_owned());
    let next = Next::Device { user_code, after: Some(ctx.now.minus(most)) };
    is_stale.then(|| browser.to_login(ctx, next))
}

/// The country of a place in words. Cities are not compared: a phone and a computer in one house are
/// often told apart by them, and a warning that is always there is none.
fn country(place: &str) -> Option<&str> {
    place.rsplit_once(", ").map(|(_, country)| country).or(Some(place)).filter(|country| country.len() == 2)
}

fn is_ticked(form: &Form, scope: &str) -> bool {
    form.get(&format!("scope.{scope}")) == Some("1")
}

fn code_page(
    ctx: &Ctx,
    browser: &Browser,
    signed_in: &SignedIn,
    status: u16,
    prefilled: Option<&str>,
    error: Option<CodeError>,
) -> WireResponse {
    let form = CodeForm { holder: browser.holder(ctx, signed_in), prefilled: prefilled.map(str::to_owned) };
    let form = ctx.config.sealer().seal(&form, &mut Platform);
    let code = prefilled.unwrap_or_default();
    let model = pages::CodeEntry { form: &form, name: &signed_in.name, code, prefilled: prefilled.is_some(), error };
    browser.page(ctx, status, pages::code_entry(&browser.realm(ctx), &model))
}

/// Whether a user cannot leave a scope out. Staying signed in is what connecting a device means: its
/// client gets refresh tokens by its grant types, so the page must not offer to leave that out.
fn is_required(client: &Client, scope: &str) -> bool {
    scope == "offline_access" || client.metadata.required_scope.contains(scope)
}

/// The page that asks. `answered` is what came back and why that was no answer.
fn approval_page(
    ctx: &Ctx,
    browser: &Browser,
    request: &WireRequest,
    client: &Client,
    signed_in: &SignedIn,
    asked: &ApprovalForm,
    answered: Option<(&Form, ApprovalError)>,
) -> WireResponse {
    let sealed = ApprovalForm { holder: browser.holder(ctx, signed_in), ..asked.clone() };
    let sealed = ctx.config.sealer().seal(&sealed, &mut Platform);
    let checked = |name: &str| answered.is_none_or(|(form, _)| is_ticked(form, name));
    let scopes = scopes_on_page(ctx, &asked.scope, |name| is_required(client, name), checked);
    let here = request.place();
    let seconds = |instant: Timestamp| instant.seconds().max(0).unsigned_abs();
    let known = |place: &'_ str| !place.is_empty();
    let model = pages::Approval {
        form: &sealed,
        name: &signed_in.name,
        client: client_on_page(client),
        user_code: &asked.user_code,
        scopes: &scopes,
        requested_at: seconds(asked.requested_at),
        now: seconds(ctx.now),
        device_place: Some(asked.place.as_str()).filter(|place| known(place)),
        browser_place: Some(here.as_str()).filter(|place| known(place)),
        places_differ: country(&here).zip(country(&asked.place)).is_some_and(|(here, there)| here != there),
        error: answered.map(|(_, problem)| problem),
    };
    let status = if answered.is_some() { 400 } else { 200 };
    browser.page_about(ctx, status, pages::approval(&browser.realm(ctx), &model), Some(client))
}

/// A guess at a user code. Never by address alone: a hospital is one address, and a site with a dynamic
/// one is many.
fn guess(ctx: &Ctx, signed_in: &SignedIn) -> Guess {
    let (settings, session) = (&ctx.config.settings, &signed_in.session);
    let (user, session) = (session.user.as_str(), session.id.to_string());
    let own = [
        ("code by session", session.as_str(), settings.code_budget_session),
        ("code by account", user, settings.code_budget_account),
    ];
    Guess::new().out_of(ctx, format!("account {user}"), &own).out_of(
        ctx,
        "realm codes".to_owned(),
        &[("code", "realm", settings.code_budget_realm)],
    )
}
