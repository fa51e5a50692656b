//! Sign-outs that apps ask for, in a real Chromium: what its rules for cookies and forms make of them.

use serde_json::json;

use super::chromium::{Chromium, Scripts};
use super::{setup, sign_in};
use crate::harness::Fixture;
use crate::judge::{Judge, Reply};
use crate::support::ADA;
use crate::web::{App, Pkce, pairs, secret, web_client};

const GRACE: (&str, &str) = ("grace", "compiler-no-1952");

/// What the app gets when the browser was sent to it: the parameters of its address.
async fn returned(page: &Chromium) -> std::collections::BTreeMap<String, String> {
    let location = page.location().await;
    assert!(location.starts_with("/cb?"), "{location}");
    pairs(location.trim_start_matches("/cb?"))
}

/// Signs in at the app; the ID token.
async fn id_token(page: &Chromium, fixture: &Fixture, app: &App, (login, password): (&str, &str)) -> String {
    page.open(&format!("{}{}", fixture.a, app.path(&[]))).await;
    sign_in(page, login, password).await;
    let returned = returned(page).await;
    let code = returned.get("code").map(String::as_str).unwrap_or_default();
    app.redeem(code).await.member("id_token")
}

/// The app is another site. Its form brings the browser without our cookies, and still signs out; and the
/// page that asks may lead back to the app (RP-Initiated Logout 2 and 3).
#[tokio::test]
async fn apps_sign_out_and_get_the_browser_back() {
    let judge = Judge::start();
    let html =
        |body: &str| Reply::new(200, format!("<!doctype html><title>App</title>{body}")).header("content-type", "text/html");
    judge.answer("/cb", html("signed in"));
    judge.answer("/out", html("signed out"));
    let app = json!({
        "redirect_uris": [judge.at("/cb")], "post_logout_redirect_uris": [judge.at("/out")], "skip_consent": true,
    });
    let grace = json!({ "login": GRACE.0, "password": GRACE.1, "claims": { "name": "Grace" } });
    let fixture = setup().seed(&json!({ "users": [grace], "clients": [web_client("shop", &[app])] })).start().await;
    let app = App {
        api: crate::support::Api::basic(&fixture.a, "shop", &secret("shop")),
        redirect_uri: judge.at("/cb"),
        pkce: Pkce::of("shop"),
    };
    let page = Chromium::start(Scripts::On).await;
    let hint = id_token(&page, &fixture, &app, ADA).await;

    judge.answer(
        "/leave",
        html(&format!(
            "<form method=post action='{}/logout'><input type=hidden name=id_token_hint value='{hint}'>\
             <input type=hidden name=post_logout_redirect_uri value='{}'><input type=hidden name=state value='a b'>\
             <button id=leave>Leave</button></form>",
            fixture.a,
            judge.at("/out"),
        )),
    );
    page.open(&judge.at("/leave")).await;
    page.follow("#leave").await;
    assert_eq!(page.location().await, "/out?state=a%20b");
    page.open(&format!("{}{}", fixture.a, app.path(&[("prompt", "none")]))).await;
    assert_eq!(returned(&page).await.get("error").map(String::as_str), Some("login_required"));

    // Somebody else is here now: they are asked, and then the app has the browser back.
    id_token(&page, &fixture, &app, GRACE).await;
    page.open(&judge.at("/leave")).await;
    page.follow("#leave").await;
    assert_eq!(page.text(".client-name").await, "Client shop");
    page.follow("#logout-confirm").await;
    assert_eq!(page.location().await, "/out?state=a%20b");
    page.open(&format!("{}{}", fixture.a, app.path(&[("prompt", "none")]))).await;
    assert_eq!(returned(&page).await.get("error").map(String::as_str), Some("login_required"));
    assert_eq!(page.complaints().await, Vec::<String>::new());
    page.close().await;
}
