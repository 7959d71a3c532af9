//! One check on its socket.
//!
//! Owns how readiness becomes a result: wait for the connection, send, read. It knows neither
//! time nor what the result is good for.

use super::{Check, CheckFailure, CheckResult, CheckTransport};
use crate::transport::{Readiness, Received, Socket, Transport};
use std::io::IoSlice;

/// Reads per event. A response takes a few; a flood waits for the next event.
const MAX_READS: usize = 64;

/// A check under way.
#[derive(Debug)]
pub(super) struct CheckAttempt<T> {
    socket: Socket<T>,
    check: Box<dyn Check>,
    transport: CheckTransport,
    is_connected: bool,
}

impl<T: Transport> CheckAttempt<T> {
    pub(super) fn new(io: T, check: Box<dyn Check>, transport: CheckTransport) -> Self {
        Self {
            socket: Socket::new(io),
            check,
            transport,
            is_connected: false,
        }
    }

    /// Returns whether the address is known to be reachable. An echo only ever proves it by its
    /// reply.
    pub(super) const fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Sends what needs no connection.
    pub(super) fn start(&mut self, scratch: &mut [u8]) -> Option<CheckResult> {
        match self.transport {
            CheckTransport::Connection => None,
            CheckTransport::Echo => self.advance(scratch),
        }
    }

    /// Takes an event for the socket. [`CheckFailure::Unreachable`] means that another address
    /// may do better.
    pub(super) fn ready(&mut self, ready: Readiness, scratch: &mut [u8]) -> Option<CheckResult> {
        self.socket.note(ready);
        if self.is_connected || self.transport == CheckTransport::Echo {
            return self.advance(scratch);
        }
        if ready.broken {
            return Some(Err(CheckFailure::Unreachable));
        }
        if !ready.writable && !ready.readable {
            return None;
        }
        self.is_connected = true;
        self.check.connected().or_else(|| self.advance(scratch))
    }

    /// Does all that can be done now.
    fn advance(&mut self, scratch: &mut [u8]) -> Option<CheckResult> {
        while !self.check.to_send().is_empty() && self.socket.may_write() {
            match self.socket.send(&[IoSlice::new(self.check.to_send())]) {
                Ok(count) => self.check.sent(count),
                Err(_) => return Some(self.check.ended()),
            }
        }
        for _ in 0..MAX_READS {
            if !self.socket.may_read() {
                break;
            }
            match self.socket.recv(scratch) {
                Received::Blocked => break,
                Received::End | Received::Failed => return Some(self.check.ended()),
                Received::Bytes(count) => {
                    let bytes = scratch.get(..count).unwrap_or_default();
                    if let Some(result) = self.check.received(bytes) {
                        return Some(result);
                    }
                    self.look_for_more();
                }
            }
        }
        None
    }

    /// A read brings one message, however many wait: the reply may be behind another host's.
    fn look_for_more(&mut self) {
        if self.transport == CheckTransport::Echo {
            self.socket.note(Readiness {
                readable: true,
                ..Readiness::default()
            });
        }
    }
}
