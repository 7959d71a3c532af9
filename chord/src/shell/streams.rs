//! TCP connections of a native host, for messages that are longer than a datagram.
//!
//! A frame is its length in four bytes, big-endian, and the message. Bounded: connections, bytes
//! that wait to be handled or written, what one connection gets done in a turn of the loop, and the
//! time that it may be idle.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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
/// Bytes that all connections together may have waiting, read or unwritten.
const MAX_BUFFERED: usize = 64 << 20;
const MAX_IDLE: Duration = Duration::from_secs(60);
/// Bytes read from one connection in one turn: the others, and datagrams, have theirs too.
const READ_BYTES: usize = 64 << 10;
/// Frames of one connection in one turn.
const MAX_FRAMES: usize = 32;

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
    /// Connections that may have more to read: they are edge-triggered.
    unread: BTreeSet<StreamId>,
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
            unread: BTreeSet::new(),
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
        self.shed(registry);
    }

    /// A connection may be read or written: writes; what there is to read is for
    /// [`take`](Self::take).
    pub(super) fn ready(&mut self, token: Token, registry: &Registry) {
        let id = StreamId((token.0 - self.base) as u64);
        self.write(id, registry);
        if self.streams.contains_key(&id) {
            self.unread.insert(id);
        }
    }

    /// Whether a connection may have more to read.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Connections that may have more to read.
    pub(super) fn unread(&self) -> Vec<StreamId> {
        self.unread.iter().copied().collect()
    }

    /// The next frames of a connection: a bounded number, so that a sender of many does not keep
    /// the loop from everybody else.
    pub(super) fn take(&mut self, id: StreamId, registry: &Registry, now: Timestamp) -> Vec<Frame> {
        let mut frames = Vec::new();
        let Some(stream) = self.streams.get_mut(&id) else {
            self.unread.remove(&id);
            return frames;
        };
        // One that does not read its replies gets no more of them. Once it does, it is ready again.
        if stream.unwritten.len() > NATIVE_FRAME {
            self.unread.remove(&id);
            return frames;
        }
        let progress = match stream.take_frames(id, &mut frames) {
            Progress::Waits => match stream.read(now) {
                Progress::Goes => stream.take_frames(id, &mut frames).or_read_on(),
                other => other,
            },
            other => other,
        };
        match progress {
            Progress::Goes => {}
            Progress::Waits => drop(self.unread.remove(&id)),
            Progress::Over => self.close(id, registry),
        }
        self.shed(registry);
        frames
    }

    /// Closes the connections that have the most bytes waiting, until all fit.
    fn shed(&mut self, registry: &Registry) {
        while self.streams.values().map(Stream::buffered).sum::<usize>() > MAX_BUFFERED {
            let fullest = self
                .streams
                .iter()
                .max_by_key(|(_, stream)| stream.buffered());
            let Some(id) = fullest.map(|(id, _)| *id) else {
                return;
            };
            self.close(id, registry);
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
        self.unread.remove(&id);
        if let Some(mut stream) = self.streams.remove(&id) {
            let _ = registry.deregister(&mut stream.socket);
            if self.by_peer.get(&stream.peer) == Some(&id) {
                self.by_peer.remove(&stream.peer);
            }
        }
    }
}

/// How far a connection has come in this turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There may be more.
    Goes,
    /// Nothing more until bytes come.
    Waits,
    /// It has ended, or is to be ended.
    Over,
}

impl Progress {
    /// What was read makes no further frame, but more may wait in the socket.
    const fn or_read_on(self) -> Self {
        match self {
            Self::Waits => Self::Goes,
            other => other,
        }
    }
}

impl Stream {
    fn buffered(&self) -> usize {
        self.read.len() + self.unwritten.len()
    }

    /// Reads once.
    fn read(&mut self, now: Timestamp) -> Progress {
        let mut chunk = vec![0; READ_BYTES];
        match self.socket.read(&mut chunk) {
            Ok(0) => Progress::Over,
            Ok(count) => {
                self.used = now;
                self.read.extend(chunk.iter().take(count));
                Progress::Goes
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => Progress::Waits,
                io::ErrorKind::Interrupted => Progress::Goes,
                _ => Progress::Over,
            },
        }
    }

    /// Takes complete frames off what was read, at most [`MAX_FRAMES`]; it is over if one is too
    /// long.
    fn take_frames(&mut self, from: StreamId, frames: &mut Vec<Frame>) -> Progress {
        let mut at = 0;
        let mut progress = Progress::Goes;
        while frames.len() < MAX_FRAMES {
            let Some(head) = self.read.get(at..).and_then(<[u8]>::first_chunk::<4>) else {
                progress = Progress::Waits;
                break;
            };
            let len = u32::from_be_bytes(*head) as usize;
            if len > NATIVE_FRAME {
                return Progress::Over;
            }
            let Some(bytes) = self.read.get(at + 4..at + 4 + len) else {
                progress = Progress::Waits;
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
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::time::Instant;

    /// A listener, and a connection to it that has been accepted.
    fn connected() -> (Poll, Streams, std::net::TcpStream) {
        let mut poll = Poll::new().unwrap();
        let mut streams = Streams::listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let client = std::net::TcpStream::connect(streams.listener.local_addr().unwrap()).unwrap();
        wait(&mut poll, &mut streams, |streams| {
            !streams.streams.is_empty()
        });
        (poll, streams, client)
    }

    /// Turns the loop until something holds.
    fn wait(poll: &mut Poll, streams: &mut Streams, holds: impl Fn(&Streams) -> bool) {
        let mut events = Events::with_capacity(8);
        let start = Instant::now();
        while !holds(streams) {
            assert!(start.elapsed() < Duration::from_secs(60));
            streams.accept(poll.registry(), Timestamp::ZERO);
            let pause = Duration::from_millis(10);
            poll.poll(&mut events, Some(pause)).unwrap();
            for event in &events {
                streams.ready(event.token(), poll.registry());
            }
        }
    }

    #[test]
    fn a_flood_of_frames_is_taken_in_bounded_pieces() {
        let (mut poll, mut streams, client) = connected();
        client.set_nonblocking(true).unwrap();
        let frame = [&100_u32.to_be_bytes()[..], &[7; 100]].concat();
        let flood = frame.repeat(1000);
        let (mut sent, mut taken) = (0, 0);
        while taken < 20_000 {
            if let Ok(count) = (&client).write(&flood[sent % flood.len()..]) {
                sent += count;
            }
            wait(&mut poll, &mut streams, Streams::has_unread);
            for id in streams.unread() {
                let frames = streams.take(id, poll.registry(), Timestamp::ZERO);
                assert!(frames.len() <= MAX_FRAMES);
                assert!(frames.iter().all(|frame| frame.bytes == [7; 100]));
                taken += frames.len();
                let buffered = streams.streams[&id].buffered();
                assert!(buffered < 2 * READ_BYTES, "{buffered}");
            }
        }
    }

    #[test]
    fn who_reads_no_replies_is_asked_for_no_more_frames() {
        let (mut poll, mut streams, client) = connected();
        let id = *streams.streams.keys().next().unwrap();
        let reply = vec![0; REPLY];
        let registry = poll.registry().try_clone().unwrap();
        // Until the kernel takes no more.
        while streams.streams[&id].unwritten.len() <= NATIVE_FRAME {
            streams.send(id, &reply, &registry, Timestamp::ZERO);
        }
        (&client).write_all(&[0, 0, 0, 0]).unwrap();
        wait(&mut poll, &mut streams, Streams::has_unread);
        assert!(streams.take(id, &registry, Timestamp::ZERO).is_empty());
        assert!(!streams.has_unread());
        // It reads, and its frame is taken.
        let reader = std::thread::spawn(move || {
            let mut client = client;
            let _ = io::copy(&mut client, &mut io::sink());
        });
        let mut frames = Vec::new();
        while frames.is_empty() {
            wait(&mut poll, &mut streams, Streams::has_unread);
            frames = streams.take(id, &registry, Timestamp::ZERO);
        }
        assert_eq!(frames.len(), 1);
        drop(streams);
        reader.join().unwrap();
    }

    #[test]
    fn all_connections_together_are_bounded() {
        let (mut poll, mut streams, _client) = connected();
        let registry = poll.registry().try_clone().unwrap();
        let addr = streams.listener.local_addr().unwrap();
        let clients: Vec<_> = (0..80)
            .map(|_| std::net::TcpStream::connect(addr).unwrap())
            .collect();
        wait(&mut poll, &mut streams, |streams| {
            streams.streams.len() == 81
        });
        let reply = vec![0; REPLY];
        for _ in 0..20 {
            let ids: Vec<StreamId> = streams.streams.keys().copied().collect();
            for id in ids {
                streams.send(id, &reply, &registry, Timestamp::ZERO);
                let all: usize = streams.streams.values().map(Stream::buffered).sum();
                assert!(all <= MAX_BUFFERED, "{all}");
            }
        }
        assert!(streams.streams.len() < 81);
        drop(clients);
    }

    const REPLY: usize = NATIVE_FRAME - 4096;
}
