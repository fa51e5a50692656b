//! Who acts for whom: delegation (RFC 8693 4.1, 4.4) and impersonation (1.1).

use serde_json::{Value, json};

use super::{
    A, B, C, adas, alone, api, delegate, exchange, fixture, granted, introspected, opaque, own, refused, scopes, tokens, uri,
    verified,
};
use crate::support::{Api, Person, claims, header};

/// What an exchanged token must not change about the user and the sign-in.
const KEPT: [&str; 6] = ["iss", "sub", "sid", "auth_time", "acr", "amr"];

#[tokio::test]
async fn one_service_acts_for_a_user_and_the_next_for_both() {
    let fixture = fixture();
    let (orders, stock) = (api(&fixture.a, "orders"), api(&fixture.b, "stock"));
    let first = adas(&fixture.a, "app").await;
    assert_eq!(claims(&first)["may_act"], json!({ "sub": "orders" }));

    let answer = delegate(&orders, &first, &own(&orders).await, &[("resource", B)]).await;
    let second = granted(&answer);
    assert_eq!(answer.header("cache-control"), "no-store");
    let mut names: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["access_token", "expires_in", "issued_token_type", "scope", "token_type"], "and no refresh or ID token");
    assert_eq!(header(&second)["typ"], "at+jwt");
    let (before, said) = (claims(&first), verified(fixture, &second).await);
    for name in KEPT {
        assert_eq!(said[name], before[name], "{name}");
    }
    assert_eq!((&said["aud"], &said["client_id"]), (&json!(B), &json!("orders")));
    assert_eq!(said["act"], json!({ "sub": "orders" }));
    assert_eq!(said["may_act"], json!({ "sub": "stock" }), "whom the service itself lets act, not the app");
    assert_eq!(scopes(&said), scopes(&before));
    assert_eq!(said["scope"], answer.json()["scope"]);
    assert_ne!(said["jti"], before["jti"]);
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), answer.json()["expires_in"].as_i64().unwrap());
    assert!(said["exp"].as_i64() <= before["exp"].as_i64());

    // 4.1: the outermost is the current actor, and who acted before is nested.
    let third = granted(&delegate(&stock, &second, &own(&stock).await, &[("resource", C)]).await);
    let said = verified(fixture, &third).await;
    assert_eq!(said["act"], json!({ "sub": "stock", "act": { "sub": "orders" } }));
    assert_eq!((&said["aud"], &said["client_id"], &said["sub"]), (&json!(C), &json!("stock"), &before["sub"]));
    assert_eq!(said.get("may_act"), None, "nobody may act after it");
    // Narrowing it without an actor forgets nobody.
    let narrowed = claims(&granted(&exchange(&stock, &third, &[("scope", "records:read")]).await));
    assert_eq!((&narrowed["act"], &narrowed["scope"]), (&said["act"], &json!("records:read")));
    // The resource server and the user's claims are told the same.
    let told = introspected(&fixture.b, &third).await;
    assert_eq!((&told["active"], &told["act"], &told["client_id"]), (&json!(true), &said["act"], &json!("stock")));
    assert_eq!(stock.userinfo(&third).await.json()["sub"], before["sub"]);
}

/// `iss` of `may_act` (4.4): the same name at another issuer is somebody else.
#[tokio::test]
async fn may_act_names_an_issuer_or_means_this_one() {
    let fixture = fixture();
    let (orders, jwt) = (api(&fixture.a, "orders"), adas(&fixture.a, "app").await);
    let actor = own(&orders).await;
    let with = async |may_act: Value| opaque(fixture, &jwt, &json!({ "may_act": may_act }), 60).await;
    for (what, may_act, is_allowed) in [
        ("no issuer", json!({ "sub": "orders" }), true),
        ("this issuer", json!({ "sub": "orders", "iss": fixture.a }), true),
        ("another issuer", json!({ "sub": "orders", "iss": "https://evil.example" }), false),
        ("another subject", json!({ "sub": "stock", "iss": fixture.a }), false),
        ("nobody", Value::Null, false),
    ] {
        let answer = delegate(&orders, &with(may_act).await, &actor, &[]).await;
        if is_allowed {
            assert_eq!(claims(&granted(&answer))["act"], json!({ "sub": "orders" }), "{what}");
        } else {
            refused(what, &answer, "invalid_request");
        }
    }
}

#[tokio::test]
async fn a_chain_of_actors_has_an_end() {
    let fixture = fixture();
    let (orders, jwt) = (api(&fixture.a, "orders"), adas(&fixture.a, "app").await);
    let actor = own(&orders).await;
    let chain =
        |length: usize| (1..length).fold(json!({ "sub": "s0" }), |before, n| json!({ "sub": format!("s{n}"), "act": before }));
    let fourth = opaque(fixture, &jwt, &json!({ "act": chain(4) }), 60).await;
    let said = claims(&granted(&delegate(&orders, &fourth, &actor, &[]).await));
    assert_eq!(said["act"], json!({ "sub": "orders", "act": chain(4) }));
    let fifth = opaque(fixture, &jwt, &json!({ "act": chain(5) }), 60).await;
    refused("a sixth actor", &delegate(&orders, &fifth, &actor, &[]).await, "invalid_request");
}

/// RFC 8693 2.2.2: an unacceptable actor token is `invalid_request`, and nothing happened.
#[tokio::test]
async fn who_was_not_named_or_has_no_good_token_does_not_act() {
    let (_turn, fixture) = alone().await;
    let (orders, stock, gate) = (api(&fixture.a, "orders"), api(&fixture.a, "stock"), api(&fixture.a, "gate"));
    let person = Person::ada(&fixture.a).await;
    let apps = tokens(&fixture.a, "app", &person).await;
    let (subject, quiet) = (apps.member("access_token"), tokens(&fixture.a, "quiet", &person).await.member("access_token"));
    let (mine, others, gates) = (own(&orders).await, own(&stock).await, own(&gate).await);
    let acting = granted(&delegate(&orders, &subject, &mine, &[]).await);
    let expired = opaque(fixture, &mine, &json!({}), -1).await;
    let alive = opaque(fixture, &mine, &json!({}), 60).await;
    let foreign = opaque(fixture, &mine, &json!({ "client_id": "stock" }), 60).await;
    let tampered = format!("{}A{}", &mine[..mine.len() - 10], &mine[mine.len() - 9..]);
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", mine.split('.').nth(1).unwrap());
    let (jwt, access) = (uri("jwt"), uri("access_token"));
    assert!(delegate(&orders, &subject, &alive, &[]).await.is_granted(), "an opaque token is one too");
    let before = fixture.stored().await;

    let table: [(&str, &Api, &str, &str); 15] = [
        ("the subject token names nobody", &orders, &quiet, &mine),
        ("the subject token names somebody else", &gate, &subject, &gates),
        ("another's actor token", &orders, &subject, &others),
        ("the named one's token in another's hands", &gate, &subject, &mine),
        ("one that says it is another's", &orders, &subject, &foreign),
        ("an actor who is acted for", &orders, &subject, &acting),
        ("the subject token itself", &orders, &subject, &subject),
        ("expired", &orders, &subject, &expired),
        ("garbage", &orders, &subject, "garbage"),
        ("dots", &orders, &subject, "a.b.c"),
        ("a changed signature", &orders, &subject, &tampered),
        ("no signature", &orders, &subject, &unsigned),
        ("an ID token", &orders, &subject, &apps.member("id_token")),
        ("a refresh token", &orders, &subject, &apps.member("refresh_token")),
        ("somebody whom the token was not sent to", &stock, &subject, &others),
    ];
    for (what, client, subject, actor) in table {
        refused(what, &delegate(client, subject, actor, &[]).await, "invalid_request");
        refused(what, &delegate(&client.at(&fixture.b), subject, actor, &[]).await, "invalid_request");
    }
    let pairs: [(&str, &[(&str, &str)]); 9] = [
        ("no type", &[("actor_token", &mine)]),
        ("an empty type", &[("actor_token", &mine), ("actor_token_type", "")]),
        ("no token", &[("actor_token_type", &access)]),
        ("an ID token's type", &[("actor_token", &mine), ("actor_token_type", &uri("id_token"))]),
        ("a refresh token's type", &[("actor_token", &mine), ("actor_token_type", &uri("refresh_token"))]),
        ("SAML", &[("actor_token", &mine), ("actor_token_type", &uri("saml2"))]),
        ("no URI", &[("actor_token", &mine), ("actor_token_type", "access_token")]),
        ("another case", &[("actor_token", &mine), ("actor_token_type", &access.to_uppercase())]),
        ("an opaque token that is said to be a JWT", &[("actor_token", &alive), ("actor_token_type", &jwt)]),
    ];
    for (what, more) in pairs {
        refused(what, &exchange(&orders, &subject, more).await, "invalid_request");
    }
    fixture.assert_unchanged(before).await;
    let answer = exchange(&orders, &subject, &[("actor_token", &mine), ("actor_token_type", &jwt)]).await;
    assert!(answer.is_granted(), "a JWT may be called one: {}", answer.body);
}

#[tokio::test]
async fn in_anothers_place_steps_only_whom_the_operator_lets() {
    let fixture = fixture();
    let subject = adas(&fixture.a, "quiet").await;
    for id in ["orders", "no-exchange", "elsewhere", "stock"] {
        let error = if id == "no-exchange" { "unauthorized_client" } else { "invalid_request" };
        refused(id, &exchange(&api(&fixture.a, id), &subject, &[]).await, error);
    }
    let said = claims(&granted(&exchange(&api(&fixture.b, "impersonating"), &subject, &[]).await));
    let before = claims(&subject);
    for name in KEPT {
        assert_eq!(said[name], before[name], "{name}");
    }
    assert_eq!((said.get("act"), &said["client_id"]), (None, &json!("impersonating")));
    // Where somebody acted before, that is not hidden.
    let orders = api(&fixture.a, "orders");
    let acting = granted(&delegate(&orders, &adas(&fixture.a, "app").await, &own(&orders).await, &[("resource", B)]).await);
    let said = claims(&granted(&exchange(&api(&fixture.a, "gate"), &acting, &[]).await));
    assert_eq!((&said["act"], &said["client_id"]), (&json!({ "sub": "orders" }), &json!("gate")));
    // It needs a token that was sent to it all the same.
    let stray = granted(&exchange(&api(&fixture.a, "gate"), &subject, &[("resource", B)]).await);
    assert_eq!((claims(&subject)["aud"].as_str(), claims(&stray)["aud"].as_str()), (Some(A), Some(B)));
    refused("not its own resource", &exchange(&api(&fixture.a, "impersonating"), &stray, &[]).await, "invalid_request");
}
