//! The settings of a sender of heartbeats, checked.

use super::{BackendAddress, ConfigError, HostPort, check_range};
use crate::heartbeat::{HeartbeatKey, INTERVALS, SenderName};
use std::time::Duration;

/// The most balancers that one sender sends to.
pub const MAX_BALANCERS: usize = 64;

/// Default interval of heartbeats.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// Targets, name and interval of a sender of heartbeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderConfig {
    /// The name of the sender.
    pub name: SenderName,
    /// The backend it reports on, as configured at the balancers; `None`: the one with the sender's
    /// name.
    pub address: Option<BackendAddress>,
    /// The key that signs heartbeats; `None`: they are not signed.
    pub key: Option<HeartbeatKey>,
    /// By TCP rather than UDP.
    pub by_tcp: bool,
    /// Number of heartbeats before it ends; `None`: until stopped.
    pub count: Option<u64>,
    targets: Vec<HostPort>,
    interval: Duration,
}

impl SenderConfig {
    /// A sender to these balancers, with the default of everything else.
    ///
    /// # Errors
    ///
    /// No balancer, more than [`MAX_BALANCERS`], or one twice.
    pub fn new(
        name: SenderName,
        targets: impl IntoIterator<Item = HostPort>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            name,
            address: None,
            key: None,
            by_tcp: false,
            count: None,
            targets: checked_targets(targets.into_iter().collect())?,
            interval: DEFAULT_INTERVAL,
        })
    }

    /// The balancers: at least one, none twice.
    #[must_use]
    pub fn targets(&self) -> &[HostPort] {
        &self.targets
    }

    /// From one heartbeat to the next.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// Sends as often instead.
    ///
    /// # Errors
    ///
    /// Less than 100 ms, more than a minute.
    pub fn set_interval(&mut self, interval: Duration) -> Result<(), ConfigError> {
        check_range("--interval", &interval, &INTERVALS)?;
        self.interval = interval;
        Ok(())
    }
}

fn checked_targets(targets: Vec<HostPort>) -> Result<Vec<HostPort>, ConfigError> {
    const FLAG: &str = "--to";
    if targets.is_empty() {
        let remedy = "name at least one, as in --to lb.example:7000";
        return Err(ConfigError::new("no balancer given", remedy).with_flag(FLAG));
    }
    if targets.len() > MAX_BALANCERS {
        let problem = format!("{} balancers are too many", targets.len());
        let remedy = format!("give at most {MAX_BALANCERS}");
        return Err(ConfigError::new(problem, remedy).with_flag(FLAG));
    }
    let mut rest = targets.iter().enumerate();
    let twice = rest.find(|(nth, target)| targets.iter().take(*nth).any(|t| t == *target));
    match twice {
        Some((_, twice)) => Err(
            ConfigError::new("this balancer is given twice", "name it once")
                .with_flag(FLAG)
                .with_value(twice),
        ),
        None => Ok(targets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(targets: &[&str]) -> Result<SenderConfig, ConfigError> {
        let targets = targets.iter().map(|target| target.parse().unwrap());
        SenderConfig::new(SenderName::new("web1").unwrap(), targets)
    }

    #[test]
    fn balancers_are_some_and_different() {
        assert_eq!(config(&["a:1", "b:1"]).unwrap().targets().len(), 2);
        let many: Vec<String> = (1..=65).map(|port| format!("a:{port}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (targets, message) in [
            (
                &[][..],
                "--to: no balancer given; name at least one, as in --to lb.example:7000",
            ),
            (
                &["a:1", "b:1", "A:1"],
                "--to 'a:1': this balancer is given twice; name it once",
            ),
            (&many, "--to: 65 balancers are too many; give at most 64"),
        ] {
            assert_eq!(config(targets).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn intervals_have_a_range() {
        let mut config = config(&["a:1"]).unwrap();
        for good in [100, 60_000] {
            assert!(config.set_interval(Duration::from_millis(good)).is_ok());
        }
        for bad in [99, 60_001] {
            let refused = config.set_interval(Duration::from_millis(bad));
            assert_eq!(
                refused.unwrap_err().to_string(),
                format!("--interval '{bad}ms': out of range; give 100ms to 1m")
            );
        }
    }
}
