//! Roles; and with them what every resource has: versions, idempotency, paging, the audit log.

use serde_json::{Value, json};

use super::{Admin, assert_problem, last_change};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};

#[tokio::test]
async fn roles_are_made_changed_and_deleted() {
    let fixture = Fixture::shared();
    let admin = Admin::ada(&fixture.a).await;
    let made = admin.post("roles", &json!({ "name": "life/nurse", "description": "Reads records" })).await;
    assert_eq!((made.status, made.header("etag"), made.header("location")), (201, "\"1\"", "/admin/v1/roles/life%2Fnurse"));
    assert_eq!(last_change(fixture, "life/nurse").await, json!({ "action": "role.create", "id": "life/nurse" }));
    let read = admin.get("roles/life%2Fnurse").await;
    assert_eq!((read.header("etag"), read.json()), ("\"1\"", made.json()));
    assert_problem("again", &admin.post("roles", &json!({ "name": "life/nurse" })).await, 409, "conflict");

    let path = "roles/life%2Fnurse";
    let unsaid = admin.request("PATCH", path).json(&json!({ "description": "x" }));
    assert_problem("no If-Match", &crate::support::Api::send(unsaid).await, 428, "precondition_required");
    let changed = admin.patch(path, "\"1\"", &json!({ "description": "Reads and writes" })).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
    assert_eq!(changed.json()["description"], "Reads and writes");
    let change = json!({ "action": "role.patch", "id": "life/nurse", "fields": ["description"] });
    assert_eq!(last_change(fixture, "life/nurse").await, change);
    assert_problem("stale", &admin.patch(path, "\"1\"", &json!({ "description": "x" })).await, 412, "stale");
    assert_eq!(admin.get(path).await.json()["description"], "Reads and writes");

    assert_eq!(admin.delete(path).await.status, 204);
    assert_problem("gone", &admin.get(path).await, 404, "not_found");
    assert_problem("gone", &admin.delete(path).await, 404, "not_found");
    assert_eq!(last_change(fixture, "life/nurse").await["action"], "role.delete");
}

#[tokio::test]
async fn what_is_built_in_or_in_use_stays() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    assert_problem("built in", &admin.post("roles", &json!({ "name": "latchkey:new" })).await, 409, "conflict");
    assert_problem("built in", &admin.delete("roles/latchkey:admin").await, 409, "conflict");
    assert_problem(
        "built in",
        &admin.patch("roles/latchkey:admin", "\"1\"", &json!({ "description": "x" })).await,
        409,
        "conflict",
    );
    assert_eq!(admin.get("roles/latchkey:admin").await.json()["built_in"], true);
    assert_eq!(admin.post("roles", &json!({ "name": "used" })).await.status, 201);
    fixture.d1("UPDATE users SET roles = '[\"latchkey:admin\",\"used\"]'", &[]).await;
    assert_problem("in use", &admin.delete("roles/used").await, 409, "conflict");
    assert_eq!(admin.get("roles/used").await.status, 200);
}

#[tokio::test]
async fn pages_list_each_role_once() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    for number in 0..5 {
        assert_eq!(admin.post("roles", &json!({ "name": format!("page-{number}") })).await.status, 201);
    }
    let (mut names, mut query) = (Vec::new(), "limit=3".to_owned());
    loop {
        let page = admin.get(&format!("roles?{query}")).await.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        names.extend(items.iter().map(|role| role["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=3&after={next}");
    }
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((names.len(), &names), (13, &sorted));
}

/// The same request under the same key happens once, however often and however parallel it is sent.
#[tokio::test]
async fn one_key_creates_once() {
    let fixture = Setup::default().start().await;
    let (a, b) = (Admin::ada(&fixture.a).await, fixture.b.clone());
    let b = a.at(&b);
    let body = json!({ "name": "once", "description": "x" });
    let calls: Vec<_> = (0..40)
        .map(|number| {
            let (admin, body) = (if number % 2 == 0 { a.clone() } else { b.clone() }, body.clone());
            tokio::spawn(async move { admin.post_once("roles", "the key", &body).await })
        })
        .collect();
    for call in calls {
        let answer = call.await.unwrap();
        assert_eq!((answer.status, answer.header("etag")), (201, "\"1\""), "{}", answer.body);
        assert_eq!(answer.json()["name"], "once");
    }
    let count = |sql: &'static str| async { fixture.d1(sql, &[]).await[0]["n"].clone() };
    assert_eq!(count("SELECT COUNT(*) AS n FROM roles").await, 1);
    assert_eq!(count("SELECT COUNT(*) AS n FROM audit_events WHERE kind = 'admin_change'").await, 1);
    // The answer outlives what it is about.
    assert_eq!(a.delete("roles/once").await.status, 204);
    assert_eq!(a.post_once("roles", "the key", &body).await.status, 201);
    assert_eq!(count("SELECT COUNT(*) AS n FROM roles").await, 0);
    let other = a.post_once("roles", "the key", &json!({ "name": "other" })).await;
    assert_problem("another body", &other, 422, "idempotency_conflict");
    assert_problem("no key", &a.post_once("roles", "", &body).await, 400, "invalid");
    // Nothing that was told can be read in the database.
    let kept = fixture.d1("SELECT key, request, answer FROM idempotency", &[]).await;
    assert!(!Value::from(kept).to_string().contains("once"));
}

/// A lost answer is no second creation and no conflict.
#[tokio::test]
async fn an_unknown_outcome_is_found_out() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "INSERT INTO roles")).await;
    let made = admin.post("roles", &json!({ "name": "lost" })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "UPDATE roles")).await;
    let changed = admin.patch("roles/lost", "\"1\"", &json!({ "description": "found" })).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{}", changed.body);
    // Nothing at all was written.
    fixture.fault(Worker::A, &Fault { times: 2, ..Fault::new("DB", Mode::Before, "INSERT INTO roles") }).await;
    let failed = admin.post_once("roles", "again", &json!({ "name": "never" })).await;
    assert_problem("no database", &failed, 503, "unavailable");
    assert_eq!(admin.post_once("roles", "again", &json!({ "name": "never" })).await.status, 201);
    let events = fixture.d1("SELECT COUNT(*) AS n FROM audit_events WHERE kind = 'admin_change'", &[]).await;
    assert_eq!(events[0]["n"], 3);
    assert_eq!(fixture.disarm(Worker::A).await, 0);
}
