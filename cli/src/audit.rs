//! The audit log: what happened, and whether the log of it was touched.

use std::collections::VecDeque;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::Api;
use crate::args::{Audit, Tail};
use crate::failure::{Failure, Outcome};
use crate::http::{now, text};
use crate::resources::With;
use crate::show::{Form, print, row};

const COLUMNS: &[&str] = &["at", "kind", "actor", "subject", "client_id", "place", "detail"];
/// Between two looks at what is new.
const PAUSE: Duration = Duration::from_secs(2);
/// Events that are remembered, so that none is shown twice.
const REMEMBERED: usize = 2_000;

/// A command about the audit log.
pub fn audit(with: With<'_>, what: &Audit) -> Outcome<()> {
    match what {
        Audit::Tail(tail) => follow(with, tail),
        Audit::Verify => verify(with),
    }
}

/// An event on a line of its own.
fn line(form: Form, event: &Value) -> String {
    match form {
        Form::Json => format!("{event}\n"),
        Form::Table => {
            let cells = row(event, COLUMNS);
            let widths = [20, 15, 22, 22, 16, 16, 0];
            let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        }
    }
}

fn follow(with: With<'_>, tail: &Tail) -> Outcome<()> {
    let filters = [("kind", &tail.kind), ("actor", &tail.actor), ("subject", &tail.subject), ("client_id", &tail.client)];
    let query: Vec<(&str, &str)> = filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let mut api = with.api()?;
    let mut seen = VecDeque::new();
    // Two clocks: an event may come a minute late.
    let mut since = i64::try_from(now() / 60).unwrap_or_default() - 1;
    let (mut newest, _) = api.list(&["audit"], &query, usize::from(tail.number))?;
    loop {
        newest.reverse();
        for event in &newest {
            let id = text(event, "id")?;
            print(&line(with.form, event))?;
            seen.push_back(id);
            since = since.max(event.get("minute").and_then(Value::as_i64).unwrap_or_default() - 1);
        }
        seen.drain(..seen.len().saturating_sub(REMEMBERED));
        if !tail.follow {
            return Ok(());
        }
        sleep(PAUSE);
        api.renew()?;
        newest = unseen(&api, &query, &seen, since)?;
    }
}

/// Events that were not shown yet, the newest first. They come by minutes, and in one minute in no order: so all of a page
/// is looked at, and more where nothing of it is known.
fn unseen(api: &Api, query: &[(&str, &str)], seen: &VecDeque<String>, since: i64) -> Outcome<Vec<Value>> {
    let mut most = 100;
    loop {
        let (events, has_more) = api.list(&["audit"], query, most)?;
        let is_known =
            |event: &Value| event.get("id").and_then(Value::as_str).is_some_and(|id| seen.iter().any(|seen| seen == id));
        let is_old = |event: &Value| event.get("minute").and_then(Value::as_i64).is_some_and(|minute| minute < since);
        if !has_more || most >= REMEMBERED || events.iter().any(is_old) {
            return Ok(events.into_iter().filter(|event| !is_known(event) && !is_old(event)).collect());
        }
        most += 100;
    }
}

/// Looks at the whole log, page after page.
fn verify(with: With<'_>) -> Outcome<()> {
    let mut api = with.api()?;
    let (mut seals, mut events, mut findings, mut after) = (0, 0, Vec::new(), 0_i64);
    loop {
        let page = api.get(&["audit", "verify"], &[("after_minute", &after.to_string())])?.body;
        let number = |name| page.get(name).and_then(Value::as_u64).unwrap_or_default();
        seals += number("seals");
        events += number("events");
        findings.extend(page.get("findings").and_then(Value::as_array).cloned().unwrap_or_default());
        match page.get("next").and_then(Value::as_i64) {
            Some(next) if next > after => after = next,
            _ => break,
        }
        api.renew()?;
    }
    let is_whole = findings.is_empty();
    match with.form {
        Form::Json => with.form.show(&json!({ "seals": seals, "events": events, "findings": findings }), &[])?,
        Form::Table if is_whole => print(&format!("{events} events under {seals} seals: the log is whole.\n"))?,
        Form::Table => {
            for finding in &mut findings {
                let minute = finding.get("minute").and_then(Value::as_i64).unwrap_or_default();
                if let Some(members) = finding.as_object_mut() {
                    members.insert("at".to_owned(), (minute * 60_000).into());
                }
            }
            with.form.show(&findings.clone().into(), &["at", "minute", "what"])?;
        }
    }
    if is_whole { Ok(()) } else { Err(Failure::Failed(format!("the log was touched: {} findings", findings.len()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_it_holds() {
        let event =
            json!({ "id": "e", "at": 0, "kind": "sign_in", "actor": "a\nb", "place": "Bern, CH", "detail": { "x": "y\n" } });
        for form in [Form::Json, Form::Table] {
            assert_eq!(line(form, &event).matches('\n').count(), 1);
        }
        assert!(line(Form::Table, &event).starts_with("1970-01-01 00:00:00Z  sign_in"));
    }
}
