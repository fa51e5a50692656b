//! By a browser on this machine: authorization code with PKCE (RFC 7636), answered to a loopback port (RFC 8252 7.3).

use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::loopback::{Expected, Loopback};
use crate::failure::{Failure, Outcome};
use crate::http::{Realm, random, refused};

/// How long somebody may take in the browser.
const PATIENCE: Duration = Duration::from_mins(10);

/// Signs in; what the token endpoint answered.
pub fn sign_in(realm: &Realm, client_id: &str, scope: &str, max_age: u64, open_browser: bool) -> Outcome<Value> {
    let loopback = Loopback::bind()?;
    let redirect_uri = format!("http://127.0.0.1:{}/callback", loopback.port);
    let (state, verifier) = (random()?, random()?);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let mut url = realm.endpoint("authorization_endpoint")?;
    let max_age = max_age.to_string();
    url.query_pairs_mut()
        .extend_pairs([("response_type", "code"), ("client_id", client_id), ("redirect_uri", &redirect_uri), ("scope", scope)])
        .extend_pairs([("state", state.as_str()), ("code_challenge", &challenge), ("code_challenge_method", "S256")])
        .extend_pairs([("max_age", &max_age)]);
    eprintln!("Sign in at this page, in a browser on this machine:\n\n  {url}\n");
    if open_browser && !open(url.as_str()) {
        eprintln!("No browser could be opened: open the page yourself, or use `latchkey login --device`.");
    }
    let expected = Expected { state, issuer: realm.issuer.clone() };
    let code = loopback.wait(&expected, PATIENCE)?.map_err(Failure::Failed)?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &redirect_uri),
        ("client_id", client_id),
        ("code_verifier", &verifier),
    ];
    let (status, body) = realm.post("token_endpoint", &form)?;
    if status.is_success() { Ok(body) } else { Err(Failure::Failed(refused(status, &body))) }
}

/// Opens a page in the user's browser, if there is a way to.
fn open(url: &str) -> bool {
    let (program, before): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("rundll32", &["url.dll,FileProtocolHandler"]),
        _ => ("xdg-open", &[]),
    };
    let mut command = Command::new(program);
    command.args(before).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}
