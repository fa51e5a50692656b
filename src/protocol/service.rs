//! What a client gets for itself: the client credentials grant (RFC 6749 4.4), and trust rules that yield a
//! service account.

use serde_json::Map;

use super::access_token::AccessToken;
use super::claims::{AccessClaims, Actor, Party};
use super::client::Client;
use super::config::{Config, STANDARD_SCOPES};
use super::error::{Code, OAuthError};
use super::resource::Target;
use super::scope::Scope;
use super::time::{Seconds, Timestamp};

/// A decided token of a client for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnToken {
    /// What it is good for.
    pub scope: Scope,
    /// Whom it is for.
    pub target: Target,
}

/// What a client may have for itself by this grant type: what it asks for, else all that it is registered with,
/// within `bounds` where a rule sets them. Scopes about a user are never in it.
pub fn own_token(
    client: &Client,
    config: &Config,
    grant_type: &str,
    bounds: Option<&Scope>,
    scope: Option<&Scope>,
    resources: &[String],
) -> Result<OwnToken, OAuthError> {
    let is_within = |scope: &str| !STANDARD_SCOPES.contains(&scope) && bounds.is_none_or(|bounds| bounds.contains(scope));
    let allowed = client.allowed_scope(config, grant_type).filter(is_within);
    let scope = scope.unwrap_or(&allowed);
    if scope.is_empty() || !scope.is_subset_of(&allowed) {
        return Err(OAuthError::new(Code::InvalidScope, "a scope is unknown or not for this client and grant type"));
    }
    Ok(OwnToken { scope: scope.clone(), target: service_target(client, config, resources)? })
}

/// The resources asked for, as far as the client may reach them; without any its default audience.
pub fn service_target(client: &Client, config: &Config, asked: &[String]) -> Result<Target, OAuthError> {
    let default = client.default_audience(config);
    if !asked.iter().all(|resource| resource == default || client.metadata.resources.contains(resource)) {
        return Err(OAuthError::new(Code::InvalidTarget, "a resource is unknown or not for this client"));
    }
    let audience = if asked.is_empty() { vec![default.to_owned()] } else { asked.to_vec() };
    config.resources.target(audience, client)
}

/// Who a token is about and what they are, where no user of this realm signed in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSubject {
    /// `sub`.
    pub sub: String,
    /// `roles`.
    pub roles: Vec<String>,
    /// Who acts for them.
    pub act: Option<Actor>,
}

/// The token that a client gets for itself or for somebody of a trusted issuer. `jti` is random.
pub fn service_token(
    client: &Client,
    config: &Config,
    subject: ServiceSubject,
    own: &OwnToken,
    jti: String,
    [now, exp]: [Timestamp; 2],
) -> AccessToken {
    let is_itself = subject.sub == client.id;
    let claims = AccessClaims {
        iss: config.issuer.clone(),
        sub: subject.sub,
        aud: own.target.audience.clone().into(),
        client_id: client.id.clone(),
        scope: own.scope.clone(),
        jti,
        auth_time: None,
        acr: None,
        amr: Vec::new(),
        sid: None,
        roles: subject.roles,
        act: subject.act,
        may_act: may_act(client),
        more: if is_itself { client.metadata.access_token_claims.clone() } else { Map::new() },
    };
    AccessToken { claims, iat: now, exp }
}

/// Who may act for the subject of this client's tokens.
pub fn may_act(client: &Client) -> Option<Party> {
    client.metadata.may_act.clone().map(|sub| Party { iss: None, sub })
}

/// `lifetime` less up to a tenth, by a random draw, so that what was started together spreads.
pub const fn jittered(lifetime: Seconds, draw: u8) -> Seconds {
    Seconds(lifetime.0 - lifetime.0 * draw as u32 / 2560)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::client::CLIENT_CREDENTIALS;
    use super::super::client::tests::client;
    use super::super::config::tests::with;
    use super::*;

    const SERVICE: &str = r#"{"client_name":"Service","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic",
        "scope":"openid records:read records:write latchkey:other","resources":["https://a.example","https://b.example"],
        "access_token_claims":{"tenant":7},"may_act":"gate"}"#;

    fn own(bounds: Option<&str>, scope: Option<&str>, resources: &[&str]) -> Result<(String, Vec<String>), Code> {
        let scopes = r#"{"records:read":{"title":"r"},"records:write":{"title":"w","grant_types":["client_credentials"]},"latchkey:other":{"title":"a"}}"#;
        let config = with(&[("SCOPES", scopes)]).unwrap();
        let parse = |text: &str| Scope::parse(text).unwrap();
        let resources: Vec<String> = resources.iter().map(|resource| (*resource).to_owned()).collect();
        let (bounds, scope) = (bounds.map(parse), scope.map(parse));
        let own = own_token(&client(SERVICE), &config, CLIENT_CREDENTIALS, bounds.as_ref(), scope.as_ref(), &resources);
        own.map(|own| (own.scope.to_string(), own.target.audience)).map_err(|error| error.code)
    }

    #[test]
    fn what_a_client_gets_for_itself() {
        let a = vec!["https://a.example".to_owned()];
        assert_eq!(
            own(None, None, &[]),
            Ok(("records:read records:write".into(), a.clone())),
            "no user's scopes, and no administration that the setting does not list for services"
        );
        assert_eq!(own(None, Some("records:write"), &[]), Ok(("records:write".into(), a.clone())));
        assert_eq!(own(Some("records:read"), None, &[]), Ok(("records:read".into(), a)));
        assert_eq!(
            own(None, None, &["https://b.example"]),
            Ok(("records:read records:write".into(), vec!["https://b.example".into()]))
        );
        for bad in ["openid", "records:read openid", "latchkey:other", "other"] {
            assert_eq!(own(None, Some(bad), &[]), Err(Code::InvalidScope), "{bad}");
        }
        assert_eq!(own(Some("records:read"), Some("records:write"), &[]), Err(Code::InvalidScope));
        assert_eq!(own(Some("openid"), None, &[]), Err(Code::InvalidScope));
        assert_eq!(own(None, None, &["https://c.example"]), Err(Code::InvalidTarget));
    }

    #[test]
    fn the_operators_claims_are_about_the_client_alone() {
        let (config, client) = (with(&[]).unwrap(), client(SERVICE));
        let kind = config.resources.target(vec!["https://a.example".into()], &client).unwrap();
        let own = OwnToken { scope: Scope::parse("records:read").unwrap(), target: kind };
        let at = [Timestamp::from_millis(0), Timestamp::from_millis(600_000)];
        let of = |sub: &str| {
            let subject = ServiceSubject { sub: sub.to_owned(), roles: Vec::new(), act: None };
            serde_json::to_value(service_token(&client, &config, subject, &own, "j".into(), at).claims).unwrap()
        };
        assert_eq!(
            of("c"),
            json!({"iss": "https://id.example", "sub": "c", "aud": "https://a.example", "client_id": "c", "scope": "records:read",
                "jti": "j", "may_act": {"sub": "gate"}, "tenant": 7})
        );
        assert_eq!(of("somebody").get("tenant"), None);
    }
}
