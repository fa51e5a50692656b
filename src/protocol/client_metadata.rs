//! Client metadata: RFC 7591, OpenID Connect Registration and Logout, and our own members. Checked once
//! when a client is made and parsed when it is read.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claims::RESERVED;
use super::client::{AUTHORIZATION_CODE, CLIENT_CREDENTIALS, Client, GRANT_TYPES, TOKEN_EXCHANGE};
use super::jose::Alg;
use super::jwe::{ContentEnc, KeyAlg};
use super::redirect;
use super::scope::Scope;
use super::time::Seconds;
use super::uri;

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
    /// A JWT signed by a key of the client (RFC 7523 2.2).
    PrivateKeyJwt,
}

/// What runs the client (OpenID Connect Registration 2, `application_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    /// A server, or a script from one.
    #[default]
    Web,
    /// An app on the user's device (RFC 8252).
    Native,
}

/// Which subject a client sees (OpenID Connect Core 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    /// The same as everybody.
    #[default]
    Public,
    /// One of its own, by sector.
    Pairwise,
}

/// What access tokens look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessTokenFormat {
    /// A JWT (RFC 9068), which resource servers read themselves.
    #[default]
    Jwt,
    /// Opaque to everybody: resource servers introspect it.
    Opaque,
}

/// What a client may do by token exchange (RFC 8693) beside delegation, which the subject token's `may_act`
/// allows, and narrowing its own tokens, which everybody may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExchangePolicy {
    /// Whether it may take the place of the subject of a token that it was sent, without being named as actor.
    pub impersonation: bool,
    /// Whether it may ask for an ID token.
    pub id_token: bool,
    /// Whether it may ask for a refresh token, where the subject allowed offline access.
    pub refresh_token: bool,
}

/// What a client is registered with. The member names are RFC 7591's and OpenID Connect's where they have one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the members are the RFCs'")]
pub struct Metadata {
    /// Name shown to users.
    pub client_name: String,
    /// Who is behind it, shown to users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// https URL of its logo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// https URL of its home page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// https URL of its privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// https URL of its terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Whom to ask about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// Grant types that it may use.
    pub grant_types: Vec<String>,
    /// `code` alone, where it uses the authorization code grant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_types: Vec<String>,
    /// What runs it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub application_type: ApplicationType,
    /// Where answers of the authorization endpoint may go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// Where a browser may go after it signed out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// How it authenticates.
    pub token_endpoint_auth_method: AuthMethod,
    /// The algorithm of its assertions; absent: any that we know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<Alg>,
    /// Whether its assertions may name an endpoint as audience in place of the issuer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub endpoint_audience: bool,
    /// Its public keys: a JWK Set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where its JWK Set is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Every scope that it may ask for.
    pub scope: Scope,
    /// Those of them that a user cannot leave out.
    #[serde(default = "default_required")]
    pub required_scope: Scope,
    /// First-party: users are not asked for consent, for the operator gave it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skip_consent: bool,
    /// Whether its authorization requests must carry a code challenge; public clients' always must.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub require_pkce: bool,
    /// Whether it must push its authorization requests (RFC 9126 6).
    #[serde(default, skip_serializing_if = "is_default")]
    pub require_pushed_authorization_requests: bool,
    /// Whether its authorization requests must be signed (RFC 9101 10.5).
    #[serde(default, skip_serializing_if = "is_default")]
    pub require_signed_request_object: bool,
    /// The algorithm of its request objects; absent: any that we know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<Alg>,
    /// Where its request objects may be fetched from (OpenID Connect Core 6.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<String>,
    /// Which subject it sees.
    #[serde(default, skip_serializing_if = "is_default")]
    pub subject_type: SubjectType,
    /// A JSON array of all redirect URIs of its sector (OpenID Connect Core 8.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// Algorithm of its ID tokens and logout tokens; absent: RS256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<Alg>,
    /// How the key of its encrypted ID tokens is agreed on; absent: they are signed only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_alg: Option<KeyAlg>,
    /// How they are encrypted; needed beside the former.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_enc: Option<ContentEnc>,
    /// Algorithm of its userinfo answers; absent: plain JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<Alg>,
    /// `max_age` where a request has none, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<Seconds>,
    /// Whether its ID tokens must have `auth_time`; they always do.
    #[serde(default, skip_serializing_if = "is_default")]
    pub require_auth_time: bool,
    /// `acr_values` where a request has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_acr_values: Vec<String>,
    /// Where a third party may start a sign-in at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// Where it wants to hear that a session ended (OpenID Connect Back-Channel Logout 2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether its logout tokens must have `sid`; they always do where a session ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub backchannel_logout_session_required: bool,
    /// Identifier of its software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// Version of its software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Resources that it may reach (RFC 8707); the first is its default audience, none means the issuer.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Resources that it is the server of (RFC 9728): it may introspect tokens for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected_resources: Vec<String>,
    /// Algorithm of its signed introspection answers (RFC 9701 6); absent: RS256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_signed_response_alg: Option<Alg>,
    /// How the key of its encrypted introspection answers is agreed on; absent: they are signed only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_encrypted_response_alg: Option<KeyAlg>,
    /// How they are encrypted; needed beside the former.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_encrypted_response_enc: Option<ContentEnc>,
    /// What its access tokens look like, where their resource does not say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub access_token_format: AccessTokenFormat,
    /// Claims of the access tokens that it gets for itself, by the client credentials grant or a trust rule.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub access_token_claims: Map<String, Value>,
    /// The client that may act for the subject of this one's access tokens (RFC 8693 4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_act: Option<String>,
    /// What it may ask for by token exchange beside delegation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub token_exchange: ExchangePolicy,
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
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_yes(value: &bool) -> bool {
    *value
}
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
const fn default_live_flows() -> u32 {
    10_000
}

/// What `check` says about one member.
#[derive(Debug)]
pub struct Fault {
    /// The member.
    pub member: &'static str,
    /// What it should be.
    pub rule: &'static str,
    /// The one of its values that is not; empty where it is the whole.
    pub value: String,
}

/// Collects faults.
struct Check(Vec<Fault>);

impl Check {
    fn that(&mut self, good: bool, member: &'static str, rule: &'static str) {
        if !good {
            self.0.push(Fault { member, rule, value: String::new() });
        }
    }

    fn each(&mut self, values: &[String], is_good: impl Fn(&str) -> bool, member: &'static str, rule: &'static str) {
        let bad = values.iter().filter(|value| !is_good(value));
        self.0.extend(bad.map(|value| Fault { member, rule, value: value.clone() }));
    }
}

impl Metadata {
    /// The names of all members.
    pub const MEMBERS: &[&str] = &[
        "client_name",
        "publisher",
        "logo_uri",
        "client_uri",
        "policy_uri",
        "tos_uri",
        "contacts",
        "grant_types",
        "response_types",
        "application_type",
        "redirect_uris",
        "post_logout_redirect_uris",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        "endpoint_audience",
        "jwks",
        "jwks_uri",
        "scope",
        "required_scope",
        "skip_consent",
        "require_pkce",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
        "request_object_signing_alg",
        "request_uris",
        "subject_type",
        "sector_identifier_uri",
        "id_token_signed_response_alg",
        "id_token_encrypted_response_alg",
        "id_token_encrypted_response_enc",
        "userinfo_signed_response_alg",
        "default_max_age",
        "require_auth_time",
        "default_acr_values",
        "initiate_login_uri",
        "backchannel_logout_uri",
        "backchannel_logout_session_required",
        "software_id",
        "software_version",
        "resources",
        "protected_resources",
        "introspection_signed_response_alg",
        "introspection_encrypted_response_alg",
        "introspection_encrypted_response_enc",
        "access_token_format",
        "access_token_claims",
        "may_act",
        "token_exchange",
        "access_token_lifetime",
        "refresh_idle_lifetime",
        "refresh_absolute_lifetime",
        "refresh_grace",
        "verification_uri_complete",
        "device_max_auth_age",
        "device_live_flows",
    ];

    /// Everything that is wrong with it, in words.
    pub fn faults(&self) -> Vec<String> {
        let words = |fault: Fault| match fault.value.as_str() {
            "" => format!("{}: {}", fault.member, fault.rule),
            value => format!("{}: {value}: {}", fault.member, fault.rule),
        };
        self.check().into_iter().map(words).collect()
    }

    /// Everything that is wrong with it, by member.
    pub fn check(&self) -> Vec<Fault> {
        let mut check = Check(Vec::new());
        self.check_display(&mut check);
        self.check_web(&mut check);
        self.check_keys(&mut check);
        self.check_policy(&mut check);
        check.0
    }

    fn check_display(&self, check: &mut Check) {
        let name = self.client_name.trim();
        check.that(!name.is_empty() && name.chars().count() <= 100, "client_name", "1 to 100 characters");
        let is_hidden = |c: char| c.is_control() || is_invisible(c);
        check.that(!self.client_name.chars().any(is_hidden), "client_name", "no control characters or invisible ones");
        for (member, uri) in [
            ("logo_uri", &self.logo_uri),
            ("client_uri", &self.client_uri),
            ("policy_uri", &self.policy_uri),
            ("tos_uri", &self.tos_uri),
            ("initiate_login_uri", &self.initiate_login_uri),
        ] {
            check.that(uri.as_deref().is_none_or(uri::is_https), member, "must be an https URL");
        }
        check.that(
            self.contacts.len() <= 10 && self.contacts.iter().all(|c| is_short_text(c)),
            "contacts",
            "at most 10 short texts",
        );
        for (member, text) in [("software_id", &self.software_id), ("software_version", &self.software_version)] {
            check.that(text.as_deref().is_none_or(is_short_text), member, "1 to 254 characters");
        }
    }

    fn check_web(&self, check: &mut Check) {
        let uses_code = self.grant_types.iter().any(|grant_type| grant_type == AUTHORIZATION_CODE);
        let is_known = |grant_type: &str| GRANT_TYPES.contains(&grant_type);
        check.each(&self.grant_types, is_known, "grant_types", "not a grant type that is supported");
        check.that(!self.grant_types.is_empty(), "grant_types", "at least one");
        check.that(self.response_types.iter().all(|r| r == "code"), "response_types", "only code is supported");
        check.that(uses_code || self.response_types.is_empty(), "response_types", "code needs the grant type authorization_code");
        check.that(!uses_code || !self.redirect_uris.is_empty(), "redirect_uris", "the grant type authorization_code needs one");
        let is_registrable = |uri: &str| redirect::is_registrable(uri, self.application_type);
        for (member, uris) in
            [("redirect_uris", &self.redirect_uris), ("post_logout_redirect_uris", &self.post_logout_redirect_uris)]
        {
            check.that(uris.len() <= 50, member, "at most 50");
            check.each(uris, is_registrable, member, "https, http on a loopback host or a native app's own scheme; no fragment");
        }
        let is_request_uri = |uri: &str| uri.len() <= 512 && uri::is_outbound(uri.split('#').next().unwrap_or_default());
        check.that(self.request_uris.len() <= 50, "request_uris", "at most 50");
        check.each(&self.request_uris, is_request_uri, "request_uris", "must be https URLs");
        for (member, uri) in
            [("backchannel_logout_uri", &self.backchannel_logout_uri), ("sector_identifier_uri", &self.sector_identifier_uri)]
        {
            check.that(uri.as_deref().is_none_or(uri::is_outbound), member, "must be an https URL");
        }
        let needs_sector = self.subject_type == SubjectType::Pairwise && self.sector_identifier_uri.is_none();
        let hosts: Vec<&str> = self.redirect_uris.iter().filter_map(|uri| uri::host_of(uri)).collect();
        let is_one_sector = hosts.len() == self.redirect_uris.len() && hosts.windows(2).all(|pair| pair.first() == pair.last());
        check.that(
            !needs_sector || is_one_sector,
            "sector_identifier_uri",
            "needed, for the redirect URIs have several hosts or none",
        );
    }

    fn check_keys(&self, check: &mut Check) {
        check.that(self.jwks.is_none() || self.jwks_uri.is_none(), "jwks", "jwks and jwks_uri exclude each other");
        check.that(self.jwks_uri.as_deref().is_none_or(uri::is_outbound), "jwks_uri", "must be an https URL");
        let has_keys = self.jwks.is_some() || self.jwks_uri.is_some();
        let by_key = self.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt;
        check.that(!by_key || has_keys, "jwks", "private_key_jwt needs jwks or jwks_uri");
        for (alg, enc, [alg_member, enc_member]) in [
            (
                self.id_token_encrypted_response_alg,
                self.id_token_encrypted_response_enc,
                ["id_token_encrypted_response_alg", "id_token_encrypted_response_enc"],
            ),
            (
                self.introspection_encrypted_response_alg,
                self.introspection_encrypted_response_enc,
                ["introspection_encrypted_response_alg", "introspection_encrypted_response_enc"],
            ),
        ] {
            // The default of OpenID Connect Registration 2 and RFC 9701 6, A128CBC-HS256, is not supported.
            check.that(alg.is_none() || enc.is_some(), enc_member, "must be A256GCM: its default is not supported");
            check.that(alg.is_some() || enc.is_none(), alg_member, "needed beside the enc");
            check.that(alg.is_none() || has_keys, "jwks", "encryption needs jwks or jwks_uri");
        }
        check.that(!self.require_signed_request_object || has_keys, "jwks", "signed request objects need jwks or jwks_uri");
        if let Some(jwks) = &self.jwks {
            let keys = jwks.get("keys").and_then(Value::as_array);
            check.that(keys.is_some_and(|keys| (1..=20).contains(&keys.len())), "jwks", "a JWK Set of 1 to 20 keys");
            let members = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
            let is_private = |key: &Value| members.iter().any(|member| key.get(member).is_some());
            check.that(!keys.into_iter().flatten().any(is_private), "jwks", "public keys only");
        }
    }

    fn check_policy(&self, check: &mut Check) {
        let public = self.token_endpoint_auth_method == AuthMethod::None;
        check.that((1..=100).contains(&self.scope.iter().count()), "scope", "1 to 100");
        check.each(&self.resources, uri::is_resource, "resources", "must be absolute URIs without fragment");
        check.each(&self.protected_resources, uri::is_resource, "protected_resources", "must be absolute URIs without fragment");
        check.that(!public || self.protected_resources.is_empty(), "protected_resources", "a public client cannot introspect");
        // RFC 6749 4.4: only a client that authenticates is somebody.
        let for_itself = self.grant_types.iter().any(|grant_type| grant_type == CLIENT_CREDENTIALS);
        check.that(!public || !for_itself, "grant_types", "client_credentials needs a client that authenticates");
        let taken = self.access_token_claims.keys().find(|name| RESERVED.contains(&name.as_str()));
        check.that(taken.is_none(), "access_token_claims", "none that an access token has anyway");
        let bytes = serde_json::to_string(&self.access_token_claims).map_or(0, |text| text.len());
        check.that(bytes <= 2000, "access_token_claims", "at most 2000 bytes of JSON");
        check.that(self.may_act.as_deref().is_none_or(Client::is_id), "may_act", "must be a client_id");
        let exchanges = self.grant_types.iter().any(|grant_type| grant_type == TOKEN_EXCHANGE);
        check.that(
            exchanges || self.token_exchange == ExchangePolicy::default(),
            "token_exchange",
            "needs the grant type token-exchange",
        );
        let in_range = |value: Seconds, least: u32, most: u32| (least..=most).contains(&value.0);
        let years = 5 * 365 * 86_400;
        let life = self.access_token_lifetime;
        check.that(life.is_none_or(|life| in_range(life, 5, 3600)), "access_token_lifetime", "5 to 3600 seconds");
        check.that(in_range(self.refresh_idle_lifetime, 1, years), "refresh_idle_lifetime", "1 second to 5 years");
        check.that(in_range(self.refresh_absolute_lifetime, 1, years), "refresh_absolute_lifetime", "1 second to 5 years");
        check.that(
            self.refresh_grace.0 <= if public { 60 } else { 86_400 },
            "refresh_grace",
            "at most 60 seconds for a public client, 86400 for one that authenticates",
        );
        check.that(self.device_max_auth_age.is_none_or(|age| age.0 > 0), "device_max_auth_age", "at least 1 second");
        check.that((2..=100_000).contains(&self.device_live_flows), "device_live_flows", "2 to 100000");
        check.that(!public || self.require_pkce, "require_pkce", "a public client cannot do without");
        let acrs = &self.default_acr_values;
        check.that(acrs.len() <= 10 && acrs.iter().all(|acr| is_short_text(acr)), "default_acr_values", "at most 10 short texts");
    }

    /// Algorithm of its ID tokens and logout tokens.
    pub fn id_token_alg(&self) -> Alg {
        self.id_token_signed_response_alg.unwrap_or(Alg::RS256)
    }

    /// The sector of its pairwise subjects: the host of its sector identifier, else of its redirect URIs.
    pub fn sector(&self) -> Option<&str> {
        self.sector_identifier_uri.as_deref().or(self.redirect_uris.first().map(String::as_str)).and_then(uri::host_of)
    }
}

/// Whether a character shows nothing itself, such as those that change the direction of others: a name would not
/// read as it is written, or like another's.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

fn is_short_text(text: &str) -> bool {
    (1..=254).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
