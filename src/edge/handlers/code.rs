//! The authorization code grant at the token endpoint: RFC 6749 4.1.3, OpenID Connect Core 3.1.3, RFC 7636 4.5.

use serde_json::json;

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::api::ClientRequest;
use crate::edge::handlers::issue::{Issue, signers, unopened};
use crate::edge::signers::Signers;
use crate::edge::store::redemptions::{self, Redemption};
use crate::edge::store::{audit, clients};
use crate::protocol::audit::Kind;
use crate::protocol::claims::Origin;
use crate::protocol::client::{AUTHORIZATION_CODE, Client};
use crate::protocol::code::AuthorizationCode;
use crate::protocol::error::OAuthError;
use crate::protocol::ids::random;
use crate::protocol::resource::Target;
use crate::protocol::scope::{Scope, granted};
use crate::protocol::secret::{Secret, base64url};
use crate::protocol::time::{Seconds, Timestamp};
use crate::protocol::token::{check_grant_type, target};

/// What comes with a code.
pub struct Redeemed<'a> {
    /// `code`, still sealed.
    pub code: &'a Secret,
    /// `redirect_uri`.
    pub redirect_uri: Option<&'a str>,
    /// `code_verifier`.
    pub verifier: Option<&'a Secret>,
    /// Resources to narrow to (RFC 8707 2.2).
    pub resources: &'a [String],
}

/// The redemption of a code.
///
/// 1. Open the code: a bogus one dies here. It must be this client's, with the redirect URI and the verifier
///    of its request; a stranger's attempt changes nothing.
/// 2. Decide everything, and load what will sign and encrypt, so that a code is not spent for nothing.
/// 3. One batch: insert the row that the code names, if its session is alive and the gate is open.
/// 4. The row is there and another request's: a replay. What the first one issued stops working (RFC 6749
///    4.1.2). That holds for a replay after the code's time too.
pub async fn redeem(ctx: &Ctx, request: &ClientRequest, client: Client, redeemed: &Redeemed<'_>) -> Result<Issue, Failure> {
    // 1
    let code: AuthorizationCode =
        ctx.config.sealer().open(redeemed.code.expose()).map_err(|error| unopened(error, "authorization code"))?;
    let verifier = redeemed.verifier.map(|verifier| verifier.expose().as_str());
    code.check(&client.id, redeemed.redirect_uri, verifier)?;
    if ctx.now >= code.expires_at {
        replayed(ctx, &code).await?;
        return Err(OAuthError::invalid_grant("the code is expired").into());
    }
    // 2
    let mut client = client;
    let mut decision = match decided(ctx, &client, &code, redeemed).await {
        // A copy from memory may say yes, never no.
        Err(Failure::Peer(_)) => {
            client = request.authenticated_afresh(ctx).await?;
            decided(ctx, &client, &code, redeemed).await?
        }
        outcome => outcome?,
    };
    // 3
    let attempt = base64url(&random::<16>(&mut Platform));
    let mut outcome = redemptions::redeem(ctx, &redemption(ctx, &code, &client, &decision, &attempt)).await?;
    if outcome.grant.is_none()
        && let Some(now) = outcome.client.take_if(|now| now.version != client.version)
    {
        // The client changed since this isolate read it: authenticate and decide again, once.
        clients::remember(now.clone(), ctx.now);
        request.prove(ctx, &now).await?;
        decision = decided(ctx, &now, &code, redeemed).await?;
        client = now;
        outcome = redemptions::redeem(ctx, &redemption(ctx, &code, &client, &decision, &attempt)).await?;
    }
    if outcome.grant.is_none() && outcome.client.is_none() {
        // The client is gone: whoever this isolate still remembered is nobody any more.
        request.authenticated_afresh(ctx).await?;
    }
    let grant = outcome.grant.ok_or(OAuthError::invalid_grant("the session ended, or the gate is shut"))?;
    // 4: our own second try, after a lost answer, is no replay.
    if grant.attempt != attempt {
        replayed(ctx, &code).await?;
        return Err(OAuthError::invalid_grant("the code was redeemed before: what it yielded is revoked").into());
    }
    if let Some(why) = grant.refusal() {
        return Err(OAuthError::invalid_grant(why.word()).into());
    }
    let generation = (code.origin() == Origin::Grant).then_some(0);
    let Decision { scope, target, signers } = decision;
    Ok(Issue { grant, client, scope, target, generation, nonce: code.nonce, signers })
}

async fn replayed(ctx: &Ctx, code: &AuthorizationCode) -> Result<(), Failure> {
    let event = audit::event(ctx, Kind::ReplayDetected, &code.client).about(code.user.as_str()).of_client(&code.client);
    let event = event.with(&json!({ "what": "authorization code" }));
    Ok(redemptions::revoke(ctx, &code.user, &code.id, code.origin(), "authorization code replayed", &event).await?)
}

/// What is decided before the row is written.
struct Decision {
    scope: Scope,
    target: Target,
    signers: Signers,
}

async fn decided(ctx: &Ctx, client: &Client, code: &AuthorizationCode, redeemed: &Redeemed<'_>) -> Result<Decision, Failure> {
    check_grant_type(client, AUTHORIZATION_CODE)?;
    // A redirect URI that was taken from the client since, or that an isolate's copy of it still had.
    if redeemed.redirect_uri.is_some_and(|uri| !client.has_redirect_uri(uri)) {
        return Err(OAuthError::invalid_grant("the redirect_uri is not registered any more").into());
    }
    let target = target(&code.resources, redeemed.resources, client, &ctx.config)?;
    let scope = granted(&code.scope, &client.allowed_scope(&ctx.config, AUTHORIZATION_CODE));
    if scope.is_empty() {
        return Err(OAuthError::invalid_grant("nothing that was approved is still allowed").into());
    }
    Ok(Decision { scope, target, signers: signers(ctx, client).await? })
}

fn redemption<'a>(
    ctx: &Ctx,
    code: &'a AuthorizationCode,
    client: &'a Client,
    decision: &'a Decision,
    attempt: &'a str,
) -> Redemption<'a> {
    Redemption { code, client, scope: &decision.scope, attempt, expires_at: ends_at(ctx, code, client) }
}

/// When the row may be counted as ended: with the refresh token; else with the access token, or with the
/// session where the client wants to hear of its end.
fn ends_at(ctx: &Ctx, code: &AuthorizationCode, client: &Client) -> Timestamp {
    let access = client.access_token_lifetime(&ctx.config);
    let session = Seconds(ctx.config.settings.session_absolute);
    ctx.now.plus(match code.origin() {
        Origin::Grant => client.metadata.refresh_absolute_lifetime,
        Origin::Redemption if client.metadata.backchannel_logout_uri.is_some() => access.max(session),
        Origin::Redemption => access,
    })
}
