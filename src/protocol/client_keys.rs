//! The public keys of clients and of trusted issuers: which of a JWK Set count (RFC 7517), which may have
//! signed a JWT, which are encrypted to, and when a set is fetched again.

use serde_json::Value;

use super::jose::Alg;
use super::jwe::KeyAlg;
use super::keys::public_members;
use super::secret::from_base64url;
use super::time::{Seconds, Timestamp};

/// Keys of one set that are looked at.
const MOST_KEYS: usize = 20;
/// Keys that are tried for one JWT: each costs a verification, or an import.
const MOST_TRIED: usize = 3;
/// Sizes of an RSA modulus, in bits: RFC 7518 3.3 and 3.5 demand the least.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A public key that can have signed something, or that something can be encrypted to.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientKey {
    /// Its name in the set.
    pub kid: Option<String>,
    /// Its public members.
    pub jwk: Value,
    /// What it may have signed by.
    algs: Vec<Alg>,
    /// How something may be encrypted to it.
    key_algs: Vec<KeyAlg>,
}

impl ClientKey {
    /// The key of a JWK that is for one of our algorithms, and strong enough.
    fn parse(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let (mut algs, mut key_algs) = match (text("kty")?, text("crv")) {
            ("RSA", _) if is_good_rsa(text("n")?, text("e")?) => (vec![Alg::RS256, Alg::PS256], vec![KeyAlg::RsaOaep256]),
            ("EC", Some("P-256")) => (vec![Alg::ES256], vec![KeyAlg::EcdhEs]),
            ("OKP", Some("Ed25519")) => (vec![Alg::EdDSA], Vec::new()),
            _ => return None,
        };
        let alg = jwk.get("alg");
        algs.retain(|ours| is_meant(jwk, "sig", &["verify"]) && alg.is_none_or(|alg| *alg == ours.name()));
        key_algs.retain(|ours| is_meant(jwk, "enc", operations(*ours)) && alg.is_none_or(|alg| *alg == ours.name()));
        let kid = text("kid").map(str::to_owned);
        (!algs.is_empty() || !key_algs.is_empty()).then(|| Self { kid, jwk: public_members(jwk), algs, key_algs })
    }
}

/// Whether a JWK is for this use and one of these operations, as far as it says (RFC 7517 4.2 and 4.3).
fn is_meant(jwk: &Value, usage: &str, operations: &[&str]) -> bool {
    let fits =
        |said: &Value| said.as_array().is_some_and(|said| said.iter().any(|operation| operations.iter().any(|o| operation == o)));
    // WebCrypto writes an empty list for the public half of a key agreement: all that is done, the other half does.
    let is_agreement = |said: &Value| operations.contains(&"deriveBits") && said.as_array().is_some_and(Vec::is_empty);
    jwk.get("use").is_none_or(|said| said == usage) && jwk.get("key_ops").is_none_or(|said| fits(said) || is_agreement(said))
}

/// What a key is for that something is encrypted to (RFC 7517 4.3).
const fn operations(alg: KeyAlg) -> &'static [&'static str] {
    match alg {
        KeyAlg::EcdhEs => &["deriveKey", "deriveBits"],
        KeyAlg::RsaOaep256 => &["encrypt", "wrapKey"],
    }
}

/// Whether a modulus is of a size that is neither weak nor a burden, and the exponent one that is in use:
/// odd, more than 1 and at most 32 bits.
fn is_good_rsa(n: &str, e: &str) -> bool {
    let (Some(n), Some(e)) = (from_base64url(n), from_base64url(e)) else {
        return false;
    };
    let significant = |bytes: &[u8]| {
        let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        let zeros = bytes.get(first).map_or(0, |byte| byte.leading_zeros() as usize);
        (bytes.len() - first) * 8 - zeros
    };
    RSA_BITS.contains(&significant(&n)) && (2..=32).contains(&significant(&e)) && e.last().is_some_and(|last| last % 2 == 1)
}

/// The keys of a JWK Set that count; nothing when it is none. Others in it are no reason to refuse it
/// (RFC 7517 5).
pub fn usable(set: &Value) -> Option<Vec<ClientKey>> {
    let keys = set.get("keys")?.as_array()?;
    Some(keys.iter().filter_map(ClientKey::parse).take(MOST_KEYS).collect())
}

/// What is wrong with a JWK Set that somebody hands in to sign with, if anything.
pub fn set_fault(set: &Value) -> Option<&'static str> {
    let keys = set.get("keys").and_then(Value::as_array);
    let Some(keys) = keys.filter(|keys| (1..=MOST_KEYS).contains(&keys.len())) else {
        return Some("must be a JWK Set of 1 to 20 keys");
    };
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    if keys.iter().any(|key| private.iter().any(|member| key.get(member).is_some())) {
        return Some("public keys only");
    }
    usable(set).is_none_or(|keys| keys.iter().all(|key| key.algs.is_empty())).then_some("no key in it can be used")
}

/// Those that may have signed a JWT with this header: of the algorithm, and of the name where both have one.
pub fn candidates<'a>(keys: &'a [ClientKey], alg: Alg, kid: Option<&str>) -> Vec<&'a ClientKey> {
    let is_named = |key: &&ClientKey| match (kid, key.kid.as_deref()) {
        (Some(wanted), Some(name)) => wanted == name,
        _ => true,
    };
    keys.iter().filter(|key| key.algs.contains(&alg)).filter(is_named).take(MOST_TRIED).collect()
}

/// Whether a key of this name that can sign is there, so that fetching the set again brings nothing new.
pub fn knows(keys: &[ClientKey], kid: Option<&str>) -> bool {
    kid.is_some() && keys.iter().any(|key| !key.algs.is_empty() && key.kid.as_deref() == kid)
}

/// Those that something may be encrypted to by this algorithm, in the order of the set: the first that can be
/// used is the one.
pub fn recipients(keys: &[ClientKey], alg: KeyAlg) -> Vec<ClientKey> {
    keys.iter().filter(|key| key.key_algs.contains(&alg)).take(MOST_TRIED).cloned().collect()
}

/// What is known about a set that is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetches {
    /// When what is kept was fetched.
    pub kept: Option<Timestamp>,
    /// When the last fetch ended, well or not.
    pub ended: Option<Timestamp>,
    /// When the fetch began that is under way.
    pub began: Option<Timestamp>,
}

/// The settings that it depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Age up to which a set is used.
    pub cache: Seconds,
    /// For the sake of an unknown key it is fetched again at most this often.
    pub refetch: Seconds,
    /// No fetch takes longer.
    pub timeout: Seconds,
}

/// After a fetch that failed the next one waits this long, or whoever asks us could make us ask without end.
const AFTER_FAILURE: Seconds = Seconds(5);

/// What is done about a set that somebody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Use what is kept.
    Use,
    /// Somebody is fetching it: look again in a moment.
    Wait,
    /// Fetch it.
    Fetch,
    /// Do without; why.
    Refuse(&'static str),
}

impl Fetches {
    /// The step, for somebody who found that the set fetched at `lacking` has not the right key, if any.
    pub fn step(&self, lacking: Option<Timestamp>, pace: Pace, now: Timestamp) -> Step {
        let within = |instant: Option<Timestamp>, span: Seconds| {
            instant.is_some_and(|instant| (0..span.millis()).contains(&now.since(instant)))
        };
        let is_young = within(self.kept, pace.cache);
        if is_young && self.kept != lacking {
            return Step::Use;
        }
        if within(self.began, Seconds(pace.timeout.0.saturating_add(1))) {
            return Step::Wait;
        }
        if is_young && within(self.ended, pace.refetch) {
            return Step::Refuse("none of its keys fits, and they were fetched a moment ago");
        }
        if self.ended != self.kept && within(self.ended, AFTER_FAILURE) {
            return Step::Refuse("its keys could not be fetched a moment ago");
        }
        Step::Fetch
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::secret::base64url;
    use super::*;

    fn rsa(bytes: usize, more: &Value) -> Value {
        let mut key = json!({"kty": "RSA", "n": base64url(&vec![0x80; bytes]), "e": "AQAB"});
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    }

    fn ec(more: &Value) -> Value {
        let mut key = json!({"kty": "EC", "crv": "P-256", "x": "x", "y": "y"});
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    }

    /// How many ways to sign, and to be encrypted to, a set of this key has.
    fn ways(key: &Value) -> (usize, usize) {
        let keys = usable(&json!({"keys": [key]})).unwrap();
        let sum = |count: fn(&ClientKey) -> usize| keys.iter().map(count).sum();
        (sum(|key| key.algs.len()), sum(|key| key.key_algs.len()))
    }

    #[test]
    fn which_keys_count() {
        let good = [
            ec(&json!({})),
            ec(&json!({"use": "sig", "key_ops": ["sign", "verify"], "alg": "ES256", "kid": "k"})),
            rsa(256, &json!({"alg": "PS256"})),
            rsa(512, &json!({})),
            json!({"kty": "OKP", "crv": "Ed25519", "x": "x"}),
        ];
        for key in good {
            assert_ne!(ways(&key).0, 0, "{key}");
        }
        let bad = [
            json!({}),
            json!("x"),
            json!({"kty": "oct", "k": "AAAA"}),
            json!({"kty": "EC", "crv": "P-384"}),
            json!({"kty": "OKP", "crv": "X25519"}),
            ec(&json!({"use": "enc"})),
            ec(&json!({"use": 1})),
            ec(&json!({"key_ops": ["encrypt"]})),
            ec(&json!({"alg": "RS256"})),
            rsa(255, &json!({})),
            rsa(513, &json!({})),
            rsa(256, &json!({"e": "AQ"})),
            rsa(256, &json!({"e": "AAI"})),
            rsa(256, &json!({"e": "AQAAAAE"})),
            rsa(256, &json!({"e": "!"})),
            rsa(256, &json!({"alg": "RSA-OAEP"})),
        ];
        for key in bad {
            assert_eq!(ways(&key).0, 0, "{key}");
        }
        for none in [json!({}), json!([]), json!({"keys": {}}), json!(null)] {
            assert_eq!(usable(&none), None, "{none}");
        }
        assert_eq!(usable(&json!({"keys": vec![ec(&json!({})); 30]})).unwrap().len(), MOST_KEYS);
        let [key] = usable(&json!({"keys": [ec(&json!({"d": "secret", "kid": "k"}))]})).unwrap().try_into().unwrap();
        assert_eq!(key.jwk, json!({"kty": "EC", "crv": "P-256", "x": "x", "y": "y"}));
    }

    #[test]
    fn sets_that_are_handed_in() {
        assert_eq!(set_fault(&json!({"keys": [ec(&json!({})), {"kty": "oct"}]})), None);
        for bad in [
            json!({}),
            json!([]),
            json!({"keys": []}),
            json!({"keys": vec![ec(&json!({})); 21]}),
            json!({"keys": [ec(&json!({"d": "x"}))]}),
            json!({"keys": [ec(&json!({})), {"kty": "oct", "k": "x"}]}),
            json!({"keys": [ec(&json!({"use": "enc"}))]}),
        ] {
            assert!(set_fault(&bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn which_keys_are_encrypted_to() {
        let both = [ec(&json!({})), ec(&json!({"key_ops": ["verify", "deriveBits"]})), rsa(256, &json!({}))];
        for key in both {
            assert_eq!((ways(&key).0 > 0, ways(&key).1), (true, 1), "{key}");
        }
        let good = [
            ec(&json!({"use": "enc"})),
            ec(&json!({"use": "enc", "alg": "ECDH-ES", "key_ops": ["deriveKey"]})),
            ec(&json!({"key_ops": []})),
            ec(&json!({"alg": "ECDH-ES"})),
            rsa(256, &json!({"use": "enc", "alg": "RSA-OAEP-256", "key_ops": ["encrypt"]})),
            rsa(512, &json!({"key_ops": ["wrapKey"]})),
        ];
        for key in good {
            assert_eq!(ways(&key), (0, 1), "{key}");
        }
        let bad = [
            json!({}),
            json!({"kty": "OKP", "crv": "X25519", "x": "x"}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": "x"}),
            json!({"kty": "EC", "crv": "P-384", "x": "x", "y": "y", "use": "enc"}),
            json!({"kty": "oct", "k": "AAAA", "use": "enc"}),
            ec(&json!({"use": "sig"})),
            ec(&json!({"use": "sig", "key_ops": ["deriveBits"]})),
            ec(&json!({"use": "ENC"})),
            ec(&json!({"use": ["enc"]})),
            ec(&json!({"use": "enc", "key_ops": ["verify"]})),
            ec(&json!({"use": "enc", "key_ops": ["encrypt"]})),
            ec(&json!({"use": "enc", "key_ops": "deriveBits"})),
            ec(&json!({"use": "enc", "alg": "ES256"})),
            ec(&json!({"use": "enc", "alg": "ECDH-ES+A256KW"})),
            rsa(255, &json!({"use": "enc"})),
            rsa(513, &json!({"use": "enc"})),
            rsa(256, &json!({"use": "enc", "e": "AQ"})),
            rsa(256, &json!({"use": "enc", "key_ops": []})),
            rsa(256, &json!({"use": "enc", "alg": "RSA-OAEP"})),
            rsa(256, &json!({"use": "enc", "alg": "RS256"})),
        ];
        for key in bad {
            assert_eq!(ways(&key).1, 0, "{key}");
        }
    }

    #[test]
    fn the_first_that_fits_is_encrypted_to() {
        let set = json!({"keys": [
            ec(&json!({"kid": "sig", "use": "sig"})), rsa(256, &json!({"kid": "rsa"})),
            ec(&json!({"kid": "first", "use": "enc"})), ec(&json!({"kid": "second", "d": "secret"})),
        ]});
        let keys = usable(&set).unwrap();
        let names = |alg| recipients(&keys, alg).into_iter().map(|key| key.kid.unwrap()).collect::<Vec<_>>();
        assert_eq!(names(KeyAlg::EcdhEs), ["first", "second"]);
        assert_eq!(names(KeyAlg::RsaOaep256), ["rsa"]);
        assert!(recipients(&keys, KeyAlg::EcdhEs).iter().all(|key| key.jwk.get("d").is_none()));
        // A key for encryption has signed nothing, whatever its name.
        let tried = |kid| candidates(&keys, Alg::ES256, kid).into_iter().map(|key| key.kid.as_deref()).collect::<Vec<_>>();
        assert_eq!((tried(Some("first")), tried(Some("second"))), (vec![], vec![Some("second")]));
        assert!(!knows(&keys, Some("first")) && knows(&keys, Some("second")) && knows(&keys, Some("sig")));
        let many = usable(&json!({"keys": vec![ec(&json!({"use": "enc"})); 9]})).unwrap();
        assert_eq!(recipients(&many, KeyAlg::EcdhEs).len(), MOST_TRIED);
    }

    #[test]
    fn which_keys_are_tried() {
        let set =
            json!({"keys": [ec(&json!({"kid": "a"})), ec(&json!({"kid": "b"})), ec(&json!({})), rsa(256, &json!({"kid": "b"}))]});
        let keys = usable(&set).unwrap();
        let tried = |alg, kid| candidates(&keys, alg, kid).iter().map(|key| key.kid.clone()).collect::<Vec<_>>();
        let named = |names: &[&str]| names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>();
        assert_eq!(tried(Alg::ES256, Some("a")), [named(&["a"]), vec![None]].concat());
        assert_eq!(tried(Alg::RS256, Some("b")), named(&["b"]));
        assert_eq!(tried(Alg::RS256, Some("a")), []);
        assert_eq!(tried(Alg::ES256, None).len(), 3);
        assert_eq!(tried(Alg::EdDSA, None), []);
        assert!(knows(&keys, Some("a")) && !knows(&keys, Some("c")) && !knows(&keys, None));
        let many = usable(&json!({"keys": vec![ec(&json!({})); 9]})).unwrap();
        assert_eq!(candidates(&many, Alg::ES256, None).len(), MOST_TRIED);
    }

    #[test]
    fn when_a_set_is_fetched() {
        let pace = Pace { cache: Seconds(600), refetch: Seconds(60), timeout: Seconds(5) };
        let at = |seconds: i64| Timestamp::from_millis(1_800_000_000_000 + seconds * 1000);
        let fetched = |seconds| Fetches { kept: Some(at(seconds)), ended: Some(at(seconds)), began: None };
        let step = |fetches: Fetches, lacking: Option<i64>, now| fetches.step(lacking.map(at), pace, at(now));
        assert_eq!(step(Fetches::default(), None, 0), Step::Fetch);
        assert_eq!(step(fetched(0), None, 599), Step::Use);
        assert_eq!(step(fetched(0), None, 600), Step::Fetch);
        assert_eq!(step(fetched(10), None, 0), Step::Fetch, "a clock that went back");
        // A key is lacking.
        assert!(matches!(step(fetched(0), Some(0), 59), Step::Refuse(_)));
        assert_eq!(step(fetched(0), Some(0), 60), Step::Fetch);
        assert_eq!(step(fetched(60), Some(0), 61), Step::Use, "somebody else fetched it meanwhile");
        // One fetches, the others wait for it; one that never ended is forgotten.
        let under_way = Fetches { began: Some(at(0)), ..Fetches::default() };
        assert_eq!(step(under_way, None, 5), Step::Wait);
        assert_eq!(step(under_way, None, 6), Step::Fetch);
        let again = Fetches { began: Some(at(60)), ..fetched(0) };
        assert_eq!((step(again, Some(0), 61), step(again, None, 61)), (Step::Wait, Step::Use));
        // A failure.
        let failed = Fetches { ended: Some(at(0)), ..Fetches::default() };
        assert!(matches!(step(failed, None, 4), Step::Refuse(_)));
        assert_eq!(step(failed, None, 5), Step::Fetch);
        let failed_again = Fetches { ended: Some(at(60)), ..fetched(0) };
        assert_eq!(step(failed_again, None, 61), Step::Use);
        assert!(matches!(step(failed_again, Some(0), 61), Step::Refuse(_)));
        let expired_and_failed = Fetches { ended: Some(at(601)), ..fetched(0) };
        assert!(matches!(step(expired_and_failed, None, 602), Step::Refuse(_)));
    }
}
