//! Metadata: RFC 8414 and OpenID Connect Discovery 1.0, one document, only what is true.

use serde_json::{Value, json};

use super::claims::user_claims;
use super::client::GRANT_TYPES;
use super::config::Config;
use super::jose::Alg;
use super::jwe::{ContentEnc, KeyAlg};
use super::session::ACR_PASSWORD;

/// Languages of the pages (BCP 47).
pub const LOCALES: [&str; 3] = ["en", "de", "fr"];

/// The document: a pure function of configuration.
pub fn metadata(config: &Config) -> Value {
    let at = |path: &str| format!("{}{path}", config.issuer);
    let token_claims = ["iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "at_hash", "nonce"];
    let claims: Vec<&str> = user_claims().chain(token_claims).collect();
    let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
    // RS256 first: what every client of OpenID Connect knows.
    let algs = [Alg::RS256, Alg::ES256, Alg::PS256, Alg::EdDSA].map(Alg::name);
    let mut document = json!({
        "issuer": config.issuer,
        "jwks_uri": at("/jwks.json"),
        "authorization_endpoint": at("/authorize"),
        "pushed_authorization_request_endpoint": at("/par"),
        "token_endpoint": at("/token"),
        "device_authorization_endpoint": at("/device_authorization"),
        "revocation_endpoint": at("/revoke"),
        "introspection_endpoint": at("/introspect"),
        "userinfo_endpoint": at("/userinfo"),
        "registration_endpoint": at("/register"),
        "end_session_endpoint": at("/logout"),
        "grant_types_supported": GRANT_TYPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "require_pushed_authorization_requests": config.require_pushed_requests,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "display_values_supported": ["page"],
        "scopes_supported": config.scopes.names().filter(|name| !name.starts_with("latchkey:")).collect::<Vec<_>>(),
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": algs,
        "userinfo_signing_alg_values_supported": algs,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algs,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algs,
        // A resource server is no public client.
        "introspection_endpoint_auth_methods_supported": methods[..3],
        "introspection_endpoint_auth_signing_alg_values_supported": algs,
        "introspection_signing_alg_values_supported": algs,
        "acr_values_supported": [ACR_PASSWORD],
        "claim_types_supported": ["normal"],
        "claims_supported": claims,
        "claims_parameter_supported": true,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": true,
        "require_request_uri_registration": true,
        "request_object_signing_alg_values_supported": algs,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "ui_locales_supported": LOCALES,
    });
    if let Some(members) = document.as_object_mut() {
        // OpenID Connect Discovery 3 and RFC 9701 7.
        for kind in ["id_token", "introspection"] {
            members.insert(format!("{kind}_encryption_alg_values_supported"), json!(KeyAlg::ALL));
            members.insert(format!("{kind}_encryption_enc_values_supported"), json!(ContentEnc::ALL));
        }
        if config.client_id_documents {
            members.insert("client_id_metadata_document_supported".to_owned(), true.into());
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::with;
    use super::*;

    #[test]
    fn settings_show() {
        assert_eq!(metadata(&with(&[]).unwrap()).get("client_id_metadata_document_supported"), None);
        let config = with(&[("CLIENT_ID_DOCUMENTS", "on"), ("REQUIRE_PUSHED_AUTHORIZATION_REQUESTS", "on")]).unwrap();
        let document = metadata(&config);
        assert_eq!(document.get("client_id_metadata_document_supported"), Some(&true.into()));
        assert_eq!(document.get("require_pushed_authorization_requests"), Some(&true.into()));
    }
}
