//! `POST /admin/trust/explain`: who may ask, what is told, and that nothing comes of it.

use serde_json::{Value, json};

use super::{Grant, Outside, client, fixture, judge, line};
use crate::code::{other_p256, p256, signed};
use crate::judge::Reply;
use crate::support::{Answer, Api, Person};
use crate::web::App;

const EXPLAINED: Outside = Outside("explained");
const UNASKED: Outside = Outside("explained-unasked");
const DOWN: Outside = Outside("explained-down");
const UNSAVED: Outside = Outside("unsaved");
const STRANGER: Outside = Outside("stranger");
const PATH: &str = "/admin/trust/explain";

pub fn issuers() -> Vec<Value> {
    let rules = json!([
        { "id": "prod", "claims": { "sub": { "equals": "robot" }, "env": { "one_of": ["prod", "staging"] }, "/deep/ref": { "glob": "refs/*" } },
          "max_life": 600, "single_use": true, "yields": { "client": "deployer", "scope": "records:write", "lifetime": 60 } },
        { "id": "people", "claims": { "tenant": { "present": true } }, "yields": { "clients": ["broker"], "scope": "records:read",
          "roles": { "claim": "roles", "map": { "dev": "developer" } } } },
    ]);
    vec![
        EXPLAINED.seed(&json!({ "max_age": 600, "rules": rules })),
        UNASKED.seed(&json!({ "rules": rules })),
        DOWN.seed(&json!({})),
    ]
}

async fn operator(base: &str) -> String {
    let operator = Api::basic(base, "demo-operator", "demo-operator-secret-0123456789abcdef");
    operator.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token")
}

async fn ask_with(bearer: &str, body: &Value) -> Answer {
    let request = Api::public(&fixture().a, "").request("POST", PATH).bearer_auth(bearer).json(body);
    Api::send(request).await
}

/// The explanation that the operator gets.
async fn explain(body: &Value) -> Value {
    let answer = ask_with(&operator(&fixture().a).await, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!((answer.header("content-type"), answer.header("cache-control")), ("application/json", "no-store"));
    let cost = line(fixture(), &answer).await["cost"].clone();
    assert_eq!((&cost["rows"], &cost["objects"]), (&json!(0), &json!(0)), "{cost}");
    answer.json()
}

fn good(changes: &Value) -> Value {
    let mut claims = json!({ "env": "prod", "deep": { "ref": "refs/main" } });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

fn token(issuer: Outside, changes: &Value) -> String {
    issuer.publish(&[p256("k")]).token(fixture(), &good(changes))
}

/// What does not hold: what it is about, and why.
fn failed(checks: &Value) -> Vec<(&str, &str)> {
    let checks = checks.as_array().unwrap().iter().filter(|check| check["ok"] == false);
    checks.map(|check| (check["about"].as_str().unwrap(), check["why"].as_str().unwrap())).collect()
}

/// RFC 6750 2.1 and 3.1.
#[tokio::test]
async fn only_administrators_are_told() {
    let fixture = fixture();
    let (question, operator) = (json!({ "token": token(EXPLAINED, &json!({})) }), operator(&fixture.a).await);
    let api = Api::public(&fixture.a, "");
    let challenged = |answer: &Answer, status: u16, error: &str| {
        assert_eq!((answer.status, answer.error().as_str()), (status, error), "{}", answer.body);
        assert_eq!(answer.header("cache-control"), "no-store");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("Bearer ") && challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
        assert_eq!(challenge.contains("scope=\"latchkey:admin\""), status == 403, "{challenge}");
    };
    let nobody = Api::send(api.request("POST", PATH).json(&question)).await;
    assert_eq!((nobody.status, nobody.body.as_str()), (401, ""));
    let challenge = nobody.header("www-authenticate");
    assert!(challenge.starts_with("Bearer ") && !challenge.contains("error"), "{challenge}");
    // By the header alone.
    let by_query = format!("{PATH}?access_token={operator}");
    assert_eq!(Api::send(api.request("POST", &by_query).json(&question)).await.status, 401);
    let by_body = api.request("POST", PATH).form(&[("access_token", operator.as_str())]);
    assert_eq!(Api::send(by_body).await.status, 401);
    assert_eq!(Api::send(api.request("POST", PATH).basic_auth("demo-operator", Some("x")).json(&question)).await.status, 401);

    let person = Person::ada(&fixture.a).await;
    let tokens = App::demo(&fixture.a).tokens(&person, &[("scope", "openid records:read")]).await;
    challenged(&ask_with(&tokens.member("access_token"), &question).await, 403, "insufficient_scope");
    // For its resource, and not for us.
    let service = client(&fixture.a, "deployer").post("/token", &[("grant_type", "client_credentials")]).await;
    challenged(&ask_with(&service.member("access_token"), &question).await, 401, "invalid_token");
    let mut forged = operator.clone();
    forged.truncate(operator.len() - 4);
    let outside = EXPLAINED.token(fixture, &json!({ "scope": "latchkey:admin", "client_id": "demo-operator" }));
    for token in ["x".to_owned(), tokens.member("id_token"), forged, outside, format!("{operator}x")] {
        challenged(&ask_with(&token, &question).await, 401, "invalid_token");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let answer = Api::send(api.request(method, PATH).bearer_auth(&operator)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method}");
    }
    let elsewhere =
        api.request("OPTIONS", PATH).header("origin", "https://app.example").header("access-control-request-method", "POST");
    assert_eq!(Api::send(elsewhere).await.header("access-control-allow-origin"), "", "not for scripts of other sites");

    // What is no question (and JSON is no form that another site could post).
    let raw = |content_type: &str, body: &str| {
        api.request("POST", PATH).bearer_auth(&operator).header("content-type", content_type).body(body.to_owned())
    };
    for (content_type, body) in [
        ("application/json", String::new()),
        ("application/json", "{".to_owned()),
        ("application/json", "[]".to_owned()),
        ("application/json", "{}".to_owned()),
        ("application/json", json!({ "token": 7 }).to_string()),
        ("application/json", json!({ "token": "x", "tokens": "x" }).to_string()),
        ("text/plain", question.to_string()),
        ("application/x-www-form-urlencoded", question.to_string()),
    ] {
        let answer = Api::send(raw(content_type, &body)).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"), "{body}: {}", answer.body);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let huge = json!({ "token": "x".repeat(70_000) }).to_string();
    assert_eq!(Api::send(raw("application/json", &huge)).await.status, 413);
}

/// Whoever is switched off is told nothing from then on, whatever their token says.
#[tokio::test]
async fn an_administrator_must_be_one_now() {
    let fixture = super::setup(&[]).start().await;
    let operator = operator(&fixture.a).await;
    let ask = async || {
        let request = Api::public(&fixture.b, "").request("POST", PATH).bearer_auth(&operator).json(&json!({ "token": "x" }));
        Api::send(request).await
    };
    assert_eq!(ask().await.status, 200);
    let switch = async |on: i64| {
        let sql = "UPDATE clients SET enabled = ?1, version = version + 1 WHERE id = 'demo-operator'";
        fixture.d1(sql, &[on.into()]).await
    };
    switch(0).await;
    let answer = ask().await;
    assert_eq!((answer.status, answer.error().as_str()), (401, "invalid_token"), "{}", answer.body);
    switch(1).await;
    assert_eq!(ask().await.status, 200);
}

#[tokio::test]
async fn a_token_that_is_good_names_its_rule_and_is_not_spent() {
    let fixture = fixture();
    let token = token(EXPLAINED, &json!({ "jti": "explained" }));
    for _ in 0..3 {
        let told = explain(&json!({ "token": token })).await;
        assert_eq!((&told["issuer"], &told["known"]), (&json!(EXPLAINED.issuer()), &json!(true)));
        assert_eq!((&told["accepted"], &told["signature_checked"], &told["rule"]), (&json!(true), &json!(true), &json!("prod")));
        assert_eq!(failed(&told["checks"]), []);
        let about: Vec<&str> = told["checks"].as_array().unwrap().iter().map(|check| check["about"].as_str().unwrap()).collect();
        for name in ["issuer", "typ", "alg", "iss", "aud", "dates", "sub", "iat", "signature"] {
            assert!(about.contains(&name), "{name} in {about:?}");
        }
        let [prod, people] = told["rules"].as_array().unwrap().as_slice() else { panic!("{told}") };
        assert_eq!((&prod["rule"], &prod["ok"], &prod["single_use"]), (&json!("prod"), &json!(true), &json!(true)));
        assert_eq!(prod["yields"], json!({ "client": "deployer", "scope": "records:write", "lifetime": 60 }));
        assert_eq!((&people["ok"], failed(&people["checks"]).len()), (&json!(false), 2), "{people}");
    }
    let answer = Grant::Bearer.anonymous(&fixture.a, &token, &[]).await;
    assert!(answer.is_granted(), "{}", answer.body);
    assert_eq!(Grant::Bearer.anonymous(&fixture.a, &token, &[]).await.error(), "invalid_grant");
    assert_eq!(explain(&json!({ "token": token })).await["accepted"], true, "whether it was used is not asked");
}

/// Every rule with everything that does not hold, and what should be; what no key can mend asks for no key.
#[tokio::test]
async fn a_token_that_is_not_good_is_told_why_by_every_rule() {
    let changes = json!({ "env": "dev", "deep": null, "aud": "https://other.example", "tenant": "acme", "roles": ["ops"] });
    let told = explain(&json!({ "token": token(UNASKED, &changes) })).await;
    assert_eq!((&told["accepted"], &told["signature_checked"], &told["rule"]), (&json!(false), &json!(false), &Value::Null));
    assert_eq!(failed(&told["checks"]), [("aud", "its audience is another")]);
    let missing = "the claim is missing or another";
    assert_eq!(failed(&told["rules"][0]["checks"]), [("/deep/ref", missing), ("env", missing)]);
    assert_eq!(failed(&told["rules"][1]["checks"]), [("roles", "none of its roles is one of the rule's")]);
    let checks = told["rules"][0]["checks"].as_array().unwrap();
    let env = checks.iter().find(|check| check["about"] == "env").unwrap();
    assert_eq!((&env["expected"], &env["found"]), (&json!({ "one_of": ["prod", "staging"] }), &json!("dev")));
    for (changes, about) in [
        (json!({ "exp": crate::code::now() - 5 }), "dates"),
        (json!({ "iat": crate::code::now() + 100 }), "dates"),
        (json!({ "sub": null }), "sub"),
        (json!({ "act": "x" }), "act"),
    ] {
        let told = explain(&json!({ "token": token(UNASKED, &changes) })).await;
        assert!(failed(&told["checks"]).iter().any(|(name, _)| *name == about), "{changes}: {told}");
        assert_eq!((&told["accepted"], &told["rule"]), (&json!(false), &Value::Null), "{changes}");
    }
    let by = |header: Value| signed(&p256("k"), &header, &UNASKED.claims(fixture(), &good(&json!({}))));
    let told = explain(&json!({ "token": by(json!({ "alg": "ES256", "kid": "k", "typ": "at+jwt" })) })).await;
    assert_eq!(failed(&told["checks"]), [("typ", "its typ is another")]);
    for header in [json!({ "alg": "none" }), json!({ "alg": "HS256", "kid": "k" }), json!({ "alg": "ES256", "crit": ["exp"] })] {
        let told = explain(&json!({ "token": by(header.clone()) })).await;
        assert_eq!(failed(&told["checks"]), [("jwt", "it is no JWT that is signed by an algorithm of ours")], "{header}");
        assert_eq!((&told["known"], &told["accepted"]), (&json!(true), &json!(false)), "{header}");
    }
    assert_eq!(UNASKED.asked(), [0, 0]);
}

#[tokio::test]
async fn signatures_are_checked_and_silence_is_told() {
    let fixture = fixture();
    EXPLAINED.publish(&[p256("k")]);
    let forged = signed(&other_p256("k"), &json!({ "alg": "ES256", "kid": "k" }), &EXPLAINED.claims(fixture, &good(&json!({}))));
    let told = explain(&json!({ "token": forged })).await;
    assert_eq!((&told["accepted"], &told["signature_checked"], &told["rule"]), (&json!(false), &json!(true), &Value::Null));
    assert_eq!(failed(&told["checks"]).iter().map(|(about, _)| *about).collect::<Vec<_>>(), ["signature"]);
    DOWN.serve(Reply::new(500, ""));
    let told = explain(&json!({ "token": DOWN.token(fixture, &json!({})) })).await;
    assert_eq!((&told["accepted"], &told["signature_checked"]), (&json!(false), &json!(true)));
    assert_eq!(failed(&told["checks"]), [("signature", "the other server answered with another status than 200")]);
}

/// Who nobody trusts, and who says that he is us.
#[tokio::test]
async fn strangers_are_told_as_strangers() {
    let fixture = fixture();
    for (token, issuer) in [
        (STRANGER.token(fixture, &json!({})), json!(STRANGER.issuer())),
        (STRANGER.token(fixture, &json!({ "iss": null })), Value::Null),
        ("not-a-token".to_owned(), Value::Null),
        (String::new(), Value::Null),
    ] {
        let told = explain(&json!({ "token": token })).await;
        assert_eq!((&told["issuer"], &told["known"], &told["accepted"]), (&issuer, &json!(false), &json!(false)));
        assert_eq!(failed(&told["checks"]).len(), 1, "{told}");
    }
    let told = explain(&json!({ "token": operator(&fixture.a).await })).await;
    assert_eq!(failed(&told["checks"]), [("issuer", "it says that it is our own")]);
    assert_eq!(STRANGER.asked(), [0, 0]);
}

/// Settings are tried out before they are saved, and are not saved by it.
#[tokio::test]
async fn settings_are_tried_out_and_not_saved() {
    let fixture = fixture();
    let settings = |changes: &Value| {
        let mut settings = UNSAVED.seed(changes);
        settings.as_object_mut().unwrap().remove("issuer");
        settings
    };
    let token = UNSAVED.publish(&[p256("k")]).token(fixture, &json!({}));
    let told = explain(&json!({ "token": token, "settings": settings(&json!({})) })).await;
    assert_eq!((&told["known"], &told["accepted"], &told["rule"]), (&json!(false), &json!(true), &json!("robot")));
    assert_eq!(Grant::Exchange.anonymous(&fixture.a, &token, &[]).await.error(), "invalid_request");
    assert_eq!(fixture.d1("SELECT issuer FROM trusted_issuers WHERE issuer = ?1", &[UNSAVED.issuer().into()]).await.len(), 0);
    // As if some client had sent it.
    for (client, ada, rule) in
        [("broker", "ada", json!("people")), ("outsider", "ada", Value::Null), ("deployer", "robot", json!("robot"))]
    {
        let token = UNSAVED.token(fixture, &json!({ "sub": ada }));
        let told = explain(&json!({ "token": token, "settings": settings(&json!({})), "client_id": client })).await;
        assert_eq!(told["rule"], rule, "{client}: {told}");
    }
    // Of an issuer that is saved: what is tried out counts here and nowhere else.
    let known = EXPLAINED.publish(&[p256("k")]).token(fixture, &good(&json!({ "env": "dev" })));
    let mut open = EXPLAINED.seed(&json!({}));
    open.as_object_mut().unwrap().remove("issuer");
    let told = explain(&json!({ "token": known, "settings": open })).await;
    assert_eq!((&told["known"], &told["accepted"], &told["rule"]), (&json!(true), &json!(true), &json!("robot")));
    assert_eq!(explain(&json!({ "token": known })).await["accepted"], false);
    assert_eq!(Grant::Exchange.anonymous(&fixture.a, &known, &[]).await.error(), "invalid_request");
    // Keys that are tried out are not taken for those that are saved.
    let strange = signed(&other_p256("k"), &json!({ "alg": "ES256", "kid": "k" }), &EXPLAINED.claims(fixture, &good(&json!({}))));
    judge().answer("/proposed/keys", Reply::json(&json!({ "keys": [crate::code::public(&other_p256("k"))] })));
    let mut proposed = open.clone();
    proposed["jwks_uri"] = judge().at("/proposed/keys").into();
    assert_eq!(explain(&json!({ "token": strange, "settings": proposed })).await["accepted"], true);
    assert_eq!(explain(&json!({ "token": strange })).await["accepted"], false);
    assert_eq!(Grant::Exchange.anonymous(&fixture.a, &strange, &[]).await.error(), "invalid_request");

    for (faults, bad) in [
        (2, settings(&json!({ "algs": [], "max_life": 0 }))),
        (1, settings(&json!({ "algs": ["HS256"] }))),
        (1, settings(&json!({ "preset": "github_actions" }))),
        (1, json!({})),
        (1, json!("settings")),
    ] {
        let answer = ask_with(&operator(&fixture.a).await, &json!({ "token": token, "settings": bad })).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"), "{bad}: {}", answer.body);
        assert!(answer.json()["faults"].as_array().unwrap().len() >= faults, "{bad}: {}", answer.body);
    }
}

/// No part of an outside token gets into a log: not here, and not where it is traded or refused.
#[tokio::test]
async fn nothing_of_a_token_is_logged() {
    let fixture = fixture();
    let marked = |sub: &str| json!({ "sub": sub, "marked": "claim-that-nobody-logs", "env": "marked-environment" });
    let tokens = [
        token(EXPLAINED, &json!({ "marked": "claim-that-nobody-logs" })),
        token(EXPLAINED, &marked("marked-subject")),
        token(UNSAVED, &marked("marked-subject")),
        format!("{}x", token(EXPLAINED, &marked("robot"))),
    ];
    let operator = operator(&fixture.a).await;
    for token in &tokens {
        ask_with(&operator, &json!({ "token": token })).await;
        ask_with(&operator, &json!({ "token": token, "settings": { "preset": "oidc", "rules": [] } })).await;
        for grant in super::BOTH {
            grant.anonymous(&fixture.a, token, &[]).await;
            grant.by(&client(&fixture.a, "broker"), token, &[]).await;
        }
    }
    let logs = serde_json::to_string(&fixture.logs().await).unwrap();
    assert!(logs.contains("no rule of the issuer matches the token"), "they are in these logs");
    let parts = tokens.iter().flat_map(|token| token.split('.').skip(1));
    for secret in parts.chain(["claim-that-nobody-logs", "marked-subject", "marked-environment", operator.as_str()]) {
        assert!(!logs.contains(secret), "{secret}");
    }
}

/// RFC 9068 4: what a resource server was sent is no key to the realm.
#[tokio::test]
async fn a_token_for_some_resource_is_none_for_administration() {
    let elsewhere = client(&fixture().a, "operator-elsewhere");
    let bearer = elsewhere.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    let answer = ask_with(&bearer, &json!({ "token": "x" })).await;
    assert_eq!((answer.status, answer.error().as_str()), (401, "invalid_token"), "{}", answer.body);
}

/// An explanation without the second in which it was made.
fn timeless(mut explanation: Value) -> Value {
    for check in explanation["checks"].as_array_mut().into_iter().flatten() {
        if let Some(found) = check["found"].as_object_mut() {
            found.remove("now");
        }
    }
    explanation
}

/// The admin API tells the same, to whoever may look at trusted issuers.
#[tokio::test]
async fn the_admin_api_explains_it_too() {
    let fixture = fixture();
    let token = token(EXPLAINED, &json!({ "env": "dev" }));
    let ada = crate::admin::token(&fixture.a, "openid latchkey:trust").await;
    let admin = crate::admin::Admin::with(&fixture.a, &ada);
    for question in [json!({ "token": token }), json!({ "token": token, "client_id": "broker" }), json!({ "token": "x" })] {
        let answer = admin.post("trust/explain", &question).await;
        assert_eq!((answer.status, timeless(answer.json())), (200, timeless(explain(&question).await)));
    }
    let bad = json!({ "token": token, "settings": { "preset": "oidc", "rules": [], "max_age": 0 } });
    let problem = crate::admin::assert_problem("settings", &admin.post("trust/explain", &bad).await, 400, "invalid");
    let found: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(found, ["/settings/max_age", "/settings/rules"]);
    let unknown = admin.post("trust/explain", &json!({ "token": token, "client": "broker" })).await;
    crate::admin::assert_problem("unknown", &unknown, 400, "unknown_field");
    let users = crate::admin::Admin::with(&fixture.a, &crate::admin::token(&fixture.a, "openid latchkey:users").await);
    let refused = users.post("trust/explain", &json!({ "token": token })).await;
    crate::admin::assert_problem("of users alone", &refused, 403, "insufficient_scope");
}
