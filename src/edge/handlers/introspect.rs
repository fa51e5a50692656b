//! `POST /introspect`: RFC 7662 and RFC 9701.

use crate::edge::crypto::Signer;
use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::access_token::{Standing, read, standing};
use crate::edge::handlers::api::ClientRequest;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::jwe::Encrypter;
use crate::edge::log::Line;
use crate::protocol::access_token::AccessToken;
use crate::protocol::client::Client;
use crate::protocol::introspect::{
    AnswerForm, INTROSPECTION_JWT, IntrospectionRequest, active, check_resource_server, inactive, signed_claims,
};
use crate::protocol::jose::{Alg, Typ};
use crate::protocol::jwe::Recipient;

/// Says what a token is good for right now.
///
/// 1. Authenticate the caller, who must be a registered resource server (RFC 7662 2.1 and 4).
/// 2. The token must be an access token of ours, in time, and meant for this resource server; every other is
///    inactive, and that is all that is told (2.2).
/// 3. What stands behind it must be alive: one read.
/// 4. Answer, as JSON or as the JWT that is asked for (RFC 9701 5).
pub async fn introspect(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let form = AnswerForm::of(request.header("accept").as_deref());
    let client_request = ClientRequest::read(request, line).await?;
    let introspection = IntrospectionRequest::parse(&client_request.form)?;
    let (caller, ()) = client_request.decided(ctx, check_resource_server).await?;
    // 2, 3
    let token = read(ctx, &introspection.token).await?;
    let token = token.filter(|token| caller.protects(token.claims.aud.iter(), &ctx.config));
    let token = match token {
        Some(mut token) => match standing(ctx, &token).await? {
            Standing::Client => Some(token),
            Standing::Grant(grant) => {
                // What the user is not any more is not told either.
                token.claims.roles.retain(|role| grant.roles.contains(role));
                Some(token)
            }
            Standing::Fallen(why) => {
                why.clone_into(&mut line.detail);
                None
            }
        },
        None => None,
    };
    // 4
    match (form, token) {
        (AnswerForm::AccessToken, Some(token)) => as_access_token(ctx, token).await,
        (AnswerForm::SignedJson, token) => signed(ctx, &client_request, caller, token.as_ref()).await,
        (AnswerForm::Json | AnswerForm::AccessToken, token) => {
            Ok(WireResponse::json(200, &token.as_ref().map_or_else(inactive, active)))
        }
    }
}

/// The token as the JWT that it would be if it were not opaque. It says the same and ends at the same time.
async fn as_access_token(ctx: &Ctx, token: AccessToken) -> Result<WireResponse, Failure> {
    let alg = token.claims.aud.iter().next().map_or(Alg::ES256, |resource| ctx.config.resources.alg(resource));
    let signer = Signer::of(ctx, alg).await?;
    let jwt = signer.sign_dated(Typ::AccessToken, token.iat, Some(token.exp), token.claims).await?;
    Ok(WireResponse::cacheable("application/jwt", "no-store", jwt.into_bytes()))
}

/// The answer as a JWT for this resource server alone, which nobody else can read where it wants that.
async fn signed(
    ctx: &Ctx,
    request: &ClientRequest,
    mut caller: Client,
    token: Option<&AccessToken>,
) -> Result<WireResponse, Failure> {
    let encrypter = match Encrypter::wanted(ctx, Recipient::of_introspection(&caller).as_ref()).await {
        // A copy from memory may say yes, never no.
        Err(Failure::Peer(_)) => {
            caller = request.authenticated_afresh(ctx).await?;
            Encrypter::wanted(ctx, Recipient::of_introspection(&caller).as_ref()).await?
        }
        outcome => outcome?,
    };
    let claims = signed_claims(&ctx.config.issuer, &caller, &token.map_or_else(inactive, active));
    let signer = Signer::of(ctx, caller.metadata.introspection_signed_response_alg.unwrap_or(Alg::RS256)).await?;
    let mut jwt = signer.sign_dated(Typ::Introspection, ctx.now, None, claims).await?;
    if let Some(encrypter) = encrypter {
        jwt = encrypter.encrypt(&jwt, None).await?;
    }
    Ok(WireResponse::cacheable(INTROSPECTION_JWT, "no-store", jwt.into_bytes()))
}
