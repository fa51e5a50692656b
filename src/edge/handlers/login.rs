//! `/login`.

use serde_json::json;

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::api::limit;
use crate::edge::handlers::authorize::{client_for, request_of};
use crate::edge::handlers::browser::{Browser, client_on_page, is_fresh, minutes, opened, posted, sealed_form};
use crate::edge::handlers::guess::Guess;
use crate::edge::handlers::{answer, session_end};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::letters;
use crate::edge::log::Line;
use crate::edge::store::{Db, Shards, audit, sessions, users};
use crate::pages::{self, LoginError, Purpose};
use crate::protocol::audit::Kind;
use crate::protocol::cookie::Cookie;
use crate::protocol::form::Form;
use crate::protocol::ids::{OwnedId, UserId, random};
use crate::protocol::letter::About;
use crate::protocol::password::PasswordHash;
use crate::protocol::secret::{Secret, base64url};
use crate::protocol::session::{
    ACR_PASSWORD, KnownAccount, KnownBrowser, LoginForm, LoginStep, Next, PrefilledCode, Session, SessionCookie, SessionKey,
    login_hash, login_name,
};
use crate::protocol::steps::Asked;
use crate::protocol::throttle::wait_seconds;
use crate::protocol::time::{Seconds, Timestamp};

/// `GET /login`: the form, for a step that leads somewhere or for the start page.
pub async fn show(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    let browser = Browser::of(ctx, request);
    let query = request.query()?;
    let step: Option<LoginStep> = query.get("step").map_or(Ok(None), |text| opened(ctx, text))?;
    let next = step.map_or(Next::Home, |step| {
        let is_ours = step.browser == browser.hash && is_fresh(ctx, step.made_at);
        if is_ours { step.next } else { anybodys(ctx, step.next) }
    });
    // A session that a newer deployment sealed cannot be read here, and must not keep anybody from
    // signing in anew.
    let is_readable = browser.hint::<SessionCookie>(ctx, Cookie::Session).is_some();
    let signed_in = if is_readable { browser.signed_in(ctx).await? } else { None };
    if let Some(signed_in) = signed_in.filter(|signed_in| !wants_again(&next, signed_in.session.auth_time)) {
        return Ok(onward(ctx, &browser, &next, &signed_in.session.user));
    }
    form_page(ctx, browser, 200, next, None, None).await
}

/// Where a sign-in leads.
fn onward(ctx: &Ctx, browser: &Browser, next: &Next, user: &UserId) -> WireResponse {
    match next {
        Next::Home => browser.name_on(ctx, WireResponse::see_other("/")),
        Next::Account => browser.name_on(ctx, WireResponse::see_other("/account")),
        Next::Console { .. } => browser.name_on(ctx, WireResponse::see_other("/console")),
        Next::Device { .. } => browser.name_on(ctx, WireResponse::see_other("/device")),
        Next::Authorize { asked, .. } => {
            browser.to_step(ctx, "/authorize", Asked { chosen: Some(user.clone()), ..(**asked).clone() })
        }
    }
}

/// What of a step that was another browser's, or is old, can still be gone on with: an authorization, which
/// anybody may begin by a link.
fn anybodys(ctx: &Ctx, next: Next) -> Next {
    match next {
        Next::Authorize { asked, .. } => Next::Authorize { asked: Box::new(asked.anew(ctx.now)), beside: false },
        Next::Account => Next::Account,
        Next::Console { .. } => Next::Console { after: None },
        Next::Home | Next::Device { .. } => Next::Home,
    }
}

/// `POST /login`.
///
/// 1. The sealed form must be this browser's and young: a login cannot be forced on another browser.
/// 2. The cheap filter per address, then *reserve* a guess, so that parallel guesses cannot
///    overdraw: a known browser from its own budget, all others from the account's and the realm's.
/// 3. One hash, the same work for a user who is not there.
/// 4. Wrong: the guess is written down. Right: it is given back, the session is written, and browser
///    id and session id change.
pub async fn submit(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    let sealed: Option<LoginForm> = sealed_form(ctx, &form)?;
    let typed = form.get("login").unwrap_or_default();
    let sealed = match sealed {
        Some(sealed) if sealed.browser == browser.hash && is_fresh(ctx, sealed.made_at) => sealed,
        other => {
            "form expired, or of another browser".clone_into(&mut line.detail);
            let next = other.map_or(Next::Home, |sealed| anybodys(ctx, sealed.next));
            return form_page(ctx, browser, 400, next, Some(typed), Some(LoginError::Expired)).await;
        }
    };
    if form.get("action") == Some("cancel") {
        return cancel(ctx, browser, &sealed.next, line).await;
    }
    // 2
    let Some(login) = login_name(typed) else {
        return form_page(ctx, browser, 400, sealed.next, Some(typed), Some(LoginError::Wrong)).await;
    };
    let known = known_account(ctx, &browser, &login);
    // A known browser is not held up by whoever else shares its address.
    let filtered = known.as_ref().map_or_else(|| request.network(), |known| known.id.clone());
    limit(ctx, "LIMIT_LOGIN", filtered).await?;
    let guess = guess(ctx, &login, known.as_ref());
    if let Some(wait) = guess.reserve(ctx).await? {
        "too many wrong passwords".clone_into(&mut line.detail);
        let throttled = LoginError::Throttled { minutes: minutes(wait) };
        let page = form_page(ctx, browser, 429, sealed.next, Some(typed), Some(throttled)).await?;
        return Ok(page.header("retry-after", wait_seconds(wait).to_string()));
    }
    // 3
    let checked = match checked_password(ctx, &login, &form).await {
        Ok(checked) => checked,
        Err(failure) => {
            // Our failure is not the person's guess.
            guess.release(ctx).await;
            return Err(failure);
        }
    };
    let Checked { user: Some(user), is_right: true } = checked else {
        if guess.spend(ctx).await? {
            let subject = checked.user.as_ref().map_or("", UserId::as_str);
            let burst = audit::event(ctx, Kind::FailureBurst, "").about(subject).with(&json!({ "of": "password" }));
            audit::note_or_log(ctx, &burst).await;
        }
        "wrong name or password".clone_into(&mut line.detail);
        return form_page(ctx, browser, 400, sealed.next, Some(typed), Some(LoginError::Wrong)).await;
    };
    // 4
    guess.release(ctx).await;
    let signed_in = begin_session(ctx, &browser, user.clone(), &login, &sealed.next).await?;
    if known.is_none() {
        letters::post_or_log(ctx, &user, About::NewBrowser { place: ctx.place.clone() }, browser.texts).await;
    }
    Ok(signed_in)
}

/// A name and password that were looked at.
struct Checked {
    /// Whose name it is.
    user: Option<UserId>,
    /// The password is right and the account is enabled.
    is_right: bool,
}

/// Whether name and password are right and the account is enabled.
async fn checked_password(ctx: &Ctx, login: &str, form: &Form) -> Result<Checked, Failure> {
    let user = users::by_login(ctx, login).await?;
    let stored = match &user {
        Some(user) => PasswordHash::parse(&user.password),
        None => PasswordHash::of_nobody(),
    };
    let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
    let is_right = stored.is_some_and(|stored| stored.verify(&password));
    let is_right = is_right && user.as_ref().is_some_and(|user| user.enabled);
    Ok(Checked { user: user.map(|user| user.id), is_right })
}

/// Nobody signs in: a client that waits for it is told so.
async fn cancel(ctx: &Ctx, browser: Browser, next: &Next, line: &mut Line) -> Result<WireResponse, Failure> {
    let Next::Authorize { asked, .. } = next else {
        return Ok(browser.name_on(ctx, WireResponse::see_other("/")));
    };
    answer::cancelled(ctx, &browser, asked, line).await
}

/// Writes the session and sends the browser on with new ids.
///
/// What was signed in here before ends: the same user's session, whose `sid` goes on, and another's unless the
/// sign-in was asked for beside it.
async fn begin_session(ctx: &Ctx, browser: &Browser, user: UserId, login: &str, next: &Next) -> Result<WireResponse, Failure> {
    let (settings, secure) = (&ctx.config.settings, ctx.config.is_secure());
    let sealer = ctx.config.sealer();
    let mut entropy = Platform;
    let before = browser.hint::<SessionCookie>(ctx, Cookie::Session);
    let key = SessionKey { session: OwnedId::generate(&user, &mut entropy), user: user.clone() };
    let is_beside = matches!(next, Next::Authorize { beside: true, .. });
    let (cookie, ended) = SessionCookie::after_sign_in(before.as_ref(), key, is_beside);
    let (own, others): (Vec<SessionKey>, Vec<SessionKey>) = ended.into_iter().partition(|key| key.user == user);
    let sid = match own.first() {
        Some(own) => sessions::alive(ctx, own).await?.map(|signed_in| signed_in.session.sid),
        None => None,
    };
    let session = Session {
        id: cookie.current.session.clone(),
        user,
        sid: sid.unwrap_or_else(|| base64url(&random::<16>(&mut entropy))),
        auth_time: ctx.now,
        seen_at: ctx.now,
        acr: ACR_PASSWORD.to_owned(),
        amr: vec!["pwd".to_owned()],
    };
    session_end::end(ctx, &others).await?;
    let db = Db::new(ctx, Shards::of(&session.id));
    let event = audit::by_user(ctx, Kind::SignIn, &session.user);
    match own.first() {
        Some(own) => drop(db.record([sessions::delete(own, &session.sid), sessions::insert(ctx, &session)], &event).await?),
        None => drop(db.record([sessions::insert(ctx, &session)], &event).await?),
    }
    let renamed = browser.renamed();
    let account = KnownAccount {
        login: login_hash(&sealer, ctx.config.ring.active(), login),
        id: base64url(&random::<16>(&mut entropy)),
        signed_in_at: ctx.now,
    };
    let known = browser.hint::<KnownBrowser>(ctx, Cookie::Known).unwrap_or_default().with(account);
    let mut response = Browser::with_sessions(ctx, onward(ctx, &renamed, next, &session.user), &cookie);
    response.set_cookie(Cookie::Known.set(&sealer.seal(&known, &mut entropy), Some(settings.known_browser_lifetime), secure));
    if let Next::Device { user_code: Some(user_code), .. } = next {
        let prefilled = PrefilledCode { browser: renamed.hash.clone(), user_code: user_code.clone(), made_at: ctx.now };
        response.set_cookie(Cookie::UserCode.set(&sealer.seal(&prefilled, &mut entropy), Some(settings.form_lifetime), secure));
    }
    Ok(response)
}

/// The pair of this browser and account, if it signed in before and lately. A cookie from before a
/// change of the active root secret still counts.
fn known_account(ctx: &Ctx, browser: &Browser, login: &str) -> Option<KnownAccount> {
    let known: KnownBrowser = browser.hint(ctx, Cookie::Known)?;
    let (sealer, lifetime) = (ctx.config.sealer(), Seconds(ctx.config.settings.known_browser_lifetime));
    let mut hashes = ctx.config.ring.numbers().map(|number| login_hash(&sealer, number, login));
    hashes.find_map(|login| known.account(&login, lifetime, ctx.now).cloned())
}

/// A guess at a password: a known browser has a budget of its own, so that strangers' failures never
/// keep a user out; all others share the account's and the realm's.
fn guess(ctx: &Ctx, login: &str, known: Option<&KnownAccount>) -> Guess {
    let settings = &ctx.config.settings;
    let owner = format!("login {login}");
    match known {
        Some(known) => {
            Guess::new().out_of(ctx, owner, &[("password from known browser", &known.id, settings.known_browser_budget)])
        }
        None => Guess::new().out_of(ctx, owner, &[("password", login, settings.password_budget)]).out_of(
            ctx,
            "realm passwords".to_owned(),
            &[("password", "realm", settings.realm_password_budget)],
        ),
    }
}

/// Whether a sign-in of this instant is too old for where it leads. An authorization comes here only if it wants
/// one later than itself.
fn wants_again(next: &Next, auth_time: Timestamp) -> bool {
    match next {
        Next::Home | Next::Account => false,
        Next::Device { after, .. } | Next::Console { after } => after.is_some_and(|after| auth_time <= after),
        Next::Authorize { asked, beside } => *beside || auth_time <= asked.made_at,
    }
}

/// The page, with the name that was typed, or that the client hints at.
async fn form_page(
    ctx: &Ctx,
    browser: Browser,
    status: u16,
    next: Next,
    typed: Option<&str>,
    error: Option<LoginError>,
) -> Result<WireResponse, Failure> {
    let form = LoginForm { browser: browser.hash.clone(), next: next.clone(), made_at: ctx.now };
    let form = ctx.config.sealer().seal(&form, &mut Platform);
    let login = typed.unwrap_or_default();
    let model = pages::Login { form: &form, login, error, can_reset: ctx.config.mail.is_on(), ..pages::Login::default() };
    let Next::Authorize { asked, .. } = &next else {
        let purpose = if matches!(next, Next::Device { .. }) { Purpose::Device } else { Purpose::Account };
        let again = matches!(next, Next::Device { after: Some(_), .. } | Next::Console { after: Some(_) });
        let model = pages::Login { purpose, again, ..model };
        return Ok(browser.page(ctx, status, pages::login(&browser.realm(ctx), &model)));
    };
    let request = request_of(ctx, asked).await?;
    let browser = browser.reading(request.ui_locales.as_deref());
    let redirect_uri = request.to.redirect_uri.clone();
    // Who never signed in here is not asked to do so "again".
    let was_here = browser.hint::<SessionCookie>(ctx, Cookie::Session).is_some();
    let again = was_here && (request.prompt.login || request.max_age.is_some());
    let hint = request.login_hint.clone().unwrap_or_default();
    let (client, _) = client_for(ctx, request).await?;
    let login = typed.unwrap_or(&hint);
    let model = pages::Login { login, purpose: Purpose::Client, client: Some(client_on_page(&client)), again, ..model };
    let html = pages::login(&browser.realm(ctx), &model);
    Ok(answer::page(ctx, &browser, status, html, &client, &redirect_uri))
}
