//! `keys`: the keys that sign.

use serde_json::{Value, json};

use crate::edge::crypto;
use crate::edge::ctx::Ctx;
use crate::edge::handlers::admin::{Actor, Call, Outcome};
use crate::edge::http::WireResponse;
use crate::protocol::admin::operations::Name;
use crate::protocol::admin::problem::Problem;
use crate::protocol::keys::KeyRecord;
use crate::protocol::time::Timestamp;

/// Answers an operation on signing keys. There are few: all are on one page.
pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    match name {
        Name::RotateKeys => {
            call.members(&[]).await?;
            rotate(ctx, &call.actor).await?;
            Ok(listed(ctx).await?)
        }
        Name::DeleteKey => {
            remove(ctx, &call.actor, call.id()).await?;
            Ok(Call::no_content())
        }
        _ => {
            crypto::have_keys(ctx).await?;
            Ok(listed(ctx).await?)
        }
    }
}

/// Gives every algorithm a key that waits for its turn.
pub async fn rotate(ctx: &Ctx, actor: &Actor) -> Outcome<()> {
    Ok(crypto::rotate(ctx, &actor.changed("key.rotate", "", &[])).await?)
}

/// Removes a key at once: for one that is no secret any more.
pub async fn remove(ctx: &Ctx, actor: &Actor, kid: &str) -> Outcome<()> {
    if crypto::remove(ctx, kid, &actor.changed("key.delete", kid, &[])).await? {
        return Ok(());
    }
    Err(Problem::not_found().into())
}

async fn listed(ctx: &Ctx) -> Outcome<WireResponse> {
    let keys = crypto::all_keys(ctx).await?;
    let items: Vec<Value> = keys.iter().map(|key| told(key, ctx.now)).collect();
    Ok(WireResponse::json(200, &json!({ "items": items })))
}

/// What is told of a key: never its private half.
pub fn told(key: &KeyRecord, now: Timestamp) -> Value {
    let schedule = &key.schedule;
    let state = match () {
        () if now < schedule.sign_from => "waiting",
        () if schedule.may_sign(now) => "signing",
        () if schedule.is_published(now) => "verifying",
        () => "retired",
    };
    json!({ "kid": key.kid, "alg": key.alg.name(), "number": key.number, "state": state, "publish_at": schedule.publish,
        "sign_from_at": schedule.sign_from, "sign_until_at": schedule.sign_until, "remove_at": schedule.remove_at })
}
