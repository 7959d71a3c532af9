//! One simulated server: what it works on, what waits there, and when the next job is done.
//!
//! All jobs in service get work at the same rate, so one number, the work that a job has been
//! given that was in service from the beginning (`given`), says how far all of them are: a job of
//! size `s` is done when `given` has grown by `s`. A change of rate, of the number of jobs or of
//! the condition then costs one addition, whatever the discipline.

use super::scenario::{Discipline, ServerGroup};
use crate::time::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Names the request that a job is for. Ordered by when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct JobId {
    /// Different for every request.
    pub(super) serial: u64,
    /// Its place while it is open.
    pub(super) slot: usize,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: JobId,
    work: f64,
}

/// A server. Times are virtual, work is in seconds at speed 1.
#[derive(Debug)]
pub(super) struct Server {
    workers: usize,
    /// Jobs in service at once.
    room: usize,
    speed: f64,
    pace: f64,
    /// Jobs in service, by the value of `given` at which they are done. The numbers are positive
    /// floats, whose bits are in the order of their values.
    serving: BinaryHeap<Reverse<(u64, JobId)>>,
    waiting: VecDeque<Waiting>,
    waiting_work: f64,
    given: f64,
    since: Timestamp,
    /// Counts what made the time of the next end another one.
    version: u64,
}

impl Server {
    pub(super) fn new(group: &ServerGroup) -> Self {
        Self {
            workers: group.workers,
            room: match group.discipline {
                Discipline::Fifo => group.workers,
                Discipline::Sharing => usize::MAX,
            },
            speed: group.speed,
            pace: 1.0,
            serving: BinaryHeap::new(),
            waiting: VecDeque::new(),
            waiting_work: 0.0,
            given: 0.0,
            since: Timestamp::ZERO,
            version: 0,
        }
    }

    /// Takes a job.
    pub(super) fn take(&mut self, id: JobId, work: f64, now: Timestamp) {
        if self.serving.len() < self.room {
            self.advance(now);
            self.serve(id, work);
        } else {
            self.waiting_work += work;
            self.waiting.push_back(Waiting { id, work });
        }
    }

    /// Ends the job that is done now, and begins the next.
    pub(super) fn end(&mut self, now: Timestamp) -> Option<JobId> {
        self.since = now;
        self.version += 1;
        let Reverse((done_at, ended)) = self.serving.pop()?;
        self.given = f64::from_bits(done_at);
        if let Some(next) = self.waiting.pop_front() {
            self.waiting_work -= next.work;
            self.serve(next.id, next.work);
        } else if self.serving.is_empty() {
            // Nothing depends on the numbers: begin anew before their grain shows.
            (self.given, self.waiting_work) = (0.0, 0.0);
        }
        Some(ended)
    }

    /// Works at this share of its speed from now on.
    pub(super) fn set_pace(&mut self, pace: f64, now: Timestamp) {
        self.advance(now);
        self.pace = pace;
    }

    /// Returns when the next job is done, if nothing changes, and under which version that is true.
    pub(super) fn next_end(&self) -> Option<(Timestamp, u64)> {
        let Reverse((done_at, _)) = self.serving.peek()?;
        let rate = self.rate();
        if rate <= 0.0 {
            return None;
        }
        let left_s = (f64::from_bits(*done_at) - self.given).max(0.0) / rate;
        let end = self.since + Duration::try_from_secs_f64(left_s).ok()?;
        Some((end, self.version))
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// Seconds until a job of this size would be done if it came now and nothing came after it.
    /// Takes the sizes of all jobs to know. It is exact for one worker; for several it spreads the
    /// work evenly over them.
    pub(super) fn would_take_s(&self, work: f64, now: Timestamp) -> f64 {
        let given = self.given_at(now);
        let left = self.serving.iter().map(|Reverse((done_at, _))| {
            let left = f64::from_bits(*done_at) - given;
            match self.room {
                // Sharing: a longer job delays this one only until this one is done.
                usize::MAX => left.min(work),
                _ => left,
            }
        });
        let busy = self.serving.len() >= self.workers;
        let before: f64 = left.sum::<f64>() + self.waiting_work;
        let ahead = if busy { before } else { 0.0 };
        (ahead / self.workers as f64 + work) / (self.speed * self.pace)
    }

    /// Work a second that each job in service gets.
    fn rate(&self) -> f64 {
        let share = match self.serving.len() {
            jobs if jobs > self.workers => self.workers as f64 / jobs as f64,
            _ => 1.0,
        };
        self.speed * self.pace * share
    }

    fn given_at(&self, now: Timestamp) -> f64 {
        match self.serving.len() {
            0 => self.given,
            _ => self.given + self.rate() * now.since(self.since).as_secs_f64(),
        }
    }

    /// Makes the present the beginning of something new.
    fn advance(&mut self, now: Timestamp) {
        self.given = self.given_at(now);
        self.since = now;
        self.version += 1;
    }

    fn serve(&mut self, id: JobId, work: f64) {
        let done_at = self.given + work;
        self.serving.push(Reverse((done_at.to_bits(), id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    fn job(serial: u64) -> JobId {
        JobId { serial, slot: 0 }
    }

    fn server(discipline: Discipline, workers: usize) -> Server {
        Server::new(&ServerGroup {
            discipline,
            workers,
            ..ServerGroup::default()
        })
    }

    /// Ends everything; returns which job ended when, in milliseconds.
    fn run_out(server: &mut Server) -> Vec<(u64, f64)> {
        let mut ended = Vec::new();
        while let Some((now, _)) = server.next_end() {
            let id = server.end(now).unwrap();
            ended.push((id.serial, (now.as_nanos() as f64 / 1e4).round() / 100.0));
        }
        ended
    }

    #[test]
    fn in_order_each_waits_for_those_before() {
        let mut server = server(Discipline::Fifo, 1);
        server.take(job(1), 0.030, at(0));
        server.take(job(2), 0.010, at(5));
        assert!((server.would_take_s(0.001, at(10)) - 0.031).abs() < 1e-9);
        assert_eq!(run_out(&mut server), [(1, 30.0), (2, 40.0)]);
    }

    #[test]
    fn two_workers_work_on_two() {
        let mut server = server(Discipline::Fifo, 2);
        for (id, work) in [(1, 0.030), (2, 0.010), (3, 0.010)] {
            server.take(job(id), work, at(0));
        }
        assert_eq!(run_out(&mut server), [(2, 10.0), (3, 20.0), (1, 30.0)]);
    }

    #[test]
    fn sharing_lets_the_short_overtake() {
        let mut server = server(Discipline::Sharing, 1);
        server.take(job(1), 0.030, at(0));
        server.take(job(2), 0.010, at(10));
        // From 10 ms each gets half: the short one is done after 20 ms more.
        assert!((server.would_take_s(0.005, at(10)) - 0.015).abs() < 1e-9);
        assert_eq!(run_out(&mut server), [(2, 30.0), (1, 40.0)]);
    }

    #[test]
    fn a_change_of_pace_counts_from_when_it_happens() {
        let mut server = server(Discipline::Fifo, 1);
        server.take(job(1), 0.010, at(0));
        server.set_pace(0.0, at(4));
        assert_eq!(server.next_end(), None, "it stalls");
        server.set_pace(0.5, at(100));
        assert_eq!(run_out(&mut server), [(1, 112.0)]);
    }

    #[test]
    fn an_end_that_was_foreseen_is_void_after_a_change() {
        let mut server = server(Discipline::Sharing, 1);
        server.take(job(1), 0.010, at(0));
        let (_, version) = server.next_end().unwrap();
        server.take(job(2), 0.010, at(1));
        assert_ne!(server.version(), version);
    }
}
