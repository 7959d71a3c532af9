//! The wall clock as RFC 3339 writes it, in UTC with milliseconds: `2026-11-21T09:00:00.125Z`.
//!
//! The time comes in as an argument. Formatted once a second; within a second only the milliseconds
//! are written again.

use super::line_format::{digit, three_digits};
use crate::time::civil_date;
use std::time::Duration;

const SECONDS_PER_DAY: u64 = 86_400;

/// The last second that four digits of year can tell: 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

/// Formats the wall clock, and keeps the second that was formatted last.
#[derive(Clone, Debug)]
pub struct WallTime {
    second: u64,
    text: [u8; 24],
}

impl Default for WallTime {
    fn default() -> Self {
        Self {
            second: 0,
            text: *b"1970-01-01T00:00:00.000Z",
        }
    }
}

impl WallTime {
    /// Formats `wall`, the time since the Unix epoch. Times after the year 9999 stay in it.
    pub fn format(&mut self, wall: Duration) -> &str {
        let second = wall.as_secs().min(LAST_SECOND);
        if second != self.second {
            self.second = second;
            self.write_second();
        }
        let [.., hundreds, tens, ones, _] = &mut self.text;
        [*hundreds, *tens, *ones] = three_digits(wall.subsec_millis().into());
        // ASCII always.
        str::from_utf8(&self.text).unwrap_or_default()
    }

    fn write_second(&mut self) {
        let (year, month, day) = civil_date(self.second / SECONDS_PER_DAY);
        let of_day = self.second % SECONDS_PER_DAY;
        let fields = [
            year / 100,
            year % 100,
            month,
            day,
            of_day / 3_600,
            of_day / 60 % 60,
            of_day % 60,
        ];
        // Where the two digits of each begin in `text`.
        for (start, field) in [0, 2, 5, 8, 11, 14, 17].into_iter().zip(fields) {
            if let Some([tens, ones]) = self.text.get_mut(start..start + 2) {
                (*tens, *ones) = (digit(field / 10), digit(field));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(wall: Duration) -> String {
        WallTime::default().format(wall).to_owned()
    }

    #[test]
    fn instants_that_are_known() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_007, "2024-02-29T23:59:59.007Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(formatted(Duration::from_millis(millis)), expected);
        }
        assert!(formatted(Duration::MAX).starts_with("9999-12-31T23:59:59."));
    }

    #[test]
    fn every_day_of_an_era_follows_the_one_before() {
        let is_leap =
            |y: u64| y.is_multiple_of(4) && !y.is_multiple_of(100) || y.is_multiple_of(400);
        let mut expected = (1970, 1, 1);
        for days in 0..146_097 {
            assert_eq!(civil_date(days), expected);
            let (year, month, day) = expected;
            let days_in_month = match month {
                2 => 28 + u64::from(is_leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, day) if day == days_in_month => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }

    #[test]
    fn cached_second_is_never_shown_for_another() {
        let mut time = WallTime::default();
        for millis in [1_000, 1_999, 2_001, 500, 86_400_000, 0] {
            let wall = Duration::from_millis(millis);
            assert_eq!(time.format(wall), formatted(wall));
        }
    }
}
