//! JWTs that others sign: assertions (RFC 7523) and request objects (RFC 9101) of clients, and tokens of
//! trusted issuers.
//!
//! `jwt-compact` reads what we sign ourselves. Here the header may have anything in it, and a date may have
//! a fraction (RFC 7519 2), so both are read here. As there, no claim comes out before the signature was
//! checked: only an [`AttestedJwt`] has claims. Before, they can only be a reason to refuse
//! ([`ForeignJwt::refused_early`]).

use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::jose::Alg;
use super::json;
use super::secret::from_base64url;
use super::time::{Seconds, Timestamp};

/// Somebody else's clock may be ahead of ours by this much, and is believed.
pub const CLOCK_SKEW: Seconds = Seconds(10);

/// The header (RFC 7515 4.1). `jwk`, `jku`, `x5u` and `x5c` are never looked at: which keys count is ours
/// to know, from the client's metadata or the operator.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
    b64: Option<IgnoredAny>,
}

/// Somebody's JWT whose signature nobody has checked: only its header can be seen.
#[derive(Debug)]
pub struct ForeignJwt<'a> {
    message: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
    /// What it says it is, in lower case and without `application/` (RFC 7515 4.1.9).
    pub typ: Option<String>,
    /// Its algorithm, one of ours.
    pub alg: Alg,
    /// The key that it names.
    pub kid: Option<String>,
}

impl<'a> ForeignJwt<'a> {
    /// Parses the compact form. Its `typ` must be absent, `JWT` or one of `types` (RFC 8725 3.11); the rest
    /// is as [`Self::parse_any`] has it.
    pub fn parse(text: &'a str, types: &[&str]) -> Option<Self> {
        Self::parse_any(text).filter(|jwt| jwt.typ.as_deref().is_none_or(|typ| typ == "jwt" || types.contains(&typ)))
    }

    /// Parses the compact form, for somebody who looks at its `typ` himself. Its algorithm must be one of ours,
    /// which `none` and the symmetric ones are not, and it must have no extension that had to be understood
    /// (RFC 7515 4.1.11).
    pub fn parse_any(text: &'a str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header: Header = json::read(&from_base64url(header)?).ok()?;
        if header.crit.is_some() || header.b64.is_some() {
            return None;
        }
        let typ = header.typ.map(|typ| typ.to_ascii_lowercase());
        let typ = typ.map(|typ| typ.strip_prefix("application/").unwrap_or(&typ).to_owned());
        // A payload with another dot in it is no base64url.
        let (payload, signature) = (from_base64url(payload)?, from_base64url(signature)?);
        Some(Self { message, payload, signature, typ, alg: Alg::parse(&header.alg)?, kid: header.kid })
    }

    /// Refuses what need not be verified to be refused, so that nobody is asked for keys in vain. The claims
    /// are seen by `check` alone and can do nothing but refuse: from a yes nothing comes out.
    pub fn refused_early<E>(&self, check: impl FnOnce(&Map<String, Value>) -> Result<(), E>) -> Result<(), E> {
        check(&json::read(&self.payload).unwrap_or_default())
    }

    /// What was signed.
    pub const fn message(&self) -> &[u8] {
        self.message.as_bytes()
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Takes the outcome of the signature check. This is the only way to claims.
    pub fn attest(self, is_verified: bool) -> Option<AttestedJwt> {
        is_verified.then_some(AttestedJwt { payload: self.payload })
    }
}

/// Somebody's JWT whose signature was checked.
#[derive(Debug)]
pub struct AttestedJwt {
    payload: Vec<u8>,
}

impl AttestedJwt {
    /// Its claims, whatever they say.
    pub fn claims<T: DeserializeOwned>(&self) -> Option<T> {
        json::read(&self.payload).ok()
    }
}

/// The `sub` that a JWT has, said by nobody knows whom: good for finding the client whose keys are to be
/// tried, and for nothing else.
pub fn unverified_subject(text: &str) -> Option<String> {
    unverified(text, "sub")
}

/// The `iss` that a JWT has, said by nobody knows whom: good for finding the issuer whose keys are to be
/// tried, and for nothing else.
pub fn unverified_issuer(text: &str) -> Option<String> {
    unverified(text, "iss")
}

fn unverified(text: &str, claim: &str) -> Option<String> {
    let payload = from_base64url(text.split('.').nth(1)?)?;
    let claims: Map<String, Value> = json::read(&payload).ok()?;
    claims.get(claim)?.as_str().map(str::to_owned)
}

/// Seconds since the Unix epoch, with a fraction if need be (RFC 7519 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NumericDate(pub Timestamp);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        // Up to the year 33658: beyond, milliseconds stop being what they seem.
        if !(0.0..=1e12).contains(&seconds) {
            return Err(D::Error::custom("not a date"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 10^15")]
        Ok(Self(Timestamp::from_millis((seconds * 1000.0).floor() as i64)))
    }
}

/// Whether a JWT with these dates is in time at `now`: not over, not to live longer than `longest` from
/// now, and neither made nor good from more than [`CLOCK_SKEW`] ahead. The error says what is wrong.
pub fn check_dates(
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    longest: Seconds,
    now: Timestamp,
) -> Result<(), &'static str> {
    if exp.is_some_and(|NumericDate(exp)| exp <= now) {
        return Err("it is expired");
    }
    // Who lives exactly as long as allowed by a clock that is ahead is not to be refused for the clock.
    if exp.is_some_and(|NumericDate(exp)| exp > now.plus(longest).plus(CLOCK_SKEW)) {
        return Err("its exp is too far ahead");
    }
    if [nbf, iat].into_iter().flatten().any(|NumericDate(from)| from > now.plus(CLOCK_SKEW)) {
        return Err("its nbf or iat is ahead");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::secret::base64url;
    use super::*;

    fn jwt(header: &Value, claims: &str) -> String {
        format!("{}.{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.as_bytes()), base64url(b"signature"))
    }

    #[test]
    fn headers() {
        let parse = |header: Value| ForeignJwt::parse(&jwt(&header, "{}"), &["client-authentication+jwt"]).is_some();
        for good in [
            json!({"alg": "ES256"}),
            json!({"alg": "RS256", "kid": "k", "typ": "JWT"}),
            json!({"alg": "PS256", "typ": "application/client-authentication+JWT", "jwk": {}, "jku": 7, "x5c": []}),
            json!({"alg": "EdDSA", "typ": "jwt", "cty": "x"}),
        ] {
            assert!(parse(good.clone()), "{good}");
        }
        for bad in [
            json!({}),
            json!({"alg": "none"}),
            json!({"alg": "None"}),
            json!({"alg": "HS256"}),
            json!({"alg": "RS512"}),
            json!({"alg": ["ES256"]}),
            json!({"alg": "ES256", "typ": "at+jwt"}),
            json!({"alg": "ES256", "typ": "oauth-authz-req+jwt"}),
            json!({"alg": "ES256", "kid": 1}),
            json!({"alg": "ES256", "crit": ["b64"], "b64": false}),
            json!({"alg": "ES256", "crit": []}),
            json!({"alg": "ES256", "b64": true}),
            json!([]),
        ] {
            assert!(!parse(bad.clone()), "{bad}");
        }
    }

    #[test]
    fn garbage() {
        for text in
            ["", ".", "..", "a.b.c", "e30.e30", "e30.e30.", "\u{e9}.\u{e9}.\u{e9}", "eyJhbGciOiJFUzI1NiJ9.e30.e30.e30.e30"]
        {
            assert!(ForeignJwt::parse(text, &[]).is_none(), "{text}");
        }
        // {"alg":"ES256"}: with padding, and with bits that the encoding leaves over.
        assert!(ForeignJwt::parse("eyJhbGciOiJFUzI1NiJ9.e30.AA", &[]).is_some());
        for text in ["eyJhbGciOiJFUzI1NiJ9.e30=.AA", "eyJhbGciOiJFUzI1NiJ9.e30.AB", "eyJhbGciOiJFUzI1NiJ9.e30.A+"] {
            assert!(ForeignJwt::parse(text, &[]).is_none(), "{text}");
        }
        let twice = format!("{}.e30.AA", base64url(br#"{"alg":"ES256","alg":"RS256"}"#));
        assert!(ForeignJwt::parse(&twice, &[]).is_none());
    }

    #[test]
    fn no_claims_without_attestation() {
        let text = jwt(&json!({"alg": "ES256"}), r#"{"sub":"c"}"#);
        let parse = || ForeignJwt::parse(&text, &[]).unwrap();
        assert!(parse().attest(false).is_none());
        assert_eq!(parse().attest(true).unwrap().claims::<Value>().unwrap()["sub"], "c");
        assert_eq!(parse().message(), text.rsplit_once('.').unwrap().0.as_bytes());
        assert_eq!(parse().signature(), b"signature");
        assert_eq!(unverified_subject(&text).as_deref(), Some("c"));
        for none in [jwt(&json!({}), "{}"), jwt(&json!({}), r#"{"sub":1}"#), "a.b.c".to_owned(), String::new()] {
            assert_eq!(unverified_subject(&none), None, "{none}");
        }
        assert_eq!(unverified_issuer(&jwt(&json!({}), r#"{"iss":"https://a.example"}"#)).as_deref(), Some("https://a.example"));
        assert_eq!(unverified_issuer(&text), None);
    }

    #[test]
    fn a_check_of_unverified_claims_can_refuse_and_nothing_else() {
        let of = |payload: &str| {
            let text = jwt(&json!({"alg": "ES256", "typ": "at+JWT"}), payload);
            let jwt = ForeignJwt::parse_any(&text).unwrap();
            assert_eq!(jwt.typ.as_deref(), Some("at+jwt"));
            jwt.refused_early(|claims| if claims.get("sub").is_some_and(|sub| sub == "c") { Ok(()) } else { Err("no") })
        };
        assert_eq!(of(r#"{"sub":"c"}"#), Ok(()));
        for payload in [r#"{"sub":"d"}"#, "{}", "[]", "\u{0}", r#"{"sub":"c"} x"#] {
            assert_eq!(of(payload), Err("no"), "{payload}");
        }
    }

    #[test]
    fn dates() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let at = |seconds: i64| Some(NumericDate(Timestamp::from_millis(now.millis() + seconds * 1000)));
        let check = |exp, nbf, iat| check_dates(exp, nbf, iat, Seconds(600), now);
        assert_eq!(check(at(1), None, None), Ok(()));
        assert_eq!(check(at(600), at(0), at(0)), Ok(()));
        assert_eq!(check(at(610), at(10), at(10)), Ok(()), "a clock that is ten seconds ahead");
        assert_eq!(check(None, at(-100_000), at(-100_000)), Ok(()));
        assert!(check(at(0), None, None).is_err());
        assert!(check(at(611), None, None).is_err());
        assert!(check(at(60), at(11), None).is_err());
        assert!(check(at(60), None, at(61)).is_err());
        let parsed = |text: &str| serde_json::from_str::<NumericDate>(text).ok().map(|date| date.0.millis());
        assert_eq!(parsed("1800000000"), Some(now.millis()));
        assert_eq!(parsed("1800000000.5"), Some(now.millis() + 500));
        for bad in ["-1", "1e13", "1e999", "\"1800000000\"", "null", "[]"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
