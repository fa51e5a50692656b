//! What a review with fresh eyes broke once.

use latchkey::protocol::client::{JWT_BEARER, TOKEN_EXCHANGE};
use latchkey::protocol::secret::base64url;
use serde_json::{Value, json};

use super::{adas, alone, api, delegate, exchange, fixture, granted, introspected, own, person, refused, tokens, uri};
use crate::support::{Answer, Api};

/// A JWT that says that it is of an issuer whom nobody trusts.
fn of_nobody() -> String {
    let part = |value: Value| base64url(value.to_string().as_bytes());
    let claims = json!({ "iss": "https://nobody.example", "sub": "x", "aud": "x", "exp": 4_000_000_000_i64 });
    format!("{}.{}.AAAA", part(json!({ "alg": "ES256", "kid": "k" })), part(claims))
}

/// An answer without what tells it from all others.
fn said(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("request_id");
    (answer.status, body)
}

#[tokio::test]
async fn whether_a_token_is_alive_is_not_told_to_strangers() {
    let fixture = fixture();
    let (live, foreign) = (adas(&fixture.a, "app").await, of_nobody());
    let dead = format!("{live}x");
    for stranger in
        [Api::basic(&fixture.a, "gate", "wrong"), Api::public(&fixture.a, "nobody-at-all"), Api::public(&fixture.a, "gate")]
    {
        let answers = [delegate(&stranger, &foreign, &live, &[]).await, delegate(&stranger, &foreign, &dead, &[]).await];
        assert_eq!(said(&answers[0]), said(&answers[1]));
    }
}

#[tokio::test]
async fn which_clients_there_are_is_not_told_to_who_only_names_them() {
    let fixture = fixture();
    let foreign = of_nobody();
    for (grant, token) in [(TOKEN_EXCHANGE, "subject_token"), (JWT_BEARER, "assertion")] {
        let mut answers = Vec::new();
        for id in ["gate", "nobody-at-all", "spa"] {
            let kind = uri("jwt");
            let parameters = [("grant_type", grant), (token, &foreign), ("subject_token_type", &kind)];
            answers.push(said(&Api::public(&fixture.a, id).post("/token", &parameters).await));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    }
}

#[tokio::test]
async fn nobody_acts_by_a_token_that_was_borrowed() {
    let fixture = fixture();
    let (gate, orders) = (api(&fixture.a, "gate"), api(&fixture.a, "orders"));
    // The gate steps into the place of orders, whom the user's token lets act.
    let borrowed = granted(&exchange(&gate, &own(&orders).await, &[]).await);
    let user = adas(&fixture.a, "app").await;
    refused("a borrowed actor", &delegate(&gate, &user, &borrowed, &[]).await, "invalid_request");
    granted(&delegate(&orders, &user, &own(&orders).await, &[]).await);
}

#[tokio::test]
async fn a_refresh_token_by_exchange_yields_no_more_than_the_policy_of_now() {
    let (_turn, fixture) = alone().await;
    let gate = api(&fixture.a, "second");
    let user = person(&fixture.a, "grace").await;
    let subject = tokens(&fixture.a, "app", &user).await.member("access_token");
    let kind = uri("refresh_token");
    let wanted = [("requested_token_type", kind.as_str())];
    let policy = |policy: Value| {
        let sql = "UPDATE clients SET metadata = json_set(metadata, '$.token_exchange', json(?1)), version = version + 1 \
                   WHERE id = 'second' RETURNING id";
        async move { assert_eq!(fixture.d1(sql, &[json!(policy.to_string())]).await.len(), 1) }
    };
    let refresh = async |token: &str| gate.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await;

    policy(json!({ "impersonation": true, "refresh_token": true })).await;
    let answer = exchange(&gate, &subject, &wanted).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let refreshed = refresh(&answer.member("access_token")).await;
    assert!(refreshed.is_granted(), "{}", refreshed.body);
    assert_eq!(refreshed.json().get("id_token"), None, "what is not to be had by exchange is not to be had later");
    policy(json!({ "impersonation": true })).await;
    refused("the policy was taken back", &refresh(&refreshed.member("refresh_token")).await, "invalid_grant");
    policy(json!({ "impersonation": true, "refresh_token": true })).await;
    assert!(refresh(&refreshed.member("refresh_token")).await.is_granted(), "nothing was rotated meanwhile");

    // Whose first token had to have no roles gets none by a detour.
    let origin = "UPDATE clients SET origin = ?1, version = version + 1 WHERE id = 'app' RETURNING id";
    fixture.d1(origin, &[json!("registration")]).await;
    let answer = exchange(&gate, &subject, &wanted).await;
    fixture.d1(origin, &[json!("operator")]).await;
    refused("of a client that registered itself", &answer, "invalid_request");
}

#[tokio::test]
async fn roles_that_were_taken_are_told_no_more() {
    let (_turn, fixture) = alone().await;
    let user = person(&fixture.a, "dorothy").await;
    let token = tokens(&fixture.a, "app", &user).await.member("access_token");
    assert_eq!(introspected(&fixture.a, &token).await["roles"], json!(["clerk", "buyer"]));
    let sql = "UPDATE users SET roles = ?1 WHERE id = (SELECT user_id FROM logins WHERE login = 'dorothy') RETURNING id";
    assert_eq!(fixture.d1(sql, &[json!("[\"buyer\"]")]).await.len(), 1);
    assert_eq!(introspected(&fixture.a, &token).await["roles"], json!(["buyer"]));
}
