//! `idempotency`: that a create happened, and what was answered; for a day.

use serde::Deserialize;

use super::{Db, Shards, Statement};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::audit::Event;
use crate::protocol::time::Seconds;

/// So long an answer is kept at least.
const KEPT_FOR: Seconds = Seconds(86_400);

/// The predicate of a create: nothing was answered under this key.
macro_rules! unanswered {
    ($key:literal) => {
        concat!("NOT EXISTS (SELECT 1 FROM idempotency i WHERE i.key = ", $key, ")")
    };
}
pub(super) use unanswered;

/// What is written down of a create.
pub struct Pending<'a> {
    /// Its key.
    pub key: &'a str,
    /// A hash of what was asked.
    pub request: &'a str,
    /// The answer, sealed.
    pub answer: &'a str,
}

/// What came of it.
pub enum Kept {
    /// It happened, by this very batch.
    Now,
    /// It happened before, by a request with this hash, and this was answered.
    Before {
        /// Hash of what was asked then.
        request: String,
        /// The answer, sealed.
        answer: String,
    },
    /// It did not happen: the statements changed nothing.
    Nothing,
}

/// Runs a create, and writes down that it happened together with its event.
pub async fn commit(ctx: &Ctx, mut statements: Vec<Statement>, pending: &Pending<'_>, event: &Event) -> Result<Kept, Fault> {
    #[derive(Deserialize)]
    struct Row {
        request: String,
        answer: String,
    }
    let sql = "INSERT INTO idempotency (key, request, answer, expires_at) SELECT ?1, ?2, ?3, ?4 WHERE changes() > 0 \
               ON CONFLICT DO NOTHING";
    let expires_at = ctx.now.plus(KEPT_FOR);
    let parameters = [pending.key.into(), pending.request.into(), pending.answer.into(), expires_at.into()];
    statements.push(Statement::new(sql, parameters));
    let db = Db::new(ctx, Shards::COMMON);
    let rows = db.record_all(statements, event).await?;
    if rows.last().is_some_and(|rows| rows.changes() > 0) {
        return Ok(Kept::Now);
    }
    // Asked before, there already, or our own second run after a lost answer.
    let read = Statement::new("SELECT request, answer FROM idempotency WHERE key = ?1", [pending.key.into()]);
    Ok(db.run(read).await?.first::<Row>()?.map_or(Kept::Nothing, |row| Kept::Before { request: row.request, answer: row.answer }))
}

/// Collects what was kept long enough. `limit` rows at most.
pub fn purge(ctx: &Ctx, limit: u32) -> Statement {
    let sql = "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE expires_at < ?1 LIMIT ?2)";
    Statement::new(sql, [ctx.now.into(), limit.into()])
}
