//! Webhooks (Standard Webhooks 1.0): who is told what, by whom, and what happens where nobody listens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Admin, assert_problem, last_change, token};
use crate::harness::{Fixture, Setup, Worker};
use crate::judge::{Heard, Judge, Reply};
use crate::support::{ADA, Person, sleep};

async fn realm() -> (Fixture, Admin, Judge) {
    let judge = Judge::start();
    let setup = Setup::default().var("OUTBOUND_ALLOW", &judge.host_port()).var("OUTBOUND_TIMEOUT", "1").var("LOGOUT_RETRY", "1");
    let fixture = setup.start().await;
    let admin = Admin::ada(&fixture.a).await;
    (fixture, admin, judge)
}

async fn made(admin: &Admin, said: &Value) -> Value {
    let made = admin.post("webhooks", said).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()
}

/// Moves all events an hour back and has the cron seal them; how many there are of each kind that is asked for.
async fn told(fixture: &Fixture) {
    fixture
        .d1("UPDATE audit_events SET minute = minute - 60 WHERE minute > (SELECT COALESCE(MAX(minute), 0) FROM audit_seals)", &[])
        .await;
    fixture.cron(Worker::A).await;
}

/// Checks headers and signature as a receiver does; the body.
fn verified(heard: &Heard, secret: &str) -> Value {
    assert_eq!((heard.method.as_str(), heard.header("content-type")), ("POST", "application/json"));
    assert_eq!((heard.header("cookie"), heard.header("authorization")), ("", ""));
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    assert_eq!(key.len(), 32);
    let signed = format!("{}.{}.{}", heard.header("webhook-id"), heard.header("webhook-timestamp"), heard.body);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(signed.as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert!(heard.header("webhook-signature").split(' ').any(|one| one == signature), "{heard:?}");
    serde_json::from_str(&heard.body).unwrap()
}

#[tokio::test]
async fn an_event_is_told_once_signed_to_whoever_wants_its_kind() {
    let (fixture, admin, judge) = realm().await;
    for path in ["/all", "/denials", "/off"] {
        judge.answer(path, Reply::new(204, ""));
    }
    let all = made(&admin, &json!({ "url": judge.at("/all") })).await;
    made(&admin, &json!({ "url": judge.at("/denials"), "kinds": ["denial"] })).await;
    made(&admin, &json!({ "url": judge.at("/off"), "enabled": false })).await;
    assert_eq!(Person::new(&fixture.a).try_sign_in(ADA.0, ADA.1).await.status, 303);
    let n = fixture.d1("SELECT COUNT(*) AS n FROM audit_events", &[]).await[0]["n"].as_u64().unwrap();
    told(&fixture).await;
    let heard = judge.wait_for("/all", usize::try_from(n).unwrap()).await;
    let bodies: Vec<Value> = heard.iter().map(|heard| verified(heard, all["secret"].as_str().unwrap())).collect();
    let sign_in = bodies.iter().find(|body| body["type"] == "sign_in").unwrap();
    let row =
        &fixture.d1("SELECT * FROM audit_events WHERE kind = 'sign_in' AND id = ?1", &[sign_in["data"]["id"].clone()]).await[0];
    for member in ["at", "actor", "subject", "client_id", "place", "request_id"] {
        assert_eq!(sign_in["data"][member], row[member], "{member}");
    }
    assert!(sign_in["timestamp"].as_str().unwrap().ends_with('Z'), "{sign_in}");
    let change = bodies.iter().find(|body| body["type"] == "admin_change").unwrap();
    assert_eq!(change["data"]["detail"]["action"], "webhook.create");
    assert!(!change.to_string().contains("whsec_"));
    // The next run tells nothing again.
    fixture.cron(Worker::A).await;
    sleep(500).await;
    assert_eq!(judge.heard("/all").len(), heard.len());
    assert!(judge.heard("/denials").is_empty() && judge.heard("/off").is_empty());
}

#[tokio::test]
async fn a_receiver_that_fails_is_told_again_and_one_that_is_gone_is_not() {
    let (fixture, admin, judge) = realm().await;
    judge.answer("/fails", Reply::new(503, ""));
    judge.answer("/gone", Reply::new(410, ""));
    let fails = made(&admin, &json!({ "url": judge.at("/fails"), "kinds": ["sign_in"] })).await;
    let gone = made(&admin, &json!({ "url": judge.at("/gone"), "kinds": ["sign_in"] })).await;
    told(&fixture).await;
    let first = judge.wait_for("/fails", 1).await.remove(0);
    judge.wait_for("/gone", 1).await;
    let again = judge.wait_for("/fails", 2).await;
    let same = again.iter().filter(|heard| heard.header("webhook-id") == first.header("webhook-id")).count();
    assert!(same >= 2, "the id stays at every attempt: {again:?}");
    judge.answer("/fails", Reply::new(200, ""));
    for heard in &again {
        verified(heard, fails["secret"].as_str().unwrap());
    }
    for _ in 0..100 {
        let path = format!("webhooks/{}", gone["id"].as_str().unwrap());
        if admin.get(&path).await.json()["enabled"] == false {
            assert_eq!(last_change(&fixture, gone["id"].as_str().unwrap()).await["action"], "webhook.gone");
            return;
        }
        sleep(50).await;
    }
    panic!("it is still told");
}

#[tokio::test]
async fn what_is_deleted_or_turned_off_is_not_told_what_waits() {
    let (fixture, admin, judge) = realm().await;
    judge.answer("/x", Reply::new(500, ""));
    let webhook = made(&admin, &json!({ "url": judge.at("/x"), "kinds": ["sign_in"] })).await;
    told(&fixture).await;
    judge.wait_for("/x", 1).await;
    assert_eq!(admin.delete(&format!("webhooks/{}", webhook["id"].as_str().unwrap())).await.status, 204);
    sleep(1_500).await;
    let heard = judge.heard("/x").len();
    sleep(2_500).await;
    assert_eq!(judge.heard("/x").len(), heard);
    for id in fixture.objects("Outbox").await {
        assert_eq!(fixture.object("Outbox", &id).await["stored"], json!({}), "nothing waits for nobody");
    }
}

#[tokio::test]
async fn both_secrets_sign_for_the_overlap() {
    let (fixture, admin, judge) = realm().await;
    judge.answer("/x", Reply::new(200, ""));
    let webhook = made(&admin, &json!({ "url": judge.at("/x") })).await;
    let (path, old) = (format!("webhooks/{}", webhook["id"].as_str().unwrap()), webhook["secret"].as_str().unwrap());
    let read = admin.get(&path).await;
    assert!(!read.body.contains("whsec_") && read.json().get("secret").is_none());
    let stored = fixture.d1("SELECT secret FROM webhooks", &[]).await[0]["secret"].as_str().unwrap().to_owned();
    assert!(!stored.contains(old.strip_prefix("whsec_").unwrap()));

    let secret = admin.post_once(&format!("{path}/secrets"), "rotate-1", &json!({ "overlap_seconds": 60 })).await;
    assert_eq!((secret.status, secret.header("etag")), (201, "\"2\""), "{}", secret.body);
    let again = admin.post_once(&format!("{path}/secrets"), "rotate-1", &json!({ "overlap_seconds": 60 })).await;
    assert_eq!(again.json(), secret.json(), "asked again, it is the same");
    let new = secret.member("secret");
    assert_ne!(new, old);
    assert_eq!(admin.post(&format!("{path}/test"), &json!({})).await.json(), json!({ "delivered": true, "status": 200 }));
    let heard = judge.heard("/x").remove(0);
    assert_eq!(verified(&heard, old)["type"], "test");
    verified(&heard, &new);
    // Without overlap: the old one is no secret any more.
    assert_eq!(admin.post(&format!("{path}/secrets"), &json!({ "overlap_seconds": 0 })).await.status, 201);
    admin.post(&format!("{path}/test"), &json!({})).await;
    assert_eq!(judge.heard("/x")[1].header("webhook-signature").split(' ').count(), 1);
    // A new root secret: the cron wraps it anew, and it is the same secret.
    let before = fixture.d1("SELECT secret FROM webhooks", &[]).await;
    fixture.cron(Worker::A).await;
    assert_eq!(fixture.d1("SELECT secret FROM webhooks", &[]).await, before, "by the active key already");
}

/// Where only we can reach (RFC 9700 4.11) nothing is posted, whoever asks for it.
#[tokio::test]
async fn private_targets_are_refused() {
    let (fixture, admin, judge) = realm().await;
    for url in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.1.2.3/x",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "https://localhost/",
        "https://db.internal/",
        "https://example.com:8443/",
        "https://user@example.com/",
        "ftp://example.com/",
        "",
    ] {
        let problem = assert_problem(url, &admin.post("webhooks", &json!({ "url": url })).await, 400, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}");
    }
    // Written past us, it is refused when something is to be sent.
    let webhook = made(&admin, &json!({ "url": judge.at("/x") })).await;
    let path = format!("webhooks/{}", webhook["id"].as_str().unwrap());
    fixture.d1("UPDATE webhooks SET url = 'https://192.168.0.1/'", &[]).await;
    let answer = admin.post(&format!("{path}/test"), &json!({})).await.json();
    assert_eq!(answer, json!({ "delivered": false, "error": "URL refused: an IP address" }));
    // Nor is a redirect to there followed.
    fixture.d1("UPDATE webhooks SET url = ?1", &[json!(judge.at("/away"))]).await;
    judge.answer("/away", Reply::redirect("http://127.0.0.1:1/"));
    let answer = admin.post(&format!("{path}/test"), &json!({})).await.json();
    assert_eq!((&answer["delivered"], answer["error"].as_str().unwrap().contains("redirect")), (&json!(false), true));
}

#[tokio::test]
async fn webhooks_are_changed_like_everything_else() {
    let (fixture, admin, judge) = realm().await;
    let made = admin.post_once("webhooks", "once", &json!({ "url": judge.at("/x") })).await;
    let again = admin.post_once("webhooks", "once", &json!({ "url": judge.at("/x") })).await;
    assert_eq!((made.status, again.json()), (201, made.json()));
    let path = format!("webhooks/{}", made.member("id"));
    assert_eq!(made.header("location"), format!("/admin/v1/{path}"));
    let bad = json!({ "kinds": ["denial", "refresh", "x"], "url": "x" });
    let problem = assert_problem("kinds", &admin.patch(&path, "\"1\"", &bad).await, 400, "invalid");
    let pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/url", "/kinds/1", "/kinds/2"]);
    assert_problem("unknown", &admin.patch(&path, "\"1\"", &json!({ "secret": "x" })).await, 400, "unknown_field");
    let changed = admin.patch(&path, "\"1\"", &json!({ "kinds": ["denial"], "enabled": false })).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{}", changed.body);
    assert_problem("stale", &admin.patch(&path, "\"1\"", &json!({ "enabled": true })).await, 412, "stale");
    let changed = admin.patch(&path, "\"2\"", &json!({ "kinds": null, "enabled": null })).await;
    assert_eq!((&changed.json()["kinds"], &changed.json()["enabled"]), (&json!([]), &json!(true)));
    assert_eq!(admin.get("webhooks").await.json()["items"].as_array().unwrap().len(), 1);

    // A scope of its own; reading is not writing.
    let users = Admin::with(&fixture.a, &token(&fixture.a, "openid latchkey:users").await);
    assert_problem("another scope", &users.get("webhooks").await, 403, "insufficient_scope");
    let reader = Admin::with(&fixture.a, &token(&fixture.a, "openid latchkey:admin.read").await);
    assert_eq!(reader.get(&path).await.status, 200);
    assert_problem("a reader", &reader.post(&format!("{path}/test"), &json!({})).await, 403, "insufficient_scope");

    // There is room for twenty, also for whoever asks for many at once.
    let all = (0..30).map(|n| {
        let (admin, said) = (admin.clone(), json!({ "url": judge.at(&format!("/{n}")) }));
        tokio::spawn(async move { admin.post("webhooks", &said).await })
    });
    let mut made = 0;
    for answer in all.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        if answer.status == 201 {
            made += 1;
        } else {
            let problem = assert_problem("full", &answer, 409, "conflict");
            assert!(problem["detail"].as_str().unwrap().contains("20"), "{problem}");
        }
    }
    assert_eq!(made, 19);
    assert_eq!(admin.delete(&path).await.status, 204);
    assert_problem("gone", &admin.get(&path).await, 404, "not_found");
    assert_eq!(last_change(&fixture, path.strip_prefix("webhooks/").unwrap()).await["action"], "webhook.delete");
}
