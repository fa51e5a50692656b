//! What anybody may say about a client, and what comes of it.

use std::collections::BTreeMap;

use latchkey::protocol::client::{Metadata, Origin};
use latchkey::protocol::config::Config;
use latchkey::protocol::register::{Description, check_sector, is_json, keep_for, told};
use latchkey::protocol::time::Seconds;
use proptest::prelude::*;
use serde_json::{Value, json};

fn config() -> Config {
    let vars = [
        ("ISSUER", "https://id.example"),
        ("LATCHKEY_KEYS", "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("LATCHKEY_KEY_ACTIVE", "1"),
    ];
    Config::parse(&BTreeMap::from(vars.map(|(name, value)| (name.to_owned(), value.to_owned())))).unwrap()
}

/// Values that members may have, right or wrong.
fn value() -> impl Strategy<Value = Value> {
    let words = [
        "",
        "x",
        "none",
        "code",
        "openid email",
        "latchkey:admin",
        "RS256",
        "web",
        "native",
        "pairwise",
        "private_key_jwt",
        "client_secret_post",
        "authorization_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
        "https://app.example/cb",
        "https://app.example/#f",
        "https://127.0.0.1/",
        "com.example.app:/cb",
        "http://localhost/cb",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(vec!["keys", "kty", "d", "x"]), inner, 0..3)
                .prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is registered is good, is what a client may have, and registered again as it is told it is the same.
    #[test]
    fn what_is_registered_is_good(members in prop::collection::btree_map(prop::sample::select(Metadata::MEMBERS), value(), 0..6), app in any::<bool>()) {
        let config = config();
        let mut sent = json!({ "redirect_uris": [if app { "com.example.app:/cb" } else { "https://app.example/cb" }] });
        if app {
            sent["application_type"] = "native".into();
        }
        for (name, value) in members {
            sent[name] = value;
        }
        for origin in [Origin::Registration, Origin::Document] {
            let Ok(metadata) = Description::parse(sent.to_string().as_bytes()).unwrap().metadata(origin, "id", &config) else { continue };
            prop_assert_eq!(metadata.faults(), Vec::<String>::new());
            prop_assert!(!metadata.skip_consent && metadata.publisher.is_none() && metadata.resources.is_empty());
            prop_assert!(!metadata.scope.iter().any(|scope| scope.starts_with("latchkey:")));
            let again = Value::Object(told(&metadata)).to_string();
            let again = Description::parse(again.as_bytes()).unwrap().metadata(origin, "id", &config).unwrap();
            // An algorithm that is said and the same one by default are two values and one meaning.
            prop_assert_eq!(told(&again), told(&metadata));
            let stored: Metadata = serde_json::from_str(&serde_json::to_string(&metadata).unwrap()).unwrap();
            prop_assert_eq!(stored, metadata);
        }
    }

    #[test]
    fn anything_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,100}") {
        let config = config();
        let metadata = Description::parse(br#"{"redirect_uris":["https://app.example/cb"]}"#).unwrap().metadata(Origin::Registration, "id", &config).unwrap();
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            if let Ok(description) = Description::parse(bytes) {
                let _ = (description.metadata(Origin::Registration, &text, &config), description.document(&text, &config).is_ok());
                let _ = description.replacement_of(&text).is_ok();
            }
            prop_assert!(check_sector(bytes, &metadata).is_err());
        }
        let _ = is_json(&text);
        prop_assert!(keep_for(&text, Seconds(300)) <= Seconds(300));
    }
}
