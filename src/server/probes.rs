//! Active checks at work: each backend has a prober, which checks it again and again.
//!
//! What is asked and when is [`health`](crate::health)'s; here it meets connections and
//! deadlines. A prober has one slot and one deadline for its whole life: the deadline of the
//! check under way, else the start of the next. Checks come on connections of their own, so that
//! they neither wait for traffic nor disturb it. What they find goes to the upstream.

use super::Server;
use super::arena::ProberId;
use super::dispatch::is_shortage;
use super::network::{Network, Token};
use crate::balance::BackendId;
use crate::health::{Probe, Rhythm, Schedule, Tally, Verdict};
use crate::proxy_protocol;
use crate::relay::{Readiness, Received, Socket, Transport};
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired};
use crate::upstream::{ProbeFailure, State};
use std::io::{self, IoSlice};
use std::time::Duration;

/// Who checks one backend.
#[derive(Debug)]
pub(super) struct Prober<T> {
    pub(super) backend: BackendId,
    schedule: Schedule,
    /// The end of the check under way, else the start of the next.
    deadline: Deadline,
    check: Option<Running<T>>,
    /// When the last check was over.
    checked_at: Timestamp,
    /// How long the backend has kept an exchange waiting, if that is suspect.
    suspected: Option<Duration>,
}

/// A check under way.
#[derive(Debug)]
struct Running<T> {
    socket: Socket<T>,
    probe: Probe,
    /// Which of the backend's addresses it is made to.
    address: usize,
    is_connected: bool,
}

impl<T: Transport> Running<T> {
    /// Does all that can be done now.
    fn advance(&mut self, scratch: &mut [u8]) -> Option<Verdict> {
        while !self.probe.to_send().is_empty() && self.socket.may_write() {
            match self.socket.send(&[IoSlice::new(self.probe.to_send())]) {
                Ok(count) => self.probe.sent(count),
                Err(_) => return Some(self.probe.ended()),
            }
        }
        while self.socket.may_read() {
            match self.socket.recv(scratch) {
                Received::Blocked => break,
                Received::End | Received::Failed => return Some(self.probe.ended()),
                Received::Bytes(count) => {
                    let bytes = scratch.get(..count).unwrap_or_default();
                    if let Some(verdict) = self.probe.received(bytes) {
                        return Some(verdict);
                    }
                }
            }
        }
        None
    }
}

/// The rhythm.
impl<N: Network> Server<N> {
    /// Gives every backend a prober, if they are to be checked.
    pub(super) fn watch_all(&mut self, now: Timestamp) {
        let health = &self.settings.health;
        if health.check == crate::config::Check::None {
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
            let mut schedule = Schedule::new(rhythm, self.settings.seed ^ identity);
            let first = schedule.first(now);
            let id = self.probers.insert(Prober {
                backend,
                schedule,
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
    /// checked.
    pub(super) fn suspect(&mut self, id: ProberId, waited: Duration, now: Timestamp) {
        let Some(prober) = self.probers.get_mut(id) else {
            return;
        };
        prober.suspected = Some(waited);
        self.hasten(id, now);
    }

    /// A backend may be gone: checks it soon, if it is checked at all.
    pub(super) fn check_soon(&mut self, backend: BackendId, now: Timestamp) {
        let ids = self.probers.ids().into_iter();
        let mut of_backend = ids.filter(|id| {
            let prober = self.probers.get(*id);
            prober.is_some_and(|prober| prober.backend == backend)
        });
        if let Some(id) = of_backend.next() {
            self.hasten(id, now);
        }
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
        if self.upstream.state(backend) == Some(State::Disabled) {
            return self.plan_next_probe(id, now);
        }
        match self.open_probe(id, 0) {
            Ok(()) => self.set_prober_deadline(id, now + self.settings.health.timeout),
            // We, not the backend, are at the end of our means.
            Err(error) if is_shortage(&error) => self.plan_next_probe(id, now),
            Err(_) => self.probed(id, Err(ProbeFailure::Unreachable), now),
        }
    }

    /// Connects to the first of a backend's addresses, from `first` on, that does not fail at
    /// once.
    fn open_probe(&mut self, id: ProberId, first: usize) -> io::Result<()> {
        let health = &self.settings.health;
        let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
        let Some(prober) = self.probers.get_mut(id) else {
            return result;
        };
        let name = self.upstream.name(prober.backend).unwrap_or_default();
        let mut introduction = Vec::new();
        if let Some(version) = self.settings.send_proxy {
            // Without ends it says: from the proxy itself.
            proxy_protocol::write(version, None, &mut introduction);
        }
        let addresses = self.addresses.get(prober.backend.slot());
        for (place, address) in addresses.into_iter().flatten().enumerate().skip(first) {
            // A path is no host (RFC 9110, section 7.2).
            let own = address.tcp().map_or("localhost", |_| name);
            let host = self.settings.host.as_deref().unwrap_or(own);
            let opened = self.network.connect(address).and_then(|mut stream| {
                self.network.register(&mut stream, Token::Prober(id))?;
                Ok(stream)
            });
            let probe = Probe::new(health.check, &health.http, host, &introduction);
            match (opened, probe) {
                (Ok(stream), Some(probe)) => {
                    prober.check = Some(Running {
                        socket: Socket::new(stream),
                        probe,
                        address: place,
                        is_connected: false,
                    });
                    return Ok(());
                }
                (Err(error), _) => result = Err(error),
                (Ok(_), None) => return result,
            }
        }
        result
    }

    /// An event for the connection of a check.
    pub(super) fn prober_ready(&mut self, id: ProberId, ready: Readiness, now: Timestamp) {
        let prober = self.probers.get_mut(id);
        let Some(check) = prober.and_then(|prober| prober.check.as_mut()) else {
            return;
        };
        check.socket.note(ready);
        if !check.is_connected && ready.broken {
            let next = check.address + 1;
            if self.open_probe(id, next).is_err() {
                self.probed(id, Err(ProbeFailure::Unreachable), now);
            }
            return;
        }
        if !(check.is_connected || ready.writable || ready.readable) {
            return;
        }
        let first = match check.is_connected {
            true => None,
            false => check.probe.connected(),
        };
        check.is_connected = true;
        let verdict = first.or_else(|| check.advance(&mut self.work.scratch));
        if let Some(verdict) = verdict {
            self.probed(id, verdict, now);
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
