//! `webhooks`: who wants to hear of events, and by what secret they know us.

use serde::Deserialize;

use super::idempotency::unanswered;
use super::{Db, Rows, Shards, Statement, from_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::admin::page::Page;
use crate::protocol::audit::Event;
use crate::protocol::time::Timestamp;

/// So many there are at most: each run of the cron reads all.
pub const MOST: u32 = 20;

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Random; names it.
    pub id: String,
    /// Where messages are posted to.
    pub url: String,
    /// The kinds of events that it wants; none: all.
    pub kinds: Vec<String>,
    /// `WebhookSecret`, wrapped.
    pub secret: String,
    /// Whether it is told anything.
    pub enabled: bool,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A row.
#[derive(Deserialize)]
struct Row {
    id: String,
    url: String,
    kinds: String,
    secret: String,
    enabled: i64,
    version: i64,
    created_at: Timestamp,
}

impl Row {
    fn parse(self) -> Result<Webhook, Fault> {
        let Self { id, url, kinds, secret, enabled, version, created_at } = self;
        let kinds = from_json("webhooks.kinds", &kinds)?;
        Ok(Webhook { id, url, kinds, secret, enabled: enabled != 0, version, created_at })
    }
}

/// Those of a page, by id.
pub async fn list(ctx: &Ctx, page: &Page) -> Result<Vec<Webhook>, Fault> {
    let sql = "SELECT * FROM webhooks WHERE id > ?1 ORDER BY id LIMIT ?2";
    parsed(&db(ctx).run(Statement::new(sql, [page.after.as_str().into(), page.rows().into()])).await?)
}

/// All of them.
pub async fn all(ctx: &Ctx) -> Result<Vec<Webhook>, Fault> {
    parsed(&db(ctx).run(Statement::new("SELECT * FROM webhooks", [])).await?)
}

/// One of them.
pub async fn by_id(ctx: &Ctx, id: &str) -> Result<Option<Webhook>, Fault> {
    let rows = db(ctx).run(Statement::new("SELECT * FROM webhooks WHERE id = ?1", [id.into()])).await?;
    rows.first::<Row>()?.map(Row::parse).transpose()
}

fn parsed(rows: &Rows) -> Result<Vec<Webhook>, Fault> {
    rows.all::<Row>()?.into_iter().map(Row::parse).collect()
}

/// Makes one, unless there are [`MOST`] already.
pub fn insert(new: &Webhook, key: &str) -> Statement {
    const SQL: &str = concat!(
        "INSERT INTO webhooks (id, url, kinds, secret, enabled, version, created_at) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 \
         WHERE (SELECT COUNT(*) FROM webhooks) < ?9 AND ",
        unanswered!("?8"),
        " ON CONFLICT DO NOTHING"
    );
    let parameters = [
        new.id.as_str().into(),
        new.url.as_str().into(),
        kinds(new).as_str().into(),
        new.secret.as_str().into(),
        u32::from(new.enabled).into(),
        new.version.into(),
        new.created_at.into(),
        key.into(),
        MOST.into(),
    ];
    Statement::new(SQL, parameters)
}

/// Changes one of this version, all but its secret.
pub async fn update(ctx: &Ctx, changed: &Webhook, event: &Event) -> Result<bool, Fault> {
    let sql = "UPDATE webhooks SET url = ?3, kinds = ?4, enabled = ?5, version = version + 1 WHERE id = ?1 AND version = ?2";
    let parameters = [
        changed.id.as_str().into(),
        changed.version.into(),
        changed.url.as_str().into(),
        kinds(changed).as_str().into(),
        u32::from(changed.enabled).into(),
    ];
    let [rows] = db(ctx).record([Statement::new(sql, parameters)], event).await?;
    Ok(rows.changes() > 0)
}

/// Gives one of this version another secret.
pub fn replace_secret(changed: &Webhook, key: &str) -> Statement {
    const SQL: &str =
        concat!("UPDATE webhooks SET secret = ?3, version = version + 1 WHERE id = ?1 AND version = ?2 AND ", unanswered!("?4"));
    let (id, secret) = (changed.id.as_str().into(), changed.secret.as_str().into());
    Statement::new(SQL, [id, changed.version.into(), secret, key.into()])
}

/// Turns one off.
pub async fn disable(ctx: &Ctx, id: &str, event: &Event) -> Result<(), Fault> {
    let sql = "UPDATE webhooks SET enabled = 0, version = version + 1 WHERE id = ?1 AND enabled = 1";
    db(ctx).record([Statement::new(sql, [id.into()])], event).await.map(drop)
}

/// Deletes one.
pub async fn delete(ctx: &Ctx, id: &str, event: &Event) -> Result<(), Fault> {
    db(ctx).record([Statement::new("DELETE FROM webhooks WHERE id = ?1", [id.into()])], event).await.map(drop)
}

/// Replaces a wrapping by one of the active key, if it is still the one that was opened.
pub async fn rewrap(ctx: &Ctx, before: &Webhook, after: &str) -> Result<(), Fault> {
    let sql = "UPDATE webhooks SET secret = ?3 WHERE id = ?1 AND secret = ?2";
    let parameters = [before.id.as_str().into(), before.secret.as_str().into(), after.into()];
    db(ctx).run(Statement::new(sql, parameters)).await.map(drop)
}

fn kinds(webhook: &Webhook) -> String {
    serde_json::json!(webhook.kinds).to_string()
}

const fn db(ctx: &Ctx) -> Db<'_> {
    Db::new(ctx, Shards::COMMON)
}
