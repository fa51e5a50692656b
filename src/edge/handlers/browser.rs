//! What the pages share: who the browser is, who is signed in at it, and the forms it holds.

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::store::sessions::{self, SignedIn};
use crate::pages::{self, Html, Realm};
use crate::protocol::cookie::Cookie;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;
use crate::protocol::ids::random;
use crate::protocol::seal::{OpenError, Sealable};
use crate::protocol::secret::{base64url, from_base64url};
use crate::protocol::session::{self, BrowserHash, Holder, LoginStep, Next, SessionCookie};
use crate::protocol::time::{Seconds, Timestamp};
use crate::protocol::uri::origin;

/// A browser: named by a random cookie from its first contact on.
pub struct Browser {
    /// Hash of its id: what is sealed into forms.
    pub hash: BrowserHash,
    /// A new id to set, when it came without one.
    fresh: Option<String>,
    cookies: String,
}

impl Browser {
    /// Recognises the browser or names it.
    pub fn of(ctx: &Ctx, request: &WireRequest) -> Self {
        let cookies = request.header("cookie").unwrap_or_default();
        let known = Cookie::Browser.read(&cookies, ctx.config.is_secure());
        // Only ids of our own making count: 16 bytes.
        let known = known.filter(|id| from_base64url(id).is_some_and(|bytes| bytes.len() == 16)).map(str::to_owned);
        match known {
            Some(id) => Self { hash: BrowserHash::of(&id), fresh: None, cookies },
            None => Self { cookies, ..Self::renamed() },
        }
    }

    /// A browser with a new id: at sign-in, so that nothing from before it stays usable.
    pub fn renamed() -> Self {
        let id = base64url(&random::<16>(&mut Platform));
        Self { hash: BrowserHash::of(&id), fresh: Some(id), cookies: String::new() }
    }

    /// What a cookie says that only helps: nothing when it cannot be opened, for whatever reason.
    pub fn hint<T: Sealable>(&self, ctx: &Ctx, cookie: Cookie) -> Option<T> {
        self.sealed(ctx, cookie).ok().flatten()
    }

    /// A sealed cookie's content; nothing when it is bogus, "try again" when a newer deployment sealed it.
    fn sealed<T: Sealable>(&self, ctx: &Ctx, cookie: Cookie) -> Result<Option<T>, Fault> {
        cookie.read(&self.cookies, ctx.config.is_secure()).map_or(Ok(None), |text| opened(ctx, text))
    }

    /// Sets the id on an answer, if it is new.
    #[must_use]
    pub fn name_on(&self, ctx: &Ctx, mut response: WireResponse) -> WireResponse {
        if let Some(id) = &self.fresh {
            response.set_cookie(Cookie::Browser.set(id, Some(400 * 86_400), ctx.config.is_secure()));
        }
        response
    }

    /// Who is signed in here, alive right now.
    pub async fn signed_in(&self, ctx: &Ctx) -> Result<Option<SignedIn>, Fault> {
        match self.sealed::<SessionCookie>(ctx, Cookie::Session)? {
            Some(cookie) => sessions::alive(ctx, &cookie).await,
            None => Ok(None),
        }
    }

    /// Whom a form made now is for.
    pub fn holder(&self, ctx: &Ctx, signed_in: &SignedIn) -> Holder {
        Holder {
            browser: self.hash.clone(),
            session: signed_in.session.id.clone(),
            user: signed_in.session.user.clone(),
            made_at: ctx.now,
        }
    }

    /// Whether a form that comes back was made for this browser, session and subject, lately.
    pub fn holds(&self, ctx: &Ctx, holder: &Holder, signed_in: &SignedIn) -> bool {
        holder.browser == self.hash
            && holder.session == signed_in.session.id
            && holder.user == signed_in.session.user
            && is_fresh(ctx, holder.made_at)
    }

    /// To the login page, and on to `next` from there.
    pub fn to_login(&self, ctx: &Ctx, next: Next) -> WireResponse {
        let step = LoginStep { browser: self.hash.clone(), next, made_at: ctx.now };
        let sealed = ctx.config.sealer().seal(&step, &mut Platform);
        self.name_on(ctx, WireResponse::see_other(&format!("/login?step={sealed}")))
    }

    /// A page, with the browser's name on it.
    pub fn page(&self, ctx: &Ctx, status: u16, html: Html) -> WireResponse {
        self.page_with_images(ctx, status, html, &[])
    }

    /// A page that shows pictures of these origins besides the realm's logo.
    pub fn page_with_images(&self, ctx: &Ctx, status: u16, html: Html, more: &[&str]) -> WireResponse {
        self.name_on(ctx, page(ctx, status, html, more))
    }
}

/// Whether something that a browser holds is still to be taken.
pub fn is_fresh(ctx: &Ctx, made_at: Timestamp) -> bool {
    session::is_fresh(made_at, Seconds(ctx.config.settings.form_lifetime), ctx.now)
}

/// A page for whoever.
pub fn page(ctx: &Ctx, status: u16, html: Html, more: &[&str]) -> WireResponse {
    let logo = ctx.config.realm.logo.as_deref().and_then(origin);
    let images: Vec<&str> = logo.into_iter().chain(more.iter().copied()).collect();
    WireResponse::page(status, html, &images, ctx.config.is_secure())
}

/// The realm as the pages want it.
pub fn realm(ctx: &Ctx) -> Realm<'_> {
    let realm = &ctx.config.realm;
    Realm { name: &realm.name, logo: realm.logo.as_deref(), color: realm.color, texts: &pages::text::EN }
}

/// The parameters of a posted page form. A request that a browser says comes from another site is
/// refused before it is looked at.
pub async fn posted(request: &mut WireRequest) -> Result<Form, Failure> {
    if request.header("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(OAuthError::new(Code::InvalidRequest, "the form was sent from another site").into());
    }
    request.form().await
}

/// A sealed form; nothing when it is bogus, "try again" when a newer deployment sealed it.
pub fn sealed_form<T: Sealable>(ctx: &Ctx, form: &Form) -> Result<Option<T>, Fault> {
    form.get("form").map_or(Ok(None), |text| opened(ctx, text))
}

/// What a browser carries, opened.
fn opened<T: Sealable>(ctx: &Ctx, text: &str) -> Result<Option<T>, Fault> {
    match ctx.config.sealer().open(text) {
        Ok(value) => Ok(Some(value)),
        Err(OpenError::NewerKey) => Err(Fault::Unavailable(format!("{}: sealed by a newer root secret", T::PURPOSE))),
        Err(OpenError::Bogus) => Ok(None),
    }
}

/// Whole minutes to wait, rounded up.
pub fn minutes(millis: i64) -> u64 {
    millis.max(0).unsigned_abs().div_ceil(60_000).max(1)
}
