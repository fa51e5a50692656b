//! `demo-mobile`, a native app that signs people in through the system's browser (RFC 8252).
#![expect(clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

use super::{arrived, html, sign_in, world};
use crate::browser::chromium::{Chromium, Scripts};
use crate::judge::Judge;
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

/// RFC 8252 7.1: to a scheme of the app's own. No app here has it, so Chromium says where it was sent.
#[tokio::test]
async fn a_scheme_of_the_apps_own_is_where_the_browser_goes() {
    const SCHEME: &str = "example.latchkey.demo:/callback?";
    let world = world();
    let page = Chromium::start(Scripts::On).await;
    let app = App { redirect_uri: "example.latchkey.demo:/callback".to_owned(), ..App::demo_mobile(&world.fixture.a) };
    let went = async || {
        for _ in 0..200 {
            let said = page.complaints().await.join("\n");
            if let Some((_, rest)) = said.split_once(SCHEME) {
                assert!(!said.contains("Content Security Policy"), "{said}");
                return pairs(rest.split('\'').next().unwrap_or_default());
            }
            assert_eq!(said, "");
            sleep(25).await;
        }
        panic!("Chromium was not sent to {SCHEME}");
    };
    page.open(&world.at(&app.path(&[("state", "cancelled"), ("scope", "openid profile")]))).await;
    page.click("#login-cancel").await;
    let back = went().await;
    assert_eq!(
        (back["state"].as_str(), back["error"].as_str(), back["iss"].as_str()),
        ("cancelled", "access_denied", world.fixture.a.as_str())
    );

    page.open(&world.at(&app.path(&[("state", "allowed"), ("scope", "openid profile")]))).await;
    sign_in(&page, "phoned").await;
    assert_eq!(page.text(".destination strong").await, "example.latchkey.demo", "whoever has the scheme gets the code");
    page.click("#consent-allow").await;
    let tokens = app.redeem(&went().await["code"]).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    page.close().await;
}
