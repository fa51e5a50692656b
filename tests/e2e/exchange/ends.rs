//! What was exchanged ends with what it comes from, at once and at both Workers.

use serde_json::json;

use super::{B, PHANTOM, api, assert_active, delegate, exchange, fixture, granted, own, person, refused, setup, tokens, uri};
use crate::harness::Fixture;
use crate::support::{Answer, Api, Person};
use crate::web::{App, post};

/// All that can be exchanged for an app's token.
struct Yield {
    /// The app's own tokens.
    apps: Answer,
    /// By impersonation: a JWT, and one that is opaque.
    access: [String; 2],
    /// By delegation.
    acting: String,
    /// A refresh token, and the access token of its grant.
    refresh: Answer,
    /// What the next service gets for the access token of that grant.
    passed_on: String,
}

/// The service that impersonates here, and the one that it passes its own token on to.
const GATE: &str = "gate";
const SECOND: &str = "second";

async fn yields(fixture: &Fixture, app: &str, gate: &str, person: &Person) -> Yield {
    let apps = tokens(&fixture.a, app, person).await;
    let subject = apps.member("access_token");
    let (gate, orders, second) = (api(&fixture.a, gate), api(&fixture.a, "orders"), api(&fixture.a, SECOND));
    let kind = uri("refresh_token");
    let refresh_token = exchange(&gate, &subject, &[("requested_token_type", &kind)]).await;
    assert_eq!(refresh_token.status, 200, "{}", refresh_token.body);
    let refresh = gate.refresh(&refresh_token.member("access_token")).await;
    assert!(refresh.is_granted(), "{}", refresh.body);
    // It is the sign-in that it ends with, so no more refresh tokens come of it.
    let again = exchange(&second, &refresh.member("access_token"), &[("requested_token_type", &kind)]).await;
    refused("a grandchild", &again, "invalid_request");
    let passed_on = granted(&exchange(&second, &refresh.member("access_token"), &[]).await);
    Yield {
        access: [
            granted(&exchange(&gate, &subject, &[]).await),
            granted(&exchange(&gate, &subject, &[("resource", PHANTOM)]).await),
        ],
        acting: granted(&delegate(&orders, &subject, &own(&orders).await, &[]).await),
        apps,
        refresh,
        passed_on,
    }
}

impl Yield {
    /// Asserts that all of it is good, or that nothing of it is.
    async fn assert_all(&self, fixture: &Fixture, gate: &str, is_good: bool, what: &str) {
        let (gate, second) = (api(&fixture.a, gate), api(&fixture.b, SECOND));
        let access = [
            ("the app's", &self.apps.member("access_token")),
            ("the JWT", &self.access[0]),
            ("the opaque one", &self.access[1]),
            ("the actor's", &self.acting),
            ("the refreshed one", &self.refresh.member("access_token")),
            ("the one passed on", &self.passed_on),
        ];
        for (name, token) in access {
            let what = format!("{what}: {name}");
            assert_active(fixture, token, is_good, &what).await;
            assert_eq!(second.userinfo(token).await.status, if is_good { 200 } else { 401 }, "{what}");
            let answer = exchange(&second, token, &[("resource", B)]).await;
            if is_good { drop(granted(&answer)) } else { refused(&what, &answer, "invalid_request") }
        }
        if !is_good {
            refused(what, &gate.refresh(&self.refresh.member("refresh_token")).await, "invalid_grant");
        }
    }
}

async fn set_enabled(fixture: &Fixture, sql: &str, enabled: i64) {
    assert_eq!(fixture.d1(sql, &[enabled.into()]).await.len(), 1, "{sql}");
}

/// Whether an app is on a person's start page.
async fn is_listed(person: &Person, name: &str) -> bool {
    person.get("/").await.body.contains(name)
}

/// Presses the button of an app on the start page.
async fn disconnect(person: &Person, name: &str) {
    let home = person.get("/").await;
    let item = home.body.split("<li").find(|item| item.contains(name)).unwrap_or_else(|| panic!("{}", home.body)).to_owned();
    let form = item.split_once("name=\"form\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    assert_eq!(post(person, "/apps/end", &[("form", form)]).await.status, 303);
}

#[tokio::test]
async fn it_ends_with_the_grant_that_it_comes_from() {
    let fixture = fixture();
    // The app gives its grant back (RFC 7009).
    let dorothy = person(&fixture.a, "dorothy").await;
    let all = yields(fixture, "app", GATE, &dorothy).await;
    all.assert_all(fixture, GATE, true, "at first").await;
    assert!(is_listed(&dorothy, "Service gate").await);
    let app = App::web(&fixture.b, "app");
    assert_eq!(app.api.post("/revoke", &[("token", &all.apps.member("refresh_token"))]).await.status, 200);
    all.assert_all(fixture, GATE, false, "revoked by the app").await;
    assert!(!is_listed(&dorothy, "Service gate").await, "what has ended is not shown");

    // A stolen refresh token of the app's family (RFC 9700 4.14.2).
    let all = yields(fixture, "mortal", GATE, &dorothy).await;
    let app = App::web(&fixture.a, "mortal");
    let old = all.apps.member("refresh_token");
    assert!(app.api.refresh(&old).await.is_granted());
    all.assert_all(fixture, GATE, true, "refreshed").await;
    refused("replayed", &app.api.refresh(&old).await, "invalid_grant");
    all.assert_all(fixture, GATE, false, "theft").await;

    // The user disconnects the app.
    let all = yields(fixture, "app", GATE, &dorothy).await;
    disconnect(&dorothy, "Client app").await;
    all.assert_all(fixture, GATE, false, "the app disconnected").await;
    assert!(!is_listed(&dorothy, "Service gate").await);
}

#[tokio::test]
async fn it_ends_with_its_user() {
    let fixture = fixture();
    let edith = person(&fixture.a, "edith").await;
    let all = yields(fixture, "app", GATE, &edith).await;
    let sql = "UPDATE users SET enabled = ?1 WHERE id = (SELECT user_id FROM logins WHERE login = 'edith') RETURNING id";
    set_enabled(fixture, sql, 0).await;
    all.assert_all(fixture, GATE, false, "the user is disabled").await;
    set_enabled(fixture, sql, 1).await;
    all.assert_all(fixture, GATE, true, "and enabled again").await;
    edith.sign_out_everywhere().await;
    all.assert_all(fixture, GATE, false, "signed out everywhere").await;
}

/// Tokens of a sign-in without offline access end with its browser session, and so do those exchanged for them.
#[tokio::test]
async fn it_ends_with_the_session() {
    let fixture = fixture();
    let ada = Person::ada(&fixture.a).await;
    let subject = App::web(&fixture.a, "app").tokens(&ada, &[("scope", "openid records:read")]).await.member("access_token");
    let token = granted(&exchange(&api(&fixture.a, GATE), &subject, &[]).await);
    assert_active(fixture, &token, true, "signed in").await;
    let page = ada.get("/logout").await;
    post(&ada, "/logout", &[("form", page.form()), ("action", "here".to_owned())]).await;
    assert_active(fixture, &token, false, "signed out").await;
    refused("signed out", &exchange(&api(&fixture.b, GATE), &subject, &[]).await, "invalid_request");
}

/// What the user ends on the start page is the service that has the refresh token, and no other.
#[tokio::test]
async fn the_user_disconnects_whom_a_token_was_exchanged_for() {
    let fixture = fixture();
    let katherine = person(&fixture.a, "katherine").await;
    let all = yields(fixture, "app", "disconnected", &katherine).await;
    disconnect(&katherine, "Service disconnected").await;
    assert!(!is_listed(&katherine, "Service disconnected").await);
    let gone = api(&fixture.a, "disconnected");
    refused("disconnected", &gone.refresh(&all.refresh.member("refresh_token")).await, "invalid_grant");
    assert_active(fixture, &all.refresh.member("access_token"), false, "its own grant").await;
    assert_active(fixture, &all.apps.member("access_token"), true, "the app's").await;
    assert_active(fixture, &all.passed_on, false, "what came of that").await;
    let again = exchange(&gone, &all.apps.member("access_token"), &[("requested_token_type", &uri("refresh_token"))]).await;
    refused("what was approved before", &again, "invalid_request");
    assert!(App::web(&fixture.a, "app").api.refresh(&all.apps.member("refresh_token")).await.is_granted());
}

/// The operator's switch: of the client that has the token, of the one that the user signed in to, of the subject.
#[tokio::test]
async fn it_ends_with_its_clients() {
    let fixture = &setup().start().await;
    let ada = Person::ada(&fixture.a).await;
    let all = yields(fixture, "passing", GATE, &ada).await;
    let of = |id: &str| format!("UPDATE clients SET enabled = ?1, version = version + 1 WHERE id = '{id}' RETURNING id");
    set_enabled(fixture, &of("passing"), 0).await;
    all.assert_all(fixture, GATE, false, "the app is disabled").await;
    set_enabled(fixture, &of("passing"), 1).await;
    all.assert_all(fixture, GATE, true, "and enabled again").await;

    let subject = all.apps.member("access_token");
    let (passing, orders, gate) = (api(&fixture.a, "passing-service"), api(&fixture.a, "orders"), api(&fixture.a, GATE));
    let access = granted(&exchange(&passing, &subject, &[]).await);
    let services = own(&passing).await;
    let in_its_place = granted(&exchange(&gate, &services, &[]).await);
    let acting = granted(&delegate(&orders, &subject, &own(&orders).await, &[]).await);
    for token in [&access, &services, &in_its_place, &acting] {
        assert_active(fixture, token, true, "at first").await;
    }
    set_enabled(fixture, &of("passing-service"), 0).await;
    set_enabled(fixture, &of("orders"), 0).await;
    for (what, token) in [
        ("the token that it exchanged", &access),
        ("its own", &services),
        ("another's in its place", &in_its_place),
        ("the actor's", &acting),
    ] {
        assert_active(fixture, token, false, what).await;
        refused(what, &exchange(&gate, token, &[]).await, "invalid_request");
    }
    assert_active(fixture, &subject, true, "the app's").await;
}

/// RFC 7009 2.2.1: an exchanged access token is not ended by itself, nor what it comes from by who has it.
#[tokio::test]
async fn an_exchanged_access_token_is_not_revoked_by_itself() {
    let fixture = fixture();
    let ada = Person::ada(&fixture.a).await;
    let all = yields(fixture, "app", GATE, &ada).await;
    let revoke = async |client: &Api, token: &str| client.post("/revoke", &[("token", token)]).await;
    let gate = api(&fixture.b, GATE);
    for token in &all.access {
        refused("its holder", &revoke(&gate, token).await, "unsupported_token_type");
        refused("a stranger", &revoke(&api(&fixture.a, SECOND), token).await, "invalid_grant");
    }
    refused("an actor", &revoke(&api(&fixture.a, "orders"), &all.acting).await, "unsupported_token_type");
    refused(
        "a service",
        &revoke(&api(&fixture.a, "orders"), &own(&api(&fixture.a, "orders")).await).await,
        "unsupported_token_type",
    );
    all.assert_all(fixture, GATE, true, "all as it was").await;
    // That of its own grant ends the grant, and what was exchanged for it, and nothing before it.
    assert_eq!(revoke(&gate, &all.refresh.member("access_token")).await.status, 200);
    assert_active(fixture, &all.refresh.member("access_token"), false, "its grant").await;
    assert_active(fixture, &all.passed_on, false, "what came of that").await;
    assert_active(fixture, &all.access[0], true, "its brother").await;
    // A dead one is revoked already (2.2).
    assert_eq!(revoke(&App::web(&fixture.a, "app").api, &all.apps.member("access_token")).await.status, 200);
    all.assert_all(fixture, GATE, false, "revoked").await;
    let answer = revoke(&gate, &all.access[0]).await;
    assert!(answer.status == 200 || answer.error() == "unsupported_token_type", "{}", answer.body);
    assert_eq!(json!(answer.body.contains("access_token")), json!(false));
}
