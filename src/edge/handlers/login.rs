//! `/login`.

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::api::limit;
use crate::edge::handlers::browser::{Browser, is_fresh, minutes, posted, realm, sealed_form};
use crate::edge::handlers::guess::Guess;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::store::{Db, Shards, sessions, users};
use crate::pages::{self, LoginError, Purpose};
use crate::protocol::cookie::Cookie;
use crate::protocol::form::Form;
use crate::protocol::ids::{OwnedId, UserId, random};
use crate::protocol::password::PasswordHash;
use crate::protocol::secret::{Secret, base64url};
use crate::protocol::session::{
    ACR_PASSWORD, KnownAccount, KnownBrowser, LoginForm, LoginStep, Next, PrefilledCode, Session, SessionCookie, login_hash,
    login_name,
};
use crate::protocol::throttle::wait_seconds;
use crate::protocol::time::{Seconds, Timestamp};

/// `GET /login`: the form, for a step that leads somewhere or for the start page.
pub async fn show(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    let browser = Browser::of(ctx, request);
    let query = request.query()?;
    let step: Option<LoginStep> = query.get("step").and_then(|text| ctx.config.sealer().open(text).ok());
    let step = step.filter(|step: &LoginStep| step.browser == browser.hash && is_fresh(ctx, step.made_at));
    let next = step.map_or(Next::Home, |step| step.next);
    // A session that a newer deployment sealed cannot be read here, and must not keep anybody from
    // signing in anew.
    let is_readable = browser.hint::<SessionCookie>(ctx, Cookie::Session).is_some();
    let signed_in = if is_readable { browser.signed_in(ctx).await? } else { None };
    if signed_in.is_some_and(|signed_in| !wants_again(&next, signed_in.session.auth_time)) {
        let path = if next == Next::Home { "/" } else { "/device" };
        return Ok(browser.name_on(ctx, WireResponse::see_other(path)));
    }
    Ok(form_page(ctx, &browser, 200, next, "", None))
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
    let Some(sealed) = sealed.filter(|sealed| sealed.browser == browser.hash && is_fresh(ctx, sealed.made_at)) else {
        "form expired, or of another browser".clone_into(&mut line.detail);
        return Ok(form_page(ctx, &browser, 400, Next::Home, form.get("login").unwrap_or_default(), Some(LoginError::Expired)));
    };
    if form.get("action") == Some("cancel") {
        return Ok(browser.name_on(ctx, WireResponse::see_other("/")));
    }
    // 2
    let login = login_name(form.get("login").unwrap_or_default());
    let typed = form.get("login").unwrap_or_default();
    let Some(login) = login else {
        return Ok(form_page(ctx, &browser, 400, sealed.next, typed, Some(LoginError::Wrong)));
    };
    let known = known_account(ctx, &browser, &login);
    // A known browser is not held up by whoever else shares its address.
    let filtered = known.as_ref().map_or_else(|| request.network(), |known| known.id.clone());
    limit(ctx, "LIMIT_LOGIN", filtered).await?;
    let guess = guess(ctx, &login, known.as_ref());
    if let Some(wait) = guess.reserve(ctx).await? {
        "too many wrong passwords".clone_into(&mut line.detail);
        let throttled = LoginError::Throttled { minutes: minutes(wait) };
        let page = form_page(ctx, &browser, 429, sealed.next, typed, Some(throttled));
        return Ok(page.header("retry-after", wait_seconds(wait).to_string()));
    }
    // 3
    let user = match authenticated_user(ctx, &login, &form).await {
        Ok(user) => user,
        Err(failure) => {
            // Our failure is not the person's guess.
            guess.release(ctx).await;
            return Err(failure);
        }
    };
    let Some(user) = user else {
        guess.spend(ctx).await?;
        "wrong name or password".clone_into(&mut line.detail);
        return Ok(form_page(ctx, &browser, 400, sealed.next, typed, Some(LoginError::Wrong)));
    };
    // 4
    guess.release(ctx).await;
    begin_session(ctx, &browser, user, &login, &sealed.next).await
}

/// The user, if name and password are right and the account is enabled.
async fn authenticated_user(ctx: &Ctx, login: &str, form: &Form) -> Result<Option<UserId>, Failure> {
    let user = users::by_login(ctx, login).await?;
    let stored = match &user {
        Some(user) => PasswordHash::parse(&user.password),
        None => PasswordHash::of_nobody(),
    };
    let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
    let is_right = stored.is_some_and(|stored| stored.verify(&password));
    Ok(user.filter(|user| is_right && user.enabled).map(|user| user.id))
}

/// Writes the session and sends the browser on with new ids.
async fn begin_session(ctx: &Ctx, browser: &Browser, user: UserId, login: &str, next: &Next) -> Result<WireResponse, Failure> {
    let (settings, secure) = (&ctx.config.settings, ctx.config.is_secure());
    let sealer = ctx.config.sealer();
    let mut entropy = Platform;
    let session = Session {
        id: OwnedId::generate(&user, &mut entropy),
        user,
        auth_time: ctx.now,
        seen_at: ctx.now,
        acr: ACR_PASSWORD.to_owned(),
        amr: vec!["pwd".to_owned()],
    };
    let db = Db::new(ctx, Shards::of(&session.id));
    match browser.hint::<SessionCookie>(ctx, Cookie::Session) {
        // The session that this browser had before ends with it.
        Some(before) => drop(db.batch([sessions::insert(&session), sessions::delete(&before)]).await?),
        None => drop(db.run(sessions::insert(&session)).await?),
    }
    let renamed = Browser::renamed();
    let account = KnownAccount {
        login: login_hash(&sealer, ctx.config.ring.active(), login),
        id: base64url(&random::<16>(&mut entropy)),
        signed_in_at: ctx.now,
    };
    let known = browser.hint::<KnownBrowser>(ctx, Cookie::Known).unwrap_or_default().with(account);
    let cookie = SessionCookie { user: session.user, session: session.id };
    let mut response = renamed.name_on(ctx, WireResponse::see_other(if *next == Next::Home { "/" } else { "/device" }));
    response.set_cookie(Cookie::Session.set(&sealer.seal(&cookie, &mut entropy), Some(settings.session_absolute), secure));
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

/// Whether a sign-in of this instant is too old for where it leads.
fn wants_again(next: &Next, auth_time: Timestamp) -> bool {
    matches!(next, Next::Device { after: Some(after), .. } if auth_time <= *after)
}

fn form_page(ctx: &Ctx, browser: &Browser, status: u16, next: Next, login: &str, error: Option<LoginError>) -> WireResponse {
    let purpose = if next == Next::Home { Purpose::Account } else { Purpose::Device };
    let again = matches!(next, Next::Device { after: Some(_), .. });
    let form = LoginForm { browser: browser.hash.clone(), next, made_at: ctx.now };
    let form = ctx.config.sealer().seal(&form, &mut Platform);
    let model = pages::Login { form: &form, login, purpose, again, cancel: true, error };
    browser.page(ctx, status, pages::login(&realm(ctx), &model))
}
