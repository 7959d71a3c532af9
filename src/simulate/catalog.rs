//! The scenarios that come with `lb`.

use super::scenario::Scenario;
use crate::config::ConfigError;

/// Their text: also the example from which the notation can be learned.
pub const BUILT_IN: &str = include_str!("catalog.toml");

/// All of them, in the order of the text.
///
/// # Errors
/// None: that the text can be read is tested.
pub fn built_in() -> Result<Vec<Scenario>, ConfigError> {
    Scenario::parse(BUILT_IN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_scenario_is_read_and_named_once() {
        let all = built_in().unwrap();
        let names: HashSet<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.len() >= 20, "{}", all.len());
        assert!(all.iter().all(|scenario| !scenario.about.is_empty()));
    }
}
