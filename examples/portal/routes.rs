//! What the browser asks for, and what the provider says behind its back.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::oauth::Oauth;
use crate::pages::{Home, Page, STYLE};
use crate::provider::{Refusal, body, root_cause, unix_time};
use crate::rules::logout_token;
use crate::sessions::{ATTEMPT_LIFETIME, Attempts, Logouts, SESSION_LIFETIME, Session, Sessions, Tokens, is_same, random};

/// An access token that expires within so many seconds is not used any more.
const EARLY: i64 = 2;
/// Names of cookies; with https a prefix says that they are this host's own.
const SESSION: &str = "portal-session";
const SIGN_IN: &str = "portal-sign-in";
const SIGN_OUT: &str = "portal-sign-out";

/// The whole application.
pub struct Portal {
    /// The provider
    pub oauth: Oauth,
    /// How browsers reach us
    pub origin: String,
    /// For the API
    pub api_http: Client,
    /// Who is signed in
    pub sessions: Sessions,
    /// Who is about to be
    pub attempts: Attempts,
    /// Logout tokens that came
    pub logouts: Logouts,
}

/// All routes.
pub fn router(portal: Arc<Portal>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login", get(login))
        .route("/callback", get(callback))
        .route("/records", post(add_record))
        .route("/refresh", post(refresh))
        .route("/logout", post(logout))
        .route("/signed-out", get(signed_out))
        .route("/backchannel-logout", post(backchannel_logout))
        .route("/style.css", get(async || ([(header::CONTENT_TYPE, "text/css")], STYLE)))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .with_state(portal)
}

async fn home(State(portal): State<Arc<Portal>>, headers: HeaderMap) -> Response {
    match portal.session(&headers) {
        Some(session) => portal.shown(&session, None).await,
        None => portal.page(StatusCode::OK, Page::default()).await,
    }
}

/// Sends the browser to the provider, and remembers which browser that was.
async fn login(State(portal): State<Arc<Portal>>, headers: HeaderMap) -> Response {
    // A second tab of the same browser must not make the first one's sign-in void.
    let is_random =
        |value: &&str| value.len() == 43 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let known = portal.cookie(&headers, SIGN_IN).filter(is_random).map(str::to_owned);
    let started = async {
        let browser = known.map_or_else(random, Ok)?;
        let (state, attempt) = portal.attempts.start(&browser)?;
        Ok((portal.oauth.authorization_url(&state, &attempt).await?, browser))
    };
    match started.await {
        Ok((url, browser)) => portal.with_cookie(see_other(url.as_str()), SIGN_IN, &browser, ATTEMPT_LIFETIME),
        Err(failure) => portal.failed(&failure).await,
    }
}

/// RFC 6749 4.1.2 and 4.1.2.1, RFC 9207 2
#[derive(Deserialize)]
struct Answer {
    state: Option<String>,
    iss: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Where the provider sends the browser back to.
async fn callback(
    State(portal): State<Arc<Portal>>,
    headers: HeaderMap,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Response {
    let Ok(Query(answer)) = answer else {
        return portal.failed(&Failure::bad_request("This answer of the provider cannot be read.")).await;
    };
    match portal.signed_in(&headers, answer).await {
        Ok(session) => {
            // Whoever was signed in before in this browser is not any more, and no cookie from before is worth anything.
            if let Some(before) = portal.cookie(&headers, SESSION) {
                portal.sessions.end(before);
            }
            let response = portal.with_cookie(see_other("/"), SESSION, &session.id, SESSION_LIFETIME);
            portal.with_cookie(response, SIGN_IN, "", Duration::ZERO)
        }
        Err(failure) => portal.failed(&failure).await,
    }
}

/// Every form has the session's token: other sites can make a browser send a form, but they cannot read ours.
#[derive(Deserialize)]
struct Posted {
    csrf: String,
    text: Option<String>,
}

type PostedForm = Result<Form<Posted>, FormRejection>;

async fn add_record(State(portal): State<Arc<Portal>>, headers: HeaderMap, form: PostedForm) -> Response {
    let (session, form) = match portal.posted(&headers, form) {
        Ok(posted) => posted,
        Err(failure) => return portal.failed(&failure).await,
    };
    match portal.call(&session, Some(form.text.as_deref().unwrap_or_default())).await {
        Ok(_) => see_other("/"),
        Err(failure) => portal.shown(&session, Some(failure)).await,
    }
}

async fn refresh(State(portal): State<Arc<Portal>>, headers: HeaderMap, form: PostedForm) -> Response {
    let (session, _) = match portal.posted(&headers, form) {
        Ok(posted) => posted,
        Err(failure) => return portal.failed(&failure).await,
    };
    match portal.tokens(&session, Some(&session.tokens())).await {
        Ok(_) => see_other("/"),
        Err(failure) => portal.shown(&session, Some(failure)).await,
    }
}

/// Ends the session here, then at the provider.
async fn logout(State(portal): State<Arc<Portal>>, headers: HeaderMap, form: PostedForm) -> Response {
    let (session, _) = match portal.posted(&headers, form) {
        Ok(posted) => posted,
        Err(failure) => return portal.failed(&failure).await,
    };
    portal.sessions.end(&session.id);
    // A refresh under way may still bring the token that is to be revoked.
    let tokens = {
        let _none_under_way = session.refreshing.lock().await;
        session.tokens()
    };
    portal.oauth.revoke(&tokens).await;
    let target = async {
        let state = random()?;
        Ok::<_, Failure>((portal.oauth.sign_out_url(&tokens.id_token, &state).await?, state))
    };
    let response = match target.await {
        Ok((Some(url), state)) => portal.with_cookie(see_other(url.as_str()), SIGN_OUT, &state, ATTEMPT_LIFETIME),
        Ok((None, _)) => see_other("/signed-out"),
        Err(failure) => portal.failed(&failure).await,
    };
    portal.with_cookie(response, SESSION, "", Duration::ZERO)
}

#[derive(Deserialize)]
struct SignedOut {
    state: Option<String>,
}

/// Where the provider sends the browser back to after a sign-out. Anybody can link to it, so it believes only what is so.
async fn signed_out(
    State(portal): State<Arc<Portal>>,
    headers: HeaderMap,
    answer: Result<Query<SignedOut>, QueryRejection>,
) -> Response {
    if portal.session(&headers).is_some() {
        return see_other("/");
    }
    let state = answer.ok().and_then(|Query(answer)| answer.state);
    let is_ours = state.zip(portal.cookie(&headers, SIGN_OUT)).is_some_and(|(state, sent)| is_same(&state, sent));
    let text = if is_ours { "You are signed out here and at the provider." } else { "You are signed out here." };
    let page = Page { title: "Signed out", signed_out: Some(text), ..Page::default() };
    let response = portal.page(StatusCode::OK, page).await;
    portal.with_cookie(response, SIGN_OUT, "", Duration::ZERO)
}

#[derive(Deserialize)]
struct LogoutRequest {
    logout_token: String,
}

/// OpenID Connect Back-Channel Logout 1.0 sections 2.5 to 2.8.
async fn backchannel_logout(State(portal): State<Arc<Portal>>, form: Result<Form<LogoutRequest>, FormRejection>) -> Response {
    let oauth = &portal.oauth;
    let refusal = match form {
        Err(_) => Refusal::Invalid("no logout token"),
        Ok(Form(form)) => match logout_token(&oauth.provider, (&oauth.client_id, oauth.alg), &form.logout_token).await {
            Err(refusal) => refusal,
            Ok(logout) if !portal.logouts.is_new(&logout, unix_time()) => Refusal::Invalid("this logout token came before"),
            Ok(logout) => {
                println!("portal: the provider ended {} session(s)", portal.sessions.sign_out(&logout));
                return ([(header::CACHE_CONTROL, "no-store")], StatusCode::OK).into_response();
            }
        },
    };
    // Section 2.8 has one status for all of it; whoever tries again later is right in the second case alone.
    let error = if matches!(refusal, Refusal::Invalid(_)) { "invalid_request" } else { "temporarily_unavailable" };
    eprintln!("portal: back-channel logout refused: {refusal}");
    let told = Json(json!({"error": error, "error_description": refusal.to_string()}));
    (StatusCode::BAD_REQUEST, [(header::CACHE_CONTROL, "no-store")], told).into_response()
}

impl Portal {
    /// Checks the provider's answer and starts a session, in the order that leaves an attacker the least: the browser,
    /// the issuer, and only then what is said.
    async fn signed_in(&self, headers: &HeaderMap, answer: Answer) -> Result<Arc<Session>, Failure> {
        let browser = self.cookie(headers, SIGN_IN).unwrap_or_default();
        let attempt = answer.state.and_then(|state| self.attempts.take(&state, browser));
        let unknown = || Failure::bad_request("This sign-in was not started in this browser, or too long ago.");
        let attempt = attempt.ok_or_else(unknown)?;
        self.oauth.check_issuer(answer.iss.as_deref()).await?;
        if let Some(error) = answer.error {
            let told = answer.error_description.unwrap_or_else(|| "The provider did not sign you in.".to_owned());
            return Err(Failure::new(StatusCode::BAD_REQUEST, &error, &told));
        }
        let code = answer.code.ok_or_else(|| Failure::bad_request("The provider sent neither a code nor an error."))?;
        let (tokens, id) = self.oauth.exchange(&code, &attempt).await?;
        let subject = id.text("sub").unwrap_or_default();
        let profile = self.oauth.userinfo(&tokens.access_token, subject).await.unwrap_or_default();
        let told = |name: &str| {
            let from_profile = profile.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            from_profile.or_else(|| id.text(name)).map(str::to_owned)
        };
        let mut session = Session::new(subject, id.text("sid"), &attempt.nonce, tokens)?;
        session.name = told("name").unwrap_or(session.name);
        session.email = told("email");
        Ok(self.sessions.start(session))
    }

    fn posted(&self, headers: &HeaderMap, form: PostedForm) -> Result<(Arc<Session>, Posted), Failure> {
        let session = self.session(headers).ok_or_else(|| Failure::ended("", "You are not signed in any more."))?;
        let form = form.ok().map(|Form(form)| form).filter(|form| is_same(&form.csrf, &session.csrf));
        let foreign = || Failure::new(StatusCode::FORBIDDEN, "", "This form is not from this page; please try again.");
        Ok((session, form.ok_or_else(foreign)?))
    }

    /// Tokens that are good now. `used`, if given, are known not to be.
    async fn tokens(self: &Arc<Self>, session: &Arc<Session>, used: Option<&Arc<Tokens>>) -> Result<Arc<Tokens>, Failure> {
        let held = session.tokens();
        let is_used = used.is_some_and(|used| Arc::ptr_eq(used, &held));
        if !is_used && unix_time() < held.expires_at.saturating_sub(EARLY) {
            return Ok(held);
        }
        // In a task of its own: a browser that goes away must not take the answer with it, for the old refresh token may be
        // void by then.
        let (portal, session) = (Arc::clone(self), Arc::clone(session));
        let refreshed = tokio::spawn(async move { portal.refreshed(&session, &held).await }).await;
        refreshed.map_err(|_| Failure::bad_gateway("The refresh broke off."))?
    }

    /// Replaces `held`, unless somebody else has done it.
    async fn refreshed(&self, session: &Session, held: &Arc<Tokens>) -> Result<Arc<Tokens>, Failure> {
        let _alone = session.refreshing.lock().await;
        let current = session.tokens();
        if !Arc::ptr_eq(&current, held) {
            return Ok(current);
        }
        if self.sessions.find(&session.id).is_none() {
            return Err(Failure::ended("", "You are not signed in any more."));
        }
        match self.oauth.refresh(held, &session.subject, &session.nonce).await {
            Ok(Some(tokens)) => Ok(session.renew(tokens)),
            // Without a refresh token the access token's end is the session's; "Refresh now" before that changes nothing.
            Ok(None) if unix_time() < held.expires_at => Err(Failure::bad_request("There is no refresh token.")),
            Ok(None) => {
                self.sessions.end(&session.id);
                Err(Failure::ended("", "Your sign-in has expired."))
            }
            Err(failure) if failure.error == "invalid_grant" => {
                self.sessions.end(&session.id);
                Err(Failure::ended(&failure.error, &format!("Your sign-in has ended: {}", failure.text)))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Reads the records, or adds one. An access token that the API does not take any more is refreshed once.
    async fn call(self: &Arc<Self>, session: &Arc<Session>, new: Option<&str>) -> Result<Value, Failure> {
        let tokens = self.tokens(session, None).await?;
        match self.call_with(&tokens, new).await {
            Err(failure) if failure.status == StatusCode::UNAUTHORIZED => {
                let tokens = self.tokens(session, Some(&tokens)).await?;
                self.call_with(&tokens, new).await
            }
            answer => answer,
        }
    }

    async fn call_with(&self, tokens: &Tokens, new: Option<&str>) -> Result<Value, Failure> {
        let url = format!("{}/records", self.oauth.resource.trim_end_matches('/'));
        let request = match new {
            Some(text) => self.api_http.post(url).json(&json!({"text": text})),
            None => self.api_http.get(url),
        };
        let unreachable = |error| Failure::bad_gateway(&format!("The API cannot be reached: {}.", root_cause(&error)));
        let response = request.bearer_auth(&tokens.access_token).send().await.map_err(unreachable)?;
        let status = response.status();
        let answer = body(response).await.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(answer);
        }
        let told = |name: &str| answer.get(name).and_then(Value::as_str);
        let reason = told("error_description").or(told("message")).unwrap_or_default();
        Err(Failure::new(status, told("error").unwrap_or_default(), &format!("The API answered {status}. {reason}")))
    }

    /// The page of who is signed in.
    async fn shown(self: &Arc<Self>, session: &Arc<Session>, failure: Option<Failure>) -> Response {
        // What failed first is what the person asked for.
        let (records, failure) = match (self.call(session, None).await, failure) {
            (_, Some(failure)) if failure.is_end => (Value::Null, Some(failure)),
            (Err(failure), first) if failure.is_end || first.is_none() => (Value::Null, Some(failure)),
            (records, first) => (records.unwrap_or_default(), first),
        };
        if let Some(failure) = failure.as_ref().filter(|failure| failure.is_end) {
            return self.failed(failure).await;
        }
        let records = records.get("records").and_then(Value::as_array).into_iter().flatten();
        let texts = records.filter_map(|record| record.get("text")?.as_str()).map(str::to_owned);
        let tokens = session.tokens();
        let hash: [u8; 32] = Sha256::digest(&tokens.access_token).into();
        let home = Home {
            name: &session.name,
            email: session.email.as_deref(),
            csrf: &session.csrf,
            records: texts.collect(),
            access_token_id: format!("{:08x}", hash.first_chunk().map_or(0, |first| u32::from_be_bytes(*first))),
            expires_in: tokens.expires_at.saturating_sub(unix_time()).max(0),
        };
        let status = failure.as_ref().map_or(StatusCode::OK, |failure| failure.status);
        // 401 is between us and the API; a browser could do nothing with it.
        let status = if status == StatusCode::UNAUTHORIZED { StatusCode::BAD_GATEWAY } else { status };
        self.page(status, Page { failure: failure.as_ref(), home: Some(home), ..Page::default() }).await
    }

    /// The page of who is not signed in, or not for this.
    async fn failed(&self, failure: &Failure) -> Response {
        let response = self.page(failure.status, Page { failure: Some(failure), ..Page::default() }).await;
        if failure.is_end { self.with_cookie(response, SESSION, "", Duration::ZERO) } else { response }
    }

    async fn page(&self, status: StatusCode, page: Page<'_>) -> Response {
        let is_signed_in = page.home.is_some();
        let page = Page { title: if page.title.is_empty() { "Portal" } else { page.title }, ..page };
        let Ok(html) = page.render() else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        // Browsers hold redirects after a form against form-action, and signing out ends at the provider.
        let mut targets = "'self'".to_owned();
        if is_signed_in && let Ok(Some(url)) = self.oauth.provider.endpoint("end_session_endpoint").await {
            targets = format!("{targets} {}", url.origin().ascii_serialization());
        }
        let policy =
            format!("default-src 'none'; style-src 'self'; form-action {targets}; frame-ancestors 'none'; base-uri 'none'");
        let headers = [
            (header::CONTENT_SECURITY_POLICY, policy.as_str()),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (status, headers, Html(html)).into_response()
    }

    fn session(&self, headers: &HeaderMap) -> Option<Arc<Session>> {
        self.sessions.find(self.cookie(headers, SESSION)?)
    }

    fn cookie<'a>(&self, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        let name = self.cookie_name(name);
        let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
        let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    fn with_cookie(&self, mut response: Response, name: &str, value: &str, lifetime: Duration) -> Response {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        let (name, lifetime) = (self.cookie_name(name), lifetime.as_secs());
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={lifetime}{secure}");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    fn cookie_name(&self, name: &str) -> String {
        if self.is_secure() { format!("__Host-{name}") } else { name.to_owned() }
    }

    fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }
}

fn see_other(target: &str) -> Response {
    ([(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")], Redirect::to(target)).into_response()
}
