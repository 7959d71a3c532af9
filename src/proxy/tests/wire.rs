//! One connection between the server and a peer, as memory.
//!
//! The near end is a non-blocking socket as the proxy knows it; a test drives the far end.
//! Readiness is reported as epoll does it edge-triggered: a *change* makes a wire due for one
//! event, which reports its state when it is taken. So an event may come for bytes that were read
//! already, and none comes twice for bytes that were not.

use super::super::network::Token;
use crate::transport::Readiness;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

/// The start of a connection, as the proxy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    UnderWay,
    Done,
    Refused,
}

/// The end of what one side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It may send more.
    Open,
    /// In order, after all it sent.
    Finished,
    /// The connection is torn down in both directions.
    Reset,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    /// The address the proxy connected to; `None` if the connection was accepted.
    pub(super) dialled: Option<SocketAddr>,
    opening: Opening,
    inbound: VecDeque<u8>,
    inbound_end: End,
    /// The length of each message in `inbound`, if it carries messages and not a stream.
    messages: Option<VecDeque<usize>>,
    outbound: VecDeque<u8>,
    outbound_end: End,
    /// Bytes that wait for the far end before the near end has to.
    pub(super) room: usize,
    /// True if the far end reads only on demand.
    pub(super) stalled: bool,
    /// Bytes the far end has read.
    pub(super) taken: Vec<u8>,
    token: Option<Token>,
    changed: bool,
    /// True if a write of the near end was refused for lack of room.
    starved: bool,
    /// True if the near end still has to learn of the failure.
    error_due: bool,
    resets_on_close: bool,
    /// True if what was written last waits for the end of what the near end sends.
    held_back: bool,
    closed: bool,
}

/// Room of a connection that no test narrowed.
const ROOM: usize = 4 * 1024 * 1024;

impl Wire {
    fn new(dialled: Option<SocketAddr>, opening: Opening) -> Self {
        Self {
            dialled,
            opening,
            inbound: VecDeque::new(),
            inbound_end: End::Open,
            messages: None,
            outbound: VecDeque::new(),
            outbound_end: End::Open,
            room: ROOM,
            stalled: false,
            taken: Vec::new(),
            token: None,
            changed: false,
            starved: false,
            error_due: false,
            resets_on_close: false,
            held_back: false,
            closed: false,
        }
    }

    /// A connection that a client made.
    pub(super) fn accepted() -> Self {
        Self::new(None, Opening::Done)
    }

    /// A connection to `address`, established or under way.
    pub(super) fn dialled(address: SocketAddr, is_established: bool) -> Self {
        let opening = match is_established {
            true => Opening::Done,
            false => Opening::UnderWay,
        };
        Self::new(Some(address), opening)
    }

    /// From now on what is delivered at once is read at once, or what fits of it.
    pub(super) fn carry_messages(&mut self) {
        self.messages = Some(VecDeque::new());
    }

    fn is_dead(&self) -> bool {
        self.opening == Opening::Refused || self.inbound_end == End::Reset
    }

    /// Returns the event it would give now.
    fn readiness(&self) -> Readiness {
        if self.opening == Opening::UnderWay {
            return Readiness::default();
        }
        let dead = self.is_dead();
        let read_closed = dead || self.inbound_end != End::Open;
        Readiness {
            readable: read_closed || !self.inbound.is_empty(),
            writable: dead || self.outbound.len() < self.room,
            read_closed,
            broken: dead || (read_closed && self.outbound_end != End::Open),
        }
    }

    /// The error of a dead connection is reported once; after that nothing comes and nothing
    /// goes.
    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        let due = std::mem::take(&mut self.error_due);
        due.then(|| match self.opening {
            Opening::Refused => io::ErrorKind::ConnectionRefused.into(),
            Opening::UnderWay | Opening::Done => io::ErrorKind::ConnectionReset.into(),
        })
    }
}

/// The near end: what the server calls, and the events it gets.
impl Wire {
    pub(super) fn register(&mut self, token: Token) {
        self.token = Some(token);
        self.changed = true;
    }

    /// The event that is due, if one is.
    pub(super) fn event(&mut self) -> Option<(Token, Readiness)> {
        let is_due = self.is_due();
        self.changed = false;
        self.token
            .filter(|_| is_due)
            .map(|token| (token, self.readiness()))
    }

    pub(super) fn reset_on_close(&mut self) {
        self.resets_on_close = true;
    }

    pub(super) fn recv(&mut self, max: usize) -> io::Result<Vec<u8>> {
        if self.opening == Opening::UnderWay {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let next = self
            .messages
            .as_mut()
            .map_or(Some(max), VecDeque::pop_front);
        let count = max.min(self.inbound.len()).min(next.unwrap_or(0));
        if count > 0 {
            let bytes = self.inbound.make_contiguous()[..count].to_vec();
            self.inbound.drain(..count);
            return Ok(bytes);
        }
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        match self.inbound_end {
            End::Open if !self.is_dead() => Err(io::ErrorKind::WouldBlock.into()),
            End::Open | End::Finished | End::Reset => Ok(Vec::new()),
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert_eq!(self.outbound_end, End::Open, "written after its end");
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        if self.is_dead() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let free = match self.opening {
            Opening::UnderWay => 0,
            Opening::Done | Opening::Refused => self.room.saturating_sub(self.outbound.len()),
        };
        let count = free.min(bytes.len());
        self.starved |= count < bytes.len();
        self.outbound.extend(&bytes[..count]);
        match count {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(count),
        }
    }

    /// The bytes written last are sent with the end, which has to follow at once.
    pub(super) fn hold_back(&mut self) {
        self.held_back = true;
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.held_back = false;
        if self.is_dead() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.outbound_end = End::Finished;
        self.changed = true;
        Ok(())
    }

    /// As a system does it: closing with bytes unread resets, and then what is on its way to the
    /// far end may be lost.
    pub(super) fn close(&mut self) {
        assert!(!self.closed, "closed twice");
        assert!(!self.held_back, "closed before what was held back was sent");
        self.closed = true;
        self.token = None;
        if self.resets_on_close || !self.inbound.is_empty() {
            self.outbound_end = End::Reset;
            self.outbound.clear();
        } else if self.outbound_end == End::Open {
            self.outbound_end = End::Finished;
        }
    }
}

/// The far end: what a peer does.
impl Wire {
    /// The attempt to connect succeeds.
    pub(super) fn establish(&mut self) {
        self.opening = Opening::Done;
        self.changed = true;
    }

    /// The attempt to connect fails.
    pub(super) fn refuse(&mut self) {
        self.opening = Opening::Refused;
        (self.changed, self.error_due) = (true, true);
    }

    /// Sends bytes. They are lost if the near end is closed.
    pub(super) fn deliver(&mut self, bytes: &[u8]) {
        assert_eq!(self.inbound_end, End::Open, "sent after its end");
        if bytes.is_empty() {
            return;
        }
        if self.closed {
            self.outbound_end = End::Reset;
            self.outbound.clear();
        } else {
            self.inbound.extend(bytes);
            if let Some(messages) = &mut self.messages {
                messages.push_back(bytes.len());
            }
            self.changed = true;
        }
    }

    /// Sends no more.
    pub(super) fn end(&mut self) {
        if self.inbound_end == End::Open {
            self.inbound_end = End::Finished;
            self.changed = true;
        }
    }

    /// Tears the connection down. What was sent and not read may be lost.
    pub(super) fn reset(&mut self, loses_what_it_sent: bool) {
        self.inbound_end = End::Reset;
        (self.changed, self.error_due) = (true, true);
        self.outbound.clear();
        if loses_what_it_sent {
            self.inbound.clear();
        }
    }

    /// Reads up to `max` bytes.
    pub(super) fn take(&mut self, max: usize) {
        assert!(!self.held_back, "still held back when the turn was over");
        let count = max.min(self.outbound.len());
        let bytes = &self.outbound.make_contiguous()[..count];
        self.taken.extend_from_slice(bytes);
        self.outbound.drain(..count);
        if self.starved && self.outbound.len() < self.room {
            (self.starved, self.changed) = (false, true);
        }
    }
}

/// The view of the far end.
impl Wire {
    /// Returns how the server has ended what it sends; in order only when all of it has been read.
    pub(super) fn server_end(&self) -> End {
        match self.outbound_end {
            End::Finished if !self.outbound.is_empty() => End::Open,
            end => end,
        }
    }

    /// Returns whether the near end is closed and the far end has read all it can.
    pub(super) fn is_over(&self) -> bool {
        self.closed && self.outbound.is_empty()
    }

    /// Returns the token of the near end; `None` before it is registered and after it is closed.
    pub(super) fn token(&self) -> Option<Token> {
        self.token
    }

    /// Returns whether the near end is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Returns whether the far end may still send.
    pub(super) fn may_send(&self) -> bool {
        self.inbound_end == End::Open && self.opening != Opening::Refused
    }

    /// Returns whether the connection is still being established.
    pub(super) fn is_opening(&self) -> bool {
        self.opening == Opening::UnderWay
    }

    /// Returns whether an event is due.
    pub(super) fn is_due(&self) -> bool {
        self.changed && self.token.is_some() && self.readiness() != Readiness::default()
    }

    /// Bytes sent that the server has not read.
    pub(super) fn unread(&self) -> usize {
        self.inbound.len()
    }
}
