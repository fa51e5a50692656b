//! Signing keys in time: four instants per key, decided when it is made, and states computed from
//! `now`, never stored.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::config::Settings;
use super::jose::Alg;
use super::seal::sealed_json;
use super::secret::{base64url, sha256};
use super::time::{Seconds, Timestamp};

/// Longest life of an access token, in seconds: a key must verify for so long after it last signed.
const LONGEST_TOKEN: Seconds = Seconds(3600);
/// How stale a reader of the JWKS may be besides its `max-age`: KV and an isolate's memory.
const STALENESS: Seconds = Seconds(300);

/// When a key does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// In the JWKS from here.
    pub publish: Timestamp,
    /// Signs from here.
    pub sign_from: Timestamp,
    /// Signs until here.
    pub sign_until: Timestamp,
    /// Out of the JWKS from here.
    pub remove_at: Timestamp,
}

impl Schedule {
    /// The first key: signs at once, for nobody has an older JWKS. It counts from a little before it was
    /// made, or a request elsewhere that began a moment earlier would find a realm without keys.
    pub const fn first(now: Timestamp, settings: &Settings) -> Self {
        let before = now.minus(STALENESS);
        Self { publish: before, sign_from: before, ..Self::signing_from(now, now, settings) }
    }

    /// A successor: published now, signing after everybody can have seen it.
    pub const fn successor(now: Timestamp, settings: &Settings) -> Self {
        Self::signing_from(now, now.plus(Seconds(settings.key_publish_lead)), settings)
    }

    const fn signing_from(publish: Timestamp, sign_from: Timestamp, settings: &Settings) -> Self {
        let sign_until = sign_from.plus(Seconds(settings.key_sign_for));
        Self { publish, sign_from, sign_until, remove_at: removal(sign_until, settings) }
    }

    /// Whether it is in the JWKS.
    pub fn is_published(&self, now: Timestamp) -> bool {
        self.publish <= now && now < self.remove_at
    }

    /// Whether it may sign.
    pub fn may_sign(&self, now: Timestamp) -> bool {
        self.sign_from <= now && now < self.sign_until
    }
}

/// When a key that signs until `sign_until` may leave the JWKS.
pub const fn removal(sign_until: Timestamp, settings: &Settings) -> Timestamp {
    sign_until.plus(LONGEST_TOKEN).plus(Seconds(settings.jwks_max_age)).plus(STALENESS)
}

/// A key's row without its private half.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRecord {
    /// Algorithm; keys of one algorithm succeed each other.
    pub alg: Alg,
    /// Number within the algorithm, from 1: two Workers that make the same successor make one.
    pub number: u32,
    /// `kid`: the RFC 7638 thumbprint.
    pub kid: String,
    /// Public JWK.
    pub public_jwk: Value,
    /// The four instants.
    pub schedule: Schedule,
}

/// A private key as it is sealed into its row: a JWK.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrappedKey {
    /// The private JWK.
    pub jwk: Value,
}
sealed_json!(WrappedKey, "signing key");

/// The key that signs for an algorithm: of those that may, the newest.
pub fn signer<'a>(keys: impl IntoIterator<Item = &'a KeyRecord>, alg: Alg, now: Timestamp) -> Option<&'a KeyRecord> {
    keys.into_iter().filter(|key| key.alg == alg && key.schedule.may_sign(now)).max_by_key(|key| key.number)
}

/// The JWK Set (RFC 7517 5): public members only, a distinct `kid` each.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a KeyRecord>, now: Timestamp) -> Value {
    let mut published: Vec<&KeyRecord> = keys.into_iter().filter(|key| key.schedule.is_published(now)).collect();
    published.sort_by_key(|key| (key.alg, key.number));
    let keys: Vec<Value> = published
        .into_iter()
        .map(|key| {
            let mut jwk = key.public_jwk.clone();
            if let Some(members) = jwk.as_object_mut() {
                members.insert("kid".to_owned(), key.kid.clone().into());
                members.insert("alg".to_owned(), key.alg.name().into());
                members.insert("use".to_owned(), "sig".into());
            }
            jwk
        })
        .collect();
    json!({ "keys": keys })
}

/// The public members of a JWK of ours, and nothing else, whatever else was exported.
pub fn public_members(jwk: &Value) -> Value {
    let names: &[&str] = match jwk.get("kty").and_then(Value::as_str) {
        Some("RSA") => &["kty", "n", "e"],
        Some("OKP") => &["kty", "crv", "x"],
        _ => &["kty", "crv", "x", "y"],
    };
    names.iter().filter_map(|name| Some(((*name).to_owned(), jwk.get(name)?.clone()))).collect::<serde_json::Map<_, _>>().into()
}

/// RFC 7638 thumbprint of a public JWK: its `kid`. The canonical form is the required members in
/// lexicographic order, which is how `serde_json` keeps them (its `preserve_order` is off).
pub fn thumbprint(jwk: &Value) -> String {
    base64url(&sha256(public_members(jwk).to_string().as_bytes()))
}

/// What the cron has to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chore {
    /// Make key `number` of `alg`; its predecessor ends soon.
    Create {
        /// Algorithm.
        alg: Alg,
        /// Number.
        number: u32,
        /// Its instants.
        schedule: Schedule,
    },
    /// Readers cannot have seen this key yet: let it sign later, and its predecessor meanwhile.
    Postpone {
        /// Algorithm.
        alg: Alg,
        /// Number.
        number: u32,
        /// Its new instants.
        schedule: Schedule,
    },
    /// Keep signing until the successor does.
    Extend {
        /// Algorithm.
        alg: Alg,
        /// Number.
        number: u32,
        /// Until when it signs.
        sign_until: Timestamp,
        /// When it leaves the JWKS.
        remove_at: Timestamp,
    },
}

/// What is to be done about the keys at `now`, given the `kid`s that readers of KV see.
///
/// A successor is made when the newest key has less than two leads to sign. One that waits for its
/// turn and cannot be read back is postponed by a whole lead, and whoever signs before it signs on.
pub fn chores(keys: &[KeyRecord], seen: &[String], settings: &Settings, now: Timestamp) -> Vec<Chore> {
    let lead = Seconds(settings.key_publish_lead);
    let mut chores = Vec::new();
    for alg in Alg::ALL {
        let mut of_alg: Vec<&KeyRecord> = keys.iter().filter(|key| key.alg == alg).collect();
        of_alg.sort_by_key(|key| key.number);
        let Some(newest) = of_alg.last() else {
            if !Alg::ALWAYS.contains(&alg) {
                continue;
            }
            chores.push(Chore::Create { alg, number: 1, schedule: Schedule::first(now, settings) });
            continue;
        };
        let mut takes_over_at = None;
        if newest.schedule.sign_from > now {
            let mut sign_from = newest.schedule.sign_from;
            if !seen.contains(&newest.kid) && sign_from < now.plus(lead) {
                sign_from = now.plus(lead);
                let schedule = Schedule::signing_from(newest.schedule.publish, sign_from, settings);
                chores.push(Chore::Postpone { alg, number: newest.number, schedule });
            }
            takes_over_at = Some(sign_from);
        } else if now.plus(lead).plus(lead) >= newest.schedule.sign_until {
            let schedule = Schedule::successor(now, settings);
            takes_over_at = Some(schedule.sign_from);
            chores.push(Chore::Create { alg, number: newest.number.saturating_add(1), schedule });
        }
        // Whoever signs until the newest one does must do so a little past the hand-over, for
        // isolates read the rows at different times.
        let signing = of_alg.iter().rev().find(|key| key.schedule.sign_from <= now);
        if let (Some(takes_over_at), Some(signing)) = (takes_over_at, signing) {
            let sign_until = takes_over_at.plus(STALENESS);
            if signing.schedule.sign_until < sign_until {
                chores.push(Chore::Extend { alg, number: signing.number, sign_until, remove_at: removal(sign_until, settings) });
            }
        }
    }
    chores
}

/// Algorithm and number of the keys to make so that each algorithm has one that waits for its turn.
pub fn successors(keys: &[KeyRecord], now: Timestamp) -> Vec<(Alg, u32)> {
    let newest = |alg: Alg| keys.iter().filter(|key| key.alg == alg).max_by_key(|key| key.number);
    let lacks = |key: &&KeyRecord| key.schedule.sign_from <= now;
    Alg::ALL.into_iter().filter_map(newest).filter(lacks).map(|key| (key.alg, key.number.saturating_add(1))).collect()
}

/// The number of the key that has to sign in the place of one that is removed, if no other may.
pub fn replacement(keys: &[KeyRecord], removed: &KeyRecord, now: Timestamp) -> Option<u32> {
    let of_alg = || keys.iter().filter(|key| key.alg == removed.alg);
    let is_needed = removed.schedule.may_sign(now) && !of_alg().any(|key| key.kid != removed.kid && key.schedule.may_sign(now));
    is_needed.then(|| of_alg().map(|key| key.number).max().unwrap_or_default().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::with;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000_000 + seconds * 1000)
    }

    fn key(alg: Alg, number: u32, schedule: Schedule) -> KeyRecord {
        KeyRecord { alg, number, kid: format!("{}-{number}", alg.name()), public_jwk: json!({}), schedule }
    }

    /// Applies chores the way the store does.
    fn apply(keys: &mut Vec<KeyRecord>, chores: Vec<Chore>) {
        for chore in chores {
            match chore {
                Chore::Create { alg, number, schedule } => keys.push(key(alg, number, schedule)),
                Chore::Postpone { alg, number, schedule } => {
                    let key = keys.iter_mut().find(|k| k.alg == alg && k.number == number).unwrap();
                    key.schedule = schedule;
                }
                Chore::Extend { alg, number, sign_until, remove_at } => {
                    let key = keys.iter_mut().find(|k| k.alg == alg && k.number == number).unwrap();
                    key.schedule = Schedule { sign_until, remove_at, ..key.schedule };
                }
            }
        }
    }

    #[test]
    fn rfc_7638_example() {
        let jwk = json!({
            "kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "d": "private",
        });
        assert_eq!(thumbprint(&jwk), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(public_members(&jwk).as_object().unwrap().len(), 3);
    }

    /// Runs the cron every five minutes for three months. `visible_after` is how many runs a new key needs
    /// until it can be read back.
    fn run_a_quarter(visible_after: usize) {
        let settings = with(&[("KEY_SIGN_FOR", "604800")]).unwrap().settings;
        let mut keys = Vec::new();
        let mut made_in: Vec<(String, usize)> = Vec::new();
        apply(&mut keys, chores(&[], &[], &settings, at(0)));
        assert_eq!(keys.len(), Alg::ALWAYS.len());
        // A client wants another algorithm.
        keys.push(key(Alg::EdDSA, 1, Schedule::first(at(0), &settings)));
        let mut signed_by: Vec<(String, Timestamp)> = Vec::new();
        for run in 0..26_280_usize {
            let now = at(i64::try_from(run).unwrap() * 300);
            for k in &keys {
                if !made_in.iter().any(|(kid, _)| *kid == k.kid) {
                    made_in.push((k.kid.clone(), run));
                }
            }
            let seen: Vec<String> =
                made_in.iter().filter(|(_, at)| at + visible_after <= run).map(|(kid, _)| kid.clone()).collect();
            let todo = chores(&keys, &seen, &settings, now);
            apply(&mut keys, todo);
            for alg in [Alg::ES256, Alg::RS256, Alg::EdDSA] {
                let signer = signer(&keys, alg, now).unwrap_or_else(|| panic!("nobody signs {alg:?} at run {run}"));
                assert!(signer.schedule.is_published(now));
                assert!(
                    run < 2 || signer.number == 1 || seen.contains(&signer.kid),
                    "a key signed that nobody could see, at run {run}"
                );
                signed_by.retain(|(kid, _)| *kid != signer.kid);
                signed_by.push((signer.kid.clone(), now));
            }
            // Whatever signed within the last hour still verifies.
            for (kid, last) in signed_by.iter().filter(|(_, last)| now.since(*last) <= LONGEST_TOKEN.millis()) {
                let key = keys.iter().find(|k| k.kid == *kid).unwrap();
                assert!(key.schedule.is_published(now), "{kid} signed at {last:?} and is gone at run {run}");
            }
            keys.retain(|k| k.schedule.remove_at.plus(Seconds(86_400)) > now);
        }
        assert!(made_in.len() > 25, "{}", made_in.len());
    }

    #[test]
    fn a_quarter_of_rotations_without_a_gap() {
        run_a_quarter(1);
    }

    #[test]
    fn a_quarter_of_rotations_with_a_slow_kv() {
        run_a_quarter(30);
    }

    #[test]
    fn a_cron_that_slept_for_months_does_not_stop_the_realm() {
        let settings = with(&[]).unwrap().settings;
        let mut keys = Vec::new();
        apply(&mut keys, chores(&[], &[], &settings, at(0)));
        let late = at(90 * 86_400);
        assert!(signer(&keys, Alg::ES256, late).is_none());
        let todo = chores(&keys, &["ES256-1".into()], &settings, late);
        apply(&mut keys, todo);
        assert_eq!(signer(&keys, Alg::ES256, late).unwrap().number, 1, "the old key signs on until the new one may");
        assert_eq!(signer(&keys, Alg::ES256, late.plus(Seconds(3600))).unwrap().number, 2);
    }

    #[test]
    fn the_set_has_public_members_only() {
        let settings = with(&[]).unwrap().settings;
        let mut k = key(Alg::ES256, 1, Schedule::first(at(0), &settings));
        k.public_jwk =
            public_members(&json!({"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "d": "secret", "key_ops": ["sign"]}));
        let set = jwks([&k], at(1));
        assert_eq!(
            set,
            json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "alg": "ES256", "use": "sig", "kid": "ES256-1"}]})
        );
    }

    #[test]
    fn each_algorithm_gets_one_successor_and_a_removed_signer_a_replacement() {
        let settings = with(&[]).unwrap().settings;
        let first = Schedule::first(at(0), &settings);
        let mut keys = vec![key(Alg::ES256, 1, first), key(Alg::RS256, 3, first)];
        assert_eq!(successors(&keys, at(1)), [(Alg::ES256, 2), (Alg::RS256, 4)]);
        assert_eq!(replacement(&keys, &keys[0], at(1)), Some(2));
        keys.push(key(Alg::ES256, 2, Schedule::successor(at(1), &settings)));
        assert_eq!(successors(&keys, at(2)), [(Alg::RS256, 4)]);
        // The successor does not sign yet, so the one to come stands above it; removing it leaves the signer.
        assert_eq!(replacement(&keys, &keys[0], at(2)), Some(3));
        assert_eq!(replacement(&keys, &keys[2], at(2)), None);
    }
}
