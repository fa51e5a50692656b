//! What an exchange costs, by the Worker's own count, and what it says in the log.

use serde_json::{Value, json};

use super::{B, C, PHANTOM, RSA, alone, api, delegate, exchange, granted, own, tokens, uri};
use crate::harness::Fixture;
use crate::support::{Person, sleep};

/// More parameters.
type More = Vec<(String, String)>;

/// The lines about token requests of a client so far.
async fn lines(fixture: &Fixture, client: &str) -> Vec<Value> {
    let lines = fixture.logs().await.into_iter().map(|entry| entry["line"].clone());
    lines.filter(|line| line["client"] == client && line["route"] == "token").collect()
}

/// The line that comes after so many.
async fn next_line(fixture: &Fixture, client: &str, before: usize) -> Value {
    for _ in 0..100 {
        if let Some(line) = lines(fixture, client).await.get(before) {
            return line.clone();
        }
        sleep(20).await;
    }
    panic!("no line about {client}");
}

/// Issue 4, "Budgets": no row is written unless a refresh token is issued; one read for each token of ours.
#[tokio::test]
async fn an_exchange_writes_nothing_but_the_grant_of_a_refresh_token() {
    let (_turn, fixture) = alone().await;
    let (gate, orders, person) = (api(&fixture.a, "gate"), api(&fixture.a, "orders"), Person::ada(&fixture.a).await);
    let subject = tokens(&fixture.a, "app", &person).await.member("access_token");
    let actor = own(&orders).await;
    // Keys and clients are in memory after the first.
    for resource in [B, RSA] {
        granted(&exchange(&gate, &subject, &[("resource", resource)]).await);
    }
    granted(&delegate(&orders, &subject, &actor, &[]).await);
    let service = own(&orders).await;
    let kind = |name: &str| ("requested_token_type".to_owned(), uri(name));
    let table: [(&str, &str, More, i64, i64); 7] = [
        ("a JWT", &subject, vec![], 1, 0),
        ("another algorithm", &subject, vec![("resource".into(), RSA.into())], 1, 0),
        ("less", &subject, vec![("scope".into(), "openid".into()), ("audience".into(), C.into())], 1, 0),
        ("an opaque token", &subject, vec![("resource".into(), PHANTOM.into())], 1, 0),
        ("an ID token", &subject, vec![kind("id_token")], 1, 0),
        ("for a service", &service, vec![], 1, 0),
        // The client afresh, the app that the subject token is of, and the batch that inserts.
        ("a refresh token", &subject, vec![kind("refresh_token")], 4, 1),
    ];
    for (what, subject, more, trips, rows) in &table {
        let before = if *rows == 0 { Some(fixture.stored().await) } else { None };
        let more: Vec<(&str, &str)> = more.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if *rows == 0 {
            // Memory of clients ages while the test looks around.
            assert_eq!(exchange(&gate, subject, &more).await.status, 200, "{what}");
        }
        let so_far = lines(fixture, "gate").await.len();
        let answer = exchange(&gate, subject, &more).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.body);
        let line = next_line(fixture, "gate", so_far).await;
        let cost = &line["cost"];
        assert_eq!((cost["rows"].as_i64(), cost["objects"].as_i64()), (Some(*rows), Some(0)), "{what}: {line}");
        assert!(cost["d1_trips"].as_i64().unwrap() <= *trips, "{what}: {line}");
        assert_eq!(cost["outbound"], json!(0), "{what}: {line}");
        // Neither the token that came nor the one that went is in the log.
        let text = line.to_string();
        assert!(!text.contains(*subject) && !text.contains(&answer.member("access_token")), "{what}: {text}");
        if let Some(before) = before {
            fixture.assert_unchanged(before).await;
        }
    }
    granted(&delegate(&orders, &subject, &actor, &[]).await);
    let so_far = lines(fixture, "orders").await.len();
    granted(&delegate(&orders, &subject, &actor, &[]).await);
    let line = next_line(fixture, "orders", so_far).await;
    assert_eq!(line["cost"]["rows"], json!(0), "{line}");
    assert!(line["cost"]["d1_trips"].as_i64().unwrap() <= 2, "{line}");
    granted(&exchange(&gate, &subject, &[]).await);
    let so_far = lines(fixture, "gate").await.len();
    let answer = exchange(&gate, "a.b.c", &[]).await;
    assert_eq!(answer.status, 400);
    let line = next_line(fixture, "gate", so_far).await;
    assert_eq!((line["cost"]["d1_trips"].as_i64(), line["cost"]["rows"].as_i64()), (Some(0), Some(0)), "garbage: {line}");
}
