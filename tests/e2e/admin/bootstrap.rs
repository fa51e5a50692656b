//! The first administrator of a realm.

use serde_json::{Value, json};

use super::{Admin, assert_problem, cli};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{Answer, Person};

const SECRET: &str = "first-of-all-0123456789abcdef0123456789";

/// A realm without an administrator.
async fn new_realm() -> Fixture {
    let fixture = Setup::default().var("LATCHKEY_BOOTSTRAP", SECRET).start().await;
    fixture.d1("UPDATE users SET roles = '[]'", &[]).await;
    fixture.d1("DELETE FROM clients WHERE id = 'latchkey-cli'", &[]).await;
    fixture
}

async fn ask(base: &str, changes: &[(&str, &str)]) -> Answer {
    let mut body = json!({ "secret": SECRET, "login": "Root", "password": "correct horse battery" });
    for (name, value) in changes {
        body[*name] = (*value).into();
    }
    Admin::with(base, "").post("bootstrap", &body).await
}

async fn administrators(fixture: &Fixture) -> Vec<Value> {
    fixture.d1("SELECT id FROM users WHERE roles LIKE '%latchkey:admin%'", &[]).await
}

#[tokio::test]
async fn the_first_administrator_is_made_once_and_can_sign_in() {
    let fixture = new_realm().await;
    let base = &fixture.a;
    assert_problem("wrong secret", &ask(base, &[("secret", "x")]).await, 401, "unauthorized");
    let wrong = ask(base, &[("login", " "), ("password", "short")]).await;
    assert_eq!(assert_problem("faults", &wrong, 400, "invalid")["errors"].as_array().unwrap().len(), 2);
    assert_problem("a login that is taken", &ask(base, &[("login", "ada")]).await, 409, "conflict");
    assert_eq!(administrators(&fixture).await.len(), 0);

    let made = ask(base, &[]).await;
    assert_eq!((made.status, made.member("client_id").as_str(), made.member("login").as_str()), (201, "latchkey-cli", "root"));
    let person = Person::new(base);
    person.sign_in("root", "correct horse battery").await;
    let tokens = cli(base).tokens(&person, &[("scope", "openid latchkey:admin")]).await;
    assert_eq!(Admin::with(base, &tokens.member("access_token")).get("roles").await.status, 200);
    let events = fixture.d1("SELECT actor, subject FROM audit_events WHERE kind = 'admin_change'", &[]).await;
    assert_eq!(events, [json!({ "actor": "bootstrap", "subject": made.member("user_id") })]);

    assert_problem("again", &ask(&fixture.b, &[("login", "second")]).await, 409, "conflict");
    assert_eq!(fixture.kv("bootstrap").await.as_deref(), Some("1"));
    // Nothing but the mark is left by a backup from before.
    for sql in ["DELETE FROM bootstrap", "DELETE FROM users", "DELETE FROM logins"] {
        fixture.d1(sql, &[]).await;
    }
    assert_problem("a restored backup", &ask(base, &[]).await, 409, "conflict");
    assert_eq!(administrators(&fixture).await.len(), 0);
}

#[tokio::test]
async fn of_many_at_once_one_is_first() {
    let fixture = new_realm().await;
    let calls: Vec<_> = (0..40)
        .map(|number| {
            let base = if number % 2 == 0 { fixture.a.clone() } else { fixture.b.clone() };
            tokio::spawn(async move { ask(&base, &[("login", &format!("root-{number}"))]).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, &[409; 39][..]));
    assert_eq!(administrators(&fixture).await.len(), 1);
    assert_eq!(fixture.d1("SELECT 1 FROM logins WHERE login LIKE 'root-%'", &[]).await.len(), 1);
}

#[tokio::test]
async fn an_administrator_of_whatever_origin_closes_it_and_no_setting_is_no_door() {
    let fixture = Setup::default().var("LATCHKEY_BOOTSTRAP", SECRET).start().await;
    assert_problem("ada is one", &ask(&fixture.a, &[]).await, 409, "conflict");
    assert_eq!(fixture.d1("SELECT 1 FROM bootstrap", &[]).await.len(), 0);
    let shut = Fixture::shared();
    assert_problem("no setting", &ask(&shut.a, &[]).await, 404, "not_found");
    assert_problem("not even an empty one", &ask(&shut.a, &[("secret", "")]).await, 404, "not_found");
}

#[tokio::test]
async fn a_lost_answer_is_no_second_administrator() {
    let fixture = new_realm().await;
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "INSERT INTO bootstrap")).await;
    assert_eq!(ask(&fixture.a, &[]).await.status, 201);
    assert_eq!(fixture.disarm(Worker::A).await, 0);
    assert_eq!(administrators(&fixture).await.len(), 1);
    // The mark was lost with KV; the row closes it still, and the cron that purges puts it there again.
    fixture.set_kv("bootstrap", None).await;
    assert_problem("the row", &ask(&fixture.b, &[("login", "second")]).await, 409, "conflict");
    fixture.cron(Worker::A).await;
    assert_eq!(fixture.kv("bootstrap").await.as_deref(), Some("1"));
}
