//! Active checks at work: each backend has a prober, which checks it again and again.
//!
//! What is asked and when is [`health`](crate::health)'s; here it meets connections and
//! deadlines. A prober has one slot and one deadline for its whole life: the deadline of the
//! check under way, else the start of the next. Checks come on sockets of their own, so that
//! they neither wait for traffic nor disturb it. What they find goes to the upstream.

use super::arena::ProberId;
use super::network::{Network, Token};
use super::{Message, Server, Settings};
use crate::address::Address;
use crate::balance::{BackendId, Rng};
use crate::config::Check;
use crate::health::{
    Attempt, Begun, EchoRequest, HttpProbe, PingProbe, Probe, Rhythm, Schedule, Tally, TcpProbe,
    Verdict,
};
use crate::proxy_protocol;
use crate::relay::Readiness;
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired};
use crate::upstream::{ProbeFailure, State};
use std::time::Duration;

/// Who checks one backend.
#[derive(Debug)]
pub(super) struct Prober<T> {
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

/// The rhythm.
impl<N: Network> Server<N> {
    /// Gives every backend a prober, if they are to be checked.
    pub(super) fn watch_all(&mut self, now: Timestamp) {
        let health = &self.settings.health;
        if health.check == Check::None {
            return;
        }
        let rhythm = Rhythm {
            interval: health.interval,
            rise: health.rise,
            fall: health.fall,
        };
        let candidates = self.upstream.candidates().iter();
        let backends: Vec<_> = candidates.map(|c| (c.id, c.identity)).collect();
        for (backend, identity) in backends {
            let seed = self.settings.seed ^ identity;
            let mut schedule = Schedule::new(rhythm, seed);
            let first = schedule.first(now);
            let id = self.probers.insert(Prober {
                backend,
                schedule,
                nonces: Rng::new(!seed),
                deadline: Deadline::default(),
                check: None,
                checked_at: now,
                suspected: None,
            });
            self.set_prober_deadline(id, first);
        }
    }

    /// Ends all checks, for good.
    pub(super) fn stop_probing(&mut self) {
        for id in self.probers.ids() {
            self.closing.push(Token::Prober(id));
        }
    }

    /// A backend keeps an exchange waiting for too long: checks it at once, unless it was just
    /// checked. The first of several workers does that.
    pub(super) fn suspect(&mut self, backend: BackendId, waited: Duration, now: Timestamp) {
        if !self.upstream.decides() {
            return self.tell_others(Message::Suspected(backend, waited));
        }
        let Some(id) = self.prober_of(backend) else {
            return;
        };
        let Some(prober) = self.probers.get_mut(id) else {
            return;
        };
        prober.suspected = Some(waited);
        self.hasten(id, now);
    }

    /// A backend may be gone: checks it soon, if it is checked at all.
    pub(super) fn check_soon(&mut self, backend: BackendId, now: Timestamp) {
        if let Some(id) = self.prober_of(backend) {
            self.hasten(id, now);
        }
    }

    fn prober_of(&self, backend: BackendId) -> Option<ProberId> {
        let is_its = |id: &ProberId| {
            let prober = self.probers.get(*id);
            prober.is_some_and(|prober| prober.backend == backend)
        };
        self.probers.ids().into_iter().find(is_its)
    }

    /// Brings the next check forward, but not to right after the last.
    fn hasten(&mut self, id: ProberId, now: Timestamp) {
        let pause = self.settings.health.interval / 4;
        let prober = self.probers.get(id);
        if let Some(prober) = prober.filter(|prober| prober.check.is_none()) {
            let soon = prober.deadline.at().min(prober.checked_at + pause);
            self.set_prober_deadline(id, soon.max(now));
        }
    }

    fn set_prober_deadline(&mut self, id: ProberId, at: Timestamp) {
        if let Some(prober) = self.probers.get_mut(id)
            && let Some(at) = prober.deadline.set(at)
        {
            self.wheel.arm(Token::Prober(id), at);
        }
    }

    /// The deadline of a prober may be over.
    pub(super) fn prober_fired(&mut self, id: ProberId, now: Timestamp) {
        let Some(prober) = self.probers.get_mut(id) else {
            return;
        };
        match prober.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => self.wheel.arm(Token::Prober(id), at),
            Fired::Due if prober.check.is_some() => {
                self.probed(id, Err(ProbeFailure::Timeout), now);
            }
            Fired::Due => self.begin_probe(id, now),
        }
    }
}

/// One check.
impl<N: Network> Server<N> {
    fn begin_probe(&mut self, id: ProberId, now: Timestamp) {
        let Some(backend) = self.probers.get(id).map(|prober| prober.backend) else {
            return;
        };
        if self.is_done_with(backend) {
            return self.plan_next_probe(id, now);
        }
        self.set_prober_deadline(id, now + self.settings.health.timeout);
        self.try_addresses(id, 0, now);
    }

    /// Whether nothing is to go to a backend and nothing waits for it.
    fn is_done_with(&mut self, backend: BackendId) -> bool {
        self.upstream.look_at_all();
        let candidate = self.upstream.candidates().get(backend.slot());
        let is_idle = candidate.is_none_or(|candidate| candidate.in_flight == 0);
        is_idle && self.upstream.state(backend) == Some(State::Disabled)
    }

    /// Checks the first of a backend's addresses, from `first` on, that does not fail at once.
    fn try_addresses(&mut self, id: ProberId, first: usize, now: Timestamp) {
        let Some(prober) = self.probers.get_mut(id) else {
            return;
        };
        prober.check = None;
        let addresses = self.addresses.get(prober.backend.slot());
        let name = self.upstream.name(prober.backend).unwrap_or_default();
        let open = |address: &Address| {
            let probe = probe(&self.settings, name, address, &mut prober.nonces);
            let stream = self
                .network
                .open_check(address, &probe, Token::Prober(id))?;
            Ok((stream, probe))
        };
        let addresses = addresses.map_or(&[][..], Vec::as_slice);
        match Attempt::begin(addresses, first, open, &mut self.work.scratch) {
            Ok(Begun::UnderWay(attempt)) => prober.check = Some(attempt),
            Ok(Begun::Over(verdict)) => self.probed(id, verdict, now),
            Err(_) => self.plan_next_probe(id, now),
        }
    }

    /// An event for the socket of a check.
    pub(super) fn prober_ready(&mut self, id: ProberId, ready: Readiness, now: Timestamp) {
        let prober = self.probers.get_mut(id);
        let Some(check) = prober.and_then(|prober| prober.check.as_mut()) else {
            return;
        };
        match check.ready(ready, &mut self.work.scratch) {
            None => {}
            Some(Err(ProbeFailure::Unreachable)) => {
                let next = check.next_place();
                self.try_addresses(id, next, now);
            }
            Some(verdict) => self.probed(id, verdict, now),
        }
    }

    /// A check is over: closes its connection and tells the upstream what it amounts to.
    fn probed(&mut self, id: ProberId, verdict: Verdict, now: Timestamp) {
        let Some(prober) = self.probers.get_mut(id) else {
            return;
        };
        prober.check = None;
        prober.checked_at = now;
        let (backend, rise) = (prober.backend, prober.schedule.rise());
        let suspected = prober.suspected.take();
        let tally = prober.schedule.count(verdict);
        if let (Err(reason), Some(waited)) = (verdict, suspected)
            && reason.is_silence()
        {
            self.upstream.silent(backend, waited, now);
        }
        match tally {
            Tally::Passed(count) => self.upstream.probe_passed(backend, count, rise, now),
            Tally::Failing(_) => {}
            Tally::Fell(count, reason) => {
                self.upstream.probe_failed(backend, count, reason, now);
            }
        }
        // Whether or not that changes its state: it may be out already, or not wanted.
        let is_sure =
            suspected.is_some() || self.upstream.state(backend).is_some_and(State::is_out);
        let has_fallen = matches!(tally, Tally::Fell(..));
        if verdict.is_err_and(ProbeFailure::is_silence) && (is_sure || has_fallen) {
            self.rescue(backend, now);
            self.tell_others(Message::Silent(backend));
        }
        self.plan_next_probe(id, now);
    }

    fn plan_next_probe(&mut self, id: ProberId, now: Timestamp) {
        let Some(backend) = self.probers.get(id).map(|prober| prober.backend) else {
            return;
        };
        let state = self.upstream.state(backend);
        let is_suspect = state.is_some_and(State::is_out) || self.seems_gone(backend);
        if let Some(prober) = self.probers.get_mut(id) {
            let next = prober.schedule.next(is_suspect, now);
            self.set_prober_deadline(id, next);
        }
    }
}

/// What is asked at `address`, of the backend called `name`.
fn probe(settings: &Settings, name: &str, address: &Address, nonces: &mut Rng) -> Probe {
    match (settings.health.check, address.tcp()) {
        (Check::Ping, Some(host)) => {
            let nonce = nonces.next();
            let request = EchoRequest::new(host.ip(), (nonce >> 48) as u16, nonce);
            Probe::Ping(PingProbe::new(request))
        }
        (Check::Http, tcp) => {
            // A path is no host (RFC 9110, section 7.2).
            let own = tcp.map_or("localhost", |_| name);
            let host = settings.host.as_deref().unwrap_or(own);
            let mut introduction = Vec::new();
            if let Some(version) = settings.send_proxy {
                // Without ends it says: from the proxy itself.
                proxy_protocol::write(version, None, &mut introduction);
            }
            Probe::Http(HttpProbe::new(&settings.health.http, host, &introduction))
        }
        // A UNIX socket is never to be pinged: the configuration sees to it.
        (Check::Tcp | Check::Ping | Check::None, _) => Probe::Tcp(TcpProbe),
    }
}
