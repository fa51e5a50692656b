//! The device grant at the token endpoint: RFC 8628 3.4 and 3.5.

use crate::edge::ctx::Ctx;
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::api::ClientRequest;
use crate::edge::handlers::issue::{Issue, signers, unopened};
use crate::edge::objects::device_flow;
use crate::edge::signers::Signers;
use crate::edge::store::clients;
use crate::edge::store::grants::{self, NewGrant, Outcome};
use crate::protocol::client::{Client, DEVICE_CODE, REFRESH_TOKEN};
use crate::protocol::device::{Answer, Approval, DeviceCode, Message, collectable};
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::resource::Target;
use crate::protocol::scope::{Scope, granted};
use crate::protocol::secret::{Secret, SecretHash};
use crate::protocol::time::Seconds;
use crate::protocol::token::{check_grant_type, target};

/// A poll.
///
/// 1. Open the device code: a bogus one dies here, an expired one answers `expired_token` for ever.
/// 2. Ask the flow, in one message. It keeps the pace and writes only when the interval grows.
/// 3. Approved: decide everything and load what will sign and encrypt, then one batch asks the gate and inserts the grant.
///    When the time to collect is over, a grant that was collected before is only read.
/// 4. A grant that is there and new, however many polls raced for it, is answered; anything else is
///    `invalid_grant`, and nothing is revoked.
pub async fn redeem(
    ctx: &Ctx,
    request: &ClientRequest,
    client: Client,
    device_code: &Secret,
    asked: &[String],
) -> Result<Issue, Failure> {
    // 1
    let code: DeviceCode = ctx.config.sealer().open(device_code.expose()).map_err(|error| unopened(error, "device code"))?;
    if ctx.now >= code.ends_at(repeat(ctx)) {
        return Err(expired().into());
    }
    // 2
    let message = Message::Poll {
        client: client.id.clone(),
        secret: SecretHash::of(code.secret.as_bytes()),
        attempt: ctx.request_id.clone(),
    };
    let (approval, approved_resources, place, late) = match device_flow::send(ctx, &code.flow, &message).await? {
        Answer::Granted { approval, resources, place, late } => (approval, resources, place, late),
        Answer::Pending => return Err(OAuthError::new(Code::AuthorizationPending, "the user has not answered yet").into()),
        Answer::SlowDown => {
            return Err(OAuthError::new(Code::SlowDown, "polled too early: wait 5 seconds longer each time").into());
        }
        Answer::Denied => return Err(OAuthError::new(Code::AccessDenied, "the user said no").into()),
        Answer::Expired => return Err(expired().into()),
        Answer::Unknown if ctx.now >= code.expires_at => return Err(expired().into()),
        Answer::Unknown => return Err(OAuthError::invalid_grant("unknown flow or foreign client").into()),
        Answer::Started | Answer::Taken | Answer::Open { .. } | Answer::Settled { .. } => {
            return Err(Fault::Broken("a flow answered something else than was asked".to_owned()).into());
        }
    };
    // 3
    let mut client = client;
    let mut decision = match decided(ctx, &client, &approval, &approved_resources, asked).await {
        // A copy from memory may say yes, never no.
        Err(Failure::Peer(_)) => {
            client = request.authenticated_afresh(ctx).await?;
            decided(ctx, &client, &approval, &approved_resources, asked).await?
        }
        outcome => outcome?,
    };
    let grant = if late {
        grants::by_id(ctx, &approval.user, &approval.grant).await?.ok_or(expired())?
    } else {
        let new = |scope: &Scope| Redemption {
            approval: &approval,
            resources: &approved_resources,
            place: &place,
            scope: scope.clone(),
        };
        let mut outcome = new(&decision.scope).insert(ctx, &client).await?;
        if outcome.grant.is_none()
            && let Some(now) = outcome.client.take_if(|now| now.version != client.version)
        {
            // The client changed since this isolate read it: authenticate and decide again, once.
            clients::remember(now.clone(), ctx.now);
            request.prove(ctx, &now).await?;
            decision = decided(ctx, &now, &approval, &approved_resources, asked).await?;
            client = now;
            outcome = new(&decision.scope).insert(ctx, &client).await?;
        }
        outcome.grant.ok_or(OAuthError::invalid_grant("the gate is shut"))?
    };
    // 4
    if let Err(why) = collectable(&grant.family, &grant.gate, &client.id, repeat(ctx), ctx.now) {
        return Err(OAuthError::invalid_grant(why.word()).into());
    }
    let scope = granted(&grant.granted_scope, &decision.scope);
    let generation = client.may_use(REFRESH_TOKEN).then_some(0);
    let Decision { target, signers, .. } = decision;
    Ok(Issue { grant, client, scope, target, generation, nonce: None, signers })
}

/// What is decided before the row is written.
struct Decision {
    scope: Scope,
    target: Target,
    signers: Signers,
}

/// Scope and audience of the tokens to be: what was approved, as far as the client may have it now. And what
/// makes them.
async fn decided(
    ctx: &Ctx,
    client: &Client,
    approval: &Approval,
    approved: &[String],
    asked: &[String],
) -> Result<Decision, Failure> {
    check_grant_type(client, DEVICE_CODE)?;
    let target = target(approved, asked, client, &ctx.config)?;
    let scope = granted(&approval.scope, &client.allowed_scope(&ctx.config, DEVICE_CODE));
    if scope.is_empty() {
        return Err(OAuthError::invalid_grant("nothing that was approved is still allowed").into());
    }
    Ok(Decision { scope, target, signers: signers(ctx, client).await? })
}

/// A grant about to be inserted.
struct Redemption<'a> {
    approval: &'a Approval,
    resources: &'a [String],
    place: &'a str,
    scope: Scope,
}

impl Redemption<'_> {
    async fn insert(&self, ctx: &Ctx, client: &Client) -> Result<Outcome, Fault> {
        // Without a refresh token the row only has to outlive its access token.
        let lifetime = if client.may_use(REFRESH_TOKEN) {
            client.metadata.refresh_absolute_lifetime
        } else {
            client.access_token_lifetime(&ctx.config)
        };
        // Twenty kiosks of one client are told apart by where they are, until their owner names them.
        let parts = [client.metadata.client_name.as_str(), self.place];
        let name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        let new = NewGrant {
            approval: self.approval,
            client,
            granted_scope: &self.scope,
            resources: self.resources,
            name: &name,
            expires_at: ctx.now.plus(lifetime),
        };
        grants::redeem(ctx, &new).await
    }
}

/// So long after collection the same tokens may be collected again.
fn repeat(ctx: &Ctx) -> Seconds {
    Seconds(ctx.config.settings.device_repeat)
}

const fn expired() -> OAuthError {
    OAuthError::new(Code::ExpiredToken, "the device code is expired")
}
