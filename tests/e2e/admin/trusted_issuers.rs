//! Trusted issuers, and what an outside token is worth.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Admin, assert_problem, last_change, token};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::Api;

fn id_of(issuer: &str) -> String {
    URL_SAFE_NO_PAD.encode(issuer)
}

fn said(issuer: &str, scope: &str) -> Value {
    json!({ "issuer": issuer, "preset": "oidc", "rules": [
        { "id": "robot", "claims": { "sub": { "equals": "robot" } }, "yields": { "client": "demo-service", "scope": scope } },
    ] })
}

#[tokio::test]
async fn issuers_are_trusted_changed_and_forgotten() {
    let fixture = Fixture::shared();
    let admin = Admin::with(&fixture.a, &token(&fixture.a, "openid latchkey:trust").await);
    let issuer = "https://made.example/a";
    let path = format!("trusted-issuers/{}", id_of(issuer));
    let made = admin.post_once("trusted-issuers", "made", &said(issuer, "records:read")).await;
    let location = format!("/admin/v1/{path}");
    assert_eq!((made.status, made.header("etag"), made.header("location")), (201, "\"1\"", location.as_str()), "{}", made.body);
    assert_eq!(admin.post_once("trusted-issuers", "made", &said(issuer, "records:read")).await.json(), made.json());
    assert_problem("again", &admin.post("trusted-issuers", &said(issuer, "records:read")).await, 409, "conflict");
    let read = admin.get(&path).await;
    assert_eq!((read.header("etag"), read.json()), ("\"1\"", made.json()));
    assert_eq!((&read.json()["enabled"], &read.json()["id"]), (&json!(true), &json!(id_of(issuer))));
    assert_eq!(last_change(fixture, issuer).await, json!({ "action": "trusted_issuer.create", "id": issuer }));

    let unsaid = admin.request("PATCH", &path).json(&json!({ "max_age": 60 }));
    assert_problem("no If-Match", &Api::send(unsaid).await, 428, "precondition_required");
    let changed = admin.patch(&path, "\"1\"", &json!({ "max_age": 60, "enabled": false })).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{}", changed.body);
    assert_eq!((&changed.json()["max_age"], &changed.json()["enabled"]), (&json!(60), &json!(false)));
    let mut fields = last_change(fixture, issuer).await["fields"].as_array().unwrap().clone();
    fields.sort_by_key(ToString::to_string);
    assert_eq!(fields, [json!("enabled"), json!("max_age")]);
    let removed = admin.patch(&path, "\"2\"", &json!({ "max_age": null })).await;
    assert_eq!((removed.status, removed.json().get("max_age")), (200, None));
    assert_problem("stale", &admin.patch(&path, "\"1\"", &json!({ "max_age": 5 })).await, 412, "stale");
    assert_problem(
        "renamed",
        &admin.patch(&path, "\"3\"", &json!({ "issuer": "https://b.example" })).await,
        400,
        "unknown_field",
    );

    assert_eq!(admin.delete(&path).await.status, 204);
    for gone in [&path, "trusted-issuers/!", "trusted-issuers/_w"] {
        assert_problem(gone, &admin.get(gone).await, 404, "not_found");
        assert_problem(gone, &admin.delete(gone).await, 404, "not_found");
    }
    assert_eq!(last_change(fixture, issuer).await["action"], "trusted_issuer.delete");
}

#[tokio::test]
async fn every_fault_is_told_and_our_own_issuer_is_none() {
    let fixture = Fixture::shared();
    let admin = Admin::ada(&fixture.a).await;
    let bad = json!({ "issuer": "http://plain.example", "preset": "oidc", "enabled": "yes", "audiences": [], "max_life": 0,
                      "rules": [{ "id": "any", "yields": { "client": "c", "scope": "openid" } }] });
    let problem = assert_problem("bad", &admin.post("trusted-issuers", &bad).await, 400, "invalid");
    let mut found: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, ["/audiences", "/enabled", "/issuer", "/max_life", "/rules"]);
    let mut unknown = said("https://b.example", "records:read");
    unknown["ruls"] = json!([]);
    assert_problem("unknown", &admin.post("trusted-issuers", &unknown).await, 400, "unknown_field");
    for rules in [json!(null), json!([]), json!([{ "id": "any", "yields": {} }]), json!("x")] {
        let mut bad = said("https://b.example", "records:read");
        bad["rules"] = rules.clone();
        assert_problem(&rules.to_string(), &admin.post("trusted-issuers", &bad).await, 400, "invalid");
    }
    assert_problem("own", &admin.post("trusted-issuers", &said(&fixture.a, "records:read")).await, 400, "invalid");
    assert_problem(
        "nothing was saved",
        &admin.get(&format!("trusted-issuers/{}", id_of("https://b.example"))).await,
        404,
        "not_found",
    );
}

/// Who may write rules must not become an administrator by one.
#[tokio::test]
async fn only_administrators_trust_others_with_administration() {
    let fixture = Fixture::shared();
    let (ada, finer) = (Admin::ada(&fixture.a).await, Admin::with(&fixture.a, &token(&fixture.a, "openid latchkey:trust").await));
    let reader = Admin::with(&fixture.a, &token(&fixture.a, "openid latchkey:admin.read").await);
    let issuer = "https://admins.example";
    let path = format!("trusted-issuers/{}", id_of(issuer));
    let by_scope = said(issuer, "latchkey:admin");
    let mut by_role = said(issuer, "records:read");
    by_role["rules"][0]["yields"] = json!({ "clients": ["demo-app"], "scope": "records:read",
                                            "roles": { "claim": "r", "map": { "boss": "latchkey:admin" } } });
    for (what, said) in [("a scope", &by_scope), ("a role", &by_role)] {
        assert_problem(what, &finer.post("trusted-issuers", said).await, 403, "insufficient_scope");
    }
    assert_problem("a reader", &reader.post("trusted-issuers", &said(issuer, "records:read")).await, 403, "insufficient_scope");
    assert_eq!(ada.post("trusted-issuers", &by_scope).await.status, 201);
    assert_eq!(reader.get(&path).await.status, 200);
    assert_problem("changed", &finer.patch(&path, "\"1\"", &json!({ "enabled": false })).await, 403, "insufficient_scope");
    assert_problem("deleted", &finer.delete(&path).await, 403, "insufficient_scope");
    let plain = json!({ "rules": said(issuer, "records:read")["rules"] });
    assert_eq!(ada.patch(&path, "\"1\"", &plain).await.status, 200);
    assert_problem(
        "given",
        &finer.patch(&path, "\"2\"", &json!({ "rules": by_scope["rules"] })).await,
        403,
        "insufficient_scope",
    );
    assert_eq!(finer.delete(&path).await.status, 204);
}

#[tokio::test]
async fn changes_race_and_answers_get_lost() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let there = admin.at(&fixture.b);
    for number in 0..5 {
        let made = admin.post("trusted-issuers", &said(&format!("https://{number}.example"), "records:read")).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    let (mut issuers, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = admin.get(&format!("trusted-issuers?{query}")).await.json();
        issuers.extend(page["items"].as_array().unwrap().iter().map(|item| item["issuer"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=2&after={next}");
    }
    let mut sorted = issuers.clone();
    sorted.sort();
    sorted.dedup();
    assert!(issuers.len() >= 5 && issuers == sorted, "{issuers:?}");
    // Of many tries of one version, one is made.
    let path = format!("trusted-issuers/{}", id_of("https://0.example"));
    let tries: Vec<_> = (1..=20)
        .map(|age| {
            let (admin, path) = (if age % 2 == 0 { admin.clone() } else { there.clone() }, path.clone());
            tokio::spawn(async move { admin.patch(&path, "\"1\"", &json!({ "max_age": age })).await.status })
        })
        .collect();
    let mut made = 0;
    for one in tries {
        match one.await.unwrap() {
            200 => made += 1,
            status => assert_eq!(status, 412),
        }
    }
    assert_eq!((made, admin.get(&path).await.header("etag")), (1, "\"2\""));
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "UPDATE trusted_issuers")).await;
    let changed = admin.patch(&path, "\"2\"", &json!({ "enabled": false })).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"3\""), "{}", changed.body);
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "INSERT INTO trusted_issuers")).await;
    assert_eq!(admin.post("trusted-issuers", &said("https://lost.example", "records:read")).await.status, 201);
    assert_eq!(fixture.disarm(Worker::A).await, 0);
}
