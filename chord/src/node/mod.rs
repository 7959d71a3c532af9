//! One node of the ring: messages and `now` go in, messages and events come out.
//!
//! [`Node`] owns the parts and hands each input to the file that knows what it means: `receive`
//! (who said what), `join`, `stabilize` (links), `route` (lookups), `serve` (operations of
//! clients), `replicate` (writes, copies, handing over), `depart`, `report`. The parts know
//! nothing of each other. It has no socket and no clock.
//!
//! Invariants: no address is a link before it has answered a request of ours; every call is
//! answered or given up in bounded time; every table has a limit.

mod budget;
mod calls;
mod depart;
mod join;
mod links;
mod lookups;
mod loops;
mod operations;
mod peers;
mod receive;
mod replicate;
mod report;
mod route;
mod serve;
mod stabilize;
mod store;
mod sync;

use std::sync::Arc;
use std::time::Duration;

use crate::addr::Peer;
use crate::config::Config;
use crate::message::{Hop, Message, Phase, Request};
use crate::output::{Cx, Event, Source};
use crate::time::Timestamp;

use budget::Budget;
use calls::{Ask, Call, Calls, Expired};
use join::Join;
use links::Links;
use lookups::{Lookups, Why};
use loops::LoopGuard;
use operations::Operations;
use peers::{Kind, Peers};
use replicate::Writes;
use store::Store;
use sync::{Sync, Task};

pub use report::Snapshot;

/// What a call is for.
#[derive(Clone, Debug, PartialEq)]
enum Purpose {
    /// The successor's links.
    Stabilize,
    /// The successors of one that follows a plain successor.
    Beyond,
    /// Whether one that may be our successor is alive.
    Successor,
    /// Whether one that takes itself for our predecessor is alive.
    Predecessor,
    /// Whether our predecessor is still alive.
    CheckPredecessor,
    /// Whether the successor told to us as a newcomer is alive.
    Join,
    /// Whether a lost peer is back; that it answers at all tells.
    Revive,
    /// The next step of a lookup.
    Step(u64),
    /// A client's operation, at the owner.
    Serve(u64),
    /// A copy that a write waits for.
    Copy(u64),
    /// Keeping replicas alike.
    Sync(Task),
    /// Telling a neighbour that we leave.
    Farewell,
}

/// A node.
pub(crate) struct Node {
    config: Arc<Config>,
    me: Peer,
    phase: Phase,
    join: Join,
    links: Links,
    peers: Peers,
    calls: Calls<Purpose>,
    lookups: Lookups,
    operations: Operations,
    writes: Writes,
    store: Store,
    sync: Sync,
    loops: LoopGuard,
    /// For comparing with strangers, and for telling clients the state.
    compares: Budget,
    tells: Budget,
    rounds: stabilize::Rounds,
    departure: depart::Departure,
    counters: report::Counters,
}

impl Node {
    /// A node that is alone, or is about to join if the configuration says by which.
    pub(crate) fn new(
        config: Arc<Config>,
        vnode: u16,
        join_siblings: bool,
        now: Timestamp,
    ) -> Self {
        let me = Peer::new(config.space, config.addr.clone(), vnode);
        let mut seed = config.seed;
        let [low, high] = vnode.to_le_bytes();
        seed[0] ^= low;
        seed[1] ^= high;
        let is_first = config.join.is_empty() && !join_siblings;
        let kind = if config.is_course() {
            Kind::Unknown
        } else {
            Kind::Extended
        };
        Self {
            phase: if is_first {
                Phase::Member
            } else {
                Phase::Joining
            },
            join: Join::new(now),
            links: Links::alone(me.clone(), config.space, config.successors),
            peers: Peers::new(kind),
            calls: Calls::new(seed),
            lookups: Lookups::default(),
            operations: Operations::default(),
            writes: Writes::default(),
            store: Store::new(config.space, config.max_keys, config.max_bytes),
            sync: Sync::default(),
            loops: LoopGuard::default(),
            compares: Budget::default(),
            tells: Budget::default(),
            rounds: stabilize::Rounds::new(now + config.stabilize_interval),
            departure: depart::Departure::default(),
            counters: report::Counters::default(),
            me,
            config,
        }
    }

    pub(crate) const fn me(&self) -> &Peer {
        &self.me
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Takes a message.
    pub(crate) fn receive(&mut self, source: Source, message: Message, cx: &mut Cx<'_>) {
        match message {
            Message::Course(message) => self.receive_course(source, message, cx),
            Message::Own(own) => self.receive_own(source, own, cx),
        }
        self.pump(cx);
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, cx: &mut Cx<'_>) {
        while let Some(expired) = self.calls.expire(cx.now) {
            match expired {
                Expired::Again(req, to, ask) => self.send_ask(req, &to, &ask, cx),
                Expired::Half(peer) => self.peers.was_silent(&peer),
                Expired::Failed(call) => self.call_failed(call, cx),
            }
        }
        self.tick_operations(cx);
        match self.phase {
            Phase::Joining => self.tick_join(cx),
            Phase::Member => self.tick_stabilize(cx),
            Phase::Leaving => self.tick_departure(cx),
            Phase::Gone => {}
        }
        self.pump(cx);
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn next_deadline(&self) -> Timestamp {
        let phase = match self.phase {
            Phase::Joining => self.join.next,
            Phase::Member => self.rounds.next,
            Phase::Leaving => self.departure.deadline,
            Phase::Gone => Timestamp::NEVER,
        };
        phase
            .min(self.calls.next_deadline())
            .min(self.operations.next_deadline())
    }

    /// Starts a lookup for the caller of the library.
    pub(crate) fn lookup(&mut self, token: u64, target: crate::id::Id, cx: &mut Cx<'_>) {
        self.start_lookup(target, Why::Token(token), Vec::new(), cx);
    }

    /// Sends a request and waits for its answer.
    fn call(&mut self, to: &Peer, ask: Ask, purpose: Purpose, cx: &mut Cx<'_>) {
        let timeout = match &ask {
            // The owner itself waits for its replicas.
            Ask::Own(Request::Store { .. }) => self.config.request_timeout * 2,
            // Passed along by peers that do not repeat it.
            Ask::Successor(_) | Ask::Put(..) => self.config.request_timeout * 2,
            _ => self.config.request_timeout,
        };
        let started = self
            .calls
            .start(to.clone(), ask.clone(), purpose, timeout, cx.now);
        match started {
            Ok(req) => self.send_ask(req, to, &ask, cx),
            Err(purpose) => self.purpose_failed(to, purpose, cx),
        }
    }

    fn send_ask(&mut self, req: u64, to: &Peer, ask: &Ask, cx: &mut Cx<'_>) {
        use crate::message::Course;
        match ask {
            Ask::Own(request) => cx.request(to, req, request.clone()),
            Ask::Probe => {
                // First, so that a peer that knows both is known to.
                if self.peers.is_pingable(to) || self.rounds.count.is_multiple_of(8) {
                    cx.request(to, req, Request::Ping);
                }
                if self.config.is_course() {
                    cx.course(&to.addr, Course::Predecessor);
                }
            }
            Ask::Successor(id) => {
                let from = self.me.addr.clone();
                cx.course(&to.addr, Course::Successor { id: *id, from });
            }
            Ask::Put(key, value) => {
                let (key, value) = (key.clone(), value.clone());
                let from = Some(self.me.addr.clone());
                cx.course(&to.addr, Course::Put { key, value, from });
            }
        }
    }

    /// The way to find out whether a peer is alive.
    fn probe(&mut self, peer: &Peer, purpose: Purpose, cx: &mut Cx<'_>) {
        let ask = match self.peers.kind(peer) {
            Kind::Extended => Ask::Own(Request::Ping),
            Kind::Plain | Kind::Unknown => Ask::Probe,
        };
        self.call(peer, ask, purpose, cx);
    }

    /// A peer has answered.
    fn heard(&mut self, peer: &Peer, is_extended: bool, cx: &mut Cx<'_>) {
        if self.peers.heard(peer, is_extended, cx.now) {
            cx.event(Event::Back(peer.clone()));
            self.revived(peer, cx);
        }
    }

    fn call_failed(&mut self, call: Call<Purpose>, cx: &mut Cx<'_>) {
        // A write may fail for the sake of a third node, and SUCCESSOR on its way.
        let says_nothing = matches!(
            call.ask,
            Ask::Own(Request::Store { .. }) | Ask::Successor(_)
        );
        // Nor does silence to what a peer may not know.
        let may_not_know =
            matches!(call.ask, Ask::Own(_)) && self.peers.kind(&call.to) != Kind::Extended;
        if !says_nothing && !may_not_know {
            self.lose(&call.to, cx);
        }
        self.purpose_failed(&call.to, call.purpose, cx);
    }

    /// A peer did not answer twice.
    fn lose(&mut self, peer: &Peer, cx: &mut Cx<'_>) {
        let is_news = self.peers.lost(peer, cx.now);
        if self.links.remove(peer) {
            self.links_changed(cx);
        }
        if is_news {
            cx.event(Event::Lost(peer.clone()));
        }
    }

    fn purpose_failed(&mut self, to: &Peer, purpose: Purpose, cx: &mut Cx<'_>) {
        match purpose {
            Purpose::Step(id) => self.step_failed(id, to, cx),
            Purpose::Serve(id) => self.serve_failed(id, cx),
            Purpose::Copy(id) => self.copy_done(id, cx),
            Purpose::Sync(task) => self.sync.failed(task),
            Purpose::CheckPredecessor => self.predecessor_lost(cx),
            Purpose::Stabilize
            | Purpose::Beyond
            | Purpose::Successor
            | Purpose::Predecessor
            | Purpose::Join
            | Purpose::Revive
            | Purpose::Farewell => {}
        }
    }

    fn hop(&self, peer: &Peer) -> Hop {
        Hop {
            peer: peer.clone(),
            plain: self.peers.is_plain(peer),
        }
    }

    /// Milliseconds since 1970.
    fn wall_ms(&self, now: Timestamp) -> u64 {
        self.config.epoch_ms + now.as_micros() / 1000
    }

    fn interval(&self) -> Duration {
        self.config.stabilize_interval
    }
}
