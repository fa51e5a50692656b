//! `roles`: which there are, for people to choose from. What a user has stands in `users.roles`.

use serde::Deserialize;

use super::idempotency::unanswered;
use super::{Db, Exists, Shards, Statement};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::admin::page::Page;
use crate::protocol::audit::Event;
use crate::protocol::time::Timestamp;

/// A role.
#[derive(Clone, Debug, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The roles of a page, by name.
pub async fn list(ctx: &Ctx, page: &Page) -> Result<Vec<Role>, Fault> {
    let sql = "SELECT name, description, version, created_at FROM roles WHERE name > ?1 ORDER BY name LIMIT ?2";
    let parameters = [page.after.as_str().into(), page.rows().into()];
    Db::new(ctx, Shards::COMMON).run(Statement::new(sql, parameters)).await?.all()
}

/// A role.
pub async fn by_name(ctx: &Ctx, name: &str) -> Result<Option<Role>, Fault> {
    let sql = "SELECT name, description, version, created_at FROM roles WHERE name = ?1";
    Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [name.into()])).await?.first()
}

/// Makes a role, if there is none of this name.
pub fn insert(role: &Role, key: &str) -> Statement {
    const SQL: &str = concat!(
        "INSERT INTO roles (name, description, version, created_at) SELECT ?1, ?2, ?3, ?4 WHERE ",
        unanswered!("?5"),
        " ON CONFLICT DO NOTHING"
    );
    let (name, description) = (role.name.as_str().into(), role.description.as_str().into());
    Statement::new(SQL, [name, description, role.version.into(), role.created_at.into(), key.into()])
}

/// Changes a role of this version.
pub async fn update(ctx: &Ctx, role: &Role, event: &Event) -> Result<bool, Fault> {
    let sql = "UPDATE roles SET description = ?3, version = version + 1 WHERE name = ?1 AND version = ?2";
    let parameters = [role.name.as_str().into(), role.version.into(), role.description.as_str().into()];
    let [rows] = Db::new(ctx, Shards::COMMON).record([Statement::new(sql, parameters)], event).await?;
    Ok(rows.changes() > 0)
}

/// Deletes a role that nobody has.
pub async fn delete(ctx: &Ctx, name: &str, event: &Event) -> Result<(), Fault> {
    let sql = "DELETE FROM roles WHERE name = ?1 \
               AND NOT EXISTS (SELECT 1 FROM users u, json_each(u.roles) r WHERE r.value = ?1)";
    Db::new(ctx, Shards::COMMON).record([Statement::new(sql, [name.into()])], event).await.map(drop)
}

/// Whether a user has a role. All users are looked at.
pub async fn is_had(ctx: &Ctx, name: &str) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM users u, json_each(u.roles) r WHERE r.value = ?1 LIMIT 1";
    Ok(Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [name.into()])).await?.first::<Exists>()?.is_some())
}
