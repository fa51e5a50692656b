//! The example portal and its API (`make portal`) in a real Chromium.
#![expect(clippy::unwrap_used, reason = "a broken step fails the test by panicking")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::{sign_in, world};
use crate::browser::chromium::{Chromium, Scripts};
use crate::harness::built;
use crate::support::sleep;
use crate::web::secret;

/// A running example, until it is dropped.
struct Program(Child);

impl Program {
    /// Starts it and waits for the line that says that it listens.
    async fn start(name: &'static str, ready: String, arguments: Vec<String>) -> Self {
        let launch = move || {
            let mut command = Command::new(built(&format!("examples/{name}")));
            command.args(arguments).env("LATCHKEY_CLIENT_SECRET", secret("portal"));
            let mut child =
                command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            let is_ready = lines.any(|line| line == ready);
            // Somebody has to read what it says.
            std::thread::spawn(move || lines.count());
            assert!(is_ready, "{name} did not start");
            Self(child)
        };
        tokio::task::spawn_blocking(launch).await.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Signs in, calls the API, adds a record, refreshes, signs out at both; and a sign-out at the provider ends it too.
#[tokio::test]
async fn the_portal_signs_in_calls_its_api_refreshes_and_signs_out() {
    let world = world();
    let issuer = world.fixture.a.clone();
    let (portal, api) = (format!("localhost:{}", world.portal), format!("localhost:{}", world.api));
    let (at_portal, at_api) = (format!("http://{portal}"), format!("http://{api}"));
    let options =
        |options: &[(&str, &str)]| options.iter().flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()]).collect();
    let _api = Program::start(
        "resource-server",
        format!("resource-server: listening on {at_api}"),
        options(&[("issuer", &issuer), ("audience", &at_api), ("listen", &api)]),
    )
    .await;
    let _portal = Program::start(
        "portal",
        format!("ready {at_portal}"),
        options(&[("issuer", &issuer), ("client-id", "portal"), ("listen", &portal), ("api", &at_api)]),
    )
    .await;
    let page = Chromium::start(Scripts::On).await;

    page.open(&at_portal).await;
    page.follow("#sign-in").await;
    assert!(page.address().await.starts_with(&format!("{issuer}/login?")), "{}", page.address().await);
    sign_in(&page, "portal").await;
    assert_eq!(page.address().await, format!("{at_portal}/"));
    assert_eq!(page.text("#who").await, "Person portal");
    assert_eq!(page.text("#records").await, "", "the API answers, and there is none yet");
    assert!(!page.has("#error").await);
    page.picture("portal-1280").await;

    page.fill("#add-record input[name=text]", "A note <b>of mine</b> & more").await;
    page.follow("#add-record button").await;
    assert_eq!(page.text("#records li").await, "A note <b>of mine</b> & more");

    let before = page.text("#access-token-id").await;
    page.follow("#refresh").await;
    assert_ne!(page.text("#access-token-id").await, before, "the access token is a new one");
    assert_eq!(page.text("#records li").await, "A note <b>of mine</b> & more", "which the API takes");
    assert!(!page.has("#error").await);
    // Tokens are no business of the browser's.
    let cookies = page.devtools("Network.getAllCookies", serde_json::json!({})).await;
    let cookies: Vec<_> =
        cookies["cookies"].as_array().unwrap().iter().filter(|it| it["name"].as_str().unwrap().starts_with("portal")).collect();
    assert!(
        !cookies.is_empty() && cookies.iter().all(|it| it["httpOnly"] == true && it["value"].as_str().unwrap().len() < 64),
        "{cookies:?}"
    );

    // RP-initiated logout: from the portal to the provider and back, without a question.
    page.follow("#sign-out").await;
    assert!(page.address().await.starts_with(&format!("{at_portal}/signed-out?")), "{}", page.address().await);
    assert_eq!(page.text("#signed-out").await, "You are signed out here and at the provider.");
    page.open(&at_portal).await;
    assert!(page.has("#sign-in").await);
    page.open(&format!("{issuer}/")).await;
    assert_eq!(page.text("h1").await, "Welcome");

    // Back-channel logout: the portal hears of a sign-out at the provider.
    page.open(&at_portal).await;
    page.follow("#sign-in").await;
    sign_in(&page, "portal").await;
    assert_eq!(page.text("#who").await, "Person portal");
    page.open(&format!("{issuer}/logout")).await;
    page.follow("#logout-confirm").await;
    assert_eq!(page.text("h1").await, "You are signed out");
    for _ in 0..200 {
        page.open(&at_portal).await;
        if page.has("#sign-in").await {
            assert!(!page.has("#who").await);
            assert_eq!(page.complaints().await, [""; 0]);
            page.close().await;
            return;
        }
        sleep(50).await;
    }
    panic!("the portal has not heard of the sign-out");
}
