//! What administrators change: what takes something away counts when copies in memory are of age
//! (`CLIENT_CACHE`, two seconds here), and what gives something at once.

use serde_json::{Value, json};

use super::{Grant, Outside, change, client, judge, setup};
use crate::code::{assert_refused, other_p256, p256, public, signed};
use crate::harness::Fixture;
use crate::judge::Reply;
use crate::support::{claims, sleep};

const CHANGING: Outside = Outside("changing");
const ADDED: Outside = Outside("added");
const MOVING: Outside = Outside("moving");

async fn start() -> Fixture {
    for issuer in [CHANGING, ADDED, MOVING] {
        issuer.publish(&[p256("k")]);
    }
    let inline = json!({ "jwks": { "keys": [public(&p256("k"))] } });
    setup(&[CHANGING.seed(&inline), MOVING.seed(&json!({}))]).var("CLIENT_CACHE", "2").start().await
}

/// So long copies in memory say yes.
async fn of_age() {
    sleep(2_050).await;
}

/// Asserts that a token of the subject is traded by both Workers, for a token of this client.
async fn assert_is(fixture: &Fixture, token: &str, account: &str) {
    for base in [&fixture.a, &fixture.b] {
        let answer = Grant::Exchange.anonymous(base, token, &[]).await;
        assert!(answer.is_granted(), "{}", answer.body);
        assert_eq!(claims(&answer.member("access_token"))["sub"], account);
    }
}

async fn assert_is_nothing(fixture: &Fixture, token: &str) {
    for base in [&fixture.a, &fixture.b] {
        assert_refused(&Grant::Exchange.anonymous(base, token, &[]).await, "invalid_request");
    }
}

fn rule(sub: &str, client: &str) -> Value {
    json!({ "id": sub, "claims": { "sub": { "equals": sub } }, "yields": { "client": client, "scope": "records:read" } })
}

#[tokio::test]
async fn rules_and_issuers_and_keys() {
    let fixture = start().await;
    let robot = CHANGING.token(&fixture, &json!({}));
    let newcomer = CHANGING.token(&fixture, &json!({ "sub": "newcomer" }));
    let switch = async |on: i64| {
        fixture.d1("UPDATE trusted_issuers SET enabled = ?2 WHERE issuer = ?1", &[CHANGING.issuer().into(), on.into()]).await
    };
    assert_is(&fixture, &robot, "deployer").await;
    assert_is_nothing(&fixture, &newcomer).await;
    // The administrator's switch.
    switch(0).await;
    of_age().await;
    assert_is_nothing(&fixture, &robot).await;
    switch(1).await;
    assert_is(&fixture, &robot, "deployer").await;

    // A rule more counts at once, although a copy without it is young.
    let inline = |key: Value| json!({ "jwks": { "keys": [public(&key)] } });
    let with = |keys: Value, rules: Value| {
        let mut settings = CHANGING.seed(&keys);
        settings["rules"] = rules;
        settings
    };
    let both = json!([rule("robot", "deployer"), rule("newcomer", "reader")]);
    change(&fixture, CHANGING, &with(inline(p256("k")), both)).await;
    assert_is(&fixture, &newcomer, "reader").await;
    assert_is(&fixture, &robot, "deployer").await;
    // Another rule, and one less.
    change(&fixture, CHANGING, &with(inline(p256("k")), json!([rule("robot", "reader")]))).await;
    of_age().await;
    assert_is(&fixture, &robot, "reader").await;
    assert_is_nothing(&fixture, &newcomer).await;
    // A new key counts at once, and the old one no longer.
    let claims = CHANGING.claims(&fixture, &json!({}));
    let by_new = signed(&other_p256("k"), &json!({ "alg": "ES256", "kid": "k" }), &claims);
    assert_is_nothing(&fixture, &by_new).await;
    change(&fixture, CHANGING, &with(inline(other_p256("k")), json!([rule("robot", "reader")]))).await;
    assert_is(&fixture, &by_new, "reader").await;
    of_age().await;
    assert_is_nothing(&fixture, &robot).await;
    assert_eq!(CHANGING.asked(), [0, 0]);

    // An issuer more, and one less.
    let added = ADDED.token(&fixture, &json!({}));
    assert_is_nothing(&fixture, &added).await;
    let mut settings = ADDED.seed(&json!({}));
    settings.as_object_mut().unwrap().remove("issuer");
    let sql = "INSERT INTO trusted_issuers (issuer, settings, created_at) VALUES (?1, ?2, 0)";
    fixture.d1(sql, &[ADDED.issuer().into(), settings.to_string().into()]).await;
    assert_is(&fixture, &added, "deployer").await;
    fixture.d1("DELETE FROM trusted_issuers WHERE issuer = ?1", &[ADDED.issuer().into()]).await;
    of_age().await;
    assert_is_nothing(&fixture, &added).await;
}

/// Keys that were fetched are those of where they were fetched from.
#[tokio::test]
async fn keys_that_are_somewhere_else_now_are_fetched_there() {
    let fixture = start().await;
    let by = |key: &Value| signed(key, &json!({ "alg": "ES256", "kid": "k" }), &MOVING.claims(&fixture, &json!({})));
    assert_is(&fixture, &by(&p256("k")), "deployer").await;
    judge().answer("/moved/keys", Reply::json(&json!({ "keys": [public(&other_p256("k"))] })));
    change(&fixture, MOVING, &MOVING.seed(&json!({ "jwks_uri": judge().at("/moved/keys") }))).await;
    assert_is(&fixture, &by(&other_p256("k")), "deployer").await;
    assert_eq!(judge().heard("/moved/keys").len(), 2);
    of_age().await;
    assert_is_nothing(&fixture, &by(&p256("k"))).await;
}

/// The service account is a client as any other; and who comes from outside keeps their name through everything.
#[tokio::test]
async fn accounts_are_switched_off_and_names_stay() {
    let fixture = start().await;
    let robot = CHANGING.token(&fixture, &json!({}));
    let switch = async |id: &str, on: i64| {
        fixture.d1("UPDATE clients SET enabled = ?2, version = version + 1 WHERE id = ?1", &[id.into(), on.into()]).await
    };
    assert_is(&fixture, &robot, "deployer").await;
    switch("deployer", 0).await;
    of_age().await;
    assert_is_nothing(&fixture, &robot).await;
    switch("deployer", 1).await;
    assert_is(&fixture, &robot, "deployer").await;
    // What it may have less counts within the same time, and what more at once.
    let scope = async |scope: &str| {
        let sql = "UPDATE clients SET metadata = json_set(metadata, '$.scope', ?1), version = version + 1 WHERE id = 'deployer'";
        fixture.d1(sql, &[scope.into()]).await
    };
    scope("records:write").await;
    of_age().await;
    assert_refused(&Grant::Exchange.anonymous(&fixture.a, &robot, &[]).await, "invalid_scope");
    scope("records:read records:write").await;
    assert_is(&fixture, &robot, "deployer").await;

    let ada = CHANGING.token(&fixture, &json!({ "sub": "ada" }));
    let name = async |base: &str| {
        let answer = Grant::Bearer.by(&client(base, "broker"), &ada, &[]).await;
        assert!(answer.is_granted(), "{}", answer.body);
        claims(&answer.member("access_token"))["sub"].clone()
    };
    let before = name(&fixture.a).await;
    // What stands behind it is the client that brought it, and nothing of ours.
    let gateway = client(&fixture.a, "gateway");
    let token = Grant::Bearer.by(&client(&fixture.a, "broker"), &ada, &[]).await.member("access_token");
    let told = gateway.post("/introspect", &[("token", &token)]).await.json();
    assert_eq!((&told["active"], &told["sub"], &told["client_id"]), (&json!(true), &before, &json!("broker")));
    assert_refused(&client(&fixture.a, "broker").post("/revoke", &[("token", &token)]).await, "unsupported_token_type");
    switch("broker", 0).await;
    assert_eq!(gateway.post("/introspect", &[("token", &token)]).await.json(), json!({ "active": false }), "at once");
    switch("broker", 1).await;
    fixture.restart(json!({ "a": { "vars": { "REALM_EPOCH": "2" } }, "b": { "vars": { "REALM_EPOCH": "2" } } })).await;
    assert_eq!((name(&fixture.a).await, name(&fixture.b).await), (before.clone(), before.clone()));
    switch("broker", 0).await;
    of_age().await;
    let refused = Grant::Bearer.by(&client(&fixture.a, "broker"), &ada, &[]).await;
    assert_eq!((refused.status, refused.error().as_str()), (401, "invalid_client"));
}
