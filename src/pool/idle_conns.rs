//! Connections to backends that wait for their next exchange, shared by all clients.
//!
//! One stack per backend: the connection used last is used next, so that those which are not
//! needed grow old and are closed.

use crate::ids::BackendConnId;
use crate::strategy::BackendId;

/// The idle links of every backend.
#[derive(Debug)]
pub(crate) struct IdleConns {
    stacks: Vec<Vec<BackendConnId>>,
}

impl IdleConns {
    pub(crate) fn new(backends: usize) -> Self {
        Self {
            stacks: vec![Vec::new(); backends],
        }
    }

    /// Returns how many wait for this backend.
    pub(crate) fn len(&self, backend: BackendId) -> usize {
        self.stacks.get(backend.slot()).map_or(0, Vec::len)
    }

    /// Returns the connection at `place`.
    #[cfg(test)]
    pub(crate) fn at(&self, backend: BackendId, place: u32) -> Option<BackendConnId> {
        let stack = self.stacks.get(backend.slot())?;
        stack.get(place as usize).copied()
    }

    /// Adds a link and returns its place.
    pub(crate) fn push(&mut self, backend: BackendId, link: BackendConnId) -> u32 {
        let slot = backend.slot();
        if slot >= self.stacks.len() {
            self.stacks.resize_with(slot + 1, Vec::new);
        }
        match self.stacks.get_mut(slot) {
            Some(stack) => {
                stack.push(link);
                stack.len() as u32 - 1
            }
            None => 0,
        }
    }

    /// Takes the link that was used last.
    pub(crate) fn pop(&mut self, backend: BackendId) -> Option<BackendConnId> {
        self.stacks.get_mut(backend.slot())?.pop()
    }

    /// The links that wait for this backend.
    pub(crate) fn of(&self, backend: BackendId) -> Vec<BackendConnId> {
        self.stacks.get(backend.slot()).cloned().unwrap_or_default()
    }

    /// Removes the link at `place`. Returns the link that has this place now, if one moved.
    pub(crate) fn remove(&mut self, backend: BackendId, place: u32) -> Option<BackendConnId> {
        let stack = self.stacks.get_mut(backend.slot())?;
        let place = place as usize;
        if place < stack.len() {
            stack.swap_remove(place);
        }
        stack.get(place).copied()
    }
}
