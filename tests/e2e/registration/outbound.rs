//! URLs of a client that we fetch from or post to: never a place that only we can reach, and never more than
//! we can bear.

use serde_json::{Value, json};

use super::{alone, clients, open, refused, register, registered, web};
use crate::judge::Reply;

/// RFC 7591 5: a URL on a loopback or private address, or of a local name, is refused before anything is
/// fetched, whichever member it stands in.
#[tokio::test]
async fn urls_that_only_we_can_reach_are_refused() {
    let (_turn, fixture, judge) = alone().await;
    let before = clients(fixture).await;
    let port_beside = judge.url().replace(&judge.host_port(), "127.0.0.1:1");
    for url in [
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://10.1.2.3/x",
        "https://192.168.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://metadata.google.internal/x",
        "https://printer.local/x",
        "https://intranet/x",
        "https://app.example:8443/x",
        "http://app.example/x",
        "https://app.example.:443/x",
        "file:///etc/passwd",
        &port_beside,
        &format!("{}/jwks.json", fixture.a),
    ] {
        for member in ["jwks_uri", "backchannel_logout_uri", "sector_identifier_uri", "request_uris"] {
            let value = if member == "request_uris" { json!([url]) } else { json!(url) };
            let answer = register(&fixture.a, None, &web(&json!({ member: value }))).await;
            refused(&format!("{member} {url}"), &answer, 400, "invalid_client_metadata");
            assert!(answer.member("error_description").starts_with(&format!("{member}: ")), "{}", answer.body);
        }
    }
    assert_eq!(clients(fixture).await, before);
}

/// OpenID Connect Registration 5: the sector's document must name every redirect URI.
#[tokio::test]
async fn a_sector_document_must_name_every_redirect_uri() {
    let (_turn, fixture, judge) = alone().await;
    let uris = json!(["https://a.example/cb", "https://b.example/cb"]);
    let app =
        |path: &str| web(&json!({ "redirect_uris": uris, "subject_type": "pairwise", "sector_identifier_uri": judge.at(path) }));
    judge.answer("/sector/good", Reply::json(&json!(["https://a.example/cb", "https://b.example/cb", "https://c.example/cb"])));
    let told = registered(&fixture.a, &app("/sector/good")).await;
    assert_eq!(told.member("sector_identifier_uri"), judge.at("/sector/good"));
    let [heard] = judge.heard("/sector/good").try_into().unwrap();
    assert_eq!((heard.method.as_str(), heard.header("accept")), ("GET", "application/json"));
    assert_eq!((heard.header("authorization"), heard.header("cookie")), ("", ""));

    let before = clients(fixture).await;
    let array = |size: usize| {
        let mut document: Vec<Value> = uris.as_array().unwrap().clone();
        document.push(format!("https://c.example/{}", "x".repeat(size)).into());
        json!(document)
    };
    // What it would be for is said elsewhere, and is good.
    judge.answer("/sector/target", Reply::json(&array(1)));
    for (what, reply) in [
        ("one lacks", Reply::json(&json!(["https://a.example/cb"]))),
        ("one is another", Reply::json(&json!(["https://a.example/cb", "https://b.example/CB"]))),
        ("none", Reply::json(&json!([]))),
        ("no array", Reply::json(&json!({ "redirect_uris": uris }))),
        ("no JSON", Reply::new(200, "<html>")),
        ("nothing", Reply::new(200, "")),
        ("redirect", Reply::redirect(&judge.at("/sector/target"))),
        ("redirect 308", Reply::new(308, array(1).to_string()).header("location", &judge.at("/sector/target"))),
        ("not 200", Reply::new(203, array(1).to_string())),
        ("not found", Reply::new(404, array(1).to_string())),
        ("broken", Reply::new(500, array(1).to_string())),
        ("too large", Reply::json(&array(65_536))),
        ("too large and unannounced", Reply::json(&array(65_536)).unannounced()),
        ("too late", Reply::json(&array(1)).after(2_500)),
        ("hung up", Reply::hang_up()),
    ] {
        let path = format!("/sector/{}", what.replace(' ', "-"));
        judge.answer(&path, reply);
        let answer = register(&fixture.a, None, &app(&path)).await;
        refused(what, &answer, 400, "invalid_client_metadata");
        assert!(answer.member("error_description").starts_with("sector_identifier_uri: "), "{what}: {}", answer.body);
        assert_eq!(judge.heard(&path).len(), 1, "{what}");
    }
    assert_eq!(judge.heard("/sector/target").len(), 0, "no redirect was followed");
    assert_eq!(clients(fixture).await, before);
    // As large as it may be.
    judge.answer("/sector/large", Reply::json(&array(60_000)).unannounced());
    registered(&fixture.a, &app("/sector/large")).await;
    // It is asked whatever the subject type is.
    let mut public = app("/sector/one-lacks");
    public["subject_type"] = "public".into();
    refused("public", &register(&fixture.a, None, &public).await, 400, "invalid_client_metadata");
}

/// A request that is refused for something else asks nobody.
#[tokio::test]
async fn nothing_is_fetched_for_a_bad_request() {
    let (fixture, judge) = open();
    judge.answer("/sector/unasked", Reply::json(&json!(["https://app.example/cb"])));
    let app = |more: Value| {
        let mut app = web(&json!({ "sector_identifier_uri": judge.at("/sector/unasked") }));
        app.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app
    };
    for more in [json!({ "client_name": "" }), json!({ "jwks_uri": "https://localhost/" }), json!({ "software_statement": "x" })]
    {
        assert_eq!(register(&fixture.a, None, &app(more)).await.status, 400);
    }
    let closed = crate::harness::Fixture::shared();
    assert_eq!(register(&closed.a, None, &app(json!({}))).await.status, 401);
    assert_eq!(register(&closed.a, Some("no-initial-access-token-0123456789"), &app(json!({}))).await.status, 401);
    assert_eq!(judge.heard("/sector/unasked").len(), 0);
    assert_eq!(register(&fixture.a, None, &app(json!({}))).await.status, 201);
    assert_eq!(judge.heard("/sector/unasked").len(), 1);
}
