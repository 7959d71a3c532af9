//! What the pool makes of signals: each becomes an event in the life of its backend, if the
//! policy lets it.
//!
//! One method for each signal: a settled exchange, an active check, silence, the clock. They
//! gather evidence, and keep the number of ejected backends within the policy. What an event does
//! to a backend is known in `transition` and in the life cycle.
//!
//! At most a share of the pool is ejected because of what it *answered*: when most backends
//! answer badly, the fault is likely to be elsewhere, and few would have to carry all. One that
//! does not answer at all (no connection, silence) is always ejected: nothing is served by
//! asking it. When everybody is ejected, [`pick`](Backends::pick) takes one all the same.

use super::life_cycle::Event;
use super::{Backends, Cause, Grounds, Lease, State};
use crate::health::CheckFailure;
use crate::strategy::{BackendId, Outcome};
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// Of the longest response time, this part is forgotten with each answer.
const FORGETTING: u64 = 512;

/// The signals.
impl Backends {
    /// The exchange of `lease` has shown that its backend is well, though it is not over: a
    /// trial need not last as long as a tunnel or a large body.
    pub fn proved(&mut self, lease: &mut Lease, now: Timestamp) {
        if mem::take(&mut lease.trial) {
            let event = Event::Answered { trial: true };
            self.advance(lease.backend.slot(), event, Cause::Answered, now);
        }
    }

    /// An exchange is over.
    pub(super) fn judge(&mut self, lease: &Lease, outcome: Outcome, now: Timestamp) {
        let (slot, trial) = (lease.backend.slot(), lease.trial);
        let Some(backend) = self.backends.get_mut(slot) else {
            return;
        };
        let is_evidence = lease.dispatched_at >= backend.judged_from;
        match outcome {
            Outcome::Inconclusive => {
                let event = Event::Inconclusive { trial };
                self.advance(slot, event, Cause::Answered, now);
            }
            Outcome::Success { .. } | Outcome::ClientError => {
                if let Some(response_time) = outcome.response_time() {
                    let nanos = u64::try_from(response_time.as_nanos()).unwrap_or(u64::MAX);
                    let before = self.slow_response_nanos;
                    self.slow_response_nanos = nanos.max(before - before / FORGETTING);
                }
                backend.unreachable_in_a_row = 0;
                backend.evidence.good(now);
                self.recent.add(false, now);
                // It nearly always is, and is none the better for one more good answer.
                if backend.state != State::Healthy || trial {
                    self.advance(slot, Event::Answered { trial }, Cause::Answered, now);
                }
            }
            Outcome::Failure => {
                self.recent.add(true, now);
                if is_evidence {
                    backend.evidence.bad(now);
                    self.weigh(slot, trial, now);
                } else {
                    let event = Event::Inconclusive { trial };
                    self.advance(slot, event, Cause::Answered, now);
                }
            }
            Outcome::Unreachable => {
                self.recent.add(true, now);
                backend.unreachable_in_a_row = backend.unreachable_in_a_row.saturating_add(1);
                let count = backend.unreachable_in_a_row;
                let event = match self.policy.passive && is_evidence {
                    true => Event::Unreachable { trial },
                    false => Event::Inconclusive { trial },
                };
                self.advance(slot, event, Cause::Unreachable { count }, now);
            }
        }
    }

    /// A failure was added to the evidence against a backend: decides whether it is enough.
    fn weigh(&mut self, slot: usize, trial: bool, now: Timestamp) {
        let pool = self.recent.sum(now);
        let Some(backend) = self.backends.get_mut(slot) else {
            return;
        };
        if !self.policy.passive {
            let event = Event::Inconclusive { trial };
            return self.advance(slot, event, Cause::Answered, now);
        }
        if trial {
            return self.advance(slot, Event::TrialFailed, Cause::TrialFailed, now);
        }
        if let Some(cause) = backend.evidence.is_outlier(pool, now) {
            let event = Event::Outlier(Grounds::Answers);
            self.eject_if_few_are(slot, event, cause, now);
        }
    }

    /// A backend passed an active check, the `in_a_row`th one. When
    /// [`check_failed`](Self::check_failed) had it ejected, it takes `rise` of them.
    pub fn check_passed(&mut self, backend: BackendId, in_a_row: u32, rise: u32, now: Timestamp) {
        let Some(State::Ejected { .. }) = self.state(backend) else {
            return;
        };
        let event = match in_a_row >= rise {
            true => Event::ChecksRose,
            false => Event::CheckPassed,
        };
        let cause = Cause::ChecksPassed { count: in_a_row };
        self.advance(backend.slot(), event, cause, now);
    }

    /// A backend failed as many active checks in a row as it may, or more: it is ejected until
    /// they pass.
    pub fn check_failed(
        &mut self,
        backend: BackendId,
        in_a_row: u32,
        reason: CheckFailure,
        now: Timestamp,
    ) {
        if !self.is_member(backend) {
            return;
        }
        let cause = Cause::ChecksFailed {
            count: in_a_row,
            reason,
        };
        if reason.is_silence() {
            self.advance(backend.slot(), Event::ChecksFell, cause, now);
        } else {
            self.eject_if_few_are(backend.slot(), Event::ChecksFell, cause, now);
        }
    }

    /// A backend that was suspected to be hanging failed the check that followed: it is ejected
    /// until checks pass.
    pub fn silent(&mut self, backend: BackendId, waited: Duration, now: Timestamp) {
        if self.is_member(backend) {
            let cause = Cause::Silent { waited };
            self.advance(backend.slot(), Event::ChecksFell, cause, now);
        }
    }

    /// Ends what time alone ends. Costs one comparison unless something is due.
    pub fn pass_time(&mut self, now: Timestamp) {
        if now < self.next_change {
            return;
        }
        for slot in 0..self.backends.len() {
            let state = self.backends.get(slot).map(|backend| backend.state);
            let cause = match state {
                Some(State::SlowStart { .. }) => Cause::SlowStartEnded,
                _ => Cause::CooledDown,
            };
            self.advance(slot, Event::TimePassed, cause, now);
        }
        let ends = self.backends.iter().map(|backend| backend.state.ends_at());
        self.next_change = ends.min().unwrap_or(Timestamp::NEVER);
    }

    /// When [`pass_time`](Self::pass_time) has something to do.
    #[must_use]
    pub const fn next_change(&self) -> Timestamp {
        self.next_change
    }

    /// How long slow answers take, over all backends; zero before the first.
    #[must_use]
    pub const fn slow_response_time(&self) -> Duration {
        Duration::from_nanos(self.slow_response_nanos)
    }
}

/// The limit on what follows from them.
impl Backends {
    /// Ejects a backend for what it answered, unless too many are ejected already.
    pub(super) fn eject_if_few_are(
        &mut self,
        slot: usize,
        event: Event,
        cause: Cause,
        now: Timestamp,
    ) {
        if self.leaves_judgement(slot, event, cause) {
            return;
        }
        let Some(state) = self.backends.get(slot).map(|backend| backend.state) else {
            return;
        };
        if state.is_out() || self.may_eject_one_more() {
            return self.advance(slot, event, cause, now);
        }
        let backend = self.backends.get_mut(slot);
        if backend.is_some_and(|backend| !mem::replace(&mut backend.is_spared, true)) {
            self.tell(slot, state, state, cause, now);
        }
    }

    /// Looks at every backend; only for the rare cases.
    fn may_eject_one_more(&self) -> bool {
        let members = self.backends.iter().filter(|b| b.state.is_member());
        let (members, out) = members.fold((0, 0), |(members, out), backend| {
            (members + 1, out + usize::from(backend.state.is_out()))
        });
        (out + 1) * 100 <= members * usize::from(self.policy.max_ejected_percent)
    }
}
