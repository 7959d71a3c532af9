//! Health checks of backends.
//!
//! Owns the defaults and the ranges. When a backend is ejected and how it returns is in
//! [`ejection`](super::ejection).

use super::ConfigError;
use super::choice::choose;
use super::settings::{Scope, Section, within};
use crate::health::{CheckKind, HttpCheckSettings};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

pub(super) static SECTION: Section = Section {
    title: "Health of backends",
    scope: Scope::Pool,
};

pub(super) const HOUR: Duration = Duration::from_secs(3600);

pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

settings! {
    /// Health checks of backends.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Health in draft.health, section SECTION;

    /// Kind of health check; `None`: backends are not checked
    "health" <"KIND"> check: Option<CheckKind> = Some(CheckKind::default()),
        read parse_check_kind, with { doc: kinds_doc };

    /// Page that an http check requests
    "health-path" <"PATH"> path: String = HttpCheckSettings::default().path, check check_target;

    /// Status that an http check expects
    "health-expect-status" <"STATUS"> expect_status: u16 = HttpCheckSettings::default().expect_status, check within(200..=599);

    /// Text that the body of the page must contain [default: any body will do]
    "health-expect-body" <"TEXT"> expect_body: Option<String> = None;

    /// Interval between checks of a backend
    ///
    /// A quarter of it while a backend is suspect.
    "health-interval" <"TIME"> interval: Duration = millis(2_000),
        check within(millis(10)..=HOUR);

    /// Time limit for one health check
    "health-timeout" <"TIME"> timeout: Duration = millis(1_000), check within(millis(1)..=HOUR);

    /// Checks in a row that must pass after a failure
    "health-rise" <"N"> rise: u32 = 2, check within(1..=100);

    /// Checks in a row that must fail
    "health-fall" <"N"> fall: u32 = 3, check within(1..=100);
}

impl Health {
    /// The request of an HTTP check, and the response it expects.
    #[must_use]
    pub fn http_check(&self) -> HttpCheckSettings {
        HttpCheckSettings {
            path: self.path.clone(),
            expect_status: self.expect_status,
            expect_body: self.expect_body.clone(),
        }
    }
}

/// The word for no checks at all.
pub const NO_CHECK: &str = "none";

/// Reads `--health`: a kind of check, or `none`.
///
/// # Errors
/// There is no such kind.
pub fn parse_check_kind(text: &str) -> Result<Option<CheckKind>, ConfigError> {
    let kinds = CheckKind::ALL.map(|kind| (Some(kind), kind.name()));
    let words: Vec<_> = kinds.into_iter().chain([(None, NO_CHECK)]).collect();
    choose(text, "check", &words)
}

/// The help of `--health`: each kind with what it finds out.
fn kinds_doc() -> Cow<'static, str> {
    let names = CheckKind::ALL.map(CheckKind::name).join(", ");
    let mut text = format!("Health check: {names} or {NO_CHECK}, on connections of its own\n");
    for kind in CheckKind::ALL {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{:<5} {}", kind.name(), kind.about());
    }
    let _ = write!(
        text,
        "\n{NO_CHECK:<5} backends are not checked\n\n\
         ping needs the group of lb in net.ipv4.ping_group_range, or CAP_NET_RAW."
    );
    text.into()
}

/// Returns whether it can be a request target (RFC 9112, section 3.2.1).
pub(super) fn is_target(path: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    path.starts_with('/') && path.bytes().all(may_stand)
}

/// The check of a path.
pub(super) fn check_target(flag: &'static str, path: &String) -> Result<(), ConfigError> {
    match is_target(path) {
        true => Ok(()),
        false => Err(
            ConfigError::new("not the path of a page", "give a path, as in /ping")
                .with_flag(flag)
                .with_value(path),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error of these settings after `change`.
    fn refused(change: impl Fn(&mut Health)) -> String {
        let mut health = Health::default();
        change(&mut health);
        health.checked().unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_within_their_ranges() {
        assert!(Health::default().checked().is_ok());
    }

    #[test]
    fn a_value_out_of_range_is_refused_by_name() {
        for (flag, message) in [
            ("--health-rise", refused(|h| h.rise = 0)),
            ("--health-fall", refused(|h| h.fall = 101)),
            ("--health-expect-status", refused(|h| h.expect_status = 600)),
            ("--health-interval", refused(|h| h.interval = millis(9))),
            ("--health-timeout", refused(|h| h.timeout = Duration::ZERO)),
        ] {
            assert!(message.starts_with(flag), "{message}");
            assert!(message.contains("out of range; give "), "{message}");
        }
    }

    #[test]
    fn a_path_that_would_break_the_request_is_refused() {
        for path in ["", "ping", "/a b", "/a\r\nX: y", "/é", "/a#b"] {
            let message = refused(|h| path.clone_into(&mut h.path));
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
