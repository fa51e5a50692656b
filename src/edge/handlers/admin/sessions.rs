//! `users/{user_id}/sessions`: where a user is signed in at a browser.

use serde_json::{Value, json};

use crate::edge::ctx::Ctx;
use crate::edge::handlers::admin::users;
use crate::edge::handlers::admin::{Actor, Call, Outcome};
use crate::edge::handlers::session_end;
use crate::edge::http::WireResponse;
use crate::edge::store::sessions::{self as store, Listed};
use crate::protocol::admin::operations::Name;
use crate::protocol::admin::problem::Problem;

/// Answers an operation on the sessions of a user.
pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    match name {
        Name::DeleteSession => {
            end(ctx, &call.actor, call.id(), Some(call.parameter(1))).await?;
            Ok(Call::no_content())
        }
        Name::DeleteSessions => {
            end(ctx, &call.actor, call.id(), None).await?;
            Ok(Call::no_content())
        }
        _ => {
            let page = call.page()?;
            let mut sessions = list(ctx, call.id()).await?;
            sessions.sort_by_cached_key(|session| session.id.sid());
            sessions.retain(|session| session.id.sid() > page.after);
            Ok(WireResponse::json(200, &page.answer(sessions, |session| session.id.sid(), told)))
        }
    }
}

/// What is told of a session.
pub fn told(session: &Listed) -> Value {
    json!({ "handle": session.id.sid(), "place": session.place, "signed_in_at": session.auth_time, "seen_at": session.seen_at })
}

/// The sessions of a user that are alive, the last used first.
pub async fn list(ctx: &Ctx, user: &str) -> Outcome<Vec<Listed>> {
    let user = users::get(ctx, user).await?;
    Ok(store::of_user(ctx, &user.id).await?)
}

/// Ends one session, by its handle, or all of a user; clients that want to hear of it do.
pub async fn end(ctx: &Ctx, actor: &Actor, user: &str, handle: Option<&str>) -> Outcome<()> {
    let owner = users::get(ctx, user).await?;
    let mut sessions = store::of_user(ctx, &owner.id).await?;
    sessions.retain(|session| handle.is_none_or(|handle| session.id.sid() == handle));
    if sessions.is_empty() {
        return if handle.is_some() { Err(Problem::not_found().into()) } else { Ok(()) };
    }
    let ids = sessions.into_iter().map(|session| session.id).collect();
    let event = actor.changed("session.delete", handle.unwrap_or(user), &[]).about(user);
    Ok(session_end::end_of(ctx, &owner.id, ids, false, event).await?)
}
