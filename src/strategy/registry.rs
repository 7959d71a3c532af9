//! The list of strategies that come with `lb`.
//!
//! The command line, the help text, the benches and the contract test go by this list. Each
//! [`Entry`] is defined beside its strategy. A strategy that is not listed can still be handed to
//! the library as a `Box<dyn Strategy>`.

use super::entry::Entry;
use super::hashing;
use super::{LeastConnections, LeastResponseTime, NToOne, Random, RoundRobin, TwoChoices};

/// Every strategy, in the order in which help pages show them.
pub static ENTRIES: &[&Entry] = &[
    &NToOne::ENTRY,
    &RoundRobin::ENTRY,
    &LeastConnections::ENTRY,
    &LeastResponseTime::ENTRY,
    &Random::ENTRY,
    &TwoChoices::ENTRY,
    &hashing::IP_HASH,
    &hashing::URI_HASH,
    &hashing::HEADER_HASH,
    &hashing::COOKIE_HASH,
    &hashing::IP_MAGLEV,
    &hashing::URI_MAGLEV,
    &hashing::HEADER_MAGLEV,
    &hashing::COOKIE_MAGLEV,
];

/// Finds a strategy by its name or an alias, in any case.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().copied().find(|entry| entry.has_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_name_is_given_twice() {
        let names = |entry: &&'static Entry| entry.aliases.iter().chain([&entry.name]);
        let all: Vec<String> = ENTRIES
            .iter()
            .flat_map(names)
            .map(|n| n.to_lowercase())
            .collect();
        let distinct: HashSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
    }
}
