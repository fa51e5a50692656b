//! `pushed_requests` (RFC 9126): there until their flow completes.

use serde::Deserialize;

use super::{Db, Shards, Statement, from_json, to_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::authorize::AuthorizationRequest;
use crate::protocol::steps::PushedId;
use crate::protocol::time::Timestamp;

/// Keeps a request.
pub async fn insert(ctx: &Ctx, key: &PushedId, request: &AuthorizationRequest) -> Result<(), Fault> {
    let sql = "INSERT INTO pushed_requests (client_id, id, request, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let parameters = [key.client.as_str().into(), key.id.as_str().into(), to_json(request).into(), ctx.now.into()];
    Db::new(ctx, Shards::COMMON).run(Statement::new(sql, parameters)).await.map(drop)
}

/// Reads one.
pub async fn by_id(ctx: &Ctx, key: &PushedId) -> Result<Option<(AuthorizationRequest, Timestamp)>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        request: String,
        created_at: Timestamp,
    }
    let sql = "SELECT request, created_at FROM pushed_requests WHERE client_id = ?1 AND id = ?2";
    let statement = Statement::new(sql, [key.client.as_str().into(), key.id.as_str().into()]);
    let row: Option<Row> = Db::new(ctx, Shards::COMMON).run(statement).await?.first()?;
    row.map(|row| Ok((from_json("pushed_requests.request", &row.request)?, row.created_at))).transpose()
}

/// Its flow completes, once: whether it was still there.
pub async fn complete(ctx: &Ctx, key: &PushedId) -> Result<bool, Fault> {
    let sql = "DELETE FROM pushed_requests WHERE client_id = ?1 AND id = ?2 RETURNING id";
    let statement = Statement::new(sql, [key.client.as_str().into(), key.id.as_str().into()]);
    Ok(Db::new(ctx, Shards::COMMON).run(statement).await?.first::<super::Exists>()?.is_some())
}

/// Collects those whose flow never completed. `limit` rows at most.
pub fn purge(pushed_before: Timestamp, limit: u32) -> Statement {
    let sql = "DELETE FROM pushed_requests WHERE (client_id, id) IN \
               (SELECT client_id, id FROM pushed_requests WHERE created_at < ?1 LIMIT ?2)";
    Statement::new(sql, [pushed_before.into(), limit.into()])
}
