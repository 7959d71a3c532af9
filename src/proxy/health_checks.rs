//! Active checks at work: each backend has a checker, which checks it again and again.
//!
//! What is asked and when is [`health`](crate::health)'s; here it meets connections and
//! deadlines. A checker has one slot and one deadline for its whole life: the deadline of the
//! check under way, else the start of the next. Checks come on sockets of their own, so that
//! they neither wait for traffic nor disturb it. What they find goes to the pool.

use super::listener::Listener;
use super::network::{Network, Token};
use super::timers::Timer;
use super::{Message, Proxy};
use crate::address::Address;
use crate::config::{Check, Health, Mode};
use crate::health::{
    Attempt, Begun, EchoRequest, HttpProbe, PingProbe, Probe, Rhythm, Schedule, Tally, TcpProbe,
    Verdict,
};
use crate::ids::{CheckerId, CheckerTag, Table};
use crate::pool::{CheckFailure, ConnectSpec, PoolId, State};
use crate::proxy_protocol;
use crate::strategy::{BackendId, Rng};
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired};
use crate::transport::Readiness;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// Who checks one backend.
#[derive(Debug)]
pub(super) struct Checker<T> {
    pub(super) backend: BackendId,
    schedule: Schedule,
    /// What nobody can guess in echo requests.
    nonces: Rng,
    /// The end of the check under way, else the start of the next.
    deadline: Deadline,
    check: Option<Attempt<T>>,
    /// When the last check was over.
    checked_at: Timestamp,
    /// How long the backend has kept an exchange waiting, if that is suspect.
    suspected: Option<Duration>,
}

/// The checkers of all backends.
#[derive(Debug)]
pub(super) struct HealthChecks<T> {
    settings: Health,
    seed: u64,
    checkers: Table<CheckerTag, Checker<T>>,
    is_stopped: bool,
}

impl<T> HealthChecks<T> {
    pub(super) const fn new(settings: Health, seed: u64) -> Self {
        Self {
            settings,
            seed,
            checkers: Table::new(),
            is_stopped: false,
        }
    }

    /// Ends all checks at the end of this turn, for good.
    pub(super) const fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// The closing phase. Returns whether anything was closed.
    pub(super) fn close_all(&mut self) -> bool {
        self.is_stopped && mem::replace(&mut self.checkers, Table::new()).len() > 0
    }
}

/// Whether hanging backends can be told from busy ones: only by HTTP checks of HTTP traffic.
pub(super) fn see_hangs(health: &Health, listeners: &[Arc<Listener>]) -> bool {
    health.check == Check::Http && listeners.iter().any(|l| l.mode == Mode::Http)
}

/// The rhythm.
impl<N: Network> Proxy<N> {
    /// Gives every backend a checker, if they are to be checked.
    pub(super) fn start_checks(&mut self, now: Timestamp) {
        let health = &self.checks.settings;
        if health.check == Check::None {
            return;
        }
        let rhythm = Rhythm {
            interval: health.interval,
            rise: health.rise,
            fall: health.fall,
        };
        let candidates = self.pools.first().backends.candidates().iter();
        let backends: Vec<_> = candidates.map(|c| (c.id, c.identity)).collect();
        for (backend, identity) in backends {
            let seed = self.checks.seed ^ identity;
            let mut schedule = Schedule::new(rhythm, seed);
            let first = schedule.first(now);
            let id = self.checks.checkers.insert(Checker {
                backend,
                schedule,
                nonces: Rng::new(!seed),
                deadline: Deadline::default(),
                check: None,
                checked_at: now,
                suspected: None,
            });
            self.set_checker_deadline(id, first);
        }
    }

    /// A backend keeps an exchange waiting for too long: checks it at once, unless it was just
    /// checked. The first of several workers does that.
    pub(super) fn suspect(
        &mut self,
        pool: PoolId,
        backend: BackendId,
        waited: Duration,
        now: Timestamp,
    ) {
        if !self.pools.first().backends.decides() {
            return self.tell_others(pool, Message::Suspected(pool, backend, waited));
        }
        let Some(id) = self.checker_of(backend) else {
            return;
        };
        let Some(checker) = self.checks.checkers.get_mut(id) else {
            return;
        };
        checker.suspected = Some(waited);
        self.hasten(id, now);
    }

    /// A backend may be gone: checks it soon, if it is checked at all.
    pub(super) fn check_soon(&mut self, backend: BackendId, now: Timestamp) {
        if let Some(id) = self.checker_of(backend) {
            self.hasten(id, now);
        }
    }

    fn checker_of(&self, backend: BackendId) -> Option<CheckerId> {
        let is_its = |id: &CheckerId| {
            let checker = self.checks.checkers.get(*id);
            checker.is_some_and(|checker| checker.backend == backend)
        };
        self.checks.checkers.ids().into_iter().find(is_its)
    }

    /// Brings the next check forward, but not to right after the last.
    fn hasten(&mut self, id: CheckerId, now: Timestamp) {
        let pause = self.checks.settings.interval / 4;
        let checker = self.checks.checkers.get(id);
        if let Some(checker) = checker.filter(|checker| checker.check.is_none()) {
            let soon = checker.deadline.at().min(checker.checked_at + pause);
            self.set_checker_deadline(id, soon.max(now));
        }
    }

    fn set_checker_deadline(&mut self, id: CheckerId, at: Timestamp) {
        if let Some(checker) = self.checks.checkers.get_mut(id)
            && let Some(at) = checker.deadline.set(at)
        {
            self.timers.arm(Timer::Checker(id), at);
        }
    }

    /// The deadline of a checker may be over.
    pub(super) fn checker_fired(&mut self, id: CheckerId, now: Timestamp) {
        let Some(checker) = self.checks.checkers.get_mut(id) else {
            return;
        };
        match checker.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => self.timers.arm(Timer::Checker(id), at),
            Fired::Due if checker.check.is_some() => {
                self.check_finished(id, Err(CheckFailure::Timeout), now);
            }
            Fired::Due => self.begin_check(id, now),
        }
    }
}

/// One check.
impl<N: Network> Proxy<N> {
    fn begin_check(&mut self, id: CheckerId, now: Timestamp) {
        let Some(backend) = self.checks.checkers.get(id).map(|checker| checker.backend) else {
            return;
        };
        if self.is_done_with(backend) {
            return self.plan_next_check(id, now);
        }
        self.set_checker_deadline(id, now + self.checks.settings.timeout);
        self.try_addresses(id, 0, now);
    }

    /// Whether nothing is to go to a backend and nothing waits for it.
    fn is_done_with(&mut self, backend: BackendId) -> bool {
        self.pools.get_mut(PoolId::FIRST).backends.refresh_all();
        let candidate = self.pools.first().backends.candidates().get(backend.slot());
        let is_idle = candidate.is_none_or(|candidate| candidate.in_flight == 0);
        is_idle && self.pools.first().backends.state(backend) == Some(State::Disabled)
    }

    /// Checks the first of a backend's addresses, from `first` on, that does not fail at once.
    fn try_addresses(&mut self, id: CheckerId, first: usize, now: Timestamp) {
        let Some(checker) = self.checks.checkers.get_mut(id) else {
            return;
        };
        checker.check = None;
        let pool = self.pools.first();
        let addresses = pool.connect.addresses(checker.backend);
        let name = pool.backends.name(checker.backend).unwrap_or_default();
        let open = |address: &Address| {
            let probe = probe(
                &self.checks.settings,
                &pool.connect,
                name,
                address,
                &mut checker.nonces,
            );
            let stream = self
                .network
                .open_check(address, &probe, Token::Checker(id))?;
            Ok((stream, probe))
        };
        match Attempt::begin(addresses, first, open, &mut self.io.scratch) {
            Ok(Begun::UnderWay(attempt)) => checker.check = Some(attempt),
            Ok(Begun::Over(verdict)) => self.check_finished(id, verdict, now),
            Err(_) => self.plan_next_check(id, now),
        }
    }

    /// An event for the socket of a check.
    pub(super) fn checker_ready(&mut self, id: CheckerId, ready: Readiness, now: Timestamp) {
        let checker = self.checks.checkers.get_mut(id);
        let Some(check) = checker.and_then(|checker| checker.check.as_mut()) else {
            return;
        };
        match check.ready(ready, &mut self.io.scratch) {
            None => {}
            Some(Err(CheckFailure::Unreachable)) => {
                let next = check.next_place();
                self.try_addresses(id, next, now);
            }
            Some(verdict) => self.check_finished(id, verdict, now),
        }
    }

    /// A check is over: closes its connection and tells the pool what it amounts to.
    fn check_finished(&mut self, id: CheckerId, verdict: Verdict, now: Timestamp) {
        let Some(checker) = self.checks.checkers.get_mut(id) else {
            return;
        };
        checker.check = None;
        checker.checked_at = now;
        let (backend, rise) = (checker.backend, checker.schedule.rise());
        let suspected = checker.suspected.take();
        let tally = checker.schedule.count(verdict);
        if let (Err(reason), Some(waited)) = (verdict, suspected)
            && reason.is_silence()
        {
            self.pools
                .get_mut(PoolId::FIRST)
                .backends
                .silent(backend, waited, now);
        }
        match tally {
            Tally::Passed(count) => self
                .pools
                .get_mut(PoolId::FIRST)
                .backends
                .check_passed(backend, count, rise, now),
            Tally::Failing(_) => {}
            Tally::Fell(count, reason) => {
                self.pools
                    .get_mut(PoolId::FIRST)
                    .backends
                    .check_failed(backend, count, reason, now);
            }
        }
        // Whether or not that changes its state: it may be out already, or not wanted.
        let is_sure = suspected.is_some()
            || self
                .pools
                .first()
                .backends
                .state(backend)
                .is_some_and(State::is_out);
        let has_fallen = matches!(tally, Tally::Fell(..));
        if verdict.is_err_and(CheckFailure::is_silence) && (is_sure || has_fallen) {
            self.redispatch_waiting(PoolId::FIRST, backend, now);
            self.tell_others(PoolId::FIRST, Message::Silent(PoolId::FIRST, backend));
        }
        self.plan_next_check(id, now);
    }

    fn plan_next_check(&mut self, id: CheckerId, now: Timestamp) {
        let Some(backend) = self.checks.checkers.get(id).map(|checker| checker.backend) else {
            return;
        };
        let state = self.pools.first().backends.state(backend);
        let is_suspect = state.is_some_and(State::is_out) || self.seems_gone(backend);
        if let Some(checker) = self.checks.checkers.get_mut(id) {
            let next = checker.schedule.next(is_suspect, now);
            self.set_checker_deadline(id, next);
        }
    }
}

/// What is asked at `address`, of the backend called `name`.
fn probe(
    health: &Health,
    connect: &ConnectSpec,
    name: &str,
    address: &Address,
    nonces: &mut Rng,
) -> Probe {
    match (health.check, address.tcp()) {
        (Check::Ping, Some(host)) => {
            let nonce = nonces.next();
            let request = EchoRequest::new(host.ip(), (nonce >> 48) as u16, nonce);
            Probe::Ping(PingProbe::new(request))
        }
        (Check::Http, tcp) => {
            // A path is no host (RFC 9110, section 7.2).
            let own = tcp.map_or("localhost", |_| name);
            let host = connect.host.as_deref().unwrap_or(own);
            let mut introduction = Vec::new();
            if let Some(version) = connect.send_proxy {
                // Without ends it says: from the proxy itself.
                proxy_protocol::write(version, None, &mut introduction);
            }
            Probe::Http(HttpProbe::new(&health.http, host, &introduction))
        }
        // A UNIX socket is never to be pinged: the configuration sees to it.
        (Check::Tcp | Check::Ping | Check::None, _) => Probe::Tcp(TcpProbe),
    }
}
