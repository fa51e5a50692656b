//! Storage that fails in the middle of it: nobody is told "no" for our failure, nothing is issued twice, and a
//! code that may have been redeemed is never good again.

use std::sync::OnceLock;

use latchkey::protocol::code::AuthorizationCode;
use serde_json::{Value, json};

use super::{
    OFFLINE, assert_alive, assert_dead, assert_no_client, assert_refused, assertion, jwks, p256, post_by, public, trusted,
    unsealed, verified,
};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{Answer, Api, Person};
use crate::web::App;

/// Tests share the Workers: who faults what at which Worker is said at each.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let by_key = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [public(&p256("p"))] } });
        let clients = [trusted("redeeming", &json!({})), trusted("by-key", &by_key)];
        Setup::default().seed(&json!({ "clients": clients })).start_now()
    })
}

fn twice(binding: &'static str, mode: Mode, matching: &'static str) -> Fault {
    Fault { times: 2, ..Fault::new(binding, mode, matching) }
}

/// "Try again in a moment", and nothing that a client would throw a token away for.
#[track_caller]
fn assert_try_again(answer: &Answer) {
    assert_eq!((answer.status, answer.error().as_str()), (503, "temporarily_unavailable"), "{}", answer.body);
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{:?}", answer.headers);
}

/// The row of a code: whether it is there, and whether it was revoked.
async fn row(code: &str) -> Option<bool> {
    let id = unsealed::<AuthorizationCode>(fixture(), code).await.id.to_string();
    let sql = "SELECT revoked_at FROM grants WHERE id = ?1 UNION SELECT revoked_at FROM redemptions WHERE id = ?1";
    fixture().d1(sql, &[id.into()]).await.first().map(|row| !row["revoked_at"].is_null())
}

/// D1 at `b`.
#[tokio::test]
async fn a_redemption_meets_a_database_that_fails() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    let app = App::web(&fixture.b, "redeeming");
    let at_a = app.at(&fixture.a);
    for (request, insert, revoke) in [
        (&[][..], "INSERT INTO redemptions", "UPDATE redemptions SET revoked_at"),
        (&OFFLINE[..], "INSERT INTO grants", "UPDATE grants SET revoked_at"),
    ] {
        let code = async || at_a.code(&person, request).await;
        let armed = async |fault: Fault| fixture.fault(Worker::B, &fault).await;
        let struck = async || assert_eq!(fixture.disarm(Worker::B).await, 0, "the fault struck");

        // Committed, then "Network connection lost": our own second try finds its own row, which is no replay.
        let lost = code().await;
        armed(Fault::new("DB", Mode::After, insert)).await;
        let tokens = app.redeem(&lost).await;
        struck().await;
        assert!(tokens.is_granted(), "{}", tokens.body);
        assert_eq!(row(&lost).await, Some(false));
        assert_alive(fixture, &app, &tokens).await;
        // The client's second one is.
        assert_refused(&app.redeem(&lost).await, "invalid_grant");
        assert_dead(fixture, &app, &tokens).await;

        // Refused once: the second try writes. Refused twice: nothing was written, and the code is still good.
        let refused = code().await;
        armed(Fault::new("DB", Mode::Before, insert)).await;
        assert!(app.redeem(&refused).await.is_granted());
        struck().await;
        let refused = code().await;
        armed(twice("DB", Mode::Before, insert)).await;
        assert_try_again(&app.redeem(&refused).await);
        struck().await;
        assert_eq!(row(&refused).await, None);
        assert!(app.redeem(&refused).await.is_granted());

        // Lost twice: nobody got the tokens, and nobody can tell the client from a thief. They are revoked.
        let lost = code().await;
        armed(twice("DB", Mode::After, insert)).await;
        assert_try_again(&app.redeem(&lost).await);
        struck().await;
        assert_eq!(row(&lost).await, Some(false));
        assert_refused(&app.redeem(&lost).await, "invalid_grant");
        assert_eq!(row(&lost).await, Some(true));

        // The request dies before the insert, or after it.
        let killed = code().await;
        armed(Fault::new("DB", Mode::KillBefore, insert)).await;
        assert!(app.redeem(&killed).await.status >= 500);
        struck().await;
        assert_eq!(row(&killed).await, None);
        assert!(app.redeem(&killed).await.is_granted());
        let killed = code().await;
        armed(Fault::new("DB", Mode::KillAfter, insert)).await;
        assert!(app.redeem(&killed).await.status >= 500);
        struck().await;
        assert_refused(&at_a.redeem(&killed).await, "invalid_grant");
        assert_eq!(row(&killed).await, Some(true));

        // A replay whose revocation fails is not answered as if it had worked.
        let replayed = code().await;
        let tokens = app.redeem(&replayed).await;
        armed(twice("DB", Mode::Before, revoke)).await;
        assert_try_again(&app.redeem(&replayed).await);
        struck().await;
        assert_alive(fixture, &app, &tokens).await;
        assert_refused(&app.redeem(&replayed).await, "invalid_grant");
        assert_dead(fixture, &app, &tokens).await;
    }
    // Userinfo without its database knows nothing, so it says nothing.
    let tokens = app.tokens(&Person::ada(&fixture.b).await, &[]).await;
    fixture.fault(Worker::B, &twice("DB", Mode::Before, "FROM redemptions")).await;
    assert_try_again(&app.api.userinfo(&tokens.member("access_token")).await);
    assert_eq!(fixture.disarm(Worker::B).await, 0);
    assert_eq!(app.api.userinfo(&tokens.member("access_token")).await.status, 200);
}

/// `Replay` at `a`: whether an assertion was used cannot be told, so nobody is let in by it.
#[tokio::test]
async fn an_assertion_meets_a_replay_object_that_fails() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "by-key");
    let made = || assertion(&fixture.a, "by-key", &json!({}));
    let ask = async |assertion: &str| post_by(&api, "/revoke", assertion, &[("token", "none of ours")]).await;
    let with = async |fault: Fault, assertion: &str| {
        fixture.fault(Worker::A, &fault).await;
        let answer = ask(assertion).await;
        assert_eq!(fixture.disarm(Worker::A).await, 0, "the fault struck");
        answer
    };
    // Once is made good.
    assert_eq!(with(Fault::new("REPLAY", Mode::Before, ""), &made()).await.status, 200);
    let one = made();
    assert_eq!(with(Fault::new("REPLAY", Mode::After, ""), &one).await.status, 200, "our own second try is the first use");
    assert_no_client(&ask(&one).await, false);
    // Down: "try again", and the same assertion is as good as before.
    let two = made();
    assert_try_again(&with(twice("REPLAY", Mode::Before, ""), &two).await);
    assert_eq!(ask(&two).await.status, 200);
    // Marked, and nobody heard: it was used, for all that anybody knows.
    let three = made();
    assert_try_again(&with(twice("REPLAY", Mode::After, ""), &three).await);
    assert_no_client(&ask(&three).await, false);
    let four = made();
    assert!(with(Fault::new("REPLAY", Mode::KillAfter, ""), &four).await.status >= 500);
    assert_no_client(&ask(&four).await, false);
    assert_eq!(ask(&made()).await.status, 200);
}

/// A key that nobody could find is not signed with: KV fails when the first key of an algorithm is made.
#[tokio::test]
async fn the_first_key_of_an_algorithm_waits_for_kv() {
    let client = trusted("by-eddsa", &json!({ "id_token_signed_response_alg": "EdDSA" }));
    let fixture = Setup::default().seed(&json!({ "clients": [client] })).start().await;
    let person = Person::ada(&fixture.a).await;
    let app = App::web(&fixture.a, "by-eddsa");
    jwks(&fixture.a).await;
    let code = app.code(&person, &[]).await;
    for _ in 0..2 {
        fixture.fault(Worker::A, &Fault::new("PUBLISHED", Mode::Before, "put jwks")).await;
        assert_try_again(&app.redeem(&code).await);
        assert_eq!(fixture.disarm(Worker::A).await, 0, "it is tried each time, as long as it is not there");
    }
    // The code was not spent, and what it yields can be checked by everybody.
    let tokens = app.redeem(&code).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    let set: Value = serde_json::from_str(&fixture.kv("jwks").await.unwrap()).unwrap();
    verified(&set, &tokens.member("id_token"));
    let at_b = app.at(&fixture.b).tokens(&person, &[]).await;
    verified(&set, &at_b.member("id_token"));
}
