//! Passwords: argon2id (RFC 9106), stored as PHC strings.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::ids::{Entropy, random};
use super::secret::{Secret, constant_time_eq};

/// 12 MiB and 3 passes: an OWASP-listed set that is kind to an isolate's 128 MB.
const MEMORY_KIB: u32 = 12 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// Longest password that is hashed, in bytes; a longer one is as wrong as any other.
pub const MAX_PASSWORD: usize = 1024;

/// Fewest characters of a password that is set: it is all that proves a person (NIST SP 800-63B 5.1.1). Those that are
/// there already are taken as they are.
pub const LEAST_CHARACTERS: usize = 12;

/// What is said of a password that may not be set.
pub const WEAK: &str = "12 characters at least, 1024 bytes at most";

/// Whether a password may be set.
pub fn is_settable(password: &Secret) -> bool {
    let password = password.expose();
    password.chars().count() >= LEAST_CHARACTERS && password.len() <= MAX_PASSWORD
}

/// A stored password: `$argon2id$v=19$m=..,t=..,p=..$salt$hash`.
#[derive(Clone, Debug)]
pub struct PasswordHash {
    params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl PasswordHash {
    /// Hashes a new password. Nothing for one that is too long.
    pub fn create(password: &Secret, entropy: &mut dyn Entropy) -> Option<Self> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).ok()?;
        let salt = random::<16>(entropy).to_vec();
        let hash = derive(&params, &salt, password, 32)?;
        Some(Self { params, salt, hash })
    }

    /// What stands in for an account that does not exist: checking against it costs the same and
    /// never succeeds, because its hash is empty.
    pub fn of_nobody() -> Option<Self> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).ok()?;
        Some(Self { params, salt: b"nobody has this!".to_vec(), hash: Vec::new() })
    }

    /// Parses the stored text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('$');
        let ("", "argon2id", "v=19") = (parts.next()?, parts.next()?, parts.next()?) else {
            return None;
        };
        let mut cost = parts.next()?.split(',');
        let mut number = |name: &str| cost.next()?.strip_prefix(name)?.parse().ok();
        let (memory, passes, lanes) = (number("m=")?, number("t=")?, number("p=")?);
        let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
        let hash = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
        let params = Params::new(memory, passes, lanes, Some(hash.len())).ok()?;
        parts.next().is_none().then_some(Self { params, salt, hash })
    }

    /// Whether this is the password, after the full work in every case.
    pub fn verify(&self, password: &Secret) -> bool {
        derive(&self.params, &self.salt, password, 32.max(self.hash.len()))
            .is_some_and(|hash| constant_time_eq(&hash, &self.hash))
    }

    /// The text to store.
    pub fn to_text(&self) -> String {
        let (memory, passes, lanes) = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        let (salt, hash) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.hash));
        format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}")
    }
}

fn derive(params: &Params, salt: &[u8], password: &Secret, length: usize) -> Option<Vec<u8>> {
    let password = password.expose().as_bytes();
    if password.len() > MAX_PASSWORD {
        return None;
    }
    let mut hash = vec![0; length];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone()).hash_password_into(password, salt, &mut hash).ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::super::ids::tests::Counted;
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn round_trip() {
        let stored = PasswordHash::create(&secret("engine-no-1843"), &mut Counted(0)).unwrap().to_text();
        assert!(stored.starts_with("$argon2id$v=19$m=12288,t=3,p=1$"), "{stored}");
        let hash = PasswordHash::parse(&stored).unwrap();
        assert!(hash.verify(&secret("engine-no-1843")));
        assert!(!hash.verify(&secret("engine-no-1844")));
        assert!(!hash.verify(&secret("")));
        assert!(!hash.verify(&secret(&"x".repeat(MAX_PASSWORD + 1))));
        assert!(!PasswordHash::of_nobody().unwrap().verify(&secret("engine-no-1843")));
    }

    #[test]
    fn argon2_reference_vector() {
        // From the reference implementation's test.c: argon2id, v=19, t=2, m=65536, p=1.
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(PasswordHash::parse(text).unwrap().verify(&secret("password")));
        assert!(PasswordHash::parse("$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$AAAA").is_none());
    }
}
