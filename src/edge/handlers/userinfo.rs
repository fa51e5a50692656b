//! `/userinfo`: OpenID Connect Core 5.3, RFC 6750.

use serde_json::{Map, Value};

use crate::edge::crypto::Signer;
use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::access_token::{self, Standing};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::store::{clients, grants};
use crate::protocol::claims::userinfo;
use crate::protocol::client::Client;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::jose::Typ;
use crate::protocol::secret::Secret;

/// Says who the token's user is.
///
/// 1. The token: header, or body of a POST, never both (RFC 6750 2).
/// 2. It must be an access token of ours, in time, with scope `openid`.
/// 3. Its grant must be alive right now.
/// 4. All claims of each granted scope and no others (Core 5.4).
pub async fn info(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let Some(token) = bearer(request).await? else {
        // RFC 6750 3.1: no error code when no token was sent.
        return Ok(WireResponse::empty(401).header("www-authenticate", challenge(ctx, None, "openid")));
    };
    // 2
    let token = access_token::read_at_any_time(ctx, &token).await?.ok_or(invalid("not an access token of ours"))?;
    let claims = &token.claims;
    // Whose token it was is good enough to know who may read the refusal.
    line.client = Some(claims.client_id.clone());
    if !token.is_in_time(ctx.now) {
        return Err(invalid("the token is expired").into());
    }
    if !claims.scope.contains("openid") {
        return Err(OAuthError::new(Code::InsufficientScope, "the token has no openid scope").into());
    }
    // 3
    let grant = match access_token::standing(ctx, &token).await? {
        Standing::Grant(grant) => grant,
        Standing::Client => return Err(invalid("the token is about no user").into()),
        Standing::Fallen(why) => return Err(invalid(why).into()),
    };
    // 4
    let scope = claims.scope.and(&grant.approved_scope);
    // What an app asked for one by one is not for those that its token was exchanged to.
    let is_of_app = grant.family.client == claims.client_id;
    let requested = if is_of_app { grant.requested_claims.userinfo.as_slice() } else { &[] };
    let info = userinfo(&claims.sub, &grants::user_claims(&grant)?, &scope, requested);
    let client = clients::known(ctx, &claims.client_id).await?.ok_or(invalid("no such client"))?;
    answer(ctx, &client, info).await
}

/// As JSON, or as a JWT where the client wants it signed (Core 5.3.2).
async fn answer(ctx: &Ctx, client: &Client, mut info: Map<String, Value>) -> Result<WireResponse, Failure> {
    let Some(alg) = client.metadata.userinfo_signed_response_alg else {
        return Ok(WireResponse::json(200, &info));
    };
    info.insert("iss".to_owned(), ctx.config.issuer.as_str().into());
    info.insert("aud".to_owned(), client.id.as_str().into());
    let lifetime = client.access_token_lifetime(&ctx.config);
    let signed = Signer::of(ctx, alg).await?.sign(ctx, Typ::Userinfo, lifetime, info).await?;
    Ok(WireResponse::cacheable("application/jwt", "no-store", signed.into_bytes()))
}

/// The `WWW-Authenticate` of a protected resource that needs this scope (RFC 6750 3).
pub fn challenge(ctx: &Ctx, error: Option<&OAuthError>, scope: &str) -> String {
    let realm = format!("Bearer realm=\"{}\"", ctx.config.issuer);
    match error {
        Some(error) => {
            let scope = if error.code == Code::InsufficientScope { format!(", scope=\"{scope}\"") } else { String::new() };
            format!("{realm}, error=\"{}\", error_description=\"{}\"{scope}", error.code.row().0, error.description)
        }
        None => realm,
    }
}

async fn bearer(request: &mut WireRequest) -> Result<Option<Secret>, Failure> {
    let in_header = match request.header("authorization") {
        None => None,
        Some(header) => match header.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Some(Secret::new(token.trim_matches(' ').to_owned()))
            }
            _ => return Err(OAuthError::new(Code::InvalidRequest, "the Authorization header is not Bearer").into()),
        },
    };
    let has_form = request.method == "POST"
        && request
            .header("content-type")
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
    let in_body =
        if has_form { request.form().await?.get("access_token").map(|token| Secret::new(token.to_owned())) } else { None };
    match (in_header, in_body) {
        (Some(_), Some(_)) => Err(OAuthError::new(Code::InvalidRequest, "the token was sent in two ways").into()),
        (token, None) | (None, token) => Ok(token),
    }
}

const fn invalid(detail: &'static str) -> OAuthError {
    OAuthError::new(Code::InvalidToken, "the access token is not valid").because(detail)
}
