//! Outlier detection: when exchanges eject a backend, and how it returns.

use super::health::{HOUR, SECTION};
use super::settings::{optional, within};
use super::{ConfigError, parse_number};
use std::time::Duration;

settings! {
    /// The policy for ejecting backends by the outcomes of exchanges, and for their return.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct EjectionPolicy in draft.ejection, section SECTION;

    /// Eject backends whose requests fail: on or off
    ///
    /// One that refuses connections is ejected at once; one that fails five requests in a row, or
    /// half of them while others do better, for 1s, and longer each time. Errors of the client
    /// (4xx) do not count. Off: only health checks eject.
    "passive" <"on|off"> passive: bool = true;

    /// Backends ejected at once for failing or slow requests, in percent of all
    ///
    /// One that does not respond at all, or fails its health checks, is always ejected.
    "max-ejected" <"PERCENT"> max_ejected_percent: u8 = 50,
        read parse_percent, check within(0..=100);

    /// Times slower than the others that ejects a backend, or off
    ///
    /// The median of 20 responses counts, if it is half a second longer as well. Not applied in
    /// TCP mode, nor where the request decides on the backend (-hash, -maglev, --sticky).
    "slow-outlier" <"RATIO|off"> slow_outlier: Option<u32> = Some(20),
        read parse_ratio, check optional(within(2..=1000)), with { http_only: true };

    /// Time over which the share of a backend that returns grows
    ///
    /// 0s gives it the whole share at once. Backends that lb starts with have it from the start.
    "slow-start" <"TIME"> slow_start: Duration = Duration::from_secs(10),
        check within(Duration::ZERO..=HOUR);
}

impl EjectionPolicy {
    /// Failing exchanges eject up to half of the pool; slow ones do not, and a backend that
    /// returns has its whole share at once.
    pub const FAILURES_ONLY: Self = Self {
        passive: true,
        max_ejected_percent: 50,
        slow_outlier: None,
        slow_start: Duration::ZERO,
    };
}

/// Reads `50` and `50%`.
fn parse_percent(text: &str) -> Result<u8, ConfigError> {
    parse_number(text.strip_suffix('%').unwrap_or(text))
}

fn parse_ratio(text: &str) -> Result<Option<u32>, ConfigError> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    parse_number(text)
        .map(Some)
        .map_err(|_| ConfigError::new("not a ratio", "give 2 to 1000, or off").with_value(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(policy: EjectionPolicy) -> String {
        policy.checked().unwrap_err().to_string()
    }

    #[test]
    fn a_value_out_of_range_is_refused_by_name() {
        let policy = EjectionPolicy::default();
        assert!(policy.checked().is_ok());
        for (flag, policy) in [
            (
                "--max-ejected",
                EjectionPolicy {
                    max_ejected_percent: 101,
                    ..policy
                },
            ),
            (
                "--slow-outlier",
                EjectionPolicy {
                    slow_outlier: Some(1),
                    ..policy
                },
            ),
            (
                "--slow-start",
                EjectionPolicy {
                    slow_start: HOUR + Duration::from_secs(1),
                    ..policy
                },
            ),
        ] {
            let message = refused(policy);
            assert!(message.starts_with(flag), "{message}");
            assert!(message.contains("out of range; give "), "{message}");
        }
    }

    #[test]
    fn percent_and_ratio_have_their_notations() {
        assert_eq!(parse_percent("50%"), Ok(50));
        assert_eq!(parse_percent("0"), Ok(0));
        assert!(parse_percent("%").is_err());
        assert_eq!(parse_ratio("OFF"), Ok(None));
        assert_eq!(parse_ratio("2"), Ok(Some(2)));
        assert!(parse_ratio("never").is_err());
    }
}
