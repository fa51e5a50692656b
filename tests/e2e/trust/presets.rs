//! Each kind of issuer with tokens as its platform makes them.

use serde_json::{Value, json};

use super::{ACCESS_TOKEN, API, BOTH, DEPLOY, EXCHANGE, Grant, Outside, fixture, judge, line};
use crate::code::{assert_refused, fresh, jwks, now, p256, public, rsa, signed, verified};
use crate::support::{Answer, claims, header};

const GITHUB: Outside = Outside("github");
const GITLAB: Outside = Outside("gitlab");
const CLUSTER: Outside = Outside("cluster");
const REALM: Outside = Outside("realm");

pub fn issuers() -> Vec<Value> {
    let deployer = json!({ "client": "deployer", "scope": "records:read records:write" });
    let cluster_keys = json!({ "keys": [public(&rsa("cluster"))] });
    vec![
        GITHUB.seed(&json!({ "preset": "github_actions", "rules": [
            { "id": "main", "claims": { "repository": { "equals": "acme/app" }, "ref": { "equals": "refs/heads/main" } }, "yields": deployer },
            { "id": "branches", "claims": { "sub": { "glob": "repo:acme/*:ref:refs/heads/*" } },
              "yields": { "client": "reader", "scope": "records:read" } },
        ] })),
        GITLAB.seed(&json!({ "preset": "gitlab_ci", "jwks_uri": judge().at("/elsewhere/gitlab-keys"), "rules": [
            { "id": "protected", "claims": { "project_path": { "prefix": "acme/" }, "ref_protected": { "one_of": ["true"] } }, "yields": deployer },
        ] })),
        CLUSTER.seed(&json!({ "preset": "kubernetes", "jwks": cluster_keys, "audiences": ["latchkey", "other"], "rules": [
            { "id": "prod", "claims": { "/kubernetes.io/namespace": { "equals": "prod" } }, "audience": "latchkey", "yields": deployer },
        ] })),
        REALM.seed(&json!({ "preset": "latchkey", "rules": [
            { "id": "robot", "claims": { "sub": { "equals": "robot" }, "scope": { "present": true } }, "yields": deployer },
        ] })),
    ]
}

/// The claims of a job of GitHub Actions, as its documentation shows them, with changes.
fn job(changes: &Value) -> Value {
    let mut job = json!({
        "sub": "repo:acme/app:ref:refs/heads/main", "repository": "acme/app", "repository_owner": "acme", "repository_id": "74",
        "repository_owner_id": "65", "repository_visibility": "private", "ref": "refs/heads/main", "ref_type": "branch",
        "sha": "0000000000000000000000000000000000000000", "run_id": "30433642", "run_number": "8", "run_attempt": "1",
        "actor": "octocat", "actor_id": "12", "workflow": "ship", "event_name": "push",
        "job_workflow_ref": "acme/app/.github/workflows/ship.yml@refs/heads/main", "runner_environment": "github-hosted",
    });
    job.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    GITHUB.claims(fixture(), &job)
}

fn by_rsa(kid: &str, claims: &Value) -> String {
    signed(&rsa(kid), &json!({ "alg": "RS256", "kid": kid, "typ": "JWT", "x5t": kid }), claims)
}

/// Asserts a good answer; the claims of the access token in it, verified.
async fn granted(grant: Grant, answer: &Answer, scope: &str) -> Value {
    let fixture = fixture();
    assert!(answer.is_granted(), "{} {}", answer.status, answer.body);
    assert_eq!((answer.header("cache-control"), answer.header("content-type")), ("no-store", "application/json"));
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["scope"]), (&json!("Bearer"), &json!(scope)));
    let mut members: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    // No refresh token and no ID token; RFC 8693 2.2.1 has one member more.
    match grant {
        Grant::Exchange => {
            assert_eq!(members, ["access_token", "expires_in", "issued_token_type", "scope", "token_type"]);
            assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
        }
        Grant::Bearer => assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]),
    }
    let token = answer.member("access_token");
    assert_eq!(header(&token)["typ"], "at+jwt");
    let claims = verified(&jwks(&fixture.a).await, &token);
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(exp - iat, body["expires_in"].as_i64().unwrap());
    assert!((now() - 5..=now()).contains(&iat), "{claims}");
    claims
}

/// RFC 9068 2.2: the token is the service account's own, and nothing of the outside token is in it.
#[tokio::test]
async fn a_job_of_github_is_the_service_account_of_the_first_rule_that_matches() {
    let fixture = fixture();
    GITHUB.publish(&[rsa("gh")]);
    let mut jtis = Vec::new();
    for (base, grant) in [(&fixture.a, Grant::Exchange), (&fixture.b, Grant::Bearer)] {
        let answer = grant.anonymous(base, &by_rsa("gh", &job(&json!({}))), &[]).await;
        let claims = granted(grant, &answer, "records:read records:write").await;
        let mut names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub", "team"]);
        assert_eq!(
            (&claims["iss"], &claims["sub"], &claims["client_id"]),
            (&json!(fixture.a), &json!("deployer"), &json!("deployer"))
        );
        assert_eq!((&claims["aud"], &claims["team"]), (&json!(API), &json!("ship")), "the account's own default and claims");
        assert_eq!(claims["scope"], "records:read records:write");
        // The account's lifetime is 600 s, less up to a tenth; the outside token's 300 s are less.
        assert!((255..=300).contains(&answer.json()["expires_in"].as_i64().unwrap()), "{}", answer.body);
        jtis.push(claims["jti"].as_str().unwrap().to_owned());
        // Nothing is stored but that the token was used: one mark, and an alarm where there was none.
        let cost = line(fixture, &answer).await["cost"].clone();
        assert!((1..=2).contains(&cost["rows"].as_i64().unwrap()), "{cost}");
        assert_eq!(cost["objects"], 1);
    }
    assert_ne!(jtis[0], jtis[1]);
    assert_eq!(GITHUB.asked(), [2, 2], "once by each Worker");

    let branch = json!({ "ref": "refs/heads/x", "sub": "repo:acme/app:ref:refs/heads/x" });
    let answer = Grant::Bearer.anonymous(&fixture.a, &by_rsa("gh", &job(&branch)), &[]).await;
    assert_eq!(granted(Grant::Bearer, &answer, "records:read").await["sub"], "reader");
    // Whoever else has an account on the platform, and other refs of the repository.
    for (what, changes) in [
        ("a name that begins so", json!({ "repository": "acme-evil/app", "sub": "repo:acme-evil/app:ref:refs/heads/main" })),
        ("a name in another case", json!({ "repository": "Acme/app", "sub": "repo:Acme/app:ref:refs/heads/main" })),
        ("a pull request", json!({ "ref": "refs/pull/7/merge", "sub": "repo:acme/app:pull_request" })),
        ("a part more", json!({ "ref": "refs/heads/x", "sub": "repo:acme/app:x:ref:refs/heads/x" })),
        ("a tag of the same name", json!({ "ref": "refs/tags/main", "sub": "repo:acme/app:ref:refs/tags/main" })),
        ("no claims", json!({ "ref": null, "repository": null, "sub": "repo:other/app:ref:refs/heads/main" })),
    ] {
        for grant in BOTH {
            let answer = grant.anonymous(&fixture.a, &by_rsa("gh", &job(&changes)), &[]).await;
            assert_eq!(answer.error(), grant.error(), "{what}: {}", answer.body);
            assert_refused(&answer, grant.error());
        }
    }
    assert_eq!(GITHUB.asked(), [2, 2]);
}

/// GitLab gives a job one token and it is used again and again; its keys are where the operator says.
#[tokio::test]
async fn a_job_of_gitlab_uses_its_token_again() {
    let fixture = fixture();
    judge().answer("/elsewhere/gitlab-keys", crate::judge::Reply::json(&json!({ "keys": [public(&rsa("gl"))] })));
    let token = by_rsa("gl", &GITLAB.claims(fixture, &json!({
        "sub": "project_path:acme/app:ref_type:branch:ref:main", "project_path": "acme/app", "project_id": "22", "namespace_path": "acme",
        "namespace_id": "72", "ref": "main", "ref_type": "branch", "ref_protected": "true", "pipeline_source": "push",
    })));
    for (base, grant) in
        [(&fixture.a, Grant::Exchange), (&fixture.a, Grant::Bearer), (&fixture.b, Grant::Exchange), (&fixture.a, Grant::Exchange)]
    {
        let answer = grant.anonymous(base, &token, &[]).await;
        assert_eq!(granted(grant, &answer, "records:read records:write").await["sub"], "deployer");
        let cost = line(fixture, &answer).await["cost"].clone();
        assert_eq!((&cost["rows"], &cost["objects"]), (&json!(0), &json!(0)), "{cost}");
    }
    assert_eq!((judge().heard("/elsewhere/gitlab-keys").len(), GITLAB.asked()), (2, [0, 0]));
    for changes in [
        json!({ "ref_protected": "false" }),
        json!({ "ref_protected": true }),
        json!({ "ref_protected": null }),
        json!({ "project_path": "acme" }),
        json!({ "project_path": "acme-evil/app" }),
        json!({ "project_path": "x/acme/app" }),
    ] {
        let mut claims = json!({ "sub": "project_path:acme/app:x", "project_path": "acme/app", "ref_protected": "true" });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let answer = Grant::Exchange.anonymous(&fixture.a, &by_rsa("gl", &GITLAB.claims(fixture, &claims)), &[]).await;
        assert_eq!(answer.error(), "invalid_request", "{changes}: {}", answer.body);
    }
}

/// The keys of a cluster that nobody outside can reach are written down: nobody is asked.
#[tokio::test]
async fn a_pod_is_known_by_its_namespace_and_the_cluster_is_not_asked() {
    let fixture = fixture();
    let pod = |changes: &Value| {
        let mut claims = json!({
            "aud": ["latchkey"], "sub": "system:serviceaccount:prod:api",
            "kubernetes.io": { "namespace": "prod", "serviceaccount": { "name": "api", "uid": "u" }, "pod": { "name": "api-1" } },
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        signed(&rsa("cluster"), &json!({ "alg": "RS256", "kid": "cluster" }), &CLUSTER.claims(fixture, &claims))
    };
    let token = pod(&json!({}));
    for grant in BOTH {
        let answer = grant.anonymous(&fixture.a, &token, &[("resource", DEPLOY)]).await;
        assert_eq!(granted(grant, &answer, "records:read records:write").await["aud"], DEPLOY);
        let cost = line(fixture, &answer).await["cost"].clone();
        assert_eq!((&cost["rows"], &cost["outbound"]), (&json!(0), &json!(0)), "{cost}");
    }
    for (what, changes) in [
        ("another namespace", json!({ "kubernetes.io": { "namespace": "dev" } })),
        ("the path as a name", json!({ "kubernetes.io": null, "/kubernetes.io/namespace": "prod" })),
        ("one of the issuer's audiences that is not the rule's", json!({ "aud": ["other"] })),
        ("no audience of the issuer's", json!({ "aud": [fixture.a] })),
    ] {
        let answer = Grant::Bearer.anonymous(&fixture.a, &pod(&changes), &[]).await;
        assert_eq!(answer.error(), "invalid_grant", "{what}: {}", answer.body);
    }
    assert_eq!(CLUSTER.asked(), [0, 0]);
}

/// RFC 9068 4: of another realm's tokens only access tokens count; its ID and logout tokens are by the same keys.
#[tokio::test]
async fn of_another_realm_only_access_tokens_count() {
    let fixture = fixture();
    REALM.publish(&[p256("k")]);
    let token = |typ: Value| {
        let claims = REALM.claims(fixture, &json!({ "scope": "x", "client_id": "robot" }));
        signed(&p256("k"), &json!({ "alg": "ES256", "kid": "k", "typ": typ }), &claims)
    };
    for typ in ["JWT", "jwt", "logout+jwt", "userinfo+jwt", "token-introspection+jwt", "oauth-authz-req+jwt"] {
        let answer = Grant::Exchange.anonymous(&fixture.a, &token(json!(typ)), &[]).await;
        assert_eq!(answer.error(), "invalid_request", "{typ}: {}", answer.body);
    }
    assert_eq!(REALM.asked(), [0, 0]);
    for typ in ["at+jwt", "application/at+jwt", "AT+JWT"] {
        let answer = Grant::Exchange.anonymous(&fixture.a, &token(json!(typ)), &[]).await;
        assert_eq!(granted(Grant::Exchange, &answer, "records:read records:write").await["sub"], "deployer");
    }
    // Without a client behind it the other realm's token is of no scope.
    let claims = REALM.claims(fixture, &json!({}));
    let without = signed(&p256("k"), &json!({ "alg": "ES256", "kid": "k", "typ": "at+jwt" }), &claims);
    assert_eq!(Grant::Exchange.anonymous(&fixture.a, &without, &[]).await.error(), "invalid_request");
}

/// The request of RFC 7523 4: the assertion alone, without credentials of a client; and of RFC 8693 2.3, by its
/// parameters in another order.
#[tokio::test]
async fn the_examples_of_the_rfcs() {
    let fixture = fixture();
    GITHUB.publish(&[rsa("gh")]);
    let assertion = by_rsa("gh", &job(&json!({ "jti": fresh() })));
    let body = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
    let request = crate::support::Api::public(&fixture.a, "").request("POST", "/token");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    let answer = crate::support::Api::send(request).await;
    assert_eq!(granted(Grant::Bearer, &answer, "records:read records:write").await["sub"], "deployer");
    let token = by_rsa("gh", &job(&json!({ "jti": fresh() })));
    let parameters = [
        ("resource", DEPLOY),
        ("subject_token", token.as_str()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("grant_type", EXCHANGE),
    ];
    let answer = super::post(&fixture.a, &parameters).await;
    assert_eq!(granted(Grant::Exchange, &answer, "records:read records:write").await["aud"], DEPLOY);
    assert_eq!(claims(&answer.member("access_token"))["sub"], "deployer");
}
