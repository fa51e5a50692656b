//! The start page's list of apps, and `Disconnect`.

use super::{At, asked, at, consent_of, fixture, signed_in, tokens_of, userinfo};
use crate::harness::Fixture;
use crate::support::{Answer, Person};
use crate::web::App;

/// The apps on the start page, with the form that disconnects each.
async fn apps(person: &Person) -> Vec<(String, String)> {
    let page = person.get("/").await;
    let lines = page.body.split("<li>").skip(1).filter(|line| line.contains("action=\"/apps/end\""));
    let between = |line: &str, before: &str, after: &str| {
        let rest = line.split_once(before).unwrap().1;
        rest.split_once(after).unwrap().0.to_owned()
    };
    lines.map(|line| (between(line, "<strong><bdi>", "</bdi>"), between(line, "name=\"form\" value=\"", "\""))).collect()
}

/// Presses `Disconnect`.
async fn disconnect(person: &Person, name: &str) {
    let apps = apps(person).await;
    let (_, form) = apps.iter().find(|(app, _)| app == name).unwrap();
    let answer = person.post("/apps/end", &[("form", form)]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
}

const OFFLINE: [(&str, &str); 2] = [("scope", "openid offline_access"), ("prompt", "consent")];

async fn offline(person: &Person, app: &App) -> Answer {
    tokens_of(person, app, asked(person, app, &OFFLINE).await).await
}

async fn rows(fixture: &Fixture, table: &str, client: &str) -> usize {
    fixture.d1(&format!("SELECT id FROM {table} WHERE client_id = ?1"), &[client.into()]).await.len()
}

/// Issue 3: 20 sign-ins of one app show as one app, and `Disconnect` ends all of them and what was said to it:
/// refresh, userinfo and codes under way are refused, and the next sign-in asks again. Nobody else notices.
#[tokio::test]
async fn twenty_sign_ins_are_one_app_and_disconnect_ends_them() {
    let fixture = fixture();
    let (twenty, other) = (App::web(&fixture.a, "twenty"), App::web(&fixture.a, "other"));
    let (person, bystander) = (signed_in(&fixture.a, "guido").await, signed_in(&fixture.a, "larry").await);
    let elsewhere = signed_in(&fixture.b, "guido").await;
    let (mut staying, mut passing) = (Vec::new(), Vec::new());
    for number in 0..10 {
        let browser = if number % 2 == 0 { &person } else { &elsewhere };
        staying.push(offline(browser, &twenty).await);
        passing.push(tokens_of(browser, &twenty, asked(browser, &twenty, &[]).await).await);
    }
    assert_eq!((rows(fixture, "grants", "twenty").await, rows(fixture, "redemptions", "twenty").await), (10, 10));
    let theirs = offline(&bystander, &twenty).await;
    let others = offline(&person, &other).await;
    let names = async |person: &Person| apps(person).await.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&person).await, ["Client other", "Client twenty"]);
    assert_eq!(names(&elsewhere).await, ["Client other", "Client twenty"]);
    let code = super::back(&person, &twenty, asked(&person, &twenty, &[]).await).await["code"].clone();

    disconnect(&person, "Client twenty").await;
    assert_eq!(names(&person).await, ["Client other"]);
    for tokens in &staying {
        let refused = twenty.api.refresh(&tokens.member("refresh_token")).await;
        assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_grant"), "{}", refused.body);
    }
    for tokens in staying.iter().chain(&passing) {
        assert_eq!(userinfo(&twenty, tokens).await, 401);
    }
    assert_eq!(twenty.redeem(&code).await.error(), "invalid_grant", "a code that was under way");
    // Of others nothing ended.
    assert!(twenty.api.refresh(&theirs.member("refresh_token")).await.is_granted());
    assert_eq!(names(&bystander).await, ["Client twenty"]);
    assert!(other.api.refresh(&others.member("refresh_token")).await.is_granted());
    assert_eq!(userinfo(&other, &others).await, 200);
    // The person is still signed in, and is asked anew, at every browser.
    assert_eq!(twenty.returned(&asked(&person, &twenty, &[("prompt", "none")]).await)["error"], "consent_required");
    assert_eq!(at(&asked(&elsewhere, &twenty, &[]).await), At::Consent);
    let again = offline(&person, &twenty).await;
    assert!(twenty.api.refresh(&again.member("refresh_token")).await.is_granted());
    assert_eq!(names(&person).await, ["Client other", "Client twenty"]);
    assert_eq!(userinfo(&twenty, &staying[0]).await, 401, "what ended stays ended");
}

/// A consent that was withdrawn by other means (an administrator, a newer version) is asked again, and its own
/// tokens end, but nobody else's.
#[tokio::test]
async fn a_withdrawn_consent_is_asked_again() {
    let fixture = fixture();
    let (app, person) = (App::web(&fixture.a, "withdrawn"), signed_in(&fixture.a, "linus").await);
    let tokens = offline(&person, &app).await;
    assert_eq!(at(&asked(&person, &app, &[]).await), At::Back);
    let user = super::user_id(fixture, "linus").await;
    let sql =
        "UPDATE consents SET withdrawn_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE user_id = ?1 RETURNING choice";
    assert_eq!(fixture.d1(sql, &[user.into()]).await.len(), 1);
    assert_eq!(app.api.refresh(&tokens.member("refresh_token")).await.error(), "invalid_grant");
    assert_eq!(userinfo(&app, &tokens).await, 401);
    assert!(apps(&person).await.iter().all(|(name, _)| name != "Client withdrawn"), "what is void is not listed");
    let page = asked(&person, &app, &[]).await;
    assert_eq!(at(&page), At::Consent);
    let tokens = tokens_of(&person, &app, page).await;
    assert_eq!(userinfo(&app, &tokens).await, 200);
    assert_eq!(at(&asked(&person, &app, &[("prompt", "none")]).await), At::Back, "and remembered again");
    assert!(consent_of(fixture, "linus", "withdrawn").await.unwrap()["given_at"].as_i64() > Some(0));
}
