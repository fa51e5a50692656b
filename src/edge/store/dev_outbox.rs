//! `dev_outbox`: mails of a developer's machine, which sends none.

use serde::Deserialize;

use super::{Db, Shards, Statement};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::time::Timestamp;

/// A mail.
#[derive(Clone, Debug, Deserialize)]
pub struct Kept {
    /// When it would have been sent.
    pub at: Timestamp,
    /// To whom.
    pub to_address: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
}

/// Keeps one. Kept twice it is there once.
pub async fn insert(ctx: &Ctx, id: &str, at: Timestamp, kept: &Kept) -> Result<(), Fault> {
    let sql = "INSERT INTO dev_outbox (at, id, to_address, subject, body) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let (to, subject, body) = (kept.to_address.as_str().into(), kept.subject.as_str().into(), kept.body.as_str().into());
    Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [at.into(), id.into(), to, subject, body])).await.map(drop)
}

/// The newest, newest first.
pub async fn newest(ctx: &Ctx) -> Result<Vec<Kept>, Fault> {
    let sql = "SELECT at, to_address, subject, body FROM dev_outbox ORDER BY at DESC, id DESC LIMIT 50";
    Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [])).await?.all()
}
