//! Seals of the audit log: each finished minute's events under one Merkle root (the tree of RFC 9162 2.1), chained
//! to the seal before and MACed, so that a gap or an edit shows.

use serde::{Deserialize, Serialize};

use super::seal::Sealer;
use super::secret::{base64url, constant_time_eq, sha256};
use super::time::Timestamp;

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Whole minutes since 1970.
    pub minute: i64,
    /// Names it in its minute.
    pub id: String,
    /// When, in milliseconds since 1970.
    pub at: Timestamp,
    /// What happened: `Kind::name`.
    pub kind: String,
    /// Who did it.
    pub actor: String,
    /// The user that it is about.
    pub subject: String,
    /// The client that it is about.
    pub client_id: String,
    /// Where from, coarsely.
    pub place: String,
    /// The request that did it.
    pub request_id: String,
    /// More about it: a JSON object as text, or empty.
    pub detail: String,
}

/// The seal of a minute, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Which minute.
    pub minute: i64,
    /// How many events it had.
    pub events: u32,
    /// Merkle root, base64url.
    pub root: String,
    /// The MAC of the seal before; empty: there was none.
    pub previous: String,
    /// Number of the root secret behind the MAC.
    pub key: u16,
    /// HMAC-SHA-256 over all of it, base64url.
    pub mac: String,
}

impl Seal {
    /// Seals a minute's events, which are ordered by id.
    pub fn new(sealer: &Sealer<'_>, minute: i64, events: &[Stored], previous: &str) -> Self {
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let (root, key) = (root(events), sealer.ring.active());
        let mac = mac(sealer, key, minute, count, &root, previous);
        Self { minute, events: count, root, previous: previous.to_owned(), key, mac }
    }

    /// Whether its MAC is ours; nothing: its root secret is not in the ring any more.
    pub fn is_ours(&self, sealer: &Sealer<'_>) -> Option<bool> {
        sealer.ring.numbers().find(|number| *number == self.key)?;
        let mac = mac(sealer, self.key, self.minute, self.events, &self.root, &self.previous);
        Some(constant_time_eq(mac.as_bytes(), self.mac.as_bytes()))
    }

    /// Whether these are the events that were sealed.
    pub fn holds(&self, events: &[Stored]) -> bool {
        u32::try_from(events.len()) == Ok(self.events) && root(events) == self.root
    }
}

fn mac(sealer: &Sealer<'_>, key: u16, minute: i64, events: u32, root: &str, previous: &str) -> String {
    let parts: [&[u8]; 4] = [&minute.to_be_bytes(), &events.to_be_bytes(), root.as_bytes(), previous.as_bytes()];
    base64url(&sealer.mac(key, "audit seal", &parts))
}

fn root(events: &[Stored]) -> String {
    let leaves: Vec<[u8; 32]> = events.iter().map(leaf).collect();
    base64url(&tree(&leaves))
}

/// Every column in one JSON array: no two events have the same text.
fn leaf(event: &Stored) -> [u8; 32] {
    let Stored { minute, id, at, kind, actor, subject, client_id, place, request_id, detail } = event;
    let columns = (minute, id, at, kind, actor, subject, client_id, place, request_id, detail);
    let mut bytes = vec![0];
    bytes.extend(serde_json::to_vec(&columns).unwrap_or_default());
    sha256(&bytes)
}

/// The tree splits at the largest power of two below its size.
fn tree(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => sha256(&[]),
        [one] => *one,
        many => {
            let half = many.len().div_ceil(2).next_power_of_two();
            let (left, right) = many.split_at(half.min(many.len() - 1));
            let mut bytes = vec![1];
            bytes.extend(tree(left));
            bytes.extend(tree(right));
            sha256(&bytes)
        }
    }
}

/// What is wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// In which minute.
    pub minute: i64,
    /// What: a word.
    pub what: &'static str,
}

/// Looks at a run of seals, in order, and the events of their minutes, in order. `before` is the MAC of the seal
/// before the run. Minutes before `kept_from` may have lost their events: they are past retention.
pub fn findings(sealer: &Sealer<'_>, before: &str, seals: &[Seal], events: &[Stored], kept_from: i64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut previous = before;
    for seal in seals {
        let mut found = |what| findings.push(Finding { minute: seal.minute, what });
        match seal.is_ours(sealer) {
            Some(true) => {}
            Some(false) => found("seal was changed"),
            None => found("root secret of the seal is gone"),
        }
        if seal.previous != previous {
            found("seal before it is missing");
        }
        let from = events.partition_point(|event| event.minute < seal.minute);
        let to = events.partition_point(|event| event.minute <= seal.minute);
        if seal.minute >= kept_from && !seal.holds(events.get(from..to).unwrap_or_default()) {
            found("events were changed");
        }
        previous = &seal.mac;
    }
    let mut unsealed: Vec<i64> = events.iter().map(|event| event.minute).collect();
    unsealed.dedup();
    unsealed.retain(|minute| seals.binary_search_by_key(minute, |seal| seal.minute).is_err());
    findings.extend(unsealed.into_iter().map(|minute| Finding { minute, what: "events without a seal" }));
    findings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::keyring::tests::ring;

    fn event(minute: i64, id: u8) -> Stored {
        let text = |word: &str| word.to_owned();
        Stored {
            minute,
            id: format!("{id:03}"),
            at: Timestamp::from_millis(minute * 60_000),
            kind: text("sign_in"),
            actor: text("u"),
            subject: text("u"),
            client_id: text(""),
            place: text("Bern, CH"),
            request_id: text("r"),
            detail: text(""),
        }
    }

    fn log(sealer: &Sealer<'_>, sizes: &[u8]) -> (Vec<Seal>, Vec<Stored>) {
        let (mut seals, mut events): (Vec<Seal>, Vec<Stored>) = (Vec::new(), Vec::new());
        for (minute, size) in (100..).zip(sizes) {
            let of_minute: Vec<Stored> = (0..*size).map(|id| event(minute, id)).collect();
            let previous = seals.last().map(|seal| seal.mac.clone()).unwrap_or_default();
            seals.push(Seal::new(sealer, minute, &of_minute, &previous));
            events.extend(of_minute);
        }
        (seals, events)
    }

    #[test]
    fn the_tree_is_the_one_of_rfc_9162() {
        let leaves: Vec<[u8; 32]> = (0..7).map(|n| sha256(&[n])).collect();
        let node = |a: [u8; 32], b: [u8; 32]| sha256(&[&[1][..], &a, &b].concat());
        let l = |n: usize| leaves[n];
        let four = node(node(l(0), l(1)), node(l(2), l(3)));
        assert_eq!(tree(&leaves[..3]), node(node(l(0), l(1)), l(2)));
        assert_eq!(tree(&leaves[..5]), node(four, l(4)));
        assert_eq!(tree(&leaves), node(four, node(node(l(4), l(5)), l(6))));
        assert_eq!(tree(&leaves[..4]), four);
    }

    proptest! {
        #[test]
        fn an_untouched_log_is_fine_and_any_touch_shows(
            sizes in proptest::collection::vec(1u8..6, 1..6), at in any::<prop::sample::Index>(), touch in 0u8..7
        ) {
            let ring = ring();
            let sealer = Sealer { ring: &ring, issuer: "https://id.example", epoch: 1 };
            let (mut seals, mut events) = log(&sealer, &sizes);
            prop_assert_eq!(findings(&sealer, "", &seals, &events, 0), vec![]);
            let (seal, hit) = (at.index(seals.len()), at.index(events.len()));
            match touch {
                0 => events[hit].actor.push('x'),
                1 => drop(events.remove(hit)),
                2 => events.insert(hit, Stored { id: "0000".to_owned(), ..events[hit].clone() }),
                3 => seals[seal].events += 1,
                4 => seals[seal].mac = base64url(&[7; 32]),
                5 => events.push(event(999, 1)),
                _ if seals.len() > 1 && seal + 1 < seals.len() => {
                    let gone = seals.remove(seal);
                    events.retain(|event| event.minute != gone.minute);
                }
                _ => seals[seal].root = base64url(&[7; 32]),
            }
            prop_assert!(!findings(&sealer, "", &seals, &events, 0).is_empty());
        }

        #[test]
        fn what_is_past_retention_may_be_gone(sizes in proptest::collection::vec(1u8..6, 2..6)) {
            let ring = ring();
            let sealer = Sealer { ring: &ring, issuer: "https://id.example", epoch: 1 };
            let (seals, mut events) = log(&sealer, &sizes);
            events.retain(|event| event.minute > 100);
            prop_assert_eq!(findings(&sealer, "", &seals, &events, 101), vec![]);
            prop_assert!(!findings(&sealer, "", &seals, &events, 100).is_empty());
        }
    }
}
