//! Owns what the shell has to do next. A connection is due to be written to once, however many
//! frames are queued for it until then: that is what gathers them into one system call.

use super::session::Session;
use crate::connection_id::ConnectionId;

/// An order to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Frames wait for this connection, or it is to be closed when none do: see
    /// [`Broker::is_finished`](super::Broker::is_finished).
    Write(ConnectionId),
    /// Close at once, whatever waits.
    Close(ConnectionId),
}

/// Orders that are due.
#[derive(Debug, Default)]
pub(super) struct Actions {
    due: Vec<Action>,
    /// Connections whose queue has become half full: to be written to before more is read.
    pressed: Vec<ConnectionId>,
}

impl Actions {
    /// Makes a write due, if none is.
    pub(super) fn write(&mut self, session: &mut Session) {
        if !session.is_touched {
            session.is_touched = true;
            self.due.push(Action::Write(session.id));
        }
    }

    /// Makes a write due before more is read.
    pub(super) fn write_soon(&mut self, id: ConnectionId) {
        self.pressed.push(id);
    }

    pub(super) fn close(&mut self, id: ConnectionId) {
        self.due.push(Action::Close(id));
    }

    /// The next order. The caller takes the mark off the session of a write.
    pub(super) fn next(&mut self) -> Option<Action> {
        self.due.pop()
    }

    pub(super) fn next_pressed(&mut self) -> Option<ConnectionId> {
        self.pressed.pop()
    }
}
