//! `/console`: who may, and what operators do there daily.
#![expect(clippy::unwrap_used, reason = "a broken step fails the test by panicking")]

use serde_json::{Value, json};

use crate::admin::{Admin, last_change};
use crate::harness::{Fixture, Setup, Worker};
use crate::support::{ADA, Answer, Api, Person};

const PASSWORD: &str = "compiler-no-1952";

fn setup() -> Setup {
    let user = |login: &str, roles: &[&str]| json!({ "login": login, "password": PASSWORD, "claims": { "name": login }, "roles": roles });
    Setup::default().rate_limit("LIMIT_LOGIN", 1_000_000).seed(&json!({ "users": [
        user("grace", &["nurse"]),
        user("reader", &["latchkey:admin.read"]),
        user("clerk", &["latchkey:users"]),
        user("<b>evil</b>", &[]),
    ], "clients": [] }))
}

async fn at(fixture: &Fixture, login: &str) -> Person {
    let person = Person::new(&fixture.a);
    person.sign_in(login, if login == ADA.0 { ADA.1 } else { PASSWORD }).await;
    person
}

/// The sealed form before this mark on a page.
fn form_before(page: &str, mark: &str) -> String {
    let before = page.split(mark).next().unwrap();
    assert!(before.len() < page.len(), "no {mark} in {page}");
    before.rsplit("name=\"form\" value=\"").next().unwrap().split('"').next().unwrap().to_owned()
}

async fn page(person: &Person, path: &str) -> String {
    let page = person.get(path).await;
    assert_eq!(page.status, 200, "{path}: {}", page.body);
    assert_eq!(page.header("cache-control"), "no-store");
    page.body
}

async fn user_id(fixture: &Fixture, login: &str) -> String {
    let rows = fixture.d1("SELECT user_id FROM logins WHERE login = ?1", &[json!(login)]).await;
    rows.first().unwrap()["user_id"].as_str().unwrap().to_owned()
}

async fn send(person: &Person, form: &str, fields: &[(&str, &str)]) -> Answer {
    person.post("/console", &[&[("form", form)], fields].concat()).await
}

/// Without a role there is nothing here, exactly as at a path that is not there; and the role counts as it is now.
#[tokio::test]
async fn only_who_administers_finds_it() {
    let fixture = setup().start().await;
    let grace = at(&fixture, "grace").await;
    let html = async |path: &str| {
        let answer = Api::send(grace.request("GET", path).header("accept", "text/html")).await;
        (answer.status, answer.body.replace(answer.header("x-request-id"), ""))
    };
    let nowhere = html("/nowhere").await;
    assert_eq!(nowhere.0, 404);
    for path in ["/console", "/console/users", "/console/nowhere", "/console/clients/demo-web"] {
        assert_eq!(html(path).await, nowhere, "{path}");
    }
    // Nor does another method, another format or another way to send a form tell of it.
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"] {
        for (accept, site, kind) in
            [("text/html", "same-origin", "application/json"), ("*/*", "cross-site", "application/x-www-form-urlencoded")]
        {
            let ask = async |path: &str| {
                let request = grace.request(method, path).header("accept", accept).header("sec-fetch-site", site);
                let answer = Api::send(request.header("content-type", kind)).await;
                let headers = ["content-type", "allow", "cache-control", "set-cookie"].map(|name| answer.header(name).to_owned());
                (answer.status, headers, answer.body.replace(answer.header("x-request-id"), ""))
            };
            assert_eq!(ask("/console").await, ask("/nowhere").await, "{method} {accept}");
        }
    }
    assert_eq!(grace.post("/console", &[("form", "x")]).await.status, 404);
    // Whoever is not signed in yet signs in first, and gets there.
    let ada = Person::new(&fixture.a);
    let login = ada.visit("/console").await;
    let fields = [("form", &*login.form()), ("login", ADA.0), ("password", ADA.1)];
    assert_eq!(ada.post("/login", &fields).await.header("location"), "/console");
    for path in ["", "/users", "/sites", "/clients", "/clients/new", "/keys", "/audit"] {
        page(&ada, &format!("/console{path}")).await;
    }
    assert_eq!(ada.get("/console/nowhere").await.status, 404);
    let form = form_before(&page(&ada, "/console/keys").await, "Make successors now");
    fixture.d1("UPDATE users SET roles = '[]' WHERE login = 'ada'", &[]).await;
    assert_eq!((ada.get("/console").await.status, send(&ada, &form, &[]).await.status), (404, 404));
}

#[tokio::test]
async fn an_old_sign_in_is_not_enough() {
    let fixture = setup().var("ADMIN_MAX_AUTH_AGE", "2").start().await;
    let ada = at(&fixture, ADA.0).await;
    let form = form_before(&page(&ada, "/console/keys").await, "Make successors now");
    crate::support::sleep(2_200).await;
    for answer in [ada.get("/console").await, send(&ada, &form, &[]).await] {
        assert!(answer.status == 303 && answer.header("location").starts_with("/login?step="), "{}", answer.status);
    }
    let again = ada.visit("/console").await;
    assert!(again.body.contains("Please sign in again"), "{}", again.body);
}

/// A finer role looks at its own, and changes no more than that.
#[tokio::test]
async fn finer_roles() {
    let fixture = setup().start().await;
    let (reader, clerk) = (at(&fixture, "reader").await, at(&fixture, "clerk").await);
    let grace = user_id(&fixture, "grace").await;
    for path in ["", "/users", "/clients", "/keys", "/audit", "/sites"] {
        page(&reader, &format!("/console{path}")).await;
    }
    // Looking is all that is offered, and a button that was offered a moment ago does nothing any more.
    for path in [format!("/console/users/{grace}"), "/console/clients/demo-web".to_owned(), "/console/keys".to_owned()] {
        let own = page(&reader, &path).await;
        assert!(!own.contains("method=\"post\"") && own.contains("Made") | own.contains("Signs"), "{own}");
    }
    assert!(!page(&reader, "/console/clients").await.contains("/console/clients/new"));
    let now_has = async |roles: &str| {
        fixture.d1("UPDATE users SET roles = ?1 WHERE login = 'reader'", &[json!(roles)]).await;
    };
    now_has("[\"latchkey:admin.read\",\"latchkey:users\"]").await;
    let form = form_before(&page(&reader, &format!("/console/users/{grace}")).await, "value=\"nurse\"");
    now_has("[\"latchkey:admin.read\"]").await;
    let refused = send(&reader, &form, &[("roles", "latchkey:admin"), ("enabled", "1")]).await;
    assert!(refused.status == 400 && refused.body.contains("latchkey:users"), "{}", refused.body);
    assert_eq!(clerk.get("/console/clients").await.status, 400);
    let own = page(&clerk, "/console").await;
    assert!(
        own.contains("href=\"/console/users\"") && !own.contains("href=\"/console/keys\"") && !own.contains("<svg view"),
        "{own}"
    );
    let form = form_before(&page(&clerk, &format!("/console/users/{grace}")).await, "value=\"nurse\"");
    let refused = send(&clerk, &form, &[("roles", "latchkey:admin"), ("enabled", "1")]).await;
    assert!(refused.status == 400 && refused.body.contains("only latchkey:admin"), "{}", refused.body);
    assert_eq!(send(&clerk, &form, &[("roles", "nurse doctor"), ("enabled", "1")]).await.status, 303);
    let roles = fixture.d1("SELECT roles FROM users WHERE id = ?1", &[json!(grace)]).await;
    assert_eq!(roles.first().unwrap()["roles"], "[\"nurse\",\"doctor\"]");
}

#[tokio::test]
async fn a_user_is_found_changed_and_their_device_ended() {
    let fixture = setup().start().await;
    let (ada, grace, device) = (at(&fixture, ADA.0).await, at(&fixture, "grace").await, Api::public(&fixture.a, "demo-device"));
    let tokens = device.signed_in(&grace).await;
    let found = page(&ada, "/console/users?q=GR").await;
    let id = user_id(&fixture, "grace").await;
    let path = format!("/console/users/{id}");
    assert!(found.contains(&format!("href=\"{path}\"")) && !found.contains("reader"), "{found}");
    let evil = page(&ada, "/console/users?q=%3Cb%3E").await;
    assert!(!evil.contains("<b>evil"), "{evil}");
    let own = page(&ada, &path).await;
    assert!(own.contains("Demo device") && own.contains("Browsers"), "{own}");
    let end = form_before(&own, "aria-label=\"End: Demo device\"");
    let done = send(&ada, &end, &[]).await;
    assert_eq!(done.header("location"), format!("{path}?done=1"), "{}", done.body);
    assert_eq!(device.refresh(&tokens.member("refresh_token")).await.error(), "invalid_grant");
    assert_eq!(last_change(&fixture, "").await, Value::Null);
    assert_eq!(send(&ada, &end, &[]).await.status, 400, "it is not there any more");

    // What was changed meanwhile is not overwritten.
    let stale = form_before(&page(&ada, &path).await, "value=\"nurse\"");
    assert_eq!(send(&ada, &stale, &[("roles", "doctor"), ("enabled", "1")]).await.status, 303);
    let refused = send(&ada, &stale, &[("roles", "boss"), ("enabled", "1")]).await;
    assert!(refused.status == 400 && refused.body.contains("changed since"), "{}", refused.body);
    assert!(refused.body.contains(&format!("href=\"{path}\"")), "and the way back to it: {}", refused.body);
    assert_eq!(last_change(&fixture, &id).await["action"], "user.patch");
    // Disabled at once; the last administrator stays.
    let form = form_before(&page(&ada, &path).await, "value=\"doctor\"");
    assert_eq!(send(&ada, &form, &[("roles", "doctor")]).await.status, 303);
    assert_eq!(grace.get("/device").await.status, 303);
    let own = format!("/console/users/{}", user_id(&fixture, ADA.0).await);
    let form = form_before(&page(&ada, &own).await, "value=\"latchkey:admin\"");
    let refused = send(&ada, &form, &[("roles", ""), ("enabled", "1")]).await;
    assert!(refused.status == 400 && refused.body.contains("somebody else"), "{}", refused.body);
}

#[tokio::test]
async fn a_client_is_made_changed_and_gets_a_new_secret() {
    let fixture = setup().start().await;
    let ada = at(&fixture, ADA.0).await;
    let form = form_before(&page(&ada, "/console/clients/new").await, "Make it");
    let fields = [
        ("client_id", "shop"),
        ("token_endpoint_auth_method", "client_secret_basic"),
        ("client_name", "Shop"),
        ("scope", "openid profile"),
        ("redirect_uris", "https://shop.example/cb\r\n https://shop.example/cb2 \r\n"),
        ("grant_code", "1"),
        ("grant_refresh", "1"),
    ];
    let made = send(&ada, &form, &fields).await;
    assert_eq!((made.status, made.header("cache-control")), (200, "no-store"), "{}", made.body);
    let secret = |page: &str| page.split("id=\"console-secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let first = secret(&made.body);
    let bad = send(
        &ada,
        &form,
        &[
            ("client_id", "a b"),
            ("client_name", "x"),
            ("token_endpoint_auth_method", "none"),
            ("grant_code", "1"),
            ("scope", "openid"),
        ],
    )
    .await;
    assert!(
        bad.status == 400 && bad.body.contains("client_id") && bad.body.contains("redirect_uris"),
        "all that is wrong: {}",
        bad.body
    );
    let read = Admin::ada(&fixture.a).await.get("clients/shop").await.json();
    assert_eq!(
        (&read["redirect_uris"], &read["grant_types"]),
        (&json!(["https://shop.example/cb", "https://shop.example/cb2"]), &json!(["authorization_code", "refresh_token"]))
    );
    let own = page(&ada, "/console/clients/shop").await;
    let form = form_before(&own, "name=\"enabled\"");
    let changed = [
        ("enabled", "1"),
        ("client_name", "The shop"),
        ("scope", "openid"),
        ("redirect_uris", "https://shop.example/cb"),
        ("grant_code", "1"),
    ];
    assert_eq!(send(&ada, &form, &changed).await.header("location"), "/console/clients/shop?done=1");
    assert!(send(&ada, &form, &changed).await.body.contains("changed since"));
    let second = send(&ada, &form_before(&page(&ada, "/console/clients/shop").await, "Make a new secret"), &[]).await;
    let second = secret(&second.body);
    assert_ne!(first, second);
    for secret in [first, second] {
        let shop = Api::basic(&fixture.a, "shop", &secret);
        assert_eq!(
            shop.post(
                "/token",
                &[("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", "https://shop.example/cb")]
            )
            .await
            .error(),
            "invalid_grant"
        );
    }
    assert!(!page(&ada, "/console/clients/shop").await.contains("console-secret"), "told once");
}

/// Charts come from summaries: what they count needs its source no more.
#[tokio::test]
async fn charts_read_summaries_alone() {
    let fixture = setup().start().await;
    let (ada, device) = (at(&fixture, ADA.0).await, Api::public(&fixture.a, "demo-device"));
    device.signed_in(&ada).await;
    ada.deny(&device.start().await.user_code).await;
    assert!(page(&ada, "/console/sites").await.contains("No device was signed in"));
    fixture.d1("UPDATE audit_events SET minute = minute - 180, at = at - 10800000", &[]).await;
    fixture.d1("UPDATE grants SET created_at = created_at - 10800000", &[]).await;
    fixture.cron(Worker::A).await;
    fixture.d1("DELETE FROM audit_events", &[]).await;
    for days in ["1", "7", "30"] {
        let own = page(&ada, &format!("/console?days={days}")).await;
        for told in ["approved: 1", "denied: 1", "collected: 1", "sign-ins: 1"] {
            assert!(own.contains(told), "{days} {told}: {own}");
        }
        assert!(own.contains("<rect class=\"bar-1\"") && own.contains("As a table"));
    }
    let sites = page(&ada, "/console/sites").await;
    assert!(sites.contains("not known") && sites.contains("demo-device"), "{sites}");
    // From a site to whose devices are there, whatever it is called.
    assert!(sites.contains("href=\"/console/sites?site=not%20known\"") || sites.contains("?site=not+known"), "{sites}");
    let own = page(&ada, "/console/sites?site=not%20known").await;
    assert!(own.contains("<bdi>ada</bdi>") && own.contains("/console/users/"), "{own}");
    fixture.d1("UPDATE grants SET place = '<b>Bern</b> & \"Biel\"'", &[]).await;
    let own = page(&ada, "/console/sites?site=%3Cb%3EBern%3C/b%3E%20%26%20%22Biel%22").await;
    assert!(own.contains("<bdi>ada</bdi>") && !own.contains("<b>Bern"), "{own}");
    for (path, is_there) in [("site=not%20known", false), ("site=nowhere", false)] {
        assert_eq!(page(&ada, &format!("/console/sites?{path}")).await.contains("<bdi>ada</bdi>"), is_there, "{path}");
    }
}

#[tokio::test]
async fn the_log_is_filtered_and_paged() {
    let fixture = setup().start().await;
    let ada = at(&fixture, ADA.0).await;
    for _ in 0..2 {
        at(&fixture, "grace").await;
    }
    let all = page(&ada, "/console/audit").await;
    assert!(all.matches("<bdi>sign_in</bdi>").count() == 3, "{all}");
    let of_grace = page(&ada, "/console/audit?kind=sign_in&login=grace").await;
    assert_eq!(of_grace.matches("<bdi>sign_in</bdi>").count(), 2);
    let first = page(&ada, "/console/audit?kind=sign_in&limit=2").await;
    assert_eq!(first.matches("<bdi>sign_in</bdi>").count(), 2);
    let next = first
        .split("href=\"/console/audit?")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&")
        .replace("&amp;", "&");
    assert_eq!(page(&ada, &format!("/console/audit?{next}&limit=2")).await.matches("<bdi>sign_in</bdi>").count(), 1);
    let today = fixture.d1("SELECT date() AS day", &[]).await.first().unwrap()["day"].as_str().unwrap().to_owned();
    for (days, is_in) in [
        (format!("from_day=2020-01-01&to_day={today}"), true),
        ("from_day=2020-01-01&to_day=2020-12-31".to_owned(), false),
        ("from_day=2999-01-01&to_day=".to_owned(), false),
    ] {
        assert_eq!(page(&ada, &format!("/console/audit?{days}")).await.contains("<bdi>sign_in</bdi>"), is_in, "{days}");
    }
    for odd in ["from_day=2026-02-30", "to_day=x", "kind=x", "login=nobody", "after=!", "limit=0"] {
        assert_eq!(ada.get(&format!("/console/audit?{odd}")).await.status, 400, "{odd}");
    }
}

/// A form is for its browser, session and user; from another site it is nothing.
#[tokio::test]
async fn nobody_presses_anothers_buttons() {
    let fixture = setup().start().await;
    let (ada, other) = (at(&fixture, ADA.0).await, at(&fixture, ADA.0).await);
    let form = form_before(&page(&ada, "/console/keys").await, "Make successors now");
    let before = fixture.d1("SELECT COUNT(*) AS n FROM signing_keys", &[]).await;
    for answer in [send(&other, &form, &[]).await, send(&ada, "x", &[]).await, send(&ada, "", &[]).await] {
        assert!(answer.status == 400 && answer.body.contains("open too long"), "{}", answer.body);
    }
    let cross = ada.request("POST", "/console").header("sec-fetch-site", "cross-site").form(&[("form", &form)]);
    assert_eq!(Api::send(cross).await.status, 404);
    assert_eq!(Person::new(&fixture.a).post("/console", &[("form", &form)]).await.status, 303, "to the sign-in");
    assert_eq!(fixture.d1("SELECT COUNT(*) AS n FROM signing_keys", &[]).await, before);
    assert_eq!(send(&ada, &form, &[]).await.header("location"), "/console/keys?done=1");
    assert_ne!(fixture.d1("SELECT COUNT(*) AS n FROM signing_keys", &[]).await, before);
}
