//! Signing in: authorization code with PKCE at a loopback port (RFC 8252 7.3), or as a device (RFC 8628).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::api::{Failure, metadata, now, post_form, random, refused, text};
use crate::saved::Saved;

/// What is asked for.
const SCOPE: &str = "openid profile offline_access latchkey:admin";

/// Keeps what a token endpoint answered. `before`: the refresh token that stays where no new one came.
pub fn kept(issuer: &str, client_id: &str, body: &Value, before: Option<String>) -> Result<Saved, Failure> {
    let refresh_token = body.get("refresh_token").and_then(Value::as_str).map(str::to_owned).or(before);
    let lifetime = body.get("expires_in").and_then(Value::as_u64).unwrap_or_default();
    let (issuer, client_id, access_token) = (issuer.to_owned(), client_id.to_owned(), text(body, "access_token")?);
    let saved = Saved { issuer, client_id, access_token, refresh_token, expires_at: now() + lifetime };
    saved.keep()?;
    Ok(saved)
}

/// By a browser on this machine.
pub fn by_browser(issuer: &str, client_id: &str) -> Result<Saved, Failure> {
    let metadata = metadata(issuer)?;
    let failed = |error: std::io::Error| Failure::Failed(format!("no loopback port: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
    let redirect_uri = format!("http://127.0.0.1:{}/callback", listener.local_addr().map_err(failed)?.port());
    let (state, verifier) = (random()?, random()?);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let mut url = Url::parse(&text(&metadata, "authorization_endpoint")?).map_err(|error| Failure::Failed(error.to_string()))?;
    url.query_pairs_mut()
        .extend_pairs([("response_type", "code"), ("client_id", client_id), ("redirect_uri", &redirect_uri), ("scope", SCOPE)])
        .extend_pairs([("state", state.as_str()), ("code_challenge", &challenge), ("code_challenge_method", "S256")]);
    eprintln!("Open this page in a browser on this machine:\n\n  {url}\n");
    let code = loop {
        let (mut stream, _) = listener.accept().map_err(failed)?;
        let answer = request_target(&stream).and_then(|target| answered(&target, &state, issuer));
        let page = match &answer {
            None => ("404 Not Found", "Nothing here."),
            Some(Ok(_)) => ("200 OK", "Signed in. You can close this page."),
            Some(Err(_)) => ("200 OK", "Not signed in. The terminal says why."),
        };
        let (status, words) = page;
        let length = words.len();
        let head = "content-type: text/plain\r\ncache-control: no-store\r\nconnection: close";
        // Whether the browser still listens changes nothing.
        let _ = write!(stream, "HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{words}");
        if let Some(answer) = answer {
            break answer.map_err(Failure::Failed)?;
        }
    };
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &redirect_uri),
        ("client_id", client_id),
        ("code_verifier", &verifier),
    ];
    let (status, body) = post_form(&text(&metadata, "token_endpoint")?, &form)?;
    if status.is_success() { kept(issuer, client_id, &body, None) } else { Err(Failure::Failed(refused(status, &body))) }
}

/// The target of a request's first line.
fn request_target(stream: &TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut line = String::new();
    BufReader::new(stream.take(16_384)).read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    (words.next() == Some("GET")).then(|| words.next().map(str::to_owned)).flatten()
}

/// The code, or why there is none; nothing where the request is not the answer to ours.
fn answered(target: &str, state: &str, issuer: &str) -> Option<Result<String, String>> {
    let url = Url::parse("http://127.0.0.1").ok()?.join(target).ok()?;
    let member = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if url.path() != "/callback" || member("state").as_deref() != Some(state) {
        return None;
    }
    // RFC 9207 2.4
    if member("iss").as_deref() != Some(issuer) {
        return Some(Err("the answer came from another realm".to_owned()));
    }
    let why = || [member("error"), member("error_description")].into_iter().flatten().collect::<Vec<_>>().join(": ");
    Some(member("code").ok_or_else(why))
}

/// By a browser anywhere, where the operator allows it.
pub fn by_device(issuer: &str, client_id: &str) -> Result<Saved, Failure> {
    let metadata = metadata(issuer)?;
    let form = [("client_id", client_id), ("scope", SCOPE)];
    let (status, started) = post_form(&text(&metadata, "device_authorization_endpoint")?, &form)?;
    if !status.is_success() {
        let why = refused(status, &started);
        return Err(Failure::Failed(format!("{why}\nthe operator has to allow the device grant to {client_id}, for {SCOPE}")));
    }
    let (code, device) = (text(&started, "user_code")?, text(&started, "device_code")?);
    eprintln!("Open {} in any browser and enter this code:\n\n  {code}\n", text(&started, "verification_uri")?);
    let mut interval = started.get("interval").and_then(Value::as_u64).unwrap_or(5);
    let endpoint = text(&metadata, "token_endpoint")?;
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    loop {
        sleep(Duration::from_secs(interval));
        let form = [("grant_type", grant), ("device_code", &device), ("client_id", client_id)];
        let (status, body) = post_form(&endpoint, &form)?;
        match body.get("error").and_then(Value::as_str) {
            None if status.is_success() => return kept(issuer, client_id, &body, None),
            Some("authorization_pending" | "temporarily_unavailable") => {}
            Some("slow_down") => interval += 5,
            _ => return Err(Failure::Failed(refused(status, &body))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::answered;

    #[test]
    fn only_the_answer_to_our_request_is_taken() {
        let realm = "https://id.example";
        let at = |query: &str| answered(&format!("/callback?{query}"), "s", realm);
        let iss = "iss=https%3A%2F%2Fid.example";
        assert_eq!(at(&format!("code=c&state=s&{iss}")), Some(Ok("c".to_owned())));
        assert_eq!(at(&format!("error=access_denied&state=s&{iss}")), Some(Err("access_denied".to_owned())));
        assert!(at("code=c&state=s&iss=https%3A%2F%2Fevil.example").is_some_and(|answer| answer.is_err()));
        assert!(at("code=c&state=s").is_some_and(|answer| answer.is_err()));
        assert_eq!(at(&format!("code=c&state=other&{iss}")), None);
        assert_eq!(answered("/favicon.ico", "s", realm), None);
    }
}
