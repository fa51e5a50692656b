//! Instants and durations. The clock itself is the caller's: `now` is always an argument.

use serde::{Deserialize, Serialize};

/// An instant: milliseconds since the Unix epoch.
///
/// Stored as such everywhere, so that "before" and "after" within one second are still told apart;
/// tokens carry whole seconds (RFC 7519 2, `NumericDate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch: before everything that happens here.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The instant `duration` later.
    #[must_use]
    pub const fn plus(self, duration: Seconds) -> Self {
        Self(self.0.saturating_add(duration.millis()))
    }

    /// The instant `duration` earlier.
    #[must_use]
    pub const fn minus(self, duration: Seconds) -> Self {
        Self(self.0.saturating_sub(duration.millis()))
    }

    /// The start of a day in UTC, of a date as RFC 3339 5.6 writes it (`full-date`), from 1970 on; none: it is no such date.
    pub fn of_day(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let &[year, month, day] = parts.as_slice() else { return None };
        if (year.len(), month.len(), day.len()) != (4, 2, 2) || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return None;
        }
        let (year, month, day): (i64, i64, i64) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 => 28 + i64::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if year < 1970 || !(1..=length).contains(&day) {
            return None;
        }
        // A year that begins in March has its leap day at the end, where it moves no other day.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
        Some(Self(days * 86_400_000))
    }

    /// Milliseconds from `earlier` to this instant; negative when the clock went back.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A duration in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u32);

impl Seconds {
    /// The same duration in milliseconds.
    pub const fn millis(self) -> i64 {
        self.0 as i64 * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        let known =
            [("1970-01-01", 0), ("1970-03-01", 59), ("2000-02-29", 11_016), ("2000-03-01", 11_017), ("2026-11-27", 20_784)];
        for (text, days) in known {
            assert_eq!(Timestamp::of_day(text), Some(Timestamp::from_millis(days * 86_400_000)), "{text}");
        }
        // Four hundred years lose no day and count none twice.
        let mut next = 0;
        for year in 1970..2370 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(at) = Timestamp::of_day(&format!("{year:04}-{month:02}-{day:02}")) {
                        assert_eq!(at.millis(), next * 86_400_000, "{year}-{month}-{day}");
                        next += 1;
                    }
                }
            }
        }
        assert_eq!(next, 146_097);
        for none in [
            "",
            "2026-11-31",
            "2026-02-29",
            "2100-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-1-1",
            "+026-01-01",
            "1969-12-31",
            "2026-11-27T00",
            "26-11-27",
        ] {
            assert_eq!(Timestamp::of_day(none), None, "{none}");
        }
    }

    #[test]
    fn seconds_round_down_and_arithmetic_saturates() {
        assert_eq!(Timestamp::from_millis(1_999).seconds(), 1);
        assert_eq!(Timestamp::from_millis(-1).seconds(), -1);
        assert_eq!(Timestamp::from_millis(i64::MAX).plus(Seconds(1)).millis(), i64::MAX);
        assert_eq!(Timestamp::from_millis(5_000).minus(Seconds(2)).millis(), 3_000);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::from_millis(7)), -7);
    }
}
