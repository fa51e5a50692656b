//! `application/x-www-form-urlencoded`, strictly: RFC 6749 appendix B and its rules for parameters.

use super::error::{Code, OAuthError};

/// Parameters that an RFC lets repeat: `resource` (RFC 8707 2) and `audience` (RFC 8693 2.1).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// Longest value of one parameter, in bytes.
const MAX_VALUE: usize = 4096;

/// Longest value of a parameter that may be longer, in bytes: a whole body.
const MAX_LONG_VALUE: usize = 65_536;

/// Parameters that may be longer: what they hold is capped where it is used.
const LONG: [&str; 11] = [
    "request",
    "state",
    "claims",
    "client_assertion",
    "id_token_hint",
    "form",
    "step",
    "token",
    "subject_token",
    "actor_token",
    "assertion",
];

/// Most parameters in one request.
const MAX_PARAMETERS: usize = 128;

/// The parameters of a request: decoded, without the empty ones, without forbidden duplicates.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Parses a body or a query.
    ///
    /// A parameter without a value counts as omitted and a repeated one is refused (RFC 6749 3.1),
    /// even when one of the two is empty.
    pub fn parse(bytes: &[u8]) -> Result<Self, OAuthError> {
        let pairs = bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default()),
                None => (pair, [].as_slice()),
            };
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) => Ok((name, value)),
                _ => Err(OAuthError::new(Code::InvalidRequest, "a parameter is not valid UTF-8 in percent encoding")),
            }
        });
        Self::of(pairs)
    }

    /// The same rules for parameters that came in another way.
    pub fn collect(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, OAuthError> {
        Self::of(pairs.into_iter().map(Ok))
    }

    fn of(pairs: impl Iterator<Item = Result<(String, String), OAuthError>>) -> Result<Self, OAuthError> {
        let mut form = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for pair in pairs {
            let (name, value) = pair?;
            let most = if LONG.contains(&name.as_str()) { MAX_LONG_VALUE } else { MAX_VALUE };
            if value.len() > most || name.len() > 256 {
                return Err(OAuthError::new(Code::InvalidRequest, "a parameter is too long"));
            }
            if seen.len() == MAX_PARAMETERS {
                return Err(OAuthError::new(Code::InvalidRequest, "too many parameters"));
            }
            if seen.contains(&name) && !REPEATABLE.contains(&name.as_str()) {
                return Err(OAuthError::new(Code::InvalidRequest, "a parameter is sent more than once"));
            }
            seen.push(name.clone());
            if !value.is_empty() {
                form.0.push((name, value));
            }
        }
        Ok(form)
    }

    /// The value of a parameter, if it was sent with one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that has to be there.
    pub fn require(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::missing(name))
    }

    /// All values of a repeatable parameter, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// One name or value decoded: `+` is a space, `%XX` a byte, the whole UTF-8; or nothing.
pub fn decode(bytes: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                decoded.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                tail
            }
            (b'%', _) => return None,
            (b'+', tail) => {
                decoded.push(b' ');
                tail
            }
            (byte, tail) => {
                decoded.push(*byte);
                tail
            }
        };
    }
    String::from_utf8(decoded).ok()
}

/// A value encoded for a query or form: everything but unreserved characters as `%XX`.
pub fn encode(value: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded.push(HEX.get(usize::from(digit)).map_or('0', |hex| char::from(*hex)));
            }
        }
    }
    encoded
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_decode_and_empty_ones_are_omitted() {
        // RFC 6749 appendix B: U+0020 U+0025 U+0026 U+002B U+00A3 U+20AC
        let form = Form::parse(b"a=+%25%26%2B%C2%A3%E2%82%AC&b=&c&=d").unwrap();
        assert_eq!(form.get("a"), Some(" %&+\u{a3}\u{20ac}"));
        assert_eq!((form.get("b"), form.get("c")), (None, None));
        assert_eq!(encode(form.get("a").unwrap()), "%20%25%26%2B%C2%A3%E2%82%AC");
    }

    #[test]
    fn duplicates_are_refused_but_for_those_that_may_repeat() {
        assert!(Form::parse(b"scope=a&scope=b").is_err());
        assert!(Form::parse(b"scope=&scope=b").is_err());
        let form = Form::parse(b"resource=a&resource=b").unwrap();
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn bad_encodings_and_sizes_are_refused() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff"] {
            assert!(Form::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let long = |name: &str| Form::parse(format!("{name}={}", "x".repeat(MAX_VALUE + 1)).as_bytes());
        assert!(long("a").is_err() && long("state").is_ok());
        let many: Vec<String> = (0..=MAX_PARAMETERS).map(|n| format!("p{n}=1")).collect();
        assert!(Form::parse(many.join("&").as_bytes()).is_err());
    }
}
