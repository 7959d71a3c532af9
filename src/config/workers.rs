//! On how many threads a balancer works.

use super::ConfigError;
use crate::syntax::digits;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::thread;

/// Number of workers: 1, the default, to 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers(usize);

/// More than any machine that one process should have to itself has cores.
const MOST: usize = 256;

impl Workers {
    /// So many, if there may be so many.
    #[must_use]
    pub const fn new(count: usize) -> Option<Self> {
        match count {
            1..=MOST => Some(Self(count)),
            _ => None,
        }
    }

    /// As many as there are cores for this process, or as its quota of CPU time allows.
    #[must_use]
    pub fn auto() -> Self {
        let cores = thread::available_parallelism();
        Self(cores.map_or(1, NonZeroUsize::get).min(MOST))
    }

    /// Returns how many.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

impl Default for Workers {
    /// One.
    fn default() -> Self {
        Self(1)
    }
}

impl FromStr for Workers {
    type Err = ConfigError;

    /// Reads a number, or `auto`.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text.eq_ignore_ascii_case("auto") {
            return Ok(Self::auto());
        }
        digits(text).and_then(Self::new).ok_or_else(|| {
            let remedy = format!("give 1 to {MOST}, or auto for one on each core");
            ConfigError::new("not a number of workers", remedy).with_value(text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_number_in_range_or_auto() {
        for (text, count) in [("1", 1), ("2", 2), ("256", 256)] {
            assert_eq!(text.parse::<Workers>().map(Workers::get), Ok(count));
        }
        let auto: Workers = "AUTO".parse().unwrap();
        assert!((1..=MOST).contains(&auto.get()));
        for text in ["0", "257", "", "-1", "two", "1.5", "99999999999999999999"] {
            let said = text.parse::<Workers>().unwrap_err().to_string();
            let problem = format!("'{text}': not a number of workers; give 1 to 256, or auto");
            assert!(said.starts_with(&problem), "{said}");
        }
    }
}
