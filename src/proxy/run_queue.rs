//! Work that yielded: it can go on at once, but others have their turn first.

use crate::ids::{ClientConnId, ExchangeId};
use std::collections::VecDeque;

/// Something that can go on without an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Runnable {
    /// Look for the next request of a client.
    Client(ClientConnId),
    /// Go on with an exchange.
    Exchange(ExchangeId),
    /// Discard more of the bytes a lingering client sends.
    Lingering(ClientConnId),
    /// Read more heartbeats.
    Heartbeats,
}

/// The runnables of a loop, first come, first served.
#[derive(Debug, Default)]
pub(super) struct RunQueue(VecDeque<Runnable>);

impl RunQueue {
    pub(super) fn push(&mut self, runnable: Runnable) {
        self.0.push_back(runnable);
    }

    pub(super) fn pop(&mut self) -> Option<Runnable> {
        self.0.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Runnable> {
        self.0.iter()
    }
}
