//! The PROXY header: who a connection is from, where another proxy stands in front.
//!
//! Owns what happens before the first byte of the client proper, and what backends are told in
//! the same form. A listener either asks for the header of every connection or takes none: to
//! believe whoever brings one would let any client choose its address.

use super::Proxy;
use super::arena::ClientConnId;
use super::client_conn::ClientConnState;
use super::network::Network;
use crate::error::Refusal;
use crate::proxy_protocol::{self, Ends, Parsed};
use crate::time::Timestamp;
use crate::transport::{Gathered, Transport};
use std::mem;

impl<N: Network> Proxy<N> {
    /// Waits for the PROXY header of a connection that has just been accepted.
    pub(super) fn await_proxy_header(&mut self, id: ClientConnId, now: Timestamp) {
        if let Some(client) = self.conns.clients.get_mut(id) {
            client.state = ClientConnState::ProxyHeader;
            self.set_client_deadline(id, now + self.settings.timeouts.head);
        }
    }

    /// Reads what there is of the header; the connection goes on when it is complete.
    pub(super) fn read_proxy_header(&mut self, id: ClientConnId, now: Timestamp) {
        let mut scratch = mem::take(&mut self.io.scratch);
        let progress = self.try_proxy_header(id, &mut scratch);
        self.io.scratch = scratch;
        match progress {
            HeaderProgress::Partial => {}
            HeaderProgress::Yes => self.begin_service(id, now),
            HeaderProgress::Left => self.close_client(id),
            HeaderProgress::Badly => self.refuse(id, Refusal::BadProxyHeader, now),
        }
    }

    fn try_proxy_header(&mut self, id: ClientConnId, scratch: &mut [u8]) -> HeaderProgress {
        loop {
            let Some(client) = self.conns.clients.get_mut(id) else {
                return HeaderProgress::Partial;
            };
            let buffers = &mut self.io.buffers;
            let input = match client.conn.gather(scratch, buffers, true) {
                Gathered::Input(input) => input,
                Gathered::Blocked => return HeaderProgress::Partial,
                // A health check connects and leaves.
                Gathered::End | Gathered::Failed if client.conn.unread.is_none() => {
                    return HeaderProgress::Left;
                }
                Gathered::End | Gathered::Failed => return HeaderProgress::Badly,
            };
            let parsed = proxy_protocol::parse(input.bytes(scratch));
            let used = match parsed {
                Ok(Parsed::Complete { len, .. }) => len,
                Ok(Parsed::Partial) | Err(_) => 0,
            };
            client.conn.used(input, used, scratch, buffers);
            match parsed {
                Err(_) => return HeaderProgress::Badly,
                Ok(Parsed::Partial) => {}
                Ok(Parsed::Complete { ends, .. }) => {
                    if let Some(ends) = ends {
                        client.address = ends.source.into();
                        client.local = Some(ends.destination);
                    }
                    return HeaderProgress::Yes;
                }
            }
        }
    }

    /// Appends what a backend is told of a client, if backends are told in this form.
    pub(super) fn write_proxy_header(&self, id: ClientConnId, out: &mut Vec<u8>) {
        let Some(version) = self.settings.send_proxy else {
            return;
        };
        let Some(client) = self.conns.clients.get(id) else {
            return;
        };
        let local = client
            .local
            .or_else(|| client.conn.socket.io().local_address());
        let ends = client.address.tcp().zip(local);
        let ends = ends.map(|(source, destination)| Ends {
            source,
            destination,
        });
        proxy_protocol::write(version, ends, out);
    }
}

/// How far an introduction has come.
enum HeaderProgress {
    Partial,
    Yes,
    Badly,
    /// Whoever connected had nothing to say.
    Left,
}
