//! D1, the source of truth. One file per table; SQL lives here and nowhere else.
//!
//! A handler builds statements and sends them as one [`Db::batch`]: one round trip, one transaction.
//! Every write carries its own predicate and may be run twice, because D1 does not retry writes and
//! a lost answer says nothing about what happened.

pub mod apps;
pub mod audit;
pub mod bootstrap;
pub mod client_registry;
pub mod clients;
pub mod consents;
pub mod dev_outbox;
pub mod exchanges;
mod gate;
pub mod grants;
pub mod idempotency;
pub mod initial_access_tokens;
pub mod pushed_requests;
pub mod realm;
pub mod redemptions;
pub mod registrations;
pub mod roles;
pub mod secrets;
pub mod sessions;
pub mod sign_outs;
pub mod signing_keys;
pub mod summaries;
pub mod trusted_issuers;
pub mod users;
pub mod webhooks;

use js_sys::{Array, Reflect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast as _, JsValue};

use super::ctx::Ctx;
use super::failure::Fault;
use super::js;
use super::log::Meter;
use crate::protocol::ids::OwnedId;
use crate::protocol::json;
use crate::protocol::time::Timestamp;

/// A statement with its parameters.
#[derive(Clone, Debug)]
pub struct Statement {
    sql: &'static str,
    parameters: Vec<Parameter>,
}

/// A bound value. D1 takes integers as doubles: exact up to 2^53, which our milliseconds never reach.
#[derive(Clone, Debug)]
pub enum Parameter {
    /// TEXT.
    Text(String),
    /// INTEGER.
    Integer(i64),
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Parameter {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&OwnedId> for Parameter {
    fn from(id: &OwnedId) -> Self {
        Self::Text(id.to_string())
    }
}

impl From<i64> for Parameter {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<u32> for Parameter {
    fn from(integer: u32) -> Self {
        Self::Integer(i64::from(integer))
    }
}

impl From<Timestamp> for Parameter {
    fn from(instant: Timestamp) -> Self {
        Self::Integer(instant.millis())
    }
}

impl Statement {
    /// SQL and what `?1`, `?2`, .. stand for.
    pub fn new(sql: &'static str, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        Self { sql, parameters: parameters.into_iter().collect() }
    }

    /// Whether it may change rows.
    fn writes(&self) -> bool {
        !self.sql.starts_with("SELECT")
    }
}

/// Which databases hold an owner's rows: one today. The shard in every owned id decides, so that a
/// realm can grow into many without changing a token.
pub struct Shards;

impl Shards {
    /// The binding of the database that holds this id's rows.
    pub const fn of(_id: &OwnedId) -> &'static str {
        "DB"
    }

    /// The binding of the database that holds what has no owner: clients, logins, signing keys.
    pub const COMMON: &'static str = "DB";

    /// The binding of a database of its own for the audit log, if the deployment has one.
    pub fn of_audit(ctx: &Ctx) -> Option<&'static str> {
        ctx.env.d1("AUDIT").is_ok().then_some("AUDIT")
    }
}

/// A database in the context of one request.
pub struct Db<'a> {
    ctx: &'a Ctx,
    binding: &'static str,
}

/// The rows that one statement gave.
#[derive(Debug)]
pub struct Rows {
    /// A JSON array of objects.
    json: String,
    changes: usize,
}

impl Rows {
    /// All of them.
    pub fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>, Fault> {
        json::read(self.json.as_bytes()).map_err(|error| Fault::broken("D1 row", error))
    }

    /// How many rows the statement changed.
    pub const fn changes(&self) -> usize {
        self.changes
    }

    /// The first, if there is one.
    pub fn first<T: DeserializeOwned>(&self) -> Result<Option<T>, Fault> {
        Ok(self.all()?.into_iter().next())
    }
}

impl<'a> Db<'a> {
    /// The database behind a binding.
    pub const fn new(ctx: &'a Ctx, binding: &'static str) -> Self {
        Self { ctx, binding }
    }

    /// Runs the statements as one transaction. When the outcome is unknown the same batch is run once
    /// more, which is why every statement may be run twice; then the answer is "try again".
    pub async fn batch<const N: usize>(&self, statements: [Statement; N]) -> Result<[Rows; N], Fault> {
        let rows = self.batch_all(&statements).await?;
        rows.try_into().map_err(|_| Fault::Broken("D1: not one result per statement".to_owned()))
    }

    /// The same of any number of statements: one result each.
    pub async fn batch_all(&self, statements: &[Statement]) -> Result<Vec<Rows>, Fault> {
        match self.attempt(statements).await {
            Ok(rows) => Ok(rows),
            Err(_) => self.attempt(statements).await.map_err(|error| Fault::unavailable("D1", error)),
        }
    }

    /// One statement.
    pub async fn run(&self, statement: Statement) -> Result<Rows, Fault> {
        let [rows] = self.batch([statement]).await?;
        Ok(rows)
    }

    async fn attempt(&self, statements: &[Statement]) -> worker::Result<Vec<Rows>> {
        let meter = &self.ctx.meter;
        Meter::add(&meter.d1_trips, 1);
        Meter::add(&meter.d1_statements, statements.len() as u64);
        let database = self.ctx.env.d1(self.binding)?;
        let prepared = Array::new();
        for statement in statements {
            let values: Vec<JsValue> = statement.parameters.iter().map(js_value).collect();
            prepared.push(database.prepare(statement.sql).bind(&values)?.inner());
        }
        // Not by the SDK, which asks JavaScript for each member of each row and of what it cost, one by one.
        let results: Array = js::call(database.as_ref(), "batch", &prepared).await?.dyn_into()?;
        let rows = |result: JsValue| {
            let cost = Reflect::get(&result, &"meta".into())?;
            Meter::add(&meter.rows_written, js::count(&cost, "rows_written"));
            let json = js::to_json(&Reflect::get(&result, &"results".into())?)?;
            Ok(Rows { json, changes: usize::try_from(js::count(&cost, "changes")).unwrap_or(usize::MAX) })
        };
        results.iter().map(rows).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53, and a BigInt is refused by bind")]
fn js_value(parameter: &Parameter) -> JsValue {
    match parameter {
        Parameter::Text(text) => JsValue::from_str(text),
        Parameter::Integer(integer) => JsValue::from_f64(*integer as f64),
    }
}

/// A row of which only its existence matters.
#[derive(Deserialize)]
pub struct Exists {}

/// JSON in a column.
fn from_json<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T, Fault> {
    json::read(text.as_bytes()).map_err(|error| Fault::broken(column, error))
}

/// JSON for a column.
fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
