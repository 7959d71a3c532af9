//! The status bus: servers say over a broker how they are, and the controller listens.
//!
//! `wire` is pure: records into statuses and back. `kafka` reads and writes them. Nothing here
//! judges: silence and a bus that cannot be read are told to the rules, which hold back.

#[cfg(feature = "kafka")]
mod kafka;
mod wire;

#[cfg(feature = "kafka")]
pub(crate) use kafka::{publish, watch};
pub(crate) use wire::Report;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What became of the records that were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters(Arc<[AtomicU64; 3]>);

/// What a record turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    News,
    /// Written too long ago to say how a server is.
    History,
    /// No status, or about another server than its topic.
    Refused,
}

impl Kind {
    pub(crate) const ALL: [(Kind, &'static str); 3] = [
        (Self::News, "news"),
        (Self::History, "history"),
        (Self::Refused, "refused"),
    ];
}

impl Counters {
    pub(crate) fn count(&self, kind: Kind) {
        if let Some(counter) = self.0.get(kind as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self, kind: Kind) -> u64 {
        self.0
            .get(kind as usize)
            .map_or(0, |it| it.load(Ordering::Relaxed))
    }
}
