//! The content of a heartbeat. Values that exist are sound; `wire` has their format.

use crate::address::BackendAddress;
use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Range of intervals, in whole milliseconds.
pub const INTERVALS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60);

/// One heartbeat.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// The name of the sender.
    pub name: SenderName,
    /// The backend it reports on, by its address as configured at the balancer; `None`: the one
    /// with the sender's name.
    pub address: Option<BackendAddress>,
    /// Time until the next one; within [`INTERVALS`].
    pub interval: Duration,
    /// Load of the sender's host, if known.
    pub load: Option<Load>,
    /// State of the process that the sender watches, if it watches one.
    pub process: Option<ProcessState>,
    /// Time of sending since the Unix epoch, in whole microseconds. Each is sent later than the one
    /// before.
    pub sent_at: Duration,
}

impl Heartbeat {
    /// Returns the name of the backend it reports on.
    #[must_use]
    pub fn backend(&self) -> String {
        match &self.address {
            Some(address) => address.to_string(),
            None => self.name.0.clone(),
        }
    }
}

/// The name of a sender: 1 to 64 bytes of visible ASCII, so that it can stand in any line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SenderName(String);

impl SenderName {
    /// The longest, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// A name; `None` if it cannot be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_BYTES).contains(&text.len());
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (fits && is_visible).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for SenderName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Load of a host: 0 idle, 1 fully used. In ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load(u16);

impl Load {
    const WHOLE: u16 = 10_000;

    /// A load; `None` if it is not within 0 to 1.
    #[must_use]
    pub fn new(load: f64) -> Option<Self> {
        let is_load = (0.0..=1.0).contains(&load);
        is_load.then(|| Self((load * f64::from(Self::WHOLE)).round() as u16))
    }

    /// 0 to 1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }

    pub(super) const fn from_ten_thousandths(number: u16) -> Option<Self> {
        if number <= Self::WHOLE {
            Some(Self(number))
        } else {
            None
        }
    }

    pub(super) const fn ten_thousandths(self) -> u16 {
        self.0
    }
}

impl Display for Load {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.as_f64())
    }
}

/// State of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It is there.
    Alive,
    /// It is not, or is a zombie.
    Dead,
}

impl ProcessState {
    /// The state in one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Dead => "dead",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_stand_in_a_line() {
        let long = "x".repeat(SenderName::MAX_BYTES);
        for good in ["web1", "a.example:80", &long] {
            assert_eq!(SenderName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\n", "é", &format!("{long}x")] {
            assert_eq!(SenderName::new(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn loads_are_within_zero_and_one() {
        assert_eq!(Load::new(0.31).unwrap().to_string(), "0.31");
        assert_eq!(Load::new(1.0).map(Load::as_f64), Some(1.0));
        for bad in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
            assert_eq!(Load::new(bad), None);
        }
    }
}
