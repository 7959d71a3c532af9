//! A client that sends exactly the bytes it is given.

use super::message::{Broken, Response};
use super::wire::{End, Wire};
use std::net::{SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// One connection, used for one request after another.
pub(crate) struct Client(Wire);

/// Returns whether connections to an address are accepted.
pub(crate) fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).expect("connects");
        Self(Wire::new(Arc::new(stream), Arc::default()))
    }

    /// Sends a GET and reads the response.
    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.get_with(target, "")
    }

    /// The same with more header lines, each with its CRLF.
    #[track_caller]
    pub(crate) fn get_with(&mut self, target: &str, lines: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n{lines}\r\n"));
        self.receive()
    }

    /// Sends a GET whose response must break off.
    #[track_caller]
    pub(crate) fn get_broken(&mut self, target: &str) -> Broken {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        match self.try_receive() {
            Ok(response) => panic!("ended in order: {response:?}"),
            Err(broken) => broken,
        }
    }

    /// Sends a POST with a body and reads the response.
    #[track_caller]
    pub(crate) fn post(&mut self, target: &str, body: &[u8]) -> Response {
        let length = body.len();
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        self.send([head.as_bytes(), body].concat());
        self.receive()
    }

    /// Reads a response that must be whole, to anything but HEAD.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Response {
        match self.try_receive() {
            Ok(response) => response,
            Err(broken) => panic!("no whole response: {broken:?}"),
        }
    }

    /// Reads a response that may be broken off.
    pub(crate) fn try_receive(&mut self) -> Result<Response, Broken> {
        self.read_response("GET")
    }

    /// The connection has been ended in order, and nothing came before.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self) {
        let (rest, end) = self.read_to_end();
        let rest = String::from_utf8_lossy(&rest);
        assert_eq!((end, &*rest), (End::Closed, ""));
    }

    /// The wire, for what outlives the client.
    pub(crate) fn into_wire(self) -> Wire {
        self.0
    }
}

impl Deref for Client {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.0
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.0
    }
}
