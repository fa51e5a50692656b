//! HTTP to a realm: to https or this machine alone, no redirects, and errors in words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::blocking::{Client, Response};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use serde_json::Value;

use crate::failure::{Failure, Outcome};

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// 256 random bits as base64url.
pub fn random() -> Outcome<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::failed(format!("no randomness: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether a URL is of this machine.
fn is_here(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// An issuer that a token may be sent to: https, or http to this machine. Without a slash at its end.
pub fn issuer(text: &str) -> Outcome<String> {
    let text = text.trim().trim_end_matches('/');
    let url = Url::parse(text).map_err(|error| Failure::Usage(format!("the issuer {text:?} is no URL: {error}")))?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::Usage("an issuer has no query, fragment or password".to_owned()));
    }
    if url.scheme() == "https" || (url.scheme() == "http" && is_here(&url)) {
        return Ok(text.to_owned());
    }
    Err(Failure::Usage(format!("{text} would send tokens in the clear: https is needed, or http to this machine")))
}

/// Asks a realm. No endpoint of ours answers by a redirect, so none is followed.
pub fn client(realm: &str) -> Outcome<Client> {
    let is_plain = realm.starts_with("http://");
    let client = Client::builder()
        .user_agent(concat!("latchkey-cli/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_mins(1));
    // In the clear to this machine alone, so through no proxy either; certificates are of no use there.
    let client = if is_plain { client.no_proxy().tls_built_in_root_certs(false) } else { client.https_only(true) };
    Ok(client.build()?)
}

/// A member of an answer that has to be text.
pub fn text(value: &Value, member: &str) -> Outcome<String> {
    let text = value.get(member).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| Failure::failed(format!("the realm's answer has no {member}: is it a Latchkey realm?")))
}

/// What others wrote, fit for a terminal: it must not be steered by it.
pub fn clean(text: &str) -> String {
    let is_hidden = |letter: char| {
        letter.is_control() || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if is_hidden(letter) { ' ' } else { letter }).collect()
}

/// A body that should be JSON; null where it is not.
fn json(answer: Response) -> Outcome<Value> {
    Ok(serde_json::from_str(&answer.text()?).unwrap_or_default())
}

/// The OAuth side of a realm.
pub struct Realm {
    /// Its issuer.
    pub issuer: String,
    client: Client,
    metadata: Value,
}

impl Realm {
    /// Reads its metadata (OpenID Connect Discovery 4), which must be of this very issuer.
    pub fn discover(issuer_text: &str) -> Outcome<Self> {
        let issuer = issuer(issuer_text)?;
        let client = client(&issuer)?;
        let answer = client.get(format!("{issuer}/.well-known/openid-configuration")).send()?;
        let status = answer.status();
        let metadata = json(answer)?;
        if status != StatusCode::OK || !metadata.is_object() {
            return Err(Failure::failed(format!("{issuer} is no realm: its metadata answers {status}\ncheck --issuer")));
        }
        if text(&metadata, "issuer")?.trim_end_matches('/') != issuer {
            let says = clean(&text(&metadata, "issuer")?);
            return Err(Failure::failed(format!("{issuer} says that it is {says}: use that as --issuer, if you know it")));
        }
        Ok(Self { issuer, client, metadata })
    }

    /// An endpoint by its name in the metadata. All of them lie at the issuer's own origin.
    pub fn endpoint(&self, name: &str) -> Outcome<Url> {
        let bad = || Failure::failed(format!("{name} of {} is not at the same origin", self.issuer));
        let url = Url::parse(&text(&self.metadata, name)?).map_err(|_| bad())?;
        let own = Url::parse(&self.issuer).map_err(|_| bad())?;
        if url.origin() == own.origin() { Ok(url) } else { Err(bad()) }
    }

    /// A form posted to an endpoint: status and body.
    pub fn post(&self, endpoint: &str, form: &[(&str, &str)]) -> Outcome<(StatusCode, Value)> {
        let answer = self.client.post(self.endpoint(endpoint)?).form(form).send()?;
        Ok((answer.status(), json(answer)?))
    }

    /// The user behind a token (OpenID Connect Core 5.3).
    pub fn userinfo(&self, access_token: &str) -> Outcome<Value> {
        let answer = self.client.get(self.endpoint("userinfo_endpoint")?).bearer_auth(access_token).send()?;
        match answer.status() {
            status if status.is_success() => json(answer),
            StatusCode::UNAUTHORIZED => Err(Failure::SignIn("the sign-in is over\nsign in again: latchkey login".to_owned())),
            status => Err(Failure::failed(format!("the realm answered {status}"))),
        }
    }

    /// Revokes a token (RFC 7009), with the grant behind it.
    pub fn revoke(&self, token: &str, client_id: &str) -> Outcome<()> {
        let (status, body) = self.post("revocation_endpoint", &[("token", token), ("client_id", client_id)])?;
        if status.is_success() { Ok(()) } else { Err(Failure::Failed(refused(status, &body))) }
    }
}

/// An OAuth error in words (RFC 6749 5.2).
pub fn refused(status: StatusCode, body: &Value) -> String {
    let member = |name| body.get(name).and_then(Value::as_str).map(clean);
    match (member("error"), member("error_description")) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(error), None) => error,
        _ if status == StatusCode::TOO_MANY_REQUESTS => "too many requests from here: wait a minute, then try again".to_owned(),
        _ => format!("the realm answered {status}"),
    }
}

/// A problem of the admin API (RFC 9457) in words: what, why, each place that is wrong, and what to do.
/// `challenge`: the `WWW-Authenticate` header.
pub fn problem(status: StatusCode, body: &Value, challenge: &str) -> Failure {
    let member = |name| body.get(name).and_then(Value::as_str).map(clean);
    let mut words = member("title").unwrap_or_else(|| format!("the realm answered {status}"));
    if let Some(detail) = member("detail") {
        words = format!("{words}: {detail}");
    }
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let part = |name| error.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
        let place = Some(part("pointer")).filter(|pointer| !pointer.is_empty()).unwrap_or_else(|| "(all of it)".to_owned());
        words = format!("{words}\n  {place}: {}", part("detail"));
    }
    if let Some(id) = member("request_id") {
        words = format!("{words}\n  (request {id})");
    }
    let kind = member("type").unwrap_or_default();
    let hint = match kind.rsplit(':').next().unwrap_or_default() {
        "unauthorized" if challenge.is_empty() || challenge.contains("error=") => {
            return Failure::SignIn(format!("{words}\nsign in again: latchkey login"));
        }
        "insufficient_user_authentication" => {
            return Failure::SignIn(format!("{words}\nthe sign-in is too old for this. sign in again: latchkey login"));
        }
        "insufficient_scope" => match parameter(challenge, "scope") {
            Some(scope) => format!("\nneeded is the scope {scope} and the role of that name: latchkey login --scope {scope}"),
            None => String::new(),
        },
        "stale" => "\nsomebody changed it meanwhile: look at it, then run the command again".to_owned(),
        "unavailable" => "\ntry again in a moment".to_owned(),
        _ if status == StatusCode::TOO_MANY_REQUESTS => "\ntoo many requests from here: wait a minute, then try again".to_owned(),
        _ => String::new(),
    };
    Failure::Failed(format!("{words}{hint}"))
}

/// A quoted parameter of a challenge (RFC 9110 11.6.1).
pub fn parameter(challenge: &str, name: &str) -> Option<String> {
    let (_, rest) = challenge.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(clean(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_told_with_all_its_places_and_what_to_do() {
        let body = json!({ "type": "urn:latchkey:problem:invalid", "title": "Wrong", "detail": "see errors", "request_id": "r",
                           "errors": [{ "pointer": "/a", "detail": "one" }, { "pointer": "/b", "detail": "t\u{1b}[2Jwo" }] });
        let failure = problem(StatusCode::BAD_REQUEST, &body, "");
        assert_eq!(failure.parts(), (1, "Wrong: see errors\n  /a: one\n  /b: t [2Jwo\n  (request r)"));
        let of = |word: &str, status: u16, challenge: &str| {
            let body = json!({ "type": format!("urn:latchkey:problem:{word}"), "title": "No" });
            let failure = problem(StatusCode::from_u16(status).unwrap(), &body, challenge);
            (failure.parts().0, failure.parts().1.to_owned())
        };
        let (code, words) = of("insufficient_user_authentication", 401, "");
        assert_eq!(code, 3);
        assert!(words.ends_with("sign in again: latchkey login"), "{words}");
        assert_eq!(of("unauthorized", 401, "Bearer realm=\"x\", error=\"invalid_token\"").0, 3);
        let (code, words) =
            of("insufficient_scope", 403, "Bearer realm=\"x\", error=\"insufficient_scope\", scope=\"latchkey:keys\"");
        assert!(code == 1 && words.contains("latchkey login --scope latchkey:keys"), "{words}");
        assert!(of("stale", 412, "").1.contains("run the command again"));
        assert_eq!(problem(StatusCode::BAD_GATEWAY, &Value::Null, "").parts(), (1, "the realm answered 502 Bad Gateway"));
    }

    #[test]
    fn tokens_go_to_https_or_to_this_machine() {
        for good in ["https://id.example", "http://localhost:8787", "http://127.0.0.1:1", "http://[::1]:1", "https://id.example/"]
        {
            assert!(issuer(good).is_ok_and(|issuer| !issuer.ends_with('/')), "{good}");
        }
        for bad in [
            "http://id.example",
            "http://localhost.example",
            "ftp://localhost",
            "id.example",
            "https://a:b@id.example",
            "https://id.example?x",
            "http://127.0.0.1.example",
        ] {
            assert_eq!(issuer(bad).map_err(|failure| failure.parts().0), Err(2), "{bad}");
        }
    }
}
