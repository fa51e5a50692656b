//! What the pages share: who the browser is, who is signed in at it, and the forms it holds.

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::store::sessions::{self, SignedIn};
use crate::pages::text::{self, Texts};
use crate::pages::{self, Html, Realm};
use crate::protocol::client::{Client, Origin};
use crate::protocol::cookie::Cookie;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;
use crate::protocol::ids::random;
use crate::protocol::scope::Scope;
use crate::protocol::seal::{OpenError, Sealable};
use crate::protocol::secret::{base64url, from_base64url};
use crate::protocol::session::{self, BrowserHash, Holder, LoginStep, Next, Session, SessionCookie, SessionKey};
use crate::protocol::steps::{Asked, AuthorizeStep};
use crate::protocol::time::{Seconds, Timestamp};
use crate::protocol::uri::{host_of, origin};

/// A browser: named by a random cookie from its first contact on.
pub struct Browser {
    /// Hash of its id: what is sealed into forms.
    pub hash: BrowserHash,
    /// A new id to set, when it came without one.
    fresh: Option<String>,
    cookies: String,
    /// The language that its user reads.
    pub texts: &'static Texts,
}

impl Browser {
    /// Recognises the browser or names it.
    pub fn of(ctx: &Ctx, request: &WireRequest) -> Self {
        let cookies = request.header("cookie").unwrap_or_default();
        let known = Cookie::Browser.read(&cookies, ctx.config.is_secure());
        // Only ids of our own making count: 16 bytes.
        let known = known.filter(|id| from_base64url(id).is_some_and(|bytes| bytes.len() == 16)).map(str::to_owned);
        let texts = text::choose(None, request.header("accept-language").as_deref());
        match known {
            Some(id) => Self { hash: BrowserHash::of(&id), fresh: None, cookies, texts },
            None => Self { cookies, ..Self::named_anew(texts) },
        }
    }

    /// The same browser with a new id and nothing in its hands: at sign-in, sign-out and a change of account, so
    /// that nothing from before it stays usable.
    pub fn renamed(&self) -> Self {
        Self::named_anew(self.texts)
    }

    /// The same browser, which keeps the name that it may have. What another site posts comes without our
    /// cookies (`SameSite=Lax`), but the answer may set some: a new name would void what is open in it.
    #[must_use]
    pub fn unnamed(self) -> Self {
        Self { fresh: None, ..self }
    }

    fn named_anew(texts: &'static Texts) -> Self {
        let id = base64url(&random::<16>(&mut Platform));
        Self { hash: BrowserHash::of(&id), fresh: Some(id), cookies: String::new(), texts }
    }

    /// The same browser, where a client said which languages its user reads (`ui_locales`).
    #[must_use]
    pub fn reading(self, ui_locales: Option<&str>) -> Self {
        match ui_locales {
            Some(_) => Self { texts: text::choose(ui_locales, Some(self.texts.lang())), ..self },
            None => self,
        }
    }

    /// The realm as the pages want it, in this browser's language.
    pub fn realm<'a>(&self, ctx: &'a Ctx) -> Realm<'a> {
        let realm = &ctx.config.realm;
        Realm { name: &realm.name, logo: realm.logo.as_deref(), color: realm.color, texts: self.texts }
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

    /// The sessions that it says it has.
    pub fn sessions(&self, ctx: &Ctx) -> Result<Option<SessionCookie>, Fault> {
        self.sealed(ctx, Cookie::Session)
    }

    /// The keys of these sessions, the one in use first.
    pub fn session_keys(&self, ctx: &Ctx) -> Result<Vec<SessionKey>, Fault> {
        Ok(self.sessions(ctx)?.iter().flat_map(SessionCookie::keys).cloned().collect())
    }

    /// Everybody who is signed in here, alive right now, the account in use first.
    pub async fn all_signed_in(&self, ctx: &Ctx) -> Result<Vec<SignedIn>, Fault> {
        let mut signed_in = Vec::new();
        for key in self.session_keys(ctx)? {
            signed_in.extend(sessions::alive(ctx, &key).await?);
        }
        Ok(signed_in)
    }

    /// Whose account is in use here, alive right now.
    pub async fn signed_in(&self, ctx: &Ctx) -> Result<Option<SignedIn>, Fault> {
        match self.sessions(ctx)? {
            Some(cookie) => sessions::alive(ctx, &cookie.current).await,
            None => Ok(None),
        }
    }

    /// Whom a form made now is for.
    pub fn holder(&self, ctx: &Ctx, signed_in: &SignedIn) -> Holder {
        self.holder_of(ctx, &signed_in.session)
    }

    /// The same, of a session.
    pub fn holder_of(&self, ctx: &Ctx, session: &Session) -> Holder {
        Holder { browser: self.hash.clone(), session: session.id.clone(), user: session.user.clone(), made_at: ctx.now }
    }

    /// The session that a form that comes back was made for, if it is one of this browser's and the form is
    /// young. Whether it is alive is still to be asked.
    pub fn key_of(&self, ctx: &Ctx, holder: &Holder) -> Result<Option<SessionKey>, Fault> {
        let key = SessionKey { user: holder.user.clone(), session: holder.session.clone() };
        let is_ours = holder.browser == self.hash && is_fresh(ctx, holder.made_at) && self.session_keys(ctx)?.contains(&key);
        Ok(is_ours.then_some(key))
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

    /// On with an authorization, at one of its pages.
    pub fn to_step(&self, ctx: &Ctx, path: &str, asked: Asked) -> WireResponse {
        self.name_on(ctx, WireResponse::see_other(&self.step_url(ctx, path, asked)))
    }

    /// A step of an authorization at one of its pages.
    pub fn step_url(&self, ctx: &Ctx, path: &str, asked: Asked) -> String {
        let step = AuthorizeStep { browser: Some(self.hash.clone()), asked, made_at: ctx.now };
        format!("{path}?step={}", ctx.config.sealer().seal(&step, &mut Platform))
    }

    /// Sets its sessions on an answer.
    #[must_use]
    pub fn with_sessions(ctx: &Ctx, mut response: WireResponse, cookie: &SessionCookie) -> WireResponse {
        let (settings, secure) = (&ctx.config.settings, ctx.config.is_secure());
        let sealed = ctx.config.sealer().seal(cookie, &mut Platform);
        response.set_cookie(Cookie::Session.set(&sealed, Some(settings.session_absolute), secure));
        response
    }

    /// A page, with the browser's name on it.
    pub fn page(&self, ctx: &Ctx, status: u16, html: Html) -> WireResponse {
        self.page_with_images(ctx, status, html, &[])
    }

    /// A page that shows a client's logo.
    pub fn page_about(&self, ctx: &Ctx, status: u16, html: Html, client: Option<&Client>) -> WireResponse {
        let logo = client.and_then(|client| client.metadata.logo_uri.as_deref()).and_then(origin);
        self.page_with_images(ctx, status, html, logo.as_slice())
    }

    /// A page that shows pictures of these origins besides the realm's logo.
    pub fn page_with_images(&self, ctx: &Ctx, status: u16, html: Html, more: &[&str]) -> WireResponse {
        self.name_on(ctx, page(ctx, status, html, more))
    }
}

/// What pages say of a client.
pub fn client_on_page(client: &Client) -> pages::Client<'_> {
    let metadata = &client.metadata;
    pages::Client {
        name: &metadata.client_name,
        // What is known of one that describes itself is where it does so.
        publisher: match client.origin {
            Origin::Document => host_of(&client.id),
            Origin::Operator | Origin::Registration => metadata.publisher.as_deref(),
        },
        logo: metadata.logo_uri.as_deref(),
        policy: metadata.policy_uri.as_deref(),
        tos: metadata.tos_uri.as_deref(),
    }
}

/// What pages say of scopes that are asked for.
pub fn scopes_on_page<'a>(
    ctx: &'a Ctx,
    scope: &'a Scope,
    is_required: impl Fn(&str) -> bool,
    is_checked: impl Fn(&str) -> bool,
) -> Vec<pages::RequestedScope<'a>> {
    scope
        .iter()
        .map(|name| {
            let words = ctx.config.scopes.words(name);
            pages::RequestedScope {
                name,
                title: words.map(|words| words.title.as_str()),
                description: words.map(|words| words.description.as_str()).filter(|text| !text.is_empty()),
                required: is_required(name),
                checked: is_checked(name),
            }
        })
        .collect()
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

/// The parameters of a posted page form. A request that a browser says comes from another site is
/// refused before it is looked at.
pub async fn posted(request: &mut WireRequest) -> Result<Form, Failure> {
    from_our_own_page(request)?;
    request.form().await
}

/// Refuses what a browser says comes from another site.
pub fn from_our_own_page(request: &WireRequest) -> Result<(), OAuthError> {
    if request.header("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(OAuthError::new(Code::InvalidRequest, "the form was sent from another site"));
    }
    Ok(())
}

/// A sealed form; nothing when it is bogus, "try again" when a newer deployment sealed it.
pub fn sealed_form<T: Sealable>(ctx: &Ctx, form: &Form) -> Result<Option<T>, Fault> {
    form.get("form").map_or(Ok(None), |text| opened(ctx, text))
}

/// What a browser carries, opened; nothing when it is bogus, "try again" when a newer deployment sealed it.
pub fn opened<T: Sealable>(ctx: &Ctx, text: &str) -> Result<Option<T>, Fault> {
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
