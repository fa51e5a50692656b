//! Less scope, fewer resources, less time (RFC 8693 2.1, 2.2.1): never more.

use serde_json::json;

use super::{
    A, B, C, PHANTOM, RSA, SCOPE, adas, api, delegate, exchange, fixture, granted, introspected, now, opaque, own, refused,
    scopes, verified,
};
use crate::support::{Api, claims, header};

#[tokio::test]
async fn scope_is_what_both_may_have_and_what_is_asked_of_it() {
    let fixture = fixture();
    let (reading, gate) = (api(&fixture.a, "reading"), api(&fixture.a, "gate"));
    let subject = adas(&fixture.a, "app").await;
    assert_eq!(scopes(&claims(&granted(&exchange(&reading, &subject, &[]).await))), ["openid", "records:read"]);
    for asked in ["openid", "records:read", "records:read openid"] {
        let answer = exchange(&reading, &subject, &[("scope", asked)]).await;
        assert_eq!(scopes(&claims(&granted(&answer))).len(), asked.split(' ').count(), "{asked}");
    }
    for wider in ["records:write", "openid records:write", "profile", "unknown", "latchkey:admin"] {
        refused(wider, &exchange(&reading, &subject, &[("scope", wider)]).await, "invalid_scope");
    }
    // What was taken away does not come back, for whoever may have it.
    let narrow = granted(&exchange(&gate, &subject, &[("scope", "records:read"), ("resource", B)]).await);
    assert_eq!(claims(&granted(&exchange(&gate, &narrow, &[]).await))["scope"], "records:read");
    for wider in [SCOPE, "records:read records:write", "openid"] {
        refused(wider, &exchange(&gate, &narrow, &[("scope", wider)]).await, "invalid_scope");
    }
    // Where nothing is left there is no token.
    let written = granted(&exchange(&gate, &subject, &[("scope", "records:write")]).await);
    let stray = opaque(fixture, &written, &json!({ "aud": A }), 60).await;
    refused("nothing in common", &exchange(&reading, &stray, &[]).await, "invalid_scope");
}

#[tokio::test]
async fn the_audience_is_asked_for_or_kept_and_always_within_reach() {
    let fixture = fixture();
    let (gate, narrowing) = (api(&fixture.a, "gate"), api(&fixture.a, "narrowing"));
    let subject = adas(&fixture.a, "app").await;
    let audience = async |client: &Api, subject: &str, asked: &[(&str, &str)]| {
        claims(&granted(&exchange(client, subject, asked).await))["aud"].clone()
    };
    assert_eq!(audience(&gate, &subject, &[]).await, B, "its own default: it may not reach where the subject token is for");
    for asked in [[("resource", C), ("resource", B)], [("audience", C), ("audience", B)], [("resource", C), ("audience", B)]] {
        assert_eq!(audience(&gate, &subject, &asked).await, json!([C, B]), "{asked:?}");
    }
    assert_eq!(audience(&gate, &subject, &[("resource", B), ("audience", B)]).await, B, "once");
    // Its own token stays where it is for, though the client may reach more.
    let own = adas(&fixture.a, "narrowing").await;
    assert_eq!(audience(&narrowing, &own, &[]).await, A);
    assert_eq!(audience(&narrowing, &own, &[("resource", A)]).await, A);
    for out in [B, C, PHANTOM, &fixture.a, "narrowing"] {
        refused(out, &exchange(&narrowing, &own, &[("audience", out)]).await, "invalid_target");
    }
}

#[tokio::test]
async fn a_resource_gets_the_kind_of_token_that_it_wants() {
    let fixture = fixture();
    let (gate, subject) = (api(&fixture.b, "gate"), adas(&fixture.a, "app").await);
    let rsa = granted(&exchange(&gate, &subject, &[("resource", RSA)]).await);
    assert_eq!((header(&rsa)["alg"].as_str(), header(&rsa)["typ"].as_str()), (Some("RS256"), Some("at+jwt")));
    assert_eq!(verified(fixture, &rsa).await["aud"], RSA);
    let es = granted(&exchange(&gate, &subject, &[("resource", B)]).await);
    assert_eq!(header(&es)["alg"], "ES256");
    refused("two algorithms", &exchange(&gate, &subject, &[("resource", B), ("resource", RSA)]).await, "invalid_target");

    // Opaque, alone or among others; and as subject token good for what a JWT is good for.
    for asked in [vec![("resource", PHANTOM)], vec![("resource", PHANTOM), ("resource", B)]] {
        let token = granted(&exchange(&gate, &subject, &asked).await);
        assert!(!token.contains('.'), "{token}");
        let told = introspected(&fixture.a, &token).await;
        assert_eq!((&told["active"], &told["sub"], &told["client_id"]), (&json!(true), &claims(&subject)["sub"], &json!("gate")));
        let again = granted(&exchange(&gate, &token, &[("resource", C), ("scope", "openid")]).await);
        let said = verified(fixture, &again).await;
        assert_eq!((&said["aud"], &said["scope"], &said["sub"]), (&json!(C), &json!("openid"), &told["sub"]));
        assert!(said["exp"].as_i64() <= told["exp"].as_i64());
        assert_eq!(gate.userinfo(&token).await.json()["sub"], told["sub"]);
    }
    let phantom = adas(&fixture.a, "phantom-app").await;
    assert!(!phantom.contains('.'));
    let orders = api(&fixture.a, "orders");
    let said = verified(fixture, &granted(&delegate(&orders, &phantom, &own(&orders).await, &[]).await)).await;
    assert_eq!((&said["aud"], &said["act"]), (&json!(B), &json!({ "sub": "orders" })));
}

/// What comes out ends with the first of subject token, actor token and the client's own lifetime.
#[tokio::test]
async fn nothing_outlives_what_it_comes_from() {
    let fixture = fixture();
    let (gate, short, orders) = (api(&fixture.a, "gate"), api(&fixture.a, "short"), api(&fixture.a, "orders"));
    let subject = adas(&fixture.a, "app").await;
    let actor = own(&orders).await;
    let left = async |what: &str, answer: crate::support::Answer, most: i64| {
        let (token, started) = (granted(&answer), now());
        let expires_in = answer.json()["expires_in"].as_i64().unwrap();
        assert!((1..=most).contains(&expires_in), "{what}: {expires_in} > {most}");
        if token.contains('.') {
            let said = claims(&token);
            assert!(said["exp"].as_i64().unwrap() <= started + most, "{what}");
            assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), expires_in, "{what}");
        } else {
            assert!(introspected(&fixture.b, &token).await["exp"].as_i64().unwrap() <= started + most, "{what}");
        }
        expires_in
    };
    let ends_soon = opaque(fixture, &subject, &json!({}), 30).await;
    let actor_soon = opaque(fixture, &actor, &json!({}), 20).await;
    left("the subject token's end", exchange(&gate, &ends_soon, &[]).await, 30).await;
    left("opaque", exchange(&gate, &ends_soon, &[("resource", PHANTOM)]).await, 30).await;
    left("the actor token's end", delegate(&orders, &subject, &actor_soon, &[]).await, 20).await;
    left("both", delegate(&orders, &ends_soon, &actor_soon, &[]).await, 20).await;
    left("the actor's is later", delegate(&orders, &ends_soon, &actor, &[]).await, 30).await;
    let spread = left("the client's own lifetime", exchange(&short, &subject, &[]).await, 60).await;
    assert!(spread >= 54, "less up to a tenth: {spread}");
    // Nor does a chain, however often it starts again.
    let mut token = ends_soon;
    let end = now() + 30;
    for resource in [B, C, PHANTOM, B, PHANTOM] {
        token = granted(&exchange(&gate, &token, &[("resource", resource)]).await);
    }
    assert!(introspected(&fixture.a, &token).await["exp"].as_i64().unwrap() <= end);
}
