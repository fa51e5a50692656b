//! The client credentials grant at the token endpoint: RFC 6749 4.4. Nothing is written, and with the client
//! and the keys in memory nothing is read.

use crate::edge::crypto::Signer;
use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::access_token;
use crate::edge::handlers::api::ClientRequest;
use crate::protocol::client::{CLIENT_CREDENTIALS, Client};
use crate::protocol::ids::random;
use crate::protocol::scope::Scope;
use crate::protocol::secret::base64url;
use crate::protocol::service::{OwnToken, ServiceSubject, jittered, own_token, service_token};
use crate::protocol::time::Seconds;
use crate::protocol::token::{TokenResponse, check_grant_type};

/// A token for the client itself.
///
/// 1. Authenticate the client, and check the grant type, scope and resources (RFC 6749 4.4.2). A refusal by a
///    copy from memory is decided again on a fresh one; a yes is believed for `CLIENT_CACHE`.
/// 2. Sign and answer (4.4.3): no refresh token.
pub async fn issue(
    ctx: &Ctx,
    request: &ClientRequest,
    scope: Option<&Scope>,
    resources: &[String],
) -> Result<TokenResponse, Failure> {
    // 1
    let decide = |client: &Client| {
        check_grant_type(client, CLIENT_CREDENTIALS)?;
        own_token(client, &ctx.config, CLIENT_CREDENTIALS, None, scope, resources)
    };
    let (client, own) = request.decided(ctx, decide).await?;
    // 2
    let subject = ServiceSubject { sub: client.id.clone(), roles: Vec::new(), act: None };
    let signer = Signer::of(ctx, own.target.kind.alg).await?;
    Ok(answer(ctx, &signer, &client, subject, own, client.access_token_lifetime(&ctx.config)).await?)
}

/// Signs what was decided, for at most this lifetime.
pub async fn answer(
    ctx: &Ctx,
    signer: &Signer,
    client: &Client,
    subject: ServiceSubject,
    own: OwnToken,
    lifetime: Seconds,
) -> Result<TokenResponse, Fault> {
    let [draw, jti @ ..] = random::<17>(&mut Platform);
    let lifetime = jittered(lifetime, draw);
    let dates = [ctx.now, ctx.now.plus(lifetime)];
    let token = service_token(client, &ctx.config, subject, &own, base64url(&jti), dates);
    let text = access_token::made(ctx, signer, own.target.kind, token).await?;
    Ok(TokenResponse::access(text, lifetime, own.scope))
}
