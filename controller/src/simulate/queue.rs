//! One first-come queue before servers that each work on one request at a time: exact.

use super::arrivals::Scenario;
use super::random::Random;
use super::{LATE_SECONDS, SERVICE_SECONDS};
use std::collections::{BTreeMap, VecDeque};

/// A server of the queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Worker {
    /// When the request under way ends.
    until: Option<f64>,
    began: f64,
    /// Gets nothing new.
    pub(super) drains: bool,
    pub(super) responses: u64,
    pub(super) busy_seconds: f64,
}

impl Worker {
    pub(super) fn is_busy(&self) -> bool {
        self.until.is_some()
    }
}

/// The queue and its servers, by name.
#[derive(Debug)]
pub(super) struct Queue {
    now: f64,
    next_arrival: f64,
    waiting: VecDeque<f64>,
    pub(super) workers: BTreeMap<String, Worker>,
    random: Random,
    pub(super) arrivals: u64,
    /// As `arrivals`, and never set back.
    pub(super) total_arrivals: u64,
    pub(super) late: u64,
    /// Busy seconds of servers that are gone do not count, so this is of those that are there.
    measured: (f64, f64),
}

impl Queue {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: 0.0,
            next_arrival: 0.0,
            waiting: VecDeque::new(),
            workers: BTreeMap::new(),
            random: Random::new(seed),
            arrivals: 0,
            total_arrivals: 0,
            late: 0,
            measured: (0.0, 0.0),
        }
    }

    pub(super) fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Busy seconds of all servers up to now, those of requests under way included.
    pub(super) fn busy_seconds(&self) -> f64 {
        let of = |it: &Worker| it.busy_seconds + it.until.map_or(0.0, |_| self.now - it.began);
        self.workers.values().map(of).sum()
    }

    /// Busy time over possible time since the last asking, from 0 to 1.
    pub(super) fn utilisation(&mut self) -> f64 {
        let measured = (self.now, self.busy_seconds());
        let (then, before) = std::mem::replace(&mut self.measured, measured);
        let live = self.workers.values().filter(|it| !it.drains).count().max(1) as f64;
        let span = (self.now - then).max(0.001);
        ((self.measured.1 - before) / (span * live)).clamp(0.0, 1.0)
    }

    /// Lets time pass until `end`.
    pub(super) fn run_until(&mut self, end: f64, scenario: &Scenario, factor: f64) {
        self.run_shifted(end, 0.0, scenario, factor);
    }

    /// Lets time pass until `end`; the scenario began at `start`.
    pub(super) fn run_shifted(&mut self, end: f64, start: f64, scenario: &Scenario, factor: f64) {
        self.serve();
        loop {
            let done = self
                .workers
                .iter()
                .filter_map(|(name, worker)| Some((worker.until?, name)))
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(at, name)| (at, name.clone()));
            let (at, done) = match done {
                Some((at, name)) if at <= self.next_arrival => (at, Some(name)),
                Some(_) | None => (self.next_arrival, None),
            };
            if at > end {
                self.now = end;
                return;
            }
            self.now = at;
            match done {
                Some(name) => {
                    if let Some(worker) = self.workers.get_mut(&name) {
                        worker.until = None;
                        worker.responses += 1;
                        worker.busy_seconds += at - worker.began;
                    }
                }
                None => {
                    self.arrivals += 1;
                    self.total_arrivals += 1;
                    self.waiting.push_back(at);
                    let mean = 1.0 / (scenario.rate(at - start) * factor);
                    self.next_arrival = at + self.random.exponential(mean);
                }
            }
            self.serve();
        }
    }

    /// Gives waiting requests to idle servers.
    fn serve(&mut self) {
        for worker in self.workers.values_mut() {
            if worker.until.is_some() || worker.drains {
                continue;
            }
            let Some(arrived) = self.waiting.pop_front() else {
                return;
            };
            self.late += u64::from(self.now - arrived > LATE_SECONDS);
            worker.began = self.now;
            worker.until = Some(self.now + self.random.exponential(SERVICE_SECONDS));
        }
    }
}
