//! Trusted issuers as they are said: at the admin API, and in a realm document.

use serde_json::{Map, Value};

use super::super::json;
use super::super::secret::{base64url, from_base64url};
use super::super::trust::{Settings, TrustedIssuer};
use super::problem::Wrong;

/// Everything that can be said of one, but for `issuer`, which never changes.
pub const CHANGEABLE: [&str; 11] =
    ["enabled", "preset", "jwks", "jwks_uri", "algs", "typ", "audiences", "max_age", "max_life", "single_use", "rules"];

/// What names an issuer in a path: its URL would need escapes that not everybody between leaves alone.
pub fn id_of(issuer: &str) -> String {
    base64url(issuer.as_bytes())
}

/// The issuer that an id names.
pub fn of_id(id: &str) -> Option<String> {
    from_base64url(id).and_then(|bytes| String::from_utf8(bytes).ok())
}

/// The members that it is said by.
pub fn members(trusted: &TrustedIssuer) -> Map<String, Value> {
    let mut members = match serde_json::to_value(&trusted.settings) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    members.insert("issuer".to_owned(), trusted.issuer.clone().into());
    members.insert("enabled".to_owned(), trusted.enabled.into());
    members
}

/// The issuer that members say, of version 1, or everything that is wrong with them.
pub fn read(members: &Map<String, Value>) -> Result<TrustedIssuer, Vec<Wrong>> {
    let mut wrong: Vec<Wrong> = members
        .keys()
        .filter(|name| *name != "issuer" && !CHANGEABLE.contains(&name.as_str()))
        .map(|name| Wrong::at(name, "no such member"))
        .collect();
    let issuer = members.get("issuer").and_then(Value::as_str).unwrap_or_default();
    if !TrustedIssuer::is_issuer(issuer) {
        wrong.push(Wrong::at("issuer", "must be an https URL without query and fragment"));
    }
    let enabled = members.get("enabled").map_or(Some(true), Value::as_bool);
    if enabled.is_none() {
        wrong.push(Wrong::at("enabled", "must be true or false"));
    }
    let is_setting = |name: &str| name != "enabled" && CHANGEABLE.contains(&name);
    let said = members.iter().filter(|(name, _)| is_setting(name)).map(|(name, value)| (name.clone(), value.clone()));
    match (settings(issuer, Value::Object(said.collect())), enabled) {
        (Ok(settings), Some(enabled)) if wrong.is_empty() => {
            Ok(TrustedIssuer { issuer: issuer.to_owned(), settings, enabled, version: 1 })
        }
        (settings, _) => {
            wrong.extend(settings.err().unwrap_or_default());
            Err(wrong)
        }
    }
}

/// Settings of an issuer, or everything that is wrong with them.
pub fn settings(issuer: &str, said: Value) -> Result<Settings, Vec<Wrong>> {
    let whole = |detail: String| vec![Wrong { pointer: String::new(), detail }];
    let settings: Settings = json::from_value(said).map_err(|error| whole(error.to_string()))?;
    // A fault begins with the member that it is about. That of the issuer itself is told where it is read.
    let faults = settings.check(issuer).into_iter().filter(|fault| !fault.starts_with("issuer: "));
    let wrong: Vec<Wrong> = faults
        .map(|fault| match fault.split_once(": ") {
            Some((member, detail)) => Wrong::at(member, detail),
            None => Wrong { pointer: String::new(), detail: fault },
        })
        .collect();
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

/// All scopes and roles that its rules yield: who writes them gives them.
pub fn yielded(settings: &Settings) -> impl Iterator<Item = &str> {
    settings.rules.iter().flat_map(|rule| {
        let roles = rule.yields.roles.iter().flat_map(|roles| roles.map.values().map(String::as_str));
        rule.yields.scope.iter().chain(roles)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(more: &Value) -> Map<String, Value> {
        let mut said = json!({ "issuer": "https://a.example", "preset": "oidc", "rules": [
            { "id": "robot", "claims": { "sub": { "equals": "robot" } }, "yields": { "client": "c", "scope": "x latchkey:keys" } },
            { "id": "people", "claims": { "sub": { "equals": "p" } }, "yields": { "clients": ["d"], "scope": "y",
              "roles": { "claim": "roles", "map": { "a": "b" } } } },
        ] });
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        said.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_said_is_read_as_it_was() {
        let trusted = read(&said(&json!({ "enabled": false, "max_age": 60 }))).unwrap();
        assert!(!trusted.enabled);
        assert_eq!(read(&members(&trusted)).unwrap(), trusted);
        assert_eq!(yielded(&trusted.settings).collect::<Vec<_>>(), ["x", "latchkey:keys", "y", "b"]);
        assert_eq!(of_id(&id_of(&trusted.issuer)), Some(trusted.issuer));
        assert_eq!((of_id("!"), of_id("_w")), (None, None));
    }

    #[test]
    fn every_fault_has_its_place() {
        let bad = json!({ "issuer": "http://a.example", "enabled": 1, "rulez": 1, "audiences": [], "max_age": 0, "rules": [] });
        let mut found: Vec<String> = read(&said(&bad)).unwrap_err().into_iter().map(|wrong| wrong.pointer).collect();
        found.sort_unstable();
        assert_eq!(found, ["/audiences", "/enabled", "/issuer", "/max_age", "/rules", "/rulez"]);
        let whole = read(&said(&json!({ "preset": 1 }))).unwrap_err();
        assert_eq!(whole.iter().map(|wrong| wrong.pointer.as_str()).collect::<Vec<_>>(), [""]);
    }
}
