//! The device grant and everything after it, on the real Worker: RFC 8628, RFC 6749 6, RFC 7009 and
//! `/userinfo`, with races, lost answers, storage that fails, and people who change their minds.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod clients;
mod end;
mod faults;
mod gate;
mod pace;
mod redeem;
mod refresh;
mod time;

use std::sync::OnceLock;

use latchkey::protocol::keyring::KeyRing;
use latchkey::protocol::refresh::RefreshToken;
use latchkey::protocol::seal::{Sealable, Sealer};
use serde_json::{Value, json};

use crate::harness::{Fixture, Setup, Worker};
use crate::support::{self, Answer, Api, Person};

/// Everything that the demo's clients may ask for.
const SCOPE: &str = "openid profile email offline_access records:read records:write";

/// Clients that belong to one test each, so that it can count its own log lines and rows.
const CLIENTS: [&str; 10] =
    ["counted", "crate", "example", "narrow", "other", "paced", "raced", "refresh-raced", "shrinking", "withdrawn"];

/// People whose accounts a test changes.
const PEOPLE: [&str; 6] = ["barbara", "dorothy", "edith", "grace", "katherine", "mary"];
/// Secret of the client "kiosk".
const KIOSK_SECRET: &str = "kiosk-secret-0123456789abcdef0123456789";
const PASSWORD: &str = "compiler-no-1952";

fn client(id: &str, changes: &Value) -> Value {
    support::client(id, &[json!({ "scope": SCOPE }), changes.clone()])
}

/// The fixture that all tests share which need no settings of their own: two Workers, a short interval
/// and many clients and people.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let mut clients: Vec<Value> = CLIENTS.iter().map(|id| client(id, &json!({}))).collect();
        clients.extend([
            client("few", &json!({ "device_live_flows": 4 })),
            client("idle", &json!({ "refresh_idle_lifetime": 3600 })),
            client("mortal", &json!({ "refresh_absolute_lifetime": 3600 })),
            client("short-grace", &json!({ "refresh_grace": 1 })),
            client("switched-off", &json!({})),
            client(
                "kiosk",
                &json!({
                    "refresh_grace": 86_400, "token_endpoint_auth_method": "client_secret_basic", "client_secret": KIOSK_SECRET,
                }),
            ),
        ]);
        let people: Vec<Value> =
            PEOPLE.iter().map(|login| json!({ "login": login, "password": PASSWORD, "claims": { "name": login } })).collect();
        let setup = Setup::default().var("DEVICE_INTERVAL", "1").rate_limit("LIMIT_LOGIN", 1000);
        setup.seed(&json!({ "users": people, "clients": clients })).start_now()
    })
}

/// One of [`PEOPLE`], signed in.
async fn person(base: &str, login: &str) -> Person {
    let person = Person::new(base);
    person.sign_in(login, PASSWORD).await;
    person
}

/// What a sealed value of the fixture holds.
async fn unsealed<T: Sealable>(fixture: &Fixture, text: &str) -> T {
    with_sealer(fixture, |sealer| sealer.open(text).unwrap()).await
}

/// Does something with the sealer of the fixture's Workers.
async fn with_sealer<R>(fixture: &Fixture, act: impl FnOnce(Sealer<'_>) -> R) -> R {
    let secrets = fixture.secrets(Worker::A).await;
    let text = |name: &str| secrets[name].as_str().unwrap().to_owned();
    let ring = KeyRing::parse(&text("LATCHKEY_KEYS"), &text("LATCHKEY_KEY_ACTIVE")).unwrap();
    act(Sealer { ring: &ring, issuer: &fixture.a, epoch: 1 })
}

/// The `grants` row that an answer's refresh token stands for.
async fn grant_of(fixture: &Fixture, tokens: &Answer) -> Value {
    let token: RefreshToken = unsealed(fixture, &tokens.member("refresh_token")).await;
    let rows = fixture.d1("SELECT * FROM grants WHERE id = ?1", &[token.grant.to_string().into()]).await;
    rows.into_iter().next().unwrap()
}

/// Moves a grant into the past: as if everything about it had happened so many milliseconds earlier.
async fn age(fixture: &Fixture, tokens: &Answer, millis: i64) {
    let grant = grant_of(fixture, tokens).await;
    let sql = "UPDATE grants SET rotated_at = rotated_at - ?2, created_at = created_at - ?2 WHERE id = ?1 RETURNING id";
    assert_eq!(fixture.d1(sql, &[grant["id"].clone(), millis.into()]).await.len(), 1);
}

/// How many grants a client has.
async fn grants_of(fixture: &Fixture, client: &str) -> usize {
    fixture.d1("SELECT id FROM grants WHERE client_id = ?1", &[client.into()]).await.len()
}

/// What the Workers have logged about a client.
async fn lines_of(fixture: &Fixture, client: &str) -> Vec<Value> {
    let lines = fixture.logs().await.into_iter().map(|entry| entry["line"].clone());
    lines.filter(|line| line["client"] == client).collect()
}

/// Rows that a log line says were written.
fn rows(line: &Value) -> i64 {
    line["cost"]["rows"].as_i64().unwrap()
}

/// Asserts an error of RFC 6749 5.2: status, code, JSON that nobody stores.
#[track_caller]
fn assert_refused(answer: &Answer, error: &str) {
    assert_eq!((answer.status, answer.error().as_str()), (400, error), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
}

/// Asserts that the answer is "try again in a moment" and nothing that a client would throw a token
/// away for.
#[track_caller]
fn assert_try_again(answer: &Answer) {
    assert_eq!((answer.status, answer.error().as_str()), (503, "temporarily_unavailable"), "{}", answer.body);
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{:?}", answer.headers);
}

/// Tokens for a client, approved by Ada.
async fn tokens_for(fixture: &Fixture, client: &str) -> (Api, Answer) {
    let api = Api::public(&fixture.a, client);
    let tokens = api.signed_in(&Person::ada(&fixture.a).await).await;
    (api, tokens)
}
