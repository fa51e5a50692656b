//! Stands in for GitHub Actions, or any other issuer whose tokens somebody trusts, on this machine.
//!
//! ```text
//! cargo run --example outside-issuer -- --listen localhost:4190
//! curl -d repository=acme/app -d audience=http://localhost:8787 http://localhost:4190/token
//! ```
//!
//! It has discovery, keys of its own that are new at every start, and gives everybody the token that they ask for. So it
//! listens on this machine alone. It shares no code with Latchkey.

mod claims;
mod keys;
#[cfg(test)]
#[path = "../resource-server/provider.rs"]
mod provider;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use reqwest::Url;
use serde_json::{Map, Value, json};

use claims::Issue;
use keys::{Alg, Key, random_id};

/// An issuer of signed tokens for tests: by default a stand-in for GitHub Actions.
#[derive(Parser)]
struct Args {
    /// Where to listen, on this machine; port 0 takes any
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:4190")]
    listen: String,
    /// How it names itself [default: http:// and --listen]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Signature algorithm of its key
    #[arg(long, default_value = "RS256")]
    alg: Alg,
    /// No claims of a job: iss, iat, exp, jti and what the request names
    #[arg(long)]
    bare: bool,
}

struct Issuer {
    name: String,
    key: Key,
    is_bare: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(reason) = serve(Args::parse()).await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("outside-issuer: {reason}");
    ExitCode::FAILURE
}

async fn serve(args: Args) -> Result<(), String> {
    let unusable = |error| format!("cannot listen on {}: {error}", args.listen);
    let listener = tokio::net::TcpListener::bind(&args.listen).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    if !address.ip().is_loopback() {
        return Err(format!("{} is not on this machine alone, and whoever reaches this program gets any token", args.listen));
    }
    let host = args.listen.rsplit_once(':').map_or(args.listen.as_str(), |(host, _)| host);
    let name = args.issuer.unwrap_or_else(|| format!("http://{host}:{}", address.port()));
    let issuer = Issuer { key: Key::generate(args.alg)?, is_bare: args.bare, name };
    println!("ready {}", issuer.name);
    axum::serve(listener, router(Arc::new(issuer))).await.map_err(|error| error.to_string())
}

fn router(issuer: Arc<Issuer>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/.well-known/jwks", get(jwks))
        .route("/token", post(token))
        .route("/job", get(job))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .with_state(issuer)
}

/// OpenID Connect Discovery 1.0 section 4, as far as there is something to tell.
async fn discovery(State(issuer): State<Arc<Issuer>>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", issuer.name.trim_end_matches('/'));
    Json(json!({
        "issuer": issuer.name,
        "jwks_uri": at("/.well-known/jwks"),
        "subject_types_supported": ["public"],
        "response_types_supported": ["id_token"],
        "id_token_signing_alg_values_supported": [issuer.key.alg()],
        "scopes_supported": ["openid"],
    }))
}

/// RFC 7517 section 5.
async fn jwks(State(issuer): State<Arc<Issuer>>) -> Result<Json<Value>, Refused> {
    let key = issuer.key.public().map_err(|reason| Refused(StatusCode::INTERNAL_SERVER_ERROR, reason))?;
    Ok(Json(json!({"keys": [key]})))
}

/// `POST /token`: a token with the claims of the body, a form or a JSON object.
async fn token(State(issuer): State<Arc<Issuer>>, headers: HeaderMap, body: String) -> Result<Response, Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        let wanted = serde_json::from_str(&body);
        return issuer.minted(wanted.map_err(|_| bad("the body is no JSON object"))?);
    }
    issuer.minted(pairs(&body)?)
}

/// `GET /job`: as GitHub answers a job that asks for its token. There the address and the bearer token name the job; here
/// the query does, and a bearer token only has to be there.
async fn job(State(issuer): State<Arc<Issuer>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Result<Response, Refused> {
    let field = headers.get(header::AUTHORIZATION).and_then(|field| field.to_str().ok()).and_then(|field| field.split_once(' '));
    if !field.is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()) {
        return Err(Refused(StatusCode::UNAUTHORIZED, "a bearer token is needed".to_owned()));
    }
    issuer.minted(pairs(&query.unwrap_or_default())?)
}

impl Issuer {
    /// In the form in which GitHub answers.
    fn minted(&self, wanted: Map<String, Value>) -> Result<Response, Refused> {
        let id = random_id();
        let now = UNIX_EPOCH.elapsed().ok().and_then(|age| i64::try_from(age.as_secs()).ok()).unwrap_or_default();
        let issue = Issue { issuer: &self.name, now, id: &id, is_bare: self.is_bare };
        let claims = issue.claims(wanted).map_err(bad)?;
        let body = json!({"value": self.key.signed(&claims)});
        Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
    }
}

/// Names and texts of a form or query, none twice.
fn pairs(text: &str) -> Result<Map<String, Value>, Refused> {
    let mut url = Url::parse("x:").map_err(|_| bad("no form"))?;
    url.set_query(Some(text));
    let mut pairs = Map::new();
    for (name, value) in url.query_pairs() {
        if pairs.insert(name.into_owned(), value.as_ref().into()).is_some() {
            return Err(bad("a parameter is there twice"));
        }
    }
    Ok(pairs)
}

fn bad(reason: &str) -> Refused {
    Refused(StatusCode::BAD_REQUEST, reason.to_owned())
}

#[derive(Debug)]
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"message": self.1}))).into_response()
    }
}
