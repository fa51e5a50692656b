//! Sessions: how long they live, what ends them, and signing out.

use serde_json::json;

use super::{PASSWORD, fixture, is_signed_in, sessions, signed_in, user_id, with_cookies};
use crate::support::{Answer, Api, Person};
use crate::web::App;

/// A link signs nobody out; a form of this browser does, here or everywhere.
#[tokio::test]
async fn signing_out_needs_a_confirmation() {
    let fixture = fixture();
    let (here, there) = (signed_in(&fixture.a, "grace").await, signed_in(&fixture.b, "grace").await);
    let before = sessions(fixture, "grace").await;
    let device = Api::demo(&fixture.a).signed_in(&there).await;
    let app = App::demo(&fixture.a);
    let offline = [("scope", "openid offline_access"), ("prompt", "consent")];
    let (passing, staying) = (app.tokens(&here, &[]).await, app.tokens(&here, &offline).await);
    let theirs = app.tokens(&there, &[]).await;
    for method in ["GET", "HEAD"] {
        let answer = Api::send(here.request(method, "/logout?action=everywhere&form=x")).await;
        assert_eq!(answer.status, 200);
    }
    let form = here.get("/logout").await.form();
    let strange = there.get("/logout").await.form();
    for form in ["", "x", &strange] {
        let answer = here.post("/logout", &[("form", form), ("action", "everywhere")]).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains("This page was open too long."), "{}", answer.body);
    }
    for site in ["cross-site", "same-site"] {
        let request = here.request("POST", "/logout").header("sec-fetch-site", site).form(&[("form", &form)]);
        assert_eq!(Api::send(request).await.status, 400);
    }
    assert!(is_signed_in(&here).await && is_signed_in(&there).await);
    assert_eq!(sessions(fixture, "grace").await, before);

    // Here: this session only, and its cookie is of no use to who kept it.
    let kept = here.cookies();
    here.get("/device?user_code=BCDF-GHJK").await;
    assert!(here.cookie("user_code").is_some());
    let answer = here.post("/logout", &[("form", &form), ("action", "here")]).await;
    assert!(answer.status == 200 && answer.body.contains("You are signed out"), "{}", answer.body);
    assert!(here.cookie("session").is_none() && here.cookie("user_code").is_none());
    assert!(here.cookie("known").is_some(), "a browser stays known");
    assert!(!with_cookies(&fixture.a, "/", &kept).await.body.contains("You are signed in"));
    assert!(is_signed_in(&there).await);
    assert_eq!(sessions(fixture, "grace").await, before - 1);
    // An app that stays signed in (`offline_access`) does; what it had of the session alone is over.
    let userinfo = async |tokens: &Answer| app.api.userinfo(&tokens.member("access_token")).await.status;
    assert_eq!((userinfo(&passing).await, userinfo(&staying).await, userinfo(&theirs).await), (401, 200, 200));
    let staying = app.api.refresh(&staying.member("refresh_token")).await;
    assert!(staying.is_granted(), "{}", staying.body);
    // Once more, or when nobody is signed in: the same words.
    assert!(here.post("/logout", &[("form", &form)]).await.body.contains("You are signed out"));

    // Everywhere: all browsers and all devices.
    here.sign_in("grace", PASSWORD).await;
    let refreshed = Api::demo(&fixture.a).refresh(&device.member("refresh_token")).await;
    assert!(refreshed.is_granted());
    there.sign_out_everywhere().await;
    assert!(!is_signed_in(&here).await && !is_signed_in(&there).await);
    assert_eq!(sessions(fixture, "grace").await, 0);
    let answer = Api::demo(&fixture.a).refresh(&refreshed.member("refresh_token")).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_grant"));
    assert_eq!(Api::demo(&fixture.a).userinfo(&refreshed.member("access_token")).await.status, 401);
    assert_eq!(app.api.refresh(&staying.member("refresh_token")).await.error(), "invalid_grant", "apps too");
    assert_eq!((userinfo(&staying).await, userinfo(&theirs).await), (401, 401));
    here.sign_in("grace", PASSWORD).await;
    assert!(is_signed_in(&here).await, "and in again");
}

/// The administrator's switch: no sign-in, and a session that is there is dead at once.
#[tokio::test]
async fn a_disabled_user_is_signed_out_at_once() {
    let fixture = fixture();
    let dorothy = signed_in(&fixture.a, "dorothy").await;
    let user = user_id(fixture, "dorothy").await;
    let form = dorothy.get("/device").await.form();
    let started = Api::demo(&fixture.a).start().await;
    let app = App::demo(&fixture.a);
    let (code, tokens) = (app.code(&dorothy, &[]).await, app.tokens(&dorothy, &[]).await.member("access_token"));
    fixture.d1("UPDATE users SET enabled = 0 WHERE id = ?1", std::slice::from_ref(&user)).await;
    assert!(!is_signed_in(&dorothy).await);
    assert_eq!(app.returned(&dorothy.get(&app.path(&[("prompt", "none")])).await)["error"], "login_required");
    assert_eq!(app.redeem(&code).await.error(), "invalid_grant");
    assert_eq!(app.api.userinfo(&tokens).await.status, 401);
    let answer = dorothy.post("/device", &[("form", &form), ("user_code", &started.user_code)]).await;
    assert!(answer.status == 303 && answer.header("location").starts_with("/login?step="), "{answer:?}");
    assert_eq!(Person::new(&fixture.b).try_sign_in("dorothy", PASSWORD).await.status, 400);
    fixture.d1("UPDATE users SET enabled = 1 WHERE id = ?1", &[user]).await;
    assert!(is_signed_in(&dorothy).await, "what was taken by mistake is given back");
    assert_eq!(app.api.userinfo(&tokens).await.status, 200);
    dorothy.sign_in_again().await;
}

impl Person {
    async fn sign_in_again(&self) {
        self.set_cookie("session=; Path=/; Max-Age=0");
        self.sign_in("dorothy", PASSWORD).await;
    }
}

/// Both lifetimes of a session, and that its use is written down at most every `SESSION_TOUCH` seconds.
/// The rows are aged instead of the clock.
#[tokio::test]
async fn sessions_end_when_idle_and_when_old() {
    let fixture = fixture();
    let person = signed_in(&fixture.a, "edith").await;
    let user = user_id(fixture, "edith").await;
    let seen = async || {
        let rows = fixture.d1("SELECT seen_at, auth_time FROM sessions WHERE user_id = ?1", std::slice::from_ref(&user)).await;
        assert_eq!(rows.len(), 1);
        (rows[0]["seen_at"].as_i64().unwrap(), rows[0]["auth_time"].as_i64().unwrap())
    };
    let (first, _) = seen().await;
    let set = async |column: &str, value: i64| {
        let sql = format!("UPDATE sessions SET {column} = ?2 WHERE user_id = ?1");
        fixture.d1(&sql, &[user.clone(), json!(value)]).await;
    };
    // Within SESSION_TOUCH (300 s): not written.
    assert!(is_signed_in(&person).await);
    assert_eq!(seen().await.0, first);
    set("seen_at", first - 290_000).await;
    assert!(is_signed_in(&person).await);
    assert_eq!(seen().await.0, first - 290_000);
    // After it: once.
    set("seen_at", first - 300_000).await;
    assert!(is_signed_in(&person).await);
    let touched = seen().await.0;
    assert!(touched >= first);
    assert!(is_signed_in(&person).await);
    assert_eq!(seen().await.0, touched);
    // SESSION_IDLE: 28,800 s without use.
    set("seen_at", first - 28_790_000).await;
    assert!(is_signed_in(&person).await);
    set("seen_at", first - 28_800_000).await;
    assert!(!is_signed_in(&person).await);
    assert_eq!(seen().await.0, first - 28_800_000, "a dead session is not woken up");
    // SESSION_ABSOLUTE: 604,800 s, however busy it is.
    set("seen_at", first).await;
    let auth_time = seen().await.1;
    set("auth_time", auth_time - 604_790_000).await;
    assert!(is_signed_in(&person).await);
    set("auth_time", auth_time - 604_800_000).await;
    assert!(!is_signed_in(&person).await);
    let answer = person.get("/device").await;
    assert!(answer.header("location").starts_with("/login?step="), "{answer:?}");
}

/// Two Workers are one realm: a session of one is a session of the other, and so is its end.
#[tokio::test]
async fn a_session_of_one_worker_is_good_at_the_other() {
    let fixture = fixture();
    let at_a = signed_in(&fixture.a, "ada").await;
    let mut at_b = at_a.clone();
    at_b.base.clone_from(&fixture.b);
    assert!(is_signed_in(&at_b).await);
    let started = Api::demo(&fixture.b).start().await;
    let page = at_b.enter(&started.user_code).await;
    let allowed = at_a.allow(&page).await;
    assert_eq!(allowed.status, 200, "{}", allowed.body);
    assert!(Api::demo(&fixture.a).poll(&started).await.is_granted());
    let form = at_a.get("/logout").await.form();
    assert_eq!(at_b.post("/logout", &[("form", &form)]).await.status, 200);
    assert!(!is_signed_in(&at_a).await);
}
