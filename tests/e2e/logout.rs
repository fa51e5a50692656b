//! Signing out as clients see it: RP-initiated logout and back-channel logout (OpenID Connect), with
//! receivers that are down, slow or failing.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod back_channel;
mod rp_initiated;

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::harness::{Fixture, Setup};
use crate::judge::Judge;
use crate::support::{Answer, Person, claims};
use crate::web::{App, follow, post, web_client};

const PASSWORD: &str = "compiler-no-1952";
/// One person for each test that signs somebody out.
const PEOPLE: [&str; 17] = [
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
    "pia",
];
/// Where browsers go after a sign-out.
const SIGNED_OUT: &str = "https://app.example/out";
/// One with a query of its own.
const SIGNED_OUT_QUERY: &str = "https://app.example/out?from=latchkey";

/// A web app that needs no consent. With a judge it hears of sign-outs at `/<id>`.
fn app(judge: Option<&Judge>, id: &str, changes: &Value) -> Value {
    let ours = json!({ "post_logout_redirect_uris": [SIGNED_OUT, SIGNED_OUT_QUERY], "skip_consent": true });
    let heard = judge.map_or_else(|| json!({}), |judge| json!({ "backchannel_logout_uri": judge.at(&format!("/{id}")) }));
    web_client(id, &[ours, heard, changes.clone()])
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
        let device = json!({
            "token_endpoint_auth_method": "none", "grant_types": [crate::support::DEVICE_CODE, "refresh_token"], "redirect_uris": [],
        });
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

/// A person who is asked to sign in does so; where that leads.
async fn signs_in(person: &Person, page: &Answer, login: &str) -> Answer {
    let fields = [("form", page.form()), ("login", login.to_owned()), ("password", PASSWORD.to_owned())];
    follow(person, post(person, "/login", &fields).await).await
}

/// The tokens of a code that an answer brings to an app.
async fn tokens(app: &App, answer: &Answer) -> Answer {
    let returned = app.returned(answer);
    let tokens = app.redeem(returned.get("code").unwrap_or_else(|| panic!("no code: {returned:?}"))).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    tokens
}

/// A person uses an app and signs in on the way, if need be; the tokens.
async fn uses(fixture: &Fixture, person: &Person, login: &str, client: &str) -> Answer {
    uses_for(fixture, person, login, client, "openid").await
}

/// The same, with a scope.
async fn uses_for(fixture: &Fixture, person: &Person, login: &str, client: &str, scope: &str) -> Answer {
    let app = App::web(&fixture.a, client);
    let mut answer = follow(person, person.get(&app.path(&[("scope", scope)])).await).await;
    if answer.status == 200 {
        answer = signs_in(person, &answer, login).await;
    }
    tokens(&app, &answer).await
}

/// A person at a new browser who uses an app; the browser and the ID token.
async fn at_app(fixture: &Fixture, login: &str, client: &str) -> (Person, String) {
    let person = Person::new(&fixture.a);
    let tokens = uses(fixture, &person, login, client).await;
    (person, tokens.member("id_token"))
}

/// Whether an app would get a code without a page.
async fn is_signed_in(person: &Person) -> bool {
    let app = App::web(&person.base, "quiet");
    let returned = app.returned(&follow(person, person.get(&app.path(&[("prompt", "none")])).await).await);
    match returned.get("error") {
        Some(error) => {
            assert_eq!(error, "login_required", "{returned:?}");
            false
        }
        None => returned.contains_key("code") || panic!("neither a code nor an error: {returned:?}"),
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
