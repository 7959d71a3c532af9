//! From a request to a server, as in the balancer, and back: a request that comes while others wait
//! waits behind them, and whenever there may be room again, the first in line goes first.

use super::{Engine, Event, Open};
use crate::simulate::balancers::Ticket;
use crate::simulate::explanation::Explanation;
use crate::simulate::line::Request;
use crate::simulate::server::JobId;
use crate::strategy::Outcome;
use std::time::Duration;

/// The result of looking for a server.
enum Sent {
    /// It was sent, or no server is left and it has failed.
    Settled,
    /// The eligible servers are at their limits.
    AllFull(Request),
}

impl Engine<'_> {
    /// A request has come.
    pub(super) fn take(&mut self, request: Request) {
        let balancer = request.demand.balancer;
        self.serve_line(balancer);
        let is_first = self.lines.get(balancer).is_none_or(|line| line.is_empty());
        match is_first {
            true => match self.send(request) {
                Sent::Settled => {}
                Sent::AllFull(request) => self.join_line(request),
            },
            false => self.join_line(request),
        }
    }

    /// Gives free places at a balancer to its waiting requests.
    pub(super) fn serve_line(&mut self, balancer: usize) {
        while let Some(request) = self.lines.get_mut(balancer).and_then(|line| line.first()) {
            if let Sent::AllFull(request) = self.send(request) {
                if let Some(line) = self.lines.get_mut(balancer) {
                    line.put_back(request);
                }
                return;
            }
        }
    }

    /// The request of this number has waited as long as it may.
    pub(super) fn leave_line(&mut self, balancer: usize, number: u64) {
        let line = self.lines.get_mut(balancer);
        if let Some(request) = line.and_then(|line| line.leave(number)) {
            self.fail(&request);
        }
    }

    fn join_line(&mut self, request: Request) {
        let balancer = request.demand.balancer;
        let Some(line) = self.lines.get_mut(balancer) else {
            return;
        };
        match line.join(request) {
            Ok((number, patience)) => {
                let leave = Event::Leave { balancer, number };
                self.schedule(self.now + patience, leave);
            }
            Err(request) => self.fail(&request),
        }
    }

    fn fail(&mut self, request: &Request) {
        self.tally.failed(self.now.since(request.came_at));
        self.ask_again();
    }

    /// Sends a request to a server that accepts it, if one can be found.
    fn send(&mut self, mut request: Request) -> Sent {
        while request.tried.len() <= self.retries as usize {
            let Some(ticket) = self.choose(&request) else {
                if self.balancers.is_full(&request.demand, &request.tried) {
                    return Sent::AllFull(request);
                }
                break;
            };
            let condition = self.servers.get(ticket.server).map(|it| it.condition);
            if condition.is_some_and(|condition| !condition.refuses) {
                self.begin(request, ticket);
                return Sent::Settled;
            }
            let outcome = Outcome::Unreachable;
            let refused = self
                .balancers
                .settle(&request.demand, ticket, outcome, self.now);
            match refused {
                Some(refused) => request.tried.push(refused),
                None => break, // the oracle knows that all refuse
            }
        }
        self.fail(&request);
        Sent::Settled
    }

    fn choose(&mut self, request: &Request) -> Option<Ticket> {
        let (balancers, now) = (&mut self.balancers, self.now);
        let demand = &request.demand;
        let line = self.lines.get(demand.balancer);
        let waiting = line.map_or(0, |line| line.len() + 1);
        let ratings = match self.explain {
            Some(pick) if pick == balancers.picks() + 1 => balancers.explain(demand, now),
            _ => None,
        };
        let ticket = balancers.choose(demand, &request.tried, waiting, &self.servers, now)?;
        self.tally.chosen(ticket.server, now);
        if let Some(ratings) = ratings {
            self.explanation = Some(Explanation {
                at: now,
                balancer: demand.balancer,
                chosen: ticket.server,
                ratings,
            });
        }
        Some(ticket)
    }

    /// A server accepts a request: it works on it, or will respond with an error.
    fn begin(&mut self, request: Request, ticket: Ticket) {
        let (serial, server, demand) = (self.next_serial, ticket.server, request.demand);
        self.next_serial += 1;
        let slot = self.open.insert(Open {
            serial,
            request,
            ticket,
            sent_at: self.now,
        });
        let job = JobId { serial, slot };
        self.deadlines.push_back((self.now + self.timeout, job));
        let latency = self.latency(server);
        let condition = self.servers.get(server).map(|it| it.condition);
        if let Some(condition) = condition.filter(|it| demand.luck <= it.fail_rate) {
            let fails_after = Duration::from_secs_f64(condition.fail_after_s);
            self.schedule(self.now + latency * 2 + fails_after, Event::Error { job });
            return;
        }
        match latency {
            Duration::ZERO => self.reach(server, job),
            _ => self.schedule(self.now + latency, Event::Reach { server, job }),
        }
    }

    /// The time from a balancer to a server, or back.
    pub(super) fn latency(&self, server: usize) -> Duration {
        let millis = self.groups.get(server).map_or(0.0, |it| it.latency_ms);
        Duration::from_secs_f64(millis * 1e-3)
    }

    /// A request has come to its server, unless it was given up on the way.
    pub(super) fn reach(&mut self, server: usize, job: JobId) {
        let Some(work) = self.find(job).map(|open| open.request.demand.work) else {
            return;
        };
        let Some(watched) = self.servers.get_mut(server) else {
            return;
        };
        let version = watched.server.version();
        watched.server.take(job, work, self.now);
        if watched.server.version() != version {
            self.foresee(server);
        }
    }

    /// A good response has come to its balancer.
    pub(super) fn respond(&mut self, job: JobId) {
        if let Some(open) = self.find(job) {
            let response_time = Some(self.now.since(open.sent_at));
            self.conclude(job, Outcome::Success { response_time });
        }
    }
}
