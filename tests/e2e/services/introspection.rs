//! `POST /introspect` in JSON: RFC 7662. Who may ask, about which tokens, and what ends a token at once.

use serde_json::{Value, json};

use super::{
    API, INTROSPECTION_JWT, PLAIN, api, assert_error, assert_inactive, exchange, fixture, forged, forged_with, introspect,
    introspect_as, is_active, offline, own, person, set_enabled, told, unsealed,
};
use crate::code::{assertion, jwks, now, p256, post_by, signed, verified};
use crate::support::{Answer, Api, Person, claims, header};
use crate::web::{App, post, secret};

/// RFC 7662 2.2: what the token itself says, with `active` and `token_type`; an opaque one says the same.
#[tokio::test]
async fn a_resource_server_hears_what_the_token_says() {
    let fixture = fixture();
    let mary = person(&fixture.a, "mary").await;
    let user = App::web(&fixture.a, "clinic").tokens(&mary, &[("scope", "openid records:read")]).await.member("access_token");
    for token in [own(&fixture.a, "worker", &[]).await, own(&fixture.a, "claiming", &[("resource", PLAIN)]).await, user] {
        let mut expected = claims(&token);
        expected
            .as_object_mut()
            .unwrap()
            .extend([("active".to_owned(), true.into()), ("token_type".to_owned(), "Bearer".into())]);
        for base in [&fixture.a, &fixture.b] {
            assert_eq!(told(&introspect(base, "gateway", &token).await), expected);
        }
    }
    let dark =
        App::web(&fixture.a, "clinic-dark").tokens(&mary, &[("scope", "openid records:read")]).await.member("access_token");
    for token in [own(&fixture.a, "claiming-dark", &[]).await, dark] {
        let inside = unsealed(fixture, &token).await;
        let mut expected = serde_json::to_value(&inside.claims).unwrap();
        let dates = json!({ "active": true, "token_type": "Bearer", "iat": inside.iat.seconds(), "exp": inside.exp.seconds() });
        expected.as_object_mut().unwrap().extend(dates.as_object().unwrap().clone());
        for base in [&fixture.a, &fixture.b] {
            assert_eq!(told(&introspect(base, "gateway", &token).await), expected);
        }
    }
}

/// Only for a resource server that the operator registered, by its own method.
#[tokio::test]
async fn only_resource_servers_may_ask() {
    let fixture = fixture();
    let token = own(&fixture.a, "worker", &[]).await;
    let by_post = [("client_id", "posting-gateway"), ("client_secret", &secret("posting-gateway")), ("token", &token)];
    let public = Api::public(&fixture.a, "lamp");
    told(&Api::send(public.request("POST", "/introspect").form(&by_post)).await);
    let proof = assertion(&fixture.a, "key-gateway", &json!({}));
    told(&post_by(&Api::public(&fixture.a, "key-gateway"), "/introspect", &proof, &[("token", &token)]).await);
    let again = post_by(&Api::public(&fixture.a, "key-gateway"), "/introspect", &proof, &[("token", &token)]).await;
    assert_error("an assertion used before", &again, 401, "invalid_client");
    // Whoever is no resource server, even of its own token.
    for id in ["worker", "trader", "clinic"] {
        assert_error(id, &introspect(&fixture.a, id, &token).await, 400, "unauthorized_client");
    }
    assert_error("public", &public.post("/introspect", &[("token", &token)]).await, 400, "unauthorized_client");
    // RFC 7662 2.3: credentials that are not right.
    let wrong = [
        ("unknown", Api::basic(&fixture.a, "nobody", "x")),
        ("wrong secret", Api::basic(&fixture.a, "gateway", "x")),
        ("another's secret", Api::basic(&fixture.a, "gateway", &secret("home-gateway"))),
        ("another method", Api::basic(&fixture.a, "posting-gateway", &secret("posting-gateway"))),
        ("by key alone", Api::basic(&fixture.a, "key-gateway", "x")),
        ("only named", Api::public(&fixture.a, "gateway")),
    ];
    for (why, api) in wrong {
        let answer = api.post("/introspect", &[("token", &token)]).await;
        assert_error(why, &answer, 401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic realm="), "{why}");
    }
    // Bearer tokens prove nobody here, not even one that is good.
    let bearer = Api::send(public.request("POST", "/introspect").bearer_auth(&token).form(&[("token", &token)])).await;
    assert_error("bearer", &bearer, 401, "invalid_client");
}

#[tokio::test]
async fn each_fault_of_a_request_has_its_error() {
    let fixture = fixture();
    let token = own(&fixture.a, "worker", &[]).await;
    let gateway = api(&fixture.a, "gateway");
    let good = [("token", token.as_str())];
    for (what, fields) in [
        ("no token", &[][..]),
        ("an empty token", &[("token", "")]),
        ("the token twice", &[("token", token.as_str()), ("token", token.as_str())]),
        ("only a hint", &[("token_type_hint", "access_token")]),
        ("the hint twice", &[("token", token.as_str()), ("token_type_hint", "a"), ("token_type_hint", "b")]),
    ] {
        assert_error(what, &gateway.post("/introspect", fields).await, 400, "invalid_request");
    }
    // RFC 7662 2.1: a hint may be wrong or unknown.
    for hint in ["access_token", "refresh_token", "id_token", "nonsense"] {
        told(&gateway.post("/introspect", &[("token", &token), ("token_type_hint", hint)]).await);
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let request =
            gateway.request(method, &format!("/introspect?token={token}")).basic_auth("gateway", Some(secret("gateway")));
        let answer = Api::send(request).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method}: {}", answer.body);
    }
    let request = || gateway.request("POST", "/introspect").basic_auth("gateway", Some(secret("gateway")));
    assert_error("JSON", &Api::send(request().json(&json!({ "token": token }))).await, 400, "invalid_request");
    let long = "x".repeat(70_000);
    assert_error("a long token", &Api::send(request().form(&[("token", &long)])).await, 413, "invalid_request");
    // It is for servers: no script reads it, of whatever origin.
    let scripted = Api::send(request().header("origin", "https://clinic.example").form(&good)).await;
    assert_eq!(scripted.header("access-control-allow-origin"), "");
    assert_eq!(told(&scripted)["client_id"], "worker");
    super::assert_never_logged(fixture, &[&token]).await;
}

/// A resource server hears of tokens that are meant for it; of all others nothing, as if they were none.
#[tokio::test]
async fn a_resource_server_hears_of_its_own_tokens_alone() {
    let fixture = fixture();
    let for_api = own(&fixture.a, "worker", &[]).await;
    let for_plain = own(&fixture.a, "worker", &[("resource", PLAIN)]).await;
    let for_both = own(&fixture.a, "worker", &[("resource", PLAIN), ("resource", API)]).await;
    let for_home = own(&fixture.a, "at-home", &[]).await;
    let dark_for_api = own(&fixture.a, "dark", &[]).await;
    for (id, [api, plain, both, home, dark]) in [
        ("gateway", [true, true, true, true, true]),
        ("gateway-es256", [true, false, true, false, true]),
        ("home-gateway", [false, false, false, true, false]),
        ("other-gateway", [false; 5]),
    ] {
        for (token, hears) in [(&for_api, api), (&for_plain, plain), (&for_both, both), (&for_home, home), (&dark_for_api, dark)]
        {
            let answer = introspect(&fixture.b, id, token).await;
            if hears {
                told(&answer);
            } else {
                assert_inactive(id, &answer);
            }
        }
    }
}

/// Whatever is not an access token of this realm is inactive, though it be ours, signed by our own key.
#[tokio::test]
async fn what_is_no_access_token_of_ours_is_inactive() {
    let fixture = fixture();
    let mary = person(&fixture.a, "mary").await;
    let tokens = offline(&App::web(&fixture.a, "clinic"), &mary, &[]).await;
    let token = own(&fixture.a, "worker", &[]).await;
    let good = claims(&token);
    let changed = async |changes: Value| forged_with(fixture, &good, &changes).await;
    let headed = async |head: Value| forged(fixture, &head, &good).await;
    assert!(is_active(fixture, &changed(json!({})).await).await, "signed anew it is good, so each change is what counts");
    assert!(is_active(fixture, &headed(json!({ "typ": "application/at+jwt" })).await).await, "RFC 9068 4");
    let [head, body, signature] = [0, 1, 2].map(|at| token.split('.').nth(at).unwrap());
    let kid = header(&token)["kid"].clone();
    let stranger = signed(&p256(""), &json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }), &good);
    let none = signed(&p256(""), &json!({ "alg": "none", "typ": "at+jwt", "kid": kid }), &good);
    let hs256 = signed(&p256(""), &json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid }), &good);
    let own_jwk = json!({ "alg": "ES256", "typ": "at+jwt", "jwk": crate::code::public(&p256("")) });
    let bad = [
        ("a refresh token", tokens.member("refresh_token")),
        ("an ID token", tokens.member("id_token")),
        ("garbage", "garbage".to_owned()),
        ("dots", "..".to_owned()),
        ("many dots", "a.b.c.d.e".to_owned()),
        ("not ASCII", "\u{e9}\u{1f511}".to_owned()),
        ("a NUL", "\0".to_owned()),
        ("no signature", format!("{head}.{body}.")),
        ("no body", format!("{head}..{signature}")),
        ("another's signature", format!("{head}.{body}.{}", own(&fixture.a, "worker", &[]).await.split('.').nth(2).unwrap())),
        ("a stranger's key", stranger),
        ("no algorithm", none),
        ("a symmetric algorithm", hs256),
        ("a key in the header", signed(&p256(""), &own_jwk, &good)),
        ("an unknown key", headed(json!({ "kid": "other" })).await),
        ("no key", headed(json!({ "kid": null })).await),
        ("no type", headed(json!({ "typ": null })).await),
        ("the type of an ID token", headed(json!({ "typ": "JWT" })).await),
        ("the type of a logout token", headed(json!({ "typ": "logout+jwt" })).await),
        ("the type of userinfo", headed(json!({ "typ": "userinfo+jwt" })).await),
        ("the type of an introspection", headed(json!({ "typ": "token-introspection+jwt" })).await),
        ("another issuer", changed(json!({ "iss": "https://other.example" })).await),
        ("the issuer with a slash", changed(json!({ "iss": format!("{}/", fixture.a) })).await),
        ("no issuer", changed(json!({ "iss": null })).await),
        ("expired", changed(json!({ "exp": now() - 1 })).await),
        ("expiring this second", changed(json!({ "exp": now() })).await),
        ("without end", changed(json!({ "exp": null })).await),
        ("without beginning", changed(json!({ "iat": null })).await),
        ("no audience", changed(json!({ "aud": null })).await),
        ("an audience of nobody", changed(json!({ "aud": [] })).await),
        ("another audience", changed(json!({ "aud": "https://other.example" })).await),
        ("no jti", changed(json!({ "jti": null })).await),
        ("no scope", changed(json!({ "scope": null })).await),
        ("a client that never was", changed(json!({ "client_id": "nobody" })).await),
        ("a session that the jti does not hold", changed(json!({ "sid": "x" })).await),
    ];
    for (what, token) in &bad {
        let answer = introspect(&fixture.a, "gateway", token).await;
        assert_inactive(what, &answer);
    }
    // Nor is any of them a subject token (RFC 8693 2.2.2).
    let gateway = api(&fixture.a, "gateway");
    for (what, token) in bad.iter().filter(|(what, _)| {
        !["another issuer", "the issuer with a slash", "no issuer", "another audience", "an audience of nobody"].contains(what)
    }) {
        for kind in ["access_token", "jwt"] {
            assert_error(what, &exchange(&gateway, token, kind).await, 400, "invalid_request");
        }
    }
}

/// What stands behind a token is looked at each time, so that its end is everybody's at once.
#[tokio::test]
async fn what_ends_behind_a_token_ends_the_token() {
    let fixture = fixture();
    for (id, user) in [("clinic", "grace"), ("clinic-dark", "barbara")] {
        let app = App::web(&fixture.a, id);
        let browser = person(&fixture.a, user).await;
        let access = async |tokens: &Answer| {
            let token = tokens.member("access_token");
            assert!(is_active(fixture, &token).await, "{id}");
            token
        };
        // Revoked by its refresh token, by itself, by its user, and by a replay.
        let tokens = offline(&app, &browser, &[]).await;
        let token = access(&tokens).await;
        assert_eq!(app.api.post("/revoke", &[("token", &tokens.member("refresh_token"))]).await.status, 200);
        assert!(!is_active(fixture, &token).await, "{id}: revoked by its refresh token");
        let token = access(&app.tokens(&browser, &[]).await).await;
        assert_eq!(app.api.post("/revoke", &[("token", &token)]).await.status, 200);
        assert!(!is_active(fixture, &token).await, "{id}: revoked by itself");
        let code = app.code(&browser, &[]).await;
        let token = access(&app.redeem(&code).await).await;
        assert_eq!(app.redeem(&code).await.error(), "invalid_grant");
        assert!(!is_active(fixture, &token).await, "{id}: its code was replayed");

        // Disabled, and enabled again.
        let token = access(&app.tokens(&browser, &[]).await).await;
        let subject = told(&introspect(&fixture.a, "gateway", &token).await)["sub"].clone();
        for (sql, key) in [
            ("UPDATE users SET enabled = ?1 WHERE id = ?2", subject.clone()),
            ("UPDATE clients SET enabled = ?1, version = version + 1 WHERE id = ?2", json!(id)),
        ] {
            fixture.d1(sql, &[0.into(), key.clone()]).await;
            assert!(!is_active(fixture, &token).await, "{sql}");
            fixture.d1(sql, &[1.into(), key]).await;
            assert!(is_active(fixture, &token).await, "{sql}: it was only switched off");
        }

        // Signed out here: what was got without offline access ends with the session.
        let kept = access(&offline(&app, &browser, &[]).await).await;
        let page = browser.get("/logout").await;
        post(&browser, "/logout", &[("form", page.form()), ("action", "here".to_owned())]).await;
        assert!(!is_active(fixture, &token).await, "{id}: signed out");
        assert!(is_active(fixture, &kept).await, "{id}: offline access is beyond the session");
        // Signed out everywhere: all of it.
        let browser: Person = person(&fixture.a, user).await;
        browser.sign_out_everywhere().await;
        assert!(!is_active(fixture, &kept).await, "{id}: signed out everywhere");
    }
    // A service's token has its client behind it alone.
    for id in ["stopped", "by-key-dark"] {
        let token = if id == "stopped" {
            own(&fixture.a, id, &[]).await
        } else {
            let proof = assertion(&fixture.a, id, &json!({}));
            let asked =
                post_by(&Api::public(&fixture.a, id), "/token", &proof, &[("grant_type", super::CLIENT_CREDENTIALS)]).await;
            asked.member("access_token")
        };
        assert!(is_active(fixture, &token).await);
        set_enabled(fixture, id, false).await;
        assert!(!is_active(fixture, &token).await, "{id}: disabled");
        for accept in ["application/jwt", INTROSPECTION_JWT] {
            let answer = introspect_as(&fixture.a, "gateway", &token, accept).await;
            let body = if accept == INTROSPECTION_JWT {
                verified(&jwks(&fixture.a).await, &answer.body)["token_introspection"].clone()
            } else {
                answer.json()
            };
            assert_eq!(body, json!({ "active": false }), "{accept}");
        }
        set_enabled(fixture, id, true).await;
        assert!(is_active(fixture, &token).await, "{id}: enabled");
        let row = fixture.d1("SELECT * FROM clients WHERE id = ?1", &[id.into()]).await.remove(0);
        fixture.d1("DELETE FROM clients WHERE id = ?1", &[id.into()]).await;
        assert!(!is_active(fixture, &token).await, "{id}: gone");
        let columns: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        let places: Vec<String> = (1..=columns.len()).map(|number| format!("?{number}")).collect();
        let values: Vec<Value> = columns.iter().map(|column| row[*column].clone()).collect();
        fixture.d1(&format!("INSERT INTO clients ({}) VALUES ({})", columns.join(", "), places.join(", ")), &values).await;
    }
}
