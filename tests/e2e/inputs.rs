//! Bad input, and what the endpoints say in public: the RFC's error, JSON, `no-store`, nothing
//! written, nothing leaked.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a broken step fails the test by panicking")]

mod bodies;
mod clients;
mod garbage;
mod limits;
mod lines;
mod metadata;
mod parameters;

use serde_json::{Value, json};
use std::sync::OnceLock;
use tokio::sync::{Mutex, MutexGuard};

use crate::harness::{Fixture, Setup};
use crate::support::{self, ADA, Answer, Api, DEVICE_CODE, DeviceSignIn, Person, claims};

/// Secret of the client `by-post`.
const POST_SECRET: &str = "by-post-secret-0123456789abcdefghij";
/// Secret of the demo's confidential client.
const BASIC_SECRET: &str = "demo-device-secret-0123456789abcdef";
/// The media type of every form.
const FORM: &str = "application/x-www-form-urlencoded";

fn client(id: &str, changes: &Value) -> Value {
    support::client(id, &[json!({ "scope": "openid profile records:read" }), changes.clone()])
}

/// Settings of all fixtures here: clients that the demo lacks.
fn setup() -> Setup {
    Setup::default().seed(&json!({ "clients": [
        client("only-device", &json!({ "grant_types": [DEVICE_CODE] })),
        client("only-refresh", &json!({ "grant_types": ["refresh_token"] })),
        client("by-post", &json!({ "token_endpoint_auth_method": "client_secret_post", "client_secret": POST_SECRET })),
        client("disabled", &json!({})),
        client("short", &json!({ "access_token_lifetime": 5 })),
        client("quiet", &json!({ "verification_uri_complete": false })),
        client("few", &json!({ "device_live_flows": 4 })),
        client("api", &json!({ "resources": ["https://api.example/v1", "urn:example:files"] })),
    ]}))
}

/// The fixture that tests share which look at their own answers alone.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| setup().var("DEVICE_INTERVAL", "7").var("DEVICE_CODE_LIFETIME", "123").start_now())
}

/// A fixture that one test at a time has for itself.
struct Alone {
    fixture: &'static Fixture,
    _turn: MutexGuard<'static, ()>,
}

impl Alone {
    async fn start() -> Self {
        static FIXTURE: OnceLock<Fixture> = OnceLock::new();
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        Self { fixture: FIXTURE.get_or_init(|| setup().start_now()), _turn: turn }
    }
}

/// A fixture that is to stay as it is: every answer is noted, and [`Watch::nothing_happened`] looks at
/// storage and log.
struct Watch {
    alone: Alone,
    fixture: &'static Fixture,
    /// `demo-device` at it.
    api: Api,
    /// A device sign-in that nobody answered yet.
    pending: DeviceSignIn,
    /// Tokens that somebody has.
    tokens: Answer,
    stored: Vec<Value>,
    refused: Vec<(String, String)>,
    secrets: Vec<String>,
}

impl Watch {
    async fn start() -> Self {
        let alone = Alone::start().await;
        let fixture = alone.fixture;
        fixture.d1("UPDATE clients SET enabled = 0 WHERE id = 'disabled'", &[]).await;
        let api = Api::demo(&fixture.a);
        let person = Person::ada(&fixture.a).await;
        let tokens = api.signed_in(&person).await;
        let pending = api.start().await;
        let mut secrets: Vec<String> = [ADA.1, BASIC_SECRET, POST_SECRET].map(str::to_owned).to_vec();
        secrets.extend(["access_token", "refresh_token", "id_token"].map(|name| tokens.member(name)));
        secrets.extend([pending.device_code.clone(), pending.user_code.clone(), pending.user_code.replace('-', "")]);
        secrets.push(claims(&tokens.member("access_token"))["jti"].as_str().unwrap().to_owned());
        secrets.extend(["session", "browser", "known"].map(|name| person.cookie(name).unwrap()));
        let stored = fixture.stored().await;
        Self { alone, fixture, api, pending, tokens, stored, refused: Vec::new(), secrets }
    }

    /// Notes a refusal: RFC 6749 5.2 in every detail.
    fn refused(&mut self, what: &str, answer: &Answer, status: u16, error: &str) {
        assert_eq!((answer.status, answer.error().as_str()), (status, error), "{what}: {}", answer.body);
        assert_eq!(answer.header("content-type"), "application/json", "{what}");
        assert_eq!(answer.header("cache-control"), "no-store", "{what}");
        assert_eq!(answer.cookies(), [""; 0], "{what}");
        let body = answer.json();
        let mut members: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["error", "error_description", "request_id"], "{what}");
        let description = answer.member("error_description");
        let is_plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
        assert!(!description.is_empty() && description.bytes().all(is_plain), "{what}: {description}");
        // A challenge is there when it has to be (RFC 9110 15.5.2).
        assert!(status != 401 || !answer.header("www-authenticate").is_empty(), "{what}");
        assert_eq!(answer.header("x-request-id"), answer.member("request_id"), "{what}");
        self.refused.push((what.to_owned(), answer.member("request_id")));
    }

    /// Posts a body as it is.
    async fn post(&self, path: &str, body: &str) -> Answer {
        Api::send(self.api.request("POST", path).header("content-type", FORM).body(body.to_owned())).await
    }

    /// Each refusal is one line in the log, under the id that the peer was told, and wrote no row; all
    /// that is stored is as it was; and no secret is in any line.
    async fn nothing_happened(self) -> Alone {
        assert!(!self.refused.is_empty());
        let lines: Vec<Value> = self.fixture.logs().await.into_iter().map(|entry| entry["line"].clone()).collect();
        for (what, id) in &self.refused {
            let own: Vec<&Value> = lines.iter().filter(|line| line["request"] == id.as_str()).collect();
            let [line] = own.as_slice() else { panic!("{what}: {} lines for {id}", own.len()) };
            assert_eq!(line["cost"]["rows"], 0, "{what}: {line}");
        }
        let told: Vec<String> = lines.iter().map(ToString::to_string).collect();
        for secret in &self.secrets {
            assert!(!told.iter().any(|line| line.contains(secret)), "{secret} is in the log");
        }
        self.fixture.assert_unchanged(self.stored).await;
        self.alone
    }
}
