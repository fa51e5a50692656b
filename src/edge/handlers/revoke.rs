//! `POST /revoke`: RFC 7009.

use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::access_token;
use crate::edge::handlers::api::ClientRequest;
use crate::edge::handlers::issue::unopened;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::store::{audit, redemptions};
use crate::protocol::audit::Kind;
use crate::protocol::claims::{Origin, TokenId};
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::ids::{OwnedId, UserId};
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
    let Some(Behind { user, id, origin, holder }) = behind(ctx, &revocation.token).await? else {
        return Ok(WireResponse::empty(200));
    };
    let Some(grant) = redemptions::by_id(ctx, &user, &id, origin).await? else {
        return Ok(WireResponse::empty(200));
    };
    // 3
    if grant.family.client != client.id {
        if holder.is_some_and(|holder| holder == client.id) {
            // It was exchanged for another client's: what ends that is not this one's to decide.
            return Err(OAuthError::new(Code::UnsupportedTokenType, "an exchanged access token ends by itself").into());
        }
        return Err(OAuthError::invalid_grant("revocation of another client's token").into());
    }
    // 4
    if grant.family.revoked_at.is_none() {
        let event = audit::event(ctx, Kind::Revocation, &client.id).about(user.as_str()).of_client(&client.id);
        redemptions::revoke(ctx, &user, &id, origin, "revoked by the client", &event).await?;
    }
    Ok(WireResponse::empty(200))
}

/// What stands behind a token.
struct Behind {
    user: UserId,
    id: OwnedId,
    origin: Origin,
    /// The client of an access token.
    holder: Option<String>,
}

async fn behind(ctx: &Ctx, token: &Secret) -> Result<Option<Behind>, Failure> {
    match ctx.config.sealer().open::<RefreshToken>(token.expose()) {
        Ok(RefreshToken { user, grant: id, .. }) => return Ok(Some(Behind { user, id, origin: Origin::Grant, holder: None })),
        Err(error @ OpenError::NewerKey) => return Err(unopened(error, "refresh token")),
        Err(OpenError::Bogus) => {}
    }
    let Some(access) = access_token::read(ctx, token).await? else {
        return Ok(None);
    };
    if !access.is_of_user() {
        // Nothing is stored about it: it ends by itself, or with its client.
        return Err(OAuthError::new(Code::UnsupportedTokenType, "a service's access token ends by itself").into());
    }
    match ctx.config.sealer().open::<TokenId>(&access.claims.jti) {
        Ok(TokenId { user, grant: id, origin }) => Ok(Some(Behind { user, id, origin, holder: Some(access.claims.client_id) })),
        Err(error @ OpenError::NewerKey) => Err(unopened(error, "access token")),
        Err(OpenError::Bogus) => Ok(None),
    }
}
