//! Devices, apps and sessions of a user, as an administrator sees and ends them.

use serde_json::{Value, json};

use super::{Admin, assert_problem, last_change};
use crate::harness::{Fixture, Setup};
use crate::support::{ADA, Answer, Api, Person};
use crate::web::App;

async fn ada_at(fixture: &Fixture, admin: &Admin, what: &str) -> (String, Vec<Value>) {
    let id = fixture.d1("SELECT user_id FROM logins WHERE login = ?1", &[json!(ADA.0)]).await[0]["user_id"].clone();
    let path = format!("users/{}/{what}", id.as_str().unwrap());
    let listed = admin.get(&path).await;
    assert_eq!(listed.status, 200, "{}", listed.body);
    (path, listed.json()["items"].as_array().unwrap().clone())
}

fn is_over(answer: &Answer) -> bool {
    answer.json()["error"] == "invalid_grant"
}

#[tokio::test]
async fn one_device_is_found_renamed_and_ended() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let person = Person::ada(&fixture.a).await;
    let device = Api::public(&fixture.a, "demo-device");
    let (kiosk, bedside) = (device.signed_in(&person).await, device.signed_in(&person).await);
    let (path, grants) = ada_at(&fixture, &admin, "grants").await;
    assert_eq!(grants.len(), 2);
    assert!(grants.iter().all(|grant| grant["kind"] == "device" && grant["client_id"] == "demo-device"));
    let ids = fixture.d1("SELECT id FROM grants", &[]).await;
    let told = Value::from(grants.clone()).to_string();
    assert!(ids.iter().all(|row| !told.contains(row["id"].as_str().unwrap())), "a grant's id is told to nobody");
    let pages = admin.get(&format!("{path}?limit=1")).await.json();
    let next = admin.get(&format!("{path}?limit=1&after={}", pages["next"].as_str().unwrap())).await.json();
    assert!(next["items"][0] != pages["items"][0] && next["next"].is_null());

    // Which is which shows in when it was last used.
    let handle = grants[0]["handle"].as_str().unwrap();
    let one = format!("{path}/{handle}");
    let renamed = Api::send(admin.request("PATCH", &one).json(&json!({ "name": " Bedside 4 " }))).await;
    assert_eq!((renamed.status, &renamed.json()["name"]), (200, &json!("Bedside 4")));
    let refused = Api::send(admin.request("PATCH", &one).json(&json!({ "name": "\n" }))).await;
    assert_problem("no name", &refused, 400, "invalid");
    assert_eq!(admin.delete(&one).await.status, 204);
    assert_eq!(last_change(&fixture, handle).await["action"], "grant.delete");
    assert_problem("gone", &admin.delete(&one).await, 404, "not_found");
    let mut over = Vec::new();
    for tokens in [&kiosk, &bedside] {
        over.push(is_over(&device.refresh(&tokens.member("refresh_token")).await));
    }
    over.sort_unstable();
    assert_eq!(over, [false, true], "this one and no other");
}

#[tokio::test]
async fn all_grants_end_at_once_and_sessions_stay() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let operator = Api::basic(&fixture.a, "demo-operator", "demo-operator-secret-0123456789abcdef");
    let operator = operator.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    let person = Person::ada(&fixture.a).await;
    let device = Api::public(&fixture.a, "demo-device").signed_in(&person).await;
    let app = App::demo(&fixture.a);
    let tokens = app.tokens(&person, &[("scope", "openid offline_access"), ("prompt", "consent")]).await;
    let (path, grants) = ada_at(&fixture, &admin, "grants").await;
    let mut kinds: Vec<&str> = grants.iter().map(|grant| grant["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["app", "device"]);
    assert_eq!(Admin::with(&fixture.a, &operator).delete(&path).await.status, 204);
    assert!(is_over(&Api::public(&fixture.a, "demo-device").refresh(&device.member("refresh_token")).await));
    assert!(is_over(&app.api.refresh(&tokens.member("refresh_token")).await));
    assert_eq!(app.api.userinfo(&tokens.member("access_token")).await.status, 401);
    assert!(person.get("/").await.body.contains("Ada Lovelace"), "the browser is signed in still");
    // The administrator's own token was one of these.
    assert_problem("ended too", &admin.get(&path).await, 401, "unauthorized");
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let fixture = Setup::default().start().await;
    // A service's token hangs on no session.
    let operator = Api::basic(&fixture.a, "demo-operator", "demo-operator-secret-0123456789abcdef");
    let operator = operator.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    let admin = Admin::with(&fixture.a, &operator);
    let (one, two) = (Person::ada(&fixture.a).await, Person::ada(&fixture.b).await);
    let (path, sessions) = ada_at(&fixture, &admin, "sessions").await;
    assert_eq!(sessions.len(), 2);
    let ids = fixture.d1("SELECT id, sid FROM sessions", &[]).await;
    let told = Value::from(sessions.clone()).to_string();
    assert!(ids.iter().all(|row| !told.contains(row["id"].as_str().unwrap()) && !told.contains(row["sid"].as_str().unwrap())));
    let handle = |session: &Value| session["handle"].as_str().unwrap().to_owned();
    let here = async |person: &Person| person.get("/").await.body.contains("Ada Lovelace");
    assert!(here(&one).await && here(&two).await);
    assert_eq!(admin.delete(&format!("{path}/{}", handle(&sessions[0]))).await.status, 204);
    assert!(here(&one).await != here(&two).await, "one of the two");
    assert_eq!(admin.delete(&path).await.status, 204);
    assert!(!here(&one).await && !here(&two).await);
    assert_problem("no such session", &admin.delete(&format!("{path}/nothing")).await, 404, "not_found");
}
