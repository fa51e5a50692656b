//! `demo-mobile`, a native app that signs people in through the system's browser (RFC 8252).

use std::collections::BTreeMap;

use super::{arrived, html, sign_in, world};
use crate::browser::chromium::{Chromium, Scripts};
use crate::judge::{Judge, Reply};
use crate::support::sleep;
use crate::web::{App, pairs};

/// RFC 8252 7.3: the app listens at whatever port is free, on either loopback address, and gets there through
/// login and consent, whose forms may lead there.
#[tokio::test]
async fn a_loopback_app_is_answered_at_any_port_of_either_address() {
    let world = world();
    let page = Chromium::start(Scripts::On).await;
    for (address, scope) in [("127.0.0.1:0", "openid"), ("[::1]:0", "openid profile")] {
        let server = Judge::start_at(address);
        server.answer("/callback", html("<h1>Back to the app</h1>"));
        let app = App { redirect_uri: server.at("/callback"), ..App::demo_mobile(&world.fixture.a) };
        let asked = [("state", address), ("scope", scope), ("prompt", "login")];
        page.open(&world.at(&app.path(&asked))).await;
        sign_in(&page, "mobile").await;
        page.follow("#consent-allow").await;
        assert_eq!(page.complaints().await, [""; 0], "{address}");
        let (_, back) = arrived(&server, "/callback", address);
        let tokens = app.redeem(&back["code"]).await;
        assert!(tokens.is_granted(), "{address}: {}", tokens.body);
    }
    page.close().await;
}

/// RFC 8252 7.1: to a scheme of the app's own, past login and consent, whose forms may lead there. No app here has
/// it, so the browser stays where it is; that it was sent there, and that no policy stopped it, is all there is to see.
#[tokio::test]
async fn a_scheme_of_the_apps_own_is_where_the_browser_goes() {
    let world = world();
    let app = App { redirect_uri: "example.latchkey.demo:/callback".to_owned(), ..App::demo_mobile(&world.fixture.a) };
    // A browser each, for what it asks about the unknown scheme covers the page.
    let [cancels, allows] = [Chromium::start_traced().await, Chromium::start_traced().await];

    // Chromium holds the way to an unknown scheme to the policy of the page with the form, too.
    let elsewhere = &world.stranger;
    elsewhere.answer("/to-app", Reply::redirect("example.latchkey.demo:/callback?state=stopped"));
    let form = html("<form method=\"post\" action=\"/to-app\"><button id=\"go\">Go</button></form>");
    elsewhere.answer("/strict", form.header("content-security-policy", "form-action 'self'"));
    cancels.open(&elsewhere.at("/strict")).await;
    cancels.click("#go").await;
    elsewhere.wait_for("/to-app", 1).await;
    sleep(200).await;
    assert!(cancels.complaints().await.concat().contains("form-action"), "silence proves something only because of this");
    cancels.redirects().await;

    cancels.open(&world.at(&app.path(&[("state", "cancelled"), ("scope", "openid profile")]))).await;
    cancels.click("#login-cancel").await;
    let back = went_to_the_app(&cancels).await;
    assert_eq!((back["state"].as_str(), back["error"].as_str()), ("cancelled", "access_denied"));
    assert_eq!(back["iss"], world.fixture.a, "RFC 9207");

    allows.open(&world.at(&app.path(&[("state", "allowed"), ("scope", "openid profile")]))).await;
    sign_in(&allows, "phoned").await;
    assert_eq!(allows.text(".destination strong").await, "example.latchkey.demo", "whoever has the scheme gets the code");
    allows.click("#consent-allow").await;
    let tokens = app.redeem(&went_to_the_app(&allows).await["code"]).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    cancels.close().await;
    allows.close().await;
}

/// The parameters with which the browser was sent to the app's scheme; no policy of a page may have stopped it.
async fn went_to_the_app(page: &Chromium) -> BTreeMap<String, String> {
    for _ in 0..200 {
        let last = page.redirects().await.pop().unwrap_or_default();
        if let Some(query) = last.strip_prefix("example.latchkey.demo:/callback?") {
            sleep(100).await;
            assert_eq!(page.complaints().await, [""; 0]);
            return pairs(query);
        }
        sleep(25).await;
    }
    panic!("the browser was not sent to the app");
}
