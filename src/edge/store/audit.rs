//! `audit_events`: written in the batch of the act, never changed.

use super::{Db, Rows, Shards, Statement};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::audit::Event;

/// Writes an event if the statement right before it in the batch changed a row. It may be run twice: what the
/// first run did, the second finds done.
fn insert_if_changed(ctx: &Ctx, event: &Event) -> Statement {
    let sql = "INSERT INTO audit_events (minute, id, at, kind, actor, subject, client_id, place, request_id, detail) \
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE changes() > 0 ON CONFLICT DO NOTHING";
    statement(ctx, event, sql)
}

/// Writes an event of something that happened elsewhere.
fn insert(ctx: &Ctx, event: &Event) -> Statement {
    let sql = "INSERT INTO audit_events (minute, id, at, kind, actor, subject, client_id, place, request_id, detail) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
    statement(ctx, event, sql)
}

fn statement(ctx: &Ctx, event: &Event, sql: &'static str) -> Statement {
    let parameters = [
        Event::minute(ctx.now).into(),
        event.id.as_str().into(),
        ctx.now.into(),
        event.kind.name().into(),
        event.actor.as_str().into(),
        event.subject.as_str().into(),
        event.client.as_str().into(),
        event.place.as_str().into(),
        ctx.request_id.as_str().into(),
        event.detail.as_str().into(),
    ];
    Statement::new(sql, parameters)
}

/// Notes what was done outside of D1, or could not be noted in its batch.
pub async fn note(ctx: &Ctx, event: &Event) -> Result<(), Fault> {
    Db::new(ctx, Shards::COMMON).run(insert(ctx, event)).await.map(drop)
}

impl Db<'_> {
    /// Runs a batch and, if its last statement changed a row, notes the event with it: both or neither.
    pub async fn record<const N: usize>(&self, statements: [Statement; N], event: &Event) -> Result<[Rows; N], Fault> {
        let rows = self.record_all(statements.into(), event).await?;
        rows.try_into().map_err(|_| Fault::Broken("D1: not one result per statement".to_owned()))
    }

    /// The same of any number of statements: one result each.
    pub async fn record_all(&self, mut statements: Vec<Statement>, event: &Event) -> Result<Vec<Rows>, Fault> {
        let asked = statements.len();
        statements.push(insert_if_changed(self.ctx, event));
        let mut rows = self.batch_all(&statements).await?;
        rows.truncate(asked);
        Ok(rows)
    }
}
