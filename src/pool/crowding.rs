//! Panic by load: ejecting must not cost more than it saves.
//!
//! A backend that is ejected for its responses leaves its share to the others. If their queues then
//! grow far beyond what they were, requests time out there that it might have served: so it has
//! its trial early. Queues are compared with what they were when it was ejected, not with a
//! number: fifty in flight are much for a server that does one thing at a time and nothing for
//! one that does a hundred. Refused: a limit on how long an ejection lasts. Where the others do
//! have room, a backend that fails again and again is best left alone for long.
//!
//! A pick compares one number; all else is done when a backend is ejected or brought back.

use super::backend::Backend;
use super::members::Members;
use crate::strategy::Candidate;

/// Factor on the exchanges in flight before, from which there is no room.
const TIMES: u32 = 2;
/// ...and so many more besides.
const MORE: u32 = 4;

/// The crowd at the backends that are left.
#[derive(Debug)]
pub(super) struct Crowd {
    /// In flight at a picked backend from which on those ejected for their responses are tried
    /// again; the maximum while there are none.
    from: u32,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { from: u32::MAX }
    }
}

impl Crowd {
    /// Returns whether so many in flight at a backend show that the others have no room.
    #[inline]
    pub(super) const fn is_seen_at(&self, in_flight: u32) -> bool {
        in_flight >= self.from
    }

    /// A backend was ejected or has come back: from how many in flight on the others are crowded.
    pub(super) fn measure(&mut self, members: &Members) {
        let mut pool = members.backends.iter().zip(&members.candidates);
        if !pool.clone().any(|(it, _)| it.state.is_out_for_answers()) {
            self.from = u32::MAX;
            return;
        }
        let in_service = |(backend, candidate): (&Backend, &Candidate)| {
            backend.is_open().then_some(u64::from(candidate.in_flight))
        };
        let (mut count, mut sum) = (0, 0);
        for in_flight in pool.by_ref().filter_map(in_service) {
            count += 1;
            sum += in_flight;
        }
        let mean = (sum / count.max(1)) as u32;
        let crowded_from = mean.saturating_mul(TIMES).saturating_add(MORE);
        // A second one that is ejected is no reason to bear longer queues than the first.
        self.from = self.from.min(crowded_from);
    }
}
