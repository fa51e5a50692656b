//! `/account`: a person's own devices, apps, browsers and password.
#![expect(clippy::unwrap_used, reason = "a broken step fails the test by panicking")]

use serde_json::{Value, json};

use crate::admin::Admin;
use crate::harness::{Fixture, Setup};
use crate::judge::Judge;
use crate::support::{Answer, Api, Person, client, sleep};
use crate::web::{App, web_client};

const PASSWORD: &str = "compiler-no-1952";
const NEW: &str = "a new one of my own";

async fn realm() -> Fixture {
    let user = |login: &str, claims: Value| json!({ "login": login, "password": PASSWORD, "claims": claims });
    let setup = Setup::default().rate_limit("LIMIT_LOGIN", 1_000_000).seed(&json!({ "users": [
        user("grace", json!({ "name": "Grace", "email": "grace@navy.example", "email_verified": false })),
        user("bob", json!({ "name": "Bob" })),
    ], "clients": [client("ward", &[json!({ "client_name": "Ward terminal" })]), web_client("desk", &[json!({ "client_name": "Desk" })])] }));
    setup.start().await
}

async fn grace(fixture: &Fixture) -> Person {
    let person = Person::new(&fixture.a);
    person.sign_in("grace", PASSWORD).await;
    person
}

/// The sealed form before this mark on the page.
fn form_before(page: &str, mark: &str) -> String {
    let before = page.split(mark).next().unwrap();
    assert!(before.len() < page.len(), "no {mark} in {page}");
    let sealed = before.rsplit("name=\"form\" value=\"").next().unwrap();
    sealed.split('"').next().unwrap().to_owned()
}

async fn page(person: &Person) -> String {
    let page = person.get("/account").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("cache-control"), "no-store");
    page.body
}

/// Presses the button before this mark.
async fn press(person: &Person, mark: &str) -> Answer {
    let form = form_before(&page(person).await, mark);
    let answer = person.post("/account", &[("form", &form)]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/account?done=yes"), "{}", answer.body);
    answer
}

async fn change(person: &Person, old: &str, new: &str, everywhere: bool) -> Answer {
    let form = form_before(&page(person).await, "id=\"account-password\"");
    let mut fields = vec![("form", form.as_str()), ("old", old), ("password", new)];
    if everywhere {
        fields.push(("everywhere", "1"));
    }
    person.post("/account", &fields).await
}

#[tokio::test]
async fn a_device_is_found_renamed_and_signed_out() {
    let fixture = realm().await;
    let (person, device) = (grace(&fixture).await, Api::public(&fixture.a, "ward"));
    assert!(page(&person).await.contains("No device is connected."));
    let (first, second) = (device.signed_in(&person).await, device.signed_in(&person).await);
    let own = page(&person).await;
    assert!(own.contains("Ward terminal") && own.contains("Place: Not known"), "{own}");
    let rename = form_before(&own, "id=\"name-1\"");
    for bad in ["", "  ", &"x".repeat(101), "a\u{7}b"] {
        let answer = person.post("/account", &[("form", &rename), ("name", bad)]).await;
        assert!(answer.status == 400 && answer.body.contains("at most a hundred"), "{bad:?}");
    }
    let named = person.post("/account", &[("form", &rename), ("name", " Bed 7 <b> ")]).await;
    assert_eq!(named.header("location"), "/account?done=yes");
    let own = page(&person).await;
    assert!(own.contains("<bdi>Bed 7 &#60;b&#62;</bdi>") || own.contains("<bdi>Bed 7 &lt;b&gt;</bdi>"), "{own}");
    // One device, and no other.
    press(&person, "aria-label=\"Sign out this device: Bed 7").await;
    let mut statuses = Vec::new();
    for tokens in [&first, &second] {
        statuses.push(device.refresh(&tokens.member("refresh_token")).await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    press(&person, "id=\"account-end-devices\"").await;
    for tokens in [&first, &second] {
        assert_eq!(device.refresh(&tokens.member("refresh_token")).await.error(), "invalid_grant");
    }
    assert!(page(&person).await.contains("No device is connected."));
    let events = fixture.d1("SELECT detail, client_id FROM audit_events WHERE kind = 'revocation' ORDER BY at", &[]).await;
    assert_eq!((events.len(), &events[0]["client_id"]), (2, &json!("ward")));
}

#[tokio::test]
async fn apps_show_what_they_may_and_are_disconnected() {
    let fixture = realm().await;
    let (person, app) = (grace(&fixture).await, App::web(&fixture.a, "desk"));
    let tokens = app.tokens(&person, &[("scope", "openid email offline_access")]).await;
    assert_eq!(app.api.userinfo(&tokens.member("access_token")).await.status, 200);
    let own = page(&person).await;
    assert!(own.contains("Desk") && own.contains("What it may do:") && own.contains("See your e-mail address"), "{own}");
    press(&person, "aria-label=\"Disconnect: Desk\"").await;
    assert_eq!(app.api.userinfo(&tokens.member("access_token")).await.status, 401);
    assert!(page(&person).await.contains("No app is connected."));
}

#[tokio::test]
async fn other_browsers_are_ended_one_by_one_or_together() {
    let fixture = realm().await;
    let (person, second, third) = (grace(&fixture).await, grace(&fixture).await, grace(&fixture).await);
    let own = page(&person).await;
    assert_eq!((own.matches("This browser").count(), own.matches("<strong>A browser</strong>").count()), (1, 2));
    let form = form_before(&own, "<button class=\"button\" type=\"submit\">Sign out</button>");
    assert_eq!(person.post("/account", &[("form", &form)]).await.status, 303);
    let left = [second.get("/account").await.status, third.get("/account").await.status];
    assert_eq!(left.iter().filter(|status| **status == 200).count(), 1, "{left:?}");
    press(&person, "id=\"account-end-browsers\"").await;
    assert_eq!((second.get("/account").await.status, third.get("/account").await.status), (303, 303));
    assert!(!page(&person).await.contains("account-end-browsers"));
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_the_old_one() {
    let fixture = realm().await;
    let (person, other) = (grace(&fixture).await, grace(&fixture).await);
    let device = Api::public(&fixture.a, "ward");
    let tokens = device.signed_in(&person).await;
    let wrong = change(&person, "not this one", NEW, true).await;
    assert!(wrong.status == 400 && wrong.body.contains("is not right"), "{}", wrong.body);
    let weak = change(&person, PASSWORD, "eleven-char", true).await;
    assert!(weak.status == 400 && weak.body.contains("At least 12 characters"), "{}", weak.body);
    // Without the box nothing else ends.
    assert_eq!(change(&person, PASSWORD, NEW, false).await.header("location"), "/account?done=password");
    assert_eq!((person.get("/account").await.status, other.get("/account").await.status), (200, 200));
    let tokens = device.refresh(&tokens.member("refresh_token")).await;
    assert!(tokens.is_granted());
    assert_eq!(Person::new(&fixture.a).try_sign_in("grace", PASSWORD).await.status, 400);
    // With it everything but this browser.
    assert_eq!(change(&person, NEW, PASSWORD, true).await.header("location"), "/account?done=password");
    assert_eq!((person.get("/account").await.status, other.get("/account").await.status), (200, 303));
    assert_eq!(device.refresh(&tokens.member("refresh_token")).await.error(), "invalid_grant");
    let own = page(&person).await;
    assert_eq!(own.matches("You changed the password").count(), 2, "{own}");
    // A device can be connected at once: the sign-in counts as of now.
    device.signed_in(&person).await;
    // An administrator's change is told too; their sign-out ends this one as well.
    let admin = Admin::ada(&fixture.a).await;
    let id = admin.get("users?login=grace").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(admin.post(&format!("users/{id}/password"), &json!({ "password": NEW })).await.status, 204);
    assert_eq!(person.get("/account").await.status, 303);
    person.sign_in("grace", NEW).await;
    assert!(page(&person).await.contains("Your administrator set a password"));
}

#[tokio::test]
async fn an_open_browser_is_no_place_to_guess() {
    let user = json!({ "login": "grace", "password": PASSWORD, "claims": {} });
    let setup = Setup::default().var("KNOWN_BROWSER_BUDGET", "2").seed(&json!({ "users": [user], "clients": [] }));
    let fixture = setup.start().await;
    let person = grace(&fixture).await;
    for _ in 0..2 {
        assert_eq!(change(&person, "not this one", NEW, false).await.status, 400);
    }
    let refused = change(&person, PASSWORD, NEW, false).await;
    assert_eq!(refused.status, 429, "also the right one, for a while");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(fixture.d1("SELECT 1 FROM audit_events WHERE kind = 'failure_burst'", &[]).await.len(), 1);
}

/// A form is for its browser, session and user alone, and what it does is sealed.
#[tokio::test]
async fn nobody_presses_anothers_buttons() {
    let fixture = realm().await;
    let (person, device) = (grace(&fixture).await, Api::public(&fixture.a, "ward"));
    let tokens = device.signed_in(&person).await;
    let end = form_before(&page(&person).await, "aria-label=\"Sign out this device");
    let bob = Person::new(&fixture.a);
    bob.sign_in("bob", PASSWORD).await;
    for other in [bob, grace(&fixture).await] {
        let answer = other.post("/account", &[("form", &end)]).await;
        assert!(answer.status == 400 && answer.body.contains("open too long"), "{}", answer.body);
    }
    for form in ["", "x"] {
        assert_eq!(person.post("/account", &[("form", form)]).await.status, 400);
    }
    let cross = person.request("POST", "/account").header("sec-fetch-site", "same-site").form(&[("form", &end)]);
    assert_eq!(Api::send(cross).await.status, 400);
    let nobody = Person::new(&fixture.a).post("/account", &[("form", &end)]).await;
    assert!(nobody.status == 303 && nobody.header("location").starts_with("/login?step="));
    assert!(device.refresh(&tokens.member("refresh_token")).await.is_granted(), "nothing happened");
    // Who signs in on the way gets there.
    let stranger = Person::new(&fixture.a);
    let login = stranger.visit("/account").await;
    let fields = [("form", &*login.form()), ("login", "grace"), ("password", PASSWORD)];
    assert_eq!(stranger.post("/login", &fields).await.header("location"), "/account");
    // Pressed twice, it is done once.
    let end = form_before(&page(&person).await, "aria-label=\"Sign out this device");
    for _ in 0..2 {
        assert_eq!(person.post("/account", &[("form", &end)]).await.status, 303);
    }
    assert_eq!(fixture.d1("SELECT 1 FROM audit_events WHERE kind = 'revocation'", &[]).await.len(), 1);
}

#[tokio::test]
async fn an_address_is_confirmed_by_its_owner() {
    let fixture = realm().await;
    assert!(!page(&grace(&fixture).await).await.contains("account-verify"), "no mails, no button");
    let user = json!({ "login": "grace", "password": PASSWORD, "claims": { "email": "grace@navy.example" } });
    let fixture = Setup::default().var("DEV_OUTBOX", "on").seed(&json!({ "users": [user], "clients": [] })).start().await;
    let person = grace(&fixture).await;
    let form = form_before(&page(&person).await, "id=\"account-verify\"");
    assert_eq!(person.post("/account", &[("form", &form)]).await.header("location"), "/account?done=sent");
    for _ in 0..100 {
        if let Some(mail) = fixture.d1("SELECT body FROM dev_outbox", &[]).await.first() {
            let link =
                mail["body"].as_str().unwrap().split("link=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
            assert_eq!(person.post("/verify", &[("form", &link)]).await.status, 200);
            assert!(page(&person).await.contains("(confirmed)"));
            return;
        }
        sleep(50).await;
    }
    panic!("no mail");
}

/// Many devices are shown page by page.
#[tokio::test]
async fn a_thousand_devices_make_no_long_page() {
    let fixture = realm().await;
    let person = grace(&fixture).await;
    Api::public(&fixture.a, "ward").signed_in(&person).await;
    let many = "INSERT INTO grants (user_id, id, client_id, name, approved_scope, granted_scope, resources, approved_at, auth_time, acr, amr, \
                created_at, expires_at, rotated_at, basis) SELECT g.user_id, substr(g.id, 1, 20) || printf('%03d', e.value) || substr(g.id, 24), g.client_id, 'Bed ' || e.value, \
                g.approved_scope, g.granted_scope, g.resources, g.approved_at, g.auth_time, g.acr, g.amr, g.created_at, g.expires_at, \
                g.rotated_at - e.value, g.basis FROM grants g, (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 120) \
                SELECT value FROM n) e";
    fixture.d1(many, &[]).await;
    let first = page(&person).await;
    assert_eq!(first.matches("<summary>").count(), 50);
    assert!(first.contains("href=\"/account?page=1\"") && !first.contains("href=\"/account?page=0\""));
    let last = person.get("/account?page=2").await.body;
    assert_eq!(last.matches("<summary>").count(), 21);
    assert!(last.contains("href=\"/account?page=1\"") && !last.contains("href=\"/account?page=3\""));
    for odd in ["/account?page=99999999999999999999", "/account?page=-1", "/account?page=x", "/account?done=%3Cb%3E"] {
        assert_eq!(person.get(odd).await.status, 200, "{odd}");
    }
}

/// Whatever ends by a new password, its clients hear of: of other browsers, of this one and of devices.
#[tokio::test]
async fn clients_hear_of_what_a_new_password_ended() {
    let judge = Judge::start();
    let hears = |path: &str| json!({ "backchannel_logout_uri": judge.at(path), "skip_consent": true });
    let claims = json!({ "email": "grace@navy.example", "email_verified": true });
    let user = json!({ "login": "grace", "password": PASSWORD, "claims": claims });
    let clients = [client("ward", &[hears("/ward")]), web_client("desk", &[hears("/desk")])];
    let setup = Setup::default().rate_limit("LIMIT_LOGIN", 1_000_000).var("OUTBOUND_ALLOW", &judge.host_port());
    let setup = setup.var("DEV_OUTBOX", "on").seed(&json!({ "users": [user], "clients": clients }));
    let fixture = setup.start().await;
    let (person, other) = (grace(&fixture).await, grace(&fixture).await);
    let (device, desk) = (Api::public(&fixture.a, "ward"), App::web(&fixture.a, "desk"));
    for person in [&person, &other] {
        desk.tokens(person, &[("scope", "openid")]).await;
    }
    device.signed_in(&person).await;
    assert_eq!(change(&person, PASSWORD, NEW, false).await.status, 303);
    assert_eq!(change(&person, NEW, PASSWORD, true).await.status, 303);
    assert_eq!((judge.wait_for("/desk", 2).await.len(), judge.wait_for("/ward", 1).await.len()), (2, 1));
    let ended = fixture.d1("SELECT detail FROM audit_events WHERE kind = 'revocation'", &[]).await;
    assert_eq!(ended, [json!({ "detail": "{\"what\":\"everything else\"}" })]);

    // By a link too.
    desk.tokens(&person, &[("scope", "openid")]).await;
    device.signed_in(&person).await;
    let stranger = Person::new(&fixture.a);
    let form = stranger.get("/reset").await.form();
    assert_eq!(stranger.post("/reset", &[("form", &form), ("login", "grace")]).await.status, 200);
    let mail = async {
        loop {
            let mails = fixture.d1("SELECT body FROM dev_outbox WHERE body LIKE '%/reset?link=%'", &[]).await;
            match mails.first() {
                Some(mail) => return mail["body"].as_str().unwrap().to_owned(),
                None => sleep(50).await,
            }
        }
    };
    let mail = tokio::time::timeout(std::time::Duration::from_secs(20), mail).await.unwrap();
    let link = mail.split("link=").nth(1).unwrap().split_whitespace().next().unwrap();
    let fields = [("form", link), ("password", NEW), ("everywhere", "1")];
    assert_eq!(stranger.post("/reset", &fields).await.status, 200);
    assert_eq!(person.get("/account").await.status, 303);
    assert_eq!((judge.wait_for("/desk", 3).await.len(), judge.wait_for("/ward", 2).await.len()), (3, 2));
}

/// Whoever copied the cookie of this very browser is out.
#[tokio::test]
async fn a_new_password_leaves_nothing_to_a_copied_cookie() {
    let fixture = realm().await;
    let (person, thief) = (grace(&fixture).await, Person::new(&fixture.a));
    let steal = || {
        for cookie in person.cookies().split("; ") {
            thief.set_cookie(cookie);
        }
    };
    for (everywhere, old, new) in [(false, PASSWORD, NEW), (true, NEW, PASSWORD)] {
        steal();
        assert_eq!(thief.get("/account").await.status, 200);
        assert_eq!(change(&person, old, new, everywhere).await.status, 303);
        assert_eq!((thief.get("/account").await.status, person.get("/account").await.status), (303, 200));
    }
    assert_eq!(fixture.d1("SELECT 1 FROM sessions", &[]).await.len(), 1);
}

/// Of very many browsers this one is shown, even if it was used the longest ago.
#[tokio::test]
async fn this_browser_is_always_there() {
    let fixture = realm().await;
    let person = grace(&fixture).await;
    let many = "INSERT INTO sessions (user_id, id, sid, auth_time, seen_at, acr, amr) SELECT s.user_id, substr(s.id, 1, 20) || printf('%03d', e.value) || \
                substr(s.id, 24), 'sid' || e.value, s.auth_time, s.seen_at + e.value, s.acr, s.amr FROM sessions s, (WITH RECURSIVE n(value) AS \
                (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 80) SELECT value FROM n) e";
    fixture.d1(many, &[]).await;
    let own = page(&person).await;
    assert_eq!((own.matches("This browser").count(), own.matches("<strong>A browser</strong>").count()), (1, 49));
    press(&person, "id=\"account-end-browsers\"").await;
    assert_eq!(fixture.d1("SELECT 1 FROM sessions", &[]).await.len(), 1);
}
