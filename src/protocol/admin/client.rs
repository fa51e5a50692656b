//! A client as the admin API takes and tells it: the members of RFC 7591 and our own, with the defaults of RFC 7591 2.

use serde_json::{Map, Value, json};

use super::super::client::{AUTHORIZATION_CODE, AuthMethod, Client, Metadata, Origin, StoredSecret};
use super::super::config::STANDARD_SCOPES;
use super::super::json;
use super::super::time::{Seconds, Timestamp};
use super::body;
use super::problem::{Problem, Word, Wrong};
use super::scopes::is_administrative;

/// Secrets of a client that are kept beside a new one, at most.
const MOST_OLD: usize = 2;
/// Fewest characters of a secret that the operator chose.
pub const LEAST_SECRET: usize = 32;
/// Longest overlap of an old secret and the new one: 30 days.
pub const MOST_OVERLAP: Seconds = Seconds(2_592_000);

/// The members of a client to be, beside its metadata.
const OF_NEW: [&str; 3] = ["client_id", "client_secret", "enabled"];

/// The members that a create knows.
pub fn members_of_new() -> Vec<&'static str> {
    [&OF_NEW[..], Metadata::MEMBERS].concat()
}

/// The members that a change knows.
pub fn members_of_patch() -> Vec<&'static str> {
    [&["enabled"][..], Metadata::MEMBERS].concat()
}

/// What is told of a client; never a secret, only when each ends.
pub fn told(client: &Client, created_at: Timestamp) -> Value {
    let mut members = match serde_json::to_value(&client.metadata) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let secrets: Vec<Value> = client.secrets.iter().map(|secret| json!({ "expires_at": secret.expires_at })).collect();
    for (name, value) in [
        ("client_id", json!(client.id)),
        ("enabled", json!(client.enabled)),
        ("origin", json!(client.origin)),
        ("secrets", json!(secrets)),
        ("version", json!(client.version)),
        ("created_at", json!(created_at)),
    ] {
        members.insert(name.to_owned(), value);
    }
    Value::Object(members)
}

/// Whether a client of this method authenticates with a secret.
pub const fn has_secret(method: AuthMethod) -> bool {
    matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
}

/// The metadata that these members are, with defaults for those that are left out; or everything that is wrong.
pub fn metadata(id: &str, mut members: Map<String, Value>, origin: Origin) -> Result<Metadata, Problem> {
    for (member, default) in defaults(id) {
        members.entry(member).or_insert(default);
    }
    let wrong: Vec<Wrong> = members
        .iter()
        .filter(|(name, value)| !fits(id, name, value))
        .map(|(name, _)| Wrong::at(name, "has another type, or is none of the values that there are"))
        .collect();
    if !wrong.is_empty() {
        return Err(Problem::invalid(wrong));
    }
    let metadata: Metadata = json::from_value(Value::Object(members)).map_err(|_| Problem::new(Word::Invalid, "not a client"))?;
    let rule = |rule: &str, value: &str| if value.is_empty() { rule.to_owned() } else { format!("{value}: {rule}") };
    let faults = metadata.check().into_iter();
    let mut wrong: Vec<Wrong> = faults.map(|fault| Wrong::at(fault.member, rule(fault.rule, &fault.value))).collect();
    if origin != Origin::Operator && metadata.scope.iter().any(is_administrative) {
        wrong.push(Wrong::at("scope", "administration is for clients that the operator made"));
    }
    if wrong.is_empty() { Ok(metadata) } else { Err(Problem::invalid(wrong)) }
}

/// A client after a merge patch: its metadata and whether it is enabled. A document's client is what its document says.
pub fn patched(client: &Client, mut patch: Map<String, Value>) -> Result<(Metadata, bool), Problem> {
    let enabled = match patch.remove("enabled") {
        None => client.enabled,
        Some(Value::Bool(enabled)) => enabled,
        Some(_) => return Err(Problem::invalid(vec![Wrong::at("enabled", "must be true or false")])),
    };
    if patch.is_empty() {
        return Ok((client.metadata.clone(), enabled));
    }
    if client.origin == Origin::Document {
        return Err(Problem::new(Word::Conflict, "the client is what its document says; only enabled can be changed here"));
    }
    let mut members = serde_json::to_value(&client.metadata).unwrap_or_default();
    body::merge(&mut members, &Value::Object(patch));
    let Value::Object(members) = members else {
        return Err(Problem::new(Word::Invalid, "not a client"));
    };
    Ok((metadata(&client.id, members, client.origin)?, enabled))
}

/// The secrets of a client that gets a new one: those before are good for `overlap` more, and no longer than they were.
pub fn with_new_secret(before: &[StoredSecret], new: StoredSecret, overlap: Seconds, now: Timestamp) -> Vec<StoredSecret> {
    let until = now.plus(overlap);
    let live = before.iter().rev().filter(|secret| overlap.0 > 0 && secret.expires_at.is_none_or(|at| at > now));
    let mut secrets: Vec<StoredSecret> = live
        .take(MOST_OLD)
        .map(|secret| StoredSecret { expires_at: Some(secret.expires_at.map_or(until, |at| at.min(until))), ..secret.clone() })
        .collect();
    secrets.reverse();
    secrets.push(new);
    secrets
}

fn defaults(id: &str) -> [(&'static str, Value); 4] {
    [
        ("client_name", id.into()),
        ("grant_types", vec![AUTHORIZATION_CODE].into()),
        ("token_endpoint_auth_method", "client_secret_basic".into()),
        ("scope", STANDARD_SCOPES.join(" ").into()),
    ]
}

/// Whether a member alone can be read.
fn fits(id: &str, name: &str, value: &Value) -> bool {
    let mut members: Map<String, Value> = defaults(id).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    members.insert(name.to_owned(), value.clone());
    json::from_value::<Metadata>(Value::Object(members)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::client::tests::{DEVICE, client};
    use super::super::super::secret::SecretHash;
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(members) => members,
            other => panic!("{other}"),
        }
    }

    fn pointers(problem: &Problem) -> Vec<&str> {
        problem.wrong.iter().map(|wrong| wrong.pointer.as_str()).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_its_place() {
        let bad =
            object(json!({ "redirect_uris": "x", "client_name": 7, "scope": "openid", "token_endpoint_auth_method": "none" }));
        assert_eq!(pointers(&metadata("c", bad, Origin::Operator).unwrap_err()), ["/client_name", "/redirect_uris"]);
        let bad = object(
            json!({ "client_name": " ", "logo_uri": "http://x/", "grant_types": ["password"], "scope": "latchkey:admin" }),
        );
        let problem = metadata("c", bad.clone(), Origin::Registration).unwrap_err();
        for pointer in ["/client_name", "/logo_uri", "/grant_types", "/scope"] {
            assert!(pointers(&problem).contains(&pointer), "{pointer}: {problem:?}");
        }
        assert!(!pointers(&metadata("c", bad, Origin::Operator).unwrap_err()).contains(&"/scope"));
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut client = client(DEVICE);
        let (changed, enabled) =
            patched(&client, object(json!({ "client_name": "New", "enabled": false, "publisher": null }))).unwrap();
        assert_eq!((changed.client_name.as_str(), enabled, changed.grant_types.len()), ("New", false, 2));
        assert_eq!(patched(&client, object(json!({ "client_name": null }))).unwrap().0.client_name, "c");
        assert!(patched(&client, object(json!({ "enabled": 1 }))).is_err());
        client.origin = Origin::Document;
        assert_eq!(patched(&client, object(json!({ "client_name": "New" }))).unwrap_err().word, Word::Conflict);
        assert!(!patched(&client, object(json!({ "enabled": false }))).unwrap().1);
    }

    #[test]
    fn an_old_secret_is_good_for_the_overlap_and_never_longer_than_it_was() {
        let now = Timestamp::from_millis(1_000_000);
        let secret = |name: &str, expires_at: Option<i64>| StoredSecret {
            sha256: SecretHash::of(name.as_bytes()),
            expires_at: expires_at.map(Timestamp::from_millis),
        };
        let ends =
            |secrets: &[StoredSecret]| secrets.iter().map(|secret| secret.expires_at.map(Timestamp::millis)).collect::<Vec<_>>();
        let before = [secret("over", Some(999_999)), secret("ending", Some(1_005_000)), secret("live", None)];
        let after = with_new_secret(&before, secret("new", None), Seconds(10), now);
        assert_eq!(ends(&after), [Some(1_005_000), Some(1_010_000), None]);
        assert_eq!(ends(&with_new_secret(&before, secret("new", None), Seconds(0), now)), [None]);
        let many: Vec<StoredSecret> = (0..9).map(|n| secret(&n.to_string(), None)).collect();
        assert_eq!(with_new_secret(&many, secret("new", None), Seconds(10), now).len(), 3);
    }

    #[test]
    fn no_secret_is_told() {
        let mut client = client(DEVICE);
        client.secrets = vec![StoredSecret { sha256: SecretHash::of(b"x"), expires_at: None }];
        let told = told(&client, Timestamp::from_millis(5));
        assert_eq!(
            (&told["client_id"], &told["created_at"], &told["secrets"]),
            (&json!("c"), &json!(5), &json!([{ "expires_at": null }]))
        );
        assert!(!told.to_string().contains("sha256"));
    }
}
