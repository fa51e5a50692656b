//! `demo-spa`, a single-page app at http://localhost:9998, an origin that is not the Worker's: what its scripts may
//! read, and what scripts of others may not.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{sign_in, world};
use crate::browser::chromium::{Chromium, Scripts};
use crate::judge::{Judge, Reply};
use crate::support::{Answer, Api, Person, claims};
use crate::web::App;

/// The app's server.
fn server() -> &'static Judge {
    static SERVER: OnceLock<Judge> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Judge::start_at("127.0.0.1:9998");
        for path in ["/", "/callback"] {
            server.answer(path, Reply::new(200, include_str!("spa.html")).header("content-type", "text/html; charset=utf-8"));
        }
        server
    })
}

/// From the app's page through sign-in and consent back to the app.
async fn sign_in_to_the_app(page: &Chromium, login: &str) {
    server();
    let start = format!("void start({}, 'openid profile email offline_access')", json!(world().fixture.a));
    page.open("http://localhost:9998/").await;
    page.leave(async { drop(page.script(&start).await) }).await;
    sign_in(page, login).await;
    assert_eq!(page.text(".destination strong").await, "localhost");
    page.follow("#consent-allow").await;
    assert!(page.address().await.starts_with("http://localhost:9998/callback?"), "{}", page.address().await);
}

/// What keeps a script from an answer that it may not read.
fn is_kept_away(answer: &Value) -> bool {
    answer.as_str().is_some_and(|text| text.starts_with("rejected: TypeError"))
}

/// Code and PKCE with `fetch`, the claims, keys for a signature of its own check, refresh, revocation, and every
/// refusal in full.
#[tokio::test]
async fn an_app_in_the_browser_does_all_of_it_with_fetch() {
    let page = Chromium::start(Scripts::On).await;
    sign_in_to_the_app(&page, "spa").await;
    let tokens = page.promise("redeem()").await;
    assert_eq!(tokens["status"], 200, "{tokens}");
    assert_eq!(page.promise("verifies()").await, true);
    let info = page.promise("userinfo()").await;
    assert_eq!(
        (&info["status"], &info["body"]["name"], &info["body"]["email"]),
        (&200.into(), &"Person spa".into(), &"spa@people.example".into())
    );
    assert_eq!(info["body"]["sub"], claims(tokens["body"]["id_token"].as_str().unwrap_or_default())["sub"]);

    let refreshed = page.promise("refresh()").await;
    assert_eq!(refreshed["status"], 200, "{refreshed}");
    for token in ["access_token", "refresh_token"] {
        assert_ne!(refreshed["body"][token], tokens["body"][token], "{token}");
    }
    assert_eq!(page.promise("userinfo()").await["status"], 200);

    assert_eq!(page.promise("revoke()").await["status"], 200);
    let refused = page.promise("userinfo()").await;
    assert_eq!(refused["status"], 401);
    assert!(refused["challenge"].as_str().is_some_and(|challenge| challenge.contains("invalid_token")), "{refused}");
    let refused = page.promise("refresh()").await;
    assert_eq!((&refused["status"], &refused["body"]["error"]), (&400.into(), &"invalid_grant".into()));
    let used = page.promise("redeem()").await;
    assert_eq!((&used["status"], &used["body"]["error"]), (&400.into(), &"invalid_grant".into()));
    assert_eq!(page.complaints().await, [""; 0]);
    page.close().await;
}

/// CORS: for the origins of the client's own redirect URIs and no others, and never with credentials.
#[tokio::test]
async fn no_other_origin_reads_tokens_claims_or_pages() {
    let world = world();
    let page = Chromium::start(Scripts::On).await;
    sign_in_to_the_app(&page, "strange").await;

    // With cookies there is nothing to read even for the app itself; and the code was spent by it.
    let with_cookies = page.promise("redeem({ credentials: 'include' })").await;
    assert!(is_kept_away(&with_cookies), "{with_cookies}");
    assert_eq!(page.promise("redeem()").await["body"]["error"], "invalid_grant");

    // Good tokens and a good code, in the hands of pages elsewhere.
    let app = App::demo_spa(&world.fixture.a);
    let person = Person::new(&world.fixture.a);
    let signed_in: Answer = {
        let form = person.visit("/login").await.form();
        person.post("/login", &[("form", &form), ("login", "strange"), ("password", super::PASSWORD)]).await
    };
    assert_eq!(signed_in.status, 303);
    let token = app.tokens(&person, &[]).await.member("access_token");
    world.stranger.answer("/empty", super::html("<h1>Elsewhere</h1>"));
    let mine = "http://localhost:9998/".to_owned();
    // The same host at another port, the same port at another host, and a site that is neither.
    let port = world.stranger.url().replace("127.0.0.1", "localhost");
    for (place, is_ours) in [
        (&mine, true),
        (&format!("{port}/empty"), false),
        (&"http://127.0.0.1:9998/".to_owned(), false),
        (&world.stranger.at("/empty"), false),
    ] {
        page.open(place).await;
        let call =
            |path: &str, options: &str| format!("fetch('{}{path}', {options}).then((answer) => answer.status)", world.fixture.a);
        let bearer = json!({ "headers": { "authorization": format!("Bearer {token}") } }).to_string();
        let code = app.code(&person, &[]).await;
        let grant = [
            ("grant_type", "authorization_code"),
            ("client_id", "demo-spa"),
            ("code", &code),
            ("redirect_uri", &app.redirect_uri),
            ("code_verifier", &app.pkce.verifier),
        ];
        let redemption = format!("{{ method: 'POST', body: new URLSearchParams({}) }}", json!(grant));
        for (what, expression) in [
            ("userinfo", call("/userinfo", &bearer)),
            (
                "userinfo, token in the body",
                call("/userinfo", &format!("{{ method: 'POST', body: new URLSearchParams({{ access_token: '{token}' }}) }}")),
            ),
            ("token", call("/token", &redemption)),
            ("revoke", call("/revoke", "{ method: 'POST', body: new URLSearchParams({ client_id: 'demo-spa', token: 'x' }) }")),
        ] {
            let answer = page.promise(&expression).await;
            assert_eq!(answer == 200, is_ours, "{what} from {place}: {answer}");
            assert!(is_ours || is_kept_away(&answer), "{what} from {place}: {answer}");
        }
        // Everybody's from everywhere; nobody's from anywhere.
        for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks.json"] {
            assert_eq!(page.promise(&call(path, "{}")).await, 200, "{path} from {place}");
        }
        for path in ["/", "/login", "/logout", "/device", &app.path(&[("prompt", "none")])] {
            for options in ["{}", "{ credentials: 'include' }"] {
                let answer = page.promise(&call(path, options)).await;
                assert!(is_kept_away(&answer), "{path} from {place}: {answer}");
            }
        }
    }
    // Not even a picture of it: resources of pages stay here.
    assert_eq!(Api::public(&world.fixture.a, "").get("/login").await.header("cross-origin-resource-policy"), "same-origin");
    page.close().await;
}
