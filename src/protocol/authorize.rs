//! `/authorize`: RFC 6749 4.1.1, OpenID Connect Core 3.1.2, RFC 9207.
//!
//! A request is parsed in two steps. First where its answer may go ([`ReturnTo`]): until client and redirect
//! URI are both good, nobody is sent anywhere. Then everything else, whose faults are told by redirect.
//! [`decide`] says what happens next.

use serde::{Deserialize, Serialize};

use super::admin::scopes::{is_administrative, of_user};
use super::claims::scope_of_claim;
use super::client::{AUTHORIZATION_CODE, Client, REFRESH_TOKEN};
use super::client_metadata::ApplicationType;
use super::config::Config;
use super::consent::{Choice, is_given_by_operator, must_always_ask};
use super::device_authorization::{check_resources, resources, scope};
use super::error::{Code, OAuthError};
use super::form::{Form, encode};
use super::pkce::Challenge;
use super::requested_claims::RequestedClaims;
use super::scope::Scope;
use super::session::{ACR_PASSWORD, Session};
use super::time::{Seconds, Timestamp};

/// Nonce, state and claims together have at most so many bytes, for they travel in URLs.
const MOST_TEXT: usize = 2048;
/// In a pushed request, whose state waits in a row, the state has so many.
const MOST_PUSHED_STATE: usize = 16_384;
/// A nonce and the claims travel in the code, which stays below 2 KB.
const MOST_IN_CODE: usize = 768;

/// How the answer goes back (OAuth 2.0 Multiple Response Types 2.1, Form Post Response Mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of a redirect.
    #[default]
    Query,
    /// In the body of a form that the browser posts.
    FormPost,
}

/// Where and how the answer goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnTo {
    /// The client's, as registered.
    pub redirect_uri: String,
    /// Whether the request named it: then the redemption of the code must, too (RFC 6749 4.1.3).
    #[serde(default)]
    pub is_named: bool,
    /// How.
    #[serde(default)]
    pub mode: ResponseMode,
    /// `state`, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

impl ReturnTo {
    /// Finds it, or says why nobody may be sent anywhere.
    pub fn parse(form: &Form, client: &Client) -> Result<Self, OAuthError> {
        let refuse = |description| Err(OAuthError::new(Code::InvalidRequest, description));
        let metadata = &client.metadata;
        let is_openid = form.get("scope").is_some_and(|scope| scope.split(' ').any(|token| token == "openid"));
        let (redirect_uri, is_named) = match (form.get("redirect_uri"), metadata.redirect_uris.as_slice()) {
            (Some(asked), _) => {
                if !client.has_redirect_uri(asked) {
                    return refuse("redirect_uri is not registered for this client");
                }
                (asked, true)
            }
            // OpenID Connect Core 3.1.2.1 always wants it.
            (None, [only]) if !is_openid => (only.as_str(), false),
            (None, _) => return refuse("redirect_uri is missing"),
        };
        // An unknown mode is refused later, by redirect.
        let mode = if form.get("response_mode") == Some("form_post") { ResponseMode::FormPost } else { ResponseMode::Query };
        Ok(Self { redirect_uri: redirect_uri.to_owned(), is_named, mode, state: form.get("state").map(str::to_owned) })
    }

    /// Whether the client may still be answered there.
    pub fn is_registered(&self, client: &Client) -> bool {
        client.has_redirect_uri(&self.redirect_uri)
    }

    /// All parameters of an answer: `parameters`, then `state` and `iss` (RFC 9207 2).
    pub fn parameters(&self, parameters: &[(&'static str, String)], issuer: &str) -> Vec<(&'static str, String)> {
        let state = self.state.clone().map(|state| ("state", state));
        parameters.iter().cloned().chain(state).chain([("iss", issuer.to_owned())]).collect()
    }

    /// The parameters of an error.
    pub fn error(error: &OAuthError) -> Vec<(&'static str, String)> {
        vec![("error", error.code.row().0.to_owned()), ("error_description", error.description.to_owned())]
    }
}

/// A URI with more parameters in its query.
pub fn with_query(uri: &str, parameters: &[(&'static str, String)]) -> String {
    let mut uri = uri.to_owned();
    for (name, value) in parameters {
        let separator = match uri.find('?') {
            None => "?",
            Some(at) if at + 1 == uri.len() => "",
            Some(_) => "&",
        };
        uri = format!("{uri}{separator}{name}={}", encode(value));
    }
    uri
}

/// `prompt` (OpenID Connect Core 3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "a set of four words")]
pub struct Prompt {
    /// No page at all.
    #[serde(default, skip_serializing_if = "is_false")]
    pub none: bool,
    /// Sign in again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub login: bool,
    /// Consent again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub consent: bool,
    /// Choose the account.
    #[serde(default, skip_serializing_if = "is_false")]
    pub select_account: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Prompt {
    fn parse(text: Option<&str>) -> Result<Self, OAuthError> {
        let mut prompt = Self::default();
        for word in text.unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
            match word {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                _ => return Err(OAuthError::new(Code::InvalidRequest, "prompt has an unknown value")),
            }
        }
        if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
            return Err(OAuthError::new(Code::InvalidRequest, "prompt=none excludes the others"));
        }
        Ok(prompt)
    }
}

/// An authorization request, checked against its client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// `client_id`.
    pub client: String,
    /// Where the answer goes.
    pub to: ReturnTo,
    /// What is asked for: of the words that the request has, those that this client may have.
    pub scope: Scope,
    /// Resources asked for (RFC 8707); none: the client's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// `nonce`, for the ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// PKCE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// `prompt`.
    #[serde(default)]
    pub prompt: Prompt,
    /// `max_age` in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Seconds>,
    /// `login_hint`, for the login form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// `ui_locales`, for the pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_locales: Option<String>,
    /// `claims`.
    #[serde(default, skip_serializing_if = "RequestedClaims::is_empty")]
    pub claims: RequestedClaims,
    /// The subject that it must be about: of a verified `id_token_hint`, or named in `claims`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was made.
    pub made_at: Timestamp,
}

impl AuthorizationRequest {
    /// Parses the request of a client. A fault is told at `to`.
    pub fn parse(
        form: &Form,
        client: &Client,
        to: ReturnTo,
        is_pushed: bool,
        config: &Config,
        now: Timestamp,
    ) -> Result<Self, OAuthError> {
        let refuse = |code, description| Err(OAuthError::new(code, description));
        match form.get("response_type") {
            Some("code") => {}
            None => return refuse(Code::InvalidRequest, "response_type is missing"),
            Some(_) => return refuse(Code::UnsupportedResponseType, "response_type must be code"),
        }
        if !matches!(form.get("response_mode"), None | Some("query" | "form_post")) {
            return refuse(Code::InvalidRequest, "response_mode must be query or form_post");
        }
        if !client.may_use(AUTHORIZATION_CODE) {
            return refuse(Code::UnauthorizedClient, "the client is not registered for this grant type");
        }
        if form.get("registration").is_some() {
            return refuse(Code::RegistrationNotSupported, "registration is not supported");
        }
        let length = |name| form.get(name).map_or(0, str::len);
        let in_code = length("nonce") + length("claims");
        let is_too_long = if is_pushed { length("state") > MOST_PUSHED_STATE } else { in_code + length("state") > MOST_TEXT };
        if is_too_long || in_code > MOST_IN_CODE {
            return refuse(Code::InvalidRequest, "nonce, state and claims are too long together");
        }
        let challenge = Challenge::parse(form)?;
        if challenge.is_none() && client.requires_pkce() {
            return refuse(Code::InvalidRequest, "code_challenge is missing");
        }
        let prompt = Prompt::parse(form.get("prompt"))?;
        let resources = resources(form)?;
        check_resources(&resources, client, config)?;
        let claims = form.get("claims").map_or(Ok(RequestedClaims::default()), RequestedClaims::parse)?;
        if claims.essential_acrs.as_ref().is_some_and(|acrs| !acrs.iter().any(|acr| acr == ACR_PASSWORD)) {
            return refuse(Code::UnmetAuthenticationRequirements, "no essential acr can be met here");
        }
        let max_age = match form.get("max_age").map(str::parse) {
            None => client.metadata.default_max_age,
            Some(Ok(seconds)) => Some(Seconds(seconds)),
            Some(Err(_)) => return refuse(Code::InvalidRequest, "max_age must be a whole number of seconds"),
        };
        let short = |name, most| form.get(name).filter(|text| text.len() <= most).map(str::to_owned);
        Ok(Self {
            client: client.id.clone(),
            scope: asked_scope(form, client, prompt, config)?,
            resources,
            nonce: form.get("nonce").map(str::to_owned),
            challenge,
            prompt,
            max_age,
            // Hints: what is too long to be one is none.
            login_hint: short("login_hint", 254),
            ui_locales: short("ui_locales", 100),
            subject: claims.sub.clone(),
            claims: within(&claims, client, config),
            to,
            made_at: now,
        })
    }

    /// The same for a client that may have changed since: less scope, or nothing any more.
    pub fn for_client(self, client: &Client, config: &Config) -> Result<Self, OAuthError> {
        if !client.may_use(AUTHORIZATION_CODE) {
            return Err(OAuthError::new(Code::UnauthorizedClient, "the client is not registered for this grant type"));
        }
        check_resources(&self.resources, client, config)?;
        let scope = self.scope.and(&client.allowed_scope(config, AUTHORIZATION_CODE));
        if scope.is_empty() {
            return Err(OAuthError::new(Code::InvalidScope, "no scope that is asked for is known and for this client"));
        }
        let claims = within(&self.claims, client, config);
        Ok(Self { scope, claims, ..self })
    }

    /// The same of a user with these roles: without what they may not have.
    #[must_use]
    pub fn for_user(self, roles: &[String]) -> Self {
        Self { scope: of_user(&self.scope, roles), ..self }
    }

    /// Whether it asks for something that is asked about every time: administration.
    fn must_be_asked(&self) -> bool {
        self.scope.iter().any(is_administrative)
    }

    /// Whether a sign-in of this instant is too old for it.
    pub fn wants_sign_in_after(&self, auth_time: Timestamp) -> bool {
        (self.prompt.login && auth_time <= self.made_at)
            || self.max_age.is_some_and(|age| auth_time <= self.made_at && auth_time.plus(age) <= self.made_at)
    }
}

/// Of the single claims that are asked for those that belong to a scope which the client may have.
fn within(claims: &RequestedClaims, client: &Client, config: &Config) -> RequestedClaims {
    let allowed = client.allowed_scope(config, AUTHORIZATION_CODE);
    claims.filter(|name| scope_of_claim(name).is_some_and(|scope| allowed.contains(scope)))
}

/// The scope that is asked for: unknown words are ignored (OpenID Connect Core 3.1.2.1), and so is
/// `offline_access` where the conditions for it are not there (11).
fn asked_scope(form: &Form, client: &Client, prompt: Prompt, config: &Config) -> Result<Scope, OAuthError> {
    let missing = OAuthError::new(Code::InvalidScope, "scope is missing");
    let metadata = &client.metadata;
    let may_stay = client.may_use(REFRESH_TOKEN)
        && (prompt.consent || metadata.skip_consent || metadata.application_type == ApplicationType::Native);
    let asked = scope(form)?.ok_or(missing)?.and(&client.allowed_scope(config, AUTHORIZATION_CODE));
    let asked = asked.filter(|token| token != "offline_access" || may_stay);
    if asked.is_empty() {
        return Err(OAuthError::new(Code::InvalidScope, "no scope that is asked for is known and for this client"));
    }
    Ok(asked)
}

/// Who is there when a request is decided: the account that it would be about.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// Its session, alive.
    pub session: &'a Session,
    /// How the client knows the user.
    pub subject: &'a str,
    /// What the user said to this client before.
    pub choice: Option<&'a Choice>,
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The client is told that it cannot be.
    Refuse(OAuthError),
    /// The login page.
    Login,
    /// The account chooser.
    Choose,
    /// The consent page.
    Consent,
    /// A code for this.
    Grant {
        /// Scope.
        scope: Scope,
        /// Single claims.
        claims: RequestedClaims,
    },
}

/// What happens next with a request. `is_chosen`: the account was chosen in this very flow, by signing in
/// or in the chooser.
pub fn decide(request: &AuthorizationRequest, client: &Client, account: Option<Account<'_>>, is_chosen: bool) -> Next {
    let silent = |code, description| Next::Refuse(OAuthError::new(code, description));
    let none = request.prompt.none;
    let Some(account) = account else {
        return if none { silent(Code::LoginRequired, "the user is not signed in") } else { Next::Login };
    };
    if request.prompt.select_account && !is_chosen {
        return Next::Choose;
    }
    if request.subject.as_deref().is_some_and(|subject| subject != account.subject) {
        // Whoever signs in as somebody else in this flow is not who is wanted.
        let is_final = none || (is_chosen && account.session.auth_time > request.made_at);
        return if is_final { silent(Code::LoginRequired, "another user is signed in") } else { Next::Login };
    }
    if request.wants_sign_in_after(account.session.auth_time) {
        return if none { silent(Code::LoginRequired, "the user has to sign in again") } else { Next::Login };
    }
    if request.scope.is_empty() {
        return silent(Code::AccessDenied, "the user may have nothing of what is asked for");
    }
    let redirect_uri = &request.to.redirect_uri;
    let must_be_asked = request.prompt.consent || request.must_be_asked();
    let whole = || Next::Grant { scope: request.scope.clone(), claims: request.claims.clone() };
    if is_given_by_operator(client, redirect_uri) && !must_be_asked {
        return whole();
    }
    let remembered = account.choice.filter(|choice| choice.covers(&request.scope, &request.claims));
    if let Some(choice) = remembered
        && !must_be_asked
        && !must_always_ask(client, redirect_uri)
    {
        let (scope, claims) = choice.granted(&request.scope, &request.claims);
        if !scope.is_empty() {
            return Next::Grant { scope, claims };
        }
    }
    match (none, &request.subject) {
        (false, _) => Next::Consent,
        (true, None) => silent(Code::ConsentRequired, "the user has to consent"),
        // Or a client that nobody ever said yes to could ask who is signed in.
        (true, Some(_)) => silent(Code::LoginRequired, "the user that is asked for is not known to be signed in"),
    }
}

#[cfg(test)]
mod tests;
