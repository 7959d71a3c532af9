//! One check under way on its socket.
//!
//! Owns which of several addresses is asked, and how readiness becomes a verdict: wait for the
//! connection, send, read. It knows neither time nor what the verdict is good for.

use super::{Probe, Verdict};
use crate::address::Address;
use crate::error::is_shortage;
use crate::pool::CheckFailure;
use crate::transport::{Readiness, Received, Socket, Transport};
use std::io::{self, IoSlice};

/// Reads for one event. An answer takes a few; whoever floods us is read no faster.
const MAX_READS: usize = 64;

/// A check under way.
#[derive(Debug)]
pub struct Attempt<T> {
    socket: Socket<T>,
    probe: Probe,
    is_connected: bool,
    /// Which of the addresses it is made to.
    place: usize,
}

/// What became of the beginning of a check.
#[derive(Debug)]
pub enum Begun<T> {
    /// Events will tell how it goes on.
    UnderWay(Attempt<T>),
    /// It was over at once.
    Over(Verdict),
}

impl<T: Transport> Attempt<T> {
    /// Begins a check at the first of `addresses`, from the one at `first` on, that does not fail
    /// at once. `open` makes a socket for an address, and what is asked there.
    ///
    /// # Errors
    /// We, not who is checked, are at the end of our means.
    pub fn begin(
        addresses: &[Address],
        first: usize,
        mut open: impl FnMut(&Address) -> io::Result<(T, Probe)>,
        scratch: &mut [u8],
    ) -> io::Result<Begun<T>> {
        for (place, address) in addresses.iter().enumerate().skip(first) {
            let mut attempt = match open(address) {
                Ok((io, probe)) => Self::new(io, probe, place),
                Err(error) if is_shortage(&error) => return Err(error),
                Err(_) => continue,
            };
            // What needs no connection is sent before any event.
            let verdict = match attempt.is_connected {
                true => attempt.advance(scratch),
                false => None,
            };
            match verdict {
                None => return Ok(Begun::UnderWay(attempt)),
                Some(Err(CheckFailure::Unreachable)) => {}
                Some(verdict) => return Ok(Begun::Over(verdict)),
            }
        }
        Ok(Begun::Over(Err(CheckFailure::Unreachable)))
    }

    fn new(io: T, probe: Probe, place: usize) -> Self {
        Self {
            socket: Socket::new(io),
            is_connected: !probe.connects(),
            probe,
            place,
        }
    }

    /// Where to go on if this address proves unreachable.
    pub const fn next_place(&self) -> usize {
        self.place + 1
    }

    /// An event for the socket. Unreachable means that another address may do better.
    pub fn ready(&mut self, ready: Readiness, scratch: &mut [u8]) -> Option<Verdict> {
        self.socket.note(ready);
        if self.is_connected {
            return self.advance(scratch);
        }
        if ready.broken {
            return Some(Err(CheckFailure::Unreachable));
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
        for _ in 0..MAX_READS {
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
