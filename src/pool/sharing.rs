//! One pool for several workers, each with backends of its own.
//!
//! Shared are the [`SharedLoad`], which shows every worker what all have in flight and what their
//! strategies have learned, and the life cycle of the backends. For the latter *the first worker decides*. What another one notices (a
//! refused connection, a trial that succeeded) becomes a [`Signal`] to the first, which moves the
//! backend on and tells the others by a [`StateChange`], which they [`adopt`](Backends::adopt). So
//! changes have one order, each is reported once, the share of the pool that may be ejected is
//! exact, and an operator's command cannot be lost to a signal that was under way. Refused: every
//! worker decides and the last writer wins, which has none of that. The price is a moment in which
//! another worker still picks a backend that is out; such an exchange is retried elsewhere like the
//! one that noticed.
//!
//! Each worker gathers evidence from its own exchanges: they are samples of the same backend, and a
//! successful response costs no message. What a strategy learns of a backend is its
//! [`Memory`](crate::strategy::Memory), which the worker that settles an exchange takes from the
//! backend's row and puts back: so there is one memory, as if one loop had seen every response.
//! Workers that learn apart forget by what each of them sees, so four take four times as long to
//! find that a backend has become slow: in simulation, 12 % on the 99th percentile with sixteen
//! backends that do so now and then, and 20 % with sixteen workers.

use super::life_cycle::Event;
use super::members::Backend;
use super::pick::PickFor;
use super::{Backends, Cause, Lease, State, StateChange};
use crate::shared::{Admission, BackendLoad, SharedLoad};
use crate::strategy::{BackendId, Candidate, Strategy};
use crate::time::Timestamp;
use std::mem;
use std::sync::Arc;

/// A worker's observation of a backend, for the first worker to judge.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    backend: BackendId,
    event: Event,
    cause: Cause,
    /// True if it ejects only where few are.
    is_judged: bool,
}

/// A worker's part in a shared pool.
pub(super) struct Sharing {
    pub(super) shared_load: Arc<SharedLoad>,
    /// True if this is the first worker.
    pub(super) decides: bool,
    pub(super) worker: usize,
    signals: Vec<Signal>,
    /// The slot it looks at next, in a pool that is too large to look at all of it.
    pub(super) next_look: usize,
}

/// Between workers.
impl Backends {
    /// Shares its backends with other workers from now on. The first is number 0.
    pub fn share(&mut self, shared_load: Arc<SharedLoad>, worker: usize) {
        shared_load.join();
        self.sharing = Some(Sharing {
            shared_load,
            decides: worker == 0,
            worker,
            signals: Vec::new(),
            next_look: 0,
        });
    }

    /// Returns whether it shares its backends with other workers.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.sharing.is_some()
    }

    /// Returns whether it decides about the lives of its backends: it is alone, or the first of
    /// several.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.sharing.as_ref().is_none_or(|sharing| sharing.decides)
    }

    /// Takes the observations for the first worker.
    pub fn take_signals(&mut self) -> Vec<Signal> {
        let signals = self.sharing.as_mut().map(|s| &mut s.signals);
        signals.map(mem::take).unwrap_or_default()
    }

    /// Another worker has noticed something. For the first.
    pub fn notice(&mut self, signal: Signal, now: Timestamp) {
        let Signal {
            backend,
            event,
            cause,
            is_judged,
        } = signal;
        if self.members.candidate(backend).is_none() {
            return;
        }
        match event {
            Event::Emptied => self.note_if_emptied(backend.slot(), now),
            _ if is_judged => self.eject_if_few_are(backend.slot(), event, cause, now),
            _ => self.advance(backend.slot(), event, cause, now),
        }
    }

    /// The first worker has moved a backend on. For the others.
    pub fn adopt(&mut self, change: &StateChange, now: Timestamp) {
        let slot = change.backend.slot();
        if self.members.candidate(change.backend).is_none() {
            return;
        }
        if change.is_spared() {
            if let Some(backend) = self.members.backends.get_mut(slot) {
                backend.is_spared = true;
            }
            return;
        }
        self.note_departure(change);
        self.enter(slot, change.to, change.at);
        self.refresh(slot);
        self.note_if_emptied(slot, now);
    }
}

/// The worker that decides.
impl Backends {
    /// Returns whether this worker may move the backend in `slot` from one state to another; if
    /// not, it tells the first what it noticed. If so, the others see it on the shared_load from
    /// now on.
    pub(super) fn may_move(
        &mut self,
        slot: usize,
        [from, to]: [State; 2],
        event: Event,
        cause: Cause,
    ) -> bool {
        let Some(sharing) = &self.sharing else {
            return true;
        };
        if !sharing.decides {
            if from != to || event.ends_trial() {
                self.signal(slot, event, cause, false);
            }
            return false;
        }
        if let Some(row) = sharing.shared_load.row(slot) {
            row.admit(to.admission());
            if event.ends_trial() {
                row.end_trial();
            }
        }
        true
    }

    /// Returns whether the first worker decides about an ejection, and reports the event to it.
    pub(super) fn leaves_judgement(&mut self, slot: usize, event: Event, cause: Cause) -> bool {
        let leaves = !self.decides();
        if leaves {
            self.signal(slot, event, cause, true);
        }
        leaves
    }

    fn signal(&mut self, slot: usize, event: Event, cause: Cause, is_judged: bool) {
        let candidate = self.members.candidates.get(slot);
        if let (Some(sharing), Some(candidate)) = (&mut self.sharing, candidate) {
            sharing.signals.push(Signal {
                backend: candidate.id,
                event,
                cause,
                is_judged,
            });
        }
    }
}

/// Rows looked at before a pick. Those that none has written since cost next to nothing. In larger
/// pools the others may be some picks old; so the row of the backend that was chosen is looked at
/// again before a place there is taken. In simulation that is better than looking at four times as
/// many: a hundred backends, sixteen workers.
const LOOKED_AT: usize = 16;

/// The result of taking a place.
pub(super) struct Place {
    /// Exchanges in flight there before.
    pub(super) ahead: u32,
    /// The number of the pick.
    pub(super) pick: u64,
    pub(super) is_trial: bool,
}

/// Picking.
impl Backends {
    /// As [`pick`](Self::pick). Another worker may be faster at the backend that was chosen: its
    /// candidate then says so, and the next best is chosen.
    #[inline(never)]
    pub(super) fn pick_shared(&mut self, exchange: PickFor<'_>) -> Option<Lease> {
        let count = self.members.candidates.len();
        self.look();
        let mut looked_at_all = count <= LOOKED_AT;
        for _ in 0..=count {
            match self.choose(exchange) {
                Some(backend) if !looked_at_all && self.has_changed(backend.slot()) => {}
                Some(backend) => {
                    if let Some(lease) = self.lease(backend, exchange.key, exchange.now) {
                        return Some(lease);
                    }
                }
                None if looked_at_all => return None,
                None => {
                    looked_at_all = true;
                    self.refresh_all();
                }
            }
        }
        None
    }

    /// Returns whether more is in flight at the backend in `slot` than its candidate says, which is
    /// then brought up to date.
    fn has_changed(&mut self, slot: usize) -> bool {
        let known = self.members.candidates.get(slot).map(|it| it.in_flight);
        let row = self.sharing.as_ref().and_then(|s| s.shared_load.row(slot));
        let has_changed = row.map(BackendLoad::in_flight) > known;
        if has_changed {
            self.refresh(slot);
        }
        has_changed
    }

    /// Takes a place at the backend in `slot`, if there is one for this worker.
    pub(super) fn take_place(&mut self, slot: usize, now: Timestamp) -> Option<Place> {
        let sharing = self.sharing.as_ref()?;
        let candidate = self.members.candidates.get_mut(slot)?;
        let backend = self.members.backends.get_mut(slot)?;
        let row = sharing.shared_load.row(slot)?;
        let ahead = match row.enter(backend.max_in_flight) {
            Ok(ahead) => ahead,
            Err(in_flight) => {
                candidate.in_flight = in_flight;
                backend.judge(candidate);
                return None;
            }
        };
        // The first worker closes a row before it looks whether anything is in flight: so it
        // sees the place that was just taken, or the row is seen to be closed here.
        let is_closed = row.admission() == Admission::Closed;
        let is_trial = !is_closed && backend.state.awaits_trial() && row.begin_trial();
        let is_late = backend.state.is_on_probation() && !is_trial && !backend.is_barred;
        if is_closed || is_late {
            row.leave(now);
            backend.is_barred = true;
            backend.judge(candidate);
            if is_closed {
                // The change is under way; until it comes, this is what it amounts to.
                backend.state = State::Draining;
                self.note_if_emptied(slot, now);
            }
            return None;
        }
        let pick = sharing.shared_load.next_pick();
        row.picked(pick, ahead, now);
        Some(Place {
            ahead,
            pick,
            is_trial,
        })
    }

    /// Returns whether any backend may be picked at this moment.
    pub fn has_room(&mut self) -> bool {
        self.refresh_all();
        self.members
            .candidates
            .iter()
            .any(|candidate| candidate.pickable)
    }
}

/// Looking at what the other workers have done.
impl Backends {
    /// Looks at as many backends as there is time for before a pick.
    fn look(&mut self) {
        let count = self.members.candidates.len();
        if count <= LOOKED_AT {
            return self.refresh_slots(0, count);
        }
        let Some(sharing) = &mut self.sharing else {
            return;
        };
        let from = sharing.next_look;
        let to = count.min(from + LOOKED_AT);
        sharing.next_look = if to == count { 0 } else { to };
        self.refresh_slots(from, to);
    }

    /// Brings all candidates up to date. What is done here is known at once; this is about the
    /// other workers.
    pub fn refresh_all(&mut self) {
        self.refresh_slots(0, self.members.candidates.len());
    }

    /// The same for one backend.
    pub(super) fn refresh(&mut self, slot: usize) {
        self.refresh_slots(slot, slot + 1);
    }

    fn refresh_slots(&mut self, from: usize, to: usize) {
        let Some(sharing) = &self.sharing else {
            return;
        };
        let (members, strategy) = (&mut self.members, &mut self.picker.strategy);
        let candidates = members.candidates.get_mut(from..to).unwrap_or_default();
        let backends = members.backends.get_mut(from..to).unwrap_or_default();
        let mut slots = candidates.iter_mut().zip(backends);
        let mut slot = from;
        while slot < to {
            let rows = sharing.shared_load.rows_from(slot);
            if rows.is_empty() {
                break;
            }
            slot += rows.len();
            for (row, (candidate, backend)) in rows.iter().zip(slots.by_ref()) {
                see(row, candidate, backend);
                recall(row, candidate.id, backend, strategy);
            }
        }
        strategy.refreshed(candidates);
    }
}

/// What the strategies of the workers learn.
impl Backends {
    /// Has the strategy take over what its like in the other workers have learned of the pool and
    /// of one backend.
    pub(super) fn recall(&mut self, slot: usize) {
        let Some(sharing) = &self.sharing else {
            return;
        };
        let strategy = &mut self.picker.strategy;
        strategy.recall(None, sharing.shared_load.memory().recall());
        let candidate = self.members.candidates.get(slot);
        let backend = self.members.backends.get_mut(slot);
        let row = sharing.shared_load.row(slot);
        if let (Some(row), Some(candidate), Some(backend)) = (row, candidate, backend) {
            recall(row, candidate.id, backend, strategy);
        }
    }

    /// Tells the other workers what the strategy has learned of the pool. It has just taken over
    /// what they knew.
    pub(super) fn publish_pool(&self) {
        if let Some(sharing) = &self.sharing {
            let memory = self.picker.strategy.memory(None);
            sharing.shared_load.memory().remember(memory);
        }
    }

    /// The same of one backend.
    pub(super) fn publish(&mut self, slot: usize) {
        let Some(sharing) = &self.sharing else {
            return;
        };
        let candidate = self.members.candidates.get(slot);
        let backend = self.members.backends.get_mut(slot);
        let row = sharing.shared_load.row(slot);
        if let (Some(row), Some(candidate), Some(backend)) = (row, candidate, backend) {
            backend.memory = self.picker.strategy.memory(Some(candidate.id));
            row.memory().remember(backend.memory);
        }
    }
}

#[inline]
fn recall(
    row: &BackendLoad,
    id: BackendId,
    backend: &mut Backend,
    strategy: &mut Box<dyn Strategy>,
) {
    let memory = row.memory().recall();
    if memory != backend.memory {
        backend.memory = memory;
        strategy.recall(Some(id), memory);
    }
}

/// Makes a candidate say what a row says.
fn see(row: &BackendLoad, candidate: &mut Candidate, backend: &mut Backend) {
    row.show(candidate);
    backend.is_barred = match row.admission() {
        Admission::Open => backend.state.is_on_probation() && row.is_on_trial(),
        Admission::InNeed | Admission::Closed => true,
    };
    backend.judge(candidate);
}

impl State {
    fn is_on_probation(self) -> bool {
        matches!(self, Self::Probation { .. })
    }
}

impl Signal {
    /// Returns whether it says of the same backend what `older` said.
    pub(crate) fn repeats(&self, older: &Self) -> bool {
        self.backend == older.backend
            && self.event == older.event
            && self.is_judged == older.is_judged
    }
}

impl Event {
    /// Returns whether it says how the one exchange ended that was risked on a backend.
    const fn ends_trial(self) -> bool {
        match self {
            Self::Responded { trial } | Self::Unreachable { trial } => trial,
            Self::Inconclusive { trial } => trial,
            Self::TrialFailed => true,
            Self::Picked
            | Self::Outlier(_)
            | Self::CheckPassed
            | Self::ChecksRose
            | Self::ChecksFell { .. }
            | Self::HeartbeatsFell
            | Self::HeartbeatsRose
            | Self::TimePassed
            | Self::Crowded
            | Self::Drain
            | Self::Depart
            | Self::Emptied
            | Self::Disable
            | Self::Restore
            | Self::Remove
            | Self::Held
            | Self::Released => false,
        }
    }
}

impl State {
    /// Returns its admission state for the other workers.
    pub(super) fn admission(self) -> Admission {
        match self {
            Self::Initial | Self::Healthy | Self::SlowStart { .. } => Admission::Open,
            Self::Probation { .. } => Admission::Open,
            Self::Ejected { .. } => Admission::InNeed,
            Self::Draining | Self::Disabled | Self::Removed => Admission::Closed,
        }
    }
}
