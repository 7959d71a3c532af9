//! What is said of backends from outside: by the operator, by health checks and heartbeats, by the
//! other workers and by the clock.
//!
//! Each word is handed to the part it concerns; none is kept here.

use super::backend::Seat;
use super::life_cycle::{Event, FIRST_COOLDOWN};
use super::life_cycles::Verdict;
use super::selection::HELD_FOR;
use super::sharing::Sharing;
use super::{Backends, Cause, EjectionPolicy, Hold, LimitChange, LineLimits, Signal};
use super::{State, StateChange};
use crate::health::CheckFailure;
use crate::heartbeat::HeartbeatFinding;
use crate::shared::SharedLoad;
use crate::strategy::{BackendId, Strategy};
use crate::time::Timestamp;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// The operator.
impl Backends {
    /// Sets what it takes to eject a backend, and how it comes back.
    pub const fn set_policy(&mut self, policy: EjectionPolicy) {
        self.life_cycles.policy = policy;
    }

    /// Picks by another strategy from now on. It has learned nothing yet; exchanges that the one
    /// before has picked are settled with it.
    pub fn set_strategy(&mut self, strategy: Box<dyn Strategy>, now: Timestamp) {
        self.selection.set_strategy(strategy, now);
    }

    /// Forgets how long responses take, and what is held against backends because of it.
    pub fn forget_times(&mut self) {
        self.detection.forget_times(&mut self.selection.members);
    }

    /// Learns from now on whether the backends are serial, and holds them to one request at a time
    /// each while they are.
    pub fn learn_late_binding(&mut self) {
        self.late_binding = Some(Box::default());
    }

    /// Sets the limits of the line in which exchanges wait for room: a limit that is learned yields
    /// before one has waited in vain.
    pub fn set_line(&mut self, line: LineLimits) {
        if let Some(late_binding) = &mut self.late_binding {
            late_binding.set_line(line);
        }
    }

    /// Begins to learn that, or ends it: each backend is then given what it was set to.
    pub(super) fn learn_late_binding_if(&mut self, learns: bool, now: Timestamp) {
        match (learns, self.late_binding.take()) {
            (true, None) => self.learn_late_binding(),
            (false, Some(mut known)) => known.end(&mut self.selection, now),
            (_, known) => self.late_binding = known,
        }
    }

    /// Adds a backend, on probation.
    pub fn add(&mut self, name: String, weight: u32, now: Timestamp) -> BackendId {
        self.reclaim();
        let id = self.selection.members.next_id();
        let state = State::on_probation(FIRST_COOLDOWN);
        self.selection.seat(id, Seat::new(name, weight, state, now));
        id
    }

    /// Gives a backend another share, 1 to 256. Returns whether there is such a backend.
    pub fn set_weight(&mut self, backend: BackendId, weight: u32) -> bool {
        self.selection.set_weight(backend, weight)
    }

    /// Gives a backend at most so many exchanges at once: at least one, `u32::MAX` for no limit.
    /// Returns whether there is such a backend.
    pub fn set_max_in_flight(&mut self, backend: BackendId, max: u32) -> bool {
        self.selection.members.set_max_in_flight(backend, max)
    }

    /// Lets a backend finish what it has and gives it nothing new; when it has finished, it is
    /// disabled. Returns whether there is such a backend.
    pub fn drain(&mut self, backend: BackendId, now: Timestamp) -> bool {
        let here = self.command(backend, Event::Drain, now);
        let selection = &mut self.selection;
        self.life_cycles
            .note_if_emptied(selection, backend.slot(), now);
        here
    }

    /// Disables a backend, even with exchanges in flight. Returns whether it exists.
    pub fn disable(&mut self, backend: BackendId, now: Timestamp) -> bool {
        self.command(backend, Event::Disable, now)
    }

    /// Takes a drained or disabled backend back, on probation. Returns whether there is such a
    /// backend.
    pub fn undrain(&mut self, backend: BackendId, now: Timestamp) -> bool {
        self.life_cycles.departures.cancel(backend);
        self.command(backend, Event::Restore, now)
    }

    /// Lets a backend finish what it has, at most until `deadline`, and removes it then. Returns
    /// whether there is such a backend.
    pub fn depart(&mut self, backend: BackendId, deadline: Timestamp, now: Timestamp) -> bool {
        let selection = &mut self.selection;
        self.life_cycles.depart(selection, backend, deadline, now)
    }

    /// Removes a backend at once. What is in flight there is settled as ever. Returns whether there
    /// was such a backend.
    pub fn remove(&mut self, backend: BackendId, now: Timestamp) -> bool {
        self.command(backend, Event::Remove, now)
    }

    /// Says how well a backend is, whatever is measured; `None` leaves it to measurements again.
    /// Returns whether there is such a backend.
    pub fn hold(&mut self, backend: BackendId, hold: Option<Hold>, now: Timestamp) -> bool {
        let selection = &mut self.selection;
        self.life_cycles.hold(selection, backend, hold, now)
    }

    fn command(&mut self, backend: BackendId, event: Event, now: Timestamp) -> bool {
        let selection = &mut self.selection;
        self.life_cycles.command(selection, backend, event, now)
    }
}

/// Health checks, heartbeats and connections.
impl Backends {
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
        self.signal(backend, event, cause, now);
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
        let cause = Cause::ChecksFailed {
            count: in_a_row,
            reason,
        };
        let responds = !reason.is_silence();
        self.signal(backend, Event::ChecksFell { responds }, cause, now);
    }

    /// A backend that was suspected to be hanging failed the check that followed: it is ejected
    /// until checks pass.
    pub fn silent(&mut self, backend: BackendId, waited: Duration, now: Timestamp) {
        let cause = Cause::Silent { waited };
        let event = Event::ChecksFell { responds: false };
        self.signal(backend, event, cause, now);
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
        let before = self.state(backend);
        self.signal(backend, event, cause, now);
        if matches!(before, Some(State::Ejected { .. })) && self.is_open(backend) {
            // What a strategy holds against it is from before.
            self.selection.clear(backend);
        }
    }

    /// A member of the pool has shown something that does not come from an exchange.
    fn signal(&mut self, backend: BackendId, event: Event, cause: Cause, now: Timestamp) {
        if self.is_member(backend) {
            let verdict = Verdict::new(event, cause);
            let selection = &mut self.selection;
            self.life_cycles
                .advance(selection, backend.slot(), verdict, now);
        }
    }

    /// A backend had no room for a connection: for a moment it is given no exchange. Returns
    /// whether it has been so for less than `patience`.
    #[cold]
    pub fn congested(&mut self, backend: BackendId, patience: Duration, now: Timestamp) -> bool {
        let members = &mut self.selection.members;
        let is_bearable = members.congested(backend, patience, now);
        if is_bearable {
            self.selection.look_again_at(now + HELD_FOR);
        }
        is_bearable
    }

    /// A backend has accepted a connection.
    pub fn accepted(&mut self, backend: BackendId) {
        self.selection.members.accepted(backend);
    }

    /// Ends what time alone ends. Costs one comparison unless something is due.
    #[inline]
    pub fn pass_time(&mut self, now: Timestamp) {
        if now >= self.selection.next_change() {
            self.life_cycles.pass_time(&mut self.selection, now);
        }
    }
}

/// The other workers.
impl Backends {
    /// Shares its backends with other workers from now on. The first is number 0.
    pub fn share(&mut self, shared_load: Arc<SharedLoad>, worker: usize) {
        self.selection.sharing = Some(Sharing::new(shared_load, worker));
    }

    /// Takes the observations for the first worker.
    pub fn take_signals(&mut self) -> Vec<Signal> {
        let sharing = self.selection.sharing.as_mut();
        sharing.map(Sharing::take_signals).unwrap_or_default()
    }

    /// Another worker has noticed something. For the first.
    pub fn notice(&mut self, signal: Signal, now: Timestamp) {
        self.life_cycles.notice(&mut self.selection, signal, now);
    }

    /// The first worker has moved a backend on. For the others.
    pub fn adopt(&mut self, change: &StateChange, now: Timestamp) {
        self.life_cycles.adopt(&mut self.selection, change, now);
    }

    /// Another worker has let go of a removed backend.
    pub fn let_go_elsewhere(&mut self, backend: BackendId) {
        self.life_cycles.departures.let_go_elsewhere(backend);
    }

    /// Vacates the slots of removed backends that nothing refers to any more, and returns those
    /// backends, for the first worker. Called after all consequences of their removal.
    pub fn reclaim(&mut self) -> Vec<BackendId> {
        self.life_cycles.reclaim(&mut self.selection)
    }

    /// Brings all candidates up to date. What is done here is known at once; this is about the
    /// other workers.
    pub fn refresh_all(&mut self) {
        self.selection.refresh_all();
    }

    /// Returns whether any backend may be picked at this moment.
    pub fn has_room(&mut self) -> bool {
        self.selection.has_room()
    }
}

/// What is told to others, once.
impl Backends {
    /// Takes what has changed since the last time, in order.
    pub fn take_changes(&mut self) -> Vec<StateChange> {
        self.life_cycles.change_log.take()
    }

    /// Takes the last change of the limit that was not taken yet.
    pub(crate) fn take_limit_change(&mut self) -> Option<LimitChange> {
        self.late_binding.as_mut()?.take_change()
    }

    /// Returns whether the strategy has returned the id of an unknown or ineligible backend since
    /// the last call.
    pub(crate) fn take_invalid_pick(&mut self) -> bool {
        mem::take(&mut self.selection.picker.has_invalid_pick)
    }
}
