//! Signing out as clients see it: RP-initiated logout and back-channel logout (OpenID Connect), with
//! receivers that are down, slow or failing.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod back_channel;
mod rp_initiated;

use std::sync::OnceLock;

use latchkey::protocol::secret::{base64url, sha256};
use serde_json::{Value, json};

use crate::harness::{Fixture, Setup};
use crate::judge::Judge;
use crate::support::{Answer, Api, Person, claims};

const PASSWORD: &str = "compiler-no-1952";
/// One person for each test that signs somebody out.
const PEOPLE: [&str; 16] = [
    "ada2",
    "barbara",
    "bob",
    "carol",
    "dorothy",
    "edith",
    "frances",
    "grace",
    "hedy",
    "ida",
    "joan",
    "katherine",
    "lynn",
    "mary",
    "niklaus",
    "olga",
];
/// Where codes go; nobody is there.
const CALLBACK: &str = "https://app.example/cb";
/// Where browsers go after a sign-out.
const SIGNED_OUT: &str = "https://app.example/out";
/// One with a query of its own.
const SIGNED_OUT_QUERY: &str = "https://app.example/out?from=latchkey";
/// A code verifier.
const VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more-0";

/// A web app that needs no consent. With a judge it hears of sign-outs at `/<id>`.
fn app(judge: Option<&Judge>, id: &str, changes: &Value) -> Value {
    let mut app = json!({
        "client_id": id,
        "client_name": format!("App {id}"),
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [SIGNED_OUT, SIGNED_OUT_QUERY],
        "scope": "openid profile offline_access",
        "skip_consent": true,
    });
    if let Some(judge) = judge {
        app["backchannel_logout_uri"] = judge.at(&format!("/{id}")).into();
    }
    app.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    app
}

/// Settings of all fixtures here: failed deliveries are soon sent again.
fn setup(judge: &Judge, clients: &[Value]) -> Setup {
    let people: Vec<Value> =
        PEOPLE.iter().map(|name| json!({ "login": name, "password": PASSWORD, "claims": { "name": name } })).collect();
    Setup::default()
        .rate_limit("LIMIT_LOGIN", 1_000_000)
        .var("OUTBOUND_ALLOW", &judge.host_port())
        .var("OUTBOUND_TIMEOUT", "1")
        .var("LOGOUT_RETRY", "1")
        .var("DEVICE_INTERVAL", "1")
        .seed(&json!({ "users": people, "clients": clients }))
}

/// The fixture and the server of its clients that most tests share.
fn fixture() -> (&'static Fixture, &'static Judge) {
    static SHARED: OnceLock<(Fixture, Judge)> = OnceLock::new();
    let (fixture, judge) = SHARED.get_or_init(|| {
        let judge = Judge::start();
        let device = json!({ "grant_types": [crate::support::DEVICE_CODE, "refresh_token"], "redirect_uris": [] });
        let app = |id, changes: Value| app(Some(&judge), id, &changes);
        let clients = [
            app("web", json!({})),
            app("other", json!({ "id_token_signed_response_alg": "ES256" })),
            app("pairwise", json!({ "subject_type": "pairwise", "id_token_signed_response_alg": "EdDSA" })),
            app("slow", json!({})),
            app("failing", json!({})),
            app("down", json!({})),
            app("brief", json!({ "access_token_lifetime": 5 })),
            app("device", device),
            super::logout::app(None, "quiet", &json!({})),
        ];
        (setup(&judge, &clients).start_now(), judge)
    });
    (fixture, judge)
}

/// The address of an authorization request.
fn authorization(client: &str, more: &str) -> String {
    let challenge = base64url(&sha256(VERIFIER.as_bytes()));
    format!(
        "/authorize?client_id={client}&response_type=code&redirect_uri={CALLBACK}&scope=openid&state=s&code_challenge={challenge}&code_challenge_method=S256{more}"
    )
}

/// Follows redirects within the site until a page or the client is reached.
async fn follow(person: &Person, mut answer: Answer) -> Answer {
    while answer.status == 303 && answer.header("location").starts_with('/') {
        answer = person.get(answer.header("location")).await;
    }
    answer
}

/// A parameter of the address that an answer leads to.
fn parameter(answer: &Answer, name: &str) -> Option<String> {
    let (_, query) = answer.header("location").split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).map(str::to_owned)
}

/// The tokens of a code that an answer brings to the client.
async fn tokens(fixture: &Fixture, client: &str, answer: &Answer) -> Answer {
    assert!(answer.header("location").starts_with(CALLBACK), "{answer:?}");
    let code = parameter(answer, "code").unwrap_or_else(|| panic!("no code: {answer:?}"));
    let parameters =
        [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let tokens = Api::public(&fixture.a, client).post("/token", &parameters).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    tokens
}

/// A person uses an app and signs in on the way, if need be; the tokens.
async fn uses(fixture: &Fixture, person: &Person, login: &str, client: &str) -> Answer {
    let mut answer = follow(person, person.get(&authorization(client, "")).await).await;
    if answer.status == 200 {
        let fields = [("form", answer.form()), ("login", login.to_owned()), ("password", PASSWORD.to_owned())];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        answer = follow(person, person.post("/login", &fields).await).await;
    }
    tokens(fixture, client, &answer).await
}

/// A person at a new browser who uses an app; the browser and the ID token.
async fn at_app(fixture: &Fixture, login: &str, client: &str) -> (Person, String) {
    let person = Person::new(&fixture.a);
    let tokens = uses(fixture, &person, login, client).await;
    (person, tokens.member("id_token"))
}

/// Whether a client would get a code without a page.
async fn is_signed_in(person: &Person) -> bool {
    let answer = follow(person, person.get(&authorization("quiet", "&prompt=none")).await).await;
    match parameter(&answer, "error") {
        Some(error) => {
            assert_eq!(error, "login_required", "{answer:?}");
            false
        }
        None => parameter(&answer, "code").is_some() || panic!("neither a code nor an error: {answer:?}"),
    }
}

/// Signs out of this browser by the page.
async fn signs_out(person: &Person) {
    let page = person.get("/logout").await;
    let answer = person.post("/logout", &[("form", &page.form()), ("action", "here")]).await;
    assert!(answer.status == 200 && answer.body.contains("You are signed out"), "{answer:?}");
}

/// The address of a sign-out that an app asks for.
fn sign_out(hint: &str, more: &str) -> String {
    format!("/logout?id_token_hint={hint}{more}")
}

/// `sid` of an ID token.
fn sid(id_token: &str) -> String {
    claims(id_token)["sid"].as_str().unwrap().to_owned()
}
