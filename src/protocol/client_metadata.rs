//! Client metadata: RFC 7591, OpenID Connect Registration and Logout, and our own members. Checked once
//! when a client is made and parsed when it is read.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::jose::Alg;
use super::jwe::{ContentEnc, KeyAlg};
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
    /// Resources that it is the server of (RFC 9728): it may introspect tokens for them. `/` is the issuer itself,
    /// whom tokens are for that name no resource.
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

    /// Algorithm of its ID tokens and logout tokens.
    pub fn id_token_alg(&self) -> Alg {
        self.id_token_signed_response_alg.unwrap_or(Alg::RS256)
    }

    /// The sector of its pairwise subjects: the host of its sector identifier, else of its redirect URIs.
    pub fn sector(&self) -> Option<&str> {
        self.sector_identifier_uri.as_deref().or(self.redirect_uris.first().map(String::as_str)).and_then(uri::host_of)
    }
}

mod check;
#[cfg(test)]
mod tests;

pub use check::Fault;
