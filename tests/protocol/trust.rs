//! Rules of trusted issuers as properties.

use latchkey::protocol::jose::Alg;
use latchkey::protocol::time::Timestamp;
use latchkey::protocol::trust::{Asking, Settings, Token, TrustedIssuer, glob};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const NOW: i64 = 1_800_000_000;
const OWN: &str = "https://id.example";
const ISSUER: &str = "https://ci.example";
/// Claims that rules and tokens of the properties have, one of them inside another.
const NAMES: [&str; 4] = ["sub", "a", "b", "/n/c"];

fn issuer(preset: &str, rules: &Value) -> TrustedIssuer {
    let settings: Settings = serde_json::from_value(json!({"preset": preset, "single_use": false, "rules": rules})).unwrap();
    TrustedIssuer { issuer: ISSUER.to_owned(), settings, enabled: true, version: 1 }
}

fn rule(id: usize, claims: &Map<String, Value>) -> Value {
    json!({"id": id.to_string(), "claims": claims, "yields": {"client": "c", "scope": "s"}})
}

/// The rule that a token matches.
fn matched(issuer: &TrustedIssuer, claims: &Map<String, Value>) -> Option<usize> {
    let token = Token { typ: None, alg: Alg::RS256, claims, now: Timestamp::from_millis(NOW * 1000) };
    let outcome = issuer.evaluate(&token, OWN, Asking::Nobody);
    let explained = issuer.explain(&token, OWN, None).rule;
    assert_eq!(explained, outcome.as_ref().ok().map(|accepted| accepted.rule.clone()), "what is explained is what is decided");
    outcome.ok().map(|accepted| accepted.rule.parse().unwrap())
}

fn token(claims: &[(usize, Value)]) -> Map<String, Value> {
    let mut token = json!({"iss": ISSUER, "aud": OWN, "exp": NOW + 60, "sub": "s", "n": {}});
    for (name, value) in claims {
        match NAMES[*name] {
            "/n/c" => token["n"]["c"] = value.clone(),
            name => token[name] = value.clone(),
        }
    }
    token.as_object().unwrap().clone()
}

fn value() -> impl Strategy<Value = Value> {
    let one = prop_oneof!["[ab:]{1,3}".prop_map(Value::from), (0..3).prop_map(Value::from), any::<bool>().prop_map(Value::from)];
    prop_oneof![4 => one.clone(), 1 => prop::collection::vec(one, 0..3).prop_map(Value::from), 1 => Just(Value::Null)]
}

fn wanted() -> impl Strategy<Value = Value> {
    let one =
        || prop_oneof!["[ab:]{1,3}".prop_map(Value::from), (0..3).prop_map(Value::from), any::<bool>().prop_map(Value::from)];
    prop_oneof![
        one().prop_map(|value| json!({"equals": value})),
        prop::collection::vec(one(), 1..3).prop_map(|values| json!({"one_of": values})),
        "[ab:]{1,2}".prop_map(|prefix| json!({"prefix": prefix})),
        "[ab:*?]{1,3}".prop_map(|pattern| json!({"glob": pattern})),
        Just(json!({"present": true})),
    ]
}

fn conditions() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((0..NAMES.len(), wanted()), 0..3)
        .prop_map(|claims| claims.into_iter().map(|(name, wanted)| (NAMES[name].to_owned(), wanted)).collect())
}

fn tokens() -> impl Strategy<Value = Vec<(usize, Value)>> {
    prop::collection::vec((0..NAMES.len(), value()), 0..6)
}

/// What the documentation says of a match, in other words than the code's.
fn holds(wanted: &Value, claim: Option<&Value>) -> bool {
    let candidates: Vec<Value> = match claim {
        None => Vec::new(),
        Some(Value::Array(values)) => values.clone(),
        Some(value) => vec![value.clone()],
    };
    let (kind, wanted) = wanted.as_object().unwrap().iter().next().unwrap();
    candidates.iter().any(|candidate| match (kind.as_str(), candidate) {
        ("equals", candidate) => candidate == wanted,
        ("one_of", candidate) => wanted.as_array().unwrap().contains(candidate),
        ("prefix", Value::String(text)) => text.strip_prefix(wanted.as_str().unwrap()).is_some(),
        ("glob", Value::String(text)) => glob::matches(wanted.as_str().unwrap(), text),
        ("present", candidate) => *candidate != Value::Null,
        _ => false,
    })
}

fn pointed<'a>(token: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if name == "/n/c" { token.get("n")?.get("c") } else { token.get(name) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_first_rule_all_of_whose_claims_hold(rules in prop::collection::vec(conditions(), 1..4), claims in tokens()) {
        let json: Vec<Value> = rules.iter().enumerate().map(|(id, claims)| rule(id, claims)).collect();
        let token = token(&claims);
        let first = rules.iter().position(|rule| rule.iter().all(|(name, wanted)| holds(wanted, pointed(&token, name))));
        // No rule is asked about a token that is nobody's.
        let first = first.filter(|_| token["sub"].as_str().is_some());
        prop_assert_eq!(matched(&issuer("oidc", &json!(json)), &token), first);
    }

    #[test]
    fn unrelated_claims_change_nothing(rules in conditions(), claims in tokens(), more in prop::collection::btree_map("[x-z]{1,3}", value(), 1..4)) {
        let issuer = issuer("oidc", &json!([rule(0, &rules)]));
        let before = token(&claims);
        let mut after = before.clone();
        after.extend(more);
        prop_assert_eq!(matched(&issuer, &before), matched(&issuer, &after));
    }

    #[test]
    fn what_is_taken_away_opens_nothing(rules in conditions(), claims in tokens(), gone in 0..7usize) {
        let issuer = issuer("oidc", &json!([rule(0, &rules)]));
        let before = token(&claims);
        let mut after = before.clone();
        match ["sub", "a", "b", "n", "iss", "aud", "exp"][gone] {
            "n" => after["n"] = json!({}),
            name => {
                after.remove(name);
            }
        }
        prop_assert!(matched(&issuer, &after).is_none() || matched(&issuer, &before).is_some());
    }

    #[test]
    fn a_claim_that_is_changed_to_another_than_is_wanted_closes(rules in conditions(), claims in tokens(), other in value()) {
        let issuer = issuer("oidc", &json!([rule(0, &rules)]));
        let before = token(&claims);
        for (name, wanted) in &rules {
            if holds(wanted, Some(&other)) {
                continue;
            }
            let place = NAMES.iter().position(|known| known == name).unwrap();
            let mut changed = claims.clone();
            changed.push((place, other.clone()));
            prop_assert_eq!(matched(&issuer, &token(&changed)), None, "{} was {:?}", name, pointed(&before, name));
        }
    }

    /// Whoever has an account at the platform can have tokens signed with names of his own.
    #[test]
    fn a_rule_of_github_means_one_owner(kind in 0..3usize, text in "(repo:)?[ab/:*?]{0,7}", on_sub in any::<bool>()) {
        let wanted = [json!({"equals": text}), json!({"prefix": text}), json!({"glob": text})][kind].clone();
        let claims: Map<String, Value> = [(if on_sub { "sub" } else { "repository" }.to_owned(), wanted)].into_iter().collect();
        let issuer = issuer("github_actions", &json!([rule(0, &claims)]));
        if issuer.settings.check(ISSUER).is_empty() {
            let mut owners = Vec::new();
            for owner in ["a", "b", "aa", "ab", "ba", "a-b", "aba"] {
                for name in ["a", "b", "ab", "ba"] {
                    for rest in ["ref:a", "ref:b", "b", "a:b", "ref:repo:a/a:b"] {
                        let repository = format!("{owner}/{name}");
                        let token = json!({"iss": ISSUER, "aud": OWN, "exp": NOW + 60,
                            "sub": format!("repo:{repository}:{rest}"), "repository": repository});
                        if matched(&issuer, token.as_object().unwrap()).is_some() {
                            owners.push(owner);
                        }
                    }
                }
            }
            owners.dedup();
            prop_assert!(owners.len() <= 1, "{owners:?}");
        }
    }

    #[test]
    fn a_rule_of_kubernetes_means_one_namespace(kind in 0..3usize, text in "(system:serviceaccount:)?[ab:*?]{0,7}") {
        let wanted = [json!({"equals": text}), json!({"prefix": text}), json!({"glob": text})][kind].clone();
        let claims: Map<String, Value> = [("sub".to_owned(), wanted)].into_iter().collect();
        let issuer = issuer("kubernetes", &json!([rule(0, &claims)]));
        if issuer.settings.check(ISSUER).is_empty() {
            let mut namespaces = Vec::new();
            for namespace in ["a", "b", "aa", "ab", "ba"] {
                for name in ["a", "b", "ab", "ba"] {
                    let token = json!({"iss": ISSUER, "aud": OWN, "exp": NOW + 60,
                        "sub": format!("system:serviceaccount:{namespace}:{name}")});
                    if matched(&issuer, token.as_object().unwrap()).is_some() {
                        namespaces.push(namespace);
                    }
                }
            }
            namespaces.dedup();
            prop_assert!(namespaces.len() <= 1, "{namespaces:?}");
        }
    }
}
