//! Users, their roles, passwords and sign-out; and the last administrator.

use serde_json::{Value, json};

use super::{Admin, assert_problem, last_change, token};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{ADA, Api, Person};

const PASSWORD: &str = "a password of the test";

async fn made(admin: &Admin, login: &str, roles: &[&str]) -> Value {
    let body = json!({ "login": login, "password": PASSWORD, "claims": { "name": login }, "roles": roles });
    let made = admin.post("users", &body).await;
    assert_eq!((made.status, made.header("etag")), (201, "\"1\""), "{}", made.body);
    made.json()
}

fn id(user: &Value) -> &str {
    user["id"].as_str().unwrap()
}

async fn signs_in(base: &str, login: &str, password: &str) -> bool {
    Person::new(base).try_sign_in(login, password).await.status == 303
}

#[tokio::test]
async fn a_user_is_made_changed_and_deleted() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let user = made(&admin, " Mary ", &["nurse"]).await;
    assert_eq!((&user["login"], &user["roles"], &user["enabled"]), (&json!("mary"), &json!(["nurse"]), &json!(true)));
    assert!(!user.to_string().contains("argon2") && !user.to_string().contains(PASSWORD));
    assert_eq!(last_change(&fixture, id(&user)).await["action"], "user.create");
    assert!(signs_in(&fixture.b, "mary", PASSWORD).await);
    let again = admin.post("users", &json!({ "login": "MARY", "password": PASSWORD })).await;
    assert_problem("the login is taken", &again, 409, "conflict");

    let place = format!("users/{}", id(&user));
    let patch = json!({ "login": "mary.s", "claims": { "name": null, "email": "mary@clinic.example" }, "roles": [] });
    let changed = admin.patch(&place, "\"1\"", &patch).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{}", changed.body);
    assert_eq!(changed.json()["claims"], json!({ "email": "mary@clinic.example" }));
    let change = last_change(&fixture, id(&user)).await;
    assert_eq!(change, json!({ "action": "user.patch", "id": id(&user), "fields": ["claims", "login", "roles"] }));
    assert!(!signs_in(&fixture.a, "mary", PASSWORD).await);
    assert!(signs_in(&fixture.a, "mary.s", PASSWORD).await);
    assert_problem("stale", &admin.patch(&place, "\"1\"", &json!({ "enabled": false })).await, 412, "stale");
    // The old login is free, and what was not done has reserved none.
    made(&admin, "mary", &[]).await;
    let taken = admin.patch(&place, "\"2\"", &json!({ "login": "mary" })).await;
    assert_problem("another's login", &taken, 409, "conflict");
    assert_eq!(
        fixture.d1("SELECT login FROM logins WHERE user_id = ?1", &[user["id"].clone()]).await,
        [json!({"login": "mary.s"})]
    );

    assert_eq!(admin.patch(&place, "\"2\"", &json!({ "enabled": false })).await.status, 200);
    assert!(!signs_in(&fixture.a, "mary.s", PASSWORD).await);
    assert_eq!(admin.delete(&place).await.status, 204);
    assert_problem("gone", &admin.get(&place).await, 404, "not_found");
    assert_eq!(fixture.d1("SELECT 1 FROM logins WHERE login = 'mary.s'", &[]).await.len(), 0);
    assert_problem("no id", &admin.get("users/nobody").await, 404, "not_found");
}

#[tokio::test]
async fn all_that_is_wrong_is_listed_and_nothing_is_left() {
    let fixture = Fixture::shared();
    let admin = Admin::ada(&fixture.a).await;
    let before = fixture.stored().await;
    let body = json!({ "login": "\u{7}", "password": "short", "claims": { "nmae": "x" }, "roles": ["a b"] });
    let answer = admin.post("users", &body).await;
    let problem = assert_problem("faults", &answer, 400, "invalid");
    let pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/claims", "/login", "/roles", "/password"]);
    assert!(!answer.body.contains("short"));
    let unknown = admin.post("users", &json!({ "login": "x", "pasword": "y", "admin": true })).await;
    let problem = assert_problem("unknown members", &unknown, 400, "unknown_field");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2);
    assert_problem("a wrong type", &admin.post("users", &json!({ "login": 1 })).await, 400, "invalid");
    fixture.assert_unchanged(before).await;
}

#[tokio::test]
async fn users_are_found_by_login_and_its_beginning() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    for login in ["ward-1", "ward-2", "ward-3", "office"] {
        made(&admin, login, &[]).await;
    }
    let logins = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|user| user["login"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(logins(&admin.get("users?login=WARD-2").await.json()), ["ward-2"]);
    assert_eq!(logins(&admin.get("users?login=ward").await.json()), [""; 0]);
    let first = admin.get("users?q=Ward&limit=2").await.json();
    assert_eq!(logins(&first), ["ward-1", "ward-2"]);
    let rest = admin.get(&format!("users?q=ward&limit=2&after={}", first["next"].as_str().unwrap())).await.json();
    assert_eq!((logins(&rest), &rest["next"]), (vec!["ward-3".to_owned()], &Value::Null));
    assert_eq!(logins(&admin.get("users?q=%25").await.json()), [""; 0]);
}

#[tokio::test]
async fn a_new_password_and_a_sign_out_end_what_was() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let user = made(&admin, "grace", &[]).await;
    let path = |what: &str| format!("users/{}/{what}", id(&user));
    let device = Api::public(&fixture.a, "demo-device");
    let signed_in = async |password: &str| {
        let person = Person::new(&fixture.a);
        assert_eq!(person.try_sign_in("grace", password).await.status, 303);
        device.signed_in(&person).await.member("refresh_token")
    };
    let other = "another password of the test";
    let first = signed_in(PASSWORD).await;
    assert_eq!(admin.post(&path("password"), &json!({ "password": other, "sign_out": false })).await.status, 204);
    assert!(!signs_in(&fixture.a, "grace", PASSWORD).await);
    assert!(device.refresh(&first).await.is_granted(), "signed in devices stay when that is asked");
    let second = signed_in(other).await;
    assert_eq!(admin.post(&path("password"), &json!({ "password": PASSWORD })).await.status, 204);
    assert_eq!(device.refresh(&second).await.json()["error"], "invalid_grant");
    let third = signed_in(PASSWORD).await;
    assert_eq!(admin.post(&path("sign-out"), &json!({})).await.status, 204);
    assert_eq!(device.refresh(&third).await.json()["error"], "invalid_grant");
    assert_eq!(admin.get(&path("sessions")).await.json()["items"], json!([]));
    assert_eq!(last_change(&fixture, id(&user)).await["action"], "user.sign_out");
    assert_problem("short", &admin.post(&path("password"), &json!({ "password": "eleven-char" })).await, 400, "invalid");
}

/// Whoever may change users must not become an administrator by it, nor take an administrator's account.
#[tokio::test]
async fn who_changes_users_is_no_administrator_by_it() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    made(&admin, "clerk", &["latchkey:users"]).await;
    let clerk = Person::new(&fixture.a);
    assert_eq!(clerk.try_sign_in("clerk", PASSWORD).await.status, 303);
    let tokens = super::cli(&fixture.a).tokens(&clerk, &[("scope", "openid latchkey:users latchkey:admin")]).await;
    let clerk = Admin::with(&fixture.a, &tokens.member("access_token"));
    let user = made(&clerk, "nurse", &["nurse"]).await;
    let more = json!({ "roles": ["latchkey:admin"] });
    let refused = clerk.patch(&format!("users/{}", id(&user)), "\"1\"", &more).await;
    assert_problem("to make an administrator", &refused, 403, "insufficient_scope");
    let refused = clerk.post("users", &json!({ "login": "mallory", "roles": ["latchkey:keys"] })).await;
    assert_problem("to make one anew", &refused, 403, "insufficient_scope");
    let ada = admin.get("users?login=ada").await.json()["items"][0].clone();
    let path = format!("users/{}", id(&ada));
    let refused = clerk.post(&format!("{path}/password"), &json!({ "password": PASSWORD })).await;
    assert_problem("an administrator's password", &refused, 403, "insufficient_scope");
    let email = json!({ "claims": { "email": "mallory@evil.example" } });
    assert_problem("an address", &clerk.patch(&path, "\"1\"", &email).await, 403, "insufficient_scope");
    assert_problem("away with her", &clerk.delete(&path).await, 403, "insufficient_scope");
    assert!(signs_in(&fixture.a, ADA.0, ADA.1).await);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let ada = admin.get("users?login=ada").await.json()["items"][0].clone();
    let path = format!("users/{}", id(&ada));
    let last = |what: &str, answer: &crate::support::Answer| drop(assert_problem(what, answer, 409, "last_administrator"));
    last("deleted", &admin.delete(&path).await);
    last("disabled", &admin.patch(&path, "\"1\"", &json!({ "enabled": false })).await);
    last("without the role", &admin.patch(&path, "\"1\"", &json!({ "roles": [] })).await);
    // Nor with another login in the same change.
    last("renamed too", &admin.patch(&path, "\"1\"", &json!({ "roles": [], "login": "eve" })).await);
    assert_eq!(fixture.d1("SELECT login FROM logins WHERE user_id = ?1", &[ada["id"].clone()]).await, [json!({"login": "ada"})]);
    assert_eq!(admin.patch(&path, "\"1\"", &json!({ "login": "ada.l" })).await.status, 200);
    // A disabled one is none.
    let other = made(&admin, "other", &["latchkey:admin"]).await;
    let disabled = admin.patch(&format!("users/{}", id(&other)), "\"1\"", &json!({ "enabled": false })).await;
    assert_eq!(disabled.status, 200);
    last("the other is disabled", &admin.delete(&path).await);
}

/// However many take each other's role away at once, one stays.
#[tokio::test]
async fn of_forty_at_once_one_administrator_stays() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let service = Api::basic(&fixture.a, "demo-operator", "demo-operator-secret-0123456789abcdef");
    let operator = service.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    let operator = Admin::with(&fixture.a, &operator);
    let mut paths = vec![format!("users/{}", id(&admin.get("users?login=ada").await.json()["items"][0]))];
    for number in 0..39 {
        paths.push(format!("users/{}", id(&made(&admin, &format!("admin-{number}"), &["latchkey:admin"]).await)));
    }
    let tasks: Vec<_> = paths
        .into_iter()
        .enumerate()
        .map(|(number, path)| {
            let operator = if number % 2 == 0 { operator.clone() } else { operator.at(&fixture.b) };
            tokio::spawn(async move {
                if number % 3 == 0 {
                    operator.delete(&path).await
                } else {
                    operator.patch(&path, "\"1\"", &json!({ "roles": [] })).await
                }
            })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        assert!([200, 204, 409].contains(&answer.status), "{}", answer.body);
        refused += i32::from(answer.status == 409);
    }
    assert_eq!(refused, 1);
    let left = fixture.d1("SELECT 1 FROM users WHERE enabled = 1 AND roles LIKE '%\"latchkey:admin\"%'", &[]).await;
    assert_eq!(left.len(), 1);
}

/// An answer that got lost is answered as what was done, and noted once.
#[tokio::test]
async fn a_lost_answer_is_no_refusal() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let user = made(&admin, "lost", &[]).await;
    let path = format!("users/{}", id(&user));
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "UPDATE users SET login")).await;
    let changed = admin.patch(&path, "\"1\"", &json!({ "login": "found", "roles": ["nurse"] })).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{}", changed.body);
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "UPDATE users SET password")).await;
    assert_eq!(admin.post(&format!("{path}/password"), &json!({ "password": "one more of the test" })).await.status, 204);
    assert!(signs_in(&fixture.a, "found", "one more of the test").await);
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "DELETE FROM users")).await;
    assert_eq!(admin.delete(&path).await.status, 204);
    let sql = "SELECT COUNT(*) AS n FROM audit_events WHERE kind = 'admin_change' AND subject = ?1";
    assert_eq!(fixture.d1(sql, &[user["id"].clone()]).await[0]["n"], 5);
    assert_eq!(fixture.disarm(Worker::A).await, 0);
    let reader = Admin::with(&fixture.a, &token(&fixture.a, "openid latchkey:grants").await);
    assert_problem("another scope", &reader.get("users").await, 403, "insufficient_scope");
}

/// Somebody else's change in between is never taken for our own.
#[tokio::test]
async fn a_password_that_was_not_set_is_not_said_to_be() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let user = made(&admin, "raced", &[]).await;
    let place = format!("users/{}", id(&user));
    fixture.fault(Worker::A, &Fault::new("DB", Mode::Slow(1500), "UPDATE users SET password")).await;
    let (setting, there) = (admin.clone(), admin.at(&fixture.b));
    let path = format!("{place}/password");
    let late = tokio::spawn(async move { setting.post(&path, &json!({ "password": "one more of the test" })).await });
    crate::support::sleep(700).await;
    assert_eq!(there.patch(&place, "\"1\"", &json!({ "roles": ["nurse"] })).await.status, 200);
    assert_problem("changed meanwhile", &late.await.unwrap(), 409, "conflict");
    assert_eq!(fixture.disarm(Worker::A).await, 0);
    assert!(signs_in(&fixture.a, "raced", PASSWORD).await);
}

/// A user whom a seed tool of the version before wrote has no login in the row of the user.
#[tokio::test]
async fn a_login_is_found_where_only_the_logins_have_it() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let user = made(&admin, "old", &[]).await;
    fixture.d1("UPDATE users SET login = '' WHERE id = ?1", &[user["id"].clone()]).await;
    let place = format!("users/{}", id(&user));
    assert_eq!(admin.get(&place).await.json()["login"], "old");
    assert_eq!(admin.patch(&place, "\"1\"", &json!({ "login": "new" })).await.status, 200);
    assert_eq!(fixture.d1("SELECT login FROM logins WHERE user_id = ?1", &[user["id"].clone()]).await, [json!({"login": "new"})]);
}
