//! Counters of exchanges, of one backend and of the whole balancer alike.
//!
//! Adding one takes a line in `counters!` and the event that counts it; sums, the summary and the
//! documentation follow. Invariant: counters only grow.

use super::Record;
use super::metric::{Metric, MetricKind, MetricUnit, Place};
use crate::error::{Fault, Side};

/// Defines [`Counters`] and its metrics, a counter a line.
macro_rules! counters {
    ($(#[doc = $help:literal] $name:ident: $unit:ident, $place:expr;)*) => {
        /// Sums over exchanges.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $(#[doc = $help] pub $name: u64,)*
            /// Responses by the class of their status.
            pub statuses: StatusCounts,
        }

        impl Counters {
            /// A metric for each.
            pub const METRICS: &[Metric<Self>] = &[$(Metric {
                name: stringify!($name),
                help: $help,
                kind: MetricKind::Counter,
                unit: MetricUnit::$unit,
                place: $place,
                get: |counters| Some(counters.$name),
            },)*];

            /// Adds the counts of `other`.
            pub(super) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
                self.statuses.add(&other.statuses);
            }
        }
    };
}

counters! {
    #[doc = "Finished exchanges."]
    exchanges: Count, Place::line("exchanges", "");
    #[doc = "Attempts that a backend failed, whether or not they were repeated."]
    errors: Count, Place::column("errors");
    #[doc = "Attempts that were repeated, at the same backend or another."]
    retries: Count, Place::column("retries");
    #[doc = "Bytes received from clients, heads included."]
    bytes_in: Bytes, Place::line_and_column("bytes", "in", "in");
    #[doc = "Bytes sent to clients, heads included."]
    bytes_out: Bytes, Place::line_and_column("bytes", "out", "out");
}

impl Counters {
    /// Counts a finished exchange.
    pub(super) fn observe(&mut self, record: &Record) {
        self.exchanges += 1;
        self.bytes_in += record.bytes_in;
        self.bytes_out += record.bytes_out;
        if let Some(status) = record.status {
            self.statuses.observe(status);
        }
        if record.fault.is_some_and(|f| f.side() == Side::Backend) {
            self.errors += 1;
        }
    }

    /// Counts an attempt that failed and is repeated: its exchange goes on.
    pub(super) fn observe_retry(&mut self) {
        self.errors += 1;
        self.retries += 1;
    }
}

/// Responses by the class of their status, 1xx to 5xx.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusCounts([u64; 5]);

impl StatusCounts {
    /// Responses with a status of `class`, its first digit.
    #[must_use]
    pub fn of_class(&self, class: u16) -> u64 {
        let index = usize::from(class).wrapping_sub(1);
        self.0.get(index).copied().unwrap_or(0)
    }

    /// Each class and its count, from 1 to 5.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> {
        (1..).zip(self.0)
    }

    /// Adds the counts of `other`.
    fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// A status outside 100 to 599 is in no class.
    fn observe(&mut self, status: u16) {
        let index = usize::from(status / 100).wrapping_sub(1);
        if let Some(count) = self.0.get_mut(index) {
            *count += 1;
        }
    }
}

/// Counts of each fault.
///
/// A list that is searched: there are two dozen faults, and only exchanges that end badly look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts(Vec<(Fault, u64)>);

impl FaultCounts {
    /// Returns how often `fault` was seen.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.iter().find(|(f, _)| *f == fault).map_or(0, |(_, n)| n)
    }

    /// Each fault that was seen and its count, in the order in which they were first seen.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u64)> {
        self.0.iter().copied()
    }

    pub(super) fn observe(&mut self, fault: Fault) {
        self.count(fault, 1);
    }

    /// Adds the counts of `other`.
    pub(super) fn add(&mut self, other: &Self) {
        for (fault, more) in other.iter() {
            self.count(fault, more);
        }
    }

    fn count(&mut self, fault: Fault, more: u64) {
        match self.0.iter_mut().find(|(f, _)| *f == fault) {
            Some((_, count)) => *count += more,
            None => self.0.push((fault, more)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;

    #[test]
    fn statuses_are_counted_by_their_first_digit() {
        let mut counts = StatusCounts::default();
        for status in [0, 99, 100, 200, 204, 302, 404, 500, 503, 599, 600, u16::MAX] {
            counts.observe(status);
        }
        let by_class: Vec<_> = counts.iter().collect();
        assert_eq!(by_class, [(1, 1), (2, 2), (3, 1), (4, 1), (5, 3)]);
        assert_eq!(
            [0, 2, 5, 6].map(|class| counts.of_class(class)),
            [0, 2, 3, 0]
        );
    }

    #[test]
    fn each_refusal_is_counted_on_its_own() {
        let mut counts = FaultCounts::default();
        let bad_host = Fault::Refused(Refusal::BadHost);
        for fault in [bad_host, Fault::ClientGone, bad_host] {
            counts.observe(fault);
        }
        assert_eq!(counts.of(bad_host), 2);
        assert_eq!(counts.of(Fault::Refused(Refusal::BadChunk)), 0);
        let seen: Vec<_> = counts.iter().collect();
        assert_eq!(seen, [(bad_host, 2), (Fault::ClientGone, 1)]);
    }
}
