//! Introspection as a JWT: about the token (RFC 9701), and in place of it (a gateway swaps the handle for the JWT).

use serde_json::{Value, json};

use super::{
    API, INTROSPECTION_JWT, PHANTOM_RSA, RSA, api, assert_error, assert_inactive, by_alg, exchange, fixture, introspect,
    introspect_as, is_active, names, own, person, told, unsealed,
};
use crate::code::{jwks, now, post_by, verified};
use crate::support::{Answer, Api, claims, header};
use crate::web::{App, query, secret};

const FORMS: [&str; 2] = [INTROSPECTION_JWT, "application/jwt"];

/// The head of an answer in this form.
#[track_caller]
fn assert_form(answer: &Answer, form: &str) {
    let head = (answer.status, answer.header("content-type"), answer.header("cache-control"));
    assert_eq!(head, (200, form, "no-store"), "{}", answer.body);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

/// RFC 9701 5: issuer, the resource server as audience and when; the answer inside; no `sub` and no `exp` outside.
#[tokio::test]
async fn a_signed_answer_is_about_the_token_and_for_one_server() {
    let fixture = fixture();
    let token = own(&fixture.a, "claiming", &[]).await;
    let dark = own(&fixture.a, "claiming-dark", &[]).await;
    jwks(&fixture.a).await;
    for (id, alg) in
        [("gateway".to_owned(), "RS256")].into_iter().chain(["ES256", "PS256", "EdDSA"].map(|alg| (by_alg(alg), alg)))
    {
        for base in [&fixture.a, &fixture.b] {
            for (token, is_active) in [(token.as_str(), true), (&dark, true), ("garbage", false)] {
                let answer = introspect_as(base, &id, token, INTROSPECTION_JWT).await;
                assert_form(&answer, INTROSPECTION_JWT);
                assert_eq!(
                    (&header(&answer.body)["typ"], &header(&answer.body)["alg"]),
                    (&json!("token-introspection+jwt"), &json!(alg))
                );
                // Another algorithm's first key may be a moment old: the set that a Worker remembers is 30 s at most.
                let keys: Value = serde_json::from_str(&fixture.kv("jwks").await.unwrap()).unwrap();
                let said = verified(&keys, &answer.body);
                assert_eq!(names(&said), ["iss", "aud", "iat", "token_introspection"].into(), "{id}");
                assert_eq!((&said["iss"], &said["aud"]), (&json!(fixture.a), &json!(id)));
                assert!((now() - 30..=now()).contains(&said["iat"].as_i64().unwrap()));
                assert_eq!(said["token_introspection"], introspect(base, &id, token).await.json());
                assert_eq!(said["token_introspection"]["active"], is_active);
                if !is_active {
                    assert_eq!(said["token_introspection"], json!({ "active": false }));
                }
            }
        }
    }
}

/// The JWT that an opaque token would have been, by the resource's algorithm: the same claims, the same end.
#[tokio::test]
async fn a_gateway_swaps_the_handle_for_the_jwt() {
    let fixture = fixture();
    let mary = person(&fixture.a, "mary").await;
    let dark = App::web(&fixture.a, "clinic-dark").tokens(&mary, &[]).await.member("access_token");
    let tokens = [
        (own(&fixture.a, "claiming-dark", &[]).await, "ES256"),
        (own(&fixture.a, "worker", &[("resource", PHANTOM_RSA)]).await, "RS256"),
        (own(&fixture.a, "worker", &[("resource", RSA), ("resource", PHANTOM_RSA)]).await, "RS256"),
        (dark.clone(), "ES256"),
    ];
    for (token, alg) in &tokens {
        let inside = unsealed(fixture, token).await;
        let mut expected = serde_json::to_value(&inside.claims).unwrap();
        expected["iat"] = inside.iat.seconds().into();
        expected["exp"] = inside.exp.seconds().into();
        for base in [&fixture.a, &fixture.b] {
            let answer = introspect_as(base, "gateway", token, "application/jwt").await;
            assert_form(&answer, "application/jwt");
            assert_eq!((&header(&answer.body)["typ"], &header(&answer.body)["alg"]), (&json!("at+jwt"), &json!(alg)));
            assert_eq!(verified(&jwks(base).await, &answer.body), expected);
            assert!(is_active(fixture, &answer.body).await, "and it is an access token");
        }
    }
    let swapped = introspect_as(&fixture.a, "gateway", &dark, "application/jwt").await.body;
    assert_eq!(api(&fixture.a, "gateway").userinfo(&swapped).await.status, 200);
    assert_eq!(api(&fixture.a, "clinic-dark").post("/revoke", &[("token", &swapped)]).await.status, 200);
    assert!(!is_active(fixture, &dark).await, "both are the same grant");
    // A JWT is swapped for one that says the same.
    let plain = own(&fixture.a, "claiming", &[]).await;
    let answer = introspect_as(&fixture.a, "gateway", &plain, "application/jwt").await;
    assert_form(&answer, "application/jwt");
    assert_eq!(verified(&jwks(&fixture.a).await, &answer.body), claims(&plain));
    // There is nothing to swap what is none for, or what is not this server's.
    for (id, token) in
        [("gateway", "garbage"), ("gateway", dark.as_str()), ("other-gateway", &plain), ("home-gateway", &tokens[0].0)]
    {
        assert_inactive(id, &introspect_as(&fixture.a, id, token, "application/jwt").await);
    }
}

/// RFC 9110 12.5.1, as far as three forms need it.
#[tokio::test]
async fn the_form_is_what_accept_prefers() {
    let fixture = fixture();
    let token = own(&fixture.a, "dark", &[]).await;
    let json = "application/json";
    for (accept, form) in [
        ("", json),
        ("*/*", json),
        ("application/*", json),
        ("text/html,application/xhtml+xml", json),
        ("application/json, application/jwt", json),
        ("application/jwt;q=0", json),
        ("application/jwt;q=0.5, application/json;q=0.9", json),
        ("application/jwt", "application/jwt"),
        ("APPLICATION/JWT", "application/jwt"),
        ("application/jwt, application/json;q=0.5", "application/jwt"),
        ("application/json;q=0.5, application/jwt;q=0.8, application/token-introspection+jwt;q=0.9", INTROSPECTION_JWT),
        ("application/token-introspection+jwt, */*", INTROSPECTION_JWT),
        ("*/*;q=0.1,application/token-introspection+jwt", INTROSPECTION_JWT),
    ] {
        assert_form(&introspect_as(&fixture.a, "gateway", &token, accept).await, form);
    }
    let api = Api::public(&fixture.a, "");
    let without =
        Api::send(api.request("POST", "/introspect").basic_auth("gateway", Some(secret("gateway"))).form(&[("token", &token)]))
            .await;
    assert_form(&without, json);
    // Errors are JSON whatever was wanted (RFC 6749 5.2).
    for form in FORMS {
        assert_error(form, &introspect_as(&fixture.a, "worker", &token, form).await, 400, "unauthorized_client");
    }
}

/// RFC 9701 8.1: nobody takes the answer about a token for a token.
#[tokio::test]
async fn a_signed_answer_is_good_for_nothing_else() {
    let fixture = fixture();
    let mary = person(&fixture.a, "mary").await;
    let app = App::web(&fixture.a, "clinic");
    let tokens = app.tokens(&mary, &[]).await;
    for id in ["gateway", "gateway-es256"] {
        let answer = introspect_as(&fixture.a, id, &tokens.member("access_token"), INTROSPECTION_JWT).await.body;
        let gateway = api(&fixture.a, id);
        assert_error("userinfo", &gateway.userinfo(&answer).await, 401, "invalid_token");
        for form in ["application/json", "application/jwt"] {
            assert_inactive("introspection", &introspect_as(&fixture.a, "gateway", &answer, form).await);
        }
        for kind in ["access_token", "jwt", "id_token"] {
            assert_error(kind, &exchange(&api(&fixture.a, "gateway"), &answer, kind).await, 400, "invalid_request");
        }
        let actor = [
            ("grant_type", super::TOKEN_EXCHANGE),
            ("subject_token", &own(&fixture.a, "gateway", &[("resource", API)]).await),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("actor_token", &answer),
            ("actor_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ];
        assert_error("actor", &api(&fixture.a, "gateway").post("/token", &actor).await, 400, "invalid_request");
        let assertion = post_by(
            &Api::public(&fixture.a, "key-gateway"),
            "/token",
            &answer,
            &[("grant_type", super::CLIENT_CREDENTIALS), ("client_id", "key-gateway")],
        )
        .await;
        assert_error("client assertion", &assertion, 400, "invalid_client");
        let bearer = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &answer)];
        assert_error("assertion", &api(&fixture.a, "gateway").post("/token", &bearer).await, 400, "invalid_grant");
        let hints = [("id_token_hint".to_owned(), answer.clone()), ("client_id".to_owned(), "clinic".to_owned())];
        let page = mary.get(&format!("/logout?{}", query(&hints))).await;
        assert_eq!(page.status, 400, "{}", page.body);
        let back = app.returned(&mary.get(&app.path(&[("prompt", "none"), ("id_token_hint", &answer)])).await);
        assert_eq!(back["error"], "invalid_request");
        assert_eq!(app.api.post("/revoke", &[("token", &answer)]).await.status, 200, "RFC 7009 2.2: no token");
        assert!(told(&introspect(&fixture.a, "gateway", &tokens.member("access_token")).await)["active"].as_bool().unwrap());
    }
}
