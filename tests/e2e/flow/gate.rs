//! The one gate: what became of user, client and consent since the approval, asked at every redemption
//! and every refresh.

use serde_json::{Value, json};

use super::{assert_refused, fixture, grant_of, person};
use crate::harness::Fixture;
use crate::support::{Answer, Api, Person};

async fn user_id(fixture: &Fixture, login: &str) -> Value {
    let rows = fixture.d1("SELECT user_id FROM logins WHERE login = ?1", &[login.into()]).await;
    rows.into_iter().next().unwrap()["user_id"].clone()
}

async fn enable(fixture: &Fixture, login: &str, enabled: bool) {
    let id = user_id(fixture, login).await;
    fixture.d1("UPDATE users SET enabled = ?2 WHERE id = ?1", &[id, i64::from(enabled).into()]).await;
}

async fn grants_of_user(fixture: &Fixture, login: &str) -> usize {
    let id = user_id(fixture, login).await;
    fixture.d1("SELECT id FROM grants WHERE user_id = ?1", &[id]).await.len()
}

/// A resource server's view: the token opens nothing any more.
#[track_caller]
fn assert_dead(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{:?}", answer.headers);
}

/// Disabled between yes and collection: no tokens. Enabled again in time: the device still collects, and
/// a grant sleeps and wakes with its user.
#[tokio::test]
async fn a_disabled_user_gets_nothing_and_collects_when_enabled_again() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let sign_in = api.start().await;
    person(&fixture.a, "barbara").await.approve(&sign_in.user_code).await;
    enable(fixture, "barbara", false).await;
    assert_refused(&api.poll(&sign_in).await, "invalid_grant");
    assert_refused(&api.at(&fixture.b).poll(&sign_in).await, "invalid_grant");
    assert_eq!(grants_of_user(fixture, "barbara").await, 0);
    enable(fixture, "barbara", true).await;
    let tokens = api.poll(&sign_in).await;
    assert!(tokens.is_granted(), "{}", tokens.body);

    let (refresh_token, access_token) = (tokens.member("refresh_token"), tokens.member("access_token"));
    enable(fixture, "barbara", false).await;
    assert_refused(&api.refresh(&refresh_token).await, "invalid_grant");
    assert_dead(&api.userinfo(&access_token).await);
    assert_refused(&api.poll(&sign_in).await, "invalid_grant");
    enable(fixture, "barbara", true).await;
    assert_eq!(api.userinfo(&access_token).await.status, 200);
    assert!(api.refresh(&refresh_token).await.is_granted(), "nothing was revoked");
}

/// The administrator's switch of the client: at the Worker that remembers the client as enabled, too.
#[tokio::test]
async fn a_disabled_client_gets_nothing() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "switched-off");
    let switch = async |enabled: i64| {
        let sql = "UPDATE clients SET enabled = ?1, version = version + 1 WHERE id = 'switched-off'";
        fixture.d1(sql, &[enabled.into()]).await;
    };
    let person = Person::ada(&fixture.a).await;
    let (held, sign_in) = (api.signed_in(&person).await, api.start().await);
    person.approve(&sign_in.user_code).await;
    switch(0).await;
    // `a` remembers it, `b` never met it.
    for api in [&api, &api.at(&fixture.b)] {
        for refused in [api.poll(&sign_in).await, api.refresh(&held.member("refresh_token")).await] {
            assert!(["invalid_grant", "invalid_client"].contains(&refused.error().as_str()), "{}", refused.body);
            assert!(!refused.is_granted());
        }
        assert_dead(&api.userinfo(&held.member("access_token")).await);
    }
    assert_eq!(super::grants_of(fixture, "switched-off").await, 1);
    switch(1).await;
    assert!(api.at(&fixture.b).poll(&sign_in).await.is_granted(), "what is remembered never says no");
    assert!(api.at(&fixture.b).refresh(&held.member("refresh_token")).await.is_granted());
}

/// A consent that the user withdrew voids the approvals before it and none after it.
#[tokio::test]
async fn a_withdrawn_consent_voids_what_was_approved_before() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "withdrawn");
    let dorothy = person(&fixture.a, "dorothy").await;
    let (held, sign_in) = (api.signed_in(&dorothy).await, api.start().await);
    dorothy.approve(&sign_in.user_code).await;
    let sql =
        "INSERT INTO consents (user_id, client_id, withdrawn_at) VALUES (?1, ?2, CAST(unixepoch('subsec') * 1000 AS INTEGER))";
    fixture.d1(sql, &[user_id(fixture, "dorothy").await, json!("withdrawn")]).await;
    assert_refused(&api.poll(&sign_in).await, "invalid_grant");
    assert_refused(&api.refresh(&held.member("refresh_token")).await, "invalid_grant");
    assert_dead(&api.userinfo(&held.member("access_token")).await);
    assert_eq!(super::grants_of(fixture, "withdrawn").await, 1);
    let again = api.signed_in(&dorothy).await;
    assert!(api.refresh(&again.member("refresh_token")).await.is_granted());
    let demo = Api::demo(&fixture.a).signed_in(&dorothy).await;
    assert!(demo.is_granted(), "another client's consent is another matter");
}

/// "Sign out everywhere" between yes and collection, and afterwards: devices too, at once.
#[tokio::test]
async fn signing_out_everywhere_signs_devices_out() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let (grace, elsewhere) = (person(&fixture.a, "grace").await, person(&fixture.b, "grace").await);
    let (held, sign_in) = (api.signed_in(&grace).await, api.start().await);
    elsewhere.approve(&sign_in.user_code).await;
    elsewhere.sign_out_everywhere().await;
    assert_refused(&api.poll(&sign_in).await, "invalid_grant");
    assert_refused(&api.refresh(&held.member("refresh_token")).await, "invalid_grant");
    assert_dead(&api.userinfo(&held.member("access_token")).await);
    assert_eq!(grants_of_user(fixture, "grace").await, 1, "the one that she had before");
    let page = grace.get("/device").await;
    assert_eq!((page.status, page.header("location").starts_with("/login")), (303, true), "her other browser too");

    let back = person(&fixture.a, "grace").await;
    assert!(api.signed_in(&back).await.is_granted(), "and then she starts anew");
    assert_refused(&api.poll(&sign_in).await, "invalid_grant");
}

/// Undo, before the device collects: the flow says no.
#[tokio::test]
async fn a_yes_taken_back_in_time_is_a_no() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let katherine = person(&fixture.a, "katherine").await;
    let sign_in = api.start().await;
    let page = katherine.approve(&sign_in.user_code).await;
    let undone = katherine.post("/device/undo", &[("form", &page.form())]).await;
    assert_eq!(undone.status, 200, "{}", undone.body);
    assert_refused(&api.poll(&sign_in).await, "access_denied");
    assert_refused(&api.at(&fixture.b).poll(&sign_in).await, "access_denied");
    let alive = "SELECT id FROM grants WHERE user_id = ?1 AND revoked_at IS NULL";
    assert_eq!(fixture.d1(alive, &[user_id(fixture, "katherine").await]).await.len(), 0);
}

/// Undo, after the device collected: its tokens are dead.
#[tokio::test]
async fn a_yes_taken_back_late_revokes_the_grant() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let mary = person(&fixture.a, "mary").await;
    let sign_in = api.start().await;
    let page = mary.approve(&sign_in.user_code).await;
    let tokens = api.poll(&sign_in).await;
    let next = api.refresh(&tokens.member("refresh_token")).await;
    let undone = mary.post("/device/undo", &[("form", &page.form())]).await;
    assert_eq!(undone.status, 200, "{}", undone.body);
    assert_refused(&api.poll(&sign_in).await, "access_denied");
    assert_refused(&api.refresh(&next.member("refresh_token")).await, "invalid_grant");
    assert_dead(&api.userinfo(&next.member("access_token")).await);
    let grant = grant_of(fixture, &tokens).await;
    assert!(grant["revoked_at"].is_i64(), "{grant}");
    // Pressed twice: the same page, and nothing more happens.
    assert_eq!(mary.post("/device/undo", &[("form", &page.form())]).await.status, 200);
    assert_eq!(grant_of(fixture, &tokens).await["revoked_at"], grant["revoked_at"]);
}
