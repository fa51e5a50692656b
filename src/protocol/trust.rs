//! Issuers outside of this realm whose tokens are taken (RFC 7523 3, RFC 8693 2.1): CI platforms, clusters,
//! OpenID providers, other realms.
//!
//! The operator writes down the issuer, where its keys are, what its tokens must be like, and rules. A rule
//! says which claims a token must have and what it is worth here. The first rule that matches counts.
//!
//! Everything that a rule has makes it match less: conditions are joined by "and", none can be satisfied by a
//! claim that is not there, and what a rule says about age, life, audience and single use may only be
//! stricter than what the issuer's settings say. So the settings can be read alone as what holds for all of
//! the issuer's tokens, and a change of one rule never loosens another.

mod evaluate;
mod explain;
pub mod glob;
mod presets;
mod rules;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use evaluate::{Accepted, Asking, Refused, Token, Why};
pub use explain::{Account, Check, RuleAccount};
pub use presets::Preset;
pub use rules::{Match, Roles, Rule, Whose, Yields};

use super::client_keys::set_fault;
use super::jose::Alg;
use super::time::Seconds;
use super::uri;

/// Most remaining life of a token where the operator says nothing.
const DEFAULT_MAX_LIFE: Seconds = Seconds(3600);
/// Most that it, and the age, may be set to.
const MOST_SECONDS: u32 = 86_400;
/// Longest issuer, in bytes.
const LONGEST_ISSUER: usize = 512;

/// An issuer as it is known right now.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustedIssuer {
    /// `iss` of its tokens.
    pub issuer: String,
    /// What the operator says about it.
    pub settings: Settings,
    /// The administrator's switch.
    pub enabled: bool,
    /// Counts changes.
    pub version: i64,
}

/// What the operator says about an issuer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What kind of issuer it is, which decides the defaults and what a rule must pin.
    pub preset: Preset,
    /// Its public keys: a JWK Set. Without this and `jwks_uri` they are found by discovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where its JWK Set is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Algorithms that its tokens may be signed by; absent: the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algs: Option<Vec<Alg>>,
    /// The `typ` that its tokens must have; absent: the preset's, which may be none or `JWT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// One of these must be in `aud`; absent: our own issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<String>>,
    /// Seconds since `iat` up to which a token is taken; absent: any, and `iat` may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Seconds>,
    /// Seconds that a token may live on at most; absent: an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_life: Option<Seconds>,
    /// Whether a token is taken once only, by its `jti`; absent: as the preset has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub single_use: Option<bool>,
    /// What its tokens are worth here. The first that matches counts.
    pub rules: Vec<Rule>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq)]
pub enum Keys<'a> {
    /// Here.
    Inline(&'a Value),
    /// At this URL.
    Uri(&'a str),
    /// Where the metadata at this URL says (OpenID Connect Discovery 4). Its `issuer` must be the issuer.
    Discovery(String),
}

impl TrustedIssuer {
    /// Whether this can be an issuer: https (http on a loopback host, which only `OUTBOUND_ALLOW` lets us
    /// reach), with or without a path, without query and fragment (OpenID Connect Discovery 3).
    pub fn is_issuer(text: &str) -> bool {
        text.len() <= LONGEST_ISSUER && uri::is_outbound(text) && !text.contains('?')
    }

    /// Where its keys are.
    pub fn keys(&self) -> Keys<'_> {
        match (&self.settings.jwks, &self.settings.jwks_uri) {
            (Some(set), _) => Keys::Inline(set),
            (None, Some(uri)) => Keys::Uri(uri),
            // Discovery 4.1: a slash at the end goes first.
            (None, None) => Keys::Discovery(format!(
                "{}/.well-known/openid-configuration",
                self.issuer.strip_suffix('/').unwrap_or(&self.issuer)
            )),
        }
    }
}

/// Whether this can be the name of a claim, or a JSON pointer into the claims.
fn is_claim_name(name: &str) -> bool {
    // RFC 6901 3: a tilde is `~0` and a slash in a name `~1`.
    let is_escaped = |token: &str| token.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    let is_pointer = |path: &str| path.split('/').count() <= 8 && path.split('/').all(is_escaped);
    (1..=200).contains(&name.len()) && !name.chars().any(char::is_control) && name.strip_prefix('/').is_none_or(is_pointer)
}

impl Settings {
    fn algs(&self) -> &[Alg] {
        self.algs.as_deref().unwrap_or(self.preset.algs())
    }

    fn typ(&self) -> Option<&str> {
        self.typ.as_deref().or(self.preset.typ())
    }

    fn max_life(&self) -> Seconds {
        self.max_life.unwrap_or(DEFAULT_MAX_LIFE)
    }

    fn single_use(&self) -> bool {
        self.single_use.unwrap_or(self.preset.single_use())
    }

    /// Everything that is wrong with the settings of this issuer.
    pub fn check(&self, issuer: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut that = |good: bool, fault: &str| {
            if !good {
                faults.push(fault.to_owned());
            }
        };
        that(TrustedIssuer::is_issuer(issuer), "issuer: must be an https URL without query and fragment");
        that(self.jwks.is_none() || self.jwks_uri.is_none(), "jwks: jwks and jwks_uri exclude each other");
        if let Some(fault) = self.jwks.as_ref().and_then(set_fault) {
            that(false, &format!("jwks: {fault}"));
        }
        that(self.jwks_uri.as_deref().is_none_or(uri::is_outbound), "jwks_uri: must be an https URL");
        that(!self.algs().is_empty(), "algs: at least one");
        let is_typ = |typ: &str| {
            (1..=64).contains(&typ.len())
                && !typ.starts_with("application/")
                && typ.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase())
        };
        that(self.typ.as_deref().is_none_or(is_typ), "typ: a media type in lower case without application/");
        let is_audience = |audience: &String| (1..=512).contains(&audience.len()) && !audience.chars().any(char::is_control);
        let audiences = self.audiences.as_deref();
        that(
            audiences.is_none_or(|audiences| (1..=20).contains(&audiences.len()) && audiences.iter().all(is_audience)),
            "audiences: 1 to 20 texts of at most 512 bytes",
        );
        let is_span = |span: Option<Seconds>| span.is_none_or(|span| (1..=MOST_SECONDS).contains(&span.0));
        that(is_span(self.max_age), "max_age: 1 to 86400 seconds");
        that(is_span(self.max_life), "max_life: 1 to 86400 seconds");
        that((1..=100).contains(&self.rules.len()), "rules: 1 to 100");
        for (place, rule) in self.rules.iter().enumerate() {
            if self.rules.iter().take(place).any(|earlier| earlier.id == rule.id) {
                that(false, &format!("rules: two are called {:?}", rule.id));
            }
            for fault in rule.faults(self) {
                that(false, &format!("rules: {}: {fault}", rule.id));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests;
