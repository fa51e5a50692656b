//! A service that calls an API with a token of its own: the client credentials grant, done well.
//!
//! ```text
//! LATCHKEY_CLIENT_SECRET=demo-service-secret-0123456789abcdef cargo run --example service-client -- \
//!     --issuer http://localhost:8787 --client-id demo-service --api http://localhost:4181
//! ```
//!
//! `tokens.rs` is what to take away from here: one token for all callers, one request for it, renewed before its end,
//! with pauses that grow and are spread where the provider is in trouble. It shares no code with Latchkey.

mod oauth;
#[cfg(test)]
mod tests;
mod tokens;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{env, fs};

use clap::Parser;
use reqwest::{Client, Response, StatusCode, Url, redirect::Policy};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::sleep;

use oauth::{Oauth, root_cause};
use tokens::{Failure, Pace, Source, Tokens};

/// Longest answer of the API that is shown, in characters.
const SHOWN: usize = 500;

/// Call an API as a service, with access tokens by the client credentials grant.
#[derive(Parser)]
#[command(after_help = "Exit codes:
  0  every call was answered
  1  a call failed, or the provider cannot be reached
  2  wrong usage
  3  the provider refuses this client; asking again is no use")]
struct Args {
    /// Issuer, exactly as it names itself; https, or http on this machine
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// Client id, as registered at the issuer
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// File with the client's secret, or set `LATCHKEY_CLIENT_SECRET`
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// What is asked for, space separated [default: what the provider gives]
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: String,
    /// API with the records
    #[arg(long, value_name = "URL")]
    api: String,
    /// What the token is for (RFC 8707) [default: --api]
    #[arg(long, value_name = "URI")]
    resource: Option<String>,
    /// Path that is called
    #[arg(long, default_value = "/records")]
    path: String,
    /// Callers that work at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    callers: u32,
    /// Calls of each; 0 goes on until interrupted
    #[arg(long, value_name = "N", default_value_t = 1)]
    calls: u32,
    /// Pause between two calls of one caller
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1000)]
    pause: u64,
    /// A token is renewed one to two times so long before its end
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    margin: u64,
    /// How long callers wait for a provider that is in trouble
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let ended = match secret(&args) {
        Ok(secret) => run(&args, secret).await,
        Err(reason) => Err(Stop::Failed(reason)),
    };
    let (code, reason) = match ended {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Stop::Failed(reason)) => (1, reason),
        Err(Stop::Refused(reason)) => (3, format!("the provider refuses this client: {reason}")),
    };
    eprintln!("service-client: {reason}");
    ExitCode::from(code)
}

/// Why a call, and with it the program, ends early.
#[derive(Debug)]
enum Stop {
    Failed(String),
    Refused(String),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(reason) => Self::Refused(reason),
            Failure::Unavailable(reason, wait) => {
                Self::Failed(format!("no token: {reason}; worth trying again in {} s", wait.as_secs() + 1))
            }
        }
    }
}

async fn run(args: &Args, secret: String) -> Result<(), Stop> {
    let (tokens, api) = set_up(args, secret).map_err(Stop::Failed)?;
    let (calls, pause) = (args.calls, Duration::from_millis(args.pause));
    let mut callers = JoinSet::new();
    for _ in 0..args.callers {
        let api = Arc::clone(&api);
        callers.spawn(async move {
            let mut done = 0_u32;
            loop {
                let (status, body) = api.call().await?;
                println!("{status} {body}");
                if !status.is_success() {
                    return Err(Stop::Failed(format!("the API answered {status}")));
                }
                done += 1;
                if done == calls {
                    return Ok(done);
                }
                sleep(pause).await;
            }
        });
    }
    let mut done = 0;
    while let Some(caller) = callers.join_next().await {
        done += caller.map_err(|error| Stop::Failed(error.to_string()))??;
    }
    println!("calls: {done}, token requests: {}", tokens.requests());
    Ok(())
}

type Service = Tokens<Oauth>;

fn secret(args: &Args) -> Result<String, String> {
    let secret = match &args.client_secret_file {
        Some(file) => fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?,
        None => env::var("LATCHKEY_CLIENT_SECRET").unwrap_or_default(),
    };
    let secret = Some(secret.trim_end().to_owned()).filter(|secret| !secret.is_empty());
    secret.ok_or_else(|| "the client's secret is missing: --client-secret-file or LATCHKEY_CLIENT_SECRET".to_owned())
}

fn set_up(args: &Args, client_secret: String) -> Result<(Arc<Service>, Arc<Api<Oauth>>), String> {
    let url = Url::parse(&args.api).and_then(|api| api.join(&args.path)).ok().filter(is_safe);
    let url = url.ok_or("--api must be https, or http on this machine")?;
    let issuer = Url::parse(&args.issuer).ok().filter(is_safe).filter(|url| url.query().is_none());
    let oauth = Oauth {
        http: http_client(&issuer.ok_or("--issuer must be https, or http on this machine")?)?,
        issuer: args.issuer.clone(),
        client_id: args.client_id.clone(),
        client_secret,
        scope: args.scope.clone(),
        resource: args.resource.clone().unwrap_or_else(|| args.api.clone()),
        token_endpoint: OnceCell::new(),
        requests: 0.into(),
    };
    let pace = Pace { margin: Duration::from_secs(args.margin), patience: Duration::from_secs(args.patience), ..Pace::default() };
    let tokens = Tokens::new(oauth, pace, random);
    let api = Api { http: http_client(&url)?, url, tokens: Arc::clone(&tokens) };
    Ok((tokens, Arc::new(api)))
}

impl Service {
    fn requests(&self) -> usize {
        self.source().requests.load(Ordering::Relaxed)
    }
}

/// An API that wants a bearer token (RFC 6750).
struct Api<S> {
    http: Client,
    url: Url,
    tokens: Arc<Tokens<S>>,
}

impl<S: Source> Api<S> {
    /// Calls it. A token that it refuses is replaced, once: it may have been revoked, or the API's keys changed.
    async fn call(&self) -> Result<(StatusCode, String), Stop> {
        let token = self.tokens.get().await?;
        let mut response = self.send(&token.text).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.tokens.reject(&token) {
            response = self.send(&self.tokens.get().await?.text).await?;
        }
        let status = response.status();
        let body = response.text().await.map_err(|error| Stop::Failed(root_cause(&error)))?;
        Ok((status, body.chars().take(SHOWN).collect()))
    }

    async fn send(&self, token: &str) -> Result<Response, Stop> {
        let sent = self.http.get(self.url.clone()).bearer_auth(token).send().await;
        sent.map_err(|error| Stop::Failed(format!("the API does not answer: {}", root_cause(&error))))
    }
}

/// From 0 to 1. Without randomness from the system 0: renewals and pauses are then as short as they may be.
fn random() -> f64 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).ok();
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}

/// A client for one server. Secrets and tokens go to no other: redirects are not followed, and plain http, which is for
/// this machine only, never takes a proxy.
fn http_client(server: &Url) -> Result<Client, String> {
    let mut http = Client::builder()
        .redirect(Policy::none())
        .timeout(Duration::from_secs(10))
        // Shorter than servers keep one open: a connection that they are just closing is not used.
        .pool_idle_timeout(Duration::from_secs(2));
    if server.scheme() == "http" {
        http = http.no_proxy();
    }
    http.build().map_err(|error| error.to_string())
}

/// https, or http that stays on this machine.
fn is_safe(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let is_local = url.scheme() == "http" && (is_loopback || host == "localhost");
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    is_plain && (is_local || url.scheme() == "https")
}
