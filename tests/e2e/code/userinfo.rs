//! `/userinfo`: OpenID Connect Core 5.3 to 5.5, RFC 6750; and what ends an access token at once.

use serde_json::{Map, Value, json};

use super::{OFFLINE, assert_alive, assert_dead, fixture, person};
use crate::support::{ADA, Answer, Api, Person, claims};
use crate::web::{App, consent_to, follow, optional, post};

/// Core 5.4: the claims of each scope.
const SCOPES: [(&str, &[&str]); 4] = [
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// The demo user's claims of these names, as they were seeded.
fn ada(names: impl IntoIterator<Item = &'static str>) -> Map<String, Value> {
    let seed: Value = serde_json::from_str(include_str!("../../../tools/demo.json")).unwrap();
    let user = seed["users"].as_array().unwrap().iter().find(|user| user["login"] == ADA.0).unwrap();
    names.into_iter().map(|name| (name.to_owned(), user["claims"][name].clone())).collect()
}

fn with_sub(sub: &Value, claims: Map<String, Value>) -> Value {
    let mut all = Map::from_iter([("sub".to_owned(), sub.clone())]);
    all.extend(claims);
    Value::Object(all)
}

#[tokio::test]
async fn all_claims_of_each_granted_scope_and_no_others() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    let mut all = Map::new();
    let mut sub = Value::Null;
    for (scope, names) in SCOPES {
        let tokens = app.tokens(&person, &[("scope", &format!("{scope} openid"))]).await;
        sub = claims(&tokens.member("id_token"))["sub"].clone();
        let info = app.api.userinfo(&tokens.member("access_token")).await;
        assert_eq!((info.status, info.header("content-type")), (200, "application/json"), "{}", info.body);
        assert_eq!(info.header("cache-control"), "no-store");
        let claims = ada(names.iter().copied());
        assert!(claims.values().all(|value| !value.is_null()), "the demo user has all of {scope}");
        assert_eq!(info.json(), with_sub(&sub, claims.clone()), "{scope}");
        all.extend(claims);
    }
    let tokens = app.tokens(&person, &[("scope", "openid email phone address profile")]).await;
    assert_eq!(app.api.userinfo(&tokens.member("access_token")).await.json(), with_sub(&sub, all));
    let tokens = app.tokens(&person, &[]).await;
    assert_eq!(app.at(&fixture.b).api.userinfo(&tokens.member("access_token")).await.json(), json!({ "sub": sub }));
}

/// RFC 6750 2 and 3.
#[tokio::test]
async fn by_header_by_posted_header_and_by_posted_body_and_no_other_way() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    let tokens = app.tokens(&person, &[("scope", "openid email offline_access")]).await;
    let (token, api) = (tokens.member("access_token"), &app.api);
    let bearer = format!("Bearer {token}");
    let form = [("access_token", token.as_str())];
    let good = [
        api.request("GET", "/userinfo").header("authorization", &bearer),
        api.request("GET", "/userinfo").header("authorization", format!("bEARER {token}")).header("accept", "application/jwt"),
        api.request("POST", "/userinfo").header("authorization", &bearer),
        api.request("POST", "/userinfo").header("authorization", &bearer).form(&[("unrelated", "x")]),
        api.request("POST", "/userinfo").form(&form),
    ];
    for request in good {
        let info = Api::send(request).await;
        assert_eq!((info.status, info.json()["email"].as_str()), (200, Some("ada@ada.example")), "{}", info.body);
    }
    let refused = async |request, status: u16, error: Option<&str>| {
        let answer: Answer = Api::send(request).await;
        let challenge = answer.header("www-authenticate").to_owned();
        assert_eq!(answer.status, status, "{} {challenge}", answer.body);
        assert!(challenge.starts_with("Bearer realm="), "{challenge}");
        let said = challenge.split_once("error=\"").map(|(_, rest)| rest.split('"').next().unwrap());
        assert_eq!(said, error, "{challenge}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.body.contains("ada"), "{}", answer.body);
        challenge
    };
    let get = |token: &str| api.request("GET", "/userinfo").bearer_auth(token);
    let post = || api.request("POST", "/userinfo");
    refused(api.request("GET", "/userinfo"), 401, None).await;
    refused(post(), 401, None).await;
    refused(api.request("GET", &format!("/userinfo?access_token={token}")), 401, None).await;
    refused(post().json(&json!({ "access_token": token })), 401, None).await;
    refused(post().header("authorization", &bearer).form(&form), 400, Some("invalid_request")).await;
    refused(post().form(&[form[0], form[0]]), 400, Some("invalid_request")).await;
    refused(api.request("GET", "/userinfo").basic_auth("a", Some("b")), 400, Some("invalid_request")).await;
    let mut tampered = token.clone();
    tampered.replace_range(token.len() - 9..token.len() - 8, if token.as_bytes()[token.len() - 9] == b'A' { "B" } else { "A" });
    for bad in ["x", "", &tampered, &tokens.member("refresh_token"), &tokens.member("id_token"), &token[..token.len() - 1]] {
        refused(get(bad), 401, Some("invalid_token")).await;
    }
    let refresh_token = tokens.member("refresh_token");
    let narrow = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str()), ("scope", "email")];
    let narrow = app.api.post("/token", &narrow).await.member("access_token");
    let challenge = refused(get(&narrow), 403, Some("insufficient_scope")).await;
    assert!(challenge.contains("scope=\"openid\""), "{challenge}");
    for method in ["PUT", "DELETE"] {
        let answer = Api::send(api.request(method, "/userinfo").header("authorization", &bearer)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, POST, OPTIONS"));
    }
}

/// Core 5.5 and 3.1.2.4: single claims are asked for in words, and the user's no counts.
#[tokio::test]
async fn single_claims_are_the_users_to_give() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "choosing"));
    let asked =
        json!({ "userinfo": { "birthdate": { "essential": true }, "gender": null, "nickname": { "value": "x" }, "sub": null } });
    let asked = asked.to_string();
    let request = [("claims", asked.as_str()), ("scope", "openid email"), ("prompt", "consent")];
    let page = follow(&person, person.get(&app.path(&request)).await).await;
    let mut offered = optional(&page);
    offered.sort();
    assert_eq!(offered, ["claim.birthdate", "claim.gender", "claim.nickname", "scope.email"]);
    let answer = consent_to(&person, &page, |name| name == "claim.birthdate" || name == "claim.nickname").await;
    let tokens = app.redeem(&app.returned(&answer)["code"]).await;
    assert_eq!(tokens.member("scope"), "openid");
    let info = app.api.userinfo(&tokens.member("access_token")).await.json();
    let expected = with_sub(&info["sub"], ada(["birthdate", "nickname"]));
    assert_eq!(info, expected);
}

/// "Sign out here".
async fn sign_out_here(person: &Person) {
    let page = person.get("/logout").await;
    let answer = post(person, "/logout", &[("form", page.form()), ("action", "here".to_owned())]).await;
    assert!(answer.body.contains("You are signed out"), "{}", answer.body);
}

/// Core 11: without `offline_access` a token ends with its browser session, with it it does not.
#[tokio::test]
async fn an_ended_session_ends_its_tokens_at_once_but_those_of_offline_access() {
    let fixture = fixture();
    let (person, other) = (Person::ada(&fixture.a).await, Person::ada(&fixture.a).await);
    let app = App::web(&fixture.a, "first-party");
    let (online, offline) = (app.tokens(&person, &[]).await, app.tokens(&person, &OFFLINE).await);
    let elsewhere = app.tokens(&other, &[]).await;
    for tokens in [&online, &offline, &elsewhere] {
        assert_alive(fixture, &app, tokens).await;
    }
    sign_out_here(&person).await;
    assert_dead(fixture, &app, &online).await;
    assert_alive(fixture, &app, &offline).await;
    assert_alive(fixture, &app, &elsewhere).await;
    let renewed = app.at(&fixture.b).api.refresh(&offline.member("refresh_token")).await;
    assert!(renewed.is_granted(), "{}", renewed.body);

    // A session that is idle or old is over too; one that the same user renews by signing in again is not.
    let sid = claims(&elsewhere.member("id_token"))["sid"].clone();
    let back = app.authorized(&other, &[("prompt", "login")]).await;
    let again = app.redeem(&back["code"]).await;
    assert_eq!(claims(&again.member("id_token"))["sid"], sid, "the session goes on under its name");
    assert_alive(fixture, &app, &elsewhere).await;
    for column in ["seen_at", "auth_time"] {
        let life = if column == "seen_at" { 28_800_000 } else { 604_800_000 };
        let sql = format!("UPDATE sessions SET {column} = {column} - ?2 WHERE sid = ?1 RETURNING id");
        assert_eq!(fixture.d1(&sql, &[sid.clone(), life.into()]).await.len(), 1);
        assert_dead(fixture, &app, &elsewhere).await;
        assert_eq!(fixture.d1(&sql, &[sid.clone(), (-life).into()]).await.len(), 1);
        assert_alive(fixture, &app, &elsewhere).await;
    }
}

#[tokio::test]
async fn whoever_may_end_it_ends_it_at_once() {
    let fixture = fixture();
    let app = App::web(&fixture.a, "asking");
    let both = async |app: &App, person: &Person| [app.tokens(person, &[]).await, app.tokens(person, &OFFLINE).await];
    let check = async |app: &App, tokens: &[Answer; 2], alive: [bool; 2]| {
        for (tokens, alive) in tokens.iter().zip(alive) {
            if alive { assert_alive(fixture, app, tokens).await } else { assert_dead(fixture, app, tokens).await }
        }
    };

    // The app itself (RFC 7009): each by its access token, and the second by its refresh token.
    let person = person(&fixture.a, "barbara").await;
    let tokens = both(&app, &person).await;
    let revoke = async |app: &App, token: &str| app.api.post("/revoke", &[("token", token)]).await.status;
    assert_eq!(revoke(&App::web(&fixture.a, "stranger"), &tokens[0].member("access_token")).await, 400);
    check(&app, &tokens, [true, true]).await;
    assert_eq!(revoke(&app.at(&fixture.b), &tokens[0].member("access_token")).await, 200);
    check(&app, &tokens, [false, true]).await;
    assert_eq!(revoke(&app, &tokens[1].member("refresh_token")).await, 200);
    check(&app, &tokens, [false, false]).await;

    // The user: one app, and no other.
    let gone = App::web(&fixture.a, "disconnected");
    let (tokens, others) = (both(&gone, &person).await, both(&app, &person).await);
    let home = person.get("/").await;
    let item = home.body.split("<li").find(|item| item.contains("Client disconnected")).unwrap();
    let form = item.split_once("name=\"form\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    assert_eq!(post(&person, "/apps/end", &[("form", form)]).await.status, 303);
    check(&gone, &tokens, [false, false]).await;
    check(&app, &others, [true, true]).await;
    assert_eq!(gone.authorized(&person, &[("prompt", "none")]).await["error"], "consent_required");
    let tokens = both(&gone, &person).await;
    check(&gone, &tokens, [true, true]).await;

    // The user: everything.
    let dorothy = super::person(&fixture.a, "dorothy").await;
    let tokens = both(&app, &dorothy).await;
    dorothy.sign_out_everywhere().await;
    check(&app, &tokens, [false, false]).await;
    check(&app, &others, [true, true]).await;

    // The administrator: the user, the client.
    let edith = super::person(&fixture.a, "edith").await;
    let tokens = both(&app, &edith).await;
    let sql = "UPDATE users SET enabled = ?1 WHERE id = (SELECT user_id FROM logins WHERE login = 'edith')";
    fixture.d1(sql, &[0.into()]).await;
    check(&app, &tokens, [false, false]).await;
    check(&app, &others, [true, true]).await;
    fixture.d1(sql, &[1.into()]).await;
    let (disabled, grace) = (App::web(&fixture.a, "disabled"), super::person(&fixture.a, "grace").await);
    let tokens = both(&disabled, &grace).await;
    fixture.d1("UPDATE clients SET enabled = 0, version = version + 1 WHERE id = 'disabled'", &[]).await;
    for tokens in &tokens {
        assert_eq!(disabled.api.userinfo(&tokens.member("access_token")).await.status, 401);
    }
    let refused = disabled.at(&fixture.b).api.refresh(&tokens[1].member("refresh_token")).await;
    super::assert_no_client(&refused, true);
}
