//! Refresh families as properties of `refresh::verdict`, applied the way the store applies them.

use latchkey::protocol::refresh::{Family, Gate, Policy, Verdict, Why, verdict};
use latchkey::protocol::time::{Seconds, Timestamp};
use proptest::prelude::*;

const OPEN: Gate = Gate { user_enabled: true, client_enabled: true, after_not_before: true, consented: true };
const POLICY: Policy =
    Policy { grace: Seconds(60), idle: Seconds(1_000_000), absolute: Seconds(10_000_000), trusts_ahead: false };
const START: i64 = 1_800_000_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START + seconds * 1000)
}

fn family() -> Family {
    Family { client: "c".into(), generation: 0, rotated_at: at(0), created_at: at(0), revoked_at: None }
}

/// Presents a generation; `Some` is the generation of the token answered.
fn present(family: &mut Family, gate: Gate, client: &str, generation: u32, now: Timestamp) -> Option<u32> {
    match verdict(family, &gate, client, generation, POLICY, now) {
        Verdict::Rotate => {
            family.generation += 1;
            family.rotated_at = now;
            Some(family.generation)
        }
        Verdict::Repeat => Some(family.generation),
        Verdict::Theft => {
            family.revoked_at = Some(now);
            None
        }
        Verdict::Adopt | Verdict::Refuse(_) => None,
    }
}

proptest! {
    /// Two holders of one token, in any order and pace.
    #[test]
    fn a_stolen_token_is_found_or_useless(moves in prop::collection::vec((0..2usize, 0..120i64), 1..60)) {
        let mut family = family();
        let mut held = [0u32, 0];
        let mut now = 0;
        for (who, pause) in moves {
            now += pause;
            let (generation, before) = (held[who], family.clone());
            let answered = present(&mut family, OPEN, "c", generation, at(now));
            if generation + 1 < before.generation {
                prop_assert_eq!(answered, None, "g < G-1 never yields a token");
            }
            if before.revoked_at.is_some() {
                prop_assert_eq!(answered, None, "after theft nothing rotates");
                prop_assert_eq!(&family, &before);
            }
            if let Some(generation) = answered {
                held[who] = generation;
            }
        }
    }

    #[test]
    fn a_generation_ahead_revokes_nothing(generation in 0..1000u32, ahead in 1..1000u32, now in 0..10_000i64) {
        // A database restored to before the rotation.
        let mut family = Family { generation, ..family() };
        let before = family.clone();
        prop_assert_eq!(present(&mut family, OPEN, "c", generation + ahead, at(now)), None);
        prop_assert_eq!(&family, &before);
        prop_assert_eq!(verdict(&family, &OPEN, "c", generation + ahead, POLICY, at(now)), Verdict::Refuse(Why::Ahead));
    }

    #[test]
    fn a_foreign_client_causes_no_verdict(generation in 0..10u32, presented in 0..20u32, now in 0..10_000i64) {
        let family = Family { generation, ..family() };
        prop_assert_eq!(verdict(&family, &OPEN, "x", presented, POLICY, at(now)), Verdict::Refuse(Why::ForeignClient));
    }

    #[test]
    fn one_honest_holder_is_never_signed_out(pauses in prop::collection::vec((0..5_000i64, any::<bool>()), 1..60)) {
        // Answers get lost; the holder retries with the token that it has within the grace window.
        let mut family = family();
        let (mut held, mut now) = (0, 0);
        for (pause, lost) in pauses {
            now += pause;
            let answered = present(&mut family, OPEN, "c", held, at(now));
            prop_assert!(answered.is_some());
            if lost {
                now += 59;
                let again = present(&mut family, OPEN, "c", held, at(now));
                prop_assert_eq!(again, answered, "the same token, byte for byte");
            }
            held = answered.unwrap();
        }
    }
}

#[test]
fn the_grace_window_is_exact() {
    let family = Family { generation: 1, rotated_at: at(100), ..family() };
    let verdict = |now| verdict(&family, &OPEN, "c", 0, POLICY, now);
    assert_eq!(verdict(at(100)), Verdict::Repeat);
    assert_eq!(verdict(at(160)), Verdict::Repeat);
    assert_eq!(verdict(Timestamp::from_millis(at(160).millis() + 1)), Verdict::Theft);
}

#[test]
fn each_part_of_the_gate_shuts_it() {
    for (gate, why) in [
        (Gate { user_enabled: false, ..OPEN }, Why::UserDisabled),
        (Gate { client_enabled: false, ..OPEN }, Why::ClientDisabled),
        (Gate { after_not_before: false, ..OPEN }, Why::SignedOutEverywhere),
        (Gate { consented: false, ..OPEN }, Why::ConsentWithdrawn),
    ] {
        assert_eq!(verdict(&family(), &gate, "c", 0, POLICY, at(1)), Verdict::Refuse(why));
    }
}

#[test]
fn theft_is_found_though_the_gate_is_shut() {
    let shut = Gate { user_enabled: false, ..OPEN };
    let family = Family { generation: 5, ..family() };
    assert_eq!(verdict(&family, &shut, "c", 3, POLICY, at(1)), Verdict::Theft);
}

#[test]
fn lifetimes_end() {
    let policy = Policy { grace: Seconds(60), idle: Seconds(100), absolute: Seconds(1000), trusts_ahead: false };
    let used = Family { rotated_at: at(950), generation: 9, ..family() };
    assert_eq!(verdict(&family(), &OPEN, "c", 0, policy, at(99)), Verdict::Rotate);
    assert_eq!(verdict(&family(), &OPEN, "c", 0, policy, at(100)), Verdict::Refuse(Why::Idle));
    assert_eq!(verdict(&used, &OPEN, "c", 9, policy, at(999)), Verdict::Rotate);
    assert_eq!(verdict(&used, &OPEN, "c", 9, policy, at(1000)), Verdict::Refuse(Why::TooOld));
}

#[test]
fn the_last_generation_does_not_wrap() {
    let family = Family { generation: u32::MAX, ..family() };
    assert_eq!(verdict(&family, &OPEN, "c", 0, POLICY, at(1)), Verdict::Theft);
}

/// After a restored backup, where the operator trusts what is ahead: gate and lifetimes come first, and the last
/// generation of all, which could not be rotated, is never taken.
#[test]
fn what_is_ahead_is_taken_where_that_is_trusted() {
    let policy = Policy { trusts_ahead: true, ..POLICY };
    let ask = |family: &Family, gate: Gate, generation, now| verdict(family, &gate, "c", generation, policy, now);
    for generation in [1, 7, u32::MAX - 1] {
        assert_eq!(ask(&family(), OPEN, generation, at(1)), Verdict::Adopt);
        assert_eq!(verdict(&family(), &OPEN, "c", generation, POLICY, at(1)), Verdict::Refuse(Why::Ahead));
    }
    assert_eq!(ask(&family(), OPEN, u32::MAX, at(1)), Verdict::Refuse(Why::Ahead));
    assert_eq!(verdict(&family(), &OPEN, "d", 7, policy, at(1)), Verdict::Refuse(Why::ForeignClient));
    assert_eq!(ask(&family(), Gate { user_enabled: false, ..OPEN }, 7, at(1)), Verdict::Refuse(Why::UserDisabled));
    assert_eq!(ask(&family(), OPEN, 7, at(1_000_000)), Verdict::Refuse(Why::Idle));
    assert_eq!(ask(&family(), OPEN, 7, at(10_000_000)), Verdict::Refuse(Why::TooOld));
    let revoked = Family { revoked_at: Some(at(0)), ..family() };
    assert_eq!(ask(&revoked, OPEN, 7, at(1)), Verdict::Refuse(Why::Revoked));
    // It changes nothing for all others.
    assert_eq!(ask(&family(), OPEN, 0, at(1)), Verdict::Rotate);
    let later = Family { generation: 5, ..family() };
    assert_eq!((ask(&later, OPEN, 4, at(1)), ask(&later, OPEN, 3, at(1))), (Verdict::Repeat, Verdict::Theft));
}
