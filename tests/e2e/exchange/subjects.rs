//! What is a subject token and what is not (RFC 8693 2.1, 2.2.2).

use std::sync::OnceLock;

use latchkey::protocol::claims::TokenId;
use latchkey::protocol::seal::Sealer;
use serde_json::json;

use super::{
    A, B, C, Counted, PHANTOM, adas, alone, api, delegate, exchange, fixture, granted, introspected, opaque, own, refused, setup,
    tokens, uri, verified, with_sealer,
};
use crate::harness::Fixture;
use crate::judge::{Judge, Reply};
use crate::support::{Answer, Api, Person, claims, header};
use crate::web::{App, post, web_client};

/// RFC 8693 2.2.2: an unacceptable subject token is `invalid_request`, and nothing happened.
#[tokio::test]
async fn only_an_access_token_that_is_good_now_is_a_subject_token() {
    let (_turn, fixture) = alone().await;
    let gate = api(&fixture.a, "gate");
    let person = Person::ada(&fixture.a).await;
    let apps = tokens(&fixture.a, "app", &person).await;
    let (subject, id_token) = (apps.member("access_token"), apps.member("id_token"));
    let code = App::web(&fixture.a, "app").code(&person, &[]).await;
    let introspection = async |accept: &str, token: &str| {
        let request = gate.request("POST", "/introspect").basic_auth("gate", Some(crate::web::secret("gate")));
        let answer = Api::send(request.header("accept", accept).form(&[("token", token)])).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, accept), "{}", answer.body);
        answer.body
    };
    let about = introspection("application/token-introspection+jwt", &subject).await;
    let parts: Vec<&str> = subject.split('.').collect();
    let joined = |header: &str, body: &str, signature: &str| format!("{header}.{body}.{signature}");
    let encoded = |value: &serde_json::Value| latchkey::protocol::secret::base64url(value.to_string().as_bytes());
    let mut more = claims(&subject);
    more["scope"] = "openid offline_access records:read records:write latchkey:admin".into();
    let mut foreign = claims(&subject);
    foreign["iss"] = "https://evil.example".into();
    let none = encoded(&json!({ "alg": "none", "typ": "at+jwt" }));
    let mut plain = header(&subject);
    plain["typ"] = "JWT".into();
    let (other_epoch, token_id) = with_sealer(fixture, |sealer| {
        let id: TokenId = sealer.open(claims(&subject)["jti"].as_str().unwrap()).unwrap();
        let next = Sealer { epoch: 2, ..sealer };
        let bytes = opaque_bytes(&subject);
        (next.seal(&bytes, &mut Counted(9)), sealer.seal(&id, &mut Counted(9)))
    })
    .await;
    let expired = opaque(fixture, &subject, &json!({}), -1).await;
    let good = opaque(fixture, &subject, &json!({}), 60).await;
    granted(&exchange(&gate, &good, &[]).await);
    let mut changed = good.clone();
    let last = if changed.pop() == Some('A') { 'Q' } else { 'A' };
    changed.push(last);
    // With a dead grant behind it, whoever signed it.
    let forged_id = opaque(fixture, &subject, &json!({ "jti": "forged" }), 60).await;
    let before = fixture.stored().await;

    let table: [(&str, String); 21] = [
        ("garbage", "garbage".into()),
        ("not ASCII", "\u{e9}\u{1f511}".into()),
        ("dots alone", "..".into()),
        ("five parts", "a.b.c.d.e".into()),
        ("an ID token", id_token.clone()),
        ("a refresh token", apps.member("refresh_token")),
        ("a code", code),
        ("a token id", token_id),
        ("a signed introspection answer", about),
        ("another realm epoch's opaque token", other_epoch),
        ("expired", expired),
        ("a changed opaque token", changed),
        ("no grant behind it", forged_id),
        ("another issuer's", joined(parts[0], &encoded(&foreign), parts[2])),
        ("more scope than was signed", joined(parts[0], &encoded(&more), parts[2])),
        ("another type than was signed", joined(&encoded(&plain), parts[1], parts[2])),
        ("alg none", joined(&none, parts[1], "")),
        ("alg none with the signature", joined(&none, parts[1], parts[2])),
        ("no signature", joined(parts[0], parts[1], "")),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("very long", format!("{}.{}.{}", parts[0], "A".repeat(60_000), parts[2])),
    ];
    for (what, token) in &table {
        for kind in ["access_token", "jwt"] {
            for base in [&fixture.a, &fixture.b] {
                let answer = exchange(&gate.at(base), token, &[("subject_token_type", &uri(kind))]).await;
                refused(&format!("{what} as {kind}"), &answer, "invalid_request");
            }
        }
    }
    for (what, token, kind) in [
        ("an ID token as one", &id_token, "id_token"),
        ("an access token as an ID token", &subject, "id_token"),
        ("an access token as a refresh token", &subject, "refresh_token"),
        ("a refresh token as one", &apps.member("refresh_token"), "refresh_token"),
        ("an opaque token as a JWT", &good, "jwt"),
    ] {
        refused(what, &exchange(&gate, token, &[("subject_token_type", &uri(kind))]).await, "invalid_request");
    }
    // A good one that was sent to somebody else, even with the right actor.
    let (elsewhere, stock) = (api(&fixture.a, "elsewhere"), api(&fixture.a, "stock"));
    for client in [&elsewhere, &stock] {
        refused("sent to another", &exchange(client, &subject, &[]).await, "invalid_request");
        refused("sent to another", &delegate(client, &subject, &own(client).await, &[]).await, "invalid_request");
    }
    fixture.assert_unchanged(before).await;

    // A JWT may be called one; and so may what a gateway swapped an opaque token for.
    granted_as(&exchange(&gate, &subject, &[("subject_token_type", &uri("jwt"))]).await);
    let swapped = introspection("application/jwt", &good).await;
    let said = claims(&granted(&exchange(&gate, &swapped, &[("resource", C)]).await));
    assert_eq!((&said["sub"], &said["aud"]), (&claims(&subject)["sub"], &json!(C)));
}

/// What a JWT says, to be sealed by hand.
fn opaque_bytes(jwt: &str) -> latchkey::protocol::access_token::AccessToken {
    let mut said = claims(jwt);
    said.as_object_mut().unwrap().retain(|name, _| name != "iat" && name != "exp");
    let at = |seconds: i64| latchkey::protocol::time::Timestamp::from_millis((super::now() + seconds) * 1000);
    latchkey::protocol::access_token::AccessToken { claims: serde_json::from_value(said).unwrap(), iat: at(-1), exp: at(60) }
}

fn granted_as(answer: &Answer) {
    assert!(answer.is_granted(), "{}", answer.body);
}

/// Logout tokens and signed userinfo are signed by the same keys.
#[tokio::test]
async fn what_else_we_sign_is_no_subject_token() {
    static OTHER: OnceLock<(Fixture, Judge)> = OnceLock::new();
    let judge = Judge::start();
    judge.answer("/out", Reply::new(200, ""));
    let told = json!({ "skip_consent": true, "backchannel_logout_uri": judge.at("/out"), "userinfo_signed_response_alg": "ES256",
        "id_token_signed_response_alg": "ES256", "resources": [A] });
    let clients = [web_client("told", &[told]), super::trusted("gate", &json!({}))];
    let setup = setup().var("OUTBOUND_ALLOW", &judge.host_port()).seed(&json!({ "clients": clients }));
    let (fixture, judge) = OTHER.get_or_init(|| (setup.start_now(), judge));
    let (app, person, gate) = (App::web(&fixture.a, "told"), Person::ada(&fixture.a).await, api(&fixture.a, "gate"));
    let tokens = app.tokens(&person, &[]).await;
    let info = app.api.userinfo(&tokens.member("access_token")).await;
    assert_eq!((info.status, info.header("content-type")), (200, "application/jwt"), "{}", info.body);
    granted(&exchange(&gate, &tokens.member("access_token"), &[]).await);
    let page = person.get("/logout").await;
    post(&person, "/logout", &[("form", page.form()), ("action", "here".to_owned())]).await;
    let heard = judge.wait_for("/out", 1).await;
    let logout_token = heard[0].body.strip_prefix("logout_token=").unwrap();
    assert_eq!(header(logout_token)["typ"], "logout+jwt");
    for (what, token) in [("a logout token", logout_token), ("userinfo", &info.body), ("an ID token", &tokens.member("id_token"))]
    {
        assert_eq!(header(token)["alg"], "ES256", "{what}: signed as an access token is");
        for kind in ["access_token", "jwt", "id_token"] {
            refused(what, &exchange(&gate, token, &[("subject_token_type", &uri(kind))]).await, "invalid_request");
        }
    }
    refused("signed out", &exchange(&gate, &tokens.member("access_token"), &[]).await, "invalid_request");
}

/// A service may be the subject: nobody signed in, and that is how it stays.
#[tokio::test]
async fn a_service_is_a_subject_too() {
    let fixture = fixture();
    let (gate, orders, stock, named) =
        (api(&fixture.a, "gate"), api(&fixture.a, "orders"), api(&fixture.b, "stock"), api(&fixture.a, "named"));
    let subject = own(&orders).await;
    assert_eq!(claims(&subject)["may_act"], json!({ "sub": "stock" }));
    for (what, answer, client, act) in [
        ("impersonated", exchange(&gate, &subject, &[]).await, "gate", json!(null)),
        ("acted for", delegate(&stock, &subject, &own(&stock).await, &[]).await, "stock", json!({ "sub": "stock" })),
        ("narrowed by itself", exchange(&orders, &subject, &[("scope", "records:read")]).await, "orders", json!(null)),
    ] {
        let said = verified(fixture, &granted(&answer)).await;
        assert_eq!((&said["sub"], &said["client_id"], &said["act"]), (&json!("orders"), &json!(client), &act), "{what}");
        for name in ["sid", "auth_time", "acr", "amr"] {
            assert_eq!(said.get(name), None, "{what}: {name}");
        }
        assert_ne!(said["jti"], claims(&subject)["jti"], "{what}");
        let token = answer.member("access_token");
        assert_eq!(introspected(&fixture.b, &token).await["active"], true, "{what}");
        assert_eq!(
            gate.userinfo(&token).await.status,
            if said["scope"].as_str().unwrap().contains("openid") { 401 } else { 403 }
        );
    }
    for name in ["id_token", "refresh_token"] {
        let answer = exchange(&gate, &subject, &[("requested_token_type", &uri(name))]).await;
        refused(name, &answer, "invalid_request");
    }
    // What the operator says about the subject stays with it, whoever takes its place.
    let tenant = granted(&exchange(&gate, &own(&named).await, &[]).await);
    assert_eq!((&claims(&tenant)["sub"], &claims(&tenant)["tenant"]), (&json!("named"), &json!(7)));
}

/// OpenID Connect Core 8.1: each sees its own subject, and nobody that of another sector.
#[tokio::test]
async fn a_pairwise_client_sees_its_own_subject() {
    let fixture = fixture();
    let (gate, pair) = (api(&fixture.a, "gate"), api(&fixture.a, "pair-gate"));
    let person = Person::ada(&fixture.a).await;
    let public = tokens(&fixture.a, "app", &person).await.member("access_token");
    let pairwise = tokens(&fixture.a, "pair-app", &person).await.member("access_token");
    let sub = |token: &str| claims(token)["sub"].clone();
    assert_ne!(sub(&public), sub(&pairwise));
    let mut seen = Vec::new();
    for subject in [&public, &pairwise] {
        let token = granted(&exchange(&pair, subject, &[]).await);
        let id_token = exchange(&pair.at(&fixture.b), subject, &[("requested_token_type", &uri("id_token"))]).await;
        let opaque = granted(&exchange(&pair, subject, &[("resource", PHANTOM)]).await);
        seen.extend([sub(&token), sub(&id_token.member("access_token"))]);
        seen.push(introspected(&fixture.a, &opaque).await["sub"].clone());
        seen.push(pair.userinfo(&token).await.json()["sub"].clone());
        for token in [&token, &id_token.member("access_token")] {
            assert_ne!(claims(token)["sid"], claims(subject)["sid"], "another sector's name of the session");
        }
        // And back: a public client sees what it would see itself.
        assert_eq!(sub(&granted(&exchange(&gate, &token, &[("resource", C)]).await)), sub(&public));
        assert_eq!(sub(&granted(&exchange(&gate, subject, &[("resource", B)]).await)), sub(&public));
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    assert!(seen[0] != sub(&public) && seen[0] != sub(&pairwise));
}

/// Roles are the subject token's, as far as they still are the user's.
#[tokio::test]
async fn roles_are_never_more_than_before_and_never_old() {
    let fixture = fixture();
    let person = super::person(&fixture.a, "mary").await;
    let subject = tokens(&fixture.a, "app", &person).await.member("access_token");
    let gate = api(&fixture.a, "gate");
    let roles = async || claims(&granted(&exchange(&gate, &subject, &[]).await))["roles"].clone();
    assert_eq!(roles().await, json!(["clerk", "buyer"]));
    let sql = "UPDATE users SET roles = ?1 WHERE id = (SELECT user_id FROM logins WHERE login = 'mary') RETURNING id";
    assert_eq!(fixture.d1(sql, &[r#"["buyer","admin"]"#.into()]).await.len(), 1);
    assert_eq!(roles().await, json!(["buyer"]));
    assert_eq!(fixture.d1(sql, &["[]".into()]).await.len(), 1);
    assert_eq!(roles().await, json!(null));
    assert_eq!(claims(&adas(&fixture.a, "app").await)["roles"], json!(["latchkey:admin"]));
}
