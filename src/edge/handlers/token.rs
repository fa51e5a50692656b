//! `POST /token`: RFC 6749 3.2. Each grant is an arm; what they yield is an `Issue`.

use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::api::ClientRequest;
use crate::edge::handlers::code::{self, Redeemed};
use crate::edge::handlers::{device, refresh};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::protocol::token::{TokenRequest, check_grant_type};

/// Answers a token request.
///
/// 1. Parse: one grant with its own parameters, nothing twice (RFC 6749 3.2).
/// 2. Authenticate the client (2.3), and check that it may use the grant (5.2).
/// 3. The grant's own steps.
/// 4. Sign and answer (5.1).
pub async fn token(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let client_request = ClientRequest::read(request, line).await?;
    let token_request = TokenRequest::parse(&client_request.form)?;
    // 2
    let grant_type = token_request.grant_type();
    let (client, ()) = client_request.decided(ctx, |client| check_grant_type(client, grant_type)).await?;
    // 3
    let issue = match token_request {
        TokenRequest::AuthorizationCode { code, redirect_uri, verifier, resources } => {
            let redeemed = Redeemed {
                code: &code,
                redirect_uri: redirect_uri.as_deref(),
                verifier: verifier.as_ref(),
                resources: &resources,
            };
            code::redeem(ctx, &client_request, client, &redeemed).await?
        }
        TokenRequest::DeviceCode { device_code, resources } => {
            device::redeem(ctx, &client_request, client, &device_code, &resources).await?
        }
        TokenRequest::RefreshToken { refresh_token, scope, resources } => {
            refresh::refresh(ctx, &client_request, client, &refresh_token, scope.as_ref(), &resources).await?
        }
    };
    // 4
    Ok(WireResponse::json(200, &issue.sign(ctx).await?))
}
