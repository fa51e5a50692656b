//! Identifiers. Random parts are 128 bits from the caller's entropy.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::secret::{base64url, from_base64url, hmac_sha256, sha256};

/// Where random bytes come from. The edge gives the platform's generator, tests a counted one.
pub trait Entropy {
    /// Fills `bytes` with unpredictable values.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// `N` random bytes.
pub fn random<const N: usize>(entropy: &mut dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// First byte of every owned id: the layout of the rest. A new layout gets a new number.
const FORMAT: u8 = 1;

/// A user: 16 random bytes, 22 characters of base64url. It is the public subject (`sub`) too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

impl UserId {
    /// A new one.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self(base64url(&random::<16>(entropy)))
    }

    /// The id that this text spells, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = from_base64url(text)?;
        (bytes.len() == 16).then(|| Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 16 bytes.
    pub fn bytes(&self) -> [u8; 16] {
        // parse() and generate() are the only doors, so the decoding always succeeds.
        from_base64url(&self.0).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
    }

    /// From the 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(base64url(&bytes))
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0
    }
}

impl TryFrom<String> for UserId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a user id")
    }
}

/// An id of something that belongs to an owner: `format(1) | shard(2) | random(16)`.
///
/// The shard is a hash of the owner, so all rows of one owner lie together and the database that
/// holds them is known from the id alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OwnedId([u8; 19]);

impl OwnedId {
    /// A new one for this owner.
    pub fn generate(owner: &UserId, entropy: &mut dyn Entropy) -> Self {
        let mut bytes = [0; 19];
        let [high, low, ..] = sha256(owner.as_str().as_bytes());
        let (head, tail) = bytes.split_at_mut(3);
        head.copy_from_slice(&[FORMAT, high, low]);
        entropy.fill(tail);
        Self(bytes)
    }

    /// The id that this text spells, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(from_base64url(text)?.try_into().ok()?)
    }

    /// From its 19 bytes, if the format is known.
    pub fn from_bytes(bytes: [u8; 19]) -> Option<Self> {
        let [format, ..] = bytes;
        (format == FORMAT).then_some(Self(bytes))
    }

    /// Its 19 bytes.
    pub const fn bytes(&self) -> &[u8; 19] {
        &self.0
    }

    /// The shard number of the owner's rows, 0 to 65535.
    pub const fn shard(&self) -> u16 {
        let [_, high, low, ..] = self.0;
        u16::from_be_bytes([high, low])
    }

    /// The `sid` shown to clients: a MAC keyed by the id itself, so that it is stable for the id's
    /// whole life, whatever happens to the key ring, and the id cannot be found from it.
    pub fn sid(&self) -> String {
        let mac = hmac_sha256(&self.0, &[b"latchkey sid"]);
        base64url(mac.first_chunk::<16>().unwrap_or(&[0; 16]))
    }
}

impl fmt::Display for OwnedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(&self.0))
    }
}

impl From<OwnedId> for String {
    fn from(id: OwnedId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for OwnedId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not an owned id")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Entropy that counts: every byte differs from the last, and runs are repeatable.
    pub struct Counted(pub u8);

    impl Entropy for Counted {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_add(1);
                *byte = self.0;
            }
        }
    }

    #[test]
    fn owned_ids_carry_their_owners_shard() {
        let mut entropy = Counted(0);
        let owner = UserId::generate(&mut entropy);
        let (a, b) = (OwnedId::generate(&owner, &mut entropy), OwnedId::generate(&owner, &mut entropy));
        assert_eq!(a.shard(), b.shard());
        assert_ne!(a, b);
        assert_eq!(OwnedId::parse(&a.to_string()), Some(a.clone()));
        assert_eq!(UserId::parse(owner.as_str()), Some(owner.clone()));
        assert_eq!(UserId::from_bytes(owner.bytes()), owner);
        assert_ne!(a.sid(), b.sid());
        assert!(!a.to_string().contains(&a.sid()));
    }

    #[test]
    fn pinned_format() {
        // Stored in D1 and in sealed tokens: changing it orphans both.
        let owner = UserId::generate(&mut Counted(0));
        assert_eq!(owner.as_str(), "AQIDBAUGBwgJCgsMDQ4PEA");
        let id = OwnedId::generate(&owner, &mut Counted(0));
        assert_eq!(id.to_string(), "AZxsAQIDBAUGBwgJCgsMDQ4PEA");
        assert_eq!(id.sid(), "6YZQMEYPsXL8GHrnGJ-aZQ");
    }

    #[test]
    fn nonsense_is_no_id() {
        for text in ["", "AQ", "AZxsAQIDBAUGBwgJCgsMDQ4PE!", "ApxsAQIDBAUGBwgJCgsMDQ4PEA"] {
            assert_eq!(OwnedId::parse(text), None, "{text}");
        }
        assert_eq!(UserId::parse("AQIDBAUGBwgJCgsMDQ4PEB"), None, "non-canonical trailing bits");
    }
}
