//! The settings of a monitor, checked: a [`MonitorConfig`] that exists is valid.
//!
//! Owns the defaults and the ranges; settings are called by the flags of `lb ping` and
//! `lb monitor`.

use super::health::{HOUR, check_target, millis};
use super::settings::check_range;
use super::{ConfigError, Question, Target};
use std::time::Duration;

/// The most targets of one monitor.
pub const MAX_TARGETS: usize = 4096;

/// The targets, and the plan for checking them.
#[derive(Clone, Debug)]
pub struct MonitorConfig {
    targets: Vec<Target>,
    plan: Plan,
    /// Which addresses of names are used. Default all.
    pub addresses: AddressKind,
}

/// Times of checks, and the numbers of results that change the state of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// From one check of a target to the next. A quarter of it while checks fail or it
    /// is down. 10 ms to 1 h,
    /// default 1 s.
    pub interval: Duration,
    /// Time limit of a check. 1 ms to 1 h, default 1 s.
    pub timeout: Duration,
    /// Passing checks in a row after which a target that was down is up. 1 to 100, default 2.
    pub rise: u32,
    /// Failing checks in a row after which a target is down. 1 to 100, default 3.
    pub fall: u32,
    /// Number of checks of each target; `None`: until stopped. At least 1.
    pub count: Option<u64>,
}

/// Which addresses of a name are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressKind {
    /// All.
    #[default]
    Any,
    /// Those of IPv4.
    V4,
    /// Those of IPv6.
    V6,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            count: None,
        }
    }
}

impl MonitorConfig {
    /// Watches `targets` by `plan`.
    ///
    /// # Errors
    /// No target, more than [`MAX_TARGETS`], or a value outside its range.
    pub fn new(targets: Vec<Target>, plan: Plan) -> Result<Self, ConfigError> {
        if targets.is_empty() {
            return Err(ConfigError::new("no target given", "name at least one"));
        }
        if targets.len() > MAX_TARGETS {
            let problem = format!("{} targets are too many", targets.len());
            return Err(ConfigError::new(
                problem,
                format!("give at most {MAX_TARGETS}"),
            ));
        }
        targets.iter().try_for_each(checked_page)?;
        Ok(Self {
            targets,
            plan: plan.checked()?,
            addresses: AddressKind::default(),
        })
    }

    /// Returns the targets: at least one.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Returns when, and what it amounts to.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl Plan {
    fn checked(self) -> Result<Self, ConfigError> {
        check_range("--interval", &self.interval, &(millis(10)..=HOUR))?;
        check_range("--timeout", &self.timeout, &(millis(1)..=HOUR))?;
        check_range("--rise", &self.rise, &(1..=100))?;
        check_range("--fall", &self.fall, &(1..=100))?;
        match self.count {
            Some(0) => Err(ConfigError::new("nothing would be done", "give at least 1")
                .with_flag("--count")
                .with_value(0)),
            Some(_) | None => Ok(self),
        }
    }
}

fn checked_page(target: &Target) -> Result<(), ConfigError> {
    let Question::Http(_, check) = target.question() else {
        return Ok(());
    };
    check_range("--expect-status", &check.expect_status, &(200..=599))?;
    check_target("--http", &check.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HttpCheckSettings;

    fn refused(target: Target, plan: Plan) -> String {
        let config = MonitorConfig::new(vec![target], plan);
        config.unwrap_err().to_string()
    }

    fn machine() -> Target {
        Target::machine("a".parse().unwrap())
    }

    #[test]
    fn the_defaults_are_within_their_ranges() {
        let config = MonitorConfig::new(vec![machine()], Plan::default()).unwrap();
        assert_eq!(config.plan(), &Plan::default());
    }

    #[test]
    fn out_of_range_value_is_refused_by_name() {
        let plan = Plan::default();
        let zero = Duration::ZERO;
        for (flag, plan) in [
            (
                "--interval '0s'",
                Plan {
                    interval: zero,
                    ..plan
                },
            ),
            (
                "--timeout '0s'",
                Plan {
                    timeout: zero,
                    ..plan
                },
            ),
            ("--rise '0'", Plan { rise: 0, ..plan }),
            ("--fall '101'", Plan { fall: 101, ..plan }),
            (
                "--count '0'",
                Plan {
                    count: Some(0),
                    ..plan
                },
            ),
        ] {
            let message = refused(machine(), plan);
            assert!(message.starts_with(flag), "{message}");
        }
        let empty = MonitorConfig::new(Vec::new(), plan).unwrap_err();
        assert_eq!(empty.to_string(), "no target given; name at least one");
        let many = MonitorConfig::new(vec![machine(); MAX_TARGETS + 1], plan);
        let many = many.unwrap_err().to_string();
        assert_eq!(many, "4097 targets are too many; give at most 4096");
    }

    #[test]
    fn pages_are_checked_as_those_of_backends_are() {
        let page = |path: &str, expect_status| {
            let check = HttpCheckSettings {
                path: path.to_owned(),
                expect_status,
                expect_body: None,
            };
            refused(
                Target::service("80".parse().unwrap(), Some(check)),
                Plan::default(),
            )
        };
        assert!(page("/", 99).starts_with("--expect-status '99': out of range"));
        assert!(page("x y", 200).starts_with("--http 'x y': not the path"));
    }
}
