//! A blocking client, for the command line and for tests. One connection, one format.
//!
//! Owns the stream and what was read of it. Invariant: the connection was welcomed.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a client is a shell of its own: it has a socket and deadlines"
)]

use crate::announcement::{PROTOCOL, WhenFull};
use crate::codec::{Format, Message, read_message, write_message};
use crate::framing::{FrameReader, prefixed};
use crate::value::Value;
use bytes::BytesMut;
use std::fmt;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// Frames of a broker may be as long as its settings allow; this is more than any needs.
const MAX_FRAME_BYTES: usize = 256 << 20;
const READ_BYTES: usize = 64 << 10;

/// How a client introduces itself.
#[derive(Clone, Debug)]
pub struct Options {
    /// Host and port.
    pub address: String,
    /// The serialization.
    pub format: Format,
    /// What the broker does when this client does not keep up.
    pub when_full: WhenFull,
    /// A name to be listed by.
    pub name: Option<String>,
    /// The secret that gives rights.
    pub token: Option<String>,
    /// Time for connecting and for each reply.
    pub timeout: Duration,
}

/// Something went wrong, in a sentence for people.
#[derive(Debug)]
pub enum ClientError {
    /// The broker cannot be reached, or is gone.
    Connection(String),
    /// No reply in time.
    Timeout,
    /// The broker refuses.
    Refused {
        /// The code, as on the wire.
        code: String,
        /// The sentence.
        text: String,
    },
    /// The broker sent what cannot be understood.
    Protocol(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(text) | Self::Protocol(text) => f.write_str(text),
            Self::Timeout => f.write_str("the broker does not reply"),
            Self::Refused { code, text } => write!(f, "{text} ({code})"),
        }
    }
}

impl std::error::Error for ClientError {}

/// A message from the broker: a method and fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    fields: Vec<(Value, Value)>,
}

impl Received {
    /// The kind of message.
    #[must_use]
    pub fn method(&self) -> &str {
        self.text("method").unwrap_or("")
    }

    /// A field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let is_it = |(key, _): &&(Value, Value)| matches!(key, Value::Text(text) if text == name);
        self.fields.iter().find(is_it).map(|(_, value)| value)
    }

    /// A field that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A field that is a number; in XML, its text.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Value::Int(int) => u64::try_from(*int).ok(),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Reports a flag that is there: flags are only sent if they are set.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A field that is a list; empty if it is not there.
    #[must_use]
    pub fn list(&self, name: &str) -> &[Value] {
        match self.get(name) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }
}

/// A connection to a broker.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    format: Format,
    reader: FrameReader,
    bytes: BytesMut,
    timeout: Duration,
    next_id: u64,
    /// Frames sent after the announcement.
    frames: u64,
}

impl Client {
    /// Connects, announces the format and waits for the welcome.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    pub fn connect(options: &Options) -> Result<Self, ClientError> {
        let stream = open(&options.address, options.timeout)?;
        let mut client = Self {
            stream,
            format: options.format,
            reader: FrameReader::new(MAX_FRAME_BYTES),
            bytes: BytesMut::new(),
            timeout: options.timeout,
            next_id: 1,
            frames: 0,
        };
        client.send_bytes(announcement(options).as_bytes())?;
        let first = client.wait_before(Instant::now() + options.timeout)?;
        match first.method() {
            "welcome" => Ok(client),
            _ => Err(unexpected(&first)),
        }
    }

    /// Sends a request without waiting for its reply.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self, message: &Message<'_>) -> Result<(), ClientError> {
        let mut bytes = Vec::new();
        write_message(self.format, message, &mut bytes)
            .map_err(|refusal| ClientError::Protocol(refusal.to_string()))?;
        self.frames += 1;
        self.send_bytes(&bytes)
    }

    /// Sends a request and waits for its reply of the kind `expected`; what comes before that is
    /// handed to `other`.
    ///
    /// # Errors
    /// The broker refuses, does not reply in time, or is gone.
    pub fn request(
        &mut self,
        message: Message<'_>,
        expected: &str,
        mut other: impl FnMut(Received),
    ) -> Result<Received, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&message.id(Some(id)))?;
        let frame = self.frames;
        let deadline = Instant::now() + self.timeout;
        loop {
            let received = self.wait_before(deadline)?;
            // A refusal of a frame that could not be read has no id, but its number.
            let is_ours =
                received.number("id") == Some(id) || received.number("frame") == Some(frame);
            if !is_ours {
                other(received);
            } else if received.method() == expected {
                return Ok(received);
            } else {
                return Err(unexpected(&received));
            }
        }
    }

    /// Waits for the next message but pings, which it answers.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn wait(&mut self) -> Result<Received, ClientError> {
        self.next_until(None)
    }

    /// As [`wait`](Self::wait), up to a deadline.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] at the deadline; the connection is gone.
    pub fn wait_before(&mut self, deadline: Instant) -> Result<Received, ClientError> {
        self.next_until(Some(deadline))
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Result<Received, ClientError> {
        loop {
            let received = self.next_frame(deadline)?;
            if received.method() == "ping" {
                self.send(&Message::new("pong"))?;
            } else {
                return Ok(received);
            }
        }
    }

    fn next_frame(&mut self, deadline: Option<Instant>) -> Result<Received, ClientError> {
        loop {
            let frame = self.reader.next(&mut self.bytes);
            if let Some(frame) = frame.map_err(|e| ClientError::Protocol(e.to_string()))? {
                return self.received(&frame);
            }
            self.read(deadline)?;
        }
    }

    fn received(&self, frame: &[u8]) -> Result<Received, ClientError> {
        // A connection that is refused before it could announce itself is told in JSON.
        let message = read_message(self.format, frame)
            .or_else(|refusal| read_message(Format::Json, frame).map_err(|_| refusal));
        match message {
            Ok(Value::Dict(fields)) => Ok(Received { fields }),
            Ok(_) => Err(ClientError::Protocol(
                "the broker sent no message".to_owned(),
            )),
            Err(refusal) => Err(ClientError::Protocol(format!("the broker sent {refusal}"))),
        }
    }

    fn read(&mut self, deadline: Option<Instant>) -> Result<(), ClientError> {
        let left = match deadline {
            None => None,
            Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                None | Some(Duration::ZERO) => return Err(ClientError::Timeout),
                left => left,
            },
        };
        self.stream.set_read_timeout(left).map_err(|e| lost(&e))?;
        let mut room = [0; READ_BYTES];
        match self.stream.read(&mut room) {
            Ok(0) => Err(ClientError::Connection(
                "the broker closed the connection".to_owned(),
            )),
            Ok(count) => {
                self.bytes
                    .extend_from_slice(room.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(ClientError::Timeout),
                ErrorKind::Interrupted => Ok(()),
                _ => Err(lost(&error)),
            },
        }
    }

    fn send_bytes(&mut self, message: &[u8]) -> Result<(), ClientError> {
        self.stream
            .write_all(&prefixed(message))
            .map_err(|e| lost(&e))
    }
}

fn announcement(options: &Options) -> String {
    let mut text = format!("{PROTOCOL} {}", options.format);
    if options.when_full == WhenFull::Disconnect {
        text.push_str(" when_full=disconnect");
    }
    if let Some(name) = &options.name {
        text.push_str(" name=");
        text.push_str(name);
    }
    if let Some(token) = &options.token {
        text.push_str(" token=");
        text.push_str(token);
    }
    text
}

fn open(address: &str, timeout: Duration) -> Result<TcpStream, ClientError> {
    let refuse = |error: &io::Error| {
        let hint = match error.kind() {
            ErrorKind::ConnectionRefused => "; no broker listens there",
            _ => "",
        };
        ClientError::Connection(format!("cannot connect to {address}: {error}{hint}"))
    };
    let mut last = io::Error::other("the name has no address");
    for resolved in address.to_socket_addrs().map_err(|e| refuse(&e))? {
        match TcpStream::connect_timeout(&resolved, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|e| refuse(&e))?;
                stream
                    .set_write_timeout(Some(timeout))
                    .map_err(|e| refuse(&e))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(refuse(&last))
}

fn lost(error: &io::Error) -> ClientError {
    ClientError::Connection(format!("the connection is lost: {error}"))
}

/// The error that a message other than the expected one stands for.
fn unexpected(received: &Received) -> ClientError {
    match received.method() {
        "error" => ClientError::Refused {
            code: received.text("code").unwrap_or_default().to_owned(),
            text: received.text("text").unwrap_or_default().to_owned(),
        },
        method => ClientError::Protocol(format!("the broker sent an unexpected {method:?}")),
    }
}

impl From<Vec<(Value, Value)>> for Received {
    fn from(fields: Vec<(Value, Value)>) -> Self {
        Self { fields }
    }
}
