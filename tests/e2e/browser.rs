//! The pages in a real Chromium: by mouse, by keyboard alone, without scripts, and every page in every
//! look under axe. The tests leave pictures of all pages in `target/screenshots`.

pub mod chromium;
mod languages;
mod logout;

use serde_json::{Value, json};

use crate::harness::{Fixture, Setup};
use crate::support::{ADA, Api, DeviceSignIn, claims, sleep};
use chromium::{Chromium, Look, Scripts};
use fantoccini::key::Key;

/// Polls are not the matter here, so they may come every second.
fn setup() -> Setup {
    Setup::default().var("DEVICE_INTERVAL", "1")
}

/// Fills the login form in and sends it, right or wrong.
async fn sign_in(page: &Chromium, login: &str, password: &str) {
    page.fill("input[name=login]", login).await;
    page.fill("input[name=password]", password).await;
    page.follow("#login-submit").await;
}

/// Types a code on `/device` and sends it.
async fn enter(page: &Chromium, code: &str) {
    page.fill("input[name=user_code]", code).await;
    page.follow("#device-continue").await;
}

/// Where the platform says that a request comes from.
const PLACE: &str = "mf-cf-blob";

/// From anywhere to the question about this device.
async fn ask(page: &Chromium, fixture: &Fixture, device: &DeviceSignIn) {
    page.open(&format!("{}/device", fixture.a)).await;
    enter(page, &device.user_code).await;
    assert_eq!(page.text(".code-value").await, device.user_code);
}

/// From anywhere to the page after Allow.
async fn allow(page: &Chromium, fixture: &Fixture, device: &DeviceSignIn) {
    ask(page, fixture, device).await;
    page.click("input[name=confirm_device]").await;
    page.follow("#device-allow").await;
    assert!(page.has("#device-undo").await);
}

/// The scopes that a token answer names.
fn scopes(tokens: &Value) -> Vec<&str> {
    tokens.get("scope").and_then(Value::as_str).unwrap_or_default().split(' ').collect()
}

/// Sign-in, the three ways to write a code, the link that fills it in, and a yes to a part of what is
/// asked for (RFC 8628 3.3, 5.4, 6.1).
#[tokio::test]
async fn the_device_gets_what_the_person_left_ticked() {
    let fixture = setup().start().await;
    let (api, page) = (Api::demo(&fixture.a), Chromium::start(Scripts::On).await);
    let device = api.start().await;

    // Sign in first, then the code.
    page.open(&format!("{}/device", fixture.a)).await;
    assert!(page.location().await.starts_with("/login?"));
    assert!(page.has_focus("input[name=login]").await);
    sign_in(&page, ADA.0, "difference-engine").await;
    assert!(page.title().await.starts_with("Error: "), "{}", page.title().await);
    assert!(page.has_focus("input[name=password]").await);
    assert_eq!(page.property("input[name=login]", "value").await, ADA.0);
    assert_eq!(page.property("input[name=password]", "value").await, "");
    let wrong = "The name or the password is not right.";
    let heard = page.heard().await;
    assert!(heard.iter().any(|(role, ..)| role == "alert"), "{heard:?}");
    assert!(heard.iter().any(|(role, name, more)| (role == "textbox") && name == "Password" && more == wrong), "{heard:?}");
    sign_in(&page, ADA.0, ADA.1).await;
    assert_eq!(page.location().await, "/device");

    // However it is written, it is the same code; what is none is told beside the field.
    let bare = device.user_code.replace('-', "");
    let spaced: Vec<String> = bare.chars().map(String::from).collect();
    for spelling in [bare.to_lowercase(), spaced.join(" "), device.user_code.clone()] {
        page.open(&format!("{}/device", fixture.a)).await;
        assert!(page.has_focus("input[name=user_code]").await);
        enter(&page, &spelling).await;
        assert!(page.has("#device-allow").await, "{spelling}");
        assert_eq!(page.text(".code-value").await, device.user_code, "{spelling}");
    }
    page.open(&format!("{}/device", fixture.a)).await;
    enter(&page, "BCDF-GHJK").await;
    assert!(page.text("[role=alert]").await.starts_with("This code does not work."));
    assert!(page.has_focus("input[name=user_code][aria-invalid=true]").await);

    // The link fills the code in, leaves no trace of it in the address, and submits nothing.
    let link = device.answer.member("verification_uri_complete");
    page.open(&link).await;
    assert_eq!(page.location().await, "/device");
    assert_eq!(page.property("input[name=user_code]", "value").await, device.user_code);
    assert!(!page.has("#device-allow").await);
    page.follow("#device-continue").await;
    assert_eq!(page.text(".client-name").await, "Demo device");

    // Nothing is allowed without the tick: the browser stops it ..
    page.click("input[name='scope.records:write']").await;
    page.click("#device-allow").await;
    sleep(300).await;
    assert!(page.has_focus("input[name=confirm_device]:invalid").await);
    assert_eq!(page.location().await, "/device");
    assert_eq!(api.poll(&device).await.error(), "authorization_pending");
    // .. and so does the server.
    page.script("document.querySelector('input[name=confirm_device]').required = false").await;
    page.follow("#device-allow").await;
    assert!(page.text("[role=alert]").await.starts_with("To allow, first tick the box"));
    assert!(page.has_focus("input[name=confirm_device][aria-invalid=true]").await);
    assert!(page.has("input[name='scope.records:read']:checked").await);
    assert!(!page.has("input[name='scope.records:write']:checked").await, "what was unticked stays so");
    sleep(1000).await;
    assert_eq!(api.poll(&device).await.error(), "authorization_pending");

    page.click("input[name=confirm_device]").await;
    page.follow("#device-allow").await;
    assert_eq!(page.text("h1").await, "You can go back to your device");
    let tokens = api.poll(&device).await.json();
    assert!(scopes(&tokens).contains(&"records:read"), "{tokens}");
    assert!(!scopes(&tokens).contains(&"records:write"), "{tokens}");
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert!(!scopes(&access).contains(&"records:write"), "{access}");
    assert_eq!(page.complaints().await, [""; 0]);
    page.close().await;
}

/// No, a yes taken back before and after the device has its tokens, and both ways to sign out.
#[tokio::test]
async fn a_person_can_refuse_take_back_and_leave() {
    let fixture = setup().start().await;
    let (api, page) = (Api::demo(&fixture.a), Chromium::start(Scripts::On).await);
    page.open(&format!("{}/login", fixture.a)).await;
    page.follow("#login-cancel").await;
    assert_eq!(page.text("h1").await, "Welcome");
    page.follow("a[href='/login']").await;
    sign_in(&page, ADA.0, ADA.1).await;
    assert_eq!(page.text(".lede").await, "Signed in as Ada Lovelace.");

    // Deny needs no tick.
    let device = api.start().await;
    ask(&page, &fixture, &device).await;
    page.follow("#device-deny").await;
    assert_eq!(page.text("h1").await, "The device was not connected");
    assert_eq!(api.poll(&device).await.error(), "access_denied");

    // Undo, before the device has collected ..
    let device = api.start().await;
    allow(&page, &fixture, &device).await;
    page.follow("#device-undo").await;
    assert_eq!(page.text("h1").await, "The device is no longer connected");
    assert_eq!(api.poll(&device).await.error(), "access_denied");
    // .. and after.
    let device = api.start().await;
    allow(&page, &fixture, &device).await;
    let tokens = api.poll(&device).await;
    assert!(api.userinfo(&tokens.member("access_token")).await.status == 200);
    page.follow("#device-undo").await;
    assert_eq!(api.refresh(&tokens.member("refresh_token")).await.error(), "invalid_grant");
    assert_eq!(api.userinfo(&tokens.member("access_token")).await.status, 401);

    // Signing out here asks first, and leaves the devices alone.
    let device = api.start().await;
    allow(&page, &fixture, &device).await;
    let tokens = api.poll(&device).await;
    page.open(&format!("{}/logout", fixture.a)).await;
    page.open(&format!("{}/", fixture.a)).await;
    assert_eq!(page.text("h1").await, "You are signed in");
    page.follow("a[href='/logout']").await;
    page.follow("#logout-confirm").await;
    assert_eq!(page.text("h1").await, "You are signed out");
    // Who comes to this browser next and goes back sees nothing of Ada.
    for _ in 0..3 {
        page.back().await;
        assert!(!page.text("body").await.contains("Ada"), "{}", page.location().await);
    }
    page.open(&format!("{}/device", fixture.a)).await;
    assert!(page.location().await.starts_with("/login?"));
    let tokens = api.refresh(&tokens.member("refresh_token")).await;
    assert!(tokens.is_granted(), "{}", tokens.body);

    // Signing out everywhere ends the devices too.
    page.open(&format!("{}/login", fixture.a)).await;
    sign_in(&page, ADA.0, ADA.1).await;
    page.open(&format!("{}/logout", fixture.a)).await;
    page.follow("#logout-everywhere").await;
    assert_eq!(page.text("h1").await, "You are signed out");
    assert_eq!(api.refresh(&tokens.member("refresh_token")).await.error(), "invalid_grant");
    page.open(&format!("{}/device", fixture.a)).await;
    assert!(page.location().await.starts_with("/login?"));
    assert_eq!(page.complaints().await, [""; 0]);
    page.close().await;
}

/// From sign-in to sign-out with Tab, Space and Enter; every stop shows that it has the focus, and Enter
/// in haste says no.
#[tokio::test]
async fn the_keyboard_alone_is_enough() {
    let fixture = setup().start().await;
    let (api, page) = (Api::demo(&fixture.a), Chromium::start(Scripts::On).await);
    let (hasty, device) = (api.start().await, api.start().await);

    page.open(&format!("{}/device", fixture.a)).await;
    page.keys(ADA.0).await;
    page.tab_to("input[name=password]").await;
    page.keys(ADA.1).await;
    page.leave(page.key(Key::Enter)).await;
    assert_eq!(page.location().await, "/device");

    page.keys(&hasty.user_code).await;
    page.leave(page.key(Key::Enter)).await;
    page.tab_to("input[name=confirm_device]").await;
    page.key(Key::Space).await;
    page.leave(page.key(Key::Enter)).await;
    assert_eq!(page.text("h1").await, "The device was not connected");
    assert_eq!(api.poll(&hasty).await.error(), "access_denied");

    page.open(&format!("{}/device", fixture.a)).await;
    page.keys(&device.user_code).await;
    page.tab_to("#device-continue").await;
    page.leave(page.key(Key::Enter)).await;
    page.tab_to("input[name='scope.email']").await;
    page.key(Key::Space).await;
    page.tab_to("input[name=confirm_device]").await;
    page.key(Key::Space).await;
    page.tab_to("#device-allow").await;
    page.leave(page.key(Key::Space)).await;
    let tokens = api.poll(&device).await.json();
    assert!(scopes(&tokens).contains(&"profile") && !scopes(&tokens).contains(&"email"), "{tokens}");

    page.tab_to("#device-undo").await;
    page.leave(page.key(Key::Enter)).await;
    assert_eq!(api.refresh(tokens["refresh_token"].as_str().unwrap()).await.error(), "invalid_grant");
    page.tab_to("a[href='/']").await;
    page.leave(page.key(Key::Enter)).await;
    page.tab_to("a[href='/logout']").await;
    page.leave(page.key(Key::Enter)).await;
    page.tab_to("#logout-everywhere").await;
    page.open(&format!("{}/logout", fixture.a)).await;
    page.tab_to("#logout-confirm").await;
    page.leave(page.key(Key::Enter)).await;
    assert_eq!(page.text("h1").await, "You are signed out");
    page.close().await;
}

/// Plain forms: all of it works in a browser whose scripts are off.
#[tokio::test]
async fn no_script_is_needed() {
    let fixture = setup().start().await;
    let (api, page) = (Api::demo(&fixture.a), Chromium::start(Scripts::Off).await);
    page.open("data:text/html,<title>off</title><script>document.title = 'on'</script>").await;
    assert_eq!(page.title().await, "off", "this browser runs scripts");

    let device = api.start().await;
    page.open(&device.answer.member("verification_uri_complete")).await;
    sign_in(&page, ADA.0, "difference-engine").await;
    assert!(page.has("[role=alert]").await);
    sign_in(&page, ADA.0, ADA.1).await;
    // The link's code comes through the sign-in.
    assert_eq!(page.property("input[name=user_code]", "value").await, device.user_code);
    page.follow("#device-continue").await;
    page.click("input[name='scope.records:write']").await;
    page.click("input[name=confirm_device]").await;
    page.follow("#device-allow").await;
    let tokens = api.poll(&device).await.json();
    assert!(scopes(&tokens).contains(&"records:read") && !scopes(&tokens).contains(&"records:write"), "{tokens}");
    page.follow("#device-undo").await;
    assert_eq!(api.refresh(tokens["refresh_token"].as_str().unwrap()).await.error(), "invalid_grant");

    let device = api.start().await;
    ask(&page, &fixture, &device).await;
    page.follow("#device-deny").await;
    assert_eq!(api.poll(&device).await.error(), "access_denied");
    page.follow("a[href='/']").await;
    page.follow("a[href='/logout']").await;
    page.follow("#logout-everywhere").await;
    assert_eq!(page.text("h1").await, "You are signed out");
    page.close().await;
}

/// Looks at one page after the other in every look and gathers what is wrong.
struct Audit<'a> {
    page: &'a Chromium,
    faults: Vec<String>,
}

impl Audit<'_> {
    /// The pages around mails.
    async fn mails(&mut self, fixture: &Fixture) {
        let (page, url) = (self.page, |path: &str| format!("{}{path}", fixture.a));
        page.open(&url("/reset")).await;
        self.look("reset", "Get a new password").await;
        page.fill("#login", ADA.0).await;
        page.follow("#reset-submit").await;
        self.look("reset-sent", "Look at your e-mail").await;
        let mut link = String::new();
        for _ in 0..100 {
            page.open(&url("/dev/outbox")).await;
            if page.has("a[href*='/reset?link=']").await {
                link = page.property("a[href*='/reset?link=']", "href").await;
                break;
            }
            sleep(50).await;
        }
        self.look("outbox", "Mails that were not sent").await;
        page.open(&link).await;
        self.look("new-password", "Choose a new password").await;
        page.open(&url("/reset?link=x")).await;
        self.look("reset-stale", "Get a new password").await;
        page.open(&url("/verify?link=x")).await;
        self.look("verify-stale", "Confirm your e-mail address").await;
    }

    /// The page as it is now, which must have this heading.
    async fn look(&mut self, name: &str, heading: &str) {
        let page = self.page;
        assert_eq!(page.text("h1").await, heading, "{name}");
        let mut faults = page.complaints().await;
        for look in Look::ALL {
            page.show_as(look).await;
            faults.extend(page.faults(look).await.into_iter().map(|fault| format!("{look:?}: {fault}")));
            if look.scheme == "light" || look.is_phone() {
                page.picture(&format!("{name}-{}{}", look.width, if look.scheme == "dark" { "-dark" } else { "" })).await;
            }
        }
        page.show_as(Look::NARROW).await;
        faults.extend(page.too_wide(Look::NARROW).await);
        page.picture(&format!("{name}-{}", Look::NARROW.width)).await;
        page.show_as(Look::DESKTOP).await;
        self.faults.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
    }

    /// Spoils the sealed form, as time does, and sends it.
    async fn expire(&self, submit: &str) {
        self.page.script("document.querySelector('input[name=form]').value = 'stale'").await;
        self.page.follow(submit).await;
    }

    /// From the start page to `/device`, with every mishap of a sign-in on the way.
    async fn sign_in(&mut self, fixture: &Fixture) {
        let page = self.page;
        page.open(&format!("{}/", fixture.a)).await;
        self.look("home-signed-out", "Welcome").await;
        page.open(&format!("{}/login", fixture.a)).await;
        self.look("login", "Sign in").await;
        sign_in(page, ADA.0, "wrong").await;
        self.look("login-error", "Sign in").await;
        for _ in 0..3 {
            sign_in(page, "nobody", "wrong").await;
        }
        assert!(page.text("[role=alert]").await.starts_with("Too many attempts."));
        self.look("login-throttled", "Sign in").await;
        page.fill("input[name=password]", "x").await;
        self.expire("#login-submit").await;
        assert_eq!(page.text("[role=alert]").await, "This page was open too long. Please try again.");
        self.look("login-expired", "Sign in").await;
        page.open(&format!("{}/device", fixture.a)).await;
        self.look("login-for-device", "Sign in").await;
        sign_in(page, ADA.0, ADA.1).await;
    }

    /// Every page about a device.
    async fn connect(&mut self, fixture: &Fixture) {
        let page = self.page;
        self.look("device", "Connect a device").await;
        enter(page, "BCDF-GHJK").await;
        self.look("device-error", "Connect a device").await;
        page.fill("input[name=user_code]", "BCDF-GHJK").await;
        self.expire("#device-continue").await;
        self.look("device-expired", "Connect a device").await;
        let first = Api::demo(&fixture.a).start().await;
        page.open(&first.answer.member("verification_uri_complete")).await;
        self.look("device-prefilled", "Connect a device").await;
        page.follow("#device-continue").await;
        self.look("approval", "Connect this device?").await;
        page.script("document.querySelector('input[name=confirm_device]').required = false").await;
        page.follow("#device-allow").await;
        self.look("approval-unconfirmed", "Connect this device?").await;
        page.click("input[name=confirm_device]").await;
        page.follow("#device-allow").await;
        self.look("allowed", "You can go back to your device").await;
        page.follow("#device-undo").await;
        self.look("undone", "The device is no longer connected").await;
        ask(page, fixture, &Api::public(&fixture.a, "display").start().await).await;
        self.look("approval-links", "Connect this device?").await;
        page.follow("#device-deny").await;
        self.look("denied", "The device was not connected").await;
        let far = Api::public(&fixture.a, "display").request("POST", "/device_authorization").form(&[("client_id", "display")]);
        let far = Api::send(far.header(PLACE, json!({ "city": "Vladivostok", "country": "RU" }).to_string())).await;
        page.devtools("Network.enable", json!({})).await;
        let here = json!({ PLACE: json!({ "city": "Villars-sur-Glâne", "country": "CH" }).to_string() });
        page.devtools("Network.setExtraHTTPHeaders", json!({ "headers": here })).await;
        page.open(&far.member("verification_uri_complete")).await;
        page.follow("#device-continue").await;
        assert!(page.text("#places-differ").await.starts_with("The device and you seem to be in different places."));
        self.look("approval-places", "Connect this device?").await;
        page.open(&format!("{}/device", fixture.a)).await;
        enter(page, &Api::public(&fixture.a, "cabinet").start().await.user_code).await;
        self.look("login-again", "Sign in").await;
        page.open(&format!("{}/device", fixture.a)).await;
        for _ in 0..2 {
            enter(page, "BCDF-GHJK").await;
        }
        assert!(page.text("[role=alert]").await.starts_with("Too many attempts."));
        self.look("device-throttled", "Connect a device").await;
    }
}

/// Clients with every ornament.
fn ornate_clients() -> Value {
    let client = |id: &str, name: &str| {
        json!({
            "client_id": id,
            "client_name": name,
            "token_endpoint_auth_method": "none",
            "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
            "scope": "openid profile email address phone offline_access records:read records:write",
        })
    };
    let with = |mut client: Value, more: Value| {
        if let (Value::Object(client), Value::Object(more)) = (&mut client, more) {
            client.extend(more);
        }
        client
    };
    let links = json!({
        "publisher": "Medizintechnik und angeschlossene Häuser",
        "policy_uri": "https://display.example/privacy",
        "tos_uri": "https://display.example/terms",
        "required_scope": "openid profile",
    });
    json!({ "clients": [
        with(client("display", "Infusionspumpenverwaltungsarbeitsplatz, Stationsrechner 4 Ost"), links),
        with(client("cabinet", "Medicine cabinet"), json!({ "device_max_auth_age": 1 })),
    ] })
}

/// axe-core (WCAG 2.2, A and AA, and its best practices) finds nothing on any page in any state, on desk
/// and phone, by day and night; no page is wider than its window down to 320 pixels (WCAG 2.2, 1.4.10);
/// and the console is silent, so the content security policy blocks nothing of ours.
#[tokio::test]
async fn every_page_is_fit_for_everybody_in_every_look() {
    const LONG_NAME: &str = "Infusionspumpenverwaltungsarbeitsplatz, Stationsrechner 4 Ost, Villars-sur-Gl\u{e2}ne, CH";
    const DEVICE: &str = "INSERT INTO grants (user_id, id, client_id, name, approved_scope, granted_scope, resources, approved_at, \
                          auth_time, acr, amr, created_at, expires_at, rotated_at, basis) \
                          SELECT user_id, ?1, 'demo-device', ?2, '', '', '[]', n, n, '', '[]', n, n + 1000000, n, '' \
                          FROM logins, (SELECT unixepoch() * 1000 AS n) WHERE login = 'ada'";
    let fixture = setup()
        .var("REALM_NAME", "St. Elsewhere Hospital")
        .var("DEV_OUTBOX", "on")
        .var("PASSWORD_BUDGET", "2")
        .var("CODE_BUDGET_SESSION", "2")
        .seed(&ornate_clients());
    let fixture = fixture.start().await;
    let url = |path: &str| format!("{}{path}", fixture.a);
    let page = &Chromium::start(Scripts::On).await;
    page.load_axe().await;
    let mut audit = Audit { page, faults: Vec::new() };

    audit.sign_in(&fixture).await;
    audit.connect(&fixture).await;
    page.open(&url("/nowhere")).await;
    audit.look("error", "Something went wrong").await;
    page.open(&url("/")).await;
    audit.look("home-signed-in", "You are signed in").await;
    for (id, name) in [("AZxsAQIDBAUGBwgJCgsMDQ4PEA", "Demo device"), ("AZxsAQIDBAUGBwgJCgsMDQ4PEQ", LONG_NAME)] {
        fixture.d1(DEVICE, &[id.into(), name.into()]).await;
    }
    page.open(&url("/")).await;
    assert!(page.has(".devices").await);
    audit.look("home-devices", "You are signed in").await;
    page.follow("a[href='/account']").await;
    page.script("document.querySelectorAll('details').forEach((details) => { details.open = true })").await;
    audit.look("account", "Your account").await;
    page.fill("#old", "not this one").await;
    page.fill("#password", "a new one of my own").await;
    page.follow("#account-password").await;
    audit.look("account-wrong", "Your account").await;
    audit.mails(&fixture).await;
    fixture.d1("INSERT INTO summaries (hour, kind, key, count) SELECT unixepoch() / 3600 - e.value, k.key, k.value, 1 + (e.value * 7) % 11 \
                FROM json_each('[1,2,3,5,8,13,21,34,55]') e, json_each('{\"sign_in\":\"\",\"refresh\":\"\",\"failure\":\"password\",\"device_flow\":\"approved\"}') k", &[]).await;
    fixture.d1("INSERT INTO summaries (hour, kind, key, count) VALUES (0, 'devices_by_site', 'Bern, CH', 12), (0, 'devices_by_client', 'demo-device', 12)", &[]).await;
    let users = fixture.d1("SELECT user_id FROM logins WHERE login = 'ada'", &[]).await;
    let user = format!("/users/{}", users[0]["user_id"].as_str().unwrap_or_default());
    for (name, path, heading) in [
        ("console", "", "Overview"),
        ("console-users", "/users", "Users"),
        ("console-user", user.as_str(), "ada"),
        ("console-sites", "/sites", "Devices"),
        ("console-clients", "/clients", "Clients"),
        ("console-client", "/clients/demo-web", "Demo web app"),
        ("console-client-new", "/clients/new", "A new client"),
        ("console-keys", "/keys", "Keys"),
        ("console-audit", "/audit", "Audit"),
    ] {
        page.open(&url(&format!("/console{path}"))).await;
        audit.look(name, heading).await;
    }
    page.open(&url("/")).await;
    page.follow("a[href='/logout']").await;
    audit.look("logout", "Sign out?").await;
    audit.expire("#logout-confirm").await;
    audit.look("logout-expired", "Sign out?").await;
    page.follow("#logout-confirm").await;
    audit.look("signed-out", "You are signed out").await;
    page.follow("a[href='/login']").await;
    sign_in(page, ADA.0, ADA.1).await;
    page.open(&url("/logout")).await;
    page.follow("#logout-everywhere").await;
    audit.look("signed-out-everywhere", "You are signed out").await;
    assert!(audit.faults.is_empty(), "{}", audit.faults.join("\n"));

    // Silence proves something only because the same audit speaks up here.
    page.script(
        "document.body.innerHTML = '<h1>Spoilt</h1><input><main class=\"card\"><p style=\"width: 2000px\">blocked</p></main>'",
    )
    .await;
    page.script("document.querySelector('p').style.cssText = 'width: 2000px; color: #ccc; background: #fff'").await;
    audit.look("spoilt", "Spoilt").await;
    for fault in ["pixels wide", "sticks out", "Content Security Policy", "\"label\"", "\"color-contrast\"", "\"region\""] {
        assert!(audit.faults.iter().any(|found| found.contains(fault)), "{fault} is not found: {:#?}", audit.faults);
    }
}
