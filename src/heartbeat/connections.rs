//! TCP connections on which heartbeats come in.
//!
//! Nothing is ever sent on them. A connection that brings a rejected message is closed; so is one
//! that brings nothing new for [`PROVEN_TIMEOUT`], or no valid heartbeat within
//! [`FIRST_TIMEOUT`]. At the limit, the oldest connection without a valid heartbeat makes room, so
//! that unknown senders cannot keep known ones out.

use super::{FrameReader, Heartbeat, HeartbeatKey, HeartbeatRefusal};
use crate::address::ClientAddress;
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired, Wheel};
use crate::transport::{Readiness, Received, Socket, Transport};
use std::collections::HashMap;
use std::mem;
use std::time::Duration;

/// Time limit for the first valid heartbeat.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for each later one: twice the longest interval.
const PROVEN_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes read at once; more wait for the next turn.
const READ_BYTES: usize = 4096;

/// Names a heartbeat connection; never used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeartbeatConnId(u64);

impl HeartbeatConnId {
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// A decoded message, or why it is none.
pub(super) type DecodedMessage = Result<Heartbeat, HeartbeatRefusal>;

/// All heartbeat connections.
#[derive(Debug)]
pub(super) struct HeartbeatConns<T> {
    conns: HashMap<HeartbeatConnId, HeartbeatConn<T>>,
    max: usize,
    next_id: u64,
    wheel: Wheel<HeartbeatConnId>,
    fired: Vec<HeartbeatConnId>,
    /// Connections that may hold more bytes than one turn reads.
    unread: Vec<HeartbeatConnId>,
}

/// One connection.
#[derive(Debug)]
struct HeartbeatConn<T> {
    socket: Socket<T>,
    from: ClientAddress,
    frames: FrameReader,
    deadline: Deadline,
    accepted_at: Timestamp,
    /// True if it has brought a valid heartbeat.
    is_proven: bool,
}

/// The result of one read.
#[derive(Debug)]
pub(super) struct ConnRead {
    pub(super) from: ClientAddress,
    pub(super) messages: Vec<DecodedMessage>,
    pub(super) has_ended: bool,
}

impl<T: Transport> HeartbeatConns<T> {
    pub(super) fn new(max: usize, now: Timestamp) -> Self {
        Self {
            conns: HashMap::new(),
            max,
            next_id: 0,
            wheel: Wheel::new(now),
            fired: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// Moves the deadlines of all connections later by `by`: nothing was read for that long.
    pub(super) fn postpone(&mut self, by: Duration) {
        for conn in self.conns.values_mut() {
            conn.deadline.postpone(by);
        }
    }

    /// An id for one more connection, if need be after closing one that brought nothing yet.
    pub(super) fn make_room(&mut self) -> Option<HeartbeatConnId> {
        if self.conns.len() >= self.max {
            let conns = self.conns.iter().filter(|(_, conn)| !conn.is_proven);
            // Of equally old ones the first: ids grow.
            let (oldest, _) = conns.min_by_key(|(id, conn)| (conn.accepted_at, id.0))?;
            let oldest = *oldest;
            self.close(oldest);
        }
        let id = HeartbeatConnId(self.next_id);
        self.next_id += 1;
        Some(id)
    }

    pub(super) fn insert(
        &mut self,
        id: HeartbeatConnId,
        io: T,
        from: ClientAddress,
        now: Timestamp,
    ) {
        self.conns.insert(
            id,
            HeartbeatConn {
                socket: Socket::new(io),
                from,
                frames: FrameReader::default(),
                deadline: Deadline::new(),
                accepted_at: now,
                is_proven: false,
            },
        );
        self.set_deadline(id, now + FIRST_TIMEOUT);
    }

    /// Takes an event for a connection. Returns whether it is known.
    pub(super) fn note(&mut self, id: HeartbeatConnId, ready: Readiness) -> bool {
        let conn = self.conns.get_mut(&id);
        conn.map(|conn| conn.socket.note(ready)).is_some()
    }

    /// Takes the connections that may hold more bytes than were read.
    pub(super) fn take_unread(&mut self) -> Vec<HeartbeatConnId> {
        mem::take(&mut self.unread)
    }

    /// Reads as much as one turn may; `None` if nothing has come.
    pub(super) fn read(
        &mut self,
        id: HeartbeatConnId,
        key: Option<&HeartbeatKey>,
        scratch: &mut [u8],
    ) -> Option<ConnRead> {
        let conn = self.conns.get_mut(&id)?;
        if !conn.socket.may_read() {
            return None;
        }
        let scratch = scratch.get_mut(..READ_BYTES).unwrap_or_default();
        let mut read = ConnRead {
            from: conn.from,
            messages: Vec::new(),
            has_ended: false,
        };
        match conn.socket.recv(scratch) {
            Received::Blocked => return None,
            Received::End | Received::Failed => read.has_ended = true,
            Received::Bytes(count) => {
                let bytes = scratch.get(..count).unwrap_or_default();
                let take = |message: &[u8]| read.messages.push(Heartbeat::decode(message, key));
                let framed = conn.frames.received(bytes, take);
                let bad = framed.is_err().then_some(Err(HeartbeatRefusal::Malformed));
                read.messages.extend(bad);
            }
        }
        if conn.socket.may_read() {
            self.unread.push(id);
        }
        Some(read)
    }

    /// A connection has brought a valid heartbeat.
    pub(super) fn proven(&mut self, id: HeartbeatConnId, now: Timestamp) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.is_proven = true;
        }
        self.set_deadline(id, now + PROVEN_TIMEOUT);
    }

    pub(super) fn close(&mut self, id: HeartbeatConnId) {
        self.conns.remove(&id);
    }

    pub(super) fn close_all(&mut self) {
        self.conns.clear();
        self.unread.clear();
    }

    /// Returns when [`expire`](Self::expire) or reading on has something to do.
    pub(super) fn next_wakeup(&self) -> Option<Timestamp> {
        match self.unread.is_empty() {
            true => self.wheel.next_wakeup(),
            false => Some(Timestamp::ZERO),
        }
    }

    /// Closes connections whose time has passed.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let mut fired = mem::take(&mut self.fired);
        self.wheel.expire(now, &mut fired);
        for id in fired.drain(..) {
            let Some(conn) = self.conns.get_mut(&id) else {
                continue;
            };
            match conn.deadline.fired(now) {
                Fired::Idle => {}
                Fired::Rearm(at) => self.wheel.arm(id, at),
                Fired::Due => self.close(id),
            }
        }
        self.fired = fired;
    }

    fn set_deadline(&mut self, id: HeartbeatConnId, at: Timestamp) {
        if let Some(conn) = self.conns.get_mut(&id)
            && let Some(at) = conn.deadline.set(at)
        {
            self.wheel.arm(id, at);
        }
    }
}
