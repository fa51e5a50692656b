//! What can be had (RFC 8693 2.1 `requested_token_type`, 2.2.1, 3).

use latchkey::protocol::client::TOKEN_EXCHANGE;
use serde_json::{Value, json};

use super::{
    A, B, C, PHANTOM, adas, alone, api, delegate, exchange, fixture, granted, own, refused, scopes, tokens, uri, verified,
};
use crate::harness::Fixture;
use crate::support::{Answer, Api, Person, claims, header};
use crate::web::App;

/// More parameters.
type More<'a> = &'a [(&'a str, &'a str)];

/// Asks for a type.
async fn wanted(client: &Api, subject: &str, name: &str, more: &[(&str, &str)]) -> Answer {
    let kind = uri(name);
    exchange(client, subject, &[[("requested_token_type", kind.as_str())].as_slice(), more].concat()).await
}

#[tokio::test]
async fn an_access_token_is_one_whatever_it_is_called() {
    let fixture = fixture();
    let (gate, subject) = (api(&fixture.a, "gate"), adas(&fixture.a, "app").await);
    for name in ["access_token", "jwt"] {
        let answer = wanted(&gate, &subject, name, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body = answer.json();
        assert_eq!((&body["issued_token_type"], &body["token_type"]), (&json!(uri(name)), &json!("Bearer")));
        assert_eq!(verified(fixture, &answer.member("access_token")).await["aud"], B);
        assert_eq!((body.get("refresh_token"), body.get("id_token")), (None, None));
    }
    // Where a resource wants it opaque, nobody gets it to read.
    let answer = wanted(&gate, &subject, "access_token", &[("resource", PHANTOM)]).await;
    assert!(!granted(&answer).contains('.'));
    refused("jwt", &wanted(&gate, &subject, "jwt", &[("resource", PHANTOM)]).await, "invalid_request");
}

#[tokio::test]
async fn an_id_token_says_to_the_client_who_signed_in() {
    let fixture = fixture();
    let (gate, person) = (api(&fixture.b, "gate"), Person::ada(&fixture.a).await);
    let apps = tokens(&fixture.a, "app", &person).await;
    let subject = apps.member("access_token");
    let answer = wanted(&gate, &subject, "id_token", &[]).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["issued_token_type"], &body["token_type"]), (200, &json!(uri("id_token")), &json!("N_A")));
    assert_eq!((body.get("refresh_token"), body.get("id_token")), (None, None));
    let token = answer.member("access_token");
    assert_eq!((header(&token)["typ"].as_str(), header(&token)["alg"].as_str()), (Some("JWT"), Some("RS256")));
    let (said, apps_own) = (verified(fixture, &token).await, claims(&apps.member("id_token")));
    let mut names: Vec<&str> = said.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["acr", "amr", "aud", "auth_time", "exp", "iat", "iss", "sid", "sub"], "no nonce, no at_hash");
    assert_eq!(said["aud"], "gate");
    for name in ["iss", "sub", "sid", "auth_time", "acr", "amr"] {
        assert_eq!(said[name], apps_own[name], "{name}");
    }
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), body["expires_in"].as_i64().unwrap());
    assert!(said["exp"].as_i64() <= claims(&subject)["exp"].as_i64());
    assert_eq!(gate.userinfo(&token).await.status, 401, "it is no access token");
    // Who acts is told.
    let orders = api(&fixture.a, "orders");
    let acting = granted(&delegate(&orders, &subject, &own(&orders).await, &[]).await);
    let answer = wanted(&gate, &acting, "id_token", &[]).await;
    assert_eq!(claims(&answer.member("access_token"))["act"], json!({ "sub": "orders" }), "{}", answer.body);
}

/// RFC 6749 5.2 in 8693 2.2.2: what policy does not allow is an unacceptable request, and leaves nothing.
#[tokio::test]
async fn what_policy_does_not_allow_is_not_to_be_had() {
    let (_turn, fixture) = alone().await;
    let person = Person::ada(&fixture.a).await;
    let (gate, orders) = (api(&fixture.a, "gate"), api(&fixture.a, "orders"));
    let (impersonating, no_refresh) = (api(&fixture.a, "impersonating"), api(&fixture.a, "no-refresh"));
    let subject = tokens(&fixture.a, "app", &person).await.member("access_token");
    let online = App::web(&fixture.a, "app").tokens(&person, &[("scope", "openid records:read")]).await.member("access_token");
    let acting = granted(&delegate(&orders, &subject, &own(&orders).await, &[]).await);
    let services = own(&orders).await;
    let before = fixture.stored().await;
    let table: [(&str, &Api, &str, &str, More<'_>); 14] = [
        ("no policy", &impersonating, &subject, "id_token", &[]),
        ("no policy", &impersonating, &subject, "refresh_token", &[]),
        ("without openid", &gate, &subject, "id_token", &[("scope", "records:read")]),
        ("for a resource", &gate, &subject, "id_token", &[("resource", B)]),
        ("for an audience", &gate, &subject, "id_token", &[("audience", B)]),
        ("about a service", &gate, &services, "id_token", &[]),
        ("about a service", &gate, &services, "refresh_token", &[]),
        ("without offline_access", &gate, &subject, "refresh_token", &[("scope", "openid")]),
        ("of a sign-in without offline_access", &gate, &online, "refresh_token", &[]),
        ("in another's name for ever", &gate, &acting, "refresh_token", &[]),
        ("not registered to refresh", &no_refresh, &subject, "refresh_token", &[]),
        ("saml1", &gate, &subject, "saml1", &[]),
        ("saml2", &gate, &subject, "saml2", &[]),
        ("nothing", &gate, &subject, "", &[]),
    ];
    for (what, client, subject, name, more) in table {
        for base in [&fixture.a, &fixture.b] {
            refused(&format!("{name} {what}"), &wanted(&client.at(base), subject, name, more).await, "invalid_request");
        }
    }
    let wider = wanted(&gate, &online, "refresh_token", &[("scope", "openid offline_access")]).await;
    refused("offline access that nobody gave", &wider, "invalid_scope");
    let out = wanted(&gate, &subject, "refresh_token", &[("resource", A)]).await;
    refused("out of reach", &out, "invalid_target");
    fixture.assert_unchanged(before).await;
}

/// The grants of a client.
async fn grants(fixture: &Fixture, client: &str) -> Vec<Value> {
    fixture.d1("SELECT * FROM grants WHERE client_id = ?1 ORDER BY created_at, id", &[client.into()]).await
}

#[tokio::test]
async fn a_refresh_token_is_a_grant_of_its_own() {
    let (_turn, fixture) = alone().await;
    let (client, person) = (api(&fixture.a, "counted"), super::person(&fixture.a, "grace").await);
    let subject = tokens(&fixture.a, "app", &person).await.member("access_token");
    let parent = grants(fixture, "app").await.pop().unwrap();
    let before = grants(fixture, "counted").await.len();
    let asked = [("scope", "openid offline_access records:read"), ("resource", B)];
    let answer = wanted(&client, &subject, "refresh_token", &asked).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["issued_token_type"]), (200, &json!(uri("refresh_token"))), "{}", answer.body);
    assert_eq!((&body["token_type"], body.get("refresh_token"), body.get("id_token")), (&json!("N_A"), None, None));
    let left = (parent["expires_at"].as_i64().unwrap()
        - i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap())
        / 1000;
    assert!((left - 60..=left + 1).contains(&body["expires_in"].as_i64().unwrap()), "{} {left}", answer.body);
    let rows = grants(fixture, "counted").await;
    assert_eq!(rows.len(), before + 1, "one row");
    let row = rows.iter().find(|row| row["parent"] == parent["id"]).unwrap();
    for name in ["user_id", "approved_at", "auth_time", "acr", "amr", "sid", "expires_at"] {
        assert_eq!(row[name], parent[name], "{name}");
    }
    assert_eq!((&row["grant_type"], &row["generation"]), (&json!(TOKEN_EXCHANGE), &json!(0)));

    // It refreshes as any does, within what was exchanged.
    let first = client.at(&fixture.b).refresh(&answer.member("access_token")).await;
    assert!(first.is_granted(), "{}", first.body);
    let said = verified(fixture, &first.member("access_token")).await;
    assert_eq!((&said["aud"], &said["client_id"], &said["sub"]), (&json!(B), &json!("counted"), &claims(&subject)["sub"]));
    assert_eq!(scopes(&said), ["offline_access", "openid", "records:read"]);
    assert_eq!((&said["sid"], &said["auth_time"]), (&claims(&subject)["sid"], &claims(&subject)["auth_time"]));
    assert_eq!(claims(&first.member("id_token"))["aud"], "counted");
    let token = first.member("refresh_token");
    let refresh = async |more: (&str, &str)| {
        client.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &token), more]).await
    };
    refused("more scope", &refresh(("scope", "openid records:write")).await, "invalid_scope");
    for out in [A, C] {
        refused(out, &refresh(("resource", out)).await, "invalid_target");
    }
    refused("as a subject token", &exchange(&client, &token, &[]).await, "invalid_request");
    refused("another client", &api(&fixture.a, "gate").refresh(&token).await, "invalid_grant");
    let second = client.refresh(&token).await;
    assert!(second.is_granted(), "{}", second.body);
    // Its owner sees it as an app.
    let home = person.get("/").await;
    assert!(home.body.contains("Service counted"), "{}", home.body);
    // Its client ends it, and nothing else.
    assert_eq!(client.post("/revoke", &[("token", &second.member("refresh_token"))]).await.status, 200);
    refused("revoked", &client.refresh(&second.member("refresh_token")).await, "invalid_grant");
    granted(&exchange(&client, &subject, &[]).await);
    let home = person.get("/").await;
    assert!(!home.body.contains("Service counted"), "{}", home.body);
}
