//! `trusted-issuers`: whose tokens are traded, and by which rules; and `trust/explain`: what one is worth.

use serde_json::{Map, Value};

use crate::edge::ctx::Ctx;
use crate::edge::handlers::admin::create::{self, Created, Key};
use crate::edge::handlers::admin::{Actor, Call, Outcome};
use crate::edge::handlers::trust_explain::{Question, explained};
use crate::edge::http::WireResponse;
use crate::edge::store::trusted_issuers as store;
use crate::protocol::admin::body;
use crate::protocol::admin::issuer::{self, CHANGEABLE, id_of, of_id};
use crate::protocol::admin::operations::Name;
use crate::protocol::admin::page::Page;
use crate::protocol::admin::problem::{Problem, Word, Wrong};
use crate::protocol::trust::TrustedIssuer;

/// Answers an operation on trusted issuers.
pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    match name {
        Name::ListTrustedIssuers => {
            let page = call.page()?;
            let issuers = list(ctx, &page).await?;
            Ok(WireResponse::json(200, &page.answer(issuers, |trusted| trusted.issuer.clone(), told)))
        }
        Name::CreateTrustedIssuer => {
            let members = call.members(&[&["issuer"], CHANGEABLE.as_slice()].concat()).await?;
            Ok(Call::created(&create(ctx, &call.actor, &members, &call.key()?).await?))
        }
        Name::PatchTrustedIssuer => {
            let version = call.if_match()?;
            let members = call.members(&CHANGEABLE).await?;
            Ok(item(&patch(ctx, &call.actor, call.id(), version, members).await?))
        }
        Name::DeleteTrustedIssuer => {
            delete(ctx, &call.actor, call.id()).await?;
            Ok(Call::no_content())
        }
        Name::ExplainTrust => {
            let question: Question = call.body(&["token", "settings", "client_id"]).await?;
            let placed = |wrong: Wrong| Wrong { pointer: format!("/settings{}", wrong.pointer), ..wrong };
            match explained(ctx, question).await? {
                Ok(explanation) => Ok(WireResponse::json(200, &explanation)),
                Err(wrong) => Err(Problem::invalid(wrong.into_iter().map(placed).collect()).into()),
            }
        }
        _ => Ok(item(&get(ctx, call.id()).await?)),
    }
}

fn item(trusted: &TrustedIssuer) -> WireResponse {
    Call::item(trusted.version, &told(trusted))
}

/// What is told of one: what was said, its id and version.
pub fn told(trusted: &TrustedIssuer) -> Value {
    let mut members = issuer::members(trusted);
    members.insert("id".to_owned(), id_of(&trusted.issuer).into());
    members.insert("version".to_owned(), trusted.version.into());
    Value::Object(members)
}

/// Those of a page by issuer, one more than wanted if there are more.
pub async fn list(ctx: &Ctx, page: &Page) -> Outcome<Vec<TrustedIssuer>> {
    Ok(store::list(ctx, page).await?)
}

/// A trusted issuer.
pub async fn get(ctx: &Ctx, id: &str) -> Outcome<TrustedIssuer> {
    let issuer = of_id(id).ok_or_else(Problem::not_found)?;
    let trusted = store::fresh(ctx, &issuer).await?.ok_or_else(Problem::not_found)?;
    Ok((*trusted).clone())
}

/// Trusts an issuer.
pub async fn create(ctx: &Ctx, actor: &Actor, members: &Map<String, Value>, key: &Key) -> Outcome<Created> {
    let trusted = issuer::read(members).map_err(Problem::invalid)?;
    if trusted.issuer == ctx.config.issuer {
        return Err(Problem::invalid(vec![Wrong::at("issuer", "our own tokens need no trust")]).into());
    }
    actor.check_may_give(issuer::yielded(&trusted.settings))?;
    let created = Created { path: format!("trusted-issuers/{}", id_of(&trusted.issuer)), version: 1, body: told(&trusted) };
    let event = actor.changed("trusted_issuer.create", &trusted.issuer, &[]);
    create::commit(ctx, key, vec![store::insert(&trusted, ctx.now, key.row())], created, &event).await
}

/// Changes one of this version by a merge patch. Isolates that have a copy hear of it within `CLIENT_CACHE`.
pub async fn patch(ctx: &Ctx, actor: &Actor, id: &str, version: i64, members: Map<String, Value>) -> Outcome<TrustedIssuer> {
    let read = get(ctx, id).await?;
    if read.version != version {
        return Err(Problem::stale().into());
    }
    if members.is_empty() {
        return Ok(read);
    }
    let names: Vec<String> = members.keys().cloned().collect();
    let mut merged = Value::Object(issuer::members(&read));
    body::merge(&mut merged, &Value::Object(members));
    let merged = merged.as_object().cloned().unwrap_or_default();
    let changed = TrustedIssuer { version, ..issuer::read(&merged).map_err(Problem::invalid)? };
    actor.check_may_give(issuer::yielded(&read.settings).chain(issuer::yielded(&changed.settings)))?;
    let fields: Vec<&str> = names.iter().map(String::as_str).collect();
    let is_done = store::update(ctx, &changed, &actor.changed("trusted_issuer.patch", &read.issuer, &fields)).await?;
    let now = get(ctx, id).await?;
    // Told by what stands there too: when the batch was run twice, the second run changed nothing.
    let is_ours = now == TrustedIssuer { version: version + 1, ..changed };
    if is_done || is_ours { Ok(now) } else { Err(Problem::stale().into()) }
}

/// Trusts an issuer no more.
pub async fn delete(ctx: &Ctx, actor: &Actor, id: &str) -> Outcome<()> {
    let read = get(ctx, id).await?;
    actor.check_may_give(issuer::yielded(&read.settings))?;
    store::delete(ctx, &read, &actor.changed("trusted_issuer.delete", &read.issuer, &[])).await?;
    match store::fresh(ctx, &read.issuer).await? {
        Some(_) => Err(Problem::new(Word::Conflict, "it was changed meanwhile").into()),
        None => Ok(()),
    }
}
