//! A host: the nodes behind one address, and the bytes between them and the world.
//!
//! [`Host`] is the whole core as a shell sees it: datagrams and frames go in with the time, and
//! [`Output`]s come out. It decodes, finds the virtual node that is meant, and counts.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use crate::addr::{Addr, Names, Peer};
use crate::config::Config;
use crate::id::Id;
use crate::message::{Message, Phase};
use crate::node::{Node, Snapshot};
use crate::output::{Cx, Output, Source, Traffic};
use crate::time::Timestamp;

/// The nodes behind one address.
pub struct Host {
    config: Arc<Config>,
    names: Names,
    nodes: Vec<Node>,
    traffic: Traffic,
    out: VecDeque<Output>,
}

impl Host {
    /// The host of a configuration. Its nodes start a ring, or join one at the first
    /// [`tick`](Self::tick).
    #[must_use]
    pub fn new(config: Config, now: Timestamp) -> Self {
        let config = Arc::new(config);
        let vnodes = if config.is_course() {
            1
        } else {
            config.vnodes.max(1)
        };
        let nodes = (0..vnodes).map(|nth| Node::new(config.clone(), nth, nth > 0, now));
        Self {
            nodes: nodes.collect(),
            config,
            names: Names::default(),
            traffic: Traffic::default(),
            out: VecDeque::new(),
        }
    }

    /// The address that others reach it by.
    #[must_use]
    pub fn addr(&self) -> &Addr {
        &self.config.addr
    }

    /// The nodes as peers.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.nodes.iter().map(Node::me)
    }

    /// Takes a datagram or a frame. Bytes that are no message are counted and dropped.
    pub fn handle(&mut self, source: Source, bytes: &[u8], now: Timestamp) {
        self.traffic.received += 1;
        match self.config.codec.decode(bytes) {
            Ok(message) => {
                let to = match &message {
                    Message::Course(_) => 0,
                    Message::Own(own) => own.to,
                };
                self.with(usize::from(to), now, |node, cx| {
                    node.receive(source, message, cx);
                });
            }
            Err(_) => self.traffic.rejected += 1,
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp) {
        for nth in 0..self.nodes.len() {
            self.with(nth, now, Node::tick);
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Timestamp {
        let deadlines = self.nodes.iter().map(Node::next_deadline);
        deadlines.min().unwrap_or(Timestamp::NEVER)
    }

    /// The next thing for the shell to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The resolver's answer to [`Output::Resolve`]; none if there is no such host.
    pub fn resolved(&mut self, host: &str, ip: Option<IpAddr>, now: Timestamp) {
        self.names.learn(host, ip, now);
    }

    /// Begins to leave the ring; [`is_gone`](Self::is_gone) tells when that is done.
    pub fn leave(&mut self, now: Timestamp) {
        for nth in 0..self.nodes.len() {
            self.with(nth, now, Node::leave);
        }
    }

    /// Whether all nodes have left the ring.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.nodes.iter().all(|node| node.phase() == Phase::Gone)
    }

    /// The state of every node.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.nodes.iter().map(Node::snapshot).collect()
    }

    /// Datagrams and frames so far.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Starts a lookup; [`crate::Event::Looked`] with this token ends it.
    pub fn lookup(&mut self, token: u64, target: Id, now: Timestamp) {
        self.with(0, now, |node, cx| node.lookup(token, target, cx));
    }

    fn with(&mut self, nth: usize, now: Timestamp, act: impl FnOnce(&mut Node, &mut Cx<'_>)) {
        let Some(node) = self.nodes.get_mut(nth) else {
            self.traffic.rejected += 1;
            return;
        };
        let mut cx = Cx {
            now,
            codec: &self.config.codec,
            names: &mut self.names,
            traffic: &mut self.traffic,
            out: &mut self.out,
            vnode: u16::try_from(nth).unwrap_or(u16::MAX),
        };
        act(node, &mut cx);
    }
}
