//! The PROXY header: who a connection is from, where another proxy stands in front.
//!
//! Owns what happens before the first byte of the client proper, and what backends are told in
//! the same form. A listener either asks for the header of every connection or takes none: to
//! believe whoever brings one would let any client choose its address.

use super::Server;
use super::arena::ClientId;
use super::client::ClientState;
use super::network::Network;
use crate::error::Refusal;
use crate::proxy_protocol::{self, Ends, Parsed};
use crate::relay::{Gathered, Transport};
use crate::time::Timestamp;
use std::mem;

impl<N: Network> Server<N> {
    /// Waits for the PROXY header of a connection that has just been accepted.
    pub(super) fn await_introduction(&mut self, id: ClientId, now: Timestamp) {
        if let Some(client) = self.slots.clients.get_mut(id) {
            client.state = ClientState::Introducing;
            self.set_client_deadline(id, now + self.settings.timeouts.head);
        }
    }

    /// Reads what there is of the header; the connection goes on when it is complete.
    pub(super) fn read_introduction(&mut self, id: ClientId, now: Timestamp) {
        let mut scratch = mem::take(&mut self.work.scratch);
        let introduced = self.try_introduction(id, &mut scratch);
        self.work.scratch = scratch;
        match introduced {
            Introduced::NotYet => {}
            Introduced::Yes => self.welcome(id, now),
            Introduced::Left => self.close_client(id),
            Introduced::Badly => self.refuse(id, Refusal::BadProxyHeader, now),
        }
    }

    fn try_introduction(&mut self, id: ClientId, scratch: &mut [u8]) -> Introduced {
        loop {
            let Some(client) = self.slots.clients.get_mut(id) else {
                return Introduced::NotYet;
            };
            let buffers = &mut self.work.buffers;
            let input = match client.peer.gather(scratch, buffers, true) {
                Gathered::Input(input) => input,
                Gathered::Blocked => return Introduced::NotYet,
                // A health check connects and leaves.
                Gathered::End | Gathered::Failed if client.peer.unread.is_none() => {
                    return Introduced::Left;
                }
                Gathered::End | Gathered::Failed => return Introduced::Badly,
            };
            let parsed = proxy_protocol::parse(input.bytes(scratch));
            let used = match parsed {
                Ok(Parsed::Complete { len, .. }) => len,
                Ok(Parsed::Partial) | Err(_) => 0,
            };
            client.peer.used(input, used, scratch, buffers);
            match parsed {
                Err(_) => return Introduced::Badly,
                Ok(Parsed::Partial) => {}
                Ok(Parsed::Complete { ends, .. }) => {
                    if let Some(ends) = ends {
                        client.address = ends.source.into();
                        client.local = Some(ends.destination);
                    }
                    return Introduced::Yes;
                }
            }
        }
    }

    /// Appends what a backend is told of a client, if backends are told in this form.
    pub(super) fn introduce(&self, id: ClientId, out: &mut Vec<u8>) {
        let Some(version) = self.settings.send_proxy else {
            return;
        };
        let Some(client) = self.slots.clients.get(id) else {
            return;
        };
        let local = client
            .local
            .or_else(|| client.peer.socket.io().local_address());
        let ends = client.address.tcp().zip(local);
        let ends = ends.map(|(source, destination)| Ends {
            source,
            destination,
        });
        proxy_protocol::write(version, ends, out);
    }
}

/// How far an introduction has come.
enum Introduced {
    NotYet,
    Yes,
    Badly,
    /// Whoever connected had nothing to say.
    Left,
}
