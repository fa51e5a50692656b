//! `Sealed`: state that lives with its holder, opaque, encrypted and bound to one purpose.
//!
//! `base64url( format(1) | key number(2) | nonce(24) | XChaCha20-Poly1305 )`, with a key derived for
//! the purpose and issuer, realm epoch and purpose as associated data. A bogus one dies here, before
//! anything is asked of storage.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ids::{Entropy, random};
use super::json;
use super::keyring::KeyRing;
use super::secret::{base64url, from_base64url, hmac_sha256};

/// First byte of every sealed value: the layout of the rest.
const FORMAT: u8 = 1;

/// Longest sealed text that is looked at.
pub const MAX_TEXT: usize = 16_384;

/// Something that can be sealed. The purpose separates the kinds: a value sealed as one kind never
/// opens as another.
pub trait Sealable: Sized {
    /// The purpose, part of key derivation and associated data. Never reused, never renamed.
    const PURPOSE: &'static str;

    /// The plaintext.
    fn to_bytes(&self) -> Vec<u8>;

    /// The value that a plaintext of ours holds.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// Makes a serde type sealable as JSON under a purpose.
macro_rules! sealed_json {
    ($kind:ty, $purpose:literal) => {
        impl $crate::protocol::seal::Sealable for $kind {
            const PURPOSE: &'static str = $purpose;

            fn to_bytes(&self) -> Vec<u8> {
                $crate::protocol::seal::json_bytes(self)
            }

            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                $crate::protocol::seal::from_json_bytes(bytes)
            }
        }
    };
}
pub(crate) use sealed_json;

/// JSON of a plain value; it cannot fail for the types that are sealed here.
pub fn json_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// The value of a JSON plaintext.
pub fn from_json_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    json::read(bytes).ok()
}

/// Why a sealed value did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Not ours, of another purpose, realm or epoch, or sealed by a key that is gone.
    Bogus,
    /// Its key number is higher than any in our ring: made by a newer deployment that runs beside
    /// this one. The answer is "try again" (503), never "not valid".
    NewerKey,
}

/// Seals and opens for one realm in one epoch.
#[derive(Clone, Copy, Debug)]
pub struct Sealer<'a> {
    /// Root secrets.
    pub ring: &'a KeyRing,
    /// The issuer.
    pub issuer: &'a str,
    /// The realm's epoch; a higher one orphans every seal before it.
    pub epoch: u32,
}

impl Sealer<'_> {
    /// Seals under a random nonce: the same value twice gives two texts.
    pub fn seal<T: Sealable>(&self, value: &T, entropy: &mut dyn Entropy) -> String {
        self.seal_bytes(T::PURPOSE, &value.to_bytes(), random(entropy))
    }

    /// Seals under a nonce that is a MAC of the plaintext: the same value gives the same text, so
    /// it can be made again when an answer was lost.
    pub fn seal_deterministic<T: Sealable>(&self, value: &T) -> String {
        let plaintext = value.to_bytes();
        let mac = self.mac(self.ring.active(), "seal nonce", &[T::PURPOSE.as_bytes(), &plaintext]);
        self.seal_bytes(T::PURPOSE, &plaintext, mac.first_chunk::<24>().copied().unwrap_or_default())
    }

    /// Opens what [`seal`](Self::seal) or [`seal_deterministic`](Self::seal_deterministic) made.
    pub fn open<T: Sealable>(&self, text: &str) -> Result<T, OpenError> {
        let plaintext = self.open_bytes(T::PURPOSE, text)?;
        T::from_bytes(&plaintext).ok_or(OpenError::Bogus)
    }

    /// The key number in front of a sealed text, without opening it.
    pub fn key_number(text: &str) -> Option<u16> {
        match from_base64url(text)?.as_slice() {
            [FORMAT, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// A keyed hash under one key of the ring, for names and budgets that must not be guessable.
    pub fn mac(&self, number: u16, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let key = self.ring.derive(number, label).unwrap_or_default();
        hmac_sha256(&key, parts)
    }

    // Not generic from here on: there are dozens of kinds, and one copy of this for each would be compiled.

    fn open_bytes(&self, purpose: &str, text: &str) -> Result<Vec<u8>, OpenError> {
        if text.len() > MAX_TEXT {
            return Err(OpenError::Bogus);
        }
        let bytes = from_base64url(text).ok_or(OpenError::Bogus)?;
        let [FORMAT, high, low, rest @ ..] = bytes.as_slice() else {
            return Err(OpenError::Bogus);
        };
        let number = u16::from_be_bytes([*high, *low]);
        let (nonce, ciphertext) = rest.split_first_chunk::<24>().ok_or(OpenError::Bogus)?;
        if ciphertext.len() < 16 {
            return Err(OpenError::Bogus);
        }
        if number > self.ring.highest() {
            return Err(OpenError::NewerKey);
        }
        self.cipher(purpose, number)
            .ok_or(OpenError::Bogus)?
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: &self.associated_data(purpose) })
            .map_err(|_| OpenError::Bogus)
    }

    fn seal_bytes(&self, purpose: &str, plaintext: &[u8], nonce: [u8; 24]) -> String {
        let number = self.ring.active();
        let sealed = self.cipher(purpose, number).and_then(|cipher| {
            let payload = Payload { msg: plaintext, aad: &self.associated_data(purpose) };
            cipher.encrypt(&XNonce::from(nonce), payload).ok()
        });
        // The active number is always in the ring and the cipher takes any length we can hold, so
        // the empty text, which opens nowhere, is never made.
        sealed.map_or_else(String::new, |ciphertext| {
            let mut bytes = vec![FORMAT];
            bytes.extend(number.to_be_bytes());
            bytes.extend(nonce);
            bytes.extend(ciphertext);
            base64url(&bytes)
        })
    }

    fn cipher(&self, purpose: &str, number: u16) -> Option<XChaCha20Poly1305> {
        let key = self.ring.derive(number, &format!("seal {purpose}"))?;
        Some(XChaCha20Poly1305::new(&key.into()))
    }

    fn associated_data(&self, purpose: &str) -> Vec<u8> {
        format!("{}\0{}\0{purpose}", self.issuer, self.epoch).into_bytes()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde::Deserialize;

    use super::super::ids::tests::Counted;
    use super::super::keyring::tests::ring;
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct A(String);
    sealed_json!(A, "test a");

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct B(String);
    sealed_json!(B, "test b");

    fn sealer(ring: &KeyRing) -> Sealer<'_> {
        Sealer { ring, issuer: "https://id.example", epoch: 1 }
    }

    #[test]
    fn opens_only_as_what_it_was_sealed_as() {
        let ring = ring();
        let sealer = sealer(&ring);
        let text = sealer.seal(&A("x".into()), &mut Counted(0));
        assert_eq!(sealer.open::<A>(&text), Ok(A("x".into())));
        assert_eq!(sealer.open::<B>(&text), Err(OpenError::Bogus));
        assert_eq!(Sealer { epoch: 2, ..sealer }.open::<A>(&text), Err(OpenError::Bogus));
        assert_eq!(Sealer { issuer: "https://other.example", ..sealer }.open::<A>(&text), Err(OpenError::Bogus));
    }

    #[test]
    fn deterministic_seals_repeat_and_random_ones_do_not() {
        let ring = ring();
        let sealer = sealer(&ring);
        let mut entropy = Counted(0);
        assert_eq!(sealer.seal_deterministic(&A("x".into())), sealer.seal_deterministic(&A("x".into())));
        assert_ne!(sealer.seal_deterministic(&A("x".into())), sealer.seal_deterministic(&A("y".into())));
        assert_ne!(sealer.seal(&A("x".into()), &mut entropy), sealer.seal(&A("x".into()), &mut entropy));
    }

    #[test]
    fn ring_numbers() {
        let ring = ring();
        let text = sealer(&ring).seal(&A("x".into()), &mut Counted(0));
        let zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let old = KeyRing::parse(&format!("1:{zero}"), "1").unwrap();
        assert_eq!(sealer(&old).open::<A>(&text), Err(OpenError::NewerKey));
        // Number 2 dropped, a number 3 known: 2 is gone, not new.
        let newer = KeyRing::parse(&format!("3:{zero}"), "3").unwrap();
        assert_eq!(sealer(&newer).open::<A>(&text), Err(OpenError::Bogus));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let ring = ring();
        let sealer = sealer(&ring);
        let bytes = from_base64url(&sealer.seal(&A("x".into()), &mut Counted(0))).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(sealer.open::<A>(&base64url(&changed)).is_err(), "bit {bit}");
        }
        for garbage in ["", "AQ", "AQAB", "not base64!", &"A".repeat(MAX_TEXT + 4)] {
            assert_eq!(sealer.open::<A>(garbage), Err(OpenError::Bogus));
        }
    }

    #[test]
    fn pinned_format() {
        // A deploy must not orphan what is out there.
        let ring = ring();
        let text = sealer(&ring).seal_deterministic(&A("pinned".into()));
        assert_eq!(text, "AQACRsJKKoPMEwtfd3kxbmqkaj2y3X55asnfM7IVeT_FuAeehSawn89KNZfWEPd_F6xa");
        assert_eq!(
            sealer(&ring).open::<A>("AQACRsJKKoPMEwtfd3kxbmqkaj2y3X55asnfM7IVeT_FuAeehSawn89KNZfWEPd_F6xa"),
            Ok(A("pinned".into()))
        );
    }
}
