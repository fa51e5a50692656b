//! Collecting what was approved: once, however many ask.

use latchkey::protocol::device::DeviceCode;
use serde_json::json;

use super::{assert_refused, fixture, grant_of, grants_of, lines_of, rows, unsealed};
use crate::support::{Answer, Api, Person, claims};

/// Runs the same request so many times at once, half of them at each Worker.
pub async fn at_both<F: Future<Output = Answer> + Send + 'static>(
    times: usize,
    request: impl Fn(&'static str) -> F,
) -> Vec<Answer> {
    let fixture = fixture();
    let urls = [fixture.a.as_str(), fixture.b.as_str()];
    let requests: Vec<_> = (0..times).map(|number| tokio::spawn(request(urls.get(number % 2).unwrap()))).collect();
    let mut answers = Vec::new();
    for request in requests {
        answers.push(request.await.unwrap());
    }
    answers
}

/// "One token set" means one grant and one refresh token, however many polls race and wherever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_redemptions_end_with_one_grant() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "raced");
    let sign_in = api.start().await;
    Person::ada(&fixture.a).await.approve(&sign_in.user_code).await;
    let answers = at_both(40, |url| {
        let (api, sign_in) = (api.at(url), sign_in.clone());
        async move { api.poll(&sign_in).await }
    })
    .await;
    for answer in &answers {
        assert!(answer.is_granted(), "every poll of an approved flow is answered: {} {}", answer.status, answer.body);
        assert_eq!(answer.member("refresh_token"), answers[0].member("refresh_token"));
        let sid = |answer: &Answer| claims(&answer.member("access_token"))["sid"].clone();
        assert_eq!(sid(answer), sid(&answers[0]), "of the same grant");
    }
    assert_eq!(grants_of(fixture, "raced").await, 1);
    let written: i64 = lines_of(fixture, "raced").await.iter().filter(|line| line["route"] == "token").map(rows).sum();
    assert_eq!(written, 1, "forty polls wrote one row");
    assert_eq!(grant_of(fixture, &answers[0]).await["generation"], 0);
    assert!(api.refresh(&answers[0].member("refresh_token")).await.is_granted());
}

/// RFC 8628 3.4: the device code is bound to the client that it was issued to. A foreign client's try
/// changes nothing.
#[tokio::test]
async fn a_foreign_clients_device_code_is_refused_and_left_alone() {
    let fixture = fixture();
    let (api, other) = (Api::demo(&fixture.a), Api::public(&fixture.a, "other"));
    let sign_in = api.start().await;
    assert_refused(&other.poll(&sign_in).await, "invalid_grant");
    Person::ada(&fixture.a).await.approve(&sign_in.user_code).await;
    assert_refused(&other.poll(&sign_in).await, "invalid_grant");
    assert_refused(&Api::demo_secret(&fixture.a).poll(&sign_in).await, "invalid_grant");
    assert!(api.poll(&sign_in).await.is_granted());
    assert_eq!(grants_of(fixture, "other").await, 0);
    assert_refused(&other.poll(&sign_in).await, "invalid_grant");
}

/// A code that nobody sealed, or that was changed, dies before storage; a sealed value of another kind
/// does too.
#[tokio::test]
async fn a_garbled_device_code_reaches_no_flow() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "other");
    let mut sign_in = api.start().await;
    let good = sign_in.device_code.clone();
    let mut changed = good.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'B' } else { 'A' });
    let (_, tokens) = super::tokens_for(fixture, "demo-device").await;
    for bad in [changed, "x".to_owned(), tokens.member("refresh_token"), sign_in.user_code.clone()] {
        sign_in.device_code = bad;
        assert_refused(&api.poll(&sign_in).await, "invalid_grant");
    }
    let polls = lines_of(fixture, "other").await.into_iter().filter(|line| line["detail"] == "device code");
    let objects: Vec<_> = polls.map(|line| line["cost"]["objects"].clone()).collect();
    assert_eq!(objects, [json!(0), json!(0), json!(0), json!(0)]);
}

/// Both codes are in the object as hashes only, and nothing of them anywhere else.
#[tokio::test]
async fn the_codes_are_nowhere_in_the_clear() {
    let fixture = fixture();
    let sign_in = Api::demo(&fixture.a).start().await;
    let code: DeviceCode = unsealed(fixture, &sign_in.device_code).await;
    let mut found = false;
    for id in fixture.objects("DeviceFlow").await {
        let stored = fixture.object("DeviceFlow", &id).await.to_string();
        let typed = sign_in.user_code.replace('-', "");
        for secret in [&code.secret, &sign_in.user_code, &typed, &sign_in.device_code] {
            assert!(!stored.contains(secret.as_str()), "{stored}");
        }
        found |= stored.contains("pending");
    }
    assert!(found, "the flow is there");
    assert!(!code.flow.contains(&sign_in.user_code));
    for entry in fixture.logs().await {
        let line = entry.to_string();
        for secret in [&code.secret, &sign_in.user_code, &sign_in.device_code, &code.flow] {
            assert!(!line.contains(secret.as_str()), "{line}");
        }
    }
}

/// The whole sign-in writes six rows at most: flow and alarm, yes and its audit event, grant, and the object's end.
#[tokio::test]
async fn a_device_sign_in_writes_six_rows() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    // The realm's first keys are of no sign-in.
    assert_eq!(person.get("/jwks.json").await.status, 200);
    let tokens = Api::public(&fixture.a, "counted").signed_in(&person).await;
    let lines = lines_of(fixture, "counted").await;
    let of = |route: &str| lines.iter().filter(|line| line["route"] == route).map(rows).collect::<Vec<_>>();
    assert_eq!((of("device_authorization"), of("device/approve"), of("token")), (vec![2], vec![2], vec![1]), "{lines:?}");
    let object_ends = 1;
    assert!(lines.iter().map(rows).sum::<i64>() + object_ends <= 6, "{lines:?}");
    assert_eq!(grants_of(fixture, "counted").await, 1);

    // And a refresh: one round trip to D1, one row.
    assert!(Api::public(&fixture.a, "counted").refresh(&tokens.member("refresh_token")).await.is_granted());
    let lines = lines_of(fixture, "counted").await;
    let cost = &lines.last().unwrap()["cost"];
    assert_eq!((&cost["d1_trips"], &cost["rows"], &cost["objects"]), (&json!(1), &json!(1), &json!(0)), "{cost}");
}
