//! The realm's root secrets: a numbered ring, so that one can be replaced while tokens live on.
//!
//! Nothing that must outlive the ring is derived from it.

use hkdf::Hkdf;
use sha2::Sha256;

use super::secret::{Secret, from_base64url};

/// Most root secrets that may be given.
const MAX_KEYS: usize = 8;

/// Root secrets by number. The active one seals, all of them open.
#[derive(Clone, Debug)]
pub struct KeyRing {
    keys: Vec<(u16, Secret<[u8; 32]>)>,
    active: u16,
}

impl KeyRing {
    /// Parses `LATCHKEY_KEYS` (`2:<32 bytes base64url>,1:..`) and `LATCHKEY_KEY_ACTIVE` (`2`).
    /// The faults never quote a secret.
    pub fn parse(keys: &str, active: &str) -> Result<Self, Vec<String>> {
        let mut ring = Self { keys: Vec::new(), active: 0 };
        let mut faults = Vec::new();
        for (place, entry) in keys.split(',').map(str::trim).enumerate() {
            let parsed = entry.split_once(':').and_then(|(number, key)| {
                let number: u16 = number.parse().ok().filter(|number| *number > 0)?;
                Some((number, from_base64url(key)?.try_into().ok()?))
            });
            match parsed {
                None => faults.push(format!("LATCHKEY_KEYS: entry {} is not <number from 1>:<32 bytes in base64url>", place + 1)),
                Some((number, _)) if ring.keys.iter().any(|(n, _)| *n == number) => {
                    faults.push(format!("LATCHKEY_KEYS: number {number} is given twice"));
                }
                Some((number, key)) => ring.keys.push((number, Secret::new(key))),
            }
        }
        if ring.keys.len() > MAX_KEYS {
            faults.push(format!("LATCHKEY_KEYS: more than {MAX_KEYS} keys"));
        }
        match active.trim().parse() {
            Ok(number) if ring.keys.iter().any(|(n, _)| *n == number) => ring.active = number,
            _ => faults.push("LATCHKEY_KEY_ACTIVE: not the number of a key in LATCHKEY_KEYS".to_owned()),
        }
        if faults.is_empty() { Ok(ring) } else { Err(faults) }
    }

    /// The number that seals.
    pub const fn active(&self) -> u16 {
        self.active
    }

    /// The highest number known. A higher one was made by a newer version of the configuration.
    pub fn highest(&self) -> u16 {
        self.keys.iter().map(|(number, _)| *number).max().unwrap_or(0)
    }

    /// All numbers, the active one first: what to try when a number is not written down.
    pub fn numbers(&self) -> impl Iterator<Item = u16> {
        let others = self.keys.iter().map(|(number, _)| *number).filter(|number| *number != self.active);
        std::iter::once(self.active).chain(others)
    }

    /// A 256-bit key for one purpose, by HKDF-SHA-256 (RFC 5869), or nothing for a number that is
    /// not in the ring.
    pub fn derive(&self, number: u16, label: &str) -> Option<[u8; 32]> {
        let (_, root) = self.keys.iter().find(|(n, _)| *n == number)?;
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(b"latchkey"), root.expose()).expand(label.as_bytes(), &mut key).ok()?;
        Some(key)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const OTHER: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    pub fn ring() -> KeyRing {
        KeyRing::parse(&format!("2:{OTHER},1:{KEY}"), "2").unwrap()
    }

    #[test]
    fn parses_and_derives() {
        let ring = ring();
        assert_eq!((ring.active(), ring.highest()), (2, 2));
        assert_eq!(ring.numbers().collect::<Vec<_>>(), [2, 1]);
        assert_ne!(ring.derive(1, "a"), ring.derive(1, "b"));
        assert_ne!(ring.derive(1, "a"), ring.derive(2, "a"));
        assert_eq!(ring.derive(3, "a"), None);
        assert!(!format!("{ring:?}").contains("[0, 0"));
    }

    #[test]
    fn every_fault_is_listed() {
        let faults = KeyRing::parse(&format!("0:{KEY},x,3:AAAA,1:{KEY},1:{KEY}"), "9").unwrap_err();
        assert_eq!(faults.len(), 5, "{faults:?}");
        assert!(!faults.join(" ").contains(KEY));
        assert!(KeyRing::parse("", "").is_err());
    }
}
