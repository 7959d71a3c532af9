//! Requests that wait for an answer: each is sent twice, the second time after a longer wait,
//! before its peer counts as lost.
//!
//! Owns the random request numbers and the deadlines. Bounded by [`MAX_CALLS`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::addr::{Names, Peer};
use crate::id::Id;
use crate::message::{Bytes, Request};
use crate::time::Timestamp;
use std::sync::Arc;

const MAX_CALLS: usize = 8192;
const MAX_ATTEMPTS: u8 = 2;

/// What is sent, and what answers it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    /// One of our own; a reply with its number answers it.
    Own(Request),
    /// Whether a peer of any kind is alive: Ping, if it may know that, and PREDECESSOR. Pong or
    /// STABILIZE answers it.
    Probe,
    /// SUCCESSOR; a SUCCESSOR_REP for the same id answers it.
    Successor(Id),
    /// PUT with this node as the client; ACK or NACK answers it.
    Put(Arc<str>, Bytes),
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Call<P> {
    pub(crate) to: Peer,
    pub(crate) ask: Ask,
    pub(crate) purpose: P,
    attempts: u8,
    timeout: Duration,
    deadline: Timestamp,
    /// STABILIZE has answered a probe; Pong still may.
    is_half: bool,
}

#[derive(Debug)]
pub(crate) struct Calls<P> {
    calls: BTreeMap<u64, Call<P>>,
    due: BTreeSet<(Timestamp, u64)>,
    random: ChaCha8Rng,
}

/// What became of a call whose time was up.
pub(crate) enum Expired<P> {
    /// To be sent again.
    Again(u64, Peer, Ask),
    /// Answered by STABILIZE, but not by Pong.
    Half(Peer),
    /// Given up.
    Failed(Call<P>),
}

impl<P> Calls<P> {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            calls: BTreeMap::new(),
            due: BTreeSet::new(),
            random: ChaCha8Rng::from_seed(seed),
        }
    }

    /// A number that nobody can guess.
    pub(crate) fn random(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// Notes a call that is being sent, and gives its number; none if there are too many.
    pub(crate) fn start(
        &mut self,
        to: Peer,
        ask: Ask,
        purpose: P,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<u64, P> {
        if self.calls.len() >= MAX_CALLS {
            return Err(purpose);
        }
        let req = self.random();
        let deadline = now + timeout;
        self.due.insert((deadline, req));
        self.calls.insert(
            req,
            Call {
                to,
                ask,
                purpose,
                attempts: 1,
                timeout,
                deadline,
                is_half: false,
            },
        );
        Ok(req)
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn next_deadline(&self) -> Timestamp {
        self.due.first().map_or(Timestamp::NEVER, |(at, _)| *at)
    }

    /// Takes a call whose time is up.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Option<Expired<P>> {
        let (deadline, req) = *self.due.first()?;
        if now < deadline {
            return None;
        }
        self.due.pop_first();
        let mut call = self.calls.remove(&req)?;
        if call.is_half {
            return Some(Expired::Half(call.to));
        }
        if call.attempts >= MAX_ATTEMPTS {
            return Some(Expired::Failed(call));
        }
        call.attempts += 1;
        call.timeout *= 2;
        call.deadline = now + call.timeout;
        self.due.insert((call.deadline, req));
        let again = Expired::Again(req, call.to.clone(), call.ask.clone());
        self.calls.insert(req, call);
        Some(again)
    }

    /// The call that a reply of our own answers: the number is right, and it comes from where the
    /// request went.
    pub(crate) fn replied(
        &mut self,
        req: u64,
        source: SocketAddr,
        is_stream: bool,
        names: &Names,
    ) -> Option<Call<P>> {
        let call = self.calls.get(&req)?;
        // By TCP the port is not that of the node, but the number is as hard to guess.
        if !is_stream && !names.is_from(&call.to.addr, source) {
            return None;
        }
        self.take(req)
    }

    /// The peer that a STABILIZE from there was asked of, and what for. The call goes on until Pong
    /// comes or its time is up, so that the peer's kind is known.
    pub(crate) fn stabilized(&mut self, source: SocketAddr, names: &Names) -> Option<(Peer, P)>
    where
        P: Clone,
    {
        let found = self.calls.values_mut().find(|call| {
            call.ask == Ask::Probe && !call.is_half && names.is_from(&call.to.addr, source)
        })?;
        found.is_half = true;
        Some((found.to.clone(), found.purpose.clone()))
    }

    /// The call that an ACK or NACK from there answers.
    pub(crate) fn acknowledged(&mut self, source: SocketAddr, names: &Names) -> Option<Call<P>> {
        self.answered(|call| {
            matches!(call.ask, Ask::Put(..)) && names.is_from(&call.to.addr, source)
        })
    }

    /// A call that a SUCCESSOR_REP for this id answers.
    pub(crate) fn found_successor(&mut self, id: Id) -> Option<Call<P>> {
        self.answered(|call| call.ask == Ask::Successor(id))
    }

    /// Whether one to this peer for such a purpose is on its way.
    pub(crate) fn any(&self, is_it: impl Fn(&Call<P>) -> bool) -> bool {
        self.calls.values().any(is_it)
    }

    /// How many there are of a kind.
    pub(crate) fn count(&self, is_it: impl Fn(&Call<P>) -> bool) -> usize {
        self.calls.values().filter(|call| is_it(call)).count()
    }

    fn answered(&mut self, is_it: impl Fn(&Call<P>) -> bool) -> Option<Call<P>> {
        let req = self.calls.iter().find(|(_, call)| is_it(call))?.0;
        self.take(*req)
    }

    fn take(&mut self, req: u64) -> Option<Call<P>> {
        let call = self.calls.remove(&req)?;
        self.due.remove(&(call.deadline, req));
        Some(call)
    }
}
