//! The admin API: requests with a token that is renewed when it is old, and its problems in words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use crate::saved::Saved;

/// Why a command did not do what it was to do.
#[derive(Debug)]
pub enum Failure {
    /// Refused, or it went wrong: exit code 1.
    Failed(String),
    /// The command makes no sense: exit code 2.
    Usage(String),
    /// Somebody has to sign in: exit code 3.
    SignIn(String),
}

impl Failure {
    /// Its exit code and its words.
    pub fn parts(&self) -> (u8, &str) {
        match self {
            Self::Failed(why) => (1, why),
            Self::Usage(why) => (2, why),
            Self::SignIn(why) => (3, why),
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        // Without the URL, which may hold what nobody else should see.
        Self::Failed(format!("no answer: {}", error.without_url()))
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Random bytes as base64url.
pub fn random() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Asks over HTTP, and follows no redirect: no endpoint of ours answers by one.
pub fn http() -> Result<Client, Failure> {
    Ok(Client::builder().redirect(Policy::none()).timeout(Duration::from_secs(30)).build()?)
}

/// A member of an answer that has to be text.
pub fn text(value: &Value, member: &str) -> Result<String, Failure> {
    let text = value.get(member).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| Failure::Failed(format!("the answer has no {member}")))
}

/// An issuer that a token may be sent to: https, or http to this machine.
pub fn issuer(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).map_err(|error| Failure::Usage(format!("--issuer: {error}")))?;
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() == "https" || (url.scheme() == "http" && is_here) {
        return Ok(url);
    }
    Err(Failure::Usage("--issuer: https is needed, or http on this machine".to_owned()))
}

/// The realm's metadata (OpenID Connect Discovery 4).
pub fn metadata(realm: &str) -> Result<Value, Failure> {
    let realm = realm.trim_end_matches('/');
    issuer(realm)?;
    let metadata = http()?.get(format!("{realm}/.well-known/openid-configuration")).send()?;
    if metadata.status() != StatusCode::OK {
        return Err(Failure::Failed(format!("{realm} has no metadata: {}", metadata.status())));
    }
    let metadata: Value = metadata.json()?;
    if text(&metadata, "issuer")?.trim_end_matches('/') != realm {
        return Err(Failure::Failed(format!("{realm} says that it is somebody else")));
    }
    Ok(metadata)
}

/// A form that was posted to an endpoint of the realm: status and body.
pub fn post_form(url: &str, form: &[(&str, &str)]) -> Result<(StatusCode, Value), Failure> {
    let answer = http()?.post(url).form(form).send()?;
    let status = answer.status();
    Ok((status, serde_json::from_str(&answer.text()?).unwrap_or_default()))
}

/// An OAuth error in words (RFC 6749 5.2).
pub fn refused(status: StatusCode, body: &Value) -> String {
    let member = |name| body.get(name).and_then(Value::as_str);
    match (member("error"), member("error_description")) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(error), None) => error.to_owned(),
        _ => format!("the realm answered {status}"),
    }
}

/// A problem (RFC 9457) in words: what, why, and each place that is wrong.
fn problem(status: StatusCode, body: &Value) -> Failure {
    let member = |name| body.get(name).and_then(Value::as_str);
    let mut words = member("title").map_or_else(|| format!("the realm answered {status}"), str::to_owned);
    if let Some(detail) = member("detail") {
        words = format!("{words}: {detail}");
    }
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let part = |name| error.get(name).and_then(Value::as_str).unwrap_or_default();
        words = format!("{words}\n  {}: {}", part("pointer"), part("detail"));
    }
    if let Some(id) = member("request_id") {
        words = format!("{words}\n  (request {id})");
    }
    if status == StatusCode::UNAUTHORIZED {
        return Failure::SignIn(format!("{words}\nsign in: latchkey login"));
    }
    Failure::Failed(words)
}

/// What was answered.
pub struct Answer {
    /// The version of the thing.
    pub etag: String,
    /// The thing; null where nothing was told.
    pub body: Value,
}

/// Reads an answer of the admin API.
fn read(request: RequestBuilder) -> Result<Answer, Failure> {
    answer(request.send()?)
}

/// The parts of an answer that matter, or the problem that it is.
fn answer(answer: Response) -> Result<Answer, Failure> {
    let status = answer.status();
    let etag = answer.headers().get("etag").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let body = serde_json::from_str(&answer.text()?).unwrap_or_default();
    if status.is_success() { Ok(Answer { etag, body }) } else { Err(problem(status, &body)) }
}

/// The URL of something below the issuer.
fn url(realm: &str, path: &[&str]) -> Result<Url, Failure> {
    let mut url = issuer(realm)?;
    let mut segments = url.path_segments_mut().map_err(|()| Failure::Usage("--issuer: no such URL".to_owned()))?;
    segments.pop_if_empty().extend(path);
    drop(segments);
    Ok(url)
}

/// Makes the first administrator.
pub fn bootstrap(realm: &str, body: &Value) -> Result<Answer, Failure> {
    read(http()?.post(url(realm, &["admin", "v1", "bootstrap"])?).json(body))
}

/// Somebody who is signed in.
pub struct Api {
    client: Client,
    /// The sign-in.
    pub saved: Saved,
}

impl Api {
    /// Whoever is signed in, with a token that is good for a while.
    pub fn open(realm: Option<&str>) -> Result<Self, Failure> {
        let saved = Saved::load()?;
        if realm.is_some_and(|realm| realm.trim_end_matches('/') != saved.issuer) {
            return Err(Failure::SignIn(format!("you are signed in at {}: run `latchkey login` for the other", saved.issuer)));
        }
        let mut api = Self { client: http()?, saved };
        api.renew()?;
        Ok(api)
    }

    /// Takes a new access token where the old one has less than half a minute left.
    pub fn renew(&mut self) -> Result<(), Failure> {
        if now() + 30 < self.saved.expires_at {
            return Ok(());
        }
        let over = || Failure::SignIn("the sign-in is over: run `latchkey login`".to_owned());
        let refresh = self.saved.refresh_token.clone().ok_or_else(over)?;
        let endpoint = text(&metadata(&self.saved.issuer)?, "token_endpoint")?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("client_id", &self.saved.client_id)];
        let (status, body) = post_form(&endpoint, &form)?;
        if body.get("error").and_then(Value::as_str) == Some("invalid_grant") {
            return Err(over());
        }
        if !status.is_success() {
            return Err(Failure::Failed(refused(status, &body)));
        }
        self.saved = crate::login::kept(&self.saved.issuer, &self.saved.client_id, &body, Some(refresh))?;
        Ok(())
    }

    fn admin(&self, method: Method, path: &[&str]) -> Result<RequestBuilder, Failure> {
        let url = url(&self.saved.issuer, &[&["admin", "v1"], path].concat())?;
        Ok(self.client.request(method, url).bearer_auth(&self.saved.access_token))
    }

    /// Reads a thing.
    pub fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer, Failure> {
        read(self.admin(Method::GET, path)?.query(query))
    }

    /// All items of a collection, page after page.
    pub fn list(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Failure> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let mut query = [&[("limit", "100")], query].concat();
            if !after.is_empty() {
                query.push(("after", &after));
            }
            let mut page = self.get(path, &query)?.body;
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                all.extend(items);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => next.clone_into(&mut after),
                None => return Ok(all.into()),
            }
        }
    }

    /// Posts a body, once however often it is sent.
    pub fn post(&self, path: &[&str], body: &Value) -> Result<Answer, Failure> {
        let key = random()?;
        let once = || Ok::<_, Failure>(self.admin(Method::POST, path)?.header("idempotency-key", &key).json(body).send()?);
        // A lost answer is asked for again: the key makes it the same one.
        answer(once().or_else(|_| once())?)
    }

    /// Changes members of what stands there now (RFC 7396).
    pub fn patch(&self, path: &[&str], changes: &Value) -> Result<Answer, Failure> {
        let etag = self.get(path, &[])?.etag;
        let request = self.admin(Method::PATCH, path)?.header("if-match", etag);
        read(request.header("content-type", "application/merge-patch+json").body(changes.to_string()))
    }

    /// Deletes a thing.
    pub fn delete(&self, path: &[&str]) -> Result<Answer, Failure> {
        read(self.admin(Method::DELETE, path)?)
    }

    /// Who is signed in (OpenID Connect Core 5.3).
    pub fn whoami(&self) -> Result<Answer, Failure> {
        let endpoint = text(&metadata(&self.saved.issuer)?, "userinfo_endpoint")?;
        read(self.client.get(endpoint).bearer_auth(&self.saved.access_token))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_told_with_all_its_places() {
        let body = json!({ "title": "Wrong", "detail": "see errors", "request_id": "r",
                           "errors": [{ "pointer": "/a", "detail": "one" }, { "pointer": "/b", "detail": "two" }] });
        let failure = problem(StatusCode::BAD_REQUEST, &body);
        assert_eq!(failure.parts(), (1, "Wrong: see errors\n  /a: one\n  /b: two\n  (request r)"));
        assert_eq!(problem(StatusCode::UNAUTHORIZED, &Value::Null).parts().0, 3);
    }

    #[test]
    fn tokens_go_to_https_or_to_this_machine() {
        for good in ["https://id.example", "http://localhost:8787", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert!(issuer(good).is_ok(), "{good}");
        }
        for bad in ["http://id.example", "http://localhost.example", "ftp://localhost", "id.example"] {
            assert_eq!(issuer(bad).map_err(|failure| failure.parts().0), Err(2), "{bad}");
        }
    }

    #[test]
    fn what_is_in_a_path_stays_one_segment() {
        let url = url("https://id.example/", &["admin", "v1", "roles", "a/b?c"]).unwrap();
        assert_eq!(url.as_str(), "https://id.example/admin/v1/roles/a%2Fb%3Fc");
    }
}
