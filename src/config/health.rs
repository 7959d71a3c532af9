//! Who may be picked: what ejects a backend, how it is checked, and how it comes back.
//!
//! Owns the defaults and the ranges.

use super::choice::choose;
use super::{ConfigError, HumanDuration};
use crate::health::{CheckKind, HttpCheckSettings};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How backends are checked and when they are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether what real exchanges come to ejects a backend. Default true.
    pub passive: bool,
    /// The most backends that are ejected because of what they answer, in percent of all. One
    /// that does not answer at all is always ejected. 0 to 100, default 50.
    pub max_ejected_percent: u8,
    /// How many times longer than the others a backend may take to answer before it is ejected
    /// for it; `None`: as long as it likes. 2 to 1000, default 20.
    pub slow_outlier: Option<u32>,
    /// How long the share of a backend grows that comes back; zero gives it the whole at once.
    /// Up to 1 h, default 10 s.
    pub slow_start: Duration,
    /// The kind of check; `None`: backends are not checked. Default by connecting.
    pub check: Option<CheckKind>,
    /// The request of HTTP checks, and the response they expect.
    pub http: HttpCheckSettings,
    /// From one check of a backend to the next. A quarter of it while a backend is suspect.
    /// 10 ms to 1 h, default 2 s.
    pub interval: Duration,
    /// How long a check may take. 1 ms to 1 h, default 1 s.
    pub timeout: Duration,
    /// How many checks in a row must pass after they failed. 1 to 100, default 2.
    pub rise: u32,
    /// How many checks in a row must fail. 1 to 100, default 3.
    pub fall: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            passive: true,
            max_ejected_percent: 50,
            slow_outlier: Some(20),
            slow_start: Duration::from_secs(10),
            check: Some(CheckKind::default()),
            http: HttpCheckSettings::default(),
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        }
    }
}

/// Reads `--health`: a kind of check, or `none`.
///
/// # Errors
/// There is no such kind.
pub fn parse_check_kind(text: &str) -> Result<Option<CheckKind>, ConfigError> {
    let kinds = CheckKind::ALL.map(|kind| (Some(kind), kind.name()));
    let words: Vec<_> = kinds.into_iter().chain([(None, NO_CHECK)]).collect();
    choose(text, "check", &words)
}

/// The word for no checks at all.
pub const NO_CHECK: &str = "none";

pub(super) const HOUR: Duration = Duration::from_secs(3600);

impl Health {
    /// These settings, if each is within its range.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        within("--max-ejected", self.max_ejected_percent, 0..=100)?;
        if let Some(ratio) = self.slow_outlier {
            within("--slow-outlier", ratio, 2..=1000)?;
        }
        within("--health-rise", self.rise, 1..=100)?;
        within("--health-fall", self.fall, 1..=100)?;
        within("--health-expect-status", self.http.expect_status, 100..=599)?;
        let ms = Duration::from_millis;
        time("--slow-start", self.slow_start, Duration::ZERO..=HOUR)?;
        time("--health-interval", self.interval, ms(10)..=HOUR)?;
        time("--health-timeout", self.timeout, ms(1)..=HOUR)?;
        if !is_target(&self.http.path) {
            let remedy = "give a path, as in /ping";
            return Err(ConfigError::new("not the path of a page", remedy)
                .with_flag("--health-path")
                .with_value(&self.http.path));
        }
        Ok(self)
    }
}

/// Whether it can stand in a request line (RFC 9112, section 3.2.1).
pub(super) fn is_target(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(super) fn within<T: PartialOrd + Display>(
    flag: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    let remedy = format!("give {} to {}", range.start(), range.end());
    let invalid = ConfigError::new("out of range", remedy);
    Err(invalid.with_flag(flag).with_value(value))
}

pub(super) fn time(
    flag: &'static str,
    value: Duration,
    range: RangeInclusive<Duration>,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = (HumanDuration(*range.start()), HumanDuration(*range.end()));
    let invalid = ConfigError::new("out of range", format!("give {least} to {most}"));
    Err(invalid.with_flag(flag).with_value(HumanDuration(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why these settings are refused, after `change`.
    fn refused(change: impl Fn(&mut Health)) -> String {
        let mut health = Health::default();
        change(&mut health);
        health.checked().unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_within_their_ranges() {
        assert!(Health::default().checked().is_ok());
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        for (flag, message) in [
            ("--max-ejected", refused(|h| h.max_ejected_percent = 101)),
            ("--slow-outlier", refused(|h| h.slow_outlier = Some(1))),
            ("--health-rise", refused(|h| h.rise = 0)),
            ("--health-fall", refused(|h| h.fall = 101)),
            (
                "--health-expect-status",
                refused(|h| h.http.expect_status = 600),
            ),
            (
                "--slow-start",
                refused(|h| h.slow_start = Duration::from_secs(3601)),
            ),
            (
                "--health-interval",
                refused(|h| h.interval = Duration::from_millis(9)),
            ),
            ("--health-timeout", refused(|h| h.timeout = Duration::ZERO)),
        ] {
            assert!(message.starts_with(flag), "{message}");
            assert!(message.contains("out of range; give "), "{message}");
        }
    }

    #[test]
    fn a_path_that_would_break_the_request_is_refused() {
        for path in ["", "ping", "/a b", "/a\r\nX: y", "/é"] {
            let message = refused(|h| path.clone_into(&mut h.http.path));
            assert!(message.contains("not the path of a page"), "{message}");
        }
    }

    #[test]
    fn every_check_is_understood_in_any_case() {
        for check in CheckKind::ALL {
            let parsed = parse_check_kind(&check.name().to_uppercase());
            assert_eq!(parsed, Ok(Some(check)));
        }
        assert_eq!(parse_check_kind("none"), Ok(None));
        let unknown = parse_check_kind("icmp").unwrap_err().to_string();
        assert!(unknown.ends_with("use one of tcp, http, ping, none"));
    }
}
