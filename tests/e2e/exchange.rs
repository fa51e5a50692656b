//! Token exchange with our own tokens: RFC 8693, rule by rule, on the real Worker.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod actors;
mod budgets;
mod chains;
mod ends;
mod requests;
mod strangers;
mod subjects;
mod targets;
mod types;

use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use jwt_compact::alg::{Es256, Rsa};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmExt as _, TimeOptions, UntrustedToken};
use latchkey::protocol::access_token::AccessToken;
use latchkey::protocol::client::TOKEN_EXCHANGE;
use latchkey::protocol::ids::Entropy;
use latchkey::protocol::keyring::KeyRing;
use latchkey::protocol::seal::Sealer;
use latchkey::protocol::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::harness::{Fixture, Setup, Worker};
use crate::support::{Answer, Api, Person, claims, header};
use crate::web::{App, secret, web_client};

/// Where the apps' tokens are for; `orders`, `gate` and others are its servers.
const A: &str = "https://a.example";
/// The next service behind it, which `stock` is the server of.
const B: &str = "https://b.example";
/// The last.
const C: &str = "https://c.example";
/// A resource that wants opaque tokens.
const PHANTOM: &str = "https://phantom.example";
/// A resource that wants tokens signed by RS256.
const RSA: &str = "https://rsa.example";

const PASSWORD: &str = "compiler-no-1952";
/// People whose accounts a test changes.
const PEOPLE: [&str; 6] = ["barbara", "dorothy", "edith", "grace", "katherine", "mary"];
/// All that the services may have.
const SCOPE: &str = "openid profile offline_access records:read records:write";

/// An app without consent page, whose tokens are for [`A`] and let `orders` act.
fn app(id: &str, changes: &Value) -> Value {
    let own = json!({ "skip_consent": true, "resources": [A], "may_act": "orders", "scope": SCOPE });
    web_client(id, &[own, changes.clone()])
}

/// A service that exchanges, with changes.
fn service(id: &str, changes: &Value) -> Value {
    let mut service = json!({
        "client_id": id,
        "client_name": format!("Service {id}"),
        "client_secret": secret(id),
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["client_credentials", TOKEN_EXCHANGE, "refresh_token"],
        "protected_resources": [A],
        "resources": [B, C, PHANTOM, RSA],
        "scope": SCOPE,
    });
    service.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    service
}

/// A service that the operator lets do everything.
fn trusted(id: &str, changes: &Value) -> Value {
    let policy = json!({ "token_exchange": { "impersonation": true, "id_token": true, "refresh_token": true },
        "protected_resources": ["/", A, B, C, PHANTOM, RSA] });
    let mut service = service(id, &policy);
    service.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    service
}

/// The settings of the fixtures here.
fn setup() -> Setup {
    let resources = json!({ PHANTOM: { "access_token_format": "opaque" }, RSA: { "access_token_signing_alg": "RS256" } });
    let exchanging = json!({ "grant_types": ["authorization_code", "refresh_token", TOKEN_EXCHANGE], "resources": [A, B] });
    let public = json!({ "token_endpoint_auth_method": "none" });
    let merged = |one: &Value, two: &Value| {
        let mut both = one.clone();
        both.as_object_mut().unwrap().extend(two.as_object().unwrap().clone());
        both
    };
    let pairwise = json!({ "subject_type": "pairwise" });
    let clients = [
        app("app", &json!({})),
        app("quiet", &json!({ "may_act": null })),
        app("phantom-app", &json!({ "access_token_format": "opaque" })),
        app("pair-app", &pairwise),
        app("spa", &merged(&exchanging, &public)),
        app("narrowing", &exchanging),
        app("plain", &public),
        app("brief", &json!({ "access_token_lifetime": 5 })),
        app("passing", &json!({})),
        app("mortal", &json!({ "refresh_grace": 0 })),
        service("orders", &json!({ "may_act": "stock" })),
        service("stock", &json!({ "protected_resources": [B] })),
        service("no-exchange", &json!({ "grant_types": ["client_credentials"] })),
        service("elsewhere", &json!({ "protected_resources": [C] })),
        service("impersonating", &json!({ "token_exchange": { "impersonation": true } })),
        service("reading", &json!({ "token_exchange": { "impersonation": true }, "scope": "openid records:read" })),
        service("short", &json!({ "token_exchange": { "impersonation": true }, "access_token_lifetime": 60 })),
        service("passing-service", &json!({ "token_exchange": { "impersonation": true } })),
        trusted("gate", &json!({})),
        trusted("counted", &json!({})),
        trusted("second", &json!({})),
        trusted("no-refresh", &json!({ "grant_types": [TOKEN_EXCHANGE] })),
        trusted("disconnected", &json!({})),
        trusted("pair-gate", &merged(&pairwise, &json!({ "sector_identifier_uri": "https://sector.example/uris.json" }))),
        trusted("named", &json!({ "access_token_claims": { "tenant": 7 } })),
    ];
    let people: Vec<Value> = PEOPLE
        .iter()
        .map(|login| json!({ "login": login, "password": PASSWORD, "claims": { "name": login }, "roles": ["clerk", "buyer"] }))
        .collect();
    let clients: Vec<Value> = clients
        .into_iter()
        .map(|mut client| {
            client.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            client
        })
        .collect();
    Setup::default()
        .var("RESOURCES", &resources.to_string())
        .rate_limit("LIMIT_LOGIN", 1000)
        .rate_limit("LIMIT_CLIENT", 10_000)
        .rate_limit("LIMIT_TOKEN", 10_000)
        .seed(&json!({ "users": people, "clients": clients }))
}

/// The fixture that all tests share which change no settings and count nothing.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| setup().start_now())
}

/// A fixture like it for tests that look at everything that is there: one at a time.
async fn alone() -> (MutexGuard<'static, ()>, &'static Fixture) {
    static ALONE: OnceLock<Fixture> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    (turn, ALONE.get_or_init(|| setup().start_now()))
}

/// One of [`PEOPLE`], signed in.
async fn person(base: &str, login: &str) -> Person {
    let person = Person::new(base);
    person.sign_in(login, PASSWORD).await;
    person
}

/// A service as a client of the API.
fn api(base: &str, id: &str) -> Api {
    Api::basic(base, id, &secret(id))
}

/// The URI of a token type (RFC 8693 3).
fn uri(name: &str) -> String {
    format!("urn:ietf:params:oauth:token-type:{name}")
}

/// All scopes, with the words that make a refresh token.
const EVERYTHING: [(&str, &str); 2] = [("scope", SCOPE), ("prompt", "consent")];

/// The tokens of an app with everything, for a person who is signed in.
async fn tokens(base: &str, id: &str, person: &Person) -> Answer {
    let app = App::web(base, id);
    let app = if ["spa", "plain"].contains(&id) { App { api: Api::public(base, id), ..app } } else { app };
    app.tokens(person, &EVERYTHING).await
}

/// The access token of an app for Ada.
async fn adas(base: &str, id: &str) -> String {
    tokens(base, id, &Person::ada(base).await).await.member("access_token")
}

/// The own token of a service (RFC 6749 4.4).
async fn own(api: &Api) -> String {
    let answer = api.post("/token", &[("grant_type", "client_credentials")]).await;
    assert!(answer.is_granted(), "{}", answer.body);
    answer.member("access_token")
}

/// Exchanges an access token; `changes` add or replace, and an empty value removes.
async fn exchange(api: &Api, subject: &str, changes: &[(&str, &str)]) -> Answer {
    let kind = uri("access_token");
    let mut parameters = vec![("grant_type", TOKEN_EXCHANGE), ("subject_token", subject), ("subject_token_type", &kind)];
    for (name, _) in changes {
        parameters.retain(|(other, _)| other != name);
    }
    parameters.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    api.post("/token", &parameters).await
}

/// Exchanges with an actor's access token.
async fn delegate(api: &Api, subject: &str, actor: &str, more: &[(&str, &str)]) -> Answer {
    let kind = uri("access_token");
    exchange(api, subject, &[[("actor_token", actor), ("actor_token_type", kind.as_str())].as_slice(), more].concat()).await
}

/// The access token of an answer that must be one of RFC 8693 2.2.1.
#[track_caller]
fn granted(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["issued_token_type"]), (&json!("Bearer"), &json!(uri("access_token"))));
    answer.member("access_token")
}

/// Asserts an error of RFC 6749 5.2: status, code, JSON that nobody stores, a description that may be shown.
#[track_caller]
fn refused(what: &str, answer: &Answer, error: &str) {
    assert_eq!((answer.status, answer.error().as_str()), (400, error), "{what}: {}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    assert_eq!(answer.header("content-type"), "application/json", "{what}");
    assert!(answer.json().get("access_token").is_none(), "{what}: {}", answer.body);
    let is_plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    assert!(answer.member("error_description").bytes().all(is_plain), "{what}: {}", answer.body);
}

/// What introspection by a resource server of everything says about a token.
async fn introspected(base: &str, token: &str) -> Value {
    let answer = api(base, "gate").post("/introspect", &[("token", token)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Asserts at both Workers whether a token is good right now.
async fn assert_active(fixture: &Fixture, token: &str, is_active: bool, what: &str) {
    for base in [&fixture.a, &fixture.b] {
        let said = introspected(base, token).await;
        if is_active {
            assert_eq!(said["active"], true, "{what}");
        } else {
            assert_eq!(said, json!({ "active": false }), "{what}");
        }
    }
}

/// A set of scopes, in any order.
fn scopes(claims: &Value) -> Vec<String> {
    let mut scopes: Vec<String> = claims["scope"].as_str().unwrap().split(' ').map(str::to_owned).collect();
    scopes.sort();
    scopes
}

/// Seconds since 1970.
fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}

/// The claims of a token that a key of the JWKS signed and that is in time, as `jwt-compact` sees it.
async fn verified(fixture: &Fixture, token: &str) -> Value {
    fn with<A: Algorithm>(algorithm: &A, jwk: Value, token: &str) -> Value
    where
        A::VerifyingKey: for<'a> TryFrom<&'a JsonWebKey<'a>>,
    {
        let jwk: JsonWebKey<'_> = serde_json::from_value(jwk).unwrap();
        let Ok(key) = A::VerifyingKey::try_from(&jwk) else { panic!("not a key for this algorithm: {jwk}") };
        let untrusted = UntrustedToken::new(token).unwrap();
        let checked = algorithm.validator::<Value>(&key).validate(&untrusted).unwrap();
        checked.claims().validate_expiration(&TimeOptions::default()).unwrap();
        claims(token)
    }
    let jwks = Api::demo(&fixture.b).get("/jwks.json").await.json();
    let jwk = jwks["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == header(token)["kid"]).unwrap().clone();
    match header(token)["alg"].as_str().unwrap() {
        "RS256" => with(&Rsa::rs256(), jwk, token),
        "ES256" => with(&Es256, jwk, token),
        other => panic!("{other}"),
    }
}

/// No randomness: what is sealed here only has to open.
struct Counted(u8);

impl Entropy for Counted {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(5).wrapping_add(3);
            *byte = self.0;
        }
    }
}

/// Does something with the sealer of the fixture's Workers.
async fn with_sealer<R>(fixture: &Fixture, act: impl FnOnce(Sealer<'_>) -> R) -> R {
    let secrets = fixture.secrets(Worker::A).await;
    let text = |name: &str| secrets[name].as_str().unwrap().to_owned();
    let ring = KeyRing::parse(&text("LATCHKEY_KEYS"), &text("LATCHKEY_KEY_ACTIVE")).unwrap();
    act(Sealer { ring: &ring, issuer: &fixture.a, epoch: 1 })
}

/// An opaque access token that says what a JWT says, with changes (null removes), and ends so many seconds from now.
async fn opaque(fixture: &Fixture, jwt: &str, changes: &Value, seconds: i64) -> String {
    let mut said = claims(jwt);
    let members = said.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|name, value| !value.is_null() && name != "iat" && name != "exp");
    let at = |seconds: i64| Timestamp::from_millis((now() + seconds) * 1000);
    let token = AccessToken { claims: serde_json::from_value(said).unwrap(), iat: at(-60), exp: at(seconds) };
    with_sealer(fixture, |sealer| sealer.seal(&token, &mut Counted(7))).await
}
