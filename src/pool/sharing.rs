//! One pool for several workers, each with backends of its own.
//!
//! Shared are the [`SharedLoad`], which shows every worker what all have in flight and what their
//! strategies have learned, and the life cycle of the backends. For the latter *the first worker
//! decides*. What another one notices (a refused connection, a trial that succeeded) becomes a
//! [`Signal`] to the first, which moves the backend on and tells the others by a
//! [`StateChange`](super::StateChange), which they [`adopt`](super::Backends::adopt). So changes
//! have one order, each is reported once, the share of the pool that may be ejected is exact, and
//! an operator's command cannot be lost to a signal that was under way. Refused: every worker
//! decides and the last writer wins, which has none of that. The price is a moment in which another
//! worker still picks a backend that is out; such an exchange is retried elsewhere like the one
//! that noticed.
//!
//! Each worker gathers evidence from its own exchanges: they are samples of the same backend, and a
//! successful response costs no message. What a strategy learns of a backend is its
//! [`Memory`](crate::strategy::Memory), which the worker that settles an exchange takes from the
//! backend's row and puts back: so there is one memory, as if one loop had seen every response.
//! Workers that learn apart forget by what each of them sees, so four take four times as long to
//! find that a backend has become slow: in simulation, 12 % on the 99th percentile with sixteen
//! backends that do so now and then, and 20 % with sixteen workers.

use super::State;
use super::backend::Backend;
use super::life_cycle::Event;
use super::life_cycles::Verdict;
use super::members::Members;
use crate::shared::{Admission, BackendLoad, Finding, IDLE_WORDS, SharedLoad};
use crate::strategy::{BackendId, Candidate, Memory, Strategy};
use crate::time::Timestamp;
use std::mem;
use std::sync::Arc;

/// A worker's observation of a backend, for the first worker to judge.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    pub(super) backend: BackendId,
    pub(super) verdict: Verdict,
}

/// A worker's part in a shared pool.
pub(super) struct Sharing {
    pub(super) shared_load: Arc<SharedLoad>,
    /// True if this is the first worker.
    pub(super) decides: bool,
    pub(super) worker: usize,
    signals: Vec<Signal>,
    /// The number of its strategy. A worker that has not changed yet, or has before the first, neither
    /// tells nor hears what is learned.
    era: u32,
    /// The slot it looks at next, in a pool that is too large to look at all of it.
    next_look: usize,
    /// The table of idle backends, as far as it has followed it.
    idle: [u64; IDLE_WORDS],
}

impl Sharing {
    /// The part of a worker. The first is number 0.
    pub(super) fn new(shared_load: Arc<SharedLoad>, worker: usize) -> Self {
        shared_load.join();
        Self {
            era: shared_load.era(),
            shared_load,
            decides: worker == 0,
            worker,
            signals: Vec::new(),
            next_look: 0,
            idle: [0; IDLE_WORDS],
        }
    }

    /// Takes the observations for the first worker.
    pub(super) fn take_signals(&mut self) -> Vec<Signal> {
        mem::take(&mut self.signals)
    }

    /// Leaves an observation to the first worker.
    pub(super) fn signal(&mut self, backend: BackendId, verdict: Verdict) {
        self.signals.push(Signal { backend, verdict });
    }

    /// Returns whether this worker may move a backend from one state to another; if not, it tells
    /// the first what it noticed. If so, the others see it in the shared row from now on.
    pub(super) fn may_move(
        &mut self,
        backend: BackendId,
        [from, to]: [State; 2],
        verdict: Verdict,
    ) -> bool {
        let ends_trial = verdict.event.ends_trial();
        if !self.decides {
            if from != to || ends_trial {
                self.signal(backend, verdict);
            }
            return false;
        }
        if let Some(row) = self.shared_load.row(backend.slot()) {
            row.admit(to.admission());
            if ends_trial {
                row.end_trial();
            }
        }
        true
    }

    /// The other workers that are to let go of a removed backend before its slot is given away.
    pub(super) fn others_to_let_go(&self) -> usize {
        match self.decides {
            true => self.shared_load.workers().saturating_sub(1),
            false => 0,
        }
    }

    /// Workers that share the pool.
    pub(super) fn workers(&self) -> usize {
        self.shared_load.workers()
    }

    /// Says what this worker makes of the pool.
    pub(super) fn say(&self, finding: Finding) {
        self.shared_load.say(self.worker, finding);
    }
}

/// Rows looked at before a pick. Those that none has written since cost next to nothing. In larger
/// pools the others may be some picks old; so the row of the backend that was chosen is looked at
/// again before a place there is taken. In simulation that is better than looking at four times as
/// many: a hundred backends, sixteen workers.
const LOOKED_AT: usize = 16;
/// Of these, at most so many of backends that are idle since the last pick, or no more. Those are in
/// a table of bits, in a line that each pick needs in any case. In simulation of a hundred backends
/// with short and long requests sixteen workers then cost 6 % of the 99th percentile instead of 21.
const FOLLOWED: usize = 12;

/// The result of taking a place.
pub(super) struct Place {
    /// Exchanges in flight there before.
    pub(super) ahead: u32,
    /// The number of the pick.
    pub(super) pick: u64,
    pub(super) is_trial: bool,
}

/// The reason why there is no place for this worker at a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Another worker was faster, or has its trial.
    Taken,
    /// It gets nothing any more: the change of its state is under way.
    Closed,
}

/// Places, of which other workers take some.
impl Sharing {
    /// Takes a place at the backend in `slot`, if there is one for this worker.
    pub(super) fn take_place(
        &self,
        slot: usize,
        members: &mut Members,
        now: Timestamp,
    ) -> Result<Place, Refused> {
        let (Some(candidate), Some(backend), Some(row)) = (
            members.candidates.get_mut(slot),
            members.backends.get_mut(slot),
            self.shared_load.row(slot),
        ) else {
            return Err(Refused::Taken);
        };
        let ahead = match row.enter(backend.max_in_flight) {
            Ok(ahead) => ahead,
            Err(in_flight) => {
                candidate.in_flight = in_flight;
                backend.judge(candidate);
                return Err(Refused::Taken);
            }
        };
        // The first worker closes a row before it looks whether anything is in flight: so it
        // sees the place that was just taken, or the row is seen to be closed here.
        let is_closed = row.admission() == Admission::Closed;
        let is_trial = !is_closed && backend.state.awaits_trial() && row.begin_trial();
        let is_late = backend.state.is_on_probation() && !is_trial && !backend.is_barred;
        if is_closed || is_late {
            if row.leave(now) == 0 {
                self.note_idle(slot, true);
            }
            backend.is_barred = true;
            backend.judge(candidate);
            if is_closed {
                // Until the change comes, this is what it amounts to.
                backend.state = State::Draining;
                return Err(Refused::Closed);
            }
            return Err(Refused::Taken);
        }
        if ahead == 0 {
            self.note_idle(slot, false);
        }
        let pick = self.shared_load.next_pick();
        row.picked(pick, ahead, now);
        Ok(Place {
            ahead,
            pick,
            is_trial,
        })
    }

    /// Looks at as many backends as there is time for before a pick. Returns whether at all.
    pub(super) fn look(&mut self, members: &mut Members, strategy: &mut dyn Strategy) -> bool {
        let count = members.candidates.len();
        if count <= LOOKED_AT {
            self.refresh(0, count, members, strategy);
            return true;
        }
        let followed = self.follow_idle(members, strategy);
        let from = self.next_look;
        let to = count.min(from + LOOKED_AT - followed);
        self.next_look = if to == count { 0 } else { to };
        self.refresh(from, to, members, strategy);
        false
    }

    /// A backend is idle from now on, or is no more.
    pub(super) fn note_idle(&self, slot: usize, is_idle: bool) {
        self.shared_load.note_idle(slot, is_idle);
    }

    /// Looks at backends that are idle since the last pick, or no more: as many as there is time
    /// for, idle ones first. Returns how many.
    fn follow_idle(&mut self, members: &mut Members, strategy: &mut dyn Strategy) -> usize {
        let now = self.shared_load.idle();
        let (mut slots, mut count) = ([0; FOLLOWED], 0);
        for is_idle in [true, false] {
            for (word, (now, known)) in now.iter().zip(&mut self.idle).enumerate() {
                let of_kind = if is_idle { *now } else { !*now };
                let mut changed = (now ^ *known) & of_kind;
                while changed != 0
                    && let Some(slot) = slots.get_mut(count)
                {
                    let lowest = changed & changed.wrapping_neg();
                    changed ^= lowest;
                    *known ^= lowest;
                    *slot = word * 64 + lowest.trailing_zeros() as usize;
                    count += 1;
                }
            }
        }
        for &slot in slots.iter().take(count) {
            self.refresh(slot, slot + 1, members, strategy);
        }
        count
    }

    /// Brings the candidates in these slots up to date.
    pub(super) fn refresh(
        &self,
        from: usize,
        to: usize,
        members: &mut Members,
        strategy: &mut dyn Strategy,
    ) {
        let candidates = members.candidates.get_mut(from..to).unwrap_or_default();
        let backends = members.backends.get_mut(from..to).unwrap_or_default();
        let hears = self.is_of_its_era();
        let mut slots = candidates.iter_mut().zip(backends);
        let mut slot = from;
        while slot < to {
            let rows = self.shared_load.rows_from(slot);
            if rows.is_empty() {
                break;
            }
            slot += rows.len();
            for (row, (candidate, backend)) in rows.iter().zip(slots.by_ref()) {
                see(row, candidate, backend);
                if hears {
                    recall(row, candidate.id, backend, strategy);
                }
            }
        }
        strategy.refreshed(candidates);
    }
}

/// What the strategies of the workers learn.
impl Sharing {
    /// Has the strategy take over what its like in the other workers have learned of the pool and
    /// of one backend.
    pub(super) fn recall(&self, slot: usize, members: &mut Members, strategy: &mut dyn Strategy) {
        if !self.is_of_its_era() {
            return;
        }
        strategy.recall(None, self.shared_load.memory().recall());
        let candidate = members.candidates.get(slot);
        let backend = members.backends.get_mut(slot);
        let row = self.shared_load.row(slot);
        if let (Some(row), Some(candidate), Some(backend)) = (row, candidate, backend) {
            recall(row, candidate.id, backend, strategy);
        }
    }

    /// Tells the other workers what the strategy has learned of the pool. It has just taken over
    /// what they knew.
    pub(super) fn publish_pool(&self, strategy: &dyn Strategy) {
        if self.is_of_its_era() {
            self.shared_load.memory().remember(strategy.memory(None));
        }
    }

    /// The same of one backend.
    pub(super) fn publish(&self, slot: usize, members: &mut Members, strategy: &dyn Strategy) {
        if !self.is_of_its_era() {
            return;
        }
        let candidate = members.candidates.get(slot);
        let backend = members.backends.get_mut(slot);
        let row = self.shared_load.row(slot);
        if let (Some(row), Some(candidate), Some(backend)) = (row, candidate, backend) {
            backend.memory = strategy.memory(Some(candidate.id));
            row.memory().remember(backend.memory);
        }
    }

    fn is_of_its_era(&self) -> bool {
        self.era == self.shared_load.era()
    }

    /// This worker has another strategy: what was learned for the one before is to be forgotten. All
    /// workers change one after another, and those that have not yet would bring it back; so they
    /// are not listened to once the first has.
    pub(super) fn begin_era(&mut self, members: &mut Members) {
        self.era = self.era.wrapping_add(1);
        for backend in &mut members.backends {
            backend.memory = Memory::default();
        }
        if !self.decides {
            return;
        }
        self.shared_load.begin_era(self.era);
        self.shared_load.memory().remember(Memory::default());
        for slot in 0..members.backends.len() {
            if let Some(row) = self.shared_load.row(slot) {
                row.memory().remember(Memory::default());
            }
        }
    }
}

#[inline]
fn recall(row: &BackendLoad, id: BackendId, backend: &mut Backend, strategy: &mut dyn Strategy) {
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
        let (own, old) = (self.verdict, older.verdict);
        self.backend == older.backend
            && own.event == old.event
            && own.if_few_are_out == old.if_few_are_out
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
