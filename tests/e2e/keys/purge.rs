//! What the daily cron takes away, and what it must not.

use serde_json::{Value, json};

use crate::harness::{Fixture, Setup, Worker};
use crate::support::{Api, Person};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

async fn ids(fixture: &Fixture, sql: &str) -> Vec<String> {
    fixture.d1(sql, &[]).await.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

async fn one(fixture: &Fixture, sql: &str) -> Value {
    fixture.d1(sql, &[]).await.into_iter().next().unwrap()
}

/// Inserts a row like another one, with changes.
async fn insert(fixture: &Fixture, table: &str, like: &Value, changes: &Value) {
    let mut row = like.as_object().unwrap().clone();
    row.extend(changes.as_object().unwrap().clone());
    let columns: Vec<&str> = row.keys().map(String::as_str).collect();
    let places: Vec<String> = (1..=columns.len()).map(|number| format!("?{number}")).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
    fixture.d1(&sql, &row.values().cloned().collect::<Vec<_>>()).await;
}

/// Grants a day and more after they ended, sessions that ended, and keys a year after they left the set;
/// whatever lives or ended lately stays.
#[tokio::test]
async fn the_cron_takes_what_ended_long_ago_and_nothing_else() {
    let fixture = Setup::default().start().await;
    let person = Person::ada(&fixture.a).await;
    let api = Api::demo(&fixture.a);
    let tokens = api.signed_in(&person).await;
    let now = fixture.d1("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now", &[]).await;
    let now = now.first().and_then(|row| row["now"].as_i64()).unwrap();

    let like_hers = one(&fixture, "SELECT * FROM grants").await;
    let later = now + 90 * DAY;
    let grants = [
        ("test expired long ago", now - DAY - HOUR, None),
        ("test expired lately", now - HOUR, None),
        ("test revoked long ago", later, Some(now - DAY - HOUR)),
        ("test revoked lately", later, Some(now - HOUR)),
        ("test alive", later, None),
    ];
    for (id, expires_at, revoked_at) in grants {
        insert(&fixture, "grants", &like_hers, &json!({ "id": id, "expires_at": expires_at, "revoked_at": revoked_at })).await;
    }
    let like_hers = one(&fixture, "SELECT * FROM sessions").await;
    let sessions = [
        ("test too old", now - 7 * DAY - HOUR, now),
        ("test idle", now - DAY, now - 9 * HOUR),
        ("test alive", now - 6 * DAY, now - 7 * HOUR),
    ];
    for (id, auth_time, seen_at) in sessions {
        let changes = json!({ "user_id": "nobody", "id": id, "auth_time": auth_time, "seen_at": seen_at });
        insert(&fixture, "sessions", &like_hers, &changes).await;
    }
    let todays = super::stored(&fixture).await;
    for (row, kid, days) in [(0, "test forgotten", 366), (1, "test kept for hints", 364)] {
        let ended = now - days * DAY;
        let changes = json!({
            "number": 0, "kid": kid, "publish": ended - 30 * DAY, "sign_from": ended - 30 * DAY, "sign_until": ended, "remove_at": ended,
        });
        insert(&fixture, "signing_keys", &todays[row], &changes).await;
    }

    fixture.cron(Worker::A).await;
    let left = ids(&fixture, "SELECT id FROM grants WHERE id LIKE 'test %' ORDER BY id").await;
    assert_eq!(left, ["test alive", "test expired lately", "test revoked lately"]);
    let left = ids(&fixture, "SELECT id FROM sessions WHERE user_id = 'nobody'").await;
    assert_eq!(left, ["test alive"]);
    let left = ids(&fixture, "SELECT kid AS id FROM signing_keys WHERE kid LIKE 'test %'").await;
    assert_eq!(left, ["test kept for hints"]);
    assert!(!super::published(&fixture).await.contains(&"test kept for hints".to_owned()));

    assert!(api.refresh(&tokens.member("refresh_token")).await.is_granted());
    assert_eq!(person.get("/device").await.status, 200, "still signed in");
}
