//! `POST /token`: RFC 6749 3.2. Each grant is an arm.

use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::api::{ClientRequest, limit_often};
use crate::edge::handlers::code::{self, Redeemed};
use crate::edge::handlers::{client_credentials, device, exchange, refresh};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::protocol::client::{AUTHORIZATION_CODE, Client, DEVICE_CODE, REFRESH_TOKEN};
use crate::protocol::client_auth::ClientCredentials;
use crate::protocol::error::OAuthError;
use crate::protocol::token::{TokenRequest, check_grant_type};

/// Answers a token request.
///
/// 1. Parse: one grant with its own parameters, nothing twice (RFC 6749 3.2).
/// 2. Authenticate the client (2.3), and check that it may use the grant (5.2). An assertion or a subject token
///    of a trusted issuer may stand for the client's own credentials (RFC 7521 4.1, RFC 8693 2.1).
/// 3. The grant's own steps.
/// 4. Sign and answer (5.1).
pub async fn token(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let form = request.form().await?;
    let authorization = request.header("authorization");
    // Who says who they are is named in the log, and may read a refusal from a page, whatever they ask.
    let (caller, token_request) = if ClientCredentials::are_in(authorization.as_deref(), &form) {
        let caller = ClientRequest::of(authorization.as_deref(), form, line)?;
        let token_request = TokenRequest::parse(&caller.form)?;
        (Some(caller), token_request)
    } else {
        (None, TokenRequest::parse(&form)?)
    };
    // 2, 3 and 4
    let response = match token_request {
        TokenRequest::ClientCredentials { scope, resources } => {
            let caller = caller.ok_or(OAuthError::missing("client_id"))?;
            limit_services(ctx, Some(&caller)).await?;
            client_credentials::issue(ctx, &caller, scope.as_ref(), &resources).await?
        }
        TokenRequest::TokenExchange(exchange) => {
            limit_services(ctx, caller.as_ref()).await?;
            exchange::exchange(ctx, caller.as_ref(), &exchange, line).await?
        }
        TokenRequest::JwtBearer { assertion, scope, resources } => {
            limit_services(ctx, caller.as_ref()).await?;
            exchange::jwt_bearer(ctx, caller.as_ref(), &assertion, scope.as_ref(), &resources, line).await?
        }
        TokenRequest::AuthorizationCode { code, redirect_uri, verifier, resources } => {
            let (caller, client) = authenticated(ctx, caller, AUTHORIZATION_CODE).await?;
            let redeemed = Redeemed {
                code: &code,
                redirect_uri: redirect_uri.as_deref(),
                verifier: verifier.as_ref(),
                resources: &resources,
            };
            code::redeem(ctx, &caller, client, &redeemed).await?.sign(ctx).await?
        }
        TokenRequest::DeviceCode { device_code, resources } => {
            let (caller, client) = authenticated(ctx, caller, DEVICE_CODE).await?;
            device::redeem(ctx, &caller, client, &device_code, &resources).await?.sign(ctx).await?
        }
        TokenRequest::RefreshToken { refresh_token, scope, resources } => {
            let (caller, client) = authenticated(ctx, caller, REFRESH_TOKEN).await?;
            refresh::refresh(ctx, &caller, client, &refresh_token, scope.as_ref(), &resources).await?.sign(ctx).await?
        }
    };
    Ok(WireResponse::json(200, &response))
}

/// The client of a request, which may use this grant type.
async fn authenticated(
    ctx: &Ctx,
    caller: Option<ClientRequest>,
    grant_type: &'static str,
) -> Result<(ClientRequest, Client), Failure> {
    let caller = caller.ok_or(OAuthError::missing("client_id"))?;
    let (client, ()) = caller.decided(ctx, |client| check_grant_type(client, grant_type)).await?;
    Ok((caller, client))
}

/// A cheap first filter for what machines ask, by client and network: a stranger who names somebody else's
/// client uses up nothing of it elsewhere. Who shows no proof could name one client after the other, so these
/// are all one.
async fn limit_services(ctx: &Ctx, caller: Option<&ClientRequest>) -> Result<(), Failure> {
    let credentials = caller.map(|caller| &caller.credentials).filter(|credentials| !credentials.is_bare());
    let id = credentials.map_or("", |credentials| credentials.client_id.as_str());
    limit_often(ctx, "LIMIT_TOKEN", format!("{id} {}", ctx.network)).await
}
