//! The transition function of an exchange.
//!
//! Whatever happened (bytes, room, a connection, a deadline), the same function is called: it
//! does what can be done in the present phase and says what follows. Nothing else moves an
//! exchange on.

use super::arena::ExchangeId;
use super::dispatch::Dispatched;
use super::exchange::{Attempt, Phase};
use super::network::Network;
use super::{Again, Server};
use crate::error::{Fault, Refusal};
use crate::relay::{Break, Pumped};
use crate::time::Timestamp;
use std::mem;

/// What one step of an exchange leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
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

impl<N: Network> Server<N> {
    /// Does all that can be done for an exchange now.
    pub(super) fn drive(&mut self, id: ExchangeId, now: Timestamp) {
        loop {
            match self.step(id, now) {
                Verdict::Wait => return self.renew_deadline(id, now),
                Verdict::Yield => {
                    self.go_on_later(id);
                    return self.renew_deadline(id, now);
                }
                Verdict::Continue => {}
                Verdict::Finished => return self.conclude(id, now),
                Verdict::Failed(fault) => self.fail(id, fault, now),
                Verdict::Gone => return,
            }
        }
    }

    /// Lets others have their turn before an exchange goes on: once a turn, however many reasons
    /// there are.
    pub(super) fn go_on_later(&mut self, id: ExchangeId) {
        if let Some(exchange) = self.slots.exchanges.get_mut(id)
            && !mem::replace(&mut exchange.has_yielded, true)
        {
            self.again.push(Again::Exchange(id));
        }
    }

    fn step(&mut self, id: ExchangeId, now: Timestamp) -> Verdict {
        let Some(exchange) = self.slots.exchanges.get(id) else {
            return Verdict::Gone;
        };
        match (exchange.phase, &exchange.attempt) {
            (phase @ (Phase::AwaitingHead | Phase::Tunnel { .. }), Attempt::Idle) => {
                match self.dispatch(id, now) {
                    // Nothing can have come yet on a link that is new, or was idle.
                    Ok(Dispatched::Attached) if phase == Phase::AwaitingHead => {
                        self.upload(id, now)
                    }
                    Ok(Dispatched::Attached | Dispatched::AllFull) => Verdict::Continue,
                    Err(fault) => Verdict::Failed(fault),
                }
            }
            (Phase::AwaitingHead | Phase::Tunnel { .. }, Attempt::Queued) => self.wait_in_queue(id),
            (Phase::AwaitingHead, Attempt::At { .. }) => match self.upload(id, now) {
                Verdict::Wait => self.await_response(id, now),
                other => other,
            },
            (Phase::Responding { .. }, Attempt::At { .. }) => match self.upload(id, now) {
                Verdict::Wait => self.download(id, now),
                other => other,
            },
            (Phase::Responding { .. } | Phase::Answering { .. }, _) => self.deliver(id),
            (Phase::Tunnel { .. }, Attempt::At { .. }) => self.tunnel(id, now),
        }
    }

    /// Whoever has gone does not keep his place.
    fn wait_in_queue(&self, id: ExchangeId) -> Verdict {
        let exchange = self.slots.exchanges.get(id);
        let client = exchange.and_then(|exchange| self.slots.clients.get(exchange.client));
        match client {
            Some(client) if client.peer.socket.is_broken() => Verdict::Failed(Fault::ClientGone),
            Some(_) => Verdict::Wait,
            None => Verdict::Gone,
        }
    }

    /// Moves the request towards the backend. [`Verdict::Wait`] means: now see to the response.
    fn upload(&mut self, id: ExchangeId, now: Timestamp) -> Verdict {
        let Some(parties) = self.slots.parties(id) else {
            return Verdict::Gone;
        };
        let (exchange, client, link) = (parties.exchange, parties.client, parties.link);
        if client.peer.socket.is_broken() {
            return Verdict::Failed(Fault::ClientGone);
        }
        if exchange.upload.is_done() || exchange.upload_stopped {
            return Verdict::Wait;
        }
        let pumped = exchange
            .upload
            .pump(&mut client.peer, &mut link.peer.socket, &mut self.work);
        let connecting = link.is_connecting() && !exchange.upload.is_touched();
        if link.is_connecting() && !connecting {
            exchange.notes.connect_time = link.established(now);
        }
        match pumped {
            Pumped::Blocked | Pumped::Done => Verdict::Wait,
            Pumped::Yielded => {
                self.go_on_later(id);
                Verdict::Wait
            }
            // A client that has its answer already need not send what nobody waits for.
            Pumped::Broken(Break::Truncated)
                if matches!(exchange.phase, Phase::Responding { .. }) =>
            {
                exchange.upload_stopped = true;
                Verdict::Wait
            }
            Pumped::Broken(Break::SourceFailed | Break::Truncated) => {
                Verdict::Failed(Fault::ClientGone)
            }
            Pumped::Broken(Break::BadFraming) => Verdict::Failed(Fault::Refused(Refusal::BadChunk)),
            Pumped::Broken(Break::SinkFailed) if connecting => {
                Verdict::Failed(Fault::ConnectFailed)
            }
            Pumped::Broken(Break::SinkFailed) => {
                // The backend may have answered before it stopped listening.
                exchange.upload_stopped = true;
                Verdict::Continue
            }
        }
    }

    /// Moves the backend's answer towards the client.
    fn download(&mut self, id: ExchangeId, now: Timestamp) -> Verdict {
        let Some(parties) = self.slots.parties(id) else {
            return Verdict::Gone;
        };
        let (exchange, client, link) = (parties.exchange, parties.client, parties.link);
        let to = &mut client.peer.socket;
        let pumped = exchange.download.pump(&mut link.peer, to, &mut self.work);
        if exchange.download.is_received() {
            // A slow client does not keep the backend: it is free as soon as it has delivered.
            self.release_backend(id, now);
        }
        match pumped {
            Pumped::Blocked => Verdict::Wait,
            Pumped::Yielded => Verdict::Yield,
            Pumped::Done => Verdict::Finished,
            Pumped::Broken(Break::SinkFailed) => Verdict::Failed(Fault::ClientGone),
            Pumped::Broken(Break::SourceFailed | Break::Truncated) => {
                Verdict::Failed(Fault::BackendGone)
            }
            Pumped::Broken(Break::BadFraming) => Verdict::Failed(Fault::BadResponse),
        }
    }

    /// Writes what is left of an answer that has been received, or is our own.
    pub(super) fn deliver(&mut self, id: ExchangeId) -> Verdict {
        let Some(exchange) = self.slots.exchanges.get_mut(id) else {
            return Verdict::Gone;
        };
        let Some(client) = self.slots.clients.get_mut(exchange.client) else {
            return Verdict::Gone;
        };
        match exchange
            .download
            .flush(&mut client.peer.socket, &mut self.work)
        {
            Ok(true) => Verdict::Finished,
            Ok(false) => Verdict::Wait,
            Err(_) => Verdict::Failed(Fault::ClientGone),
        }
    }
}
