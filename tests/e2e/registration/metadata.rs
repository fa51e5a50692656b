//! What is registered, what is refused, and what both leave behind.

use latchkey::protocol::secret::from_base64url;
use serde_json::{Value, json};

use super::{alone, clients, device, open, refused, register, registered, row, web};
use crate::support::{Api, Person, raw};

/// RFC 7591 3.2.1: 201, everything that was registered, and credentials with enough entropy.
#[tokio::test]
async fn everything_registered_is_told() {
    let (fixture, _) = open();
    let sent = web(&json!({
        "client_name": "App \u{2615}", "logo_uri": "https://app.example/logo.svg", "client_uri": "https://app.example",
        "policy_uri": "https://app.example/privacy", "tos_uri": "https://app.example/terms", "contacts": ["ada@app.example"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "application_type": "web",
        "token_endpoint_auth_method": "client_secret_post", "scope": "openid email records:read", "subject_type": "public",
        "post_logout_redirect_uris": ["https://app.example/bye"], "backchannel_logout_uri": "https://app.example/out",
        "id_token_signed_response_alg": "ES256", "default_max_age": 3600, "require_auth_time": true, "require_pkce": true,
        "jwks": { "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] },
    }));
    let answer = registered(&fixture.a, &sent).await;
    assert_eq!((answer.header("content-type"), answer.header("cache-control")), ("application/json", "no-store"));
    let mut told = answer.json();
    let told = told.as_object_mut().unwrap();
    let mut take = |name: &str| told.remove(name).unwrap_or_else(|| panic!("no {name}"));
    let id = take("client_id").as_str().unwrap().to_owned();
    assert_eq!(from_base64url(&id).unwrap().len(), 16);
    assert_eq!(take("registration_client_uri"), format!("{}/register/{id}", fixture.a));
    let (secret, token) = (take("client_secret"), take("registration_access_token"));
    for secret in [&secret, &token] {
        assert_eq!(from_base64url(secret.as_str().unwrap()).unwrap().len(), 32, "256 bits");
    }
    assert_eq!(take("client_secret_expires_at"), 0);
    let age = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().abs_diff(take("client_id_issued_at").as_u64().unwrap());
    assert!(age < 60, "{age}");
    assert_eq!(Value::Object(told.clone()), sent);

    // Only hashes are stored, and no secret is in the log; the client is.
    let row = row(fixture, &id).await.unwrap();
    assert_eq!(
        (row["origin"].as_str(), row["version"].as_i64(), row["enabled"].as_i64()),
        (Some("registration"), Some(1), Some(1))
    );
    let logs = fixture.logs().await;
    let everything = format!("{row} {logs:?}");
    assert!(!everything.contains(secret.as_str().unwrap()) && !everything.contains(token.as_str().unwrap()));
    let line = logs.iter().find(|entry| entry["line"]["client"] == id.as_str()).unwrap();
    assert_eq!((line["line"]["status"].as_i64(), line["line"]["cost"]["rows"].as_i64()), (Some(201), Some(1)), "{line}");
    assert_eq!(line["line"]["route"], "register");
}

/// RFC 7591 2 and OpenID Connect Registration 2: what is left out has its default, and the answer tells it.
#[tokio::test]
async fn defaults_are_told() {
    let (fixture, _) = open();
    let told = registered(&fixture.a, &web(&json!({ "client_name": null, "x_unknown": 1 }))).await.json();
    for (member, value) in [
        ("client_name", json!("app.example")),
        ("redirect_uris", json!(["https://app.example/cb"])),
        ("grant_types", json!(["authorization_code"])),
        ("response_types", json!(["code"])),
        ("application_type", json!("web")),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("scope", json!("openid profile email address phone offline_access")),
        ("subject_type", json!("public")),
        ("id_token_signed_response_alg", json!("RS256")),
        ("require_pkce", json!(false)),
    ] {
        assert_eq!(told[member], value, "{member}");
    }
    assert!(told.get("x_unknown").is_none());
    // A client without a secret gets none.
    let public =
        registered(&fixture.a, &web(&json!({ "token_endpoint_auth_method": "none", "require_pkce": false }))).await.json();
    assert!(public.get("client_secret").is_none() && public.get("client_secret_expires_at").is_none());
    assert_eq!(public["require_pkce"], true, "a public client cannot do without");
}

/// A client that registered itself is a client: known to the other Worker at once, by its own method alone.
#[tokio::test]
async fn a_registered_client_works() {
    let (fixture, _) = open();
    let told = registered(&fixture.a, &device()).await;
    let (id, secret) = (told.member("client_id"), told.member("client_secret"));
    let api = Api::basic(&fixture.b, &id, &secret);
    let person = Person::ada(&fixture.b).await;
    let tokens = api.signed_in(&person).await;
    assert!(api.refresh(&tokens.member("refresh_token")).await.is_granted());
    for wrong in [Api::basic(&fixture.b, &id, &told.member("registration_access_token")), Api::public(&fixture.b, &id)] {
        assert_eq!(wrong.post("/device_authorization", &[]).await.error(), "invalid_client");
    }
}

/// What is the operator's to decide is not taken from a stranger, and not told to one.
#[tokio::test]
async fn a_stranger_decides_nothing_that_is_the_operators() {
    let (fixture, _) = open();
    let greedy = json!({
        "skip_consent": true, "publisher": "The bank", "resources": ["https://api.example"], "required_scope": "records:write",
        "access_token_lifetime": 3600, "refresh_idle_lifetime": 100_000_000, "refresh_absolute_lifetime": 100_000_000,
        "refresh_grace": 86_400, "device_live_flows": 100_000, "scope": "openid latchkey:admin nonsense records:read",
        "client_id": "demo-web", "client_secret": "of-my-own-choice-0123456789abcdef", "enabled": 1, "origin": "operator", "version": 7,
    });
    let told = registered(&fixture.a, &web(&greedy)).await;
    assert_ne!(told.member("client_id"), "demo-web");
    assert_ne!(told.member("client_secret"), greedy["client_secret"].as_str().unwrap());
    assert_eq!(told.member("scope"), "openid records:read");
    let row = row(fixture, &told.member("client_id")).await.unwrap();
    assert_eq!((row["origin"].as_str(), row["version"].as_i64()), (Some("registration"), Some(1)));
    let stored: Value = serde_json::from_str(row["metadata"].as_str().unwrap()).unwrap();
    for member in ["skip_consent", "publisher", "access_token_lifetime"] {
        assert!(stored.get(member).is_none() && told.json().get(member).is_none(), "{member}");
    }
    assert_eq!((stored["resources"].clone(), stored["refresh_grace"].clone()), (json!([]), json!(60)));
    assert_eq!(stored["required_scope"], "openid offline_access");
}

/// RFC 7591 3.2.2: the code says which kind of fault, the description which member. Nothing is left behind.
#[tokio::test]
async fn what_cannot_be_registered_is_refused() {
    let (_turn, fixture, _) = alone().await;
    let before = clients(fixture).await;
    for uris in [
        json!(null),
        json!([]),
        json!("https://app.example/cb"),
        json!([7]),
        json!(["https://app.example/cb#fragment"]),
        json!(["https://app.example/cb#"]),
        json!(["https://app.example/cb", "http://app.example/cb"]),
        json!(["https://user@app.example/cb"]),
        json!(["https://app.example\\@evil.example/cb"]),
        json!(["https://APP.example/cb"]),
        json!(["https://\u{e4}pp.example/cb"]),
        json!(["javascript:alert(1)"]),
        json!(["com.example.app:/cb"]),
        json!(["/cb"]),
        json!([""]),
    ] {
        let answer = register(&fixture.a, None, &json!({ "redirect_uris": uris })).await;
        refused(&uris.to_string(), &answer, 400, "invalid_redirect_uri");
        assert!(answer.member("error_description").starts_with("redirect_uris: "), "{}", answer.body);
    }
    for (member, value) in [
        ("grant_types", json!(["refresh_token"])),
        ("grant_types", json!(["implicit"])),
        ("grant_types", json!(["password"])),
        ("response_types", json!(["id_token"])),
        ("response_types", json!(["code id_token"])),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("subject_type", json!("ephemeral")),
        ("application_type", json!("browser")),
        ("id_token_signed_response_alg", json!("none")),
        ("userinfo_signed_response_alg", json!("HS256")),
        ("request_object_signing_alg", json!("none")),
        ("scope", json!("latchkey:admin")),
        ("scope", json!(["openid"])),
        ("client_name", json!("x".repeat(101))),
        ("client_name", json!("evil\u{202e}knab")),
        ("logo_uri", json!("http://app.example/logo.svg")),
        ("policy_uri", json!("javascript:alert(1)")),
        ("post_logout_redirect_uris", json!(["https://app.example/#x"])),
        ("jwks", json!({ "keys": [{ "kty": "EC", "d": "private" }] })),
        ("jwks", json!({ "keys": [] })),
        ("default_max_age", json!(-1)),
        ("require_pkce", json!("no")),
        ("contacts", json!({})),
    ] {
        // The member at fault may be another that the value needs.
        let named = match (member, value.as_str()) {
            ("grant_types", _) if value == json!(["refresh_token"]) => "response_types",
            ("token_endpoint_auth_method", Some("private_key_jwt")) => "jwks",
            _ => member,
        };
        let mut body = web(&json!({ "response_types": ["code"] }));
        body[member] = value;
        let answer = register(&fixture.a, None, &body).await;
        refused(&body.to_string(), &answer, 400, "invalid_client_metadata");
        assert!(answer.member("error_description").starts_with(&format!("{named}: ")), "{body}: {}", answer.body);
    }
    let pairwise = json!({ "redirect_uris": ["https://a.example/", "https://b.example/"], "subject_type": "pairwise" });
    let answer = register(&fixture.a, None, &pairwise).await;
    refused("two sectors", &answer, 400, "invalid_client_metadata");
    let statement = web(&json!({ "software_statement": "eyJhbGciOiJub25lIn0.eyJzb2Z0d2FyZV9pZCI6IngifQ." }));
    refused("a statement", &register(&fixture.a, None, &statement).await, 400, "unapproved_software_statement");
    assert_eq!(clients(fixture).await, before);
}

/// Bodies that are no JSON object, of another type, or too large; other methods.
#[tokio::test]
async fn bodies_and_methods() {
    let (_turn, fixture, _) = alone().await;
    let before = clients(fixture).await;
    let api = Api::public(&fixture.a, "");
    let post = |kind: &str, body: String| Api::send(api.request("POST", "/register").header("content-type", kind).body(body));
    for body in ["", "{", "[]", "null", "\"x\"", "redirect_uris=https://app.example/cb", "{\"a\":1}x"] {
        refused(body, &post("application/json", body.to_owned()).await, 400, "invalid_client_metadata");
    }
    let good = web(&json!({})).to_string();
    for kind in ["application/x-www-form-urlencoded", "text/plain", "application/jsonx", ""] {
        refused(kind, &post(kind, good.clone()).await, 400, "invalid_request");
    }
    let large = web(&json!({ "x": "x".repeat(65_536) })).to_string();
    refused("too large", &post("application/json", large).await, 413, "invalid_request");
    let announced = "POST /register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 70000\r\n\r\n";
    refused("announced", &raw(&fixture.a, announced).await, 413, "invalid_request");
    assert_eq!(post("Application/JSON; charset=utf-8", good).await.status, 201);
    for (path, method, allowed) in [
        ("/register", "GET", "POST"),
        ("/register", "PUT", "POST"),
        ("/register/x", "POST", "GET, PUT, DELETE"),
        ("/register/x", "PATCH", "GET, PUT, DELETE"),
    ] {
        let answer = Api::send(api.request(method, path)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, allowed), "{method} {path}");
    }
    assert_eq!(clients(fixture).await, before + 1);
}

/// The first filter: per address.
#[tokio::test]
async fn registrations_are_limited_per_address() {
    let fixture = crate::harness::Setup::default().var("REGISTRATION", "open").rate_limit("LIMIT_REGISTER", 2).start().await;
    let from = |address: &'static str| {
        let request = Api::public(&fixture.a, "").request("POST", "/register").header("cf-connecting-ip", address);
        Api::send(request.json(&web(&json!({}))))
    };
    for _ in 0..2 {
        assert_eq!(from("192.0.2.1").await.status, 201);
    }
    let many = from("192.0.2.1").await;
    refused("too many", &many, 429, "temporarily_unavailable");
    assert!(many.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert_eq!(from("192.0.2.2").await.status, 201, "another address");
}
