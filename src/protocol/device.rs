//! One device sign-in, from request to collection: RFC 8628 as a state machine.
//!
//! [`step`] is all there is to a `DeviceFlow` object's decisions: stored value and message in,
//! value to store and answer out, on the object's own clock.

use serde::{Deserialize, Serialize};

use super::ids::{OwnedId, UserId};
use super::refresh::{Family, Gate, Why};
use super::scope::Scope;
use super::seal::sealed_json;
use super::secret::SecretHash;
use super::time::{Seconds, Timestamp};

/// Slowing down stops here, in seconds: a client that obeys always recovers.
pub const MAX_INTERVAL: Seconds = Seconds(60);
/// What `slow_down` adds, in seconds (RFC 8628 3.5).
const SLOW_DOWN_STEP: u32 = 5;
/// A poll may be so many milliseconds early: clocks and networks jitter.
const TOLERANCE: i64 = 500;

/// The sealed `device_code`: it finds the flow in one hop, and a bogus one never reaches storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCode {
    /// Name of the flow's object.
    pub flow: String,
    /// 256 bits that only the device holds.
    pub secret: String,
    /// When the code expires.
    pub expires_at: Timestamp,
}
sealed_json!(DeviceCode, "device code");

impl DeviceCode {
    /// The latest instant at which anything but `expired_token` can be the answer: an approved flow is
    /// collectable for two of its intervals, and what was collected then for `repeat` more.
    pub const fn ends_at(&self, repeat: Seconds) -> Timestamp {
        self.expires_at.plus(MAX_INTERVAL).plus(MAX_INTERVAL).plus(repeat)
    }
}

/// A stored flow. Both codes are here as hashes only: the user code as the object's name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    /// Random, fresh for each flow: a page made for one flow cannot approve another that got the
    /// same user code later.
    pub instance: String,
    /// `client_id` that asked.
    pub client: String,
    /// Hash of the secret in the device code.
    pub secret: SecretHash,
    /// What was asked for.
    pub scope: Scope,
    /// Resources asked for (RFC 8707); none: the client's default.
    pub resources: Vec<String>,
    /// Coarse place that the request came from, in words.
    pub place: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its codes expire.
    pub expires_at: Timestamp,
    /// Approval closes so long before that.
    pub approval_margin: Seconds,
    /// What was collected may be had again for so long.
    pub repeat: Seconds,
    /// Where it stands.
    pub state: State,
}

/// Where a flow stands; each state carries just what it has.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Nobody has answered yet.
    Pending {
        /// Pace in force.
        interval: Seconds,
    },
    /// A user said yes.
    Approved(Approval),
    /// A user said no, or took the yes back.
    Denied {
        /// Who said so.
        user: UserId,
    },
}

/// A user's yes. The grant it will make has its id already, so that however many polls race there
/// is one grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who approved.
    pub user: UserId,
    /// Id of the grant to be.
    pub grant: OwnedId,
    /// What was approved, of what was asked for.
    pub scope: Scope,
    /// When.
    pub approved_at: Timestamp,
    /// When the approver had signed in.
    pub auth_time: Timestamp,
    /// How, as `acr`.
    pub acr: String,
    /// How, as `amr`.
    pub amr: Vec<String>,
    /// Poll interval at the time of approval.
    pub interval: Seconds,
}

/// What an object remembers between two events and loses when it is evicted: the last *accepted*
/// poll. Keeping it in memory makes a pending poll free of rows, and losing it only means that one
/// poll is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// The last accepted poll.
    pub last: Option<Timestamp>,
    /// The last poll while pending, and whether it was early: asked again because its answer was
    /// lost on the way, it is answered alike and counts once.
    pub answered: Option<(String, bool)>,
}

/// What is asked of a flow.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "message")]
pub enum Message {
    /// Begin.
    Start {
        /// The flow, pending. Its times are set by the object's clock.
        flow: Flow,
        /// Life of its codes.
        lifetime: Seconds,
    },
    /// A person entered the code: show what it is.
    Look,
    /// A person said yes to this very flow.
    Approve {
        /// The flow's instance, from the page.
        instance: String,
        /// The yes. Its instant and interval are set here.
        approval: Approval,
    },
    /// A person said no to this very flow, or took a yes back.
    Deny {
        /// The flow's instance, from the page.
        instance: String,
        /// Who.
        user: UserId,
    },
    /// The device asks.
    Poll {
        /// The authenticated client.
        client: String,
        /// Hash of the secret in its device code.
        secret: SecretHash,
        /// Names this poll: the same when the Worker asks a second time.
        #[serde(default)]
        attempt: String,
    },
}

/// What a flow answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// Begun.
    Started,
    /// The name is taken: draw another code.
    Taken,
    /// Nothing there, not for the asker, or not open any more.
    Unknown,
    /// Open, and this is it.
    Open {
        /// The flow as stored.
        flow: Flow,
        /// Milliseconds since it was made, on the object's clock.
        age: i64,
    },
    /// The yes or no is written down (or was already, by the same user).
    Settled {
        /// Id of the grant, after a yes.
        grant: Option<OwnedId>,
    },
    /// Not answered yet.
    Pending,
    /// Not answered yet, and too early.
    SlowDown,
    /// The user said no.
    Denied,
    /// Its time is over.
    Expired,
    /// The user said yes.
    Granted {
        /// The yes.
        approval: Approval,
        /// Resources asked for.
        resources: Vec<String>,
        /// Coarse place of the device's request.
        place: String,
        /// The time to collect is over: only what was collected before may be had again.
        late: bool,
    },
}

/// One event on a flow: what to store (nothing: it stays as it is), what to remember, what to answer.
pub fn step(stored: Option<Flow>, pace: Pace, message: Message, now: Timestamp) -> (Option<Flow>, Pace, Answer) {
    match (stored, message) {
        (None, Message::Start { flow, lifetime }) => {
            let flow = Flow { created_at: now, expires_at: now.plus(lifetime), ..flow };
            (Some(flow), Pace::default(), Answer::Started)
        }
        // The answer to the first attempt was lost.
        (Some(flow), Message::Start { flow: again, .. }) if flow.instance == again.instance => (None, pace, Answer::Started),
        (Some(_), Message::Start { .. }) => (None, pace, Answer::Taken),
        (Some(flow), Message::Look) if flow.is_open(now) => {
            let age = now.since(flow.created_at);
            (None, pace, Answer::Open { flow, age })
        }
        (Some(flow), Message::Approve { instance, approval }) if flow.instance == instance => approve(flow, pace, approval, now),
        (Some(flow), Message::Deny { instance, user }) if flow.instance == instance => deny(flow, pace, user, now),
        (Some(flow), Message::Poll { client, secret, attempt }) if flow.client == client && flow.secret.matches(&secret) => {
            poll(flow, pace, attempt, now)
        }
        // Nothing here, another instance, another client, a wrong secret, or not open: all the same.
        _ => (None, pace, Answer::Unknown),
    }
}

impl Flow {
    /// Whether it can be shown and approved: pending, and early enough that the device will still
    /// be there to collect.
    fn is_open(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Pending { .. }) && now < self.expires_at.minus(self.approval_margin)
    }

    /// No poll can be answered anything but `expired_token` from here on: the object may go.
    pub const fn kept_until(&self) -> Timestamp {
        self.expires_at.plus(MAX_INTERVAL).plus(MAX_INTERVAL).plus(self.repeat)
    }

    /// When the time is over to answer or collect for the first time: at expiry, or two intervals later
    /// once a user said yes, for a user who read "done" must not be followed by "expired".
    fn ends_at(&self) -> Timestamp {
        match &self.state {
            State::Pending { .. } => self.expires_at,
            State::Approved(approval) => self.expires_at.plus(Seconds(2 * approval.interval.0)),
            State::Denied { .. } => self.expires_at.plus(Seconds(2 * MAX_INTERVAL.0)),
        }
    }
}

/// Whether a grant may be answered to a poll: it is this client's, as new as when it was inserted, and
/// alive. However many polls race for one approval, they all find the same row.
pub fn collectable(family: &Family, gate: &Gate, client: &str, repeat: Seconds, now: Timestamp) -> Result<(), Why> {
    if family.client != client {
        return Err(Why::ForeignClient);
    }
    if family.revoked_at.is_some() {
        return Err(Why::Revoked);
    }
    if let Some(why) = gate.refusal() {
        return Err(why);
    }
    if family.generation != 0 || now.since(family.created_at) >= repeat.millis() {
        return Err(Why::Collected);
    }
    Ok(())
}

fn approve(flow: Flow, pace: Pace, approval: Approval, now: Timestamp) -> (Option<Flow>, Pace, Answer) {
    match &flow.state {
        State::Pending { interval } if flow.is_open(now) => {
            let approval = Approval { approved_at: now, interval: *interval, scope: approval.scope.and(&flow.scope), ..approval };
            let grant = Some(approval.grant.clone());
            (Some(Flow { state: State::Approved(approval), ..flow }), pace, Answer::Settled { grant })
        }
        // The same page posted twice: the first yes stands.
        State::Approved(before) if before.user == approval.user => {
            (None, pace, Answer::Settled { grant: Some(before.grant.clone()) })
        }
        _ => (None, pace, Answer::Unknown),
    }
}

fn deny(flow: Flow, pace: Pace, user: UserId, now: Timestamp) -> (Option<Flow>, Pace, Answer) {
    let settled = Answer::Settled { grant: None };
    match &flow.state {
        State::Pending { .. } if now < flow.expires_at => (Some(Flow { state: State::Denied { user }, ..flow }), pace, settled),
        // Undo. Who approved may take it back, as long as anything is left of the flow.
        State::Approved(before) if before.user == user => (Some(Flow { state: State::Denied { user }, ..flow }), pace, settled),
        State::Denied { user: before } if *before == user => (None, pace, settled),
        _ => (None, pace, Answer::Unknown),
    }
}

fn poll(flow: Flow, pace: Pace, attempt: String, now: Timestamp) -> (Option<Flow>, Pace, Answer) {
    let late = now >= flow.ends_at();
    let interval = match flow.state {
        // Never throttled once answered: an impatient client collects at once.
        State::Approved(approval) => {
            let answer = Answer::Granted { approval, resources: flow.resources, place: flow.place, late };
            return (None, pace, answer);
        }
        _ if late => return (None, pace, Answer::Expired),
        State::Denied { .. } => return (None, pace, Answer::Denied),
        State::Pending { interval } => interval,
    };
    if let Some((_, was_early)) = pace.answered.as_ref().filter(|(answered, _)| *answered == attempt) {
        let answer = if *was_early { Answer::SlowDown } else { Answer::Pending };
        return (None, pace, answer);
    }
    // No baseline (none at issuance, lost at eviction) and a clock that went back count as obedient.
    let is_early = pace.last.is_some_and(|last| (0..interval.millis() - TOLERANCE).contains(&now.since(last)));
    // The refused poll does not move the baseline, so that obeying from here on is always enough.
    let last = if is_early { pace.last } else { Some(now) };
    let pace = Pace { last, answered: Some((attempt, is_early)) };
    if !is_early {
        return (None, pace, Answer::Pending);
    }
    let slower = Seconds((interval.0 + SLOW_DOWN_STEP).min(MAX_INTERVAL.0)).max(interval);
    let grown = (slower != interval).then_some(Flow { state: State::Pending { interval: slower }, ..flow });
    (grown, pace, Answer::SlowDown)
}

#[cfg(test)]
mod tests {
    use super::super::ids::tests::Counted;
    use super::*;

    #[test]
    fn stored_and_wire_formats_are_pinned() {
        // Objects outlive a deploy, and the Worker of one version talks to objects of another.
        let user = UserId::generate(&mut Counted(0));
        let flow = Flow {
            instance: "i".into(),
            client: "c".into(),
            secret: SecretHash::of(b"s"),
            scope: Scope::parse("a").unwrap(),
            resources: vec![],
            place: "Bern, CH".into(),
            created_at: Timestamp::from_millis(1),
            expires_at: Timestamp::from_millis(2),
            approval_margin: Seconds(30),
            repeat: Seconds(120),
            state: State::Pending { interval: Seconds(5) },
        };
        assert_eq!(
            serde_json::to_string(&flow).unwrap(),
            "{\"instance\":\"i\",\"client\":\"c\",\"secret\":\"BDpxh3TFcr2KJa2-sb_NXAJWrhHOz5-cP5JdDlK-r4k\",\"scope\":\"a\",\"resources\":[],\
             \"place\":\"Bern, CH\",\"created_at\":1,\"expires_at\":2,\"approval_margin\":30,\"repeat\":120,\"state\":{\"state\":\"pending\",\"interval\":5}}"
        );
        let approval = Approval {
            user: user.clone(),
            grant: OwnedId::generate(&user, &mut Counted(0)),
            scope: Scope::parse("a").unwrap(),
            approved_at: Timestamp::from_millis(3),
            auth_time: Timestamp::from_millis(4),
            acr: "pwd".into(),
            amr: vec!["pwd".into()],
            interval: Seconds(5),
        };
        assert_eq!(
            serde_json::to_string(&State::Approved(approval)).unwrap(),
            "{\"state\":\"approved\",\"user\":\"AQIDBAUGBwgJCgsMDQ4PEA\",\"grant\":\"AZxsAQIDBAUGBwgJCgsMDQ4PEA\",\"scope\":\"a\",\
             \"approved_at\":3,\"auth_time\":4,\"acr\":\"pwd\",\"amr\":[\"pwd\"],\"interval\":5}"
        );
        assert_eq!(serde_json::to_string(&Message::Look).unwrap(), "{\"message\":\"look\"}");
        assert_eq!(serde_json::to_string(&Answer::SlowDown).unwrap(), "{\"answer\":\"slow_down\"}");
    }
}
