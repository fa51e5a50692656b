//! Consent: what is asked in words, what is remembered, and when it is asked again.

use super::{At, asked, at, consent_of, fixture, id, signed_in, tokens_of};
use crate::support::{Answer, claims};
use crate::web::{App, consent, consent_to, optional, post};

/// What a token may do.
fn scope(tokens: &Answer) -> String {
    claims(&tokens.member("access_token"))["scope"].as_str().unwrap().to_owned()
}

/// The line of a consent page with these words.
fn line<'a>(page: &'a Answer, title: &str) -> &'a str {
    let (before, after) = page.body.split_once(title).unwrap_or_else(|| panic!("no {title}: {}", page.body));
    let start = before.rfind("<li class=\"scope\">").unwrap();
    &page.body[start..before.len() + title.len() + after.find("</li>").unwrap()]
}

/// Consent lists scopes in words: each scope and claim as people would say it, required ones without a
/// box, the others ticked; who asks, who is asked, and where it leads.
#[tokio::test]
async fn the_page_says_in_words_what_is_asked() {
    let fixture = fixture();
    let strict = App::web(&fixture.a, "strict");
    let person = signed_in(&fixture.a, "adele").await;
    let claims = r#"{"userinfo":{"birthdate":null},"id_token":{"nickname":{"essential":true}}}"#;
    let page = asked(&person, &strict, &[("scope", "openid email phone records:read"), ("claims", claims)]).await;
    assert_eq!(at(&page), At::Consent);
    for title in ["Recognise you", "See your e-mail address"] {
        let line = line(&page, title);
        assert!(line.contains("always") && !line.contains("<input"), "{line}");
    }
    for title in ["See your phone number", "Read records", "See your date of birth", "See your nickname"] {
        let line = line(&page, title);
        assert!(line.contains("type=\"checkbox\"") && line.contains(" checked"), "{line}");
    }
    assert!(!page.body.contains("See your postal address") && !page.body.contains("Stay signed in"), "not asked for");
    for text in ["Client strict", "<strong><bdi>strict.example</bdi></strong>", "Signed in as <strong><bdi>adele</bdi></strong>"]
    {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert_eq!(optional(&page), ["scope.phone", "scope.records:read", "claim.birthdate", "claim.nickname"]);
}

/// Required scopes stay whatever is posted; what was left out is remembered and not asked again; what is new is.
#[tokio::test]
async fn a_choice_is_remembered_both_ways() {
    let fixture = fixture();
    let (strict, person) = (App::web(&fixture.a, "strict"), signed_in(&fixture.a, "barbara").await);
    let wide = [("scope", "openid email phone records:read")];
    let page = asked(&person, &strict, &wide).await;
    let answer = consent_to(&person, &page, |name| name == "scope.records:read").await;
    let tokens = strict.redeem(&strict.returned(&answer)["code"]).await;
    assert_eq!(
        (scope(&tokens), tokens.member("scope")),
        ("openid email records:read".into(), "openid email records:read".into())
    );
    let answer = strict.api.userinfo(&tokens.member("access_token")).await;
    assert!(answer.status == 200 && answer.json().get("phone_number").is_none(), "{}", answer.body);
    // The same again, less, and silently: no page, and never more than was ticked.
    for (changes, expected) in [
        (wide.to_vec(), "openid email records:read"),
        (vec![("scope", "openid phone email"), ("prompt", "none")], "openid email"),
        (vec![("scope", "openid")], "openid"),
    ] {
        let answer = asked(&person, &strict, &changes).await;
        assert_eq!(at(&answer), At::Back, "{changes:?}: {}", answer.body);
        assert_eq!(scope(&tokens_of(&person, &strict, answer).await), expected, "{changes:?}");
    }
    // Only what was left out, so nothing would be granted: asked.
    assert_eq!(at(&asked(&person, &strict, &[("scope", "phone")]).await), At::Consent);
    // Something new is asked, on a page; silently it cannot be.
    let new = [("scope", "openid email address")];
    let silent = asked(&person, &strict, &[new[0], ("prompt", "none")]).await;
    assert_eq!(strict.returned(&silent)["error"], "consent_required");
    let page = asked(&person, &strict, &new).await;
    assert_eq!(scope(&tokens_of(&person, &strict, page).await), "openid email address");
    let answer = asked(&person, &strict, &wide).await;
    assert_eq!(at(&answer), At::Back, "what was said before still holds");
    // prompt=consent asks again, and the newer answer counts.
    let page = asked(&person, &strict, &[wide[0], ("prompt", "consent")]).await;
    assert_eq!(at(&page), At::Consent);
    assert_eq!(scope(&tokens_of(&person, &strict, page).await), "openid email phone records:read");
    let again = asked(&person, &strict, &wide).await;
    assert_eq!(
        (at(&again), scope(&tokens_of(&person, &strict, again).await)),
        (At::Back, "openid email phone records:read".into())
    );
}

/// Single claims (`claims`, OpenID Connect Core 5.5) are left out where they are unticked, and that is remembered.
#[tokio::test]
async fn single_claims_can_be_left_out() {
    let fixture = fixture();
    let picky = App::web(&fixture.a, "picky");
    let person = crate::support::Person::ada(&fixture.a).await;
    let wanted = r#"{"userinfo":{"birthdate":null,"nickname":{"essential":true}},"id_token":{"gender":null}}"#;
    let request = [("claims", wanted)];
    let page = asked(&person, &picky, &request).await;
    assert_eq!(optional(&page), ["claim.nickname", "claim.birthdate", "claim.gender"]);
    let answer = consent_to(&person, &page, |name| name == "claim.nickname").await;
    let first = picky.redeem(&picky.returned(&answer)["code"]).await;
    let again = asked(&person, &picky, &[request[0], ("prompt", "none")]).await;
    for tokens in [first, tokens_of(&person, &picky, again).await] {
        let info = picky.api.userinfo(&tokens.member("access_token")).await.json();
        let names: Vec<&String> = info.as_object().unwrap().keys().collect();
        assert_eq!(names, ["nickname", "sub"], "{info}");
        assert!(id(&tokens, "gender").is_null());
    }
    let page = asked(&person, &picky, &[request[0], ("prompt", "consent")]).await;
    let tokens = tokens_of(&person, &picky, page).await;
    assert_eq!(
        (picky.api.userinfo(&tokens.member("access_token")).await.json()["birthdate"].as_str(), id(&tokens, "gender")),
        (Some("1985-12-10"), "female".into())
    );
}

/// Deny is `access_denied` (RFC 6749 4.1.2.1) with state and iss, and nothing is remembered; so is a form without
/// an answer, and one with an empty choice is asked again.
#[tokio::test]
async fn declined_is_access_denied_and_not_remembered() {
    let fixture = fixture();
    let (asking, person) = (App::web(&fixture.a, "asking"), signed_in(&fixture.a, "bob").await);
    for action in [Some("deny"), Some("x"), None] {
        let page = asked(&person, &asking, &[("scope", "openid email")]).await;
        let mut fields = vec![("form", page.form()), ("scope.email", "1".to_owned())];
        fields.extend(action.map(|action| ("action", action.to_owned())));
        let back = asking.returned(&post(&person, "/consent", &fields).await);
        assert_eq!(
            (back["error"].as_str(), back["state"].as_str(), &back["iss"]),
            ("access_denied", "a state & more", &fixture.a)
        );
        assert!(!back.contains_key("code"), "{back:?}");
        assert_eq!(consent_of(fixture, "bob", "asking").await, None);
    }
    let page = asked(&person, &asking, &[("scope", "email phone")]).await;
    let again = consent_to(&person, &page, |_| false).await;
    assert!(again.status == 400 && again.body.contains("Nothing is left to allow."), "{}", again.body);
    assert!(!again.body.contains("checked"), "what was left out does not come back by itself");
    assert_eq!(consent_of(fixture, "bob", "asking").await, None);
    assert!(asking.returned(&consent_to(&person, &again, |name| name == "scope.phone").await).contains_key("code"));
}

/// The administrator's pre-consent: first-party clients never ask, but for `prompt=consent`; an app that anybody
/// could impersonate (RFC 8252 8.6) asks whatever its row says.
#[tokio::test]
async fn pre_consent_and_its_limits() {
    let fixture = fixture();
    let person = signed_in(&fixture.a, "yukihiro").await;
    let trusted = App::web(&fixture.a, "trusted");
    let all = [("scope", "openid email offline_access")];
    let answer = asked(&person, &trusted, &[all[0], ("prompt", "none")]).await;
    let tokens = tokens_of(&person, &trusted, answer).await;
    assert_eq!(scope(&tokens), "openid email offline_access");
    assert!(tokens.json().get("refresh_token").is_some());
    assert_eq!(consent_of(fixture, "yukihiro", "trusted").await, None, "the user was not asked and said nothing");
    assert_eq!(at(&asked(&person, &trusted, &[all[0], ("prompt", "consent")]).await), At::Consent);

    for redirect_uri in ["http://127.0.0.1:51004/cb", "example.native.app:/cb"] {
        let mut app = App::web(&fixture.a, "trusted-native");
        app.api = crate::support::Api::public(&fixture.a, "trusted-native");
        app.redirect_uri = redirect_uri.to_owned();
        for _ in 0..2 {
            let silent = asked(&person, &app, &[("prompt", "none")]).await;
            assert_eq!(app.returned(&silent)["error"], "consent_required", "{redirect_uri}");
            let page = asked(&person, &app, &[]).await;
            assert_eq!(at(&page), At::Consent, "{redirect_uri}");
            tokens_of(&person, &app, page).await;
        }
        // At an https address of its own it is who it says.
        app.redirect_uri = "https://native.example/cb".to_owned();
        assert_eq!(at(&asked(&person, &app, &[("prompt", "none")]).await), At::Back);
    }
}

/// A native app at a loopback port or with a scheme of its own is asked about every time, though its consent is
/// remembered for its https address (RFC 6749 10.2, RFC 8252 8.6).
#[tokio::test]
async fn a_native_app_is_asked_about_every_time() {
    let fixture = fixture();
    let person = signed_in(&fixture.a, "anders").await;
    let mut app = App { api: crate::support::Api::public(&fixture.a, "native"), ..App::web(&fixture.a, "native") };
    for redirect_uri in
        ["http://127.0.0.1:51004/cb", "http://127.0.0.1:51005/cb", "example.native.app:/cb", "http://127.0.0.1:51004/cb"]
    {
        app.redirect_uri = redirect_uri.to_owned();
        let page = asked(&person, &app, &[]).await;
        assert_eq!(at(&page), At::Consent, "{redirect_uri}");
        tokens_of(&person, &app, page).await;
    }
    assert_eq!(app.returned(&asked(&person, &app, &[("prompt", "none")]).await)["error"], "consent_required");
    app.redirect_uri = "https://native.example/cb".to_owned();
    assert_eq!(at(&asked(&person, &app, &[]).await), At::Back);
}

/// A consent is one user's and one client's.
#[tokio::test]
async fn a_consent_is_one_users_and_one_clients() {
    let fixture = fixture();
    let (one, two) = (App::web(&fixture.a, "one"), App::web(&fixture.a, "two"));
    let person = signed_in(&fixture.a, "bjarne").await;
    tokens_of(&person, &one, asked(&person, &one, &[]).await).await;
    assert_eq!(at(&asked(&person, &two, &[]).await), At::Consent);
    let other = signed_in(&fixture.a, "brendan").await;
    assert_eq!(at(&asked(&other, &one, &[]).await), At::Consent);
    let page = asked(&other, &one, &[]).await;
    consent(&other, &page).await;
    assert!(consent_of(fixture, "brendan", "one").await.is_some());
}
