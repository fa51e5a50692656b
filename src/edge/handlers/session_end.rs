//! The end of sessions: clients that want to hear of it are told (OpenID Connect Back-Channel Logout 1.0).

use std::collections::BTreeSet;

use serde_json::json;

use crate::edge::ctx::Ctx;
use crate::edge::failure::{Failure, Fault};
use crate::edge::objects::outbox;
use crate::edge::pairwise;
use crate::edge::store::audit;
use crate::edge::store::sign_outs::{self, Ended, Listener};
use crate::protocol::audit::{Event, Kind};
use crate::protocol::ids::{OwnedId, UserId};
use crate::protocol::jwe::Recipient;
use crate::protocol::outbox::{Delivery, Parcel};
use crate::protocol::session::SessionKey;

/// Ends these sessions.
pub async fn end(ctx: &Ctx, sessions: &[SessionKey]) -> Result<(), Failure> {
    commit(ctx, &by_user(ctx, sessions, None)).await
}

/// Ends these sessions of a browser, and for one of their users all others too, with all that this user
/// approved up to now, devices included.
pub async fn end_everywhere(ctx: &Ctx, user: &UserId, sessions: &[SessionKey]) -> Result<(), Failure> {
    commit(ctx, &by_user(ctx, sessions, Some(user))).await
}

/// What an administrator ends of a user: these sessions, or with `everywhere` all of them and all that was approved
/// up to now, devices included.
pub async fn end_of(ctx: &Ctx, user: &UserId, sessions: Vec<OwnedId>, everywhere: bool, event: Event) -> Result<(), Failure> {
    commit(ctx, &[Ended { user: user.clone(), sessions, everywhere, event }]).await
}

/// Tells clients that all of a user's sessions end, with all that was approved up to now, before somebody else ends that.
pub async fn tell_all(ctx: &Ctx, user: &UserId) -> Result<(), Failure> {
    let deliveries = told(ctx, user, sign_outs::listeners_of_all(ctx, user).await?).await?;
    Ok(outbox::enqueue(ctx, deliveries.into_iter().map(Parcel::Logout).collect()).await?)
}

/// First the telling is put down, then the sessions end: a failure of the former leaves all as it was, and
/// one of the latter has told clients too early, who then find the session alive. Who got something from a
/// session in between is told after it.
async fn commit(ctx: &Ctx, ended: &[Ended]) -> Result<(), Failure> {
    let mut deliveries = Vec::new();
    for ended in ended {
        deliveries.extend(told(ctx, &ended.user, sign_outs::listeners(ctx, ended).await?).await?);
    }
    let told_before: BTreeSet<String> = deliveries.iter().map(|delivery| delivery.id.clone()).collect();
    outbox::enqueue(ctx, deliveries.into_iter().map(Parcel::Logout).collect()).await?;
    let mut late = Vec::new();
    for ended in ended {
        late.extend(told(ctx, &ended.user, sign_outs::end(ctx, ended).await?).await?);
    }
    late.retain(|delivery| !told_before.contains(&delivery.id));
    Ok(outbox::enqueue(ctx, late.into_iter().map(Parcel::Logout).collect()).await?)
}

/// What listeners are told.
async fn told(ctx: &Ctx, user: &UserId, listeners: Vec<Listener>) -> Result<Vec<Delivery>, Fault> {
    let mut deliveries = Vec::with_capacity(listeners.len());
    for Listener { client, sid } in listeners {
        if let Some(url) = &client.metadata.backchannel_logout_uri {
            let sub = pairwise::subject(ctx, &client, user).await?;
            let sid = pairwise::sid(ctx, &client, &sid).await?;
            let delivery = Delivery::new(url, &client.id, &sub, &sid, client.metadata.id_token_alg(), ctx.now);
            deliveries.push(delivery.encrypted_to(Recipient::of_id_tokens(&client)));
        }
    }
    Ok(deliveries)
}

fn by_user(ctx: &Ctx, sessions: &[SessionKey], everywhere: Option<&UserId>) -> Vec<Ended> {
    let mut ended: Vec<Ended> = Vec::new();
    for SessionKey { user, session } in sessions {
        if let Some(ended) = ended.iter_mut().find(|ended| ended.user == *user) {
            ended.sessions.push(session.clone());
        } else {
            let sessions = vec![session.clone()];
            let everywhere = everywhere == Some(user);
            let what = if everywhere { "everything" } else { "session" };
            let event = audit::by_user(ctx, Kind::Revocation, user).with(&json!({ "what": what }));
            ended.push(Ended { user: user.clone(), sessions, everywhere, event });
        }
    }
    ended
}
