//! Clients: RFC 7591 metadata, checked once when a client is made and parsed when it is read.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::scope::Scope;
use super::secret::SecretHash;
use super::time::{Seconds, Timestamp};
use super::uri;

/// The device grant's type (RFC 8628 3.4).
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The refresh grant's type (RFC 6749 6).
pub const REFRESH_TOKEN: &str = "refresh_token";

/// How a client proves itself (RFC 7591 2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A public client: it only names itself.
    None,
    /// Secret in the `Authorization` header.
    ClientSecretBasic,
    /// Secret in the body.
    ClientSecretPost,
}

/// What a client is registered with. The member names are RFC 7591's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Name shown to users.
    pub client_name: String,
    /// Who is behind it, shown to users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// https URL of its logo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// https URL of its privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// https URL of its terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Grant types that it may use.
    pub grant_types: Vec<String>,
    /// How it authenticates.
    pub token_endpoint_auth_method: AuthMethod,
    /// Every scope that it may ask for.
    pub scope: Scope,
    /// Those of them that a user cannot leave out.
    #[serde(default = "default_required")]
    pub required_scope: Scope,
    /// Resources that it may reach (RFC 8707); the first is its default audience, none means the issuer.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Life of its access tokens in seconds; absent: the realm's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<Seconds>,
    /// A refresh token unused for so long (seconds) is over.
    #[serde(default = "default_idle")]
    pub refresh_idle_lifetime: Seconds,
    /// A grant is over so long (seconds) after it began.
    #[serde(default = "default_absolute")]
    pub refresh_absolute_lifetime: Seconds,
    /// So long (seconds) the previous refresh token is answered again with the current one.
    #[serde(default = "default_grace")]
    pub refresh_grace: Seconds,
    /// Whether the device gets `verification_uri_complete`.
    #[serde(default = "yes")]
    pub verification_uri_complete: bool,
    /// The approving user must have signed in within so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_max_auth_age: Option<Seconds>,
    /// Most device sign-ins of this client that may be open at once.
    #[serde(default = "default_live_flows")]
    pub device_live_flows: u32,
}

fn default_required() -> Scope {
    Scope::parse("openid offline_access").unwrap_or_default()
}
const fn default_idle() -> Seconds {
    Seconds(90 * 86_400)
}
const fn default_absolute() -> Seconds {
    Seconds(2 * 365 * 86_400)
}
const fn default_grace() -> Seconds {
    Seconds(60)
}
const fn yes() -> bool {
    true
}
const fn default_live_flows() -> u32 {
    10_000
}

/// A client secret as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredSecret {
    /// SHA-256 of the secret.
    pub sha256: SecretHash,
    /// When it stops working; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
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
}

impl Client {
    /// Whether a `client_id` has the right form: 1 to 128 unreserved characters.
    pub fn is_id(text: &str) -> bool {
        (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
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

    /// Life of its access tokens.
    pub fn access_token_lifetime(&self, config: &Config) -> Seconds {
        self.metadata.access_token_lifetime.unwrap_or(Seconds(config.settings.access_token_lifetime))
    }
}

impl Metadata {
    /// Everything that is wrong with it.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |good: bool, fault: &str| {
            if !good {
                faults.push(fault.to_owned());
            }
        };
        let public = self.token_endpoint_auth_method == AuthMethod::None;
        let name = self.client_name.trim();
        check(!name.is_empty() && name.chars().count() <= 100, "client_name: 1 to 100 characters");
        check(!self.client_name.chars().any(char::is_control), "client_name: no control characters");
        for (member, uri) in [("logo_uri", &self.logo_uri), ("policy_uri", &self.policy_uri), ("tos_uri", &self.tos_uri)] {
            check(uri.as_deref().is_none_or(uri::is_https), &format!("{member}: must be an https URL"));
        }
        for grant_type in &self.grant_types {
            check(
                [DEVICE_CODE, REFRESH_TOKEN].contains(&grant_type.as_str()),
                &format!("grant_types: {grant_type} is not supported"),
            );
        }
        check(!self.grant_types.is_empty(), "grant_types: at least one");
        check((1..=100).contains(&self.scope.iter().count()), "scope: 1 to 100");
        for resource in &self.resources {
            check(uri::is_resource(resource), &format!("resources: {resource} is not an absolute URI without fragment"));
        }
        check(
            self.access_token_lifetime.is_none_or(|life| (5..=3600).contains(&life.0)),
            "access_token_lifetime: 5 to 3600 seconds",
        );
        check((1..=5 * 365 * 86_400).contains(&self.refresh_idle_lifetime.0), "refresh_idle_lifetime: 1 second to 5 years");
        check(
            (1..=5 * 365 * 86_400).contains(&self.refresh_absolute_lifetime.0),
            "refresh_absolute_lifetime: 1 second to 5 years",
        );
        let most = if public { 60 } else { 86_400 };
        check(
            self.refresh_grace.0 <= most,
            "refresh_grace: at most 60 seconds for a public client, 86400 for one that authenticates",
        );
        check(self.device_max_auth_age.is_none_or(|age| age.0 > 0), "device_max_auth_age: at least 1 second");
        check((2..=100_000).contains(&self.device_live_flows), "device_live_flows: 2 to 100000");
        faults
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn client(json: &str) -> Client {
        let metadata: Metadata = serde_json::from_str(json).unwrap();
        assert_eq!(metadata.faults(), Vec::<String>::new());
        Client { id: "c".into(), metadata, secrets: Vec::new(), enabled: true, version: 1 }
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
