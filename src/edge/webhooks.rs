//! Telling others' servers of security events (Standard Webhooks 1.0): put down by the cron when it seals a minute, sent by
//! the `Outbox`.

use super::ctx::{Ctx, Platform};
use super::failure::{Failure, Fault};
use super::log;
use super::objects::outbox;
use super::outbound::{self, Refused};
use super::store::audit;
use super::store::webhooks::{self as store, Webhook};
use crate::protocol::audit::Kind;
use crate::protocol::audit_seal::Stored;
use crate::protocol::outbox::{Answer, Parcel};
use crate::protocol::seal::{OpenError, Sealer};
use crate::protocol::time::Timestamp;
use crate::protocol::webhook::{Message, WebhookSecret, wants};

/// Who wants to hear of anything.
pub async fn listeners(ctx: &Ctx) -> Result<Vec<Webhook>, Fault> {
    Ok(store::all(ctx).await?.into_iter().filter(|webhook| webhook.enabled).collect())
}

/// Puts down what these want to hear of these events. Put down twice it may be told twice, under one `webhook-id`.
pub async fn announce(ctx: &Ctx, listeners: &[Webhook], events: &[Stored]) -> Result<(), Fault> {
    let mut parcels = Vec::new();
    for webhook in listeners {
        let wanted = events.iter().filter(|event| wants(&webhook.kinds, &event.kind));
        parcels.extend(wanted.map(|event| Parcel::Webhook(Message::of(&webhook.id, event, &rfc3339(event.at)))));
    }
    outbox::enqueue(ctx, parcels).await
}

/// One attempt. What a webhook does not want any more is not sent.
pub async fn deliver(ctx: &Ctx, message: &Message) -> Answer {
    let webhook = match store::by_id(ctx, &message.webhook).await {
        Ok(Some(webhook)) if webhook.enabled => webhook,
        Ok(_) => return Answer::Unwanted,
        Err(fault) => return failed(ctx, fault),
    };
    match send(ctx, &webhook, message).await {
        // "Gone" is how a receiver says that it wants nothing any more.
        Ok(Ok(410)) => {
            let event = audit::event(ctx, Kind::AdminChange, "webhook");
            let event = event.with(&serde_json::json!({ "action": "webhook.gone", "id": webhook.id }));
            match store::disable(ctx, &webhook.id, &event).await {
                Ok(()) => Answer::Unwanted,
                Err(fault) => failed(ctx, fault),
            }
        }
        Ok(Ok(status)) => Answer::Status(status),
        Ok(Err(refused)) => Answer::Silence(refused.word()),
        Err(fault) => failed(ctx, fault),
    }
}

fn failed(ctx: &Ctx, fault: Fault) -> Answer {
    log::event("error", "webhook", &Failure::from(fault).into_parts().1, &ctx.meter);
    Answer::Silence("it could not be made")
}

/// Signs and posts a message now.
pub async fn send(ctx: &Ctx, webhook: &Webhook, message: &Message) -> Result<Result<u16, Refused>, Fault> {
    let signature = open(ctx, webhook)?.signature(message, ctx.now);
    let timestamp = ctx.now.seconds().to_string();
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", message.id.as_str()),
        ("webhook-timestamp", &timestamp),
        ("webhook-signature", &signature),
    ];
    Ok(outbound::post(ctx, &webhook.url, &headers, &message.body).await)
}

/// A webhook's secret.
pub fn open(ctx: &Ctx, webhook: &Webhook) -> Result<WebhookSecret, Fault> {
    ctx.config.wrapper().open(&webhook.secret).map_err(|error| match error {
        OpenError::NewerKey => Fault::Unavailable("webhook secret is wrapped by a newer root secret".to_owned()),
        OpenError::Bogus => Fault::Broken(format!("secret of webhook {} does not unwrap", webhook.id)),
    })
}

/// The cron's work: wrappings by the active key. One that does not open does not stop the others.
pub async fn maintain(ctx: &Ctx) -> Result<(), Fault> {
    let mut outcome = Ok(());
    for webhook in store::all(ctx).await? {
        if Sealer::key_number(&webhook.secret) != Some(ctx.config.ring.active()) {
            outcome = rewrap(ctx, &webhook).await.and(outcome);
        }
    }
    outcome
}

async fn rewrap(ctx: &Ctx, webhook: &Webhook) -> Result<(), Fault> {
    let after = ctx.config.wrapper().seal(&open(ctx, webhook)?, &mut Platform);
    store::rewrap(ctx, webhook, &after).await
}

/// An instant in the form of RFC 3339.
#[expect(clippy::cast_precision_loss, reason = "milliseconds fit a double for 285 000 years")]
pub fn rfc3339(at: Timestamp) -> String {
    js_sys::Date::new(&(at.millis() as f64).into()).to_iso_string().into()
}
