//! One host of the core with its sockets.

use std::io;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};

use crate::output::{Event, Output, Source};
use crate::time::Timestamp;
use crate::wire::{COURSE_DATAGRAM, NATIVE_DATAGRAM};
use crate::{Config, Host};

use super::resolve::Resolver;
use super::streams::Streams;
use super::{BindError, udp};

/// Datagrams taken in one turn, before deadlines and the other hosts have theirs.
const MAX_DATAGRAMS: usize = 256;
/// One byte more than the longest datagram: what is longer shows.
const BUFFER: usize = if NATIVE_DATAGRAM > COURSE_DATAGRAM {
    NATIVE_DATAGRAM + 1
} else {
    COURSE_DATAGRAM + 1
};

pub(super) struct Endpoint {
    pub(super) host: Host,
    nth: usize,
    udp: UdpSocket,
    streams: Option<Streams>,
    /// Datagrams may wait in the socket: it is edge-triggered.
    has_more: bool,
}

/// Tokens of one endpoint: its sockets, then its connections.
pub(super) const TOKENS: usize = 1 << 40;
const UDP: usize = 0;
const LISTENER: usize = 1;
const STREAMS: usize = 2;

impl Endpoint {
    pub(super) fn open(
        nth: usize,
        bind: SocketAddr,
        make: impl FnOnce(SocketAddr) -> Config,
        registry: &Registry,
        now: Timestamp,
    ) -> Result<Self, BindError> {
        let failed = |error: io::Error| BindError::Bind(bind, error);
        let base = nth * TOKENS;
        let mut udp = udp::bind(bind)?;
        let local = udp.local_addr().map_err(failed)?;
        registry
            .register(&mut udp, Token(base + UDP), Interest::READABLE)
            .map_err(failed)?;
        let config = make(local);
        let streams = if config.is_course() {
            None
        } else {
            let mut streams = Streams::listen(local, base + STREAMS).map_err(failed)?;
            let token = Token(base + LISTENER);
            registry
                .register(&mut streams.listener, token, Interest::READABLE)
                .map_err(failed)?;
            Some(streams)
        };
        Ok(Self {
            host: Host::new(config, now),
            nth,
            udp,
            streams,
            has_more: true,
        })
    }

    /// A socket of this endpoint is ready.
    pub(super) fn ready(&mut self, token: usize, registry: &Registry, now: Timestamp) {
        match token {
            UDP => self.has_more = true,
            LISTENER => {
                if let Some(streams) = &mut self.streams {
                    streams.accept(registry, now);
                }
            }
            stream => {
                if let Some(streams) = &mut self.streams {
                    streams.ready(Token(self.nth * TOKENS + stream), registry);
                }
            }
        }
    }

    /// Whether there may be more to receive at once.
    pub(super) fn has_more(&self) -> bool {
        self.has_more || self.streams.as_ref().is_some_and(Streams::has_unread)
    }

    /// Takes datagrams, a bounded number.
    pub(super) fn receive(&mut self, now: Timestamp) {
        let mut buffer = [0; BUFFER];
        for _ in 0..MAX_DATAGRAMS {
            if !self.has_more {
                return;
            }
            match self.udp.recv_from(&mut buffer) {
                Ok((len, from)) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    self.host.handle(Source::datagram(from), bytes, now);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Errors of a datagram socket are of one datagram sent earlier.
                Err(error) => self.has_more = error.kind() != io::ErrorKind::WouldBlock,
            }
        }
    }

    /// Takes frames, a bounded number of each connection. What a frame leads to is done before the
    /// next: a short one may ask for a value of a megabyte.
    pub(super) fn receive_frames(
        &mut self,
        registry: &Registry,
        resolver: &Resolver,
        now: Timestamp,
        events: &mut Vec<(usize, Event)>,
    ) {
        let unread = self.streams.as_ref().map(Streams::unread);
        for stream in unread.unwrap_or_default() {
            let Some(streams) = &mut self.streams else {
                return;
            };
            for frame in streams.take(stream, registry, now) {
                let source = Source {
                    addr: frame.peer,
                    stream: Some(frame.from),
                };
                self.host.handle(source, &frame.bytes, now);
                self.carry_out(registry, resolver, now, events);
            }
        }
    }

    /// Does what the host wants done, and gives its events.
    pub(super) fn carry_out(
        &mut self,
        registry: &Registry,
        resolver: &Resolver,
        now: Timestamp,
        events: &mut Vec<(usize, Event)>,
    ) {
        while let Some(output) = self.host.poll() {
            match output {
                Output::Send { to, bytes } => self.send(to, &bytes, registry, now),
                Output::Resolve(host) => resolver.ask(self.nth, host),
                Output::Event(event) => events.push((self.nth, event)),
            }
        }
    }

    fn send(&mut self, to: Source, bytes: &[u8], registry: &Registry, now: Timestamp) {
        match (&mut self.streams, to.stream) {
            (Some(streams), Some(stream)) => streams.send(stream, bytes, registry, now),
            (Some(streams), None) if bytes.len() > NATIVE_DATAGRAM => {
                streams.send_to(to.addr, bytes, registry, now);
            }
            // A datagram that the kernel has no room for is lost, as any may be.
            _ => drop(self.udp.send_to(bytes, to.addr)),
        }
    }

    pub(super) fn close_idle(&mut self, registry: &Registry, now: Timestamp) {
        if let Some(streams) = &mut self.streams {
            streams.close_idle(registry, now);
        }
    }
}
