//! One structured line per request, and the count of what it cost.

use std::cell::Cell;

use serde_json::{Map, Value, json};
use worker::console_log;

/// What a request cost, counted by the modules that make the calls.
#[derive(Debug, Default)]
pub struct Meter {
    /// D1 round trips.
    pub d1_trips: Cell<u64>,
    /// D1 statements.
    pub d1_statements: Cell<u64>,
    /// Rows written, in D1 and in Durable Objects (puts, deletes and alarms that were set).
    pub rows_written: Cell<u64>,
    /// Durable Object requests.
    pub object_requests: Cell<u64>,
    /// KV reads and writes.
    pub kv: Cell<u64>,
    /// Requests to others' servers.
    pub outbound: Cell<u64>,
}

impl Meter {
    /// Adds to a count.
    pub fn add(count: &Cell<u64>, more: u64) {
        count.set(count.get().saturating_add(more));
    }
}

/// What the line says. Never a token, code, password or cookie, and no query string.
#[derive(Debug, Default)]
pub struct Line {
    /// Route.
    pub route: &'static str,
    /// HTTP method, if it is one that we know.
    pub method: String,
    /// Status answered.
    pub status: u16,
    /// Error code answered.
    pub error: Option<&'static str>,
    /// Why, in words.
    pub detail: String,
    /// The client, once it was named.
    pub client: Option<String>,
    /// Milliseconds from first to last I/O.
    pub duration: i64,
}

impl Line {
    /// Writes it.
    pub fn write(&self, request_id: &str, meter: &Meter) {
        let mut line = Map::new();
        line.insert("level".into(), if self.status >= 500 { "error" } else { "info" }.into());
        line.insert("request".into(), request_id.into());
        line.insert("route".into(), self.route.into());
        line.insert("method".into(), self.method.as_str().into());
        line.insert("status".into(), self.status.into());
        if let Some(error) = self.error {
            line.insert("error".into(), error.into());
        }
        if !self.detail.is_empty() {
            line.insert("detail".into(), self.detail.as_str().into());
        }
        if let Some(client) = &self.client {
            line.insert("client".into(), client.as_str().into());
        }
        line.insert("ms".into(), self.duration.into());
        line.insert("cost".into(), cost(meter));
        console_log!("{}", Value::Object(line));
    }
}

/// A line about something that is not a request.
pub fn event(level: &str, what: &str, detail: &str, meter: &Meter) {
    console_log!("{}", json!({ "level": level, "event": what, "detail": detail, "cost": cost(meter) }));
}

fn cost(meter: &Meter) -> Value {
    json!({
        "d1_trips": meter.d1_trips.get(),
        "d1_statements": meter.d1_statements.get(),
        "rows": meter.rows_written.get(),
        "objects": meter.object_requests.get(),
        "kv": meter.kv.get(),
        "outbound": meter.outbound.get(),
    })
}
