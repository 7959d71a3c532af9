//! The phase in which clients are accepted.
//!
//! Owns when the loop accepts and when it does not: within the limit of connections, so many in a
//! turn, and not for a while after the system had no room for one.

use super::event_loop::EventLoop;
use super::other_workers::OtherWorkers;
use crate::net::{Accepted, Listener};
use crate::telemetry::TurnPhase;
use crate::time::Timestamp;
use std::io;
use std::time::Duration;

/// Connections accepted on one listener in one turn.
const ACCEPTS_PER_TURN: usize = 64;
/// How long no connection is accepted after the system had no room for one.
pub(super) const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

impl EventLoop {
    /// Whether clients may be waiting to be accepted.
    pub(super) fn has_arrivals(&self) -> bool {
        self.listeners.iter().any(|listener| listener.ready)
    }

    pub(super) fn can_accept(&self) -> bool {
        match &self.other_workers {
            None => self.proxy.open_clients() < self.max_connections,
            Some(other_workers) => other_workers.has_room(),
        }
    }

    /// Accepts who waits. Returns the time when that is done.
    pub(super) fn accept(&mut self, now: Timestamp) -> Timestamp {
        if !self.has_arrivals() || now < self.accepts_from {
            return now;
        }
        for index in 0..self.listeners.len() {
            if self.accept_on(index, now).is_err() {
                // Trying again at once would spin; what waits is in the kernel's queue.
                self.accepts_from = now + SHORTAGE_PAUSE;
                break;
            }
        }
        self.mark(TurnPhase::Accept)
    }

    /// Accepts who waits at one listener.
    ///
    /// # Errors
    /// The system has no room for one more.
    fn accept_on(&mut self, index: usize, now: Timestamp) -> io::Result<()> {
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.can_accept() {
                break;
            }
            let Some(listener) = self.listeners.get_mut(index).filter(|l| l.ready) else {
                break;
            };
            let accepted = match &mut self.other_workers {
                None => listener.accept(),
                Some(other_workers) => accept_for(other_workers, listener),
            };
            let served = match accepted {
                Ok(Some(accepted)) => self.serve(accepted, now),
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            served.or_else(|error| match is_shortage(&error) {
                true => Err(error),
                false => Ok(()),
            })?;
        }
        Ok(())
    }

    fn serve(&mut self, accepted: Accepted, now: Timestamp) -> io::Result<()> {
        let Accepted {
            stream,
            address,
            listener,
        } = accepted;
        self.proxy.accepted(stream, address, listener, now)
    }

    /// Serves a connection that another worker has accepted. One that comes while this one stops
    /// is closed, like those that wait to be accepted.
    pub(super) fn take_over(&mut self, accepted: Accepted, now: Timestamp) {
        if let Some(other_workers) = &mut self.other_workers {
            other_workers.taken_over();
        }
        if self.stopping_until.is_none() {
            // An error means that it is closed, and so it is counted.
            let _ = self.serve(accepted, now);
        }
    }
}

/// Accepts a connection, if one more may be open over all workers. `None`: none came, or it is for
/// another worker.
fn accept_for(
    other_workers: &mut OtherWorkers,
    listener: &mut Listener,
) -> io::Result<Option<Accepted>> {
    if !other_workers.reserve() {
        return Ok(None);
    }
    let accepted = listener.accept();
    if !matches!(accepted, Ok(Some(_))) {
        other_workers.release();
    }
    Ok(accepted?.and_then(|accepted| other_workers.hand_on(accepted)))
}

/// Whether an error of accepting is about means, not about one connection (`accept(2)`).
pub(super) fn is_shortage(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
