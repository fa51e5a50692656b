//! `users` and `logins`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Db, Shards, Statement, from_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;

/// What a sign-in needs of a user.
pub struct LoginUser {
    /// Whose account.
    pub id: UserId,
    /// Stored password, PHC.
    pub password: String,
    /// The administrator's switch.
    pub enabled: bool,
}

/// The user with this (folded) login name.
pub async fn by_login(ctx: &Ctx, login: &str) -> Result<Option<LoginUser>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        id: UserId,
        password: String,
        enabled: i64,
    }
    let sql = "SELECT u.id, u.password, u.enabled FROM logins l JOIN users u ON u.id = l.user_id WHERE l.login = ?1";
    let row: Option<Row> = Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [login.into()])).await?.first()?;
    Ok(row.map(|row| LoginUser { id: row.id, password: row.password, enabled: row.enabled != 0 }))
}

/// Voids every approval and sign-in up to `now`.
pub fn sign_out_everywhere(user: &UserId, now: Timestamp) -> Statement {
    let sql = "UPDATE users SET not_before = ?2, updated_at = ?2 WHERE id = ?1 AND not_before < ?2";
    Statement::new(sql, [user.as_str().into(), now.into()])
}

/// Claims as stored.
pub fn claims(text: &str) -> Result<Map<String, Value>, Fault> {
    from_json("users.claims", text)
}

/// What a person is called on pages: the first that there is of name, preferred_username, nickname, email.
pub fn display_name(claims: &Map<String, Value>) -> String {
    let names = ["name", "preferred_username", "nickname", "email"];
    names.into_iter().find_map(|name| text_claim(claims, name)).unwrap_or("your account").to_owned()
}

/// A claim that is a text and not empty.
pub fn text_claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}
