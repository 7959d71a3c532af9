//! The life cycles of a pool's backends: all that hangs on the state of one moves with it.
//!
//! Each signal comes as a [`Verdict`]: an event in the life of a backend, and its cause. What an
//! event does to a backend is known in [`State::after`]; here its candidate, its share, the strategy
//! and the other workers follow, and the change is kept for the log. With several workers the first
//! decides, and the others [adopt](LifeCycles::adopt).
//!
//! At most a share of the pool is ejected because of the responses of exchanges: when most backends
//! respond badly, the fault is likely to be elsewhere, and few would have to carry all. A backend
//! that does not respond at all (no connection, silence), or that fails its active checks, is
//! always ejected: nothing is served by asking the one, and the other says itself that it is
//! unwell. When all are ejected, a pick takes one all the same, and the change says so.

use super::crowding::Crowd;
use super::departures::Departures;
use super::life_cycle::Event;
use super::selection::Selection;
use super::state_change::ChangeLog;
use super::{Cause, EjectionPolicy, Hold, Signal, State, StateChange};
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::mem;

/// What a signal means for the life of a backend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) event: Event,
    pub(super) cause: Cause,
    /// True if it ejects only where few are.
    pub(super) if_few_are_out: bool,
}

impl Verdict {
    pub(super) const fn new(event: Event, cause: Cause) -> Self {
        Self {
            event,
            cause,
            if_few_are_out: false,
        }
    }

    /// The same, but it ejects only where few are.
    pub(super) const fn if_few_are_out(self) -> Self {
        Self {
            if_few_are_out: true,
            ..self
        }
    }
}

/// What moves the backends of a pool on, and what has moved.
pub(super) struct LifeCycles {
    pub(super) policy: EjectionPolicy,
    pub(super) departures: Departures,
    pub(super) crowd: Crowd,
    pub(super) change_log: ChangeLog,
}

impl Default for LifeCycles {
    fn default() -> Self {
        Self {
            policy: EjectionPolicy::FAILURES_ONLY,
            departures: Departures::default(),
            crowd: Crowd::default(),
            change_log: ChangeLog::default(),
        }
    }
}

impl LifeCycles {
    /// Moves a backend on in its life, and its candidate with it.
    pub(super) fn advance(
        &mut self,
        selection: &mut Selection,
        slot: usize,
        verdict: Verdict,
        now: Timestamp,
    ) {
        if verdict.if_few_are_out && !self.may_follow(selection, slot, verdict, now) {
            return;
        }
        let members = &selection.members;
        let (Some(backend), Some(candidate)) =
            (members.backends.get(slot), members.candidates.get(slot))
        else {
            return;
        };
        let (id, from) = (candidate.id, backend.state);
        let to = from.after(verdict.event, self.policy.slow_start, now);
        let to = backend.hold.map_or(to, |hold| hold.over(to));
        if let Some(sharing) = &mut selection.sharing
            && !sharing.may_move(id, [from, to], verdict)
        {
            return;
        }
        self.enter(selection, slot, to, now);
        selection.look_again_at(to.ends_at());
        if mem::discriminant(&from) != mem::discriminant(&to) {
            if let Some(backend) = selection.members.backends.get_mut(slot) {
                backend.history.note(to, verdict.cause, now);
            }
            self.tell(selection, slot, [from, to], verdict.cause, now);
        }
    }

    /// Returns whether a backend may be ejected for its responses to exchanges: not where too many
    /// are already, of which the log is told, and where this worker decides.
    fn may_follow(
        &mut self,
        selection: &mut Selection,
        slot: usize,
        verdict: Verdict,
        now: Timestamp,
    ) -> bool {
        let members = &mut selection.members;
        let (Some(backend), Some(candidate)) =
            (members.backends.get(slot), members.candidates.get(slot))
        else {
            return false;
        };
        if let Some(sharing) = &mut selection.sharing
            && !sharing.decides
        {
            sharing.signal(candidate.id, verdict);
            return false;
        }
        let state = backend.state;
        if state.is_out() || members.may_eject_one_more(self.policy.max_ejected_percent) {
            return true;
        }
        let backend = members.backends.get_mut(slot);
        if backend.is_some_and(|backend| !mem::replace(&mut backend.is_spared, true)) {
            self.tell(selection, slot, [state, state], verdict.cause, now);
        }
        false
    }

    /// Puts a backend into a state, which it came to at `at`.
    fn enter(&mut self, selection: &mut Selection, slot: usize, state: State, at: Timestamp) {
        let members = &mut selection.members;
        let (Some(candidate), Some(backend)) = (
            members.candidates.get_mut(slot),
            members.backends.get_mut(slot),
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
        let ramps = &mut selection.ramps;
        match state {
            State::Probation { .. } => {
                // It has served its time; what a strategy holds against it is from before.
                let id = candidate.id;
                ramps.try_out(slot);
                selection.clear(id);
            }
            State::SlowStart { .. } => ramps.begin(slot, at, self.policy.slow_start),
            State::Initial | State::Healthy | State::Ejected { .. } => ramps.end(slot),
            State::Draining | State::Disabled => ramps.end(slot),
            State::Removed => {
                ramps.end(slot);
                candidate.live = false;
                let others = selection.sharing.as_ref();
                let elsewhere = others.map_or(0, |sharing| sharing.others_to_let_go());
                self.departures.removed(candidate.id, elsewhere);
                selection.announce_later();
            }
        }
        if from.is_out() || state.is_out() {
            self.crowd.measure(&selection.members);
        }
    }

    /// Reports a change; the same state twice: the backend was to be ejected and was spared.
    fn tell(
        &mut self,
        selection: &Selection,
        slot: usize,
        [from, to]: [State; 2],
        cause: Cause,
        now: Timestamp,
    ) {
        let candidates = &selection.members.candidates;
        let backends = &selection.members.backends;
        let leaves_none = matches!(to, State::Ejected { .. })
            && !backends.iter().any(|backend| backend.state.pickable());
        if let (Some(candidate), Some(backend)) = (candidates.get(slot), backends.get(slot)) {
            self.change_log.push(|missed| StateChange {
                at: now,
                backend: candidate.id,
                name: backend.history.name.clone(),
                from,
                to,
                cause,
                leaves_none,
                missed,
            });
        }
    }
}

/// Signals that come from elsewhere.
impl LifeCycles {
    /// The operator commands something. Returns whether there is such a backend.
    pub(super) fn command(
        &mut self,
        selection: &mut Selection,
        backend: BackendId,
        event: Event,
        now: Timestamp,
    ) -> bool {
        let here = selection.members.is_live(backend);
        if here {
            let verdict = Verdict::new(event, Cause::Operator);
            self.advance(selection, backend.slot(), verdict, now);
        }
        here
    }

    /// Says how well a backend is, whatever is measured; `None` leaves it to measurements again.
    /// Returns whether there is such a backend.
    pub(super) fn hold(
        &mut self,
        selection: &mut Selection,
        backend: BackendId,
        hold: Option<Hold>,
        now: Timestamp,
    ) -> bool {
        let Some(known) = selection.members.backend_mut(backend) else {
            return false;
        };
        known.hold = hold;
        let event = match hold {
            Some(_) => Event::Held,
            None => Event::Released,
        };
        let verdict = Verdict::new(event, Cause::Operator);
        self.advance(selection, backend.slot(), verdict, now);
        true
    }

    /// Another worker has noticed something. For the first.
    pub(super) fn notice(&mut self, selection: &mut Selection, signal: Signal, now: Timestamp) {
        let Signal { backend, verdict } = signal;
        if selection.members.candidate(backend).is_none() {
            return;
        }
        match verdict.event {
            Event::Emptied => self.note_if_emptied(selection, backend.slot(), now),
            _ => self.advance(selection, backend.slot(), verdict, now),
        }
    }

    /// The first worker has moved a backend on. For the others.
    pub(super) fn adopt(
        &mut self,
        selection: &mut Selection,
        change: &StateChange,
        now: Timestamp,
    ) {
        let slot = change.backend.slot();
        let Some(backend) = selection.members.backend_mut(change.backend) else {
            return;
        };
        if change.is_spared() {
            backend.is_spared = true;
            return;
        }
        self.departures.follow(change);
        self.enter(selection, slot, change.to, change.at);
        selection.refresh(slot);
        self.note_if_emptied(selection, slot, now);
    }

    /// Ends what time alone ends.
    #[inline(never)]
    pub(super) fn pass_time(&mut self, selection: &mut Selection, now: Timestamp) {
        selection.announce(now);
        self.end_departures(selection, now);
        selection.members.end_congestion();
        for slot in 0..selection.members.backends.len() {
            let state = selection.members.backends.get(slot).map(|it| it.state);
            let cause = match state {
                Some(State::SlowStart { .. }) => Cause::SlowStartEnded,
                _ => Cause::CooledDown,
            };
            self.advance(selection, slot, Verdict::new(Event::TimePassed, cause), now);
        }
        let backends = selection.members.backends.iter();
        let first = backends.map(|backend| backend.state.ends_at()).min();
        let first = first.unwrap_or(Timestamp::NEVER);
        selection.all_done_until(first.min(self.departures.next()));
    }

    /// A backend was picked where so many are in flight that the others have no room: those ejected
    /// for their responses are tried again.
    #[cold]
    pub(super) fn relieve(&mut self, selection: &mut Selection, now: Timestamp) {
        for slot in 0..selection.members.backends.len() {
            let backend = selection.members.backends.get(slot);
            if backend.is_some_and(|backend| backend.state.is_out_for_answers()) {
                let verdict = Verdict::new(Event::Crowded, Cause::Crowded);
                self.advance(selection, slot, verdict, now);
            }
        }
    }
}
