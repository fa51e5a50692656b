//! The code that a person types: RFC 8628 6.1.

use super::ids::Entropy;
use super::seal::Sealer;
use super::secret::base64url;

/// No vowels (no words), no digits or letters that are mistaken for each other: 20^8 = 2.56e10
/// codes, 34.5 bits.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// A user code: eight letters of the alphabet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCode(String);

impl UserCode {
    /// A uniform draw, by rejection sampling.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        let mut code = String::with_capacity(8);
        while code.len() < 8 {
            let mut bytes = [0; 16];
            entropy.fill(&mut bytes);
            // 240 is the largest multiple of 20 in a byte; what is above would favour some letters.
            let letters = bytes.iter().filter(|byte| **byte < 240).filter_map(|byte| ALPHABET.get(usize::from(byte % 20)));
            code.extend(letters.take(8 - code.len()).map(|letter| char::from(*letter)));
        }
        Self(code)
    }

    /// What a person typed: any case, any spacing and dashes, nothing else.
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > 64 {
            return None;
        }
        let code: String = typed
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '_' | '.'))
            .map(|c| c.to_ascii_uppercase())
            .collect();
        (code.len() == 8 && code.bytes().all(|byte| ALPHABET.contains(&byte))).then_some(Self(code))
    }

    /// As shown: `XXXX-XXXX`.
    pub fn display(&self) -> String {
        let (left, right) = self.0.split_at_checked(4).unwrap_or_default();
        format!("{left}-{right}")
    }

    /// The name of the flow that this code belongs to, if it was made under key `number`: a keyed
    /// hash, so that codes are stored nowhere and names cannot be computed by a stranger.
    pub fn flow_name(&self, sealer: &Sealer<'_>, number: u16) -> String {
        let mac = sealer.mac(number, "device flow name", &[sealer.issuer.as_bytes(), self.0.as_bytes()]);
        base64url(mac.first_chunk::<16>().unwrap_or(&[0; 16]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let code = UserCode::parse("WDJB-MJHT").unwrap();
        for typed in ["wdjbmjht", " W D J B m j h t ", "wdjb\u{2013}mjht", "WDJB_MJHT", "w-d-j-b-m-j-h-t"] {
            assert_eq!(UserCode::parse(typed), Some(code.clone()), "{typed}");
        }
        assert_eq!(code.display(), "WDJB-MJHT");
        for typed in ["", "WDJB-MJH", "WDJB-MJHTX", "ADJB-MJHT", "WDJB-MJH0", "WDJB/MJHT", &"-".repeat(65)] {
            assert_eq!(UserCode::parse(typed), None, "{typed}");
        }
    }

    #[test]
    fn draws_are_uniform() {
        // A hash counter as entropy: 40,000 letters, 2,000 of each expected, standard deviation 44.
        struct Hashed(u64);
        impl Entropy for Hashed {
            fn fill(&mut self, bytes: &mut [u8]) {
                self.0 += 1;
                let hash = super::super::secret::sha256(&self.0.to_be_bytes());
                bytes.copy_from_slice(&hash[..bytes.len()]);
            }
        }
        let mut counts = [0u32; 20];
        let mut entropy = Hashed(0);
        for _ in 0..5_000 {
            for byte in UserCode::generate(&mut entropy).0.bytes() {
                counts[ALPHABET.iter().position(|b| *b == byte).unwrap()] += 1;
            }
        }
        assert!(counts.iter().all(|count| (1_780..2_220).contains(count)), "{counts:?}");
    }
}
