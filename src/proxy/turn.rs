//! The phases that end a turn of the loop, and the end of all turns: stopping.
//!
//! Each phase is a call of its own, so that the loop can time and bound it. Nothing is freed before
//! the last, so an id that is valid at the start of a phase is valid to its end.

use super::Proxy;
use super::continuity::Continuity;
use super::network::Network;
use super::run_queue::Runnable;
use super::timers::Timer;
use crate::error::Fault;
use crate::time::Timestamp;
use std::time::Duration;

/// Deadlines, queued exchanges or closed connections dealt with in one call, after which the loop
/// looks at its clock.
const STEPS_AT_ONCE: usize = 16;

/// Progress of a phase. A phase with more to do is called again: in this turn if there is time,
/// else in the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// There was nothing to do.
    Idle,
    /// All is done.
    Done,
    /// There may be more to do at once.
    More,
}

impl Progress {
    /// All is done; `was_busy`: there was anything to do.
    pub(super) const fn all(was_busy: bool) -> Self {
        match was_busy {
            true => Self::Done,
            false => Self::Idle,
        }
    }
}

/// The phases that end a turn.
impl<N: Network> Proxy<N> {
    /// Runs all phases that follow the events to their ends, at one instant: for a driver without a
    /// clock of its own, as in a simulation. The event loop calls each phase itself, to time and
    /// bound it.
    pub fn finish_turn(&mut self, now: Timestamp) {
        for _ in 0..self.runnable() {
            if !self.resume_new(now) && !self.resume_yielded(now) {
                self.resume_handshake(now);
            }
        }
        while self.expire_deadlines(now) == Progress::More {}
        self.follow_backends(now);
        while self.serve_queue(now) == Progress::More {}
        self.close_all();
    }

    /// Entries of the run queue. Work that yields again joins its end.
    #[must_use]
    pub fn runnable(&self) -> usize {
        self.traffic.run_queue.len()
    }

    /// Takes up what has waited longest since an event for which there was no time. Returns whether
    /// there was anything.
    pub fn resume_new(&mut self, now: Timestamp) -> bool {
        let runnable = self.traffic.run_queue.pop_new();
        self.resume(runnable, now)
    }

    /// Goes on with what yielded first. Returns whether there was anything.
    pub fn resume_yielded(&mut self, now: Timestamp) -> bool {
        let runnable = self.traffic.run_queue.pop_yielded();
        self.resume(runnable, now)
    }

    /// Begins the TLS handshake that has waited longest. Returns whether there was any.
    pub fn resume_handshake(&mut self, now: Timestamp) -> bool {
        let runnable = self.traffic.run_queue.pop_handshake();
        self.resume(runnable, now)
    }

    fn resume(&mut self, runnable: Option<Runnable>, now: Timestamp) -> bool {
        match runnable {
            None => return false,
            Some(Runnable::Client(id)) => self.traffic.resume_client(id, now),
            Some(Runnable::Exchange(id)) => self.traffic.resume_exchange(id, now),
            Some(Runnable::Redispatch(id, pool, backend)) => {
                self.traffic.redispatch(id, pool, backend, now);
            }
            Some(Runnable::Heartbeats) => {
                let (traffic, checks) = (&mut self.traffic, &mut self.health_checks);
                self.heartbeats.run(traffic, checks, now);
            }
        }
        true
    }

    /// The deadline phase: ends some of the waits that are over.
    pub fn expire_deadlines(&mut self, now: Timestamp) -> Progress {
        match self.traffic.timers.is_any_due(now) {
            true => self.expire_some(now),
            false => Progress::Idle,
        }
    }

    #[inline(never)]
    fn expire_some(&mut self, now: Timestamp) -> Progress {
        self.traffic.timers.expire(now);
        for count in 0..STEPS_AT_ONCE {
            let Some(timer) = self.traffic.timers.next_fired() else {
                return Progress::all(count > 0);
            };
            if self.traffic.timers.is_due(timer, now) {
                self.timer_due(timer, now);
            }
        }
        Progress::More
    }

    /// The loop did not run for `pause` (the process was stopped, the machine frozen, a strategy
    /// slept): moves all deadlines later by that. Nothing that arrived meanwhile was read, so no
    /// peer is late for it.
    pub fn postpone_deadlines(&mut self, pause: Duration) {
        self.traffic.timers.postpone(pause);
        for id in self.traffic.conns.exchanges.ids() {
            let exchange = self.traffic.conns.exchanges.get_mut(id);
            if let Some(timeout) = exchange.and_then(|exchange| exchange.timeout.as_mut()) {
                timeout.postpone(pause);
            }
        }
        self.health_checks.postpone(pause);
        self.heartbeats.postpone(pause);
    }

    fn timer_due(&mut self, timer: Timer, now: Timestamp) {
        match timer {
            Timer::Client(slot) => {
                if let Some(id) = self.traffic.conns.clients.occupant(slot as usize) {
                    self.traffic.client_due(id, now);
                }
            }
            Timer::Backend(slot) => {
                if let Some(id) = self.traffic.conns.backends.occupant(slot as usize) {
                    self.traffic.backend_due(id, now);
                }
            }
            Timer::Exchange(slot) => {
                if let Some(id) = self.traffic.conns.exchanges.occupant(slot as usize) {
                    self.traffic.exchange_due(id, now);
                }
            }
            Timer::HealthChecks => {
                self.health_checks
                    .due(&mut self.traffic, &self.heartbeats, now);
            }
            Timer::Heartbeats => {
                let (traffic, checks) = (&mut self.traffic, &mut self.health_checks);
                self.heartbeats.due(traffic, checks, now);
            }
        }
    }

    /// The health phase: looks for hanging backends, and follows changes of state. Returns whether
    /// there was anything to do.
    pub fn follow_backends(&mut self, now: Timestamp) -> bool {
        self.traffic.pools.any(|pool| pool.is_due(now)) && self.follow_due(now)
    }

    #[inline(never)]
    fn follow_due(&mut self, now: Timestamp) -> bool {
        let mut has_looked = false;
        for pool in self.traffic.pools.ids() {
            if let Some(suspects) = self.traffic.pools.get_mut(pool).suspects(now) {
                has_looked = true;
                for (backend, waited) in suspects {
                    if self.traffic.is_blamed(pool, backend) {
                        self.backends().suspect(backend, waited, now);
                    }
                }
            }
            let backends = &mut self.traffic.pools.get_mut(pool).backends;
            backends.pass_time(now);
            if let Some(change) = backends.take_limit_change() {
                self.traffic.outbox.limit_change(change);
            }
            has_looked |= self.backends().follow_changes(pool, now);
        }
        has_looked
    }

    /// The queue phase: serves the queues as far as there is room, some of each. Comes after all
    /// that releases a backend: nothing else would call those that wait for it.
    pub fn serve_queue(&mut self, now: Timestamp) -> Progress {
        match self.traffic.pools.any(|pool| !pool.queue.is_unused()) {
            true => self.serve_some(now),
            false => Progress::Idle,
        }
    }

    #[inline(never)]
    fn serve_some(&mut self, now: Timestamp) -> Progress {
        let mut progress = Progress::Idle;
        for pool in self.traffic.pools.ids() {
            progress = progress.max(self.traffic.serve_queue_of(pool, STEPS_AT_ONCE, now));
        }
        progress
    }

    /// The closing phase: frees some of what was closed.
    pub fn close_some(&mut self) -> Progress {
        let traffic = &mut self.traffic;
        match traffic.conns.has_closed() {
            true => traffic.conns.close_some(STEPS_AT_ONCE, &mut traffic.timers),
            false => Progress::Idle,
        }
    }

    /// Frees all that was closed.
    fn close_all(&mut self) {
        while self.close_some() == Progress::More {}
    }
}

/// Stopping.
impl<N: Network> Proxy<N> {
    /// Begins to stop: idle connections are closed now, the others after the exchange they serve.
    /// Clients that were served a moment ago are given a moment for their next request, which may be on
    /// its way: its response says that the connection closes, where closing at once would lose a
    /// request that may not be repeated. No connection may be handed over from now on.
    pub fn stop(&mut self, now: Timestamp) {
        self.traffic.continuity = Continuity::Stopping;
        self.health_checks.stop();
        self.heartbeats.stop();
        for id in self.traffic.conns.idle_clients() {
            self.traffic.close_soon(id, now);
        }
        for id in self.traffic.conns.idle_backends() {
            self.traffic.close_backend(id);
        }
    }

    /// Cuts off what is still open. Every exchange gets its record.
    pub fn abandon(&mut self, now: Timestamp) {
        self.traffic.continuity = Continuity::Stopping;
        for id in self.traffic.conns.exchanges.ids() {
            if let Some(exchange) = self.traffic.conns.exchanges.get_mut(id) {
                exchange.is_runnable = false;
            }
            // This tries once to deliver the reply that it makes.
            self.traffic.fail(id, Fault::ShuttingDown, now);
            self.traffic.finish(id, now);
        }
        for id in self.traffic.conns.clients.ids() {
            self.traffic
                .conns
                .close_client(id, &mut self.traffic.io.buffers);
        }
        self.close_all();
    }

    /// Returns whether a stopped proxy has nothing left to finish.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.traffic.conns.clients.len() == 0
    }
}
