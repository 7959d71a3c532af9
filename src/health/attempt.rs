//! One check under way on its socket.
//!
//! Owns how readiness becomes a verdict: wait for the connection, send, read. It knows neither
//! time nor what the verdict is good for, and which address to ask is its owner's matter.

use super::{Probe, Verdict};
use crate::relay::{Readiness, Received, Socket, Transport};
use crate::upstream::ProbeFailure;
use std::io::IoSlice;

/// Reads for one event. An answer takes a few; whoever floods us is read no faster.
const MOST_READS: usize = 64;

/// A check under way.
#[derive(Debug)]
pub struct Attempt<T> {
    socket: Socket<T>,
    probe: Probe,
    is_connected: bool,
}

impl<T: Transport> Attempt<T> {
    /// A check on a new socket, whose connection may still be under way.
    pub fn new(io: T, probe: Probe) -> Self {
        Self {
            socket: Socket::new(io),
            is_connected: !probe.connects(),
            probe,
        }
    }

    /// Sends what needs no connection.
    pub fn begin(&mut self, scratch: &mut [u8]) -> Option<Verdict> {
        match self.is_connected {
            true => self.advance(scratch),
            false => None,
        }
    }

    /// An event for the socket. Unreachable means that another address may do better.
    pub fn ready(&mut self, ready: Readiness, scratch: &mut [u8]) -> Option<Verdict> {
        self.socket.note(ready);
        if self.is_connected {
            return self.advance(scratch);
        }
        if ready.broken {
            return Some(Err(ProbeFailure::Unreachable));
        }
        if !ready.writable && !ready.readable {
            return None;
        }
        self.is_connected = true;
        self.probe.connected().or_else(|| self.advance(scratch))
    }

    /// Does all that can be done now.
    fn advance(&mut self, scratch: &mut [u8]) -> Option<Verdict> {
        while !self.probe.to_send().is_empty() && self.socket.may_write() {
            match self.socket.send(&[IoSlice::new(self.probe.to_send())]) {
                Ok(count) => self.probe.sent(count),
                Err(_) => return Some(self.probe.ended()),
            }
        }
        for _ in 0..MOST_READS {
            if !self.socket.may_read() {
                break;
            }
            match self.socket.recv(scratch) {
                Received::Blocked => break,
                Received::End | Received::Failed => return Some(self.probe.ended()),
                Received::Bytes(count) => {
                    let bytes = scratch.get(..count).unwrap_or_default();
                    if let Some(verdict) = self.probe.received(bytes) {
                        return Some(verdict);
                    }
                    self.look_for_more();
                }
            }
        }
        None
    }

    /// A read brings one message, however many wait: the answer may be behind a stranger's.
    fn look_for_more(&mut self) {
        if !self.probe.connects() {
            self.socket.note(Readiness {
                readable: true,
                ..Readiness::default()
            });
        }
    }
}
