//! `/authorize` and `/par`: every rule about what may be asked, how it is refused and where the answer goes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a broken step fails the test by panicking")]

mod forms;
mod jar;
mod par;
mod prompts;
mod redirects;
mod rules;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use jwt_compact::Algorithm;
use jwt_compact::alg::{Es256, Hs256, Hs256Key};
use jwt_compact::jwk::JsonWebKey;
use latchkey::protocol::secret::base64url;
use serde_json::{Value, json};

use crate::harness::{Fixture, Setup};
use crate::judge::Judge;
use crate::support::{Answer, Api, Person};
use crate::web::{App, pairs, web_client};

/// What the setting `OUTBOUND_TIMEOUT` of the fixture is, in milliseconds.
const PATIENCE: u64 = 1000;

/// Somebody else's server, which holds keys and request objects of clients.
fn judge() -> &'static Judge {
    static JUDGE: OnceLock<Judge> = OnceLock::new();
    JUDGE.get_or_init(Judge::start)
}

/// What all tests here share. Worker `b` wants every request pushed.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let people = ["bob", "carol", "dora"].map(|name| json!({ "login": name, "password": BOB.1, "claims": { "name": name } }));
        Setup::default()
            .rate_limit("LIMIT_LOGIN", 1_000_000)
            .var("OUTBOUND_ALLOW", &judge().host_port())
            .var("OUTBOUND_TIMEOUT", "1")
            .var_of_b("REQUIRE_PUSHED_AUTHORIZATION_REQUESTS", "on")
            .seed(&json!({ "users": people, "clients": clients() }))
            .start_now()
    })
}

/// Somebody besides Ada. Carol and Dora, who have the same password, sign out.
const BOB: (&str, &str) = ("bob", "compiler-no-1952");

fn clients() -> Vec<Value> {
    let of = |id: &str, changes: Value| web_client(id, &[changes]);
    let keys = json!({ "keys": [public("one"), public("two")] });
    let objects = ["ro", "fragment", "away", "huge", "endless", "slow", "absent", "bogus", "none"];
    let mut uris: Vec<String> = objects.iter().map(|name| judge().at(&format!("/{name}"))).collect();
    uris.push(judge().at("/fragment#bm90IGEgaGFzaA"));
    uris.extend(PRIVATE.map(str::to_owned));
    vec![
        of("strict", json!({})),
        of("plain", json!({ "require_pkce": false })),
        of("trusted", json!({ "skip_consent": true })),
        of("several", json!({ "redirect_uris": ["https://several.example/cb", "https://several.example/other"] })),
        of("changing", json!({ "redirect_uris": ["https://changing.example/cb", "https://changing.example/other"] })),
        of("growing", json!({})),
        of("query", json!({ "redirect_uris": ["https://query.example/cb?tenant=7", "https://bare.example/cb?"] })),
        of("pushy", json!({ "require_pushed_authorization_requests": true })),
        of("other", json!({})),
        of("post", json!({ "token_endpoint_auth_method": "client_secret_post" })),
        of("public", json!({ "token_endpoint_auth_method": "none" })),
        of("device-only", json!({ "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"] })),
        of("off", json!({})),
        of("aged", json!({ "skip_consent": true, "default_max_age": 0 })),
        of("api", json!({ "skip_consent": true, "resources": ["https://api.example/v1", "urn:example:files"] })),
        of(
            "app",
            json!({ "application_type": "native", "token_endpoint_auth_method": "none",
            "redirect_uris": ["http://127.0.0.1/cb", "http://[::1]/cb", "example.latchkey.app:/cb"] }),
        ),
        of("pretty", json!({ "logo_uri": "https://cdn.example/logo.svg", "redirect_uris": ["https://pretty.example:8443/cb"] })),
        of(
            "signer",
            json!({ "skip_consent": true, "jwks": keys, "request_uris": uris,
            "redirect_uris": ["https://signer.example/cb", "https://signer.example/other"] }),
        ),
        of("must-sign", json!({ "skip_consent": true, "jwks": keys, "require_signed_request_object": true })),
        of("by-rs256", json!({ "jwks": keys, "request_object_signing_alg": "RS256" })),
        of("keyed", json!({ "skip_consent": true, "jwks_uri": judge().at("/keys") })),
        of("keyless", json!({})),
    ]
}

/// Places that no request object is fetched from, though somebody registered them.
const PRIVATE: [&str; 5] = [
    "https://10.0.0.1/ro",
    "https://169.254.169.254/ro",
    "https://localhost/ro",
    "https://router.internal/ro",
    "http://127.0.0.1:9/ro",
];

/// A web client of the fixture.
fn app(id: &str) -> App {
    let app = App::web(&fixture().a, id);
    let is_public = ["public", "app"].contains(&id);
    if is_public { App { api: Api::public(&fixture().a, id), ..app } } else { app }
}

/// Ada, signed in at the fixture: one browser for all who change nothing about it.
async fn ada() -> Person {
    static ADA: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    let base = &fixture().a;
    let cookies = ADA.get_or_init(|| async { Person::ada(base).await.cookies() }).await;
    let person = Person::new(base);
    cookies.split("; ").for_each(|cookie| person.set_cookie(&format!("{cookie}; Path=/")));
    person
}

/// The parameters that came back to an app by redirect: to its redirect URI and nowhere else, with the issuer,
/// with `state` as it was sent, and with nothing unknown.
fn back(app: &App, answer: &Answer, state: Option<&str>) -> BTreeMap<String, String> {
    assert_eq!(answer.status, 303, "{}", answer.body);
    let location = answer.header("location");
    let rest = location.strip_prefix(&app.redirect_uri).unwrap_or_else(|| panic!("sent to {location}"));
    let separator = if app.redirect_uri.ends_with('?') {
        ""
    } else if app.redirect_uri.contains('?') {
        "&"
    } else {
        "?"
    };
    let query = rest.strip_prefix(separator).unwrap_or_else(|| panic!("sent to {location}"));
    assert!(!query.contains(['?', '#']), "{location}");
    known(pairs(query), state)
}

/// Asserts that these are the parameters of an answer, and no others.
fn known(parameters: BTreeMap<String, String>, state: Option<&str>) -> BTreeMap<String, String> {
    let names = ["code", "error", "error_description", "iss", "state"];
    assert!(parameters.keys().all(|name| names.contains(&name.as_str())), "unknown ones: {parameters:?}");
    assert_eq!(parameters.get("iss"), Some(&fixture().a), "RFC 9207: {parameters:?}");
    assert_eq!(parameters.get("state").map(String::as_str), state, "{parameters:?}");
    assert_ne!(parameters.contains_key("code"), parameters.contains_key("error"), "{parameters:?}");
    // RFC 6749 4.1.2.1 on the characters.
    let is_told = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if let Some(description) = parameters.get("error_description") {
        assert!(!description.is_empty() && description.bytes().all(is_told), "{description}");
    }
    parameters
}

/// The error that an app is told by redirect.
fn told(app: &App, answer: &Answer, state: Option<&str>) -> String {
    back(app, answer, state).remove("error").unwrap_or_else(|| panic!("no error: {}", answer.header("location")))
}

/// The state of [`App::parameters`].
const STATE: Option<&str> = Some("a state & more");

/// Asserts that an answer is the error page: nobody is sent anywhere, nothing is set.
fn assert_error_page(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 400, "{what}: {:?}", answer.headers);
    assert!(answer.header("content-type").starts_with("text/html"), "{what}");
    assert!(answer.body.contains("<h1>Something went wrong</h1>"), "{what}: {}", answer.body);
    for name in ["location", "refresh", "set-cookie"] {
        assert_eq!(answer.header(name), "", "{what}: {name}");
    }
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    assert!(!answer.body.contains("http-equiv") && !answer.body.contains("<form") && !answer.body.contains("<script"), "{what}");
    assert!(!answer.body.contains("evil"), "{what}: {}", answer.body);
    assert!(answer.header("content-security-policy").contains("form-action 'self';"), "{what}");
}

/// The form of a form_post page: where it goes, and its fields.
fn posting(page: &Answer) -> (String, BTreeMap<String, String>) {
    assert_eq!(page.status, 200, "{}", page.body);
    let attribute = |text: &str, name: &str| {
        let value = text.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
        unescaped(value.unwrap_or_else(|| panic!("no {name} in {text}")).0)
    };
    let (_, form) = page
        .body
        .split_once("<form id=\"form-post\" method=\"post\"")
        .unwrap_or_else(|| panic!("no form that posts: {}", page.body));
    let fields = form.split("<input type=\"hidden\"").skip(1);
    (attribute(form, "action"), fields.map(|field| (attribute(field, "name"), attribute(field, "value"))).collect())
}

fn unescaped(html: &str) -> String {
    // The ampersand last, or what it begins would be read twice.
    [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")]
        .iter()
        .fold(html.to_owned(), |text, (escaped, character)| text.replace(escaped, character))
}

/// Pushes a request; the answer.
async fn push(app: &App, changes: &[(&str, &str)]) -> Answer {
    let parameters = app.parameters(changes);
    let parameters: Vec<(&str, &str)> =
        parameters.iter().filter(|(name, _)| name != "client_id").map(|(name, value)| (name.as_str(), value.as_str())).collect();
    app.api.post("/par", &parameters).await
}

/// The path of a pushed request of this app.
async fn pushed(app: &App, changes: &[(&str, &str)]) -> String {
    let answer = push(app, changes).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    opening(&app.api.client, &answer.member("request_uri"))
}

/// The path that opens a `request_uri`.
fn opening(client: &str, request_uri: &str) -> String {
    format!("/authorize?client_id={client}&request_uri={request_uri}")
}

/// Rows of pushed requests of a client.
async fn waiting(client: &str) -> usize {
    let sql = "SELECT id FROM pushed_requests WHERE client_id = ?1";
    fixture().d1(sql, &[client.into()]).await.len()
}

/// A raw request of nobody's browser.
async fn post_raw(path: &str, body: &str) -> Answer {
    let request = Api::public(&fixture().a, "x").request("POST", path);
    Api::send(request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned())).await
}

/// Seconds since 1970.
fn now() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

type Key = <Es256 as Algorithm>::SigningKey;

/// A key of ES256, from a word: tests need no randomness.
fn key(word: &str) -> Key {
    Key::from_slice(&latchkey::protocol::secret::sha256(word.as_bytes())).unwrap()
}

/// Its public JWK, with the word as `kid`.
fn public(word: &str) -> Value {
    let key = key(word);
    let mut jwk = serde_json::to_value(JsonWebKey::from(key.verifying_key())).unwrap();
    jwk["kid"] = word.into();
    jwk
}

/// A JWT by ES256.
fn signed(header: &Value, claims: &Value, word: &str) -> String {
    let message = message(header, claims);
    let signature = Es256.sign(&key(word), message.as_bytes());
    format!("{message}.{}", base64url(&signature.to_bytes()))
}

/// A JWT by HS256.
fn hashed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = message(header, claims);
    let signature = Hs256.sign(&Hs256Key::new(secret), message.as_bytes());
    format!("{message}.{}", base64url(&jwt_compact::AlgorithmSignature::as_bytes(&signature)))
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()))
}
