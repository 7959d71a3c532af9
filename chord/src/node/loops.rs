//! A limit on what is passed on.
//!
//! The messages of the course carry no hop count: in a ring of plain peers that is not in order yet,
//! one may go round for ever. So the same message is passed on a limited number of times
//! in a second, and of different ones a limited number too.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use crate::time::Timestamp;

const WINDOW: Duration = Duration::from_secs(1);
/// A client that repeats one request faster than this, by way of plain peers, is not served.
const MAX_SAME: u32 = 1000;
const MAX_DIFFERENT: usize = 8192;

#[derive(Debug, Default)]
pub(crate) struct LoopGuard {
    started: Timestamp,
    seen: HashMap<u64, u32>,
    /// Only compared, never iterated: it changes no order of events.
    hasher: RandomState,
}

impl LoopGuard {
    /// Whether this message may be passed on once more.
    pub(crate) fn admits(&mut self, message: &impl Hash, now: Timestamp) -> bool {
        if now.since(self.started) >= WINDOW {
            self.started = now;
            self.seen.clear();
        }
        let hash = self.hasher.hash_one(message);
        if self.seen.len() >= MAX_DIFFERENT && !self.seen.contains_key(&hash) {
            return false;
        }
        let times = self.seen.entry(hash).or_default();
        *times += 1;
        *times <= MAX_SAME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_goes_round_is_stopped() {
        let mut guard = LoopGuard::default();
        let admitted = (0..5000).filter(|_| guard.admits(&"GET d", Timestamp::ZERO));
        assert_eq!(admitted.count(), MAX_SAME as usize);
        assert!(guard.admits(&"GET e", Timestamp::ZERO));
        assert!(guard.admits(&"GET d", Timestamp::ZERO + WINDOW));
    }

    #[test]
    fn a_flood_of_different_messages_is_bounded() {
        let mut guard = LoopGuard::default();
        let admitted = (0..20_000).filter(|nth| guard.admits(nth, Timestamp::ZERO));
        assert_eq!(admitted.count(), MAX_DIFFERENT);
    }
}
