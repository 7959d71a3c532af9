//! The pool's reaction to signals: each becomes an event in the life of its backend, if the policy
//! allows it.
//!
//! One method for each signal: a settled exchange, an active check, silence, the clock. They
//! gather evidence, and keep the number of ejected backends within the policy. What an event does
//! to a backend is known in `transition` and in the life cycle.
//!
//! At most a share of the pool is ejected because of the responses of exchanges: when most backends
//! respond badly, the fault is likely to be elsewhere, and few would have to carry all. A backend
//! that does not respond at all (no connection, silence), or that fails its active checks, is
//! always ejected: nothing is served by asking the one, and the other says itself that it is
//! unwell. When all are ejected, [`pick`](Backends::pick) takes one all the same, and the change
//! says so.

use super::failure_sources::FailureSources;
use super::latency_outlier::{MIN_EXCESS, Response};
use super::life_cycle::Event;
use super::window::Window;
use super::{Backends, Cause, EjectionPolicy, Grounds, Lease, State, StateChange};
use crate::health::CheckFailure;
use crate::heartbeat::HeartbeatFinding;
use crate::strategy::{BackendId, Outcome};
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// Part of the longest response time that is forgotten with each response.
const FORGETTING: u64 = 512;

/// Outlier detection: the policy, and the facts about the whole pool.
pub(super) struct Detection {
    pub(super) policy: EjectionPolicy,
    /// The outcomes of all backends.
    pub(super) recent: Window<4>,
    /// Duration of slow responses over all backends: the longest, forgotten bit by bit.
    pub(super) slow_response_nanos: u64,
    /// The clients and requests that failed lately.
    pub(super) sources: FailureSources,
}

impl Default for Detection {
    fn default() -> Self {
        Self {
            policy: EjectionPolicy::FAILURES_ONLY,
            recent: Window::default(),
            slow_response_nanos: 0,
            sources: FailureSources::default(),
        }
    }
}

/// The signals.
impl Backends {
    /// The exchange of `lease` has shown that its backend is well, though it is not over: a
    /// trial need not last as long as a tunnel or a large body.
    pub fn proved(&mut self, lease: &mut Lease, now: Timestamp) {
        if mem::take(&mut lease.trial) {
            let event = Event::Responded { trial: true };
            self.advance(lease.backend.slot(), event, Cause::Responded, now);
        }
    }

    /// An exchange is over.
    pub(super) fn judge(&mut self, lease: &Lease, outcome: Outcome, now: Timestamp) {
        let (slot, trial) = (lease.backend.slot(), lease.trial);
        let is_late = outcome == Outcome::TimedOut && self.is_late(lease, now);
        let Some(backend) = self.members.backends.get_mut(slot) else {
            return;
        };
        let is_evidence = lease.dispatched_at >= backend.judged_from;
        let outcome = if is_late {
            Outcome::Inconclusive
        } else {
            outcome
        };
        match outcome {
            Outcome::Inconclusive => {
                let event = Event::Inconclusive { trial };
                self.advance(slot, event, Cause::Responded, now);
            }
            Outcome::Success { .. } | Outcome::ClientError => {
                if let Some(response_time) = outcome.response_time() {
                    let nanos = u64::try_from(response_time.as_nanos()).unwrap_or(u64::MAX);
                    let before = self.detection.slow_response_nanos;
                    self.detection.slow_response_nanos = nanos.max(before - before / FORGETTING);
                }
                backend.unreachable_in_a_row = 0;
                backend.evidence.good(now);
                self.detection.recent.add(false, now);
                // It nearly always is, and one more good response changes nothing.
                if backend.state != State::Healthy || trial {
                    self.advance(slot, Event::Responded { trial }, Cause::Responded, now);
                }
            }
            Outcome::Failure | Outcome::TimedOut => {
                // Where the target or a cookie decides on the backend, failures follow the request:
                // one page that always fails would eject one healthy backend after another. Those of
                // different pages tell of the backend all the same.
                let repeats =
                    self.picker.is_keyed_by_target && backend.failed_keys.note(lease.key, now);
                let follows_request = repeats || lease.by_affinity || lease.follows_source;
                if !follows_request {
                    self.detection.recent.add(true, now);
                }
                if is_evidence && !follows_request {
                    backend.evidence.bad(now);
                    self.weigh(slot, trial, now);
                } else {
                    let event = Event::Inconclusive { trial };
                    self.advance(slot, event, Cause::Responded, now);
                }
            }
            Outcome::Unreachable => {
                self.detection.recent.add(true, now);
                backend.unreachable_in_a_row = backend.unreachable_in_a_row.saturating_add(1);
                let count = backend.unreachable_in_a_row;
                let event = match self.detection.policy.passive && is_evidence {
                    true => Event::Unreachable { trial },
                    false => Event::Inconclusive { trial },
                };
                self.advance(slot, event, Cause::Unreachable { count }, now);
            }
        }
    }

    /// Returns whether the time of an exchange was up because queues are long, and not because its
    /// backend is broken: that has completed others since, or all other backends keep exchanges
    /// waiting for half as long, so that ejecting it would have more of them time out.
    #[cold]
    fn is_late(&self, lease: &Lease, now: Timestamp) -> bool {
        let slot = lease.backend.slot();
        let candidate = self.members.candidates.get(slot);
        let completed_at = candidate.and_then(|candidate| candidate.last_completed_at);
        if completed_at > Some(lease.dispatched_at) {
            return true;
        }
        let half = now.since(lease.dispatched_at) / 2;
        let others = self.members.backends.iter().enumerate();
        let mut others = others.filter(|(other, it)| *other != slot && it.is_open());
        !others.any(|(_, other)| {
            let oldest = self.in_flight.oldest(&other.queue);
            oldest.is_none_or(|dispatched_at| now.since(dispatched_at) < half)
        })
    }

    /// A failure was added to the evidence against a backend: decides whether it is enough.
    fn weigh(&mut self, slot: usize, trial: bool, now: Timestamp) {
        let pool = self.detection.recent.sum(now);
        let Some(backend) = self.members.backends.get_mut(slot) else {
            return;
        };
        if !self.detection.policy.passive {
            let event = Event::Inconclusive { trial };
            return self.advance(slot, event, Cause::Responded, now);
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
        let responds = !reason.is_silence();
        self.advance(backend.slot(), Event::ChecksFell { responds }, cause, now);
    }

    /// A backend that was suspected to be hanging failed the check that followed: it is ejected
    /// until checks pass.
    pub fn silent(&mut self, backend: BackendId, waited: Duration, now: Timestamp) {
        if self.is_member(backend) {
            let cause = Cause::Silent { waited };
            let event = Event::ChecksFell { responds: false };
            self.advance(backend.slot(), event, cause, now);
        }
    }

    /// Something was found out about a backend by its heartbeats. A suspicion alone changes
    /// nothing.
    pub fn heartbeats_show(
        &mut self,
        backend: BackendId,
        finding: HeartbeatFinding,
        now: Timestamp,
    ) {
        let (event, cause) = match finding {
            HeartbeatFinding::Suspect => return,
            HeartbeatFinding::Missing { phi, silence } => {
                let cause = Cause::HeartbeatsMissing { phi, silence };
                (Event::HeartbeatsFell, cause)
            }
            HeartbeatFinding::ProcessDead => (Event::HeartbeatsFell, Cause::ProcessDead),
            HeartbeatFinding::Back => (Event::HeartbeatsRose, Cause::HeartbeatsBack),
            HeartbeatFinding::ProcessAlive => (Event::HeartbeatsRose, Cause::ProcessAlive),
        };
        let Some(before) = self.state(backend).filter(|state| state.is_member()) else {
            return;
        };
        self.advance(backend.slot(), event, cause, now);
        if matches!(before, State::Ejected { .. })
            && self.state(backend).is_some_and(State::pickable)
        {
            // What a strategy holds against it is from before.
            self.picker.strategy.cleared(backend);
            self.publish(backend.slot());
        }
    }

    /// An exchange is over. Ejects its backend if that shows that it is far too slow.
    pub(super) fn note_latency(
        &mut self,
        lease: &Lease,
        outcome: Outcome,
        overtook: bool,
        now: Timestamp,
    ) {
        let is_comparable =
            self.detection.policy.passive && !self.picker.is_keyed && !lease.by_affinity;
        let ratio = self.detection.policy.slow_outlier.filter(|_| is_comparable);
        let (Some(ratio), Some(time)) = (ratio, outcome.response_time()) else {
            return;
        };
        let slot = lease.backend().slot();
        let backend = self.members.backends.get_mut(slot);
        let Some(backend) = backend.filter(|it| lease.dispatched_at >= it.judged_from) else {
            return;
        };
        let response = Response {
            time,
            ahead: lease.ahead,
            overtook,
        };
        let median = backend.latency_outlier.add(response, now);
        // Looking at all the others is for the rare case.
        let Some(median) = median.filter(|median| *median > MIN_EXCESS) else {
            return;
        };
        let Some(others) = self.members.typical_of_others(slot, now) else {
            return;
        };
        if median > others.saturating_mul(ratio).max(others + MIN_EXCESS) {
            let cause = Cause::Slow { median, others };
            let event = Event::Outlier(Grounds::Answers);
            self.eject_if_few_are(slot, event, cause, now);
        }
    }

    /// Ends what time alone ends. Costs one comparison unless something is due.
    #[inline]
    pub fn pass_time(&mut self, now: Timestamp) {
        if now >= self.next_change {
            self.end_what_is_over(now);
        }
    }

    #[inline(never)]
    fn end_what_is_over(&mut self, now: Timestamp) {
        self.announce(now);
        self.end_departures(now);
        self.end_congestion();
        for slot in 0..self.members.backends.len() {
            let state = self.members.backends.get(slot).map(|backend| backend.state);
            let cause = match state {
                Some(State::SlowStart { .. }) => Cause::SlowStartEnded,
                _ => Cause::CooledDown,
            };
            self.advance(slot, Event::TimePassed, cause, now);
        }
        let ends = self
            .members
            .backends
            .iter()
            .map(|backend| backend.state.ends_at());
        let first = ends.min().unwrap_or(Timestamp::NEVER);
        self.next_change = first.min(self.departures.next());
    }

    /// Returns whether [`pass_time`](Self::pass_time) has something to do, changes are to be
    /// followed or slots may be [reclaimed](Self::reclaim).
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.next_change || !self.change_log.is_empty() || self.departures.has_removed()
    }

    /// Returns when [`pass_time`](Self::pass_time) has something to do.
    #[must_use]
    pub const fn next_change(&self) -> Timestamp {
        self.next_change
    }

    /// Returns how long slow responses take, over all backends; zero before the first.
    #[must_use]
    pub const fn slow_response_time(&self) -> Duration {
        Duration::from_nanos(self.detection.slow_response_nanos)
    }
}

/// The limit on what follows from them.
impl Backends {
    /// Ejects a backend for its responses to exchanges, unless too many are ejected already.
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
        let Some(state) = self.members.backends.get(slot).map(|backend| backend.state) else {
            return;
        };
        if state.is_out() || self.may_eject_one_more() {
            return self.advance(slot, event, cause, now);
        }
        let backend = self.members.backends.get_mut(slot);
        if backend.is_some_and(|backend| !mem::replace(&mut backend.is_spared, true)) {
            self.tell(slot, state, state, cause, now);
        }
    }

    /// Looks at every backend; only for the rare cases.
    fn may_eject_one_more(&self) -> bool {
        let members = self.members.backends.iter().filter(|b| b.state.is_member());
        let (members, out) = members.fold((0, 0), |(members, out), backend| {
            (members + 1, out + usize::from(backend.state.is_out()))
        });
        (out + 1) * 100 <= members * usize::from(self.detection.policy.max_ejected_percent)
    }
}

/// State transitions: all that hangs on the state of a backend moves with it.
impl Backends {
    /// Takes what has changed since the last time, in order.
    pub fn take_changes(&mut self) -> Vec<StateChange> {
        self.change_log.take()
    }

    /// Moves a backend on in its life, and its candidate with it.
    pub(super) fn advance(&mut self, slot: usize, event: Event, cause: Cause, now: Timestamp) {
        let Some(backend) = self.members.backends.get(slot) else {
            return;
        };
        let from = backend.state;
        let to = from.after(event, self.detection.policy.slow_start, now);
        let to = backend.hold.map_or(to, |hold| hold.over(to));
        if self.sharing.is_some() && !self.may_move(slot, [from, to], event, cause) {
            return;
        }
        self.enter(slot, to, now);
        self.next_change = self.next_change.min(to.ends_at());
        if mem::discriminant(&from) != mem::discriminant(&to) {
            if let Some(backend) = self.members.backends.get_mut(slot) {
                backend.changed = Some((now, cause));
                backend.ejections += u64::from(matches!(to, State::Ejected { .. }));
            }
            self.tell(slot, from, to, cause, now);
        }
    }

    /// Puts a backend into a state, which it came to at `at`.
    pub(super) fn enter(&mut self, slot: usize, state: State, at: Timestamp) {
        let (Some(candidate), Some(backend)) = (
            self.members.candidates.get_mut(slot),
            self.members.backends.get_mut(slot),
        ) else {
            return;
        };
        let from = mem::replace(&mut backend.state, state);
        backend.is_barred = false;
        backend.judge(candidate);
        if mem::discriminant(&from) == mem::discriminant(&state) {
            return;
        }
        backend.entered(state, at);
        match state {
            State::Probation { .. } => {
                // It has served its time; what a strategy holds against it is from before.
                self.picker.strategy.cleared(candidate.id);
                self.publish(slot);
                self.ramps.try_out(slot);
            }
            State::SlowStart { .. } => self.ramps.begin(slot, at, self.detection.policy.slow_start),
            State::Initial | State::Healthy | State::Ejected { .. } => self.ramps.end(slot),
            State::Draining | State::Disabled => self.ramps.end(slot),
            State::Removed => {
                self.ramps.end(slot);
                self.unseat(slot);
            }
        }
        if from.is_out_for_answers() || state.is_out_for_answers() {
            self.measure_crowd();
        }
    }

    /// Reports a change; the same state twice: the backend was to be ejected and was spared.
    fn tell(&mut self, slot: usize, from: State, to: State, cause: Cause, now: Timestamp) {
        let member = self.members.candidates.get(slot);
        let backends = &self.members.backends;
        let leaves_none = matches!(to, State::Ejected { .. })
            && !backends.iter().any(|backend| backend.state.pickable());
        if let (Some(candidate), Some(backend)) = (member, backends.get(slot)) {
            self.change_log.push(|missed| StateChange {
                at: now,
                backend: candidate.id,
                name: backend.name.clone(),
                from,
                to,
                cause,
                leaves_none,
                missed,
            });
        }
    }
}
