//! `audit`: what happened, and whether the log of it was touched.

use serde_json::{Value, json};

use crate::edge::ctx::Ctx;
use crate::edge::handlers::admin::{Call, Outcome};
use crate::edge::http::WireResponse;
use crate::edge::record;
use crate::edge::store::audit as store;
pub use crate::edge::store::audit::Filter;
use crate::edge::store::summaries;
use crate::protocol::admin::operations::Name;
use crate::protocol::admin::page::Page;
use crate::protocol::admin::problem::{Problem, Word};
use crate::protocol::audit::{Event, Kind};
use crate::protocol::audit_seal::{Seal, Stored};
use crate::protocol::form::Form;
use crate::protocol::json;
use crate::protocol::time::Timestamp;

/// Answers an operation on the audit log.
pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    let query = call.request.query()?;
    match name {
        Name::ListAuditEvents => {
            let page = call.page()?;
            let events = list(ctx, &filter(&query, &page)?, page.rows()).await?;
            Ok(WireResponse::json(200, &page.answer(events, |event| format!("{} {}", event.minute, event.id), told)))
        }
        Name::ListAuditSeals => {
            let page = call.page()?;
            let after = if page.after.is_empty() { 0 } else { page.after.parse().map_err(|_| no_cursor())? };
            let (_, seals) = store::seals_after(ctx, after, page.rows()).await?;
            Ok(WireResponse::json(200, &page.answer(seals, |seal: &Seal| seal.minute.to_string(), |seal| json!(seal))))
        }
        Name::VerifyAudit => {
            let after = whole(&query, "after_minute")?.unwrap_or(0);
            let report = record::verify(ctx, after).await?;
            Ok(WireResponse::json(200, &report))
        }
        _ => {
            let now = ctx.now.millis().div_euclid(3_600_000);
            let to = whole(&query, "to_hour")?.unwrap_or(now);
            let from = whole(&query, "from_hour")?.unwrap_or(now - 24);
            let items = summaries::list(ctx, from, to, query.get("kind").unwrap_or_default()).await?;
            Ok(WireResponse::json(200, &json!({ "items": items })))
        }
    }
}

/// What is told of an event.
fn told(event: &Stored) -> Value {
    let detail = json::parse(event.detail.as_bytes()).unwrap_or(Value::Null);
    json!({ "id": event.id, "minute": event.minute, "at": event.at, "kind": event.kind, "actor": event.actor, "subject": event.subject,
        "client_id": event.client_id, "place": event.place, "request_id": event.request_id, "detail": detail })
}

/// The newest events of a filter first.
pub async fn list(ctx: &Ctx, filter: &Filter, limit: u32) -> Outcome<Vec<Stored>> {
    Ok(store::list(ctx, filter, limit).await?)
}

/// What a query asks for: `from` and `to` in milliseconds since 1970, and what an event has to say.
pub fn filter(query: &Form, page: &Page) -> Outcome<Filter> {
    let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let kind = text("kind");
    if !kind.is_empty() && !Kind::ALL.iter().any(|known| known.name() == kind) {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        return Err(Problem::new(Word::Invalid, format!("kind must be one of: {}", names.join(" "))).into());
    }
    let before = match page.after.split_once(' ') {
        Some((minute, id)) => Some((minute.parse().map_err(|_| no_cursor())?, id.to_owned())),
        None if page.after.is_empty() => None,
        None => return Err(no_cursor().into()),
    };
    Ok(Filter {
        from: minute(query, "from")?.unwrap_or(0),
        to: minute(query, "to")?.unwrap_or(i64::from(u32::MAX)),
        kind,
        actor: text("actor"),
        subject: text("subject"),
        client: text("client_id"),
        before,
    })
}

fn minute(query: &Form, name: &'static str) -> Result<Option<i64>, Problem> {
    Ok(whole(query, name)?.map(|at| Event::minute(Timestamp::from_millis(at))))
}

fn whole(query: &Form, name: &'static str) -> Result<Option<i64>, Problem> {
    let parsed = query.get(name).map(str::parse).transpose();
    parsed.map_err(|_| Problem::new(Word::Invalid, format!("{name} must be a whole number")))
}

fn no_cursor() -> Problem {
    Problem::new(Word::Invalid, "after must be what next was")
}
