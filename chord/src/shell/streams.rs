//! TCP connections of a native host, for messages that are longer than a datagram.
//!
//! A frame is its length in four bytes, big-endian, and the message. Bounded: connections, bytes
//! that wait to be written, and the time that a connection may be idle.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::output::StreamId;
use crate::time::Timestamp;
use crate::wire::NATIVE_FRAME;

const MAX_STREAMS: usize = 256;
const MAX_UNWRITTEN: usize = 4 * NATIVE_FRAME;
const MAX_IDLE: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 64 << 10;
/// Reads of one connection in one turn.
const MAX_READS: usize = 16;

struct Stream {
    socket: TcpStream,
    peer: SocketAddr,
    read: Vec<u8>,
    unwritten: Vec<u8>,
    used: Timestamp,
}

pub(super) struct Streams {
    pub(super) listener: TcpListener,
    streams: BTreeMap<StreamId, Stream>,
    by_peer: HashMap<SocketAddr, StreamId>,
    next: u64,
    /// Token of the stream 0.
    base: usize,
}

/// A frame that came in.
pub(super) struct Frame {
    pub(super) from: StreamId,
    pub(super) peer: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

impl Streams {
    pub(super) fn listen(addr: SocketAddr, base: usize) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind(addr)?,
            streams: BTreeMap::new(),
            by_peer: HashMap::new(),
            next: 0,
            base,
        })
    }

    /// Accepts what waits, as far as there is room.
    pub(super) fn accept(&mut self, registry: &Registry, now: Timestamp) {
        while let Ok((socket, peer)) = self.listener.accept() {
            if self.streams.len() >= MAX_STREAMS {
                self.close_oldest(registry);
            }
            self.add(socket, peer, registry, now);
        }
    }

    fn add(
        &mut self,
        mut socket: TcpStream,
        peer: SocketAddr,
        registry: &Registry,
        now: Timestamp,
    ) -> Option<StreamId> {
        let nth = self.next;
        self.next += 1;
        let token = Token(self.base + usize::try_from(nth).ok()?);
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut socket, token, interest).ok()?;
        let _ = socket.set_nodelay(true);
        let stream = Stream {
            socket,
            peer,
            read: Vec::new(),
            unwritten: Vec::new(),
            used: now,
        };
        self.streams.insert(StreamId(nth), stream);
        Some(StreamId(nth))
    }

    /// Sends a frame to an address, by a connection of its own that is kept for others.
    pub(super) fn send_to(
        &mut self,
        peer: SocketAddr,
        bytes: &[u8],
        registry: &Registry,
        now: Timestamp,
    ) {
        let known = self.by_peer.get(&peer).copied();
        let id = known.filter(|id| self.streams.contains_key(id));
        let id = id.or_else(|| {
            if self.streams.len() >= MAX_STREAMS {
                self.close_oldest(registry);
            }
            let socket = TcpStream::connect(peer).ok()?;
            let id = self.add(socket, peer, registry, now)?;
            self.by_peer.insert(peer, id);
            Some(id)
        });
        if let Some(id) = id {
            self.send(id, bytes, registry, now);
        }
    }

    /// Sends a frame by a connection, if it is still there.
    pub(super) fn send(&mut self, id: StreamId, bytes: &[u8], registry: &Registry, now: Timestamp) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let Ok(len) = u32::try_from(bytes.len()) else {
            return;
        };
        stream.used = now;
        if stream.unwritten.len() + bytes.len() > MAX_UNWRITTEN {
            self.close(id, registry);
            return;
        }
        stream.unwritten.extend(len.to_be_bytes());
        stream.unwritten.extend_from_slice(bytes);
        self.write(id, registry);
    }

    /// A connection may be read or written: gives the frames that are complete.
    pub(super) fn ready(
        &mut self,
        token: Token,
        registry: &Registry,
        now: Timestamp,
    ) -> Vec<Frame> {
        let id = StreamId((token.0 - self.base) as u64);
        self.write(id, registry);
        let mut frames = Vec::new();
        if !self.read(id, &mut frames, now) {
            self.close(id, registry);
        }
        frames
    }

    /// Reads what is there. Whether the connection goes on.
    fn read(&mut self, id: StreamId, frames: &mut Vec<Frame>, now: Timestamp) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else {
            return true;
        };
        let mut chunk = vec![0; READ_BYTES];
        let mut reads = 0;
        let mut is_open = true;
        loop {
            match stream.socket.read(&mut chunk) {
                Ok(0) => is_open = false,
                Ok(count) => {
                    stream.used = now;
                    stream.read.extend(chunk.iter().take(count));
                    if !stream.take_frames(id, frames) {
                        return false;
                    }
                    reads += 1;
                    // Edge-triggered: the rest must be read before the next wait.
                    if reads < MAX_READS || !frames.is_empty() && reads < 2 * MAX_READS {
                        continue;
                    }
                    // A sender this fast waits for its frames to be handled.
                    is_open = stream.read.len() < 4 + NATIVE_FRAME;
                    if is_open {
                        continue;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => is_open = false,
            }
            return is_open;
        }
    }

    fn write(&mut self, id: StreamId, registry: &Registry) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        while !stream.unwritten.is_empty() {
            match stream.socket.write(&stream.unwritten) {
                Ok(0) => break,
                Ok(count) => drop(stream.unwritten.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Not connected yet counts as not writable.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
                    ) =>
                {
                    return;
                }
                Err(_) => {
                    self.close(id, registry);
                    return;
                }
            }
        }
    }

    /// Closes connections that nothing has come by for long.
    pub(super) fn close_idle(&mut self, registry: &Registry, now: Timestamp) {
        let is_idle = |stream: &Stream| now.since(stream.used) > MAX_IDLE;
        let idle: Vec<StreamId> = self
            .streams
            .iter()
            .filter(|(_, stream)| is_idle(stream))
            .map(|(id, _)| *id)
            .collect();
        for id in idle {
            self.close(id, registry);
        }
    }

    fn close_oldest(&mut self, registry: &Registry) {
        let oldest = self.streams.iter().min_by_key(|(_, stream)| stream.used);
        if let Some(id) = oldest.map(|(id, _)| *id) {
            self.close(id, registry);
        }
    }

    fn close(&mut self, id: StreamId, registry: &Registry) {
        if let Some(mut stream) = self.streams.remove(&id) {
            let _ = registry.deregister(&mut stream.socket);
            if self.by_peer.get(&stream.peer) == Some(&id) {
                self.by_peer.remove(&stream.peer);
            }
        }
    }
}

impl Stream {
    /// Takes complete frames off what was read. False if one is too long.
    fn take_frames(&mut self, from: StreamId, frames: &mut Vec<Frame>) -> bool {
        let mut at = 0;
        while let Some(head) = self.read.get(at..).and_then(<[u8]>::first_chunk::<4>) {
            let len = u32::from_be_bytes(*head) as usize;
            if len > NATIVE_FRAME {
                return false;
            }
            let Some(bytes) = self.read.get(at + 4..at + 4 + len) else {
                break;
            };
            frames.push(Frame {
                from,
                peer: self.peer,
                bytes: bytes.to_vec(),
            });
            at += 4 + len;
        }
        self.read.drain(..at);
        true
    }
}
