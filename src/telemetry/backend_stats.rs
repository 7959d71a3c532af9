//! The counters of one backend.
//!
//! It does not know its name, its state or what is in flight there: those are the upstream's.

use super::response_times::ResponseTimeHistogram;
use super::{Counters, ExchangeTimes, FaultCounts, Record, TimeBuckets};
use crate::error::{Fault, Side};

/// The counters of one backend, from when it was added.
#[derive(Clone, Debug, Default)]
pub(super) struct BackendStats {
    pub(super) picks: u64,
    pub(super) counters: Counters,
    pub(super) response_times: ResponseTimeHistogram,
    connect_times: TimeBuckets,
    total_times: TimeBuckets,
    pub(super) faults: FaultCounts,
}

impl BackendStats {
    /// An exchange that this backend responded to, or was tried last for, is over.
    pub(super) fn observe(&mut self, record: &Record) {
        self.counters.observe(record);
        if let Some(response_time) = record.first_byte_time {
            self.response_times.record(response_time);
        }
        if let Some(connect_time) = record.connect_time {
            self.connect_times.record(connect_time);
        }
        self.total_times.record(record.total_time);
        if let Some(fault) = record.fault.filter(|f| f.side() == Side::Backend) {
            self.faults.observe(fault);
        }
    }

    /// Its times in fixed buckets.
    pub(super) fn times(&self) -> ExchangeTimes {
        ExchangeTimes {
            connect: self.connect_times,
            first_byte: self.response_times.buckets(),
            total: self.total_times,
        }
    }

    /// The same counters without times.
    pub(super) fn without_times(&self) -> Self {
        Self {
            picks: self.picks,
            counters: self.counters,
            faults: self.faults.clone(),
            ..Self::default()
        }
    }

    /// Adds all that `other` has counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.picks += other.picks;
        self.counters.add(&other.counters);
        self.faults.add(&other.faults);
        self.response_times.add(&other.response_times);
        self.connect_times.add(&other.connect_times);
        self.total_times.add(&other.total_times);
    }

    /// An attempt failed here and is repeated, here or elsewhere.
    pub(super) fn observe_retry(&mut self, fault: Fault) {
        self.counters.observe_retry();
        self.faults.observe(fault);
    }
}
