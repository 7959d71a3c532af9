//! Strategies as the user names them.
//!
//! What they are called and when to use which is the [`registry`]'s to know; only the words of
//! the refusal are made here.

use super::{Invalid, StrategyKind};
use crate::balance::registry;

/// Finds a strategy by its name or its alias, in any case of letters.
///
/// # Errors
/// There is none of this name; the remedy lists those there are.
pub fn parse_strategy(text: &str) -> Result<StrategyKind, Invalid> {
    text.parse().map_err(|_| {
        let names: Vec<_> = registry::ENTRIES.iter().map(|entry| entry.name).collect();
        let remedy = format!("use one of {}", names.join(", "));
        Invalid::new("unknown strategy", remedy).with_value(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_understood_in_any_case() {
        for entry in &registry::ENTRIES {
            for name in entry.aliases.iter().chain([&entry.name]) {
                assert_eq!(parse_strategy(name), Ok(entry.kind.clone()));
                assert_eq!(parse_strategy(&name.to_lowercase()), Ok(entry.kind.clone()));
                assert_eq!(parse_strategy(&name.to_uppercase()), Ok(entry.kind.clone()));
            }
        }
        assert_eq!(parse_strategy("N2One"), Ok(StrategyKind::NToOne));
        assert_eq!(
            parse_strategy("least-rt"),
            Ok(StrategyKind::LeastResponseTime)
        );
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let invalid = parse_strategy("fastest").unwrap_err();
        assert_eq!(
            invalid.with_flag("--strategy").to_string(),
            "--strategy 'fastest': unknown strategy; \
             use one of n-to-1, round-robin, least-conn, least-rt, random, p2c"
        );
    }
}
