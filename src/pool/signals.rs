//! Outlier detection: the evidence that exchanges give against backends, and what follows from it.
//!
//! A settled exchange is added to the evidence of its backend and of the pool; where that suffices,
//! or a trial has ended, it becomes a [`Verdict`] on the backend. What a verdict does is known in
//! the [life cycles](super::life_cycles).

use super::failure_sources::FailureSources;
use super::in_flight::InFlight;
use super::latency_outlier::{MIN_EXCESS, Response};
use super::life_cycle::Event;
use super::life_cycles::Verdict;
use super::members::Members;
use super::selection::Selection;
use super::window::Window;
use super::{Cause, EjectionPolicy, Grounds, Lease, Sources, State};
use crate::strategy::Outcome;
use crate::time::Timestamp;
use std::time::Duration;

/// Part of the longest response time that is forgotten with each response.
const FORGETTING: u64 = 512;

/// The evidence about the whole pool.
#[derive(Default)]
pub(super) struct Detection {
    /// The outcomes of all backends.
    recent: Window<4>,
    /// Duration of slow responses over all backends: the longest, forgotten bit by bit.
    slow_response_nanos: u64,
    /// The clients and requests that failed lately.
    sources: FailureSources,
}

/// Failures that follow what the request came from.
impl Detection {
    /// Returns whether an exchange that is over is to be [attributed](Self::attribute) first.
    #[inline]
    pub(super) const fn asks_for_source(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Failure | Outcome::TimedOut => true,
            Outcome::Success { .. } | Outcome::ClientError => !self.sources.is_empty(),
            Outcome::Unreachable | Outcome::Inconclusive => false,
        }
    }

    /// Notes what an exchange that is over came from. If clients are `kept` at their backends, the
    /// key of the lease is a source too.
    pub(super) fn attribute(
        &mut self,
        lease: &mut Lease,
        outcome: Outcome,
        mut from: Sources,
        kept: bool,
        now: Timestamp,
    ) {
        from.key = if kept { lease.key } else { 0 };
        match outcome {
            Outcome::Failure | Outcome::TimedOut => {
                lease.follows_source = self.sources.failed(from, lease.backend, kept, now);
            }
            Outcome::Success { .. } | Outcome::ClientError => {
                self.sources.succeeded(from, lease.backend, now);
            }
            Outcome::Unreachable | Outcome::Inconclusive => {}
        }
    }
}

/// Outcomes.
impl Detection {
    /// Returns how long slow responses take, over all backends; zero before the first.
    pub(super) const fn slow_response_time(&self) -> Duration {
        Duration::from_nanos(self.slow_response_nanos)
    }

    /// Forgets how long responses take, and what is held against backends because of it.
    pub(super) fn forget_times(&mut self, members: &mut Members) {
        self.slow_response_nanos = 0;
        for backend in &mut members.backends {
            backend.evidence.forget();
        }
    }

    /// An exchange is over.
    #[inline]
    pub(super) fn judge(
        &mut self,
        selection: &mut Selection,
        policy: &EjectionPolicy,
        (lease, outcome): (&Lease, Outcome),
        now: Timestamp,
    ) -> Option<Verdict> {
        let (slot, trial) = (lease.backend.slot(), lease.trial);
        let is_keyed_by_target = selection.picker.is_keyed_by_target;
        let members = &mut selection.members;
        let backend = members.backends.get_mut(slot)?;
        let is_evidence = lease.dispatched_at >= backend.evidence.judged_from;
        let inconclusive = || Verdict::new(Event::Inconclusive { trial }, Cause::Responded);
        match outcome {
            Outcome::Inconclusive => Some(inconclusive()),
            Outcome::Success { .. } | Outcome::ClientError => {
                if let Some(response_time) = outcome.response_time() {
                    let nanos = u64::try_from(response_time.as_nanos()).unwrap_or(u64::MAX);
                    let before = self.slow_response_nanos;
                    self.slow_response_nanos = nanos.max(before - before / FORGETTING);
                    backend.evidence.last_response_nanos = nanos;
                }
                backend.evidence.unreachable_in_a_row = 0;
                backend.evidence.outcomes.good(now);
                self.recent.add(false, now);
                // It nearly always is, and one more good response changes nothing.
                let changes = backend.state != State::Healthy || trial;
                let event = Event::Responded { trial };
                changes.then_some(Verdict::new(event, Cause::Responded))
            }
            Outcome::Failure | Outcome::TimedOut => {
                // Where the target or a cookie decides on the backend, failures follow the request:
                // one page that always fails would eject one healthy backend after another. Those of
                // different pages tell of the backend all the same.
                let repeats =
                    is_keyed_by_target && backend.evidence.failed_keys.note(lease.key, now);
                let follows_request = repeats || lease.by_affinity || lease.follows_source;
                if !follows_request {
                    self.recent.add(true, now);
                }
                if is_evidence && !follows_request {
                    backend.evidence.outcomes.bad(now);
                    self.weigh(members, policy, lease, now)
                } else {
                    Some(inconclusive())
                }
            }
            Outcome::Unreachable => {
                self.recent.add(true, now);
                let count = backend.evidence.unreachable_in_a_row.saturating_add(1);
                backend.evidence.unreachable_in_a_row = count;
                let event = match policy.passive && is_evidence {
                    true => Event::Unreachable { trial },
                    false => Event::Inconclusive { trial },
                };
                Some(Verdict::new(event, Cause::Unreachable { count }))
            }
        }
    }

    /// A failure was added to the evidence against a backend: decides whether it is enough.
    fn weigh(
        &mut self,
        members: &mut Members,
        policy: &EjectionPolicy,
        lease: &Lease,
        now: Timestamp,
    ) -> Option<Verdict> {
        let pool = self.recent.sum(now);
        let backend = members.backends.get_mut(lease.backend.slot())?;
        let trial = lease.trial;
        if !policy.passive {
            let event = Event::Inconclusive { trial };
            return Some(Verdict::new(event, Cause::Responded));
        }
        if trial {
            return Some(Verdict::new(Event::TrialFailed, Cause::TrialFailed));
        }
        let cause = backend.evidence.outcomes.is_outlier(pool, now)?;
        Some(Verdict::new(Event::Outlier(Grounds::Answers), cause).if_few_are_out())
    }
}

/// Late is not broken.
impl Detection {
    /// Returns whether the time of an exchange was up because queues are long, and not because its
    /// backend is broken:
    /// * the backend has completed others since, or
    /// * half of that time is nothing unusual for a response of this pool. What a server works on
    ///   for those that have given it up is not seen here: behind it nothing is completed for long,
    ///   though nothing is broken. Queues get there step by step, and a server that hangs does not;
    /// * all other backends keep exchanges waiting for half as long, so that ejecting it would have
    ///   more of them time out.
    pub(super) fn is_late(
        &self,
        members: &Members,
        in_flight: &InFlight,
        lease: &Lease,
        now: Timestamp,
    ) -> bool {
        let slot = lease.backend.slot();
        let candidate = members.candidates.get(slot);
        let completed_at = candidate.and_then(|candidate| candidate.last_completed_at);
        let half = now.since(lease.dispatched_at) / 2;
        if completed_at > Some(lease.dispatched_at) || self.slow_response_time() >= half {
            return true;
        }
        let others = members.backends.iter().enumerate();
        let mut others = others.filter(|(other, it)| *other != slot && it.is_open());
        !others.any(|(_, other)| {
            let oldest = in_flight.oldest(&other.queue);
            oldest.is_none_or(|dispatched_at| now.since(dispatched_at) < half)
        })
    }
}

/// An exchange is over: its backend is an outlier if that shows that it is far too slow.
#[inline]
pub(super) fn judge_latency(
    selection: &mut Selection,
    policy: &EjectionPolicy,
    (lease, outcome): (&Lease, Outcome),
    overtook: bool,
    now: Timestamp,
) -> Option<Verdict> {
    let is_comparable = policy.passive && !selection.picker.is_keyed && !lease.by_affinity;
    let ratio = policy.slow_outlier.filter(|_| is_comparable)?;
    let time = outcome.response_time()?;
    let slot = lease.backend().slot();
    let backend = selection.members.backends.get_mut(slot)?;
    if lease.dispatched_at < backend.evidence.judged_from {
        return None;
    }
    let response = Response {
        time,
        ahead: lease.ahead,
        overtook,
    };
    let median = backend.evidence.latency.add(response, now)?;
    // Looking at all the others is for the rare case.
    if median <= MIN_EXCESS {
        return None;
    }
    let others = selection.members.typical_of_others(slot, now)?;
    if median <= others.saturating_mul(ratio).max(others + MIN_EXCESS) {
        return None;
    }
    let cause = Cause::Slow { median, others };
    Some(Verdict::new(Event::Outlier(Grounds::Answers), cause).if_few_are_out())
}
