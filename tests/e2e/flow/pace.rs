//! How often a device may ask: RFC 8628 3.5.

use super::{assert_refused, fixture, lines_of, rows};
use crate::support::{Api, Person, sleep};

/// RFC 8628 3.5: the first poll is never too early; each early one adds five seconds for good, and
/// does not move the instant that the interval counts from, so a client that obeys is heard again.
/// A pending poll writes nothing and asks D1 at most for the client.
#[tokio::test]
async fn early_polls_slow_the_device_down_and_obeying_is_enough() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "paced");
    let sign_in = api.start().await;
    assert_eq!(sign_in.answer.json()["interval"], 1);
    assert_refused(&api.poll(&sign_in).await, "authorization_pending");
    let accepted = tokio::time::Instant::now();
    let at = |millis| tokio::time::sleep_until(accepted + std::time::Duration::from_millis(millis));

    // One second becomes six, seen by the next one: a poll after four would have been welcome.
    assert_refused(&api.poll(&sign_in).await, "slow_down");
    at(4000).await;
    assert_refused(&api.poll(&sign_in).await, "slow_down");
    // Eleven seconds since the last poll that was accepted, seven since the last one.
    at(11_200).await;
    assert_refused(&api.poll(&sign_in).await, "authorization_pending");

    let polls: Vec<_> = lines_of(fixture, "paced").await.into_iter().filter(|line| line["route"] == "token").collect();
    let written: Vec<_> = polls.iter().map(|line| (line["error"].as_str().unwrap_or_default(), rows(line))).collect();
    let expected = [("authorization_pending", 0), ("slow_down", 1), ("slow_down", 1), ("authorization_pending", 0)];
    assert_eq!(written, expected);
    for line in &polls {
        let cost = &line["cost"];
        assert_eq!(cost["objects"], 1, "one request to the flow: {line}");
        assert!(cost["d1_statements"].as_i64().is_some_and(|statements| statements <= 1), "{line}");
    }
    assert_eq!(polls[1]["cost"]["d1_statements"], 0, "the client is remembered: {}", polls[1]);
}

/// Whoever was too early is not kept waiting once the user has answered.
#[tokio::test]
async fn an_approved_device_collects_however_impatient_it_was() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let sign_in = api.start().await;
    assert_refused(&api.poll(&sign_in).await, "authorization_pending");
    assert_refused(&api.poll(&sign_in).await, "slow_down");
    Person::ada(&fixture.a).await.approve(&sign_in.user_code).await;
    let tokens = api.poll(&sign_in).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
}

/// Neither is one whose user said no.
#[tokio::test]
async fn a_denied_device_is_told() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let sign_in = api.start().await;
    assert_refused(&api.poll(&sign_in).await, "authorization_pending");
    let page = Person::ada(&fixture.a).await.deny(&sign_in.user_code).await;
    assert_eq!(page.status, 200);
    assert_refused(&api.poll(&sign_in).await, "access_denied");
    sleep(20).await;
    assert_refused(&api.at(&fixture.b).poll(&sign_in).await, "access_denied");
}

/// Flows that wait for a user cost storage, so each client may have so many of them; another
/// client's share is its own.
#[tokio::test]
async fn the_live_flows_of_a_client_are_capped() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "few");
    let mut started = 0;
    let refused = loop {
        let answer = api.post("/device_authorization", &[]).await;
        if answer.status != 200 {
            break answer;
        }
        started += 1;
        assert!(started <= 4, "more than its cap of four");
    };
    assert!(started >= 2, "half of the cap can be had at once: {started}");
    assert_eq!((refused.status, refused.error().as_str()), (429, "temporarily_unavailable"), "{}", refused.body);
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=600).contains(&wait), "{wait}");
    Api::demo(&fixture.a).start().await;
}
