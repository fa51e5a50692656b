//! What every grant ends in: tokens, signed and shaped.

use serde_json::{Map, Value};

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::access_token;
use crate::edge::handlers::api::limit_fetches;
use crate::edge::pairwise;
use crate::edge::signers::Signers;
use crate::edge::store::grants::{self, Grant};
use crate::protocol::access_token::AccessToken;
use crate::protocol::admin::scopes::of_user;
use crate::protocol::claims::{AccessClaims, IdClaims, TokenId, at_hash};
use crate::protocol::client::{AuthMethod, Client, Origin, TOKEN_EXCHANGE};
use crate::protocol::error::OAuthError;
use crate::protocol::ids::random;
use crate::protocol::refresh::RefreshToken;
use crate::protocol::resource::Target;
use crate::protocol::scope::Scope;
use crate::protocol::seal::OpenError;
use crate::protocol::service::{jittered, may_act};
use crate::protocol::token::{BEARER, TokenResponse};

/// Tokens about to be issued: everything is decided and committed.
pub struct Issue {
    /// What they come from.
    pub grant: Grant,
    /// The client they are for.
    pub client: Client,
    /// What the access token is good for.
    pub scope: Scope,
    /// Whom it is for.
    pub target: Target,
    /// Generation of the refresh token to answer, if there is to be one.
    pub generation: Option<u32>,
    /// `nonce` of the authorization request.
    pub nonce: Option<String>,
    /// What signs and encrypts them.
    pub signers: Signers,
}

impl Issue {
    /// Signs and encrypts. Everything here can be done again for a lost answer: the refresh token is the same
    /// text every time.
    pub async fn sign(self, ctx: &Ctx) -> Result<TokenResponse, Fault> {
        let (config, grant, client) = (&ctx.config, &self.grant, &self.client);
        // Scopes of administration come and go with the user's roles, whatever was approved.
        let scope = of_user(&self.scope, &grant.roles);
        let sealer = config.sealer();
        let sub = pairwise::subject(ctx, client, &grant.user).await?;
        let sid = pairwise::sid(ctx, client, &grant.sid).await?;
        let [draw] = random::<1>(&mut Platform);
        let lifetime = jittered(client.access_token_lifetime(config), draw);
        let id = TokenId { user: grant.user.clone(), grant: grant.id.clone(), origin: grant.origin };
        let access = AccessClaims {
            iss: config.issuer.clone(),
            sub: sub.clone(),
            aud: self.target.audience.into(),
            client_id: client.id.clone(),
            scope: scope.clone(),
            jti: sealer.seal(&id, &mut Platform),
            auth_time: Some(grant.auth_time.seconds()),
            acr: Some(grant.acr.clone()),
            amr: grant.amr.clone(),
            sid: Some(sid.clone()),
            roles: roles(client, grant),
            act: None,
            may_act: may_act(client),
            more: Map::new(),
        };
        let access = AccessToken { claims: access, iat: ctx.now, exp: ctx.now.plus(lifetime) };
        let kind = self.target.kind;
        let access_token = access_token::made(ctx, self.signers.access(kind.alg)?, kind, access).await?;
        // What an exchange may not yield at once it does not yield later.
        let may_have_id = grant.kind != TOKEN_EXCHANGE || client.metadata.token_exchange.id_token;
        let id_token = if scope.contains("openid") && may_have_id {
            let claims = IdClaims {
                iss: config.issuer.clone(),
                sub,
                aud: client.id.clone(),
                nonce: self.nonce,
                auth_time: grant.auth_time.seconds(),
                acr: grant.acr.clone(),
                amr: grant.amr.clone(),
                sid,
                at_hash: Some(at_hash(&access_token, self.signers.id.alg())),
                act: None,
                requested: requested(grant)?,
            };
            Some(self.signers.id.sign(ctx, lifetime, claims).await?)
        } else {
            None
        };
        let refresh = |generation| RefreshToken { user: grant.user.clone(), grant: grant.id.clone(), generation };
        Ok(TokenResponse {
            access_token,
            issued_token_type: None,
            token_type: BEARER,
            expires_in: lifetime.0,
            refresh_token: self.generation.map(|generation| sealer.seal_deterministic(&refresh(generation))),
            scope,
            id_token,
        })
    }
}

/// What will sign and encrypt for a client, made ready before anything is committed.
pub async fn signers(ctx: &Ctx, client: &Client) -> Result<Signers, Failure> {
    let metadata = &client.metadata;
    // Where it came with an assertion this request was counted already.
    if metadata.id_token_encrypted_response_alg.is_some() && metadata.token_endpoint_auth_method != AuthMethod::PrivateKeyJwt {
        limit_fetches(ctx, client).await?;
    }
    Signers::ready(ctx, client).await
}

/// The user's claims that the `claims` parameter asked for in the ID token.
fn requested(grant: &Grant) -> Result<Map<String, Value>, Fault> {
    if grant.requested_claims.id_token.is_empty() {
        return Ok(Map::new());
    }
    let mut claims = grants::user_claims(grant)?;
    claims.retain(|name, value| grant.requested_claims.id_token.contains(name) && !value.is_null());
    Ok(claims)
}

/// What the user is here now, for the operator's own clients: whoever registered itself need not know.
pub fn roles(client: &Client, grant: &Grant) -> Vec<String> {
    if client.origin == Origin::Operator { grant.roles.clone() } else { Vec::new() }
}

/// A sealed value that does not open: bogus is the peer's matter, a newer key ours.
pub fn unopened(error: OpenError, what: &'static str) -> Failure {
    match error {
        OpenError::Bogus => OAuthError::invalid_grant(what).into(),
        OpenError::NewerKey => Fault::Unavailable(format!("{what}: sealed by a newer root secret")).into(),
    }
}
