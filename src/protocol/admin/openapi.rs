//! The OpenAPI 3.1 document of the admin API. The tests hold it against the table of operations, and call by it.

/// `docs/openapi.json`.
pub const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::super::super::audit::Kind;
    use super::super::operations::{Access, OPERATIONS, Operation};
    use super::super::problem::Word;
    use super::super::{client, issuer};
    use super::*;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    fn names(value: &Value) -> BTreeSet<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    fn described<'a>(document: &'a Value, operation: &Operation) -> &'a Value {
        let described = &document["paths"][format!("/{}", operation.path)][operation.method.to_lowercase()];
        assert!(described.is_object(), "{} {} is not in the document", operation.method, operation.path);
        described
    }

    #[test]
    fn operations_and_document_are_the_same_in_both_directions() {
        let document = document();
        let mut known = BTreeSet::new();
        for operation in OPERATIONS {
            let described = described(&document, operation);
            known.insert((format!("/{}", operation.path), operation.method.to_lowercase()));
            let name = format!("{:?}", operation.name);
            let id = name.chars().next().unwrap().to_lowercase().chain(name.chars().skip(1)).collect::<String>();
            assert_eq!(described["operationId"], id);
            assert_eq!(described["tags"], json!([format!("{:?}", operation.group)]), "{id}");
            let scopes: Vec<Value> = operation.access.scopes().iter().map(|scope| json!({ "token": [scope] })).collect();
            assert_eq!(described["security"], json!(scopes), "{id}");
            let in_path = described["parameters"].as_array().into_iter().flatten().filter(|parameter| parameter["in"] == "path");
            let in_path: Vec<String> = in_path.map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap())).collect();
            let segments: Vec<&str> = operation.path.split('/').filter(|segment| segment.starts_with('{')).collect();
            assert_eq!(in_path, segments, "{id}");
            for status in if operation.access == Access::Public { vec![] } else { vec!["400", "401", "403", "5XX"] } {
                assert!(described["responses"].get(status).is_some(), "{id} {status}");
            }
            assert_eq!(described.get("requestBody").is_some(), ["POST", "PATCH"].contains(&operation.method), "{id}");
        }
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in names(methods) {
                assert!(known.contains(&(path.clone(), method.to_owned())), "{method} {path} is no operation");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_everything_is_referred_to() {
        fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members.values().for_each(|member| references(member, found));
                }
                Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in &found {
            assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
        }
        for kind in ["schemas", "responses", "parameters"] {
            for name in names(&document["components"][kind]) {
                assert!(found.contains(format!("#/components/{kind}/{name}").as_str()), "nobody refers to {kind} {name}");
            }
        }
    }

    #[test]
    fn members_are_those_that_the_code_knows() {
        let document = document();
        let members = |schema: &str| names(&document["components"]["schemas"][schema]["properties"]);
        assert_eq!(members("NewClient"), client::members_of_new().into_iter().collect());
        assert_eq!(members("ClientPatch"), client::members_of_patch().into_iter().collect());
        assert_eq!(members("TrustedIssuerPatch"), issuer::CHANGEABLE.into_iter().collect());
        assert_eq!(members("NewTrustedIssuer"), issuer::CHANGEABLE.into_iter().chain(["issuer"]).collect());
        let problems: Vec<String> = Word::ALL.iter().map(|word| format!("urn:latchkey:problem:{}", word.row().0)).collect();
        assert_eq!(document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"], json!(problems));
        let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(document["components"]["schemas"]["AuditEvent"]["properties"]["kind"]["enum"], json!(kinds));
    }
}
