//! Token exchange: RFC 8693. What comes out is never more than what went in: not in scope, not in time.

use super::access_token::AccessToken;
use super::claims::{Actor, Party};
use super::client::{Client, REFRESH_TOKEN, TOKEN_EXCHANGE};
use super::client_metadata::AccessTokenFormat;
use super::config::Config;
use super::device_authorization::{resources, scope};
use super::error::{Code, OAuthError};
use super::form::Form;
use super::resource::{Target, TokenKind};
use super::scope::Scope;
use super::secret::Secret;
use super::service::service_target;
use super::time::{Seconds, Timestamp};

/// Most actors in one token: each makes it longer.
const MOST_ACTORS: usize = 5;

/// What a token is (RFC 8693 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// An access token of ours, whatever it looks like.
    AccessToken,
    /// A JWT: an access token of ours in that form, or a token of a trusted issuer.
    Jwt,
    /// An ID token.
    IdToken,
    /// A refresh token of ours.
    RefreshToken,
}

impl TokenType {
    const ALL: [Self; 4] = [Self::AccessToken, Self::Jwt, Self::IdToken, Self::RefreshToken];

    /// Its URI.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::RefreshToken => "urn:ietf:params:oauth:token-type:refresh_token",
        }
    }

    fn parse(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.uri() == uri)
    }
}

/// A request (RFC 8693 2.1).
#[derive(Debug)]
pub struct ExchangeRequest {
    /// Who the new token is about.
    pub subject_token: Secret,
    /// What that is.
    pub subject_token_type: TokenType,
    /// Who will act with the new token, if that is to be told, and what that is.
    pub actor_token: Option<(Secret, TokenType)>,
    /// `resource` and `audience` together: where the new token is to be used.
    pub resources: Vec<String>,
    /// Scope wanted.
    pub scope: Option<Scope>,
    /// What is wanted; an access token if nothing is said.
    pub requested: TokenType,
}

impl ExchangeRequest {
    /// Parses the parameters beside the client's credentials.
    pub fn parse(form: &Form) -> Result<Self, OAuthError> {
        let secret = |text: &str| Secret::new(text.to_owned());
        let kind = |name: &'static str| {
            let text = form.get(name);
            text.map(|uri| TokenType::parse(uri).ok_or(unsupported(name))).transpose()
        };
        let subject_token = secret(form.require("subject_token")?);
        let subject_token_type = kind("subject_token_type")?.ok_or(OAuthError::missing("subject_token_type"))?;
        if subject_token_type == TokenType::RefreshToken {
            return Err(unsupported("subject_token_type"));
        }
        let actor_token = match (form.get("actor_token"), kind("actor_token_type")?) {
            (None, None) => None,
            (Some(token), Some(kind @ (TokenType::AccessToken | TokenType::Jwt))) => Some((secret(token), kind)),
            (Some(_), Some(_)) => return Err(unsupported("actor_token_type")),
            (Some(_), None) => return Err(OAuthError::missing("actor_token_type")),
            (None, Some(_)) => return Err(OAuthError::missing("actor_token")),
        };
        let mut wanted = resources(form)?;
        for audience in form.all("audience") {
            if !wanted.iter().any(|resource| resource == audience) {
                wanted.push(audience.to_owned());
            }
        }
        let requested = kind("requested_token_type")?.unwrap_or(TokenType::AccessToken);
        Ok(Self { subject_token, subject_token_type, actor_token, resources: wanted, scope: scope(form)?, requested })
    }
}

/// What is decided about an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What the new token is good for.
    pub scope: Scope,
    /// Whom it is for.
    pub target: Target,
    /// It ends then at the latest.
    pub ends_by: Timestamp,
    /// Who acts with it.
    pub act: Option<Actor>,
}

/// Decides an exchange of a subject token of ours, and an actor token of ours if there is one, both good now.
///
/// 1. The client got the subject token for itself, or as a resource server that it is meant for.
/// 2. With an actor: it is the client's own, and the subject token names it in `may_act` (RFC 8693 4.4). Without:
///    a client may narrow what is its own; in another's place it may step only where the operator allows it.
/// 3. Scope and end are the subject token's at most; who acted before is kept (4.1).
/// 4. The target is one that the client may reach; who only narrows its own token stays with that token's.
/// 5. Other things than access tokens are for clients that may have them.
pub fn decide(
    request: &ExchangeRequest,
    client: &Client,
    config: &Config,
    subject: &AccessToken,
    actor: Option<&AccessToken>,
) -> Result<Exchange, OAuthError> {
    // 1
    let is_own = subject.claims.client_id == client.id;
    if !is_own && !client.protects(subject.claims.aud.iter(), config) {
        return Err(unacceptable("the subject token was not sent to this client"));
    }
    // 2
    let act = match actor {
        Some(actor) => Some(delegated(client, config, subject.claims.may_act.as_ref(), subject.claims.act.as_ref(), actor)?),
        None if is_own || client.metadata.token_exchange.impersonation => subject.claims.act.clone(),
        None => return Err(unacceptable("an actor_token is needed: the client may not impersonate")),
    };
    // 3
    let allowed = subject.claims.scope.and(&client.allowed_scope(config, TOKEN_EXCHANGE));
    let scope = request.scope.as_ref().unwrap_or(&allowed);
    if scope.is_empty() || !scope.is_subset_of(&allowed) {
        return Err(OAuthError::new(Code::InvalidScope, "the scope is more than the subject token's, or not for this client"));
    }
    let ends_by = actor.map_or(subject.exp, |actor| actor.exp.min(subject.exp));
    // 4
    let is_narrowing = is_own && actor.is_none() && !client.metadata.token_exchange.impersonation;
    let target = target(request, client, config, subject, is_narrowing)?;
    // 5
    check_requested(request, client, subject, scope, target.kind, act.as_ref())?;
    Ok(Exchange { scope: scope.clone(), target, ends_by, act })
}

/// Who acts by an actor token of this client, if the subject lets them, and before them whoever acted already.
pub fn delegated(
    client: &Client,
    config: &Config,
    may_act: Option<&Party>,
    before: Option<&Actor>,
    actor: &AccessToken,
) -> Result<Actor, OAuthError> {
    // Nor may somebody act whom the client only steps in for.
    if actor.claims.client_id != client.id || actor.claims.sub != client.id {
        return Err(unacceptable("the actor token is not this client's own"));
    }
    if actor.claims.act.is_some() {
        return Err(unacceptable("the actor token is itself about somebody for whom another acts"));
    }
    let names = |party: &Party| party.sub == actor.claims.sub && party.iss.as_ref().is_none_or(|iss| *iss == config.issuer);
    if !may_act.is_some_and(names) {
        return Err(unacceptable("the subject token does not let this actor act"));
    }
    let party = Party { iss: None, sub: actor.claims.sub.clone() };
    let act = Actor { party, act: before.cloned().map(Box::new) };
    if act.chain().count() > MOST_ACTORS {
        return Err(unacceptable("too many have acted one for another"));
    }
    Ok(act)
}

/// Where the new token is for: as asked; else where the subject token is, as far as the client may reach that.
fn target(
    request: &ExchangeRequest,
    client: &Client,
    config: &Config,
    subject: &AccessToken,
    is_narrowing: bool,
) -> Result<Target, OAuthError> {
    let is_kept = |resource: &String| subject.claims.aud.iter().any(|kept| kept == resource);
    if is_narrowing && !request.resources.iter().all(is_kept) {
        return Err(OAuthError::new(Code::InvalidTarget, "the subject token is not for this resource"));
    }
    if !request.resources.is_empty() {
        return service_target(client, config, &request.resources);
    }
    let default = client.default_audience(config);
    let may_reach = |resource: &&str| *resource == default || client.metadata.resources.iter().any(|own| own == resource);
    let kept: Vec<String> = subject.claims.aud.iter().filter(may_reach).map(str::to_owned).collect();
    if is_narrowing && kept.is_empty() {
        return Err(OAuthError::new(Code::InvalidTarget, "the client may not reach the subject token's resources any more"));
    }
    service_target(client, config, &kept)
}

fn check_requested(
    request: &ExchangeRequest,
    client: &Client,
    subject: &AccessToken,
    scope: &Scope,
    kind: TokenKind,
    act: Option<&Actor>,
) -> Result<(), OAuthError> {
    let policy = client.metadata.token_exchange;
    let is_allowed = match request.requested {
        TokenType::AccessToken => true,
        // Where only introspection is to tell what it says, nobody gets it to read.
        TokenType::Jwt => kind.format == AccessTokenFormat::Jwt,
        // It is for the client itself, and says who signed in.
        TokenType::IdToken => policy.id_token && subject.is_of_user() && scope.contains("openid") && request.resources.is_empty(),
        // A grant of its own, which nobody acts in for another.
        TokenType::RefreshToken => {
            policy.refresh_token
                && subject.is_of_user()
                && scope.contains("offline_access")
                && act.is_none()
                && client.may_use(REFRESH_TOKEN)
        }
    };
    if is_allowed { Ok(()) } else { Err(unacceptable("requested_token_type is not to be had for this subject token and client")) }
}

/// The life that is left until an instant, in whole seconds.
pub fn remaining(ends_by: Timestamp, now: Timestamp) -> Seconds {
    Seconds(u32::try_from(ends_by.seconds() - now.seconds()).unwrap_or(0))
}

/// A subject or actor token that is no good, or not here (RFC 8693 2.2.2).
pub const fn unacceptable(detail: &'static str) -> OAuthError {
    OAuthError::new(Code::InvalidRequest, "the subject_token or actor_token is not acceptable here").because(detail)
}

const fn unsupported(name: &'static str) -> OAuthError {
    OAuthError::new(Code::InvalidRequest, "a token type is not supported").because(name)
}

#[cfg(test)]
mod tests;
