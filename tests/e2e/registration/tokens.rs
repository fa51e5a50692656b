//! Initial access tokens (RFC 7591 3): closed without one, and one use is one client, whatever happens.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{clients, device, refused, register, web};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::Api;

/// A token of 43 characters that is told apart by its first.
fn token(name: &str) -> String {
    format!("{name}-{}", "0".repeat(42 - name.len()))
}

/// A fixture that is closed, with these tokens and uses.
async fn closed(tokens: &[(&str, u32)]) -> Fixture {
    let tokens: Vec<Value> =
        tokens.iter().map(|(name, uses)| json!({ "token": token(name), "uses": uses, "expires_in": 3600 })).collect();
    let setup = Setup::default().rate_limit("LIMIT_REGISTER", 10_000).rate_limit("LIMIT_DEVICE", 1000);
    setup.seed(&json!({ "initial_access_tokens": tokens })).start().await
}

/// Uses that are left, in the order of the tokens' names.
async fn uses(fixture: &Fixture, name: &str) -> i64 {
    let hash = latchkey::protocol::secret::base64url(&latchkey::protocol::secret::sha256(token(name).as_bytes()));
    fixture.d1("SELECT uses FROM initial_access_tokens WHERE sha256 = ?1", &[hash.into()]).await[0]["uses"].as_i64().unwrap()
}

/// Closed is the default: nothing that is no live initial access token opens it, and all such are answered alike.
#[tokio::test]
async fn registration_is_closed_without_an_initial_access_token() {
    let fixture = closed(&[("used-up", 0), ("old", 5)]).await;
    fixture.d1("UPDATE initial_access_tokens SET expires_at = 1 WHERE uses = 5", &[]).await;
    let before = clients(&fixture).await;
    let mut answers = vec![register(&fixture.a, None, &web(&json!({}))).await];
    for bad in ["x", &token("unknown"), &token("used-up"), &token("old"), &token("old")[1..]] {
        answers.push(register(&fixture.a, Some(bad), &web(&json!({}))).await);
    }
    let api = Api::public(&fixture.a, "");
    for header in ["Bearer", "Bearer ", "Basic b2xkOm9sZA==", &token("old")] {
        answers.push(Api::send(api.request("POST", "/register").header("authorization", header).json(&web(&json!({})))).await);
    }
    // The body tells nothing before that.
    answers.push(Api::send(api.request("POST", "/register").body("nonsense")).await);
    // In a query it is no token (RFC 6750 2.3 is not taken).
    answers
        .push(Api::send(api.request("POST", &format!("/register?access_token={}", token("old"))).json(&web(&json!({})))).await);
    for answer in &answers {
        refused("closed", answer, 401, "invalid_token");
        assert_eq!(answer.member("error_description"), answers[0].member("error_description"));
    }
    assert_eq!(clients(&fixture).await, before);
    assert_eq!((uses(&fixture, "used-up").await, uses(&fixture, "old").await), (0, 5));
}

/// One use, one client; a bad request costs none, and the last use is the last.
#[tokio::test]
async fn each_use_is_one_client_and_a_bad_request_costs_none() {
    let fixture = closed(&[("twice", 2)]).await;
    let twice = token("twice");
    for bad in [json!({}), web(&json!({ "scope": "nonsense" })), web(&json!({ "software_statement": "x" })), json!([])] {
        assert_eq!(register(&fixture.a, Some(&twice), &bad).await.status, 400, "{bad}");
    }
    assert_eq!(uses(&fixture, "twice").await, 2);
    for left in [1, 0] {
        let told = register(&fixture.b, Some(&twice), &device()).await;
        assert_eq!(told.status, 201, "{}", told.body);
        assert_eq!(uses(&fixture, "twice").await, left);
        let api = Api::basic(&fixture.a, &told.member("client_id"), &told.member("client_secret"));
        assert_eq!(api.post("/device_authorization", &[]).await.status, 200);
    }
    refused("used up", &register(&fixture.a, Some(&twice), &device()).await, 401, "invalid_token");
    assert_eq!(uses(&fixture, "twice").await, 0);
    // The token opens nothing else.
    let id = fixture.d1("SELECT id FROM clients WHERE origin = 'registration'", &[]).await[0]["id"].as_str().unwrap().to_owned();
    refused("management", &super::manage(&fixture.a, "GET", &id, &twice, None).await, 401, "invalid_token");
    let logs = format!("{:?}", fixture.logs().await);
    assert!(!logs.contains(&twice));
}

/// 40 at once with a token of one use, through both Workers: one client.
#[tokio::test]
async fn a_race_for_the_last_use_has_one_winner() {
    let fixture = closed(&[("once", 1), ("seven", 7)]).await;
    for (name, winners) in [("once", 1), ("seven", 7)] {
        let before = clients(&fixture).await;
        let token = token(name);
        let body = web(&json!({ "client_name": name }));
        let mut tries = JoinSet::new();
        for n in 0..40 {
            let base = if n % 2 == 0 { fixture.a.clone() } else { fixture.b.clone() };
            let (token, body) = (token.clone(), body.clone());
            tries.spawn(async move { register(&base, Some(&token), &body).await });
        }
        let answers = tries.join_all().await;
        let won = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(won, winners, "{name}");
        for lost in answers.iter().filter(|answer| answer.status != 201) {
            refused("lost", lost, 401, "invalid_token");
        }
        assert_eq!(uses(&fixture, name).await, 0, "{name}");
        assert_eq!(clients(&fixture).await, before + i64::try_from(winners).unwrap(), "{name}");
    }
    let unpaid = fixture.d1("SELECT id FROM clients WHERE version < 1", &[]).await;
    assert!(unpaid.is_empty(), "{unpaid:?}");
}

/// A database that fails before or after it wrote costs one use for one client, or none for none.
#[tokio::test]
async fn a_lost_answer_takes_one_use_only() {
    let fixture = closed(&[("lossy", 10)]).await;
    let lossy = token("lossy");
    let mut left = 10;
    for (mode, times) in [(Mode::After, 1), (Mode::Before, 1), (Mode::After, 2), (Mode::Before, 2)] {
        let before = clients(&fixture).await;
        fixture.fault(Worker::A, &Fault { times, ..Fault::new("DB", mode, "INSERT INTO clients") }).await;
        let answer = register(&fixture.a, Some(&lossy), &web(&json!({}))).await;
        assert_eq!(fixture.disarm(Worker::A).await, 0, "{mode:?} struck");
        let made = clients(&fixture).await - before;
        left -= made;
        assert_eq!(uses(&fixture, "lossy").await, left, "{mode:?} {times}");
        match times {
            1 => assert_eq!((answer.status, made), (201, 1), "{mode:?}: {}", answer.body),
            // Nobody knows what happened; the peer may try again.
            _ => assert_eq!(answer.status, 503, "{mode:?}: {}", answer.body),
        }
    }
}
