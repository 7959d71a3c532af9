//! Owns the connections, each in a slot with a generation: an id of one that is gone finds nothing,
//! also when its slot has been taken again.

use super::session::Session;
use crate::connection_id::ConnectionId;
use slab::Slab;

/// Connections by their id.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    slots: Slab<Session>,
    last_generation: u32,
}

impl Sessions {
    /// Enters a connection, made with the id it gets.
    pub(super) fn enter(&mut self, make: impl FnOnce(ConnectionId) -> Session) -> ConnectionId {
        self.last_generation = self.last_generation.wrapping_add(1);
        let slot = self.slots.vacant_entry();
        let id = ConnectionId::new(slot.key(), self.last_generation);
        slot.insert(make(id));
        id
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Session> {
        self.slots.get(id.slot()).filter(|session| session.id == id)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Session> {
        self.slots
            .get_mut(id.slot())
            .filter(|session| session.id == id)
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        if self.get(id).is_some() {
            self.slots.remove(id.slot());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().map(|(_, session)| session)
    }
}
