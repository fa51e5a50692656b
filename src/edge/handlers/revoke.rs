//! `POST /revoke`: RFC 7009.

use crate::edge::crypto;
use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::api::ClientRequest;
use crate::edge::handlers::issue::unopened;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::store::redemptions;
use crate::protocol::claims::{AccessClaims, Origin, TokenId};
use crate::protocol::error::OAuthError;
use crate::protocol::ids::{OwnedId, UserId};
use crate::protocol::jose::Typ;
use crate::protocol::refresh::RefreshToken;
use crate::protocol::revoke::RevocationRequest;
use crate::protocol::seal::OpenError;
use crate::protocol::secret::Secret;

/// Ends the grant behind a token, and so every token of it.
///
/// 1. Authenticate the client (RFC 7009 2.1).
/// 2. Find the grant: in a refresh token or in an access token's `jti`. What is neither, or already
///    dead, is answered 200 (2.2).
/// 3. Another client's token is refused (2.1).
/// 4. Revoke.
pub async fn revoke(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let client_request = ClientRequest::read(request, line).await?;
    let revocation = RevocationRequest::parse(&client_request.form)?;
    let client = client_request.authenticated(ctx).await?;
    // 2
    let Some((user, id, origin)) = grant_of(ctx, &revocation.token).await? else {
        return Ok(WireResponse::empty(200));
    };
    let Some(grant) = redemptions::by_id(ctx, &user, &id, origin).await? else {
        return Ok(WireResponse::empty(200));
    };
    // 3
    if grant.family.client != client.id {
        return Err(OAuthError::invalid_grant("revocation of another client's token").into());
    }
    // 4
    if grant.family.revoked_at.is_none() {
        redemptions::revoke(ctx, &user, &id, origin, "revoked by the client").await?;
    }
    Ok(WireResponse::empty(200))
}

async fn grant_of(ctx: &Ctx, token: &Secret) -> Result<Option<(UserId, OwnedId, Origin)>, Failure> {
    match ctx.config.sealer().open::<RefreshToken>(token.expose()) {
        Ok(token) => return Ok(Some((token.user, token.grant, Origin::Grant))),
        Err(error @ OpenError::NewerKey) => return Err(unopened(error, "refresh token")),
        Err(OpenError::Bogus) => {}
    }
    let claims: Option<AccessClaims> = crypto::verified(ctx, token.expose(), Typ::AccessToken).await?;
    let Some(claims) = claims else {
        return Ok(None);
    };
    match ctx.config.sealer().open::<TokenId>(&claims.jti) {
        Ok(id) => Ok(Some((id.user, id.grant, id.origin))),
        Err(error @ OpenError::NewerKey) => Err(unopened(error, "access token")),
        Err(OpenError::Bogus) => Ok(None),
    }
}
