//! Every strategy by name: what it is called, when to use it, what a pick costs, how to make it.
//!
//! This table is the one list that the command line, the help text, the benches and the contract
//! test go by. A strategy that is not in it can still be handed to the library as a
//! `Box<dyn Strategy>`.

use super::{
    LeastConnections, LeastResponseTime, NToOne, Random, RoundRobin, Strategy, TwoChoices,
};
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
}

/// One row of the table.
#[derive(Debug)]
pub struct Entry {
    /// What it makes.
    pub kind: Kind,
    /// What it is called, as in `--strategy NAME`.
    pub name: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// When to use it, in one line.
    pub when: &'static str,
    /// What a pick costs as the pool grows, in a few words.
    pub cost: &'static str,
}

/// Every strategy, in the order in which they are shown.
pub static ENTRIES: [Entry; 6] = [
    Entry {
        kind: Kind::NToOne,
        name: "n-to-1",
        aliases: &["N2One"],
        when: "a primary with standbys, or finding out what one backend can carry",
        cost: "constant",
    },
    Entry {
        kind: Kind::RoundRobin,
        name: "round-robin",
        aliases: &["RoundRobin"],
        when: "backends and requests that are alike, or an order that must be foreseeable",
        cost: "constant; one look a backend when weights differ",
    },
    Entry {
        kind: Kind::LeastConnections,
        name: "least-conn",
        aliases: &["LeastConnections"],
        when: "long-lived connections, where response times tell nothing",
        cost: "one look a backend, at most 500",
    },
    Entry {
        kind: Kind::LeastResponseTime,
        name: "least-rt",
        aliases: &["LeastResponseTime"],
        when: "the default: backends or requests that differ, and backends that may go bad",
        cost: "one look a backend, at most 500",
    },
    Entry {
        kind: Kind::Random,
        name: "random",
        aliases: &[],
        when: "many balancers that must not act alike, or a baseline to compare with",
        cost: "constant",
    },
    Entry {
        kind: Kind::TwoChoices,
        name: "p2c",
        aliases: &["TwoChoices"],
        when: "pools of thousands, or comparing with balancers that do so",
        cost: "constant",
    },
];

impl Kind {
    /// The name it is known by, as in `--strategy NAME`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let entry = ENTRIES.iter().find(|entry| entry.kind == *self);
        entry.map_or("?", |entry| entry.name)
    }
}

/// Makes a strategy. `seed` decides all its random choices.
#[must_use]
pub fn build(kind: &Kind, seed: u64) -> Box<dyn Strategy> {
    match kind {
        Kind::NToOne => Box::new(NToOne),
        Kind::RoundRobin => Box::new(RoundRobin::default()),
        Kind::LeastConnections => Box::new(LeastConnections::new(seed)),
        Kind::LeastResponseTime => Box::new(LeastResponseTime::new(seed)),
        Kind::Random => Box::new(Random::new(seed)),
        Kind::TwoChoices => Box::new(TwoChoices::new(seed)),
    }
}

impl FromStr for Kind {
    type Err = UnknownStrategy;

    /// Finds a strategy by its name or an alias, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        let answers = |entry: &&Entry| {
            let mut names = entry.aliases.iter().chain([&entry.name]);
            names.any(|name| name.eq_ignore_ascii_case(text))
        };
        let entry = ENTRIES.iter().find(answers).ok_or(UnknownStrategy)?;
        Ok(entry.kind.clone())
    }
}

/// No strategy has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownStrategy;

impl fmt::Display for UnknownStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown strategy; use one of ")?;
        for (nth, entry) in ENTRIES.iter().enumerate() {
            let comma = if nth == 0 { "" } else { ", " };
            write!(f, "{comma}{}", entry.name)?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownStrategy {}
