//! Where the platform calls in.

use std::panic;
use std::rc::Rc;

use worker::{Context, Env, Request, Response, Result, ScheduleContext, ScheduledEvent, event};

use super::crypto;
use super::ctx::{self, Ctx};
use super::failure::{Failure, Fault};
use super::handlers::admin::bootstrap;
use super::http::{WireRequest, WireResponse};
use super::log::{self, Line, Meter};
use super::record;
use super::routes::{self, Route};
use super::salts;
use super::store::{Db, Rows, Shards, grants, idempotency, pushed_requests, redemptions, sessions, signing_keys, summaries};
use super::webhooks;
use crate::protocol::time::Seconds;

/// The cron run that also deletes what ended; the others only keep the keys.
const PURGE_CRON: &str = "17 3 * * *";
/// Rows that one batch of it deletes at most, of each table.
const PURGE_LIMIT: u32 = 5_000;
/// Batches in one run at most: 500,000 rows of each table a day.
const PURGE_BATCHES: u32 = 100;

/// Panics are logged with their place, and the SDK's own hook still runs: it marks the instance.
#[event(start)]
fn start() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        console_error_panic_hook::hook(info);
        before(info);
    }));
}

/// Every request.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let began = ctx::now();
    let meter = Rc::new(Meter::default());
    let request_id = ctx::request_id();
    let mut request = WireRequest::new(request);
    let mut line = Line { route: Route::of(&request.path).name(), method: known_method(&request.method), ..Line::default() };
    let response = match Ctx::new(env, Rc::clone(&meter), request_id.clone()) {
        Ok(ctx) => {
            let ctx = Ctx { network: request.network(), place: request.place(), ..ctx };
            routes::answer(&ctx, &mut request, &mut line).await
        }
        Err(fault) => unconfigured(fault, &request_id, &mut line),
    };
    // In every answer, so that whoever reports one names its line in the log.
    let response = response.header("x-request-id", request_id.as_str());
    line.status = response.status;
    line.duration = ctx::now().since(began);
    line.write(&request_id, &meter);
    response.into_response()
}

/// Cron: keys every time, and once a day what ended long ago.
#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let meter = Rc::new(Meter::default());
    let done = match Ctx::new(env, Rc::clone(&meter), ctx::request_id()) {
        Ok(ctx) => run(&ctx, &event.cron()).await,
        Err(fault) => Err(fault),
    };
    match done {
        Ok(()) => log::event("info", "cron", "", &meter),
        Err(fault) => log::event("error", "cron", &Failure::from(fault).into_parts().1, &meter),
    }
}

async fn run(ctx: &Ctx, cron: &str) -> std::result::Result<(), Fault> {
    let maintained = crypto::maintain(ctx).await;
    forget_pushed(ctx).await?;
    let maintained = salts::maintain(ctx).await.and(maintained);
    let maintained = webhooks::maintain(ctx).await.and(maintained);
    let maintained = record::seal(ctx).await.and(maintained);
    let maintained = record::summarise(ctx).await.and(maintained);
    if cron == PURGE_CRON {
        bootstrap::maintain(ctx).await?;
        purge(ctx).await?;
        record::retain(ctx, PURGE_LIMIT, PURGE_BATCHES).await?;
    }
    maintained
}

/// Pushed requests whose flow cannot go on any more: every run, for strangers can make them.
async fn forget_pushed(ctx: &Ctx) -> std::result::Result<(), Fault> {
    let settings = &ctx.config.settings;
    let pushed_before = ctx.now.minus(Seconds(settings.par_lifetime)).minus(Seconds(settings.form_lifetime));
    let db = Db::new(ctx, Shards::COMMON);
    for _ in 0..PURGE_BATCHES {
        if db.run(pushed_requests::purge(pushed_before, PURGE_LIMIT)).await?.changes() == 0 {
            break;
        }
    }
    Ok(())
}

/// Deletes what ended, in batches that each stay far from the time limit of a query.
async fn purge(ctx: &Ctx) -> std::result::Result<(), Fault> {
    let settings = &ctx.config.settings;
    let (absolute, idle) = (Seconds(settings.session_absolute), Seconds(settings.session_idle));
    let db = Db::new(ctx, Shards::COMMON);
    for _ in 0..PURGE_BATCHES {
        let purges = [
            sessions::purge(ctx.now.minus(absolute), ctx.now.minus(idle), PURGE_LIMIT),
            // A day or more after it ended, so that a late replay still finds the row.
            summaries::note_purged(ctx, ctx.now.minus(Seconds(86_400)), PURGE_LIMIT),
            grants::purge(ctx.now.minus(Seconds(86_400)), PURGE_LIMIT),
            redemptions::purge(ctx.now.minus(Seconds(86_400)), PURGE_LIMIT),
            signing_keys::purge(ctx.now),
            idempotency::purge(ctx, PURGE_LIMIT),
        ];
        // Nothing is noted where nothing is deleted.
        let deleted: usize = db.batch(purges).await?.iter().map(Rows::changes).sum();
        if deleted == 0 {
            break;
        }
    }
    Ok(())
}

/// Without a good configuration there is no realm, no page and no issuer to speak for.
fn unconfigured(fault: Fault, request_id: &str, line: &mut Line) -> WireResponse {
    let (error, detail) = Failure::from(fault).into_parts();
    line.error = Some(error.code.row().0);
    line.detail = detail;
    WireResponse::error(&error, request_id)
}

fn known_method(method: &str) -> String {
    let known = ["GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"];
    if known.contains(&method) { method.to_owned() } else { "other".to_owned() }
}
