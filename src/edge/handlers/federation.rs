//! What tokens of trusted outside issuers buy: by token exchange (RFC 8693), or as assertions of the JWT bearer
//! grant (RFC 7523 2.1).

use crate::edge::crypto::Signer;
use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::api::ClientRequest;
use crate::edge::handlers::exchange::alive;
use crate::edge::handlers::{client_credentials, outside};
use crate::edge::log::Line;
use crate::edge::salts::{Purpose, salt};
use crate::edge::store::clients;
use crate::protocol::client::Client;
use crate::protocol::client_metadata::AccessTokenFormat;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::exchange::{TokenType, delegated, remaining};
use crate::protocol::scope::Scope;
use crate::protocol::secret::{Secret, base64url};
use crate::protocol::service::{OwnToken, ServiceSubject, own_token};
use crate::protocol::token::{TokenResponse, check_grant_type};
use crate::protocol::trust::{Accepted, Asking, Whose};

/// What somebody wants for an outside token.
pub struct Wanted<'a> {
    /// The token.
    pub token: &'a Secret,
    /// By which grant type.
    pub grant_type: &'static str,
    /// Scope wanted.
    pub scope: Option<&'a Scope>,
    /// Resources wanted.
    pub resources: &'a [String],
    /// The type that is wanted.
    pub requested: TokenType,
    /// Who is to act for the subject: a token of ours, and what it is said to be.
    pub actor: Option<&'a (Secret, TokenType)>,
    /// The error of a token that is no good.
    pub refuse: fn(&'static str) -> OAuthError,
}

/// Trades it.
///
/// 1. Who asks: somebody with credentials must prove them. Who only names a confidential client may still be
///    that service, if the outside token says so; who brings somebody else's token must be a client of ours.
/// 2. The outside token, by the operator's rules (RFC 7523 3).
/// 3. What it yields, within the rule, the client's registration and the life of the outside token.
/// 4. What is for single use is used, last of all: what is refused has spent nothing.
/// 5. Sign and answer.
pub async fn trade(
    ctx: &Ctx,
    caller: Option<&ClientRequest>,
    wanted: &Wanted<'_>,
    line: &mut Line,
) -> Result<TokenResponse, Failure> {
    // 1
    let caller_client = identified(ctx, caller).await?;
    let asking = match (&caller_client, caller) {
        (Some(client), _) => Asking::Authenticated(&client.id),
        (None, Some(caller)) => Asking::Named(&caller.credentials.client_id),
        (None, None) => Asking::Nobody,
    };
    // 2
    let accepted = outside::accepted(ctx, wanted.token, asking, wanted.refuse).await?;
    // 3
    let id = match (&accepted.yields.whose, &caller_client) {
        (Whose::ServiceAccount { client, .. }, _) => client.clone(),
        (Whose::OutsideSubject { .. }, Some(client)) => client.id.clone(),
        (Whose::OutsideSubject { .. }, None) => {
            return Err(OAuthError::invalid_client("no client brings the outside token").into());
        }
    };
    line.client = Some(id.clone());
    let remembered = caller_client.filter(|client| client.id == id).or_else(|| clients::remembered(ctx, &id));
    let decided = remembered.and_then(|client| {
        let own = decide(ctx, &client, &accepted, wanted).ok()?;
        Some((client, own))
    });
    let (client, own) = match decided {
        Some(decided) => decided,
        // A copy from memory may say yes, never no.
        None => {
            let client = clients::fresh(ctx, &id).await?.ok_or((wanted.refuse)("the client of the rule is gone"))?;
            let own = decide(ctx, &client, &accepted, wanted)?;
            (client, own)
        }
    };
    // Not before: whether a token is alive is not for strangers to learn.
    let actor = match wanted.actor {
        Some((token, kind)) => Some(alive(ctx, token, *kind).await?.0),
        None => None,
    };
    let act = match &actor {
        Some(actor) => Some(delegated(&client, &ctx.config, accepted.may_act.as_ref(), accepted.act.as_ref(), actor)?),
        None => accepted.act.clone(),
    };
    let subject = ServiceSubject { sub: subject(ctx, &client, &accepted).await?, roles: accepted.roles.clone(), act };
    let ends_by = actor.map_or(accepted.expires_at, |actor| actor.exp.min(accepted.expires_at));
    let lifetime = accepted.yields.lifetime.into_iter().chain([remaining(ends_by, ctx.now)]);
    let lifetime = lifetime.fold(client.access_token_lifetime(&ctx.config), Ord::min);
    if lifetime.0 == 0 {
        return Err((wanted.refuse)("it is about to end").into());
    }
    let signer = Signer::of(ctx, own.target.kind.alg).await?;
    // 4
    if !outside::spend(ctx, &accepted).await? {
        return Err((wanted.refuse)("it was used before").into());
    }
    // 5
    Ok(client_credentials::answer(ctx, &signer, &client, subject, own, lifetime).await?)
}

/// The client that asks, if it proves who it is or has nothing to prove it by. One that only names itself although
/// it could prove it is nobody yet.
async fn identified(ctx: &Ctx, caller: Option<&ClientRequest>) -> Result<Option<Client>, Failure> {
    let Some(caller) = caller else {
        return Ok(None);
    };
    if caller.credentials.is_bare() {
        // Whether there is such a client is not told to who only names it.
        let mut named = clients::known(ctx, &caller.credentials.client_id).await?;
        if named.as_ref().is_some_and(|client| client.is_public() && !client.enabled) {
            // A copy from memory may say yes, never no.
            named = clients::fresh(ctx, &caller.credentials.client_id).await?;
        }
        return Ok(named.filter(|client| client.is_public() && client.enabled));
    }
    caller.authenticated(ctx).await.map(Some)
}

fn decide(ctx: &Ctx, client: &Client, accepted: &Accepted, wanted: &Wanted<'_>) -> Result<OwnToken, OAuthError> {
    if !client.enabled {
        return Err((wanted.refuse)("the client is disabled"));
    }
    check_grant_type(client, wanted.grant_type)?;
    let bounds = match &accepted.yields.whose {
        Whose::ServiceAccount { resources, .. } => resources.as_slice(),
        Whose::OutsideSubject { .. } => &[],
    };
    if !bounds.is_empty() && !wanted.resources.iter().all(|resource| bounds.contains(resource)) {
        return Err(OAuthError::new(Code::InvalidTarget, "a resource is not for this outside token"));
    }
    let resources = if wanted.resources.is_empty() { bounds } else { wanted.resources };
    let own = own_token(client, &ctx.config, wanted.grant_type, Some(&accepted.yields.scope), wanted.scope, resources)?;
    let is_to_be_had = match wanted.requested {
        TokenType::AccessToken => true,
        TokenType::Jwt => own.target.kind.format == AccessTokenFormat::Jwt,
        TokenType::IdToken | TokenType::RefreshToken => false,
    };
    if is_to_be_had { Ok(own) } else { Err((wanted.refuse)("requested_token_type is not to be had for an outside token")) }
}

/// `sub`: the service account itself, or a name for the outside subject that is nobody else's here.
async fn subject(ctx: &Ctx, client: &Client, accepted: &Accepted) -> Result<String, Failure> {
    match accepted.yields.whose {
        Whose::ServiceAccount { .. } => Ok(client.id.clone()),
        Whose::OutsideSubject { .. } => {
            let salt = salt(ctx, Purpose::OutsideSubject).await?;
            Ok(base64url(&salt.mac(&[accepted.issuer.as_bytes(), accepted.sub.as_bytes()])))
        }
    }
}
