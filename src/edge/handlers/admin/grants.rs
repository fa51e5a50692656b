//! `users/{user_id}/grants`: devices, and apps that stay signed in.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::edge::ctx::Ctx;
use crate::edge::handlers::admin::users;
use crate::edge::handlers::admin::{Actor, Call, Outcome};
use crate::edge::http::WireResponse;
use crate::edge::store::grants::{self as store, Alive};
use crate::protocol::admin::operations::Name;
use crate::protocol::admin::problem::{Problem, Wrong};
use crate::protocol::client::DEVICE_CODE;
use crate::protocol::ids::UserId;

/// Most characters of a grant's name.
pub const MOST_NAME: usize = 100;

#[derive(Deserialize)]
struct NewName {
    name: String,
}

/// Answers an operation on the grants of a user.
pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    match name {
        Name::PatchGrant => {
            let new: NewName = call.body(&["name"]).await?;
            let grant = rename(ctx, &call.actor, call.id(), call.parameter(1), &new.name).await?;
            Ok(WireResponse::json(200, &told(&grant)))
        }
        Name::DeleteGrant => {
            end(ctx, &call.actor, call.id(), call.parameter(1)).await?;
            Ok(Call::no_content())
        }
        Name::DeleteGrants => {
            end_all(ctx, &call.actor, call.id()).await?;
            Ok(Call::no_content())
        }
        _ => {
            let page = call.page()?;
            let mut grants = list(ctx, call.id()).await?;
            // Their ids are told to nobody, so their order is that of their handles.
            grants.sort_by_cached_key(|grant| grant.id.sid());
            grants.retain(|grant| grant.id.sid() > page.after);
            Ok(WireResponse::json(200, &page.answer(grants, |grant| grant.id.sid(), told)))
        }
    }
}

/// What is told of a grant.
pub fn told(grant: &Alive) -> Value {
    let kind = if grant.grant_type == DEVICE_CODE { "device" } else { "app" };
    json!({ "handle": grant.id.sid(), "kind": kind, "name": grant.name, "client_id": grant.client_id, "grant_type": grant.grant_type,
        "scope": grant.approved_scope, "place": grant.place, "approved_at": grant.approved_at, "used_at": grant.rotated_at,
        "expires_at": grant.expires_at })
}

/// The grants of a user that are alive, the last used first.
pub async fn list(ctx: &Ctx, user: &str) -> Outcome<Vec<Alive>> {
    let owner = users::get(ctx, user).await?;
    Ok(store::alive(ctx, &owner.id).await?)
}

/// A grant that is alive, by its handle, and whose it is.
async fn get(ctx: &Ctx, user: &str, handle: &str) -> Outcome<(UserId, Alive)> {
    let owner = users::get(ctx, user).await?.id;
    let found = store::alive(ctx, &owner).await?.into_iter().find(|grant| grant.id.sid() == handle);
    Ok((owner, found.ok_or_else(Problem::not_found)?))
}

/// Gives a grant another name.
pub async fn rename(ctx: &Ctx, actor: &Actor, user: &str, handle: &str, name: &str) -> Outcome<Alive> {
    let name = name.trim();
    if !(1..=MOST_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Problem::invalid(vec![Wrong::at("name", "1 to 100 characters, none of them control characters")]).into());
    }
    let (owner, grant) = get(ctx, user, handle).await?;
    let event = actor.changed("grant.rename", handle, &["name"]).about(user).of_client(&grant.client_id);
    store::rename(ctx, &owner, &grant.id, name, &event).await?;
    Ok(Alive { name: name.to_owned(), ..grant })
}

/// Ends one grant: its next refresh is refused, and so is what asks about its tokens.
pub async fn end(ctx: &Ctx, actor: &Actor, user: &str, handle: &str) -> Outcome<()> {
    let (owner, grant) = get(ctx, user, handle).await?;
    let event = actor.changed("grant.delete", handle, &[]).about(user).of_client(&grant.client_id);
    Ok(store::revoke(ctx, &owner, &grant.id, "ended by an administrator", &event).await?)
}

/// Ends all grants of a user.
pub async fn end_all(ctx: &Ctx, actor: &Actor, user: &str) -> Outcome<()> {
    let owner = users::get(ctx, user).await?;
    let event = actor.changed("grant.delete_all", user, &[]).about(user);
    Ok(store::revoke_all(ctx, &owner.id, "ended by an administrator", &event).await?)
}
