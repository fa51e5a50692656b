//! Bodies from files and from `name=value`s.

use std::fs;
use std::path::Path;

use serde_json::{Map, Number, Value};

use crate::failure::{Failure, Outcome};
use crate::prompt::all_of_stdin;

/// Members that are secrets, so that they must not stand on the command line.
const SECRETS: [&str; 2] = ["password", "client_secret"];

/// Whether a file is TOML: its name says so.
pub fn is_toml(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// The text of a file; `-`: of standard input.
pub fn text_of(file: &str) -> Outcome<String> {
    if file == "-" { all_of_stdin() } else { fs::read_to_string(file).map_err(|error| Failure::file(file, error)) }
}

/// The JSON object of a file.
pub fn read(file: &str) -> Outcome<Value> {
    let text = text_of(file)?;
    let value = if is_toml(file) { from_toml(&text) } else { serde_json::from_str(&text).map_err(|error| error.to_string()) };
    let value = value.map_err(|error| Failure::file(file, error.trim_end()))?;
    if value.is_object() { Ok(value) } else { Err(Failure::file(file, "this is no object")) }
}

/// What TOML says, as JSON.
fn from_toml(text: &str) -> Result<Value, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut wrong = Vec::new();
    let value = converted(toml::Value::Table(table), "", &mut wrong);
    if wrong.is_empty() { Ok(value) } else { Err(wrong.join("\n")) }
}

fn converted(value: toml::Value, at: &str, wrong: &mut Vec<String>) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(yes) => yes.into(),
        toml::Value::Float(number) => Number::from_f64(number).map_or_else(
            || {
                wrong.push(format!("{at}: {number} is no number in JSON"));
                Value::Null
            },
            Value::Number,
        ),
        toml::Value::Datetime(instant) => {
            wrong.push(format!("{at}: {instant} is a date, which JSON does not have: write it in quotes, or as a number"));
            Value::Null
        }
        toml::Value::Array(all) => {
            let all = all.into_iter().enumerate();
            all.map(|(number, value)| converted(value, &format!("{at}/{number}"), wrong)).collect()
        }
        toml::Value::Table(table) => {
            let mut members = Map::new();
            for (name, value) in table {
                // A JSON pointer (RFC 6901), as the realm names places too.
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                members.insert(name, converted(value, &at, wrong));
            }
            members.into()
        }
    }
}

/// What JSON says, as TOML; members that are null are left out, for TOML has none.
pub fn to_toml(value: &Value) -> Outcome<String> {
    let table = without_nulls(value);
    toml::to_string_pretty(&table)
        .map_err(|error| Failure::failed(format!("this cannot be written as TOML: {error}\nexport it as JSON")))
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(members.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(all) => all.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// An object of a file, if there is one, and of `name=value`s.
pub fn members(file: Option<&str>, pairs: &[String]) -> Outcome<Value> {
    let mut all = match file.map(read).transpose()? {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    if file.is_none() && pairs.is_empty() {
        return Err(Failure::Usage("nothing was said: give NAME=VALUE, or a file with -f".to_owned()));
    }
    for pair in pairs {
        let (name, value) = pair.split_once('=').ok_or_else(|| Failure::Usage(format!("{pair}: this is no NAME=VALUE")))?;
        if SECRETS.contains(&name) {
            let how = "every program on this machine can read the command line: use -f, or for a password of a user --password or `users password`";
            return Err(Failure::Usage(format!("{name} must not stand here: {how}")));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        if all.insert(name.to_owned(), value).is_some() {
            return Err(Failure::Usage(format!("{name} is said twice")));
        }
    }
    Ok(all.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pairs(all: &[&str]) -> Outcome<Value> {
        members(None, &all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn values_are_json_or_else_text() {
        let body = pairs(&["a=1", "b=some words", "c=null", "d=[\"x\"]", "e=k=v"]).unwrap();
        assert_eq!(body, json!({ "a": 1, "b": "some words", "c": null, "d": ["x"], "e": "k=v" }));
        for bad in [vec![], vec!["a"], vec!["a=1", "a=2"], vec!["password=x"], vec!["client_secret=x"]] {
            assert_eq!(pairs(&bad).map_err(|failure| failure.parts().0), Err(2), "{bad:?}");
        }
    }

    #[test]
    fn toml_is_json_but_for_dates_and_what_is_no_number() {
        let text = "format = 1\n[[users]]\nlogin = 'ada'\n[users.claims]\n'a/b' = [1.5, true]\n";
        assert_eq!(
            from_toml(text).unwrap(),
            json!({ "format": 1, "users": [{ "login": "ada", "claims": { "a/b": [1.5, true] } }] })
        );
        let wrong = from_toml("[[users]]\n'a/b' = 2026-01-01\nc = nan\n").unwrap_err();
        assert!(wrong.contains("/users/0/a~1b: 2026-01-01 is a date") && wrong.contains("/users/0/c: NaN"), "{wrong}");
        assert!(from_toml("a = 1\na = 2\n").is_err());
    }

    #[test]
    fn what_is_written_as_toml_reads_the_same() {
        let value = json!({ "format": 1, "users": [{ "login": "ada", "claims": { "name": "A \"d\" a", "n": { "x": [] } } }], "roles": [] });
        assert_eq!(from_toml(&to_toml(&value).unwrap()).unwrap(), value);
        assert_eq!(to_toml(&json!({ "a": null, "b": [{ "c": null }] })).unwrap().replace(char::is_whitespace, ""), "[[b]]");
    }
}
