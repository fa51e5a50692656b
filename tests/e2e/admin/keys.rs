//! Signing keys: rotated, and removed when one is no secret any more.

use serde_json::{Value, json};

use super::{Admin, assert_problem, last_change};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{Api, Person};

async fn keys(admin: &Admin) -> Vec<Value> {
    let listed = admin.get("keys").await;
    assert_eq!(listed.status, 200, "{}", listed.body);
    assert!(!listed.body.contains("\"d\"") && !listed.body.contains("wrapped"));
    listed.json()["items"].as_array().unwrap().clone()
}

fn of<'a>(keys: &'a [Value], alg: &str, state: &str) -> Vec<&'a str> {
    let those = keys.iter().filter(|key| key["alg"] == alg && key["state"] == state);
    those.map(|key| key["kid"].as_str().unwrap()).collect()
}

async fn published(fixture: &Fixture) -> String {
    fixture.kv("jwks").await.unwrap_or_default()
}

#[tokio::test]
async fn successors_are_published_at_once_and_wait_for_their_turn() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let before = keys(&admin).await;
    let signing = of(&before, "ES256", "signing");
    assert_eq!(signing.len(), 1);
    let rotated = admin.post("keys/rotate", &json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    let after = keys(&admin).await;
    let waiting = of(&after, "ES256", "waiting");
    assert_eq!((of(&after, "ES256", "signing"), waiting.len(), of(&after, "RS256", "waiting").len()), (signing, 1, 1));
    assert!(published(&fixture).await.contains(waiting[0]));
    assert_eq!(last_change(&fixture, "").await["action"], "key.rotate");
    // Asked again, nothing more is made.
    assert_eq!(admin.at(&fixture.b).post("keys/rotate", &json!({})).await.status, 200);
    assert_eq!(keys(&admin).await, after);
}

#[tokio::test]
async fn a_key_that_is_removed_is_good_for_nothing_at_once() {
    let fixture = Setup::default().var("KEY_CACHE", "1").start().await;
    let admin = Admin::ada(&fixture.a).await;
    let person = Person::ada(&fixture.a).await;
    let device = Api::public(&fixture.a, "demo-device");
    let tokens = device.signed_in(&person).await;
    assert_eq!(device.userinfo(&tokens.member("access_token")).await.status, 200);
    let before = keys(&admin).await;
    let kid = of(&before, "ES256", "signing")[0];
    // The administrator's own token is of that key.
    assert_eq!(admin.delete(&format!("keys/{kid}")).await.status, 204);
    assert!(!published(&fixture).await.contains(kid));
    assert_eq!(last_change(&fixture, kid).await["action"], "key.delete");
    assert_eq!(device.userinfo(&tokens.member("access_token")).await.status, 401);
    assert_problem("its own token too", &admin.get("keys").await, 401, "unauthorized");
    // Devices go on with a key that takes its place.
    let next = device.refresh(&tokens.member("refresh_token")).await;
    assert!(next.is_granted(), "{}", next.body);
    assert_eq!(device.userinfo(&next.member("access_token")).await.status, 200);
    let admin = Admin::ada(&fixture.a).await;
    let after = keys(&admin).await;
    assert!(after.iter().all(|key| key["kid"] != kid));
    assert_eq!(of(&after, "ES256", "signing").len(), 1);
    assert_problem("gone", &admin.delete(&format!("keys/{kid}")).await, 404, "not_found");
    fixture.cron(Worker::A).await;
    assert!(!published(&fixture).await.contains(kid));
}

/// The keys changed while one was being removed: it stays, rather than that nobody signs.
#[tokio::test]
async fn a_signer_goes_only_when_another_signs() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let before = keys(&admin).await;
    let kid = of(&before, "ES256", "signing")[0].to_owned();
    fixture.fault(Worker::A, &Fault::new("DB", Mode::Slow(2000), "INSERT INTO signing_keys")).await;
    let (removing, path) = (admin.clone(), format!("keys/{kid}"));
    let late = tokio::spawn(async move { removing.delete(&path).await });
    crate::support::sleep(700).await;
    // Its successor takes the number that the replacement was to have, and does not sign yet.
    assert_eq!(admin.at(&fixture.b).post("keys/rotate", &json!({})).await.status, 200);
    assert_problem("try again", &late.await.unwrap(), 503, "unavailable");
    assert_eq!(of(&keys(&admin).await, "ES256", "signing"), [kid.as_str()]);
    assert_eq!(admin.delete(&format!("keys/{kid}")).await.status, 204);
    let admin = Admin::ada(&fixture.a).await;
    let after = keys(&admin).await;
    assert_eq!((of(&after, "ES256", "signing").len(), of(&after, "ES256", "waiting").len()), (1, 1));
}
