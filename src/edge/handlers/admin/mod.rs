//! `/admin/v1/`: administration, for programs.
//!
//! How it is built, and how a resource is added:
//!
//! 1. Its operations stand in the table of `protocol/admin/operations.rs`: method, path, scope. Nothing else routes.
//! 2. Its module here has `pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse>`, which
//!    [`dispatch`] calls. Who asks was authenticated by then, and may do what the table says.
//! 3. That function only reads the request, by [`Call`] (`id`, `body`, `patch`, `page`, `if_match`, `key`), calls a core
//!    function and shapes the answer (`item`, `created`, `no_content`). The core functions (`list`, `get`, `create`, `patch`,
//!    `delete`) take `&Ctx` and [`Actor`] and know no HTTP, so that the console and a realm's import share them.
//!    `?` works on a `Problem` (theirs to read), an `OAuthError`, a `Fault` and a `Failure` alike: see [`Outcome`].
//! 4. SQL stays in `store/`. A change is one statement with its own predicate (`WHERE id = ?1 AND version = ?2`), sent by
//!    `Db::record` with the event of [`Actor::changed`]: both or neither. Since a lost answer has the batch run again, a change
//!    that "changed nothing" is told by what stands there now.
//! 5. A create goes through [`create::commit`], whatever it inserts: its first statement carries `unanswered!`, so that
//!    it happens once however often it is sent, and its answer is kept for whoever asks again with the same key.
//! 6. What could make its holder more than they are (a role or scope `latchkey:..`, an administrator's password) is asked of
//!    [`Actor::check_may_give`] too: who may change users must not become an administrator by it.

mod actor;
pub mod audit;
pub mod bootstrap;
mod call;
pub mod clients;
pub mod create;
pub mod grants;
pub mod initial_access_tokens;
pub mod keys;
mod outcome;
pub mod realm;
pub mod roles;
pub mod sessions;
pub mod trusted_issuers;
pub mod users;
pub mod webhooks;

pub use actor::Actor;
pub use call::Call;
pub use outcome::{Outcome, Refusal};

use crate::edge::ctx::Ctx;
use crate::edge::handlers::api::bearer;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::protocol::admin::openapi::DOCUMENT;
use crate::protocol::admin::operations::{Found, Group, Name, Operation, find};
use crate::protocol::admin::problem::{Problem, Word};
use crate::protocol::admin::scopes::ADMIN;

/// Where it lies.
const BASE: &str = "/admin/v1/";

/// Answers a request below it.
///
/// 1. The operation, by method and path.
/// 2. Who asks, and whether they may, as it is right now: one read.
/// 3. The operation itself; or a problem (RFC 9457).
pub async fn answer(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> WireResponse {
    let path = request.path.strip_prefix(BASE).unwrap_or_default().to_owned();
    // 1
    let (operation, parameters) = match find(&request.method, &path) {
        Found::Operation(operation, parameters) => (operation, parameters),
        Found::Methods(methods) => {
            let problem = Problem::new(Word::MethodNotAllowed, "see the Allow header");
            return told(ctx, request, None, &problem, line).header("allow", methods.join(", "));
        }
        Found::Nothing => return told(ctx, request, None, &Problem::not_found(), line),
    };
    // 2, 3
    match handle(ctx, request, line, operation, parameters).await {
        Ok(response) => response,
        Err(refusal) => {
            let (problem, detail) = refusal.into_parts();
            line.detail = detail;
            told(ctx, request, Some(operation), &problem, line)
        }
    }
}

async fn handle(
    ctx: &Ctx,
    request: &mut WireRequest,
    line: &mut Line,
    operation: &'static Operation,
    parameters: Vec<String>,
) -> Outcome<WireResponse> {
    let actor = actor::authenticated(ctx, request, line, operation).await?;
    let mut call = Call::new(ctx, request, actor, &parameters)?;
    dispatch(&mut call, operation.group, operation.name).await
}

async fn dispatch(call: &mut Call<'_>, group: Group, name: Name) -> Outcome<WireResponse> {
    match group {
        Group::Audit => audit::answer(call, name).await,
        Group::Bootstrap => bootstrap::answer(call).await,
        Group::Document => Ok(document()),
        Group::Clients => clients::answer(call, name).await,
        Group::InitialAccessTokens => initial_access_tokens::answer(call, name).await,
        Group::Grants => grants::answer(call, name).await,
        Group::Keys => keys::answer(call, name).await,
        Group::Sessions => sessions::answer(call, name).await,
        Group::TrustedIssuers => trusted_issuers::answer(call, name).await,
        Group::Users => users::answer(call, name).await,
        Group::Roles => roles::answer(call, name).await,
        Group::Realm => realm::answer(call, name).await,
        Group::Webhooks => webhooks::answer(call, name).await,
    }
}

/// What the API is, for programs (OpenAPI 3.1): the same for everybody.
fn document() -> WireResponse {
    WireResponse::cacheable("application/json", "public, max-age=3600", DOCUMENT.as_bytes().to_vec()).for_all_origins()
}

/// A problem as an answer, with what RFC 6750 3 and RFC 9470 3 want beside it.
fn told(ctx: &Ctx, request: &WireRequest, operation: Option<&Operation>, problem: &Problem, line: &mut Line) -> WireResponse {
    let (word, status, _) = problem.word.row();
    line.error = Some(word);
    let response = WireResponse::problem(status, &problem.to_json(&ctx.request_id));
    let realm = format!("Bearer realm=\"{}\"", ctx.config.issuer);
    match problem.word {
        // RFC 6750 3.1: no error code when no token was sent.
        Word::Unauthorized if bearer(request).is_none() => response.header("www-authenticate", realm),
        Word::Unauthorized => response
            .header("www-authenticate", format!("{realm}, error=\"invalid_token\", error_description=\"{}\"", problem.detail)),
        Word::InsufficientScope => {
            let scopes = operation.map_or_else(|| vec![ADMIN], |operation| operation.access.scopes());
            let scope = scopes.last().copied().unwrap_or(ADMIN);
            response.header("www-authenticate", format!("{realm}, error=\"insufficient_scope\", scope=\"{scope}\""))
        }
        Word::InsufficientUserAuthentication => {
            let age = ctx.config.settings.admin_max_auth_age;
            let error = "insufficient_user_authentication";
            response.header("www-authenticate", format!("{realm}, error=\"{error}\", max_age=\"{age}\""))
        }
        Word::Unavailable => response.header("retry-after", "2"),
        _ => response,
    }
}
