//! Service accounts: whose they are, who must prove what, and what they get.

use serde_json::{Value, json};

use super::{API, BEARER, BOTH, DEPLOY, EXCHANGE, Grant, JWT, Outside, client, fixture, line, post};
use crate::code::{assert_no_client, assert_refused, p256};
use crate::support::{Answer, Api, claims};

const CI: Outside = Outside("accounts");

pub fn issuers() -> Vec<Value> {
    let account = |id: &str, yields: Value| json!({ "id": id, "claims": { "sub": { "equals": id } }, "yields": yields });
    let rules = [
        account("robot", json!({ "client": "deployer", "scope": "records:read latchkey:admin unknown:scope" })),
        account("writer", json!({ "client": "deployer", "scope": "records:write records:read" })),
        account("narrow", json!({ "client": "deployer", "scope": "records:read", "resources": [DEPLOY], "lifetime": 60 })),
        account(
            "astray",
            json!({ "client": "deployer", "scope": "records:read", "resources": ["https://not-the-clients.example"] }),
        ),
        account("sealed", json!({ "client": "phantom", "scope": "records:read" })),
        account("public", json!({ "client": "public-broker", "scope": "records:read" })),
        account("bearer", json!({ "client": "only-bearer", "scope": "records:read" })),
        account("exchange", json!({ "client": "only-exchange", "scope": "records:read" })),
        account("disabled", json!({ "client": "disabled-account", "scope": "records:read" })),
        account("gone", json!({ "client": "gone-account", "scope": "records:read" })),
        account("nothing", json!({ "client": "reader", "scope": "records:write" })),
        account(
            "roles",
            json!({ "client": "deployer", "scope": "records:read",
            "roles": { "claim": "/realm/roles", "map": { "ops": "engineer", "sre": "engineer", "dev": "developer" } } }),
        ),
    ];
    vec![CI.seed(&json!({ "rules": rules }))]
}

fn token(changes: &Value) -> String {
    CI.publish(&[p256("k")]).token(fixture(), changes)
}

fn of(account: &str) -> String {
    token(&json!({ "sub": account }))
}

/// Asserts the grant's refusal of a token.
#[track_caller]
fn refused(grant: Grant, answer: &Answer, what: &str) {
    assert_eq!(answer.error(), grant.error(), "{what}: {}", answer.body);
    assert_refused(answer, grant.error());
}

/// RFC 7521 4.1, RFC 8693 2.1: the outside token is the credential. What is sent beside it must be right and that
/// service's.
#[tokio::test]
async fn the_token_is_the_credential_and_what_is_sent_beside_it_must_be_right() {
    let (fixture, robot) = (fixture(), token(&json!({})));
    for grant in BOTH {
        let own = client(&fixture.a, "deployer");
        for (what, answer) in [
            ("nobody", grant.anonymous(&fixture.a, &robot, &[]).await),
            ("a name", grant.by(&Api::public(&fixture.a, "deployer"), &robot, &[]).await),
            ("its credentials", grant.by(&own, &robot, &[]).await),
            ("its credentials and name", grant.by(&own, &robot, &[("client_id", "deployer")]).await),
        ] {
            assert!(answer.is_granted(), "{what}: {}", answer.body);
            let claims = claims(&answer.member("access_token"));
            assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("deployer"), &json!("deployer")), "{what}");
            assert_eq!(line(fixture, &answer).await["client"], "deployer", "{what}");
        }
        let wrong = Api::basic(&fixture.a, "deployer", "not-the-secret-0123456789abcdef0123456789");
        assert_no_client(&grant.by(&wrong, &robot, &[]).await, true);
        assert_no_client(&grant.by(&Api::basic(&fixture.a, "nobody", "x"), &robot, &[]).await, true);
        refused(grant, &grant.by(&Api::public(&fixture.a, "nobody"), &robot, &[]).await, "a name that nobody has");
        // By another method than it is registered with.
        let posted = [("client_id", "deployer"), ("client_secret", &crate::web::secret("deployer"))];
        assert_no_client(&grant.anonymous(&fixture.a, &robot, &posted).await, false);
        refused(grant, &grant.by(&client(&fixture.a, "reader"), &robot, &[]).await, "another's credentials");
        refused(grant, &grant.by(&Api::public(&fixture.a, "reader"), &robot, &[]).await, "another's name");
        refused(grant, &grant.by(&Api::public(&fixture.a, "public-broker"), &robot, &[]).await, "a public client");
        // Two methods (RFC 6749 2.3), two names.
        let both = grant.by(&own, &robot, &[("client_id", "deployer"), ("client_secret", "x")]).await;
        assert_eq!((both.status, both.error().as_str()), (400, "invalid_request"));
        assert_eq!(grant.by(&own, &robot, &[("client_id", "reader")]).await.error(), "invalid_request");
        // A public client can be one, too.
        for answer in [
            grant.anonymous(&fixture.a, &of("public"), &[]).await,
            grant.by(&Api::public(&fixture.a, "public-broker"), &of("public"), &[]).await,
        ] {
            assert_eq!(claims(&answer.member("access_token"))["sub"], "public-broker");
        }
    }
}

#[tokio::test]
async fn the_account_must_be_there_enabled_and_registered_for_the_grant() {
    let fixture = fixture();
    for worker in [&fixture.a, &fixture.b] {
        for grant in BOTH {
            fixture.d1("UPDATE clients SET enabled = 0 WHERE id = 'disabled-account'", &[]).await;
            fixture.d1("DELETE FROM clients WHERE id = 'gone-account'", &[]).await;
            for account in ["disabled", "gone"] {
                refused(grant, &grant.anonymous(worker, &of(account), &[]).await, account);
            }
            let named = grant.by(&Api::public(worker, "gone-account"), &of("gone"), &[]).await;
            refused(grant, &named, "a name of a client that is gone");
            let named = grant.by(&Api::public(worker, "disabled-account"), &of("disabled"), &[]).await;
            refused(grant, &named, "a name of a disabled client");
            assert_no_client(&grant.by(&client(worker, "disabled-account"), &of("disabled"), &[]).await, true);
            // RFC 6749 5.2: registered for the other one of the two.
            for (account, its) in [("bearer", Grant::Bearer), ("exchange", Grant::Exchange)] {
                let answer = grant.anonymous(worker, &of(account), &[]).await;
                if grant == its {
                    assert!(answer.is_granted(), "{account}: {}", answer.body);
                } else {
                    assert_refused(&answer, "unauthorized_client");
                }
            }
        }
    }
}

/// RFC 6749 3.3 and RFC 8707 2: within the rule, the client's registration and the realm.
#[tokio::test]
async fn scope_and_resource_stay_within_rule_and_registration() {
    let fixture = fixture();
    for grant in BOTH {
        for (account, scope, granted) in [
            ("robot", None, "records:read"),
            ("robot", Some("records:read"), "records:read"),
            ("writer", None, "records:read records:write"),
            ("writer", Some("records:write"), "records:write"),
            ("writer", Some("records:write records:read"), "records:write records:read"),
        ] {
            let asked: Vec<_> = scope.map(|scope| ("scope", scope)).into_iter().collect();
            let answer = grant.anonymous(&fixture.a, &of(account), &asked).await;
            assert!(answer.is_granted(), "{account} {scope:?}: {}", answer.body);
            assert_eq!(answer.member("scope"), granted, "{account} {scope:?}");
            assert_eq!(claims(&answer.member("access_token"))["scope"], granted, "{account} {scope:?}");
        }
        for (account, scope) in [
            ("robot", "records:write"),
            ("robot", "records:read records:write"),
            ("robot", "latchkey:admin"),
            ("robot", "unknown:scope"),
            ("writer", "openid"),
            ("writer", "records:read offline_access"),
            ("writer", "records:read  records:write"),
            ("writer", "\"records:read\""),
            ("nothing", "records:write"),
            ("nothing", "records:read"),
        ] {
            let answer = grant.anonymous(&fixture.a, &of(account), &[("scope", scope)]).await;
            assert_eq!(answer.error(), "invalid_scope", "{account} {scope}: {}", answer.body);
            assert_refused(&answer, "invalid_scope");
        }
        assert_refused(&grant.anonymous(&fixture.a, &of("nothing"), &[]).await, "invalid_scope");

        for (account, resources, audience) in [
            ("robot", [].as_slice(), json!(API)),
            ("robot", &[DEPLOY], json!(DEPLOY)),
            ("robot", &[API, DEPLOY], json!([API, DEPLOY])),
            ("narrow", &[], json!(DEPLOY)),
            ("narrow", &[DEPLOY], json!(DEPLOY)),
        ] {
            let asked: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
            let answer = grant.anonymous(&fixture.a, &of(account), &asked).await;
            assert!(answer.is_granted(), "{account} {resources:?}: {}", answer.body);
            assert_eq!(claims(&answer.member("access_token"))["aud"], audience, "{account} {resources:?}");
        }
        for (account, resources) in [
            ("robot", ["https://elsewhere.example"].as_slice()),
            ("robot", &[API, "https://elsewhere.example"]),
            ("robot", &["https://api.example#fragment"]),
            ("robot", &["api.example"]),
            ("narrow", &[API]),
            ("narrow", &[DEPLOY, API]),
            ("astray", &[]),
            ("astray", &["https://not-the-clients.example"]),
            ("astray", &[API]),
        ] {
            let asked: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
            let answer = grant.anonymous(&fixture.a, &of(account), &asked).await;
            assert_eq!(answer.error(), "invalid_target", "{account} {resources:?}: {}", answer.body);
            assert_refused(&answer, "invalid_target");
        }
    }
    // RFC 8693 2.1: `audience` says where, too.
    let answer = Grant::Exchange.anonymous(&fixture.a, &of("robot"), &[("audience", DEPLOY)]).await;
    assert_eq!(claims(&answer.member("access_token"))["aud"], DEPLOY);
    let answer = Grant::Exchange.anonymous(&fixture.a, &of("robot"), &[("audience", "elsewhere")]).await;
    assert_refused(&answer, "invalid_target");
}

/// No token outlives what it was got for, nor the rule's lifetime.
#[tokio::test]
async fn lifetime_stays_within_rule_client_and_token() {
    let fixture = fixture();
    for grant in BOTH {
        for (account, life, least, most) in
            [("robot", 3600, 541, 600), ("narrow", 3600, 54, 60), ("robot", 30, 20, 30), ("narrow", 20, 10, 20)]
        {
            let exp = crate::code::now() + life;
            let answer = grant.anonymous(&fixture.a, &token(&json!({ "sub": account, "exp": exp })), &[]).await;
            assert!(answer.is_granted(), "{}", answer.body);
            let (expires_in, token) = (answer.json()["expires_in"].as_i64().unwrap(), claims(&answer.member("access_token")));
            assert!((least..=most).contains(&expires_in), "{account} {life}: {expires_in}");
            assert_eq!(token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap(), expires_in);
            assert!(token["exp"].as_i64().unwrap() <= exp, "{account} {life}: {token}");
        }
        // A fraction of a second counts for nothing.
        let exp = crate::code::now() + 30;
        let answer =
            grant.anonymous(&fixture.a, &token(&json!({ "exp": f64::from(u32::try_from(exp).unwrap()) + 0.9 })), &[]).await;
        assert!(claims(&answer.member("access_token"))["exp"].as_i64().unwrap() <= exp, "{}", answer.body);
    }
}

/// Names of roles there are no names of roles here: the rule says which is which.
#[tokio::test]
async fn roles_are_those_that_the_rule_maps() {
    let fixture = fixture();
    let with = |roles: Value| token(&json!({ "sub": "roles", "realm": { "roles": roles }, "roles": ["engineer"] }));
    for (theirs, ours) in [
        (json!("dev"), json!(["developer"])),
        (json!(["sre", "ops", "x"]), json!(["engineer"])),
        (json!(["dev", "engineer", "ops"]), json!(["developer", "engineer"])),
    ] {
        let answer = Grant::Exchange.anonymous(&fixture.a, &with(theirs.clone()), &[]).await;
        assert!(answer.is_granted(), "{theirs}: {}", answer.body);
        assert_eq!(claims(&answer.member("access_token"))["roles"], ours, "{theirs}");
    }
    for theirs in [json!([]), json!(["engineer"]), json!("DEV"), json!({ "dev": 1 }), json!([["dev"]]), json!(null)] {
        refused(Grant::Exchange, &Grant::Exchange.anonymous(&fixture.a, &with(theirs.clone()), &[]).await, &theirs.to_string());
    }
    // Where the rule maps none there are none.
    let answer = Grant::Exchange.anonymous(&fixture.a, &token(&json!({ "roles": ["engineer"] })), &[]).await;
    assert_eq!(claims(&answer.member("access_token")).get("roles"), None);
}

/// RFC 8693 2.1: what may be asked for of an outside token is an access token.
#[tokio::test]
async fn of_an_outside_token_only_access_tokens_are_to_be_had() {
    let fixture = fixture();
    let ask = async |account: &str, kind: &str| {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        Grant::Exchange.anonymous(&fixture.a, &of(account), &[("requested_token_type", &kind)]).await
    };
    for (account, kind) in [("robot", "access_token"), ("robot", "jwt"), ("sealed", "access_token")] {
        let answer = ask(account, kind).await;
        assert!(answer.is_granted(), "{account} {kind}: {}", answer.body);
        assert_eq!(answer.member("issued_token_type"), format!("urn:ietf:params:oauth:token-type:{kind}"));
        assert_eq!(answer.member("access_token").contains('.'), account == "robot", "opaque where the client's are");
    }
    for (account, kind) in
        [("sealed", "jwt"), ("robot", "id_token"), ("robot", "refresh_token"), ("robot", "saml2"), ("robot", "")]
    {
        let answer = ask(account, kind).await;
        assert_eq!(answer.error(), "invalid_request", "{account} {kind}: {}", answer.body);
    }
}

/// RFC 6749 5.2, RFC 7521 4.1, RFC 8693 2.1.
#[tokio::test]
async fn parameters_are_there_once() {
    let (fixture, robot) = (fixture(), token(&json!({})));
    let exchange = [("grant_type", EXCHANGE), ("subject_token", robot.as_str()), ("subject_token_type", JWT)];
    let bearer = [("grant_type", BEARER), ("assertion", robot.as_str())];
    for good in [exchange.as_slice(), &bearer] {
        assert!(post(&fixture.a, good).await.is_granted());
        for leave_out in 1..good.len() {
            let fewer: Vec<_> = good.iter().enumerate().filter(|(place, _)| *place != leave_out).map(|(_, pair)| *pair).collect();
            assert_refused(&post(&fixture.a, &fewer).await, "invalid_request");
        }
        for twice in 0..good.len() {
            assert_refused(&post(&fixture.a, &[good, &good[twice..=twice]].concat()).await, "invalid_request");
            let mut empty = good.to_vec();
            empty[twice].1 = "";
            assert_refused(&post(&fixture.a, &empty).await, "invalid_request");
        }
        for twice in ["scope", "client_id"] {
            assert_refused(&post(&fixture.a, &[good, &[(twice, "x"), (twice, "x")]].concat()).await, "invalid_request");
        }
    }
    for kind in ["refresh_token", "saml2", "JWT", ""] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let parameters = [("grant_type", EXCHANGE), ("subject_token", robot.as_str()), ("subject_token_type", kind.as_str())];
        assert_refused(&post(&fixture.a, &parameters).await, "invalid_request");
    }
    // RFC 7522 is another grant.
    let saml = [("grant_type", "urn:ietf:params:oauth:grant-type:saml2-bearer"), ("assertion", robot.as_str())];
    assert_refused(&post(&fixture.a, &saml).await, "unsupported_grant_type");
}

/// Who shows no proof is one with all others of the network that show none, whomever they name; who does goes on.
#[tokio::test]
async fn strangers_share_one_limit_and_whoever_proves_himself_has_his_own() {
    let fixture = super::setup(&issuers()).rate_limit("LIMIT_TOKEN", 5).start().await;
    CI.publish(&[p256("k")]);
    let robot = CI.token(&fixture, &json!({}));
    let bogus = CI.token(&fixture, &json!({ "sub": "nobody" }));
    let mut statuses = Vec::new();
    for (number, grant) in BOTH.into_iter().cycle().take(8).enumerate() {
        let name = format!("client-{number}");
        let answer = match number % 3 {
            0 => grant.anonymous(&fixture.a, &bogus, &[]).await,
            1 => grant.by(&Api::public(&fixture.a, "deployer"), &bogus, &[]).await,
            _ => grant.by(&Api::public(&fixture.a, &name), &bogus, &[]).await,
        };
        if answer.status == 429 {
            assert_eq!((answer.error().as_str(), answer.header("cache-control")), ("temporarily_unavailable", "no-store"));
            assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
            let cost = line(&fixture, &answer).await["cost"].clone();
            assert_eq!((&cost["d1_trips"], &cost["outbound"]), (&json!(0), &json!(0)), "{cost}");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [400, 400, 400, 400, 400, 429, 429, 429]);
    assert_eq!(Grant::Bearer.anonymous(&fixture.a, &robot, &[]).await.status, 429);
    for grant in BOTH {
        let answer = grant.by(&client(&fixture.a, "deployer"), &robot, &[]).await;
        assert!(answer.is_granted(), "{}", answer.body);
    }
}
