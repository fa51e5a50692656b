//! `/login`.

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::api::limit;
use crate::edge::handlers::browser::{Browser, is_fresh, minutes, posted, realm, sealed_form};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::objects::throttle;
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
use crate::protocol::throttle::{Claim, Kept, wait_seconds};
use crate::protocol::time::Seconds;

/// `GET /login`: the form, for a step that leads somewhere or for the start page.
pub async fn show(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    let browser = Browser::of(ctx, request);
    let query = request.query()?;
    let step: Option<LoginStep> = query.get("step").and_then(|text| ctx.config.sealer().open(text).ok());
    let step = step.filter(|step: &LoginStep| step.browser == browser.hash && is_fresh(ctx, step.made_at));
    let next = step.map_or(Next::Home, |step| step.next);
    // A session that a newer deployment sealed cannot be read here, and must not keep anybody from
    // signing in anew.
    let is_signed_in = browser.hint::<SessionCookie>(ctx, Cookie::Session).is_some() && browser.signed_in(ctx).await?.is_some();
    if is_signed_in && !wants_again(&next) {
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
    let guess = Guess::of(ctx, &browser, &login);
    // A known browser is not held up by whoever else shares its address.
    limit(ctx, "LIMIT_LOGIN", if guess.realm.is_some() { request.network() } else { guess.own.key.clone() }).await?;
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

/// One guess at a password, and the budgets that it comes out of.
struct Guess {
    login: String,
    own: Claim,
    realm: Option<Claim>,
}

impl Guess {
    fn of(ctx: &Ctx, browser: &Browser, login: &str) -> Self {
        let settings = &ctx.config.settings;
        let sealer = ctx.config.sealer();
        let lifetime = Seconds(settings.known_browser_lifetime);
        let known: Option<KnownBrowser> = browser.hint(ctx, Cookie::Known);
        // A cookie from before a change of the active root secret still counts.
        let account = known.as_ref().and_then(|known| {
            ctx.config.ring.numbers().find_map(|number| known.account(&login_hash(&sealer, number, login), lifetime, ctx.now))
        });
        match account {
            Some(account) => {
                let key = throttle::key(ctx, "password from known browser", &account.id);
                let own = Claim { key, budget: ctx.config.budget(settings.known_browser_budget), kept: Kept::Exactly };
                Self { login: login.to_owned(), own, realm: None }
            }
            None => {
                let key = throttle::key(ctx, "password", login);
                let own = Claim { key, budget: ctx.config.budget(settings.password_budget), kept: Kept::Exactly };
                let key = throttle::key(ctx, "password", "realm");
                let realm = Claim { key, budget: ctx.config.budget(settings.realm_password_budget), kept: Kept::Exactly };
                Self { login: login.to_owned(), own, realm: Some(realm) }
            }
        }
    }

    /// Takes a guess, or says how many milliseconds until there is one.
    async fn reserve(&self, ctx: &Ctx) -> Result<Option<i64>, Failure> {
        if let Some(wait) = throttle::reserve(ctx, &self.owner(), std::slice::from_ref(&self.own)).await? {
            return Ok(Some(wait));
        }
        if let Some(realm) = &self.realm
            && let Some(wait) = throttle::reserve(ctx, REALM, std::slice::from_ref(realm)).await?
        {
            let _ = throttle::release(ctx, &self.owner(), std::slice::from_ref(&self.own)).await;
            return Ok(Some(wait));
        }
        Ok(None)
    }

    /// Writes the guess down: it was wrong.
    async fn spend(&self, ctx: &Ctx) -> Result<(), Failure> {
        throttle::spend(ctx, &self.owner(), std::slice::from_ref(&self.own)).await?;
        if let Some(realm) = &self.realm {
            throttle::spend(ctx, REALM, std::slice::from_ref(realm)).await?;
        }
        Ok(())
    }

    /// Gives the guess back. If that fails the budget is one short for a while, which is no reason to
    /// refuse who was right.
    async fn release(&self, ctx: &Ctx) {
        let _ = throttle::release(ctx, &self.owner(), std::slice::from_ref(&self.own)).await;
        if let Some(realm) = &self.realm {
            let _ = throttle::release(ctx, REALM, std::slice::from_ref(realm)).await;
        }
    }

    fn owner(&self) -> String {
        format!("login {}", self.login)
    }
}

/// Owner of the realm-wide tally of wrong passwords.
const REALM: &str = "realm passwords";

fn wants_again(next: &Next) -> bool {
    matches!(next, Next::Device { after: Some(_), .. })
}

fn form_page(ctx: &Ctx, browser: &Browser, status: u16, next: Next, login: &str, error: Option<LoginError>) -> WireResponse {
    let purpose = if next == Next::Home { Purpose::Account } else { Purpose::Device };
    let again = wants_again(&next);
    let form = LoginForm { browser: browser.hash.clone(), next, made_at: ctx.now };
    let form = ctx.config.sealer().seal(&form, &mut Platform);
    let model = pages::Login { form: &form, login, purpose, again, cancel: true, error };
    browser.page(ctx, status, pages::login(&realm(ctx), &model))
}
