//! The value of `--strategy`: the name of one, or the wish to see them all.

#[cfg(feature = "simulate")]
use lb::config::{ConfigError, StrategySpec};
#[cfg(feature = "simulate")]
use lb::internal::config::parse_strategy;
use lb::internal::strategy::ENTRIES;
use lb::strategy::Entry;
use std::fmt::Write as _;

/// A strategy, or the wish to see them all.
#[cfg(feature = "simulate")]
#[derive(Clone, Debug)]
pub(super) enum StrategyChoice {
    /// This one.
    Of(StrategySpec),
    /// All of them are to be listed.
    List,
}

#[cfg(feature = "simulate")]
impl StrategyChoice {
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        match text.eq_ignore_ascii_case("list") {
            true => Ok(Self::List),
            false => parse_strategy(text).map(Self::Of),
        }
    }

    /// The one that is wanted, if one is.
    pub(super) fn kind(self) -> Option<StrategySpec> {
        match self {
            Self::Of(kind) => Some(kind),
            Self::List => None,
        }
    }
}

/// Every strategy, with when to use it and what a pick costs.
pub(super) fn list() -> String {
    let mut page = String::new();
    for entry in ENTRIES {
        let Entry {
            help, cost, nanos, ..
        } = entry;
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{:<22} {help}", entry.usage());
        let (few, many) = *nanos;
        let _ = writeln!(page, "{:<22} a pick is {cost}; {few} to {many} ns\n", "");
    }
    page.push_str(
        "The times are those of a pick and the end of its exchange, from 4 to 1,024 backends, on one\n\
         core at 2.5 GHz. A request costs some 10,000 ns in all.\n",
    );
    page
}
