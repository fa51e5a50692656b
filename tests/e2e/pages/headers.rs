//! What every page carries beside its words.

use super::{fixture, signed_in};
use crate::support::{Answer, Api, Person, raw};

const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

fn is_dressed(what: &str, page: &Answer) {
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
        // The issuer is plain http here.
        ("strict-transport-security", ""),
    ] {
        assert_eq!(page.header(name), value, "{what}: {name}");
    }
    assert!(!page.header("x-request-id").is_empty(), "{what}");
    let body = page.body.to_lowercase();
    for inline in ["<script", "<style", " style=", "javascript:", "<base", "<iframe", "<object", "http-equiv"] {
        assert!(!body.contains(inline), "{what}: {inline}");
    }
    let handlers = body.split(" on").skip(1).filter(|rest| {
        rest.split_once('=').is_some_and(|(name, value)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()) && value.starts_with('"')
        })
    });
    assert_eq!(handlers.count(), 0, "{what}: an event handler");
    for form in body.split("<form").skip(1) {
        assert!(form.contains("method=\"post\"") && form.contains("action=\"/"), "{what}: {form}");
    }
    assert!(body.starts_with("<!doctype html>\n<html lang=\"en\">"), "{what}");
    for cookie in page.cookies() {
        let (pair, flags) = cookie.split_once("; ").unwrap();
        assert!(["browser", "session", "known", "user_code"].contains(&pair.split_once('=').unwrap().0), "{what}: {cookie}");
        assert!(flags.starts_with("Path=/; HttpOnly; SameSite=Lax"), "{what}: {cookie}");
        assert!(!flags.contains("Domain") && !flags.contains("Secure"), "{what}: {cookie}");
    }
}

/// The same dress on every page, whatever its status.
#[tokio::test]
async fn every_page_carries_the_security_headers() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let mut pages: Vec<(&str, u16, Answer)> = Vec::new();
    let stranger = Person::new(&fixture.a);
    pages.push(("start", 200, stranger.get("/").await));
    pages.push(("sign-in", 200, stranger.get("/login").await));
    pages.push(("wrong password", 400, stranger.try_sign_in("nobody-1", "x").await));
    pages.push(("bogus login form", 400, stranger.post("/login", &[("form", "x")]).await));
    pages.push(("signed out", 200, stranger.get("/logout").await));
    let cross = stranger.request("POST", "/login").header("sec-fetch-site", "cross-site").form(&[("form", "x")]);
    pages.push(("from another site", 400, Api::send(cross).await));
    pages.push(("wrong method", 405, Api::send(stranger.request("PUT", "/login")).await));
    let nowhere = stranger.request("GET", "/nothing").header("accept", "text/html");
    pages.push(("nothing here", 404, Api::send(nowhere).await));
    pages.push(("repeated parameter", 400, stranger.get("/login?step=1&step=2").await));
    let head =
        "POST /device HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 70000\r\n\r\n";
    pages.push(("too large", 413, raw(&fixture.a, head).await));

    let ada = signed_in(&fixture.a, "ada").await;
    pages.push(("start, signed in", 200, ada.get("/").await));
    pages.push(("code", 200, ada.get("/device").await));
    pages.push(("wrong code", 400, ada.enter("BCDF-GHJK").await));
    pages.push(("bogus code form", 400, ada.post("/device", &[("form", "x"), ("user_code", "BCDF-GHJK")]).await));
    let started = api.start().await;
    let approval = ada.enter(&started.user_code).await;
    pages.push(("approval", 200, approval.clone()));
    let form = approval.form();
    pages.push(("no tick", 400, ada.post("/device/approve", &[("form", &form), ("action", "allow")]).await));
    let allowed = ada.allow(&approval).await;
    pages.push(("allowed", 200, allowed.clone()));
    pages.push(("undone", 200, ada.post("/device/undo", &[("form", &allowed.form())]).await));
    pages.push(("denied", 200, ada.deny(&api.start().await.user_code).await));
    pages.push(("sign-out", 200, ada.get("/logout").await));
    pages.push(("bogus sign-out form", 400, ada.post("/logout", &[("form", "x")]).await));
    let form = ada.get("/logout").await.form();
    pages.push(("signed out now", 200, ada.post("/logout", &[("form", &form)]).await));

    for (what, status, page) in &pages {
        assert_eq!(page.status, *status, "{what}: {}", page.body);
        assert_eq!(page.header("content-security-policy"), POLICY, "{what}");
        is_dressed(what, page);
    }
}

/// The pictures of a client come from its logo's origin, on the one page that shows it; what others wrote
/// into its metadata is text.
#[tokio::test]
async fn only_the_approval_page_admits_a_clients_logo() {
    let fixture = fixture();
    let ada = signed_in(&fixture.a, "ada").await;
    let started = Api::public(&fixture.a, "branded").start().await;
    let page = ada.enter(&started.user_code).await;
    let policy = POLICY.replace("img-src 'self'", "img-src 'self' https://cdn.example");
    assert_eq!((page.status, page.header("content-security-policy")), (200, policy.as_str()), "{}", page.body);
    is_dressed("branded", &page);
    assert!(page.body.contains("src=\"https://cdn.example/logo.svg\""));
    assert!(
        page.body.contains("Clinic &#60;b&#62;West&#60;/b&#62;") || page.body.contains("Clinic &lt;b&gt;West"),
        "{}",
        page.body
    );
    for link in ["https://clinic.example/privacy", "https://clinic.example/terms"] {
        assert!(page.body.contains(&format!("<a href=\"{link}\" target=\"_blank\" rel=\"noopener noreferrer\">")), "{link}");
    }
    let allowed = ada.allow(&page).await;
    assert_eq!(allowed.header("content-security-policy"), POLICY);
}

/// Redirects stay here, are kept by nobody, and the stylesheet is the one thing that may be kept.
#[tokio::test]
async fn redirects_are_not_stored_and_the_stylesheet_is() {
    let fixture = fixture();
    let person = Person::new(&fixture.a);
    let redirect = person.get("/device").await;
    assert_eq!(redirect.status, 303);
    for (name, value) in
        [("cache-control", "no-store"), ("referrer-policy", "same-origin"), ("x-content-type-options", "nosniff")]
    {
        assert_eq!(redirect.header(name), value, "{name}");
    }
    let page = person.get("/login").await;
    let href = page.body.split_once("<link rel=\"stylesheet\" href=\"").unwrap().1.split_once('"').unwrap().0;
    let style = person.get(href).await;
    assert_eq!((style.status, style.header("content-type")), (200, "text/css; charset=utf-8"));
    assert!(style.header("cache-control").contains("immutable"));
    assert_eq!((style.cookies(), style.header("x-content-type-options")), (Vec::new(), "nosniff"));
    assert!(!person.get("/style.css?v=other").await.header("cache-control").contains("immutable"));
}
