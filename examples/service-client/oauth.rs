//! The client credentials grant (RFC 6749 4.4) at any provider with metadata (RFC 8414).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use chrono::DateTime;
use reqwest::{Client, RequestBuilder, Url, header};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use crate::tokens::{Issued, Source, Trouble};

/// Longest answer that is read, in bytes.
const BODY_LIMIT: usize = 256 * 1024;
/// Lifetime of a token if the provider does not say, and the longest that is believed, in seconds.
const LIFETIMES: (u64, u64) = (300, 24 * 3600);
/// No server keeps us waiting for longer.
const LONGEST_RETRY: Duration = Duration::from_hours(1);

/// A registered client of one provider.
pub struct Oauth {
    /// For the provider alone
    pub http: Client,
    /// Exactly as it names itself
    pub issuer: String,
    /// As registered
    pub client_id: String,
    /// As registered
    pub client_secret: String,
    /// What is asked for; "" leaves it to the provider
    pub scope: String,
    /// What the token is for (RFC 8707); "" leaves it to the provider
    pub resource: String,
    /// Learned from the metadata when it is first needed
    pub token_endpoint: OnceCell<Url>,
    /// How often a token was asked for
    pub requests: AtomicUsize,
}

impl Source for Oauth {
    async fn fetch(&self) -> Result<Issued, Trouble> {
        let endpoint = self.token_endpoint.get_or_try_init(|| self.discovered()).await?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend([("scope", &*self.scope), ("resource", &*self.resource)].into_iter().filter(|(_, value)| !value.is_empty()));
        // RFC 6749 2.3.1: both halves are form-encoded.
        let (id, secret) = (form_encoded(&self.client_id), form_encoded(&self.client_secret));
        let answer = answer(self.http.post(endpoint.clone()).basic_auth(id, Some(secret)).form(&form)).await?;
        issued(&answer)
    }
}

impl Oauth {
    /// RFC 8414 3: the well-known part stands before the issuer's path.
    async fn discovered(&self) -> Result<Url, Trouble> {
        let unusable = |what: &str| Trouble::Refused(format!("{} {what}", self.issuer));
        let mut url = Url::parse(&self.issuer).map_err(|_| unusable("is no URL"))?;
        url.set_path(&format!("/.well-known/oauth-authorization-server{}", url.path().trim_end_matches('/')));
        let metadata = answer(self.http.get(url)).await?;
        // 3.3: a document that names another issuer must not be used.
        if text(&metadata, "issuer") != Some(&self.issuer) {
            return Err(unusable("has metadata that name another issuer"));
        }
        let endpoint = text(&metadata, "token_endpoint").and_then(|url| Url::parse(url).ok());
        // The secret goes there: plain http only where the issuer itself is plain http.
        let endpoint = endpoint.filter(|url| url.scheme() == "https" || self.issuer.starts_with("http:"));
        endpoint.ok_or_else(|| unusable("names no usable token endpoint"))
    }
}

/// The JSON object of a good answer.
async fn answer(request: RequestBuilder) -> Result<Map<String, Value>, Trouble> {
    let response = request.header(header::ACCEPT, "application/json").send().await;
    let mut response = response.map_err(|error| Trouble::Busy(format!("no answer: {}", root_cause(&error)), None))?;
    let status = response.status();
    let told = response.headers().get(header::RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, unix_time()));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Trouble::Busy(root_cause(&error), told))? {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_LIMIT {
            return Err(Trouble::Busy("the provider's answer is too long".to_owned(), told));
        }
    }
    let body: Option<Map<String, Value>> = serde_json::from_slice(&body).ok();
    if status.is_success() {
        // Something in between answers for it.
        return body.ok_or_else(|| Trouble::Busy("the provider's answer is no JSON object".to_owned(), told));
    }
    let body = body.unwrap_or_default();
    let words: Vec<&str> = ["error", "error_description"].into_iter().filter_map(|name| text(&body, name)).collect();
    let reason = if words.is_empty() { format!("the provider answered {status}") } else { words.join(": ") };
    let may_pass = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
    Err(if may_pass { Trouble::Busy(reason, told) } else { Trouble::Refused(reason) })
}

/// RFC 6749 5.1.
fn issued(answer: &Map<String, Value>) -> Result<Issued, Trouble> {
    let is_bearer = text(answer, "token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    let access_token = text(answer, "access_token").filter(|_| is_bearer);
    let access_token = access_token.ok_or_else(|| Trouble::Refused("the provider sent no bearer token".to_owned()))?;
    let (default, most) = LIFETIMES;
    let lifetime = answer.get("expires_in").and_then(Value::as_u64).unwrap_or(default).min(most);
    Ok(Issued { access_token: access_token.to_owned(), lifetime: Duration::from_secs(lifetime) })
}

/// RFC 9110 10.2.3: seconds, or a date; `now` in Unix seconds.
fn retry_after(value: &str, now: i64) -> Option<Duration> {
    let seconds = match value.trim().parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = DateTime::parse_from_rfc2822(value.trim()).ok()?.timestamp();
            u64::try_from(at.saturating_sub(now)).unwrap_or_default()
        }
    };
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY))
}

fn unix_time() -> i64 {
    UNIX_EPOCH.elapsed().ok().and_then(|age| i64::try_from(age.as_secs()).ok()).unwrap_or_default()
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// `application/x-www-form-urlencoded`, as RFC 6749 appendix B says.
fn form_encoded(text: &str) -> String {
    let url = Url::parse_with_params("x:", [("", text)]);
    let query = url.as_ref().ok().and_then(Url::query).unwrap_or_default();
    query.trim_start_matches('=').to_owned()
}

/// What really went wrong: the outer texts repeat the URL.
pub fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_for_ever() {
        let seconds = |value, now| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120", 0), Some(120));
        assert_eq!(seconds(" 0 ", 0), Some(0));
        assert_eq!(seconds("99999999", 0), Some(3600));
        // RFC 9110 5.6.7
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_700), Some(77));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT", 999_999_999), Some(0));
        for bad in ["", "-1", "soon", "1.5"] {
            assert_eq!(seconds(bad, 0), None, "{bad}");
        }
    }

    #[test]
    fn tokens_are_bearer_tokens_with_a_life() {
        let of = |answer: Value| issued(answer.as_object().unwrap()).ok().map(|issued| issued.lifetime.as_secs());
        assert_eq!(of(json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60})), Some(60));
        assert_eq!(of(json!({"access_token": "t", "token_type": "bearer"})), Some(300));
        assert_eq!(of(json!({"access_token": "t", "token_type": "bearer", "expires_in": u64::MAX})), Some(86_400));
        for bad in
            [json!({"access_token": "t", "token_type": "DPoP"}), json!({"access_token": "", "token_type": "bearer"}), json!({})]
        {
            assert_eq!(of(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn credentials_are_form_encoded() {
        assert_eq!(form_encoded("a b:c/d+ü"), "a+b%3Ac%2Fd%2B%C3%BC");
        assert_eq!(form_encoded("=x"), "%3Dx");
    }
}
