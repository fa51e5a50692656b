//! Codes and tokens that are none: garbage, damaged ones, ones of another kind, forged ones.

use hmac::{Hmac, KeyInit as _, Mac as _};
use latchkey::protocol::device::DeviceCode;
use latchkey::protocol::keyring::KeyRing;
use latchkey::protocol::refresh::RefreshToken;
use latchkey::protocol::seal::{Sealable, Sealer};
use latchkey::protocol::secret::{base64url, from_base64url};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Watch, fixture};
use crate::harness::Worker;
use crate::support::{Answer, Api, DEVICE_CODE, Person, claims, header, raw, sleep};

/// Texts that were never made here.
fn garbage() -> Vec<String> {
    let mut garbage: Vec<String> = [
        "x",
        "null",
        "undefined",
        "..",
        "...",
        "a.b.c",
        "e30.e30.",
        "AQAB",
        "AQAA",
        "-",
        "0",
        "'--",
        "\u{e9}",
        "\u{1f511}",
        "\0",
    ]
    .map(str::to_owned)
    .to_vec();
    garbage.extend([base64url(&[0; 100]), base64url(&[1; 27]), base64url(&[1, 0, 1]), base64url(&[0xff; 80]), "A".repeat(4096)]);
    garbage
}

/// A real one, damaged: a changed character here and there, cut, with more of it, in capitals. The three
/// characters with the number of the key in a sealed text are left alone: a higher number than any known
/// is no garbage but made by a newer deployment.
fn damaged(real: &str) -> Vec<String> {
    let mut damaged: Vec<String> = (0..real.len())
        .step_by(real.len() / 16)
        .chain([4, 5, 6, real.len() - 2])
        .filter(|at| !(1..4).contains(at))
        .map(|at| {
            let other = if &real[at..=at] == "A" { "B" } else { "A" };
            format!("{}{other}{}", &real[..at], &real[at + 1..])
        })
        .collect();
    damaged.extend([&real[4..], &real[..real.len() - 1], &real[..real.len() / 2]].map(str::to_owned));
    damaged.extend([format!("{real}A"), format!("{real}="), format!("{real}{real}"), real.to_uppercase()]);
    damaged.retain(|text| !is_of_a_newer_key(text));
    damaged
}

/// Whether a text begins like something sealed by a key with a higher number than the first, as one in 256 does
/// that is cut out of another.
fn is_of_a_newer_key(text: &str) -> bool {
    from_base64url(text)
        .is_some_and(|bytes| matches!(bytes.as_slice(), [1, high, low, ..] if u16::from_be_bytes([*high, *low]) > 1))
}

/// JWTs with the claims of a real access token that nobody signed, or the wrong one (RFC 8725 3.1, 3.2).
async fn forged(watch: &Watch) -> Vec<(String, String)> {
    let real = watch.tokens.member("access_token");
    let parts: Vec<&str> = real.split('.').collect();
    let id_token = watch.tokens.member("id_token");
    let jwks = watch.api.get("/jwks.json").await.body;
    let with = |changes: &Value| {
        let mut header = header(&real);
        header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        base64url(header.to_string().as_bytes())
    };
    let mut forged = Vec::new();
    for alg in ["none", "None", "NONE", "HS256", "RS256", "ES384", "EdDSA", ""] {
        let head = with(&json!({ "alg": alg }));
        forged.push((format!("alg {alg:?} unsigned"), format!("{head}.{}.", parts[1])));
        forged.push((format!("alg {alg:?} with the old signature"), format!("{head}.{}.{}", parts[1], parts[2])));
    }
    // The public key as an HMAC secret, in the ways that it may be spelt.
    let keys: Value = serde_json::from_str(&jwks).unwrap();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header(&real)["kid"]).unwrap().clone();
    for secret in [jwks.clone(), key.to_string(), key["x"].to_string(), String::new()] {
        let input = format!("{}.{}", with(&json!({ "alg": "HS256" })), parts[1]);
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(input.as_bytes());
        forged.push(("HS256 with the public key".to_owned(), format!("{input}.{}", base64url(&mac.finalize().into_bytes()))));
    }
    for (what, changes) in [
        ("typ of an ID token", json!({ "typ": "JWT" })),
        ("no typ", json!({ "typ": null })),
        ("typ of a logout token", json!({ "typ": "logout+jwt" })),
        ("another kid", json!({ "kid": header(&id_token)["kid"] })),
        ("an unknown kid", json!({ "kid": "unknown" })),
        ("no kid", json!({ "kid": null })),
        ("a key of its own", json!({ "jwk": key, "jku": "https://evil.example/jwks.json" })),
        ("an unknown crit", json!({ "crit": ["exp"] })),
    ] {
        forged.push((what.to_owned(), format!("{}.{}.{}", with(&changes), parts[1], parts[2])));
    }
    let mut longer = claims(&real);
    longer["exp"] = json!(4_000_000_000_u64);
    forged.push(("a later exp".to_owned(), format!("{}.{}.{}", parts[0], base64url(longer.to_string().as_bytes()), parts[2])));
    forged.push((
        "the signature of another".to_owned(),
        format!("{}.{}.{}", parts[0], parts[1], id_token.split('.').nth(2).unwrap()),
    ));
    // Signed by us, and still not an access token.
    forged.push(("the ID token".to_owned(), id_token));
    forged
}

/// Sealed as the real ones are, but elsewhere: another realm, another epoch, another secret.
async fn sealed_elsewhere<T: Sealable>(watch: &Watch, real: &str) -> Vec<(&'static str, String)> {
    let secrets = watch.fixture.secrets(Worker::A).await;
    let ring = KeyRing::parse(secrets["LATCHKEY_KEYS"].as_str().unwrap(), "1").unwrap();
    let other = KeyRing::parse("1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "1").unwrap();
    let right = Sealer { ring: &ring, issuer: &watch.fixture.a, epoch: 1 };
    let value: T = right.open(real).unwrap();
    vec![
        ("another issuer", Sealer { issuer: "https://other.example", ..right }.seal_deterministic(&value)),
        ("another epoch", Sealer { epoch: 2, ..right }.seal_deterministic(&value)),
        ("another secret", Sealer { ring: &other, ..right }.seal_deterministic(&value)),
    ]
}

/// RFC 6749 5.2 `invalid_grant`, one answer for all of them.
#[tokio::test]
async fn garbage_is_no_device_code_and_no_refresh_token() {
    let mut watch = Watch::start().await;
    let forged = forged(&watch).await;
    let member = |name: &str| watch.tokens.member(name);
    let (access, id, refresh) = (member("access_token"), member("id_token"), member("refresh_token"));
    let jti = claims(&access)["jti"].as_str().unwrap().to_owned();
    let device = watch.pending.device_code.clone();
    let (codes, tokens) =
        (sealed_elsewhere::<DeviceCode>(&watch, &device).await, sealed_elsewhere::<RefreshToken>(&watch, &refresh).await);
    let kinds =
        [(DEVICE_CODE, "device_code", &device, &refresh, codes), ("refresh_token", "refresh_token", &refresh, &device, tokens)];
    for (grant, name, real, other, elsewhere) in kinds {
        let mut bad: Vec<(String, String)> = Vec::new();
        bad.extend(garbage().into_iter().map(|text| (format!("garbage {text:?}"), text)));
        bad.extend(damaged(real).into_iter().map(|text| ("damaged".to_owned(), text)));
        bad.extend([format!(" {real}"), format!("{real}\n")].map(|text| ("white space".to_owned(), text)));
        bad.extend([&access, &id, &jti, other, &watch.pending.user_code].map(|text| ("another kind".to_owned(), text.clone())));
        bad.extend(forged.iter().cloned());
        bad.extend(elsewhere.into_iter().map(|(what, text)| (what.to_owned(), text)));
        for (what, text) in bad {
            let answer = watch.api.post("/token", &[("grant_type", grant), (name, &text)]).await;
            watch.refused(&format!("{name}: {what}"), &answer, 400, "invalid_grant");
        }
    }
    let api = watch.api.clone();
    let _alive = watch.nothing_happened().await;
    assert!(api.refresh(&refresh).await.is_granted(), "the real one still works");
}

/// RFC 7009 2.2: what is no token is answered 200, like one that is dead; and nothing happens.
#[tokio::test]
async fn revoking_garbage_is_answered_and_does_nothing() {
    let mut watch = Watch::start().await;
    let refresh = watch.tokens.member("refresh_token");
    let mut bad = [garbage(), damaged(&refresh), damaged(&watch.tokens.member("access_token"))].concat();
    bad.extend(forged(&watch).await.into_iter().map(|(_, text)| text));
    bad.extend(sealed_elsewhere::<RefreshToken>(&watch, &refresh).await.into_iter().map(|(_, text)| text));
    bad.extend([
        watch.pending.device_code.clone(),
        claims(&watch.tokens.member("access_token"))["jti"].as_str().unwrap().to_owned(),
    ]);
    for (number, text) in bad.iter().enumerate() {
        let hint = ["access_token", "refresh_token", "nonsense"][number % 3];
        let answer = watch.api.post("/revoke", &[("token", text), ("token_type_hint", hint)]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{text}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let answer = watch.api.post("/revoke", &[]).await;
    watch.refused("nothing", &answer, 400, "invalid_request");
    let api = watch.api.clone();
    let alone = watch.nothing_happened().await;
    let fixture = alone.fixture;
    let rows: i64 = fixture.logs().await.iter().filter(|entry| entry["line"]["route"] == "revoke").map(cost_in_rows).sum();
    assert_eq!(rows, 0);
    assert!(api.refresh(&refresh).await.is_granted(), "the real one still works");
}

fn cost_in_rows(entry: &Value) -> i64 {
    entry["line"]["cost"]["rows"].as_i64().unwrap()
}

async fn bearer(watch: &Watch, token: &str) -> Answer {
    // As bytes, because tokens are sent here that a header cannot hold.
    let head = "GET /userinfo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ";
    raw(&watch.fixture.a, format!("{head}{token}\r\n\r\n")).await
}

/// RFC 6750 3.1 and 3: `invalid_token` with a challenge, and no error code when no token was sent.
#[tokio::test]
async fn userinfo_takes_live_access_tokens_only() {
    let mut watch = Watch::start().await;
    let real = watch.tokens.member("access_token");
    let mut bad: Vec<(String, String)> = forged(&watch).await;
    bad.extend(garbage().into_iter().filter(|text| !text.contains('\0')).map(|text| (format!("garbage {text:?}"), text)));
    bad.extend(damaged(&real).into_iter().map(|text| ("damaged".to_owned(), text)));
    let member = |name: &str| watch.tokens.member(name);
    bad.extend(
        [member("refresh_token"), watch.pending.device_code.clone(), format!("{real} {real}")]
            .map(|text| ("another kind".to_owned(), text)),
    );
    for (what, text) in bad {
        let answer = bearer(&watch, &text).await;
        watch.refused(&what, &answer, 401, "invalid_token");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("Bearer realm=") && challenge.contains("error=\"invalid_token\""), "{what}: {challenge}");
    }
    // RFC 6750 2: in the header or in the body of a form, never both; and never here in the query.
    for (what, request) in [
        ("two ways", watch.api.request("POST", "/userinfo").bearer_auth(&real).form(&[("access_token", &real)])),
        ("twice", watch.api.request("POST", "/userinfo").form(&[("access_token", &real), ("access_token", &real)])),
        ("Basic", watch.api.request("GET", "/userinfo").basic_auth("demo-device", Some(&real))),
        ("no token", watch.api.request("GET", "/userinfo").header("authorization", "Bearer")),
    ] {
        let answer = Api::send(request).await;
        watch.refused(what, &answer, 400, "invalid_request");
        assert!(answer.header("www-authenticate").contains("error=\"invalid_request\""), "{what}");
    }
    for request in [
        watch.api.request("GET", "/userinfo"),
        watch.api.request("GET", &format!("/userinfo?access_token={real}")),
        watch.api.request("POST", "/userinfo").json(&json!({ "access_token": real })),
        watch.api.request("POST", "/userinfo").form(&[("access_token", "")]),
    ] {
        let answer = Api::send(request).await;
        assert_eq!((answer.status, answer.body.as_str()), (401, ""));
        assert_eq!(answer.header("www-authenticate"), format!("Bearer realm=\"{}\"", watch.fixture.a));
    }
    let api = watch.api.clone();
    let _alive = watch.nothing_happened().await;
    let in_body = Api::send(api.request("POST", "/userinfo").form(&[("access_token", &real)])).await;
    assert_eq!(in_body.status, 200, "{}", in_body.body);
    assert_eq!(in_body.body, api.userinfo(&real).await.body);
}

/// RFC 6750 3.1: revoked, without `openid`.
#[tokio::test]
async fn userinfo_refuses_revoked_tokens_and_such_without_openid() {
    let mut watch = Watch::start().await;
    let person = Person::ada(&watch.fixture.a).await;
    let started = watch.api.start_with(&[("scope", "records:read")]).await;
    person.approve(&started.user_code).await;
    let narrow = watch.api.poll(&started).await.member("access_token");
    let revoked = watch.api.signed_in(&person).await;
    for name in ["access_token", "refresh_token"] {
        let tokens = if name == "access_token" { watch.api.signed_in(&person).await } else { revoked.clone() };
        let token = tokens.member("access_token");
        assert_eq!(watch.api.userinfo(&token).await.status, 200);
        assert_eq!(watch.api.post("/revoke", &[("token", &tokens.member(name))]).await.status, 200);
        let answer = watch.api.userinfo(&token).await;
        watch.refused(&format!("revoked by its {name}"), &answer, 401, "invalid_token");
        let answer = watch.api.refresh(&tokens.member("refresh_token")).await;
        watch.refused("its refresh token", &answer, 400, "invalid_grant");
    }
    watch.stored = watch.fixture.stored().await;
    let answer = watch.api.userinfo(&narrow).await;
    watch.refused("without openid", &answer, 403, "insufficient_scope");
    assert!(answer.header("www-authenticate").contains("error=\"insufficient_scope\""));
    watch.nothing_happened().await;
}

/// RFC 9068 4: `exp`, by the clock.
#[tokio::test]
async fn an_expired_access_token_is_refused() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "short");
    let token = api.signed_in(&Person::ada(&fixture.a).await).await.member("access_token");
    assert_eq!(api.userinfo(&token).await.status, 200);
    let left = claims(&token)["exp"].as_i64().unwrap() * 1000 - now();
    sleep(u64::try_from(left.max(0)).unwrap() + 20).await;
    let answer = api.at(&fixture.b).userinfo(&token).await;
    assert_eq!((answer.status, answer.error().as_str()), (401, "invalid_token"), "{}", answer.body);
}

fn now() -> i64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    #[expect(clippy::disallowed_methods, reason = "the ban is for wasm32")]
    let now = SystemTime::now();
    i64::try_from(now.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
