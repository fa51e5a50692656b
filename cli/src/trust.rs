//! What tokens of others are worth, and why.

use serde_json::{Map, Value, json};

use crate::args::Trust;
use crate::failure::{Failure, Outcome};
use crate::input::{read, text_of};
use crate::resources::With;
use crate::show::{Form, print};

/// Of the whole token.
const SUMMARY: &[&str] = &["issuer", "known", "signature_checked", "accepted", "rule"];
/// Of each condition.
const CONDITION: &[&str] = &["rule", "about", "ok", "why", "expected", "found"];

/// Explains a token. That it would not be accepted is exit code 1.
pub fn explain(with: With<'_>, what: &Trust) -> Outcome<()> {
    let Trust::Explain { token, settings, client } = what;
    let mut body = Map::new();
    body.insert("token".to_owned(), text_of(token)?.trim().into());
    if let Some(settings) = settings {
        body.insert("settings".to_owned(), read(settings)?);
    }
    if let Some(client) = client {
        body.insert("client_id".to_owned(), client.as_str().into());
    }
    let told = with.api()?.ask(&["trust", "explain"], &body.into())?.body;
    with.form.show(&told, SUMMARY)?;
    if with.form == Form::Table {
        print("\n")?;
        with.form.show(&conditions(&told), CONDITION)?;
    }
    let is_accepted = told.get("accepted").and_then(Value::as_bool).unwrap_or_default();
    if is_accepted { Ok(()) } else { Err(Failure::failed("the token would not be accepted")) }
}

/// Every condition of the issuer and of each rule, in one list.
fn conditions(told: &Value) -> Value {
    let of = |value: &Value, rule: &Value| {
        let checks = value.get("checks").and_then(Value::as_array).cloned().unwrap_or_default();
        checks.into_iter().map(|check| with_rule(check, rule)).collect::<Vec<_>>()
    };
    let mut all = of(told, &json!("(every)"));
    for rule in told.get("rules").and_then(Value::as_array).into_iter().flatten() {
        all.extend(of(rule, rule.get("rule").unwrap_or(&Value::Null)));
    }
    all.into()
}

fn with_rule(mut check: Value, rule: &Value) -> Value {
    if let Some(members) = check.as_object_mut() {
        members.insert("rule".to_owned(), rule.clone());
    }
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_all_rules_are_one_list() {
        let told = json!({ "checks": [{ "about": "aud", "ok": true }],
                           "rules": [{ "rule": "main", "ok": false, "checks": [{ "about": "ref", "ok": false, "why": "x" }] }] });
        let expected = json!([{ "rule": "(every)", "about": "aud", "ok": true }, { "rule": "main", "about": "ref", "ok": false, "why": "x" }]);
        assert_eq!(conditions(&told), expected);
        assert_eq!(conditions(&Value::Null), json!([]));
    }
}
