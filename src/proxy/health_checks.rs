//! Active health checks of the backends: where the [`Checker`] meets sockets and the pool.
//!
//! The checker decides what is sent and when. This module gives it sockets, and gives its results
//! to the pool. The first of several workers checks for all.

use super::Message;
use super::heartbeats::Heartbeats;
use super::listeners::Listeners;
use super::network::{Network, Token};
use super::timers::{Timer, Timers};
use super::traffic::Traffic;
use crate::config::Health;
use crate::health::{
    CheckAction, CheckFailure, CheckFinished, CheckId, CheckKind, CheckSettings, CheckStreak,
    CheckTarget, CheckTiming, CheckTransport, Checker, OpenSocket,
};
use crate::http::HeadLimits;
use crate::pool::{Backends, ConnectSpec, PoolId, State};
use crate::proxy_protocol;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired};
use crate::transport::{Readiness, Transport};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The checks of all backends; without targets if backends are not checked.
#[derive(Debug)]
pub(super) struct HealthChecks<T> {
    /// True in the first of several workers, or the only one.
    checks_for_all: bool,
    /// Of each pool.
    settings: Vec<Health>,
    /// Spreads the checks in time.
    seed: u64,
    checker: Checker<BackendId, T>,
    /// Time for which a suspect backend has kept an exchange waiting, until its next check is
    /// over.
    suspects: HashMap<BackendId, Duration>,
    /// Time at which the checker has something to do.
    deadline: Deadline,
}

impl<T: Transport> HealthChecks<T> {
    /// `settings` of each pool. Checks backends only if this worker `checks_for_all`.
    pub(super) fn new(
        settings: Vec<Health>,
        seed: u64,
        checks_for_all: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            checks_for_all,
            settings,
            seed,
            checker: Checker::new(now),
            suspects: HashMap::new(),
            deadline: Deadline::new(),
        }
    }

    /// Moves the deadlines of all checks later by `by`.
    pub(super) fn postpone(&mut self, by: Duration) {
        self.checker.postpone_all(by);
    }

    /// Ends the checks of a backend that was removed.
    pub(super) fn forget(&mut self, backend: BackendId) {
        self.checker.forget(backend);
        self.suspects.remove(&backend);
    }

    /// Returns whether a backend is checked.
    #[cfg(test)]
    pub(super) fn knows(&self, backend: BackendId) -> bool {
        self.checker.contains(backend)
    }

    /// Returns whether the backends of a pool are pinged.
    pub(super) fn pings(&self, pool: PoolId) -> bool {
        let check = self.of(pool).and_then(|health| health.check);
        check.is_some_and(|check| check.transport() == CheckTransport::Echo)
    }

    /// Checks the backends of a pool by these settings from their next start on.
    pub(super) fn set(&mut self, pool: PoolId, settings: Health) {
        let number = usize::from(pool.number());
        if number >= self.settings.len() {
            self.settings.resize_with(number + 1, Health::default);
        }
        if let Some(of_pool) = self.settings.get_mut(number) {
            *of_pool = settings;
        }
    }

    /// Returns the settings of the checks of a pool's backends.
    pub(super) fn of(&self, pool: PoolId) -> Option<&Health> {
        self.settings.get(usize::from(pool.number()))
    }

    /// Ends all checks, for good.
    pub(super) fn stop(&mut self) {
        self.checker.clear();
        self.suspects.clear();
    }
}

/// The rhythm of checks by these settings.
const fn timing(settings: &Health) -> CheckTiming {
    CheckTiming {
        interval: settings.interval,
        timeout: settings.timeout,
        rise: settings.rise,
        fall: settings.fall,
        fails_late_responses: false,
    }
}

/// Returns whether hanging backends can be told from busy ones: only with HTTP checks and HTTP
/// traffic.
pub(super) fn see_hangs(health: &Health, listeners: &Listeners) -> bool {
    health.check.is_some_and(CheckKind::detects_hangs) && listeners.take_http()
}

/// What is checked, and when.
impl<T: Transport> HealthChecks<T> {
    /// Begins to check every backend, if they are to be checked.
    pub(super) fn start_all<N: Network<Stream = T>>(
        &mut self,
        traffic: &mut Traffic<N>,
        limits: HeadLimits,
        now: Timestamp,
    ) {
        let candidates = traffic.pools.iter().map(|pool| pool.backends.candidates());
        for backend in candidates.flatten().map(|c| c.id).collect::<Vec<_>>() {
            self.start(backend, traffic, limits, now);
        }
    }

    /// Begins to check a backend, if backends are checked, by this worker. `limits` are those on
    /// the heads of responses.
    pub(super) fn start<N: Network<Stream = T>>(
        &mut self,
        backend: BackendId,
        traffic: &mut Traffic<N>,
        limits: HeadLimits,
        now: Timestamp,
    ) {
        let pool = traffic.pools.get(backend.pool());
        let is_on = self.checks_for_all && !traffic.continuity.is_stopping();
        let Some(health) = self.of(backend.pool()).filter(|_| is_on) else {
            return;
        };
        let (timing, Some(settings)) = (
            timing(health),
            check_settings(health, &pool.connect, limits),
        ) else {
            return;
        };
        let name = pool.backends.address(backend).unwrap_or_default();
        let target = CheckTarget {
            name: name.to_owned(),
            addresses: pool.connect.addresses(backend).to_vec(),
            settings: Arc::new(settings),
            timing,
        };
        let candidate = pool.backends.candidates().get(backend.slot());
        let seed = self.seed ^ candidate.map_or(0, |candidate| candidate.identity);
        self.checker.add(backend, target, seed, now);
        self.arm(&mut traffic.timers);
    }

    /// The same for one that is checked already: by other settings, or at another address.
    pub(super) fn restart<N: Network<Stream = T>>(
        &mut self,
        backend: BackendId,
        traffic: &mut Traffic<N>,
        limits: HeadLimits,
        now: Timestamp,
    ) {
        if self.checks_for_all {
            self.forget(backend);
            self.start(backend, traffic, limits, now);
        }
    }

    /// A backend keeps an exchange waiting for too long: checks it soon. If the check meets silence
    /// as well, the backend hangs. The first of several workers does that.
    pub(super) fn suspect<N: Network<Stream = T>>(
        &mut self,
        backend: BackendId,
        waited: Duration,
        traffic: &mut Traffic<N>,
        now: Timestamp,
    ) {
        let pool = backend.pool();
        if !self.checks_for_all {
            return traffic.tell_others(pool, Message::Suspected(pool, backend, waited));
        }
        if self.checker.contains(backend) {
            self.suspects.insert(backend, waited);
            self.hasten(backend, &mut traffic.timers, now);
        }
    }

    /// A backend may be gone: checks it soon, if it is checked at all.
    pub(super) fn hasten(&mut self, backend: BackendId, timers: &mut Timers, now: Timestamp) {
        self.checker.hasten(backend, now);
        self.arm(timers);
    }

    fn arm(&mut self, timers: &mut Timers) {
        let next = self.checker.next_wakeup().unwrap_or(Timestamp::NEVER);
        if let Some(at) = self.deadline.set(next) {
            timers.arm(Timer::HealthChecks, at);
        }
    }
}

/// Checking. Heartbeats that are late have a backend checked again at once.
impl<T: Transport> HealthChecks<T> {
    /// The timer of the checks has fired.
    pub(super) fn due<N: Network<Stream = T>>(
        &mut self,
        traffic: &mut Traffic<N>,
        heartbeats: &Heartbeats<T>,
        now: Timestamp,
    ) {
        match self.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => traffic.timers.arm(Timer::HealthChecks, at),
            Fired::Due => {
                self.checker.expire(now);
                self.carry_out(traffic, heartbeats, now);
            }
        }
    }

    /// An event for the socket of a check.
    pub(super) fn ready<N: Network<Stream = T>>(
        &mut self,
        (id, ready): (CheckId, Readiness),
        traffic: &mut Traffic<N>,
        heartbeats: &Heartbeats<T>,
        now: Timestamp,
    ) {
        let scratch = &mut traffic.io.scratch;
        self.checker.ready(id, ready, scratch, now);
        self.carry_out(traffic, heartbeats, now);
    }

    fn carry_out<N: Network<Stream = T>>(
        &mut self,
        traffic: &mut Traffic<N>,
        heartbeats: &Heartbeats<T>,
        now: Timestamp,
    ) {
        while let Some(action) = self.checker.next_action(now) {
            match action {
                CheckAction::Open(open) => self.open(&open, traffic, now),
                CheckAction::Finished(finished) => {
                    self.finished(&finished, traffic, heartbeats, now);
                }
            }
        }
        self.arm(&mut traffic.timers);
    }

    fn open<N: Network<Stream = T>>(
        &mut self,
        open: &OpenSocket<BackendId>,
        traffic: &mut Traffic<N>,
        now: Timestamp,
    ) {
        let backends = &mut traffic.pools.get_mut(open.key.pool()).backends;
        match backends.state(open.key) {
            None | Some(State::Removed) => return self.checker.remove(open.id),
            Some(State::Disabled) if is_unused(backends, open.key) => {
                return self.checker.postpone(open.id, now);
            }
            Some(_) => {}
        }
        let token = Token::Check(open.id);
        let network = &mut traffic.network;
        let io = network.open_check(&open.address, open.transport, token);
        let scratch = &mut traffic.io.scratch;
        self.checker.opened(open.id, io, scratch, now);
    }

    /// Tells the pool of a result, and saves exchanges from a backend that is silent.
    fn finished<N: Network<Stream = T>>(
        &mut self,
        finished: &CheckFinished<BackendId>,
        traffic: &mut Traffic<N>,
        heartbeats: &Heartbeats<T>,
        now: Timestamp,
    ) {
        let (pool, backend) = (finished.key.pool(), finished.key);
        let suspected = self.suspects.remove(&backend);
        let is_silent = finished.result.is_err_and(CheckFailure::is_silence);
        let backends = &mut traffic.pools.get_mut(pool).backends;
        if let Some(waited) = suspected.filter(|_| is_silent) {
            backends.silent(backend, waited, now);
        }
        match finished.streak {
            CheckStreak::Passed(count) => {
                let rise = self.of(pool).map_or(1, |health| health.rise);
                backends.check_passed(backend, count, rise, now);
            }
            CheckStreak::Failing(_) => {}
            CheckStreak::Fallen(count, reason) => {
                backends.check_failed(backend, count, reason, now);
            }
        }
        let is_out = backends.state(backend).is_some_and(State::is_out);
        let has_fallen = matches!(finished.streak, CheckStreak::Fallen(..));
        // Whether or not that changes its state: it may be out already, or draining.
        if is_silent && (suspected.is_some() || is_out || has_fallen) {
            traffic.redispatch_waiting(pool, backend, now);
            traffic.tell_others(pool, Message::Silent(pool, backend));
        }
        if is_out || heartbeats.are_late(backend) {
            self.checker.hasten(backend, now);
        }
    }
}

/// Returns whether nothing is in flight at a backend, in any worker.
fn is_unused(backends: &mut Backends, backend: BackendId) -> bool {
    backends.refresh_all();
    let candidate = backends.candidates().get(backend.slot());
    candidate.is_none_or(|candidate| candidate.in_flight == 0)
}

/// Returns how backends are checked, if they are.
fn check_settings(
    health: &Health,
    connect: &ConnectSpec,
    head_limits: HeadLimits,
) -> Option<CheckSettings> {
    let mut preamble = Vec::new();
    if let Some(version) = connect.send_proxy {
        // No client stands behind a check.
        proxy_protocol::write(version, None, &[], &mut preamble);
    }
    Some(CheckSettings {
        kind: health.check?,
        http: health.http_check(),
        host: connect.host.clone(),
        preamble,
        head_limits,
    })
}
