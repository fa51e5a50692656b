//! JSON into types: one door.
//!
//! Text becomes a [`Value`], and the value becomes the type. serde compiles the reading of a type once for every kind
//! of source that it is read from; behind this door there is one, so every type is compiled once, and small. The rules
//! are those of `serde_json` but for two: a member that is named twice is refused at every depth, as RFC 7515 4 and
//! RFC 7519 4 ask for, and a struct is an object, never an array of its fields.

use std::{fmt, vec};

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde_json::{Error, Map, Number, Value, map};

/// Reads a type from JSON text.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    from_value(parse(json)?)
}

/// Reads a type from a value.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Node(value))
}

/// The value of JSON text, in which no object names a member twice.
pub fn parse(json: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(json).map(|Unambiguous(value)| value)
}

/// A value in which no object names a member twice.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(Unambiguous(element)) = source.next_element()? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = source.next_key()? {
            let Unambiguous(value) = source.next_value()?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is named twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

/// A value as the source of a type.
struct Node(Value);

/// A value that is something else than its type.
fn invalid(value: &Value, expected: &dyn Expected) -> Error {
    let unexpected = match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), ..) => Unexpected::Unsigned(value),
            (_, Some(value), _) => Unexpected::Signed(value),
            (.., value) => Unexpected::Float(value.unwrap_or_default()),
        },
        Value::String(value) => Unexpected::Str(value),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    Error::invalid_type(unexpected, expected)
}

fn visit_number<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, Error> {
    match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(value), ..) => visitor.visit_u64(value),
        (_, Some(value), _) => visitor.visit_i64(value),
        (.., Some(value)) => visitor.visit_f64(value),
        (.., None) => Err(invalid(&Value::Null, &visitor)),
    }
}

fn visit_array<'de, V: Visitor<'de>>(array: Vec<Value>, visitor: V) -> Result<V::Value, Error> {
    let (length, mut elements) = (array.len(), Elements(array.into_iter()));
    let value = visitor.visit_seq(&mut elements)?;
    if elements.0.len() == 0 { Ok(value) } else { Err(Error::invalid_length(length, &"fewer elements in array")) }
}

fn visit_object<'de, V: Visitor<'de>>(object: Map<String, Value>, visitor: V) -> Result<V::Value, Error> {
    visitor.visit_map(Members { rest: object.into_iter(), value: Value::Null })
}

/// Methods of [`Deserializer`] that take one kind of value; every other kind is an error.
macro_rules! of_one_kind {
    ($($kind:ident($value:ident), $visitor:ident => $visit:expr, $([$method:ident $($name:ident: $more:ty),*])+;)+) => {$($(
        fn $method<V: Visitor<'de>>(self, $($name: $more,)* $visitor: V) -> Result<V::Value, Error> {
            $(let _ = $name;)*
            match self.0 {
                Value::$kind($value) => $visit,
                other => Err(invalid(&other, &$visitor)),
            }
        }
    )+)+};
}

impl<'de> Deserializer<'de> for Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(value) => visit_number(&value, visitor),
            Value::String(value) => visitor.visit_string(value),
            Value::Array(value) => visit_array(value, visitor),
            Value::Object(value) => visit_object(value, visitor),
        }
    }

    of_one_kind! {
        Bool(value), visitor => visitor.visit_bool(value), [deserialize_bool];
        Number(value), visitor => visit_number(&value, visitor),
            [deserialize_i8] [deserialize_i16] [deserialize_i32] [deserialize_i64]
            [deserialize_u8] [deserialize_u16] [deserialize_u32] [deserialize_u64]
            [deserialize_f32] [deserialize_f64];
        String(value), visitor => visitor.visit_string(value),
            [deserialize_char] [deserialize_str] [deserialize_string] [deserialize_bytes] [deserialize_byte_buf];
        String(value), visitor => visitor.visit_str(&value), [deserialize_identifier];
        Array(value), visitor => visit_array(value, visitor),
            [deserialize_seq] [deserialize_tuple length: usize] [deserialize_tuple_struct name: &'static str, length: usize];
        Object(value), visitor => visit_object(value, visitor),
            [deserialize_map] [deserialize_struct name: &'static str, fields: &'static [&'static str]];
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_unit() } else { Err(invalid(&self.0, &visitor)) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(Variant::of(self.0)?)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

/// The elements of an array.
struct Elements(vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for &mut Elements {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|element| seed.deserialize(Node(element))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The members of an object.
struct Members {
    rest: map::IntoIter,
    /// Of the member whose name was read last.
    value: Value,
}

impl<'de> MapAccess<'de> for Members {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = value;
        seed.deserialize(Node(Value::String(name))).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Node(self.value.take()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// A variant of an enum: its name, or an object whose one member is named by it.
struct Variant {
    name: String,
    value: Value,
}

impl Variant {
    fn of(value: Value) -> Result<Self, Error> {
        match value {
            Value::String(name) => Ok(Self { name, value: Value::Null }),
            Value::Object(members) if members.len() == 1 => {
                let mut members = members.into_iter();
                members.next().map(|(name, value)| Self { name, value }).ok_or_else(|| Error::custom("no variant"))
            }
            other => Err(invalid(&other, &"the name of a variant, or an object with it as its one member")),
        }
    }
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Node;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Node), Error> {
        Ok((seed.deserialize(Node(Value::String(self.name)))?, Node(self.value)))
    }
}

impl<'de> VariantAccess<'de> for Node {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Everything {
        truth: bool,
        small: u8,
        large: i64,
        real: f64,
        text: String,
        perhaps: Option<String>,
        list: Vec<Kind>,
        pair: (u32, String),
        named: BTreeMap<String, Newtype>,
        #[serde(flatten)]
        more: Map<String, Value>,
    }

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Newtype(u32);

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Unit,
        One(Newtype),
        Two(u8, bool),
        Named { a: Option<i64> },
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Plain {
        a: u8,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", deny_unknown_fields)]
    enum Tagged {
        Nothing,
        Something { a: u8 },
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::Unit),
            any::<u32>().prop_map(|n| Kind::One(Newtype(n))),
            any::<(u8, bool)>().prop_map(|(n, b)| Kind::Two(n, b)),
            any::<Option<i64>>().prop_map(|a| Kind::Named { a }),
        ]
    }

    fn everything() -> impl Strategy<Value = Everything> {
        let numbers = (any::<bool>(), any::<u8>(), any::<i64>(), any::<i32>());
        let texts = (".*", any::<Option<String>>(), prop::collection::vec(kind(), 0..5), any::<(u32, String)>());
        let maps = (prop::collection::btree_map(".*", any::<u32>().prop_map(Newtype), 0..3), any::<i64>());
        (numbers, texts, maps).prop_map(|((truth, small, large, real), (text, perhaps, list, pair), (named, other))| Everything {
            truth,
            small,
            large,
            real: f64::from(real) / 8.0,
            text,
            perhaps,
            list,
            pair,
            named,
            more: Map::from_iter([("other".to_owned(), serde_json::json!([other, null, { "deep": 1.5 }]))]),
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(value in everything()) {
            let text = serde_json::to_vec(&value).unwrap();
            prop_assert_eq!(&read::<Everything>(&text).unwrap(), &value);
            prop_assert_eq!(serde_json::from_slice::<Everything>(&text).unwrap(), value);
        }

        #[test]
        fn what_is_no_json_is_refused_as_by_serde_json(text in r#"[\[\]{}":,0-9a-z. tfnu\\-]{0,24}"#) {
            let theirs = serde_json::from_str::<Value>(&text);
            match (parse(text.as_bytes()), theirs) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(_), Err(_)) => {}
                (ours, theirs) => {
                    let twice = ours.as_ref().is_err_and(|error| error.to_string().starts_with("a member is named twice"));
                    prop_assert!(twice && theirs.is_ok(), "{:?} {:?}", ours, theirs);
                }
            }
        }
    }

    #[test]
    fn a_member_that_is_named_twice_is_refused_at_every_depth() {
        assert!(parse(br#"{"a":1,"b":[{"c":1}]}"#).is_ok());
        assert!(parse(br#"{"a":1,"a":1}"#).is_err());
        assert!(parse(br#"{"a":[{"c":1,"\u0063":2}]}"#).is_err());
        assert!(read::<Everything>(br#"{"unknown":{"c":1,"c":2}}"#).is_err());
    }

    #[test]
    fn a_struct_is_an_object() {
        assert!(read::<Tagged>(br#"{"kind":"Something","a":7}"#).is_ok_and(|value| value == Tagged::Something { a: 7 }));
        assert!(read::<Tagged>(br#"{"kind":"Nothing"}"#).is_ok_and(|value| value == Tagged::Nothing));
        assert!(read::<Plain>(br#"{"a":1}"#).is_ok_and(|value| value == Plain { a: 1 }));
        assert!(read::<Plain>(b"[1]").is_err());
        assert!(serde_json::from_slice::<Plain>(b"[1]").is_ok(), "why this is said at all");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in [
            r#"{"truth":1}"#,
            r#"{"small":256}"#,
            r#"{"small":-1}"#,
            r#"{"small":1.5}"#,
            r#"{"large":9223372036854775808}"#,
            r#"{"text":null}"#,
            r#"{"text":7}"#,
            r#"{"pair":[1]}"#,
            r#"{"pair":[1,"a",2]}"#,
            r#"{"list":{}}"#,
            r#"{"list":["One"]}"#,
            r#"{"list":["Three"]}"#,
            r#"{"list":[{"Unit":null,"One":1}]}"#,
            r#"{"list":[{"Unit":1}]}"#,
            r#"{"named":[]}"#,
            r#"{"truth":true"#,
            r#"{"truth":true}x"#,
        ] {
            assert!(read::<Everything>(text.as_bytes()).is_err(), "{text}");
            assert!(serde_json::from_str::<Everything>(text).is_err(), "{text}");
        }
    }
}
