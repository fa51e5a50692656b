//! Random values of the realm that outlive the key ring, which only wraps them.

use super::ids::{Entropy, random};
use super::seal::Sealable;
use super::secret::{Secret, hmac_sha256};

/// Such a value: made once and kept for ever.
#[derive(Clone, Debug)]
pub struct Salt(Secret<[u8; 32]>);

impl Salt {
    /// A new one.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self(Secret::new(random(entropy)))
    }

    /// A keyed hash that stays the same for ever.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        hmac_sha256(self.0.expose(), parts)
    }
}

impl Sealable for Salt {
    const PURPOSE: &'static str = "salt";

    fn to_bytes(&self) -> Vec<u8> {
        self.0.expose().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Secret::new).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::tests::Counted;
    use super::*;

    #[test]
    fn round_trips_and_hashes() {
        let salt = Salt::generate(&mut Counted(0));
        let again = Salt::from_bytes(&salt.to_bytes()).unwrap();
        assert_eq!(salt.mac(&[b"a"]), again.mac(&[b"a"]));
        assert_ne!(salt.mac(&[b"a"]), Salt::generate(&mut Counted(1)).mac(&[b"a"]));
        assert!(Salt::from_bytes(&[0; 31]).is_none());
    }
}
