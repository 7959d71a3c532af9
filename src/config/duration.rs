//! Durations as people write them: `500ms`, `3s`, `2m`, `1h`.
//!
//! Owns the notation alone; which durations are acceptable is for the setting to say.

use super::ConfigError;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

/// A duration that is read and shown as people write it: a whole number and one unit.
///
/// Whole milliseconds survive being shown and read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

/// The units and the milliseconds in each, the largest first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for HumanDuration {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let refuse = |problem: &'static str| {
            let remedy = "write a whole number and ms, s, m or h, as in 500ms or 3s";
            ConfigError::new(problem, remedy).with_value(text)
        };
        let unit_at = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (digits, unit) = text.split_at_checked(unit_at).unwrap_or((text, ""));
        if digits.is_empty() {
            return Err(refuse("not a duration"));
        }
        if unit.is_empty() {
            return Err(refuse("the unit is missing"));
        }
        let Some((_, unit_ms)) = UNITS.into_iter().find(|&(name, _)| name == unit) else {
            return Err(refuse("not a duration"));
        };
        // Digits alone can only fail to parse by being too many.
        let millis = digits.parse::<u64>().ok();
        millis
            .and_then(|number| number.checked_mul(unit_ms))
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| refuse("longer than can be counted"))
    }
}

impl Display for HumanDuration {
    /// In the largest unit that leaves no rest.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if self.0.is_zero() {
            return write!(f, "0s");
        }
        if !self.0.subsec_nanos().is_multiple_of(1_000_000) {
            return write!(f, "{:?}", self.0);
        }
        let fitting = UNITS
            .into_iter()
            .find(|&(_, unit_ms)| millis.is_multiple_of(u128::from(unit_ms)));
        let (unit, unit_ms) = fitting.unwrap_or(("ms", 1));
        write!(f, "{}{unit}", millis / u128::from(unit_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<HumanDuration>().unwrap_err().to_string()
    }

    #[test]
    fn reads_every_unit() {
        let read = |text: &str| text.parse::<HumanDuration>().unwrap().0;
        assert_eq!(read("500ms"), Duration::from_millis(500));
        assert_eq!(read("3s"), Duration::from_secs(3));
        assert_eq!(read("2m"), Duration::from_secs(120));
        assert_eq!(read("1h"), Duration::from_secs(3600));
        assert_eq!(read("0s"), Duration::ZERO);
    }

    #[test]
    fn shows_the_largest_unit_without_rest() {
        let show = |millis| HumanDuration(Duration::from_millis(millis)).to_string();
        assert_eq!(show(0), "0s");
        assert_eq!(show(1), "1ms");
        assert_eq!(show(1_500), "1500ms");
        assert_eq!(show(90_000), "90s");
        assert_eq!(show(120_000), "2m");
        assert_eq!(show(7_200_000), "2h");
        let micros = HumanDuration(Duration::from_micros(1));
        assert_eq!(micros.to_string(), "1µs");
    }

    #[test]
    fn display_is_parsed_back() {
        for number in [
            0,
            1,
            59,
            60,
            61,
            999,
            1_000,
            1_001,
            3_600,
            u64::MAX / 3_600_000,
        ] {
            for (_, unit_ms) in UNITS {
                let duration = HumanDuration(Duration::from_millis(number * unit_ms));
                assert_eq!(duration.to_string().parse(), Ok(duration));
            }
        }
    }

    #[test]
    fn refuses_anything_but_a_number_and_a_unit() {
        const REMEDY: &str = "write a whole number and ms, s, m or h, as in 500ms or 3s";
        for text in [
            "", "s", "-1s", "+1s", "1.5s", "1 s", "1S", "1d", "1m30s", "ä",
        ] {
            let expected = format!("'{text}': not a duration; {REMEDY}");
            assert_eq!(refusal(text), expected);
        }
        assert_eq!(
            refusal("30"),
            format!("'30': the unit is missing; {REMEDY}")
        );
        for text in ["18446744073709551616ms", "18446744073709551615s"] {
            let expected = format!("'{text}': longer than can be counted; {REMEDY}");
            assert_eq!(refusal(text), expected);
        }
    }
}
