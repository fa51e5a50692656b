//! Idle and absolute lifetimes by their settings. Rows are aged instead of the clock.

use serde_json::json;

use super::{At, asked, at, name_of, setup, signed_in, tokens_of, user_id, userinfo};
use crate::web::App;

/// `SESSION_IDLE` and `SESSION_ABSOLUTE`; a short idle time is noted often enough to never end a session in use.
/// What ended is over everywhere: at `/authorize`, for a code under way, and at userinfo.
#[tokio::test]
async fn sessions_end_by_their_settings() {
    let fixture = &setup().var("SESSION_IDLE", "60").var("SESSION_ABSOLUTE", "3600").start().await;
    let (one, two) = (App::web(&fixture.a, "one"), App::web(&fixture.b, "two"));
    let user = user_id(fixture, "alan").await;
    let age = async |column: &str, seconds: i64| {
        let now = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
        let sql = format!("UPDATE sessions SET {column} = {now} - ?2 WHERE user_id = ?1 RETURNING {column} AS at");
        let rows = fixture.d1(&sql, &[user.as_str().into(), json!(seconds * 1000)]).await;
        assert_eq!(rows.len(), 1);
        rows[0]["at"].as_i64().unwrap()
    };
    let seen = async || fixture.d1("SELECT seen_at FROM sessions", &[]).await[0]["seen_at"].as_i64().unwrap();
    for (column, alive, dead) in [("seen_at", 58, 60), ("auth_time", 3598, 3600)] {
        let person = signed_in(&fixture.a, "alan").await;
        let answer = person.get("/login").await;
        assert_eq!(answer.header("location"), "/", "signed in: nothing to do there");
        for app in [&one, &two] {
            tokens_of(&person, app, asked(&person, app, &[]).await).await;
        }
        let tokens = tokens_of(&person, &one, asked(&person, &one, &[]).await).await;
        let offline =
            tokens_of(&person, &one, asked(&person, &one, &[("scope", "openid offline_access"), ("prompt", "consent")]).await)
                .await;
        let code = super::back(&person, &one, asked(&person, &one, &[]).await).await["code"].clone();
        age(column, alive).await;
        assert_eq!(userinfo(&one, &tokens).await, 200, "{column}");
        assert_eq!(at(&asked(&person, &two, &[("prompt", "none")]).await), At::Back, "{column}");
        let aged = age(column, dead).await;
        let refused = two.returned(&asked(&person, &two, &[("prompt", "none")]).await);
        assert_eq!(refused["error"], "login_required", "{column}");
        assert_eq!(at(&asked(&person, &one, &[]).await), At::Login, "{column}");
        assert_eq!(one.redeem(&code).await.error(), "invalid_grant", "{column}: a code of a dead session");
        assert_eq!(userinfo(&one, &tokens).await, 401, "{column}");
        assert_eq!(name_of(&person).await, None);
        assert!(userinfo(&one, &offline).await == 200 && one.api.refresh(&offline.member("refresh_token")).await.is_granted());
        if column == "seen_at" {
            assert_eq!(seen().await, aged, "the dead are not woken up");
        }
        fixture.d1("DELETE FROM sessions", &[]).await;
    }
    // SESSION_TOUCH is 300 s, but half the idle time counts where that is less.
    let person = signed_in(&fixture.a, "alan").await;
    let aged = age("seen_at", 28).await;
    assert!(name_of(&person).await.is_some() && seen().await == aged);
    let aged = age("seen_at", 30).await;
    assert!(name_of(&person).await.is_some() && seen().await > aged + 29_000);
    // The cookie lives as long as the session can.
    let page = person.get("/logout").await.form();
    person.post("/logout", &[("form", &page)]).await;
    let answer = person.try_sign_in("alan", super::PASSWORD).await;
    let cookie = answer.cookies().into_iter().find(|cookie| cookie.starts_with("session=")).unwrap();
    assert!(cookie.ends_with("; Max-Age=3600"), "{cookie}");
}
