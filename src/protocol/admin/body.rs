//! Bodies of the admin API: JSON objects whose every member is known, and merge patches of them (RFC 7396).

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::super::json;
use super::problem::{Problem, Word, Wrong};

/// Most characters of an idempotency key.
const MOST_KEY: usize = 128;

/// The object that a body is, if all its members are among `known`; an empty body is an empty object.
pub fn object(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, Problem> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    let members = match json::parse(body) {
        Ok(Value::Object(members)) => members,
        Ok(_) => return Err(Problem::new(Word::Invalid, "the body must be a JSON object")),
        // serde_json names line and column, and nothing of what stands there.
        Err(error) => return Err(Problem::new(Word::Invalid, format!("the body is not JSON: {error}"))),
    };
    let unknown: Vec<Wrong> =
        members.keys().filter(|name| !known.contains(&name.as_str())).map(|name| Wrong::at(name, "no such member")).collect();
    if unknown.is_empty() {
        return Ok(members);
    }
    Err(Problem { wrong: unknown, ..Problem::new(Word::UnknownField, "nothing was changed") })
}

/// The type that a body's members are; what does not fit is told without its value.
pub fn read<T: DeserializeOwned>(members: Map<String, Value>) -> Result<T, Problem> {
    // The message may repeat a value, which may be a secret; so each member is tried by itself only to name it.
    json::from_value(Value::Object(members)).map_err(|error| {
        let text = error.to_string();
        let detail = match text.split_once("missing field ") {
            Some((_, name)) => format!("missing: {}", name.split(' ').next().unwrap_or_default()),
            None => match text.rsplit_once("expected ") {
                Some((_, expected)) => format!("a member has the wrong type: expected {expected}"),
                None => "a member has the wrong type".to_owned(),
            },
        };
        Problem::new(Word::Invalid, detail)
    })
}

/// Applies a merge patch (RFC 7396 2).
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// The version that `If-Match` names (RFC 9110 13.1.1): the `ETag` of an answer, as it was.
pub fn if_match(header: Option<&str>) -> Result<i64, Problem> {
    let Some(header) = header else {
        return Err(Problem::new(Word::PreconditionRequired, "send the ETag that the item was read with as If-Match"));
    };
    let version = header.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let version = version.and_then(|version| version.parse().ok());
    version.ok_or_else(|| Problem::new(Word::Invalid, "If-Match must be one ETag, as it was answered"))
}

/// The `ETag` of a version.
pub fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The idempotency key of a request, if it has one.
pub fn idempotency_key(header: Option<&str>) -> Result<Option<&str>, Problem> {
    let Some(key) = header else { return Ok(None) };
    if (1..=MOST_KEY).contains(&key.len()) && key.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return Ok(Some(key));
    }
    Err(Problem::new(Word::Invalid, "Idempotency-Key must have 1 to 128 printable characters"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[test]
    fn all_unknown_members_are_listed() {
        assert_eq!(object(b"", &[]).unwrap(), Map::new());
        let known = object(br#"{"a":1,"b":null}"#, &["a", "b"]).unwrap();
        assert_eq!(Value::Object(known), json!({ "a": 1, "b": null }));
        let problem = object(br#"{"a":1,"x":1,"y/z":2}"#, &["a"]).unwrap_err();
        assert_eq!(problem.word, Word::UnknownField);
        let pointers: Vec<&str> = problem.wrong.iter().map(|wrong| wrong.pointer.as_str()).collect();
        assert_eq!(pointers, ["/x", "/y~1z"]);
        for bad in ["[]", "1", "{", r#"{"a":1,"a":2}"#, "\"x\""] {
            assert_eq!(object(bad.as_bytes(), &["a"]).unwrap_err().word, Word::Invalid, "{bad}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_without_its_value() {
        #[derive(Debug, Deserialize)]
        struct Body {
            #[expect(dead_code, reason = "only its type matters")]
            uses: u32,
        }
        let told = |json: &str| read::<Body>(object(json.as_bytes(), &["uses"]).unwrap()).unwrap_err().detail;
        assert_eq!(told("{}"), "missing: `uses`");
        let wrong = told(r#"{"uses":"a-secret-0123456789"}"#);
        assert!(wrong.contains("expected u32") && !wrong.contains("secret"), "{wrong}");
    }

    /// The examples of RFC 7396, Appendix A.
    #[test]
    fn merge_patch_examples() {
        for (target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!(null), json!(null)),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, result, "{target} {patch}");
        }
    }

    #[test]
    fn headers() {
        assert_eq!(if_match(None).unwrap_err().word, Word::PreconditionRequired);
        assert_eq!(if_match(Some(&etag(7))).unwrap(), 7);
        for bad in ["7", "*", "W/\"7\"", "\"x\"", "", "\"1\", \"2\""] {
            assert_eq!(if_match(Some(bad)).unwrap_err().word, Word::Invalid, "{bad}");
        }
        assert_eq!(idempotency_key(None).unwrap(), None);
        assert_eq!(idempotency_key(Some("a b")).unwrap(), Some("a b"));
        for bad in ["", "\u{e9}", "a\tb", &"x".repeat(129)] {
            assert!(idempotency_key(Some(bad)).is_err(), "{bad}");
        }
    }
}
