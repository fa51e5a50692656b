//! Client registration (RFC 7591), its management (RFC 7592) and client ID metadata documents, on the real
//! Worker, with somebody else's server beside it.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod documents;
mod manage;
mod metadata;
mod outbound;
mod tokens;

use std::sync::OnceLock;

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::harness::{Fixture, Setup};
use crate::judge::Judge;
use crate::support::{Answer, Api, DEVICE_CODE};

/// A fixture where anybody may register and documents are clients, and the server that it may reach.
fn open() -> (&'static Fixture, &'static Judge) {
    static OPEN: OnceLock<(Fixture, Judge)> = OnceLock::new();
    let (fixture, judge) = OPEN.get_or_init(|| {
        let judge = Judge::start();
        (opened(&judge).start_now(), judge)
    });
    (fixture, judge)
}

/// A fixture like it for tests that count what is there: one at a time.
async fn alone() -> (MutexGuard<'static, ()>, &'static Fixture, &'static Judge) {
    static ALONE: OnceLock<(Fixture, Judge)> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    let (fixture, judge) = ALONE.get_or_init(|| {
        let judge = Judge::start();
        (opened(&judge).start_now(), judge)
    });
    (turn, fixture, judge)
}

/// The settings of such a fixture.
fn opened(judge: &Judge) -> Setup {
    Setup::default()
        .var("REGISTRATION", "open")
        .var("CLIENT_ID_DOCUMENTS", "on")
        .var("OUTBOUND_ALLOW", &judge.host_port())
        .var("OUTBOUND_TIMEOUT", "1")
        .rate_limit("LIMIT_REGISTER", 10_000)
        .rate_limit("LIMIT_LOGIN", 1000)
}

/// What a web app says about itself, with changes.
fn web(changes: &Value) -> Value {
    let mut app = json!({ "redirect_uris": ["https://app.example/cb"] });
    app.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    app
}

/// What a device says about itself.
fn device() -> Value {
    json!({ "client_name": "Lamp", "grant_types": [DEVICE_CODE, "refresh_token"], "token_endpoint_auth_method": "client_secret_basic" })
}

/// `POST /register` with an initial access token, or without.
async fn register(base: &str, token: Option<&str>, body: &Value) -> Answer {
    let mut request = Api::public(base, "").request("POST", "/register").json(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    Api::send(request).await
}

/// The same where it must succeed.
async fn registered(base: &str, body: &Value) -> Answer {
    let answer = register(base, None, body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer
}

/// A request of its management, with a registration access token.
async fn manage(base: &str, method: &str, id: &str, token: &str, body: Option<&Value>) -> Answer {
    let mut request = Api::public(base, "").request(method, &format!("/register/{id}")).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(body);
    }
    Api::send(request).await
}

/// Asserts a refusal in every detail (RFC 7591 3.2.2, RFC 6750 3).
#[track_caller]
fn refused(what: &str, answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.error().as_str()), (status, error), "{what}: {}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json", "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    let description = answer.member("error_description");
    let is_plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    assert!(!description.is_empty() && description.bytes().all(is_plain), "{what}: {description}");
    let challenge = answer.header("www-authenticate");
    if status == 401 {
        assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""), "{what}: {challenge}");
    } else {
        assert_eq!(challenge, "", "{what}");
    }
}

/// How many clients there are.
async fn clients(fixture: &Fixture) -> i64 {
    fixture.d1("SELECT COUNT(*) AS n FROM clients", &[]).await[0]["n"].as_i64().unwrap()
}

/// The row of a client.
async fn row(fixture: &Fixture, id: &str) -> Option<Value> {
    fixture.d1("SELECT * FROM clients WHERE id = ?1", &[id.into()]).await.into_iter().next()
}
