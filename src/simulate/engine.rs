//! The loop of a run: the next thing that happens, and what follows from it.
//!
//! Owns the virtual clock, which moves from event to event and never back. Events at one instant
//! happen in the order in which they were decided. Every request ends exactly once: it is served,
//! it fails, or it is given up; a server goes on with an abandoned request, as it would.
//! [`dispatch`] finds a server for a request, or lets it wait for one.

mod dispatch;

use super::balancers::{Balancers, Rule, Ticket, Watched};
use super::explanation::Explanation;
use super::fault::{Condition, next_change};
use super::line::{Line, Request};
use super::report::{Report, Tally};
use super::scenario::{Scenario, ServerGroup};
use super::server::{JobId, Server};
use super::traffic::Traffic;
use crate::strategy::Outcome;
use crate::time::Timestamp;
use slab::Slab;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Requests come.
    Arrival,
    /// A request comes to its server.
    Reach { server: usize, job: JobId },
    /// A server is done with a job, if it is still of this version.
    End { server: usize, version: u64 },
    /// A good response comes to its balancer.
    Respond { job: JobId },
    /// An error comes to its balancer.
    Error { job: JobId },
    /// The condition of a server changes.
    Change { server: usize },
    /// A server is added to the pool.
    Join { server: usize },
    /// A request has waited for room as long as it may, if it still does.
    Leave { balancer: usize, number: u64 },
}

/// A request that was sent to a server.
struct Open {
    serial: u64,
    request: Request,
    ticket: Ticket,
    sent_at: Timestamp,
}

/// A run under way.
pub(super) struct Engine<'a> {
    groups: Vec<&'a ServerGroup>,
    retries: u32,
    timeout: Duration,
    traffic: Traffic,
    balancers: Balancers,
    /// Those that belong to the pool. The others follow when they join.
    servers: Vec<Watched>,
    /// Events, by time, then by the number of the decision.
    events: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    decisions: u64,
    /// Time at which each request is given up, in the order in which they were sent.
    deadlines: VecDeque<(Timestamp, JobId)>,
    open: Slab<Open>,
    next_serial: u64,
    /// Requests that wait for room, by balancer.
    lines: Vec<Line>,
    now: Timestamp,
    tally: Tally,
    /// The pick that is to be explained.
    explain: Option<u64>,
    explanation: Option<Explanation>,
}

impl<'a> Engine<'a> {
    pub(super) fn new(scenario: &'a Scenario, rule: &Rule, seed: u64) -> Self {
        let groups = scenario.each_server();
        let at_start = groups
            .iter()
            .take_while(|group| group.join_s <= 0.0)
            .count();
        let (present, _) = groups.split_at(at_start);
        let timeout = Duration::from_secs_f64(scenario.timeout_s);
        let mut engine = Self {
            balancers: Balancers::new(rule, scenario, present, seed),
            retries: scenario.retries,
            timeout,
            traffic: Traffic::new(scenario, seed),
            servers: Vec::with_capacity(groups.len()),
            events: BinaryHeap::new(),
            decisions: 0,
            deadlines: VecDeque::new(),
            open: Slab::new(),
            next_serial: 0,
            lines: vec![Line::new(scenario); scenario.balancers],
            now: Timestamp::ZERO,
            tally: Tally::new(groups.len(), scenario.requests, timeout),
            explain: None,
            explanation: None,
            groups,
        };
        engine.schedule_start(at_start);
        engine
    }

    /// Has this pick explained, counted from 1.
    pub(super) fn explain_pick(&mut self, pick: u64) {
        self.explain = Some(pick);
    }

    pub(super) fn take_explanation(&mut self) -> Option<Explanation> {
        self.explanation.take()
    }

    pub(super) fn into_report(self) -> Report {
        self.tally.into_report()
    }

    /// Lets the next thing happen. Returns whether there was one; there is none once every
    /// request has come and ended.
    pub(super) fn step(&mut self) -> bool {
        let waits = self.lines.iter().any(|line| !line.is_empty());
        if self.traffic.is_over() && self.open.is_empty() && !waits {
            return false;
        }
        let event_at = self.events.peek().map(|Reverse((at, _, _))| *at);
        let deadline = self.deadlines.front().map(|(at, _)| *at);
        match (event_at, deadline) {
            (Some(event_at), Some(deadline)) if event_at > deadline => self.give_up(),
            (None, Some(_)) => self.give_up(),
            (Some(_), _) => self.happen(),
            (None, None) => return false,
        }
        true
    }

    fn schedule_start(&mut self, at_start: usize) {
        for server in 0..self.groups.len() {
            match self.groups.get(server) {
                Some(_) if server < at_start => self.join(server),
                Some(group) => {
                    let join_at = Timestamp::ZERO + Duration::from_secs_f64(group.join_s);
                    self.schedule(join_at, Event::Join { server });
                }
                None => {}
            }
        }
        for _ in 0..self.traffic.clients().max(1) {
            let first = self.traffic.next_arrival(self.now);
            self.schedule(first, Event::Arrival);
        }
    }

    fn schedule(&mut self, at: Timestamp, event: Event) {
        self.decisions += 1;
        self.events.push(Reverse((at, self.decisions, event)));
    }

    fn happen(&mut self) {
        let Some(Reverse((at, _, event))) = self.events.pop() else {
            return;
        };
        self.now = at;
        match event {
            Event::Arrival => self.arrive(),
            Event::End { server, version } => self.end(server, version),
            Event::Reach { server, job } => self.reach(server, job),
            Event::Respond { job } => self.respond(job),
            Event::Error { job } => self.conclude(job, Outcome::Failure),
            Event::Change { server } => self.change(server),
            Event::Join { server } => {
                if let Some(group) = self.groups.get(server) {
                    self.balancers.join(group, self.now);
                }
                self.join(server);
            }
            Event::Leave { balancer, number } => self.leave_line(balancer, number),
        }
    }

    fn arrive(&mut self) {
        for _ in 0..self.traffic.at_once() {
            if let Some(demand) = self.traffic.next() {
                self.take(Request::new(demand, self.now));
            }
        }
        if self.traffic.clients() == 0 && !self.traffic.is_over() {
            let next = self.traffic.next_arrival(self.now);
            self.schedule(next, Event::Arrival);
        }
    }

    /// Schedules the next end at a server.
    fn foresee(&mut self, server: usize) {
        let next = self.servers.get(server).and_then(|it| it.server.next_end());
        if let Some((at, version)) = next {
            self.schedule(at, Event::End { server, version });
        }
    }

    fn end(&mut self, server: usize, version: u64) {
        let Some(watched) = self.servers.get_mut(server) else {
            return;
        };
        if watched.server.version() != version {
            return; // what was foreseen did not come to pass
        }
        let ended = watched.server.end(self.now);
        self.foresee(server);
        if let Some(job) = ended {
            match self.latency(server) {
                Duration::ZERO => self.respond(job),
                latency => self.schedule(self.now + latency, Event::Respond { job }),
            }
        }
    }

    /// Gives up the request that has waited longest, unless it has ended.
    fn give_up(&mut self) {
        if let Some((at, job)) = self.deadlines.pop_front()
            && self.find(job).is_some()
        {
            self.now = at;
            self.conclude(job, Outcome::TimedOut);
        }
    }

    /// The request a job is for, unless it has ended.
    fn find(&self, job: JobId) -> Option<&Open> {
        let open = self.open.get(job.slot)?;
        (open.serial == job.serial).then_some(open)
    }

    /// A request has ended; its client learns how.
    fn conclude(&mut self, job: JobId, outcome: Outcome) {
        if self.find(job).is_none() {
            return;
        }
        let open = self.open.remove(job.slot);
        let time = self.now.since(open.request.came_at);
        match outcome {
            Outcome::Success { .. } => self.tally.served(time),
            Outcome::ClientError
            | Outcome::Failure
            | Outcome::TimedOut
            | Outcome::Unreachable
            | Outcome::Inconclusive => self.tally.failed(time),
        }
        let demand = &open.request.demand;
        self.balancers
            .settle(demand, open.ticket, outcome, self.now);
        self.ask_again();
        self.serve_line(demand.balancer);
    }

    /// The client whose request has ended thinks, then sends another.
    fn ask_again(&mut self) {
        if self.traffic.clients() > 0 && !self.traffic.is_over() {
            let next = self.traffic.next_arrival(self.now);
            self.schedule(next, Event::Arrival);
        }
    }

    fn join(&mut self, server: usize) {
        if let Some(group) = self.groups.get(server) {
            self.servers.push(Watched {
                server: Server::new(group),
                condition: Condition::at(&group.faults, self.now),
            });
            self.change(server);
        }
    }

    /// Brings a server to the condition that its faults put it into now.
    fn change(&mut self, server: usize) {
        let (Some(group), Some(watched)) = (self.groups.get(server), self.servers.get_mut(server))
        else {
            return;
        };
        watched.condition = Condition::at(&group.faults, self.now);
        watched.server.set_pace(watched.condition.pace, self.now);
        let next = next_change(&group.faults, self.now);
        self.foresee(server);
        if let Some(at) = next {
            self.schedule(at, Event::Change { server });
        }
    }
}
