//! One pool of backends for several workers, each with an pool of its own.
//!
//! Shared are the [`SharedLoad`], on which every worker sees what all have in flight, and the lives of
//! the backends. For these there is one rule: *the first worker decides*. Whatever another one
//! heartbeat_events (a refused connection, a trial that went well) becomes a [`Signal`] to the first, which
//! moves the backend on and tells the others by the [`StateChange`] it would tell anybody; they
//! [`adopt`](Backends::adopt) it. So changes have one order, each is told once, the share of the
//! pool that may be ejected is exact, and the operator's word cannot be lost to a signal that was
//! under way. Refused: everybody decides and the last writer wins, which has none of that. The
//! price is a moment in which another worker still picks a backend that is no good; such an
//! exchange goes elsewhere like the one that noticed.
//!
//! OutlierDetector from answers is gathered by each worker from its own exchanges: they are samples of
//! the same backend, and an answer that is well costs no message.
//!
//! What a strategy learns from answers stays with its worker, too. Refused: sharing the estimates of
//! `least-rt`. In simulation, two and four workers that learn apart and see together what is in
//! flight are as fast as one; each tries a slow backend once more, and that is all.

use super::life_cycle::Event;
use super::{Backends, Cause, State, StateChange};
use crate::shared::{Admission, SharedLoad};
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::mem;
use std::sync::Arc;

/// What one worker noticed of a backend, for the first to judge.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    backend: BackendId,
    event: Event,
    cause: Cause,
    /// Whether it ejects only where few are.
    is_judged: bool,
}

/// A worker's part in a shared pool.
pub(super) struct Sharing {
    pub(super) shared_load: Arc<SharedLoad>,
    /// Whether this is the first worker.
    pub(super) decides: bool,
    signals: Vec<Signal>,
    /// Where it looks next, in a pool that is too large to look at all of it.
    pub(super) next_look: usize,
}

/// Between workers.
impl Backends {
    /// Shares its backends with other workers from now on. The first is number 0.
    pub fn share(&mut self, shared_load: Arc<SharedLoad>, worker: usize) {
        self.sharing = Some(Sharing {
            shared_load,
            decides: worker == 0,
            signals: Vec::new(),
            next_look: 0,
        });
    }

    /// Whether it shares its backends with other workers.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.sharing.is_some()
    }

    /// Whether it decides about the lives of its backends: it is alone, or the first of several.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.sharing.as_ref().is_none_or(|sharing| sharing.decides)
    }

    /// Takes what the first worker is to be told.
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
        if self.candidate(backend).is_none() {
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
        if self.candidate(change.backend).is_none() {
            return;
        }
        if change.is_spared() {
            if let Some(backend) = self.backends.get_mut(slot) {
                backend.is_spared = true;
            }
            return;
        }
        self.enter(slot, change.to, change.at);
        self.refresh(slot);
        self.note_if_emptied(slot, now);
    }
}

/// Who decides.
impl Backends {
    /// Whether this worker may move the backend in `slot` from one state to another; if not, it
    /// tells the first what it noticed. If so, the others see it on the shared_load from now on.
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

    /// Whether it is for the first worker to say if a backend is ejected, which it is then asked.
    pub(super) fn leaves_judgement(&mut self, slot: usize, event: Event, cause: Cause) -> bool {
        let leaves = !self.decides();
        if leaves {
            self.signal(slot, event, cause, true);
        }
        leaves
    }

    fn signal(&mut self, slot: usize, event: Event, cause: Cause, is_judged: bool) {
        let candidate = self.candidates.get(slot);
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

impl Signal {
    /// Whether it says of the same backend what `older` said.
    pub(crate) fn repeats(&self, older: &Self) -> bool {
        self.backend == older.backend
            && self.event == older.event
            && self.is_judged == older.is_judged
    }
}

impl Event {
    /// Whether it says how the one exchange ended that was risked on a backend.
    const fn ends_trial(self) -> bool {
        match self {
            Self::Answered { trial } | Self::Unreachable { trial } => trial,
            Self::Inconclusive { trial } => trial,
            Self::TrialFailed => true,
            Self::Picked
            | Self::Outlier(_)
            | Self::CheckPassed
            | Self::ChecksRose
            | Self::ChecksFell
            | Self::HeartbeatsFell
            | Self::HeartbeatsRose
            | Self::TimePassed
            | Self::Drain
            | Self::Emptied
            | Self::Disable
            | Self::Restore
            | Self::Remove => false,
        }
    }
}

impl State {
    /// What it is to the other workers.
    pub(super) fn admission(self) -> Admission {
        match self {
            Self::Initial | Self::Healthy | Self::SlowStart { .. } => Admission::Open,
            Self::Probation { .. } => Admission::Open,
            Self::Ejected { .. } => Admission::InNeed,
            Self::Draining | Self::Disabled | Self::Removed => Admission::Closed,
        }
    }
}
