//! What other sites may do with a browser that is signed in: show our pages in frames (no), post a request to
//! `/authorize` (yes, and the session is kept).

use super::{arrived, demo_web, html, sign_in, world};
use crate::browser::chromium::{Chromium, Scripts};
use crate::web::App;

/// Clickjacking (RFC 9700 4.16): no page of ours shows in a frame, of whatever site, signed in or not.
#[tokio::test]
async fn no_page_shows_in_a_frame_of_another_site() {
    let world = world();
    let (app, server) = (App::demo(&world.fixture.a), demo_web());
    let page = Chromium::start(Scripts::On).await;
    page.open(&world.at("/login")).await;
    sign_in(&page, "framed").await;
    // Addresses of pages that only this browser can open.
    page.open(&world.at(&app.path(&[("scope", "openid profile")]))).await;
    assert!(page.has("#consent-allow").await);
    let consent = page.address().await;
    page.open(&world.at(&app.path(&[("prompt", "select_account")]))).await;
    assert!(page.has("#accounts-other").await);
    let accounts = page.address().await;
    let ours = [
        ("/authorize that leads to consent", world.at(&app.path(&[("scope", "openid profile")]))),
        ("/authorize that leads to login", world.at(&app.path(&[("prompt", "login")]))),
        ("/authorize that is an error", world.at("/authorize?client_id=nobody")),
        ("/authorize that answers in a form", world.at(&app.path(&[("prompt", "none"), ("response_mode", "form_post")]))),
        ("/consent", consent),
        ("/accounts", accounts),
        ("/login", world.at("/login")),
        ("/logout", world.at("/logout")),
        ("/device", world.at("/device")),
        ("/", world.at("/")),
    ];
    let inside = "return [location.href, document.querySelector('h1')?.textContent ?? '']";
    // `localhost` at another port is the same site, so that cookies come along.
    let sites = ["http://localhost:9999".to_owned(), world.stranger.url()];
    for (number, (what, url)) in ours.iter().enumerate() {
        let path = format!("/framed-{number}");
        let framed = || html(&format!("<iframe src=\"{}\"></iframe>", url.replace('&', "&amp;")));
        server.answer(&path, framed());
        world.stranger.answer(&path, framed());
        for site in &sites {
            page.open(&format!("{site}{path}")).await;
            let said = page.complaints().await.join("\n");
            assert!(said.contains("frame-ancestors 'none'"), "{what} in a frame of {site}: {said}");
            assert_eq!(page.script_in_frame(inside).await[0], "chrome-error://chromewebdata/", "{what} in a frame of {site}");
        }
    }
    // Frames as such work here.
    server.answer("/inner", html("<h1>Inner</h1>"));
    server.answer("/outer", html("<iframe src=\"/inner\"></iframe>"));
    page.open("http://localhost:9999/outer").await;
    assert_eq!(page.script_in_frame(inside).await[1], "Inner");
    page.close().await;
}

/// Core 3.1.2.1: a request may be posted. From another site it comes without our `SameSite=Lax` cookies, and the
/// person is still not asked to sign in again.
#[tokio::test]
async fn a_request_that_another_site_posts_keeps_the_session() {
    let world = world();
    let (app, server) = (App::demo(&world.fixture.a), demo_web());
    let page = Chromium::start(Scripts::On).await;
    page.open(&world.at(&app.path(&[("state", "first contact")]))).await;
    sign_in(&page, "poster").await;
    page.follow("#consent-allow").await;
    arrived(server, "/callback", "first contact");

    let field = |(name, value): &(String, String)| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", value.replace('&', "&amp;"))
    };
    let form = |action: &str, changes: &[(&str, &str)]| {
        let fields: String = app.parameters(changes).iter().map(field).collect();
        html(&format!("<form method=\"post\" action=\"{action}\">{fields}<button id=\"go\">Go</button></form>"))
    };
    // So it is: cookies of `localhost`, whatever the port, come along with a link from there, and not with this post.
    server.answer("/echo", html("<h1>Echo</h1>"));
    world.stranger.answer("/to-echo", form("http://localhost:9999/echo", &[]));
    page.open(&world.stranger.at("/to-echo")).await;
    page.follow("#go").await;
    page.open("http://localhost:9999/echo").await;
    let cookies: Vec<bool> = server.heard("/echo").iter().map(|heard| heard.header("cookie").contains("session=")).collect();
    assert_eq!(cookies, [false, true], "the browser keeps to SameSite=Lax");

    for (state, changes) in [
        ("posted", vec![]),
        ("posted, no page allowed", vec![("prompt", "none")]),
        ("posted, answered by a form", vec![("prompt", "none"), ("response_mode", "form_post")]),
    ] {
        world.stranger.answer("/to-authorize", form(&world.at("/authorize"), &[vec![("state", state)], changes].concat()));
        page.open(&world.stranger.at("/to-authorize")).await;
        page.leave(page.click("#go")).await;
        for _ in 0..200 {
            if page.address().await.starts_with("http://localhost:9999/callback") {
                break;
            }
            crate::support::sleep(25).await;
        }
        let (_, back) = arrived(server, "/callback", state);
        assert!(app.redeem(&back["code"]).await.is_granted(), "{state}");
    }

    // A form of ours that another site posts is another matter: nobody is signed in or out, nothing is allowed.
    for path in ["/login", "/consent", "/accounts", "/logout"] {
        world.stranger.answer(
            "/to-ours",
            html(&format!(
                "<form method=\"post\" action=\"{}\"><input name=\"form\" value=\"x\"><button id=\"go\">Go</button></form>",
                world.at(path)
            )),
        );
        page.open(&world.stranger.at("/to-ours")).await;
        page.follow("#go").await;
        assert_eq!(page.text("h1").await, "Something went wrong", "{path}");
    }
    page.open(&world.at("/")).await;
    assert_eq!(page.text("h1").await, "You are signed in");
    page.close().await;
}
