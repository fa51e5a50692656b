//! Rules of RFC 6749, 8414, 9207 and OpenID Connect Core and Discovery in one table each: what the metadata say,
//! and what the endpoints do.
//!
//! Those of other documents are held elsewhere: redirect URIs and PKCE in `redirects`, `prompt` and `max_age` in
//! `prompts`, RFC 9126 in `par`, RFC 9101 in `jar`; RFC 6749 4.1.3, ID token, userinfo, refresh, CORS and RFC 7523
//! in `code`; RFC 7591 and 7592 in `registration`; RP-Initiated and Back-Channel Logout in `logout`; consent and
//! sessions in `sso`; the pages themselves in `browser::languages`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{STATE, ada, app, assert_error_page, back, fixture, known, post_raw, posting, push, pushed, told};
use crate::support::{Answer, Api, Person, raw};
use crate::web::{App, follow};

/// RFC 8414 2, OpenID Connect Discovery 3: each rule about the document by its name.
#[tokio::test]
async fn metadata_rules() {
    type Rule = (&'static str, fn(&Value) -> bool);
    fn list<'a>(document: &'a Value, name: &str) -> Vec<&'a str> {
        document[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }
    fn has(document: &Value, name: &str, all: &[&str]) -> bool {
        let list = list(document, name);
        all.iter().all(|one| list.contains(one))
    }
    const RULES: &[Rule] = &[
        ("issuer has no path, query or fragment", |d| d["issuer"].as_str().unwrap().matches(['/', '?', '#']).count() == 2),
        ("every endpoint is at the issuer, https but on loopback", |d| {
            let issuer = d["issuer"].as_str().unwrap();
            let is_good = |name: &str, url: &Value| {
                let is_url = name.ends_with("_endpoint") || name == "jwks_uri";
                !is_url || url.as_str().is_some_and(|url| url.starts_with(&format!("{issuer}/")))
            };
            let is_secure = issuer.starts_with("https://") || issuer.starts_with("http://localhost:");
            is_secure && d.as_object().unwrap().iter().all(|(name, url)| is_good(name, url))
        }),
        ("all endpoints", |d| {
            let all = ["authorization", "token", "userinfo", "end_session", "registration", "revocation"];
            let more = ["pushed_authorization_request", "device_authorization"];
            all.iter().chain(&more).all(|name| d[format!("{name}_endpoint")].is_string()) && d["jwks_uri"].is_string()
        }),
        ("scopes_supported", |d| {
            has(d, "scopes_supported", &["openid", "profile", "email", "address", "phone", "offline_access"])
        }),
        ("response_types_supported is code", |d| list(d, "response_types_supported") == ["code"]),
        ("response_modes_supported", |d| list(d, "response_modes_supported") == ["query", "form_post"]),
        ("grant_types_supported", |d| has(d, "grant_types_supported", &["authorization_code", "refresh_token"])),
        ("no implicit grant", |d| !has(d, "grant_types_supported", &["implicit"])),
        ("subject_types_supported", |d| has(d, "subject_types_supported", &["public", "pairwise"])),
        ("ID token algorithms, RS256 first, never none", |d| {
            list(d, "id_token_signing_alg_values_supported") == ["RS256", "ES256", "PS256", "EdDSA"]
        }),
        ("userinfo algorithms have RS256", |d| has(d, "userinfo_signing_alg_values_supported", &["RS256"])),
        ("client authentication", |d| {
            let all = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
            has(d, "token_endpoint_auth_methods_supported", &all)
        }),
        ("client assertions never by none or a secret", |d| {
            let algs = list(d, "token_endpoint_auth_signing_alg_values_supported");
            !algs.is_empty() && algs.iter().all(|alg| *alg != "none" && !alg.starts_with("HS"))
        }),
        ("claims_supported", |d| has(d, "claims_supported", &["sub", "name", "email", "address", "phone_number", "updated_at"])),
        ("code_challenge_methods_supported is S256", |d| list(d, "code_challenge_methods_supported") == ["S256"]),
        ("authorization_response_iss_parameter_supported", |d| d["authorization_response_iss_parameter_supported"] == true),
        ("request objects, never by none or a secret", |d| {
            let algs = list(d, "request_object_signing_alg_values_supported");
            algs.contains(&"RS256") && algs.iter().all(|alg| *alg != "none" && !alg.starts_with("HS"))
        }),
        ("request and request_uri are said to be supported", |d| {
            d["request_parameter_supported"] == true && d["request_uri_parameter_supported"] == true
        }),
        ("request_uris have to be registered", |d| d["require_request_uri_registration"] == true),
        ("claims_parameter_supported", |d| d["claims_parameter_supported"] == true),
        ("acr_values_supported", |d| !list(d, "acr_values_supported").is_empty()),
        ("prompt_values_supported", |d| has(d, "prompt_values_supported", &["none", "login", "consent", "select_account"])),
        ("ui_locales_supported", |d| has(d, "ui_locales_supported", &["en", "de", "fr"])),
        ("back-channel logout with sid", |d| {
            d["backchannel_logout_supported"] == true && d["backchannel_logout_session_supported"] == true
        }),
        ("no empty list", |d| d.as_object().unwrap().values().all(|value| value.as_array().is_none_or(|list| !list.is_empty()))),
        ("nothing null or private", |d| {
            d.as_object().unwrap().iter().all(|(name, v)| !v.is_null() && !name.contains("latchkey"))
        }),
    ];
    let api = app("strict").api;
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let document = api.get(path).await;
        assert_eq!((document.status, document.header("content-type")), (200, "application/json"));
        assert_eq!(document.header("access-control-allow-origin"), "*");
        let document = document.json();
        assert_eq!(document["issuer"], fixture().a);
        let broken: Vec<&str> = RULES.iter().filter(|(_, holds)| !holds(&document)).map(|(rule, _)| *rule).collect();
        assert_eq!(broken, [""; 0], "{document:#}");
    }
    let jwks = api.get("/jwks.json").await.json();
    let keys = jwks["keys"].as_array().unwrap();
    let kids: BTreeSet<&str> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(kids.len(), keys.len(), "every key has a distinct kid");
    for key in keys {
        assert!(key["alg"].is_string() && key["use"] == "sig", "{key}");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert_eq!(key.get(private), None, "no private members");
        }
    }
}

/// What becomes of a request.
enum Outcome {
    /// An error page: nobody is sent anywhere.
    Page,
    /// An error by redirect, with `state` and `iss`.
    Told(&'static str),
    /// An error in a form that posts itself.
    Posted(&'static str),
    /// A code without any page.
    Code,
    /// The login page.
    Login,
    /// The consent page.
    Consent,
    /// The account chooser.
    Choose,
}
use Outcome::{Choose, Code, Consent, Login, Page, Posted, Told};

/// Who asks.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    Nobody,
    Ada,
}
use Who::{Ada, Nobody};

/// A rule, who asks, the client, what is different about the request, and what must become of it.
type Case = (&'static str, Who, &'static str, &'static [(&'static str, &'static str)], Outcome);

const NONE: (&str, &str) = ("prompt", "none");

/// One case for each rule about requests, which are asked by GET and by POST, for these are one.
const CASES: &[Case] = &[
    ("client_id is good before anybody is sent anywhere", Nobody, "strict", &[("client_id", "nobody")], Page),
    ("client_id is there", Nobody, "strict", &[("client_id", "")], Page),
    (
        "redirect_uri is good before anybody is sent anywhere",
        Nobody,
        "strict",
        &[("redirect_uri", "https://evil.example/")],
        Page,
    ),
    ("redirect_uri: added query refused", Nobody, "strict", &[("redirect_uri", "https://strict.example/cb?a=b")], Page),
    ("redirect_uri is mandatory when several are registered", Nobody, "several", &[("redirect_uri", "")], Page),
    ("PKCE is S256 only", Nobody, "strict", &[("code_challenge_method", "plain")], Told("invalid_request")),
    (
        "PKCE is demanded of public clients",
        Nobody,
        "public",
        &[("code_challenge", ""), ("code_challenge_method", "")],
        Told("invalid_request"),
    ),
    (
        "PKCE is demanded of an administrator's clients",
        Nobody,
        "strict",
        &[("code_challenge", ""), ("code_challenge_method", "")],
        Told("invalid_request"),
    ),
    (
        "PKCE may be left out where the client is registered so",
        Nobody,
        "plain",
        &[NONE, ("code_challenge", ""), ("code_challenge_method", "")],
        Told("login_required"),
    ),
    ("response_type is there", Nobody, "strict", &[("response_type", "")], Told("invalid_request")),
    ("response_type is known", Nobody, "strict", &[("response_type", "id_token")], Told("unsupported_response_type")),
    ("response_type code alone", Nobody, "strict", &[("response_type", "code token")], Told("unsupported_response_type")),
    (
        "a missing response_type keeps the response mode",
        Nobody,
        "strict",
        &[("response_type", ""), ("response_mode", "form_post")],
        Posted("invalid_request"),
    ),
    ("response_mode is known", Nobody, "strict", &[("response_mode", "fragment")], Told("invalid_request")),
    ("the client may use the grant", Nobody, "device-only", &[], Told("unauthorized_client")),
    ("unknown parameters are ignored", Ada, "trusted", &[("extra", "foobar")], Code),
    ("display is accepted", Ada, "trusted", &[("display", "popup")], Code),
    ("ui_locales is accepted", Ada, "trusted", &[("ui_locales", "se")], Code),
    ("claims_locales is accepted", Ada, "trusted", &[("claims_locales", "se")], Code),
    ("acr_values is accepted", Ada, "trusted", &[("acr_values", "1 2")], Code),
    ("claims is accepted", Ada, "trusted", &[("claims", r#"{"userinfo":{"name":{"essential":true}}}"#)], Code),
    ("claims is JSON", Ada, "trusted", &[("claims", "name")], Told("invalid_request")),
    ("prompt=none: login_required", Nobody, "trusted", &[NONE], Told("login_required")),
    ("prompt=none: consent_required", Ada, "pretty", &[NONE], Told("consent_required")),
    ("prompt=none: silent success", Ada, "trusted", &[NONE], Code),
    ("prompt=none in a form", Nobody, "trusted", &[NONE, ("response_mode", "form_post")], Posted("login_required")),
    ("prompt=none goes with nothing else", Ada, "trusted", &[("prompt", "none consent")], Told("invalid_request")),
    ("prompt=login: the login page again", Ada, "trusted", &[("prompt", "login")], Login),
    ("prompt=consent: the consent page again", Ada, "trusted", &[("prompt", "consent")], Consent),
    ("prompt=select_account", Ada, "trusted", &[("prompt", "select_account")], Choose),
    ("max_age: re-login when auth_time is older", Ada, "trusted", &[("max_age", "0")], Login),
    ("max_age: no re-login when it is not", Ada, "trusted", &[("max_age", "100000")], Code),
    ("max_age is a number", Ada, "trusted", &[("max_age", "soon")], Told("invalid_request")),
    ("id_token_hint is an ID token of ours", Ada, "trusted", &[("id_token_hint", "x")], Told("invalid_request")),
    ("consent is asked once per client", Ada, "pretty", &[], Consent),
    ("the operator's consent counts", Ada, "trusted", &[("scope", "openid profile email")], Code),
    ("nobody is signed in", Nobody, "strict", &[], Login),
    ("scope is known", Ada, "trusted", &[("scope", "unknown")], Told("invalid_scope")),
    ("scope is there", Ada, "trusted", &[("scope", "")], Told("invalid_scope")),
    (
        "offline_access without prompt=consent is ignored",
        Ada,
        "plain",
        &[NONE, ("scope", "offline_access")],
        Told("invalid_scope"),
    ),
    ("resource is the client's", Ada, "trusted", &[("resource", "https://evil.example")], Told("invalid_target")),
    ("request is signed", Ada, "trusted", &[("request", "eyJhbGciOiJub25lIn0.e30.")], Told("invalid_request_object")),
    ("request_uri is registered", Ada, "trusted", &[("request_uri", "https://evil.example/ro")], Told("invalid_request_uri")),
    ("registration is not supported", Ada, "trusted", &[("registration", "{}")], Told("registration_not_supported")),
    ("pushing is demanded where the client is registered so", Ada, "pushy", &[], Told("invalid_request")),
    ("a pushed request is known", Ada, "trusted", &[("request_uri", "urn:ietf:params:oauth:request_uri:x")], Page),
];

#[tokio::test]
async fn request_rules() {
    let mut names = BTreeSet::new();
    for (rule, who, id, changes, outcome) in CASES {
        assert!(names.insert(rule), "{rule} is there twice");
        let app = match *id {
            "pretty" => App { redirect_uri: "https://pretty.example:8443/cb".to_owned(), ..app(id) },
            _ => app(id),
        };
        let person = if *who == Ada { ada().await } else { Person::new(&fixture().a) };
        let path = app.path(changes);
        let got = follow(&person, person.get(&path).await).await;
        let posted = follow(&person, post_raw("/authorize", path.split_once('?').unwrap().1).await).await;
        for answer in [got, posted] {
            let page = |text: &str| answer.status == 200 && answer.body.contains(text);
            let holds = match outcome {
                Page => {
                    assert_error_page(&answer, rule);
                    true
                }
                Told(error) => told(&app, &answer, STATE) == *error,
                Posted(error) => known(posting(&answer).1, STATE)["error"] == *error,
                Code => back(&app, &answer, STATE).contains_key("code"),
                Login => page("id=\"login-submit\"") && page("name=\"login\"") && page("name=\"password\"") && page("Sign in"),
                Consent => page("id=\"consent-allow\"") && page("id=\"consent-deny\""),
                Choose => page("name=\"account\""),
            };
            assert!(holds, "{rule}: {} {:?} {}", answer.status, answer.headers, answer.body);
            assert_eq!(answer.header("cache-control"), "no-store", "{rule}");
            assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{rule}");
        }
    }
}

/// `no-store` on everything of a flow, and the stable hooks of its pages, each at a path of its own.
#[tokio::test]
async fn every_answer_of_a_flow_is_no_store_and_every_page_has_its_own_path() {
    let (person, strict) = (ada().await, app("strict"));
    let nobody = Person::new(&fixture().a);
    let mut answers: Vec<Answer> = vec![push(&strict, &[]).await, push(&strict, &[("scope", "")]).await];
    for (person, changes, path) in [
        (&nobody, &[][..], "/login"),
        (&person, &[("prompt", "consent")], "/consent"),
        (&person, &[("prompt", "select_account")], "/accounts"),
    ] {
        let sent = person.get(&strict.path(changes)).await;
        let location = sent.header("location").to_owned();
        assert!(sent.status == 303 && location.starts_with(&format!("{path}?step=")), "{location}");
        let page = person.get(&location).await;
        assert_eq!(page.status, 200, "{path} itself is the page");
        let cancel = if path == "/consent" { "deny" } else { "cancel" };
        let fields = [("form", page.form()), ("action", cancel.to_owned())];
        let done = person.post(path, &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
        assert_eq!(told(&strict, &done, STATE), "access_denied", "{path}");
        answers.extend([sent, page, done]);
    }
    answers.push(person.get(&pushed(&app("trusted"), &[]).await).await);
    answers.push(nobody.get("/authorize").await);
    answers.push(Api::send(nobody.request("DELETE", "/authorize")).await);
    for answer in &answers {
        assert_eq!(answer.header("cache-control"), "no-store", "{:?}", answer.headers);
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    assert_eq!(answers.last().unwrap().status, 405);
}

/// Codes have 128 bits of entropy or more; two are never alike.
#[tokio::test]
async fn codes_are_not_guessed() {
    let (person, trusted) = (ada().await, app("trusted"));
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        let code = back(&trusted, &person.get(&trusted.path(&[])).await, STATE).remove("code").unwrap();
        assert!((22..2048).contains(&code.len()), "{code}");
        assert!(code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{code}");
        // Sealed with a random nonce, right at the front: no two share more than the format and key number.
        assert!(seen.insert(code[4..28].to_owned()));
    }
}

/// The issuer in an answer is configured: never what `Host` says, nor a proxy's headers.
#[tokio::test]
async fn iss_is_never_taken_from_the_request() {
    let path = app("strict").path(&[NONE]);
    let head = "x-forwarded-host: evil.example\r\nforwarded: host=evil.example;proto=https\r\norigin: https://evil.example\r\n";
    let answer = raw(&fixture().a, format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\n{head}\r\n")).await;
    assert_eq!(told(&app("strict"), &answer, STATE), "login_required");
    assert!(answer.headers.values().all(|value| !value.to_str().unwrap().contains("evil")), "{:?}", answer.headers);
}

/// CORS: never pages or `/authorize`, not even for the origin of the client itself.
#[tokio::test]
async fn no_script_of_another_origin_reads_a_page() {
    let (person, trusted) = (ada().await, app("trusted"));
    for (method, path) in [
        ("GET", trusted.path(&[])),
        ("GET", trusted.path(&[("prompt", "login")])),
        ("GET", trusted.path(&[("redirect_uri", "https://evil.example")])),
        ("OPTIONS", "/authorize".to_owned()),
        ("GET", "/login".to_owned()),
        ("OPTIONS", "/login".to_owned()),
        ("OPTIONS", "/consent".to_owned()),
        ("GET", "/".to_owned()),
        ("OPTIONS", "/par".to_owned()),
    ] {
        for origin in ["https://trusted.example", "null", "https://evil.example"] {
            let request = person.request(method, &path).header("origin", origin).header("access-control-request-method", "GET");
            let answer = Api::send(request).await;
            let opened: Vec<&str> = answer
                .headers
                .keys()
                .map(reqwest::header::HeaderName::as_str)
                .filter(|name| name.starts_with("access-control-"))
                .collect();
            assert_eq!(opened, [""; 0], "{method} {path} {origin}");
        }
    }
}
