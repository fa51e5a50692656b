//! Who speaks: an app, which is a client at both realms, and the browser of a person.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::blocking::{Client, Response};
use reqwest::{Url, redirect::Policy};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::realm::User;

/// Most redirects from the request of an app to its redirect URI.
const MOST_STEPS: usize = 10;

/// An app at one issuer.
pub struct App<'a> {
    /// Where
    pub issuer: &'a str,
    /// `client_id`
    pub id: &'a str,
    /// `client_secret`
    pub secret: &'a str,
    /// Where its people come back to; "" where nobody signs in
    pub redirect_uri: &'a str,
}

/// What a token endpoint answered: an access token, or the code of RFC 6749 5.2 and its words.
pub type Answer = Result<String, (String, String)>;

impl App<'_> {
    /// Signs a person in (RFC 6749 4.1, RFC 7636): an access token for one resource (RFC 8707).
    pub fn signed_in(&self, user: &User, resource: &str) -> Result<String, String> {
        let metadata = metadata(self.issuer)?;
        let [state, verifier] = [random()?, random()?];
        let challenge: [u8; 32] = Sha256::digest(&verifier).into();
        let asked = [
            ("response_type", "code"),
            ("client_id", self.id),
            ("redirect_uri", self.redirect_uri),
            ("scope", "openid"),
            ("resource", resource),
            ("state", &state),
            ("code_challenge", &URL_SAFE_NO_PAD.encode(challenge)),
            ("code_challenge_method", "S256"),
        ];
        let endpoint = endpoint(&metadata, "authorization_endpoint")?;
        let url = Url::parse_with_params(endpoint, asked).map_err(|error| error.to_string())?;
        let back = Browser::new()?.signed_in(url, user, self.redirect_uri)?;
        let answer = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        // RFC 9207 2.4: it must be the answer to this request, of whom it was sent to.
        if answer("state").as_deref() != Some(&state) || answer("iss").as_deref() != Some(self.issuer) {
            return Err(format!("somebody else's answer came back: {back}"));
        }
        let code = answer("code").ok_or_else(|| format!("no code: {back}"))?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", self.redirect_uri),
            ("code_verifier", &verifier),
        ];
        let tokens = self.token(&form)?;
        tokens.map_err(|(error, words)| format!("{} at {}: {error}: {words}", user.login, self.issuer))
    }

    /// Trades a token of another issuer for one of this (RFC 8693 2.1).
    pub fn exchanged(&self, token: &str, resource: &str) -> Result<Answer, String> {
        self.token(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("resource", resource),
        ])
    }

    fn token(&self, form: &[(&str, &str)]) -> Result<Answer, String> {
        let metadata = metadata(self.issuer)?;
        // RFC 6749 2.3.1 has both form-encoded; these have nothing to encode.
        let request = http()?.post(endpoint(&metadata, "token_endpoint")?).basic_auth(self.id, Some(self.secret));
        let answer = json(request.form(form).send())?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(text("access_token").ok_or((text("error").unwrap_or_default(), text("error_description").unwrap_or_default())))
    }
}

/// Asks a resource server (RFC 6750 2.1), or gives it something: status and JSON.
pub fn called(api: &str, path: &str, token: &str, given: Option<&Value>) -> Result<(u16, Value), String> {
    let (http, url) = (http()?, format!("{api}{path}"));
    let request = given.map_or_else(|| http.get(&url), |given| http.post(&url).json(given));
    let answer = request.bearer_auth(token).send().map_err(|error| error.to_string())?;
    Ok((answer.status().as_u16(), json(Ok(answer))?))
}

/// A browser that was never used before: it keeps cookies, and is driven by this program.
struct Browser(Client);

impl Browser {
    fn new() -> Result<Self, String> {
        let http = Client::builder().cookie_store(true).redirect(Policy::none()).no_proxy().timeout(Duration::from_secs(30));
        http.build().map(Self).map_err(|error| error.to_string())
    }

    /// Goes where it is sent and fills the login form in, until it is sent to `home`: that address.
    fn signed_in(&self, start: Url, user: &User, home: &str) -> Result<Url, String> {
        let mut at = start;
        let mut answer = self.0.get(at.clone()).send();
        for _ in 0..MOST_STEPS {
            let page = answer.map_err(|error| error.to_string())?;
            answer = match location(&page, &at)? {
                Some(next) if next.as_str().split('?').next() == Some(home) => return Ok(next),
                Some(next) => {
                    at = next;
                    self.0.get(at.clone()).send()
                }
                None => {
                    let html = page.text().map_err(|error| error.to_string())?;
                    let (action, form) = login_form(&html).ok_or_else(|| format!("{at} has no login form"))?;
                    at = at.join(action).map_err(|error| error.to_string())?;
                    let fields = [("form", form), ("login", &user.login), ("password", &user.password)];
                    self.0.post(at.clone()).form(&fields).send()
                }
            };
        }
        Err(format!("{} was not sent back to the app; last seen at {at}", user.login))
    }
}

/// Where a redirect leads.
fn location(page: &Response, at: &Url) -> Result<Option<Url>, String> {
    if page.status().is_success() {
        return Ok(None);
    }
    let location =
        page.headers().get("location").and_then(|value| value.to_str().ok()).filter(|_| page.status().is_redirection());
    let location = location.ok_or_else(|| format!("{at} answered {}", page.status()))?;
    at.join(location).map(Some).map_err(|error| error.to_string())
}

/// Where the login form of a page goes, and what is hidden in it.
fn login_form(html: &str) -> Option<(&str, &str)> {
    let between = |text, before, after| Some(str::split_once(str::split_once(text, before)?.1, after)?.0);
    let (_, form) = html.split_once("<form ")?;
    let form = form.split_once("</form>")?.0;
    form.contains("name=\"password\"").then_some(())?;
    Some((between(form, "action=\"", "\"")?, between(form, "name=\"form\" value=\"", "\"")?))
}

/// OpenID Connect Discovery 1.0 section 4.
fn metadata(issuer: &str) -> Result<Value, String> {
    let document = json(http()?.get(format!("{issuer}/.well-known/openid-configuration")).send())?;
    if document.get("issuer").is_some_and(|named| named == issuer) { Ok(document) } else { Err(format!("{issuer} is not there")) }
}

fn endpoint<'a>(metadata: &'a Value, name: &str) -> Result<&'a str, String> {
    metadata.get(name).and_then(Value::as_str).ok_or_else(|| format!("there is no {name}"))
}

fn json(answer: reqwest::Result<Response>) -> Result<Value, String> {
    answer.and_then(Response::json).map_err(|error| error.to_string())
}

/// All of this is on one machine.
fn http() -> Result<Client, String> {
    let http = Client::builder().redirect(Policy::none()).no_proxy().timeout(Duration::from_secs(30));
    http.build().map_err(|error| error.to_string())
}

fn random() -> Result<String, String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::login_form;

    #[test]
    fn the_login_form_is_found() {
        let page = r#"<form method="post" action="/login"><input type="hidden" name="form" value="sealed"><input name="password"></form>"#;
        assert_eq!(login_form(page), Some(("/login", "sealed")));
        for other in
            ["", "<p>", &page.replace("password", "user_code"), &page.replace("</form>", ""), &page.replace("form\" v", "x\" v")]
        {
            assert_eq!(login_form(other), None, "{other}");
        }
    }
}
