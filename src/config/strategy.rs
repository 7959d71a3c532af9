//! Strategies as the user names them.
//!
//! Names and purposes are in the [`registry`]; only the text of the refusal is made here.

use super::{ConfigError, StrategySpec, nearest};
use crate::strategy::registry::ENTRIES;
use crate::strategy::{BadStrategy, LoadBound};
use crate::syntax::digits;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Finds a strategy by its name or its alias, in any case of letters, with its argument after a
/// colon where it takes one.
///
/// # Errors
/// There is none of this name, or the argument is not as it should be.
pub fn parse_strategy(text: &str) -> Result<StrategySpec, ConfigError> {
    text.parse().map_err(|bad: BadStrategy| {
        let remedy = match nearest_strategy(text) {
            Some(name) if matches!(bad, BadStrategy::Unknown) => format!("did you mean {name}?"),
            _ => bad.remedy(),
        };
        ConfigError::new(bad.problem(), remedy).with_value(text)
    })
}

/// The strategy that was probably meant.
fn nearest_strategy(text: &str) -> Option<&'static str> {
    let name = text.split(':').next().unwrap_or(text);
    nearest(name, ENTRIES.iter().map(|entry| entry.name))
}

/// Reads how much a hashing strategy may give one backend: `150`, `150%` or `off`.
///
/// # Errors
/// Anything else, and what is not 101 to 10,000.
pub fn parse_load_bound(text: &str) -> Result<LoadBound, ConfigError> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(LoadBound::OFF);
    }
    let percent = digits(text.strip_suffix('%').unwrap_or(text));
    percent.and_then(LoadBound::percent).ok_or_else(|| {
        let remedy = "give 101 to 10000 percent of a fair share, or off";
        ConfigError::new("not a bound", remedy).with_value(text)
    })
}

/// The help of `--strategy`: when to use which, and the other names.
pub(super) fn doc() -> Cow<'static, str> {
    let names: Vec<_> = ENTRIES.iter().take(4).map(|entry| entry.name).collect();
    let mut text = format!(
        "Strategy: {}, or another; list shows all\n",
        names.join(", ")
    );
    for entry in ENTRIES {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{:<21} {}", entry.usage(), entry.help);
    }
    let aliases = ENTRIES.iter().flat_map(|entry| entry.aliases);
    let aliases: Vec<_> = aliases.copied().collect();
    let _ = write!(text, "\n\nAliases: {}.", aliases.join(", "));
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{LeastResponseTime, NToOne, registry};

    #[test]
    fn names_and_aliases_are_understood_in_any_case() {
        for entry in registry::ENTRIES {
            if entry.argument().is_some() {
                continue;
            }
            for name in entry.aliases.iter().chain([&entry.name]) {
                let kind = Ok(entry.spec());
                assert_eq!(parse_strategy(name), kind);
                assert_eq!(parse_strategy(&name.to_lowercase()), kind);
                assert_eq!(parse_strategy(&name.to_uppercase()), kind);
            }
        }
        assert_eq!(parse_strategy("N2One"), Ok(NToOne::ENTRY.spec()));
        assert_eq!(
            parse_strategy("least-rt"),
            Ok(LeastResponseTime::ENTRY.spec())
        );
    }

    #[test]
    fn a_load_bound_is_a_percentage_or_off() {
        for (text, bound) in [
            ("125", LoadBound::percent(125)),
            ("101%", LoadBound::percent(101)),
            ("OFF", Some(LoadBound::OFF)),
        ] {
            assert_eq!(parse_load_bound(text).ok(), bound, "{text}");
        }
        for text in ["", "0", "100", "10001", "1.25", "%", "none", "-125"] {
            assert_eq!(
                parse_load_bound(text).unwrap_err().to_string(),
                format!("'{text}': not a bound; give 101 to 10000 percent of a fair share, or off")
            );
        }
    }

    #[test]
    fn bad_strategy_is_refused_with_a_remedy() {
        let said = |text: &str| parse_strategy(text).unwrap_err().to_string();
        let unknown = said("fastest");
        assert!(
            unknown.starts_with("'fastest': unknown strategy; use one of n-to-1, round-robin, "),
            "{unknown}"
        );
        assert_eq!(
            said("header-hash"),
            "'header-hash': needs a name after a colon; write header-hash:FIELD"
        );
        assert_eq!(
            said("p2c:x"),
            "'p2c:x': takes nothing after a colon; write p2c"
        );
    }
}
