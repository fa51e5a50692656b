//! `clients`, and the copy of them that an isolate keeps for a while.

use std::cell::RefCell;
use std::collections::HashMap;

use serde::Deserialize;

use super::{Db, Shards, Statement, from_json, to_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::client::{Client, Origin};
use crate::protocol::time::{Seconds, Timestamp};

/// Clients that an isolate remembers at most.
const MOST: usize = 256;

thread_local! {
    static CACHE: RefCell<HashMap<String, (Timestamp, Client)>> = RefCell::new(HashMap::new());
}

/// A row.
#[derive(Deserialize)]
pub struct ClientRow {
    id: String,
    metadata: String,
    secrets: String,
    enabled: i64,
    version: i64,
    origin: Origin,
}

impl ClientRow {
    /// The client that it holds.
    pub fn parse(self) -> Result<Client, Fault> {
        Ok(Client {
            metadata: from_json("clients.metadata", &self.metadata)?,
            secrets: from_json("clients.secrets", &self.secrets)?,
            enabled: self.enabled != 0,
            version: self.version,
            origin: self.origin,
            id: self.id,
        })
    }
}

/// Reads a client.
pub fn select(id: &str) -> Statement {
    Statement::new("SELECT id, metadata, secrets, enabled, version, origin FROM clients WHERE id = ?1", [id.into()])
}

/// A client as it is in the database now. Absence is never remembered.
pub async fn fresh(ctx: &Ctx, id: &str) -> Result<Option<Client>, Fault> {
    if !may_be(ctx, id) {
        return Ok(None);
    }
    let rows = Db::new(ctx, Shards::COMMON).run(select(id)).await?;
    let client = rows.first::<ClientRow>()?.map(ClientRow::parse).transpose()?;
    if let Some(client) = &client {
        remember(client.clone(), ctx.now);
    }
    Ok(client)
}

/// A client for what does not decide about it: a copy from memory will do.
pub async fn known(ctx: &Ctx, id: &str) -> Result<Option<Client>, Fault> {
    match remembered(ctx, id) {
        Some(client) => Ok(Some(client)),
        None => fresh(ctx, id).await,
    }
}

/// Whether a client is there and enabled now, and so is every other of these that is a client: one read.
pub async fn are_enabled<'a>(ctx: &Ctx, id: &'a str, others: impl Iterator<Item = &'a str>) -> Result<bool, Fault> {
    #[derive(Deserialize)]
    struct Row {
        id: String,
        enabled: i64,
    }
    if !may_be(ctx, id) {
        return Ok(false);
    }
    let ids: Vec<&str> = std::iter::once(id).chain(others).collect();
    let sql = "SELECT id, enabled FROM clients WHERE id IN (SELECT value FROM json_each(?1))";
    let rows = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [to_json(&ids).into()])).await?;
    let rows: Vec<Row> = rows.all()?;
    Ok(rows.iter().any(|row| row.id == id) && rows.iter().all(|row| row.enabled != 0))
}

/// Whether there can be a client of this id: documents only where the realm takes them.
fn may_be(ctx: &Ctx, id: &str) -> bool {
    Client::is_id(id) && (ctx.config.client_id_documents || !Client::is_document_id(id))
}

/// Keeps a copy.
pub fn remember(client: Client, now: Timestamp) {
    CACHE.with_borrow_mut(|cache| {
        if cache.len() >= MOST && !cache.contains_key(&client.id) {
            // Rare, and any choice is good: start over.
            cache.clear();
        }
        cache.insert(client.id.clone(), (now, client));
    });
}

/// Drops the copy: the client is gone.
pub fn forget(id: &str) {
    CACHE.with_borrow_mut(|cache| cache.remove(id));
}

/// A copy from memory, if there is a young one. It may say yes, never no.
pub fn remembered(ctx: &Ctx, id: &str) -> Option<Client> {
    let age = Seconds(ctx.config.settings.client_cache);
    CACHE.with_borrow(|cache| {
        let (read_at, client) = cache.get(id)?;
        (0..age.millis()).contains(&ctx.now.since(*read_at)).then(|| client.clone())
    })
}
