//! `/register`: client registration (RFC 7591) and its management (RFC 7592).

use serde_json::json;

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::api;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::outbound;
use crate::edge::store::registrations::Registered;
use crate::edge::store::{clients, initial_access_tokens, registrations};
use crate::protocol::client::{Client, Metadata, Origin, StoredSecret};
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::ids::random;
use crate::protocol::register::{self, Description};
use crate::protocol::secret::{Secret, SecretHash, base64url};

/// Most bytes of a sector document that are read.
const MOST_OF_SECTOR: usize = 64 * 1024;

/// `POST /register`: makes a client of what somebody says about it.
///
/// 1. Where registration is closed, an initial access token with a use left is needed (RFC 7591 3).
/// 2. Parse, with defaults; refuse what cannot be registered (3.2.2).
/// 3. The sector must name every redirect URI (OpenID Connect Registration 5).
/// 4. Commit: take one use and insert the client, both or neither.
/// 5. Tell everything that was registered, and the credentials, once (3.2.1).
pub async fn create(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    api::limit(ctx, "LIMIT_REGISTER", ctx.network.clone()).await?;
    let initial = if ctx.config.open_registration { None } else { Some(initial_token(ctx, request).await?) };
    // 2
    let description = Description::parse(&request.json().await?)?;
    let id = base64url(&random::<16>(&mut Platform));
    let metadata = description.metadata(Origin::Registration, &id, &ctx.config)?;
    // 3
    check_sector(ctx, &metadata).await?;
    // 4
    let (token, secret) = (new_secret(), register::needs_secret(metadata.token_endpoint_auth_method).then(new_secret));
    let client =
        Client { id, metadata, secrets: stored(secret.as_ref()), enabled: true, version: 1, origin: Origin::Registration };
    let new = Registered { client, token: hash(&token), created_at: ctx.now };
    if !registrations::insert(ctx, &new, initial.as_ref()).await? {
        return Err(invalid_token("initial access token used up").into());
    }
    line.client = Some(new.client.id.clone());
    // 5
    Ok(answer(ctx, 201, &new, &token, secret.as_ref()))
}

/// `GET`, `PUT` and `DELETE /register/{client_id}`, with the client's registration access token.
///
/// 1. The token must be the client's. That a client does not exist is not told (RFC 7592 2.1).
/// 2. GET tells what is registered (2.1), PUT replaces it (2.2), DELETE ends the client and all that it
///    was granted (2.3).
pub async fn manage(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let id = request.path.strip_prefix("/register/").unwrap_or_default();
    let token = api::bearer(request).ok_or(invalid_token("no registration access token"))?;
    let registered = if Client::is_id(id) { registrations::by_id(ctx, id).await? } else { None };
    let registered = registered.ok_or(invalid_token("not a client that registered itself"))?;
    if !registered.token.matches(&hash(&token)) || !registered.client.enabled {
        return Err(invalid_token("not this client's registration access token, or a disabled client").into());
    }
    line.client = Some(registered.client.id.clone());
    // 2
    match request.method.as_str() {
        "PUT" => replace(ctx, request, registered, &token).await,
        "DELETE" => {
            registrations::delete(ctx, &registered).await?;
            clients::forget(&registered.client.id);
            Ok(WireResponse::empty(204))
        }
        // There is no secret in it: it was told once and is kept as a hash.
        _ => Ok(answer(ctx, 200, &registered, &token, None)),
    }
}

/// Replaces everything that a client is registered with.
///
/// 1. Parse. It must name the client, and a secret in it must be the client's (RFC 7592 2.2).
/// 2. The sector, as at registration.
/// 3. A client that changes to a method with a secret gets one; one that changes to another has none any more.
/// 4. Commit, if nobody else changed it meanwhile.
async fn replace(ctx: &Ctx, request: &mut WireRequest, mut read: Registered, token: &Secret) -> Result<WireResponse, Failure> {
    // 1
    api::limit(ctx, "LIMIT_REGISTER", ctx.network.clone()).await?;
    let description = Description::parse(&request.json().await?)?;
    let client = &read.client;
    if let Some(sent) = description.replacement_of(&client.id)?.map(|secret| hash(&secret)) {
        let live = client.secrets.iter().filter(|stored| stored.expires_at.is_none_or(|end| ctx.now < end));
        if live.fold(0, |matches, stored| matches + u32::from(stored.sha256.matches(&sent))) == 0 {
            return Err(register::wrong_secret().into());
        }
    }
    let metadata = description.metadata(Origin::Registration, &client.id, &ctx.config)?;
    let metadata = register::with_operators(&metadata, &client.metadata)
        .ok_or_else(|| Fault::Broken("a registration lost its members".to_owned()))?;
    // 2
    check_sector(ctx, &metadata).await?;
    // 3
    let needs_secret = register::needs_secret(metadata.token_endpoint_auth_method);
    let secret = (needs_secret && client.secrets.is_empty()).then(new_secret);
    let secrets = match &secret {
        None if needs_secret => client.secrets.clone(),
        secret => stored(secret.as_ref()),
    };
    // 4
    let changed = Client { metadata, secrets, ..client.clone() };
    let Some(now) = registrations::replace(ctx, &read, &changed).await? else {
        return Err(Fault::Unavailable("registration: the client was changed at the same time".to_owned()).into());
    };
    clients::remember(now.clone(), ctx.now);
    read.client = now;
    Ok(answer(ctx, 200, &read, token, secret.as_ref()))
}

/// Refuses a client whose `sector_identifier_uri` does not name all its redirect URIs.
pub async fn check_sector(ctx: &Ctx, metadata: &Metadata) -> Result<(), OAuthError> {
    let Some(uri) = &metadata.sector_identifier_uri else {
        return Ok(());
    };
    let document = outbound::get(ctx, uri, "application/json", MOST_OF_SECTOR).await;
    let document = document.map_err(|refused| register::sector("cannot be fetched").because(refused.word()))?;
    register::check_sector(&document, metadata)
}

/// The hash of the initial access token of a request, if it can still be used. It is not taken yet, so a
/// request that is refused later costs no use.
async fn initial_token(ctx: &Ctx, request: &WireRequest) -> Result<SecretHash, Failure> {
    let token = api::bearer(request).ok_or(invalid_token("no initial access token"))?;
    let token = hash(&token);
    if !initial_access_tokens::is_live(ctx, &token).await? {
        return Err(invalid_token("initial access token unknown, used up or expired").into());
    }
    Ok(token)
}

/// What is told of a registration (RFC 7591 3.2.1, RFC 7592 3). `secret`: only one that was made just now.
fn answer(ctx: &Ctx, status: u16, registered: &Registered, token: &Secret, secret: Option<&Secret>) -> WireResponse {
    let client = &registered.client;
    let mut body = register::told(&client.metadata);
    for (member, value) in [
        ("client_id", json!(client.id)),
        ("client_id_issued_at", json!(registered.created_at.seconds())),
        ("registration_access_token", json!(token.expose())),
        ("registration_client_uri", json!(format!("{}/register/{}", ctx.config.issuer, client.id))),
    ] {
        body.insert(member.to_owned(), value);
    }
    if let Some(secret) = secret {
        body.insert("client_secret".to_owned(), json!(secret.expose()));
        // Never (RFC 7591 3.2.1).
        body.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    WireResponse::json(status, &body)
}

/// 256 random bits as text.
fn new_secret() -> Secret {
    Secret::new(base64url(&random::<32>(&mut Platform)))
}

fn hash(secret: &Secret) -> SecretHash {
    SecretHash::of(secret.expose().as_bytes())
}

fn stored(secret: Option<&Secret>) -> Vec<StoredSecret> {
    secret.map(|secret| StoredSecret { sha256: hash(secret), expires_at: None }).into_iter().collect()
}

const fn invalid_token(detail: &'static str) -> OAuthError {
    OAuthError::new(Code::InvalidToken, "the access token is not valid").because(detail)
}
