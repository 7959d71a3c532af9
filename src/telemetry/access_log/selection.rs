//! What of the access log is written: which fields, and of how many exchanges.

use super::AccessLogFormat;
use crate::telemetry::log_fields::LOG_FIELDS;
use crate::telemetry::record::Record;
use std::num::NonZeroU32;

// Each field has a bit.
const _: () = assert!(LOG_FIELDS.len() <= u32::BITS as usize);

/// Statuses from here on are logged whatever the sample is.
const FAILED: u16 = 500;

/// The format of the access log, and what is left out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLogOptions {
    /// The format of lines.
    pub format: AccessLogFormat,
    /// The fields of a line.
    pub fields: LogFieldSet,
    /// Of so many exchanges that went well one is logged.
    pub one_of: NonZeroU32,
}

impl From<AccessLogFormat> for AccessLogOptions {
    /// All fields of all exchanges.
    fn from(format: AccessLogFormat) -> Self {
        Self {
            format,
            fields: LogFieldSet::ALL,
            one_of: NonZeroU32::MIN,
        }
    }
}

/// Some of the fields of the access log, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFieldSet(u32);

impl LogFieldSet {
    /// All.
    pub const ALL: Self = Self(u32::MAX);

    /// Those of these places in [`LOG_FIELDS`]; all, if there is none.
    #[must_use]
    pub fn of(places: impl IntoIterator<Item = usize>) -> Self {
        let known = places.into_iter().filter(|place| *place < LOG_FIELDS.len());
        match known.fold(0, |bits, place| bits | 1 << place) {
            0 => Self::ALL,
            bits => Self(bits),
        }
    }

    pub(super) const fn has(self, place: usize) -> bool {
        self.0 >> place & 1 == 1
    }
}

/// Decides which exchanges are logged: the first of so many that went well, and all others. The same
/// share at any rate and without chance, so that counts can be multiplied.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    one_of: NonZeroU32,
    /// Those that went well until the next is logged.
    left_out: u32,
}

impl Sampler {
    pub(super) const fn new(one_of: NonZeroU32) -> Self {
        Self {
            one_of,
            left_out: 0,
        }
    }

    pub(super) fn takes(&mut self, record: &Record) -> bool {
        let has_failed = record.fault.is_some() || record.status.is_some_and(|it| it >= FAILED);
        if has_failed {
            return true;
        }
        match self.left_out.checked_sub(1) {
            Some(left) => {
                self.left_out = left;
                false
            }
            None => {
                self.left_out = self.one_of.get() - 1;
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_means_all() {
        assert_eq!(LogFieldSet::of([]), LogFieldSet::ALL);
        let some = LogFieldSet::of([0, 3]);
        assert!(some.has(0) && !some.has(1) && some.has(3));
    }
}
