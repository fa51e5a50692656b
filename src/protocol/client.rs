//! Clients: RFC 7591 metadata, checked once when a client is made and parsed when it is read.

use serde::{Deserialize, Serialize};

pub use super::client_metadata::{AuthMethod, Metadata};
use super::config::Config;
use super::redirect;
use super::scope::Scope;
use super::secret::SecretHash;
use super::time::{Seconds, Timestamp};
use super::uri;

/// The device grant's type (RFC 8628 3.4).
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The refresh grant's type (RFC 6749 6).
pub const REFRESH_TOKEN: &str = "refresh_token";
/// The authorization code grant's type (RFC 6749 4.1).
pub const AUTHORIZATION_CODE: &str = "authorization_code";
/// The client credentials grant's type (RFC 6749 4.4).
pub const CLIENT_CREDENTIALS: &str = "client_credentials";
/// Token exchange (RFC 8693 2.1).
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The JWT bearer grant's type (RFC 7523 2.1).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// All grant types.
pub const GRANT_TYPES: [&str; 6] =
    [AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE, CLIENT_CREDENTIALS, TOKEN_EXCHANGE, JWT_BEARER];

/// A client secret as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredSecret {
    /// SHA-256 of the secret.
    pub sha256: SecretHash,
    /// When it stops working; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Who made a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The realm's operator.
    Operator,
    /// Its own registration (RFC 7591).
    Registration,
    /// A client ID metadata document: its id is the document's URL.
    Document,
}

/// A client as it is known right now.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// What it is registered with.
    pub metadata: Metadata,
    /// Its live secrets; two while one is being replaced.
    pub secrets: Vec<StoredSecret>,
    /// The administrator's switch.
    pub enabled: bool,
    /// Counts changes, so that a decision made on a cached copy holds only if nothing changed.
    pub version: i64,
    /// Who made it.
    pub origin: Origin,
}

impl Client {
    /// Whether a `client_id` has the right form: 1 to 128 unreserved characters, or the https URL of a
    /// client ID metadata document.
    pub fn is_id(text: &str) -> bool {
        let is_plain = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        is_plain || Self::is_document_id(text)
    }

    /// Whether a `client_id` is the URL of a client ID metadata document: https (http on a loopback host,
    /// which only `OUTBOUND_ALLOW` lets us reach), with a path, and nothing that could be written in two ways.
    pub fn is_document_id(text: &str) -> bool {
        let path = text.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
        text.len() <= 512
            && uri::is_outbound(text)
            && !text.contains('%')
            && path.is_some_and(|path| path.len() > 1 && path.split('/').all(|segment| segment != "." && segment != ".."))
    }

    /// Whether it keeps no secret that tells it from others: a client without authentication.
    pub fn is_public(&self) -> bool {
        self.metadata.token_endpoint_auth_method == AuthMethod::None
    }

    /// Whether an authorization request of it must carry a code challenge: always for a public client.
    pub fn requires_pkce(&self) -> bool {
        self.is_public() || self.metadata.require_pkce
    }

    /// Whether an answer of the authorization endpoint may go to this URI.
    pub fn has_redirect_uri(&self, uri: &str) -> bool {
        let metadata = &self.metadata;
        metadata.redirect_uris.iter().any(|registered| redirect::matches(registered, uri, metadata.application_type))
    }

    /// Whether this is the origin of one of its redirect URIs.
    pub fn has_origin(&self, origin: &str) -> bool {
        self.metadata.redirect_uris.iter().any(|uri| uri::origin(uri) == Some(origin))
    }

    /// Whether it is registered for a grant type.
    pub fn may_use(&self, grant_type: &str) -> bool {
        self.metadata.grant_types.iter().any(|g| g == grant_type)
    }

    /// What it may have of the realm's scopes by this grant type right now.
    pub fn allowed_scope(&self, config: &Config, grant_type: &str) -> Scope {
        self.metadata.scope.filter(|scope| config.scopes.allows(scope, grant_type))
    }

    /// Audience of its tokens when it asks for none.
    pub fn default_audience<'a>(&'a self, config: &'a Config) -> &'a str {
        self.metadata.resources.first().unwrap_or(&config.issuer)
    }

    /// Whether it is the server of one of these resources.
    pub fn protects<'a>(&self, mut resources: impl Iterator<Item = &'a str>, config: &Config) -> bool {
        let own = &self.metadata.protected_resources;
        resources.any(|resource| own.iter().any(|own| own == resource || (own == "/" && resource == config.issuer)))
    }

    /// Life of its access tokens.
    pub fn access_token_lifetime(&self, config: &Config) -> Seconds {
        self.metadata.access_token_lifetime.unwrap_or(Seconds(config.settings.access_token_lifetime))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn client(json: &str) -> Client {
        let metadata: Metadata = serde_json::from_str(json).unwrap();
        assert_eq!(metadata.faults(), Vec::<String>::new());
        Client { id: "c".into(), metadata, secrets: Vec::new(), enabled: true, version: 1, origin: Origin::Operator }
    }

    pub const DEVICE: &str = r#"{"client_name":"Demo","grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"],
        "token_endpoint_auth_method":"none","scope":"openid profile records:read"}"#;

    #[test]
    fn stored_format_is_pinned() {
        let stored = serde_json::to_string(&client(DEVICE).metadata).unwrap();
        assert_eq!(
            stored,
            "{\"client_name\":\"Demo\",\"grant_types\":[\"urn:ietf:params:oauth:grant-type:device_code\",\"refresh_token\"],\
             \"token_endpoint_auth_method\":\"none\",\"scope\":\"openid profile records:read\",\"required_scope\":\"openid offline_access\",\
             \"resources\":[],\"refresh_idle_lifetime\":7776000,\"refresh_absolute_lifetime\":63072000,\"refresh_grace\":60,\
             \"verification_uri_complete\":true,\"device_live_flows\":10000}"
        );
    }

    #[test]
    fn faults_are_all_listed() {
        let mut metadata = client(DEVICE).metadata;
        metadata.client_name = " ".into();
        metadata.logo_uri = Some("http://x/".into());
        metadata.grant_types = vec!["password".into()];
        metadata.resources = vec!["x#y".into()];
        metadata.refresh_grace = Seconds(61);
        assert_eq!(metadata.faults().len(), 5, "{:?}", metadata.faults());
        metadata.token_endpoint_auth_method = AuthMethod::ClientSecretBasic;
        assert_eq!(metadata.faults().len(), 4, "a client that authenticates may have a longer grace");
    }

    #[test]
    fn ids() {
        assert!(Client::is_id("demo-device"));
        for bad in ["", "a b", "a'b", "\u{e9}", &"x".repeat(129)] {
            assert!(!Client::is_id(bad), "{bad}");
        }
    }
}
