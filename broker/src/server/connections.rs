//! Owns the sockets of all connections, in the slots that the broker gave them: which may have more
//! to read, and how many bytes of unfinished frames they hold together. Knows nothing of turns.
//!
//! Invariant: a socket that may have more to read is listed until it was read dry.

use super::connection::{Connection, Progress, Scratch};
use crate::broker::Broker;
use crate::connection_id::ConnectionId;
use crate::error::{Code, Refusal};
use crate::time::Timestamp;
use std::collections::VecDeque;

/// Connections by their slot.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Vec<Option<Connection>>,
    readable: VecDeque<ConnectionId>,
    /// Bytes of frames that are not all there, of all connections.
    unfinished_bytes: usize,
}

impl Connections {
    pub(super) fn enter(&mut self, connection: Connection) {
        let slot = connection.id().slot();
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(connection);
        }
    }

    /// The connection in a slot, whichever that is now.
    pub(super) fn at(&mut self, slot: usize) -> Option<&mut Connection> {
        self.slots.get_mut(slot)?.as_mut()
    }

    fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.at(id.slot())
            .filter(|connection| connection.id() == id)
    }

    /// Forgets a connection; dropping its socket closes it. Reports that it was there.
    pub(super) fn remove(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.get(id) else {
            return false;
        };
        let unfinished = connection.unfinished_bytes();
        self.unfinished_bytes -= unfinished;
        if let Some(place) = self.slots.get_mut(id.slot()) {
            *place = None;
        }
        true
    }

    /// Takes the event that a socket has bytes, or that the other side has ended its stream.
    pub(super) fn set_readable(&mut self, slot: usize, is_ending: bool) {
        if let Some(Some(connection)) = self.slots.get_mut(slot)
            && connection.set_readable(is_ending)
        {
            self.readable.push_back(connection.id());
        }
    }

    /// How many are listed for reading.
    pub(super) fn readable(&self) -> usize {
        self.readable.len()
    }

    /// Takes the next one off the list.
    pub(super) fn next_readable(&mut self) -> Option<ConnectionId> {
        self.readable.pop_front()
    }

    /// Reads once from a connection, and lists it again if there may be more.
    pub(super) fn read(
        &mut self,
        id: ConnectionId,
        broker: &mut Broker,
        scratch: &mut Scratch,
        now: Timestamp,
    ) -> Progress {
        let Some(connection) = self.get(id) else {
            return Progress::Blocked;
        };
        let before = connection.unfinished_bytes();
        let progress = connection.read(broker, scratch, now);
        let after = connection.unfinished_bytes();
        self.unfinished_bytes = self.unfinished_bytes - before + after;
        let most = broker.max_unfinished_bytes();
        if self.unfinished_bytes > most && after > 0 {
            self.give_up(id, broker, most, now);
        }
        if progress == Progress::More {
            self.readable.push_back(id);
        }
        progress
    }

    /// Gives up an unfinished frame. Most frames come whole: the connection whose frame is cut
    /// short when there is no room is one of those that fill it.
    fn give_up(&mut self, id: ConnectionId, broker: &mut Broker, most: usize, now: Timestamp) {
        let text = format!("unfinished frames of all connections take more than {most} bytes");
        if let Some(connection) = self.get(id) {
            let unfinished = connection.unfinished_bytes();
            connection.give_up(broker, &Refusal::new(Code::Limit, text), now);
            self.unfinished_bytes -= unfinished;
        }
    }
}
