//! `consents`: what a user said to a client, and that it was withdrawn.

use serde::Deserialize;

use super::{Rows, Statement, from_json, to_json};
use crate::edge::failure::Fault;
use crate::protocol::consent::Choice;
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;

/// Reads what a user said to a client, unless it was withdrawn since.
pub fn select(user: &UserId, client: &str) -> Statement {
    let sql = "SELECT choice FROM consents WHERE user_id = ?1 AND client_id = ?2 AND choice <> '' \
               AND (withdrawn_at IS NULL OR withdrawn_at < given_at)";
    Statement::new(sql, [user.as_str().into(), client.into()])
}

/// What [`select`] found.
pub fn choice(rows: &Rows) -> Result<Option<Choice>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        choice: String,
    }
    rows.first::<Row>()?.map(|row| from_json("consents.choice", &row.choice)).transpose()
}

/// Remembers what a user said.
pub fn give(user: &UserId, client: &str, choice: &Choice, now: Timestamp) -> Statement {
    let sql = "INSERT INTO consents (user_id, client_id, choice, given_at) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (user_id, client_id) DO UPDATE SET choice = ?3, given_at = ?4 WHERE given_at < ?4";
    Statement::new(sql, [user.as_str().into(), client.into(), to_json(choice).into(), now.into()])
}

/// Takes it back: every grant that was approved up to now is void, and the next sign-in asks again.
pub fn withdraw(user: &UserId, client: &str, now: Timestamp) -> Statement {
    let sql = "INSERT INTO consents (user_id, client_id, withdrawn_at) VALUES (?1, ?2, ?3) \
               ON CONFLICT (user_id, client_id) DO UPDATE SET withdrawn_at = ?3, choice = ''";
    Statement::new(sql, [user.as_str().into(), client.into(), now.into()])
}
