//! What every grant ends in: tokens, signed and shaped.

use crate::edge::crypto::Signers;
use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::store::grants::Grant;
use crate::protocol::claims::{AccessClaims, IdClaims, Origin, TokenId, at_hash};
use crate::protocol::client::{Client, REFRESH_TOKEN};
use crate::protocol::error::OAuthError;
use crate::protocol::ids::random;
use crate::protocol::jose::{Alg, Typ};
use crate::protocol::refresh::RefreshToken;
use crate::protocol::scope::Scope;
use crate::protocol::seal::OpenError;
use crate::protocol::time::Seconds;
use crate::protocol::token::TokenResponse;

/// Tokens about to be issued: everything is decided and committed.
pub struct Issue {
    /// The grant they come from.
    pub grant: Grant,
    /// The client they are for.
    pub client: Client,
    /// What the access token is good for.
    pub scope: Scope,
    /// Whom it is for.
    pub audience: Vec<String>,
    /// Generation of the refresh token to answer.
    pub generation: u32,
    /// What signs them.
    pub signers: Signers,
}

impl Issue {
    /// Signs. Everything here can be done again for a lost answer: the refresh token is the same
    /// text every time.
    pub async fn sign(self, ctx: &Ctx) -> Result<TokenResponse, Fault> {
        let (config, grant, client) = (&ctx.config, &self.grant, &self.client);
        let sealer = config.sealer();
        let sub = grant.user.as_str().to_owned();
        let lifetime = jittered(client.access_token_lifetime(config));
        let access = AccessClaims {
            iss: config.issuer.clone(),
            sub: sub.clone(),
            aud: self.audience.into(),
            client_id: client.id.clone(),
            scope: self.scope.clone(),
            jti: sealer
                .seal(&TokenId { user: grant.user.clone(), grant: grant.id.clone(), origin: Origin::Grant }, &mut Platform),
            auth_time: grant.auth_time.seconds(),
            acr: grant.acr.clone(),
            amr: grant.amr.clone(),
            sid: grant.id.sid(),
        };
        let access_token = self.signers.access.sign(ctx, Typ::AccessToken, lifetime, access).await?;
        let id_token = if self.scope.contains("openid") {
            let claims = IdClaims {
                iss: config.issuer.clone(),
                sub,
                aud: client.id.clone(),
                auth_time: grant.auth_time.seconds(),
                acr: grant.acr.clone(),
                amr: grant.amr.clone(),
                sid: grant.id.sid(),
                at_hash: at_hash(&access_token, Alg::RS256),
            };
            Some(self.signers.id.sign(ctx, Typ::IdToken, lifetime, claims).await?)
        } else {
            None
        };
        let refresh = RefreshToken { user: grant.user.clone(), grant: grant.id.clone(), generation: self.generation };
        Ok(TokenResponse {
            access_token,
            token_type: "Bearer",
            expires_in: lifetime.0,
            refresh_token: client.may_use(REFRESH_TOKEN).then(|| sealer.seal_deterministic(&refresh)),
            scope: self.scope,
            id_token,
        })
    }
}

/// Up to a tenth less, so that devices that were started together spread.
fn jittered(lifetime: Seconds) -> Seconds {
    let [draw] = random::<1>(&mut Platform);
    Seconds(lifetime.0 - lifetime.0 * u32::from(draw) / 2560)
}

/// A sealed value that does not open: bogus is the peer's matter, a newer key ours.
pub fn unopened(error: OpenError, what: &'static str) -> Failure {
    match error {
        OpenError::Bogus => OAuthError::invalid_grant(what).into(),
        OpenError::NewerKey => Fault::Unavailable(format!("{what}: sealed by a newer root secret")).into(),
    }
}
