//! The transition function of an exchange.
//!
//! Whatever happened (bytes, room, a connection, a deadline), the same function is called: it
//! does what can be done in the present phase and says what follows. Nothing else moves an
//! exchange on.

use super::arena::ExchangeId;
use super::dispatch::Dispatched;
use super::exchange::{Attempt, Phase};
use super::network::Network;
use super::{Proxy, Runnable};
use crate::error::{Fault, Refusal};
use crate::time::Timestamp;
use crate::transport::{Break, Pumped};
use std::mem;

/// What one step of an exchange leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing more until an event or the deadline.
    Wait,
    /// More could be done at once, but others have their turn first.
    Yield,
    /// The phase has changed: go on.
    Continue,
    /// Everything has been delivered.
    Finished,
    /// It cannot go on like this.
    Failed(Fault),
    /// The exchange is gone.
    Gone,
}

impl<N: Network> Proxy<N> {
    /// Does all that can be done for an exchange now.
    pub(super) fn drive(&mut self, id: ExchangeId, now: Timestamp) {
        loop {
            match self.step(id, now) {
                Step::Wait => return self.renew_deadline(id, now),
                Step::Yield => {
                    self.resume_later(id);
                    return self.renew_deadline(id, now);
                }
                Step::Continue => {}
                Step::Finished => return self.finish_exchange(id, now),
                Step::Failed(fault) => self.fail(id, fault, now),
                Step::Gone => return,
            }
        }
    }

    /// Lets others have their turn before an exchange goes on: once a turn, however many reasons
    /// there are.
    pub(super) fn resume_later(&mut self, id: ExchangeId) {
        if let Some(exchange) = self.conns.exchanges.get_mut(id)
            && !mem::replace(&mut exchange.has_yielded, true)
        {
            self.run_queue.push_back(Runnable::Exchange(id));
        }
    }

    fn step(&mut self, id: ExchangeId, now: Timestamp) -> Step {
        let Some(exchange) = self.conns.exchanges.get(id) else {
            return Step::Gone;
        };
        match (exchange.phase, &exchange.attempt) {
            (phase @ (Phase::AwaitingHead | Phase::Tunnel { .. }), Attempt::Idle) => {
                match self.dispatch(id, now) {
                    // Nothing can have come yet on a link that is new, or was idle.
                    Ok(Dispatched::Attached) if phase == Phase::AwaitingHead => {
                        self.upload(id, now)
                    }
                    Ok(Dispatched::Attached | Dispatched::AllFull) => Step::Continue,
                    Err(fault) => Step::Failed(fault),
                }
            }
            (Phase::AwaitingHead | Phase::Tunnel { .. }, Attempt::Queued) => self.wait_in_queue(id),
            (Phase::AwaitingHead, Attempt::At { .. }) => match self.upload(id, now) {
                Step::Wait => self.await_response(id, now),
                other => other,
            },
            (Phase::Responding { .. }, Attempt::At { .. }) => match self.upload(id, now) {
                Step::Wait => self.download(id, now),
                other => other,
            },
            (Phase::Responding { .. } | Phase::LocalReply { .. }, _) => self.deliver(id),
            (Phase::Tunnel { .. }, Attempt::At { .. }) => self.tunnel(id, now),
        }
    }

    /// Whoever has gone does not keep his place.
    fn wait_in_queue(&self, id: ExchangeId) -> Step {
        let exchange = self.conns.exchanges.get(id);
        let client = exchange.and_then(|exchange| self.conns.clients.get(exchange.client));
        match client {
            Some(client) if client.conn.socket.is_broken() => Step::Failed(Fault::ClientGone),
            Some(_) => Step::Wait,
            None => Step::Gone,
        }
    }

    /// Moves the request towards the backend. [`Step::Wait`] means: now see to the response.
    fn upload(&mut self, id: ExchangeId, now: Timestamp) -> Step {
        let Some(io) = self.conns.io(id) else {
            return Step::Gone;
        };
        let (exchange, client, link) = (io.exchange, io.client, io.link);
        if client.conn.socket.is_broken() {
            return Step::Failed(Fault::ClientGone);
        }
        if exchange.upload.is_done() || exchange.upload_stopped {
            return Step::Wait;
        }
        let pumped = exchange
            .upload
            .pump(&mut client.conn, &mut link.conn.socket, &mut self.io);
        let connecting = link.is_connecting() && !exchange.upload.is_touched();
        if link.is_connecting() && !connecting {
            exchange.stats.connect_time = link.established(now);
        }
        match pumped {
            Pumped::Blocked | Pumped::Done => Step::Wait,
            Pumped::Yielded => {
                self.resume_later(id);
                Step::Wait
            }
            // A client that has its answer already need not send what nobody waits for.
            Pumped::Broken(Break::Truncated)
                if matches!(exchange.phase, Phase::Responding { .. }) =>
            {
                exchange.upload_stopped = true;
                Step::Wait
            }
            Pumped::Broken(Break::SourceFailed | Break::Truncated) => {
                Step::Failed(Fault::ClientGone)
            }
            Pumped::Broken(Break::BadFraming) => Step::Failed(Fault::Refused(Refusal::BadChunk)),
            Pumped::Broken(Break::SinkFailed) if connecting => Step::Failed(Fault::ConnectFailed),
            Pumped::Broken(Break::SinkFailed) => {
                // The backend may have answered before it stopped listening.
                exchange.upload_stopped = true;
                Step::Continue
            }
        }
    }

    /// Moves the backend's answer towards the client.
    fn download(&mut self, id: ExchangeId, now: Timestamp) -> Step {
        let Some(io) = self.conns.io(id) else {
            return Step::Gone;
        };
        let (exchange, client, link) = (io.exchange, io.client, io.link);
        let to = &mut client.conn.socket;
        let pumped = exchange.download.pump(&mut link.conn, to, &mut self.io);
        if exchange.download.is_received() {
            // A slow client does not keep the backend: it is free as soon as it has delivered.
            self.release_backend(id, now);
        }
        match pumped {
            Pumped::Blocked => Step::Wait,
            Pumped::Yielded => Step::Yield,
            Pumped::Done => Step::Finished,
            Pumped::Broken(Break::SinkFailed) => Step::Failed(Fault::ClientGone),
            Pumped::Broken(Break::SourceFailed | Break::Truncated) => {
                Step::Failed(Fault::BackendGone)
            }
            Pumped::Broken(Break::BadFraming) => Step::Failed(Fault::BadResponse),
        }
    }

    /// Writes what is left of an answer that has been received, or is our own.
    pub(super) fn deliver(&mut self, id: ExchangeId) -> Step {
        let Some(exchange) = self.conns.exchanges.get_mut(id) else {
            return Step::Gone;
        };
        let Some(client) = self.conns.clients.get_mut(exchange.client) else {
            return Step::Gone;
        };
        match exchange
            .download
            .flush(&mut client.conn.socket, &mut self.io)
        {
            Ok(true) => Step::Finished,
            Ok(false) => Step::Wait,
            Err(_) => Step::Failed(Fault::ClientGone),
        }
    }
}
