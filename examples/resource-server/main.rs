//! An API that takes access tokens of any OpenID provider (RFC 9068, RFC 6750).
//!
//! ```text
//! cargo run --example resource-server -- --issuer http://localhost:8787 --audience http://localhost:4181 --listen localhost:4181
//! ```
//!
//! It knows the issuer and its own name and nothing else: the provider's keys come from its metadata, and a token is
//! checked here, without asking anybody. Whom a token is about may be a person, a service (then `sub` is its `client_id`)
//! or somebody of another issuer; scopes say what a token allows, roles what its subject may (RFC 9068 2.2.3.1), and
//! `act` who acts for them (RFC 8693 4.1). It shares no code with Latchkey.

mod provider;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use serde::Deserialize;
use serde_json::{Value, json};

use provider::{Alg, Provider, Refusal, Rules, unix_time};

/// Records that are kept in all; the oldest makes room.
const MOST_RECORDS: usize = 1000;
/// Longest text of a record, in characters.
const LONGEST_TEXT: usize = 500;

/// A small API for tests and as a pattern: records of whom an access token is about.
#[derive(Parser)]
struct Args {
    /// Issuer of the access tokens, exactly as it names itself; https, or http on this machine
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// This API's own name: what must be in a token's `aud`
    #[arg(long, value_name = "URI")]
    audience: String,
    /// Where to listen
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:4181")]
    listen: String,
    /// Signature algorithm that is taken: ES256, RS256 or PS256; may be repeated
    #[arg(long, value_name = "ALG", default_value = "ES256", value_parser = alg)]
    alg: Vec<Alg>,
    /// Role of those who may read everybody's records
    #[arg(long, value_name = "ROLE", default_value = "engineer")]
    reader_role: String,
}

fn alg(name: &str) -> Result<Alg, String> {
    Alg::named(name).ok_or_else(|| "must be ES256, RS256 or PS256".to_owned())
}

struct Api {
    provider: Provider,
    audience: String,
    algs: Vec<Alg>,
    reader_role: String,
    records: Mutex<VecDeque<Record>>,
}

struct Record {
    subject: String,
    /// Who acted for the subject, if somebody did
    actor: Option<String>,
    text: String,
    /// Unix time in seconds
    created_at: i64,
}

impl Record {
    fn shown(&self) -> Value {
        without_nulls(json!({"text": self.text, "created_at": self.created_at, "actor": self.actor}))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(reason) = serve(Args::parse()).await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("resource-server: {reason}");
    ExitCode::FAILURE
}

async fn serve(args: Args) -> Result<(), String> {
    let Args { issuer, audience, listen, alg, reader_role } = args;
    let api = Api { provider: Provider::new(&issuer)?, audience, algs: alg, reader_role, records: Mutex::default() };
    let listener = tokio::net::TcpListener::bind(&listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    println!("resource-server: listening on http://{listen}");
    axum::serve(listener, router(Arc::new(api))).await.map_err(|error| error.to_string())
}

fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/caller", get(about))
        .route("/records", get(list).post(add))
        .route("/records/all", get(list_all))
        .layer(DefaultBodyLimit::max(16 * 1024))
        .with_state(api)
}

/// The same object without the members that say nothing.
fn without_nulls(mut object: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    object
}

/// `GET /caller`: what the access token says of whom it is about. No scope is needed.
async fn about(caller: Caller) -> Response {
    let shown = json!({
        "subject": caller.subject,
        "client_id": caller.client,
        "scope": caller.scope,
        "roles": caller.roles,
        "service": caller.subject == caller.client,
        "act": caller.act,
    });
    no_store(StatusCode::OK, &without_nulls(shown))
}

/// `GET /records`: the caller's own, oldest first.
async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Response, Failure> {
    caller.must_have("records:read")?;
    let records = api.records.lock().unwrap_or_else(PoisonError::into_inner);
    let own = records.iter().filter(|record| record.subject == caller.subject);
    Ok(no_store(StatusCode::OK, &json!({"records": own.map(Record::shown).collect::<Vec<_>>()})))
}

/// `GET /records/all`: everybody's, with whose they are, for one role.
async fn list_all(State(api): State<Arc<Api>>, caller: Caller) -> Result<Response, Failure> {
    caller.must_have("records:read")?;
    if !caller.roles.contains(&api.reader_role) {
        return Err(Failure::InsufficientRole);
    }
    let records = api.records.lock().unwrap_or_else(PoisonError::into_inner);
    let with_subject = |record: &Record| {
        let mut shown = record.shown();
        if let Some(members) = shown.as_object_mut() {
            members.insert("subject".to_owned(), record.subject.as_str().into());
        }
        shown
    };
    Ok(no_store(StatusCode::OK, &json!({"records": records.iter().map(with_subject).collect::<Vec<_>>()})))
}

#[derive(Deserialize)]
struct NewRecord {
    text: String,
}

/// `POST /records`: one more, `{"text": ".."}`.
async fn add(
    State(api): State<Arc<Api>>,
    caller: Caller,
    body: Result<Json<NewRecord>, JsonRejection>,
) -> Result<Response, Failure> {
    caller.must_have("records:write")?;
    let Json(NewRecord { text }) = body.map_err(|error| Failure::Body(error.status(), error.body_text()))?;
    let text = text.trim().to_owned();
    if text.is_empty() || text.chars().count() > LONGEST_TEXT {
        let reason = format!("text must have 1 to {LONGEST_TEXT} characters");
        return Err(Failure::Body(StatusCode::BAD_REQUEST, reason));
    }
    let actor = caller.actor();
    let record = Record { subject: caller.subject, actor, text, created_at: unix_time() };
    let answer = record.shown();
    let mut records = api.records.lock().unwrap_or_else(PoisonError::into_inner);
    if records.len() >= MOST_RECORDS {
        records.pop_front();
    }
    records.push_back(record);
    Ok(no_store(StatusCode::CREATED, &answer))
}

/// Whom a valid access token is about, and what it allows.
struct Caller {
    subject: String,
    client: String,
    scope: String,
    roles: Vec<String>,
    /// The claim as it is
    act: Option<Value>,
}

impl Caller {
    fn must_have(&self, scope: &'static str) -> Result<(), Failure> {
        let has = self.scope.split(' ').any(|granted| granted == scope);
        if has { Ok(()) } else { Err(Failure::InsufficientScope(scope)) }
    }

    /// The outermost alone: who acted before is history, and decides nothing (RFC 8693 4.1).
    fn actor(&self) -> Option<String> {
        Some(self.act.as_ref()?.get("sub")?.as_str()?.to_owned())
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Failure> {
        let token = bearer_token(&parts.headers, parts.uri.query())?;
        let rules = Rules { algs: &api.algs, types: &["at+jwt"], audience: &api.audience };
        let token = api.provider.verified(token, &rules, unix_time()).await?;
        // RFC 9068 2.2: these are in every access token.
        let (Some(subject), Some(client), Some(_)) = (token.text("sub"), token.text("client_id"), token.text("jti")) else {
            return Err(Failure::InvalidToken("a required claim is missing"));
        };
        // RFC 7800: such a token is worth nothing without its key, and a bearer shows none.
        if token.claims.contains_key("cnf") {
            return Err(Failure::InvalidToken("bound to a key that was not shown"));
        }
        let held = token.claims.get("roles").and_then(Value::as_array).into_iter().flatten();
        Ok(Self {
            subject: subject.to_owned(),
            client: client.to_owned(),
            scope: token.text("scope").unwrap_or_default().to_owned(),
            roles: held.filter_map(Value::as_str).map(str::to_owned).collect(),
            act: token.claims.get("act").cloned(),
        })
    }
}

/// RFC 6750 2.1 alone: tokens in bodies are not read, and one in a URL ends up in logs.
fn bearer_token<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Result<&'a str, Failure> {
    let in_query = query.unwrap_or_default().split('&').any(|pair| pair.split('=').next() == Some("access_token"));
    if in_query {
        return Err(Failure::InvalidRequest("the access token belongs in the Authorization header alone"));
    }
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Err(Failure::NoToken);
    };
    if fields.next().is_some() {
        return Err(Failure::InvalidRequest("more than one Authorization header"));
    }
    let field = field.to_str().map_err(|_| Failure::InvalidRequest("malformed Authorization header"))?;
    let (scheme, token) = field.split_once(' ').unwrap_or((field, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Failure::NoToken);
    }
    let token = token.trim();
    let is_b64token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_b64token) {
        return Err(Failure::InvalidRequest("malformed access token"));
    }
    Ok(token)
}

#[derive(Debug)]
enum Failure {
    /// No authentication was tried: a challenge without an error code (RFC 6750 3.1)
    NoToken,
    /// RFC 6750 3.1
    InvalidRequest(&'static str),
    /// RFC 6750 3.1
    InvalidToken(&'static str),
    /// RFC 6750 3.1, with the scope that is needed
    InsufficientScope(&'static str),
    /// The same, where no scope would help
    InsufficientRole,
    /// The provider's keys cannot be had
    Unavailable,
    /// The token is good, what was sent is not
    Body(StatusCode, String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(reason) => Self::InvalidToken(reason),
            Refusal::Unavailable(reason) => {
                eprintln!("resource-server: {reason}");
                Self::Unavailable
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, error, reason) = match &self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, "", "an access token is needed"),
            Self::InvalidRequest(reason) => (StatusCode::BAD_REQUEST, "invalid_request", *reason),
            Self::InvalidToken(reason) => (StatusCode::UNAUTHORIZED, "invalid_token", *reason),
            Self::InsufficientScope(_) => (StatusCode::FORBIDDEN, "insufficient_scope", "the access token does not allow this"),
            Self::InsufficientRole => (StatusCode::FORBIDDEN, "insufficient_scope", "no role of the subject allows this"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "", "tokens cannot be checked right now"),
            Self::Body(status, reason) => (*status, "", reason.as_str()),
        };
        let mut body = json!({"message": reason});
        if !error.is_empty() {
            body = json!({"error": error, "error_description": reason});
        }
        let mut response = no_store(status, &body);
        let challenge = match &self {
            Self::NoToken => r#"Bearer realm="records""#.to_owned(),
            Self::InsufficientScope(scope) => challenge(error, reason) + &format!(r#", scope="{scope}""#),
            Self::InvalidRequest(_) | Self::InvalidToken(_) | Self::InsufficientRole => challenge(error, reason),
            Self::Unavailable => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
                return response;
            }
            Self::Body(..) => return response,
        };
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// RFC 6750 3. The reasons are our own words, so there is nothing in them to quote.
fn challenge(error: &str, reason: &str) -> String {
    format!(r#"Bearer realm="records", error="{error}", error_description="{reason}""#)
}

fn no_store(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
