//! Pushed authorization requests: RFC 9126.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::task::JoinSet;

use super::{
    STATE, ada, app, assert_error_page, back, fixture, known, now, opening, posting, push, pushed, signed, told, waiting,
};
use crate::support::{ADA, Answer, Api, Person, claims};
use crate::web::{App, consent, follow, post, secret};

const BEGIN: &str = "urn:ietf:params:oauth:request_uri:";

/// Moves what a client pushed back in time, by seconds.
async fn age(client: &str, seconds: u64) {
    let sql = "UPDATE pushed_requests SET created_at = created_at - ?2 WHERE client_id = ?1";
    fixture().d1(sql, &[client.into(), (seconds * 1000).into()]).await;
}

/// RFC 9126 2.2: 201, a `request_uri` that nobody guesses, and how long it lives.
#[tokio::test]
async fn a_push_is_answered_201() {
    let strict = app("strict");
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        let answer = push(&strict, &[]).await;
        assert_eq!((answer.status, answer.header("cache-control")), (201, "no-store"), "{}", answer.body);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.cookies(), [""; 0]);
        let body = answer.json();
        assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
        assert_eq!(body["expires_in"], 90, "60 to 90 seconds");
        let random = answer.member("request_uri").strip_prefix(BEGIN).unwrap().to_owned();
        let bytes = latchkey::protocol::secret::from_base64url(&random).unwrap();
        assert!(bytes.len() >= 16, "{random}");
        assert!(seen.insert(random));
    }
}

/// 2.3: the errors of the token endpoint and of the authorization endpoint, as JSON; nothing is kept.
#[tokio::test]
async fn what_authorize_would_refuse_is_refused_at_once() {
    let other = app("other");
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("redirect_uri", "https://evil.example/cb", "invalid_request"),
        ("redirect_uri", "https://other.example/cb?x=1", "invalid_request"),
        ("redirect_uri", "", "invalid_request"),
        ("scope", "", "invalid_scope"),
        ("scope", "unknown", "invalid_scope"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "x", "invalid_request"),
        ("claims", "x", "invalid_request"),
        ("id_token_hint", "x", "invalid_request"),
        ("resource", "https://evil.example", "invalid_target"),
        ("registration", "{}", "registration_not_supported"),
        ("nonce", &"n".repeat(769), "invalid_request"),
        ("state", &"s".repeat(16_385), "invalid_request"),
        ("request", "x", "invalid_request_object"),
        // 2.1: none inside.
        ("request_uri", "urn:ietf:params:oauth:request_uri:x", "invalid_request"),
        ("request_uri", "https://other.example/ro", "invalid_request"),
    ] {
        let answer = push(&other, &[(name, value)]).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error), "{name}={value:.40}: {}", answer.body);
        assert_eq!((answer.header("location"), answer.header("cache-control")), ("", "no-store"), "{name}={value:.40}");
        let plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
        assert!(answer.member("error_description").bytes().all(plain), "{}", answer.body);
    }
    let device = App { redirect_uri: "https://device-only.example/cb".to_owned(), ..app("device-only") };
    assert_eq!(push(&device, &[]).await.error(), "unauthorized_client");
    assert_eq!((waiting("other").await, waiting("device-only").await), (0, 0), "nothing is kept");
}

/// 2.1: the client authenticates as at the token endpoint.
#[tokio::test]
async fn wrong_client_authentication_is_refused() {
    let base = &fixture().a;
    let fields: Vec<(String, String)> = app("post").parameters(&[]).into_iter().filter(|(name, _)| name != "client_id").collect();
    let send = async |api: &Api, more: &[(&str, &str)]| {
        let mut all: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.extend(more);
        api.post("/par", &all).await
    };
    let (right, wrong) = (secret("post"), secret("other"));
    for (api, more, status, error) in [
        (Api::public(base, "post"), &[("client_secret", right.as_str())][..], 201, ""),
        (Api::public(base, "post"), &[("client_secret", wrong.as_str())], 400, "invalid_client"),
        (Api::public(base, "post"), &[("client_secret", "")], 400, "invalid_client"),
        (Api::public(base, "post"), &[], 400, "invalid_client"),
        (Api::public(base, "nobody"), &[], 400, "invalid_client"),
        (Api::public(base, "nobody"), &[("client_secret", right.as_str())], 400, "invalid_client"),
        (Api::basic(base, "post", &right), &[], 401, "invalid_client"),
        (Api::basic(base, "post", "wrong"), &[], 401, "invalid_client"),
        (Api::basic(base, "nobody", "wrong"), &[], 401, "invalid_client"),
        (Api::basic(base, "post", &right), &[("client_secret", right.as_str())], 400, "invalid_request"),
        (Api::basic(base, "post", &right), &[("client_id", "other")], 400, "invalid_request"),
        (Api::public(base, "post"), &[("client_assertion", "x.y.z")], 400, "invalid_request"),
    ] {
        let answer = send(&api, more).await;
        assert_eq!((answer.status, answer.error().as_str()), (status, error), "{} {more:?}: {}", api.client, answer.body);
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge.starts_with("Basic realm="), status == 401, "{challenge}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    assert_eq!(waiting("post").await, 1);
    // A public one names itself.
    assert_eq!(push(&app("public"), &[]).await.status, 201);
}

/// 2.3: 405 on other methods; a form and nothing else; never open to scripts of other origins.
#[tokio::test]
async fn only_a_posted_form_is_pushed() {
    let api = app("strict").api;
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = Api::send(api.request(method, "/par").header("origin", "https://strict.example")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{method}");
    }
    let request =
        api.request("POST", "/par").basic_auth("strict", Some(secret("strict"))).header("content-type", "application/json");
    let answer = Api::send(request.body("{\"response_type\":\"code\"}")).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"));
    let twice = "response_type=code&response_type=code";
    let request = api.request("POST", "/par").basic_auth("strict", Some(secret("strict")));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = Api::send(request.body(twice)).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"));
    let origin = api.request("POST", "/par").header("origin", "https://strict.example").form(&[("client_id", "strict")]);
    assert_eq!(Api::send(origin).await.header("access-control-allow-origin"), "");
}

/// Any size up to 64 KiB, and not a byte more.
#[tokio::test]
async fn a_pushed_request_may_have_64_kib() {
    let (person, trusted) = (ada().await, app("trusted"));
    let state = "s".repeat(16_384);
    let answer = push(&trusted, &[("state", &state)]).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let done = person.get(&opening("trusted", &answer.member("request_uri"))).await;
    assert!(back(&trusted, &done, Some(&state)).contains_key("code"));
    for (length, status) in [(65_536, 201), (65_537, 413)] {
        let body = crate::web::query(&trusted.parameters(&[]));
        // Unknown parameters, each as long as one may be.
        let mut body = (0..15).fold(body, |body, n| format!("{body}&x{n}={}", "x".repeat(4000)));
        body += "&y=";
        body += &"y".repeat(4096);
        body.truncate(length.min(body.len()));
        body += "&z=";
        assert!(body.len() + 4096 > length, "{}", body.len());
        body += &"z".repeat(length - body.len());
        let request = trusted.api.request("POST", "/par").basic_auth("trusted", Some(secret("trusted")));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = Api::send(request.body(body)).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    // One object, as long as a body may be.
    let signer = app("signer");
    let parameters: serde_json::Map<String, serde_json::Value> =
        signer.parameters(&[]).into_iter().map(|(name, value)| (name, value.into())).collect();
    let mut claims = serde_json::Value::from(parameters);
    for n in 0..11 {
        claims[format!("x{n}")] = "x".repeat(4000).into();
    }
    let object = signed(&json!({ "alg": "ES256", "kid": "one" }), &claims, "one");
    assert!((58_000..65_000).contains(&object.len()), "{}", object.len());
    let answer = signer.api.post("/par", &[("request", object.as_str())]).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert!(back(&signer, &person.get(&opening("signer", &answer.member("request_uri"))).await, STATE).contains_key("code"));
}

/// 4: parameters outside do not count, be they missing, other or bad, and neither does where they would lead.
#[tokio::test]
async fn parameters_outside_of_the_pushed_request_are_ignored() {
    let (person, trusted) = (ada().await, app("trusted"));
    for more in [
        "",
        "&redirect_uri=https://evil.example/&state=evil&scope=profile&response_type=token&prompt=login&nonce=evil",
        "&response_mode=form_post&max_age=0&code_challenge=evil&code_challenge_method=plain&claims=x&id_token_hint=x",
        "&request=x.y.z&resource=https://evil.example&registration=x&display=evil",
    ] {
        let path = pushed(&trusted, &[]).await + more;
        let code = back(&trusted, &person.get(&path).await, STATE).remove("code").unwrap();
        let tokens = trusted.redeem(&code).await;
        assert_eq!(tokens.member("scope"), "openid", "{more}");
        assert_eq!(claims(&tokens.member("id_token"))["nonce"], "a nonce", "{more}");
    }
    // Also by POST.
    let path = pushed(&trusted, &[]).await + "&state=evil";
    let posted = super::post_raw("/authorize", path.split_once('?').unwrap().1).await;
    assert!(back(&trusted, &person.get(posted.header("location")).await, STATE).contains_key("code"));
    // But nothing twice, as everywhere.
    let path = pushed(&trusted, &[]).await + "&state=a&state=b";
    assert_error_page(&person.get(&path).await, "state twice");
}

/// 4 and 7.3: opened as often as need be until the flow completes, and not after; and that is so for whatever
/// completes it.
#[tokio::test]
async fn it_opens_again_until_the_flow_completes_and_not_after() {
    let base = &fixture().a;
    let strict = app("strict");
    for (end, mode) in [("allow", "query"), ("deny", "query"), ("allow", "form_post"), ("deny", "form_post"), ("cancel", "query")]
    {
        let path = pushed(&strict, &[("prompt", "consent"), ("response_mode", mode)]).await;
        let (one, two) = (Person::new(base), Person::ada(base).await);
        // Looked at by somebody who goes away, and again.
        for person in [&one, &two, &one] {
            let page = follow(person, person.get(&path).await).await;
            assert!(page.body.contains("<form method=\"post\" action=\"/"), "{}", page.body);
        }
        let page = follow(&one, one.get(&path).await).await;
        let done = if end == "cancel" {
            one.post("/login", &[("form", &page.form()), ("action", "cancel")]).await
        } else {
            let page = follow(&two, two.get(&path).await).await;
            if end == "allow" {
                consent(&two, &page).await
            } else {
                two.post("/consent", &[("form", &page.form()), ("action", "deny")]).await
            }
        };
        let parameters = if mode == "query" { back(&strict, &done, STATE) } else { known(posting(&done).1, STATE) };
        assert_eq!(parameters.contains_key("code"), end == "allow", "{parameters:?}");
        for person in [&one, &two] {
            assert_error_page(&person.get(&path).await, &format!("after {end}"));
        }
        // Pages of it that are still open end there, too.
        let fields = [("form", page.form()), ("login", ADA.0.to_owned()), ("password", ADA.1.to_owned())];
        let late = follow(&one, post(&one, "/login", &fields).await).await;
        assert!(late.status == 400 && late.body.contains("Something went wrong"), "{end}: {} {}", late.status, late.body);
    }
    // An error of `prompt=none` completes it.
    let trusted = app("trusted");
    let path = pushed(&trusted, &[("prompt", "none")]).await;
    assert_eq!(told(&trusted, &Person::new(base).get(&path).await, STATE), "login_required");
    assert_error_page(&ada().await.get(&path).await, "after login_required");
}

/// One pushed request yields one code, however many try at once and in whatever way.
#[tokio::test]
async fn forty_parallel_completions_yield_one_code() {
    let trusted = app("trusted");
    let person = ada().await;
    // Silent ones.
    let path = pushed(&trusted, &[]).await;
    let mut tries = JoinSet::new();
    for n in 0..40 {
        let (mut person, path) = (person.clone(), path.clone());
        if n % 2 == 1 {
            person.base.clone_from(&fixture().b);
        }
        tries.spawn(async move { person.get(&path).await });
    }
    one_code(&trusted, tries.join_all().await);
    // One consent form, posted again and again.
    let strict = app("strict");
    let path = pushed(&strict, &[("prompt", "consent")]).await;
    let page = follow(&person, person.get(&path).await).await;
    let mut tries = JoinSet::new();
    for n in 0..40 {
        let (mut person, page) = (person.clone(), page.clone());
        if n % 2 == 1 {
            person.base.clone_from(&fixture().b);
        }
        tries.spawn(async move {
            let action = if n % 5 == 4 { "deny" } else { "allow" };
            person.post("/consent", &[("form", &page.form()), ("action", action)]).await
        });
    }
    let answers = tries.join_all().await;
    let codes = answers.iter().filter(|answer| answer.header("location").contains("code=")).count();
    assert!(codes <= 1, "{codes} codes");
    let ended = answers.iter().filter(|answer| answer.header("location").starts_with("https://")).count();
    assert!(ended >= 1);
    assert_error_page(&person.get(&path).await, "afterwards");
}

fn one_code(app: &App, answers: Vec<Answer>) {
    let (codes, others): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == 303);
    assert_eq!(codes.len(), 1, "one code");
    assert!(back(app, &codes[0], STATE).contains_key("code"));
    for other in others {
        assert_error_page(&other, "all others");
    }
}

/// 2.2 and 4: it lives as long as it says, counted until it is opened: a person may take longer than that.
#[tokio::test]
async fn it_lives_as_long_as_it_says() {
    let person = ada().await;
    let public_app = app("public");
    let path = pushed(&public_app, &[("prompt", "consent")]).await;
    age("public", 91).await;
    assert_error_page(&person.get(&path).await, "expired");
    let path = pushed(&public_app, &[("prompt", "consent")]).await;
    age("public", 55).await;
    assert!(follow(&person, person.get(&path).await).await.body.contains("id=\"consent-allow\""), "still young");
}

/// 4: bound to the client that pushed it; nobody is sent anywhere for one that is not known.
#[tokio::test]
async fn a_request_uri_is_its_clients_own() {
    let person = ada().await;
    let trusted = app("trusted");
    let answer = push(&trusted, &[]).await;
    let uri = answer.member("request_uri");
    let swapped = uri.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
    let swapped: String = BEGIN.chars().chain(swapped.skip(BEGIN.len())).collect();
    for (client, uri, what) in [
        ("other", uri.as_str(), "another client's"),
        ("nobody", &uri, "nobody's"),
        ("", &uri, "no client_id"),
        ("trusted", BEGIN, "empty"),
        ("trusted", &format!("{BEGIN}x"), "guessed"),
        ("trusted", &uri[..uri.len() - 1], "cut"),
        ("trusted", &swapped, "in another case"),
        ("trusted", &format!("{uri}A"), "longer"),
        ("trusted", &format!("{uri}'--"), "odd"),
    ] {
        // Where it would lead is not known, so good parameters outside change nothing.
        let outside = "&redirect_uri=https://trusted.example/cb&response_type=code&scope=openid&state=x";
        for more in ["", outside] {
            assert_error_page(&person.get(&(opening(client, uri) + more)).await, &format!("{what} {more}"));
        }
    }
    // Nor does whoever only looks at the headers, as link scanners do.
    let head = Api::send(person.request("HEAD", &opening("trusted", &uri))).await;
    assert_eq!((head.status, head.header("allow")), (405, "GET, POST"));
    // All that has not spent it.
    assert!(back(&trusted, &person.get(&opening("trusted", &uri)).await, STATE).contains_key("code"));
}

/// 5 and 6: required of one client, or of all (Worker `b`); a request object by value is not a pushed request.
#[tokio::test]
async fn pushing_may_be_required() {
    let fixture = fixture();
    let person = ada().await;
    let mut at_b = person.clone();
    at_b.base.clone_from(&fixture.b);
    let (pushy, trusted) = (app("pushy"), app("trusted"));
    for answer in
        [person.get(&pushy.path(&[])).await, super::post_raw("/authorize", pushy.path(&[]).split_once('?').unwrap().1).await]
    {
        assert_eq!(told(&pushy, &answer, STATE), "invalid_request");
    }
    assert_eq!(told(&trusted, &at_b.get(&trusted.path(&[])).await, STATE), "invalid_request");
    let page = person.get(&pushy.path(&[("response_mode", "form_post")])).await;
    assert_eq!(known(posting(&page).1, STATE)["error"], "invalid_request");
    let signer = app("signer");
    let mut claims = json!({ "exp": now() + 60 });
    for (name, value) in signer.parameters(&[]) {
        claims[name] = value.into();
    }
    let object = signed(&json!({ "alg": "ES256", "kid": "one" }), &claims, "one");
    assert_eq!(told(&signer, &at_b.get(&signer.path(&[("request", &object)])).await, STATE), "invalid_request");
    // Pushed, it is good, at both.
    assert!(follow(&person, person.get(&pushed(&pushy, &[]).await).await).await.body.contains("id=\"consent-allow\""));
    let path = pushed(&trusted.at(&fixture.b), &[]).await;
    assert!(back(&trusted, &at_b.get(&path).await, STATE).contains_key("code"));
    for (base, required) in [(&fixture.a, false), (&fixture.b, true)] {
        let document = pushy.api.at(base).get("/.well-known/openid-configuration").await.json();
        assert_eq!(document["require_pushed_authorization_requests"], required);
    }
}

/// A client that changes between push and opening is answered as it is now.
#[tokio::test]
async fn what_was_pushed_is_checked_again() {
    let fixture = fixture();
    let person = ada().await;
    let changing = App { redirect_uri: "https://changing.example/other".to_owned(), ..app("changing") };
    let path = pushed(&changing, &[("prompt", "consent")]).await;
    let page = follow(&person, person.get(&path).await).await;
    let change = |from: &str, to: &str| {
        format!("UPDATE clients SET metadata = replace(metadata, '{from}', '{to}'), version = version + 1 WHERE id = 'changing'")
    };
    fixture.d1(&change("changing.example/other", "changing.example/gone"), &[]).await;
    // This isolate may remember the client for half a minute, and what it remembers may say yes: so ask the other
    // Worker, which has not read it.
    let mut at_b = person.clone();
    at_b.base.clone_from(&fixture.b);
    let answer = consent(&at_b, &page).await;
    assert_error_page(&answer, "the redirect URI is gone");
}

/// A client that was given a redirect URI through one Worker uses it at once through another, which remembers it
/// without.
#[tokio::test]
async fn what_a_client_may_do_since_a_moment_is_not_refused() {
    let fixture = fixture();
    let person = ada().await;
    let growing = app("growing");
    let new = "https://growing.example/new";
    // Both Workers read it, to have it in memory.
    for base in [&fixture.a, &fixture.b] {
        assert_eq!(push(&growing.at(base), &[]).await.status, 201);
        assert_eq!(push(&growing.at(base), &[("redirect_uri", new)]).await.status, 400);
    }
    let sql = "UPDATE clients SET metadata = replace(metadata, '/cb', '/new'), version = version + 1 WHERE id = 'growing'";
    fixture.d1(sql, &[]).await;
    let now = App { redirect_uri: new.to_owned(), ..growing };
    let answer = push(&now.at(&fixture.b), &[]).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(told(&now, &person.get(&now.path(&[("prompt", "none")])).await, STATE), "consent_required");
}

/// 4: a flow that began in time goes on for as long as its pages may be open; the way into it closes, also the one
/// by a step that another browser carries.
#[tokio::test]
async fn a_flow_that_began_in_time_goes_on() {
    let fixture = crate::harness::Setup::default().var("PAR_LIFETIME", "5").start().await;
    let demo = App::demo(&fixture.a);
    let person = Person::ada(&fixture.a).await;
    let parameters = demo.parameters(&[("client_id", "")]);
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let pushed = demo.api.post("/par", &parameters).await;
    let path = format!("/authorize?client_id=demo-web&request_uri={}", pushed.member("request_uri"));
    let answer = person.get(&path).await;
    let step = answer.header("location").to_owned();
    assert!(step.starts_with("/consent?step="), "{step}");
    let page = person.get(&step).await;
    crate::support::sleep(5_200).await;
    assert_error_page(&person.get(&path).await, "expired");
    let stranger = Person::ada(&fixture.a).await;
    assert_error_page(&stranger.get(&step.replace("/consent", "/authorize")).await, "a step of another browser is a link");
    assert!(demo.returned(&consent(&person, &page).await).contains_key("code"), "opened in time");
}
