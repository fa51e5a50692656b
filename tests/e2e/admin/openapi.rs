//! A client that knows nothing but the OpenAPI document: it makes up calls, right ones and wrong ones, and holds every
//! answer to what the document says. `LATCHKEY_SEED=<number>` makes it do again what it did when it failed.
#![expect(clippy::panic, reason = "a broken step fails the test by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Admin, token};
use crate::harness::{Fixture, Setup};
use crate::support::{Answer, Api};

/// Calls of each operation.
const ROUNDS: u32 = 9;

/// Chance, by splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn odd(&mut self) -> Value {
        let texts = ["", "\u{0}", "a/b~c", "\u{1f511}", "' OR 1=1 --", "latchkey:admin", "https://10.0.0.1/"];
        match self.below(9) {
            0 => Value::Null,
            1 => json!(self.one_in(2)),
            2 => json!(i64::try_from(self.roll() >> 1).unwrap()),
            3 => json!(-1),
            4 => json!(0.5),
            5 => json!([self.of(&texts)]),
            6 => json!({ self.of(&texts): self.of(&texts) }),
            7 => json!("x".repeat(self.below(3_000))),
            _ => json!(self.of(&texts)),
        }
    }
}

/// The document.
struct Document(Value);

impl Document {
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.0.pointer(&reference[1..]).unwrap(),
            None => value,
        }
    }

    /// Whether a value is what a schema says: the part of JSON Schema that the document uses. Else where it is not.
    fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let schema = self.resolved(schema);
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
            let is_one = choices.iter().any(|choice| self.check(choice, value, at).is_ok());
            return if is_one { Ok(()) } else { Err(format!("{at}: none of anyOf: {value}")) };
        }
        let is_type = match schema.get("type").and_then(Value::as_str) {
            None => true,
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("boolean") => value.is_boolean(),
            Some("null") => value.is_null(),
            Some(other) => panic!("{at}: type {other} is not known here"),
        };
        let is_listed = schema.get("enum").is_none_or(|listed| listed.as_array().unwrap().contains(value));
        let is_same = schema.get("const").is_none_or(|constant| constant == value);
        let least = schema.get("minimum").and_then(Value::as_i64).is_none_or(|least| value.as_i64() >= Some(least));
        if !(is_type && is_listed && is_same && least) {
            return Err(format!("{at}: {value} is not {schema}"));
        }
        for element in value.as_array().into_iter().flatten() {
            self.check(&schema["items"], element, &format!("{at}/-"))?;
        }
        let Some(members) = value.as_object() else { return Ok(()) };
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !members.contains_key(name.as_str().unwrap()) {
                return Err(format!("{at}: lacks {name}: {value}"));
            }
        }
        for (name, member) in members {
            match schema.get("properties").and_then(|properties| properties.get(name)) {
                Some(schema) => self.check(schema, member, &format!("{at}/{name}"))?,
                None if schema.get("additionalProperties") == Some(&json!(false)) => {
                    return Err(format!("{at}: {name} is not known"));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// A value that a schema lets through; `plain`: of all that is optional nothing, of all that has an example that.
    fn made(&self, schema: &Value, dice: &mut Dice, plain: bool) -> Value {
        let schema = self.resolved(schema);
        if let Some(example) = schema.get("example").filter(|_| plain || !dice.one_in(2)) {
            return example.clone();
        }
        if let Some(choices) = schema.get("anyOf").or(schema.get("enum")).and_then(Value::as_array) {
            let choice = if plain { choices[0].clone() } else { dice.of(choices) };
            return if schema.get("enum").is_some() { choice } else { self.made(&choice, dice, plain) };
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => {
                let empty = Map::new();
                let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
                let is_required =
                    |name: &str| schema.get("required").is_some_and(|all| all.as_array().unwrap().contains(&json!(name)));
                let many = if properties.len() > 12 { 12 } else { 2 };
                let mut made = Map::new();
                for (name, property) in properties {
                    if is_required(name) || (!plain && dice.one_in(many)) {
                        made.insert(name.clone(), self.made(property, dice, plain));
                    }
                }
                made.into()
            }
            Some("array") => {
                (0..if plain { 1 } else { dice.below(3) }).map(|_| self.made(&schema["items"], dice, plain)).collect()
            }
            Some("integer") => {
                json!(schema.get("minimum").and_then(Value::as_u64).unwrap_or(0) + u64::try_from(dice.below(9)).unwrap())
            }
            Some("boolean") => json!(dice.one_in(2)),
            Some("null") | None => Value::Null,
            _ => json!(format!("text-{}", "x".repeat(dice.below(40)))),
        }
    }
}

/// An operation of the document.
struct Operation<'a> {
    method: String,
    path: &'a str,
    described: &'a Value,
}

/// What the client learned from answers: names of things, by the collection that they are in.
#[derive(Default)]
struct Learned(BTreeMap<String, Vec<String>>);

impl Learned {
    fn take(&mut self, path: &str, body: &Value) {
        let collection = path.rsplit('/').find(|segment| !segment.starts_with('{')).unwrap_or_default();
        // A key that signs what the client shows is never named, nor is the client that it is.
        let member = match collection {
            "clients" => "client_id",
            "roles" => "name",
            "grants" | "sessions" => "handle",
            "keys" => return,
            _ => "id",
        };
        let alone = [body.clone()];
        for item in body.get("items").and_then(Value::as_array).map_or(&alone[..], Vec::as_slice) {
            if let Some(name) = item.get(member).and_then(Value::as_str).filter(|name| *name != "demo-operator") {
                self.0.entry(collection.to_owned()).or_default().push(name.to_owned());
            }
        }
    }

    /// A path with its parameters filled in.
    fn path(&self, pattern: &str, dice: &mut Dice, plain: bool) -> String {
        let (mut filled, mut before) = (Vec::new(), "");
        for segment in pattern.trim_start_matches('/').split('/') {
            filled.push(if segment.starts_with('{') {
                let known = self.0.get(before).cloned().unwrap_or_default();
                let odd = ["nobody", "%00", "%FF", "a%2Fb", "%F0%9F%94%91", "aHR0cHM6Ly9h"].map(str::to_owned);
                match known.last() {
                    Some(last) if plain => last.replace(':', "%3A").replace('/', "%2F"),
                    Some(_) if !dice.one_in(4) => dice.of(&known).replace(':', "%3A").replace('/', "%2F"),
                    _ => dice.of(&odd),
                }
            } else {
                segment.to_owned()
            });
            before = segment;
        }
        filled.join("/")
    }
}

struct Client<'a> {
    document: &'a Document,
    admin: Admin,
    others: Vec<Admin>,
    dice: Dice,
    learned: Learned,
}

impl Client<'_> {
    async fn call(&mut self, operation: &Operation<'_>, plain: bool) -> (String, Answer) {
        let (document, dice) = (self.document, &mut self.dice);
        let mut path = self.learned.path(operation.path, dice, plain);
        let who = if plain || !dice.one_in(12) { self.admin.clone() } else { dice.of(&self.others) };
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut query = Vec::new();
        for parameter in operation.described["parameters"].as_array().into_iter().flatten() {
            let parameter = document.resolved(parameter);
            let name = parameter["name"].as_str().unwrap();
            let is_wanted = parameter["required"] == true || (!plain && dice.one_in(2));
            match parameter["in"].as_str().unwrap() {
                "query" if is_wanted => {
                    let value = if dice.one_in(4) { dice.odd() } else { document.made(&parameter["schema"], dice, plain) };
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    query.push((name.to_owned(), text));
                }
                "header" if name == "If-Match" && (plain || !dice.one_in(4)) => {
                    let etag = who.get(&path).await.header("etag").to_owned();
                    headers.push((name.to_owned(), if etag.is_empty() { "\"1\"".to_owned() } else { etag }));
                }
                "header" if is_wanted && !dice.one_in(3) => {
                    let value = dice.of(&["\"1\"", "\"0\"", "*", "key", "other key", ""]);
                    headers.push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        if !query.is_empty() {
            let query = reqwest::Url::parse_with_params("http://x/", &query).unwrap();
            path = format!("{path}?{}", query.query().unwrap());
        }
        let mut request = who.request(&operation.method, &path);
        let mut said = String::new();
        if let Some(content) = operation.described.pointer("/requestBody/content").and_then(Value::as_object) {
            let (media, schema) = content.iter().next().unwrap();
            let mut body = document.made(&schema["schema"], dice, plain);
            match if plain { 9 } else { dice.below(10) } {
                0 => body = dice.odd(),
                1 | 2 => {
                    let names: Vec<String> = body.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
                    if let (Some(members), false) = (body.as_object_mut(), names.is_empty()) {
                        members.insert(dice.of(&names), dice.odd());
                    }
                }
                3 => {
                    if let Some(members) = body.as_object_mut() {
                        members.insert("not a member".to_owned(), dice.odd());
                    }
                }
                _ => {}
            }
            // With it, an import may take away the client that this one is.
            if let Some(members) = body.as_object_mut().filter(|members| members.contains_key("prune")) {
                members.insert("prune".to_owned(), json!(false));
            }
            said = if !plain && dice.one_in(15) {
                dice.of(&["{", "", "[1,", "{\"a\":1,\"a\":2}"]).to_owned()
            } else {
                body.to_string()
            };
            let media = if !plain && dice.one_in(15) { "text/plain" } else { media };
            request = request.header("content-type", media).body(said.clone());
        }
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let answer = Api::send(request).await;
        (format!("{} {path} {headers:?} {said}", operation.method), answer)
    }

    /// Holds an answer to the document; whether it was a yes.
    fn judge(&mut self, operation: &Operation<'_>, what: &str, answer: &Answer) -> bool {
        let responses = &operation.described["responses"];
        assert!(answer.status < 500, "{what}: {} {}", answer.status, answer.body);
        let response = responses.get(answer.status.to_string());
        let response = response.unwrap_or_else(|| panic!("{what}: {} is not documented: {}", answer.status, answer.body));
        let response = self.document.resolved(response);
        for name in response.get("headers").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name) {
            assert!(!answer.header(name).is_empty(), "{what}: no {name}");
        }
        let Some((media, content)) = response.get("content").and_then(|content| content.as_object()?.iter().next()) else {
            assert_eq!(answer.body, "", "{what}");
            return true;
        };
        assert_eq!(answer.header("content-type"), media, "{what}: {}", answer.body);
        let body = answer.json();
        if let Err(fault) = self.document.check(&content["schema"], &body, "") {
            panic!("{what}: {} is not as documented: {fault}", answer.status);
        }
        if answer.status >= 300 {
            assert_eq!(body["status"], answer.status, "{what}");
            return false;
        }
        self.learned.take(operation.path, &body);
        true
    }
}

#[tokio::test]
async fn every_answer_is_as_documented() {
    let fixture = Setup::default().var("OUTBOUND_TIMEOUT", "1").start().await;
    let seed = std::env::var("LATCHKEY_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| crate::code::now().unsigned_abs());
    println!("LATCHKEY_SEED={seed}");
    let document = Document(Admin::with(&fixture.a, "").get("openapi.json").await.json());
    // A service: whatever happens to users, it goes on.
    let operator = Api::basic(&fixture.a, "demo-operator", "demo-operator-secret-0123456789abcdef");
    let operator = operator.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    let finer = token(&fixture.a, "openid latchkey:keys").await;
    let mut client = Client {
        document: &document,
        admin: Admin::with(&fixture.a, &operator),
        others: ["", "x", finer.as_str()].map(|token| Admin::with(&fixture.a, token)).to_vec(),
        dice: Dice(seed),
        learned: Learned::default(),
    };
    let mut operations = Vec::new();
    for (path, methods) in document.0["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            operations.push(Operation { method: method.to_uppercase(), path, described });
        }
    }
    // What makes and reads before what changes, and that before what deletes: the inner before the outer.
    operations.sort_by_key(|operation| {
        let place = ["POST", "GET", "PATCH", "DELETE"].iter().position(|method| *method == operation.method);
        (place, if place == Some(3) { usize::MAX - operation.path.matches('/').count() } else { 0 })
    });
    let mut done = BTreeSet::new();
    for round in 0..ROUNDS {
        for operation in &operations {
            let (what, answer) = client.call(operation, round == 0).await;
            let is_yes = client.judge(operation, &format!("seed {seed}: {what}"), &answer);
            if is_yes {
                done.insert(operation.described["operationId"].as_str().unwrap());
            }
        }
    }
    let undone: Vec<&str> = operations.iter().filter_map(|operation| operation.described["operationId"].as_str()).collect();
    let undone: Vec<&str> = undone.into_iter().filter(|id| !done.contains(id)).collect();
    // No secret for the bootstrap, no binding for mails; keys, and devices of users, are not learned by it.
    let may = ["bootstrap", "mailUser", "deleteKey", "patchGrant", "deleteGrant", "deleteSession"];
    assert!(undone.iter().all(|id| may.contains(id)), "seed {seed}: never done: {undone:?}");
}

#[tokio::test]
async fn the_document_is_for_everybody() {
    let fixture = Fixture::shared();
    let answer = Admin::with(&fixture.a, "").get("openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!((answer.header("cache-control"), answer.header("access-control-allow-origin")), ("public, max-age=3600", "*"));
    assert_eq!(answer.json()["openapi"], "3.1.0");
}
