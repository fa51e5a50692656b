//! Counts, charts and sites: from summaries alone, so that a look costs the same however large the realm is.

use std::collections::BTreeMap;

use crate::edge::handlers::admin::Outcome;
use crate::edge::store::summaries::{self, Summary};
use crate::edge::webhooks::rfc3339;
use crate::pages::console::{Cell, Chart, ConsolePage, Place, Section, Table};
use crate::protocol::admin::page::Page;
use crate::protocol::admin::scopes::{AUDIT, USERS};
use crate::protocol::form::{Form, encode};
use crate::protocol::secret::base64url;
use crate::protocol::time::Timestamp;

use super::Desk;
use super::views::{at, next, section};

/// What a site is called where the platform did not say where.
const UNKNOWN: &str = "not known";
/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;

/// `/console`: charts of a day, a week or a month.
pub async fn overview(desk: &Desk<'_>, query: &Form) -> Outcome<ConsolePage> {
    if desk.may_read(AUDIT).is_err() {
        // The counts are of the log, which is not theirs: the menu has what is.
        return Ok(desk.page(Place::Overview, "Console", Vec::new()));
    }
    let days: i64 = match query.get("days") {
        Some("1") => 1,
        Some("30") => 30,
        _ => 7,
    };
    let last = desk.ctx.now.millis().div_euclid(HOUR) - 1;
    // A month by days, else by hours.
    let step = if days == 30 { 24 } else { 1 };
    let from = (last + 1 - days * 24).div_euclid(step) * step;
    let all = summaries::list(desk.ctx, from, last, "").await?;
    let steps = usize::try_from((last - from).div_euclid(step) + 1).unwrap_or(1);
    let names: Vec<String> = (from..=last).step_by(usize::try_from(step).unwrap_or(1)).map(|hour| named(hour, step)).collect();
    let series = |kind: &str, unnamed: &str| {
        let mut series: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for row in all.iter().filter(|row| row.kind == kind) {
            let name = if row.key.is_empty() { unnamed } else { row.key.as_str() };
            let counts = series.entry(name.to_owned()).or_insert_with(|| vec![0; steps]);
            let place = usize::try_from((row.hour - from).div_euclid(step)).ok();
            if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
                *count += row.count;
            }
        }
        series.into_iter().collect::<Vec<_>>()
    };
    let total = |kind: &str, key: &str| -> i64 {
        all.iter().filter(|row| row.kind == kind && (key.is_empty() || row.key == key)).map(|row| row.count).sum()
    };
    let devices = all.iter().rfind(|row| row.kind == "devices").map_or(0, |row| row.count);
    let numbers = [
        ("Devices signed in", devices),
        ("Sign-ins", total("sign_in", "")),
        ("Devices collected", total("device_flow", "collected")),
        ("Refreshes", total("refresh", "")),
        ("Failures", total("failure", "")),
        ("Revocations", total("revocation", "")),
    ];
    let numbers = numbers.map(|(what, count)| (what.to_owned(), count)).to_vec();
    let spans = [(1, "A day"), (7, "A week"), (30, "A month")];
    let links = spans.map(|(days, text)| (format!("/console?days={days}"), text.to_owned())).to_vec();
    let chart = |heading: &str, kind: &str, unnamed: &str| Section {
        heading: heading.to_owned(),
        chart: Some(Chart::new(heading, &names, series(kind, unnamed))),
        ..Section::default()
    };
    let sections = vec![
        Section {
            heading: format!("The last {days} days, up to the last full hour").replace("1 days", "day"),
            numbers,
            links,
            ..Section::default()
        },
        chart("Sign-ins", "sign_in", "sign-ins"),
        chart("Device flows by outcome", "device_flow", "flows"),
        chart("Refreshes", "refresh", "refreshes"),
        chart("Failures by kind", "failure", "failures"),
    ];
    Ok(desk.page(Place::Overview, "Overview", sections))
}

fn named(hour: i64, step: i64) -> String {
    let text = rfc3339(Timestamp::from_millis(hour * HOUR));
    let length = if step == 24 { 10 } else { 16 };
    text.get(..length).unwrap_or(&text).replace('T', " ")
}

/// `/console/sites`: devices by site and by client, as the cron last saw them.
pub async fn sites(desk: &Desk<'_>, query: &Form) -> Outcome<ConsolePage> {
    desk.may_read(AUDIT)?;
    if let Some(site) = query.get("site") {
        return at_site(desk, site, query).await;
    }
    let may_open = desk.may_read(USERS).is_ok();
    let mut rows = summaries::list(desk.ctx, 0, 0, "").await?;
    rows.sort_by_key(|row| (std::cmp::Reverse(row.count), row.key.clone()));
    let table = |kind: &str, column: &'static str, of_clients: bool| {
        let cell = |row: &Summary| {
            let name = if row.key.is_empty() { UNKNOWN } else { row.key.as_str() };
            let first = match (of_clients, may_open) {
                (true, _) => Cell::link(name, format!("/console/clients/{}", encode(&row.key))),
                (false, true) => Cell::link(name, format!("/console/sites?site={}", encode(name))),
                (false, false) => Cell::text(name),
            };
            vec![first, Cell::text(row.count.to_string())]
        };
        let rows = rows.iter().filter(|row| row.kind == kind).map(cell).collect();
        Table {
            columns: vec![column, "Devices"],
            rows,
            empty: "No device was signed in when the cron last counted (every hour).",
        }
    };
    let of = |heading: &str, table| Section { heading: heading.to_owned(), table: Some(table), ..Section::default() };
    let sections = vec![
        of("Devices by site", table("devices_by_site", "Site", false)),
        of("Devices by client", table("devices_by_client", "Client", true)),
    ];
    Ok(desk.page(Place::Sites, "Devices", sections))
}

/// `/console/sites?site=`: whose devices are at a site, right now.
async fn at_site(desk: &Desk<'_>, site: &str, query: &Form) -> Outcome<ConsolePage> {
    desk.may_read(USERS)?;
    let page = Page::of(query)?;
    let place = if site == UNKNOWN { "" } else { site };
    let (users, after) = summaries::at_site(desk.ctx, place, &page.after, page.limit).await?;
    let row = |user: &summaries::AtSite| {
        vec![
            Cell::link(user.login.clone(), format!("/console/users/{}", user.user)),
            Cell::text(user.devices.to_string()),
            Cell::text(at(user.used_at)),
        ]
    };
    let table = Table {
        columns: vec!["Login", "Devices", "Last used (UTC)"],
        rows: users.iter().map(row).collect(),
        empty: "None of the users that were looked at has a device here.",
    };
    let after = after.map(|id| base64url(id.as_bytes()).into());
    let mut links = next("/console/sites", &format!("site={}&", encode(site)), after.as_ref());
    links.push(("/console/sites".to_owned(), "All sites".to_owned()));
    Ok(desk.page(Place::Sites, format!("Devices at {site}"), vec![Section { table: Some(table), links, ..section("Users") }]))
}
