//! The loop of a monitor: waits for events, opens the sockets of checks, reports events.
//!
//! Owns the clock; the [`Checker`] decides which check is due, [`Targets`] what follows from its
//! result. A response time runs from just before a socket is opened to the event of the response:
//! few sockets are opened in one turn, so that none waits for the others.

use super::resolved::ResolvedTarget;
use super::targets::{TargetId, Targets};
use super::{MonitorEvent, MonitorReport};
use crate::clock::Clock;
use crate::config::Plan;
use crate::health::{CheckAction, CheckTiming, Checker, OpenSocket};
use crate::net::{Stream, SystemNetwork, WAKER, readiness, seed};
use crate::proxy::{Network as _, Token};
use crate::time::Timestamp;
use mio::{Events, Poll};
use std::io;
use std::sync::mpsc::{Receiver, Sender};

/// Events taken from the system in one turn.
const EVENTS_PER_TURN: usize = 256;
/// Sockets opened in one turn.
const OPENS_PER_TURN: usize = 4;
/// Bytes read at once.
const SCRATCH_BYTES: usize = 16 * 1024;

/// A command from another thread.
#[derive(Debug)]
pub(super) enum MonitorCommand {
    /// Come to an end.
    Stop,
    /// Report the state of all targets.
    Report(Sender<MonitorReport>),
}

/// A loop and everything it owns.
#[derive(Debug)]
pub(super) struct MonitorLoop {
    poll: Poll,
    clock: Clock,
    network: SystemNetwork,
    checker: Checker<TargetId, Stream>,
    targets: Targets,
    scratch: Vec<u8>,
    commands: Receiver<MonitorCommand>,
    is_stopping: bool,
}

impl MonitorLoop {
    /// A loop that is ready to run. First checks are spread over one interval, in the order of
    /// `targets`, beginning at once.
    ///
    /// # Errors
    /// The system has no room for another descriptor.
    pub(super) fn new(
        poll: Poll,
        targets: Vec<ResolvedTarget>,
        plan: &Plan,
        commands: Receiver<MonitorCommand>,
    ) -> io::Result<Self> {
        let clock = Clock::start();
        let (mut first, seed) = (clock.now(), seed());
        let names = targets.iter().map(|target| target.name.as_str());
        let health = Targets::new(names, plan);
        let mut checker = Checker::new(first);
        let pause = plan.interval / u32::try_from(targets.len().max(1)).unwrap_or(u32::MAX);
        for (nth, target) in targets.into_iter().enumerate() {
            checker.add_at(TargetId(nth), target.spec, seed ^ nth as u64, first);
            first = first + pause;
        }
        Ok(Self {
            network: SystemNetwork::new(&poll)?,
            poll,
            clock,
            checker,
            targets: health,
            scratch: vec![0; SCRATCH_BYTES],
            commands,
            is_stopping: false,
        })
    }

    /// Runs until all checks are done, a command or an error of `tell` ends it.
    pub(super) fn run(
        mut self,
        mut tell: impl FnMut(&MonitorEvent) -> io::Result<()>,
    ) -> io::Result<MonitorReport> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        while !self.is_stopping && !self.targets.are_done() {
            self.wait(&mut events)?;
            self.targets
                .set_wall_clock(self.clock.wall(), self.clock.now());
            for event in &events {
                self.dispatch(event);
            }
            self.checker.expire(self.clock.now());
            self.act();
            self.obey();
            let told = self.targets.take_events();
            if told.iter().try_for_each(&mut tell).is_err() {
                // The reader of events is gone.
                break;
            }
        }
        Ok(self.targets.report(self.clock.now()))
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = self.clock.now();
        let timeout = self.checker.next_wakeup().map(|at| at.since(now));
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    fn dispatch(&mut self, event: &mio::event::Event) {
        let token = event.token();
        if token == WAKER {
            return;
        }
        if let Token::Check(id) = Token::from_bits(token.0 as u64) {
            let now = self.clock.now();
            self.checker
                .ready(id, readiness(event), &mut self.scratch, now);
        }
    }

    /// Opens sockets, up to [`OPENS_PER_TURN`], and takes note of results.
    fn act(&mut self) {
        let mut opens = 0;
        while opens < OPENS_PER_TURN {
            // Read each time: a check begins when its socket is requested.
            let now = self.clock.now();
            match self.checker.next_action(now) {
                None => return,
                Some(CheckAction::Open(open)) => {
                    self.open(&open);
                    opens += 1;
                }
                Some(CheckAction::Finished(finished)) => {
                    if self.targets.checked(&finished) {
                        self.checker.remove(finished.id);
                    }
                }
            }
        }
    }

    fn open(&mut self, open: &OpenSocket<TargetId>) {
        let token = Token::Check(open.id);
        let io = self
            .network
            .open_check(&open.address, open.transport, token);
        let now: Timestamp = self.clock.now();
        self.checker.opened(open.id, io, &mut self.scratch, now);
    }

    /// Carries out the commands of other threads.
    fn obey(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                MonitorCommand::Stop => self.is_stopping = true,
                // The thread that asked may have gone.
                MonitorCommand::Report(reply) => {
                    drop(reply.send(self.targets.report(self.clock.now())));
                }
            }
        }
    }
}

pub(super) const fn timing(plan: &Plan) -> CheckTiming {
    CheckTiming {
        interval: plan.interval,
        timeout: plan.timeout,
        rise: plan.rise,
        fall: plan.fall,
        fails_late_responses: true,
    }
}
