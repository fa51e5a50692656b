//! Resources (RFC 8707) that the realm knows more about than a client's list of them: the `RESOURCES` setting.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::client::Client;
use super::client_metadata::AccessTokenFormat;
use super::config::Config;
use super::error::{Code, OAuthError};
use super::jose::Alg;
use super::json;
use super::uri;

/// What a resource wants of its access tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourcePolicy {
    /// What they look like; absent: what the client's look like.
    pub access_token_format: Option<AccessTokenFormat>,
    /// What signs them; absent: ES256.
    pub access_token_signing_alg: Option<Alg>,
}

/// All that is known, by resource indicator.
#[derive(Clone, Debug, Default)]
pub struct ResourceRegistry(BTreeMap<String, ResourcePolicy>);

/// What an access token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenKind {
    /// To everybody but us.
    pub format: AccessTokenFormat,
    /// What signs it, or the JWT that a resource server swaps an opaque one for.
    pub alg: Alg,
}

/// Whom an access token is for, and what it therefore looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Resources.
    pub audience: Vec<String>,
    /// What they want.
    pub kind: TokenKind,
}

impl ResourceRegistry {
    /// Parses the setting: a JSON object of policies by resource.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let policies: BTreeMap<String, ResourcePolicy> =
            json::read(text.as_bytes()).map_err(|error| vec![format!("RESOURCES: {error}")])?;
        let faults: Vec<String> = policies
            .keys()
            .filter(|resource| !uri::is_resource(resource))
            .map(|resource| format!("RESOURCES: {resource:?} is not an absolute URI without fragment"))
            .collect();
        if faults.is_empty() { Ok(Self(policies)) } else { Err(faults) }
    }

    /// The target of a token of this client for these resources. One wish for an opaque token is enough; two
    /// algorithms cannot be in one signature.
    pub fn target(&self, audience: Vec<String>, client: &Client) -> Result<Target, OAuthError> {
        let policies: Vec<Option<&ResourcePolicy>> = audience.iter().map(|resource| self.0.get(resource)).collect();
        let format = |policy: Option<&ResourcePolicy>| {
            policy.and_then(|policy| policy.access_token_format).unwrap_or(client.metadata.access_token_format)
        };
        let format = if policies.iter().copied().map(format).any(|format| format == AccessTokenFormat::Opaque) {
            AccessTokenFormat::Opaque
        } else {
            AccessTokenFormat::Jwt
        };
        let mut algs = policies.iter().map(|policy| alg(*policy));
        let first = algs.next().unwrap_or(Alg::ES256);
        if algs.any(|alg| alg != first) {
            return Err(OAuthError::new(Code::InvalidTarget, "these resources want tokens of different algorithms: ask for one"));
        }
        Ok(Target { audience, kind: TokenKind { format, alg: first } })
    }

    /// What signs the JWT for a resource.
    pub fn alg(&self, resource: &str) -> Alg {
        alg(self.0.get(resource))
    }

    /// Everything that may have to sign an access token of this client.
    pub fn algs(&self, client: &Client, config: &Config) -> BTreeSet<Alg> {
        let resources = client.metadata.resources.iter().map(String::as_str).chain([client.default_audience(config)]);
        resources.map(|resource| self.alg(resource)).collect()
    }
}

fn alg(policy: Option<&ResourcePolicy>) -> Alg {
    policy.and_then(|policy| policy.access_token_signing_alg).unwrap_or(Alg::ES256)
}

#[cfg(test)]
mod tests {
    use super::super::client::tests::{DEVICE, client};
    use super::*;
    use AccessTokenFormat::{Jwt, Opaque};

    const JSON: &str = r#"{"https://a.example": {"access_token_format": "opaque"}, "https://b.example": {"access_token_signing_alg": "RS256"},
        "https://c.example": {"access_token_format": "jwt", "access_token_signing_alg": "ES256"}}"#;

    #[test]
    fn a_resource_says_more_than_the_client() {
        let registry = ResourceRegistry::parse(JSON).unwrap();
        let mut client = client(DEVICE);
        let of = |client: &Client, names: &[&str]| {
            let audience = names.iter().map(|name| format!("https://{name}.example")).collect();
            registry.target(audience, client).map(|target| (target.kind.format, target.kind.alg)).map_err(|error| error.code)
        };
        assert_eq!(of(&client, &["x"]), Ok((Jwt, Alg::ES256)));
        assert_eq!(of(&client, &["a"]), Ok((Opaque, Alg::ES256)));
        assert_eq!(of(&client, &["b"]), Ok((Jwt, Alg::RS256)));
        assert_eq!(of(&client, &["c", "a"]), Ok((Opaque, Alg::ES256)), "one wish is enough");
        assert_eq!(of(&client, &["b", "c"]), Err(Code::InvalidTarget));
        client.metadata.access_token_format = Opaque;
        assert_eq!(of(&client, &["x"]), Ok((Opaque, Alg::ES256)));
        assert_eq!(of(&client, &["c"]), Ok((Jwt, Alg::ES256)));
    }

    #[test]
    fn faults() {
        assert!(ResourceRegistry::parse("{}").is_ok());
        for bad in [
            "[]",
            "{",
            r#"{"not a uri": {}}"#,
            r#"{"https://a.example#f": {}}"#,
            r#"{"https://a.example": {"format": "opaque"}}"#,
            r#"{"https://a.example": {"access_token_signing_alg": "none"}}"#,
        ] {
            assert!(ResourceRegistry::parse(bad).is_err(), "{bad}");
        }
    }
}
