//! Request objects by value and by reference: RFC 9101, OpenID Connect Core 6.

use crate::edge::client_keys;
use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::api::{limit, limit_fetches};
use crate::edge::outbound;
use crate::protocol::client::Client;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::foreign_jwt::ForeignJwt;
use crate::protocol::form::Form;
use crate::protocol::request_object::{TYP, invalid, parameters};

/// Largest request object that is fetched, in bytes: no more than a pushed request may have.
const LARGEST: usize = 64 * 1024;

/// The parameters in a request object that this client signed.
///
/// 1. It must be signed, by an algorithm of ours, and the registered one where there is one (RFC 9101 6.2).
/// 2. By a key of the client.
/// 3. What it says must be for us, of this client and in time (RFC 9101 4 and 5).
pub async fn opened(ctx: &Ctx, client: &Client, object: &str) -> Result<Form, Failure> {
    // 1
    let jwt = ForeignJwt::parse(object, &[TYP]).ok_or(invalid("the request object is not a JWT signed as it must be"))?;
    if client.metadata.request_object_signing_alg.is_some_and(|alg| alg != jwt.alg) {
        return Err(invalid("the request object is not signed by the registered algorithm").into());
    }
    // 2
    limit_fetches(ctx, client).await?;
    let refuse = |why| invalid("no key of the client has signed the request object").because(why);
    let object = client_keys::attested(ctx, client, jwt, refuse).await?;
    // 3
    Ok(parameters(&object, client, &ctx.config, ctx.now)?)
}

/// The request object that a registered `request_uri` of this client holds. The fragment tells versions of it
/// apart (Core 6.2) and is not sent.
pub async fn fetched(ctx: &Ctx, client: &Client, uri: &str) -> Result<String, Failure> {
    let refused = |why| OAuthError::new(Code::InvalidRequestUri, "the request_uri cannot be used").because(why);
    if !client.metadata.request_uris.iter().any(|registered| registered == uri) {
        return Err(refused("not a registered request_uri").into());
    }
    // Anybody can name it, so anybody could have us fetch it.
    limit(ctx, "LIMIT_FETCH", format!("request_uri {}", ctx.network)).await?;
    let address = uri.split('#').next().unwrap_or_default();
    let body = outbound::get(ctx, address, "application/oauth-authz-req+jwt, application/jwt", LARGEST).await;
    let text = String::from_utf8(body.map_err(|why| refused(why.word()))?).map_err(|_| refused("not text"))?;
    Ok(text.trim().to_owned())
}
