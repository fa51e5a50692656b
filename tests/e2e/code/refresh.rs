//! Staying signed in: `offline_access` (OpenID Connect Core 11), refresh of an app's grant (RFC 6749 6, Core 12).

use serde_json::{Value, json};

use super::{OFFLINE, Parameters, assert_alive, assert_dead, assert_refused, fixture, rows};
use crate::support::{Answer, Api, Person, claims, sleep};
use crate::web::{App, consent_to, follow};

async fn refresh(api: &Api, tokens: &Answer, more: &[(&str, &str)]) -> Answer {
    let token = tokens.member("refresh_token");
    api.post("/token", &[&[("grant_type", "refresh_token"), ("refresh_token", token.as_str())], more].concat()).await
}

/// Core 11: `prompt=consent`, or a client that the operator consented for, or an app on the user's device.
#[tokio::test]
async fn a_refresh_token_has_its_conditions() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    let scope = ("scope", "openid offline_access");
    let web = |id: &str| App::web(&fixture.a, id);
    let table: [(&str, App, Parameters<'_>, bool); 9] = [
        ("a web client without prompt=consent", web("remembering"), &[scope], false),
        ("a web client with prompt=consent", web("remembering"), &[scope, ("prompt", "consent")], true),
        ("remembered, but not asked this time", web("remembering"), &[scope], false),
        ("prompt=consent without offline_access", web("remembering"), &[("prompt", "consent")], false),
        ("pre-consented", web("first-party"), &[scope], true),
        ("pre-consented, not asked for", web("first-party"), &[], false),
        ("without the grant type", web("no-refresh"), &[scope, ("prompt", "consent")], false),
        ("a page's script without prompt=consent", App::demo_spa(&fixture.a), &[scope], false),
        ("an app on the device", App::demo_mobile(&fixture.a), &[scope], true),
    ];
    for (rule, app, request, stays) in table {
        let tokens = app.tokens(&person, request).await;
        assert_eq!(tokens.json().get("refresh_token").is_some(), stays, "{rule}: {}", tokens.body);
        let expected = if stays { "openid offline_access" } else { "openid" };
        assert_eq!(tokens.member("scope"), expected, "{rule}: and the scope says so");
        assert_eq!(claims(&tokens.member("access_token"))["scope"], expected, "{rule}");
    }

    // The user's no.
    let app = web("choosing");
    let request = [("scope", "openid email offline_access"), ("prompt", "consent")];
    let page = follow(&person, person.get(&app.path(&request)).await).await;
    let answer = consent_to(&person, &page, |name| name == "scope.email").await;
    let tokens = app.redeem(&app.returned(&answer)["code"]).await;
    assert_eq!((tokens.member("scope").as_str(), tokens.json().get("refresh_token")), ("openid email", None), "{}", tokens.body);
}

/// Core 12.2.
#[tokio::test]
async fn a_new_id_token_is_about_the_same_sign_in() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    let tokens = app.tokens(&person, &OFFLINE).await;
    sleep(1100).await;
    // Whoever signs in again meanwhile has another auth_time; this one does not.
    app.authorized(&person, &[("prompt", "login")]).await;
    let renewed = refresh(&app.at(&fixture.b).api, &tokens, &[]).await;
    let [before, after] = [&tokens, &renewed].map(|tokens| claims(&tokens.member("id_token")));
    for name in ["iss", "sub", "aud", "auth_time", "sid", "acr", "amr"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    assert_eq!((&before["nonce"], after.get("nonce"), after.get("azp")), (&json!("a nonce"), None, None));
    assert!(after["iat"].as_i64() > before["iat"].as_i64());
    assert_ne!(before["at_hash"], after["at_hash"]);
    let [before, after] = [&tokens, &renewed].map(|tokens| claims(&tokens.member("access_token")));
    for name in ["iss", "sub", "aud", "client_id", "scope", "auth_time", "sid"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    assert_ne!(before["jti"], after["jti"]);
    assert_eq!((renewed.header("cache-control"), renewed.member("token_type").as_str()), ("no-store", "Bearer"));
    assert_eq!(renewed.member("scope"), "openid profile offline_access");

    // Single claims stay as the user gave them.
    let asked = json!({ "id_token": { "email": null }, "userinfo": { "birthdate": null } }).to_string();
    let tokens = app.tokens(&person, &[("scope", "openid offline_access"), ("claims", &asked)]).await;
    let renewed = refresh(&app.api, &tokens, &[]).await;
    assert_eq!(claims(&renewed.member("id_token"))["email"], "ada@ada.example");
    let info = app.api.userinfo(&renewed.member("access_token")).await.json();
    assert_eq!((info["birthdate"].as_str(), info.get("email")), (Some("1985-12-10"), None));
}

/// RFC 6749 6: the scope narrows for a token and never gets wider than the user's yes.
#[tokio::test]
async fn scope_narrows_and_never_widens() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "asking"));
    let tokens = app.tokens(&person, &[("scope", "openid profile offline_access"), ("prompt", "consent")]).await;
    // The client may have them, and the user was even asked about them in another sign-in.
    app.tokens(&person, &[("scope", "openid email")]).await;
    let before = rows(fixture, "asking").await;
    for wide in ["openid email", "records:read", "openid profile offline_access phone", "nonsense", "admin openid"] {
        assert_refused(&refresh(&app.api, &tokens, &[("scope", wide)]).await, "invalid_scope");
    }
    assert_eq!(rows(fixture, "asking").await, before, "and nothing was rotated");
    let narrow = refresh(&app.api, &tokens, &[("scope", "openid")]).await;
    assert_eq!(
        (narrow.member("scope").as_str(), claims(&narrow.member("access_token"))["scope"].clone()),
        ("openid", json!("openid"))
    );
    let info = app.api.userinfo(&narrow.member("access_token")).await.json();
    assert_eq!(info, json!({ "sub": info["sub"] }));
    let bare = refresh(&app.at(&fixture.b).api, &narrow, &[("scope", "profile")]).await;
    assert_eq!((bare.json().get("id_token"), bare.member("scope").as_str()), (None, "profile"));
    let whole = refresh(&app.api, &bare, &[("scope", "openid profile offline_access")]).await;
    assert_eq!(whole.member("scope"), "openid profile offline_access", "what was approved is still approved");
    assert!(whole.json().get("id_token").is_some());
}

#[tokio::test]
async fn a_refresh_token_is_its_clients() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "asking"));
    let mine = app.tokens(&person, &OFFLINE).await;
    let other = App::web(&fixture.a, "first-party");
    let theirs = other.tokens(&person, &OFFLINE).await;
    for api in
        [&other.api, &other.at(&fixture.b).api, &App::web(&fixture.a, "stranger").api, &Api::public(&fixture.a, "demo-spa")]
    {
        assert_refused(&refresh(api, &mine, &[]).await, "invalid_grant");
        assert_refused(&refresh(api, &mine, &[("scope", "openid")]).await, "invalid_grant");
    }
    super::assert_no_client(&refresh(&Api::public(&fixture.a, "asking"), &mine, &[]).await, false);
    // A client of an app without the grant type is told so.
    let without = App::web(&fixture.a, "no-refresh");
    assert_refused(&refresh(&without.api, &mine, &[]).await, "unauthorized_client");
    assert_alive(fixture, &app, &mine).await;
    assert_alive(fixture, &other, &theirs).await;
    assert!(refresh(&app.api, &mine, &[]).await.is_granted());
}

/// RFC 9700 4.14: the one before is good for the grace window, an older one is theft.
#[tokio::test]
async fn rotation_forgives_a_lost_answer_and_no_thief() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    let first = app.tokens(&person, &OFFLINE).await;
    let second = refresh(&app.api, &first, &[]).await;
    let id = super::unsealed::<latchkey::protocol::refresh::RefreshToken>(fixture, &first.member("refresh_token")).await.grant;
    let age = async |millis: i64| {
        let sql = "UPDATE grants SET rotated_at = rotated_at - ?2 WHERE id = ?1 RETURNING id";
        assert_eq!(fixture.d1(sql, &[id.to_string().into(), millis.into()]).await.len(), 1);
    };
    age(30_000).await;
    let again = refresh(&app.at(&fixture.b).api, &first, &[]).await;
    assert_eq!(again.member("refresh_token"), second.member("refresh_token"), "30 s later the same successor");
    age(31_000).await;
    assert_refused(&refresh(&app.api, &first, &[]).await, "invalid_grant");
    for tokens in [&first, &second, &again] {
        assert_dead(fixture, &app, tokens).await;
    }
    let row = fixture.d1("SELECT revoked_why FROM grants WHERE id = ?1", &[id.to_string().into()]).await;
    assert_ne!(row[0]["revoked_why"], Value::Null);
}
