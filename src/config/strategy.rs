//! The strategies by name.
//!
//! Owns how a strategy is called and when to use which; how each one picks is
//! [`balance`](crate::balance)'s to know.

use super::{Invalid, choice};
use std::str::FromStr;

/// The strategies that can be named on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StrategyKind {
    /// Everything to the first backend that may be picked.
    NToOne,
    /// Each in turn, in proportion to the weights.
    RoundRobin,
    /// The one with the fewest exchanges in flight.
    LeastConnections,
    /// The one expected to finish soonest, learned from response times.
    #[default]
    LeastResponseTime,
}

impl StrategyKind {
    /// Every strategy, the simplest first.
    pub const ALL: [Self; 4] = [
        Self::NToOne,
        Self::RoundRobin,
        Self::LeastConnections,
        Self::LeastResponseTime,
    ];

    /// The name it is known by, as in `--strategy NAME`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NToOne => "n-to-1",
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-conn",
            Self::LeastResponseTime => "least-rt",
        }
    }

    /// The other name it answers to.
    #[must_use]
    pub const fn alias(self) -> &'static str {
        match self {
            Self::NToOne => "N2One",
            Self::RoundRobin => "RoundRobin",
            Self::LeastConnections => "LeastConnections",
            Self::LeastResponseTime => "LeastResponseTime",
        }
    }

    /// What it does and when to use it, in one line.
    #[must_use]
    pub const fn when_to_use(self) -> &'static str {
        match self {
            Self::NToOne => "all to the first backend that is up; for one server with standbys",
            Self::RoundRobin => "each in turn, by weight; for equal servers and equal requests",
            Self::LeastConnections => "fewest in flight; for requests that take unequal times",
            Self::LeastResponseTime => "soonest to finish; for servers that are unequal or falter",
        }
    }
}

impl FromStr for StrategyKind {
    type Err = Invalid;

    /// Takes the name or the alias, in any case of letters.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let by_alias = |kind: &Self| kind.alias().eq_ignore_ascii_case(text);
        match Self::ALL.into_iter().find(by_alias) {
            Some(kind) => Ok(kind),
            None => {
                let names = Self::ALL.map(|kind| (kind, kind.name()));
                choice::choose(text, "strategy", &names)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_understood_in_any_case() {
        for kind in StrategyKind::ALL {
            for name in [kind.name(), kind.alias()] {
                assert_eq!(name.parse(), Ok(kind));
                assert_eq!(name.to_lowercase().parse(), Ok(kind));
                assert_eq!(name.to_uppercase().parse(), Ok(kind));
            }
        }
        assert_eq!("N2One".parse(), Ok(StrategyKind::NToOne));
        assert_eq!("least-rt".parse(), Ok(StrategyKind::LeastResponseTime));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let invalid = "fastest".parse::<StrategyKind>().unwrap_err();
        assert_eq!(
            invalid.with_flag("--strategy").to_string(),
            "--strategy 'fastest': unknown strategy; \
             use one of n-to-1, round-robin, least-conn, least-rt"
        );
    }
}
