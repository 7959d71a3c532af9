//! The connections of the admin interface: bytes and events in, whole requests out, and responses
//! back.
//!
//! They have limits of their own, so that a slow or a flooding client costs traffic nothing:
//! connections ([`MAX_CONNS`]), bytes of a request, time for a request and for taking a response,
//! requests in a turn. A connection carries one request at a time; what is sent ahead waits unread
//! in the system. At the limit of connections the one that has been idle longest makes room, or the one
//! that has been sending a request longest.

use super::request::{Found, Request, Unreadable, read};
use super::response::Response;
use crate::http::Method;
use crate::time::Timestamp;
use crate::transport::{Readiness, Received, Socket, Transport};
use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::time::Duration;

/// Connections at once.
pub(crate) const MAX_CONNS: usize = 128;
/// Time limit for a request to arrive, from its first byte.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A request that has been arriving for longer gives way to a newcomer at the limit of connections.
const REQUEST_PATIENCE: Duration = Duration::from_secs(1);
/// Time limit for a kept connection to bring the next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time limit for a client to take what it is sent, from the last time it took some.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a client that has just connected, or was just answered, to send its request while lb
/// stops.
const LAST_REQUEST_TIME: Duration = Duration::from_millis(500);
/// Bytes read from one connection in a turn.
const READ_BYTES: usize = 64 * 1024;
/// Bytes of events that wait for one subscriber.
const MAX_STREAM_BYTES: usize = 256 * 1024;

/// Names an admin connection; never used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AdminConnId(pub(crate) u64);

/// All admin connections.
#[derive(Debug)]
pub(crate) struct AdminConns<T> {
    conns: BTreeMap<AdminConnId, Conn<T>>,
    next_id: u64,
    /// Connections with input that was not looked at yet, in order.
    unread: VecDeque<AdminConnId>,
    /// Whether lb stops: each response is the last of its connection.
    is_stopping: bool,
}

#[derive(Debug)]
struct Conn<T> {
    socket: Socket<T>,
    phase: Phase,
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    /// What is to be sent behind `output`: part of the program, so that no client costs its bytes.
    fixed: &'static [u8],
    /// Bytes that may wait for it, if it takes events.
    stream_limit: usize,
    deadline: Timestamp,
    /// When it began to wait for a request.
    idle_since: Timestamp,
    /// Whether it is in `unread`.
    is_queued: bool,
    was_told_to_continue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A request is awaited, or in part here.
    Reading,
    /// A request is being answered.
    Answering { keeps: bool, is_for_head: bool },
    /// A response is being sent.
    Sending { keeps: bool },
    /// Events of this kind are sent for as long as it is open.
    Streaming(Feed),
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// What happens.
    Events,
    /// That, and the figures of the pools several times a second.
    Live,
}

impl<T: Transport> AdminConns<T> {
    pub(crate) fn new() -> Self {
        Self {
            conns: BTreeMap::new(),
            next_id: 0,
            unread: VecDeque::new(),
            is_stopping: false,
        }
    }

    /// lb stops. Requests that come now are answered, and their connections closed.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// When no request is under way or about to come any more: a time that has passed if that is so
    /// already, never if an event or a deadline must come first. Streams go on until the end.
    pub(crate) fn quiet_at(&self) -> Timestamp {
        let at = |conn: &Conn<T>| match conn.phase {
            Phase::Reading if conn.input.is_empty() => conn.idle_since + LAST_REQUEST_TIME,
            Phase::Streaming(_) => Timestamp::ZERO,
            Phase::Reading | Phase::Answering { .. } | Phase::Sending { .. } => Timestamp::NEVER,
        };
        let all = self.conns.values().map(at);
        all.max().unwrap_or(Timestamp::ZERO)
    }

    /// An id for one more connection, if need be after closing one that is idle, or slow.
    pub(crate) fn make_room(&mut self, now: Timestamp) -> Option<AdminConnId> {
        if self.conns.len() >= MAX_CONNS {
            let is_slow =
                |conn: &Conn<T>| conn.deadline + REQUEST_PATIENCE <= now + REQUEST_TIMEOUT;
            let conns = self.conns.iter();
            let waiting = conns.filter(|(_, conn)| conn.phase == Phase::Reading);
            let unneeded = waiting.filter(|(_, conn)| conn.input.is_empty() || is_slow(conn));
            let (oldest, _) =
                unneeded.min_by_key(|(_, conn)| (!conn.input.is_empty(), conn.deadline))?;
            let oldest = *oldest;
            self.conns.remove(&oldest);
        }
        let id = AdminConnId(self.next_id);
        self.next_id += 1;
        Some(id)
    }

    /// Takes over a connection, which is registered for events under `id`.
    pub(crate) fn accepted(&mut self, id: AdminConnId, io: T, now: Timestamp) {
        let conn = Conn {
            socket: Socket::new(io),
            phase: Phase::Reading,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            fixed: &[],
            stream_limit: 0,
            deadline: now + REQUEST_TIMEOUT,
            idle_since: now,
            is_queued: false,
            was_told_to_continue: false,
        };
        self.conns.insert(id, conn);
    }

    /// Takes an event for a connection.
    pub(crate) fn ready(&mut self, id: AdminConnId, ready: Readiness, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        conn.socket.note(ready);
        if ready.broken && conn.phase != Phase::Reading {
            self.conns.remove(&id);
            return;
        }
        if conn.has_unsent() {
            self.send(id, now);
        }
        self.look_later(id, false);
    }

    /// Puts a connection in line to be read, if more may have come or `has_input`: there is input
    /// that was not looked at. What is here of a request and was looked at is no reason.
    fn look_later(&mut self, id: AdminConnId, has_input: bool) {
        if let Some(conn) = self.conns.get_mut(&id)
            && !conn.is_queued
            && (conn.socket.may_read() || has_input)
        {
            conn.is_queued = true;
            self.unread.push_back(id);
        }
    }

    /// Whether there is input to look at.
    pub(crate) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// The next whole request. Looks at one connection: `None` may mean that there was none there.
    pub(crate) fn next_request(
        &mut self,
        scratch: &mut [u8],
        now: Timestamp,
    ) -> Option<(AdminConnId, Box<Request>)> {
        let id = self.unread.pop_front()?;
        let conn = self.conns.get_mut(&id)?;
        conn.is_queued = false;
        match conn.phase {
            Phase::Reading => {}
            // What comes after a request waits; of a subscriber nothing but its end may come.
            Phase::Answering { .. } | Phase::Sending { .. } => return None,
            Phase::Streaming(_) => {
                if conn.has_left(scratch) {
                    self.conns.remove(&id);
                }
                return None;
            }
        }
        let was_empty = conn.input.is_empty();
        let is_over = conn.receive(scratch);
        if was_empty && !conn.input.is_empty() {
            conn.deadline = now + REQUEST_TIMEOUT;
        }
        match read(&conn.input) {
            Ok(Found::Whole(request, used)) => {
                conn.input.drain(..used);
                conn.was_told_to_continue = false;
                conn.phase = Phase::Answering {
                    // Nothing would announce that it can be closed.
                    keeps: request.persistent && !(is_over && conn.input.is_empty()),
                    is_for_head: request.method == Method::Head,
                };
                conn.deadline = Timestamp::NEVER;
                return Some((id, request));
            }
            Ok(Found::Partial { .. }) if is_over => {
                self.conns.remove(&id);
            }
            Ok(Found::Partial { wants_continue }) => {
                if wants_continue && !conn.was_told_to_continue {
                    conn.was_told_to_continue = true;
                    conn.output
                        .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                    self.send(id, now);
                }
                self.look_later(id, false);
            }
            Err(Unreadable { status, message }) => {
                conn.phase = Phase::Answering {
                    keeps: false,
                    is_for_head: false,
                };
                self.respond(id, &Response::error(status, "unreadable", message), now);
            }
        }
        None
    }

    /// Answers the request of a connection. One that is gone needs no answer.
    pub(crate) fn respond(&mut self, id: AdminConnId, response: &Response, now: Timestamp) {
        if let Some(conn) = self.conns.get_mut(&id)
            && let Phase::Answering { keeps, is_for_head } = conn.phase
        {
            let keeps = keeps && !self.is_stopping;
            conn.output.extend(response.bytes(keeps, is_for_head));
            if !is_for_head {
                conn.fixed = response.fixed_body();
            }
            conn.phase = Phase::Sending { keeps };
            conn.deadline = now + SEND_TIMEOUT;
            self.send(id, now);
        }
    }

    /// Answers the request of a connection with a stream that begins with `start`. Events follow.
    pub(crate) fn stream(&mut self, id: AdminConnId, feed: Feed, start: &[u8], now: Timestamp) {
        if let Some(conn) = self.conns.get_mut(&id)
            && let Phase::Answering { .. } = conn.phase
        {
            conn.output.extend_from_slice(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                  Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            );
            conn.output.extend_from_slice(start);
            conn.phase = Phase::Streaming(feed);
            conn.stream_limit = start.len() + MAX_STREAM_BYTES;
            self.send(id, now);
        }
    }

    /// Sends an event to every subscriber. One for which too much waits already is dropped.
    pub(crate) fn publish(&mut self, event: &[u8], now: Timestamp) {
        self.publish_to(&[Feed::Events, Feed::Live], event, now);
    }

    /// Sends figures to the subscribers that take them.
    pub(crate) fn publish_figures(&mut self, figures: &[u8], now: Timestamp) {
        self.publish_to(&[Feed::Live], figures, now);
    }

    fn publish_to(&mut self, feeds: &[Feed], event: &[u8], now: Timestamp) {
        let takes = |conn: &Conn<T>| conn.feed().is_some_and(|feed| feeds.contains(&feed));
        let streams = self.conns.iter();
        let streams = streams.filter(|(_, conn)| takes(conn));
        let ids: Vec<_> = streams.map(|(id, _)| *id).collect();
        for id in ids {
            let Some(conn) = self.conns.get_mut(&id) else {
                continue;
            };
            conn.output.extend_from_slice(event);
            if conn.output.len() - conn.sent > conn.stream_limit {
                self.conns.remove(&id);
            } else {
                self.send(id, now);
            }
        }
    }

    /// Connections that take events.
    pub(crate) fn subscribers(&self) -> usize {
        let conns = self.conns.values();
        conns.filter(|conn| conn.feed().is_some()).count()
    }

    /// Connections that take figures.
    pub(crate) fn watchers(&self) -> usize {
        let conns = self.conns.values();
        conns.filter(|conn| conn.feed() == Some(Feed::Live)).count()
    }

    fn send(&mut self, id: AdminConnId, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let Ok(moved) = conn.flush() else {
            self.conns.remove(&id);
            return;
        };
        let is_done = !conn.has_unsent();
        let has_moved = is_done || moved > 0;
        match conn.phase {
            Phase::Reading | Phase::Answering { .. } => {}
            Phase::Sending { keeps: false } if is_done => {
                conn.socket.finish();
                self.conns.remove(&id);
            }
            Phase::Sending { keeps: true } if is_done => {
                conn.phase = Phase::Reading;
                conn.deadline = now + IDLE_TIMEOUT;
                conn.idle_since = now;
                let has_input = !conn.input.is_empty();
                self.look_later(id, has_input);
            }
            Phase::Streaming(_) if is_done => conn.deadline = Timestamp::NEVER,
            Phase::Sending { .. } | Phase::Streaming(_) => {
                if has_moved || conn.deadline == Timestamp::NEVER {
                    conn.deadline = now + SEND_TIMEOUT;
                }
            }
        }
    }

    /// When a connection is due.
    pub(crate) fn next_wakeup(&self) -> Timestamp {
        let deadlines = self.conns.values().map(|conn| conn.deadline);
        deadlines.min().unwrap_or(Timestamp::NEVER)
    }

    /// Closes the connections whose time is over.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.conns.retain(|_, conn| conn.deadline > now);
    }

    /// The loop did not run for `pause`: nothing was read for that long.
    pub(crate) fn postpone(&mut self, pause: Duration) {
        for conn in self.conns.values_mut() {
            if conn.deadline != Timestamp::NEVER {
                conn.deadline = conn.deadline + pause;
            }
        }
    }

    /// Connections that are open.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.conns.len()
    }
}

impl<T: Transport> Conn<T> {
    /// Reads what has come, up to a limit. Returns whether no more can come.
    fn receive(&mut self, scratch: &mut [u8]) -> bool {
        let mut left = READ_BYTES;
        while left > 0 && self.socket.may_read() {
            match self.socket.recv(scratch) {
                Received::Bytes(count) => {
                    self.input
                        .extend_from_slice(scratch.get(..count).unwrap_or_default());
                    left = left.saturating_sub(count);
                }
                Received::Blocked => break,
                Received::End | Received::Failed => return true,
            }
        }
        self.socket.has_ended()
    }

    /// Whether a subscriber has closed. What it sends is discarded.
    fn has_left(&mut self, scratch: &mut [u8]) -> bool {
        let is_over = self.receive(scratch);
        self.input.clear();
        is_over
    }

    /// What the stream carries, if it is one.
    const fn feed(&self) -> Option<Feed> {
        match self.phase {
            Phase::Streaming(feed) => Some(feed),
            _ => None,
        }
    }

    const fn has_unsent(&self) -> bool {
        self.sent < self.output.len() || !self.fixed.is_empty()
    }

    /// Sends what the socket takes. Returns how many bytes that were.
    fn flush(&mut self) -> Result<usize, crate::transport::SendFailed> {
        let mut moved = 0;
        while self.has_unsent() {
            let rest = self.output.get(self.sent..).unwrap_or_default();
            let own = rest.len();
            let count = self
                .socket
                .send(&[IoSlice::new(rest), IoSlice::new(self.fixed)])?;
            if count == 0 {
                break;
            }
            moved += count;
            self.sent += count.min(own);
            let of_fixed = count.saturating_sub(own);
            self.fixed = self.fixed.get(of_fixed..).unwrap_or_default();
        }
        if self.sent >= self.output.len() {
            self.output = Vec::new();
            self.sent = 0;
        } else if self.sent > READ_BYTES {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
        Ok(moved)
    }
}
