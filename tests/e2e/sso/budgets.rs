//! What a sign-in costs, by the Worker's own count (`cost` in its log lines).

use serde_json::{Value, json};

use super::{At, asked, at, setup, sign_in_beside, sign_in_on, signed_in, tokens_of, user_id};
use crate::harness::{Fixture, Worker};
use crate::support::{Answer, Person, sleep};
use crate::web::App;

/// Log lines since a mark.
struct Count<'a> {
    fixture: &'a Fixture,
    from: usize,
}

impl<'a> Count<'a> {
    async fn begin(fixture: &'a Fixture) -> Self {
        Self { fixture, from: fixture.logs().await.len() }
    }

    async fn lines(&self) -> Vec<Value> {
        let lines = self.fixture.logs().await.split_off(self.from);
        lines.into_iter().map(|entry| entry["line"].clone()).filter(|line| line["cost"].is_object()).collect()
    }
}

/// A cost of all these lines together.
fn sum(lines: &[Value], what: &str) -> i64 {
    lines.iter().map(|line| line["cost"][what].as_i64().unwrap()).sum()
}

/// The one line of a request.
async fn one_line(count: &Count<'_>, route: &str) -> Value {
    let lines = count.lines().await;
    assert!(lines.len() == 1 && lines[0]["route"] == route, "{lines:?}");
    lines[0].clone()
}

/// Everything that has an end is made to have ended long ago, then the cron runs; the rows that it writes.
async fn purged(fixture: &Fixture) -> i64 {
    let days = json!(400_i64 * 86_400_000);
    for sql in [
        "UPDATE redemptions SET expires_at = expires_at - ?1",
        "UPDATE grants SET expires_at = expires_at - 3 * ?1",
        "UPDATE sessions SET auth_time = auth_time - ?1, seen_at = seen_at - ?1",
        "UPDATE pushed_requests SET created_at = created_at - ?1",
    ] {
        fixture.d1(sql, std::slice::from_ref(&days)).await;
    }
    // A seal is a row for all events of a minute, and of no sign-in.
    fixture.d1("DELETE FROM audit_events", &[]).await;
    let count = Count::begin(fixture).await;
    fixture.cron(Worker::A).await;
    let lines = count.lines().await;
    assert!(!lines.is_empty() && lines.iter().all(|line| line["event"] == "cron" && line["level"] == "info"), "{lines:?}");
    for table in ["redemptions", "grants", "sessions", "pushed_requests"] {
        assert_eq!(fixture.d1(&format!("SELECT * FROM {table}"), &[]).await.len(), 0, "{table} was not collected");
    }
    sum(&lines, "rows")
}

/// The sign-in of a returning user at this Worker: authorize, then token; with the rows of both.
async fn returning(fixture: &Fixture, person: &Person, app: &App, changes: &[(&str, &str)], trips: [i64; 2]) -> (Answer, i64) {
    let count = Count::begin(fixture).await;
    let answer = person.get(&app.path(changes)).await;
    assert_eq!(at(&answer), At::Back, "{}", answer.body);
    let authorize = one_line(&count, "authorize").await;
    assert!((1..=trips[0]).contains(&sum(std::slice::from_ref(&authorize), "d1_trips")), "{authorize}");
    let count = Count::begin(fixture).await;
    let tokens = app.redeem(&app.returned(&answer)["code"]).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    let token = one_line(&count, "token").await;
    assert!((1..=trips[1]).contains(&sum(std::slice::from_ref(&token), "d1_trips")), "{token}");
    let both = [authorize, token];
    assert_eq!(sum(&both, "objects") + sum(&both, "outbound"), 0, "{both:?}");
    (tokens, sum(&both, "rows"))
}

/// Issue 3, "Budgets": a returning user costs at most 2 D1 round trips at `/authorize` (1 with a client that is
/// remembered), 2 at `/token`, and 2 rows with the purge; a first sign-in 6 rows with the
/// purge, for it is noted in the audit log since.
#[tokio::test]
async fn sign_ins_stay_within_their_budgets() {
    let fixture = &setup().var_of_b("CLIENT_CACHE", "1").start().await;
    let app = App::web(&fixture.a, "counted");
    // Signing keys and whatever else a realm makes once are there, and the cron has done with them.
    let warm = signed_in(&fixture.a, "frank").await;
    for base in [&fixture.a, &fixture.b] {
        let (app, mut at_base) = (app.at(base), warm.clone());
        at_base.base.clone_from(base);
        tokens_of(&at_base, &app, asked(&at_base, &app, &[]).await).await;
    }
    fixture.cron(Worker::A).await;
    purged(fixture).await;

    // The first sign-in, password and consent included.
    let count = Count::begin(fixture).await;
    let person = Person::new(&fixture.a);
    let page = asked(&person, &app, &[]).await;
    let page = sign_in_on(&person, &page, "grace").await;
    assert_eq!(at(&page), At::Consent);
    let tokens = tokens_of(&person, &app, page).await;
    let lines = count.lines().await;
    let routes: Vec<&str> = lines.iter().map(|line| line["route"].as_str().unwrap()).collect();
    assert_eq!(routes, ["authorize", "login", "login", "authorize", "consent", "consent", "token"]);
    let first = sum(&lines, "rows");
    assert_eq!(app.api.userinfo(&tokens.member("access_token")).await.status, 200);
    let collected = purged(fixture).await;
    assert!(
        first > 0 && collected > 0 && first + collected <= 6,
        "a first sign-in: {first} rows and {collected} purged: {lines:?}"
    );

    // A returning user with a session and a remembered consent.
    let person = signed_in(&fixture.a, "grace").await;
    let user = user_id(fixture, "grace").await;
    let mut written = 0;
    for _ in 0..4 {
        written += returning(fixture, &person, &app, &[], [1, 2]).await.1;
    }
    assert_eq!(written, 4, "one row each");
    // A session that has not been noted for a while is one row more, once.
    let sql = "UPDATE sessions SET seen_at = seen_at - 301000 WHERE user_id = ?1 RETURNING id";
    assert_eq!(fixture.d1(sql, &[user.into()]).await.len(), 1);
    assert_eq!(returning(fixture, &person, &app, &[], [1, 2]).await.1, 2);
    // Where the client is read anew, at the Worker that remembers none for longer than a second: one trip more.
    sleep(1050).await;
    let (mut at_b, app_b) = (person.clone(), app.at(&fixture.b));
    at_b.base.clone_from(&fixture.b);
    assert_eq!(returning(fixture, &at_b, &app_b, &[], [2, 2]).await.1, 1);
    // The same with other accounts beside, and with a hint that names the account.
    sign_in_beside(&person, "hedy").await;
    sign_in_beside(&person, "ida").await;
    let hint = tokens.member("id_token");
    let changes = [("id_token_hint", hint.as_str()), ("prompt", "none")];
    assert_eq!(returning(fixture, &person, &app, &changes, [1, 2]).await.1, 1);
    // By a pushed request: it is read once and deleted, which is two trips more and a row.
    let parameters = app.parameters(&[("client_id", ""), changes[0], changes[1]]);
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let pushed = app.api.post("/par", &parameters).await;
    let changes = [("request_uri", &*pushed.member("request_uri"))];
    assert_eq!(returning(fixture, &person, &app, &changes, [3, 2]).await.1, 2);
    // So far 8 redemptions, and 3 sessions: each goes with one row.
    assert_eq!(fixture.d1("SELECT id FROM redemptions", &[]).await.len(), 8);
    assert_eq!(purged(fixture).await, 11, "one row for each");

    // A refresh token instead: the grant's row, of a client that needs no consent.
    let trusted = App::web(&fixture.a, "trusted");
    let person = signed_in(&fixture.a, "grace").await;
    assert_eq!(at(&asked(&person, &trusted, &[]).await), At::Back, "the client is remembered now");
    let (tokens, rows) = returning(fixture, &person, &trusted, &[("scope", "openid offline_access")], [1, 2]).await;
    assert!(tokens.json().get("refresh_token").is_some());
    assert_eq!((rows, purged(fixture).await), (1, 2), "the grant, and the session of above");
}
