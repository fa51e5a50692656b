//! `POST /device_authorization`: RFC 8628 3.1 and 3.2.

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::api::{ClientRequest, limit};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::objects::{device_flow, throttle};
use crate::protocol::client::DEVICE_CODE;
use crate::protocol::device::{Answer, DeviceCode, Flow, Message, State};
use crate::protocol::device_authorization::{DeviceAuthorizationRequest, DeviceAuthorizationResponse, check_resources};
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::ids::random;
use crate::protocol::secret::{SecretHash, base64url};
use crate::protocol::throttle::{Budget, Claim, Kept, wait_seconds};
use crate::protocol::time::Seconds;
use crate::protocol::token::check_grant_type;
use crate::protocol::user_code::UserCode;

/// Draws of a user code before giving up: with a million live flows one in 25,000 is taken.
const DRAWS: u32 = 5;

/// Starts a device sign-in.
///
/// 1. Parse the request and authenticate the client (RFC 8628 3.1, RFC 6749 2.3).
/// 2. Rate limit per client and address, then the cap of live flows of the client.
/// 3. The scope must be known, the client's and to be had by this grant; resources likewise.
/// 4. Draw a user code whose object holds nothing, and start the flow in it (6.1).
/// 5. Answer both codes, where to go, `expires_in` and `interval` (3.2).
pub async fn start(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let client_request = ClientRequest::read(request, line).await?;
    let asked = DeviceAuthorizationRequest::parse(&client_request.form)?;
    // 3, before 2 spends anything
    let (client, scope) = client_request
        .decided(ctx, |client| {
            check_grant_type(client, DEVICE_CODE)?;
            check_resources(&asked.resources, client, &ctx.config)?;
            asked.scope_for(client, &ctx.config)
        })
        .await?;
    // 2
    limit(ctx, "LIMIT_DEVICE", format!("{} {}", client.id, request.network())).await?;
    let settings = &ctx.config.settings;
    let lifetime = Seconds(settings.device_code_lifetime);
    // Half at once and half more over a lifetime, so never more than the cap.
    let cap = Budget { limit: client.metadata.device_live_flows / 2, window: lifetime };
    let claim = Claim { key: throttle::key(ctx, "live flows", &client.id), budget: cap, kept: Kept::Roughly };
    if let Some(wait) = throttle::reserve(ctx, &format!("client {}", client.id), &[claim]).await? {
        let error = OAuthError::new(Code::TooManyRequests, "too many device sign-ins of this client are open");
        return Err(error.retry_after(wait_seconds(wait)).into());
    }
    // 4
    let sealer = ctx.config.sealer();
    let mut entropy = Platform;
    let secret = base64url(&random::<32>(&mut entropy));
    let flow = Flow {
        instance: base64url(&random::<16>(&mut entropy)),
        client: client.id.clone(),
        secret: SecretHash::of(secret.as_bytes()),
        scope,
        resources: asked.resources,
        place: request.place(),
        created_at: ctx.now,
        expires_at: ctx.now.plus(lifetime),
        approval_margin: Seconds(settings.device_approval_margin),
        repeat: Seconds(settings.device_repeat),
        state: State::Pending { interval: Seconds(settings.device_interval) },
    };
    for _ in 0..DRAWS {
        let user_code = UserCode::generate(&mut entropy);
        let name = user_code.flow_name(&sealer, ctx.config.ring.active());
        let message = Message::Start { flow: flow.clone(), lifetime };
        if let Answer::Started = device_flow::send(ctx, &name, &message).await? {
            // 5
            let code = DeviceCode { flow: name, secret, expires_at: flow.expires_at };
            let response = DeviceAuthorizationResponse::new(sealer.seal(&code, &mut entropy), &user_code, &client, &ctx.config);
            return Ok(WireResponse::json(200, &response));
        }
    }
    Err(Fault::Unavailable(format!("{DRAWS} user codes in a row were taken")).into())
}
