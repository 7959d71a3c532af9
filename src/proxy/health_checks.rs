//! Active health checks of the backends: where the [`Checker`] meets sockets and the pool.
//!
//! The checker decides what is sent and when. This module gives it sockets, and gives its results
//! to the pool. The first of several workers checks for all.

use super::listener::Listener;
use super::network::{Network, Token};
use super::timers::Timer;
use super::{Message, Proxy};
use crate::config::{Health, Mode};
use crate::health::{
    CheckAction, CheckFailure, CheckFinished, CheckId, CheckKind, CheckSettings, CheckStreak,
    CheckTarget, CheckTiming, CheckTransport, Checker, OpenSocket,
};
use crate::http::HeadLimits;
use crate::pool::{ConnectSpec, PoolId, State};
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
    /// `settings` of each pool.
    pub(super) fn new(settings: Vec<Health>, seed: u64, now: Timestamp) -> Self {
        Self {
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
pub(super) fn see_hangs(health: &Health, listeners: &[Option<Arc<Listener>>]) -> bool {
    health.check.is_some_and(CheckKind::detects_hangs)
        && listeners
            .iter()
            .flatten()
            .any(|l| l.mode == Mode::Http && !l.is_closing)
}

impl<N: Network> Proxy<N> {
    /// Begins to check every backend, if they are to be checked.
    pub(super) fn start_health_checks(&mut self, now: Timestamp) {
        let pools = self.traffic.pools.iter();
        let candidates = pools.flat_map(|pool| pool.backends.candidates());
        for backend in candidates.map(|c| c.id).collect::<Vec<_>>() {
            self.start_health_check(backend, now);
        }
    }

    /// Begins to check a backend, if backends are checked.
    pub(super) fn start_health_check(&mut self, backend: BackendId, now: Timestamp) {
        let pool = self.traffic.pools.get(backend.pool());
        let limits = self.listeners.iter().flatten().next();
        let limits = limits.map(|listener| listener.limits.head());
        let checks = &mut self.health_checks;
        let Some(health) = checks
            .of(backend.pool())
            .filter(|_| !self.traffic.continuity.is_stopping())
        else {
            return;
        };
        let settings = check_settings(health, &pool.connect, limits.unwrap_or_default());
        let (timing, Some(settings)) = (timing(health), settings) else {
            return;
        };
        let target = CheckTarget {
            name: pool
                .backends
                .address(backend)
                .unwrap_or_default()
                .to_owned(),
            addresses: pool.connect.addresses(backend).to_vec(),
            settings: Arc::new(settings),
            timing,
        };
        let candidate = pool.backends.candidates().get(backend.slot());
        let seed = checks.seed ^ candidate.map_or(0, |candidate| candidate.identity);
        checks.checker.add(backend, target, seed, now);
        self.arm_health_checks();
    }

    /// A backend keeps an exchange waiting for too long: checks it soon. If the check meets silence
    /// as well, the backend hangs. The first of several workers does that.
    pub(super) fn suspect(
        &mut self,
        pool: PoolId,
        backend: BackendId,
        waited: Duration,
        now: Timestamp,
    ) {
        if !self.decides {
            return self
                .traffic
                .tell_others(pool, Message::Suspected(pool, backend, waited));
        }
        if self.health_checks.checker.contains(backend) {
            self.health_checks.suspects.insert(backend, waited);
            self.check_soon(backend, now);
        }
    }

    /// A backend may be gone: checks it soon, if it is checked at all.
    pub(super) fn check_soon(&mut self, backend: BackendId, now: Timestamp) {
        self.health_checks.checker.hasten(backend, now);
        self.arm_health_checks();
    }

    fn arm_health_checks(&mut self) {
        let checks = &mut self.health_checks;
        let next = checks.checker.next_wakeup().unwrap_or(Timestamp::NEVER);
        if let Some(at) = checks.deadline.set(next) {
            self.traffic.timers.arm(Timer::HealthChecks, at);
        }
    }

    /// The timer of the checks has fired.
    pub(super) fn health_checks_due(&mut self, now: Timestamp) {
        match self.health_checks.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => self.traffic.timers.arm(Timer::HealthChecks, at),
            Fired::Due => {
                self.health_checks.checker.expire(now);
                self.carry_out_checks(now);
            }
        }
    }

    /// An event for the socket of a check.
    pub(super) fn check_ready(&mut self, id: CheckId, ready: Readiness, now: Timestamp) {
        let checker = &mut self.health_checks.checker;
        checker.ready(id, ready, &mut self.traffic.io.scratch, now);
        self.carry_out_checks(now);
    }

    fn carry_out_checks(&mut self, now: Timestamp) {
        while let Some(action) = self.health_checks.checker.next_action(now) {
            match action {
                CheckAction::Open(open) => self.open_check(&open, now),
                CheckAction::Finished(finished) => self.check_finished(&finished, now),
            }
        }
        self.arm_health_checks();
    }

    fn open_check(&mut self, open: &OpenSocket<BackendId>, now: Timestamp) {
        match self
            .traffic
            .pools
            .get(open.key.pool())
            .backends
            .state(open.key)
        {
            None | Some(State::Removed) => return self.health_checks.checker.remove(open.id),
            Some(State::Disabled) if self.is_unused(open.key) => {
                return self.health_checks.checker.postpone(open.id, now);
            }
            Some(_) => {}
        }
        let token = Token::Check(open.id);
        let io = self
            .traffic
            .network
            .open_check(&open.address, open.transport, token);
        let checker = &mut self.health_checks.checker;
        checker.opened(open.id, io, &mut self.traffic.io.scratch, now);
    }

    /// Returns whether nothing is in flight at a backend, in any worker.
    fn is_unused(&mut self, backend: BackendId) -> bool {
        let backends = &mut self.traffic.pools.get_mut(backend.pool()).backends;
        backends.refresh_all();
        let candidate = backends.candidates().get(backend.slot());
        candidate.is_none_or(|candidate| candidate.in_flight == 0)
    }

    /// Tells the pool of a result, and saves exchanges from a backend that is silent.
    fn check_finished(&mut self, finished: &CheckFinished<BackendId>, now: Timestamp) {
        let (pool, backend) = (finished.key.pool(), finished.key);
        let suspected = self.health_checks.suspects.remove(&backend);
        let is_silent = finished.result.is_err_and(CheckFailure::is_silence);
        let backends = &mut self.traffic.pools.get_mut(pool).backends;
        if let Some(waited) = suspected.filter(|_| is_silent) {
            backends.silent(backend, waited, now);
        }
        match finished.streak {
            CheckStreak::Passed(count) => {
                let rise = self.health_checks.of(pool).map_or(1, |health| health.rise);
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
            self.traffic.redispatch_waiting(pool, backend, now);
            self.traffic
                .tell_others(pool, Message::Silent(pool, backend));
        }
        if is_out || self.heartbeats.are_late(backend) {
            self.health_checks.checker.hasten(backend, now);
        }
    }
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
        proxy_protocol::write(version, None, &mut preamble);
    }
    Some(CheckSettings {
        kind: health.check?,
        http: health.http_check(),
        host: connect.host.clone(),
        preamble,
        head_limits,
    })
}
