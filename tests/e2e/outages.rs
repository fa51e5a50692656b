//! What is ours must never become the peer's fault: keys that cannot be had, a client that changed, a
//! database or object that does not answer. Nobody is signed out, throttled or slowed down for it.
#![expect(clippy::unwrap_used, reason = "a broken step fails the test by panicking")]

use serde_json::{Value, json};

use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{self, ADA, Answer, Api, Person, sleep};

fn client(id: &str, changes: &Value) -> Value {
    support::client(id, &[json!({ "scope": "openid profile records:read", "refresh_grace": 1 }), changes.clone()])
}

async fn generations(fixture: &Fixture, client: &str) -> Vec<i64> {
    let rows = fixture.d1("SELECT generation FROM grants WHERE client_id = ?1 AND revoked_at IS NULL", &[client.into()]).await;
    rows.iter().map(|row| row["generation"].as_i64().unwrap()).collect()
}

#[track_caller]
fn assert_ours(answer: &Answer) {
    assert!(answer.status >= 500, "{} {}", answer.status, answer.body);
    assert_ne!(answer.error(), "invalid_grant");
}

/// A refresh that cannot be answered rotates nothing: or, past the grace window, the retry of an
/// obedient client would look like theft.
#[tokio::test]
async fn a_realm_without_signing_keys_rotates_nothing() {
    let fixture =
        Setup::default().var("KEY_CACHE", "1").seed(&json!({ "clients": [client("patient", &json!({}))] })).start().await;
    let api = Api::public(&fixture.a, "patient");
    let person = Person::ada(&fixture.a).await;
    let tokens = api.signed_in(&person).await;
    let waiting = api.start().await;
    person.approve(&waiting.user_code).await;

    let rows = fixture.d1("UPDATE signing_keys SET sign_until = 1 RETURNING alg, number", &[]).await;
    assert_eq!(rows.len(), 2);
    sleep(1_100).await;
    assert_ours(&api.refresh(&tokens.member("refresh_token")).await);
    assert_ours(&api.poll(&waiting).await);
    assert_eq!(generations(&fixture, "patient").await, [0], "nothing was rotated and nothing collected");

    sleep(1_100).await;
    fixture.d1("UPDATE signing_keys SET sign_until = publish + 86400000", &[]).await;
    let again = api.refresh(&tokens.member("refresh_token")).await;
    assert!(again.is_granted(), "past its grace window the same token still works: {}", again.body);
    assert!(api.poll(&waiting).await.is_granted());
}

/// RFC 6749 6 and RFC 8707: what is refused because the client lost it has changed nothing, and works
/// again when the client has it again.
#[tokio::test]
async fn a_refresh_refused_for_what_the_client_lost_rotates_nothing() {
    let with = json!({ "resources": ["https://api.example", "https://second.example"] });
    let fixture = Setup::default().seed(&json!({ "clients": [client("moving", &with)] })).start().await;
    let api = Api::public(&fixture.a, "moving");
    let sign_in = api.start_with(&[("resource", "https://second.example")]).await;
    Person::ada(&fixture.a).await.approve(&sign_in.user_code).await;
    let tokens = api.poll(&sign_in).await;
    assert_eq!(crate::support::claims(&tokens.member("access_token"))["aud"], "https://second.example");

    let set =
        "UPDATE clients SET metadata = json_set(metadata, '$.resources', json(?1)), version = version + 1 WHERE id = 'moving'";
    fixture.d1(set, &[r#"["https://api.example"]"#.into()]).await;
    let refused = api.refresh(&tokens.member("refresh_token")).await;
    assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_target"));
    assert_eq!(generations(&fixture, "moving").await, [0]);

    sleep(1_100).await;
    fixture.d1(set, &[r#"["https://api.example","https://second.example"]"#.into()]).await;
    let again = api.refresh(&tokens.member("refresh_token")).await;
    assert!(again.is_granted(), "{}", again.body);
    assert_eq!(crate::support::claims(&again.member("access_token"))["aud"], "https://second.example");
}

/// The cache may say yes, never no.
#[tokio::test]
async fn what_a_client_was_just_given_it_has_at_once() {
    let fixture = Setup::default().seed(&json!({ "clients": [client("growing", &json!({ "scope": "openid" }))] })).start().await;
    let (a, b) = (Api::public(&fixture.a, "growing"), Api::public(&fixture.b, "growing"));
    for api in [&a, &b] {
        assert_eq!(api.post("/device_authorization", &[("scope", "records:read")]).await.error(), "invalid_scope");
    }
    let give = "UPDATE clients SET metadata = json_set(metadata, '$.scope', 'openid records:read'), version = version + 1 WHERE id = 'growing'";
    fixture.d1(give, &[]).await;
    for api in [&a, &b] {
        assert_eq!(api.post("/device_authorization", &[("scope", "records:read")]).await.status, 200);
    }
}

/// RFC 8628 3.5: a device is slowed down for its own pace only, not for a message that we sent twice.
#[tokio::test]
async fn an_answer_that_was_lost_inside_slows_nobody_down() {
    let fixture = Setup::default().start().await;
    let api = Api::demo(&fixture.a);
    let sign_in = api.start().await;
    fixture.fault(Worker::A, &Fault::new("DEVICE_FLOW", Mode::After, "\"poll\"")).await;
    let first = api.poll(&sign_in).await;
    assert_eq!(fixture.disarm(Worker::A).await, 0, "the fault struck");
    assert_eq!(first.error(), "authorization_pending", "{}", first.body);
}

/// A database that does not answer is no wrong password, and no wrong code.
#[tokio::test]
async fn our_failures_use_up_nobodys_guesses() {
    let fixture = Setup::default().var("PASSWORD_BUDGET", "2").var("CODE_BUDGET_SESSION", "2").start().await;
    let person = Person::new(&fixture.a);
    for _ in 0..3 {
        fixture.fault(Worker::A, &Fault { times: 2, ..Fault::new("DB", Mode::Before, "FROM logins") }).await;
        assert_eq!(person.try_sign_in(ADA.0, ADA.1).await.status, 503);
    }
    assert_eq!(fixture.disarm(Worker::A).await, 0);
    person.sign_in(ADA.0, ADA.1).await;

    let sign_in = Api::demo(&fixture.a).start().await;
    for _ in 0..3 {
        fixture.fault(Worker::A, &Fault { times: 2, ..Fault::new("DEVICE_FLOW", Mode::Before, "\"look\"") }).await;
        assert_eq!(person.enter(&sign_in.user_code).await.status, 503);
    }
    assert_eq!(fixture.disarm(Worker::A).await, 0);
    assert_eq!(person.approve(&sign_in.user_code).await.status, 200);
}

/// Budgets outlive the memory of their object: who pauses between bursts gains nothing.
#[tokio::test]
async fn an_eviction_forgets_no_miss() {
    let fixture = Setup::default().var("PASSWORD_BUDGET", "3").var("REALM_PASSWORD_BUDGET", "6").start().await;
    let person = Person::new(&fixture.a);
    for (login, wrong) in [("ada", 3), ("nobody", 3)] {
        for _ in 0..wrong {
            assert_eq!(person.try_sign_in(login, "wrong").await.status, 400);
            fixture.evict("Throttle").await;
        }
        assert_eq!(person.try_sign_in(login, "wrong").await.status, 429, "{login}: the account's budget is spent");
        fixture.evict("Throttle").await;
    }
    assert_eq!(person.try_sign_in("somebody else", "wrong").await.status, 429, "the realm's budget is spent");
}

/// One failed read of KV puts nothing older over what the cron published.
#[tokio::test]
async fn a_kv_that_fails_is_not_overwritten() {
    let fixture = Setup::default().start().await;
    assert_eq!(Api::demo(&fixture.b).get("/jwks.json").await.status, 200);
    fixture.set_kv("jwks", Some("{\"keys\":[\"newer\"]}")).await;
    fixture.restart(json!({})).await;
    fixture.fault(Worker::A, &Fault::new("PUBLISHED", Mode::Before, "get jwks")).await;
    let answer = Api::demo(&fixture.a).get("/jwks.json").await;
    assert_eq!(fixture.disarm(Worker::A).await, 0);
    assert_eq!(answer.json()["keys"].as_array().unwrap().len(), 2, "answered from the database");
    assert_eq!(fixture.kv("jwks").await.unwrap(), "{\"keys\":[\"newer\"]}");
}

/// After a roll-back to a ring without the newest number, people can sign in anew.
#[tokio::test]
async fn cookies_of_a_newer_ring_lock_nobody_out() {
    let fixture = Setup::default().start().await;
    let before = fixture.secrets(Worker::A).await;
    let old = before["LATCHKEY_KEYS"].as_str().unwrap();
    let ring = format!("2:{},{old}", "A".repeat(43));
    fixture.restart(json!({ "a": { "secrets": { "LATCHKEY_KEYS": ring, "LATCHKEY_KEY_ACTIVE": "2" } } })).await;
    let person = Person::ada(&fixture.a).await;
    let mut rolled_back = person.clone();
    rolled_back.base.clone_from(&fixture.b);
    assert_eq!(rolled_back.get("/").await.status, 503, "sealed by a newer ring: try again, do not sign out");
    rolled_back.sign_in(ADA.0, ADA.1).await;
    assert_eq!(rolled_back.get("/").await.status, 200);
}

/// What was collected in the last moment can still be had again for `DEVICE_REPEAT` when its answer was
/// lost; what was never collected cannot.
#[tokio::test]
async fn a_late_collection_can_be_repeated_after_the_end() {
    let numbers =
        [("DEVICE_CODE_LIFETIME", "5"), ("DEVICE_APPROVAL_MARGIN", "1"), ("DEVICE_INTERVAL", "1"), ("DEVICE_REPEAT", "6")];
    let fixture = numbers.iter().fold(Setup::default(), |setup, (name, value)| setup.var(name, value)).start().await;
    let api = Api::demo(&fixture.a);
    let person = Person::ada(&fixture.a).await;
    let (collected, forgotten) = (api.start().await, api.start().await);
    let begin = tokio::time::Instant::now();
    person.approve(&collected.user_code).await;
    person.approve(&forgotten.user_code).await;
    tokio::time::sleep_until(begin + std::time::Duration::from_secs(4)).await;
    let tokens = api.poll(&collected).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    // The code ended at 5 s and collection at 7 s; three quarters of the repetition are over at 8.5 s.
    tokio::time::sleep_until(begin + std::time::Duration::from_millis(8_500)).await;
    let again = api.poll(&collected).await;
    assert!(again.is_granted(), "{}", again.body);
    assert_eq!(again.member("refresh_token"), tokens.member("refresh_token"));
    assert_eq!(api.poll(&forgotten).await.error(), "expired_token");
    tokio::time::sleep_until(begin + std::time::Duration::from_millis(10_500)).await;
    assert_eq!(api.poll(&collected).await.error(), "invalid_grant", "and then it is spent");
    assert!(api.refresh(&tokens.member("refresh_token")).await.is_granted(), "which hurts nobody");
}
