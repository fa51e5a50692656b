//! Seals: made by the cron, and what they show.

use serde_json::{Value, json};

use super::{count, events};
use crate::admin::Admin;
use crate::harness::{Fixture, Setup, Worker};
use crate::support::{ADA, Person};

/// A realm with some events, moved an hour and more into the past, minute by minute, and sealed.
async fn sealed() -> (Fixture, Admin) {
    let fixture = Setup::default().start().await;
    for _ in 0..4 {
        assert_eq!(Person::new(&fixture.a).try_sign_in(ADA.0, ADA.1).await.status, 303);
    }
    let signed = events(&fixture, "sign_in").await;
    assert_eq!(signed.len(), 4);
    // Two of them in one minute.
    for (minutes, event) in [100, 90, 90, 80].into_iter().zip(&signed) {
        let sql = "UPDATE audit_events SET minute = minute - ?1, at = at - ?1 * 60000 WHERE id = ?2";
        fixture.d1(sql, &[json!(minutes), event["id"].clone()]).await;
    }
    fixture.cron(Worker::A).await;
    let seals = fixture.d1("SELECT events FROM audit_seals ORDER BY minute", &[]).await;
    assert_eq!(seals.iter().map(|seal| seal["events"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 1]);
    let admin = Admin::ada(&fixture.a).await;
    (fixture, admin)
}

/// What a look at the whole log finds.
async fn findings(admin: &Admin) -> Vec<String> {
    let report = admin.get("audit/verify").await;
    assert_eq!(report.status, 200, "{}", report.body);
    let report = report.json();
    assert!(report["next"].is_null());
    report["findings"].as_array().unwrap().iter().map(|found| found["what"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_untouched_log_is_fine() {
    let (fixture, admin) = sealed().await;
    let report = admin.get("audit/verify").await.json();
    assert_eq!((&report["seals"], &report["findings"]), (&json!(3), &json!([])), "{report}");
    assert!(report["events"].as_i64().unwrap() >= 4);
    // Another run changes nothing, and the other Worker sees the same.
    let before = fixture.d1("SELECT * FROM audit_seals", &[]).await;
    fixture.cron(Worker::B).await;
    assert_eq!(fixture.d1("SELECT * FROM audit_seals", &[]).await, before);
    assert_eq!(findings(&admin.at(&fixture.b)).await, [""; 0]);
    let listed = admin.get("audit/seals?limit=2").await.json();
    assert_eq!(listed["items"][0]["mac"], before[0]["mac"]);
    let rest = admin.get(&format!("audit/seals?limit=2&after={}", listed["next"].as_str().unwrap())).await.json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
}

#[tokio::test]
async fn whatever_is_done_to_the_database_shows() {
    for (sql, expected) in [
        (
            "UPDATE audit_events SET actor = 'somebody' WHERE minute = (SELECT MIN(minute) FROM audit_events)",
            "events were changed",
        ),
        ("DELETE FROM audit_events WHERE minute = (SELECT MIN(minute) FROM audit_events)", "events were changed"),
        (
            "INSERT INTO audit_events SELECT minute, 'forged', at, kind, actor, subject, client_id, place, request_id, detail FROM audit_events \
             WHERE minute = (SELECT MIN(minute) FROM audit_events)",
            "events were changed",
        ),
        (
            "INSERT INTO audit_events SELECT minute - 5, 'forged', at, kind, actor, subject, client_id, place, request_id, detail \
             FROM audit_events WHERE minute = (SELECT MIN(minute) FROM audit_events)",
            "events without a seal",
        ),
        ("UPDATE audit_seals SET events = 7 WHERE minute = (SELECT MIN(minute) FROM audit_seals)", "seal was changed"),
        ("UPDATE audit_seals SET previous = '' WHERE minute = (SELECT MAX(minute) FROM audit_seals)", "seal was changed"),
    ] {
        let (fixture, admin) = sealed().await;
        fixture.d1(sql, &[]).await;
        let found = findings(&admin).await;
        assert!(found.iter().any(|found| found == expected), "{sql}: {found:?}");
    }
    // A minute that is gone with its seal.
    let (fixture, admin) = sealed().await;
    let minutes = fixture.d1("SELECT minute FROM audit_seals ORDER BY minute", &[]).await;
    let remove = async |minute: &Value| {
        for table in ["DELETE FROM audit_events WHERE minute = ?1", "DELETE FROM audit_seals WHERE minute = ?1"] {
            fixture.d1(table, std::slice::from_ref(minute)).await;
        }
    };
    remove(&minutes[1]["minute"]).await;
    assert_eq!(findings(&admin).await, ["seal before it is missing"]);
    // The end cut off: KV knows better.
    remove(&minutes[2]["minute"]).await;
    assert_eq!(findings(&admin).await, ["the newest seals are missing"]);
}

/// Who holds the database but no root secret cannot seal again what they changed.
#[tokio::test]
async fn a_seal_of_another_key_is_none() {
    let (fixture, admin) = sealed().await;
    fixture.d1("DELETE FROM audit_seals", &[]).await;
    let other = "9:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    let secrets = json!({ "LATCHKEY_KEYS": other, "LATCHKEY_KEY_ACTIVE": "9" });
    drop(admin);
    // A Worker that is not ours, on our database.
    let mine = fixture.secrets(Worker::B).await;
    fixture.restart(json!({ "b": { "secrets": secrets } })).await;
    fixture.cron(Worker::B).await;
    fixture.restart(json!({ "b": { "secrets": mine } })).await;
    let admin = Admin::ada(&fixture.a).await;
    let found = findings(&admin).await;
    assert!(found.iter().any(|found| found == "root secret of the seal is gone"), "{found:?}");
}

#[tokio::test]
async fn events_go_by_whole_days_and_the_chain_holds() {
    let (fixture, admin) = sealed().await;
    let before = count(&fixture).await;
    // Older than the default of 400 days, seal and all.
    let sql = "UPDATE audit_events SET minute = minute - 600000 WHERE minute = (SELECT MIN(minute) FROM audit_events)";
    fixture.d1(sql, &[]).await;
    fixture.d1("DELETE FROM audit_seals", &[]).await;
    fixture.set_kv("audit head", None).await;
    fixture.cron(Worker::A).await;
    assert_eq!(count(&fixture).await, before - 1);
    assert_eq!(fixture.d1("SELECT * FROM audit_seals", &[]).await.len(), 3);
    assert_eq!(findings(&admin).await, [""; 0]);
}

/// With a database of its own the log lies there, sealed and looked at alike; and what was refused leaves nothing.
#[tokio::test]
async fn a_database_of_its_own_holds_the_log() {
    let fixture = Setup::default().audit_database().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let kinds = async || -> Vec<String> {
        let rows = fixture.audit_d1("SELECT kind FROM audit_events ORDER BY at").await;
        rows.iter().map(|row| row["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds().await, ["sign_in"]);
    // The last administrator: the new login is reserved and given back, and nothing was changed.
    let ada = admin.get("users?login=ada").await.json()["items"][0].clone();
    let path = format!("users/{}", ada["id"].as_str().unwrap());
    let refused = admin.patch(&path, "\"1\"", &json!({ "roles": [], "login": "eve" })).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(kinds().await, ["sign_in"]);
    assert_eq!(admin.patch(&path, "\"1\"", &json!({ "login": "ada.l" })).await.status, 200);
    assert_eq!(kinds().await, ["sign_in", "admin_change"]);
    assert_eq!(count(&fixture).await, 0);

    fixture.audit_d1("UPDATE audit_events SET minute = minute - 90").await;
    fixture.cron(Worker::A).await;
    assert_eq!(fixture.audit_d1("SELECT events FROM audit_seals").await, [json!({ "events": 2 })]);
    assert_eq!(findings(&admin).await, [""; 0]);
    assert_eq!(admin.get("audit?kind=admin_change").await.json()["items"][0]["actor"], ada["id"]);
    fixture.audit_d1("UPDATE audit_events SET actor = 'somebody'").await;
    assert_eq!(findings(&admin).await, ["events were changed"]);
}
