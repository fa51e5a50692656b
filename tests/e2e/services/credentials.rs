//! The client credentials grant: RFC 6749 4.4, RFC 9068 2, RFC 8707 2.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Value, json};

use super::{API, CLIENT_CREDENTIALS, PHANTOM, PLAIN, RSA, api, ask, assert_error, cost, fixture, names, own, rows_of};
use crate::code::{Parameters, assertion, jwks, now, p256, post_by, rsa, signed, verified};
use crate::support::{Answer, Api, header};
use crate::web::secret;

/// What the access token of a service says, and no more (RFC 9068 2.2).
const CLAIMS: [&str; 8] = ["iss", "sub", "aud", "client_id", "scope", "jti", "iat", "exp"];

/// A request by a signed assertion.
async fn ask_by_key(base: &str, id: &str, assertion: &str) -> Answer {
    post_by(&Api::public(base, id), "/token", assertion, &[("grant_type", CLIENT_CREDENTIALS)]).await
}

/// A request with the secret in the body.
async fn ask_by_post(base: &str, id: &str, secret: &str) -> Answer {
    let credentials = [("client_id", id), ("client_secret", secret), ("grant_type", CLIENT_CREDENTIALS)];
    Api::send(Api::public(base, id).request("POST", "/token").form(&credentials)).await
}

#[tokio::test]
async fn a_service_gets_a_token_about_itself_by_each_method() {
    let fixture = fixture();
    let mut ids = HashSet::new();
    for base in [&fixture.a, &fixture.b] {
        let by_key = signed(
            &rsa("r"),
            &json!({ "alg": "PS256", "kid": "r" }),
            &json!({ "iss": "by-key", "sub": "by-key", "aud": fixture.a, "exp": now() + 60, "jti": crate::code::fresh() }),
        );
        let answers = [
            ("worker", ask(&api(base, "worker"), &[]).await),
            ("posting", ask_by_post(base, "posting", &secret("posting")).await),
            ("by-key", ask_by_key(base, "by-key", &assertion(&fixture.a, "by-key", &json!({}))).await),
            ("by-key", ask_by_key(base, "by-key", &by_key).await),
        ];
        for (id, answer) in answers {
            // RFC 6749 4.4.3 and 5.1: no refresh token, and nobody to have an ID token about.
            assert_eq!(answer.status, 200, "{id}: {}", answer.body);
            assert_eq!(names(&answer.json()), BTreeSet::from(["access_token", "token_type", "expires_in", "scope"]), "{id}");
            assert_eq!((answer.header("cache-control"), answer.header("content-type")), ("no-store", "application/json"));
            assert_eq!(
                (answer.member("token_type"), answer.member("scope")),
                ("Bearer".into(), "records:read records:write".into())
            );
            let token = answer.member("access_token");
            assert_eq!(
                header(&token).as_object().unwrap().keys().collect::<BTreeSet<_>>(),
                BTreeSet::from([&"alg".to_owned(), &"kid".to_owned(), &"typ".to_owned()])
            );
            assert_eq!((header(&token)["typ"].clone(), header(&token)["alg"].clone()), (json!("at+jwt"), json!("ES256")));
            let said = verified(&jwks(base).await, &token);
            assert_eq!(names(&said), CLAIMS.into(), "{id}");
            let expected = json!([fixture.a, id, API, id, "records:read records:write"]);
            assert_eq!(json!(["iss", "sub", "aud", "client_id", "scope"].map(|name| said[name].clone())), expected);
            let (made, ends) = (said["iat"].as_i64().unwrap(), said["exp"].as_i64().unwrap());
            assert!((now() - 30..=now()).contains(&made));
            assert_eq!(answer.json()["expires_in"], ends - made, "{id}");
            let jti = said["jti"].as_str().unwrap().to_owned();
            assert!(jti.len() >= 22 && ids.insert(jti), "128 random bits, each time others");
        }
    }
    for id in ["worker", "posting", "by-key"] {
        assert_eq!(rows_of(fixture, id).await, 0);
    }
}

/// What was started together does not end together; and each client has its own lifetime.
#[tokio::test]
async fn lifetimes_spread_over_their_last_tenth() {
    let fixture = fixture();
    for (id, longest) in [("worker", 600), ("lasting", 1000)] {
        let mut lifetimes = HashSet::new();
        for _ in 0..12 {
            let answer = ask(&api(&fixture.a, id), &[]).await;
            let lifetime = answer.json()["expires_in"].as_i64().unwrap();
            assert!((longest - longest / 10..=longest).contains(&lifetime), "{id}: {lifetime}");
            lifetimes.insert(lifetime);
        }
        assert!(lifetimes.len() > 1, "{id}: all the same");
    }
}

#[tokio::test]
async fn the_operators_claims_are_in_the_clients_own_tokens() {
    let fixture = fixture();
    let token = own(&fixture.a, "claiming", &[]).await;
    let said = verified(&jwks(&fixture.a).await, &token);
    assert_eq!(names(&said), CLAIMS.into_iter().chain(["tenant", "plan"]).collect());
    assert_eq!((&said["tenant"], &said["plan"]), (&json!(7), &json!({ "name": "gold" })));
}

/// All that the client may have for itself where it says nothing (RFC 6749 3.3), less where it asks for less.
/// Scopes about users are not for it, nor those of other grants, nor administration that no setting gives to this one.
#[tokio::test]
async fn a_service_gets_the_scopes_that_are_for_services() {
    let fixture = fixture();
    let wide = api(&fixture.a, "wide");
    let all = "records:read records:write latchkey:admin latchkey:keys";
    for (asked, granted) in [
        (None, all),
        (Some(""), all),
        (Some("records:write"), "records:write"),
        (Some("latchkey:admin records:read"), "latchkey:admin records:read"),
        (Some("records:read records:read"), "records:read"),
    ] {
        let scope = asked.map(|scope| ("scope", scope));
        let answer = ask(&wide, scope.as_slice()).await;
        assert!(answer.is_granted(), "{asked:?}: {}", answer.body);
        assert_eq!(answer.member("scope"), granted, "{asked:?}");
        assert_eq!(verified(&jwks(&fixture.a).await, &answer.member("access_token"))["scope"], granted, "{asked:?}");
    }
    for bad in [
        "openid",
        "records:read openid",
        "offline_access",
        "profile",
        "records:lamp",
        "gone:scope",
        "never:heard",
        "records:read  records:write",
        "records:\"read\"",
        "Records:read",
    ] {
        assert_error(bad, &ask(&wide, &[("scope", bad)]).await, 400, "invalid_scope");
    }
    // Less is registered, so less is there; nothing is left where all are about a user.
    assert_error("not its own", &ask(&api(&fixture.a, "worker"), &[("scope", "latchkey:admin")]).await, 400, "invalid_scope");
    assert_error("nothing of its own", &ask(&api(&fixture.a, "user-only"), &[]).await, 400, "invalid_scope");
}

/// RFC 8707 2: the resources asked for, as far as they are the client's.
#[tokio::test]
async fn a_token_is_for_the_resources_that_were_asked_for() {
    let fixture = fixture();
    let aud = async |id: &str, resources: &[&str]| {
        let resources: Vec<(&str, &str)> = resources.iter().map(|resource| ("resource", *resource)).collect();
        let answer = ask(&api(&fixture.a, id), &resources).await;
        assert!(answer.is_granted(), "{id} {resources:?}: {}", answer.body);
        verified(&jwks(&fixture.a).await, &answer.member("access_token"))["aud"].clone()
    };
    assert_eq!(aud("worker", &[]).await, API, "its first where it says nothing");
    assert_eq!(aud("worker", &[PLAIN]).await, PLAIN);
    assert_eq!(aud("worker", &[PLAIN, API]).await, json!([PLAIN, API]));
    assert_eq!(aud("worker", &[API, API]).await, API, "named twice is once");
    assert_eq!(aud("at-home", &[]).await, fixture.a, "the issuer for one without resources");
    assert_eq!(aud("at-home", &[&fixture.a]).await, fixture.a);
    let home = fixture.a.clone();
    for (id, bad) in [
        ("worker", "https://unknown.example"),
        ("worker", "https://api.example/"),
        ("worker", "https://api.example/deeper"),
        ("worker", "https://api.example#part"),
        ("worker", "api.example"),
        ("worker", home.as_str()),
        ("at-home", API),
    ] {
        assert_error(bad, &ask(&api(&fixture.a, id), &[("resource", bad)]).await, 400, "invalid_target");
        let one_is_good = [("resource", bad), ("resource", API)];
        assert_error(bad, &ask(&api(&fixture.a, id), &one_is_good).await, 400, "invalid_target");
    }
}

/// What signs is the resource's to say; one token has one signature.
#[tokio::test]
async fn a_resource_says_what_signs_its_tokens() {
    let fixture = fixture();
    for (resources, alg) in [([RSA, RSA], "RS256"), ([PLAIN, API], "ES256")] {
        let token = own(&fixture.b, "worker", &resources.map(|resource| ("resource", resource))).await;
        assert_eq!((&header(&token)["alg"], &header(&token)["typ"]), (&json!(alg), &json!("at+jwt")));
        verified(&jwks(&fixture.a).await, &token);
    }
    for mixed in [[RSA, API], [PLAIN, RSA], [RSA, PHANTOM]] {
        let answer = ask(&api(&fixture.a, "worker"), &mixed.map(|resource| ("resource", resource))).await;
        assert_error("two algorithms", &answer, 400, "invalid_target");
        assert!(answer.member("error_description").contains("ask for one"), "{}", answer.body);
    }
}

/// An answer without what differs each time: head and body.
fn bare(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let mut body = answer.json();
    assert!(body.as_object_mut().unwrap().remove("request_id").is_some());
    let varies = ["date", "x-request-id"];
    let headers = answer.headers.iter().filter(|(name, _)| !varies.contains(&name.as_str()));
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    headers.sort();
    (answer.status, headers, body)
}

/// RFC 6749 5.2: who fails to prove itself learns nothing about whom it named, not even whether there is one.
#[tokio::test]
async fn whoever_is_not_the_client_gets_one_answer_whatever_the_reason() {
    let fixture = fixture();
    super::set_enabled(fixture, "disabled", false).await;
    let by_header = |id: &str, secret: &str| Api::basic(&fixture.a, id, secret);
    let headers = [
        ("unknown", by_header("nobody", "x")),
        ("no client id at all", by_header("no body", "x")),
        ("wrong secret", by_header("worker", &secret("posting"))),
        ("empty secret", by_header("worker", "")),
        ("secret and more", by_header("worker", &format!("{} ", secret("worker")))),
        ("disabled", by_header("disabled", &secret("disabled"))),
        ("disabled with a wrong secret", by_header("disabled", "x")),
        ("registered for the body", by_header("posting", &secret("posting"))),
        ("registered for a key", by_header("by-key", "x")),
        ("public", by_header("lamp", "")),
    ];
    let mut first = None;
    for (why, api) in headers {
        let answer = ask(&api, &[]).await;
        assert_error(why, &answer, 401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), format!("Basic realm=\"{}\"", fixture.a), "{why}");
        let bare = bare(&answer);
        assert_eq!(&bare, first.get_or_insert_with(|| bare.clone()), "{why}");
        assert_eq!(cost(fixture, &answer).await[1..], [0; 4], "{why}: nothing but a read");
    }
    let elsewhere = signed(&p256("p"), &json!({ "alg": "ES256", "kid": "p" }), &json!({ "sub": "by-key" }));
    let bodies = [
        ("unknown", ask_by_post(&fixture.a, "nobody", "x").await),
        ("wrong secret", ask_by_post(&fixture.a, "posting", &secret("worker")).await),
        ("disabled", ask_by_post(&fixture.a, "disabled", &secret("disabled")).await),
        ("registered for the header", ask_by_post(&fixture.a, "worker", &secret("worker")).await),
        ("registered for a key", ask_by_post(&fixture.a, "by-key", "x").await),
        ("no secret", ask(&Api::public(&fixture.a, "worker"), &[]).await),
        ("no assertion", ask(&Api::public(&fixture.a, "by-key"), &[]).await),
        ("an assertion that says too little", ask_by_key(&fixture.a, "by-key", &elsewhere).await),
        (
            "an assertion of another",
            ask_by_key(&fixture.a, "by-key", &assertion(&fixture.a, "by-key-dark", &json!({ "sub": "by-key" }))).await,
        ),
        (
            "an assertion of one with a secret",
            ask_by_key(&fixture.a, "worker", &assertion(&fixture.a, "worker", &json!({}))).await,
        ),
    ];
    let mut first = None;
    for (why, answer) in bodies {
        assert_error(why, &answer, 400, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), "", "{why}");
        let bare = bare(&answer);
        assert_eq!(&bare, first.get_or_insert_with(|| bare.clone()), "{why}");
    }
    super::assert_never_logged(fixture, &[&secret("posting"), &secret("disabled"), &elsewhere]).await;
}

/// RFC 7523 3: an assertion is used once, here as anywhere.
#[tokio::test]
async fn an_assertion_gets_one_token() {
    let fixture = fixture();
    let once = assertion(&fixture.a, "by-key", &json!({}));
    let here = ask_by_key(&fixture.a, "by-key", &once);
    let mut both: [Answer; 2] = tokio::join!(here, ask_by_key(&fixture.b, "by-key", &once)).into();
    both.sort_by_key(|answer| answer.status);
    assert!(both[0].is_granted(), "{}", both[0].body);
    assert_error("the other", &both[1], 400, "invalid_client");
    for base in [&fixture.a, &fixture.b] {
        assert_error("later", &ask_by_key(base, "by-key", &once).await, 400, "invalid_client");
    }
}

/// RFC 6749 3.2, 4.4.2 and 5.2.
#[tokio::test]
async fn each_fault_of_a_request_has_its_error() {
    let fixture = fixture();
    let grant = ("grant_type", CLIENT_CREDENTIALS);
    let public = Api::public(&fixture.a, "lamp");
    assert_error("a public client is nobody", &ask(&public, &[]).await, 400, "unauthorized_client");
    assert_error("another grant's client", &ask(&api(&fixture.a, "no-grant"), &[]).await, 400, "unauthorized_client");
    assert_error("a web app", &ask(&api(&fixture.a, "clinic"), &[]).await, 400, "unauthorized_client");
    let send = async |fields: &[(&str, &str)]| {
        let request = Api::public(&fixture.a, "").request("POST", "/token").basic_auth("worker", Some(secret("worker")));
        Api::send(request.form(fields)).await
    };
    let own = secret("worker");
    let table: [(&str, Parameters<'_>, &str); 10] = [
        ("no grant type", &[("scope", "records:read")], "invalid_request"),
        ("an empty grant type", &[("grant_type", "")], "invalid_request"),
        ("an unknown grant type", &[("grant_type", "password")], "unsupported_grant_type"),
        ("a grant type in capitals", &[("grant_type", "CLIENT_CREDENTIALS")], "unsupported_grant_type"),
        ("grant type twice", &[grant, grant], "invalid_request"),
        ("scope twice", &[grant, ("scope", "records:read"), ("scope", "records:read")], "invalid_request"),
        ("anything twice", &[grant, ("unknown", "1"), ("unknown", "1")], "invalid_request"),
        ("another client_id", &[grant, ("client_id", "posting")], "invalid_request"),
        ("two methods", &[grant, ("client_id", "worker"), ("client_secret", &own)], "invalid_request"),
        ("half an assertion", &[grant, ("client_assertion", "x.y.z")], "invalid_request"),
    ];
    for (what, fields, error) in table {
        assert_error(what, &send(fields).await, 400, error);
    }
    assert!(send(&[grant, ("client_id", "worker"), ("unknown", "1")]).await.is_granted(), "3.2: the unknown is ignored");
    let nobody = Api::send(public.request("POST", "/token").form(&[grant])).await;
    assert_error("nobody is named", &nobody, 400, "invalid_request");
    let get = Api::send(public.request("GET", "/token?grant_type=client_credentials&client_id=worker")).await;
    assert_eq!((get.status, get.header("allow")), (405, "POST, OPTIONS"), "{}", get.body);
    let in_query = format!("/token?grant_type=client_credentials&client_id=posting&client_secret={}", secret("posting"));
    let answer = Api::send(public.request("POST", &in_query).form(&[("scope", "records:read")])).await;
    assert_error("nothing is read from the query", &answer, 400, "invalid_request");
    let json =
        Api::send(public.request("POST", "/token").basic_auth("worker", Some(&own)).json(&json!({ "grant_type": grant.1 })))
            .await;
    assert_error("JSON", &json, 400, "invalid_request");
    let long = "x".repeat(70_000);
    assert_error("a long body", &send(&[grant, ("unknown", &long)]).await, 413, "invalid_request");
}

/// A token about nobody opens no page about somebody, and nothing can end it but its client's end.
#[tokio::test]
async fn a_services_token_is_no_users() {
    let fixture = fixture();
    let worker = api(&fixture.a, "worker");
    let token = own(&fixture.a, "worker", &[]).await;
    let info = worker.userinfo(&token).await;
    assert_error("userinfo", &info, 403, "insufficient_scope");
    assert_error("revocation", &worker.post("/revoke", &[("token", &token)]).await, 400, "unsupported_token_type");
    let stranger = api(&fixture.a, "posting");
    assert_error("by nobody", &stranger.post("/revoke", &[("token", &token)]).await, 401, "invalid_client");
    assert!(super::is_active(fixture, &token).await, "it still is");
    for name in ["refresh_token", "code", "device_code"] {
        let grant = match name {
            "code" => "authorization_code",
            "device_code" => crate::support::DEVICE_CODE,
            other => other,
        };
        let fields = [
            ("grant_type", grant),
            (name, token.as_str()),
            ("redirect_uri", "https://clinic.example/cb"),
            ("code_verifier", &"v".repeat(43)),
        ];
        let app = if name == "device_code" { Api::public(&fixture.a, "lamp") } else { api(&fixture.a, "clinic") };
        assert_error(name, &app.post("/token", &fields).await, 400, "invalid_grant");
    }
}
