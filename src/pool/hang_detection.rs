//! Notices backends that accept requests and do not respond, long before a timeout does.
//!
//! A backend is suspect when its oldest exchange has waited much longer than slow responses take
//! in this pool, and none has come from it for as long. That alone proves nothing (one page may
//! just be slow), so it is checked at once, and ejected only if the check meets silence as well. A
//! wrong suspicion costs one check. Checks by connecting cannot see a server hang, and in TCP mode
//! waiting is no sign of anything; so this is for HTTP with HTTP checks.
//!
//! The exchanges that wait at a silent backend are redispatched with every check that meets
//! silence, not only with the first: there may have been no other backend at that time.

use super::Backends;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::time::Duration;

/// From one look to the next, while anything is in flight.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Factor over a slow response from which a wait is suspect.
const SUSPECT_FACTOR: u32 = 8;
/// Waiting less than this is not suspect, unless checks are more frequent.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// Waiting more is, however slow the pool is.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Looks for hanging backends at regular intervals, once it is told to.
#[derive(Debug, Default)]
pub(super) struct HangDetector {
    is_on: bool,
    min_wait: Duration,
    next_look: Timestamp,
}

impl HangDetector {
    /// Looks from now on; checks come every `check_interval`.
    pub(super) fn new(check_interval: Duration, now: Timestamp) -> Self {
        Self {
            is_on: true,
            min_wait: MIN_WAIT.min(check_interval),
            next_look: now,
        }
    }

    /// Returns whether [`look`](Self::look) has something to do.
    pub(super) fn is_due(&self, backends: &Backends, now: Timestamp) -> bool {
        now >= self.next_look && now >= self.due(backends)
    }

    /// Returns when [`look`](Self::look) has something to do.
    pub(super) fn due(&self, backends: &Backends) -> Timestamp {
        match self.is_on && backends.in_flight() > 0 {
            true => self.next_look,
            false => Timestamp::NEVER,
        }
    }

    /// The suspect backends and how long their oldest exchange has waited; `None` if it is not time
    /// to look.
    pub(super) fn look(
        &mut self,
        backends: &mut Backends,
        now: Timestamp,
    ) -> Option<Vec<(BackendId, Duration)>> {
        if !self.is_due(backends, now) {
            return None;
        }
        self.next_look = now + LOOK_INTERVAL;
        let slow = backends.slow_response_time() * SUSPECT_FACTOR;
        let limit = slow.clamp(self.min_wait, MAX_WAIT);
        backends.refresh_all();
        let candidates = backends.candidates().iter();
        let suspects = candidates.filter_map(|candidate| {
            let waited = now.since(candidate.oldest_dispatched_at?);
            let quiet = candidate.last_completed_at.map(|at| now.since(at));
            let is_suspect = waited > limit && quiet.is_none_or(|quiet| quiet > limit);
            is_suspect.then_some((candidate.id, waited))
        });
        Some(suspects.collect())
    }
}
