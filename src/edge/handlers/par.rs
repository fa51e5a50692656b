//! `POST /par`: pushed authorization requests, RFC 9126.

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::api::ClientRequest;
use crate::edge::handlers::authorize::{PUSHED, checked, object_of};
use crate::edge::handlers::clients;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::store::pushed_requests;
use crate::protocol::authorize::{AuthorizationRequest, ReturnTo};
use crate::protocol::client::{Client, Origin};
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;
use crate::protocol::ids::random;
use crate::protocol::secret::base64url;
use crate::protocol::steps::PushedId;

/// Takes a request in, from the client itself.
///
/// 1. Authenticate the client (RFC 9126 2.1). No `request_uri` inside.
/// 2. Check everything that `/authorize` would, in a request object or outside (3).
/// 3. Keep it, and answer where it is: 256 random bits.
pub async fn push(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let client_request = ClientRequest::read(request, line).await?;
    let client = clients::pushing(ctx, &client_request).await?;
    let form = &client_request.form;
    if form.get("request_uri").is_some() {
        return Err(OAuthError::new(Code::InvalidRequest, "request_uri cannot be pushed").into());
    }
    // 2
    let (client, authorization) = match accepted(ctx, &client, form).await {
        // A copy from memory may say yes, never no.
        Err(Failure::Peer(error)) if client.origin != Origin::Document => {
            let now = client_request.authenticated_afresh(ctx).await?;
            if now.metadata == client.metadata {
                return Err(error.into());
            }
            let authorization = accepted(ctx, &now, form).await?;
            (now, authorization)
        }
        outcome => (client, outcome?),
    };
    // 3
    let key = PushedId { client: client.id.clone(), id: base64url(&random::<32>(&mut Platform)) };
    pushed_requests::insert(ctx, &key, &authorization).await?;
    let body =
        serde_json::json!({ "request_uri": format!("{PUSHED}{}", key.id), "expires_in": ctx.config.settings.par_lifetime });
    Ok(WireResponse::json(201, &body))
}

/// The request in a push, in an object or outside, if `/authorize` would take it from this client.
async fn accepted(ctx: &Ctx, client: &Client, form: &Form) -> Result<AuthorizationRequest, Failure> {
    let object = object_of(ctx, client, form).await?;
    let form = object.as_ref().unwrap_or(form);
    let to = ReturnTo::parse(form, client)?;
    checked(ctx, client, form, to, true).await
}
