//! The wall clock as the access log writes it, read: `2026-11-21T09:00:00.125Z`.

use std::time::Duration;

/// The time since the Unix epoch; `None` if the text is not of this form.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (clock, millis) = time.split_once('.')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let valid = year >= 1970
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && millis.len() == 3;
    let millis: u64 = millis.parse().ok()?;
    valid.then(|| {
        let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
        Duration::from_millis(seconds * 1_000 + millis)
    })
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut parts = text.splitn(3, separator).map(str::parse);
    let mut next = || parts.next()?.ok();
    Some([next()?, next()?, next()?])
}

/// Days from 1970-01-01, in the Gregorian calendar.
///
/// H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`: years begin in
/// March, so that the leap day is the last of its year.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    const DAYS_BEFORE_EPOCH: u64 = 719_468; // from 0000-03-01
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - DAYS_BEFORE_EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T00:00:00.000Z", 951_782_400_000),
            ("2024-02-29T23:59:59.007Z", 1_709_251_199_007),
            ("2026-11-21T09:00:00.125Z", 1_795_251_600_125),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T09:00:00Z",
            "2026-13-21T09:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "2026-11-21T09:00:00.125",
            "a-b-cT09:00:00.125Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
