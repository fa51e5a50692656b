//! Rows of `clients` that the operator makes, changes and deletes.

use serde::Deserialize;

use super::clients::{self, ClientRow};
use super::idempotency::unanswered;
use super::{Db, Shards, Statement, to_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::admin::page::Page;
use crate::protocol::audit::Event;
use crate::protocol::client::Client;
use crate::protocol::time::Timestamp;

/// A client with what only its operator is told.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The client.
    pub client: Client,
    /// When it was made.
    pub created_at: Timestamp,
}

#[derive(Deserialize)]
struct Row {
    #[serde(flatten)]
    client: ClientRow,
    created_at: Timestamp,
}

impl Row {
    fn parse(self) -> Result<Listed, Fault> {
        Ok(Listed { client: self.client.parse()?, created_at: self.created_at })
    }
}

/// The clients of a page, by id.
pub async fn list(ctx: &Ctx, page: &Page) -> Result<Vec<Listed>, Fault> {
    let sql =
        "SELECT id, metadata, secrets, enabled, version, origin, created_at FROM clients WHERE id > ?1 ORDER BY id LIMIT ?2";
    let parameters = [page.after.as_str().into(), page.rows().into()];
    let rows: Vec<Row> = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, parameters)).await?.all()?;
    rows.into_iter().map(Row::parse).collect()
}

/// A client as it is now.
pub async fn by_id(ctx: &Ctx, id: &str) -> Result<Option<Listed>, Fault> {
    let sql = "SELECT id, metadata, secrets, enabled, version, origin, created_at FROM clients WHERE id = ?1";
    let row: Option<Row> = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [id.into()])).await?.first()?;
    row.map(Row::parse).transpose()
}

/// Makes a client, if there is none of this id.
pub fn insert(new: &Listed, key: &str) -> Statement {
    const SQL: &str = concat!(
        "INSERT INTO clients (id, metadata, secrets, enabled, version, created_at, origin) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'operator' WHERE ",
        unanswered!("?7"),
        " ON CONFLICT DO NOTHING"
    );
    let client = &new.client;
    let parameters = [
        client.id.as_str().into(),
        to_json(&client.metadata).into(),
        to_json(&client.secrets).into(),
        i64::from(client.enabled).into(),
        client.version.into(),
        new.created_at.into(),
        key.into(),
    ];
    Statement::new(SQL, parameters)
}

/// Changes a client that still has the version that it says.
pub async fn update(ctx: &Ctx, changed: &Client, event: &Event) -> Result<bool, Fault> {
    let sql =
        "UPDATE clients SET metadata = ?3, secrets = ?4, enabled = ?5, version = version + 1 WHERE id = ?1 AND version = ?2";
    let parameters = [
        changed.id.as_str().into(),
        changed.version.into(),
        to_json(&changed.metadata).into(),
        to_json(&changed.secrets).into(),
        i64::from(changed.enabled).into(),
    ];
    let [rows] = Db::new(ctx, Shards::COMMON).record([Statement::new(sql, parameters)], event).await?;
    clients::forget(&changed.id);
    Ok(rows.changes() > 0)
}

/// Gives a client of this version other secrets.
pub fn replace_secrets(changed: &Client, key: &str) -> Statement {
    const SQL: &str =
        concat!("UPDATE clients SET secrets = ?3, version = version + 1 WHERE id = ?1 AND version = ?2 AND ", unanswered!("?4"));
    let secrets = to_json(&changed.secrets).into();
    Statement::new(SQL, [changed.id.as_str().into(), changed.version.into(), secrets, key.into()])
}

/// Deletes a client, and ends everything that it has of its users for good: whoever gets its id later gets nothing of
/// that. All grants and redemptions are looked at, for they lie by user.
pub async fn delete(ctx: &Ctx, id: &str, event: &Event) -> Result<(), Fault> {
    let ended = |sql| Statement::new(sql, [id.into(), ctx.now.into()]);
    let batch = [
        ended("UPDATE grants SET revoked_at = ?2, revoked_why = 'client deleted' WHERE client_id = ?1 AND revoked_at IS NULL"),
        ended(
            "UPDATE redemptions SET revoked_at = ?2, revoked_why = 'client deleted' WHERE client_id = ?1 AND revoked_at IS NULL",
        ),
        ended("UPDATE consents SET withdrawn_at = ?2, choice = '' WHERE client_id = ?1"),
        Statement::new("DELETE FROM pushed_requests WHERE client_id = ?1", [id.into()]),
        Statement::new("DELETE FROM clients WHERE id = ?1", [id.into()]),
    ];
    Db::new(ctx, Shards::COMMON).record(batch, event).await?;
    clients::forget(id);
    Ok(())
}
