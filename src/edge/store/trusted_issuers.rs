//! `trusted_issuers`, and the copy of them that an isolate keeps for a while.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde::Deserialize;

use super::idempotency::unanswered;
use super::{Db, Shards, Statement, from_json, to_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::admin::page::Page;
use crate::protocol::audit::Event;
use crate::protocol::time::{Seconds, Timestamp};
use crate::protocol::trust::TrustedIssuer;

/// Issuers that an isolate remembers at most.
const MOST: usize = 64;

thread_local! {
    static CACHE: RefCell<HashMap<String, (Timestamp, Rc<TrustedIssuer>)>> = RefCell::new(HashMap::new());
}

/// A row.
#[derive(Deserialize)]
struct Row {
    issuer: String,
    settings: String,
    enabled: i64,
    version: i64,
}

impl Row {
    fn parse(self) -> Result<TrustedIssuer, Fault> {
        Ok(TrustedIssuer {
            settings: from_json("trusted_issuers.settings", &self.settings)?,
            enabled: self.enabled != 0,
            version: self.version,
            issuer: self.issuer,
        })
    }
}

/// An issuer as it is in the database now. Absence is never remembered: anybody can name an issuer, so it would
/// push out those that there are.
pub async fn fresh(ctx: &Ctx, issuer: &str) -> Result<Option<Rc<TrustedIssuer>>, Fault> {
    if !TrustedIssuer::is_issuer(issuer) {
        return Ok(None);
    }
    let sql = "SELECT issuer, settings, enabled, version FROM trusted_issuers WHERE issuer = ?1";
    let rows = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [issuer.into()])).await?;
    let trusted = rows.first::<Row>()?.map(Row::parse).transpose()?.map(Rc::new);
    match &trusted {
        Some(trusted) => remember(Rc::clone(trusted), ctx.now),
        None => CACHE.with_borrow_mut(|cache| drop(cache.remove(issuer))),
    }
    Ok(trusted)
}

/// All of them, as they are in the database now.
pub async fn all(ctx: &Ctx) -> Result<Vec<TrustedIssuer>, Fault> {
    let sql = "SELECT issuer, settings, enabled, version FROM trusted_issuers ORDER BY issuer";
    let rows = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [])).await?;
    rows.all::<Row>()?.into_iter().map(Row::parse).collect()
}

/// Those of a page, in order.
pub async fn list(ctx: &Ctx, page: &Page) -> Result<Vec<TrustedIssuer>, Fault> {
    let sql = "SELECT issuer, settings, enabled, version FROM trusted_issuers WHERE issuer > ?1 ORDER BY issuer LIMIT ?2";
    let parameters = [page.after.as_str().into(), page.rows().into()];
    let rows = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, parameters)).await?;
    rows.all::<Row>()?.into_iter().map(Row::parse).collect()
}

/// Trusts an issuer, if it is not known.
pub fn insert(trusted: &TrustedIssuer, now: Timestamp, key: &str) -> Statement {
    const SQL: &str = concat!(
        "INSERT INTO trusted_issuers (issuer, settings, enabled, created_at) SELECT ?1, ?2, ?3, ?4 WHERE ",
        unanswered!("?5"),
        " ON CONFLICT DO NOTHING"
    );
    let (issuer, settings) = (trusted.issuer.as_str().into(), to_json(&trusted.settings).into());
    Statement::new(SQL, [issuer, settings, i64::from(trusted.enabled).into(), now.into(), key.into()])
}

/// Changes an issuer of this version.
pub async fn update(ctx: &Ctx, trusted: &TrustedIssuer, event: &Event) -> Result<bool, Fault> {
    let sql = "UPDATE trusted_issuers SET settings = ?3, enabled = ?4, version = version + 1 WHERE issuer = ?1 AND version = ?2";
    let parameters = [
        trusted.issuer.as_str().into(),
        trusted.version.into(),
        to_json(&trusted.settings).into(),
        i64::from(trusted.enabled).into(),
    ];
    let [rows] = Db::new(ctx, Shards::COMMON).record([Statement::new(sql, parameters)], event).await?;
    Ok(rows.changes() > 0)
}

/// Trusts an issuer of this version no more.
pub async fn delete(ctx: &Ctx, trusted: &TrustedIssuer, event: &Event) -> Result<(), Fault> {
    let sql = "DELETE FROM trusted_issuers WHERE issuer = ?1 AND version = ?2";
    let parameters = [trusted.issuer.as_str().into(), trusted.version.into()];
    Db::new(ctx, Shards::COMMON).record([Statement::new(sql, parameters)], event).await.map(drop)
}

/// Lets go of all copies.
pub fn forget_all() {
    CACHE.with_borrow_mut(HashMap::clear);
}

fn remember(trusted: Rc<TrustedIssuer>, now: Timestamp) {
    CACHE.with_borrow_mut(|cache| {
        if cache.len() >= MOST && !cache.contains_key(&trusted.issuer) {
            // Rare, and any choice is good: start over.
            cache.clear();
        }
        cache.insert(trusted.issuer.clone(), (now, trusted));
    });
}

/// A copy from memory, if there is one as young as a client's may be. It may say yes, never no.
pub fn remembered(ctx: &Ctx, issuer: &str) -> Option<Rc<TrustedIssuer>> {
    let age = Seconds(ctx.config.settings.client_cache);
    CACHE.with_borrow(|cache| {
        let (read_at, trusted) = cache.get(issuer)?;
        (0..age.millis()).contains(&ctx.now.since(*read_at)).then(|| Rc::clone(trusted))
    })
}
