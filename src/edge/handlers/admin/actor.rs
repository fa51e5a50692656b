//! Who administers: the bearer token of a request, and what stands behind it right now.

use serde_json::json;

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::handlers::access_token::{self, Standing, standing};
use crate::edge::handlers::admin::Outcome;
use crate::edge::handlers::api::bearer;
use crate::edge::http::WireRequest;
use crate::edge::log::Line;
use crate::edge::store::clients;
use crate::protocol::admin::operations::{Access, Operation};
use crate::protocol::admin::problem::{Problem, Word};
use crate::protocol::admin::scopes::{self, ADMIN};
use crate::protocol::audit::{Event, Kind};
use crate::protocol::client::Origin;
use crate::protocol::scope::Scope;
use crate::protocol::time::Seconds;

/// Whoever changes something, for the core functions and the audit log.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The user, or the client that acts by itself.
    pub id: String,
    /// Where from, coarsely; empty: not known.
    pub place: String,
    /// What they may do: the administrative scopes that the token has and that they have now.
    pub scopes: Scope,
}

impl Actor {
    /// Refuses who would give, or take, a role or a scope of administration and is no administrator of everything.
    /// Otherwise whoever may change users, clients or trusted issuers could make themselves one.
    pub fn check_may_give<'a>(&self, mut roles_or_scopes: impl Iterator<Item = &'a str>) -> Result<(), Problem> {
        if self.scopes.contains(ADMIN) || !roles_or_scopes.any(scopes::is_administrative) {
            return Ok(());
        }
        Err(Problem::new(Word::InsufficientScope, "only latchkey:admin may give, take or change what is about administration"))
    }

    /// The event of a change: `action` is like "client.create", `id` the thing's, `fields` the names of what changed.
    pub fn changed(&self, action: &str, id: &str, fields: &[&str]) -> Event {
        let detail = if fields.is_empty() {
            json!({ "action": action, "id": id })
        } else {
            json!({ "action": action, "id": id, "fields": fields })
        };
        Event::new(Kind::AdminChange, &self.id, &mut Platform).from_place(self.place.clone()).with(&detail)
    }
}

/// Who asks, if they may.
///
/// 1. The token of the header alone (RFC 6750 2.1): of ours, in time, for us and nobody else (RFC 9068 4), and not one by
///    which somebody acts for another.
/// 2. It has a scope of which one is needed.
/// 3. What stands behind it is alive now; a user still has the role, a client is the operator's and still registered for it.
/// 4. A user signed in lately (RFC 9470).
pub async fn authenticated(ctx: &Ctx, request: &WireRequest, line: &mut Line, operation: &Operation) -> Outcome<Actor> {
    let place = ctx.place.clone();
    if operation.access == Access::Public {
        return Ok(Actor { id: String::new(), place, scopes: Scope::default() });
    }
    // 1
    let invalid = |why: &str| Problem::new(Word::Unauthorized, why);
    let token = bearer(request).ok_or_else(|| invalid("send an access token as Authorization: Bearer"))?;
    let token = access_token::read(ctx, &token).await?;
    let token = token.ok_or_else(|| invalid("not an access token of ours, or expired"))?;
    let claims = &token.claims;
    line.client = Some(claims.client_id.clone());
    if !claims.aud.iter().any(|audience| audience == ctx.config.issuer) {
        return Err(invalid("the token is for somebody else").into());
    }
    if claims.act.is_some() {
        return Err(invalid("nobody administers for another").into());
    }
    // 2
    let needed = operation.access.scopes();
    let lacks = || Problem::new(Word::InsufficientScope, format!("one of these is needed: {}", needed.join(" ")));
    let suffices = |scope: &Scope| scope.iter().any(|scope| needed.contains(&scope));
    if !suffices(&claims.scope) {
        return Err(lacks().into());
    }
    // 3
    if !token.is_of_user() {
        let client = clients::fresh(ctx, &claims.client_id).await?;
        let client = client.filter(|client| client.enabled && client.origin == Origin::Operator && claims.sub == client.id);
        let client = client.ok_or_else(|| invalid("the client is disabled, gone or not the operator's"))?;
        let scopes = claims.scope.and(&client.metadata.scope).filter(scopes::is_administrative);
        let actor = Actor { id: client.id, place, scopes };
        return if suffices(&actor.scopes) { Ok(actor) } else { Err(lacks().into()) };
    }
    let grant = match standing(ctx, &token).await? {
        Standing::Grant(grant) => grant,
        Standing::Client => return Err(invalid("no user stands behind it").into()),
        Standing::Fallen(why) => return Err(invalid(why).into()),
    };
    let scopes = claims.scope.and(&grant.approved_scope).filter(scopes::is_administrative);
    let actor = Actor { id: grant.user.as_str().to_owned(), place, scopes: scopes::of_user(&scopes, &grant.roles) };
    if !suffices(&actor.scopes) {
        return Err(lacks().into());
    }
    // 4
    if ctx.now.since(grant.auth_time) > Seconds(ctx.config.settings.admin_max_auth_age).millis() {
        return Err(Problem::new(Word::InsufficientUserAuthentication, "sign in again, then ask for a new token").into());
    }
    Ok(actor)
}
