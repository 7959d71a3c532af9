//! Whole numbers as people write them.
//!
//! Owns the notation alone: digits and nothing else, where Rust's own parsers would take a sign.
//! Which numbers are acceptable is for the setting to say.

use super::ConfigError;
use crate::syntax::digits;
use std::str::FromStr;

/// Reads a whole number.
///
/// # Errors
///
/// Anything but digits, and what `T` cannot hold.
pub fn parse_number<T: FromStr>(text: &str) -> Result<T, ConfigError> {
    digits(text).ok_or_else(|| {
        ConfigError::new("not a usable number", "write it in digits, as in 100").with_value(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_digits_and_nothing_else() {
        assert_eq!(parse_number::<u8>("0"), Ok(0));
        assert_eq!(parse_number::<u8>("255"), Ok(255));
        for text in ["", "256", "+1", "-1", "1.5", "1k", " 1", "0x1", "١"] {
            assert_eq!(
                parse_number::<u8>(text).unwrap_err().to_string(),
                format!("'{text}': not a usable number; write it in digits, as in 100")
            );
        }
    }
}
