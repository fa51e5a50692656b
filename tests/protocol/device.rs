//! RFC 8628 as properties of `device::step`.

use latchkey::protocol::device::{Answer, Approval, Flow, MAX_INTERVAL, Message, Pace, State, collectable, step};
use latchkey::protocol::ids::{Entropy, OwnedId, UserId};
use latchkey::protocol::refresh::{Family, Gate, Why};
use latchkey::protocol::scope::Scope;
use latchkey::protocol::secret::SecretHash;
use latchkey::protocol::time::{Seconds, Timestamp};
use proptest::prelude::*;

struct Counted(u8);

impl Entropy for Counted {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

const START: i64 = 1_800_000_000_000;
const LIFETIME: Seconds = Seconds(600);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

fn user(seed: u8) -> UserId {
    UserId::generate(&mut Counted(seed))
}

fn flow() -> Flow {
    Flow {
        instance: "i".into(),
        client: "c".into(),
        secret: SecretHash::of(b"s"),
        scope: Scope::parse("openid records:read").unwrap(),
        resources: Vec::new(),
        place: String::new(),
        created_at: Timestamp::EPOCH,
        expires_at: Timestamp::EPOCH,
        approval_margin: Seconds(30),
        repeat: Seconds(120),
        state: State::Pending { interval: Seconds(5) },
    }
}

fn poll() -> Message {
    // Each poll is its own attempt.
    static ATTEMPTS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let attempt = ATTEMPTS.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
    Message::Poll { client: "c".into(), secret: SecretHash::of(b"s"), attempt }
}

fn approve(seed: u8) -> Message {
    let user = user(seed);
    Message::Approve {
        instance: "i".into(),
        approval: Approval {
            grant: OwnedId::generate(&user, &mut Counted(seed.wrapping_add(77))),
            user,
            scope: Scope::parse("openid records:read admin").unwrap(),
            approved_at: Timestamp::EPOCH,
            auth_time: at(0),
            acr: "pwd".into(),
            amr: vec!["pwd".into()],
            interval: Seconds(0),
        },
    }
}

fn deny(seed: u8) -> Message {
    Message::Deny { instance: "i".into(), user: user(seed) }
}

/// An object as the edge runs it: storage, memory, and eviction that keeps only the first.
struct Object {
    stored: Option<Flow>,
    pace: Pace,
    writes: u32,
}

impl Object {
    fn started() -> Self {
        let mut object = Self { stored: None, pace: Pace::default(), writes: 0 };
        assert!(matches!(object.send(Message::Start { flow: flow(), lifetime: LIFETIME }, 0), Answer::Started));
        object.writes = 0;
        object
    }

    fn send(&mut self, message: Message, millis: i64) -> Answer {
        let (save, pace, answer) = step(self.stored.clone(), self.pace.clone(), message, at(millis));
        self.pace = pace;
        if let Some(flow) = save {
            self.stored = Some(flow);
            self.writes += 1;
        }
        answer
    }

    fn evict(&mut self) {
        self.pace = Pace::default();
    }

    fn interval(&self) -> Option<u32> {
        match self.stored.as_ref()?.state {
            State::Pending { interval } => Some(interval.0),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Poll,
    ForeignPoll,
    WrongSecret,
    Approve(u8),
    Deny(u8),
    Look,
    Start,
    Evict,
}

fn events() -> impl Strategy<Value = Vec<(Event, i64)>> {
    let event = prop_oneof![
        6 => Just(Event::Poll),
        1 => Just(Event::ForeignPoll),
        1 => Just(Event::WrongSecret),
        1 => (0..2u8).prop_map(Event::Approve),
        1 => (0..2u8).prop_map(Event::Deny),
        1 => Just(Event::Look),
        1 => Just(Event::Start),
        1 => Just(Event::Evict),
    ];
    prop::collection::vec((event, -2_000..40_000i64), 1..60)
}

proptest! {
    #[test]
    fn granted_is_one_grant_under_any_sequence(events in events()) {
        let mut object = Object::started();
        let mut now = 0;
        let mut grants = Vec::new();
        for (event, pause) in events {
            now += pause;
            let answer = match event {
                Event::Poll => object.send(poll(), now),
                Event::ForeignPoll => object.send(Message::Poll { client: "x".into(), secret: SecretHash::of(b"s"), attempt: String::new() }, now),
                Event::WrongSecret => object.send(Message::Poll { client: "c".into(), secret: SecretHash::of(b"x"), attempt: String::new() }, now),
                Event::Approve(seed) => object.send(approve(seed), now),
                Event::Deny(seed) => object.send(deny(seed), now),
                Event::Look => object.send(Message::Look, now),
                Event::Start => {
                    let other = Flow { instance: "other".into(), ..flow() };
                    object.send(Message::Start { flow: other, lifetime: LIFETIME }, now)
                }
                Event::Evict => { object.evict(); continue; }
            };
            match (event, answer) {
                (Event::ForeignPoll | Event::WrongSecret, answer) => prop_assert!(matches!(answer, Answer::Unknown)),
                (Event::Start, answer) => prop_assert!(matches!(answer, Answer::Taken)),
                (_, Answer::Granted { approval, .. }) => {
                    prop_assert_eq!(approval.scope.to_string(), "openid records:read", "never more than was asked for");
                    grants.push(approval.grant);
                }
                _ => {}
            }
        }
        grants.dedup();
        prop_assert!(grants.len() <= 1, "{grants:?}");
    }

    #[test]
    fn each_early_poll_adds_five_seconds_up_to_the_cap(pauses in prop::collection::vec(0..70_000i64, 1..80)) {
        let mut object = Object::started();
        let mut now = 0;
        let mut baseline: Option<i64> = None;
        for pause in pauses {
            now += pause;
            if now >= 600_000 { break; }
            let before = i64::from(object.interval().unwrap());
            let early = baseline.is_some_and(|last| now - last < before * 1000 - 500);
            let writes = object.writes;
            let answer = object.send(poll(), now);
            let after = i64::from(object.interval().unwrap());
            if early {
                prop_assert!(matches!(answer, Answer::SlowDown));
                prop_assert_eq!(after, (before + 5).min(i64::from(MAX_INTERVAL.0)));
                prop_assert_eq!(object.writes - writes, u32::from(after != before), "a row only when the interval grows");
            } else {
                prop_assert!(matches!(answer, Answer::Pending));
                prop_assert_eq!(after, before);
                prop_assert_eq!(object.writes, writes, "an obedient poll writes nothing");
                baseline = Some(now);
            }
        }
    }

    #[test]
    fn a_client_that_obeys_is_never_refused_for_ever(hasty in 0..30u32, jitter in prop::collection::vec(0..400i64, 40)) {
        // However badly it began, from the moment it follows the rule it is accepted every time.
        let mut object = Object::started();
        let mut interval = 5;
        let mut now = 0;
        object.send(poll(), now);
        for _ in 0..hasty {
            now += 100;
            if matches!(object.send(poll(), now), Answer::SlowDown) {
                interval += 5;
            }
        }
        for jitter in jitter {
            now += i64::from(interval) * 1000 - jitter;
            if now >= 600_000 { break; }
            prop_assert!(matches!(object.send(poll(), now), Answer::Pending), "refused at {now} with interval {interval}");
        }
    }

    #[test]
    fn an_impatient_client_collects_at_once(polls in 1..20i64) {
        let mut object = Object::started();
        object.send(poll(), 0);
        object.send(approve(0), 1_000);
        for n in 0..polls {
            let granted = matches!(object.send(poll(), 1_001 + n), Answer::Granted { .. });
            prop_assert!(granted);
        }
        prop_assert_eq!(object.writes, 1, "polls of an approved flow write nothing");
    }
}

#[test]
fn after_an_eviction_the_first_poll_is_accepted() {
    let mut object = Object::started();
    object.send(poll(), 0);
    assert!(matches!(object.send(poll(), 100), Answer::SlowDown));
    object.evict();
    assert!(matches!(object.send(poll(), 200), Answer::Pending));
    assert_eq!(object.interval(), Some(10), "what was grown stays grown");
    assert!(matches!(object.send(poll(), 300), Answer::SlowDown));
}

#[test]
fn a_clock_that_goes_back_counts_as_obedient() {
    let mut object = Object::started();
    object.send(poll(), 10_000);
    assert!(matches!(object.send(poll(), 9_000), Answer::Pending));
}

#[test]
fn tolerance_is_half_a_second() {
    let mut object = Object::started();
    object.send(poll(), 0);
    assert!(matches!(object.send(poll(), 4_500), Answer::Pending));
    assert!(matches!(object.send(poll(), 4_500 + 4_499), Answer::SlowDown));
}

#[test]
fn approval_closes_before_expiry_and_collection_stays_open_after_it() {
    let mut late = Object::started();
    assert!(matches!(late.send(Message::Look, 570_000), Answer::Unknown));
    assert!(matches!(late.send(approve(0), 570_000), Answer::Unknown));
    let mut object = Object::started();
    assert!(matches!(object.send(Message::Look, 569_999), Answer::Open { .. }));
    assert!(matches!(object.send(approve(0), 569_999), Answer::Settled { grant: Some(_) }));
    assert!(matches!(object.send(poll(), 609_999), Answer::Granted { late: false, .. }));
    assert!(matches!(object.send(poll(), 610_000), Answer::Granted { late: true, .. }), "only to be had again from here on");
    assert!(matches!(late.send(poll(), 600_000), Answer::Expired));
}

#[test]
fn denied_is_told_and_undo_turns_a_yes_into_it() {
    let mut object = Object::started();
    object.send(deny(0), 1_000);
    assert!(matches!(object.send(poll(), 1_001), Answer::Denied));
    assert!(matches!(object.send(approve(0), 1_002), Answer::Unknown), "a no stays a no");

    let mut object = Object::started();
    object.send(approve(0), 1_000);
    assert!(matches!(object.send(deny(1), 1_001), Answer::Unknown), "only who said yes may take it back");
    assert!(matches!(object.send(deny(0), 1_002), Answer::Settled { grant: None }));
    assert!(matches!(object.send(poll(), 1_003), Answer::Denied));
}

#[test]
fn a_page_posted_twice_is_one_yes() {
    let mut object = Object::started();
    let Answer::Settled { grant: first } = object.send(approve(0), 1_000) else { panic!("not approved") };
    let Message::Approve { instance, mut approval } = approve(0) else { unreachable!() };
    approval.grant = OwnedId::generate(&approval.user, &mut Counted(200));
    let Answer::Settled { grant: second } = object.send(Message::Approve { instance, approval }, 2_000) else {
        panic!("refused")
    };
    assert_eq!(first, second);
    assert!(matches!(object.send(approve(1), 3_000), Answer::Unknown), "another user's yes is not taken");
}

#[test]
fn a_code_that_another_client_got_meanwhile_is_not_approved() {
    let mut object = Object::started();
    let Message::Approve { approval, .. } = approve(0) else { unreachable!() };
    assert!(matches!(object.send(Message::Approve { instance: "older".into(), approval }, 1_000), Answer::Unknown));
    assert!(matches!(object.send(poll(), 2_000), Answer::Pending));
}

#[test]
fn a_lost_start_can_be_asked_for_again() {
    let mut object = Object::started();
    assert!(matches!(object.send(Message::Start { flow: flow(), lifetime: LIFETIME }, 10), Answer::Started));
    assert_eq!(object.writes, 0);
}

#[test]
fn a_poll_that_the_worker_sends_twice_counts_once() {
    let mut object = Object::started();
    let twice = |object: &mut Object, millis| {
        let poll = poll();
        (object.send(poll.clone(), millis), object.send(poll, millis + 5))
    };
    assert!(matches!(twice(&mut object, 0), (Answer::Pending, Answer::Pending)));
    assert!(matches!(twice(&mut object, 1_000), (Answer::SlowDown, Answer::SlowDown)));
    assert_eq!((object.interval(), object.writes), (Some(10), 1));
}

#[test]
fn what_may_be_collected_again() {
    let family = Family { client: "c".into(), generation: 0, rotated_at: at(0), created_at: at(0), revoked_at: None };
    let gate = Gate { user_enabled: true, client_enabled: true, after_not_before: true, consented: true };
    let may = |family: &Family, gate: &Gate, client, millis| collectable(family, gate, client, Seconds(120), at(millis));
    assert_eq!(may(&family, &gate, "c", 119_999), Ok(()));
    assert_eq!(may(&family, &gate, "c", 120_000), Err(Why::Collected));
    assert_eq!(may(&family, &gate, "x", 0), Err(Why::ForeignClient));
    assert_eq!(may(&Family { generation: 1, ..family.clone() }, &gate, "c", 0), Err(Why::Collected));
    assert_eq!(may(&Family { revoked_at: Some(at(1)), ..family.clone() }, &gate, "c", 2), Err(Why::Revoked));
    assert_eq!(may(&family, &Gate { user_enabled: false, ..gate }, "c", 0), Err(Why::UserDisabled));
}
