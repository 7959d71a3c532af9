//! The outputs of the core, and the context in which a node handles one input.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::addr::{Addr, Names, Peer, Resolved};
use crate::id::Id;
use crate::message::{Body, Cause, Course, Message, Own, Reply, Request};
use crate::time::Timestamp;
use crate::wire::Codec;

/// A TCP connection, by the number that the shell has given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// The sender of a datagram or frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// The address it was sent from.
    pub addr: SocketAddr,
    /// The connection, if it came by TCP.
    pub stream: Option<StreamId>,
}

impl Source {
    /// The sender of a datagram.
    #[must_use]
    pub const fn datagram(addr: SocketAddr) -> Self {
        Self { addr, stream: None }
    }
}

/// What the shell is to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send bytes; more than a datagram takes go by TCP, and all that answers a stream.
    Send {
        /// To there.
        to: Source,
        /// A datagram, or a frame without its length.
        bytes: Vec<u8>,
    },
    /// Find out the IP address of a host, and call [`crate::Host::resolved`].
    Resolve(String),
    /// Something that an operator may want to know.
    Event(Event),
}

/// A change that is worth a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The node is in the ring, before this successor (itself, if it is alone).
    Joined(Peer),
    /// Asking to join has not been answered so many times.
    JoinUnanswered(Addr, u32),
    /// There is a new successor.
    Successor(Peer),
    /// There is a new predecessor.
    Predecessor(Peer),
    /// A node did not answer twice.
    Lost(Peer),
    /// A node that was lost answers again.
    Back(Peer),
    /// The node has left the ring; this many keys could not be handed over.
    Left {
        /// Keys that no other node has acknowledged.
        keys_left: usize,
    },
    /// A lookup that was asked for has ended.
    Looked(Looked),
}

/// The result of a lookup.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// The number that the lookup was given.
    pub token: u64,
    /// The id that was looked up.
    pub target: Id,
    /// The owner, if one was found.
    pub owner: Option<Peer>,
    /// Nodes that answered on the way, the owner included.
    pub hops: u32,
    /// Nodes that did not.
    pub timeouts: u32,
}

/// Counters of a socket, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams and frames received.
    pub received: u64,
    /// Datagrams and frames sent.
    pub sent: u64,
    /// Received but no message.
    pub rejected: u64,
}

/// What a node has at hand while it handles one input.
pub(crate) struct Cx<'a> {
    pub(crate) now: Timestamp,
    pub(crate) codec: &'a Codec,
    pub(crate) names: &'a mut Names,
    pub(crate) traffic: &'a mut Traffic,
    pub(crate) out: &'a mut VecDeque<Output>,
    /// The virtual node that handles it.
    pub(crate) vnode: u16,
}

impl Cx<'_> {
    /// Sends a message of the course.
    pub(crate) fn course(&mut self, to: &Addr, message: Course) {
        self.send(to, &Message::Course(message));
    }

    /// Sends a request of our own.
    pub(crate) fn request(&mut self, to: &Peer, req: u64, request: Request) {
        let own = Own {
            to: to.vnode,
            from: self.vnode,
            req,
            body: Body::Request(request),
        };
        self.send(&to.addr, &Message::Own(own));
    }

    /// Replies to a request of our own.
    pub(crate) fn reply(&mut self, to: &Caller, reply: Reply) {
        let own = |body| {
            Message::Own(Own {
                to: to.vnode,
                from: self.vnode,
                req: to.req,
                body: Body::Reply(body),
            })
        };
        let mut bytes = self.codec.encode(&own(reply));
        let is_long = bytes.len() > self.codec.max_datagram();
        if is_long && to.source.stream.is_none() && to.is_client {
            bytes = self.codec.encode(&own(Reply::Refused(Cause::UseStream)));
        }
        self.put_out(to.source, bytes);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    /// A name that is not resolved yet costs this message; whatever matters is sent again.
    fn send(&mut self, to: &Addr, message: &Message) {
        match self.names.resolve(to, self.now) {
            Resolved::To(addr) => {
                let bytes = self.codec.encode(message);
                self.put_out(Source::datagram(addr), bytes);
            }
            Resolved::Ask => self.out.push_back(Output::Resolve(to.host())),
            Resolved::Wait => {}
        }
    }

    fn put_out(&mut self, to: Source, bytes: Vec<u8>) {
        // In the compatible mode there is no other way for what is longer than peers read.
        if matches!(self.codec, Codec::Course) && bytes.len() > self.codec.max_datagram() {
            return;
        }
        self.traffic.sent += 1;
        self.out.push_back(Output::Send { to, bytes });
    }
}

/// The sender of a request of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Caller {
    pub(crate) source: Source,
    pub(crate) vnode: u16,
    pub(crate) req: u64,
    /// Whether it asked for what clients ask for; a client takes long replies by its own
    /// connection only.
    pub(crate) is_client: bool,
}
