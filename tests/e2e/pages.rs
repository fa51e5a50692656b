//! The pages as a browser without scripts sees them: headers and cookies, sign-in and sign-out, budgets
//! of guesses, and the way of a user code from the link to the yes or no.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod budgets;
mod codes;
mod consent;
mod cookies;
mod forms;
mod headers;
mod sealed;
mod sessions;
mod sign_in;

use std::sync::OnceLock;

use latchkey::protocol::keyring::KeyRing;
use latchkey::protocol::seal::{Sealable, Sealer};
use serde_json::{Value, json};

use crate::harness::{Fixture, Setup, Worker};
use crate::support::{self, Answer, Api, Person};
use crate::web::web_client;

/// Everybody's password but ada's.
const PASSWORD: &str = "compiler-no-1952";
/// People whose accounts a test changes.
const PEOPLE: [&str; 6] = ["barbara", "bob", "dorothy", "edith", "grace", "mary"];

fn client(id: &str, changes: &Value) -> Value {
    support::client(id, &[json!({ "scope": "openid profile offline_access records:read records:write" }), changes.clone()])
}

/// Settings of all fixtures here. The filter per address is out of the way: all tests have one address.
fn setup() -> Setup {
    let people: Vec<Value> =
        PEOPLE.iter().map(|name| json!({ "login": name, "password": PASSWORD, "claims": { "name": name } })).collect();
    Setup::default().rate_limit("LIMIT_LOGIN", 1_000_000).seed(&json!({ "users": people, "clients": [
        client("typed", &json!({ "verification_uri_complete": false })),
        client("fresh", &json!({ "device_max_auth_age": 2 })),
        client("strict", &json!({ "required_scope": "openid records:read" })),
        client("free", &json!({ "required_scope": "", "scope": "openid records:read" })),
        web_client("pairwise", &[json!({ "subject_type": "pairwise" })]),
        client("dark", &json!({ "access_token_format": "opaque" })),
        client("branded", &json!({
            "publisher": "Clinic <b>West</b>",
            "logo_uri": "https://cdn.example/logo.svg",
            "policy_uri": "https://clinic.example/privacy",
            "tos_uri": "https://clinic.example/terms",
        })),
    ]}))
}

/// The fixture that all tests here share which need no settings of their own.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| setup().start_now())
}

/// One where everything is over soon.
fn hasty() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    let settings = [("DEVICE_CODE_LIFETIME", "8"), ("DEVICE_APPROVAL_MARGIN", "5"), ("FORM_LIFETIME", "5")];
    FIXTURE.get_or_init(|| settings.into_iter().fold(setup(), |setup, (name, value)| setup.var(name, value)).start_now())
}

/// The realm's root secrets, to look into what is sealed and to make what no browser could.
async fn ring(fixture: &Fixture) -> KeyRing {
    let secrets = fixture.secrets(Worker::A).await;
    KeyRing::parse(secrets["LATCHKEY_KEYS"].as_str().unwrap(), "1").unwrap()
}

/// A sealed value, changed and sealed again as the Worker itself would.
async fn resealed<T: Sealable>(fixture: &Fixture, text: &str, change: impl FnOnce(&mut T)) -> String {
    let ring = ring(fixture).await;
    let sealer = Sealer { ring: &ring, issuer: &fixture.a, epoch: 1 };
    let mut value: T = sealer.open(text).unwrap();
    change(&mut value);
    sealer.seal_deterministic(&value)
}

/// Somebody signed in at a new browser.
async fn signed_in(base: &str, login: &str) -> Person {
    let person = Person::new(base);
    person.sign_in(login, if login == "ada" { crate::support::ADA.1 } else { PASSWORD }).await;
    person
}

/// Whether the start page knows somebody.
async fn is_signed_in(person: &Person) -> bool {
    person.get("/").await.body.contains("You are signed in")
}

/// A request with a `Cookie` header of our own and nothing kept.
async fn with_cookies(base: &str, path: &str, cookies: &str) -> Answer {
    Api::send(Api::demo(base).request("GET", path).header("cookie", cookies)).await
}

/// The user with this login name, in D1.
async fn user_id(fixture: &Fixture, login: &str) -> Value {
    fixture.d1("SELECT user_id FROM logins WHERE login = ?1", &[login.into()]).await[0]["user_id"].clone()
}

/// How many sessions somebody has.
async fn sessions(fixture: &Fixture, login: &str) -> usize {
    let user = user_id(fixture, login).await;
    fixture.d1("SELECT id FROM sessions WHERE user_id = ?1", &[user]).await.len()
}

/// A page without what differs from one time to the next: the sealed form and what was typed.
fn page_without_form(page: &Answer) -> String {
    let mut body = page.body.clone();
    for before in ["name=\"form\" value=\"", "id=\"login\" name=\"login\" type=\"text\" value=\""] {
        if let Some((head, tail)) = body.split_once(before) {
            body = format!("{head}{before}{}", tail.split_once('"').unwrap().1);
        }
    }
    body
}
