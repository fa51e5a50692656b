//! Tokens of trusted outside issuers: RFC 7523 3, RFC 8693 2.1.

use crate::edge::client_keys;
use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::objects::replay;
use crate::edge::salts::{Purpose, salt};
use crate::edge::store::trusted_issuers;
use crate::protocol::error::OAuthError;
use crate::protocol::foreign_jwt::{ForeignJwt, unverified_issuer};
use crate::protocol::secret::Secret;
use crate::protocol::time::Seconds;
use crate::protocol::trust::{Accepted, Asking, Token, TrustedIssuer};

/// So long past its end the use of a token is remembered: clocks differ among Workers too.
const MARGIN: Seconds = Seconds(60);

/// What a token of a trusted issuer is worth to who asks. `refuse` makes the error of one that is worth nothing.
///
/// 1. Who says that it is theirs: it must be somebody whom the operator trusts, and never ourselves.
/// 2. Its header and claims, as if they were verified (RFC 7523 3 (1) to (8)), and the rules: what is refused
///    here has cost the issuer nothing.
/// 3. The signature, by the issuer's keys (RFC 7523 3 (9)).
/// 4. Once more the claims, which are the issuer's now.
///
/// A refusal by a copy of the issuer from memory is decided again on a fresh one, where that is another.
pub async fn accepted(
    ctx: &Ctx,
    token: &Secret,
    asking: Asking<'_>,
    refuse: fn(&'static str) -> OAuthError,
) -> Result<Accepted, Failure> {
    // 1
    let issuer = unverified_issuer(token.expose()).ok_or(refuse("it is no JWT with an issuer"))?;
    if issuer == ctx.config.issuer {
        return Err(refuse("it says that it is our own").into());
    }
    let remembered = trusted_issuers::remembered(ctx, &issuer);
    let refusal = match &remembered {
        Some(trusted) => match decided(ctx, trusted, token, asking, refuse).await {
            Err(Failure::Peer(error)) => Some(error),
            decided => return decided,
        },
        None => None,
    };
    let fresh = trusted_issuers::fresh(ctx, &issuer).await?.ok_or(refuse("its issuer is not trusted"))?;
    match refusal {
        Some(error) if remembered.is_some_and(|remembered| *remembered == *fresh) => Err(error.into()),
        _ => decided(ctx, &fresh, token, asking, refuse).await,
    }
}

/// Uses a token that is for single use. Whether it was not used before; to be asked last, when everything else
/// is decided, and once.
pub async fn spend(ctx: &Ctx, accepted: &Accepted) -> Result<bool, Failure> {
    let Some(jti) = &accepted.single_use else {
        return Ok(true);
    };
    let salt = salt(ctx, Purpose::Replay).await?;
    let hash = salt.mac(&[b"outside token", accepted.issuer.as_bytes(), jti.as_bytes()]);
    Ok(replay::is_first(ctx, hash, accepted.expires_at.plus(MARGIN)).await?)
}

/// Under which name an issuer's keys are kept; no client is called so.
pub fn keys_of(trusted: &TrustedIssuer) -> String {
    format!("{}{}", client_keys::ISSUER, trusted.issuer)
}

async fn decided(
    ctx: &Ctx,
    trusted: &TrustedIssuer,
    token: &Secret,
    asking: Asking<'_>,
    refuse: fn(&'static str) -> OAuthError,
) -> Result<Accepted, Failure> {
    let own = &ctx.config.issuer;
    // 2
    let malformed = "it is no JWT that is signed by an algorithm of ours";
    let jwt = ForeignJwt::parse_any(token.expose()).ok_or(refuse(malformed))?;
    let (typ, alg) = (jwt.typ.clone(), jwt.alg);
    let typ = typ.as_deref();
    jwt.refused_early(|claims| {
        let token = Token { typ, alg, claims, now: ctx.now };
        trusted.evaluate(&token, own, asking).map(|_| ()).map_err(|refused| refuse(refused.word()))
    })?;
    // 3
    let attested = client_keys::attested_by_issuer(ctx, &keys_of(trusted), trusted, jwt, refuse).await?;
    // 4
    let claims = attested.claims().ok_or(refuse(malformed))?;
    let token = Token { typ, alg, claims: &claims, now: ctx.now };
    Ok(trusted.evaluate(&token, own, asking).map_err(|refused| refuse(refused.word()))?)
}
