//! Pairwise subjects: OpenID Connect Core 8.1.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{OFFLINE, trusted};
use crate::harness::{Fixture, Setup, Worker};
use crate::support::{Answer, Person, claims};
use crate::web::App;

const SECOND: &str = "2:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

/// A client with pairwise subjects at a host, and its app.
fn at_host(id: &str, host: &str) -> Value {
    let redirect_uri = format!("https://{host}/{id}");
    let more = json!({ "subject_type": "pairwise", "redirect_uris": [redirect_uri] });
    trusted(id, &more)
}

fn app(fixture: &Fixture, id: &str, host: &str) -> App {
    App { redirect_uri: format!("https://{host}/{id}"), ..App::web(&fixture.a, id) }
}

/// Every subject that an app sees: in access token, ID token, userinfo, and both tokens after a refresh.
async fn subjects(fixture: &Fixture, app: &App, person: &Person) -> (Value, Answer) {
    let tokens = app.tokens(person, &OFFLINE).await;
    let renewed = app.at(&fixture.b).api.refresh(&tokens.member("refresh_token")).await;
    let mut seen = Vec::new();
    for tokens in [&tokens, &renewed] {
        seen.extend(["access_token", "id_token"].map(|name| claims(&tokens.member(name))["sub"].clone()));
        seen.push(app.api.userinfo(&tokens.member("access_token")).await.json()["sub"].clone());
    }
    assert!(seen.iter().all(|sub| *sub == seen[0]), "{seen:?}");
    (seen[0].clone(), renewed)
}

#[tokio::test]
async fn a_sector_sees_one_subject_of_its_own_for_ever() {
    let clients = [
        at_host("one", "app.example"),
        at_host("same", "app.example"),
        at_host("else", "other.example"),
        at_host("local", "localhost"),
        trusted("open", &json!({})),
    ];
    let user = json!({ "login": "grace", "password": super::PASSWORD, "claims": {} });
    let fixture = Setup::default().seed(&json!({ "users": [user], "clients": clients })).start().await;
    let fixture = &fixture;
    let person = Person::ada(&fixture.a).await;
    let grace = super::person(&fixture.a, "grace").await;
    let ids = fixture.d1("SELECT user_id FROM logins ORDER BY login", &[]).await;
    let one = app(fixture, "one", "app.example");
    let (sub, tokens) = subjects(fixture, &one, &person).await;
    assert_eq!(subjects(fixture, &app(fixture, "same", "app.example"), &person).await.0, sub, "the same sector");
    let others = [
        subjects(fixture, &app(fixture, "else", "other.example"), &person).await.0,
        subjects(fixture, &App::web(&fixture.a, "open"), &person).await.0,
        subjects(fixture, &one, &grace).await.0,
    ];
    assert_eq!(others[1], ids[0]["user_id"], "public: the user");
    let all: HashSet<&str> = others.iter().chain([&sub]).map(|sub| sub.as_str().unwrap()).collect();
    assert_eq!(all.len(), 4, "{all:?}");
    for token in ["access_token", "id_token"].map(|name| tokens.member(name)) {
        assert!(!claims(&token).to_string().contains(ids[0]["user_id"].as_str().unwrap()), "the user's id is in nothing");
    }
    let text = sub.as_str().unwrap();
    assert!(text.len() <= 255 && text.is_ascii(), "Core 2");

    // As a hint it means that user, at this client and at no other.
    let hint = tokens.member("id_token");
    let silent = |hint: &str| vec![("prompt", "none".to_owned()), ("id_token_hint", hint.to_owned())];
    let ask = async |app: &App, person: &Person, hint: &str| {
        let request = silent(hint);
        let request: Vec<(&str, &str)> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
        app.authorized(person, &request).await
    };
    assert!(ask(&one, &person, &hint).await.contains_key("code"));
    assert_eq!(ask(&one, &grace, &hint).await["error"], "login_required");
    let stranger = app(fixture, "else", "other.example");
    let back = ask(&stranger, &person, &hint).await;
    assert!(back.contains_key("error"), "{back:?}");

    // A restart, a new root secret, and the end of the old one change nothing.
    let first = fixture.secrets(Worker::A).await["LATCHKEY_KEYS"].as_str().unwrap().to_owned();
    let secrets = |keys: &str, active: &str| json!({ "secrets": { "LATCHKEY_KEYS": keys, "LATCHKEY_KEY_ACTIVE": active } });
    let both = secrets(&format!("{SECOND},{first}"), "2");
    fixture.restart(json!({ "a": both, "b": both })).await;
    assert_eq!(subjects(fixture, &one, &person).await.0, sub);
    fixture.cron(Worker::A).await;
    let only = secrets(SECOND, "2");
    fixture.restart(json!({ "a": only, "b": only })).await;
    assert_eq!(subjects(fixture, &one, &Person::ada(&fixture.a).await).await.0, sub);
    assert!(ask(&one, &Person::ada(&fixture.a).await, &hint).await.contains_key("code"), "and the hint is still one");
}
