//! The messages of the ring, apart from how they are encoded.
//!
//! [`Course`] holds the messages of the Python course, which carry no request id. [`Request`] and
//! [`Reply`] are our own: both ends of them are known by a random number, so a reply cannot be
//! forged by a sender that has not seen the request.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::addr::{Addr, Peer};
use crate::id::Id;

/// A stored value: in the compatible mode the opcodes of it (see [`lb_pickle::to_opcodes`]),
/// in the native mode bytes that only clients understand.
pub type Bytes = Arc<[u8]>;

/// Any message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// One that Python peers know.
    Course(Course),
    /// One of our own.
    Own(Own),
}

/// The messages of the course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// Store a value; `from` is the client's address if a node passes it on.
    Put {
        /// The key.
        key: Arc<str>,
        /// The value.
        value: Bytes,
        /// The client, unless the sender is the client.
        from: Option<Addr>,
    },
    /// Get a value.
    Get {
        /// The key.
        key: Arc<str>,
        /// The client, unless the sender is the client.
        from: Option<Addr>,
    },
    /// To the client: stored, or here is the value.
    Ack(Option<Bytes>),
    /// To the client: not stored, or there is no value.
    Nack,
    /// A newcomer asks for its successor.
    JoinReq(Peer),
    /// The successor of a newcomer.
    JoinRep(Peer),
    /// The sender takes itself for the receiver's predecessor.
    Notify(Peer),
    /// Asks for the predecessor of the receiver.
    Predecessor,
    /// The id of the sender's predecessor.
    Stabilize(Option<Id>),
    /// Asks for the successor of an id.
    Successor {
        /// The id.
        id: Id,
        /// Where the reply goes.
        from: Addr,
    },
    /// The successor of an id.
    SuccessorRep {
        /// The id that was asked for.
        req_id: Id,
        /// Its successor.
        successor: Peer,
    },
}

/// A message of our own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Own {
    /// The virtual node it is for.
    pub to: u16,
    /// The virtual node that sent it.
    pub from: u16,
    /// Random number of the request, the same in the reply.
    pub req: u64,
    /// Its content.
    pub body: Body,
}

/// A request or a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// Wants a reply.
    Request(Request),
    /// Is one.
    Reply(Reply),
}

/// A peer and whether it is a plain one, which knows the messages of the course only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The peer.
    pub peer: Peer,
    /// Whether it knows none of our own messages.
    pub plain: bool,
}

/// When a value was written: the highest is the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// Milliseconds since 1970 by the owner's clock, or one more than the version before.
    pub time_ms: u64,
    /// Decides between two sides of a partition that wrote in the same millisecond.
    pub tie: u32,
}

/// A key with its value and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The key.
    pub key: Arc<str>,
    /// The value.
    pub value: Bytes,
    /// Its version.
    pub version: Version,
}

/// Keys with an id in (begin, end] and a tag that starts with `bits` bits of `prefix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Excluded.
    pub begin: Id,
    /// Included.
    pub end: Id,
    /// The first bits of the tags, at the top of the word.
    pub prefix: u64,
    /// How many of them count.
    pub bits: u8,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Whether the receiver is alive and speaks this.
    Ping,
    /// The receiver's links. With `notify`, the sender takes itself for its predecessor.
    Links {
        /// The sender, as a peer.
        notify: Option<Peer>,
    },
    /// The next step to the owner of an id.
    Route {
        /// The id.
        target: Id,
        /// Whether the receiver is said to own it.
        last: bool,
        /// Whether the successor list may be used beyond its first entry.
        thorough: bool,
    },
    /// From a client: store a value.
    Put {
        /// The key.
        key: Arc<str>,
        /// The value.
        value: Bytes,
    },
    /// From a client: get a value.
    Get {
        /// The key.
        key: Arc<str>,
    },
    /// To the owner: write a value, give it a version, copy it to the replicas.
    Store {
        /// The key.
        key: Arc<str>,
        /// The value.
        value: Bytes,
    },
    /// Read a value that the receiver itself has.
    Fetch {
        /// The key.
        key: Arc<str>,
    },
    /// Keep a copy unless there is a newer one.
    Copy(Item),
    /// Compare what both ends have of a slice.
    Compare {
        /// The slice.
        slice: Slice,
        /// How many items the sender has.
        count: u32,
        /// Digest of their tags and versions.
        digest: u64,
    },
    /// Read the item of a slice that has this tag.
    Pull {
        /// The slice.
        slice: Slice,
        /// The tag of the item.
        tag: u64,
    },
    /// The sender leaves; its links, so that the ring can close.
    Leaving {
        /// The sender.
        peer: Peer,
        /// Its predecessor.
        predecessor: Option<Peer>,
        /// Its successor list.
        successors: Vec<Peer>,
    },
    /// From a client on the same machine: leave the ring. `token` is 0, then as told by
    /// [`Reply::Challenge`].
    Leave {
        /// Shows that the client gets what is sent to its address.
        token: u64,
    },
    /// From a client: what the node knows.
    State {
        /// Of which kind.
        part: Part,
        /// The first of a list that is wanted.
        offset: u32,
    },
}

/// A part of the state of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Links and counters.
    Summary,
    /// The finger table.
    Fingers,
    /// The keys that the node owns.
    Keys,
}

/// Replies to requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// To Ping.
    Pong,
    /// To Links.
    Links {
        /// The predecessor.
        predecessor: Option<Hop>,
        /// The successor list.
        successors: Vec<Hop>,
    },
    /// To Route.
    Route {
        /// Whether the sender owns the target.
        is_owner: bool,
        /// The owner as far as the sender knows, then those that follow it.
        owners: Vec<Hop>,
        /// Peers that precede the target, the closest first.
        closer: Vec<Hop>,
    },
    /// Done as asked.
    Done,
    /// Not done.
    Refused(Cause),
    /// A value.
    Found(Item),
    /// A value, but another holder may have a newer one: the sender has just come by its arc.
    Maybe(Item),
    /// There is none.
    Missing,
    /// Both ends have the same of the slice.
    Same,
    /// They differ, in more than fits into a datagram: compare smaller slices.
    Split,
    /// They differ; what the sender has: tags and versions.
    Entries(Vec<(u64, Version)>),
    /// To Leave: say it again with this token.
    Challenge(u64),
    /// To State.
    Summary(Box<Summary>),
    /// To State: distinct fingers in order, each with the numbers of the first and last of the run
    /// that points to it; and whether these are the last.
    Fingers(Vec<(u8, u8, Peer)>, bool),
    /// To State: keys in order of their ids, and whether these are the last.
    Keys(Vec<(Id, Arc<str>, u32)>, bool),
}

/// The cause of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The store or a table is full.
    Full,
    /// Key and value are larger than can be passed on.
    TooLarge,
    /// The owner did not answer in time.
    Timeout,
    /// The reply does not fit into a datagram: ask by TCP.
    UseStream,
    /// Not from there.
    Forbidden,
    /// The node is not in the ring yet, or has left.
    NotMember,
}

/// Links and counters of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The node.
    pub me: Peer,
    /// Where it is in its life: joining, member, leaving, gone.
    pub phase: Phase,
    /// Its predecessor.
    pub predecessor: Option<Hop>,
    /// Its successor list.
    pub successors: Vec<Hop>,
    /// Keys that it owns.
    pub owned: u32,
    /// Copies of keys that others own.
    pub copies: u32,
    /// Bytes of all keys and values.
    pub stored_bytes: u64,
    /// Datagrams received.
    pub received: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that were no message.
    pub rejected: u64,
    /// PUTs that passed this node.
    pub puts: u64,
    /// GETs that passed this node.
    pub gets: u64,
}

/// Where a node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Asks for its successor.
    Joining,
    /// In the ring.
    Member,
    /// Hands its keys over.
    Leaving,
    /// Out of the ring.
    Gone,
}
