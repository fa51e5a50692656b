//! Trusted issuers get into the database by the seed tool: nothing that has a fault, and everything that has one is
//! told.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{Outside, fixture};
use crate::harness::built;

const SEEDED: Outside = Outside("seeded");

fn seed(name: &str, seed: &Value) -> Output {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trust-{name}.json"));
    std::fs::write(&file, seed.to_string()).unwrap();
    Command::new(built("latchkey-seed")).arg(file).output().unwrap()
}

#[tokio::test]
async fn every_fault_is_listed_and_nothing_is_printed() {
    let rule = |changes: Value| {
        let mut rule = json!({ "id": "r", "claims": { "sub": { "equals": "x" } }, "yields": { "client": "c", "scope": "s" } });
        rule.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        rule
    };
    let with = |changes: Value| {
        let mut issuer = json!({ "issuer": "https://a.example", "preset": "oidc", "rules": [rule(json!({}))] });
        issuer.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        issuer
    };
    let github = |claims: Value| with(json!({ "preset": "github_actions", "rules": [rule(json!({ "claims": claims }))] }));
    let faulty = [
        ("issuer: must be", with(json!({ "issuer": "http://a.example" }))),
        ("unknown variant `github`", with(json!({ "preset": "github" }))),
        ("unknown field `jwksuri`", with(json!({ "jwksuri": "https://a.example" }))),
        (
            "jwks and jwks_uri exclude",
            with(json!({ "jwks": { "keys": [crate::code::public(&crate::code::p256("k"))] }, "jwks_uri": "https://a.example" })),
        ),
        ("public keys only", with(json!({ "jwks": { "keys": [crate::code::p256("k")] } }))),
        ("no key in it can be used", with(json!({ "jwks": { "keys": [{ "kty": "oct" }] } }))),
        ("jwks_uri: must be", with(json!({ "jwks_uri": "http://a.example/keys" }))),
        ("unknown variant `HS256`", with(json!({ "algs": ["HS256"] }))),
        ("algs: at least one", with(json!({ "algs": [] }))),
        ("audiences: 1 to 20", with(json!({ "audiences": [] }))),
        ("max_life: 1 to", with(json!({ "max_life": 100_000 }))),
        ("rules: 1 to 100", with(json!({ "rules": [] }))),
        ("two are called", with(json!({ "rules": [rule(json!({})), rule(json!({}))] }))),
        ("must be pinned by one of sub", with(json!({ "rules": [rule(json!({ "claims": {} }))] }))),
        ("must be pinned", github(json!({ "ref": { "equals": "refs/heads/main" } }))),
        ("must be pinned", github(json!({ "sub": { "prefix": "repo:acme" } }))),
        ("must be pinned", github(json!({ "sub": { "glob": "repo:*/app:*" } }))),
        ("must be pinned", github(json!({ "repository_owner": { "prefix": "acme" } }))),
        ("must be pinned", github(json!({ "sub": { "one_of": ["repo:acme/app:ref:refs/heads/main", "environment:prod"] } }))),
        (
            "none of the scopes of OpenID Connect",
            with(json!({ "rules": [rule(json!({ "yields": { "client": "c", "scope": "openid" } }))] })),
        ),
        ("either client", with(json!({ "rules": [rule(json!({ "yields": { "scope": "s" } }))] }))),
        ("single use", with(json!({ "single_use": true, "rules": [rule(json!({ "single_use": false }))] }))),
    ];
    for (fault, issuer) in &faulty {
        let output = seed("one", &json!({ "trusted_issuers": [with(json!({ "issuer": "https://good.example" })), issuer] }));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{fault}");
        let name = issuer["issuer"].as_str().unwrap();
        assert!(told.contains(&format!("trusted issuer {name:?}: ")) && told.contains(fault), "{fault}: {told}");
        assert!(!told.contains("good.example"), "{told}");
    }
    // All at once.
    let issuers: Vec<&Value> = faulty.iter().map(|(_, issuer)| issuer).collect();
    let output = seed("all", &json!({ "trusted_issuers": issuers }));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(faulty.iter().all(|(fault, _)| told.contains(fault)), "{told}");
    assert!(told.lines().count() >= faulty.len(), "{told}");
}

/// Run again it changes what changed, and never what administrators set.
#[tokio::test]
async fn running_it_again_keeps_the_switch() {
    let fixture = fixture();
    let run = async |settings: &Value| {
        let output = seed("again", &json!({ "trusted_issuers": [SEEDED.seed(settings)] }));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fixture.d1(std::str::from_utf8(&output.stdout).unwrap(), &[]).await;
        let rows = fixture
            .d1("SELECT enabled, version, settings FROM trusted_issuers WHERE issuer = ?1", &[SEEDED.issuer().into()])
            .await;
        let row = rows[0].clone();
        let settings: Value = serde_json::from_str(row["settings"].as_str().unwrap()).unwrap();
        (row["enabled"].as_i64().unwrap(), row["version"].as_i64().unwrap(), settings["max_life"].clone())
    };
    assert_eq!(run(&json!({})).await, (1, 1, Value::Null));
    assert_eq!(run(&json!({})).await, (1, 1, Value::Null));
    fixture.d1("UPDATE trusted_issuers SET enabled = 0 WHERE issuer = ?1", &[SEEDED.issuer().into()]).await;
    assert_eq!(run(&json!({ "max_life": 60 })).await, (0, 2, json!(60)));
    assert_eq!(run(&json!({ "max_life": 60 })).await, (0, 2, json!(60)));
}
