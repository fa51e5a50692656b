//! What may be used once: RFC 7523 3 (7), RFC 9449 11.1. Decided in an object, one claim at a time.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// Somebody wants to be the one who uses something.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claim {
    /// What: a keyed hash of its kind, its issuer and its id.
    pub key: String,
    /// After this it is refused without asking here.
    pub expires_at: Timestamp,
    /// Random: a claim whose answer was lost is made again with the same one, and is the first again.
    pub attempt: String,
}

/// What is stored of a claim that was the first.
#[derive(Debug, Serialize, Deserialize)]
pub struct Mark {
    /// Whose it was.
    pub attempt: String,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

/// Whether the claim is the first, and what to store if it is a new one.
pub fn decide(stored: Option<&Mark>, claim: &Claim, now: Timestamp) -> (bool, Option<Mark>) {
    match stored {
        Some(mark) if now < mark.expires_at => (mark.attempt == claim.attempt, None),
        _ => (true, Some(Mark { attempt: claim.attempt.clone(), expires_at: claim.expires_at })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_wins_until_it_is_forgotten() {
        let at = Timestamp::from_millis;
        let claim = |attempt: &str| Claim { key: "k".into(), expires_at: at(100), attempt: attempt.into() };
        let (is_first, mark) = decide(None, &claim("a"), at(0));
        assert!(is_first);
        let mark = mark.unwrap();
        assert!(matches!(decide(Some(&mark), &claim("a"), at(99)), (true, None)), "our own, sent again");
        assert!(matches!(decide(Some(&mark), &claim("b"), at(99)), (false, None)));
        assert!(matches!(decide(Some(&mark), &claim("b"), at(100)), (true, Some(_))));
    }
}
