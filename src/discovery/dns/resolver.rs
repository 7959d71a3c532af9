//! The questions that are under way: which server is asked, by which transport, and until when.
//!
//! Each attempt has an id of its own and, by its caller, a socket of its own with a port of the
//! system's choice, so that a reply that was made up would have to guess both (RFC 5452). Bytes
//! that are no reply to the question are ignored, and the time for the server goes on. A truncated
//! reply is asked for again by TCP (RFC 7766).
//!
//! The server that replied last is asked first: a dead one costs its timeout once, not each time.

use super::conf::ResolverConf;
use super::wire::{self, Question, Record, Reply};
use crate::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// Names an attempt: a question at one server by one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueryId(pub(crate) u64);

/// What the caller is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Sends a datagram from a new socket.
    Datagram(QueryId, SocketAddr, Vec<u8>),
    /// Sends a message on a new TCP connection, behind its length in two bytes.
    Stream(QueryId, SocketAddr, Vec<u8>),
    /// Closes the socket of an attempt.
    Close(QueryId),
}

/// The end of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// At least one record, and the seconds for which all are valid.
    Found(Vec<Record>, u32),
    /// The name does not exist, or has no such record.
    Nothing,
    /// No server said either.
    Failed(String),
}

#[derive(Debug)]
struct Query {
    question: Question,
    /// Of the DNS.
    id: u16,
    by_tcp: bool,
    server: SocketAddr,
    deadline: Timestamp,
    /// Servers that were asked, this one included.
    asked: usize,
    /// The place among the servers at which it began.
    first: usize,
}

/// All questions that are under way.
#[derive(Debug)]
pub(crate) struct Resolver {
    conf: ResolverConf,
    queries: BTreeMap<QueryId, Query>,
    next: u64,
    /// The server that is asked first.
    preferred: usize,
    /// Makes ids that cannot be foreseen.
    random: fn() -> u64,
    acts: VecDeque<Act>,
    answers: VecDeque<(Question, Answer)>,
}

impl Resolver {
    pub(crate) fn new(conf: ResolverConf, random: fn() -> u64) -> Self {
        Self {
            conf,
            queries: BTreeMap::new(),
            next: 0,
            preferred: 0,
            random,
            acts: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }

    pub(super) const fn conf(&self) -> &ResolverConf {
        &self.conf
    }

    /// Asks by this configuration from now on.
    pub(crate) fn set_conf(&mut self, conf: ResolverConf) {
        if self.conf != conf {
            self.conf = conf;
            self.preferred = 0;
        }
    }

    /// Asks a question, unless it is asked already.
    pub(super) fn ask(&mut self, question: Question, now: Timestamp) {
        if self.queries.values().any(|it| it.question == question) {
            return;
        }
        if self.conf.rotates {
            self.preferred = self.preferred.wrapping_add(1);
        }
        let first = self.preferred;
        self.attempt(question, first, 0, None, now);
    }

    /// Asks the next server, if there is one to be asked.
    fn attempt(
        &mut self,
        question: Question,
        first: usize,
        asked: usize,
        problem: Option<String>,
        now: Timestamp,
    ) {
        let servers = &self.conf.servers;
        let place = first.wrapping_add(asked) % servers.len().max(1);
        let server = servers.get(place).copied();
        let is_over = asked >= servers.len() * self.conf.attempts;
        let Some(server) = server.filter(|_| !is_over) else {
            let problem = problem.unwrap_or_else(|| "there is no server to ask".to_owned());
            return self.answers.push_back((question, Answer::Failed(problem)));
        };
        let query = Query {
            question,
            id: 0,
            by_tcp: false,
            server,
            deadline: now,
            asked: asked + 1,
            first,
        };
        self.send(query, now);
    }

    fn send(&mut self, mut query: Query, now: Timestamp) {
        query.id = (self.random)() as u16;
        query.deadline = now + self.conf.timeout;
        let Some(bytes) = wire::write(&query.question, query.id) else {
            let problem = "not a name that can be asked for".to_owned();
            return self
                .answers
                .push_back((query.question, Answer::Failed(problem)));
        };
        let (id, server) = (QueryId(self.next), query.server);
        self.next += 1;
        self.acts.push_back(match query.by_tcp {
            false => Act::Datagram(id, server, bytes),
            true => Act::Stream(id, server, bytes),
        });
        self.queries.insert(id, query);
    }

    /// Bytes have come for an attempt: a datagram, or a message of a stream.
    pub(crate) fn received(&mut self, id: QueryId, bytes: &[u8], now: Timestamp) {
        let Some(query) = self.queries.get(&id) else {
            return;
        };
        // What is none is ignored: the reply may still come.
        let Some(reply) = wire::read(bytes, query.id, &query.question) else {
            return;
        };
        let Some(mut query) = self.take(id) else {
            return;
        };
        let answer = match reply {
            Reply::Truncated if !query.by_tcp => {
                query.by_tcp = true;
                return self.send(query, now);
            }
            Reply::Truncated => return self.go_on(query, "its reply is cut short", now),
            Reply::Failed(problem) => return self.go_on(query, &problem, now),
            Reply::Found(records, ttl) => Answer::Found(records, ttl),
            Reply::Nothing => Answer::Nothing,
        };
        if !self.conf.rotates {
            let servers = self.conf.servers.iter();
            let place = servers.clone().position(|it| *it == query.server);
            self.preferred = place.unwrap_or(0);
        }
        self.answers.push_back((query.question, answer));
    }

    /// An attempt has failed: its socket could not be made, or broke.
    pub(crate) fn failed(&mut self, id: QueryId, problem: &str, now: Timestamp) {
        if let Some(query) = self.take(id) {
            self.go_on(query, problem, now);
        }
    }

    /// Ends attempts whose time is over.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let due = self.queries.iter();
        let due: Vec<_> = due
            .filter(|(_, query)| query.deadline <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.failed(id, "no reply in time", now);
        }
    }

    /// When the next attempt's time is over.
    pub(crate) fn next_wakeup(&self) -> Timestamp {
        let deadlines = self.queries.values().map(|query| query.deadline);
        deadlines.min().unwrap_or(Timestamp::NEVER)
    }

    fn take(&mut self, id: QueryId) -> Option<Query> {
        let query = self.queries.remove(&id)?;
        self.acts.push_back(Act::Close(id));
        Some(query)
    }

    fn go_on(&mut self, query: Query, problem: &str, now: Timestamp) {
        let problem = format!("{}: {problem}", query.server);
        self.attempt(query.question, query.first, query.asked, Some(problem), now);
    }

    /// What the caller is to do next.
    pub(crate) fn next_act(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    pub(super) fn next_answer(&mut self) -> Option<(Question, Answer)> {
        self.answers.pop_front()
    }
}
