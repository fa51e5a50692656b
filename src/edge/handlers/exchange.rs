//! Token exchange (RFC 8693) and the JWT bearer grant (RFC 7523 2.1) at the token endpoint.

use crate::edge::crypto::Signer;
use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::access_token::{self, Standing, standing};
use crate::edge::handlers::api::ClientRequest;
use crate::edge::handlers::federation::{self, Wanted};
use crate::edge::log::Line;
use crate::edge::pairwise;
use crate::edge::signers::IdSigner;
use crate::edge::store::{clients, exchanges};
use crate::protocol::access_token::AccessToken;
use crate::protocol::claims::{AccessClaims, IdClaims, TokenId};
use crate::protocol::client::{Client, JWT_BEARER, Origin, TOKEN_EXCHANGE};
use crate::protocol::error::OAuthError;
use crate::protocol::exchange::{Exchange, ExchangeRequest, TokenType, decide, remaining, unacceptable};
use crate::protocol::foreign_jwt::unverified_issuer;
use crate::protocol::ids::{OwnedId, random};
use crate::protocol::refresh::RefreshToken;
use crate::protocol::scope::Scope;
use crate::protocol::secret::{Secret, base64url};
use crate::protocol::service::{jittered, may_act};
use crate::protocol::time::Seconds;
use crate::protocol::token::{TokenResponse, check_grant_type};

/// An exchange of a token of ours; [`federation`] has those of others.
///
/// 1. Authenticate the client; it must be registered for this grant type.
/// 2. Subject and actor token must be access tokens of ours, in time (RFC 8693 2.1), with something alive behind
///    them: one read each.
/// 3. Decide: nothing becomes more than it was.
/// 4. A refresh token is a grant of its own that ends with the one it comes from: one row. Nothing else is written.
/// 5. Sign and answer (2.2.1).
pub async fn exchange(
    ctx: &Ctx,
    caller: Option<&ClientRequest>,
    request: &ExchangeRequest,
    line: &mut Line,
) -> Result<TokenResponse, Failure> {
    if unverified_issuer(request.subject_token.expose()).is_some_and(|issuer| issuer != ctx.config.issuer) {
        return exchange_outside(ctx, caller, request, line).await;
    }
    // 1
    let caller = caller.ok_or(OAuthError::missing("client_id"))?;
    let (client, ()) = caller.decided(ctx, |client| check_grant_type(client, TOKEN_EXCHANGE)).await?;
    // 2
    let (subject, behind) = alive(ctx, &request.subject_token, request.subject_token_type).await?;
    let actor = match &request.actor_token {
        Some((token, kind)) => Some(alive(ctx, token, *kind).await?.0),
        None => None,
    };
    // 3
    let mut client = client;
    let is_final = match request.requested {
        TokenType::RefreshToken => false,
        TokenType::IdToken => client.metadata.id_token_encrypted_response_alg.is_none(),
        TokenType::AccessToken | TokenType::Jwt => true,
    };
    let decided = match decide(request, &client, &ctx.config, &subject, actor.as_ref()) {
        Ok(decided) if is_final => decided,
        // A copy from memory may say yes, never no, nor that there is no key to encrypt to; and what is written is
        // decided on what is there now.
        _ => {
            client = caller.authenticated_afresh(ctx).await?;
            check_grant_type(&client, TOKEN_EXCHANGE)?;
            decide(request, &client, &ctx.config, &subject, actor.as_ref())?
        }
    };
    let issue = OfUs { client, subject, behind, decided };
    // 4 and 5
    match request.requested {
        issued @ (TokenType::AccessToken | TokenType::Jwt) => issue.access(ctx, issued).await,
        TokenType::IdToken => issue.id(ctx).await,
        TokenType::RefreshToken => issue.refresh(ctx).await,
    }
}

/// The exchange of a token of somebody else. An actor token must be of the very client that gets the new one.
async fn exchange_outside(
    ctx: &Ctx,
    caller: Option<&ClientRequest>,
    request: &ExchangeRequest,
    line: &mut Line,
) -> Result<TokenResponse, Failure> {
    let wanted = Wanted {
        token: &request.subject_token,
        grant_type: TOKEN_EXCHANGE,
        scope: request.scope.as_ref(),
        resources: &request.resources,
        requested: request.requested,
        actor: request.actor_token.as_ref(),
        refuse: unacceptable,
    };
    let response = federation::trade(ctx, caller, &wanted, line).await?;
    Ok(TokenResponse { issued_token_type: Some(request.requested.uri()), ..response })
}

/// The JWT bearer grant: only others' tokens are assertions here.
pub async fn jwt_bearer(
    ctx: &Ctx,
    caller: Option<&ClientRequest>,
    assertion: &Secret,
    scope: Option<&Scope>,
    resources: &[String],
    line: &mut Line,
) -> Result<TokenResponse, Failure> {
    let wanted = Wanted {
        token: assertion,
        grant_type: JWT_BEARER,
        scope,
        resources,
        requested: TokenType::AccessToken,
        actor: None,
        refuse: OAuthError::invalid_grant,
    };
    federation::trade(ctx, caller, &wanted, line).await
}

/// A token of ours that is good right now, and what stands behind it.
pub async fn alive(ctx: &Ctx, token: &Secret, kind: TokenType) -> Result<(AccessToken, Standing), Failure> {
    // RFC 8693 3: `jwt` says that it is one; and an ID token of ours says who signed in, not what was allowed.
    if kind == TokenType::IdToken || (kind == TokenType::Jwt && !token.expose().contains('.')) {
        return Err(unacceptable("not a token of the type that it is said to be").into());
    }
    let read = access_token::read(ctx, token).await?.ok_or(unacceptable("not an access token of ours, or expired"))?;
    match standing(ctx, &read).await? {
        Standing::Fallen(why) => Err(unacceptable(why).into()),
        standing => Ok((read, standing)),
    }
}

/// An exchange that is decided.
struct OfUs {
    client: Client,
    subject: AccessToken,
    behind: Standing,
    decided: Exchange,
}

impl OfUs {
    /// `sub` and `sid` as the client sees them: a pairwise client its own.
    async fn subject_for_client(&self, ctx: &Ctx) -> Result<(String, Option<String>), Fault> {
        match &self.behind {
            Standing::Grant(grant) => {
                let sub = pairwise::subject(ctx, &self.client, &grant.user).await?;
                Ok((sub, Some(pairwise::sid(ctx, &self.client, &grant.sid).await?)))
            }
            _ => Ok((self.subject.claims.sub.clone(), None)),
        }
    }

    /// What the subject is: what the token says, as far as it is still so.
    fn roles(&self) -> Vec<String> {
        let roles = self.subject.claims.roles.iter();
        match &self.behind {
            Standing::Grant(grant) => roles.filter(|role| grant.roles.contains(role)).cloned().collect(),
            _ => roles.cloned().collect(),
        }
    }

    fn lifetime(&self, ctx: &Ctx, draw: u8) -> Seconds {
        jittered(self.client.access_token_lifetime(&ctx.config), draw).min(remaining(self.decided.ends_by, ctx.now))
    }

    async fn access(self, ctx: &Ctx, issued: TokenType) -> Result<TokenResponse, Failure> {
        let [draw, random @ ..] = random::<17>(&mut Platform);
        let lifetime = self.lifetime(ctx, draw);
        let (sub, sid) = self.subject_for_client(ctx).await?;
        let jti = match &self.behind {
            Standing::Grant(grant) => {
                let id = TokenId { user: grant.user.clone(), grant: grant.id.clone(), origin: grant.origin };
                ctx.config.sealer().seal(&id, &mut Platform)
            }
            _ => base64url(&random),
        };
        let roles = self.roles();
        let Exchange { scope, target, act, .. } = self.decided;
        let before = self.subject.claims;
        let claims = AccessClaims {
            iss: ctx.config.issuer.clone(),
            sub,
            aud: target.audience.into(),
            client_id: self.client.id.clone(),
            scope: scope.clone(),
            jti,
            sid,
            roles,
            act,
            may_act: may_act(&self.client),
            ..before
        };
        let token = AccessToken { claims, iat: ctx.now, exp: ctx.now.plus(lifetime) };
        let signer = Signer::of(ctx, target.kind.alg).await?;
        let text = access_token::made(ctx, &signer, target.kind, token).await?;
        Ok(TokenResponse { issued_token_type: Some(issued.uri()), ..TokenResponse::access(text, lifetime, scope) })
    }

    async fn id(self, ctx: &Ctx) -> Result<TokenResponse, Failure> {
        let Standing::Grant(grant) = &self.behind else {
            return Err(unacceptable("an ID token is about a user").into());
        };
        let lifetime = self.lifetime(ctx, 0);
        let (sub, sid) = self.subject_for_client(ctx).await?;
        let claims = IdClaims {
            iss: ctx.config.issuer.clone(),
            sub,
            aud: self.client.id.clone(),
            nonce: None,
            auth_time: grant.auth_time.seconds(),
            acr: grant.acr.clone(),
            amr: grant.amr.clone(),
            sid: sid.unwrap_or_default(),
            at_hash: None,
            act: self.decided.act.clone(),
            requested: serde_json::Map::new(),
        };
        let text = IdSigner::ready(ctx, &self.client).await?.sign(ctx, lifetime, claims).await?;
        Ok(TokenResponse {
            issued_token_type: Some(TokenType::IdToken.uri()),
            token_type: NOT_APPLICABLE,
            ..TokenResponse::access(text, lifetime, self.decided.scope)
        })
    }

    async fn refresh(self, ctx: &Ctx) -> Result<TokenResponse, Failure> {
        let Standing::Grant(parent) = &self.behind else {
            return Err(unacceptable("a refresh token is a user's").into());
        };
        // Refreshed tokens have the user's roles of then: whose first one had to have none gets none that way.
        let first = clients::fresh(ctx, &parent.family.client).await?;
        if first.is_none_or(|first| first.origin != Origin::Operator) {
            return Err(unacceptable("the subject token is of a client that registered itself").into());
        }
        let id = OwnedId::generate(&parent.user, &mut Platform);
        let Exchange { scope, target, .. } = &self.decided;
        let exchanged = exchanges::Exchanged { parent, id: &id, client: &self.client, scope, resources: &target.audience };
        let ends = exchanges::insert(ctx, &exchanged).await?.ok_or(unacceptable(NOT_INSERTED))?;
        let token = RefreshToken { user: parent.user.clone(), grant: id, generation: 0 };
        Ok(TokenResponse {
            issued_token_type: Some(TokenType::RefreshToken.uri()),
            token_type: NOT_APPLICABLE,
            ..TokenResponse::access(ctx.config.sealer().seal_deterministic(&token), remaining(ends, ctx.now), self.decided.scope)
        })
    }
}

/// Why there is no new grant, for the log.
const NOT_INSERTED: &str = "the gate is shut, the client changed, or the grant came by an exchange itself";

/// `token_type` of what is not an access token (RFC 8693 2.2.1).
const NOT_APPLICABLE: &str = "N_A";
