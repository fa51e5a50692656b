//! Which acts leave an event.

use serde_json::{Value, json};

use super::{count, events, user_id};
use crate::admin::{Admin, assert_problem};
use crate::harness::{Fault, Mode, Setup, Worker};
use crate::support::{ADA, Api, Person};
use crate::web::App;

/// A device signs in, refreshes, is ended; an event for each but the refresh.
#[tokio::test]
async fn a_device_from_approval_to_theft() {
    let fixture = Setup::default().start().await;
    let ada = user_id(&fixture, ADA.0).await;
    let person = Person::ada(&fixture.a).await;
    let signed_in = events(&fixture, "sign_in").await;
    assert_eq!(signed_in.len(), 1);
    assert_eq!((&signed_in[0]["actor"], &signed_in[0]["subject"]), (&ada, &ada));
    assert!(!signed_in[0]["request_id"].as_str().unwrap().is_empty());
    let device = Api::public(&fixture.a, "demo-device");
    let first = device.signed_in(&person).await;
    let approved = events(&fixture, "approval").await;
    assert_eq!((approved.len(), &approved[0]["client_id"], &approved[0]["subject"]), (1, &json!("demo-device"), &ada));

    let before = count(&fixture).await;
    let second = device.refresh(&first.member("refresh_token")).await;
    let third = device.refresh(&second.member("refresh_token")).await;
    assert!(third.is_granted());
    assert_eq!(count(&fixture).await, before, "rows are money: no event per refresh");

    // A token from two rotations ago is theft: one event, however often it is sent.
    for _ in 0..2 {
        assert_eq!(device.refresh(&first.member("refresh_token")).await.json()["error"], "invalid_grant");
    }
    let replayed = events(&fixture, "replay_detected").await;
    assert_eq!((replayed.len(), &replayed[0]["actor"], &replayed[0]["subject"]), (1, &json!("demo-device"), &ada));
    // No event holds a grant's id.
    let ids = fixture.d1("SELECT id FROM grants", &[]).await;
    let all = Value::from(fixture.d1("SELECT * FROM audit_events", &[]).await).to_string();
    assert!(ids.iter().all(|row| !all.contains(row["id"].as_str().unwrap())));
}

#[tokio::test]
async fn a_revocation_and_a_code_replay_are_noted_once() {
    let fixture = Setup::default().start().await;
    let person = Person::ada(&fixture.a).await;
    let device = Api::public(&fixture.a, "demo-device");
    let tokens = device.signed_in(&person).await;
    for _ in 0..2 {
        assert_eq!(device.post("/revoke", &[("token", &tokens.member("refresh_token"))]).await.status, 200);
    }
    let revoked = events(&fixture, "revocation").await;
    assert_eq!((revoked.len(), &revoked[0]["client_id"]), (1, &json!("demo-device")));

    let app = App::demo(&fixture.a);
    let code = app.code(&person, &[]).await;
    assert!(app.redeem(&code).await.is_granted());
    for _ in 0..2 {
        assert_eq!(app.redeem(&code).await.json()["error"], "invalid_grant");
    }
    let replayed = events(&fixture, "replay_detected").await;
    assert_eq!((replayed.len(), replayed[0]["detail"].as_str()), (1, Some(r#"{"what":"authorization code"}"#)));
}

/// One event when a budget runs out, and nothing that was typed.
#[tokio::test]
async fn wrong_passwords_are_noted_when_the_budget_is_used_up() {
    let fixture = Setup::default().var("PASSWORD_BUDGET", "3").start().await;
    let ada = user_id(&fixture, ADA.0).await;
    for login in [ADA.0, "nobody-at-all"] {
        for _ in 0..5 {
            Person::new(&fixture.a).try_sign_in(login, "guess-of-a-stranger").await;
        }
    }
    let bursts = events(&fixture, "failure_burst").await;
    let subjects: Vec<&Value> = bursts.iter().map(|event| &event["subject"]).collect();
    assert_eq!(subjects, [&ada, &json!("")]);
    let told = Value::from(bursts.clone()).to_string();
    assert!(!told.contains("guess-of") && !told.contains("nobody-at-all"), "{told}");
}

/// Both or neither: an act that failed leaves no event, and one whose answer was lost leaves one.
#[tokio::test]
async fn an_event_is_in_the_batch_of_its_act() {
    let fixture = Setup::default().start().await;
    let person = Person::ada(&fixture.a).await;
    let device = Api::public(&fixture.a, "demo-device");
    let tokens = device.signed_in(&person).await;
    let revoke = async || device.post("/revoke", &[("token", &tokens.member("refresh_token"))]).await.status;
    let fault = |mode, times| Fault { times, ..Fault::new("DB", mode, "UPDATE grants SET revoked_at") };
    fixture.fault(Worker::A, &fault(Mode::Before, 2)).await;
    assert_eq!(revoke().await, 503);
    assert_eq!(events(&fixture, "revocation").await.len(), 0);
    fixture.fault(Worker::A, &fault(Mode::After, 1)).await;
    assert_eq!(revoke().await, 200);
    assert_eq!(events(&fixture, "revocation").await.len(), 1);
}

#[tokio::test]
async fn the_log_is_read_by_filters_and_pages() {
    let password = "a password of the test";
    let people = ["grace", "barbara"].map(|login| json!({ "login": login, "password": password }));
    let fixture = Setup::default().seed(&json!({ "users": people })).start().await;
    let admin = Admin::ada(&fixture.a).await;
    for login in ["grace", "grace", "barbara"] {
        assert_eq!(Person::new(&fixture.a).try_sign_in(login, password).await.status, 303, "{login}");
    }
    let grace = user_id(&fixture, "grace").await;
    let listed = admin.get(&format!("audit?kind=sign_in&actor={}", grace.as_str().unwrap())).await.json();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{listed}");
    assert!(items.iter().all(|event| event["subject"] == grace && event["kind"] == "sign_in"));
    assert!(items[0]["at"].as_i64() >= items[1]["at"].as_i64() || items[0]["minute"] == items[1]["minute"]);

    let (mut seen, mut query) = (0, "audit?limit=1".to_owned());
    let all = count(&fixture).await;
    loop {
        let page = admin.get(&query).await.json();
        seen += i64::try_from(page["items"].as_array().unwrap().len()).unwrap();
        let Some(next) = page["next"].as_str() else { break };
        query = format!("audit?limit=1&after={next}");
    }
    assert_eq!(seen, all);
    let later = admin.get("audit?from=99999999999999").await.json();
    assert_eq!(later["items"], json!([]));
    assert_problem("a kind that is none", &admin.get("audit?kind=nothing").await, 400, "invalid");
    assert_problem("no cursor", &admin.get("audit?after=eA").await, 400, "invalid");
    assert_problem("no number", &admin.get("audit?from=yesterday").await, 400, "invalid");
    let reader = Admin::with(&fixture.a, &crate::admin::token(&fixture.a, "openid latchkey:users").await);
    assert_problem("another scope", &reader.get("audit").await, 403, "insufficient_scope");
}
