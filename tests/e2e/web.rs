//! Web and mobile apps of the tests, and what a person's browser does for them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken step fails the test by panicking")]

use std::collections::BTreeMap;

use latchkey::protocol::form::{decode, encode};
use latchkey::protocol::secret::{base64url, sha256};
use serde_json::{Value, json};

use crate::support::{ADA, Answer, Api, Person};

/// A client for the authorization code grant, in the form of a seed file, with changes: confidential, by
/// Basic, with the secret of [`secret`] and the redirect URI `https://ID.example/cb`.
pub fn web_client(id: &str, changes: &[Value]) -> Value {
    let mut client = json!({
        "client_id": id,
        "client_name": format!("Client {id}"),
        "client_secret": secret(id),
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [format!("https://{id}.example/cb")],
        "scope": "openid profile email address phone offline_access records:read",
    });
    for change in changes {
        client.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    }
    // A public client has no secret.
    let members = client.as_object_mut().unwrap();
    if matches!(members["token_endpoint_auth_method"].as_str(), Some("none" | "private_key_jwt")) {
        members.remove("client_secret");
    }
    client
}

/// The secret of a [`web_client`].
pub fn secret(id: &str) -> String {
    format!("{id}-secret-0123456789abcdef0123456789abcdef")
}

/// A `code_verifier` and its challenge.
#[derive(Clone, Debug)]
pub struct Pkce {
    /// `code_verifier`.
    pub verifier: String,
    /// `code_challenge`.
    pub challenge: String,
}

impl Pkce {
    /// From a word: tests need no randomness.
    pub fn of(word: &str) -> Self {
        let verifier = base64url(&sha256(word.as_bytes()));
        Self { challenge: base64url(&sha256(verifier.as_bytes())), verifier }
    }
}

/// An app and its redirect URI.
#[derive(Clone, Debug)]
pub struct App {
    /// As a client of the API.
    pub api: Api,
    /// `redirect_uri`.
    pub redirect_uri: String,
    /// Its PKCE.
    pub pkce: Pkce,
}

impl App {
    /// A [`web_client`].
    pub fn web(base: &str, id: &str) -> Self {
        let api = Api::basic(base, id, &secret(id));
        Self { api, redirect_uri: format!("https://{id}.example/cb"), pkce: Pkce::of(id) }
    }

    /// `demo-web`.
    pub fn demo(base: &str) -> Self {
        let api = Api::basic(base, "demo-web", "demo-web-secret-0123456789abcdef");
        Self { api, redirect_uri: "http://localhost:9999/callback".to_owned(), pkce: Pkce::of("demo-web") }
    }

    /// `demo-spa`.
    pub fn demo_spa(base: &str) -> Self {
        let api = Api::public(base, "demo-spa");
        Self { api, redirect_uri: "http://localhost:9998/callback".to_owned(), pkce: Pkce::of("demo-spa") }
    }

    /// `demo-mobile`, at a loopback port.
    pub fn demo_mobile(base: &str) -> Self {
        let api = Api::public(base, "demo-mobile");
        Self { api, redirect_uri: "http://127.0.0.1:51004/callback".to_owned(), pkce: Pkce::of("demo-mobile") }
    }

    /// The same app at another Worker.
    pub fn at(&self, base: &str) -> Self {
        Self { api: self.api.at(base), ..self.clone() }
    }

    /// The parameters of a request for `openid` with state, nonce and challenge; `changes` add or replace, and
    /// an empty value removes.
    pub fn parameters(&self, changes: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = [
            ("client_id", self.api.client.as_str()),
            ("redirect_uri", &self.redirect_uri),
            ("response_type", "code"),
            ("scope", "openid"),
            ("state", "a state & more"),
            ("nonce", "a nonce"),
            ("code_challenge", &self.pkce.challenge),
            ("code_challenge_method", "S256"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        for (name, value) in changes {
            all.retain(|(other, _)| other != name);
            if !value.is_empty() {
                all.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        all
    }

    /// The path of that request.
    pub fn path(&self, changes: &[(&str, &str)]) -> String {
        format!("/authorize?{}", query(&self.parameters(changes)))
    }

    /// Redeems a code.
    pub async fn redeem(&self, code: &str) -> Answer {
        self.redeem_with(code, &[]).await
    }

    /// Redeems a code with changed parameters; an empty value removes.
    pub async fn redeem_with(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let mut parameters = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", self.pkce.verifier.as_str()),
        ];
        for (name, value) in changes {
            parameters.retain(|(other, _)| other != name);
            if !value.is_empty() {
                parameters.push((name, value));
            }
        }
        self.api.post("/token", &parameters).await
    }

    /// A whole sign-in of a person who is signed in already, saying yes to everything: the tokens.
    pub async fn tokens(&self, person: &Person, changes: &[(&str, &str)]) -> Answer {
        let code = self.code(person, changes).await;
        let tokens = self.redeem(&code).await;
        assert!(tokens.is_granted(), "{}", tokens.body);
        tokens
    }

    /// A code for a person who is signed in already, saying yes to everything.
    pub async fn code(&self, person: &Person, changes: &[(&str, &str)]) -> String {
        let back = self.authorized(person, changes).await;
        back.get("code").unwrap_or_else(|| panic!("no code: {back:?}")).clone()
    }

    /// What comes back to the app when the person signs in (as Ada) and says yes where they are asked.
    pub async fn authorized(&self, person: &Person, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut answer = follow(person, person.get(&self.path(changes)).await).await;
        for _ in 0..4 {
            if answer.status == 303 {
                return self.returned(&answer);
            }
            answer = if answer.body.contains("id=\"login-submit\"") {
                let fields = [("form", answer.form()), ("login", ADA.0.to_owned()), ("password", ADA.1.to_owned())];
                follow(person, post(person, "/login", &fields).await).await
            } else {
                consent(person, &answer).await
            };
        }
        panic!("neither signed in nor sent back: {} {}", answer.status, answer.body);
    }

    /// The parameters that an answer sends back to the redirect URI.
    pub fn returned(&self, answer: &Answer) -> BTreeMap<String, String> {
        assert_eq!(answer.status, 303, "{}", answer.body);
        let location = answer.header("location");
        let (uri, query) = location.rsplit_once('?').unwrap_or((location, ""));
        assert!(self.redirect_uri.starts_with(uri), "sent to {location}");
        pairs(query)
    }
}

/// Names and values of a query.
pub fn pairs(query: &str) -> BTreeMap<String, String> {
    let value = |text: &str| decode(text.as_bytes()).unwrap();
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, text)| (value(name), value(text))).collect()
}

/// A query of these parameters.
pub fn query(parameters: &[(String, String)]) -> String {
    parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

/// Follows redirects as long as they stay on the site.
pub async fn follow(person: &Person, mut answer: Answer) -> Answer {
    for _ in 0..8 {
        let location = answer.header("location").to_owned();
        if answer.status != 303 || !location.starts_with('/') || location.starts_with("//") {
            return answer;
        }
        answer = person.get(&location).await;
    }
    panic!("redirected in a circle: {}", answer.header("location"));
}

/// Says yes to everything on a consent page; the answer as it comes.
pub async fn consent(person: &Person, page: &Answer) -> Answer {
    consent_to(person, page, |_| true).await
}

/// Says yes to those of the optional `scope.NAME` and `claim.NAME` that `choose` picks.
pub async fn consent_to(person: &Person, page: &Answer, choose: impl Fn(&str) -> bool) -> Answer {
    let mut fields = vec![("form", page.form()), ("action", "allow".to_owned())];
    let names: Vec<String> = optional(page).into_iter().filter(|name| choose(name)).collect();
    fields.extend(names.iter().map(|name| (name.as_str(), "1".to_owned())));
    post(person, "/consent", &fields).await
}

/// The names of what can be unticked on a consent page.
pub fn optional(page: &Answer) -> Vec<String> {
    let after = |prefix: &'static str| {
        let before = format!("name=\"{prefix}.");
        let names = page.body.split(before.as_str()).skip(1).filter_map(|rest| rest.split('"').next());
        names.map(|name| format!("{prefix}.{name}")).collect::<Vec<_>>()
    };
    [after("scope"), after("claim")].concat()
}

/// Posts a form, without following.
pub async fn post(person: &Person, path: &str, fields: &[(&str, String)]) -> Answer {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    person.post(path, &fields).await
}
