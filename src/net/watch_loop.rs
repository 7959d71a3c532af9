//! The loop of a monitor: waits for events, begins checks, tells what came of them.
//!
//! It owns the sockets of checks and when the clock is read; what is checked when and what it
//! means is [`Watch`]'s. Times of answers are measured from just before a socket is opened, or a
//! request sent, to the event that tells of the answer: few checks are begun in one turn, so
//! that none waits for the others.

use super::echo::allow_echo;
use super::network::SystemNetwork;
use super::resolve::resolve_target;
use super::stream::Stream;
use super::{descriptors, event_loop};
use crate::address::Address;
use crate::balance::Rng;
use crate::balancer::seed;
use crate::clock::Clock;
use crate::config::{BackendAddress, Invalid, MonitorConfig, Plan, Question, Target};
use crate::health::{Attempt, Begun, EchoRequest, HttpProbe, PingProbe, Probe, TcpProbe, Verdict};
use crate::monitor::{Event, Report, Step, TargetId, Watch};
use crate::server::{Network as _, ProberId, Token};
use crate::time::Timestamp;
use crate::upstream::ProbeFailure;
use mio::{Events, Poll};
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, Sender};

/// Events taken from the system in one turn.
const EVENTS_PER_TURN: usize = 256;
/// Checks begun in one turn.
const BEGINS_PER_TURN: usize = 4;
/// Bytes read at once.
const SCRATCH_BYTES: usize = 16 * 1024;

/// What the loop can be asked from other threads.
#[derive(Debug)]
pub(crate) enum WatchCommand {
    /// Come to an end.
    Stop,
    /// Say how all targets stand.
    Report(Sender<Report>),
}

/// A loop and everything it owns.
#[derive(Debug)]
pub(crate) struct WatchLoop {
    poll: Poll,
    clock: Clock,
    network: SystemNetwork,
    watch: Watch,
    targets: Vec<Prepared>,
    /// Whose checks are to be begun.
    begins: VecDeque<TargetId>,
    scratch: Vec<u8>,
    commands: Receiver<WatchCommand>,
    is_stopping: bool,
}

/// A target whose addresses are known.
#[derive(Debug)]
pub(crate) struct Prepared {
    name: String,
    question: Question,
    addresses: Vec<Address>,
    nonces: Rng,
    sequence: u16,
    check: Option<Attempt<Stream>>,
}

/// Resolves the targets and makes sure that they can be checked.
///
/// # Errors
/// A name has no address, or the system does not allow the checks.
pub(crate) fn prepare_targets(config: &MonitorConfig) -> Result<Vec<Prepared>, Invalid> {
    descriptors::allow_checks(config.targets().len())?;
    let targets = config.targets().iter();
    let targets = targets.map(|target| prepare(target, config));
    let targets: Vec<Prepared> = targets.collect::<Result<_, _>>()?;
    let pinged = targets.iter().filter(|target| target.is_pinged());
    let hosts = pinged.flat_map(|target| target.addresses.iter().filter_map(Address::tcp));
    allow_echo(hosts.map(|host| host.ip()))?;
    Ok(targets)
}

fn prepare(target: &Target, config: &MonitorConfig) -> Result<Prepared, Invalid> {
    let mut addresses = resolve_target(target, config.addresses)?;
    let mut name = target.name().to_owned();
    if let Question::Ping(host) = target.question() {
        // One machine, and the user is told which.
        addresses.truncate(1);
        let ip = addresses.first().and_then(Address::tcp);
        let ip = ip.map_or(String::new(), |address| address.ip().to_string());
        if host.to_string() != ip {
            name = format!("{name} ({ip})");
        }
    }
    Ok(Prepared {
        name,
        question: target.question().clone(),
        addresses,
        nonces: Rng::new(seed()),
        sequence: 0,
        check: None,
    })
}

impl Prepared {
    const fn is_pinged(&self) -> bool {
        matches!(self.question, Question::Ping(_))
    }
}

impl WatchLoop {
    /// A loop that is ready to run.
    ///
    /// # Errors
    /// The system has no room for another descriptor.
    pub(crate) fn new(
        poll: Poll,
        targets: Vec<Prepared>,
        plan: Plan,
        commands: Receiver<WatchCommand>,
    ) -> io::Result<Self> {
        let clock = Clock::start();
        let names = targets.iter().map(|target| target.name.as_str());
        Ok(Self {
            network: SystemNetwork::new(&poll)?,
            poll,
            clock,
            watch: Watch::new(names, plan, seed(), clock.now()),
            targets,
            begins: VecDeque::new(),
            scratch: vec![0; SCRATCH_BYTES],
            commands,
            is_stopping: false,
        })
    }

    /// Runs until all is done or it is told to stop.
    pub(crate) fn run(
        mut self,
        mut tell: impl FnMut(&Event) -> io::Result<()>,
    ) -> io::Result<Report> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        while !self.is_stopping && !self.watch.is_over() {
            self.wait(&mut events)?;
            self.watch
                .set_wall_clock(self.clock.wall(), self.clock.now());
            for event in &events {
                self.dispatch(event);
            }
            self.pass_time();
            self.begin_some();
            self.obey();
            if self
                .watch
                .take_events()
                .iter()
                .try_for_each(&mut tell)
                .is_err()
            {
                // Nobody listens any more.
                break;
            }
        }
        Ok(self.watch.report(self.clock.now()))
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = self.clock.now();
        let wakeup = match self.begins.is_empty() {
            true => self.watch.next_wakeup(),
            false => Some(now),
        };
        match self.poll.poll(events, wakeup.map(|at| at.since(now))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    fn dispatch(&mut self, event: &mio::event::Event) {
        let token = event.token();
        if token == event_loop::WAKER {
            return;
        }
        let Token::Prober(id) = Token::from_bits(token.0 as u64) else {
            return;
        };
        let (id, now) = (TargetId(id.to_bits() as usize), self.clock.now());
        let target = self.targets.get_mut(id.0);
        let Some(check) = target.and_then(|target| target.check.as_mut()) else {
            return;
        };
        match check.ready(event_loop::readiness(event), &mut self.scratch) {
            None => {}
            Some(Err(ProbeFailure::Unreachable)) => {
                let next = check.next_place();
                self.try_addresses(id, next);
            }
            Some(verdict) => self.checked(id, verdict, now),
        }
    }

    fn pass_time(&mut self) {
        for step in self.watch.pass_time(self.clock.now()) {
            match step {
                Step::Begin(id) => self.begins.push_back(id),
                Step::GiveUp(TargetId(nth)) => {
                    if let Some(target) = self.targets.get_mut(nth) {
                        target.check = None;
                    }
                }
            }
        }
    }

    fn begin_some(&mut self) {
        for _ in 0..BEGINS_PER_TURN {
            let Some(id) = self.begins.pop_front() else {
                return;
            };
            self.watch.begun(id, self.clock.now());
            self.try_addresses(id, 0);
        }
    }

    /// Checks the first of a target's addresses, from `first` on, that does not fail at once.
    fn try_addresses(&mut self, id: TargetId, first: usize) {
        let Some(target) = self.targets.get_mut(id.0) else {
            return;
        };
        target.check = None;
        target.sequence = target.sequence.wrapping_add(1);
        let token = Token::Prober(ProberId::from_bits(id.0 as u64));
        let open = |address: &Address| {
            let nonce = target.nonces.next();
            let probe = probe(&target.question, address, target.sequence, nonce);
            let stream = self.network.open_check(address, &probe, token)?;
            Ok((stream, probe))
        };
        match Attempt::begin(&target.addresses, first, open, &mut self.scratch) {
            Ok(Begun::UnderWay(attempt)) => target.check = Some(attempt),
            Ok(Begun::Over(verdict)) => self.checked(id, verdict, self.clock.now()),
            Err(_) => self.watch.postponed(id, self.clock.now()),
        }
    }

    /// Does what other threads asked.
    fn obey(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                WatchCommand::Stop => self.is_stopping = true,
                // Whoever asked may have gone.
                WatchCommand::Report(reply) => {
                    drop(reply.send(self.watch.report(self.clock.now())));
                }
            }
        }
    }

    fn checked(&mut self, id: TargetId, verdict: Verdict, now: Timestamp) {
        if let Some(target) = self.targets.get_mut(id.0) {
            target.check = None;
        }
        self.watch.checked(id, verdict, now);
    }
}

/// What is asked at `address`.
fn probe(question: &Question, address: &Address, sequence: u16, nonce: u64) -> Probe {
    match (question, address.tcp()) {
        (Question::Ping(_), Some(host)) => {
            let request = EchoRequest::new(host.ip(), sequence, nonce);
            Probe::Ping(PingProbe::new(request))
        }
        (Question::Http(service, check), _) => {
            let host = match service {
                BackendAddress::Tcp(service) => service.to_string(),
                // A path is no host (RFC 9110, section 7.2).
                BackendAddress::Unix(_) => "localhost".to_owned(),
            };
            Probe::Http(HttpProbe::new(check, &host, b""))
        }
        (Question::Ping(_) | Question::Tcp(_), _) => Probe::Tcp(TcpProbe),
    }
}
