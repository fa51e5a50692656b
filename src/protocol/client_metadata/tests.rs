use super::super::claims::RESERVED;
use super::super::client::tests::{DEVICE, client};
use super::*;

fn faults(changes: &str) -> Vec<&'static str> {
    let mut json = serde_json::to_value(client(DEVICE).metadata).unwrap();
    json.as_object_mut().unwrap().extend(serde_json::from_str::<serde_json::Map<_, _>>(changes).unwrap());
    let metadata: Metadata = serde_json::from_value(json).unwrap();
    metadata.check().into_iter().map(|fault| fault.member).collect()
}

const WEB: &str = r#""grant_types":["authorization_code"],"redirect_uris":["https://a.example/cb"]"#;

#[test]
fn web_clients() {
    assert_eq!(faults(&format!("{{{WEB}}}")), [""; 0]);
    assert_eq!(faults(r#"{"grant_types":["authorization_code"]}"#), ["redirect_uris"]);
    assert_eq!(faults(&format!(r#"{{{WEB},"response_types":["id_token"]}}"#)), ["response_types"]);
    assert_eq!(
        faults(&format!(r#"{{{WEB},"post_logout_redirect_uris":["https://a.example/#f"]}}"#)),
        ["post_logout_redirect_uris"]
    );
    assert_eq!(faults(&format!(r#"{{{WEB},"require_pkce":false}}"#)), ["require_pkce"]);
    let two = r#"{"grant_types":["authorization_code"],"redirect_uris":["https://a.example/","https://b.example/"],"subject_type":"pairwise"}"#;
    assert_eq!(faults(two), ["sector_identifier_uri"]);
}

#[test]
fn keys() {
    assert_eq!(faults(r#"{"token_endpoint_auth_method":"private_key_jwt"}"#), ["jwks"]);
    assert_eq!(faults(r#"{"jwks":{"keys":[{"kty":"EC","d":"x"}]}}"#), ["jwks"]);
    assert_eq!(faults(r#"{"jwks":{"keys":[]}}"#), ["jwks"]);
    assert_eq!(faults(r#"{"jwks":{"keys":[{}]},"jwks_uri":"https://a.example/jwks"}"#), ["jwks"]);
    for uri in ["http://a.example/jwks", "https://a@b.example/", "file:///x", "https://A.example/"] {
        assert_eq!(faults(&format!(r#"{{"jwks_uri":"{uri}"}}"#)), ["jwks_uri"], "{uri}");
    }
    assert!(serde_json::from_str::<Metadata>(r#"{"id_token_signed_response_alg":"none"}"#).is_err());
}

#[test]
fn encryption() {
    let keys = r#""jwks":{"keys":[{}]}"#;
    for kind in ["id_token", "introspection"] {
        let [alg, enc] = ["alg", "enc"].map(|what| format!("{kind}_encrypted_response_{what}"));
        for value in ["ECDH-ES", "RSA-OAEP-256"] {
            assert_eq!(faults(&format!(r#"{{{keys},"{alg}":"{value}","{enc}":"A256GCM"}}"#)), [""; 0]);
        }
        let by_uri = format!(r#"{{"jwks_uri":"https://a.example/jwks","{alg}":"ECDH-ES","{enc}":"A256GCM"}}"#);
        assert_eq!(faults(&by_uri), [""; 0]);
        // Left out it is A128CBC-HS256 (OpenID Connect Registration 2, RFC 9701 6), which is not here.
        assert_eq!(faults(&format!(r#"{{{keys},"{alg}":"ECDH-ES"}}"#)), [enc.as_str()]);
        assert_eq!(faults(&format!(r#"{{{keys},"{enc}":"A256GCM"}}"#)), [alg.as_str()]);
        assert_eq!(faults(&format!(r#"{{"{alg}":"ECDH-ES","{enc}":"A256GCM"}}"#)), ["jwks"]);
        for (member, value) in [(&alg, "RSA1_5"), (&alg, "dir"), (&alg, "none"), (&enc, "A128CBC-HS256"), (&enc, "A128GCM")] {
            assert!(serde_json::from_str::<Metadata>(&format!(r#"{{"{member}":"{value}"}}"#)).is_err(), "{value}");
        }
    }
}

#[test]
fn services() {
    let service = |more: &str| {
        faults(&format!(r#"{{"token_endpoint_auth_method":"client_secret_basic","grant_types":["client_credentials"]{more}}}"#))
    };
    assert_eq!(service(""), [""; 0]);
    assert_eq!(faults(r#"{"grant_types":["client_credentials"]}"#), ["grant_types"], "a public client is nobody");
    assert_eq!(service(r#","protected_resources":["/","https://a.example","urn:b"]"#), [""; 0]);
    assert_eq!(faults(r#"{"protected_resources":["/"]}"#), ["protected_resources"]);
    for resource in ["", "//", "a.example", "https://a.example#f", "*"] {
        assert_eq!(service(&format!(r#","protected_resources":["{resource}"]"#)), ["protected_resources"], "{resource}");
    }
    assert_eq!(service(r#","access_token_claims":{"tenant":7,"https://a.example/plan":{"sub":"x"}}"#), [""; 0]);
    for name in RESERVED {
        assert_eq!(service(&format!(r#","access_token_claims":{{"{name}":1}}"#)), ["access_token_claims"], "{name}");
    }
    let long = "x".repeat(2000);
    assert_eq!(service(&format!(r#","access_token_claims":{{"a":"{long}"}}"#)), ["access_token_claims"]);
    assert_eq!(service(r#","may_act":"a b""#), ["may_act"]);
    assert_eq!(service(r#","token_exchange":{"impersonation":true}"#), ["token_exchange"]);
    let public = r#"{"grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"],"token_exchange":{"refresh_token":true}}"#;
    assert_eq!(faults(public), ["token_exchange"], "whoever finds its access token can name it");
    assert!(serde_json::from_str::<ExchangePolicy>(r#"{"impersonate":true}"#).is_err(), "a misspelt right is none");
}

#[test]
fn all_members_are_named() {
    // Every member appears in the serialized form once it differs from its default.
    let json = serde_json::to_value(client(DEVICE).metadata).unwrap();
    for name in json.as_object().unwrap().keys() {
        assert!(Metadata::MEMBERS.contains(&name.as_str()), "{name}");
    }
    let source = include_str!("../client_metadata.rs");
    let fields = source.split("pub struct Metadata {").nth(1).unwrap().split("\n}").next().unwrap();
    let declared: Vec<&str> = fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next()).collect();
    assert_eq!(declared, Metadata::MEMBERS);
}
