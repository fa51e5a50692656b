//! The audit log's seals: made by the cron, looked at by whoever asks whether it was touched.

use serde::Serialize;

use super::ctx::Ctx;
use super::failure::Fault;
use super::published;
use super::store::{Rows, Statement, audit, summaries};
use super::webhooks;
use crate::protocol::audit::Event;
use crate::protocol::audit_seal::{Finding, Seal, findings};
use crate::protocol::time::{Seconds, Timestamp};

/// A minute is sealed when so many have gone by since: nobody writes into it any more.
const SETTLED: i64 = 2;
/// Minutes that one run seals at most, and that one batch does: a D1 batch has its limits.
const MOST_MINUTES: u32 = 1_000;
const AT_ONCE: usize = 50;
/// Seals that one verification looks at.
const PAGE: u32 = 200;
/// Events older than so many minutes have a seal: the cron runs every five.
const SEALED_BY: i64 = 15;

/// Seals every finished minute that had events, and tells webhooks of these.
pub async fn seal(ctx: &Ctx) -> Result<(), Fault> {
    let last = audit::last_seal(ctx).await?;
    let mut previous = last.as_ref().map(|seal| seal.mac.clone()).unwrap_or_default();
    let after = last.map_or(0, |seal| seal.minute);
    // First told, then sealed: what could not be put down is told by the next run.
    let minutes = audit::minutes(ctx, after, Event::minute(ctx.now) - SETTLED, MOST_MINUTES).await?;
    let listeners = if minutes.is_empty() { Vec::new() } else { webhooks::listeners(ctx).await? };
    for some in minutes.chunks(AT_ONCE) {
        let (Some(first), Some(last)) = (some.first(), some.last()) else { continue };
        let events = audit::events_of(ctx, *first, *last).await?;
        webhooks::announce(ctx, &listeners, &events).await?;
        let mut statements: Vec<Statement> = Vec::new();
        for of_minute in events.chunk_by(|a, b| a.minute == b.minute) {
            let Some(event) = of_minute.first() else { continue };
            let seal = Seal::new(&ctx.config.sealer(), event.minute, of_minute, &previous);
            statements.push(audit::insert_seal(&seal));
            previous = seal.mac;
        }
        audit::database(ctx).batch_all(&statements).await?;
    }
    // Beside the database, so that a chain cut short there shows.
    if let Some(seal) = audit::last_seal(ctx).await?.filter(|_| !minutes.is_empty()) {
        published::put_audit_head(ctx, &format!("{} {}", seal.minute, seal.mac)).await?;
    }
    Ok(())
}

/// Hours that one run counts at most, when some were missed.
const MOST_HOURS: i64 = 72;

/// Counts what happened in every finished hour that was not counted yet, the last three days at most.
pub async fn summarise(ctx: &Ctx) -> Result<(), Fault> {
    // All its minutes have settled.
    let last = (Event::minute(ctx.now) - SETTLED).div_euclid(60) - 1;
    let counted = summaries::last_hour(ctx).await?.unwrap_or_default();
    let first = (counted + 1).max(last - MOST_HOURS + 1);
    if first > last {
        return Ok(());
    }
    for hour in first..=last {
        summaries::count_collected(ctx, hour).await?;
        if hour == last {
            summaries::look_at_grants(ctx, hour).await?;
        }
        summaries::count_events(ctx, hour).await?;
    }
    Ok(())
}

/// Deletes the events of days past retention; their seals stay, so that the chain holds.
pub async fn retain(ctx: &Ctx, limit: u32, batches: u32) -> Result<(), Fault> {
    for _ in 0..batches {
        let rows: Rows = audit::database(ctx).run(audit::purge(kept_from(ctx), limit)).await?;
        if rows.changes() == 0 {
            break;
        }
    }
    summaries::purge(ctx, kept_from(ctx).div_euclid(60)).await
}

/// The first minute whose events are kept: the start of a day (UTC).
fn kept_from(ctx: &Ctx) -> i64 {
    let oldest = ctx.now.minus(Seconds(ctx.config.settings.audit_retention_days.saturating_mul(86_400)));
    let day = oldest.millis().div_euclid(86_400_000);
    Event::minute(Timestamp::from_millis(day * 86_400_000))
}

/// What a look at some of the log yields.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Seals that were looked at.
    pub seals: usize,
    /// Events that were looked at.
    pub events: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Look on after this minute; absent: that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// Whether the log was touched, from the seals after a minute on.
pub async fn verify(ctx: &Ctx, after: i64) -> Result<Report, Fault> {
    let (before, seals) = audit::seals_after(ctx, after, PAGE).await?;
    let settled = Event::minute(ctx.now) - SEALED_BY;
    let is_last = seals.len() < PAGE as usize;
    let until = seals.last().map_or(after, |seal| seal.minute);
    let to = if is_last { until.max(settled) } else { until };
    let events = audit::events_of(ctx, after.saturating_add(1), to).await?;
    let (sealer, before) = (ctx.config.sealer(), before.map(|seal| seal.mac).unwrap_or_default());
    let mut found = findings(&sealer, &before, &seals, &events, kept_from(ctx));
    // Not sealed yet is no fault.
    found.retain(|finding| finding.what != "events without a seal" || finding.minute <= settled);
    if is_last && let Some((minute, mac)) = head(ctx).await? {
        let last = audit::last_seal(ctx).await?;
        let is_there = last.as_ref().is_some_and(|seal| seal.minute > minute || (seal.minute == minute && seal.mac == mac));
        if !is_there {
            found.push(Finding { minute, what: "the newest seals are missing" });
        }
    }
    Ok(Report { seals: seals.len(), events: events.len(), findings: found, next: (!is_last).then_some(until) })
}

/// The newest seal as KV has it. It may be a minute behind, never ahead.
async fn head(ctx: &Ctx) -> Result<Option<(i64, String)>, Fault> {
    let head = published::audit_head(ctx).await?;
    Ok(head.and_then(|head| head.split_once(' ').and_then(|(minute, mac)| Some((minute.parse().ok()?, mac.to_owned())))))
}
