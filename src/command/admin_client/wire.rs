//! A connection of a client: bytes within a time limit, and the heads of responses.

use super::Failure;
use lb::config::BackendAddress;
use lb::internal::clock::Clock;
use lb::internal::http::{BodyLength, HeadLimits, HeadParser, Method, Parsed, ResponseHead};
use lb::time::Timestamp;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, Read as _, Write as _};
use std::net::ToSocketAddrs as _;
use std::time::Duration;

/// Bytes of a body: a pool of 4,096 backends has about four million.
const MAX_BODY_BYTES: u64 = 64 << 20;
/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// A connection, and what was read of it.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    input: Vec<u8>,
    clock: Clock,
    /// Time limit of the answer.
    deadline: Timestamp,
}

impl Wire {
    pub(super) fn connect(address: &BackendAddress, timeout: Duration) -> io::Result<Self> {
        let clock = Clock::start();
        Ok(Self {
            socket: connect(address, timeout)?,
            input: Vec::new(),
            deadline: clock.now() + timeout,
            clock,
        })
    }

    pub(super) fn send(&mut self, text: &str) -> Result<(), Failure> {
        let left = self.deadline.since(self.clock.now());
        let limited = self.socket.set_write_timeout(Some(at_least_a_moment(left)));
        limited
            .and_then(|()| self.socket.write_all(text.as_bytes()))
            .map_err(|error| Failure::lost(&error))
    }

    /// The head of the response.
    pub(super) fn head(&mut self) -> Result<ResponseHead, Failure> {
        let mut parser = HeadParser::new(HeadLimits::default());
        loop {
            match parser.response(&self.input, Method::Get) {
                Ok(Parsed::Complete(head)) => {
                    self.input.drain(..head.len);
                    return Ok(head);
                }
                Ok(Parsed::Partial) => self.fill()?,
                Err(_) => {
                    let problem = "its answer is not HTTP/1.1".to_owned();
                    return Err(Failure::Strange(problem));
                }
            }
        }
    }

    /// The body, which has a length.
    pub(super) fn body(&mut self, head: &ResponseHead) -> Result<String, Failure> {
        let length = match head.body {
            BodyLength::None => 0,
            BodyLength::Length(length) if length <= MAX_BODY_BYTES => length as usize,
            _ => {
                let problem = "its answer has no length, or too much of it".to_owned();
                return Err(Failure::Strange(problem));
            }
        };
        while self.input.len() < length {
            self.fill()?;
        }
        self.input.truncate(length);
        let body = std::mem::take(&mut self.input);
        String::from_utf8(body).map_err(|_| Failure::Strange("its answer is not UTF-8".to_owned()))
    }

    /// Reads more, within the time limit of the answer.
    fn fill(&mut self) -> Result<(), Failure> {
        let left = self.deadline.since(self.clock.now());
        if left.is_zero() {
            return Err(Failure::lost(&io::ErrorKind::TimedOut.into()));
        }
        self.read(left).map_err(|error| Failure::lost(&error))
    }

    /// Reads more; `TimedOut` if nothing comes within `limit`.
    pub(super) fn read(&mut self, limit: Duration) -> io::Result<()> {
        self.socket
            .set_read_timeout(Some(at_least_a_moment(limit)))?;
        let mut chunk = [0; CHUNK];
        let count = match self.socket.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // A signal; the caller asks again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            count => count?,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.input
            .extend_from_slice(chunk.get(..count).unwrap_or_default());
        Ok(())
    }

    /// What was read and is not used yet.
    pub(super) const fn input(&mut self) -> &mut Vec<u8> {
        &mut self.input
    }
}

/// A time limit of zero would be none.
fn at_least_a_moment(time: Duration) -> Duration {
    time.max(Duration::from_millis(1))
}

fn connect(address: &BackendAddress, timeout: Duration) -> io::Result<Socket> {
    match address {
        BackendAddress::Unix(path) => {
            let path = path.to_string();
            let path = path.strip_prefix("unix:").unwrap_or(&path);
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.connect_timeout(&SockAddr::unix(path)?, timeout)?;
            Ok(socket)
        }
        BackendAddress::Tcp(address) => {
            let mut last = io::Error::from(io::ErrorKind::NotFound);
            for address in address.to_string().to_socket_addrs()? {
                let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
                match socket.connect_timeout(&address.into(), timeout) {
                    Ok(()) => return Ok(socket),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
    }
}
