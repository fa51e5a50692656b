//! Metadata: RFC 8414 and OpenID Connect Discovery 1.0, one document, only what is true.

use serde_json::{Value, json};

use super::claims::user_claims;
use super::client::{DEVICE_CODE, REFRESH_TOKEN};
use super::config::Config;
use super::session::ACR_PASSWORD;

/// The document: a pure function of configuration.
pub fn metadata(config: &Config) -> Value {
    let at = |path: &str| format!("{}{path}", config.issuer);
    let token_claims = ["iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "at_hash"];
    let claims: Vec<&str> = user_claims().chain(token_claims).collect();
    let methods = ["none", "client_secret_basic", "client_secret_post"];
    json!({
        "issuer": config.issuer,
        "jwks_uri": at("/jwks.json"),
        "token_endpoint": at("/token"),
        "device_authorization_endpoint": at("/device_authorization"),
        "revocation_endpoint": at("/revoke"),
        "userinfo_endpoint": at("/userinfo"),
        "grant_types_supported": [DEVICE_CODE, REFRESH_TOKEN],
        "response_types_supported": [],
        "scopes_supported": config.scopes.names().filter(|name| !name.starts_with("latchkey:")).collect::<Vec<_>>(),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "acr_values_supported": [ACR_PASSWORD],
        "claim_types_supported": ["normal"],
        "claims_supported": claims,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "ui_locales_supported": ["en"],
    })
}
