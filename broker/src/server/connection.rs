//! Owns one socket: what was read of a frame that is not all there, and whether the socket takes
//! more. Knows nothing of messages.
//!
//! mio's events are edges, so a socket is read until a read comes back short, and written until a
//! write does. An idle connection holds no buffer: reads go into one that all share.

use crate::broker::Broker;
use crate::connection_id::ConnectionId;
use crate::error::Refusal;
use crate::framing::FrameReader;
use crate::time::Timestamp;
use bytes::BytesMut;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::Shutdown;

/// Work that a connection may cause in one turn before the others have theirs; some milliseconds.
const MAX_WORK: usize = 50_000;

/// Slices handed to one `writev`. Frames are small; more slices save few system calls.
const MAX_SLICES: usize = 128;

/// The bytes under the frames. TLS becomes another variant, with the same calls.
#[derive(Debug)]
pub(super) enum Transport {
    /// TCP as it is.
    Plain(TcpStream),
}

impl Transport {
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Plain(stream) => {
                // Frames are gathered by the loop already; waiting for more would only add delay.
                stream.set_nodelay(true)?;
                registry.register(stream, token, Interest::READABLE | Interest::WRITABLE)
            }
        }
    }

    /// Says why there is no room, as far as the socket takes it, and closes.
    pub(super) fn refuse(mut self, refusal: &[u8], scratch: &mut Scratch) {
        // Closing with unread bytes would reset the connection, and the reason would be lost.
        let _ = self.read(&mut scratch.room);
        let _ = self.write(&[IoSlice::new(refusal)]);
        self.end_writing();
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(room),
        }
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write_vectored(slices),
        }
    }

    fn end_writing(&mut self) {
        match self {
            // It may be gone already.
            Self::Plain(stream) => drop(stream.shutdown(Shutdown::Write)),
        }
    }
}

/// Room to read into, shared by all connections.
#[derive(Debug)]
pub(super) struct Scratch {
    /// The target of the system call.
    room: Box<[u8]>,
    /// What was read, while frames are cut from it.
    bytes: BytesMut,
}

impl Scratch {
    pub(super) fn new(read_bytes: usize) -> Self {
        Self {
            room: vec![0; read_bytes].into(),
            bytes: BytesMut::with_capacity(read_bytes),
        }
    }
}

/// How a read or a write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There may be more to read.
    More,
    /// The next event tells.
    Blocked,
    /// The connection is over.
    Ended,
}

/// A socket and the state of its stream.
#[derive(Debug)]
pub(super) struct Connection {
    id: ConnectionId,
    transport: Transport,
    reader: FrameReader,
    /// The beginning of a frame.
    partial: BytesMut,
    /// `partial` may have whole frames, which were left for another turn.
    has_frames: bool,
    /// It is in the list of connections to read from.
    is_readable: bool,
    /// The other side has ended its stream, so a short read is not the end of it.
    is_ending: bool,
    /// The socket takes no more until an event says so.
    is_blocked: bool,
    /// The last frame is written; what still comes is thrown away until the other side ends.
    is_lingering: bool,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, transport: Transport, max_frame_bytes: usize) -> Self {
        Self {
            id,
            transport,
            reader: FrameReader::new(max_frame_bytes),
            partial: BytesMut::new(),
            has_frames: false,
            is_readable: false,
            is_ending: false,
            is_blocked: false,
            is_lingering: false,
        }
    }

    pub(super) const fn id(&self) -> ConnectionId {
        self.id
    }

    /// Bytes of the frame that is not all there.
    pub(super) fn unfinished_bytes(&self) -> usize {
        self.partial.len()
    }

    /// Gives up the frame that is not all there, and tells why.
    pub(super) fn give_up(&mut self, broker: &mut Broker, refusal: &Refusal, now: Timestamp) {
        broker.broken_stream(self.id, refusal, now);
        self.is_lingering = true;
        self.has_frames = false;
        self.partial = BytesMut::new();
    }

    /// Takes the event that the socket has bytes. Reports that it is to be listed for reading.
    pub(super) const fn set_readable(&mut self, is_ending: bool) -> bool {
        self.is_ending |= is_ending;
        !std::mem::replace(&mut self.is_readable, true)
    }

    /// Takes the event that the socket has room. Reports that something may be waiting for it.
    pub(super) const fn unblock(&mut self) -> bool {
        std::mem::replace(&mut self.is_blocked, false)
    }

    /// Reads once and hands all whole frames to the broker; those that are left if they cause too
    /// much work come first in the next turn.
    pub(super) fn read(
        &mut self,
        broker: &mut Broker,
        scratch: &mut Scratch,
        now: Timestamp,
    ) -> Progress {
        if self.has_frames {
            self.take_frames(broker, &[], &mut scratch.bytes, now);
            return Progress::More;
        }
        let count = match self.transport.read(&mut scratch.room) {
            Ok(0) => return Progress::Ended,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.is_readable = false;
                return Progress::Blocked;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Progress::More,
            Err(_) => return Progress::Ended,
        };
        broker.count_bytes(count as u64, 0);
        if !self.is_lingering {
            let read = scratch.room.get(..count).unwrap_or_default();
            self.take_frames(broker, read, &mut scratch.bytes, now);
        }
        if self.has_frames {
            return Progress::More;
        }
        if count < scratch.room.len() && !self.is_ending {
            self.is_readable = false;
            return Progress::Blocked;
        }
        Progress::More
    }

    /// Cuts frames from what was read; only the beginning of one is kept.
    fn take_frames(
        &mut self,
        broker: &mut Broker,
        read: &[u8],
        shared: &mut BytesMut,
        now: Timestamp,
    ) {
        let has_partial = !self.partial.is_empty();
        let bytes = if has_partial {
            &mut self.partial
        } else {
            &mut *shared
        };
        bytes.extend_from_slice(read);
        self.has_frames = false;
        let mut work = 0;
        loop {
            self.reader
                .set_max_frame_bytes(broker.max_frame_bytes(self.id));
            match self.reader.next(bytes) {
                Ok(Some(frame)) => {
                    broker.frame(self.id, &frame, now);
                    work += broker.take_work();
                    if work > MAX_WORK {
                        self.has_frames = true;
                        break;
                    }
                }
                Ok(None) => break,
                Err(refusal) => {
                    broker.broken_stream(self.id, &refusal, now);
                    self.is_lingering = true;
                    bytes.clear();
                    break;
                }
            }
        }
        if !has_partial {
            self.partial = BytesMut::from(&shared[..]);
            shared.clear();
        } else if self.partial.is_empty() {
            // An idle connection holds no buffer.
            self.partial = BytesMut::new();
        }
    }

    /// Writes what waits, as far as the socket takes it.
    pub(super) fn write(&mut self, broker: &mut Broker) -> Progress {
        while !self.is_blocked {
            let Some(queue) = broker.queue(self.id) else {
                return Progress::Ended;
            };
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let used = queue.slices(&mut slices);
            if used == 0 {
                break;
            }
            let slices = slices.get(..used).unwrap_or_default();
            let total: usize = slices.iter().map(|slice| slice.len()).sum();
            match self.transport.write(slices) {
                Ok(0) => return Progress::Ended,
                Ok(count) => {
                    queue.advance(count);
                    broker.count_bytes(0, count as u64);
                    // A short write means a full socket; its event will come.
                    self.is_blocked = count < total;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_blocked = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Progress::Ended,
            }
        }
        if !self.is_lingering && broker.is_finished(self.id) {
            self.transport.end_writing();
        }
        self.is_lingering |= broker.is_finished(self.id);
        Progress::Blocked
    }
}
