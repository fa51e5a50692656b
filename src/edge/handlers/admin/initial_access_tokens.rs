//! `initial-access-tokens`: what lets others register clients where registration is closed (RFC 7591 3).

use serde::Deserialize;
use serde_json::{Value, json};

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::handlers::admin::create::{self, Created, Key};
use crate::edge::handlers::admin::{Actor, Call, Outcome};
use crate::edge::http::WireResponse;
use crate::edge::store::initial_access_tokens::{self as store, Listed};
use crate::protocol::admin::operations::Name;
use crate::protocol::admin::page::Page;
use crate::protocol::admin::problem::{Problem, Wrong};
use crate::protocol::ids::random;
use crate::protocol::secret::{SecretHash, base64url};
use crate::protocol::time::Seconds;

/// Clients that may be registered with one at most.
const MOST_USES: u32 = 1_000;
/// Longest life: a year.
const MOST_LIFE: u32 = 31_536_000;

/// A token to be.
#[derive(Debug, Deserialize)]
pub struct New {
    /// So many clients may be registered with it.
    #[serde(default = "one")]
    pub uses: u32,
    /// Its life in seconds.
    #[serde(default = "a_day")]
    pub expires_in: u32,
}

const fn one() -> u32 {
    1
}

const fn a_day() -> u32 {
    86_400
}

/// Answers an operation on them.
pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    match name {
        Name::CreateInitialAccessToken => {
            let new: New = call.body(&["uses", "expires_in"]).await?;
            Ok(Call::created(&create(ctx, &call.actor, &new, &call.key()?).await?))
        }
        Name::DeleteInitialAccessToken => {
            delete(ctx, &call.actor, call.id()).await?;
            Ok(Call::no_content())
        }
        _ => {
            let page = call.page()?;
            let tokens = list(ctx, &page).await?;
            Ok(WireResponse::json(200, &page.answer(tokens, |token| token.sha256.clone(), told)))
        }
    }
}

/// What is told of one: its hash names it, and cannot be used in its place.
fn told(token: &Listed) -> Value {
    json!({ "id": token.sha256, "uses": token.uses, "expires_at": token.expires_at })
}

/// Those of a page, one more than wanted if there are more.
pub async fn list(ctx: &Ctx, page: &Page) -> Outcome<Vec<Listed>> {
    Ok(store::list(ctx, page).await?)
}

/// Makes one. The token is told here alone.
pub async fn create(ctx: &Ctx, actor: &Actor, new: &New, key: &Key) -> Outcome<Created> {
    let mut wrong = Vec::new();
    if !(1..=MOST_USES).contains(&new.uses) {
        wrong.push(Wrong::at("uses", "1 to 1000"));
    }
    if !(1..=MOST_LIFE).contains(&new.expires_in) {
        wrong.push(Wrong::at("expires_in", "1 to 31536000 seconds: a year"));
    }
    if !wrong.is_empty() {
        return Err(Problem::invalid(wrong).into());
    }
    let token = base64url(&random::<32>(&mut Platform));
    let sha256 = store::text(&SecretHash::of(token.as_bytes()));
    let listed = Listed { sha256, uses: new.uses, expires_at: ctx.now.plus(Seconds(new.expires_in)) };
    let mut body = told(&listed);
    if let Some(members) = body.as_object_mut() {
        members.insert("token".to_owned(), token.into());
    }
    let created = Created { path: format!("initial-access-tokens/{}", listed.sha256), version: 1, body };
    let event = actor.changed("initial_access_token.create", &listed.sha256, &[]);
    create::commit(ctx, key, vec![store::insert(&listed, key.row())], created, &event).await
}

/// Deletes one: nobody registers with it any more.
pub async fn delete(ctx: &Ctx, actor: &Actor, id: &str) -> Outcome<()> {
    if !store::is_there(ctx, id).await? {
        return Err(Problem::not_found().into());
    }
    Ok(store::delete(ctx, id, &actor.changed("initial_access_token.delete", id, &[])).await?)
}
