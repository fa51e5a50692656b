//! `/console/audit`: the audit log with filters.

use serde_json::Value;

use crate::edge::handlers::admin::{Outcome, audit as log, users};
use crate::pages::console::{Cell, ConsolePage, Field, FieldKind, Form as PageForm, Place, Section, Table};
use crate::protocol::admin::page::Page;
use crate::protocol::admin::problem::{Problem, Word};
use crate::protocol::admin::scopes::AUDIT;
use crate::protocol::audit::{Event, Kind};
use crate::protocol::form::{Form, encode};
use crate::protocol::time::{Seconds, Timestamp};

use super::Desk;
use super::views::{at, line, next, section};

/// The minute in which a day of the query begins, or the one so many seconds later.
fn minute(query: &Form, name: &str, later: u32) -> Result<Option<i64>, Problem> {
    let Some(text) = query.get(name).map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let day = Timestamp::of_day(text);
    let day = day.ok_or_else(|| Problem::new(Word::Invalid, "a day is written like 2026-01-31"))?;
    Ok(Some(Event::minute(day.plus(Seconds(later)))))
}

/// `/console/audit`: what happened, newest first.
pub async fn audit(desk: &Desk<'_>, query: &Form) -> Outcome<ConsolePage> {
    desk.may_read(AUDIT)?;
    let get = |name: &str| query.get(name).unwrap_or_default();
    let page = Page::of(query)?;
    let login = get("login").trim();
    let subject = match login {
        "" => get("subject").to_owned(),
        login => users::by_login(desk.ctx, login)
            .await?
            .ok_or_else(|| Problem::new(Word::NotFound, "nobody has this login"))?
            .id
            .as_str()
            .to_owned(),
    };
    let mut filter = log::Filter { subject: subject.clone(), ..log::filter(query, &page)? };
    filter.from = minute(query, "from_day", 0)?.unwrap_or(filter.from);
    // To the end of the day.
    filter.to = minute(query, "to_day", 86_399)?.unwrap_or(filter.to);
    let events = log::list(desk.ctx, &filter, page.rows()).await?;
    let shown = events.clone();
    let told = page.answer(events, |event| format!("{} {}", event.minute, event.id), |_| Value::Null);
    let person = |id: &str| if id.is_empty() { Cell::text("") } else { Cell::link(id, format!("/console/users/{}", encode(id))) };
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let rows = shown.iter().take(limit).map(|event| {
        let detail = [event.detail.as_str(), event.place.as_str()]
            .iter()
            .filter(|text| !text.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join(" · ");
        vec![
            Cell::text(at(event.at)),
            Cell::text(event.kind.clone()),
            person(&event.actor),
            person(&event.subject),
            Cell::text(event.client_id.clone()),
            Cell::text(detail),
        ]
    });
    let table = Table {
        columns: vec!["When (UTC)", "What", "By", "About", "Client", "More"],
        rows: rows.collect(),
        empty: "Nothing like this happened.",
    };
    let kinds = std::iter::once(String::new()).chain(Kind::ALL.iter().map(|kind| kind.name().to_owned())).collect();
    let form = PageForm {
        action: "/console/audit",
        fields: vec![
            Field { name: "kind", label: "What", value: get("kind").to_owned(), kind: FieldKind::Choice(kinds) },
            line("login", "About the user with this login", login),
            line("actor", "By (id of a user or client)", get("actor")),
            line("client_id", "Client", get("client_id")),
            Field { name: "from_day", label: "From this day (UTC)", value: get("from_day").to_owned(), kind: FieldKind::Day },
            Field { name: "to_day", label: "To this day (UTC)", value: get("to_day").to_owned(), kind: FieldKind::Day },
        ],
        submit: "Show",
        ..PageForm::default()
    };
    let more = format!(
        "kind={}&subject={}&actor={}&client_id={}&from_day={}&to_day={}&",
        encode(get("kind")),
        encode(&subject),
        encode(get("actor")),
        encode(get("client_id")),
        encode(get("from_day")),
        encode(get("to_day"))
    );
    let sections = vec![
        Section { form: Some(form), ..section("Filter") },
        Section { table: Some(table), links: next("/console/audit", &more, told.get("next")), ..section("Events") },
    ];
    Ok(desk.page(Place::Audit, "Audit", sections))
}
