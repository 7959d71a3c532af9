//! The heartbeats phase. The first of several workers listens to heartbeats; the others have
//! nothing to do here.

use super::accept::{SHORTAGE_PAUSE, concerns_one_connection};
use super::event_loop::EventLoop;
use crate::net::{HeartbeatListener, SystemNetwork};
use crate::proxy::Proxy;
use crate::telemetry::TurnPhase;
use crate::time::Timestamp;
use std::io;

/// Datagrams taken in one turn: about as many as the system keeps by default, so that after a pause
/// all that have arrived are taken before a sender is found silent.
const DATAGRAMS_PER_TURN: usize = 256;
/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 16;

impl EventLoop {
    /// The time at which heartbeats that have arrived can be taken, if any have.
    pub(super) fn heartbeats_due(&self) -> Option<Timestamp> {
        let heartbeats = self.arrivals.heartbeats.as_ref()?;
        if heartbeats.has_datagrams() {
            return Some(Timestamp::ZERO);
        }
        heartbeats
            .has_connections()
            .then_some(self.arrivals.paused_until)
    }

    /// Runs the phase: takes heartbeats, and connections that bring them.
    pub(super) fn hear(&mut self, now: Timestamp) -> Timestamp {
        let is_due = self.heartbeats_due().is_some_and(|due| due <= now);
        let Some(heartbeats) = self.arrivals.heartbeats.as_mut().filter(|_| is_due) else {
            return now;
        };
        take_datagrams(heartbeats, &mut self.proxy, now);
        if now >= self.arrivals.paused_until
            && let Err(error) = accept_senders(heartbeats, &mut self.proxy, now)
            && !concerns_one_connection(&error)
        {
            self.arrivals.paused_until = now + SHORTAGE_PAUSE;
        }
        self.mark(TurnPhase::Heartbeats)
    }

    /// Heartbeats are compared with the wall clock, which may be set at any time.
    pub(super) fn keep_wall_clock(&mut self, now: Timestamp) {
        if self.arrivals.heartbeats.is_some() {
            self.proxy.set_wall_clock(self.clock.wall(), now);
        }
    }
}

fn take_datagrams(
    heartbeats: &mut HeartbeatListener,
    proxy: &mut Proxy<SystemNetwork>,
    now: Timestamp,
) {
    for _ in 0..DATAGRAMS_PER_TURN {
        match heartbeats.datagram() {
            Ok(Some((datagram, from))) => proxy.heartbeat_datagram(datagram, from.into(), now),
            Ok(None) => return,
            // It concerns one datagram.
            Err(_) => {}
        }
    }
}

/// Accepts connections of senders.
///
/// # Errors
/// The system could not accept or watch one.
fn accept_senders(
    heartbeats: &mut HeartbeatListener,
    proxy: &mut Proxy<SystemNetwork>,
    now: Timestamp,
) -> io::Result<()> {
    for _ in 0..ACCEPTS_PER_TURN {
        if let Some(accepted) = heartbeats.connection()? {
            proxy.heartbeat_conn_accepted(accepted.stream, accepted.address, now)?;
        }
    }
    Ok(())
}
