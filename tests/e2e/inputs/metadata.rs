//! The public documents, and paths that lead nowhere.

use serde_json::{Value, json};

use super::Alone;
use crate::harness::Fixture;
use crate::support::{Answer, Api, Person, raw};

const DOCUMENTS: [&str; 3] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks.json"];

/// RFC 8414 3 and OpenID Connect Discovery 4: one document, and only what is true.
#[tokio::test]
async fn both_metadata_documents_are_one_and_every_endpoint_in_it_answers() {
    let fixture = Fixture::shared();
    let api = Api::demo(&fixture.a);
    let document = api.get(DOCUMENTS[0]).await;
    for base in [&fixture.a, &fixture.b] {
        for path in &DOCUMENTS[..2] {
            let other = api.at(base).get(path).await;
            assert_eq!((other.status, &other.body), (200, &document.body));
            assert_eq!(other.header("content-type"), "application/json");
            assert_eq!(other.header("cache-control"), "public, max-age=300");
        }
    }
    let document = document.json();
    assert_eq!(document["issuer"], fixture.a);
    let mut endpoints = 0;
    for (name, value) in document.as_object().unwrap() {
        if !name.ends_with("_endpoint") && !name.ends_with("_uri") {
            continue;
        }
        endpoints += 1;
        let path = value.as_str().unwrap().strip_prefix(&fixture.a).unwrap_or_else(|| panic!("{name} is elsewhere: {value}"));
        let (get, post) = (api.get(path).await, api.post(path, &[]).await);
        assert!(get.status != 404 && post.status != 404 && (get.status != 405 || post.status != 405), "{name}");
    }
    assert_eq!(endpoints, 10, "{document}");
    // RFC 8414 2: each grant type named is one that the token endpoint knows, and no other is.
    let grants: Vec<&str> = document["grant_types_supported"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for grant in [&grants[..], &["client_credentials", "password", "implicit"]].concat() {
        let error = api.post("/token", &[("grant_type", grant)]).await.error();
        assert_eq!(error == "unsupported_grant_type", !grants.contains(&grant), "{grant}: {error}");
    }
    // Each scope named can be asked for by somebody: unknown ones are invalid.
    let scopes: Vec<&str> = document["scopes_supported"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for scope in ["openid", "profile", "email", "offline_access", "records:read", "records:write"] {
        assert!(scopes.contains(&scope), "{scope}");
    }
    let jwks = api.get("/jwks.json").await.json();
    let algs: Vec<&str> = jwks["keys"].as_array().unwrap().iter().filter_map(|key| key["alg"].as_str()).collect();
    // The others have a key once a client wants one.
    assert_eq!(algs, ["ES256", "RS256"]);
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256", "ES256", "PS256", "EdDSA"]));
    for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
        assert!(jwks["keys"].as_array().unwrap().iter().all(|key| key.get(private).is_none()), "{private} is public");
    }
}

/// The issuer is a setting; nothing that a request says changes it or any URL.
#[tokio::test]
async fn the_issuer_is_never_taken_from_a_request() {
    let fixture = Fixture::shared();
    let api = Api::demo(&fixture.a);
    let headers = "x-forwarded-host: evil.example\r\nx-forwarded-proto: https\r\nforwarded: host=evil.example;proto=https\r\n\
                   x-original-host: evil.example\r\nx-host: evil.example\r\norigin: https://evil.example\r\n";
    for path in DOCUMENTS {
        let honest = api.get(path).await;
        for base in [&fixture.a, &fixture.b] {
            let forged = raw(base, format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\n{headers}\r\n")).await;
            assert_eq!((forged.status, &forged.body), (200, &honest.body), "{path}");
        }
    }
    let body = "client_id=demo-device";
    let head = format!(
        "POST /device_authorization HTTP/1.1\r\nhost: evil.example\r\n{headers}content-type: {}\r\ncontent-length: {}\r\n\r\n",
        super::FORM,
        body.len()
    );
    let started = raw(&fixture.a, head + body).await;
    assert_eq!(started.member("verification_uri"), format!("{}/device", fixture.a));
    assert!(!started.body.contains("evil"), "{}", started.body);
    for path in ["/", "/login", "/device", "/logout", "/userinfo", "/nothing", "/device/qr?user_code=BCDF-GHJK"] {
        let get =
            |host: &str| raw(&fixture.a, format!("GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: text/html\r\n{headers}\r\n"));
        let forged = get("evil.example").await;
        assert!(!forged.body.contains("evil"), "{path}: {}", forged.body);
        assert!(forged.headers.values().all(|value| !value.to_str().unwrap().contains("evil")), "{path}: {:?}", forged.headers);
        assert!(forged.status < 500, "{path}");
    }
    let (honest, forged) = ("/device/qr?user_code=BCDF-GHJK", "evil.example");
    let qr = raw(&fixture.a, format!("GET {honest} HTTP/1.1\r\nhost: {forged}\r\n\r\n")).await;
    assert_eq!(qr.body, api.get(honest).await.body, "the QR code holds the issuer's URL");
}

/// The three public documents are open to scripts of every origin; nothing else is.
#[tokio::test]
async fn only_the_public_documents_are_open_to_other_origins() {
    let fixture = Fixture::shared();
    let api = Api::demo(&fixture.a);
    let from_elsewhere = async |method: &str, path: &str| {
        let request =
            api.request(method, path).header("origin", "https://app.example").header("access-control-request-method", "GET");
        Api::send(request.header("access-control-request-headers", "authorization")).await
    };
    let opened = |answer: &Answer| -> Vec<String> {
        answer.headers.keys().map(ToString::to_string).filter(|name| name.starts_with("access-control-")).collect()
    };
    for path in DOCUMENTS {
        for method in ["GET", "HEAD", "OPTIONS"] {
            let answer = from_elsewhere(method, path).await;
            assert!(answer.status == 200 || answer.status == 204, "{method} {path}");
            assert_eq!(answer.header("access-control-allow-origin"), "*", "{method} {path}");
            assert_eq!(answer.header("access-control-allow-credentials"), "", "{method} {path}");
        }
    }
    for path in [
        "/device_authorization",
        "/authorize",
        "/par",
        "/register",
        "/consent",
        "/accounts",
        "/login",
        "/logout",
        "/device",
        "/device/approve",
        "/device/undo",
        "/device/qr?user_code=BCDF-GHJK",
        "/",
        "/style.css",
        "/healthz",
        "/nothing",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = from_elsewhere(method, path).await;
            assert_eq!(opened(&answer), [""; 0], "{method} {path}");
        }
    }
    // What scripts of a client's own pages may call: any may ask whether, only those may read the answer.
    for path in ["/token", "/revoke", "/userinfo"] {
        assert_eq!(from_elsewhere("OPTIONS", path).await.header("access-control-allow-credentials"), "", "{path}");
        for method in ["GET", "POST"] {
            assert_eq!(opened(&from_elsewhere(method, path).await), [""; 0], "{method} {path}");
        }
    }
}

/// RFC 9110 9.3.2: HEAD is GET without the body. 13.1.2: `If-None-Match` saves the body.
#[tokio::test]
async fn head_and_conditional_requests_have_no_body() {
    let fixture = Fixture::shared();
    let person = Person::ada(&fixture.a).await;
    let pages = ["/", "/login", "/device", "/logout", "/style.css", "/healthz", "/device/qr?user_code=BCDF-GHJK", "/nothing"];
    for path in DOCUMENTS.into_iter().chain(pages) {
        let get = person.get(path).await;
        let head = Api::send(person.request("HEAD", path)).await;
        if path == "/nothing" {
            assert_eq!((head.status, head.body.as_str()), (404, ""));
            continue;
        }
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        for name in ["content-type", "cache-control", "etag", "location", "content-security-policy"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
    for path in DOCUMENTS {
        let get = person.get(path).await;
        let tag = get.header("etag");
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "{path}: {tag}");
        for (tags, status) in [
            (tag.to_owned(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"x\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"x\"".to_owned(), 200),
            (tag.trim_matches('"').to_owned(), 200),
        ] {
            let answer = Api::send(person.request("GET", path).header("if-none-match", &tags)).await;
            assert_eq!((answer.status, answer.body.is_empty()), (status, status == 304), "{path} {tags}");
            assert_eq!((answer.header("etag"), answer.header("access-control-allow-origin")), (tag, "*"), "{path} {tags}");
        }
    }
}

/// An address that leads nowhere is told to people by a page and to programs in JSON; and there is only
/// one spelling of each address.
#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let alone = Alone::start().await;
    let fixture = alone.fixture;
    let api = Api::demo(&fixture.a);
    api.get("/healthz").await;
    let stored = fixture.stored().await;
    for path in [
        "/nothing",
        "/token/",
        "/Token",
        "/TOKEN",
        "/token%20",
        "/%74oken",
        "/token;x",
        "/oauth/token",
        "//token",
        "/login/",
        "/device/qr/",
        "/.well-known/",
        "/.well-known/openid-configuration/",
        "/.well-known/jwks.json",
        "/jwks.json.bak",
        "/authorize/",
        "/build/index.js",
        "/wrangler.toml",
        "/.git/config",
        "/..%2f",
        "/\u{e9}",
    ] {
        for method in ["GET", "POST", "PROPFIND"] {
            let answer =
                raw(&fixture.a, format!("{method} {path} HTTP/1.1\r\nhost: x\r\naccept: */*\r\ncontent-length: 0\r\n\r\n")).await;
            assert_eq!((answer.status, answer.header("content-type")), (404, "application/json"), "{method} {path}");
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            assert!(!answer.member("request_id").is_empty(), "{path}");
            let line = format!("{method} {path} HTTP/1.1\r\nhost: x\r\naccept: text/html,*/*\r\ncontent-length: 0\r\n\r\n");
            let page = raw(&fixture.a, line).await;
            assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"), "{method} {path}");
            assert!(page.body.contains("There is no page at this address"), "{method} {path}");
            assert!(page.header("content-security-policy").starts_with("default-src 'none'"), "{method} {path}");
        }
    }
    fixture.assert_unchanged(stored).await;
}
