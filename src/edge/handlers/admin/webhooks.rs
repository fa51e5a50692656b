//! `webhooks`: who is told of security events (Standard Webhooks 1.0).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::handlers::admin::clients::NewSecret;
use crate::edge::handlers::admin::create::{self, Created, Key};
use crate::edge::handlers::admin::{Actor, Call, Outcome};
use crate::edge::http::WireResponse;
use crate::edge::store::webhooks::{self as store, MOST, Webhook};
use crate::edge::webhooks::{open, rfc3339, send};
use crate::protocol::admin::body;
use crate::protocol::admin::operations::Name;
use crate::protocol::admin::page::Page;
use crate::protocol::admin::problem::{Problem, Word, Wrong};
use crate::protocol::ids::random;
use crate::protocol::outbound::check;
use crate::protocol::secret::base64url;
use crate::protocol::webhook::{Message, WebhookSecret, is_kind};

/// What can be said of one.
const MEMBERS: [&str; 3] = ["url", "kinds", "enabled"];

/// A webhook as it is said.
#[derive(Debug, Deserialize)]
pub struct Said {
    url: String,
    /// None: all.
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default = "yes")]
    enabled: bool,
}

const fn yes() -> bool {
    true
}

/// Answers an operation on webhooks.
pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    match name {
        Name::ListWebhooks => {
            let page = call.page()?;
            let webhooks = list(ctx, &page).await?;
            Ok(WireResponse::json(200, &page.answer(webhooks, |webhook| webhook.id.clone(), told)))
        }
        Name::CreateWebhook => {
            let said: Said = call.body(&MEMBERS).await?;
            Ok(Call::created(&create(ctx, &call.actor, said, &call.key()?).await?))
        }
        Name::PatchWebhook => {
            let version = call.if_match()?;
            let members = call.members(&MEMBERS).await?;
            Ok(item(&patch(ctx, &call.actor, call.id(), version, members).await?))
        }
        Name::DeleteWebhook => {
            delete(ctx, &call.actor, call.id()).await?;
            Ok(Call::no_content())
        }
        Name::CreateWebhookSecret => {
            let asked: NewSecret = call.body(&["overlap_seconds"]).await?;
            Ok(Call::created(&new_secret(ctx, &call.actor, call.id(), &asked, &call.key()?).await?))
        }
        Name::TestWebhook => {
            call.members(&[]).await?;
            Ok(WireResponse::json(200, &test(ctx, call.id()).await?))
        }
        _ => Ok(item(&get(ctx, call.id()).await?)),
    }
}

fn item(webhook: &Webhook) -> WireResponse {
    Call::item(webhook.version, &told(webhook))
}

/// What is told of one: never its secret.
pub fn told(webhook: &Webhook) -> Value {
    json!({ "id": webhook.id, "url": webhook.url, "kinds": webhook.kinds, "enabled": webhook.enabled,
        "version": webhook.version, "created_at": webhook.created_at })
}

/// Those of a page by id, one more than wanted if there are more.
pub async fn list(ctx: &Ctx, page: &Page) -> Outcome<Vec<Webhook>> {
    Ok(store::list(ctx, page).await?)
}

/// A webhook.
pub async fn get(ctx: &Ctx, id: &str) -> Outcome<Webhook> {
    Ok(store::by_id(ctx, id).await?.ok_or_else(Problem::not_found)?)
}

/// Makes one. Its secret is told here alone.
pub async fn create(ctx: &Ctx, actor: &Actor, said: Said, key: &Key) -> Outcome<Created> {
    check_said(ctx, &said)?;
    let secret = WebhookSecret::generate(&mut Platform);
    let wrapped = ctx.config.wrapper().seal(&secret, &mut Platform);
    let Said { url, kinds, enabled } = said;
    let id = base64url(&random::<12>(&mut Platform));
    let webhook = Webhook { id, url, kinds, secret: wrapped, enabled, version: 1, created_at: ctx.now };
    let created = Created { path: format!("webhooks/{}", webhook.id), version: 1, body: with_secret(told(&webhook), &secret) };
    let event = actor.changed("webhook.create", &webhook.id, &[]);
    create::commit(ctx, key, vec![store::insert(&webhook, key.row())], created, &event).await.map_err(|refusal| {
        let (problem, _) = match refusal {
            refusal @ super::Refusal::Failure(_) => return refusal,
            refusal @ super::Refusal::Problem(_) => refusal.into_parts(),
        };
        // Ids are random: what stands in the way is the number.
        let is_full = problem.word == Word::Conflict;
        if is_full { Problem::new(Word::Conflict, format!("there are {MOST} webhooks already")).into() } else { problem.into() }
    })
}

/// Changes one of this version by a merge patch.
pub async fn patch(ctx: &Ctx, actor: &Actor, id: &str, version: i64, members: Map<String, Value>) -> Outcome<Webhook> {
    let read = get(ctx, id).await?;
    if read.version != version {
        return Err(Problem::stale().into());
    }
    let names: Vec<String> = members.keys().cloned().collect();
    let mut merged = json!({ "url": read.url, "kinds": read.kinds, "enabled": read.enabled });
    body::merge(&mut merged, &Value::Object(members));
    let Value::Object(merged) = merged else { return Err(Problem::invalid(Vec::new()).into()) };
    let said: Said = body::read(merged)?;
    check_said(ctx, &said)?;
    let Said { url, kinds, enabled } = said;
    let changed = Webhook { url, kinds, enabled, ..read };
    let fields: Vec<&str> = names.iter().map(String::as_str).collect();
    let is_done = store::update(ctx, &changed, &actor.changed("webhook.patch", id, &fields)).await?;
    let now = get(ctx, id).await?;
    // Told by what stands there too: when the batch was run twice, the second run changed nothing.
    let is_ours = now == Webhook { version: version + 1, ..changed };
    if is_done || is_ours { Ok(now) } else { Err(Problem::stale().into()) }
}

/// Deletes one. What is on its way to it is not sent any more.
pub async fn delete(ctx: &Ctx, actor: &Actor, id: &str) -> Outcome<()> {
    get(ctx, id).await?;
    Ok(store::delete(ctx, id, &actor.changed("webhook.delete", id, &[])).await?)
}

/// Makes a new secret, told here alone. The one before signs beside it for the overlap.
pub async fn new_secret(ctx: &Ctx, actor: &Actor, id: &str, asked: &NewSecret, key: &Key) -> Outcome<Created> {
    let overlap = asked.overlap()?;
    let read = get(ctx, id).await?;
    let secret = open(ctx, &read)?.rotated(overlap, ctx.now, &mut Platform);
    let changed = Webhook { secret: ctx.config.wrapper().seal(&secret, &mut Platform), ..read };
    let version = changed.version + 1;
    let body = with_secret(json!({ "id": id, "version": version }), &secret);
    let created = Created { path: format!("webhooks/{id}"), version, body };
    let event = actor.changed("webhook.secret", id, &["secret"]);
    create::commit(ctx, key, vec![store::replace_secret(&changed, key.row())], created, &event).await
}

/// Sends a message now, and tells what came of it.
pub async fn test(ctx: &Ctx, id: &str) -> Outcome<Value> {
    let webhook = get(ctx, id).await?;
    let message = Message::test(id, &rfc3339(ctx.now), ctx.now, &mut Platform);
    Ok(match send(ctx, &webhook, &message).await? {
        Ok(status) => json!({ "delivered": (200..300).contains(&status), "status": status }),
        Err(refused) => json!({ "delivered": false, "error": refused.word() }),
    })
}

fn with_secret(mut told: Value, secret: &WebhookSecret) -> Value {
    if let Some(members) = told.as_object_mut() {
        members.insert("secret".to_owned(), secret.told().into());
    }
    told
}

/// Everything that is wrong with it.
fn check_said(ctx: &Ctx, said: &Said) -> Result<(), Problem> {
    let mut wrong = Vec::new();
    if let Err(why) = check(&said.url, &ctx.config.issuer, &ctx.config.outbound_allow) {
        wrong.push(Wrong::at("url", why));
    }
    for (number, _) in said.kinds.iter().enumerate().filter(|(_, kind)| !is_kind(kind)) {
        let pointer = format!("/kinds/{number}");
        wrong.push(Wrong { pointer, detail: "no such kind of event".to_owned() });
    }
    if wrong.is_empty() { Ok(()) } else { Err(Problem::invalid(wrong)) }
}
