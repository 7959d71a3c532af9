//! Owns the listening socket and when it may be asked again. Knows nothing of what is accepted.

use crate::time::Timestamp;
use mio::Registry;
use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;

#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    /// There may be a connection to accept.
    is_ready: bool,
    paused_until: Option<Timestamp>,
    is_closed: bool,
}

/// One try to accept.
pub(super) enum Accepted {
    One(TcpStream, SocketAddr),
    None,
    Failed(io::Error),
}

impl Listener {
    /// Binds an address, or says which process has it and what to do.
    pub(super) fn bind(address: SocketAddr, send_buffer: Option<usize>) -> Result<Self, String> {
        let socket = listen(address, send_buffer).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => {
                let owner = lb_procnet::listener(address.port());
                taken(address, owner.map(|owner| owner.to_string()))
            }
            _ => format!("cannot listen on {address}: {error}"),
        })?;
        let address = socket.local_addr().map_err(|error| error.to_string())?;
        Ok(Self {
            socket,
            address,
            is_ready: false,
            paused_until: None,
            is_closed: false,
        })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) const fn source(&mut self) -> &mut TcpListener {
        &mut self.socket
    }

    pub(super) const fn set_ready(&mut self) {
        self.is_ready = true;
    }

    pub(super) fn may_accept(&self, now: Timestamp) -> bool {
        self.is_ready && !self.is_closed && self.paused_until.is_none_or(|until| now >= until)
    }

    pub(super) const fn paused_until(&self) -> Option<Timestamp> {
        self.paused_until
    }

    pub(super) const fn pause(&mut self, until: Timestamp) {
        self.paused_until = Some(until);
    }

    pub(super) fn accept(&mut self, now: Timestamp) -> Accepted {
        if !self.may_accept(now) {
            return Accepted::None;
        }
        self.paused_until = None;
        match self.socket.accept() {
            Ok((stream, peer)) => Accepted::One(stream, peer),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => {
                    self.is_ready = false;
                    Accepted::None
                }
                // This connection is gone; the next one may be well.
                ErrorKind::ConnectionAborted | ErrorKind::Interrupted => Accepted::None,
                _ => Accepted::Failed(error),
            },
        }
    }

    /// Accepts no more.
    pub(super) fn close(&mut self, registry: &Registry) {
        self.is_closed = true;
        // It is only about not being woken any more.
        let _ = registry.deregister(&mut self.socket);
    }
}

fn listen(address: SocketAddr, send_buffer: Option<usize>) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the connections of the last run to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if let Some(bytes) = send_buffer {
        // Accepted sockets inherit it.
        socket.set_send_buffer_size(bytes)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// The message for a taken port; `owner` has it, if that could be found out.
fn taken(address: SocketAddr, owner: Option<String>) -> String {
    let port = address.port();
    let owner = match owner {
        Some(owner) => format!("by {owner}"),
        None if port == 5000 => {
            "already, probably by a Pi server of setup.sh, which uses 5000 too".to_owned()
        }
        None => "already".to_owned(),
    };
    let other = port.checked_add(1).unwrap_or(5001);
    format!(
        "{address} is taken {owner}; choose another port: --listen {}",
        SocketAddr::new(address.ip(), other)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_for_a_taken_port_says_who_and_what_to_do() {
        let message = |address: &str, owner: Option<&str>| {
            taken(address.parse().unwrap(), owner.map(str::to_owned))
        };
        assert_eq!(
            message("127.0.0.1:5000", Some("pi-backend (process 7)")),
            "127.0.0.1:5000 is taken by pi-backend (process 7); choose another port: \
             --listen 127.0.0.1:5001"
        );
        let unknown = message("0.0.0.0:5000", None);
        assert!(unknown.contains("probably by a Pi server") && unknown.contains(":5001"));
        let other = message("[::1]:65535", None);
        assert!(
            other.contains("already") && !other.contains("Pi server"),
            "{other}"
        );
        assert!(other.ends_with("--listen [::1]:5001"), "{other}");
    }
}
