//! Summaries: counted by the cron, once, whatever was missed.

use serde_json::{Value, json};

use crate::admin::Admin;
use crate::harness::{Fixture, Setup, Worker};
use crate::support::{Api, Person};

/// Moves everything that happened so many hours back.
async fn hours_ago(fixture: &Fixture, hours: i64) {
    let sql = "UPDATE audit_events SET minute = minute - ?1 * 60, at = at - ?1 * 3600000";
    fixture.d1(sql, &[json!(hours)]).await;
    fixture.d1("UPDATE grants SET created_at = created_at - ?1 * 3600000", &[json!(hours)]).await;
}

/// The sum of counts by kind and key.
async fn counted(admin: &Admin, kind: &str, key: &str) -> i64 {
    let answer = admin.get(&format!("summaries?from_hour=0&kind={kind}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let items = answer.json()["items"].as_array().unwrap().clone();
    items.iter().filter(|item| item["key"] == key).map(|item| item["count"].as_i64().unwrap()).sum()
}

async fn realm(setup: Setup) -> Fixture {
    let fixture = setup.var("PASSWORD_BUDGET", "1").rate_limit("LIMIT_LOGIN", 1_000_000).start().await;
    let person = Person::ada(&fixture.a).await;
    let device = Api::public(&fixture.a, "demo-device");
    for _ in 0..3 {
        let tokens = device.signed_in(&person).await;
        assert!(device.refresh(&tokens.member("refresh_token")).await.is_granted());
    }
    person.deny(&device.start().await.user_code).await;
    Person::new(&fixture.a).try_sign_in("nobody", "wrong").await;
    fixture
}

#[tokio::test]
async fn hours_are_counted_once() {
    let fixture = realm(Setup::default()).await;
    hours_ago(&fixture, 5).await;
    fixture.cron(Worker::A).await;
    let admin = Admin::ada(&fixture.a).await;
    let expected = [
        ("sign_in", "", 1),
        ("device_flow", "approved", 3),
        ("device_flow", "denied", 1),
        ("device_flow", "collected", 3),
        ("failure", "password", 1),
        ("devices", "", 3),
        ("devices_by_site", "", 3),
        ("devices_by_client", "demo-device", 3),
    ];
    for (kind, key, count) in expected {
        assert_eq!(counted(&admin, kind, key).await, count, "{kind} {key}");
    }
    // Again, at the other Worker: the same, and what is counted needs its source no more.
    let before = fixture.d1("SELECT * FROM summaries ORDER BY hour, kind, key", &[]).await;
    fixture.cron(Worker::B).await;
    assert_eq!(fixture.d1("SELECT * FROM summaries ORDER BY hour, kind, key", &[]).await, before);
    fixture.d1("DELETE FROM audit_events", &[]).await;
    for (kind, key, count) in expected {
        assert_eq!(counted(&admin, kind, key).await, count, "{kind} {key}");
    }
    // An hour that is not over is not counted.
    let hour =
        admin.get("summaries").await.json()["items"].as_array().unwrap().iter().map(|item| item["hour"].as_i64().unwrap()).max();
    let now = fixture.d1("SELECT unixepoch() / 3600 AS hour", &[]).await[0]["hour"].as_i64().unwrap();
    assert!(hour.unwrap() < now);
}

/// Refreshes are how much the generations grow, also of grants that are purged meanwhile.
#[tokio::test]
async fn refreshes_are_counted_without_a_row_for_each() {
    let fixture = realm(Setup::default()).await;
    fixture.cron(Worker::A).await;
    let admin = Admin::ada(&fixture.a).await;
    assert_eq!(counted(&admin, "refresh", "").await, 0, "what was before the first look is not known");
    let person = Person::new(&fixture.a);
    fixture.d1("DELETE FROM summaries WHERE kind = 'counted'", &[]).await;
    fixture.d1("UPDATE summaries SET hour = hour - 1 WHERE hour > 0", &[]).await;
    fixture.d1("UPDATE grants SET generation = generation + 4", &[]).await;
    // One of them is over, and the daily purge takes it away.
    fixture
        .d1("UPDATE grants SET revoked_at = 1 WHERE id = (SELECT MIN(id) FROM grants WHERE grant_type LIKE '%device_code')", &[])
        .await;
    let grants = fixture.d1("SELECT COUNT(*) AS n FROM grants", &[]).await[0]["n"].as_i64().unwrap();
    fixture.d1("INSERT INTO summaries (hour, kind, key, count) SELECT unixepoch() / 3600 - 1, 'counted', '', 1", &[]).await;
    fixture.cron(Worker::A).await;
    let left = fixture.d1("SELECT COUNT(*) AS n FROM grants", &[]).await[0]["n"].as_i64().unwrap();
    assert_eq!(left, grants - 1, "the purge ran");
    fixture.d1("DELETE FROM summaries WHERE kind = 'counted'", &[]).await;
    fixture.cron(Worker::A).await;
    assert_eq!(counted(&admin, "refresh", "").await, 4 * grants);
    drop(person);
}

/// Hours without a run are caught up with; with a database of its own for the log it is the same.
#[tokio::test]
async fn missed_hours_are_caught_up_with() {
    for setup in [Setup::default(), Setup::default().audit_database()] {
        let fixture = realm(setup).await;
        let log = |sql: &'static str| fixture.audit_d1(sql);
        let is_apart = fixture.d1("SELECT 1 FROM audit_events", &[]).await.is_empty();
        if is_apart {
            log("UPDATE audit_events SET minute = minute - 600").await;
        } else {
            hours_ago(&fixture, 10).await;
        }
        fixture.cron(Worker::A).await;
        let admin = Admin::ada(&fixture.a).await;
        assert_eq!((counted(&admin, "sign_in", "").await, counted(&admin, "devices", "").await), (1, 3));
        let rows: Vec<Value> = if is_apart {
            log("SELECT hour FROM summaries WHERE kind = 'counted'").await
        } else {
            fixture.d1("SELECT hour FROM summaries WHERE kind = 'counted'", &[]).await
        };
        assert_eq!(rows.len(), 72, "three days at most");
    }
}

/// However many sites there are, those with the most devices are kept, as they are now: a look writes no more rows.
#[tokio::test]
async fn the_sites_with_the_most_devices_are_kept() {
    const COLUMNS: &str = "client_id, name, approved_scope, granted_scope, resources, approved_at, auth_time, acr, amr, created_at, \
        expires_at, rotated_at, basis, grant_type, place";
    let fixture = Setup::default().start().await;
    Api::public(&fixture.a, "demo-device").signed_in(&Person::ada(&fixture.a).await).await;
    let of = COLUMNS.trim_end_matches(", place");
    let sites = format!(
        "INSERT INTO grants (user_id, id, {COLUMNS}) SELECT user_id, id || n, {of}, printf('site %03d', n) FROM grants, \
         (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 201) SELECT n FROM c)"
    );
    fixture.d1(&sites, &[]).await;
    let kept = async || {
        fixture.d1("DELETE FROM summaries WHERE kind = 'counted'", &[]).await;
        fixture.cron(Worker::A).await;
        let sql = "SELECT key, count FROM summaries WHERE kind = 'devices_by_site' ORDER BY count DESC, key";
        let rows = fixture.d1(sql, &[]).await;
        let key = |row: Option<&Value>| row.unwrap()["key"].as_str().unwrap().to_owned();
        (rows.len(), key(rows.first()), key(rows.last()))
    };
    assert_eq!(kept().await, (200, String::new(), "site 199".to_owned()));
    // One more device at a site that was left out: it comes in, and another goes though there is a device.
    let more = format!(
        "INSERT INTO grants (user_id, id, {COLUMNS}) SELECT user_id, id || 'x', {COLUMNS} FROM grants WHERE place = 'site 200'"
    );
    fixture.d1(&more, &[]).await;
    assert_eq!(kept().await, (200, "site 200".to_owned(), "site 198".to_owned()));
}
