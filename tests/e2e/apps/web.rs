//! `demo-web`, a web app at http://localhost:9999: both response modes, with scripts and without. The console
//! tells when Chromium stops a form or the redirect after it (`form-action`), and then nothing arrives.
#![expect(clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

use super::{arrived, demo_web, sign_in, world};
use crate::browser::chromium::{Chromium, Scripts};
use crate::support::claims;
use crate::web::App;

/// Sends the browser to the app's request.
async fn begin(page: &Chromium, app: &App, changes: &[(&str, &str)]) {
    page.open(&world().at(&app.path(changes))).await;
}

/// After the last click: the page of form_post sends itself, or is sent by its button where no script runs.
async fn arrive(page: &Chromium, scripts: Scripts, mode: &str) {
    if mode == "form_post" && scripts == Scripts::Off {
        assert_eq!(page.text("h1").await, "One moment, please");
        page.follow("#form-post-continue").await;
    }
    for _ in 0..200 {
        if page.address().await.starts_with("http://localhost:9999/callback") {
            return;
        }
        crate::support::sleep(25).await;
    }
    panic!("still on {}: {:?}", page.address().await, page.complaints().await);
}

/// Cancel, Deny, and a whole sign-in of somebody who was never here, in each mode; then one without any page.
async fn every_way(scripts: Scripts, login: &str) {
    let world = world();
    let (server, app) = (demo_web(), App::demo(&world.fixture.a));
    let page = &Chromium::start(scripts).await;
    for mode in ["query", "form_post"] {
        // A state that would break out of markup, if it could.
        let state = |what: &str| format!("{login} {mode} {what} \"><&'%+");
        let came = |state: &str| {
            let (heard, parameters) = arrived(server, "/callback", state);
            assert_eq!(parameters["iss"], world.fixture.a, "RFC 9207");
            if mode == "form_post" {
                assert_eq!((heard.method.as_str(), heard.query.as_str()), ("POST", ""));
                assert_eq!(heard.header("content-type"), "application/x-www-form-urlencoded");
            } else {
                assert_eq!((heard.method.as_str(), heard.body.as_str()), ("GET", ""));
                assert_eq!(heard.header("referer"), "", "our addresses are nobody's business");
            }
            parameters
        };

        let cancelled = state("cancel");
        begin(page, &app, &[("response_mode", mode), ("state", &cancelled), ("prompt", "login")]).await;
        page.follow("#login-cancel").await;
        arrive(page, scripts, mode).await;
        let back = came(&cancelled);
        assert_eq!((back["error"].as_str(), back.get("code")), ("access_denied", None));

        // Signed in by the first mode, the second one asks again because of its prompt.
        let denied = state("deny");
        let scope = if mode == "query" { "openid profile" } else { "openid email" };
        begin(page, &app, &[("response_mode", mode), ("state", &denied), ("scope", scope), ("prompt", "login")]).await;
        sign_in(page, login).await;
        assert_eq!(page.text("h1").await, "Allow access?");
        page.follow("#consent-deny").await;
        arrive(page, scripts, mode).await;
        assert_eq!(came(&denied)["error"], "access_denied");

        let allowed = state("allow");
        begin(page, &app, &[("response_mode", mode), ("state", &allowed), ("scope", scope)]).await;
        assert_eq!(page.text(".destination strong").await, "localhost");
        page.follow("#consent-allow").await;
        arrive(page, scripts, mode).await;
        let tokens = app.redeem(&came(&allowed)["code"]).await;
        assert!(tokens.is_granted(), "{}", tokens.body);
        assert_eq!(claims(&tokens.member("id_token"))["nonce"], "a nonce");

        // From the login page straight to the app, for the consent is remembered.
        let again = state("again");
        begin(page, &app, &[("response_mode", mode), ("state", &again), ("scope", scope), ("prompt", "login")]).await;
        sign_in(page, login).await;
        arrive(page, scripts, mode).await;
        assert!(app.redeem(&came(&again)["code"]).await.is_granted());

        // From the account chooser, too; and Cancel there.
        for (what, button) in [("chosen", "button[name=account]"), ("unchosen", "#accounts-cancel")] {
            let chosen = state(what);
            begin(page, &app, &[("response_mode", mode), ("state", &chosen), ("scope", scope), ("prompt", "select_account")])
                .await;
            page.follow(button).await;
            arrive(page, scripts, mode).await;
            assert_eq!(came(&chosen).contains_key("code"), what == "chosen");
        }

        // Without any page, and an error without any page.
        for (what, prompt, max_age) in [("silent", "none", ""), ("stale", "none", "0")] {
            let silent = state(what);
            let asked = [("response_mode", mode), ("state", &silent), ("scope", scope), ("prompt", prompt), ("max_age", max_age)];
            begin(page, &app, &asked).await;
            arrive(page, scripts, mode).await;
            let back = came(&silent);
            assert_eq!(back.contains_key("code"), what == "silent", "{back:?}");
            assert_eq!(back.get("error").map(String::as_str), (what == "stale").then_some("login_required"));
        }
    }
    assert_eq!(page.complaints().await, [""; 0], "the policy of a page stopped something");
}

#[tokio::test]
async fn a_web_app_is_answered_in_both_modes_with_scripts() {
    every_way(Scripts::On, "scripted").await;
}

#[tokio::test]
async fn a_web_app_is_answered_in_both_modes_without_scripts() {
    every_way(Scripts::Off, "shielded").await;
}
