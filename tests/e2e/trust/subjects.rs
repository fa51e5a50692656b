//! Outside subjects: brought by a client that authenticates, each with a name that is nobody else's here.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{ACCESS_TOKEN, API, BOTH, Grant, Outside, client, fixture};
use crate::code::{assert_no_client, assert_refused, jwks, p256, verified};
use crate::support::{Answer, Api, claims};

const PEOPLE: Outside = Outside("people");
/// An issuer whose name and a subject of which read as [`PEOPLE`]'s do, put together.
const PEOPLE_TOO: Outside = Outside("peop");
const ROLES: Outside = Outside("people-with-roles");

pub fn issuers() -> Vec<Value> {
    let clients = json!(["broker", "other-broker", "public-broker", "only-bearer"]);
    let rules = json!([{ "id": "people", "claims": { "tenant": { "equals": "acme" } },
        "yields": { "clients": clients, "scope": "records:read", "lifetime": 120 } }]);
    let map = json!({ "basic": "customer", "low": "customer", "full": "engineer" });
    let by_roles = json!([
        { "id": "staff", "claims": { "staff": { "equals": true } }, "yields": { "clients": ["broker"], "scope": "records:read records:write",
            "roles": { "claim": "roles", "map": map } } },
        { "id": "rest", "yields": { "clients": ["other-broker"], "scope": "records:read" } },
    ]);
    vec![
        PEOPLE.seed(&json!({ "rules": rules })),
        PEOPLE_TOO.seed(&json!({ "rules": rules })),
        ROLES.seed(&json!({ "rules": by_roles })),
    ]
}

fn of(issuer: Outside, changes: &Value) -> String {
    let mut claims = json!({ "sub": "ada", "tenant": "acme" });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    issuer.publish(&[p256("k")]).token(fixture(), &claims)
}

fn sub(answer: &Answer) -> String {
    assert!(answer.is_granted(), "{}", answer.body);
    claims(&answer.member("access_token"))["sub"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_subject_has_one_name_here_and_nobody_else_has_it() {
    let fixture = fixture();
    let ada = of(PEOPLE, &json!({}));
    let answer = Grant::Exchange.by(&client(&fixture.a, "broker"), &ada, &[]).await;
    let name = sub(&answer);
    let token = verified(&jwks(&fixture.a).await, &answer.member("access_token"));
    assert_eq!((&token["client_id"], &token["aud"], &token["scope"]), (&json!("broker"), &json!(API), &json!("records:read")));
    assert!((108..=120).contains(&answer.json()["expires_in"].as_i64().unwrap()), "{}", answer.body);
    assert_eq!(token.get("team"), None, "static claims are the client's own");
    assert!(name.len() >= 22 && !name.contains("ada"), "{name}");
    // Whoever brings it, by whichever grant, to whichever Worker, in whichever token.
    for answer in [
        Grant::Bearer.by(&client(&fixture.b, "broker"), &ada, &[]).await,
        Grant::Exchange.by(&client(&fixture.b, "other-broker"), &of(PEOPLE, &json!({ "jti": "another" })), &[]).await,
        Grant::Bearer.by(&Api::public(&fixture.a, "public-broker"), &ada, &[]).await,
    ] {
        assert_eq!(sub(&answer), name);
    }
    let mut names = HashSet::from([name]);
    for other in [
        of(PEOPLE, &json!({ "sub": "Ada" })),
        of(PEOPLE, &json!({ "sub": "ada " })),
        of(PEOPLE, &json!({ "sub": "broker" })),
        of(PEOPLE_TOO, &json!({})),
        of(PEOPLE_TOO, &json!({ "sub": "leada" })),
    ] {
        let name = sub(&Grant::Exchange.by(&client(&fixture.a, "broker"), &other, &[]).await);
        assert_ne!(name, "broker", "who is called like a client is not the client");
        assert!(names.insert(name), "{names:?}");
    }
    let users = fixture.d1("SELECT id FROM users", &[]).await;
    assert!(users.iter().all(|user| !names.contains(user["id"].as_str().unwrap())), "{users:?}");
}

/// Who brings somebody else's token must be a client of the rule, and prove it.
#[tokio::test]
async fn only_a_client_of_the_rule_brings_somebody() {
    let (fixture, ada) = (fixture(), of(PEOPLE, &json!({})));
    for grant in BOTH {
        for (what, answer) in [
            ("nobody", grant.anonymous(&fixture.a, &ada, &[]).await),
            ("a mere name", grant.by(&Api::public(&fixture.a, "broker"), &ada, &[]).await),
            ("another client", grant.by(&client(&fixture.a, "outsider"), &ada, &[]).await),
            ("a service account of other rules", grant.by(&client(&fixture.a, "deployer"), &ada, &[]).await),
            ("not this tenant's", grant.by(&client(&fixture.a, "broker"), &of(PEOPLE, &json!({ "tenant": "evil" })), &[]).await),
        ] {
            assert_eq!(answer.error(), grant.error(), "{what}: {}", answer.body);
            assert_refused(&answer, grant.error());
        }
        let wrong = Api::basic(&fixture.a, "broker", "not-the-secret-0123456789abcdef0123456789");
        assert_no_client(&grant.by(&wrong, &ada, &[]).await, true);
        assert_refused(&grant.by(&Api::public(&fixture.a, "nobody"), &ada, &[]).await, grant.error());
        for scope in ["records:write", "openid", "offline_access"] {
            assert_refused(&grant.by(&client(&fixture.a, "broker"), &ada, &[("scope", scope)]).await, "invalid_scope");
        }
        assert_refused(
            &grant.by(&client(&fixture.a, "broker"), &ada, &[("resource", "https://x.example")]).await,
            "invalid_target",
        );
    }
    assert_refused(&Grant::Exchange.by(&client(&fixture.a, "only-bearer"), &ada, &[]).await, "unauthorized_client");
    // There is no user behind it.
    let token = Grant::Bearer.by(&client(&fixture.a, "only-bearer"), &ada, &[]).await.member("access_token");
    let info = client(&fixture.a, "broker").userinfo(&token).await;
    assert!([401, 403].contains(&info.status), "{}", info.body);
}

/// The rule decides by who asks, too: one that is for another client does not match.
#[tokio::test]
async fn roles_come_from_the_rule_of_the_client_that_asks() {
    let fixture = fixture();
    let staff = of(ROLES, &json!({ "staff": true, "roles": ["low", "basic", "x"] }));
    let by = async |id: &str, token: &str| Grant::Exchange.by(&client(&fixture.a, id), token, &[]).await;
    let answer = by("broker", &staff).await;
    assert_eq!(answer.member("scope"), "records:read records:write");
    assert_eq!(claims(&answer.member("access_token"))["roles"], json!(["customer"]));
    let rest = by("other-broker", &staff).await;
    assert_eq!(rest.member("scope"), "records:read");
    assert_eq!(claims(&rest.member("access_token")).get("roles"), None);
    assert_eq!(sub(&rest), sub(&answer));
    let both = of(ROLES, &json!({ "staff": true, "roles": ["full", "basic"] }));
    let roles = claims(&by("broker", &both).await.member("access_token"))["roles"].clone();
    assert_eq!(roles, json!(["engineer", "customer"]));
    for changes in
        [json!({ "staff": true, "roles": ["x"] }), json!({ "staff": true }), json!({ "staff": "true", "roles": ["full"] })]
    {
        assert_refused(&by("broker", &of(ROLES, &changes)).await, "invalid_request");
    }
}

/// RFC 8693 4.1 and 4.4: an actor acts for an outside subject whose token names it, by our issuer and its name here.
#[tokio::test]
async fn an_actor_acts_where_the_outside_token_lets_it() {
    let fixture = fixture();
    let broker = client(&fixture.a, "broker");
    let own = broker.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    let other =
        client(&fixture.a, "other-broker").post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    let act = async |may_act: Value, before: Value, actor: &str| {
        let token = of(PEOPLE, &json!({ "may_act": may_act, "act": before }));
        Grant::Exchange.by(&broker, &token, &[("actor_token", actor), ("actor_token_type", ACCESS_TOKEN)]).await
    };
    let here = json!({ "iss": fixture.a, "sub": "broker" });
    let answer = act(here.clone(), Value::Null, &own).await;
    assert!(answer.is_granted(), "{}", answer.body);
    assert_eq!(claims(&answer.member("access_token"))["act"], json!({ "sub": "broker" }));
    let answer = act(here.clone(), json!({ "sub": "proxy" }), &own).await;
    let nested = json!({ "sub": "broker", "act": { "iss": PEOPLE.issuer(), "sub": "proxy" } });
    assert_eq!(claims(&answer.member("access_token"))["act"], nested, "who acted before stays, and is of the outside issuer");
    // Without an actor token it stays as it is.
    let token = of(PEOPLE, &json!({ "act": { "sub": "proxy" } }));
    let answer = Grant::Exchange.by(&broker, &token, &[]).await;
    assert_eq!(claims(&answer.member("access_token"))["act"], json!({ "iss": PEOPLE.issuer(), "sub": "proxy" }));
    let outside = of(PEOPLE, &json!({ "sub": "broker" }));
    for (what, may_act, actor) in [
        ("no may_act", Value::Null, own.as_str()),
        ("somebody else", json!({ "iss": fixture.a, "sub": "other-broker" }), &own),
        ("a name there, not here", json!({ "sub": "broker" }), &own),
        ("another issuer's", json!({ "iss": "https://other.example", "sub": "broker" }), &own),
        ("somebody else's actor token", here.clone(), &other),
        ("an outside actor token", here.clone(), &outside),
        ("no token", here.clone(), "x"),
        ("malformed", json!("broker"), &own),
    ] {
        let answer = act(may_act, Value::Null, actor).await;
        assert_eq!(answer.error(), "invalid_request", "{what}: {}", answer.body);
        assert_refused(&answer, "invalid_request");
    }
}

/// RFC 8693: what an outside token bought is a token of ours, and is traded on as one: for less, and not for longer.
#[tokio::test]
async fn what_it_bought_is_traded_on_for_less() {
    let fixture = fixture();
    let broker = client(&fixture.a, "broker");
    let staff = of(ROLES, &json!({ "staff": true, "roles": ["full"], "exp": crate::code::now() + 60 }));
    let first = Grant::Exchange.by(&broker, &staff, &[]).await.member("access_token");
    let next = Grant::Exchange.by(&broker, &first, &[("scope", "records:read")]).await;
    assert!(next.is_granted(), "{}", next.body);
    let (first_claims, next_claims) = (claims(&first), claims(&next.member("access_token")));
    for same in ["sub", "roles", "client_id", "aud"] {
        assert_eq!(next_claims[same], first_claims[same], "{same}");
    }
    assert_eq!(next_claims["scope"], "records:read");
    assert!(next_claims["exp"].as_i64().unwrap() <= first_claims["exp"].as_i64().unwrap());
    let wider = Grant::Exchange.by(&broker, &next.member("access_token"), &[("scope", "records:read records:write")]).await;
    assert_refused(&wider, "invalid_scope");
    // It is no assertion, and nobody else's.
    assert_refused(&Grant::Bearer.by(&broker, &first, &[]).await, "invalid_grant");
    assert_refused(&Grant::Exchange.by(&client(&fixture.a, "outsider"), &first, &[]).await, "invalid_request");
    for kind in ["id_token", "refresh_token"] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        assert_refused(&Grant::Exchange.by(&broker, &first, &[("requested_token_type", &kind)]).await, "invalid_request");
    }
}
