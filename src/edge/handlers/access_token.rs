//! Access tokens, whatever they look like: made, read, and whether they stand right now.

use crate::edge::crypto::{self, Signer};
use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::issue::unopened;
use crate::edge::store::{clients, grants::Grant, redemptions};
use crate::protocol::access_token::AccessToken;
use crate::protocol::claims::{AccessClaims, Actor, TokenId};
use crate::protocol::client_metadata::AccessTokenFormat;
use crate::protocol::jose::Typ;
use crate::protocol::resource::TokenKind;
use crate::protocol::seal::{MAX_TEXT, OpenError};
use crate::protocol::secret::Secret;

/// The text of a token of this kind. `signer` is of the kind's algorithm.
pub async fn made(ctx: &Ctx, signer: &Signer, kind: TokenKind, token: AccessToken) -> Result<String, Fault> {
    match kind.format {
        AccessTokenFormat::Opaque => {
            let text = ctx.config.sealer().seal(&token, &mut Platform);
            // One that would not be opened again is none.
            if text.len() <= MAX_TEXT { Ok(text) } else { Err(Fault::Broken("the opaque token would be too long".to_owned())) }
        }
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

/// Looks up what stands behind a token, in one read; of an exchanged token, in one more.
pub async fn standing(ctx: &Ctx, token: &AccessToken) -> Result<Standing, Failure> {
    let claims = &token.claims;
    let fallen = Standing::Fallen("a client is disabled or gone");
    // Whoever acts, or acted, is a client too (RFC 8693 4.1).
    let actors = claims.act.iter().flat_map(Actor::chain).filter(|party| party.iss.is_none()).map(|party| party.sub.as_str());
    if !token.is_of_user() {
        // The subject is this client, another in whose place it steps, or somebody of a trusted issuer.
        let others = actors.chain([claims.sub.as_str()]);
        let is_standing = clients::are_enabled(ctx, &claims.client_id, others).await?;
        return Ok(if is_standing { Standing::Client } else { fallen });
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
    let is_exchanged = grant.family.client != claims.client_id || claims.act.is_some();
    if is_exchanged && !clients::are_enabled(ctx, &claims.client_id, actors).await? {
        return Ok(fallen);
    }
    Ok(Standing::Grant(Box::new(grant)))
}
