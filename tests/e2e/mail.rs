//! Mails: new passwords, confirmed addresses and notices; what strangers learn from them, which is nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken step fails the test by panicking")]

use serde_json::{Value, json};

use crate::admin::{Admin, assert_problem};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{ADA, Answer, Api, Person, sleep};

const NEW: &str = "a new one of my own";

fn setup() -> Setup {
    let person = |login: &str, claims: Value| json!({ "login": login, "password": "compiler-no-1952", "claims": claims });
    Setup::default().rate_limit("LIMIT_LOGIN", 1_000_000).var("LOGOUT_RETRY", "1").seed(&json!({ "users": [
        person("grace", json!({ "email": "grace@navy.example", "email_verified": true, "locale": "de-CH" })),
        person("bob", json!({ "email": "bob@typo.example", "email_verified": false })),
        person("carol", json!({})),
        person("odd", json!({ "email": "a@b.example, c@d.example", "email_verified": true })),
    ], "clients": [] }))
}

async fn realm() -> Fixture {
    setup().var("DEV_OUTBOX", "on").start().await
}

/// The mails that there are, once there are `n`: address, subject, text.
async fn mails(fixture: &Fixture, n: usize) -> Vec<(String, String, String)> {
    for _ in 0..200 {
        let rows = fixture.d1("SELECT * FROM dev_outbox ORDER BY at, id", &[]).await;
        if rows.len() >= n {
            let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
            return rows.iter().map(|row| (text(row, "to_address"), text(row, "subject"), text(row, "body"))).collect();
        }
        sleep(50).await;
    }
    panic!("no {n} mails");
}

/// Path and query of the link in a mail.
fn link(fixture: &Fixture, mail: &str) -> String {
    let line = mail.lines().find(|line| line.starts_with("http")).unwrap();
    line.strip_prefix(&fixture.a).unwrap().to_owned()
}

async fn asks(person: &Person, login: &str) -> Answer {
    let page = person.get("/reset").await;
    person.post("/reset", &[("form", &page.form()), ("login", login)]).await
}

async fn sets(person: &Person, link: &str, password: &str, everywhere: bool) -> Answer {
    let sealed = link.split_once("link=").unwrap().1;
    let mut fields = vec![("form", sealed), ("password", password)];
    if everywhere {
        fields.push(("everywhere", "1"));
    }
    person.post("/reset", &fields).await
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_once() {
    let fixture = realm().await;
    let device = Api::public(&fixture.a, "demo-device");
    let old = Person::new(&fixture.a);
    old.sign_in("grace", "compiler-no-1952").await;
    let tokens = device.signed_in(&old).await;
    // A notice of the new browser and one of the new device.
    let notices = mails(&fixture, 2).await;
    let person = Person::new(&fixture.a);
    assert!(person.get("/login").await.body.contains("href=\"/reset\""));
    let told = asks(&person, " GRACE ").await;
    assert!(told.status == 200 && told.body.contains("Look at your e-mail"), "{}", told.body);
    let all = mails(&fixture, notices.len() + 1).await;
    let (to, subject, body) = all.iter().find(|(_, _, body)| body.contains("/reset?link=")).unwrap();
    assert_eq!((to.as_str(), subject.contains("Choose a new password")), ("grace@navy.example", true));
    assert!(!old.cookies().is_empty() && body.contains("grace"));
    let path = link(&fixture, body);

    // Programs that read mails look at links, and at worst post nothing.
    for _ in 0..2 {
        let page = person.get(&path).await;
        assert!(page.status == 200 && page.body.contains("value=\"grace\""), "{}", page.body);
        assert_eq!((page.header("referrer-policy"), page.header("cache-control")), ("same-origin", "no-store"));
    }
    let weak = sets(&person, &path, "eleven-char", true).await;
    assert!(weak.status == 400 && weak.body.contains("At least 12 characters"), "{}", weak.body);
    assert_eq!(device.refresh(&tokens.member("refresh_token")).await.status, 200, "nothing has happened yet");

    assert_eq!(sets(&person, &path, NEW, true).await.status, 200);
    assert_eq!(old.get("/device").await.status, 303, "signed out");
    assert_eq!(device.refresh(&tokens.member("refresh_token")).await.error(), "invalid_grant");
    assert_eq!(person.try_sign_in("grace", "compiler-no-1952").await.status, 400);
    assert_eq!(person.try_sign_in("grace", NEW).await.status, 303);
    for again in [person.get(&path).await, sets(&person, &path, "another one of mine", true).await] {
        assert!(again.status == 400 && again.body.contains("does not work any more"), "{}", again.body);
    }
    let changes = fixture.d1("SELECT detail FROM audit_events WHERE kind = 'account_change'", &[]).await;
    assert_eq!(changes.len(), 1);
    assert!(changes[0]["detail"].as_str().unwrap().contains("password reset"));
}

#[tokio::test]
async fn who_is_not_to_be_signed_out_stays() {
    let fixture = realm().await;
    let device = Api::public(&fixture.a, "demo-device");
    let old = Person::ada(&fixture.a).await;
    let tokens = device.signed_in(&old).await;
    mails(&fixture, 2).await;
    asks(&Person::new(&fixture.a), ADA.0).await;
    let (_, _, body) = mails(&fixture, 3).await.into_iter().find(|(_, _, body)| body.contains("/reset?")).unwrap();
    assert_eq!(sets(&Person::new(&fixture.b), &link(&fixture, &body), NEW, false).await.status, 200);
    assert_eq!(device.refresh(&tokens.member("refresh_token")).await.status, 200);
    assert_eq!(old.get("/device").await.status, 200);
}

/// The same answer, and as much work, for whoever is asked for.
#[tokio::test]
async fn nobody_learns_who_has_an_account() {
    let fixture = realm().await;
    fixture.d1("UPDATE users SET enabled = 0 WHERE login = 'odd'", &[]).await;
    let person = Person::new(&fixture.a);
    let body = |answer: &Answer| {
        assert_eq!(answer.status, 200);
        answer.body.clone()
    };
    let known = body(&asks(&person, "grace").await);
    let mut costs = Vec::new();
    for login in [ADA.0, "bob", "carol", "odd", "nobody", "\u{7}", ""] {
        assert_eq!(body(&asks(&person, login).await), known, "{login}");
    }
    for line in fixture.logs().await {
        let line = &line["line"];
        if line["route"] == "reset" && line["method"] == "POST" {
            costs.push(line["cost"].clone());
        }
    }
    // Names that are none are no question; all others cost the same, but for what the first one sets up in the realm.
    assert_eq!(costs.len(), 8);
    assert!(costs[1..6].iter().all(|cost| *cost == costs[1]), "{costs:?}");
    let sent = mails(&fixture, 2).await;
    sleep(500).await;
    assert_eq!(mails(&fixture, 2).await.len(), sent.len());
    assert!(sent.iter().all(|(to, ..)| ["grace@navy.example", "ada@ada.example"].contains(&to.as_str())), "{sent:?}");
}

#[tokio::test]
async fn nobody_is_buried_in_mails() {
    let fixture = setup().var("DEV_OUTBOX", "on").var("MAIL_BUDGET", "2").start().await;
    let person = Person::new(&fixture.a);
    let first = asks(&person, "grace").await.body;
    for _ in 0..4 {
        assert_eq!(asks(&person, "grace").await.body, first, "and nobody sees that it was too much");
    }
    assert_eq!(asks(&person, ADA.0).await.body, first);
    mails(&fixture, 3).await;
    sleep(500).await;
    let to_grace = mails(&fixture, 3).await.iter().filter(|(to, ..)| to == "grace@navy.example").count();
    assert_eq!(to_grace, 2);
}

#[tokio::test]
async fn a_form_of_another_browser_or_site_sends_nothing() {
    let fixture = realm().await;
    let (person, other) = (Person::new(&fixture.a), Person::new(&fixture.a));
    let form = other.get("/reset").await.form();
    person.get("/reset").await;
    for form in [form.as_str(), "x", ""] {
        let answer = person.post("/reset", &[("form", form), ("login", "grace")]).await;
        assert!(answer.status == 400 && answer.body.contains("value=\"grace\""), "{}", answer.body);
    }
    let form = person.get("/reset").await.form();
    let request = person.request("POST", "/reset").header("sec-fetch-site", "cross-site");
    let answer = Api::send(request.form(&[("form", form.as_str()), ("login", "grace")])).await;
    assert_eq!(answer.status, 400);
    // A link is no form, and a form no link.
    assert_eq!(person.get(&format!("/reset?link={form}")).await.status, 400);
    assert_eq!(person.get(&format!("/verify?link={form}")).await.status, 400);
    sleep(500).await;
    assert!(fixture.d1("SELECT 1 FROM dev_outbox", &[]).await.is_empty());
}

#[tokio::test]
async fn of_20_parallel_uses_of_a_link_one_wins() {
    let fixture = realm().await;
    asks(&Person::new(&fixture.a), "grace").await;
    let path = link(&fixture, &mails(&fixture, 1).await[0].2);
    let uses = (0..20).map(|n| {
        let (person, path) = (Person::new(if n % 2 == 0 { &fixture.a } else { &fixture.b }), path.clone());
        tokio::spawn(async move { (n, sets(&person, &path, &format!("the new one of number {n}"), true).await.status) })
    });
    let mut winners = Vec::new();
    for one in uses.collect::<Vec<_>>() {
        let (n, status) = one.await.unwrap();
        assert!([200, 400].contains(&status));
        winners.extend((status == 200).then_some(n));
    }
    assert_eq!(winners.len(), 1);
    let password = format!("the new one of number {}", winners[0]);
    assert_eq!(Person::new(&fixture.a).try_sign_in("grace", &password).await.status, 303);
}

/// The answer of the database that is lost is no reason to say no, or to do it twice.
#[tokio::test]
async fn a_lost_answer_is_no_refusal() {
    let fixture = realm().await;
    asks(&Person::new(&fixture.a), "grace").await;
    let path = link(&fixture, &mails(&fixture, 1).await[0].2);
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "UPDATE users SET password")).await;
    assert_eq!(sets(&Person::new(&fixture.a), &path, NEW, false).await.status, 200);
    assert_eq!(fixture.disarm(Worker::A).await, 0);
    assert_eq!(fixture.d1("SELECT 1 FROM audit_events WHERE kind = 'account_change'", &[]).await.len(), 1);
}

#[tokio::test]
async fn an_administrator_has_links_sent() {
    let fixture = realm().await;
    let admin = Admin::ada(&fixture.a).await;
    let before = mails(&fixture, 1).await.len();
    let user = async |login: &str| admin.get(&format!("users?login={login}")).await.json()["items"][0].clone();
    let path = |user: &Value| format!("users/{}/mail", user["id"].as_str().unwrap());
    let (grace, bob, carol) = (user("grace").await, user("bob").await, user("carol").await);
    assert_problem("unknown", &admin.post(&path(&bob), &json!({ "about": "spam" })).await, 400, "invalid");
    for (user, about) in [(&grace, "verify"), (&bob, "reset"), (&carol, "verify"), (&carol, "reset")] {
        assert_problem(about, &admin.post(&path(user), &json!({ "about": about })).await, 409, "conflict");
    }
    assert_eq!(admin.post(&path(&grace), &json!({ "about": "reset" })).await.status, 204);
    let (_, subject, _) = mails(&fixture, before + 1).await.pop().unwrap();
    assert!(subject.starts_with("Neues Passwort"), "in her language: {subject}");
    assert_eq!(admin.post(&path(&bob), &json!({ "about": "verify" })).await.status, 204);
    let (to, _, body) = mails(&fixture, before + 2).await.into_iter().find(|(to, ..)| to == "bob@typo.example").unwrap();
    let (path, person) = (link(&fixture, &body), Person::new(&fixture.a));
    let page = person.get(&path).await;
    assert!(page.status == 200 && page.body.contains(&to), "{}", page.body);
    assert_eq!(user("bob").await["claims"]["email_verified"], false, "a look confirms nothing");
    assert_eq!(person.post("/verify", &[("form", &page.form())]).await.status, 200);
    assert_eq!(user("bob").await["claims"]["email_verified"], true);
    // Once; also when somebody takes it back.
    let etag = format!("\"{}\"", user("bob").await["version"]);
    let taken_back = json!({ "claims": { "email_verified": false } });
    assert_eq!(admin.patch(&format!("users/{}", bob["id"].as_str().unwrap()), &etag, &taken_back).await.status, 200);
    for again in [person.get(&path).await, person.post("/verify", &[("form", &page.form())]).await] {
        assert!(again.status == 400 && again.body.contains("does not work any more"), "{}", again.body);
    }
    assert_eq!(user("bob").await["claims"]["email_verified"], false);
}

#[tokio::test]
async fn a_notice_tells_of_what_is_new() {
    let fixture = realm().await;
    let person = Person::new(&fixture.a);
    person.sign_in("grace", "compiler-no-1952").await;
    let (to, subject, body) = mails(&fixture, 1).await.remove(0);
    assert_eq!((to.as_str(), subject.as_str()), ("grace@navy.example", "New sign-in to your account (Latchkey demo)"));
    assert!(body.contains("User name: grace") && body.contains(&format!("{}/account", fixture.a)), "{body}");
    let page = person.get("/logout").await;
    person.post("/logout", &[("form", &page.form()), ("action", "here")]).await;
    person.sign_in("grace", "compiler-no-1952").await;
    Person::new(&fixture.a).sign_in("bob", "compiler-no-1952").await;
    Api::public(&fixture.a, "demo-device").signed_in(&person).await;
    let all = mails(&fixture, 2).await;
    sleep(500).await;
    assert_eq!(mails(&fixture, 2).await.len(), 2, "not of a browser that was here, nor to whoever has no address");
    assert_eq!(all[1].1, "A device was connected to your account (Latchkey demo)");
    assert!(all[1].2.contains("The device: Demo device"), "{}", all[1].2);
    // They are to be seen, and their links can be followed.
    let page = person.get("/dev/outbox").await;
    assert!(page.status == 200 && page.body.contains("grace@navy.example") && page.body.contains("/account\">"), "{}", page.body);
}

#[tokio::test]
async fn where_no_mails_are_sent_there_is_nothing() {
    let fixture = Fixture::shared();
    let person = Person::new(&fixture.a);
    for path in ["/reset", "/verify?link=x", "/dev/outbox"] {
        assert_eq!(person.get(path).await.status, 404, "{path}");
    }
    assert!(!person.get("/login").await.body.contains("/reset"));
    let admin = Admin::ada(&fixture.a).await;
    let ada = admin.get("users?login=ada").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    assert_problem("off", &admin.post(&format!("users/{ada}/mail"), &json!({ "about": "reset" })).await, 409, "conflict");
}

/// By the platform, and again when it fails; never kept in the database.
#[tokio::test]
async fn the_binding_sends_what_is_to_be_sent() {
    let fixture = setup().var("MAIL_FROM", "id@latchkey.example").start().await;
    assert_eq!(Person::new(&fixture.a).get("/dev/outbox").await.status, 404);
    fixture.fault(Worker::A, &Fault::new("EMAIL", Mode::Before, "password")).await;
    asks(&Person::new(&fixture.b), "grace").await;
    for _ in 0..200 {
        let logs = fixture.logs().await;
        if let Some(mail) = logs.iter().find_map(|line| line["line"].get("mail")) {
            assert_eq!((mail["from"].as_str(), mail["to"].as_str()), (Some("id@latchkey.example"), Some("grace@navy.example")));
            let path = link(&fixture, mail["text"].as_str().unwrap());
            assert_eq!(sets(&Person::new(&fixture.a), &path, NEW, true).await.status, 200);
            let failed = logs.iter().find(|line| line["line"]["event"] == "mail" && line["line"]["level"] == "warning").unwrap();
            assert!(!failed.to_string().contains("navy"), "no address in the log: {failed}");
            assert!(fixture.d1("SELECT 1 FROM dev_outbox", &[]).await.is_empty());
            return;
        }
        sleep(50).await;
    }
    panic!("no mail: {:?}", fixture.logs().await);
}
