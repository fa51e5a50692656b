//! Storage that fails, and requests that die between two of its steps. "Nobody knows whether it
//! happened" must never cost a device its sign-in: `invalid_grant` makes a client throw its token away.
//!
//! The fixture's faults belong to a Worker, so that tests can share it: what redeems at `b` is
//! one test's, what refreshes at `a` is another's.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{assert_try_again, client, grant_of, grants_of};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{Api, Person};

const INSERT: &str = "INSERT INTO grants";
const ROTATE: &str = "SET generation = generation + 1";

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let clients = ["redeeming", "refreshing"].map(|id| client(id, &json!({})));
        let clients = [&clients[..], &[client("no-grace", &json!({ "refresh_grace": 0 }))]].concat();
        Setup::default().seed(&json!({ "clients": clients })).start_now()
    })
}

fn twice(mode: Mode, matching: &'static str) -> Fault {
    Fault { times: 2, ..Fault::new("DB", mode, matching) }
}

/// The grant's insert: committed and its answer lost, refused, and the request killed before and after it.
/// Whatever happened, the device collects in the end, once.
#[tokio::test]
async fn a_redemption_survives_a_database_that_fails() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    let api = Api::public(&fixture.b, "redeeming");
    let mut grants = 0;
    let mut approved = async || {
        let sign_in = api.start().await;
        person.approve(&sign_in.user_code).await;
        grants += 1;
        (sign_in, grants)
    };

    // Committed, then "Network connection lost": the same batch is run again and finds its own row.
    let (sign_in, count) = approved().await;
    fixture.fault(Worker::B, &Fault::new("DB", Mode::After, INSERT)).await;
    let tokens = api.poll(&sign_in).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    assert_eq!((fixture.disarm(Worker::B).await, grants_of(fixture, "redeeming").await), (0, count));

    // Lost both times: "try again", and then it is there.
    let (sign_in, count) = approved().await;
    fixture.fault(Worker::B, &twice(Mode::After, INSERT)).await;
    assert_try_again(&api.poll(&sign_in).await);
    assert_eq!((fixture.disarm(Worker::B).await, grants_of(fixture, "redeeming").await), (0, count));
    let tokens = api.poll(&sign_in).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    assert_eq!(grants_of(fixture, "redeeming").await, count);

    // Refused both times: nothing was written, and then it is.
    let (sign_in, count) = approved().await;
    fixture.fault(Worker::B, &twice(Mode::Before, INSERT)).await;
    assert_try_again(&api.poll(&sign_in).await);
    assert_eq!((fixture.disarm(Worker::B).await, grants_of(fixture, "redeeming").await), (0, count - 1));
    assert!(api.poll(&sign_in).await.is_granted());

    // Killed between the flow's answer and the insert, and between the insert and the answer.
    for (mode, written) in [(Mode::KillBefore, 0), (Mode::KillAfter, 1)] {
        let (sign_in, count) = approved().await;
        fixture.fault(Worker::B, &Fault::new("DB", mode, INSERT)).await;
        let killed = api.poll(&sign_in).await;
        assert!(killed.status >= 500, "{} {}", killed.status, killed.body);
        assert_eq!(fixture.disarm(Worker::B).await, 0);
        assert_eq!(grants_of(fixture, "redeeming").await, count - 1 + written);
        let tokens = api.poll(&sign_in).await;
        assert!(tokens.is_granted(), "{}", tokens.body);
        assert_eq!(api.poll(&sign_in).await.member("refresh_token"), tokens.member("refresh_token"));
        assert_eq!(grants_of(fixture, "redeeming").await, count);
    }
}

/// The rotation: committed and its answer lost, refused, and the request killed after it.
#[tokio::test]
async fn a_refresh_survives_a_database_that_fails() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "refreshing");
    let tokens = api.signed_in(&Person::ada(&fixture.a).await).await;
    let state = async || {
        let grant = grant_of(fixture, &tokens).await;
        assert_eq!(grant["revoked_at"], Value::Null);
        grant["generation"].as_i64().unwrap()
    };
    let mut current = tokens.member("refresh_token");

    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, ROTATE)).await;
    let next = api.refresh(&current).await;
    assert!(next.is_granted(), "{}", next.body);
    assert_eq!((fixture.disarm(Worker::A).await, state().await), (0, 1));
    current = next.member("refresh_token");

    for (mode, generation) in [(Mode::After, 2), (Mode::Before, 2)] {
        fixture.fault(Worker::A, &twice(mode, ROTATE)).await;
        assert_try_again(&api.refresh(&current).await);
        assert_eq!((fixture.disarm(Worker::A).await, state().await), (0, generation), "{mode:?}");
        let again = api.refresh(&current).await;
        assert!(again.is_granted(), "{mode:?}: {}", again.body);
        current = again.member("refresh_token");
    }
    assert_eq!(state().await, 3);

    fixture.fault(Worker::A, &Fault::new("DB", Mode::KillAfter, ROTATE)).await;
    assert!(api.refresh(&current).await.status >= 500);
    assert_eq!((fixture.disarm(Worker::A).await, state().await), (0, 4));
    let again = api.refresh(&current).await;
    assert!(again.is_granted(), "{}", again.body);
    assert!(api.refresh(&again.member("refresh_token")).await.is_granted());
}

/// A client without grace is no thief when the database loses an answer inside one request.
#[tokio::test]
async fn a_client_without_grace_survives_a_lost_answer_too() {
    let fixture = fixture();
    let api = Api::public(&fixture.b, "no-grace");
    let tokens = Api::public(&fixture.a, "no-grace").signed_in(&Person::ada(&fixture.a).await).await;
    let first = tokens.member("refresh_token");
    fixture.fault(Worker::B, &Fault::new("DB", Mode::After, ROTATE)).await;
    let next = api.refresh(&first).await;
    assert!(next.is_granted(), "{}", next.body);
    let grant = grant_of(fixture, &tokens).await;
    assert_eq!((&grant["generation"], &grant["revoked_at"]), (&json!(1), &Value::Null));
    assert!(api.refresh(&next.member("refresh_token")).await.is_granted());
    // And there is no grace: the one before is theft at once.
    super::assert_refused(&api.refresh(&first).await, "invalid_grant");
    assert!(grant_of(fixture, &tokens).await["revoked_at"].is_i64());
}

/// A flow whose answer is lost is asked once more; one that does not answer is "try again", and the
/// device code lives on.
#[tokio::test]
async fn a_poll_survives_an_object_that_fails() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let sign_in = api.start().await;
    let polls = |times| Fault { times, ..Fault::new("DEVICE_FLOW", Mode::After, "\"message\":\"poll\"") };
    fixture.fault(Worker::A, &polls(2)).await;
    assert_try_again(&api.poll(&sign_in).await);
    Person::ada(&fixture.a).await.approve(&sign_in.user_code).await;
    fixture.fault(Worker::A, &polls(1)).await;
    let tokens = api.poll(&sign_in).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
}
