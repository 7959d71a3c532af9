//! The `Date` field of responses that come without (RFC 9110, section 6.6.1).
//!
//! The time comes in as an argument. The line is formatted once a second, and a response that needs
//! it costs one comparison and a copy.

use crate::time::{Timestamp, civil_date};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const SECONDS_PER_DAY: u64 = 86_400;
/// The last second that four digits of year can tell: 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;
const DAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// The field line of the present second.
#[derive(Clone, Debug)]
pub struct DateLine {
    text: [u8; 37],
    /// The wall-clock time at [`Timestamp::ZERO`], since the Unix epoch.
    wall_at_zero: Duration,
    /// Time at which the line is out of date.
    until: Timestamp,
}

impl Default for DateLine {
    fn default() -> Self {
        Self {
            text: *b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
            wall_at_zero: Duration::ZERO,
            until: Timestamp::ZERO,
        }
    }
}

impl DateLine {
    /// Sets the wall clock, which showed `wall` at `now`.
    pub fn set_wall_clock(&mut self, wall: Duration, now: Timestamp) {
        self.wall_at_zero = wall.saturating_sub(now.since(Timestamp::ZERO));
        self.until = Timestamp::ZERO;
    }

    /// The line at `now`, its CRLF included.
    #[inline]
    pub fn at(&mut self, now: Timestamp) -> &[u8] {
        if now >= self.until {
            self.format(now);
        }
        &self.text
    }

    #[cold]
    fn format(&mut self, now: Timestamp) {
        let wall = self.wall_at_zero + now.since(Timestamp::ZERO);
        let rest = SECOND.saturating_sub(Duration::from_nanos(wall.subsec_nanos().into()));
        self.until = now + rest;
        let second = wall.as_secs().min(LAST_SECOND);
        let (days, of_day) = (second / SECONDS_PER_DAY, second % SECONDS_PER_DAY);
        let (year, month, day) = civil_date(days);
        self.put_name(6, DAYS, days % 7);
        self.put_name(14, MONTHS, month - 1);
        let fields = [
            (11, day),
            (18, year / 100),
            (20, year % 100),
            (23, of_day / 3_600),
            (26, of_day / 60 % 60),
            (29, of_day % 60),
        ];
        for (start, field) in fields {
            if let Some([tens, ones]) = self.text.get_mut(start..start + 2) {
                (*tens, *ones) = (b'0' + (field / 10) as u8, b'0' + (field % 10) as u8);
            }
        }
    }

    /// Writes the three letters of name `nth` of `names`.
    fn put_name(&mut self, start: usize, names: &[u8], nth: u64) {
        let from = nth as usize * 3;
        if let (Some(place), Some(name)) = (
            self.text.get_mut(start..start + 3),
            names.get(from..from + 3),
        ) {
            place.copy_from_slice(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(date: &mut DateLine, nanos: u64) -> String {
        String::from_utf8_lossy(date.at(Timestamp::from_nanos(nanos))).into_owned()
    }

    #[test]
    fn date_is_written_as_the_rfc_does() {
        // The example of RFC 9110, section 5.6.7, a leap day and the last second there is.
        for (seconds, expected) in [
            (784_111_777, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
            (1_709_210_096, "Date: Thu, 29 Feb 2024 12:34:56 GMT\r\n"),
            (LAST_SECOND, "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n"),
            (LAST_SECOND + 5, "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n"),
        ] {
            let mut date = DateLine::default();
            date.set_wall_clock(Duration::from_secs(seconds), Timestamp::from_nanos(1));
            assert_eq!(at(&mut date, 1), expected);
        }
    }

    #[test]
    fn date_changes_with_the_second_of_the_wall_clock() {
        let mut date = DateLine::default();
        let wall = Duration::from_millis(784_111_777_900);
        date.set_wall_clock(wall, Timestamp::from_nanos(1_000_000_000));
        assert!(at(&mut date, 1_000_000_000).contains("08:49:37"));
        assert!(at(&mut date, 1_099_000_000).contains("08:49:37"));
        assert!(at(&mut date, 1_101_000_000).contains("08:49:38"));
        date.set_wall_clock(
            Duration::from_secs(784_111_700),
            Timestamp::from_nanos(1_200_000_000),
        );
        assert!(at(&mut date, 1_200_000_000).contains("08:48:20"));
    }
}
