//! Machines on the real Worker: the client credentials grant (RFC 6749 4.4, RFC 9068), opaque access tokens, and
//! what resource servers hear about tokens (RFC 7662, RFC 9701).
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod answers;
mod clients;
mod credentials;
mod introspection;
mod limits;
mod opaque;
mod registration;
mod roles;
mod rotation;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use latchkey::protocol::access_token::AccessToken;
use latchkey::protocol::keys::WrappedKey;
use latchkey::protocol::seal::Sealer;
use serde_json::{Value, json};

use crate::code::{Random, now, p256, public, rsa, signed, with_sealer};
use crate::harness::{Fixture, Setup};
use crate::support::{self, Answer, Api, DEVICE_CODE, Person};
use crate::web::{App, secret, web_client};

/// A resource without a policy.
const API: &str = "https://api.example";
/// One that wants opaque tokens.
const PHANTOM: &str = "https://phantom.example";
/// One that wants RS256.
const RSA: &str = "https://rsa.example";
/// One that wants JWTs by ES256, whatever the client.
const PLAIN: &str = "https://plain.example";
/// One that wants opaque tokens that are swapped for RS256.
const PHANTOM_RSA: &str = "https://phantom-rsa.example";
/// All of them.
const RESOURCES: [&str; 5] = [API, PHANTOM, RSA, PLAIN, PHANTOM_RSA];

const CLIENT_CREDENTIALS: &str = "client_credentials";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const INTROSPECTION_JWT: &str = "application/token-introspection+jwt";

const PASSWORD: &str = "compiler-no-1952";
/// People whose accounts a test changes, and who have roles.
const PEOPLE: [&str; 4] = ["barbara", "grace", "katherine", "mary"];

/// A client for the client credentials grant, in the form of a seed file, with changes.
fn service(id: &str, changes: &Value) -> Value {
    let mut client = json!({
        "client_id": id,
        "client_name": format!("Service {id}"),
        "client_secret": secret(id),
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": [CLIENT_CREDENTIALS],
        "scope": "records:read records:write",
        "resources": RESOURCES,
    });
    let members = client.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    if members["token_endpoint_auth_method"] == "private_key_jwt" {
        members.remove("client_secret");
    }
    client
}

/// A resource server for these.
fn gateway(id: &str, resources: &[&str], changes: &Value) -> Value {
    let mut changes = changes.clone();
    changes["protected_resources"] = json!(resources);
    service(id, &changes)
}

/// The settings, users and clients of all fixtures here. The filters are out of the way.
fn setup() -> Setup {
    let scopes = json!({
        "records:read": { "title": "Read" },
        "records:write": { "title": "Write", "grant_types": [CLIENT_CREDENTIALS, "authorization_code"] },
        "records:lamp": { "title": "Shine", "grant_types": [DEVICE_CODE] },
        "latchkey:admin": { "title": "Run", "grant_types": [CLIENT_CREDENTIALS] },
        "latchkey:keys": { "title": "Keys" },
    });
    let policies = json!({
        PHANTOM: { "access_token_format": "opaque" },
        RSA: { "access_token_signing_alg": "RS256" },
        PLAIN: { "access_token_format": "jwt", "access_token_signing_alg": "ES256" },
        PHANTOM_RSA: { "access_token_format": "opaque", "access_token_signing_alg": "RS256" },
    });
    let people: Vec<Value> = PEOPLE
        .iter()
        .map(
            |login| json!({ "login": login, "password": PASSWORD, "claims": { "name": login }, "roles": ["nurse", "keyholder"] }),
        )
        .collect();
    Setup::default()
        .var("SCOPES", &scopes.to_string())
        .var("RESOURCES", &policies.to_string())
        .var("REGISTRATION", "open")
        .rate_limit("LIMIT_LOGIN", 1_000_000)
        .rate_limit("LIMIT_TOKEN", 1_000_000)
        .rate_limit("LIMIT_CLIENT", 1_000_000)
        .rate_limit("LIMIT_REGISTER", 1_000_000)
        .seed(&json!({ "users": people, "clients": seeded() }))
}

fn seeded() -> Vec<Value> {
    let keys = json!({ "keys": [public(&p256("p")), public(&rsa("r"))] });
    let opaque = json!({ "access_token_format": "opaque" });
    let app = |id: &str, changes: Value| {
        let trusted = json!({ "skip_consent": true, "scope": "openid profile offline_access records:read records:write", "resources": RESOURCES });
        web_client(id, &[trusted, changes])
    };
    let lamp = |id: &str, changes: &Value| {
        let lamp = json!({ "scope": "openid offline_access records:read", "resources": [API] });
        support::client(id, &[lamp, changes.clone()])
    };
    let mut clients = vec![
        service("worker", &json!({})),
        service("posting", &json!({ "token_endpoint_auth_method": "client_secret_post" })),
        service("by-key", &json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": keys })),
        service(
            "by-key-dark",
            &json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": keys, "access_token_format": "opaque" }),
        ),
        service("claiming", &json!({ "access_token_claims": { "tenant": 7, "plan": { "name": "gold" } } })),
        service("claiming-dark", &json!({ "access_token_claims": { "tenant": 7 }, "access_token_format": "opaque" })),
        service("lasting", &json!({ "access_token_lifetime": 1000 })),
        service(
            "wide",
            &json!({ "scope": "openid records:read records:write records:lamp latchkey:admin latchkey:keys gone:scope offline_access" }),
        ),
        service("user-only", &json!({ "scope": "openid profile email" })),
        service("at-home", &json!({ "resources": [] })),
        service("dark", &opaque),
        service("measured", &json!({})),
        service("measured-dark", &opaque),
        service("disabled", &json!({})),
        service("switched", &json!({})),
        service("switched-dark", &opaque),
        service("stopped", &json!({})),
        service("no-grant", &json!({ "grant_types": [TOKEN_EXCHANGE] })),
        service("trader", &json!({ "grant_types": [CLIENT_CREDENTIALS, TOKEN_EXCHANGE] })),
        gateway(
            "gateway",
            &["/", API, PHANTOM, RSA, PLAIN, PHANTOM_RSA],
            &json!({ "grant_types": [CLIENT_CREDENTIALS, TOKEN_EXCHANGE] }),
        ),
        gateway("posting-gateway", &[API], &json!({ "token_endpoint_auth_method": "client_secret_post" })),
        gateway("key-gateway", &[API], &json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": keys })),
        gateway("home-gateway", &["/"], &json!({})),
        gateway("other-gateway", &["https://other.example"], &json!({})),
        gateway("closed-gateway", &[API], &json!({})),
        app("clinic", json!({})),
        app("clinic-dark", opaque.clone()),
        app("clinic-mixed", json!({})),
        lamp("lamp", &json!({})),
        lamp("lamp-dark", &opaque),
        lamp("lamp-two", &json!({ "resources": RESOURCES })),
    ];
    for alg in ["ES256", "PS256", "EdDSA"] {
        clients.push(gateway(&by_alg(alg), &[API], &json!({ "introspection_signed_response_alg": alg })));
    }
    clients
}

/// The gateway that wants its answers signed by an algorithm.
fn by_alg(alg: &str) -> String {
    format!("gateway-{}", alg.to_lowercase())
}

/// The fixture that all tests here share which change no settings.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| setup().start_now())
}

/// A client of the fixture, with its secret.
fn api(base: &str, id: &str) -> Api {
    Api::basic(base, id, &secret(id))
}

/// A client credentials request with more parameters.
async fn ask(api: &Api, more: &[(&str, &str)]) -> Answer {
    api.post("/token", &[&[("grant_type", CLIENT_CREDENTIALS)], more].concat()).await
}

/// The access token that a client gets for itself.
async fn own(base: &str, id: &str, more: &[(&str, &str)]) -> String {
    let tokens = ask(&api(base, id), more).await;
    assert!(tokens.is_granted(), "{id}: {} {}", tokens.status, tokens.body);
    tokens.member("access_token")
}

/// Introspection by a resource server with its secret.
async fn introspect(base: &str, id: &str, token: &str) -> Answer {
    introspect_as(base, id, token, "application/json").await
}

/// The same with an `Accept` header.
async fn introspect_as(base: &str, id: &str, token: &str, accept: &str) -> Answer {
    let api = Api::public(base, id);
    let request = api.request("POST", "/introspect").basic_auth(id, Some(secret(id))).header("accept", accept);
    Api::send(request.form(&[("token", token)])).await
}

/// What a good token's introspection says.
#[track_caller]
fn told(answer: &Answer) -> Value {
    let head = (answer.status, answer.header("content-type"), answer.header("cache-control"));
    assert_eq!(head, (200, "application/json", "no-store"), "{}", answer.body);
    assert_eq!(answer.json()["active"], true, "{}", answer.body);
    answer.json()
}

/// RFC 7662 2.2: of every other token nothing is told.
#[track_caller]
fn assert_inactive(what: &str, answer: &Answer) {
    let head = (answer.status, answer.header("content-type"), answer.header("cache-control"));
    assert_eq!(head, (200, "application/json", "no-store"), "{what}: {}", answer.body);
    assert_eq!(answer.body, "{\"active\":false}", "{what}");
}

/// Whether a token is active, at both Workers alike.
async fn is_active(fixture: &Fixture, token: &str) -> bool {
    let mut active = Vec::new();
    for base in [&fixture.a, &fixture.b] {
        let answer = introspect(base, "gateway", token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        active.push(answer.json()["active"].as_bool().unwrap());
    }
    assert_eq!(active[0], active[1], "both Workers say the same");
    active[0]
}

/// An error of the token and introspection endpoints (RFC 6749 5.2).
#[track_caller]
fn assert_error(what: &str, answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.error().as_str()), (status, error), "{what}: {}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json", "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
}

/// What the request of an answer cost, by its log line: D1 round trips, rows, object requests, KV and requests to others.
async fn cost(fixture: &Fixture, answer: &Answer) -> [i64; 5] {
    let id = answer.header("x-request-id");
    let logs = fixture.logs().await;
    let line = logs.iter().map(|entry| &entry["line"]).find(|line| line["request"] == id);
    let cost = &line.unwrap_or_else(|| panic!("no line about {id}"))["cost"];
    ["d1_trips", "rows", "objects", "kv", "outbound"].map(|name| cost[name].as_i64().unwrap())
}

/// The names of an object's members.
fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// An opaque token, as only the realm can read it.
async fn unsealed(fixture: &Fixture, token: &str) -> AccessToken {
    with_sealer(fixture, |sealer| sealer.open(token).unwrap()).await
}

/// An opaque token with other contents, by the realm's own secret.
async fn resealed(fixture: &Fixture, token: &AccessToken) -> String {
    with_sealer(fixture, |sealer| sealer.seal(token, &mut Random)).await
}

/// A JWT that the realm's own ES256 key signed, with this type and these claims, null removing one.
async fn forged(fixture: &Fixture, header: &Value, claims: &Value) -> String {
    let rows = fixture.d1("SELECT kid, wrapped FROM signing_keys WHERE alg = 'ES256' ORDER BY number DESC", &[]).await;
    let key: WrappedKey = with_sealer(fixture, |sealer| {
        let wrapper = Sealer { issuer: "", epoch: 0, ..sealer };
        wrapper.open(rows[0]["wrapped"].as_str().unwrap()).unwrap()
    })
    .await;
    let mut members = json!({ "alg": "ES256", "typ": "at+jwt", "kid": rows[0]["kid"] });
    members.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
    members.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    signed(&key.jwk, &members, &claims)
}

/// An access token as a JWT of the realm with changed claims, good but for them.
async fn forged_with(fixture: &Fixture, claims: &Value, changes: &Value) -> String {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    forged(fixture, &json!({}), &claims).await
}

/// One of [`PEOPLE`], signed in.
async fn person(base: &str, login: &str) -> Person {
    let person = Person::new(base);
    person.sign_in(login, PASSWORD).await;
    person
}

/// The tokens of a web client, with a refresh token.
async fn offline(app: &App, person: &Person, more: &[(&str, &str)]) -> Answer {
    let offline = [("scope", "openid profile offline_access records:read"), ("prompt", "consent")];
    app.tokens(person, &[&offline, more].concat()).await
}

/// Changes a client's or user's row; a client's changes count.
async fn set_enabled(fixture: &Fixture, client: &str, enabled: bool) {
    let sql = "UPDATE clients SET enabled = ?1, version = version + 1 WHERE id = ?2";
    fixture.d1(sql, &[i64::from(enabled).into(), client.into()]).await;
}

/// Exchanges a subject token for a client.
async fn exchange(api: &Api, subject: &str, kind: &str) -> Answer {
    let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
    api.post("/token", &[("grant_type", TOKEN_EXCHANGE), ("subject_token", subject), ("subject_token_type", &kind)]).await
}

/// What a fixture's opaque token would be if it had ended a second ago.
fn ended(token: &AccessToken) -> AccessToken {
    let exp = latchkey::protocol::time::Timestamp::from_millis((now() - 1) * 1000);
    AccessToken { exp, ..token.clone() }
}

/// Logs of a Worker hold no such text.
async fn assert_never_logged(fixture: &Fixture, secrets: &[&str]) {
    let logs = json!(fixture.logs().await).to_string();
    for secret in secrets {
        assert!(!logs.contains(secret), "logged");
    }
}

/// The number of rows about users that a client could have made.
async fn rows_of(fixture: &Fixture, client: &str) -> usize {
    let mut rows = 0;
    for table in ["grants", "redemptions"] {
        rows += fixture.d1(&format!("SELECT id FROM {table} WHERE client_id = ?1"), &[client.into()]).await.len();
    }
    rows
}
