//! Budgets for guesses, as a leaky bucket (the generic cell rate algorithm): one number of state.
//!
//! A budget of `limit` per `window` allows `limit` failures at once and gives one back every
//! `window / limit`. A guess is *reserved* before it is checked, so that parallel guesses cannot
//! overdraw, and given back when it was right.

use serde::{Deserialize, Serialize};

use super::time::{Seconds, Timestamp};

/// How many failures in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Failures that may come at once; at least 1.
    pub limit: u32,
    /// Time in which an empty budget fills up again, in seconds.
    pub window: Seconds,
}

impl Budget {
    /// Milliseconds that one failure costs.
    fn cost(self) -> i64 {
        (self.window.millis() / i64::from(self.limit.max(1))).max(1)
    }
}

/// What was used: the instant at which the budget will be full again. At or before now: untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usage(pub Timestamp);

impl Usage {
    /// Nothing used.
    pub const NONE: Self = Self(Timestamp::EPOCH);

    /// Takes one out; `Err` holds the milliseconds until one will be there.
    pub fn reserve(self, budget: Budget, now: Timestamp) -> Result<Self, i64> {
        let start = self.0.max(now);
        let full_at = Timestamp::from_millis(start.millis().saturating_add(budget.cost()));
        // Rounding of the cost must not take the last one away, hence cost * limit, not the window.
        let most = budget.cost().saturating_mul(i64::from(budget.limit.max(1)));
        let over = full_at.since(now) - most;
        if over > 0 { Err(over) } else { Ok(Self(full_at)) }
    }

    /// Gives one back.
    #[must_use]
    pub fn release(self, budget: Budget) -> Self {
        Self(Timestamp::from_millis(self.0.millis().saturating_sub(budget.cost())))
    }

    /// Whether there is nothing left to remember.
    pub fn is_spent(self, now: Timestamp) -> bool {
        self.0 <= now
    }
}

/// Whole seconds to wait, rounded up, at least 1: for `Retry-After`.
pub fn wait_seconds(millis: i64) -> u32 {
    u32::try_from(millis.max(1).saturating_add(999) / 1000).unwrap_or(u32::MAX)
}

/// One budget to ask in a Throttle object, by the keyed hash of what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What the budget is for, hashed; a storage key.
    pub key: String,
    /// The budget.
    pub budget: Budget,
    /// How it survives an eviction.
    pub kept: Kept,
}

/// How a budget survives the eviction of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// Each miss is written down: budgets for guesses.
    Exactly,
    /// Written down each time another sixteenth is used, so that an eviction forgets no more than
    /// that: tallies of what is not a miss and must not cost a row each time.
    Roughly,
}

impl Claim {
    /// Whether what is used now has to be written over what is stored.
    pub fn is_due(&self, usage: Usage, stored: Usage, now: Timestamp) -> bool {
        let unwritten = usage.0.max(now).since(stored.0.max(now));
        match self.kept {
            Kept::Exactly => unwritten != 0,
            Kept::Roughly => unwritten > self.budget.cost().saturating_mul(i64::from(self.budget.limit)) / 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { limit: 5, window: Seconds(600) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000 + seconds * 1000)
    }

    #[test]
    fn five_at_once_then_one_every_two_minutes() {
        let mut usage = Usage::NONE;
        for _ in 0..5 {
            usage = usage.reserve(BUDGET, at(0)).unwrap();
        }
        assert_eq!(usage.reserve(BUDGET, at(0)), Err(120_000));
        assert_eq!(usage.reserve(BUDGET, at(119)), Err(1_000));
        assert!(usage.reserve(BUDGET, at(120)).is_ok());
        assert!(usage.is_spent(at(600)) && !usage.is_spent(at(599)));
        assert_eq!(wait_seconds(1), 1);
        assert_eq!(wait_seconds(1001), 2);
    }

    #[test]
    fn rough_tallies_are_written_now_and_then() {
        let budget = Budget { limit: 160, window: Seconds(160) };
        let claim = |kept| Claim { key: String::new(), budget, kept };
        let (mut usage, mut stored, mut writes) = (Usage::NONE, Usage::NONE, 0);
        for _ in 0..160 {
            usage = usage.reserve(budget, at(0)).unwrap();
            if claim(Kept::Roughly).is_due(usage, stored, at(0)) {
                (stored, writes) = (usage, writes + 1);
            }
        }
        assert_eq!(writes, 14);
        assert!(usage.0.since(stored.0) <= 10_000, "no more than a sixteenth is ever forgotten");
        assert!(claim(Kept::Exactly).is_due(usage, stored, at(0)) && !claim(Kept::Exactly).is_due(usage, usage, at(0)));
    }

    #[test]
    fn a_right_guess_is_given_back_and_strangers_failures_stay() {
        let mut usage = Usage::NONE;
        for _ in 0..4 {
            usage = usage.reserve(BUDGET, at(0)).unwrap();
        }
        let right = usage.reserve(BUDGET, at(0)).unwrap().release(BUDGET);
        assert_eq!(right, usage);
    }
}
