//! `audit_events` and `audit_seals`: written in the batch of the act, never changed.
//!
//! With a second database bound as `AUDIT` they lie there, and an event is written right after its act instead of
//! with it: an act whose answer got lost may then have none.

use serde::Deserialize;

use super::{Db, Parameter, Rows, Shards, Statement};
use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::log;
use crate::protocol::audit::{Event, Kind};
use crate::protocol::audit_seal::{Seal, Stored};
use crate::protocol::ids::UserId;

/// An event of this request.
pub fn event(ctx: &Ctx, kind: Kind, actor: &str) -> Event {
    Event::new(kind, actor, &mut Platform).from_place(ctx.place.clone())
}

/// What a user did to what is their own.
pub fn by_user(ctx: &Ctx, kind: Kind, user: &UserId) -> Event {
    event(ctx, kind, user.as_str()).about(user.as_str())
}

/// The database that holds the log.
pub fn database(ctx: &Ctx) -> Db<'_> {
    Db::new(ctx, Shards::of_audit(ctx).unwrap_or(Shards::COMMON))
}

/// Writes an event if the last statement before it in the batch that writes has changed a row. It may be run
/// twice: what the first run did, the second finds done.
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

/// Notes what was done outside of D1 and is done whatever becomes of the note: at worst it is in the log of the
/// Worker only.
pub async fn note_or_log(ctx: &Ctx, event: &Event) {
    if let Err(fault) = database(ctx).run(insert(ctx, event)).await {
        let why = Failure::from(fault).into_parts().1;
        log::event("error", "audit", &format!("{} by {}: {why}", event.kind.name(), event.actor), &ctx.meter);
    }
}

impl Db<'_> {
    /// Runs a batch and, if its last statement that writes has changed a row, notes the event with it: both or
    /// neither.
    pub async fn record<const N: usize>(&self, statements: [Statement; N], event: &Event) -> Result<[Rows; N], Fault> {
        let rows = self.record_all(statements.into(), event).await?;
        rows.try_into().map_err(|_| Fault::Broken("D1: not one result per statement".to_owned()))
    }

    /// The same of any number of statements: one result each.
    pub async fn record_all(&self, statements: Vec<Statement>, event: &Event) -> Result<Vec<Rows>, Fault> {
        let all = statements.len();
        self.record_after(all, statements, event).await
    }

    /// The same, but the event hangs on what the last statement that writes among the first `place` changed; the
    /// others follow.
    pub async fn record_after(&self, place: usize, mut statements: Vec<Statement>, event: &Event) -> Result<Vec<Rows>, Fault> {
        let place = place.min(statements.len());
        if Shards::of_audit(self.ctx).is_some() {
            let rows = self.batch_all(&statements).await?;
            // What `changes()` says in the batch where there is one database.
            let last = rows.iter().zip(&statements).take(place).rfind(|(_, statement)| statement.writes());
            if last.is_some_and(|(rows, _)| rows.changes() > 0) {
                note_or_log(self.ctx, event).await;
            }
            return Ok(rows);
        }
        statements.insert(place, insert_if_changed(self.ctx, event));
        let mut rows = self.batch_all(&statements).await?;
        if place < rows.len() {
            rows.remove(place);
        }
        Ok(rows)
    }
}

/// What is asked of the log. Empty: anything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// First minute.
    pub from: i64,
    /// Last minute.
    pub to: i64,
    /// `Kind::name`.
    pub kind: String,
    /// Who did it.
    pub actor: String,
    /// About whom.
    pub subject: String,
    /// About which client.
    pub client: String,
    /// Only what is older than this event: its minute and id.
    pub before: Option<(i64, String)>,
}

/// The newest events of a filter first; at most `limit`.
pub async fn list(ctx: &Ctx, filter: &Filter, limit: u32) -> Result<Vec<Stored>, Fault> {
    let sql = "SELECT * FROM audit_events WHERE minute BETWEEN ?1 AND ?2 AND (minute, id) < (?3, ?4) \
               AND (?5 = '' OR kind = ?5) AND (?6 = '' OR actor = ?6) AND (?7 = '' OR subject = ?7) AND (?8 = '' OR client_id = ?8) \
               ORDER BY minute DESC, id DESC LIMIT ?9";
    let (minute, id) = filter.before.clone().unwrap_or((i64::from(u32::MAX), String::new()));
    let parameters: [Parameter; 9] = [
        filter.from.into(),
        filter.to.into(),
        minute.into(),
        id.into(),
        filter.kind.as_str().into(),
        filter.actor.as_str().into(),
        filter.subject.as_str().into(),
        filter.client.as_str().into(),
        limit.into(),
    ];
    database(ctx).run(Statement::new(sql, parameters)).await?.all()
}

/// The last seal.
pub async fn last_seal(ctx: &Ctx) -> Result<Option<Seal>, Fault> {
    let sql = "SELECT * FROM audit_seals ORDER BY minute DESC LIMIT 1";
    database(ctx).run(Statement::new(sql, [])).await?.first()
}

/// Seals of minutes after one, and the seal that stands before them.
pub async fn seals_after(ctx: &Ctx, minute: i64, limit: u32) -> Result<(Option<Seal>, Vec<Seal>), Fault> {
    let before = "SELECT * FROM audit_seals WHERE minute <= ?1 ORDER BY minute DESC LIMIT 1";
    let seals = "SELECT * FROM audit_seals WHERE minute > ?1 ORDER BY minute LIMIT ?2";
    let statements = [Statement::new(before, [minute.into()]), Statement::new(seals, [minute.into(), limit.into()])];
    let [before, seals] = database(ctx).batch(statements).await?;
    Ok((before.first()?, seals.all()?))
}

/// The events of some minutes, both included, in order.
pub async fn events_of(ctx: &Ctx, from: i64, to: i64) -> Result<Vec<Stored>, Fault> {
    let sql = "SELECT * FROM audit_events WHERE minute BETWEEN ?1 AND ?2 ORDER BY minute, id";
    database(ctx).run(Statement::new(sql, [from.into(), to.into()])).await?.all()
}

/// Minutes after one, up to another, that have events; in order, at most `limit`.
pub async fn minutes(ctx: &Ctx, after: i64, to: i64, limit: u32) -> Result<Vec<i64>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        minute: i64,
    }
    let sql = "SELECT DISTINCT minute FROM audit_events WHERE minute > ?1 AND minute <= ?2 ORDER BY minute LIMIT ?3";
    let rows = database(ctx).run(Statement::new(sql, [after.into(), to.into(), limit.into()])).await?;
    Ok(rows.all::<Row>()?.into_iter().map(|row| row.minute).collect())
}

/// Writes a seal. Of two cron runs at once the first one's stays: they are the same.
pub fn insert_seal(seal: &Seal) -> Statement {
    let sql = "INSERT INTO audit_seals (minute, events, root, previous, key, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let parameters: [Parameter; 6] = [
        seal.minute.into(),
        seal.events.into(),
        seal.root.as_str().into(),
        seal.previous.as_str().into(),
        u32::from(seal.key).into(),
        seal.mac.as_str().into(),
    ];
    Statement::new(sql, parameters)
}

/// Collects events of minutes before one. `limit` rows at most.
pub fn purge(before: i64, limit: u32) -> Statement {
    let sql = "DELETE FROM audit_events WHERE (minute, id) IN (SELECT minute, id FROM audit_events WHERE minute < ?1 LIMIT ?2)";
    Statement::new(sql, [before.into(), limit.into()])
}
