//! Which strategy is meant: the names as a value.
//!
//! A [`Kind`] that was parsed can be built: where a strategy needs the name of a header field or
//! a cookie, it has a valid one. What each is good for is in the [`registry`](super::registry).

use super::registry::{ENTRIES, Entry};
use super::{KeySource, LoadBound};
use crate::syntax::is_token;
use std::fmt;
use std::str::FromStr;

/// The strategies that come with `lb`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Everything to the first backend that may be picked.
    NToOne,
    /// Each in turn, in proportion to the weights.
    RoundRobin,
    /// The one with the fewest exchanges in flight.
    LeastConnections,
    /// The one expected to finish soonest, learned from response times.
    #[default]
    LeastResponseTime,
    /// Any, in proportion to the weights.
    Random,
    /// The less busy of two random ones.
    TwoChoices,
    /// The one where the key of the request belongs.
    Hashing {
        /// How keys are assigned to backends.
        table: Table,
        /// Where the key comes from.
        key: KeySource,
        /// How much one backend may be given.
        bound: LoadBound,
    },
}

/// How keys are assigned to backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Points on a ring, 160 a weight.
    Ring,
    /// A table of 65,537 entries.
    Maglev,
}

/// What a hashing strategy is called, without its argument.
pub(super) const fn hashing_name(table: Table, key: &KeySource) -> &'static str {
    match (table, key) {
        (Table::Ring, KeySource::None) => "hash",
        (Table::Ring, KeySource::ClientAddress) => "ip-hash",
        (Table::Ring, KeySource::Target) => "uri-hash",
        (Table::Ring, KeySource::Header(_)) => "header-hash",
        (Table::Ring, KeySource::Cookie(_)) => "cookie-hash",
        (Table::Maglev, KeySource::None) => "maglev",
        (Table::Maglev, KeySource::ClientAddress) => "ip-maglev",
        (Table::Maglev, KeySource::Target) => "uri-maglev",
        (Table::Maglev, KeySource::Header(_)) => "header-maglev",
        (Table::Maglev, KeySource::Cookie(_)) => "cookie-maglev",
    }
}

impl Kind {
    /// What it is called, without its argument.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NToOne => "n-to-1",
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-conn",
            Self::LeastResponseTime => "least-rt",
            Self::Random => "random",
            Self::TwoChoices => "p2c",
            Self::Hashing { table, key, .. } => hashing_name(*table, key),
        }
    }

    /// Bounds the loads of a strategy that hashes. Returns whether it does.
    #[must_use]
    pub const fn set_load_bound(&mut self, to: LoadBound) -> bool {
        match self {
            Self::Hashing { bound, .. } => {
                *bound = to;
                true
            }
            Self::NToOne
            | Self::RoundRobin
            | Self::LeastConnections
            | Self::LeastResponseTime
            | Self::Random
            | Self::TwoChoices => false,
        }
    }
}

impl FromStr for Kind {
    type Err = BadStrategy;

    /// Finds a strategy by its name or an alias, in any case, with its argument after a colon.
    fn from_str(text: &str) -> Result<Self, BadStrategy> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let found = ENTRIES.iter().find(|entry| entry.answers_to(name));
        let entry = found.ok_or(BadStrategy::Unknown)?;
        let mut kind = entry.kind.clone();
        match (&mut kind, argument) {
            (
                Self::Hashing {
                    key: KeySource::Header(field) | KeySource::Cookie(field),
                    ..
                },
                argument,
            ) => {
                let valid = argument.filter(|argument| is_token(argument));
                *field = valid.ok_or(BadStrategy::NeedsArgument(entry))?.to_owned();
            }
            (_, Some(_)) => return Err(BadStrategy::TakesNoArgument(entry)),
            (_, None) => {}
        }
        Ok(kind)
    }
}

/// What is wrong with the name of a strategy. Displays as the end of a sentence that began with it.
#[derive(Clone, Copy, Debug)]
pub enum BadStrategy {
    /// No strategy is called so.
    Unknown,
    /// It needs the name of a header field or cookie after a colon.
    NeedsArgument(&'static Entry),
    /// Nothing may follow its name.
    TakesNoArgument(&'static Entry),
}

impl BadStrategy {
    /// What is wrong.
    #[must_use]
    pub const fn problem(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown strategy",
            Self::NeedsArgument(_) => "needs a name after a colon",
            Self::TakesNoArgument(_) => "takes nothing after a colon",
        }
    }

    /// What would be right.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Unknown => {
                let names: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
                format!("use one of {}", names.join(", "))
            }
            Self::NeedsArgument(Entry { name, argument, .. }) => {
                format!("write {name}:{}", argument.unwrap_or_default())
            }
            Self::TakesNoArgument(Entry { name, .. }) => format!("write {name}"),
        }
    }
}

impl fmt::Display for BadStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem(), self.remedy())
    }
}

impl std::error::Error for BadStrategy {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::build;

    #[test]
    fn every_name_and_alias_makes_its_strategy() {
        for entry in &ENTRIES {
            for name in entry.aliases.iter().chain([&entry.name]) {
                let text = match entry.argument {
                    Some(_) => format!("{}:x-user", name.to_uppercase()),
                    None => name.to_uppercase(),
                };
                let kind: Kind = text.parse().unwrap();
                assert_eq!(build(&kind, 0).name(), entry.name);
            }
        }
    }

    #[test]
    fn an_argument_says_where_the_key_is() {
        let source = |text: &str| build(&text.parse().unwrap(), 0).key_source();
        assert_eq!(
            source("header-hash:X-User"),
            KeySource::Header("X-User".into())
        );
        assert_eq!(source("cookie-maglev:sid"), KeySource::Cookie("sid".into()));
        assert_eq!(source("ip-hash"), KeySource::ClientAddress);
        assert_eq!(source("least-rt"), KeySource::None);
    }

    #[test]
    fn errors_say_what_would_be_right() {
        let error = |text: &str| text.parse::<Kind>().unwrap_err().to_string();
        let unknown = error("fastest");
        assert!(unknown.starts_with("unknown strategy; use one of n-to-1, round-robin"));
        for text in ["header-hash", "header-hash:", "header-hash:a b"] {
            assert_eq!(
                error(text),
                "needs a name after a colon; write header-hash:FIELD"
            );
        }
        assert_eq!(error("p2c:3"), "takes nothing after a colon; write p2c");
    }
}
