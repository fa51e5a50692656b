//! Authorization codes and what they yield, for web and mobile apps on the real Worker: RFC 6749 4.1, RFC 7636,
//! OpenID Connect Core 2, 3.1.3 and 5, RFC 8707, RFC 7523, rule by rule.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod assertion;
mod clients;
mod cors;
mod encryption;
mod id_token;
mod key_sets;
mod openid;
mod outages;
mod pairwise;
mod redemption;
mod refresh;
mod replay;
mod resources;
mod rotation;
mod userinfo;

use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use jwt_compact::alg::{Es256, Rsa, RsaPrivateKey};
use jwt_compact::jwk::JsonWebKey as CompactJwk;
use jwt_compact::{Algorithm, AlgorithmSignature};
use latchkey::protocol::ids::Entropy;
use latchkey::protocol::keyring::KeyRing;
use latchkey::protocol::seal::{Sealable, Sealer};
use latchkey::protocol::secret::{base64url, from_base64url};
use openidconnect::JsonWebKey as _;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use serde_json::{Value, json};

use crate::harness::{Fixture, Setup, Worker};
use crate::judge::Judge;
use crate::support::{Answer, Api, Person, header};
use crate::web::{App, web_client};

const PASSWORD: &str = "compiler-no-1952";
/// People whose accounts a test changes.
const PEOPLE: [&str; 6] = ["barbara", "dorothy", "edith", "grace", "katherine", "mary"];
/// Algorithms that a client can choose (RFC 7518 3.1).
const ALGS: [&str; 4] = ["RS256", "ES256", "PS256", "EdDSA"];

/// The client that wants an algorithm.
fn by_alg(alg: &str) -> String {
    format!("by-{}", alg.to_lowercase())
}

/// Somebody else's server: the `jwks_uri`s of clients.
fn judge() -> &'static Judge {
    static JUDGE: OnceLock<Judge> = OnceLock::new();
    JUDGE.get_or_init(Judge::start)
}

/// First-party: nobody is asked.
fn trusted(id: &str, changes: &Value) -> Value {
    web_client(id, &[json!({ "skip_consent": true }), changes.clone()])
}

/// The fixture that all tests share which change no settings.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let by_key = |more: Value| {
            let mut changes = json!({ "token_endpoint_auth_method": "private_key_jwt" });
            changes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            changes
        };
        let uri = |id: &str| by_key(json!({ "jwks_uri": judge().at(&format!("/{id}/jwks")) }));
        let keys = json!({ "keys": [public(&p256("p")), public(&rsa("r"))] });
        let mut clients = vec![
            web_client("asking", &[]),
            web_client("choosing", &[json!({ "required_scope": "openid" })]),
            web_client("disconnected", &[]),
            web_client("remembering", &[]),
            trusted("changing", &json!({})),
            trusted("disabled", &json!({})),
            trusted("first-party", &json!({})),
            trusted("no-refresh", &json!({ "grant_types": ["authorization_code"] })),
            trusted("open", &json!({ "require_pkce": false })),
            trusted("posting", &json!({ "token_endpoint_auth_method": "client_secret_post" })),
            trusted("raced", &json!({})),
            trusted("raced-posting", &json!({ "token_endpoint_auth_method": "client_secret_post" })),
            trusted("reaching", &json!({ "resources": ["https://api.example/v1", "urn:example:files", "https://c.example"] })),
            trusted("stranger", &json!({})),
            trusted("two-secrets", &json!({})),
            trusted("by-key", &by_key(json!({ "jwks": keys }))),
            trusted("by-endpoint", &by_key(json!({ "jwks": keys, "endpoint_audience": true }))),
            trusted("only-es256", &by_key(json!({ "jwks": keys, "token_endpoint_auth_signing_alg": "ES256" }))),
            trusted("by-uri", &uri("by-uri")),
            trusted("by-new-key", &uri("by-new-key")),
            trusted("by-moved-key", &uri("by-moved-key")),
            trusted("by-dead-uri", &uri("by-dead-uri")),
        ];
        clients.extend(ALGS.iter().map(|alg| {
            trusted(&by_alg(alg), &json!({ "id_token_signed_response_alg": alg, "userinfo_signed_response_alg": alg }))
        }));
        let people: Vec<Value> =
            PEOPLE.iter().map(|login| json!({ "login": login, "password": PASSWORD, "claims": { "name": login } })).collect();
        Setup::default()
            .var("OUTBOUND_ALLOW", &judge().host_port())
            .var("CLIENT_KEYS_REFETCH", "1")
            .var("REGISTRATION", "open")
            .rate_limit("LIMIT_LOGIN", 1000)
            .seed(&json!({ "users": people, "clients": clients }))
            .start_now()
    })
}

/// One of [`PEOPLE`], signed in.
async fn person(base: &str, login: &str) -> Person {
    let person = Person::new(base);
    person.sign_in(login, PASSWORD).await;
    person
}

/// `openid` and more, with the words that make a refresh token.
const OFFLINE: [(&str, &str); 2] = [("scope", "openid profile offline_access"), ("prompt", "consent")];

/// Whether every token of an answer is dead: userinfo and refresh, at both Workers.
async fn assert_dead(fixture: &Fixture, app: &App, tokens: &Answer) {
    for base in [&fixture.a, &fixture.b] {
        let app = app.at(base);
        let info = app.api.userinfo(&tokens.member("access_token")).await;
        assert_eq!((info.status, info.error().as_str()), (401, "invalid_token"), "{}", info.body);
        if let Some(token) = tokens.json()["refresh_token"].as_str() {
            assert_refused(&app.api.refresh(token).await, "invalid_grant");
        }
    }
}

/// Whether the access token of an answer is good at both Workers.
async fn assert_alive(fixture: &Fixture, app: &App, tokens: &Answer) {
    for base in [&fixture.a, &fixture.b] {
        let info = app.at(base).api.userinfo(&tokens.member("access_token")).await;
        assert_eq!(info.status, 200, "{}", info.body);
    }
}

/// Asserts an error of RFC 6749 5.2: status, code, JSON that nobody stores, a description that may be shown.
#[track_caller]
pub fn assert_refused(answer: &Answer, error: &str) {
    assert_eq!((answer.status, answer.error().as_str()), (400, error), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    let description = answer.member("error_description");
    assert!(description.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\'), "{description}");
}

/// Asserts `invalid_client` (RFC 6749 5.2): 401 with a challenge where the header was used.
#[track_caller]
pub fn assert_no_client(answer: &Answer, by_header: bool) {
    let status = if by_header { 401 } else { 400 };
    assert_eq!((answer.status, answer.error().as_str()), (status, "invalid_client"), "{}", answer.body);
    assert_eq!(answer.header("www-authenticate").starts_with("Basic "), by_header);
    assert_eq!(answer.header("cache-control"), "no-store");
}

/// The tables that a redemption or a stranger's attempt could change.
async fn rows(fixture: &Fixture, client: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    for table in ["grants", "redemptions"] {
        rows.extend(fixture.d1(&format!("SELECT * FROM {table} WHERE client_id = ?1 ORDER BY id"), &[client.into()]).await);
    }
    rows
}

/// Does something with the sealer of the fixture's Workers.
pub async fn with_sealer<R>(fixture: &Fixture, act: impl FnOnce(Sealer<'_>) -> R) -> R {
    let secrets = fixture.secrets(Worker::A).await;
    let text = |name: &str| secrets[name].as_str().unwrap().to_owned();
    let ring = KeyRing::parse(&text("LATCHKEY_KEYS"), &text("LATCHKEY_KEY_ACTIVE")).unwrap();
    act(Sealer { ring: &ring, issuer: &fixture.a, epoch: 1 })
}

/// What a sealed value of the fixture holds.
async fn unsealed<T: Sealable>(fixture: &Fixture, text: &str) -> T {
    with_sealer(fixture, |sealer| sealer.open(text).unwrap()).await
}

/// Randomness of the tests' own seals.
pub struct Random;

impl Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}

/// Something that nobody used before.
pub fn fresh() -> String {
    let mut bytes = [0; 16];
    Random.fill(&mut bytes);
    base64url(&bytes)
}

/// The JWK Set of a Worker.
pub async fn jwks(base: &str) -> Value {
    Api::demo(base).get("/jwks.json").await.json()
}

/// The claims of a JWT whose signature the `openidconnect` crate checks with the key that it names.
#[track_caller]
pub fn verified(jwks: &Value, jwt: &str) -> Value {
    let (key, alg, header) = (key_of(jwks, jwt), alg_of(jwt), header(jwt));
    let keys = jwks["keys"].as_array().unwrap();
    let jwk = keys.iter().find(|jwk| jwk["kid"] == header["kid"]).unwrap();
    assert_eq!((&jwk["alg"], &jwk["use"]), (&header["alg"], &json!("sig")));
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let signature = from_base64url(signature).unwrap();
    key.verify_signature(&alg, message.as_bytes(), &signature).unwrap_or_else(|error| panic!("{error}: {jwt}"));
    let other = format!("{message}x");
    assert!(key.verify_signature(&alg, other.as_bytes(), &signature).is_err());
    crate::support::claims(jwt)
}

pub fn alg_of(jwt: &str) -> CoreJwsSigningAlgorithm {
    serde_json::from_value(header(jwt)["alg"].clone()).unwrap()
}

#[track_caller]
pub fn key_of(jwks: &Value, jwt: &str) -> CoreJsonWebKey {
    let kid = &header(jwt)["kid"];
    let jwk = jwks["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == *kid);
    let jwk = jwk.unwrap_or_else(|| panic!("no key {kid} in {jwks}"));
    serde_json::from_value(jwk.clone()).unwrap()
}

/// A P-256 key of a client: RFC 7515 A.3.
pub fn p256(kid: &str) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

/// Another: RFC 7517 A.2.
pub fn other_p256(kid: &str) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
    })
}

/// An RSA key of a client: RFC 7515 A.2.
pub fn rsa(kid: &str) -> Value {
    json!({
        "kty": "RSA", "kid": kid, "use": "sig",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ\
              S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2\
              R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD\
              TW9gb54h4FRWyuXpoQ",
        "e": "AQAB",
        "d": "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_G\
              O-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQl\
              BjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0\
              QU91p1DhOVRuOopznQ",
        "p": "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2\
              KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
        "q": "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_\
              HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
    })
}

/// The public members of a key alone.
pub fn public(key: &Value) -> Value {
    let mut key = key.clone();
    key.as_object_mut().unwrap().retain(|name, _| !["d", "p", "q"].contains(&name.as_str()));
    key
}

/// A JWS with this header; what is no algorithm of the key's signs nothing.
pub fn signed(key: &Value, header: &Value, claims: &Value) -> String {
    let input = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let mut jwk = key.clone();
    jwk.as_object_mut().unwrap().retain(|name, _| !["kid", "use"].contains(&name.as_str()));
    let jwk: CompactJwk<'_> = serde_json::from_value(jwk).unwrap();
    let by_rsa = |alg: Rsa| {
        let key = RsaPrivateKey::try_from(&jwk).unwrap();
        alg.sign(&key, input.as_bytes()).as_bytes().into_owned()
    };
    let signature = match header["alg"].as_str().unwrap() {
        "ES256" => {
            let key = <Es256 as Algorithm>::SigningKey::try_from(&jwk).unwrap();
            AlgorithmSignature::as_bytes(&Es256.sign(&key, input.as_bytes())).into_owned()
        }
        "RS256" => by_rsa(Rsa::rs256()),
        "PS256" => by_rsa(Rsa::ps256()),
        _ => Vec::new(),
    };
    format!("{input}.{}", base64url(&signature))
}

/// The claims of a good assertion of a client, with changes; null removes.
pub fn assertion_claims(issuer: &str, client: &str, changes: &Value) -> Value {
    let mut claims =
        json!({ "iss": client, "sub": client, "aud": issuer, "exp": now() + 60, "iat": now(), "nbf": now(), "jti": fresh() });
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    claims
}

/// A good assertion of a client, by the P-256 key `p`.
pub fn assertion(issuer: &str, client: &str, changes: &Value) -> String {
    signed(&p256("p"), &json!({ "alg": "ES256", "kid": "p" }), &assertion_claims(issuer, client, changes))
}

/// Parameters of a request.
pub type Parameters<'a> = &'a [(&'a str, &'a str)];

/// What goes beside an assertion.
pub const ASSERTION_TYPE: (&str, &str) = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

/// Posts as a client that proves itself by an assertion, which alone names it.
pub async fn post_by(api: &Api, path: &str, assertion: &str, parameters: &[(&str, &str)]) -> Answer {
    let parameters = [&[ASSERTION_TYPE, ("client_assertion", assertion)], parameters].concat();
    Api::send(api.request("POST", path).form(&parameters)).await
}
