//! `/authorize`: RFC 6749 4.1.1, OpenID Connect Core 3.1.2, RFC 9101, RFC 9126 4, RFC 9207.

use crate::edge::crypto;
use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::answer::{self, Granted};
use crate::edge::handlers::browser::{Browser, is_fresh, opened};
use crate::edge::handlers::{clients, request_object};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::pairwise;
use crate::edge::store::pushed_requests;
use crate::edge::store::sessions::{self, SignedIn};
use crate::protocol::authorize::{Account, AuthorizationRequest, Next, ReturnTo, decide};
use crate::protocol::claims::IdClaims;
use crate::protocol::client::Client;
use crate::protocol::consent::Choice;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;
use crate::protocol::ids::UserId;
use crate::protocol::jose::Typ;
use crate::protocol::session::{self, SessionKey};
use crate::protocol::steps::{Asked, AuthorizeStep, PushedId};
use crate::protocol::time::Seconds;

/// What `request_uri`s of pushed requests begin with (RFC 9126 2.2).
pub const PUSHED: &str = "urn:ietf:params:oauth:request_uri:";

/// `GET /authorize`.
///
/// 1. A request, or a step that leads back here from one of our pages.
/// 2. Until client and redirect URI are both good, nobody is sent anywhere: an error page.
/// 3. Everything else that is wrong is told to the client by redirect.
/// 4. Sign-in, choice of account and consent are pages of their own; what needs none of them is answered
///    at once.
pub async fn show(ctx: &Ctx, request: &WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    let browser = Browser::of(ctx, request);
    let query = request.query()?;
    // 1
    let (asked, request) = match query.get("step") {
        Some(step) => {
            let asked = step_of(ctx, &browser, step)?;
            let request = request_of(ctx, &asked).await?;
            (asked, request)
        }
        None => match read(ctx, &browser, &query, line).await? {
            Read::Asked(read) => *read,
            Read::Refused(response) => return Ok(response),
        },
    };
    go_on(ctx, browser, asked, request, line).await
}

/// `POST /authorize`: the same in a body (Core 3.1.2.1). Where another site's form brought the browser here it
/// does not send our cookies (`SameSite=Lax`); so the request is sealed and asked for again by GET.
pub async fn submit(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    let form = request.form().await?;
    let browser = Browser::of(ctx, request).unnamed();
    match read(ctx, &browser, &form, line).await? {
        Read::Asked(read) => {
            let (asked, _) = *read;
            let step = AuthorizeStep { browser: None, asked, made_at: ctx.now };
            let sealed = ctx.config.sealer().seal(&step, &mut Platform);
            Ok(WireResponse::see_other(&format!("/authorize?step={sealed}")))
        }
        Read::Refused(response) => Ok(response),
    }
}

/// The step of this browser. What is another's, or old, counts as the link that it once was.
pub fn step_of(ctx: &Ctx, browser: &Browser, text: &str) -> Result<Asked, Failure> {
    let step: Option<AuthorizeStep> = opened(ctx, text)?;
    let step = step.ok_or(OAuthError::new(Code::InvalidRequest, "the step is not valid"))?;
    let is_ours = step.browser.as_ref() == Some(&browser.hash) && is_fresh(ctx, step.made_at);
    Ok(if is_ours { step.asked } else { step.asked.anew(ctx.now) })
}

/// What came of reading a request.
enum Read {
    /// A good one: what the browser carries of it, and itself.
    Asked(Box<(Asked, AuthorizationRequest)>),
    /// The answer to a bad one, by redirect.
    Refused(WireResponse),
}

/// Reads a request. A copy of the client from memory may say yes, never no.
async fn read(ctx: &Ctx, browser: &Browser, form: &Form, line: &mut Line) -> Result<Read, Failure> {
    let id = form.require("client_id")?;
    line.client = Client::is_id(id).then(|| id.to_owned());
    let mut refused = None;
    if let Some(client) = clients::remembered(ctx, id) {
        match read_for(ctx, browser, form, &client, line).await {
            Ok(Read::Asked(read)) => return Ok(Read::Asked(read)),
            outcome => refused = Some((client.metadata, outcome)),
        }
    }
    let client = clients::fresh(ctx, id).await?.filter(|client| client.enabled);
    // 2
    let client = client.ok_or(OAuthError::new(Code::InvalidRequest, "client_id is not known"))?;
    match refused {
        // A second try would end the same, and would have us fetch from others' servers once more.
        Some((metadata, outcome)) if metadata == client.metadata => outcome,
        _ => read_for(ctx, browser, form, &client, line).await,
    }
}

async fn read_for(ctx: &Ctx, browser: &Browser, form: &Form, client: &Client, line: &mut Line) -> Result<Read, Failure> {
    if let Some(id) = form.get("request_uri").and_then(|uri| uri.strip_prefix(PUSHED)) {
        let key = PushedId { client: client.id.clone(), id: id.to_owned() };
        let asked = Asked { request: None, pushed: Some(key), made_at: ctx.now, chosen: None };
        let request = request_of(ctx, &asked).await?;
        return Ok(Read::Asked(Box::new((asked, request))));
    }
    let outer = ReturnTo::parse(form, client);
    let refused = |to: &ReturnTo, error: &OAuthError, line: &mut Line| {
        line.error = Some(error.code.row().0);
        Read::Refused(answer::back(ctx, browser, client, to, &ReturnTo::error(error)))
    };
    let object = match object_of(ctx, client, form).await {
        Ok(object) => object,
        // Told by redirect only where the parameters outside say where to.
        Err(Failure::Peer(error)) if let Ok(to) = &outer => return Ok(refused(to, &error, line)),
        Err(failure) => return Err(failure),
    };
    let form = object.as_ref().unwrap_or(form);
    let to = ReturnTo::parse(form, client)?;
    if ctx.config.require_pushed_requests || client.metadata.require_pushed_authorization_requests {
        let error = OAuthError::new(Code::InvalidRequest, "the request must be pushed first");
        return Ok(refused(&to, &error, line));
    }
    // 3
    match checked(ctx, client, form, to.clone(), false).await {
        Ok(request) => {
            let asked = Asked { request: Some(request.clone()), pushed: None, made_at: ctx.now, chosen: None };
            Ok(Read::Asked(Box::new((asked, request))))
        }
        Err(Failure::Peer(error)) => Ok(refused(&to, &error, line)),
        Err(failure) => Err(failure),
    }
}

/// The parameters of a signed request object, if there is one: then those outside do not count (RFC 9101 6.3).
pub async fn object_of(ctx: &Ctx, client: &Client, form: &Form) -> Result<Option<Form>, Failure> {
    match (form.get("request"), form.get("request_uri")) {
        (Some(_), Some(_)) => Err(OAuthError::new(Code::InvalidRequest, "request and request_uri exclude each other").into()),
        (Some(object), None) => Ok(Some(request_object::opened(ctx, client, object).await?)),
        (None, Some(uri)) => {
            let object = request_object::fetched(ctx, client, uri).await?;
            Ok(Some(request_object::opened(ctx, client, &object).await?))
        }
        (None, None) if client.metadata.require_signed_request_object => {
            Err(OAuthError::new(Code::InvalidRequest, "the request must be a signed request object").into())
        }
        (None, None) => Ok(None),
    }
}

/// The request of a client, checked; its `id_token_hint` must be an ID token of ours, of whatever age.
pub async fn checked(
    ctx: &Ctx,
    client: &Client,
    form: &Form,
    to: ReturnTo,
    is_pushed: bool,
) -> Result<AuthorizationRequest, Failure> {
    let mut request = AuthorizationRequest::parse(form, client, to, is_pushed, &ctx.config, ctx.now)?;
    if let Some(hint) = form.get("id_token_hint") {
        let claims: Option<IdClaims> = crypto::verified_at_any_time(ctx, hint, Typ::IdToken).await?.map(|(claims, _)| claims);
        let claims = claims.filter(|claims: &IdClaims| claims.iss == ctx.config.issuer);
        let bogus = OAuthError::new(Code::InvalidRequest, "id_token_hint is not an ID token of this issuer");
        let subject = claims.ok_or(bogus)?.sub;
        if request.subject.as_ref().is_some_and(|other| *other != subject) {
            return Err(OAuthError::new(Code::InvalidRequest, "id_token_hint and claims are about two users").into());
        }
        request.subject = Some(subject);
    }
    Ok(request)
}

/// Where an authorization stands.
pub struct Stage {
    /// The browser, in the language that the client asked for.
    pub browser: Browser,
    /// The client, as it is now or was lately.
    pub client: Client,
    /// The request.
    pub request: AuthorizationRequest,
    /// Who is signed in, of the accounts here the one that it is about.
    pub account: Option<(SignedIn, Option<Choice>)>,
    /// What happens next.
    pub next: Next,
}

/// Where an authorization stands now, or the answer to one that can go no further.
pub enum Staged {
    /// Here.
    Stage(Box<Stage>),
    /// Over.
    Over(WireResponse),
}

/// Works out where an authorization stands. `request` is what [`request_of`] says of `asked`.
pub async fn stage(
    ctx: &Ctx,
    browser: Browser,
    asked: &Asked,
    request: AuthorizationRequest,
    line: &mut Line,
) -> Result<Staged, Failure> {
    line.client = Some(request.client.clone());
    let browser = browser.reading(request.ui_locales.as_deref());
    let (client, outcome) = client_for(ctx, request).await?;
    let request = match outcome {
        Ok(request) => request,
        Err((to, error)) => return Ok(Staged::Over(answer::refuse(ctx, &browser, &client, asked, &to, &error).await?)),
    };
    let account = match candidate(ctx, &browser, &client, &request, asked.chosen.as_ref()).await? {
        Some((key, subject)) => {
            let alive = sessions::alive_with_consent(ctx, &key, &client.id).await?;
            alive.map(|(signed_in, choice)| (signed_in, choice, subject))
        }
        None => None,
    };
    // What somebody may not have is not asked of them.
    let request = match &account {
        Some((signed_in, ..)) => request.for_user(&signed_in.roles),
        None => request,
    };
    let is_chosen = asked.chosen.is_some();
    let next = match &account {
        Some((signed_in, choice, subject)) => {
            let account = Account { session: &signed_in.session, subject, choice: choice.as_ref() };
            decide(&request, &client, Some(account), is_chosen)
        }
        None => decide(&request, &client, None, is_chosen),
    };
    let account = account.map(|(signed_in, choice, _)| (signed_in, choice));
    Ok(Staged::Stage(Box::new(Stage { browser, client, request, account, next })))
}

/// The request itself: carried along, or where it was pushed to, for one that was asked for within its time
/// (RFC 9126 4).
pub async fn request_of(ctx: &Ctx, asked: &Asked) -> Result<AuthorizationRequest, Failure> {
    let request = match (&asked.request, &asked.pushed) {
        (Some(request), _) => Some(request.clone()),
        (None, Some(key)) => {
            // The flow must have begun in the request's time; a step that counts as a link begins anew.
            let lifetime = Seconds(ctx.config.settings.par_lifetime);
            let pushed = pushed_requests::by_id(ctx, key).await?;
            let pushed = pushed.filter(|(_, created_at)| session::is_fresh(*created_at, lifetime, asked.made_at));
            pushed.map(|(request, _)| request)
        }
        (None, None) => None,
    };
    let request = request.ok_or(OAuthError::new(Code::InvalidRequestUri, "the request_uri is not known, used, or expired"))?;
    Ok(AuthorizationRequest { made_at: asked.made_at, ..request })
}

/// The client of a request, and the request as far as the client may make it now. A copy from memory may say
/// yes, never no; a client that may not be answered there any more is told nothing.
pub async fn client_for(
    ctx: &Ctx,
    request: AuthorizationRequest,
) -> Result<(Client, Result<AuthorizationRequest, (ReturnTo, OAuthError)>), Failure> {
    let is_good = |client: &Client| client.enabled && request.to.is_registered(client);
    if let Some(client) = clients::remembered(ctx, &request.client).filter(is_good)
        && let Ok(request) = request.clone().for_client(&client, &ctx.config)
    {
        return Ok((client, Ok(request)));
    }
    let client = clients::fresh(ctx, &request.client).await?.filter(is_good);
    let client = client.ok_or(OAuthError::new(Code::InvalidRequest, "client_id or redirect_uri is not known any more"))?;
    let to = request.to.clone();
    let request = request.for_client(&client, &ctx.config).map_err(|error| (to, error));
    Ok((client, request))
}

/// The session of this browser that it is about, with the user's subject at this client: of the account that was
/// chosen, or that is wanted, or that is in use. No other is tried in its place.
async fn candidate(
    ctx: &Ctx,
    browser: &Browser,
    client: &Client,
    request: &AuthorizationRequest,
    chosen: Option<&UserId>,
) -> Result<Option<(SessionKey, String)>, Failure> {
    let Some(cookie) = browser.sessions(ctx)? else {
        return Ok(None);
    };
    let mut known = Vec::new();
    for key in cookie.keys() {
        known.push((key.clone(), pairwise::subject(ctx, client, &key.user).await?));
    }
    let wanted = request.subject.as_deref();
    let place = known
        .iter()
        .position(|(key, _)| Some(&key.user) == chosen)
        .or_else(|| known.iter().position(|(_, subject)| Some(subject.as_str()) == wanted))
        .unwrap_or(0);
    Ok(known.into_iter().nth(place))
}

/// Takes an authorization on to its next page or to its end.
async fn go_on(
    ctx: &Ctx,
    browser: Browser,
    asked: Asked,
    request: AuthorizationRequest,
    line: &mut Line,
) -> Result<WireResponse, Failure> {
    // 4
    let stage = match stage(ctx, browser, &asked, request, line).await? {
        Staged::Stage(stage) => *stage,
        Staged::Over(response) => return Ok(response),
    };
    let Stage { browser, client, request, account, next } = stage;
    match (next, account) {
        (Next::Grant { scope, claims }, Some((signed_in, _))) => {
            let session = &signed_in.session;
            let client = clients::settle(ctx, client).await?;
            let granted = Granted { asked: &asked, request: &request, client: &client, session, scope, claims };
            answer::grant(ctx, &browser, granted).await
        }
        (Next::Refuse(error), _) => {
            line.error = Some(error.code.row().0);
            answer::refuse(ctx, &browser, &client, &asked, &request.to, &error).await
        }
        (Next::Choose, _) => Ok(browser.to_step(ctx, "/accounts", asked)),
        (Next::Consent, _) => Ok(browser.to_step(ctx, "/consent", asked)),
        (Next::Login | Next::Grant { .. }, _) => {
            Ok(browser.to_login(ctx, session::Next::Authorize { asked: Box::new(asked), beside: false }))
        }
    }
}
