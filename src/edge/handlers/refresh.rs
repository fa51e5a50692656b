//! The refresh grant at the token endpoint: RFC 6749 6, RFC 9700 4.14.

use serde_json::json;

use crate::edge::ctx::Ctx;
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::api::ClientRequest;
use crate::edge::handlers::issue::{self, Issue, unopened};
use crate::edge::store::{audit, clients, grants};
use crate::protocol::audit::Kind;
use crate::protocol::client::{Client, REFRESH_TOKEN, TOKEN_EXCHANGE};
use crate::protocol::error::OAuthError;
use crate::protocol::refresh::{Policy, RefreshToken, Verdict, verdict};
use crate::protocol::resource::Target;
use crate::protocol::scope::{Scope, granted};
use crate::protocol::secret::Secret;
use crate::protocol::token::{check_grant_type, narrowed_scope, target};

/// A refresh.
///
/// 1. Open the refresh token: a bogus one dies here.
/// 2. A request that narrows is checked against the grant first, so that a refused one has changed
///    nothing (RFC 6749 6). The ordinary refresh asks for nothing and skips this, but for a client whose
///    resources want several algorithms: all that was approved may not fit one signature. Then load what
///    will sign and encrypt, so that nothing is rotated that could not be answered.
/// 3. One batch: advance the generation if it is current, the gate is open, and client and scopes are
///    what the last answer was decided on, so that this one will be decided alike.
/// 4. Otherwise the verdict: the one before within grace gets the current token again; an older one is
///    theft and ends the grant; a current one whose basis changed is decided anew, and only then
///    written; one ahead of the row, where the operator trusts that, is written down and tried again;
///    all else changes nothing.
pub async fn refresh(
    ctx: &Ctx,
    request: &ClientRequest,
    mut client: Client,
    refresh_token: &Secret,
    scope: Option<&Scope>,
    resources: &[String],
) -> Result<Issue, Failure> {
    // 1
    let token: RefreshToken =
        ctx.config.sealer().open(refresh_token.expose()).map_err(|error| unopened(error, "refresh token"))?;
    // 2
    let may_mix = ctx.config.resources.algs(&client, &ctx.config).len() > 1;
    if scope.is_some() || !resources.is_empty() || may_mix {
        let grant = grants::by_id(ctx, &token.user, &token.grant).await?.ok_or(OAuthError::invalid_grant("no such grant"))?;
        // A token that is not current is for the verdict below, whatever it asks for.
        let is_ahead = trusts_ahead(ctx) && token.generation > grant.family.generation;
        let is_current = grant.family.client == client.id && (is_ahead || grant.family.generation == token.generation);
        if is_current && narrowed(ctx, &grant, &client, scope, resources).is_err() {
            // A copy from memory may say yes, never no.
            client = request.authenticated_afresh(ctx).await?;
            check_grant_type(&client, REFRESH_TOKEN)?;
            narrowed(ctx, &grant, &client, scope, resources)?;
        }
    }
    let mut signers = match issue::signers(ctx, &client).await {
        // Here too. What was checked is checked again before the new copy is written on.
        Err(Failure::Peer(_)) => {
            client = request.authenticated_afresh(ctx).await?;
            check_grant_type(&client, REFRESH_TOKEN)?;
            issue::signers(ctx, &client).await?
        }
        outcome => outcome?,
    };
    let policy = |client: &Client| policy(client, trusts_ahead(ctx));
    let mut decided: Option<Scope> = None;
    for _ in 0..ATTEMPTS {
        // 3
        let mut outcome = grants::rotate(ctx, &token, &client, policy(&client), decided.as_ref()).await?;
        if !outcome.wrote
            && let Some(now) = outcome.client.take_if(|now| now.version != client.version)
        {
            // The client changed since this isolate read it: authenticate again, and try again.
            clients::remember(now.clone(), ctx.now);
            request.prove(ctx, &now).await?;
            check_grant_type(&now, REFRESH_TOKEN)?;
            signers = issue::signers(ctx, &now).await?;
            client = now;
            continue;
        }
        // 4
        let grant = outcome.grant.ok_or(OAuthError::invalid_grant("no such grant"))?;
        if grant.parent_ended {
            return Err(OAuthError::invalid_grant("the grant that it was exchanged from has ended").into());
        }
        let verdict = verdict(&grant.family, &grant.gate, &client.id, token.generation, policy(&client), ctx.now);
        match verdict {
            _ if outcome.wrote => {}
            // Also our own rotation, when its answer was lost and the batch ran again: it is 0 s old.
            Verdict::Repeat => {}
            Verdict::Theft => {
                let user = token.user.as_str();
                let event = audit::event(ctx, Kind::ReplayDetected, &client.id).about(user).of_client(&client.id);
                let event = event.with(&json!({ "what": "refresh token" }));
                grants::revoke(ctx, &token.user, &token.grant, "refresh token replayed", &event).await?;
                return Err(OAuthError::invalid_grant("refresh token replayed: the grant is revoked").into());
            }
            Verdict::Adopt => {
                let event = audit::event(ctx, Kind::AdminChange, "TRUST_AHEAD_UNTIL").about(token.user.as_str());
                let detail = json!({ "action": "grant.adopt", "id": token.grant.sid(), "from": grant.family.generation,
                    "to": token.generation });
                grants::adopt(ctx, &token, &client, policy(&client), &event.of_client(&client.id).with(&detail)).await?;
                continue;
            }
            Verdict::Refuse(why) => return Err(OAuthError::invalid_grant(why.word()).into()),
            Verdict::Rotate => {
                decided = Some(narrowed(ctx, &grant, &client, scope, resources)?.allowed);
                continue;
            }
        }
        let Narrowed { scope, target, .. } = narrowed(ctx, &grant, &client, scope, resources)?;
        let generation = grant.family.generation;
        return Ok(Issue { grant, client, scope, target, generation: Some(generation), nonce: None, signers });
    }
    Err(Fault::Unavailable("the grant or its client keeps changing".to_owned()).into())
}

/// The client may have changed, then the row be behind, then the basis of the grant, then somebody else may have rotated.
const ATTEMPTS: u32 = 5;

/// Whether generations ahead of the database are taken now.
fn trusts_ahead(ctx: &Ctx) -> bool {
    ctx.config.trust_ahead_until.is_some_and(|until| ctx.now < until)
}

/// What the next access token may say.
struct Narrowed {
    /// What is granted now.
    allowed: Scope,
    /// Scope of the token: as asked, never more.
    scope: Scope,
    /// Whom it is for.
    target: Target,
}

/// What is allowed now, and the scope and audience of the next access token: never wider.
fn narrowed(
    ctx: &Ctx,
    grant: &grants::Grant,
    client: &Client,
    scope: Option<&Scope>,
    resources: &[String],
) -> Result<Narrowed, OAuthError> {
    let may_exchange = client.may_use(TOKEN_EXCHANGE) && client.metadata.token_exchange.refresh_token;
    if grant.kind == TOKEN_EXCHANGE && !may_exchange {
        return Err(OAuthError::invalid_grant("the client may not have refresh tokens by exchange any more"));
    }
    let allowed = granted(&grant.approved_scope, &client.allowed_scope(&ctx.config, &grant.kind));
    if allowed.is_empty() {
        return Err(OAuthError::invalid_grant("nothing that was approved is still allowed"));
    }
    let scope = narrowed_scope(&allowed, scope)?;
    let target = target(&grant.resources, resources, client, &ctx.config)?;
    Ok(Narrowed { allowed, scope, target })
}

fn policy(client: &Client, trusts_ahead: bool) -> Policy {
    let metadata = &client.metadata;
    let (idle, absolute) = (metadata.refresh_idle_lifetime, metadata.refresh_absolute_lifetime);
    Policy { grace: metadata.refresh_grace, idle, absolute, trusts_ahead }
}
