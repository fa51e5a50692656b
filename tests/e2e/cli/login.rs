//! Both logins in a real Chromium, and what others may try at the loopback port meanwhile.

use serde_json::json;

use super::{Terminal, authorized, visit};
use crate::browser::chromium::{Chromium, Scripts};
use crate::harness::{Fixture, Setup};
use crate::support::{ADA, Api, Person};
use crate::web::{follow, pairs, post};

/// Signs in on the page that asks for it.
async fn fill(page: &Chromium) {
    page.fill("input[name=login]", ADA.0).await;
    page.fill("input[name=password]", ADA.1).await;
    page.follow("#login-submit").await;
}

#[tokio::test]
async fn login_by_a_browser_on_this_machine() {
    let fixture = Setup::default().start().await;
    let (terminal, page) = (Terminal::new(&fixture.a), Chromium::start(Scripts::On).await);
    assert_eq!(terminal.run(&["whoami"]).await.code, 3);

    let mut waiting = terminal.login(&[]);
    page.open(&waiting.address().await).await;
    fill(&page).await;
    assert_eq!(page.text(".client-name").await, "Latchkey CLI");
    page.follow("#consent-allow").await;
    assert!(page.address().await.starts_with("http://127.0.0.1:"), "{}", page.address().await);
    assert!(page.text("body").await.contains("Go back to the terminal"));
    let done = waiting.done().await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains(&format!("Signed in at {} as ada", fixture.a)), "{done:?}");

    // Nobody else can read what is kept, and nothing of it is printed.
    let saved = terminal.saved();
    let secrets = ["access_token", "refresh_token"].map(|name| saved[name].as_str().unwrap().to_owned());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&terminal.folder()), 0o700);
        assert!(terminal.files().len() >= 2);
        for file in terminal.files() {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
    let who = terminal.ok(&["whoami"]).await;
    assert!(who.out.contains("Ada Lovelace") && who.out.contains("latchkey:admin"), "{who:?}");
    let clients = terminal.ok(&["clients", "list"]).await;
    assert!(clients.out.starts_with("CLIENT ID") && clients.out.contains("demo-device"), "{clients:?}");
    for said in [&done, &who, &clients, &terminal.ok(&["--json", "whoami"]).await] {
        for secret in &secrets {
            assert!(!said.out.contains(secret.as_str()) && !said.err.contains(secret.as_str()), "a token is printed");
        }
    }

    // Signing in again replaces it: the one before is over, and one app is connected, not two.
    let mut waiting = terminal.login(&[]);
    page.open(&waiting.address().await).await;
    page.follow("#consent-allow").await;
    assert_eq!(waiting.done().await.code, 0);
    let cli = Api::public(&fixture.a, "latchkey-cli");
    assert_eq!(cli.refresh(&secrets[1]).await.error(), "invalid_grant");
    assert_eq!(terminal.json(&["grants", "list", "ada"]).await.as_array().unwrap().len(), 1);

    let refresh = terminal.saved()["refresh_token"].as_str().unwrap().to_owned();
    assert!(terminal.ok(&["logout"]).await.err.contains("Signed out"));
    assert_eq!(cli.refresh(&refresh).await.error(), "invalid_grant");
    assert!(!terminal.files().iter().any(|path| path.extension().is_some_and(|end| end == "json")));
    for command in [&["whoami"][..], &["logout"], &["clients", "list"]] {
        assert_eq!(terminal.run(command).await.code, 3, "{command:?}");
    }
    page.close().await;
}

#[tokio::test]
async fn login_by_a_browser_anywhere_where_the_operator_allows_it() {
    let scopes = json!({ "latchkey:admin": { "title": "Run this realm", "grant_types": [crate::support::DEVICE_CODE] } });
    let fixture = Setup::default().var("DEVICE_INTERVAL", "1").var("SCOPES", &scopes.to_string()).start().await;
    let terminal = Terminal::new(&fixture.a);
    // The client as it is made may not, and the refusal says what the operator can do.
    let refused = terminal.run(&["login", "--device", "--issuer", &fixture.a]).await;
    assert!(refused.code == 1 && refused.err.contains("unauthorized_client"), "{refused:?}");
    assert!(refused.err.contains("SCOPES") && refused.err.contains("device_code"), "{refused:?}");

    let ada = Terminal::ada(&fixture.a).await;
    let grants = format!("grant_types=[\"authorization_code\",\"refresh_token\",\"{}\"]", crate::support::DEVICE_CODE);
    ada.ok(&["clients", "update", "latchkey-cli", &grants]).await;
    let page = Chromium::start(Scripts::On).await;
    let mut waiting = terminal.start(&["login", "--device", "--issuer", &fixture.a]);
    page.open(&waiting.address().await).await;
    let code = waiting.indented().await;
    fill(&page).await;
    page.fill("input[name=user_code]", &code).await;
    page.follow("#device-continue").await;
    page.click("input[name=confirm_device]").await;
    page.follow("#device-allow").await;
    let done = waiting.done().await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(terminal.ok(&["users", "list"]).await.out.contains("ada"));

    // A no in the browser is told as one.
    let mut waiting = terminal.start(&["login", "--device", "--issuer", &fixture.a]);
    page.open(&waiting.address().await).await;
    let code = waiting.indented().await;
    page.fill("input[name=user_code]", &code).await;
    page.follow("#device-continue").await;
    page.follow("#device-deny").await;
    let done = waiting.done().await;
    assert!(done.code == 1 && done.err.contains("refused in the browser"), "{done:?}");
    terminal.ok(&["whoami"]).await;
    page.close().await;
}

/// An administrator's answer, at which others try their own first.
#[tokio::test]
async fn nothing_but_the_answer_gets_anywhere_at_the_loopback_port() {
    let fixture = Fixture::shared();
    let (terminal, ada) = (Terminal::new(&fixture.a), Person::ada(&fixture.a).await);
    let mut waiting = terminal.login(&[]);
    let answer = authorized(&ada, &waiting.address().await).await;
    let location = answer.header("location").to_owned();
    let (callback, query) = location.split_once('?').unwrap();
    let own = pairs(query);
    let origin = callback.trim_end_matches("/callback");
    assert_eq!(own["iss"], fixture.a);

    // An attacker's own code (so that the victim works in the attacker's account), other paths, other states: the login waits on.
    for (wrong, status) in [
        (format!("{callback}?code=attacker&iss={}", own["iss"]), 400),
        (format!("{callback}?code=attacker&state=guess&iss={}", own["iss"]), 400),
        (format!("{callback}?error=access_denied&state=guess&iss={}", own["iss"]), 400),
        (format!("{location}&state={}", own["state"]), 400),
        (format!("{location}&code=attacker"), 400),
        (format!("{origin}/?{query}"), 404),
        (format!("{origin}/callback/x?{query}"), 404),
        (format!("{origin}/favicon.ico"), 404),
    ] {
        let answer = visit(&wrong).await;
        assert_eq!(answer.status, status, "{wrong}");
        assert!(!answer.body.contains("attacker"), "{}", answer.body);
    }
    let http = reqwest::Client::new();
    assert_eq!(http.post(&location).send().await.unwrap().status(), 405);
    assert_eq!(http.get(&location).header("host", "evil.example").send().await.unwrap().status(), 421, "DNS rebinding");

    let page = visit(&location).await;
    assert_eq!((page.status, page.header("cache-control"), page.header("referrer-policy")), (200, "no-store", "no-referrer"));
    // A second one finds nobody.
    assert!(http.get(&location).send().await.map_or(true, |answer| answer.status() == 409));
    assert_eq!(waiting.done().await.code, 0);
    assert!(http.get(&location).send().await.is_err(), "the port is open still");
}

/// An answer with our state by another issuer is a mix-up (RFC 9207): it ends the login, and no code is sent anywhere.
#[tokio::test]
async fn an_answer_by_somebody_else_ends_it() {
    let fixture = Fixture::shared();
    let ada = Person::ada(&fixture.a).await;
    for iss in [Some("https://evil.example"), None] {
        let terminal = Terminal::new(&fixture.a);
        let mut waiting = terminal.login(&[]);
        let answer = authorized(&ada, &waiting.address().await).await;
        let (callback, query) = answer.header("location").split_once('?').unwrap();
        let own = pairs(query);
        let iss = iss.map(|iss| format!("&iss={iss}")).unwrap_or_default();
        visit(&format!("{callback}?code={}&state={}{iss}", own["code"], own["state"])).await;
        let done = waiting.done().await;
        assert!(done.code == 1 && done.err.contains("was not by"), "{done:?}");
        assert!(!done.err.contains(&own["code"]) && terminal.files().is_empty(), "{done:?}");
    }
}

#[tokio::test]
async fn a_no_in_the_browser_is_told_as_one() {
    let fixture = Fixture::shared();
    let (terminal, ada) = (Terminal::new(&fixture.a), Person::ada(&fixture.a).await);
    let mut waiting = terminal.login(&[]);
    let url = waiting.address().await;
    let page = follow(&ada, ada.get(url.strip_prefix(&fixture.a).unwrap()).await).await;
    let answer = post(&ada, "/consent", &[("form", page.form()), ("action", "deny".to_owned())]).await;
    visit(answer.header("location")).await;
    let done = waiting.done().await;
    assert!(done.code == 1 && done.err.contains("refused in the browser"), "{done:?}");
    assert_eq!(terminal.run(&["whoami"]).await.code, 3);
}

/// Who is no realm, says that it is another one, or would take tokens in the clear, gets nobody to sign in.
#[tokio::test]
async fn only_the_realm_that_was_named_is_talked_to() {
    let fixture = Fixture::shared();
    let terminal = Terminal::new(&fixture.a);
    for (issuer, code, words) in [
        ("http://id.example", 2, "https is needed"),
        ("not a url", 2, "no URL"),
        (&format!("{}/nothing", fixture.a), 1, "is no realm"),
        (&fixture.b, 1, "says that it is"),
        ("http://127.0.0.1:9", 1, "does not answer"),
    ] {
        for more in [&[][..], &["--device"]] {
            let done = terminal.run(&[&["login", "--no-browser", "--issuer", issuer], more].concat()).await;
            assert!(done.code == code && done.err.contains(words), "{issuer}: {done:?}");
        }
    }
    assert_eq!(terminal.run(&["login", "--surely"]).await.code, 2);
}
