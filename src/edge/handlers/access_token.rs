//! Access tokens, whatever they look like: made, read, and whether they stand right now.

use crate::edge::crypto::{self, Signer};
use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::issue::unopened;
use crate::edge::store::{clients, grants::Grant, redemptions};
use crate::protocol::access_token::AccessToken;
use crate::protocol::claims::{AccessClaims, TokenId};
use crate::protocol::client_metadata::AccessTokenFormat;
use crate::protocol::jose::Typ;
use crate::protocol::resource::TokenKind;
use crate::protocol::seal::OpenError;
use crate::protocol::secret::Secret;

/// The text of a token of this kind. `signer` is of the kind's algorithm.
pub async fn made(ctx: &Ctx, signer: &Signer, kind: TokenKind, token: AccessToken) -> Result<String, Fault> {
    match kind.format {
        AccessTokenFormat::Opaque => Ok(ctx.config.sealer().seal(&token, &mut Platform)),
        AccessTokenFormat::Jwt => signer.sign_dated(Typ::AccessToken, token.iat, Some(token.exp), token.claims).await,
    }
}

/// An access token of ours that is in time, if this text is one. What stands behind it is not looked at.
pub async fn read(ctx: &Ctx, text: &Secret) -> Result<Option<AccessToken>, Failure> {
    Ok(read_at_any_time(ctx, text).await?.filter(|token| token.is_in_time(ctx.now)))
}

/// The same for one that may be over.
pub async fn read_at_any_time(ctx: &Ctx, text: &Secret) -> Result<Option<AccessToken>, Failure> {
    let text = text.expose();
    // No sealed value has a dot in it, and every JWT has.
    if !text.contains('.') {
        return match ctx.config.sealer().open(text) {
            Ok(token) => Ok(Some(token)),
            Err(error @ OpenError::NewerKey) => Err(unopened(error, "access token")),
            Err(OpenError::Bogus) => Ok(None),
        };
    }
    let read: Option<(AccessClaims, _)> = crypto::verified_dated(ctx, text, Typ::AccessToken).await?;
    let token = read.map(|(claims, [iat, exp])| AccessToken { claims, iat, exp });
    Ok(token.filter(|token| token.claims.iss == ctx.config.issuer))
}

/// What stands behind an access token.
pub enum Standing {
    /// A user's grant, which is alive.
    Grant(Box<Grant>),
    /// The client alone, which is enabled.
    Client,
    /// Nothing any more; why.
    Fallen(&'static str),
}

/// Looks up what stands behind a token, in one read.
pub async fn standing(ctx: &Ctx, token: &AccessToken) -> Result<Standing, Failure> {
    let claims = &token.claims;
    if !token.is_of_user() {
        let client = clients::fresh(ctx, &claims.client_id).await?.filter(|client| client.enabled);
        return Ok(client.map_or(Standing::Fallen("the client is disabled or gone"), |_| Standing::Client));
    }
    let id = match ctx.config.sealer().open::<TokenId>(&claims.jti) {
        Ok(id) => id,
        Err(error @ OpenError::NewerKey) => return Err(unopened(error, "access token")),
        Err(OpenError::Bogus) => return Ok(Standing::Fallen("jti does not open")),
    };
    let Some(grant) = redemptions::by_id(ctx, &id.user, &id.grant, id.origin).await? else {
        return Ok(Standing::Fallen("no such grant"));
    };
    if let Some(why) = grant.refusal() {
        return Ok(Standing::Fallen(why.word()));
    }
    // Of an exchanged token, the grant's client is another.
    if grant.family.client != claims.client_id
        && !clients::known(ctx, &claims.client_id).await?.is_some_and(|client| client.enabled)
    {
        return Ok(Standing::Fallen("the client is disabled or gone"));
    }
    Ok(Standing::Grant(Box::new(grant)))
}
