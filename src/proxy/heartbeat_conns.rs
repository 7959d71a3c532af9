//! Connections that bring heartbeats.
//!
//! Nothing is ever answered on them. One that brings what is refused is closed; so is one that
//! brings nothing new for [`PROVEN_TIMEOUT`], or nothing at all for [`FIRST_TIMEOUT`]. When there
//! are as many as there may be, one that has not brought a good heartbeat yet makes room, the
//! oldest first: strangers cannot keep those out who have a right to be heard.

use super::Proxy;
use super::network::{Network, Token};
use super::run_queue::Runnable;
use super::timers::Timer;
use crate::address::ClientAddress;
use crate::heartbeat::{Frames, Heard, Heartbeat, Refusal};
use crate::ids::HeartbeatConnId;
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired};
use crate::transport::{Readiness, Received, Socket};
use std::io;
use std::time::Duration;

/// For the first good heartbeat to come.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
/// For the next to come: twice the longest interval.
const PROVEN_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes read in one go; more wait for the next turn.
const READ_BYTES: usize = 4096;

/// A connection that brings heartbeats.
#[derive(Debug)]
pub(super) struct HeartbeatConn<T> {
    socket: Socket<T>,
    from: ClientAddress,
    frames: Frames,
    deadline: Deadline,
    accepted_at: Timestamp,
    /// Whether it has brought a good heartbeat.
    is_proven: bool,
    is_closing: bool,
}

impl<T> HeartbeatConn<T> {
    /// Whether it is closed at the end of this turn.
    pub(super) const fn is_closing(&self) -> bool {
        self.is_closing
    }
}

impl<N: Network> Proxy<N> {
    /// Takes over a connection that was accepted to bring heartbeats.
    ///
    /// # Errors
    /// The system has no room to watch the connection; it is closed.
    pub fn accepted_heartbeat_conn(
        &mut self,
        io: N::Stream,
        from: ClientAddress,
        now: Timestamp,
    ) -> io::Result<()> {
        if !self.make_room_for_heartbeat_conn() {
            self.refuse_heartbeat(Refusal::Connections, from, None, now);
            return Ok(());
        }
        let Some(heartbeats) = self.heartbeats.as_mut().filter(|_| !self.is_stopping) else {
            return Ok(());
        };
        let id = heartbeats.conns.insert(HeartbeatConn {
            socket: Socket::new(io),
            from,
            frames: Frames::default(),
            deadline: Deadline::default(),
            accepted_at: now,
            is_proven: false,
            is_closing: false,
        });
        if let Some(heartbeat_conn) = heartbeats.conns.get_mut(id)
            && let Err(error) = self
                .network
                .register(heartbeat_conn.socket.io_mut(), Token::HeartbeatConn(id))
        {
            heartbeats.conns.remove(id);
            return Err(error);
        }
        self.set_heartbeat_conn_deadline(id, now + FIRST_TIMEOUT);
        Ok(())
    }

    /// Whether there is room for one more, if need be after closing one that brought nothing yet.
    fn make_room_for_heartbeat_conn(&mut self) -> bool {
        let Some(heartbeats) = &self.heartbeats else {
            return false;
        };
        if heartbeats.conns.len() < heartbeats.max_conns {
            return true;
        }
        let age = |id: &HeartbeatConnId| {
            heartbeats
                .conns
                .get(*id)
                .map(|heartbeat_conn| heartbeat_conn.accepted_at)
        };
        let strangers = heartbeats.conns.ids().into_iter().filter(|id| {
            let heartbeat_conn = heartbeats.conns.get(*id);
            heartbeat_conn.is_some_and(|heartbeat_conn| {
                !heartbeat_conn.is_proven && !heartbeat_conn.is_closing
            })
        });
        let Some(oldest) = strangers.min_by_key(age) else {
            return false;
        };
        self.close_heartbeat_conn(oldest);
        true
    }

    /// An event for a heartbeat_conn.
    pub(super) fn heartbeat_conn_ready(
        &mut self,
        id: HeartbeatConnId,
        ready: Readiness,
        now: Timestamp,
    ) {
        if let Some(heartbeat_conn) = self.heartbeat_conn(id) {
            heartbeat_conn.socket.note(ready);
            self.read_heartbeat_conn(id, now);
        }
    }

    /// Reads what has come in, as much as one turn may.
    pub(super) fn read_heartbeat_conn(&mut self, id: HeartbeatConnId, now: Timestamp) {
        let Some(heartbeats) = &mut self.heartbeats else {
            return;
        };
        let (key, heartbeat_conn) = (heartbeats.key.as_ref(), heartbeats.conns.get_mut(id));
        let Some(heartbeat_conn) = heartbeat_conn.filter(|heartbeat_conn| {
            !heartbeat_conn.is_closing && heartbeat_conn.socket.may_read()
        }) else {
            return;
        };
        let scratch = self.io.scratch.get_mut(..READ_BYTES);
        let scratch = scratch.unwrap_or_default();
        let mut messages = Vec::new();
        let is_over = match heartbeat_conn.socket.recv(scratch) {
            Received::Blocked => return,
            Received::End | Received::Failed => true,
            Received::Bytes(count) => {
                let bytes = scratch.get(..count).unwrap_or_default();
                let take = |message: &[u8]| messages.push(Heartbeat::decode(message, key));
                let read = heartbeat_conn.frames.received(bytes, take);
                messages.extend(read.is_err().then_some(Err(Refusal::Malformed)));
                false
            }
        };
        let (from, more) = (heartbeat_conn.from, heartbeat_conn.socket.may_read());
        for message in messages {
            match self.hear(message, from, now) {
                Ok(Heard::First(_) | Heard::Taken(_)) => self.confirm_heartbeat_conn(id, now),
                // It is not worth less than before.
                Ok(Heard::Stale) | Err(Refusal::UnknownBackend) => {}
                Err(_) => return self.close_heartbeat_conn(id),
            }
        }
        if is_over {
            self.close_heartbeat_conn(id);
        } else if more {
            self.run_queue.push(Runnable::HeartbeatConn(id));
        }
    }

    fn confirm_heartbeat_conn(&mut self, id: HeartbeatConnId, now: Timestamp) {
        if let Some(heartbeat_conn) = self.heartbeat_conn(id) {
            heartbeat_conn.is_proven = true;
        }
        self.set_heartbeat_conn_deadline(id, now + PROVEN_TIMEOUT);
    }

    fn set_heartbeat_conn_deadline(&mut self, id: HeartbeatConnId, at: Timestamp) {
        if let Some(heartbeat_conn) = self.heartbeat_conn(id)
            && let Some(at) = heartbeat_conn.deadline.set(at)
        {
            self.timers.arm(Timer::HeartbeatConn(id), at);
        }
    }

    /// The deadline of a heartbeat_conn may be over.
    pub(super) fn heartbeat_conn_fired(&mut self, id: HeartbeatConnId, now: Timestamp) {
        let Some(heartbeat_conn) = self.heartbeat_conn(id) else {
            return;
        };
        match heartbeat_conn.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => self.timers.arm(Timer::HeartbeatConn(id), at),
            Fired::Due => self.close_heartbeat_conn(id),
        }
    }

    /// Closes a heartbeat_conn at the end of this turn.
    fn close_heartbeat_conn(&mut self, id: HeartbeatConnId) {
        if let Some(heartbeat_conn) = self
            .heartbeat_conn(id)
            .filter(|heartbeat_conn| !heartbeat_conn.is_closing)
        {
            heartbeat_conn.is_closing = true;
        }
    }

    /// Ends all of them.
    pub(super) fn stop_heartbeat_conns(&mut self) {
        let conns = self.heartbeats.as_ref().map(|h| h.conns.ids());
        for id in conns.into_iter().flatten() {
            self.close_heartbeat_conn(id);
        }
    }

    fn heartbeat_conn(&mut self, id: HeartbeatConnId) -> Option<&mut HeartbeatConn<N::Stream>> {
        self.heartbeats.as_mut()?.conns.get_mut(id)
    }
}
