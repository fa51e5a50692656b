//! What a client says about itself: registration (RFC 7591, OpenID Connect Registration), its management
//! (RFC 7592) and client ID metadata documents.
//!
//! A stranger writes these, so members that are the operator's to decide are not taken from them, and
//! every URL that we would fetch is judged before anything is stored.

use serde_json::{Map, Value, json};

use super::client::{AUTHORIZATION_CODE, DEVICE_CODE, Origin, REFRESH_TOKEN};
use super::client_metadata::{AuthMethod, Metadata};
use super::config::{Config, STANDARD_SCOPES};
use super::error::{Code, OAuthError};
use super::json;
use super::outbound;
use super::secret::Secret;
use super::time::Seconds;
use super::uri;

/// Members that only the operator sets. From anybody else they are like unknown ones: left out (RFC 7591 2).
const OPERATORS: [&str; 17] = [
    "publisher",
    "required_scope",
    "skip_consent",
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
    "device_live_flows",
];

/// What the server says and a client does not (RFC 7592 2.2).
const SERVERS: [&str; 4] =
    ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"];

/// A client's own description: the members of a JSON object, without those that are null, which mean the
/// same as absent ones (RFC 7591 2).
#[derive(Debug)]
pub struct Description(Map<String, Value>);

impl Description {
    /// Reads a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        match json::parse(body) {
            Ok(Value::Object(mut members)) => {
                members.retain(|_, value| !value.is_null());
                Ok(Self(members))
            }
            _ => Err(OAuthError::new(Code::InvalidClientMetadata, "the body must be a JSON object")),
        }
    }

    /// What the client with this id is to be registered with: everything that is left out has its default,
    /// and everything is checked.
    pub fn metadata(&self, origin: Origin, id: &str, config: &Config) -> Result<Metadata, OAuthError> {
        if self.0.contains_key("software_statement") {
            let text = "software statements are not accepted";
            return Err(OAuthError::new(Code::UnapprovedSoftwareStatement, text));
        }
        let mut members = self.0.clone();
        members.retain(|name, _| Metadata::MEMBERS.contains(&name.as_str()) && !OPERATORS.contains(&name.as_str()));
        set_defaults(&mut members, origin, id);
        let Ok(mut metadata) = json::from_value::<Metadata>(Value::Object(members.clone())) else {
            return Err(invalid(misfit(&members), "not a value that is supported"));
        };
        if let Some(fault) = metadata.check().first() {
            return Err(invalid(fault.member, fault.rule));
        }
        // Who registers itself acts for users, never for itself or for whom an outside token names.
        if !metadata
            .grant_types
            .iter()
            .all(|grant_type| [AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE].contains(&grant_type.as_str()))
        {
            return Err(invalid("grant_types", "only a client that the operator made may have this one"));
        }
        check_outbound(&metadata, config)?;
        // RFC 7591 2: what is registered may be less than was asked for, and the answer tells.
        metadata.scope = metadata.scope.filter(|scope| may_have(scope, &metadata.grant_types, config));
        if metadata.scope.is_empty() {
            return Err(invalid("scope", "none of these can be registered"));
        }
        Ok(metadata)
    }

    /// Whether this may replace what the client is registered with (RFC 7592 2.2): it names the client and
    /// holds nothing that is the server's. The secret in it, if there is one, is still to be compared.
    pub fn replacement_of(&self, id: &str) -> Result<Option<Secret>, OAuthError> {
        if self.0.get("client_id").and_then(Value::as_str) != Some(id) {
            return Err(invalid("client_id", "must be the client's own"));
        }
        for member in SERVERS {
            if self.0.contains_key(member) {
                return Err(invalid(member, "must not be sent"));
            }
        }
        match self.0.get("client_secret") {
            None => Ok(None),
            Some(Value::String(secret)) => Ok(Some(Secret::new(secret.clone()))),
            Some(_) => Err(wrong_secret()),
        }
    }

    /// What a metadata document at this URL says (draft-ietf-oauth-client-id-metadata-document 4.1): it names
    /// itself, and there is no secret, for everybody can read it.
    pub fn document(&self, url: &str, config: &Config) -> Result<Metadata, OAuthError> {
        if self.0.get("client_id").and_then(Value::as_str) != Some(url) {
            return Err(invalid("client_id", "must be the URL of the document"));
        }
        for member in ["client_secret", "client_secret_expires_at"] {
            if self.0.contains_key(member) {
                return Err(invalid(member, "cannot be in a document"));
            }
        }
        let metadata = self.metadata(Origin::Document, url, config)?;
        match metadata.token_endpoint_auth_method {
            AuthMethod::None | AuthMethod::PrivateKeyJwt => Ok(metadata),
            _ => Err(invalid("token_endpoint_auth_method", "must be none or private_key_jwt")),
        }
    }
}

/// Whether a client of this method has a secret.
pub const fn needs_secret(method: AuthMethod) -> bool {
    matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
}

/// The `client_secret` of an update is not one that the client has.
pub const fn wrong_secret() -> OAuthError {
    invalid("client_secret", "must be the client's own")
}

/// What can be told of a registration's members: all that are not the operator's alone, defaults included
/// (RFC 7591 3.2.1, RFC 7592 3).
pub fn told(metadata: &Metadata) -> Map<String, Value> {
    let mut members = match serde_json::to_value(metadata) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    members.retain(|name, _| !OPERATORS.contains(&name.as_str()));
    if !metadata.grant_types.iter().any(|grant_type| grant_type == DEVICE_CODE) {
        members.remove("verification_uri_complete");
    }
    for (member, value) in [
        ("response_types", json!(metadata.response_types)),
        ("application_type", json!(metadata.application_type)),
        ("subject_type", json!(metadata.subject_type)),
        ("require_pkce", json!(metadata.require_pkce)),
        ("id_token_signed_response_alg", json!(metadata.id_token_alg())),
    ] {
        members.insert(member.to_owned(), value);
    }
    members
}

/// The same registration with the operator's members of the one before, which a client does not change.
pub fn with_operators(metadata: &Metadata, before: &Metadata) -> Option<Metadata> {
    let (Value::Object(mut members), Value::Object(before)) =
        (serde_json::to_value(metadata).ok()?, serde_json::to_value(before).ok()?)
    else {
        return None;
    };
    members.retain(|name, _| !OPERATORS.contains(&name.as_str()));
    members.extend(before.into_iter().filter(|(name, _)| OPERATORS.contains(&name.as_str())));
    json::from_value(Value::Object(members)).ok()
}

/// Whether a sector document, a JSON array, names every redirect URI of the client (OpenID Connect
/// Registration 5).
pub fn check_sector(document: &[u8], metadata: &Metadata) -> Result<(), OAuthError> {
    let Ok(uris) = json::read::<Vec<String>>(document) else {
        return Err(sector("does not answer with a JSON array of URIs"));
    };
    if metadata.redirect_uris.iter().all(|uri| uris.contains(uri)) {
        Ok(())
    } else {
        Err(sector("does not name every redirect URI"))
    }
}

/// What is wrong with a `sector_identifier_uri`.
pub const fn sector(rule: &'static str) -> OAuthError {
    invalid("sector_identifier_uri", rule)
}

/// Whether a document of this media type may hold metadata: JSON, or something built on it (RFC 6839 3.1).
pub fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json"
        || media_type
            .strip_prefix("application/")
            .and_then(|kind| kind.strip_suffix("+json"))
            .is_some_and(|kind| !kind.is_empty())
}

/// For how long an answer may be kept by its `Cache-Control`, at most `most` (RFC 9111 5.2.2).
pub fn keep_for(cache_control: &str, most: Seconds) -> Seconds {
    let mut keep = most;
    for directive in cache_control.split(',') {
        let directive = directive.trim().to_ascii_lowercase();
        if directive == "no-store" || directive == "no-cache" {
            return Seconds(0);
        }
        if let Some(age) = directive.strip_prefix("max-age=") {
            // What cannot be read has no life (4.2.1).
            keep = keep.min(Seconds(age.trim_matches('"').parse().unwrap_or(0)));
        }
    }
    keep
}

/// The defaults of RFC 7591 2 and OpenID Connect Registration 2, and ours where they leave it open.
fn set_defaults(members: &mut Map<String, Value>, origin: Origin, id: &str) {
    let mut default = |member: &str, value: Value| {
        members.entry(member).or_insert(value);
    };
    default("grant_types", json!([AUTHORIZATION_CODE]));
    let method = if origin == Origin::Document { "none" } else { "client_secret_basic" };
    default("token_endpoint_auth_method", method.into());
    default("scope", STANDARD_SCOPES.join(" ").into());
    let name = default_name(members.get("redirect_uris"), id);
    members.entry("client_name").or_insert(name.into());
    let uses_code =
        members.get("grant_types").and_then(Value::as_array).is_some_and(|types| types.iter().any(|t| t == AUTHORIZATION_CODE));
    if uses_code && members.get("response_types").is_none_or(|types| types == &json!([])) {
        members.insert("response_types".to_owned(), json!(["code"]));
    }
    if members.get("token_endpoint_auth_method").is_some_and(|method| method == "private_key_jwt") {
        // What OpenID Connect Core 9 tells a client to send, whoever wrote it.
        members.entry("endpoint_audience").or_insert(true.into());
    }
    if members.get("token_endpoint_auth_method").is_some_and(|method| method == "none") {
        members.insert("require_pkce".to_owned(), true.into());
    } else if origin == Origin::Registration {
        // A client that authenticates and never heard of this member may be one of OpenID Connect, whose
        // nonce does the same for it (RFC 9700 2.1.1).
        members.entry("require_pkce").or_insert(false.into());
    }
}

/// What a client without a name is called: where its answers go.
fn default_name(redirect_uris: Option<&Value>, id: &str) -> String {
    let first = redirect_uris.and_then(|uris| uris.get(0)).and_then(Value::as_str);
    let place = first.and_then(|uri| uri::host_of(uri).or_else(|| uri.split(':').next()));
    let name = place.filter(|place| !place.is_empty()).or(uri::host_of(id)).unwrap_or(id);
    name.chars().take(100).collect()
}

/// The member that is not of the type, or not one of the values, that it has to be.
fn misfit(members: &Map<String, Value>) -> &'static str {
    let good = json!({ "client_name": "x", "grant_types": [], "token_endpoint_auth_method": "none", "scope": "x" });
    let does_not_fit = |member: &&&str| {
        members.get(**member).is_some_and(|value| {
            let mut alone = good.clone();
            if let Some(alone) = alone.as_object_mut() {
                alone.insert((**member).to_owned(), value.clone());
            }
            json::from_value::<Metadata>(alone).is_err()
        })
    };
    Metadata::MEMBERS.iter().find(does_not_fit).copied().unwrap_or_default()
}

/// Whether a client that was not made by the operator may have a scope.
fn may_have(scope: &str, grant_types: &[String], config: &Config) -> bool {
    // Administration is for the operator's own clients, whatever a realm says about grant types.
    !scope.starts_with("latchkey:") && grant_types.iter().any(|grant_type| config.scopes.allows(scope, grant_type))
}

/// Refuses URLs that we would never fetch from or post to.
fn check_outbound(metadata: &Metadata, config: &Config) -> Result<(), OAuthError> {
    let single = [
        ("jwks_uri", &metadata.jwks_uri),
        ("backchannel_logout_uri", &metadata.backchannel_logout_uri),
        ("sector_identifier_uri", &metadata.sector_identifier_uri),
    ];
    let single = single.into_iter().filter_map(|(member, uri)| Some((member, uri.as_deref()?)));
    let many = metadata.request_uris.iter().map(|uri| ("request_uris", uri.split('#').next().unwrap_or_default()));
    for (member, uri) in single.chain(many) {
        outbound::check(uri, &config.issuer, &config.outbound_allow)
            .map_err(|why| invalid(member, "must be an https URL on a public host").because(why))?;
    }
    Ok(())
}

const fn invalid(member: &'static str, rule: &'static str) -> OAuthError {
    // RFC 7591 3.2.2 has a code of its own for redirect URIs.
    let code = match member.as_bytes() {
        b"redirect_uris" => Code::InvalidRedirectUri,
        _ => Code::InvalidClientMetadata,
    };
    OAuthError::new(code, rule).about(member)
}

#[cfg(test)]
mod tests;
