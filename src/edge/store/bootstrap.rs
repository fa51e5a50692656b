//! The first administrator: one batch, closed by the one row of `bootstrap`.

use serde::Deserialize;

use super::{Db, Exists, Shards, Statement, to_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::admin::scopes::ADMIN;
use crate::protocol::audit::Event;
use crate::protocol::client::Metadata;
use crate::protocol::ids::UserId;

/// What is made.
pub struct First<'a> {
    /// The administrator.
    pub user: &'a UserId,
    /// Their login name, folded.
    pub login: &'a str,
    /// Their password, PHC.
    pub password: &'a str,
    /// The id of the client that they administer with.
    pub client: &'a str,
    /// What it is registered with.
    pub metadata: &'a Metadata,
    /// This request.
    pub attempt: &'a str,
}

/// Whether it was done, or there is an administrator anyway, or the login name is taken.
pub async fn is_closed(ctx: &Ctx, login: &str) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM bootstrap UNION ALL SELECT 1 FROM logins WHERE login = ?1 UNION ALL \
               SELECT 1 FROM users u, json_each(u.roles) r WHERE r.value = ?2 LIMIT 1";
    let rows = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [login.into(), ADMIN.into()])).await?;
    Ok(rows.first::<Exists>()?.is_some())
}

/// Whether the row is there.
pub async fn is_done(ctx: &Ctx) -> Result<bool, Fault> {
    let rows = Db::new(ctx, Shards::COMMON).run(Statement::new("SELECT 1 FROM bootstrap", [])).await?;
    Ok(rows.first::<Exists>()?.is_some())
}

/// Makes the administrator and the client, all or nothing; whether this attempt did.
pub async fn run(ctx: &Ctx, first: &First<'_>, event: &Event) -> Result<bool, Fault> {
    #[derive(Deserialize)]
    struct Row {
        attempt: String,
    }
    let (attempt, user) = (first.attempt, first.user.as_str());
    let open = "INSERT INTO bootstrap (id, attempt, at) SELECT 1, ?1, ?2 \
                WHERE NOT EXISTS (SELECT 1 FROM users u, json_each(u.roles) r WHERE r.value = ?3) \
                AND NOT EXISTS (SELECT 1 FROM logins WHERE login = ?4) ON CONFLICT DO NOTHING";
    let client = "INSERT INTO clients (id, metadata, created_at) SELECT ?2, ?3, ?4 \
                  WHERE EXISTS (SELECT 1 FROM bootstrap WHERE attempt = ?1) ON CONFLICT DO NOTHING";
    let login = "INSERT INTO logins (login, user_id) SELECT ?2, ?3 \
                 WHERE EXISTS (SELECT 1 FROM bootstrap WHERE attempt = ?1) ON CONFLICT DO NOTHING";
    let insert = "INSERT INTO users (id, login, password, claims, roles, created_at, updated_at) SELECT ?2, ?7, ?3, ?4, ?5, ?6, ?6 \
                  WHERE EXISTS (SELECT 1 FROM bootstrap WHERE attempt = ?1) ON CONFLICT DO NOTHING";
    let claims = serde_json::json!({ "preferred_username": first.login });
    let db = Db::new(ctx, Shards::COMMON);
    let batch = [
        Statement::new(open, [attempt.into(), ctx.now.into(), ADMIN.into(), first.login.into()]),
        Statement::new(client, [attempt.into(), first.client.into(), to_json(first.metadata).into(), ctx.now.into()]),
        Statement::new(login, [attempt.into(), first.login.into(), user.into()]),
        Statement::new(
            insert,
            [
                attempt.into(),
                user.into(),
                first.password.into(),
                claims.to_string().into(),
                to_json(&[ADMIN]).into(),
                ctx.now.into(),
                first.login.into(),
            ],
        ),
    ];
    db.record(batch, event).await?;
    let row: Option<Row> = db.run(Statement::new("SELECT attempt FROM bootstrap", [])).await?.first()?;
    Ok(row.is_some_and(|row| row.attempt == attempt))
}
