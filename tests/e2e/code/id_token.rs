//! The ID token and the access token beside it: OpenID Connect Core 2 and 3.1.3.6, RFC 9068 2.

use std::collections::HashSet;

use latchkey::protocol::code::AuthorizationCode;
use latchkey::protocol::secret::base64url;
use openidconnect::JsonWebKey as _;
use serde_json::{Value, json};

use super::{ALGS, alg_of, by_alg, fixture, jwks, key_of, now, unsealed, verified};
use crate::support::{Person, claims, header};
use crate::web::App;

fn names(claims: &Value) -> HashSet<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What every ID token has, and nothing else has to be there.
const ALWAYS: [&str; 10] = ["iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "at_hash"];

#[tokio::test]
async fn an_id_token_says_who_signed_in_how_and_when_and_no_more() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    let all = "openid profile email address phone records:read";
    let code = app.code(&person, &[("scope", all)]).await;
    let opened: AuthorizationCode = unsealed(fixture, &code).await;
    let tokens = app.redeem(&code).await;
    let jwks = jwks(&fixture.a).await;
    let (id_token, access_token) = (tokens.member("id_token"), tokens.member("access_token"));
    let id = verified(&jwks, &id_token);
    assert_eq!(names(&id), ALWAYS.into_iter().chain(["nonce"]).collect(), "no profile claims whatever the scope");
    let session = fixture.d1("SELECT * FROM sessions WHERE sid = ?1", &[opened.sid.clone().into()]).await.remove(0);
    let user = fixture.d1("SELECT user_id FROM logins WHERE login = 'ada'", &[]).await[0]["user_id"].clone();
    assert_eq!((&id["iss"], &id["aud"], &id["sub"]), (&json!(fixture.a), &json!("first-party"), &user));
    assert_eq!((&id["nonce"], &id["sid"]), (&json!("a nonce"), &json!(opened.sid)));
    assert_eq!(id["auth_time"].as_i64(), session["auth_time"].as_i64().map(|millis| millis / 1000));
    assert_eq!((&id["acr"], &id["amr"]), (&json!("urn:latchkey:acr:pwd"), &json!(["pwd"])));
    let (issued_at, expires_at) = (id["iat"].as_i64().unwrap(), id["exp"].as_i64().unwrap());
    assert!((now() - 30..=now()).contains(&issued_at) && (1..=600).contains(&(expires_at - issued_at)));
    // RS256 unless it asked otherwise; the access token is always ES256 and says its type.
    let [id_header, access_header] = [&id_token, &access_token].map(|jwt| header(jwt));
    assert_eq!((&id_header["alg"], &id_header["typ"]), (&json!("RS256"), &json!("JWT")));
    assert_eq!((&access_header["alg"], &access_header["typ"]), (&json!("ES256"), &json!("at+jwt")));
    assert_eq!(names(&access_header), HashSet::from(["alg", "typ", "kid"]));

    let access = verified(&jwks, &access_token);
    let expected = ["iss", "sub", "aud", "client_id", "scope", "jti", "auth_time", "acr", "amr", "sid", "roles", "iat", "exp"];
    assert_eq!(names(&access), expected.into());
    for name in ["iss", "sub", "auth_time", "acr", "amr", "sid"] {
        assert_eq!(access[name], id[name], "{name}");
    }
    assert_eq!((&access["scope"], &access["client_id"]), (&json!(all), &json!("first-party")));
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), tokens.json()["expires_in"].as_i64().unwrap());
    for secret in [code.as_str(), &opened.id.to_string(), &app.pkce.verifier] {
        assert!(!access.to_string().contains(secret) && !id.to_string().contains(secret));
    }
}

#[tokio::test]
async fn the_nonce_is_there_only_if_it_was_sent_and_the_token_only_with_openid() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    let bare = app.tokens(&person, &[("nonce", "")]).await;
    assert_eq!(names(&claims(&bare.member("id_token"))), ALWAYS.into());
    let odd = " \u{e9}\"<&\\";
    let with = app.tokens(&person, &[("nonce", odd)]).await;
    assert_eq!(claims(&with.member("id_token"))["nonce"], odd);
    let none = app.tokens(&person, &[("scope", "profile records:read")]).await;
    assert_eq!((none.json().get("id_token"), none.member("scope").as_str()), (None, "profile records:read"));
    assert_eq!(app.api.userinfo(&none.member("access_token")).await.status, 403);
    // The same sign-in for another client and later: the same session and instant.
    let other = App::web(&fixture.b, "reaching").tokens(&person, &[]).await;
    for name in ["sub", "sid", "auth_time"] {
        assert_eq!(claims(&other.member("id_token"))[name], claims(&bare.member("id_token"))[name], "{name}");
    }
    let another = app.tokens(&Person::ada(&fixture.a).await, &[]).await;
    assert_ne!(claims(&another.member("id_token"))["sid"], claims(&bare.member("id_token"))["sid"]);
}

/// Core 5.5: single claims, where they are asked for.
#[tokio::test]
async fn profile_claims_are_there_if_the_claims_parameter_asks() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    let asked = json!({
        "id_token": { "email": null, "name": { "essential": true }, "nickname": { "value": "Countess" }, "auth_time": { "essential": true },
                      "acr": { "values": ["urn:other", "urn:latchkey:acr:pwd"] }, "http://example.info/claims/groups": null },
        "userinfo": { "birthdate": null },
    });
    let tokens = app.tokens(&person, &[("claims", &asked.to_string())]).await;
    let id = claims(&tokens.member("id_token"));
    assert_eq!(names(&id), ALWAYS.into_iter().chain(["nonce", "email", "name", "nickname"]).collect());
    assert_eq!((&id["name"], &id["email"]), (&json!("Ada Lovelace"), &json!("ada@ada.example")));
    let info = app.api.userinfo(&tokens.member("access_token")).await.json();
    assert_eq!(info, json!({ "sub": id["sub"], "birthdate": "1985-12-10" }));
    // Whom it must be about, and how they must have signed in.
    let essential = json!({ "id_token": { "acr": { "essential": true, "values": ["urn:other"] } } }).to_string();
    let back = app.authorized(&person, &[("claims", &essential)]).await;
    assert_eq!(back["error"], "unmet_authentication_requirements");
    let user = |sub: &Value| json!({ "id_token": { "sub": { "value": sub } } }).to_string();
    let back = app.authorized(&person, &[("claims", &user(&json!("somebody"))), ("prompt", "none")]).await;
    assert_eq!(back["error"], "login_required");
    let tokens = app.tokens(&person, &[("claims", &user(&id["sub"])), ("prompt", "none")]).await;
    assert_eq!(claims(&tokens.member("id_token"))["sub"], id["sub"]);
}

/// The client's algorithm for ID token and userinfo, with a key of the JWKS and the hash that belongs to it
/// (RFC 7518 3.1, RFC 8037 3.1).
#[tokio::test]
async fn each_algorithm_verifies_with_the_jwks() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    for alg in ALGS {
        let app = App::web(&fixture.a, &by_alg(alg));
        let tokens = app.tokens(&person, &[("scope", "openid email offline_access")]).await;
        let access_token = tokens.member("access_token");
        let later = app.at(&fixture.b).api.refresh(&tokens.member("refresh_token")).await;
        let info = app.api.userinfo(&access_token).await;
        assert_eq!((info.status, info.header("content-type")), (200, "application/jwt"), "{}", info.body);
        // Another realm's first use may be a moment ago: the set that a Worker remembers is 30 s old at most.
        let jwks: Value = serde_json::from_str(&fixture.kv("jwks").await.unwrap()).unwrap();
        let id_token = tokens.member("id_token");
        let (id, said) = (verified(&jwks, &id_token), verified(&jwks, &info.body));
        assert_eq!([header(&id_token), header(&info.body)].map(|header| header["alg"].clone()), [json!(alg), json!(alg)]);
        assert_eq!((&id["aud"], &header(&access_token)["alg"]), (&json!(app.api.client), &json!("ES256")));
        let hash = key_of(&jwks, &id_token).hash_bytes(access_token.as_bytes(), &alg_of(&id_token)).unwrap();
        assert_eq!(id["at_hash"], base64url(&hash[..hash.len() / 2]), "{alg}: the left half");
        assert_eq!(hash.len(), if alg == "EdDSA" { 64 } else { 32 });
        assert_eq!(verified(&jwks, &later.member("id_token"))["sub"], id["sub"]);
        // Core 5.3.2: signed, so it says who says it to whom; no nonce.
        assert_eq!((&said["iss"], &said["aud"], &said["sub"]), (&json!(fixture.a), &json!(app.api.client), &id["sub"]));
        assert_eq!((&said["email"], said.get("name"), said.get("nonce")), (&json!("ada@ada.example"), None, None));
        assert_ne!(header(&info.body)["typ"], "at+jwt");
        assert_eq!(app.api.userinfo(&info.body).await.status, 401, "and it is no access token");
        assert_eq!(app.api.userinfo(&id_token).await.status, 401);
    }
}
