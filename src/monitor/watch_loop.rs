//! The loop of a monitor: waits for events, begins checks, tells what came of them.
//!
//! It owns the sockets of checks and when the clock is read; what is checked when and what it
//! means is [`Watch`]'s. Times of answers are measured from just before a socket is opened, or a
//! request sent, to the event that tells of the answer: few checks are begun in one turn, so
//! that none waits for the others.

use super::watch_target::WatchTarget;
use super::{Event, Report, Step, TargetId, Watch};
use crate::clock::Clock;
use crate::config::Plan;
use crate::health::Verdict;
use crate::ids::CheckerId;
use crate::net::{SystemNetwork, WAKER, readiness, seed};
use crate::pool::CheckFailure;
use crate::proxy::Token;
use crate::time::Timestamp;
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
    targets: Vec<WatchTarget>,
    /// Whose checks are to be begun.
    begins: VecDeque<TargetId>,
    scratch: Vec<u8>,
    commands: Receiver<WatchCommand>,
    is_stopping: bool,
}

impl WatchLoop {
    /// A loop that is ready to run.
    ///
    /// # Errors
    /// The system has no room for another descriptor.
    pub(crate) fn new(
        poll: Poll,
        targets: Vec<WatchTarget>,
        plan: Plan,
        commands: Receiver<WatchCommand>,
    ) -> io::Result<Self> {
        let clock = Clock::start();
        let names = targets.iter().map(|target| target.name());
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
        if token == WAKER {
            return;
        }
        let Token::Checker(id) = Token::from_bits(token.0 as u64) else {
            return;
        };
        let (id, now) = (TargetId(id.to_bits() as usize), self.clock.now());
        let target = self.targets.get_mut(id.0);
        let Some(check) = target.and_then(|target| target.check.as_mut()) else {
            return;
        };
        match check.ready(readiness(event), &mut self.scratch) {
            None => {}
            Some(Err(CheckFailure::Unreachable)) => {
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
        let token = Token::Checker(CheckerId::from_bits(id.0 as u64));
        match target.begin(first, &mut self.network, token, &mut self.scratch) {
            Ok(None) => {}
            Ok(Some(verdict)) => self.checked(id, verdict, self.clock.now()),
            // We, not the target, are at the end of our means.
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
