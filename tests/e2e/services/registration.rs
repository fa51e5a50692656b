//! What is for services alone the operator gives: nobody registers into it. And what the metadata says of it is true.

use serde_json::{Value, json};

use super::{API, CLIENT_CREDENTIALS, TOKEN_EXCHANGE, api, assert_error, fixture, introspect, own};
use crate::support::{Answer, Api};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Members that only the operator sets, with values that it might.
fn operators() -> Value {
    json!({
        "protected_resources": ["/", API],
        "resources": [API],
        "introspection_signed_response_alg": "ES256",
        "access_token_format": "opaque",
        "access_token_claims": { "admin": true },
        "may_act": "gateway",
        "token_exchange": { "impersonation": true, "id_token": true, "refresh_token": true },
        "access_token_lifetime": 3600,
    })
}

fn with(more: &Value) -> Value {
    let mut body =
        json!({ "redirect_uris": ["https://greedy.example/cb"], "grant_types": ["authorization_code", "refresh_token"] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn register(base: &str, body: &Value) -> Answer {
    Api::send(Api::public(base, "").request("POST", "/register").json(body)).await
}

#[tokio::test]
async fn nobody_registers_a_service() {
    let fixture = fixture();
    let count = async || fixture.d1("SELECT id FROM clients WHERE origin <> 'operator'", &[]).await.len();
    for grant_types in [
        json!([CLIENT_CREDENTIALS]),
        json!([TOKEN_EXCHANGE]),
        json!([JWT_BEARER]),
        json!(["authorization_code", CLIENT_CREDENTIALS]),
        json!(["authorization_code", "refresh_token", TOKEN_EXCHANGE]),
    ] {
        let before = count().await;
        let answer = register(&fixture.a, &with(&json!({ "grant_types": grant_types }))).await;
        assert_error("register", &answer, 400, "invalid_client_metadata");
        assert!(answer.member("error_description").starts_with("grant_types"), "{}", answer.body);
        // Other tests of this fixture register too, but none with such a grant.
        assert!(count().await >= before);
        let sql = "SELECT id FROM clients WHERE origin <> 'operator' AND (metadata LIKE '%client_credentials%' OR metadata LIKE '%jwt-bearer%' OR metadata LIKE '%token-exchange%')";
        assert_eq!(fixture.d1(sql, &[]).await, [Value::Null; 0]);
    }
}

/// RFC 7591 2: what it may not say is left out, now and at every update.
#[tokio::test]
async fn nobody_registers_as_a_resource_server() {
    let fixture = fixture();
    let made = register(&fixture.a, &with(&operators())).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (id, secret) = (made.member("client_id"), made.member("client_secret"));
    let mut body = with(&operators());
    body["client_id"] = json!(id);
    let update = Api::public(&fixture.a, "").request("PUT", &format!("/register/{id}"));
    let updated = Api::send(update.bearer_auth(made.member("registration_access_token")).json(&body)).await;
    assert_eq!(updated.status, 200, "{}", updated.body);
    let stored = fixture.d1("SELECT metadata FROM clients WHERE id = ?1", &[id.clone().into()]).await;
    let stored: Value = serde_json::from_str(stored[0]["metadata"].as_str().unwrap()).unwrap();
    for member in operators().as_object().unwrap().keys() {
        for answer in [&made, &updated] {
            assert_eq!(answer.json().get(member), None, "{member} is not told");
        }
        let is_default = stored.get(member).is_none_or(|value| *value == json!([]));
        assert!(is_default, "{member}: {stored}");
    }
    let greedy = Api::basic(&fixture.a, &id, &secret);
    let token = own(&fixture.a, "worker", &[]).await;
    assert_error("introspect", &greedy.post("/introspect", &[("token", &token)]).await, 400, "unauthorized_client");
    for grant_type in [CLIENT_CREDENTIALS, TOKEN_EXCHANGE, JWT_BEARER] {
        let fields = [
            ("grant_type", grant_type),
            ("subject_token", &token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ];
        let fields: Vec<_> = if grant_type == TOKEN_EXCHANGE { fields.to_vec() } else { fields[..1].to_vec() };
        let expected = if grant_type == JWT_BEARER { "invalid_request" } else { "unauthorized_client" };
        assert_error(grant_type, &greedy.post("/token", &fields).await, 400, expected);
    }
    assert!(super::is_active(fixture, &token).await);
}

/// RFC 8414 2: what is told is true, and what is true is told.
#[tokio::test]
async fn the_metadata_says_what_services_can_do() {
    let fixture = fixture();
    let told = Api::public(&fixture.a, "").get("/.well-known/oauth-authorization-server").await.json();
    let endpoint = told["introspection_endpoint"].as_str().unwrap();
    assert_eq!(endpoint, format!("{}/introspect", fixture.a));
    let grants: Vec<&str> =
        told["grant_types_supported"].as_array().unwrap().iter().map(|grant| grant.as_str().unwrap()).collect();
    for grant_type in &grants {
        let answer = api(&fixture.a, "gateway").post("/token", &[("grant_type", grant_type)]).await;
        assert_ne!(answer.error(), "unsupported_grant_type", "{grant_type}");
    }
    for grant_type in [CLIENT_CREDENTIALS, TOKEN_EXCHANGE, JWT_BEARER] {
        assert!(grants.contains(&grant_type), "{grant_type}");
    }
    // A resource server authenticates; each way works, as `only_resource_servers_may_ask` shows.
    assert_eq!(
        told["introspection_endpoint_auth_methods_supported"],
        json!(["client_secret_basic", "client_secret_post", "private_key_jwt"])
    );
    assert!(told["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("private_key_jwt")));
    for algs in ["introspection_signing_alg_values_supported", "introspection_endpoint_auth_signing_alg_values_supported"] {
        assert_eq!(told[algs], json!(["RS256", "ES256", "PS256", "EdDSA"]), "{algs}");
    }
    // RFC 8414 2: a scope may be kept back, and the realm's administration is.
    let scopes = told["scopes_supported"].as_array().unwrap();
    assert!(
        scopes.contains(&json!("records:read")) && !scopes.iter().any(|scope| scope.as_str().unwrap().starts_with("latchkey:"))
    );
    super::told(&introspect(&fixture.a, "gateway", &own(&fixture.a, "worker", &[]).await).await);
}
