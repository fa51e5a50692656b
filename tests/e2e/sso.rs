//! One sign-in for many apps: sessions and what clients know them by, several accounts at one browser, consent
//! and its end, everything that a browser holds on the way, what it all costs, and what older versions wrote.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod accounts;
mod apps;
mod budgets;
mod consent;
mod forms;
mod lifetimes;
mod sessions;
mod versions;

use std::sync::OnceLock;

use latchkey::protocol::keyring::KeyRing;
use latchkey::protocol::seal::{Sealable, Sealer};
use serde_json::{Value, json};

use crate::harness::{Fixture, Setup, Worker};
use crate::support::{Answer, Api, Person, claims};
use crate::web::{App, consent, follow, post, web_client};

/// Everybody's password.
const PASSWORD: &str = "compiler-no-1952";
/// People; each belongs to one test, so that it can count rows.
const PEOPLE: [&str; 43] = [
    "adele", "alan", "annie", "barbara", "bob", "claire", "donald", "dorothy", "edith", "edsger", "frances", "frank", "grace",
    "hedy", "ida", "jean", "john", "kathleen", "kay", "ken", "lotfi", "mary", "niklaus", "noether", "radia", "robin", "ruth",
    "sophie", "tony", "yukihiro", "anders", "bjarne", "brendan", "guido", "larry", "linus", "rasmus", "wietse", "butler", "ivan",
    "leslie", "martin", "vint",
];

/// Clients and people of all fixtures here. The filter per address is out of the way: all tests have one address.
fn setup() -> Setup {
    let people: Vec<Value> =
        PEOPLE.iter().map(|name| json!({ "login": name, "password": PASSWORD, "claims": { "name": name } })).collect();
    let native = json!({
        "application_type": "native", "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://127.0.0.1/cb", "https://native.example/cb", "example.native.app:/cb"],
    });
    let mut clients: Vec<Value> = ["one", "two", "touched", "picky", "asking", "withdrawn", "twenty", "other", "counted"]
        .map(|id| web_client(id, &[]))
        .to_vec();
    clients.extend([
        web_client("strict", &[json!({ "required_scope": "openid email" })]),
        web_client("trusted", &[json!({ "skip_consent": true })]),
        web_client("native", std::slice::from_ref(&native)),
        web_client("trusted-native", &[native, json!({ "skip_consent": true })]),
        web_client("leaver", &[json!({ "post_logout_redirect_uris": ["https://leaver.example/out"] })]),
    ]);
    Setup::default().rate_limit("LIMIT_LOGIN", 1_000_000).seed(&json!({ "users": people, "clients": clients }))
}

/// The fixture of all tests here that need no settings of their own.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| setup().start_now())
}

/// Where a browser stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Login,
    Accounts,
    Consent,
    /// Sent back to the app.
    Back,
    Error,
}

#[track_caller]
fn at(answer: &Answer) -> At {
    let has = |hook: &str| answer.body.contains(hook);
    match answer.status {
        303 if answer.header("location").contains("://") || answer.header("location").starts_with("example.native.app:") => {
            At::Back
        }
        200 if has("id=\"login-submit\"") => At::Login,
        200 if has("id=\"accounts-other\"") => At::Accounts,
        200 if has("id=\"consent-allow\"") => At::Consent,
        400.. if has("Something went wrong") => At::Error,
        status => panic!("at no known place: {status} {} {}", answer.header("location"), answer.body),
    }
}

/// Somebody signed in at a new browser.
async fn signed_in(base: &str, login: &str) -> Person {
    let person = Person::new(base);
    person.sign_in(login, PASSWORD).await;
    person
}

/// Where a request of an app leads a browser.
async fn asked(person: &Person, app: &App, changes: &[(&str, &str)]) -> Answer {
    follow(person, person.get(&app.path(changes)).await).await
}

/// Signs in on a login page, and where that leads.
async fn sign_in_on(person: &Person, page: &Answer, login: &str) -> Answer {
    assert_eq!(at(page), At::Login, "{}", page.body);
    let fields = [("form", page.form()), ("login", login.to_owned()), ("password", PASSWORD.to_owned())];
    follow(person, post(person, "/login", &fields).await).await
}

/// The account with this id in the chooser, or `other`; and where that leads.
async fn choose(person: &Person, page: &Answer, account: &str) -> Answer {
    assert_eq!(at(page), At::Accounts, "{}", page.body);
    let name = if account == "other" { "action" } else { "account" };
    follow(person, post(person, "/accounts", &[("form", page.form()), (name, account.to_owned())]).await).await
}

/// The accounts that a chooser offers, by user id.
fn offered(page: &Answer) -> Vec<String> {
    assert_eq!(at(page), At::Accounts, "{}", page.body);
    let ids = page.body.split("name=\"account\" value=\"").skip(1);
    ids.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// One more account at a browser, beside the others.
async fn sign_in_beside(person: &Person, login: &str) {
    let app = App::web(&person.base, "one");
    let chooser = asked(person, &app, &[("prompt", "select_account")]).await;
    let login_page = choose(person, &chooser, "other").await;
    let page = sign_in_on(person, &login_page, login).await;
    assert!([At::Back, At::Consent].contains(&at(&page)), "{}", page.body);
}

/// What comes back to the app, through a consent page if there is one.
async fn back(person: &Person, app: &App, answer: Answer) -> std::collections::BTreeMap<String, String> {
    let answer = if at(&answer) == At::Consent { consent(person, &answer).await } else { answer };
    app.returned(&answer)
}

/// Tokens of an app that was sent back with a code, through a consent page if there is one.
async fn tokens_of(person: &Person, app: &App, answer: Answer) -> Answer {
    let back = back(person, app, answer).await;
    let tokens = app.redeem(back.get("code").unwrap_or_else(|| panic!("no code: {back:?}"))).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    tokens
}

/// A claim of an answer's ID token.
fn id(tokens: &Answer, claim: &str) -> Value {
    claims(&tokens.member("id_token"))[claim].clone()
}

/// The user with this login name.
async fn user_id(fixture: &Fixture, login: &str) -> String {
    let rows = fixture.d1("SELECT user_id FROM logins WHERE login = ?1", &[login.into()]).await;
    rows[0]["user_id"].as_str().unwrap().to_owned()
}

/// Ids of somebody's sessions.
async fn sessions_of(fixture: &Fixture, login: &str) -> Vec<String> {
    let user = user_id(fixture, login).await;
    let rows = fixture.d1("SELECT id FROM sessions WHERE user_id = ?1 ORDER BY auth_time, id", &[user.into()]).await;
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// The row of what somebody said to a client.
async fn consent_of(fixture: &Fixture, login: &str, client: &str) -> Option<Value> {
    let user = user_id(fixture, login).await;
    let sql = "SELECT * FROM consents WHERE user_id = ?1 AND client_id = ?2";
    fixture.d1(sql, &[user.into(), client.into()]).await.into_iter().next()
}

/// Who is in use at a browser: the name on the start page.
async fn name_of(person: &Person) -> Option<String> {
    let page = person.get("/").await;
    let rest = page.body.split_once("Signed in as <strong><bdi>")?.1;
    Some(rest.split_once("</bdi>")?.0.to_owned())
}

/// The status of userinfo for an answer's access token.
async fn userinfo(app: &App, tokens: &Answer) -> u16 {
    app.api.userinfo(&tokens.member("access_token")).await.status
}

/// A browser with a `Cookie` header of our own.
async fn get_with(base: &str, path: &str, cookies: &str) -> Answer {
    Api::send(Api::demo(base).request("GET", path).header("cookie", cookies)).await
}

/// A sealed value, changed and sealed again as the Worker itself would.
async fn resealed<T: Sealable>(fixture: &Fixture, text: &str, change: impl FnOnce(&mut T)) -> String {
    let secrets = fixture.secrets(Worker::A).await;
    let ring = KeyRing::parse(secrets["LATCHKEY_KEYS"].as_str().unwrap(), "1").unwrap();
    let sealer = Sealer { ring: &ring, issuer: &fixture.a, epoch: 1 };
    let mut value: T = sealer.open(text).unwrap();
    change(&mut value);
    sealer.seal_deterministic(&value)
}

/// What the Workers have logged about a client.
async fn lines_of(fixture: &Fixture, client: &str) -> Vec<Value> {
    let lines = fixture.logs().await.into_iter().map(|entry| entry["line"].clone());
    lines.filter(|line| line["client"] == client).collect()
}
