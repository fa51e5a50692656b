//! Telling a client that a session ended (OpenID Connect Back-Channel Logout 1.0).

use super::crypto;
use super::ctx::{Ctx, Platform};
use super::failure::Failure;
use super::jwe::Encrypter;
use super::log;
use super::outbound;
use crate::protocol::ids::random;
use crate::protocol::jose::Typ;
use crate::protocol::outbox::{Answer, Delivery, LogoutClaims, TOKEN_LIFETIME};
use crate::protocol::secret::base64url;

/// Makes a new logout token and posts it (Back-Channel Logout 2.4 and 2.5). One that cannot be signed or encrypted
/// now is a failed attempt like any other.
pub async fn deliver(ctx: &Ctx, delivery: &Delivery) -> Answer {
    match logout_token(ctx, delivery).await {
        // Nothing in a token needs to be encoded for a form.
        Ok(token) => match outbound::post_form(ctx, &delivery.url, &format!("logout_token={token}")).await {
            Ok(status) => Answer::Status(status),
            Err(refused) => Answer::Silence(refused.word()),
        },
        Err(failure) => {
            log::event("error", "logout token", &failure.into_parts().1, &ctx.meter);
            Answer::Silence("it could not be made")
        }
    }
}

async fn logout_token(ctx: &Ctx, delivery: &Delivery) -> Result<String, Failure> {
    let signer = crypto::Signer::of(ctx, delivery.alg).await?;
    let jti = base64url(&random::<16>(&mut Platform));
    let claims = LogoutClaims::new(&ctx.config.issuer, delivery, &jti);
    let jwt = signer.sign(ctx, Typ::LogoutToken, TOKEN_LIFETIME, claims).await?;
    match Encrypter::wanted(ctx, delivery.recipient.as_ref()).await? {
        // Its issuer is told outside too, so that whoever has several knows whose it is (2.4).
        Some(encrypter) => Ok(encrypter.encrypt(&jwt, Some(&ctx.config.issuer)).await?),
        None => Ok(jwt),
    }
}
