//! Addresses without a server, each in its own way.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// An address that refuses connections. The port is held, so no other process can listen there.
pub(crate) struct Refusing {
    _held: Socket,
    pub(crate) address: SocketAddr,
}

impl Refusing {
    pub(crate) fn new() -> Self {
        let (socket, address) = bound();
        Self {
            _held: socket,
            address,
        }
    }
}

/// An address that never responds: its queue of connections is full, so the kernel drops further
/// ones.
pub(crate) struct Deaf {
    _held: Socket,
    _queue: Vec<Socket>,
    pub(crate) address: SocketAddr,
}

impl Deaf {
    pub(crate) fn new() -> Self {
        let (listener, address) = bound();
        listener.listen(0).expect("listens");
        let mut queue = Vec::new();
        loop {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            let took = socket.connect_timeout(&address.into(), Duration::from_millis(100));
            queue.push(socket);
            if took.is_err() {
                break;
            }
        }
        Self {
            _held: listener,
            _queue: queue,
            address,
        }
    }
}

fn bound() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().expect("an address").as_socket();
    (socket, address.expect("an IP address"))
}
