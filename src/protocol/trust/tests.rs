use serde_json::{Map, json};

use super::*;
use crate::protocol::time::Timestamp;

const NOW: i64 = 1_800_000_000;
const OWN: &str = "https://id.example";
const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn settings(json: Value) -> Settings {
    serde_json::from_value(json).unwrap()
}

fn trusted(issuer: &str, json: Value) -> TrustedIssuer {
    let settings = settings(json);
    assert_eq!(settings.check(issuer), Vec::<String>::new());
    TrustedIssuer { issuer: issuer.to_owned(), settings, enabled: true, version: 1 }
}

fn github() -> TrustedIssuer {
    trusted(
        GITHUB,
        json!({"preset": "github_actions", "rules": [
            {"id": "main", "claims": {"repository": {"equals": "acme/app"}, "ref": {"equals": "refs/heads/main"}},
             "yields": {"client": "deployer", "scope": "deploy:write"}},
            {"id": "any", "claims": {"sub": {"glob": "repo:acme/*:ref:refs/heads/*"}},
             "yields": {"client": "reader", "scope": "deploy:read"}},
        ]}),
    )
}

fn with(mut claims: Value, changes: &Value) -> Map<String, Value> {
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    members.clone()
}

fn job(changes: &Value) -> Map<String, Value> {
    with(
        json!({"iss": GITHUB, "sub": "repo:acme/app:ref:refs/heads/main", "aud": OWN, "exp": NOW + 300, "nbf": NOW - 300,
            "iat": NOW, "jti": "j", "repository": "acme/app", "repository_owner": "acme", "ref": "refs/heads/main"}),
        changes,
    )
}

fn evaluate(
    issuer: &TrustedIssuer,
    typ: Option<&str>,
    alg: Alg,
    claims: &Map<String, Value>,
    asking: Asking<'_>,
) -> Result<Accepted, Refused> {
    let token = Token { typ, alg, claims, now: Timestamp::from_millis(NOW * 1000) };
    let outcome = issuer.evaluate(&token, OWN, asking);
    // What is explained is what is decided.
    let account = issuer.explain(&token, OWN, Some(asking));
    assert_eq!(account.rule.as_deref(), outcome.as_ref().ok().map(|accepted| accepted.rule.as_str()), "{account:?}");
    outcome
}

fn for_nobody(issuer: &TrustedIssuer, claims: &Map<String, Value>) -> Result<String, &'static str> {
    let outcome = evaluate(issuer, Some("jwt"), Alg::RS256, claims, Asking::Nobody);
    outcome.map(|accepted| accepted.rule).map_err(|refused| refused.word())
}

#[test]
fn the_first_rule_that_matches_counts() {
    let github = github();
    assert_eq!(for_nobody(&github, &job(&json!({}))), Ok("main".into()));
    let other = json!({"ref": "refs/heads/x", "sub": "repo:acme/app:ref:refs/heads/x"});
    assert_eq!(for_nobody(&github, &job(&other)), Ok("any".into()));
    let evil = json!({"repository": "acme-evil/app", "sub": "repo:acme-evil/app:ref:refs/heads/main"});
    let token_claims = job(&evil);
    let token = Token { typ: None, alg: Alg::RS256, claims: &token_claims, now: Timestamp::from_millis(NOW * 1000) };
    let Err(Refused::Rules(rules)) = github.evaluate(&token, OWN, Asking::Nobody) else { panic!("not refused") };
    let why = |about: &str| Why { about: about.into(), reason: "the claim is missing or another" };
    assert_eq!(rules, [("main".into(), why("repository")), ("any".into(), why("sub"))]);
    let accepted = evaluate(&github, None, Alg::RS256, &job(&json!({})), Asking::Nobody).unwrap();
    assert_eq!(accepted.single_use.as_deref(), Some("j"));
    assert_eq!(
        (accepted.sub.as_str(), accepted.expires_at),
        ("repo:acme/app:ref:refs/heads/main", Timestamp::from_millis((NOW + 300) * 1000))
    );
    assert_eq!((accepted.issuer.as_str(), accepted.yields.scope.to_string()), (GITHUB, "deploy:write".into()));
    let disabled = TrustedIssuer { enabled: false, ..github };
    assert_eq!(for_nobody(&disabled, &job(&json!({}))), Err("the issuer is not trusted at present"));
}

#[test]
fn every_condition_of_a_token() {
    let github = github();
    for good in [
        json!({"aud": ["x", OWN]}),
        json!({"iat": null, "nbf": null}),
        json!({"nbf": NOW + 10, "iat": NOW + 10, "exp": NOW + 3610}),
        json!({"may_act": {"sub": "x"}, "act": {"sub": "y", "act": {"sub": "z"}}}),
    ] {
        assert_eq!(for_nobody(&github, &job(&good)), Ok("main".into()), "{good}");
    }
    let deep = (0..5).fold(json!({"sub": "x"}), |act, _| json!({"sub": "x", "act": act}));
    for (bad, why) in [
        (json!({"iss": null}), "its issuer is another"),
        (json!({"iss": format!("{GITHUB}/")}), "its issuer is another"),
        (json!({"aud": null}), "its audience is another"),
        (json!({"aud": []}), "its audience is another"),
        (json!({"aud": format!("{OWN}/")}), "its audience is another"),
        (json!({"aud": {OWN: OWN}}), "its audience is another"),
        (json!({"exp": null}), "it has no exp"),
        (json!({"exp": "1900000000"}), "its exp, nbf or iat is not a date"),
        (json!({"nbf": [NOW]}), "its exp, nbf or iat is not a date"),
        (json!({"exp": NOW}), "it is expired"),
        (json!({"exp": NOW + 3611}), "its exp is too far ahead"),
        (json!({"nbf": NOW + 11}), "its nbf or iat is ahead"),
        (json!({"iat": NOW + 11}), "its nbf or iat is ahead"),
        (json!({"sub": null}), "it has no sub, or one that is too long"),
        (json!({"sub": ""}), "it has no sub, or one that is too long"),
        (json!({"sub": 7}), "it has no sub, or one that is too long"),
        (json!({"sub": "x".repeat(1025)}), "it has no sub, or one that is too long"),
        (json!({"jti": null}), "no rule of the issuer matches the token"),
        (json!({"jti": "x".repeat(257)}), "no rule of the issuer matches the token"),
        (json!({"may_act": "x"}), "its may_act is malformed"),
        (json!({"act": {"iss": "x"}}), "its act is malformed"),
        (json!({"act": deep}), "its act is nested too deep"),
    ] {
        assert_eq!(for_nobody(&github, &job(&bad)), Err(why), "{bad}");
    }
    let by =
        |typ, alg| evaluate(&github, typ, alg, &job(&json!({})), Asking::Nobody).map(|_| ()).map_err(|refused| refused.word());
    assert_eq!(by(None, Alg::RS256), Ok(()));
    assert_eq!(by(Some("at+jwt"), Alg::RS256), Err("its typ is another"));
    assert_eq!(by(None, Alg::ES256), Err("its algorithm is another"));
}

#[test]
fn what_the_operator_may_ask_for_more() {
    let of = |more: Value, rule: Value| {
        let mut json = json!({"preset": "gitlab_ci", "rules": [{"id": "r", "claims": {"project_id": {"one_of": ["7", "8"]}},
            "yields": {"client": "c", "scope": "s"}}]});
        json["rules"][0].as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let issuer = trusted("https://gitlab.com", json);
        move |changes: Value| {
            let claims = json!({"iss": "https://gitlab.com", "sub": "s", "aud": OWN, "exp": NOW + 300, "iat": NOW - 100, "project_id": "8"});
            for_nobody(&issuer, &with(claims, &changes)).map(|_| ())
        }
    };
    assert_eq!(of(json!({}), json!({}))(json!({})), Ok(()), "no jti is needed");
    let no_rule = Err("no rule of the issuer matches the token");
    assert_eq!(of(json!({}), json!({"single_use": true}))(json!({})), no_rule);
    assert_eq!(of(json!({"single_use": true}), json!({}))(json!({"jti": "j"})), Ok(()));
    assert_eq!(of(json!({"max_age": 100}), json!({}))(json!({})), Ok(()));
    assert_eq!(of(json!({"max_age": 99}), json!({}))(json!({})), Err("it is too old"));
    assert_eq!(of(json!({"max_age": 100}), json!({}))(json!({"iat": null})), Err("it has no iat"));
    assert_eq!(of(json!({}), json!({"max_age": 99}))(json!({})), no_rule);
    assert_eq!(of(json!({"max_life": 290}), json!({}))(json!({})), Ok(()));
    assert_eq!(of(json!({"max_life": 289}), json!({}))(json!({})), Err("its exp is too far ahead"));
    assert_eq!(of(json!({"max_life": 7200}), json!({}))(json!({"exp": NOW + 7200})), Ok(()));
    assert_eq!(of(json!({}), json!({"max_life": 289}))(json!({})), no_rule);
    assert_eq!(of(json!({"audiences": ["a", "b"]}), json!({}))(json!({})), Err("its audience is another"));
    assert_eq!(of(json!({"audiences": ["a", "b"]}), json!({}))(json!({"aud": "a"})), Ok(()));
    assert_eq!(of(json!({"audiences": ["a", "b"]}), json!({"audience": "b"}))(json!({"aud": "a"})), no_rule);
    assert_eq!(of(json!({"audiences": ["a", "b"]}), json!({"audience": "b"}))(json!({"aud": ["b", "c"]})), Ok(()));
    assert_eq!(of(json!({"typ": "ci+jwt"}), json!({}))(json!({})), Err("its typ is another"));
    assert_eq!(of(json!({"algs": ["ES256"]}), json!({}))(json!({})), Err("its algorithm is another"));
}

#[test]
fn who_may_ask() {
    let realm = trusted(
        "https://other.example",
        json!({"preset": "latchkey", "rules": [
            {"id": "service", "claims": {"sub": {"equals": "robot"}}, "yields": {"client": "c", "scope": "s"}},
            {"id": "people", "yields": {"clients": ["a", "b"], "scope": "s",
                "roles": {"claim": "roles", "map": {"basic": "customer", "low": "customer", "full": "engineer"}}}},
        ]}),
    );
    let ask = |changes: Value, asking| {
        let claims =
            json!({"iss": "https://other.example", "sub": "ada", "aud": OWN, "exp": NOW + 300, "roles": ["low", "basic", "x"]});
        evaluate(&realm, Some("at+jwt"), Alg::ES256, &with(claims, &changes), asking).map_err(|refused| refused.word())
    };
    let accepted = ask(json!({}), Asking::Authenticated("b")).unwrap();
    assert_eq!((accepted.rule.as_str(), accepted.roles), ("people", vec!["customer".to_owned()]));
    let for_others = "the rules of the issuer that match the token are for other clients";
    for asking in [Asking::Nobody, Asking::Named("a"), Asking::Authenticated("c")] {
        assert_eq!(ask(json!({}), asking), Err(for_others), "{asking:?}");
    }
    for asking in [Asking::Nobody, Asking::Named("c"), Asking::Authenticated("c")] {
        assert_eq!(ask(json!({"sub": "robot"}), asking).unwrap().rule, "service", "{asking:?}");
    }
    assert_eq!(ask(json!({"sub": "robot"}), Asking::Authenticated("a")).unwrap().rule, "people");
    assert_eq!(ask(json!({"sub": "robot"}), Asking::Named("a")), Err(for_others));
    // Roles.
    assert_eq!(ask(json!({"roles": "full"}), Asking::Authenticated("a")).unwrap().roles, ["engineer"]);
    for none in [json!(null), json!([]), json!(["x"]), json!({"full": 1}), json!([["full"]])] {
        assert!(ask(json!({"roles": none}), Asking::Authenticated("a")).is_err(), "{none}");
    }
    // Parties have an issuer, for here another one is meant by none.
    let changes = json!({"may_act": {"sub": "x"}, "act": {"sub": "y", "act": {"sub": "z", "iss": "https://z.example"}}});
    let accepted = ask(changes, Asking::Authenticated("a")).unwrap();
    assert_eq!(json!(accepted.may_act), json!({"iss": "https://other.example", "sub": "x"}));
    assert_eq!(
        json!(accepted.act),
        json!({"iss": "https://other.example", "sub": "y", "act": {"iss": "https://z.example", "sub": "z"}})
    );
    // Another kind of token by the same keys.
    let claims = with(json!({"iss": "https://other.example", "sub": "robot", "aud": OWN, "exp": NOW + 300}), &json!({}));
    for typ in [None, Some("jwt"), Some("logout+jwt")] {
        assert_eq!(evaluate(&realm, typ, Alg::ES256, &claims, Asking::Nobody).unwrap_err().word(), "its typ is another");
    }
}

#[test]
fn an_account_has_all_reasons() {
    let claims = job(&json!({"aud": "x", "ref": "refs/heads/x", "repository": "a/b"}));
    let token = Token { typ: Some("at+jwt"), alg: Alg::RS256, claims: &claims, now: Timestamp::from_millis(NOW * 1000) };
    let account = serde_json::to_value(github().explain(&token, OWN, None)).unwrap();
    let failed = |checks: &Value| {
        let checks = checks.as_array().unwrap().iter().filter(|check| check["ok"] == false);
        checks.map(|check| check["about"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(failed(&account["checks"]), ["typ", "aud"]);
    let main = &account["rules"][0];
    assert_eq!(failed(&main["checks"]), ["ref", "repository"]);
    assert_eq!(
        main["checks"][0],
        json!({"about": "ref", "ok": false, "why": "the claim is missing or another",
            "expected": {"equals": "refs/heads/main"}, "found": "refs/heads/x"})
    );
    assert_eq!(main["yields"], json!({"client": "deployer", "scope": "deploy:write"}));
    assert_eq!((&main["single_use"], &account["rules"][1]["ok"], &account["rule"]), (&json!(true), &json!(true), &json!(null)));
}

#[test]
fn what_is_stored_is_pinned() {
    let json = concat!(
        r#"{"preset":"oidc","jwks_uri":"https://k.example/","algs":["ES256"],"typ":"at+jwt","audiences":["a"],"max_age":60,"#,
        r#""max_life":600,"single_use":true,"rules":[{"id":"r","claims":{"/a/b":{"glob":"x*"},"c":{"one_of":[1,"2",true]},"#,
        r#""d":{"prefix":"p"},"e":{"present":true},"sub":{"equals":"s"}},"audience":"a","max_age":30,"max_life":60,"#,
        r#""single_use":true,"yields":{"client":"c","resources":["https://api.example"],"scope":"s t","#,
        r#""roles":{"claim":"roles","map":{"x":"y"}},"lifetime":300}},"#,
        r#"{"id":"q","claims":{},"yields":{"clients":["c"],"scope":"s"}}]}"#,
    );
    let settings: Settings = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&settings).unwrap(), json);
    assert_eq!(settings.check("https://a.example/x"), Vec::<String>::new());
    for preset in ["github_actions", "gitlab_ci", "kubernetes", "oidc", "latchkey"] {
        let parsed: Preset = serde_json::from_value(json!(preset)).unwrap();
        assert_eq!(json!(parsed), json!(preset));
    }
    for bad in [
        json!({"preset": "oidc"}),
        json!({"preset": "github", "rules": []}),
        json!({"preset": "oidc", "rules": [], "jwksuri": "x"}),
        json!({"preset": "oidc", "rules": [], "algs": ["HS256"]}),
        json!({"preset": "oidc", "rules": [], "algs": ["none"]}),
        json!({"preset": "oidc", "rules": [{"id": "r"}]}),
        json!({"preset": "oidc", "rules": [{"id": "r", "yields": {"scope": "s"}}]}),
        json!({"preset": "oidc", "rules": [{"id": "r", "yields": {"client": "c", "clients": ["d"], "scope": "s"}}]}),
        json!({"preset": "oidc", "rules": [{"id": "r", "yields": {"clients": ["d"], "resources": ["x:1"], "scope": "s"}}]}),
        json!({"preset": "oidc", "rules": [{"id": "r", "claims": {"a": {"equals": 1, "prefix": "x"}}, "yields": {"client": "c", "scope": "s"}}]}),
        json!({"preset": "oidc", "rules": [{"id": "r", "claims": {"a": "x"}, "yields": {"client": "c", "scope": "s"}}]}),
    ] {
        assert!(serde_json::from_value::<Settings>(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn keys_are_where_the_operator_says() {
    let of = |issuer: &str, more: Value| {
        let mut json = json!({"preset": "oidc", "rules": [{"id": "r", "yields": {"clients": ["c"], "scope": "s"}}]});
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        trusted(issuer, json)
    };
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "x"}]});
    assert_eq!(of("https://a.example", json!({"jwks": set})).keys(), Keys::Inline(&set));
    assert_eq!(of("https://a.example", json!({"jwks_uri": "https://b.example/k"})).keys(), Keys::Uri("https://b.example/k"));
    for (issuer, url) in [
        ("https://a.example", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example/", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example/t/v2.0", "https://a.example/t/v2.0/.well-known/openid-configuration"),
    ] {
        assert_eq!(of(issuer, json!({})).keys(), Keys::Discovery(url.to_owned()));
    }
}

#[test]
fn faults_are_all_listed() {
    let bad = settings(json!({"preset": "github_actions", "jwks": {}, "jwks_uri": "http://a.example", "algs": [], "typ": "JWT",
        "audiences": [], "max_age": 0, "max_life": 86_401, "rules": []}));
    assert_eq!(bad.check("http://a.example").len(), 10, "{:?}", bad.check("http://a.example"));
    for issuer in ["", "a.example", "https://a.example?x", "https://a.example#x", "https://u@a.example", "https://A.example"] {
        assert!(!TrustedIssuer::is_issuer(issuer), "{issuer}");
    }
    for issuer in ["https://a.example", "https://a.example:8443/x/", "http://localhost:4000", "http://127.0.0.1:1/x"] {
        assert!(TrustedIssuer::is_issuer(issuer), "{issuer}");
    }
    let rule = |change: Value| {
        let mut rule = json!({"id": "r", "claims": {"sub": {"equals": "x"}}, "yields": {"client": "c", "scope": "s"}});
        rule.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        settings(json!({"preset": "oidc", "audiences": ["a"], "single_use": true, "max_age": 60, "rules": [rule]}))
            .check("https://a.example")
    };
    assert_eq!(rule(json!({})), Vec::<String>::new());
    for bad in [
        json!({"id": ""}),
        json!({"id": "a b"}),
        json!({"claims": {"sub": {"equals": "x"}, "": {"present": true}}}),
        json!({"claims": {"sub": {"equals": "x"}, "/a~2": {"present": true}}}),
        json!({"claims": {"sub": {"equals": "x"}, "/a/b/c/d/e/f/g/h/i": {"present": true}}}),
        json!({"claims": {"sub": {"equals": "x"}, "a": {"present": false}}}),
        json!({"claims": {"sub": {"equals": "x"}, "a": {"equals": null}}}),
        json!({"claims": {"sub": {"equals": "x"}, "a": {"equals": ["x"]}}}),
        json!({"claims": {"sub": {"equals": "x"}, "a": {"equals": 1.5}}}),
        json!({"claims": {"sub": {"equals": "x"}, "a": {"one_of": []}}}),
        json!({"claims": {"sub": {"equals": "x"}, "a": {"prefix": ""}}}),
        json!({"claims": {"sub": {"equals": "x"}, "a": {"glob": ""}}}),
        json!({"claims": {"sub": {"equals": "x"}, "a": {"glob": "x".repeat(128)}}}),
        json!({"audience": "b"}),
        json!({"max_age": 61}),
        json!({"max_age": 0}),
        json!({"max_life": 3601}),
        json!({"single_use": false}),
        json!({"yields": {"client": "a b", "scope": "s"}}),
        json!({"yields": {"clients": ["a b"], "scope": "s"}}),
        json!({"yields": {"client": "c", "scope": ""}}),
        json!({"yields": {"client": "c", "scope": "s openid"}}),
        json!({"yields": {"client": "c", "scope": "offline_access"}}),
        json!({"yields": {"client": "c", "scope": "s", "resources": ["x"]}}),
        json!({"yields": {"client": "c", "scope": "s", "lifetime": 4}}),
        json!({"yields": {"client": "c", "scope": "s", "lifetime": 3601}}),
        json!({"yields": {"client": "c", "scope": "s", "roles": {"claim": "r", "map": {}}}}),
        json!({"yields": {"client": "c", "scope": "s", "roles": {"claim": "", "map": {"a": "b"}}}}),
        json!({"yields": {"client": "c", "scope": "s", "roles": {"claim": "r", "map": {"a": ""}}}}),
    ] {
        assert_eq!(rule(bad.clone()).len(), 1, "{bad}: {:?}", rule(bad.clone()));
    }
    let twice = json!({"id": "r", "yields": {"clients": ["c"], "scope": "s"}});
    assert_eq!(settings(json!({"preset": "oidc", "rules": [twice, twice]})).check("https://a.example").len(), 1);
}

/// Whether a rule with these claims may be written, for a service account and for an outside subject.
fn may_be(preset: &str, claims: &Value) -> (bool, bool) {
    let of = |yields: Value| {
        let rules = json!([{"id": "r", "claims": claims, "yields": yields}]);
        settings(json!({"preset": preset, "rules": rules})).check("https://a.example").is_empty()
    };
    (of(json!({"client": "c", "scope": "s"})), of(json!({"clients": ["c"], "scope": "s"})))
}

#[test]
fn rules_for_platforms_pin_whose_tokens_they_mean() {
    for (preset, good) in [
        (
            "github_actions",
            vec![
                json!({"repository": {"equals": "acme/app"}}),
                json!({"repository": {"one_of": ["acme/app", "acme/web"]}}),
                json!({"repository": {"prefix": "acme/"}}),
                json!({"repository": {"glob": "acme/*"}}),
                json!({"repository_owner": {"equals": "acme"}, "ref": {"glob": "refs/*"}}),
                json!({"repository_owner": {"glob": "acme"}}),
                json!({"repository_owner_id": {"one_of": ["1", "2"]}}),
                json!({"repository_id": {"equals": "1"}}),
                json!({"sub": {"equals": "repo:acme/app:environment:prod"}}),
                json!({"sub": {"prefix": "repo:acme/"}}),
                json!({"sub": {"prefix": "repo:acme/app:"}}),
                json!({"sub": {"glob": "repo:acme/*:ref:refs/heads/main"}}),
                json!({"sub": {"glob": "repo:acme@1/app@*:*"}}),
                json!({"sub": {"glob": "repository_owner_id:1:*:*"}}),
                json!({"sub": {"equals": "repository_owner:acme"}}),
            ],
        ),
        (
            "gitlab_ci",
            vec![
                json!({"project_id": {"equals": "7"}}),
                json!({"project_path": {"glob": "acme/*"}}),
                json!({"namespace_path": {"equals": "acme"}}),
                json!({"namespace_path": {"prefix": "acme/"}}),
                json!({"namespace_id": {"one_of": ["7"]}}),
                json!({"sub": {"prefix": "project_path:acme/"}}),
                json!({"sub": {"glob": "project_path:acme/*:ref_type:branch:ref:main"}}),
            ],
        ),
        (
            "kubernetes",
            vec![
                json!({"sub": {"equals": "system:serviceaccount:prod:deployer"}}),
                json!({"sub": {"prefix": "system:serviceaccount:prod:"}}),
                json!({"sub": {"glob": "system:serviceaccount:prod:deploy-*"}}),
                json!({"/kubernetes.io/namespace": {"equals": "prod"}}),
                json!({"/kubernetes.io/serviceaccount/uid": {"equals": "u"}}),
            ],
        ),
    ] {
        for claims in good {
            assert_eq!(may_be(preset, &claims), (true, true), "{preset} {claims}");
        }
    }
    for (preset, bad) in [
        (
            "github_actions",
            vec![
                json!({}),
                json!({"repository": {"present": true}}),
                json!({"repository": {"prefix": "acme"}}),
                json!({"repository": {"glob": "*"}}),
                json!({"repository": {"glob": "*/app"}}),
                json!({"repository": {"glob": "acme*/app"}}),
                json!({"repository": {"one_of": ["acme/app", "acme"]}}),
                json!({"repository_owner": {"prefix": "acme"}}),
                json!({"repository_owner": {"glob": "acme*"}}),
                json!({"repository_id": {"prefix": "12"}}),
                json!({"repository_owner_id": {"glob": "1?"}}),
                json!({"repository_owner_id": {"equals": ""}}),
                json!({"ref": {"equals": "refs/heads/main"}}),
                json!({"environment": {"equals": "production"}}),
                json!({"job_workflow_ref": {"equals": "acme/ci/.github/workflows/x.yml@refs/heads/main"}}),
                json!({"actor": {"equals": "octocat"}}),
                json!({"sub": {"equals": "environment:production"}}),
                json!({"sub": {"prefix": "repo:"}}),
                json!({"sub": {"prefix": "repo:acme"}}),
                json!({"sub": {"glob": "repo:*/app:*"}}),
                json!({"sub": {"glob": "repo:acme*/app:*"}}),
                json!({"sub": {"glob": "repo:/x"}}),
                json!({"sub": {"glob": "*:acme/app:*"}}),
                json!({"sub": {"prefix": "repository_owner:acme"}}),
                json!({"sub": {"one_of": ["repo:acme/app:ref:x", "ref:x"]}}),
            ],
        ),
        (
            "gitlab_ci",
            vec![
                json!({"namespace_path": {"prefix": "acme"}}),
                json!({"namespace_path": {"glob": "acme*"}}),
                json!({"project_path": {"prefix": "acme"}}),
                json!({"project_id": {"glob": "7*"}}),
                json!({"sub": {"prefix": "project_path:acme"}}),
                json!({"sub": {"glob": "project_path:*/app:ref_type:branch:ref:main"}}),
                json!({"user_login": {"equals": "x"}}),
                json!({"ref_protected": {"equals": "true"}}),
            ],
        ),
        (
            "kubernetes",
            vec![
                json!({"sub": {"prefix": "system:serviceaccount:"}}),
                json!({"sub": {"prefix": "system:serviceaccount:prod"}}),
                json!({"sub": {"glob": "system:serviceaccount:*:deployer"}}),
                json!({"/kubernetes.io/namespace": {"glob": "prod*"}}),
                json!({"/kubernetes.io/serviceaccount/name": {"equals": "deployer"}}),
            ],
        ),
    ] {
        for claims in bad {
            assert_eq!(may_be(preset, &claims), (false, false), "{preset} {claims}");
        }
    }
}

#[test]
fn rules_for_other_issuers_pin_who_is_a_service_account() {
    for preset in ["oidc", "latchkey"] {
        assert_eq!(may_be(preset, &json!({})), (false, true), "{preset}");
        assert_eq!(may_be(preset, &json!({"email_verified": {"equals": true}})), (false, true), "{preset}");
        assert_eq!(may_be(preset, &json!({"sub": {"glob": "*"}})), (false, true), "{preset}");
        assert_eq!(may_be(preset, &json!({"sub": {"prefix": "acme"}})), (false, true), "{preset}");
        assert_eq!(may_be(preset, &json!({"sub": {"one_of": ["a", "b"]}})), (true, true), "{preset}");
        // Of everybody who signs in there.
        assert_eq!(may_be(preset, &json!({"client_id": {"equals": "a"}, "azp": {"equals": "a"}})), (false, true), "{preset}");
    }
    assert_eq!(may_be("oidc", &json!({"sub": {"glob": "organization:acme:pipeline:*:*"}})), (true, true));
    assert_eq!(may_be("oidc", &json!({"sub": {"prefix": "org/acme/"}})), (true, true));
    assert_eq!(may_be("latchkey", &json!({"sub": {"prefix": "a/"}})), (false, true));
}
