//! Keys that succeed each other while devices go on: KEY_PUBLISH_LEAD is three seconds here.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::{kids, published, signer, stored};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{Answer, Api, Person, sleep};

const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

async fn start() -> Fixture {
    Setup::default().var("KEY_PUBLISH_LEAD", "3").var("KEY_CACHE", "1").start().await
}

/// Brings today's keys near their end, as a month would.
async fn let_keys_grow_old(fixture: &Fixture) {
    fixture.d1(&format!("UPDATE signing_keys SET sign_until = {NOW} + 5000"), &[]).await;
}

/// The newest key of access tokens.
async fn newest(fixture: &Fixture) -> Value {
    let rows = stored(fixture).await;
    rows.into_iter().filter(|row| row["alg"] == "ES256").max_by_key(|row| row["number"].as_i64()).unwrap()
}

/// A device that refreshes at both Workers in turn.
struct Device {
    apis: [Api; 2],
    tokens: Answer,
}

impl Device {
    async fn signed_in(fixture: &Fixture) -> Self {
        let apis = [Api::demo(&fixture.a), Api::demo(&fixture.b)];
        let tokens = apis[0].signed_in(&Person::ada(&fixture.a).await).await;
        Self { apis, tokens }
    }

    /// Who signs at both Workers now.
    async fn signers(&mut self) -> [String; 2] {
        let mut signers = Vec::new();
        for api in &self.apis {
            self.tokens = api.refresh(&self.tokens.member("refresh_token")).await;
            signers.push(signer(&self.tokens));
        }
        signers.try_into().unwrap()
    }

    /// Whether a token is good at both Workers.
    async fn accepts(&self, tokens: &Answer) -> bool {
        let mut statuses = Vec::new();
        for api in &self.apis {
            statuses.push(api.userinfo(&tokens.member("access_token")).await.status);
        }
        assert!(statuses[0] == statuses[1], "{statuses:?}");
        statuses[0] == 200
    }
}

/// A successor is published before it signs, takes over at both Workers, and what its predecessor signed
/// is good until that leaves the set.
#[tokio::test]
async fn keys_rotate_under_a_device_that_goes_on() {
    let fixture = start().await;
    let mut device = Device::signed_in(&fixture).await;
    let (first_tokens, first) = (device.tokens.clone(), signer(&device.tokens));
    let_keys_grow_old(&fixture).await;
    tokio::join!(fixture.cron(Worker::A), fixture.cron(Worker::B));
    assert_eq!(stored(&fixture).await.len(), 4, "one successor of each algorithm, though two Workers made them at once");
    assert_eq!(device.signers().await, [first.clone(), first.clone()], "made, and not signing yet");
    // Of two that put a set at once, one may have put what was before; the next run heals that.
    fixture.cron(Worker::A).await;
    let made_at = Instant::now();

    let second = newest(&fixture).await;
    let second_kid = second["kid"].as_str().unwrap().to_owned();
    assert_eq!(second["number"], 2);
    assert!(second["sign_from"].as_i64().unwrap() - second["publish"].as_i64().unwrap() >= 3000);
    assert!(published(&fixture).await.contains(&second_kid) && published(&fixture).await.contains(&first));
    fixture.cron(Worker::B).await;
    assert_eq!(newest(&fixture).await["sign_from"], second["sign_from"], "seen in KV, so not postponed");

    // Three seconds of lead, one second of an isolate's memory.
    sleep_until(made_at + Duration::from_millis(4300)).await;
    assert_eq!(device.signers().await, [second_kid.clone(), second_kid.clone()]);
    assert!(device.accepts(&first_tokens).await && device.accepts(&device.tokens).await);
    fixture.restart(json!({})).await;
    let jwks = super::jwks(&fixture.b).await;
    assert!([&first, &second_kid].iter().all(|kid| kids(&jwks).contains(kid)), "{jwks}");
    assert!(device.accepts(&first_tokens).await, "at isolates that never met the old key as signer");

    // The old one leaves: in an emergency at once, by one row.
    fixture.d1(&format!("UPDATE signing_keys SET remove_at = {NOW}, sign_until = {NOW} WHERE number = 1"), &[]).await;
    sleep(1100).await;
    assert!(!device.accepts(&first_tokens).await);
    assert!(device.accepts(&device.tokens).await);
    fixture.cron(Worker::B).await;
    assert!(!published(&fixture).await.contains(&first) && published(&fixture).await.contains(&second_kid));
    assert_eq!(stored(&fixture).await.len(), 4, "its row stays, to check old hints");
    assert_eq!(device.signers().await, [second_kid.clone(), second_kid]);
}

/// A KV that still shows yesterday's set: nobody signs with a key that its readers cannot know.
#[tokio::test]
async fn a_key_that_kv_does_not_show_yet_is_postponed() {
    let fixture = start().await;
    let mut device = Device::signed_in(&fixture).await;
    let first = signer(&device.tokens);
    fixture.cron(Worker::A).await;
    assert!(published(&fixture).await.contains(&first));
    let_keys_grow_old(&fixture).await;
    fixture.fault(Worker::A, &Fault::new("PUBLISHED", Mode::Stale(60_000), "")).await;
    let made_at = Instant::now();
    let at = |millis| sleep_until(made_at + Duration::from_millis(millis));
    fixture.cron(Worker::A).await;
    let due = newest(&fixture).await;
    at(1500).await;
    fixture.cron(Worker::A).await;
    assert!(made_at.elapsed() < Duration::from_secs(3), "too slow a machine to tell");
    let postponed = newest(&fixture).await;
    assert_eq!((&postponed["number"], &postponed["kid"]), (&due["number"], &due["kid"]), "the same key");
    for instant in ["sign_from", "sign_until", "remove_at"] {
        assert!(postponed[instant].as_i64() > due[instant].as_i64(), "{instant}: {postponed} after {due}");
    }

    // It would sign by now; its predecessor does, for longer than it was told at first.
    at(3300).await;
    assert_eq!(device.signers().await, [first.clone(), first.clone()]);
    fixture.cron(Worker::A).await;
    let again = newest(&fixture).await;
    assert!(again["sign_from"].as_i64() > postponed["sign_from"].as_i64());
    let signing = stored(&fixture).await;
    for row in signing.iter().filter(|row| row["number"] == 1) {
        assert!(row["sign_until"].as_i64() > again["sign_from"].as_i64(), "no gap: {row}");
    }

    // The put has arrived: it is read back, stays as it is, and takes over.
    fixture.disarm(Worker::A).await;
    fixture.cron(Worker::A).await;
    assert_eq!(newest(&fixture).await["sign_from"], again["sign_from"]);
    at(3300 + 3000 + 1300).await;
    sleep(100).await;
    let second = due["kid"].as_str().unwrap().to_owned();
    assert_eq!(device.signers().await, [second.clone(), second]);
}

/// A cron that cannot publish says so and changes nothing for those who sign.
#[tokio::test]
async fn a_kv_that_is_down_stops_no_device() {
    let fixture = start().await;
    let mut device = Device::signed_in(&fixture).await;
    let first = signer(&device.tokens);
    let_keys_grow_old(&fixture).await;
    let down = Fault { times: 4, ..Fault::new("PUBLISHED", Mode::Before, "jwks") };
    fixture.fault(Worker::A, &down).await;
    fixture.cron(Worker::A).await;
    let crons = fixture.logs().await.into_iter().map(|entry| entry["line"].clone()).filter(|line| line["event"] == "cron");
    let failures: Vec<_> = crons.filter(|line| line["level"] == "error").collect();
    assert!(
        !failures.is_empty() && failures.iter().all(|line| line["detail"].as_str().unwrap().starts_with("KV")),
        "{failures:?}"
    );
    assert_eq!(device.signers().await, [first.clone(), first]);
    fixture.disarm(Worker::A).await;
    fixture.cron(Worker::A).await;
    assert_eq!(newest(&fixture).await["number"], 2);
    assert!(published(&fixture).await.contains(&newest(&fixture).await["kid"].as_str().unwrap().to_owned()));
}
