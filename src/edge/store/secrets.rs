//! `secrets`: random values of the realm, wrapped by the key ring.

use serde::Deserialize;

use super::{Db, Shards, Statement};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;

/// A row.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredSecret {
    /// Its name.
    pub name: String,
    /// The value, sealed.
    pub wrapped: String,
}

/// One value, sealed.
pub async fn read(ctx: &Ctx, name: &str) -> Result<Option<String>, Fault> {
    let rows = Db::new(ctx, Shards::COMMON).run(select(name)).await?;
    Ok(rows.first::<StoredSecret>()?.map(|row| row.wrapped))
}

/// Writes a value unless there is one of this name, and reads what is there after that: two Workers that
/// do this at once end with one value.
pub async fn insert(ctx: &Ctx, name: &str, wrapped: &str) -> Result<Option<String>, Fault> {
    let insert = Statement::new(
        "INSERT INTO secrets (name, wrapped) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        [name.into(), wrapped.into()],
    );
    let [_, rows] = Db::new(ctx, Shards::COMMON).batch([insert, select(name)]).await?;
    Ok(rows.first::<StoredSecret>()?.map(|row| row.wrapped))
}

/// All of them.
pub async fn all(ctx: &Ctx) -> Result<Vec<StoredSecret>, Fault> {
    Db::new(ctx, Shards::COMMON).run(Statement::new("SELECT name, wrapped FROM secrets", [])).await?.all()
}

/// Replaces a wrapping by one of the active key, if it is still the one that was opened.
pub async fn rewrap(ctx: &Ctx, before: &StoredSecret, after: &str) -> Result<(), Fault> {
    let sql = "UPDATE secrets SET wrapped = ?3 WHERE name = ?1 AND wrapped = ?2";
    let statement = Statement::new(sql, [before.name.as_str().into(), before.wrapped.as_str().into(), after.into()]);
    Db::new(ctx, Shards::COMMON).run(statement).await.map(drop)
}

fn select(name: &str) -> Statement {
    Statement::new("SELECT name, wrapped FROM secrets WHERE name = ?1", [name.into()])
}
