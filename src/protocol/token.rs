//! `POST /token`: RFC 6749 3.2, with the grants of RFC 6749 4.1.3, 4.4 and 6, RFC 8628 3.4, RFC 8693 and RFC 7523 2.1.

use serde::Serialize;

use super::client::{AUTHORIZATION_CODE, CLIENT_CREDENTIALS, Client, DEVICE_CODE, JWT_BEARER, REFRESH_TOKEN, TOKEN_EXCHANGE};
use super::config::Config;
use super::device_authorization::{resources, scope};
use super::error::{Code, OAuthError};
use super::exchange::ExchangeRequest;
use super::form::Form;
use super::resource::Target;
use super::scope::Scope;
use super::secret::Secret;
use super::time::Seconds;

/// A token request: one variant per grant, each with just its own parameters.
#[derive(Debug)]
pub enum TokenRequest {
    /// RFC 6749 4.1.3.
    AuthorizationCode {
        /// `code`, still sealed.
        code: Secret,
        /// `redirect_uri`, where the authorization request had one.
        redirect_uri: Option<String>,
        /// `code_verifier` (RFC 7636 4.5).
        verifier: Option<Secret>,
        /// Resources to narrow to (RFC 8707 2.2).
        resources: Vec<String>,
    },
    /// RFC 8628 3.4.
    DeviceCode {
        /// `device_code`, still sealed.
        device_code: Secret,
        /// Resources to narrow to (RFC 8707 2.2).
        resources: Vec<String>,
    },
    /// RFC 6749 6.
    RefreshToken {
        /// `refresh_token`, still sealed.
        refresh_token: Secret,
        /// Scope to narrow to.
        scope: Option<Scope>,
        /// Resources to narrow to.
        resources: Vec<String>,
    },
    /// RFC 6749 4.4.
    ClientCredentials {
        /// Scope wanted; all that the client may have, if it says nothing.
        scope: Option<Scope>,
        /// Resources (RFC 8707 2.2).
        resources: Vec<String>,
    },
    /// RFC 8693 2.1.
    TokenExchange(Box<ExchangeRequest>),
    /// RFC 7523 2.1.
    JwtBearer {
        /// `assertion`: a JWT of a trusted issuer.
        assertion: Secret,
        /// Scope wanted.
        scope: Option<Scope>,
        /// Resources (RFC 8707 2.2).
        resources: Vec<String>,
    },
}

impl TokenRequest {
    /// Parses the parameters beside the client's credentials.
    pub fn parse(form: &Form) -> Result<Self, OAuthError> {
        let secret = |name| form.require(name).map(|text| Secret::new(text.to_owned()));
        match form.require("grant_type")? {
            AUTHORIZATION_CODE => Ok(Self::AuthorizationCode {
                code: secret("code")?,
                redirect_uri: form.get("redirect_uri").map(str::to_owned),
                verifier: form.get("code_verifier").map(|verifier| Secret::new(verifier.to_owned())),
                resources: resources(form)?,
            }),
            DEVICE_CODE => Ok(Self::DeviceCode { device_code: secret("device_code")?, resources: resources(form)? }),
            REFRESH_TOKEN => Ok(Self::RefreshToken {
                refresh_token: secret("refresh_token")?,
                scope: scope(form)?,
                resources: resources(form)?,
            }),
            CLIENT_CREDENTIALS => Ok(Self::ClientCredentials { scope: scope(form)?, resources: resources(form)? }),
            TOKEN_EXCHANGE => ExchangeRequest::parse(form).map(Box::new).map(Self::TokenExchange),
            JWT_BEARER => {
                Ok(Self::JwtBearer { assertion: secret("assertion")?, scope: scope(form)?, resources: resources(form)? })
            }
            _ => Err(OAuthError::new(Code::UnsupportedGrantType, "no such grant type here")),
        }
    }
}

/// Whether the client is registered for a grant type.
pub fn check_grant_type(client: &Client, grant_type: &str) -> Result<(), OAuthError> {
    if client.may_use(grant_type) {
        Ok(())
    } else {
        Err(OAuthError::new(Code::UnauthorizedClient, "the client is not registered for this grant type"))
    }
}

/// The scope of the next access token: as asked, never more than is granted (RFC 6749 6).
pub fn narrowed_scope(granted: &Scope, asked: Option<&Scope>) -> Result<Scope, OAuthError> {
    match asked {
        None => Ok(granted.clone()),
        Some(asked) if asked.is_subset_of(granted) => Ok(asked.clone()),
        Some(_) => Err(OAuthError::new(Code::InvalidScope, "the scope is more than was granted")),
    }
}

/// Whom the next access token is for: the resources asked for, else those approved, else the
/// client's default; never one that was not approved, nor one that the client may not reach any more.
pub fn target(approved: &[String], asked: &[String], client: &Client, config: &Config) -> Result<Target, OAuthError> {
    let default = client.default_audience(config).to_owned();
    let reachable: Vec<String> = if approved.is_empty() {
        vec![default]
    } else {
        approved
            .iter()
            .filter(|resource| client.metadata.resources.contains(resource) || **resource == default)
            .cloned()
            .collect()
    };
    if reachable.is_empty() || !asked.iter().all(|resource| reachable.contains(resource)) {
        return Err(OAuthError::new(Code::InvalidTarget, "a resource was not approved or is not for this client any more"));
    }
    config.resources.target(if asked.is_empty() { reachable } else { asked.to_vec() }, client)
}

/// `token_type` of an access token (RFC 6750).
pub const BEARER: &str = "Bearer";

/// A successful answer (RFC 6749 5.1).
#[derive(Debug, Serialize)]
pub struct TokenResponse {
    /// The access token, or whatever an exchange issued (RFC 8693 2.2.1).
    pub access_token: String,
    /// `urn:ietf:params:oauth:token-type:..` of an exchanged token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
    /// `Bearer`, or `N_A` for what is not an access token (RFC 8693 2.2.1).
    pub token_type: &'static str,
    /// Its life in seconds.
    pub expires_in: u32,
    /// The next refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// What the access token is good for.
    pub scope: Scope,
    /// The ID token, when `openid` is granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

impl TokenResponse {
    /// An access token alone.
    pub const fn access(access_token: String, lifetime: Seconds, scope: Scope) -> Self {
        let (issued_token_type, refresh_token, id_token) = (None, None, None);
        Self { access_token, issued_token_type, token_type: BEARER, expires_in: lifetime.0, refresh_token, scope, id_token }
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::tests::{DEVICE, client};
    use super::super::config::tests::with;
    use super::*;

    fn parse(body: &str) -> Result<TokenRequest, Code> {
        TokenRequest::parse(&Form::parse(body.as_bytes()).unwrap()).map_err(|e| e.code)
    }

    #[test]
    fn grants_and_their_parameters() {
        assert!(matches!(
            parse("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=GmRh"),
            Ok(TokenRequest::DeviceCode { .. })
        ));
        assert!(matches!(parse("grant_type=refresh_token&refresh_token=tGzv"), Ok(TokenRequest::RefreshToken { .. })));
        assert_eq!(parse("").unwrap_err(), Code::InvalidRequest);
        assert_eq!(parse("grant_type=refresh_token").unwrap_err(), Code::InvalidRequest);
        assert_eq!(parse("grant_type=password&username=a&password=b").unwrap_err(), Code::UnsupportedGrantType);
    }

    #[test]
    fn scope_narrows_and_never_widens() {
        let granted = Scope::parse("a b").unwrap();
        let narrowed =
            |asked: &str| narrowed_scope(&granted, Scope::parse(asked).as_ref()).map(|s| s.to_string()).map_err(|e| e.code);
        assert_eq!(narrowed("b"), Ok("b".into()));
        assert_eq!(narrowed("b c"), Err(Code::InvalidScope));
        assert_eq!(narrowed_scope(&granted, None).unwrap(), granted);
    }

    #[test]
    fn audience_stays_within_what_was_approved() {
        let (config, mut client) = (with(&[]).unwrap(), client(DEVICE));
        client.metadata.resources = vec!["x:0".into(), "x:1".into(), "x:2".into()];
        let of = |approved: &[&str], asked: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
            target(&own(approved), &own(asked), &client, &config).map(|target| target.audience).map_err(|e| e.code)
        };
        assert_eq!(of(&[], &[]), Ok(vec!["x:0".to_owned()]));
        assert_eq!(of(&["x:1", "x:9"], &[]), Ok(vec!["x:1".to_owned()]), "x:9 was taken from the client");
        assert_eq!(of(&["x:9"], &[]), Err(Code::InvalidTarget));
        assert_eq!(of(&["x:1", "x:2"], &["x:2"]), Ok(vec!["x:2".to_owned()]));
        assert_eq!(of(&["x:1"], &["x:2"]), Err(Code::InvalidTarget));
        assert_eq!(of(&[], &["x:2"]), Err(Code::InvalidTarget));
    }
}
