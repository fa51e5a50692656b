//! `private_key_jwt`: RFC 7523 3, OpenID Connect Core 9 and the realm's own rules on client assertions.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    ASSERTION_TYPE, Parameters, assert_alive, assert_no_client, assert_refused, assertion, assertion_claims, fixture, fresh, now,
    other_p256, p256, post_by, rsa, signed,
};
use crate::support::{Answer, Api, Person};
use crate::web::{App, secret};

/// Redeems a code by an assertion.
async fn redeem(app: &App, code: &str, assertion: &str) -> Answer {
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &app.redirect_uri),
        ("code_verifier", &app.pkce.verifier),
    ];
    post_by(&app.api, "/token", assertion, &parameters).await
}

/// Whether an assertion proves the client: the revocation of what is no token is 200 for who it says it is.
async fn proves(api: &Api, assertion: &str) -> Answer {
    post_by(api, "/revoke", assertion, &[("token", "none of ours")]).await
}

/// The app of a client by key: it names itself and has no secret.
fn app(base: &str, id: &str) -> App {
    App { api: Api::public(base, id), ..App::web(base, id) }
}

#[tokio::test]
async fn it_is_taken_at_token_par_and_revoke_by_each_kind_of_key() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    let app = app(&fixture.a, "by-key");
    let by = |key: &Value, header: Value| signed(key, &header, &assertion_claims(&fixture.a, "by-key", &json!({})));
    let es256 = || assertion(&fixture.a, "by-key", &json!({}));

    // /par, /token and /revoke in turn, at both Workers.
    let pushed: Vec<(String, String)> = app.parameters(&[("scope", "openid offline_access")]);
    let pushed: Vec<(&str, &str)> = pushed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let par = post_by(&app.api, "/par", &es256(), &pushed).await;
    assert_eq!(par.status, 201, "{}", par.body);
    let request = [("client_id".to_owned(), "by-key".to_owned()), ("request_uri".to_owned(), par.member("request_uri"))];
    let back = app.returned(&person.get(&format!("/authorize?{}", crate::web::query(&request))).await);
    let rs256 = by(&rsa("r"), json!({ "alg": "RS256", "kid": "r" }));
    let tokens = redeem(&app.at(&fixture.b), &back["code"], &rs256).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    let token = tokens.member("refresh_token");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("client_id", "by-key")];
    let renewed = post_by(&app.api, "/token", &es256(), &refresh).await;
    assert!(renewed.is_granted(), "{}", renewed.body);
    let revoked = post_by(&app.api, "/revoke", &es256(), &[("token", &renewed.member("refresh_token"))]).await;
    assert_eq!(revoked.status, 200);
    assert_eq!(app.api.userinfo(&renewed.member("access_token")).await.status, 401);

    // By the algorithm alone when no key is named; by a `typ` of RFC 7523bis; by an RSA key with PSS.
    for good in [
        by(&p256(""), json!({ "alg": "ES256" })),
        by(&p256(""), json!({ "alg": "ES256", "kid": "p", "typ": "JWT" })),
        by(&p256(""), json!({ "alg": "ES256", "kid": "p", "typ": "client-authentication+jwt" })),
        by(&rsa(""), json!({ "alg": "PS256" })),
    ] {
        let answer = proves(&app.api, &good).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[tokio::test]
async fn every_rule_of_its_claims() {
    let fixture = fixture();
    let issuer = &fixture.a;
    let token_endpoint = format!("{issuer}/token");
    let api = Api::public(&fixture.b, "by-key");
    let good = [
        json!({}),
        json!({ "iat": null, "nbf": null }),
        json!({ "exp": now() + 595 }),
        json!({ "iat": now() + 8, "nbf": now() + 8 }),
        json!({ "exp": format!("{}.5", now() + 30).parse::<f64>().unwrap() }),
        json!({ "jti": format!("{}{}", fresh(), "x".repeat(234)) }),
        json!({ "unknown": { "member": 1 } }),
    ];
    for changes in good {
        let answer = proves(&api, &assertion(issuer, "by-key", &changes)).await;
        assert_eq!(answer.status, 200, "{changes}: {}", answer.body);
    }
    let bad = [
        ("iss is the client", json!({ "iss": "stranger" })),
        ("sub is the client", json!({ "sub": "stranger" })),
        ("iss is there", json!({ "iss": null })),
        ("sub is there", json!({ "sub": null })),
        ("aud is there", json!({ "aud": null })),
        ("aud is this issuer", json!({ "aud": "https://other.example" })),
        ("aud is this issuer, exactly", json!({ "aud": format!("{issuer}/") })),
        ("aud is a single string", json!({ "aud": [issuer] })),
        ("aud has nobody else", json!({ "aud": [issuer, "https://other.example"] })),
        ("aud is the issuer and no endpoint", json!({ "aud": token_endpoint })),
        ("exp is there", json!({ "exp": null })),
        ("exp is to come", json!({ "exp": now() - 1 })),
        ("exp is near", json!({ "exp": now() + 700 })),
        ("exp is a number", json!({ "exp": (now() + 60).to_string() })),
        ("iat is not ahead", json!({ "iat": now() + 62 })),
        ("nbf has come", json!({ "nbf": now() + 62 })),
        ("jti is there", json!({ "jti": null })),
        ("jti is a name", json!({ "jti": "" })),
        ("jti is a string", json!({ "jti": 7 })),
    ];
    for (rule, changes) in bad {
        let answer = proves(&api, &assertion(issuer, "by-key", &changes)).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_client"), "{rule}: {}", answer.body);
    }

    // A client that is registered so may name an endpoint.
    let api = Api::public(&fixture.a, "by-endpoint");
    for aud in [json!(issuer), json!(token_endpoint), json!(format!("{issuer}/par")), json!([issuer, token_endpoint])] {
        let answer = proves(&api, &assertion(issuer, "by-endpoint", &json!({ "aud": aud }))).await;
        assert_eq!(answer.status, 200, "{aud}: {}", answer.body);
    }
    for aud in
        [json!(format!("{issuer}/userinfo")), json!("https://other.example/token"), json!([issuer, "https://other.example"])]
    {
        assert_no_client(&proves(&api, &assertion(issuer, "by-endpoint", &json!({ "aud": aud }))).await, false);
    }
}

#[tokio::test]
async fn every_rule_of_its_signature() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "by-key");
    let claims = || assertion_claims(&fixture.a, "by-key", &json!({}));
    let embedded = super::public(&other_p256("p"));
    let mut flipped = assertion(&fixture.a, "by-key", &json!({}));
    let dot = flipped.rfind('.').unwrap();
    flipped.replace_range(dot + 1..dot + 2, if flipped.as_bytes()[dot + 1] == b'A' { "B" } else { "A" });
    let bad = [
        ("alg none", signed(&p256(""), &json!({ "alg": "none" }), &claims())),
        ("alg none with a key", signed(&p256(""), &json!({ "alg": "none", "kid": "p" }), &claims())),
        ("a symmetric algorithm", signed(&p256(""), &json!({ "alg": "HS256", "kid": "p" }), &claims())),
        ("somebody else's key", signed(&other_p256(""), &json!({ "alg": "ES256", "kid": "p" }), &claims())),
        ("a key in the header", signed(&other_p256(""), &json!({ "alg": "ES256", "jwk": embedded }), &claims())),
        ("an unknown key", signed(&p256(""), &json!({ "alg": "ES256", "kid": "q" }), &claims())),
        ("a key of another algorithm", signed(&p256(""), &json!({ "alg": "ES256", "kid": "r" }), &claims())),
        ("a critical extension", signed(&p256(""), &json!({ "alg": "ES256", "kid": "p", "crit": ["exp"] }), &claims())),
        ("another type", signed(&p256(""), &json!({ "alg": "ES256", "kid": "p", "typ": "at+jwt" }), &claims())),
        ("a changed signature", flipped),
        ("no signature", assertion(&fixture.a, "by-key", &json!({})).rsplit_once('.').unwrap().0.to_owned() + "."),
    ];
    for (rule, assertion) in bad {
        let answer = proves(&api, &assertion).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_client"), "{rule}: {}", answer.body);
        // What names nobody who it could be is told no more than that.
        let par = post_by(&api, "/par", &assertion, &[("client_id", "by-key")]).await;
        assert_no_client(&par, false);
    }
    // The registered algorithm, if one is.
    let by =
        |key: &Value, alg: &str| signed(key, &json!({ "alg": alg }), &assertion_claims(&fixture.a, "only-es256", &json!({})));
    let api = Api::public(&fixture.a, "only-es256");
    assert_eq!(proves(&api, &by(&p256(""), "ES256")).await.status, 200);
    assert_no_client(&proves(&api, &by(&rsa(""), "RS256")).await, false);
    // Our own tokens are no assertions.
    let tokens = App::web(&fixture.a, "by-es256").tokens(&Person::ada(&fixture.a).await, &[]).await;
    assert_no_client(&proves(&api, &tokens.member("id_token")).await, false);
}

/// RFC 6749 2.3: one method, the registered one.
#[tokio::test]
async fn one_method_and_the_registered_one() {
    let fixture = fixture();
    let good = || assertion(&fixture.a, "by-key", &json!({}));
    let api = Api::public(&fixture.a, "by-key");
    let post = async |api: &Api, parameters: &[(&str, &str)]| {
        let parameters = [parameters, &[("token", "none of ours")]].concat();
        Api::send(api.request("POST", "/revoke").form(&parameters)).await
    };
    let (one, two) = (good(), good());
    let basic = api.request("POST", "/revoke").basic_auth("by-key", Some("x"));
    let both = Api::send(basic.form(&[ASSERTION_TYPE, ("client_assertion", &one), ("token", "x")])).await;
    assert_eq!((both.status, both.error().as_str()), (400, "invalid_request"), "{}", both.body);
    let kind = ASSERTION_TYPE;
    let table: [(&str, Parameters<'_>, &str); 8] = [
        ("assertion and secret", &[kind, ("client_assertion", &one), ("client_secret", "x")], "invalid_request"),
        ("no type", &[("client_assertion", &one), ("client_id", "by-key")], "invalid_request"),
        ("no assertion", &[kind, ("client_id", "by-key")], "invalid_request"),
        (
            "another type",
            &[("client_assertion_type", "x"), ("client_assertion", &one), ("client_id", "by-key")],
            "invalid_client",
        ),
        ("twice", &[kind, ("client_assertion", &one), ("client_assertion", &two)], "invalid_request"),
        ("another client_id", &[kind, ("client_assertion", &one), ("client_id", "by-endpoint")], "invalid_client"),
        ("nothing", &[("client_id", "by-key")], "invalid_client"),
        ("a secret", &[("client_id", "by-key"), ("client_secret", "x")], "invalid_client"),
    ];
    for (rule, parameters, error) in table {
        let answer = post(&api, parameters).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error), "{rule}: {}", answer.body);
    }
    // A client with a secret is not proved by a key, nor is one without either.
    for id in ["first-party", "demo-spa"] {
        assert_no_client(&proves(&api, &assertion(&fixture.a, id, &json!({}))).await, false);
    }
    let basic = Api::basic(&fixture.a, "posting", &secret("posting"));
    assert_no_client(&basic.post("/revoke", &[("token", "x")]).await, true);
    // None of that has used it up.
    assert_eq!(proves(&api, &one).await.status, 200);
}

/// RFC 7523 3 (7): a `jti` is good for one use, at whatever endpoint and Worker.
#[tokio::test]
async fn a_jti_is_good_for_one_use() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    let app = app(&fixture.a, "by-key");
    let used = assertion(&fixture.a, "by-key", &json!({}));
    assert_eq!(proves(&app.api, &used).await.status, 200);
    let code = app.code(&person, &[]).await;
    for base in [&fixture.a, &fixture.b] {
        let app = app.at(base);
        assert_no_client(&proves(&app.api, &used).await, false);
        assert_no_client(&redeem(&app, &code, &used).await, false);
        assert_no_client(&post_by(&app.api, "/par", &used, &[("client_id", "by-key")]).await, false);
    }
    // Another signature over the same jti is the same use; the objects may have moved meanwhile.
    fixture.evict("Replay").await;
    let jti = crate::support::claims(&used)["jti"].clone();
    assert_no_client(&proves(&app.api, &assertion(&fixture.a, "by-key", &json!({ "jti": jti, "exp": now() + 90 }))).await, false);
    // Names are each client's own.
    let other = Api::public(&fixture.a, "by-endpoint");
    assert_eq!(proves(&other, &assertion(&fixture.a, "by-endpoint", &json!({ "jti": jti }))).await.status, 200);

    // A refused assertion is not used; one that proved who asks is, whatever became of the rest.
    let jti = fresh();
    let bad = assertion(&fixture.a, "by-key", &json!({ "jti": jti, "aud": "https://other.example" }));
    assert_no_client(&proves(&app.api, &bad).await, false);
    let good = assertion(&fixture.a, "by-key", &json!({ "jti": jti }));
    assert_refused(&redeem(&app, "no code", &good).await, "invalid_grant");
    assert_no_client(&redeem(&app, &code, &good).await, false);
    let tokens = redeem(&app, &code, &assertion(&fixture.a, "by-key", &json!({}))).await;
    assert!(tokens.is_granted(), "the code was not touched by any of this: {}", tokens.body);
    assert_alive(fixture, &app, &tokens).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_40_parallel_uses_one_wins() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    let app = app(&fixture.a, "by-endpoint");
    let code = app.code(&person, &[]).await;
    let assertion = assertion(&fixture.a, "by-endpoint", &json!({}));
    let mut uses = JoinSet::new();
    for number in 0..40 {
        let (app, code) = (app.at(if number % 2 == 0 { &fixture.a } else { &fixture.b }), code.clone());
        let assertion = assertion.clone();
        uses.spawn(async move { redeem(&app, &code, &assertion).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = uses.join_all().await.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 39));
    for answer in &lost {
        assert_no_client(answer, false);
    }
    // Who did not prove to be the client replayed nothing.
    assert_alive(fixture, &app, &won[0]).await;
}
