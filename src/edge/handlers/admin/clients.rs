//! `clients`: who may ask for tokens, and their secrets.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::handlers::admin::create::{self, Created, Key};
use crate::edge::handlers::admin::{Actor, Call, Outcome};
use crate::edge::http::WireResponse;
use crate::edge::store::client_registry::{self as store, Listed};
use crate::protocol::admin::client::{
    LEAST_SECRET, MOST_OVERLAP, has_secret, members_of_new, members_of_patch, metadata, patched, told, with_new_secret,
};
use crate::protocol::admin::operations::Name;
use crate::protocol::admin::page::Page;
use crate::protocol::admin::problem::{Problem, Word, Wrong};
use crate::protocol::client::{Client, Origin, StoredSecret};
use crate::protocol::form::encode;
use crate::protocol::ids::random;
use crate::protocol::secret::{Secret, SecretHash, base64url};
use crate::protocol::time::Seconds;

/// Answers an operation on clients.
pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    match name {
        Name::ListClients => {
            let page = call.page()?;
            let clients = list(ctx, &page).await?;
            let told = |listed: &Listed| told(&listed.client, listed.created_at);
            Ok(WireResponse::json(200, &page.answer(clients, |listed| listed.client.id.clone(), told)))
        }
        Name::CreateClient => {
            let members = call.members(&members_of_new()).await?;
            Ok(Call::created(&create(ctx, &call.actor, members, &call.key()?).await?))
        }
        Name::PatchClient => {
            let version = call.if_match()?;
            let members = call.members(&members_of_patch()).await?;
            let listed = patch(ctx, &call.actor, call.id(), version, members).await?;
            Ok(item(&listed))
        }
        Name::DeleteClient => {
            delete(ctx, &call.actor, call.id()).await?;
            Ok(Call::no_content())
        }
        Name::CreateClientSecret => {
            let asked: NewSecret = call.body(&["overlap_seconds"]).await?;
            Ok(Call::created(&new_secret(ctx, &call.actor, call.id(), &asked, &call.key()?).await?))
        }
        _ => Ok(item(&get(ctx, call.id()).await?)),
    }
}

fn item(listed: &Listed) -> WireResponse {
    Call::item(listed.client.version, &told(&listed.client, listed.created_at))
}

/// The clients of a page by id, one more than wanted if there are more.
pub async fn list(ctx: &Ctx, page: &Page) -> Outcome<Vec<Listed>> {
    Ok(store::list(ctx, page).await?)
}

/// A client.
pub async fn get(ctx: &Ctx, id: &str) -> Outcome<Listed> {
    Ok(store::by_id(ctx, id).await?.ok_or_else(Problem::not_found)?)
}

/// Makes a client of these members. Without `client_id` it gets a random one; where it needs a secret and brings none it
/// gets one, which is told here alone.
pub async fn create(ctx: &Ctx, actor: &Actor, mut members: Map<String, Value>, key: &Key) -> Outcome<Created> {
    let text = |value: Value| if let Value::String(text) = value { Some(text) } else { None };
    let mut wrong = Vec::new();
    let id = match members.remove("client_id") {
        None => base64url(&random::<16>(&mut Platform)),
        Some(id) => text(id).unwrap_or_default(),
    };
    if !Client::is_id(&id) || Client::is_document_id(&id) {
        wrong.push(Wrong::at("client_id", "1 to 128 letters, digits or -._~"));
    }
    let brought = members.remove("client_secret").map(|secret| Secret::new(text(secret).unwrap_or_default()));
    if brought.as_ref().is_some_and(|secret| secret.expose().len() < LEAST_SECRET) {
        wrong.push(Wrong::at("client_secret", "at least 32 characters; better none, and one is made"));
    }
    let enabled = members.remove("enabled").unwrap_or(Value::Bool(true));
    if !enabled.is_boolean() {
        wrong.push(Wrong::at("enabled", "must be true or false"));
    }
    let metadata = match metadata(&id, members, Origin::Operator) {
        Ok(metadata) if wrong.is_empty() => metadata,
        Ok(_) => return Err(Problem::invalid(wrong).into()),
        Err(problem) => {
            wrong.extend(problem.wrong.clone());
            return Err(Problem { wrong, ..problem }.into());
        }
    };
    actor.check_may_give(metadata.scope.iter())?;
    let made = match (has_secret(metadata.token_endpoint_auth_method), &brought) {
        (true, None) => Some(secret()),
        (false, Some(_)) => {
            return Err(Problem::invalid(vec![Wrong::at("client_secret", "a client of this method has none")]).into());
        }
        _ => None,
    };
    let secrets = brought.iter().chain(&made).map(stored).collect();
    // By time, so that a client that is made again under an id is never taken for the one before by a copy in memory.
    let version = ctx.now.millis();
    let client = Client { id, metadata, secrets, enabled: enabled == Value::Bool(true), version, origin: Origin::Operator };
    let new = Listed { client, created_at: ctx.now };
    let mut body = told(&new.client, new.created_at);
    if let (Some(secret), Some(members)) = (&made, body.as_object_mut()) {
        members.insert("client_secret".to_owned(), secret.expose().as_str().into());
    }
    let created = Created { path: format!("clients/{}", encode(&new.client.id)), version, body };
    let event = actor.changed("client.create", &new.client.id, &[]).of_client(&new.client.id);
    create::commit(ctx, key, vec![store::insert(&new, key.row())], created, &event).await
}

/// Changes a client of this version by a merge patch.
pub async fn patch(ctx: &Ctx, actor: &Actor, id: &str, version: i64, members: Map<String, Value>) -> Outcome<Listed> {
    let read = get(ctx, id).await?;
    if read.client.version != version {
        return Err(Problem::stale().into());
    }
    let names: Vec<String> = members.keys().cloned().collect();
    let (metadata, enabled) = patched(&read.client, members)?;
    // One that administers may be changed, even in its redirect URIs, by those alone who could make it.
    actor.check_may_give(read.client.metadata.scope.iter().chain(metadata.scope.iter()))?;
    let secrets = if has_secret(metadata.token_endpoint_auth_method) { read.client.secrets.clone() } else { Vec::new() };
    let changed = Client { metadata, secrets, enabled, ..read.client };
    let fields: Vec<&str> = names.iter().map(String::as_str).collect();
    let event = actor.changed("client.patch", id, &fields).of_client(id);
    let is_done = store::update(ctx, &changed, &event).await?;
    let now = get(ctx, id).await?;
    // Told by what stands there too: when the batch was run twice, the second run changed nothing.
    let is_ours = now.client.version == version + 1 && now.client.metadata == changed.metadata && now.client.enabled == enabled;
    if is_done || is_ours { Ok(now) } else { Err(Problem::stale().into()) }
}

/// Deletes a client; its grants end with it.
pub async fn delete(ctx: &Ctx, actor: &Actor, id: &str) -> Outcome<()> {
    let read = get(ctx, id).await?;
    actor.check_may_give(read.client.metadata.scope.iter())?;
    Ok(store::delete(ctx, id, &actor.changed("client.delete", id, &[]).of_client(id)).await?)
}

/// A secret to be.
#[derive(Debug, Deserialize)]
pub struct NewSecret {
    /// So long the ones before are good beside it; a day where it does not say.
    #[serde(default = "a_day")]
    pub overlap_seconds: u32,
}

const fn a_day() -> u32 {
    86_400
}

impl NewSecret {
    /// The overlap, if it is one that may be.
    pub fn overlap(&self) -> Result<Seconds, Problem> {
        let overlap = Seconds(self.overlap_seconds);
        if overlap > MOST_OVERLAP {
            return Err(Problem::invalid(vec![Wrong::at("overlap_seconds", "at most 2592000: 30 days")]));
        }
        Ok(overlap)
    }
}

/// Makes a new secret, told here alone. Those before it are good for the overlap.
pub async fn new_secret(ctx: &Ctx, actor: &Actor, id: &str, asked: &NewSecret, key: &Key) -> Outcome<Created> {
    let overlap = asked.overlap()?;
    let Listed { client, .. } = get(ctx, id).await?;
    if !has_secret(client.metadata.token_endpoint_auth_method) {
        return Err(Problem::new(Word::Conflict, "a client of this token_endpoint_auth_method has no secret").into());
    }
    actor.check_may_give(client.metadata.scope.iter())?;
    let secret = secret();
    let secrets = with_new_secret(&client.secrets, stored(&secret), overlap, ctx.now);
    let told: Vec<Value> = secrets.iter().map(|secret| json!({ "expires_at": secret.expires_at })).collect();
    let version = client.version + 1;
    let body = json!({ "client_id": id, "client_secret": secret.expose(), "secrets": told, "version": version });
    let created = Created { path: format!("clients/{}", encode(id)), version, body };
    let changed = Client { secrets, ..client };
    let event = actor.changed("client.secret", id, &["secrets"]).of_client(id);
    let done = create::commit(ctx, key, vec![store::replace_secrets(&changed, key.row())], created, &event).await;
    crate::edge::store::clients::forget(id);
    done
}

/// 256 random bits as text.
fn secret() -> Secret {
    Secret::new(base64url(&random::<32>(&mut Platform)))
}

fn stored(secret: &Secret) -> StoredSecret {
    StoredSecret { sha256: SecretHash::of(secret.expose().as_bytes()), expires_at: None }
}
