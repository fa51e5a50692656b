//! The admin API, for whoever is signed in: with a token that is renewed when it is old.

use std::env;
use std::thread::sleep;
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::http::{Realm, client, issuer, now, parameter, problem, random, refused, text};
use crate::saved::{Folder, Saved};

/// Seconds before its end in which an access token counts as old.
const MARGIN: u64 = 30;
/// How often what may be sent again is sent.
const TRIES: u32 = 3;

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The version of the thing.
    pub etag: String,
    /// The thing; null where nothing was told.
    pub body: Value,
}

/// Whether a request may be sent a second time when its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Safe,
    Never,
}

/// The URL of something below the issuer.
fn url(realm: &str, path: &[&str]) -> Outcome<Url> {
    let bad = || Failure::Usage(format!("{realm} is no issuer"));
    let mut url = Url::parse(realm).map_err(|_| bad())?;
    if path.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return Err(Failure::Usage("an id is empty, or dots".to_owned()));
    }
    url.path_segments_mut().map_err(|()| bad())?.pop_if_empty().extend(["admin", "v1"]).extend(path);
    Ok(url)
}

/// What the admin API said to a request that it did not refuse for good.
enum Said {
    Done(Answer),
    /// The user signed in too long ago (RFC 9470): in words, and the seconds that a sign-in may be old.
    TooOld(String, u64),
}

/// Sends a request and reads what the admin API says.
fn answer(request: &dyn Fn() -> RequestBuilder, again: Again) -> Outcome<Said> {
    let mut tries = 0;
    loop {
        tries += 1;
        let is_last = tries == TRIES || again == Again::Never;
        let response = match request().send() {
            Ok(response) => response,
            Err(error) if is_last || !(error.is_connect() || error.is_timeout() || error.is_request()) => {
                let Failure::Failed(why) = Failure::from(error) else { return Err(Failure::failed("no answer")) };
                let maybe =
                    if again == Again::Never { "\nit may have happened all the same: look before you repeat it" } else { "" };
                return Err(Failure::Failed(format!("{why}{maybe}")));
            }
            Err(_) => {
                sleep(Duration::from_millis(500));
                continue;
            }
        };
        let status = response.status();
        if status.is_server_error() && !is_last {
            sleep(Duration::from_secs(1));
            continue;
        }
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let (etag, challenge) = (header("etag"), header("www-authenticate"));
        let body = serde_json::from_str(&response.text()?).unwrap_or_default();
        if status.is_success() {
            return Ok(Said::Done(Answer { etag, body }));
        }
        let failure = problem(status, &body, &challenge);
        let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind.ends_with(":insufficient_user_authentication") {
            let max_age = parameter(&challenge, "max_age").and_then(|age| age.parse().ok()).unwrap_or(0);
            return Ok(Said::TooOld(failure.parts().1.to_owned(), max_age));
        }
        return Err(failure);
    }
}

/// Makes the first administrator.
pub fn bootstrap(realm: &str, body: &Value) -> Outcome<Value> {
    let (client, url) = (client(realm)?, url(realm, &["bootstrap"])?);
    match answer(&|| client.post(url.clone()).json(body), Again::Never)? {
        Said::Done(answer) => Ok(answer.body),
        Said::TooOld(words, _) => Err(Failure::SignIn(words)),
    }
}

/// The realm that a command is about: what was said, or what was signed in at last.
pub fn chosen(folder: &Folder, said: Option<&str>) -> Outcome<Option<String>> {
    match said {
        Some(said) => issuer(said).map(Some),
        None => folder.current().map(|current| issuer(&current)).transpose(),
    }
}

/// Somebody who is signed in.
pub struct Api {
    folder: Folder,
    client: Client,
    /// The sign-in.
    pub saved: Saved,
}

impl Api {
    /// Whoever is signed in at this realm, with a token that is good for a while; or whose access token is in
    /// `LATCHKEY_TOKEN`: a job's, which signs in nowhere.
    pub fn open(said: Option<&str>) -> Outcome<Self> {
        let folder = Folder::of_user()?;
        if let Some(token) = env::var("LATCHKEY_TOKEN").ok().filter(|token| !token.is_empty()) {
            let unsaid =
                || Failure::Usage("LATCHKEY_TOKEN is for one realm: say which, with --issuer or LATCHKEY_ISSUER".to_owned());
            let realm = issuer(said.ok_or_else(unsaid)?)?;
            let saved = Saved { expires_at: u64::MAX, ..signed_in(&realm, "", "", &json!({ "access_token": token }))? };
            return Ok(Self { client: client(&realm)?, folder, saved });
        }
        let nobody = |at: &str| Failure::SignIn(format!("nobody is signed in{at}\nsign in: latchkey login --issuer URL"));
        let realm = chosen(&folder, said)?.ok_or_else(|| nobody(""))?;
        let saved = folder.load(&realm)?.ok_or_else(|| nobody(&format!(" at {realm}")))?;
        let mut api = Self { client: client(&realm)?, folder, saved };
        api.renew()?;
        Ok(api)
    }

    /// Takes a new access token where the old one is too old. Of several processes one does, and the others use that one.
    pub fn renew(&mut self) -> Outcome<()> {
        if now().saturating_add(MARGIN) < self.saved.expires_at {
            return Ok(());
        }
        let over = || Failure::SignIn("the sign-in is over\nsign in again: latchkey login".to_owned());
        let lock = self.folder.lock(&self.saved.issuer)?;
        let kept = self.folder.load(&self.saved.issuer)?.ok_or_else(over)?;
        if now() + MARGIN < kept.expires_at {
            self.saved = kept;
            return Ok(());
        }
        let refresh = kept.refresh_token.clone().ok_or_else(over)?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("client_id", &kept.client_id)];
        let (status, body) = Realm::discover(&kept.issuer)?.post("token_endpoint", &form)?;
        if body.get("error").and_then(Value::as_str) == Some("invalid_grant") {
            return Err(over());
        }
        if !status.is_success() {
            return Err(Failure::Failed(refused(status, &body)));
        }
        self.saved = renewed(&kept, &body)?;
        self.folder.keep(&self.saved, &lock)
    }

    /// Sends a request. A sign-in that is too old for it is remembered as such, so that the next `login` asks for the password.
    fn send(&self, request: &dyn Fn() -> RequestBuilder, again: Again) -> Outcome<Answer> {
        let (words, max_age) = match answer(request, again)? {
            Said::Done(answer) => return Ok(answer),
            Said::TooOld(words, max_age) => (words, max_age),
        };
        let lock = self.folder.lock(&self.saved.issuer)?;
        let kept = self.folder.load(&self.saved.issuer)?;
        if let Some(kept) = kept.filter(|kept| kept.access_token == self.saved.access_token) {
            self.folder.keep(&Saved { max_age: Some(max_age), ..kept }, &lock)?;
        }
        Err(Failure::SignIn(words))
    }

    fn request(&self, method: Method, path: &[&str]) -> Outcome<impl Fn() -> RequestBuilder + use<>> {
        let (url, client, token) = (url(&self.saved.issuer, path)?, self.client.clone(), self.saved.access_token.clone());
        Ok(move || client.request(method.clone(), url.clone()).bearer_auth(&token))
    }

    /// Reads a thing.
    pub fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Outcome<Answer> {
        let request = self.request(Method::GET, path)?;
        self.send(&|| request().query(query), Again::Safe)
    }

    /// Items of a collection, page after page, `most` of them at most; and whether there are more.
    pub fn list(&self, path: &[&str], query: &[(&str, &str)], most: usize) -> Outcome<(Vec<Value>, bool)> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let limit = most.saturating_sub(all.len()).clamp(1, 100).to_string();
            let mut query = [&[("limit", limit.as_str())], query].concat();
            if !after.is_empty() {
                query.push(("after", &after));
            }
            let mut page = self.get(path, &query)?.body;
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                all.extend(items);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(_) if all.len() >= most => return Ok((all, true)),
                Some(next) if next != after => next.clone_into(&mut after),
                _ => return Ok((all, false)),
            }
        }
    }

    /// Creates something, once however often it is sent: the key makes what is sent again the same request.
    pub fn create(&self, path: &[&str], body: &Value) -> Outcome<Answer> {
        let (request, key) = (self.request(Method::POST, path)?, random()?);
        self.send(&|| request().header("idempotency-key", &key).json(body), Again::Safe)
    }

    /// Posts a body that changes something at once.
    pub fn post(&self, path: &[&str], body: &Value) -> Outcome<Answer> {
        let request = self.request(Method::POST, path)?;
        self.send(&|| request().json(body), Again::Never)
    }

    /// Posts a question, which changes nothing.
    pub fn ask(&self, path: &[&str], body: &Value) -> Outcome<Answer> {
        let request = self.request(Method::POST, path)?;
        self.send(&|| request().json(body), Again::Safe)
    }

    /// Changes members of what stands there now (RFC 7396).
    pub fn patch(&self, path: &[&str], changes: &Value) -> Outcome<Answer> {
        let (etag, body) = (self.get(path, &[])?.etag, changes.to_string());
        let request = self.request(Method::PATCH, path)?;
        let request =
            || request().header("if-match", &etag).header("content-type", "application/merge-patch+json").body(body.clone());
        self.send(&request, Again::Never)
    }

    /// Gives something another name that has no version.
    pub fn rename(&self, path: &[&str], name: &str) -> Outcome<Answer> {
        let (request, body) = (self.request(Method::PATCH, path)?, json!({ "name": name }).to_string());
        self.send(&|| request().header("content-type", "application/merge-patch+json").body(body.clone()), Again::Safe)
    }

    /// Deletes something.
    pub fn delete(&self, path: &[&str]) -> Outcome<Answer> {
        let request = self.request(Method::DELETE, path)?;
        self.send(&request, Again::Never)
    }
}

/// A sign-in with what the token endpoint answered to its refresh token.
fn renewed(before: &Saved, body: &Value) -> Outcome<Saved> {
    let member = |name| body.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Saved {
        access_token: text(body, "access_token")?,
        refresh_token: member("refresh_token").or_else(|| before.refresh_token.clone()),
        // RFC 6749 5.1: as asked for, where it does not say.
        scope: member("scope").unwrap_or_else(|| before.scope.clone()),
        expires_at: now() + body.get("expires_in").and_then(Value::as_u64).unwrap_or_default(),
        ..before.clone()
    })
}

/// A new sign-in of what the token endpoint answered.
pub fn signed_in(issuer: &str, client_id: &str, asked: &str, body: &Value) -> Outcome<Saved> {
    let nothing = Saved {
        issuer: issuer.to_owned(),
        client_id: client_id.to_owned(),
        scope: asked.to_owned(),
        access_token: String::new(),
        refresh_token: None,
        expires_at: 0,
        max_age: None,
    };
    renewed(&nothing, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_path_stays_one_segment() {
        let at = |id: &str| url("https://id.example", &["roles", id]).map(String::from);
        assert_eq!(at("a/b?c").unwrap(), "https://id.example/admin/v1/roles/a%2Fb%3Fc");
        assert_eq!(at("..%2f").unwrap(), "https://id.example/admin/v1/roles/..%252f");
        for bad in ["", ".", ".."] {
            assert_eq!(at(bad).map_err(|failure| failure.parts().0), Err(2), "{bad:?}");
        }
    }

    #[test]
    fn a_refresh_keeps_what_the_answer_does_not_say() {
        let first = signed_in(
            "https://id.example",
            "c",
            "openid",
            &json!({ "access_token": "a", "refresh_token": "r", "expires_in": 60 }),
        );
        let first = first.unwrap();
        assert!(first.scope == "openid" && first.expires_at >= now() + 59);
        let next = renewed(&first, &json!({ "access_token": "b" })).unwrap();
        assert!(next.access_token == "b" && next.refresh_token.as_deref() == Some("r") && next.scope == "openid");
        assert!(renewed(&first, &json!({})).is_err());
    }
}
