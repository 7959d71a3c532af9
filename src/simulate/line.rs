//! Requests that wait at a balancer because every server is at its limit: first come, first served,
//! and none for longer than the scenario allows.

use super::scenario::Scenario;
use super::traffic::Demand;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// A request that was not sent yet.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) demand: Demand,
    pub(super) came_at: Timestamp,
    /// The servers that refused it.
    pub(super) tried: Vec<BackendId>,
}

impl Request {
    pub(super) const fn new(demand: Demand, came_at: Timestamp) -> Self {
        Self {
            demand,
            came_at,
            tried: Vec::new(),
        }
    }
}

/// The line at one balancer.
#[derive(Clone, Debug)]
pub(super) struct Line {
    waiting: VecDeque<Request>,
    /// The number of the first; each that joins has the next.
    first: u64,
    limit: usize,
    patience: Duration,
}

impl Line {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            waiting: VecDeque::new(),
            first: 0,
            limit: scenario.queue_limit,
            patience: Duration::from_secs_f64(scenario.queue_timeout_s),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Joins the end. Returns its number and how long it may wait; the request itself if there
    /// is no place.
    pub(super) fn join(&mut self, request: Request) -> Result<(u64, Duration), Request> {
        if self.waiting.len() >= self.limit {
            return Err(request);
        }
        self.waiting.push_back(request);
        Ok((self.first + self.waiting.len() as u64 - 1, self.patience))
    }

    /// Takes out the request that has waited longest.
    pub(super) fn first(&mut self) -> Option<Request> {
        let request = self.waiting.pop_front()?;
        self.first += 1;
        Some(request)
    }

    /// Puts back the request taken out last.
    pub(super) fn put_back(&mut self, request: Request) {
        self.first -= 1;
        self.waiting.push_front(request);
    }

    /// Takes out the request of this number, if it still waits. All may wait equally long, so it
    /// is the first.
    pub(super) fn leave(&mut self, number: u64) -> Option<Request> {
        if self.first == number {
            self.first()
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::tests::written;

    fn request(key: u64) -> Request {
        let demand = Demand {
            work: 1.0,
            balancer: 0,
            worker: 0,
            key,
            luck: 1.0,
        };
        Request::new(demand, Timestamp::ZERO)
    }

    #[test]
    fn numbers_name_waiting_requests_only() {
        let mut line = Line::new(&written(
            "arrivals = { kind = \"steady\", load = 0.5 }\nservers = [{}]\nqueue_limit = 2\n\
             service = { kind = \"constant\", ms = 1.0 }\nqueue_timeout_s = 3.0",
        ));
        let three_seconds = Duration::from_secs(3);
        assert_eq!(line.join(request(7)).unwrap(), (0, three_seconds));
        assert_eq!(line.join(request(8)).unwrap(), (1, three_seconds));
        assert_eq!(line.join(request(9)).unwrap_err().demand.key, 9);
        let first = line.first().unwrap();
        assert_eq!(first.demand.key, 7);
        line.put_back(first);
        assert!(line.leave(1).is_none());
        assert_eq!(line.leave(0).unwrap().demand.key, 7);
        assert!(line.leave(0).is_none());
        assert_eq!(line.join(request(9)).unwrap().0, 2);
        assert_eq!(line.leave(1).unwrap().demand.key, 8);
        assert_eq!(line.first().unwrap().demand.key, 9);
        assert!(line.is_empty() && line.first().is_none());
    }
}
