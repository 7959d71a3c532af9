//! Owns what has to be stored: the newest change of each topic, and the publishers that wait to
//! hear that theirs is safe. One batch is on its way at a time; what comes meanwhile makes the
//! next.

use crate::codec::Payload;
use crate::connection_id::ConnectionId;
use crate::error::{Code, Refusal};
use std::collections::HashMap;

/// Publishers that may wait at a time: a disk that hangs must not fill the memory. With a disk that
/// takes 0.1 s, a tenth of them wait at 100,000 publications a second.
const MAX_WAITING: usize = 100_000;

/// Changes that may always wait, however few topics may have a value.
const MIN_CHANGES: usize = 1000;

/// A topic's last value under its spelling, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Keep this value.
    Set {
        /// The topic as its publisher spelled it.
        text: Box<str>,
        /// The value.
        payload: Payload,
    },
    /// Forget the value.
    Clear,
}

/// Changes by topic key, to be stored together.
pub type Batch = HashMap<Box<str>, Change>;

/// A publisher that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) connection: ConnectionId,
    pub(super) request: u64,
    pub(super) topic: Box<str>,
    /// Its publication is to be stored; others only wait for their turn.
    pub(super) is_kept: bool,
}

/// Changes that are not safe yet.
#[derive(Debug, Default)]
pub(super) struct Changes {
    next: Batch,
    next_waiting: Vec<Waiting>,
    /// A copy of the batch on its way, for another try.
    on_its_way: Option<(Batch, Vec<Waiting>)>,
}

impl Changes {
    pub(super) fn add(&mut self, key: &str, change: Change) {
        match self.next.get_mut(key) {
            Some(old) => *old = change,
            None => {
                self.next.insert(key.into(), change);
            }
        }
    }

    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.next_waiting.push(waiting);
    }

    /// Reports no room for another publisher that waits.
    pub(super) fn is_full(&self) -> bool {
        let on_its_way = self.on_its_way.as_ref();
        self.next_waiting.len() + on_its_way.map_or(0, |(_, waiting)| waiting.len()) >= MAX_WAITING
    }

    /// Reports no room for a change of this topic. Topics with a value are bounded, and cleared ones
    /// are not: on a full disk they would add up.
    pub(super) fn is_crowded(&self, key: &str, max_topics: usize) -> bool {
        // Every topic may be in both batches.
        let most = max_topics.saturating_mul(2).max(MIN_CHANGES);
        let on_its_way = self.on_its_way.as_ref();
        self.next.len() + on_its_way.map_or(0, |(batch, _)| batch.len()) >= most
            && !self.next.contains_key(key)
    }

    /// The next batch, if none is on its way.
    pub(super) fn take(&mut self) -> Option<Batch> {
        if self.on_its_way.is_some() || (self.next.is_empty() && self.next_waiting.is_empty()) {
            return None;
        }
        let batch = std::mem::take(&mut self.next);
        let waiting = std::mem::take(&mut self.next_waiting);
        self.on_its_way = Some((batch.clone(), waiting));
        Some(batch)
    }

    /// The batch was stored, or not: then its changes are due again, unless newer ones came.
    pub(super) fn stored(&mut self, is_stored: bool) -> Vec<Waiting> {
        let Some((batch, waiting)) = self.on_its_way.take() else {
            return Vec::new();
        };
        if !is_stored {
            for (key, change) in batch {
                self.next.entry(key).or_insert(change);
            }
        }
        waiting
    }

    /// Reports that everything is stored.
    pub(super) fn is_empty(&self) -> bool {
        self.next.is_empty() && self.next_waiting.is_empty() && self.on_its_way.is_none()
    }
}

/// The refusal of an acknowledgement.
pub(super) fn not_stored(reason: &str) -> Refusal {
    let text = format!("delivered and kept in memory, but not stored: {reason}");
    Refusal::new(Code::Storage, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_that_come_and_go_are_bounded_on_a_full_disk() {
        let mut changes = Changes::default();
        for nth in 0..MIN_CHANGES {
            let key = nth.to_string();
            assert!(!changes.is_crowded(&key, 1));
            changes.add(&key, Change::Clear);
            if nth % 100 == 0 {
                assert!(changes.take().is_some());
                changes.stored(false);
            }
        }
        assert!(changes.is_crowded("another", 1));
        assert!(!changes.is_crowded("7", 1), "this one waits already");
        assert!(!changes.is_crowded("another", MIN_CHANGES));
        changes.take();
        assert!(changes.is_crowded("another", 1));
        changes.stored(true);
        assert!(!changes.is_crowded("another", 1));
    }

    #[test]
    fn publishers_that_wait_are_bounded() {
        let mut changes = Changes::default();
        let wait = |changes: &mut Changes| {
            changes.wait(Waiting {
                connection: ConnectionId::new(0, 0),
                request: 1,
                topic: "a".into(),
                is_kept: true,
            });
        };
        for nth in 0..MAX_WAITING {
            assert!(!changes.is_full());
            wait(&mut changes);
            if nth == MAX_WAITING / 2 {
                // Those whose batch is on its way wait all the same.
                assert!(changes.take().is_some());
            }
        }
        assert!(changes.is_full());
        assert_eq!(changes.stored(false).len(), MAX_WAITING / 2 + 1);
        assert!(!changes.is_full());
    }
}
