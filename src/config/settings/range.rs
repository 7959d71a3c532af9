//! The one check of ranges.

use super::Value;
use crate::config::ConfigError;
use std::ops::RangeInclusive;

/// Checks that the value of a flag is within its range, both ends included.
///
/// # Errors
/// It is not; names the flag, the value and the range.
pub fn check_range<T: Value + PartialOrd>(
    flag: &'static str,
    value: &T,
    range: &RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(value) {
        return Ok(());
    }
    let shown = |value: &T| value.shown().unwrap_or_default();
    let remedy = format!("give {} to {}", shown(range.start()), shown(range.end()));
    Err(ConfigError::new("out of range", remedy)
        .with_flag(flag)
        .with_value(shown(value)))
}

/// The check of a setting with this range.
pub(in crate::config) fn within<T: Value + PartialOrd>(
    range: RangeInclusive<T>,
) -> impl Fn(&'static str, &T) -> Result<(), ConfigError> {
    move |flag, value| check_range(flag, value, &range)
}

/// The check of a setting that may be absent.
pub(in crate::config) fn optional<T>(
    check: impl Fn(&'static str, &T) -> Result<(), ConfigError>,
) -> impl Fn(&'static str, &Option<T>) -> Result<(), ConfigError> {
    move |flag, value| value.as_ref().map_or(Ok(()), |value| check(flag, value))
}
