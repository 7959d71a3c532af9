//! Work that can go on without an event: what an event announced when there was no time for it, and
//! what yielded because others have their turn first.
//!
//! The two wait apart, and each gets a share of every turn: a newcomer does not stand behind those
//! that could go on for ever, and a flood of newcomers does not stop what has begun. So do TLS
//! handshakes that begin, each of which costs as much as ten requests.

use crate::ids::{ClientConnId, ExchangeId};
use crate::pool::PoolId;
use crate::strategy::BackendId;
use std::collections::VecDeque;

/// Something that can go on without an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Runnable {
    /// Read what a client has sent outside an exchange.
    Client(ClientConnId),
    /// Go on with an exchange.
    Exchange(ExchangeId),
    /// Give an exchange that waits for a silent backend to another one.
    Redispatch(ExchangeId, PoolId, BackendId),
    /// Read more heartbeats.
    Heartbeats,
}

/// The runnables of a loop, first come, first served within each queue.
#[derive(Debug, Default)]
pub(super) struct RunQueue {
    new: VecDeque<Runnable>,
    yielded: VecDeque<Runnable>,
    handshakes: VecDeque<Runnable>,
}

impl RunQueue {
    /// Adds what has not had its turn yet.
    pub(super) fn push_new(&mut self, runnable: Runnable) {
        self.new.push_back(runnable);
    }

    /// Adds what had its turn and could go on.
    pub(super) fn push_yielded(&mut self, runnable: Runnable) {
        self.yielded.push_back(runnable);
    }

    /// Adds a client whose TLS handshake begins.
    pub(super) fn push_handshake(&mut self, client: ClientConnId) {
        self.handshakes.push_back(Runnable::Client(client));
    }

    pub(super) fn pop_new(&mut self) -> Option<Runnable> {
        self.new.pop_front()
    }

    pub(super) fn pop_yielded(&mut self) -> Option<Runnable> {
        self.yielded.pop_front()
    }

    pub(super) fn pop_handshake(&mut self) -> Option<Runnable> {
        self.handshakes.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.new.len() + self.yielded.len() + self.handshakes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.yielded.is_empty() && self.handshakes.is_empty()
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Runnable> {
        self.new.iter().chain(&self.yielded).chain(&self.handshakes)
    }
}
