//! What is printed: tables for people, JSON for programs.

use std::io::{ErrorKind, Write as _, stdout};

use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::http::clean;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Prints text.
pub fn print(text: &str) -> Outcome<()> {
    stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::Gone,
        _ => Failure::file("standard output", error),
    })
}

impl Form {
    /// Prints a list by these members, or one thing by these (all, if none are named); nothing where nothing was told.
    pub fn show(self, value: &Value, columns: &[&str]) -> Outcome<()> {
        match self {
            _ if value.is_null() => Ok(()),
            Self::Json => print(&format!("{value:#}\n")),
            Self::Table => print(&table(value, columns)),
        }
    }
}

/// An instant of milliseconds since 1970 as people write it, in UTC.
pub fn instant(millis: i64) -> String {
    let (days, seconds) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000) / 1000);
    // Days since 1970 to the calendar, in eras of 400 years that begin in March.
    let from_era = days + 719_468;
    let (era, day) = (from_era.div_euclid(146_097), from_era.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02} {:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Below it an instant counts seconds: as milliseconds it would be in 1973.
const SECONDS: i64 = 100_000_000_000;
/// What grant types of later RFCs begin with: everybody knows them by their end.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:";

/// A value in one cell.
fn cell(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => clean(text),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Array(all) if all.is_empty() => "-".to_owned(),
        Value::Array(all) if all.iter().all(Value::is_string) => {
            let words = all.iter().filter_map(Value::as_str);
            words.map(|word| clean(word.strip_prefix(GRANT_TYPE).unwrap_or(word))).collect::<Vec<_>>().join(" ")
        }
        Value::Number(number) if name == "at" || name.ends_with("_at") => {
            // Ours are milliseconds; OpenID Connect's are seconds.
            let millis = number.as_i64().map(|at| if at.abs() < SECONDS { at * 1000 } else { at });
            millis.map_or_else(|| number.to_string(), instant)
        }
        other => clean(&other.to_string()),
    }
}

/// Rows, each column as wide as it must be.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// The cells of a thing by these members.
pub fn row(item: &Value, columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| cell(name, item.get(name).unwrap_or(&Value::Null))).collect()
}

/// A list by these members, or one thing by all of its members.
fn table(value: &Value, columns: &[&str]) -> String {
    match value {
        Value::Array(items) if items.is_empty() => "Nothing.\n".to_owned(),
        Value::Array(items) => {
            let mut rows = vec![columns.iter().map(|name| name.to_uppercase().replace('_', " ")).collect::<Vec<_>>()];
            rows.extend(items.iter().map(|item| row(item, columns)));
            aligned(&rows)
        }
        Value::Object(members) if !columns.is_empty() => {
            let named = columns.iter().filter_map(|name| Some((name, members.get(*name)?)));
            aligned(&named.map(|(name, value)| vec![(*name).to_owned(), cell(name, value)]).collect::<Vec<_>>())
        }
        Value::Object(members) => {
            aligned(&members.iter().map(|(name, value)| vec![clean(name), cell(name, value)]).collect::<Vec<_>>())
        }
        other => cell("", other) + "\n",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_line_up_and_nothing_steers_the_terminal() {
        let items = json!([{ "id": "a", "name": "x\u{1b}[2J" }, { "id": "long", "name": ["b", "c"] }, { "id": "" }]);
        assert_eq!(table(&items, &["id", "name"]), "ID    NAME\na     x [2J\nlong  b c\n-     -\n");
        assert_eq!(table(&json!({ "is": true, "list": [] }), &[]), "is    yes\nlist  -\n");
        assert_eq!(table(&json!([]), &["id"]), "Nothing.\n");
        assert_eq!(table(&json!([{ "name": "a\u{202e}b" }]), &["name"]), "NAME\na b\n");
    }

    #[test]
    fn one_thing_is_shown_by_the_members_that_are_named() {
        let thing = json!({ "a": 1, "b": 2, "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"] });
        assert_eq!(table(&thing, &["b", "x", "grant_types"]), "b            2\ngrant_types  device_code refresh_token\n");
        assert_eq!(table(&json!({ "updated_at": 1_767_225_599 }), &[]), "updated_at  2025-12-31 23:59:59Z\n");
    }

    #[test]
    fn instants_are_dates() {
        assert_eq!(instant(0), "1970-01-01 00:00:00Z");
        assert_eq!(instant(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(instant(1_767_225_599_999), "2025-12-31 23:59:59Z");
        assert_eq!(instant(4_107_542_400_000), "2100-03-01 00:00:00Z");
        assert_eq!(instant(-1), "1969-12-31 23:59:59Z");
        assert_eq!(table(&json!({ "created_at": 0, "uses": 0 }), &[]), "created_at  1970-01-01 00:00:00Z\nuses        0\n");
    }
}
