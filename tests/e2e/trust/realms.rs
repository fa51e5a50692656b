//! Two realms, each with Workers and a database of its own: what a token of one buys in the other.

use serde_json::json;

use super::{Grant, client, clients, service};
use crate::code::{assert_refused, jwks, verified};
use crate::harness::{Fixture, Setup};
use crate::support::{Api, Person, claims, header};
use crate::web::{App, secret, web_client};

/// What the other realm's tokens are for when they are for us.
const US: &str = "https://mdhlabs.example";
const PASSWORD: &str = "compiler-no-1952";

/// The realm whose users come.
async fn providerx() -> Fixture {
    let user = |login: &str, roles: &[&str]| json!({ "login": login, "password": PASSWORD, "roles": roles });
    let portal = json!({ "skip_consent": true, "resources": [US, "https://elsewhere.example"] });
    let robot = json!({ "resources": [US], "redirect_uris": [] });
    Setup::default()
        .rate_limit("LIMIT_LOGIN", 1000)
        .seed(&json!({
            "users": [user("basic", &["providerxbasic"]), user("advanced", &["providerxadvanced", "other"]), user("none", &["other"])],
            "clients": [web_client("portal", &[portal]), service("robot", &robot)],
        }))
        .start()
        .await
}

/// The realm that they come to.
async fn mdhlabs(other: &Fixture) -> Fixture {
    let map = json!({ "providerxbasic": "customer", "providerxadvanced": "engineer" });
    let trusted = json!({
        "issuer": other.a,
        "preset": "latchkey",
        "audiences": [US],
        "rules": [
            { "id": "robot", "claims": { "sub": { "equals": "robot" }, "client_id": { "equals": "robot" } },
              "yields": { "client": "deployer", "scope": "records:read" } },
            { "id": "people", "yields": { "clients": ["broker"], "scope": "records:read", "roles": { "claim": "roles", "map": map } } },
        ],
    });
    Setup::default()
        .var("OUTBOUND_ALLOW", other.a.trim_start_matches("http://"))
        .rate_limit("LIMIT_TOKEN", 100_000)
        .seed(&json!({ "clients": clients(), "trusted_issuers": [trusted] }))
        .start()
        .await
}

#[tokio::test]
async fn users_of_one_realm_are_customers_and_engineers_of_the_other() {
    let other = providerx().await;
    let own = mdhlabs(&other).await;
    let broker = client(&own.a, "broker");
    let portal = App::web(&other.a, "portal");
    let bring = async |token: &str| Grant::Exchange.by(&broker, token, &[]).await;
    let (mut names, mut refresh_tokens) = (Vec::new(), Vec::new());
    for (login, roles) in [("basic", Some(json!(["customer"]))), ("advanced", Some(json!(["engineer"]))), ("none", None)] {
        let person = Person::new(&other.a);
        person.sign_in(login, PASSWORD).await;
        let tokens = portal
            .tokens(&person, &[("resource", US), ("scope", "openid offline_access records:read"), ("prompt", "consent")])
            .await;
        let token = tokens.member("access_token");
        assert_eq!((&header(&token)["typ"], &claims(&token)["aud"]), (&json!("at+jwt"), &json!(US)));
        let answer = bring(&token).await;
        let Some(roles) = roles else {
            assert_refused(&answer, "invalid_request");
            continue;
        };
        assert!(answer.is_granted(), "{login}: {}", answer.body);
        let here = verified(&jwks(&own.a).await, &answer.member("access_token"));
        assert_eq!((&here["iss"], &here["roles"], &here["client_id"]), (&json!(own.a), &roles, &json!("broker")));
        assert_ne!(here["sub"], claims(&token)["sub"]);
        assert!(here["exp"].as_i64().unwrap() <= claims(&token)["exp"].as_i64().unwrap());
        assert!(!names.contains(&here["sub"]), "{names:?}");
        names.push(here["sub"].clone());
        // What else that realm signs, and what it made for others, buys nothing.
        let id_token = tokens.member("id_token");
        assert_refused(&bring(&id_token).await, "invalid_request");
        let refresh_token = tokens.member("refresh_token");
        assert_refused(&bring(&refresh_token).await, "invalid_request");
        refresh_tokens.push(refresh_token);
        let tokens = portal.tokens(&person, &[("resource", "https://elsewhere.example")]).await;
        assert_refused(&bring(&tokens.member("access_token")).await, "invalid_request");
        // Nor is our token one of theirs.
        let theirs = Api::basic(&other.a, "robot", &secret("robot"));
        let back = Grant::Exchange.by(&theirs, &answer.member("access_token"), &[]).await;
        assert_refused(&back, "invalid_request");
        assert_eq!(theirs.userinfo(&answer.member("access_token")).await.status, 401);
    }
    // Their service is our service account; ours has their secret nowhere.
    let robot = Api::basic(&other.a, "robot", &secret("robot"));
    let token = robot.post("/token", &[("grant_type", "client_credentials"), ("resource", US)]).await.member("access_token");
    for grant in [Grant::Exchange, Grant::Bearer] {
        let answer = grant.anonymous(&own.b, &token, &[]).await;
        assert!(answer.is_granted(), "{}", answer.body);
        assert_eq!(claims(&answer.member("access_token"))["sub"], "deployer");
    }
    // Roles that change there change here, with the next token.
    let sql = "UPDATE users SET roles = ?1 WHERE id = (SELECT user_id FROM logins WHERE login = 'basic')";
    other.d1(sql, &[json!(["providerxadvanced"]).to_string().into()]).await;
    let renewed = portal.api.refresh(&refresh_tokens[0]).await.member("access_token");
    let answer = bring(&renewed).await;
    let here = claims(&answer.member("access_token"));
    assert_eq!((&here["roles"], &here["sub"]), (&json!(["engineer"]), &names[0]));
}
