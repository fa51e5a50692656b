//! A web application that signs people in at any OpenID provider and calls an API for them: a backend for a frontend.
//!
//! ```text
//! LATCHKEY_CLIENT_SECRET=demo-portal-secret-0123456789abcdef cargo run --example portal -- \
//!     --issuer http://localhost:8787 --client-id demo-portal --listen localhost:4180 --api http://localhost:4181
//! ```
//!
//! Authorization code with PKCE (RFC 6749, 7636, 9207, OpenID Connect Core 3.1), refresh, RP-initiated and back-channel
//! logout. Tokens stay in this program; the browser holds a cookie that says nothing. It shares no code with Latchkey.

mod failure;
mod oauth;
mod pages;
#[path = "../resource-server/provider.rs"]
mod provider;
mod routes;
mod rules;
mod sessions;
#[cfg(test)]
#[path = "../resource-server/testing.rs"]
mod testing;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

use clap::Parser;
use reqwest::Url;

use oauth::Oauth;
use provider::{Alg, Provider, http_client, is_safe};
use routes::Portal;
use sessions::{Attempts, Logouts, Sessions};

/// A small portal for tests and as a pattern: sign in, see and add records of an API, sign out.
#[derive(Parser)]
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
    /// Where to listen
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:4180")]
    listen: String,
    /// How browsers reach this program, without a slash at the end [default: http:// and --listen]
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// API with the records: its address, and what the access token is for (RFC 8707)
    #[arg(long, value_name = "URI")]
    api: String,
    /// What a sign-in asks for, space separated
    #[arg(long, default_value = "openid profile email offline_access records:read records:write")]
    scope: String,
    /// `prompt` of a sign-in, e.g. "consent" where a provider wants it for `offline_access`
    #[arg(long)]
    prompt: Option<String>,
    /// Signature algorithm of ID tokens and logout tokens, as registered: RS256, PS256 or ES256
    #[arg(long, value_name = "ALG", default_value = "RS256", value_parser = alg)]
    id_token_alg: Alg,
}

fn alg(name: &str) -> Result<Alg, String> {
    Alg::named(name).ok_or_else(|| "must be RS256, PS256 or ES256".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(reason) = serve(Args::parse()).await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("portal: {reason}");
    ExitCode::FAILURE
}

async fn serve(args: Args) -> Result<(), String> {
    let listen = args.listen.clone();
    let portal = portal(args)?;
    let origin = portal.origin.clone();
    let listener = tokio::net::TcpListener::bind(&listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    println!("ready {origin}");
    axum::serve(listener, routes::router(Arc::new(portal))).await.map_err(|error| error.to_string())
}

fn portal(args: Args) -> Result<Portal, String> {
    let secret = match &args.client_secret_file {
        Some(file) => fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?,
        None => env::var("LATCHKEY_CLIENT_SECRET").unwrap_or_default(),
    };
    let secret = secret.trim_end().to_owned();
    if secret.is_empty() {
        return Err("the client's secret is missing: --client-secret-file or LATCHKEY_CLIENT_SECRET".to_owned());
    }
    let safe = |name: &str, text: &str| {
        let url = Url::parse(text).ok().filter(is_safe);
        url.ok_or_else(|| format!("{name} must be https, or http on this machine: {text}"))
    };
    let origin = args.origin.unwrap_or_else(|| format!("http://{}", args.listen));
    if safe("the origin", &origin)?.origin().ascii_serialization() != origin {
        return Err(format!("the origin must be scheme, host and port alone: {origin}"));
    }
    let api_http = http_client(&safe("the API", &args.api)?)?;
    let http = http_client(&safe("the issuer", &args.issuer)?)?;
    let oauth = Oauth {
        provider: Provider::new(&args.issuer)?,
        http,
        client_id: args.client_id,
        client_secret: secret,
        redirect_uri: format!("{origin}/callback"),
        signed_out_uri: format!("{origin}/signed-out"),
        scope: args.scope,
        resource: args.api,
        prompt: args.prompt,
        alg: args.id_token_alg,
    };
    let (sessions, attempts, logouts) = (Sessions::default(), Attempts::default(), Logouts::default());
    Ok(Portal { oauth, origin, api_http, sessions, attempts, logouts })
}
