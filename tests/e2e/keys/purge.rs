//! What the daily cron takes away, and what it must not.

use serde_json::Value;

use crate::harness::{Fixture, Setup, Worker};
use crate::support::{Api, Person};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

async fn ids(fixture: &Fixture, sql: &str) -> Vec<String> {
    fixture.d1(sql, &[]).await.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
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

    let grant = "INSERT INTO grants (user_id, id, client_id, name, approved_scope, granted_scope, resources, approved_at, auth_time, acr, \
                 amr, created_at, expires_at, rotated_at, revoked_at) \
                 SELECT user_id, ?1, client_id, name, approved_scope, granted_scope, resources, approved_at, auth_time, acr, \
                 amr, created_at, ?2, rotated_at, ?3 FROM grants WHERE id NOT LIKE 'test %' LIMIT 1";
    let later = now + 90 * DAY;
    let grants = [
        ("test expired long ago", now - DAY - HOUR, None),
        ("test expired lately", now - HOUR, None),
        ("test revoked long ago", later, Some(now - DAY - HOUR)),
        ("test revoked lately", later, Some(now - HOUR)),
        ("test alive", later, None),
    ];
    for (id, expires_at, revoked_at) in grants {
        fixture.d1(grant, &[id.into(), expires_at.into(), revoked_at.map_or(Value::Null, Value::from)]).await;
    }
    let session = "INSERT INTO sessions (user_id, id, auth_time, seen_at, acr, amr) VALUES ('nobody', ?1, ?2, ?3, '', '[]')";
    let sessions = [
        ("test too old", now - 7 * DAY - HOUR, now),
        ("test idle", now - DAY, now - 9 * HOUR),
        ("test alive", now - 6 * DAY, now - 7 * HOUR),
    ];
    for (id, auth_time, seen_at) in sessions {
        fixture.d1(session, &[id.into(), auth_time.into(), seen_at.into()]).await;
    }
    let key = "INSERT INTO signing_keys SELECT alg, 0, ?2, public_jwk, wrapped, publish - ?3, sign_from - ?3, sign_until - ?3, ?4 \
               FROM signing_keys WHERE alg = ?1 AND number = 1";
    for (alg, kid, days) in [("ES256", "test forgotten", 366), ("RS256", "test kept for hints", 364)] {
        fixture.d1(key, &[alg.into(), kid.into(), (2 * 365 * DAY).into(), (now - days * DAY).into()]).await;
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
