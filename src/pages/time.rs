//! Instants in words. UTC: the server does not know a person's time zone, and says so.

/// `11:42 UTC`.
pub(super) fn clock(seconds: u64) -> String {
    let (hour, minute, _) = time_of_day(seconds);
    format!("{hour:02}:{minute:02} UTC")
}

/// `2026-11-22`: the one order of day and month that nobody misreads.
pub(super) fn day(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-22T11:42:07Z`, for the `datetime` attribute.
pub(super) fn timestamp(seconds: u64) -> String {
    let (hour, minute, second) = time_of_day(seconds);
    let (year, month, day) = date(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn time_of_day(seconds: u64) -> (u64, u64, u64) {
    (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// Year, month and day of a day counted from 1970-01-01. The year is taken to begin in March, so
/// that the leap day is its last and the months' lengths follow one line.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_as_in_a_calendar() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(timestamp(951_868_799), "2000-02-29T23:59:59Z");
        assert_eq!(timestamp(951_868_800), "2000-03-01T00:00:00Z");
        assert_eq!(timestamp(1_795_347_727), "2026-11-22T11:42:07Z");
        assert_eq!(timestamp(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(day(951_868_799), "2000-02-29");
        assert_eq!(clock(1_795_347_727), "11:42 UTC");
    }

    #[test]
    fn no_instant_overflows() {
        for seconds in [u64::MAX, u64::MAX / 2, u64::from(u32::MAX)] {
            assert!(timestamp(seconds).ends_with('Z'));
        }
    }
}
