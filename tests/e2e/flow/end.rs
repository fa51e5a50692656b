//! The ends of a token: `/userinfo`, where it proves itself, and `/revoke`, where it dies.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{assert_refused, fixture, grant_of, tokens_for};
use crate::support::{Answer, Api, Person, claims};

/// RFC 6750 3.1.
#[track_caller]
fn assert_invalid_token(answer: &Answer) {
    assert_eq!((answer.status, answer.error().as_str()), (401, "invalid_token"), "{}", answer.body);
    let challenge = answer.header("www-authenticate");
    assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""), "{challenge}");
}

/// RFC 7009 2.1 and 2.2: by refresh token or access token, the whole grant; again and again 200.
#[tokio::test]
async fn revoking_either_token_ends_the_grant() {
    let fixture = fixture();
    for kind in ["refresh_token", "access_token"] {
        let (api, tokens) = tokens_for(fixture, "demo-device").await;
        let next = api.refresh(&tokens.member("refresh_token")).await;
        assert_eq!(api.userinfo(&next.member("access_token")).await.status, 200);
        for _ in 0..2 {
            let revoked = api.at(&fixture.b).post("/revoke", &[("token", &next.member(kind))]).await;
            assert_eq!((revoked.status, revoked.body.as_str()), (200, ""));
            assert_eq!(revoked.header("cache-control"), "no-store");
        }
        assert!(grant_of(fixture, &tokens).await["revoked_at"].is_i64(), "{kind}");
        assert_refused(&api.refresh(&next.member("refresh_token")).await, "invalid_grant");
        for token in [&tokens, &next] {
            assert_invalid_token(&api.userinfo(&token.member("access_token")).await);
        }
        let other = tokens_for(fixture, "demo-device").await.1;
        assert_eq!(api.userinfo(&other.member("access_token")).await.status, 200, "another device's grant is its own");
    }
}

/// RFC 7009 2.1: another client's token is refused; 2.2: what is no token, or a token of no use here, is
/// as good as revoked.
#[tokio::test]
async fn only_its_own_client_revokes_a_token() {
    let fixture = fixture();
    let (api, tokens) = tokens_for(fixture, "demo-device").await;
    for kind in ["refresh_token", "access_token"] {
        for stranger in [Api::public(&fixture.a, "other"), Api::demo_secret(&fixture.a)] {
            assert_refused(&stranger.post("/revoke", &[("token", &tokens.member(kind))]).await, "invalid_grant");
        }
    }
    let impostor = Api::basic(&fixture.a, "demo-device-secret", "wrong-wrong-wrong-wrong-wrong-wrong");
    assert_eq!(impostor.post("/revoke", &[("token", "x")]).await.error(), "invalid_client");
    for garbage in ["x", "", &tokens.member("id_token"), &"A".repeat(4000)] {
        let answer = api.post("/revoke", &[("token", garbage), ("token_type_hint", "refresh_token")]).await;
        let expected = if garbage.is_empty() { 400 } else { 200 };
        assert_eq!(answer.status, expected, "{garbage}: {}", answer.body);
    }
    assert_eq!(grant_of(fixture, &tokens).await["revoked_at"], Value::Null);
    assert!(api.refresh(&tokens.member("refresh_token")).await.is_granted());
}

/// RFC 6750 2 and OpenID Connect Core 5.3.1: GET and POST, header or body of a POST, and one of them only.
#[tokio::test]
async fn userinfo_takes_the_token_in_three_ways_and_one_at_a_time() {
    let fixture = fixture();
    let (api, tokens) = tokens_for(fixture, "demo-device").await;
    let token = tokens.member("access_token");
    let form = [("access_token", token.as_str())];
    let ways = [
        api.request("GET", "/userinfo").bearer_auth(&token),
        api.request("POST", "/userinfo").bearer_auth(&token),
        api.request("POST", "/userinfo").form(&form),
    ];
    for request in ways {
        let answer = Api::send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.json()["sub"], claims(&token)["sub"]);
    }
    let twice = Api::send(api.request("POST", "/userinfo").bearer_auth(&token).form(&form)).await;
    assert_refused(&twice, "invalid_request");
    let in_query = api.get(&format!("/userinfo?access_token={token}")).await;
    for without in [in_query, api.get("/userinfo").await, Api::send(api.request("POST", "/userinfo")).await] {
        assert_eq!((without.status, without.body.as_str()), (401, ""));
        let challenge = without.header("www-authenticate");
        assert!(challenge.starts_with("Bearer ") && !challenge.contains("error"), "{challenge}");
    }
}

/// A token of another kind by the same keys, a changed one and a refresh token are no access tokens.
#[tokio::test]
async fn only_an_access_token_opens_userinfo() {
    let fixture = fixture();
    let (api, tokens) = tokens_for(fixture, "demo-device").await;
    let token = tokens.member("access_token");
    let [head, body, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let (_, other) = tokens_for(fixture, "demo-device").await;
    let other = other.member("access_token");
    let [_, other_body, _] = other.split('.').collect::<Vec<_>>().try_into().unwrap();
    let none = latchkey::protocol::secret::base64url(b"{\"alg\":\"none\",\"typ\":\"at+jwt\"}");
    let bad = [
        tokens.member("id_token"),
        tokens.member("refresh_token"),
        format!("{head}.{other_body}.{signature}"),
        format!("{none}.{body}."),
        format!("{head}.{body}."),
        "x".to_owned(),
    ];
    for bad in bad {
        assert_invalid_token(&api.userinfo(&bad).await);
    }
    assert_eq!(api.userinfo(&token).await.status, 200);
}

/// OpenID Connect Core 5.4: all claims of each granted scope and no others; without `openid`, 403 (RFC 6750 3.1).
#[tokio::test]
async fn userinfo_says_what_the_scope_allows() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let person = Person::ada(&fixture.a).await;
    let answer_for = async |scope: &str| {
        let sign_in = api.start_with(&[("scope", scope)]).await;
        person.approve(&sign_in.user_code).await;
        let tokens = api.poll(&sign_in).await;
        assert!(tokens.is_granted(), "{}", tokens.body);
        api.userinfo(&tokens.member("access_token")).await
    };
    let names = |answer: &Answer| answer.json().as_object().unwrap().keys().cloned().collect::<HashSet<_>>();
    assert_eq!(names(&answer_for("openid").await), HashSet::from(["sub".to_owned()]));
    let email = answer_for("openid email").await;
    assert_eq!(names(&email), HashSet::from(["sub", "email", "email_verified"].map(str::to_owned)));
    assert_eq!(email.json()["email_verified"], true);
    let profile = answer_for("openid profile").await;
    let expected = [
        ("name", json!("Ada Lovelace")),
        ("middle_name", json!("King")),
        ("updated_at", json!(1_767_225_600)),
        ("zoneinfo", json!("Europe/London")),
    ];
    for (name, value) in expected {
        assert_eq!(profile.json()[name], value);
    }
    assert!(!names(&profile).contains("email") && !names(&profile).contains("address"));

    let refused = answer_for("records:read").await;
    assert_eq!((refused.status, refused.error().as_str()), (403, "insufficient_scope"), "{}", refused.body);
    assert!(refused.header("www-authenticate").contains("error=\"insufficient_scope\""), "{:?}", refused.headers);
}
