//! A strategy as the user names it: `least-conn`, `header-hash:X-User`.
//!
//! A [`StrategySpec`] that was parsed can be built: where a strategy needs the name of a header
//! field or a cookie, it has a valid one. Names and properties are the [`Entry`]'s.

use super::entry::BuildArgs;
use super::registry::{self, ENTRIES};
use super::{Entry, KeySource, LeastResponseTime, LoadBound, Strategy};
use crate::syntax::is_token;
use std::fmt;
use std::str::FromStr;

/// Which strategy to build, and with which options.
#[derive(Clone)]
pub struct StrategySpec {
    entry: &'static Entry,
    /// The part after the name and a colon; empty without.
    argument: String,
    load_bound: LoadBound,
}

impl StrategySpec {
    pub(super) const fn new(entry: &'static Entry, argument: String) -> Self {
        Self {
            entry,
            argument,
            load_bound: LoadBound::DEFAULT,
        }
    }

    /// The strategy's name, without an argument.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.entry.name
    }

    /// The strategy's entry in the registry.
    #[must_use]
    pub const fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// Returns where the key of a request comes from.
    #[must_use]
    pub fn key_source(&self) -> KeySource {
        self.entry.key.source(&self.argument)
    }

    /// Bounds the loads of a strategy that hashes. Returns whether it does.
    #[must_use]
    pub const fn set_load_bound(&mut self, to: LoadBound) -> bool {
        if self.entry.key.is_keyed() {
            self.load_bound = to;
        }
        self.entry.key.is_keyed()
    }

    /// Makes the strategy. `seed` decides all its random choices.
    #[must_use]
    pub fn build(&self, seed: u64) -> Box<dyn Strategy> {
        (self.entry.build)(BuildArgs {
            name: self.entry.name,
            key: self.key_source(),
            load_bound: self.load_bound,
            seed,
        })
    }
}

impl Default for StrategySpec {
    fn default() -> Self {
        LeastResponseTime::ENTRY.spec()
    }
}

impl PartialEq for StrategySpec {
    fn eq(&self, other: &Self) -> bool {
        let parts = |spec: &Self| (spec.entry.name, spec.load_bound);
        parts(self) == parts(other) && self.argument == other.argument
    }
}

impl Eq for StrategySpec {}

impl fmt::Debug for StrategySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.name)?;
        if !self.argument.is_empty() {
            write!(f, ":{}", self.argument)?;
        }
        if self.load_bound != LoadBound::DEFAULT {
            write!(f, " ({:?})", self.load_bound)?;
        }
        Ok(())
    }
}

impl FromStr for StrategySpec {
    type Err = BadStrategy;

    /// Finds a strategy by its name or an alias, in any case, with its argument after a colon.
    fn from_str(text: &str) -> Result<Self, BadStrategy> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let entry = registry::find(name).ok_or(BadStrategy::Unknown)?;
        let argument = match (entry.argument(), argument) {
            (Some(_), argument) => argument
                .filter(|argument| is_token(argument))
                .ok_or(BadStrategy::NeedsArgument(entry))?,
            (None, Some(_)) => return Err(BadStrategy::TakesNoArgument(entry)),
            (None, None) => "",
        };
        Ok(Self::new(entry, argument.to_owned()))
    }
}

/// The reason why a strategy cannot be found by its name. Displays as the end of a sentence that
/// began with the name.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum BadStrategy {
    /// No strategy has this name.
    Unknown,
    /// It needs the name of a header field or cookie after a colon.
    NeedsArgument(&'static Entry),
    /// Nothing may follow its name.
    TakesNoArgument(&'static Entry),
}

impl BadStrategy {
    /// The fault.
    #[must_use]
    pub const fn problem(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown strategy",
            Self::NeedsArgument(_) => "needs a name after a colon",
            Self::TakesNoArgument(_) => "takes nothing after a colon",
        }
    }

    /// Returns how to mend it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Unknown => {
                let names: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
                format!("use one of {}", names.join(", "))
            }
            Self::NeedsArgument(entry) => format!("write {}", entry.usage()),
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

    #[test]
    fn every_name_and_alias_builds_its_strategy() {
        for entry in ENTRIES {
            for name in entry.aliases.iter().chain([&entry.name]) {
                let text = match entry.argument() {
                    Some(_) => format!("{}:x-user", name.to_uppercase()),
                    None => name.to_uppercase(),
                };
                let spec: StrategySpec = text.parse().unwrap();
                let strategy = spec.build(0);
                assert_eq!(strategy.name(), entry.name);
                assert_eq!(strategy.key_source(), spec.key_source());
            }
        }
    }

    #[test]
    fn an_argument_names_the_key() {
        let source = |text: &str| text.parse::<StrategySpec>().unwrap().build(0).key_source();
        assert_eq!(
            source("header-hash:X-User"),
            KeySource::Header("X-User".into())
        );
        assert_eq!(source("cookie-maglev:sid"), KeySource::Cookie("sid".into()));
        assert_eq!(source("ip-hash"), KeySource::ClientAddress);
        assert_eq!(source("least-rt"), KeySource::None);
    }

    #[test]
    fn errors_say_how_to_mend_them() {
        let error = |text: &str| text.parse::<StrategySpec>().unwrap_err().to_string();
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
