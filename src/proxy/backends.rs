//! Control of the backends: commands, members that come and go, and what follows from changes.
//!
//! The pool decides about its members, their states and vacant slots. Here follow the consequences
//! for connections, exchanges, health checks and heartbeats, and the messages to the other workers.
//! The order matters: a slot is reclaimed only after the idle connections of its last backend are
//! closed and its exchanges are cut off.

use super::health_checks::HealthChecks;
use super::heartbeats::Heartbeats;
use super::network::Network;
use super::traffic::Traffic;
use super::{AdminCommand, BackendRef, MemberRules, Message, NewStrategy};
use crate::address::Address;
use crate::error::Fault;
use crate::http::HeadLimits;
use crate::pool::{Admitted, Moved, NewBackend, NotAdded, PoolId, Relocated, State, StateChange};
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// The parts of a proxy that a change of its backends concerns, lent for one call.
pub struct BackendControl<'a, N: Network> {
    pub(super) traffic: &'a mut Traffic<N>,
    pub(super) health_checks: &'a mut HealthChecks<N::Stream>,
    pub(super) heartbeats: &'a mut Heartbeats<N::Stream>,
    pub(super) rules: &'a MemberRules,
    /// Limits on the heads that health checks read.
    pub(super) limits: HeadLimits,
}

/// Commands, which the first worker executes and hands on.
impl<N: Network> BackendControl<'_, N> {
    /// Executes an admin command. Returns the id of the backend; `None` if there is no such
    /// backend.
    pub fn execute(
        &mut self,
        backend: &BackendRef,
        command: AdminCommand,
        now: Timestamp,
    ) -> Option<BackendId> {
        let backend = match backend {
            BackendRef::Id(id) => *id,
            BackendRef::Name(name) => self.traffic.pools.find(name)?,
        };
        let pool = backend.pool();
        let backends = &mut self.traffic.pools.get_mut(pool).backends;
        let is_here = match command {
            AdminCommand::Drain => backends.drain(backend, now),
            AdminCommand::Disable => backends.disable(backend, now),
            AdminCommand::Enable => backends.undrain(backend, now),
            AdminCommand::Weight(weight) => {
                let is_here = backends.set_weight(backend, weight);
                self.traffic
                    .tell_others(pool, Message::Weighed(pool, backend, weight));
                is_here
            }
            AdminCommand::MaxConnections(max) => {
                let max = max.map(NonZeroU32::get);
                let is_here = self.traffic.pools.get_mut(pool).limit(backend, max);
                self.traffic
                    .tell_others(pool, Message::Limited(pool, backend, max));
                is_here
            }
            AdminCommand::Hold(hold) => backends.hold(backend, hold, now),
            AdminCommand::Remove(drain) => backends.depart(backend, now + drain, now),
        };
        is_here.then_some(backend)
    }

    /// Picks by another strategy from now on, in all workers.
    pub(crate) fn set_strategy(&mut self, pool: PoolId, strategy: NewStrategy, now: Timestamp) {
        strategy.apply(self.traffic.pools.get_mut(pool), now);
        let message = Message::Steered(pool, strategy);
        self.traffic.tell_others(pool, message);
    }

    /// Adds a backend, and says under which id.
    ///
    /// # Errors
    /// It may not be added, its name is taken, or there are too many backends.
    pub fn add_backend(
        &mut self,
        pool: PoolId,
        backend: NewBackend,
        now: Timestamp,
    ) -> Result<BackendId, NotAdded> {
        if !self.traffic.pools.is_current(pool) {
            return Err(NotAdded::PoolLeaves);
        }
        self.check_rules(pool, &backend.address, &backend.addresses)?;
        let id = self.traffic.pools.get_mut(pool).admit(&backend, now)?;
        self.health_checks.start(id, self.traffic, self.limits, now);
        let backend = Arc::new(backend);
        let message = Message::Added(pool, Admitted { id, backend });
        self.traffic.tell_others(pool, message);
        Ok(id)
    }

    /// Tells where a backend is now. Its exchanges finish where they are, and no connection to an
    /// address that it has left is used again. Returns whether there is such a backend.
    ///
    /// # Errors
    /// It may not be there.
    pub(crate) fn move_backend(&mut self, moved: Moved, now: Timestamp) -> Result<bool, NotAdded> {
        let (pool, backend) = (moved.backend.pool(), moved.backend);
        if !self.traffic.pools.is_current(pool) {
            return Ok(false);
        }
        self.check_rules(pool, &moved.address, &moved.addresses)?;
        if !self.moved(pool, &moved) {
            return Ok(false);
        }
        self.health_checks
            .restart(backend, self.traffic, self.limits, now);
        let message = Message::Moved(pool, Arc::new(moved));
        self.traffic.tell_others(pool, message);
        Ok(true)
    }

    /// Checks whether a backend may be added, but for its name and the room for it.
    ///
    /// # Errors
    /// It may not.
    pub(crate) fn check_rules(
        &self,
        pool: PoolId,
        address: &str,
        addresses: &[Address],
    ) -> Result<(), NotAdded> {
        let is_pinged = self.health_checks.pings(pool);
        let network = &self.traffic.network;
        self.rules.check(network, is_pinged, address, addresses)
    }
}

/// What the other workers have decided or noticed.
impl<N: Network> BackendControl<'_, N> {
    /// Takes a message of another worker.
    pub fn receive(&mut self, message: Message, now: Timestamp) {
        let pools = &mut self.traffic.pools;
        match message {
            Message::Noticed(pool, signal) => pools.get_mut(pool).backends.notice(signal, now),
            Message::Verified(client) => self.traffic.verified(client, now),
            Message::Suspected(_, backend, waited) => {
                self.suspect(backend, waited, now);
            }
            Message::Silent(pool, backend) => self.traffic.redispatch_waiting(pool, backend, now),
            Message::Changed(pool, change) => {
                pools.get_mut(pool).backends.adopt(&change, now);
                self.follow(pool, &change, now);
            }
            Message::Weighed(pool, backend, weight) => {
                pools.get_mut(pool).backends.set_weight(backend, weight);
            }
            Message::Steered(pool, strategy) => strategy.apply(pools.get_mut(pool), now),
            Message::Limited(pool, backend, max) => {
                pools.get_mut(pool).limit(backend, max);
            }
            Message::Added(pool, admitted) => {
                if pools.holds(pool) {
                    pools.get_mut(pool).follow_admission(&admitted, now);
                }
            }
            Message::Moved(pool, moved) => {
                if pools.holds(pool) {
                    self.moved(pool, &moved);
                }
            }
            Message::LetGo(pool, backend) => {
                pools.get_mut(pool).backends.let_go_elsewhere(backend);
            }
        }
    }
}

/// The consequences in every worker.
impl<N: Network> BackendControl<'_, N> {
    /// Follows the changes of a pool's backends. Returns whether there were any.
    pub(super) fn follow_changes(&mut self, pool: PoolId, now: Timestamp) -> bool {
        let mut changes = self.traffic.pools.get_mut(pool).backends.take_changes();
        if changes.is_empty() {
            self.reclaim(pool);
            return false;
        }
        for change in &changes {
            self.follow(pool, change, now);
            let message = Message::Changed(pool, change.clone());
            self.traffic.tell_others(pool, message);
        }
        let pools = &self.traffic.pools;
        for change in &mut changes {
            change.name = pools.qualified(pool, &change.name).into_owned();
        }
        self.traffic.outbox.state_changes(changes);
        self.reclaim(pool);
        true
    }

    /// A backend keeps an exchange waiting for too long: it is checked soon.
    pub(super) fn suspect(&mut self, backend: BackendId, waited: Duration, now: Timestamp) {
        self.health_checks
            .suspect(backend, waited, self.traffic, now);
    }

    /// Does what follows from one change: a backend that is out loses its idle connections, and one
    /// that is silent the exchanges that wait for it.
    fn follow(&mut self, pool: PoolId, change: &StateChange, now: Timestamp) {
        if change.cause.is_silence() {
            self.traffic.redispatch_waiting(pool, change.backend, now);
        }
        match change.to {
            State::Removed => self.removed(pool, change.backend, now),
            State::Ejected { .. } | State::Draining | State::Disabled => {
                for conn in self.traffic.pools.get(pool).idle.of(change.backend) {
                    self.traffic.close_backend(conn);
                }
            }
            State::Initial | State::Healthy => {}
            State::Probation { .. } | State::SlowStart { .. } => {}
        }
    }

    /// Does what follows in every worker from the move of a backend. Returns whether there is such
    /// a backend.
    fn moved(&mut self, pool: PoolId, moved: &Moved) -> bool {
        let left = match self.traffic.pools.get_mut(pool).move_backend(moved) {
            Relocated::Unknown => return false,
            Relocated::Stays => return true,
            Relocated::Left(idle) => idle,
        };
        for conn in left {
            self.traffic.close_backend(conn);
        }
        for conn in self.traffic.conns.backends.ids() {
            let conn = self.traffic.conns.backends.get_mut(conn);
            if let Some(conn) = conn.filter(|conn| conn.backend == moved.backend) {
                conn.disown();
            }
        }
        true
    }

    /// Does what follows in every worker from the removal of a backend.
    fn removed(&mut self, pool: PoolId, backend: BackendId, now: Timestamp) {
        for conn in self.traffic.pools.get_mut(pool).forget(backend) {
            self.traffic.close_backend(conn);
        }
        self.cut_off(pool, backend, now);
        self.health_checks.forget(backend);
        self.heartbeats.forget(backend);
    }

    /// Ends the exchanges at a backend that was removed before they were over. Those that may be
    /// repeated go elsewhere.
    fn cut_off(&mut self, pool: PoolId, backend: BackendId, now: Timestamp) {
        if !self.traffic.pools.get(pool).backends.has_in_flight(backend) {
            return;
        }
        for id in self.traffic.conns.exchanges.ids() {
            let exchange = self.traffic.conns.exchanges.get(id);
            if exchange.is_some_and(|it| it.pool == pool && it.backend() == Some(backend)) {
                self.traffic.fail(id, Fault::BackendGone, now);
            }
        }
    }

    /// Vacates the slots of removed backends, or tells the first worker that this one has let go
    /// of them.
    fn reclaim(&mut self, pool: PoolId) {
        let backends = &mut self.traffic.pools.get_mut(pool).backends;
        let is_first = backends.decides();
        for backend in backends.reclaim() {
            self.traffic.log.metrics.forget(backend);
            if !is_first {
                self.traffic
                    .tell_others(pool, Message::LetGo(pool, backend));
            }
        }
    }
}
