//! What a code is and who may redeem it: RFC 6749 4.1.3, RFC 7636 4.6, RFC 9700 2.1.1 and 4.5.

use std::collections::HashSet;

use latchkey::protocol::code::AuthorizationCode;
use latchkey::protocol::secret::{base64url, from_base64url};
use serde_json::{Value, json};

use super::{OFFLINE, assert_alive, assert_no_client, assert_refused, fixture, person, rows, unsealed};
use crate::support::{Answer, Api, Person};
use crate::web::{App, Pkce, secret};

/// Everything that a code carries, at its largest.
fn largest() -> (String, String) {
    let claims = json!({ "userinfo": { "email": null, "birthdate": null }, "id_token": { "name": { "essential": true } } });
    let claims = claims.to_string();
    ("n".repeat(768 - claims.len()), claims)
}

#[tokio::test]
async fn a_code_lives_60_s_at_most_is_random_and_below_2_kb() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "reaching"));
    let (nonce, claims) = largest();
    let all = "openid profile email address phone offline_access records:read";
    let request = [("scope", all), ("nonce", nonce.as_str()), ("claims", claims.as_str()), ("resource", "urn:example:files")];
    let mut codes = HashSet::new();
    for _ in 0..3 {
        let code = app.code(&person, &request).await;
        assert!(code.len() < 2048, "{}", code.len());
        assert!(code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{code}");
        let opened: AuthorizationCode = unsealed(fixture, &code).await;
        assert_eq!(opened.expires_at.since(opened.made_at), 60_000);
        assert!(codes.insert(code) && codes.insert(opened.id.to_string()), "no two are alike");
    }
    let tokens = app.redeem(codes.iter().find(|code| code.len() > 100).unwrap()).await;
    assert_eq!(crate::support::claims(&tokens.member("id_token"))["nonce"], nonce);
    assert_eq!(tokens.header("cache-control"), "no-store");
    assert!(tokens.json()["expires_in"].as_i64().is_some_and(|seconds| (1..=600).contains(&seconds)));

    // One character more is told to the client, with its state.
    let nonce = format!("{nonce}n");
    let back = app.authorized(&person, &[("nonce", &nonce), ("claims", &claims)]).await;
    assert_eq!((back["error"].as_str(), back["state"].as_str()), ("invalid_request", "a state & more"));
    assert!(!back.contains_key("code"));
}

#[tokio::test]
async fn garbage_is_no_code() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    let tokens = app.tokens(&person, &OFFLINE).await;
    let code = app.code(&person, &[]).await;
    let mut flipped = from_base64url(&code).unwrap();
    *flipped.last_mut().unwrap() ^= 1;
    // Others redeem codes of this client meanwhile.
    let sid = crate::support::claims(&tokens.member("id_token"))["sid"].clone();
    let mine = async || {
        let mut rows = rows(fixture, "first-party").await;
        rows.retain(|row| row["sid"] == sid);
        rows
    };
    let before = mine().await;
    assert!(!before.is_empty());
    let [access, refresh, id] = ["access_token", "refresh_token", "id_token"].map(|name| tokens.member(name));
    for bad in ["x", &code[1..], &format!("{code}A"), &base64url(&flipped), &access, &refresh, &id, "\u{e9}", &"A".repeat(2000)] {
        assert_refused(&app.redeem(bad).await, "invalid_grant");
    }
    assert_refused(&app.redeem_with("", &[]).await, "invalid_request");
    assert_refused(&app.redeem_with(&code, &[("grant_type", "")]).await, "invalid_request");
    assert_refused(&app.redeem_with(&code, &[("grant_type", "password")]).await, "unsupported_grant_type");
    let twice = [("grant_type", "authorization_code"), ("code", &code), ("code", &code), ("redirect_uri", &app.redirect_uri)];
    assert_refused(&app.api.post("/token", &twice).await, "invalid_request");
    assert_eq!(mine().await, before);
    assert!(app.redeem(&code).await.is_granted());
    assert_alive(fixture, &app, &tokens).await;
}

/// A stranger's attempt at a code.
struct Attempt {
    rule: &'static str,
    app: App,
    changes: Vec<(&'static str, String)>,
    error: &'static str,
}

fn attempts(base: &str) -> Vec<Attempt> {
    let app = App::web(base, "first-party");
    let attempt = |rule, changes: &[(&'static str, &str)], error| {
        let changes = changes.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Attempt { rule, app: app.clone(), changes, error }
    };
    let other = |rule, api: Api| Attempt { rule, app: App { api, ..app.clone() }, changes: Vec::new(), error: "invalid_client" };
    let wrong = Pkce::of("another app");
    vec![
        Attempt {
            error: "invalid_grant",
            ..other("a code is bound to its client", Api::basic(base, "stranger", &secret("stranger")))
        },
        Attempt { error: "invalid_grant", ..other("a public client is another client too", Api::public(base, "demo-spa")) },
        other("a confidential client authenticates", Api::basic(base, "first-party", &secret("stranger"))),
        other("a confidential client is not public", Api::public(base, "first-party")),
        other("an unknown client", Api::basic(base, "nobody", &secret("first-party"))),
        attempt("the verifier is the challenge's", &[("code_verifier", &wrong.verifier)], "invalid_grant"),
        attempt("the challenge is no verifier (S256, not plain)", &[("code_verifier", &app.pkce.challenge)], "invalid_grant"),
        attempt("a verifier is not optional", &[("code_verifier", "")], "invalid_grant"),
        attempt("a verifier of RFC 7636 4.1 is long", &[("code_verifier", "short")], "invalid_grant"),
        attempt("the redirect URI is the request's", &[("redirect_uri", "https://first-party.example/other")], "invalid_grant"),
        attempt("the redirect URI, exactly", &[("redirect_uri", "https://first-party.example/cb?")], "invalid_grant"),
        attempt("the redirect URI is not optional", &[("redirect_uri", "")], "invalid_grant"),
        attempt("a resource that was not approved", &[("resource", "https://api.example/v1")], "invalid_target"),
        attempt("two methods of authentication", &[("client_secret", &secret("first-party"))], "invalid_request"),
        attempt("two clients", &[("client_id", "stranger")], "invalid_request"),
    ]
}

/// Before the right one comes and after it came, a stranger's attempt is refused and changes nothing.
#[tokio::test]
async fn a_strangers_attempt_changes_nothing() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    for offline in [false, true] {
        let request: &[(&str, &str)] = if offline { &OFFLINE } else { &[] };
        let code = app.code(&person, request).await;
        // Who the row is of, for other tests redeem codes of the same client.
        let id = unsealed::<AuthorizationCode>(fixture, &code).await.id.to_string();
        let row = async || {
            let sql = "SELECT id, revoked_at, attempt FROM grants WHERE id = ?1 UNION SELECT id, revoked_at, attempt FROM redemptions WHERE id = ?1";
            fixture.d1(sql, &[id.clone().into()]).await
        };
        let tried = async |when: &str| {
            for Attempt { rule, app, changes, error } in attempts(&fixture.b) {
                let changes: Vec<(&str, &str)> = changes.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let answer = app.redeem_with(&code, &changes).await;
                assert_eq!(answer.error(), error, "{rule}, {when}: {}", answer.body);
                assert_eq!(answer.status, if answer.headers.contains_key("www-authenticate") { 401 } else { 400 }, "{rule}");
                assert!(answer.json().get("access_token").is_none());
            }
        };
        tried("before").await;
        assert_eq!(row().await, Vec::<Value>::new());
        let tokens = app.redeem(&code).await;
        assert!(tokens.is_granted(), "and the right one still works: {}", tokens.body);
        let first = row().await;
        assert_eq!(first[0]["revoked_at"], Value::Null);
        tried("after").await;
        assert_eq!(row().await, first);
        assert_alive(fixture, &app, &tokens).await;
    }
}

/// RFC 9700 2.1.1, 4.8.2: a challenge that was taken out of the request is noticed.
#[tokio::test]
async fn pkce_cannot_be_downgraded() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "open"));
    let bare = [("code_challenge", ""), ("code_challenge_method", "")];
    let code = app.code(&person, &bare).await;
    let refused = app.redeem(&code).await;
    assert_refused(&refused, "invalid_grant");
    assert!(app.redeem_with(&code, &[("code_verifier", "")]).await.is_granted(), "its client that used none goes on");
    // It may use PKCE, and then must.
    let code = app.code(&person, &[]).await;
    assert_refused(&app.redeem_with(&code, &[("code_verifier", "")]).await, "invalid_grant");
    assert!(app.redeem(&code).await.is_granted());
    // Clients that an administrator made, and public ones, cannot do without.
    for app in [App::web(&fixture.a, "first-party"), App::demo_spa(&fixture.a), App::demo(&fixture.a)] {
        let back = app.authorized(&person, &bare).await;
        assert_eq!((back["error"].as_str(), back.contains_key("code")), ("invalid_request", false), "{}", app.api.client);
    }
}

/// RFC 6749 4.1.3: a redirect URI that the request did not name need not be named here.
#[tokio::test]
async fn the_one_registered_redirect_uri_may_go_without_saying() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    let code = app.code(&person, &[("redirect_uri", ""), ("scope", "records:read")]).await;
    let tokens = app.redeem_with(&code, &[("redirect_uri", "")]).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    assert_eq!((tokens.member("scope").as_str(), tokens.json().get("id_token")), ("records:read", None));
}

/// What ends between the page and the redemption: nothing is issued any more.
#[tokio::test]
async fn a_code_is_worth_what_is_allowed_when_it_is_redeemed() {
    let fixture = fixture();
    let app = App::web(&fixture.a, "changing");
    let after = async |who: &str, change: &[(&str, Value)], back: &[(&str, Value)]| -> Answer {
        let person = if who == "ada" { Person::ada(&fixture.a).await } else { person(&fixture.a, who).await };
        let code = app.code(&person, &OFFLINE).await;
        for (sql, param) in change {
            fixture.d1(sql, std::slice::from_ref(param)).await;
        }
        let answer = app.at(&fixture.b).redeem(&code).await;
        for (sql, param) in back {
            fixture.d1(sql, std::slice::from_ref(param)).await;
        }
        answer
    };
    let user = "UPDATE users SET enabled = enabled + ?1 WHERE id = (SELECT user_id FROM logins WHERE login = 'mary')";
    assert_refused(&after("mary", &[(user, json!(-1))], &[(user, json!(1))]).await, "invalid_grant");
    let session = "DELETE FROM sessions WHERE user_id = (SELECT user_id FROM logins WHERE login = ?1)";
    assert_refused(&after("mary", &[(session, json!("mary"))], &[]).await, "invalid_grant");
    let everywhere = "UPDATE users SET not_before = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE id = (SELECT user_id FROM logins WHERE login = ?1)";
    assert_refused(&after("mary", &[(everywhere, json!("mary"))], &[]).await, "invalid_grant");

    let changed = |sql: &'static str, value: Value| (sql, value);
    let set = "UPDATE clients SET metadata = json_set(metadata, '$.grant_types', json(?1)), version = version + 1 WHERE id = 'changing'";
    let answer = after(
        "ada",
        &[changed(set, json!("[\"refresh_token\"]"))],
        &[changed(set, json!("[\"authorization_code\",\"refresh_token\"]"))],
    )
    .await;
    assert_refused(&answer, "unauthorized_client");
    let switch = "UPDATE clients SET enabled = ?1, version = version + 1 WHERE id = 'changing'";
    assert_no_client(&after("ada", &[changed(switch, json!(0))], &[changed(switch, json!(1))]).await, true);
    // Less scope: what is left is issued.
    let set = "UPDATE clients SET metadata = json_set(metadata, '$.scope', ?1), version = version + 1 WHERE id = 'changing'";
    let answer =
        after("ada", &[changed(set, json!("openid offline_access"))], &[changed(set, json!("openid profile offline_access"))])
            .await;
    assert!(answer.is_granted(), "{}", answer.body);
    assert_eq!(answer.member("scope"), "openid offline_access");
}
