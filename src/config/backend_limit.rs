//! How many requests each backend is given at once.

use super::ConfigError;
use crate::syntax::digits;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// A limit on the requests in flight at a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendLimit {
    /// So many, 1 to 1,000,000.
    Max(u32),
    /// One while the pool is found to work on one request after the other; any number else.
    Auto,
}

const MAX: u32 = 1_000_000;

impl BackendLimit {
    /// Returns the number, unless it is learned.
    #[must_use]
    pub const fn max(self) -> Option<u32> {
        match self {
            Self::Max(max) => Some(max),
            Self::Auto => None,
        }
    }
}

impl FromStr for BackendLimit {
    type Err = ConfigError;

    /// Reads a number, or `auto`.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text.eq_ignore_ascii_case("auto") {
            return Ok(Self::Auto);
        }
        let in_range = digits(text).filter(|max| (1..=MAX).contains(max));
        in_range.map(Self::Max).ok_or_else(|| {
            let remedy = "give 1 to 1000000, or auto to learn whether it is one";
            ConfigError::new("not a limit", remedy).with_value(text)
        })
    }
}

impl Display for BackendLimit {
    /// As it is read.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max(max) => write!(f, "{max}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_number_in_range_or_auto() {
        for (text, limit) in [
            ("1", BackendLimit::Max(1)),
            ("1000000", BackendLimit::Max(1_000_000)),
            ("auto", BackendLimit::Auto),
            ("AUTO", BackendLimit::Auto),
        ] {
            assert_eq!(text.parse(), Ok(limit));
            assert_eq!(limit.to_string(), text.to_lowercase());
        }
        for text in ["0", "1000001", "", "-1", "any", "1.5"] {
            let said = text.parse::<BackendLimit>().unwrap_err().to_string();
            let expected = format!(
                "'{text}': not a limit; give 1 to 1000000, or auto to learn whether it is one"
            );
            assert_eq!(said, expected);
        }
    }
}
