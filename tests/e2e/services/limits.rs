//! The coarse filters: `LIMIT_CLIENT` on reads of clients, by network, and `LIMIT_TOKEN` on what services ask, by
//! client and network. A stranger who guesses secrets is slowed down, and the client that it guesses at does not notice.

use std::sync::OnceLock;

use super::{api, ask, assert_error, cost, introspect, own, setup};
use crate::harness::Fixture;
use crate::support::{Answer, Api};

/// What each filter lets through in a minute.
const LIMIT: u32 = 10;

/// 429 that says when to come again (RFC 6585 4), from a filter before anything that costs.
async fn assert_throttled(fixture: &Fixture, what: &str, answer: &Answer) {
    assert_error(what, answer, 429, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "60", "{what}");
    assert_eq!(answer.header("www-authenticate"), "", "{what}");
    assert_eq!(cost(fixture, answer).await, [0; 5], "{what}");
}

/// Asks until it is throttled; by then every answer was another. A minute may end meanwhile, but not two.
async fn until_throttled(fixture: &Fixture, what: &str, status: u16, ask: impl AsyncFn(u32) -> Answer) {
    for number in 0..=2 * LIMIT {
        let answer = ask(number).await;
        if answer.status == 429 {
            return assert_throttled(fixture, what, &answer).await;
        }
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
    }
    panic!("{what}: never throttled");
}

#[tokio::test]
async fn guesses_at_a_secret_are_throttled_and_the_client_goes_on() {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    let fixture = FIXTURE.get_or_init(|| setup().var("CLIENT_CACHE", "300").rate_limit("LIMIT_CLIENT", LIMIT).start_now());
    let worker = api(&fixture.a, "worker");
    let token = own(&fixture.a, "worker", &[]).await;
    super::told(&introspect(&fixture.a, "gateway", &token).await);
    let guess = |number: u32| Api::basic(&fixture.a, "worker", &format!("guess-{number}"));
    until_throttled(fixture, "guesses", 401, async |number| ask(&guess(number), &[]).await).await;
    // What is in memory and right needs no read.
    let answer = ask(&worker, &[]).await;
    assert!(answer.is_granted(), "{}", answer.body);
    super::told(&introspect(&fixture.a, "gateway", &token).await);
    // The same filter stands before every endpoint that authenticates clients.
    until_throttled(fixture, "at /introspect", 401, async |_| introspect(&fixture.a, "nobody", &token).await).await;
    until_throttled(fixture, "at /revoke", 401, async |number| guess(number).post("/revoke", &[("token", "x")]).await).await;
    let by_body = Api::public(&fixture.a, "worker");
    until_throttled(fixture, "by body", 400, async |_| ask(&by_body, &[]).await).await;
    assert!(ask(&worker, &[]).await.is_granted());
}

#[tokio::test]
async fn each_client_has_its_own_pace_and_those_without_proof_share_one() {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    let fixture = FIXTURE.get_or_init(|| setup().rate_limit("LIMIT_TOKEN", LIMIT).start_now());
    let token = own(&fixture.a, "worker", &[]).await;
    until_throttled(fixture, "its own requests", 200, async |_| ask(&api(&fixture.a, "worker"), &[]).await).await;
    until_throttled(fixture, "bad ones count too", 400, async |_| ask(&api(&fixture.a, "wide"), &[("scope", "x")]).await).await;
    for other in ["dark", "lasting"] {
        let answer = ask(&api(&fixture.a, other), &[]).await;
        assert!(answer.is_granted(), "{other}: {}", answer.body);
    }
    // Other endpoints and other grants have their own filters.
    super::told(&introspect(&fixture.a, "gateway", &token).await);
    let lamp = Api::public(&fixture.a, "lamp");
    assert_error("a refresh", &lamp.refresh("x").await, 400, "invalid_grant");
    // Who proves nothing names whom it likes: all of them together are one.
    until_throttled(fixture, "names without proof", 400, async |number| {
        ask(&Api::public(&fixture.a, &format!("nobody-{number}")), &[]).await
    })
    .await;
    assert!(ask(&api(&fixture.a, "at-home"), &[]).await.is_granted(), "who proves something is somebody else");
}
