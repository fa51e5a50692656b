//! The audit log on the real Worker: which acts leave an event, and whether a touched log shows.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod events;
mod seals;
mod summaries;

use serde_json::{Value, json};

use crate::harness::Fixture;

/// All events of a kind, oldest first.
async fn events(fixture: &Fixture, kind: &str) -> Vec<Value> {
    fixture.d1("SELECT * FROM audit_events WHERE kind = ?1 ORDER BY at", &[json!(kind)]).await
}

/// How many events there are.
async fn count(fixture: &Fixture) -> i64 {
    fixture.d1("SELECT COUNT(*) AS n FROM audit_events", &[]).await[0]["n"].as_i64().unwrap()
}

/// The id of a user.
async fn user_id(fixture: &Fixture, login: &str) -> Value {
    fixture.d1("SELECT user_id FROM logins WHERE login = ?1", &[json!(login)]).await[0]["user_id"].clone()
}
