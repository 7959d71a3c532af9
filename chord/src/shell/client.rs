//! A client: asks one node, and waits for its answer.
//!
//! Blocking, as a command wants it. A request is repeated while no answer comes, which is safe: what
//! is put again is the same value.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::addr::{Addr, Peer};
use crate::id::{Id, Space};
use crate::message::{Body, Bytes, Cause, Course, Hop, Message, Own, Reply, Request};
use crate::wire::{Codec, NATIVE_FRAME};

use super::first_ip;

/// Wait for the first answer; doubled with each repetition. A node answers PUT and GET within
/// three seconds, and repeating either sooner costs it another operation.
const FIRST_WAIT: Duration = Duration::from_millis(1000);

/// The reason that a client got no answer.
#[derive(Debug)]
pub enum ClientError {
    /// No such host.
    Unresolved(String),
    /// The socket does not work.
    Io(io::Error),
    /// No answer in time.
    Silent(Addr),
    /// An answer, but no.
    Refused(Cause),
    /// An answer to something else.
    Unexpected,
    /// What was put is larger than a datagram of the course.
    TooLarge,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved(host) => write!(f, "no address is known for {host}"),
            Self::Io(error) => error.fmt(f),
            Self::Silent(addr) => write!(f, "no answer from {addr}: is a node running there?"),
            Self::Refused(Cause::Full) => f.write_str("refused: the owner's store is full"),
            Self::Refused(Cause::TooLarge) | Self::TooLarge => {
                f.write_str("refused: key and value are larger than a message")
            }
            Self::Refused(Cause::Timeout) => {
                f.write_str("the owner of the key did not answer in time")
            }
            Self::Refused(Cause::Forbidden) => {
                f.write_str("refused: only from the node's own machine, or with the key")
            }
            Self::Refused(Cause::NotMember) => f.write_str("the node is not in the ring"),
            Self::Refused(Cause::UseStream) | Self::Unexpected => {
                f.write_str("the node gave an answer that does not fit")
            }
        }
    }
}

impl std::error::Error for ClientError {}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// One step of a traced lookup.
#[derive(Clone, Debug)]
pub struct TraceStep {
    /// The node that was asked.
    pub peer: Peer,
    /// Its answer.
    pub answer: TraceAnswer,
    /// Time until it came.
    pub took: Duration,
}

/// The answer of a node on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceAnswer {
    /// It owns the id.
    Owner,
    /// Another does, or is closer.
    Next(Peer),
    /// It is a plain peer; this is the successor it, or another after it, told.
    Plain(Peer),
    /// None.
    Silent,
}

/// A client of one node.
pub struct Client {
    codec: Codec,
    node: Addr,
    to: SocketAddr,
    socket: UdpSocket,
    timeout: Duration,
    random: u64,
}

impl Client {
    /// A client of the node at `node`, which waits for an answer for at most `timeout`.
    ///
    /// # Errors
    /// If the host has no address, or the operating system no socket.
    pub fn new(node: Addr, codec: Codec, timeout: Duration) -> Result<Self, ClientError> {
        let (to, socket) = socket_for(&node)?;
        let [.., a, b, c, d, e, f, g, h] = super::random_seed()?;
        Ok(Self {
            codec,
            to,
            socket,
            timeout,
            random: u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            node,
        })
    }

    /// Stores a value. In the compatible mode it is made of a pickle's opcodes.
    ///
    /// # Errors
    /// [`ClientError`]; the value may still have been stored if no answer came.
    pub fn put(&mut self, key: &str, value: Bytes) -> Result<(), ClientError> {
        if key.len() + value.len() > self.codec.max_item() {
            return Err(ClientError::TooLarge);
        }
        let key = key.into();
        if matches!(self.codec, Codec::Native(_)) {
            return match self.request(Request::Put { key, value })? {
                Reply::Done => Ok(()),
                Reply::Refused(cause) => Err(ClientError::Refused(cause)),
                _ => Err(ClientError::Unexpected),
            };
        }
        let from = None;
        match self.course(Course::Put { key, value, from })? {
            Course::Ack(_) => Ok(()),
            _ => Err(ClientError::Refused(Cause::Timeout)),
        }
    }

    /// Gets a value; none if there is none.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn get(&mut self, key: &str) -> Result<Option<Bytes>, ClientError> {
        let key = key.into();
        if matches!(self.codec, Codec::Native(_)) {
            return match self.request(Request::Get { key })? {
                Reply::Found(item) => Ok(Some(item.value)),
                Reply::Missing => Ok(None),
                Reply::Refused(cause) => Err(ClientError::Refused(cause)),
                _ => Err(ClientError::Unexpected),
            };
        }
        match self.course(Course::Get { key, from: None })? {
            Course::Ack(value) => Ok(Some(value.unwrap_or_else(|| Bytes::from(*b"N")))),
            _ => Ok(None),
        }
    }

    /// Asks the node something of our own.
    ///
    /// # Errors
    /// [`ClientError`]; a refusal is a reply.
    pub fn request(&mut self, request: Request) -> Result<Reply, ClientError> {
        let (req, bytes) = self.own(0, request);
        if bytes.len() > self.codec.max_datagram() {
            return self.by_stream(req, &bytes);
        }
        let reply = self.exchange(self.to, &bytes, self.timeout, |message| match message {
            Message::Own(own) if own.req == req => match own.body {
                Body::Reply(reply) => Some(reply),
                Body::Request(_) => None,
            },
            _ => None,
        })?;
        match reply {
            Reply::Refused(Cause::UseStream) => self.by_stream(req, &bytes),
            reply => Ok(reply),
        }
    }

    fn own(&mut self, to: u16, request: Request) -> (u64, Vec<u8>) {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let own = Own {
            to,
            from: 0,
            req: self.random,
            body: Body::Request(request),
        };
        (self.random, self.codec.encode(&Message::Own(own)))
    }

    /// Sends PUT or GET and waits for ACK or NACK, on a socket of its own: the answers do not say
    /// what they answer, and one that is late must not be taken for the next.
    fn course(&mut self, request: Course) -> Result<Course, ClientError> {
        (self.to, self.socket) = socket_for(&self.node)?;
        let bytes = self.codec.encode(&Message::Course(request));
        self.exchange(self.to, &bytes, self.timeout, |message| match message {
            Message::Course(answer @ (Course::Ack(_) | Course::Nack)) => Some(answer),
            _ => None,
        })
    }

    fn exchange<T>(
        &self,
        to: SocketAddr,
        bytes: &[u8],
        timeout: Duration,
        mut take: impl FnMut(Message) -> Option<T>,
    ) -> Result<T, ClientError> {
        let end = Instant::now() + timeout;
        let mut wait = FIRST_WAIT;
        let mut buffer = vec![0; 1 << 16];
        loop {
            self.socket.send_to(bytes, to)?;
            let until = end.min(Instant::now() + wait);
            wait *= 2;
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                self.socket
                    .set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
                match self.socket.recv_from(&mut buffer) {
                    Ok((len, _)) => {
                        let message = self.codec.decode(buffer.get(..len).unwrap_or_default());
                        if let Some(taken) = message.ok().and_then(&mut take) {
                            return Ok(taken);
                        }
                    }
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::WouldBlock
                                | io::ErrorKind::TimedOut
                                | io::ErrorKind::Interrupted
                                | io::ErrorKind::ConnectionRefused
                        ) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if Instant::now() >= end {
                return Err(ClientError::Silent(self.node.clone()));
            }
        }
    }

    fn by_stream(&self, req: u64, bytes: &[u8]) -> Result<Reply, ClientError> {
        let mut stream = TcpStream::connect_timeout(&self.to, self.timeout)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        let len = u32::try_from(bytes.len()).map_err(|_| ClientError::TooLarge)?;
        stream.write_all(&len.to_be_bytes())?;
        stream.write_all(bytes)?;
        loop {
            let mut len = [0; 4];
            stream.read_exact(&mut len)?;
            let len = u32::from_be_bytes(len) as usize;
            if len > NATIVE_FRAME {
                return Err(ClientError::Unexpected);
            }
            let mut frame = vec![0; len];
            stream.read_exact(&mut frame)?;
            if let Ok(Message::Own(own)) = self.codec.decode(&frame)
                && own.req == req
                && let Body::Reply(reply) = own.body
            {
                return Ok(reply);
            }
        }
    }

    /// Looks an id up step by step, as a node does, and gives every step.
    ///
    /// # Errors
    /// [`ClientError`], if the first node does not answer.
    pub fn trace(&mut self, space: Space, target: Id) -> Result<Vec<TraceStep>, ClientError> {
        let mut steps: Vec<TraceStep> = Vec::new();
        let mut next = Peer::new(space, self.node.clone(), 0);
        let mut last = false;
        while steps.len() < 64 {
            let started = Instant::now();
            let answer = self.trace_step(&next, target, last)?;
            let took = started.elapsed();
            let (answer, further) = match answer {
                Traced::Way(true, ..) => (TraceAnswer::Owner, None),
                Traced::Way(false, owners, closer) => {
                    // Once sent to the owner, the rest of the way is told by owners.
                    let owner = owners.into_iter().next();
                    let is_last = owner.is_some();
                    match owner.or_else(|| closer.into_iter().next()) {
                        Some(hop) if hop.peer != next => {
                            let peer = hop.peer;
                            (TraceAnswer::Next(peer.clone()), Some((peer, is_last)))
                        }
                        _ => (TraceAnswer::Owner, None),
                    }
                }
                Traced::Plain(successor) => (TraceAnswer::Plain(successor), None),
                Traced::Silent => (TraceAnswer::Silent, None),
            };
            let peer = next.clone();
            steps.push(TraceStep { peer, answer, took });
            match further {
                Some((peer, is_last)) => (next, last) = (peer, is_last),
                None => break,
            }
        }
        Ok(steps)
    }

    fn trace_step(&mut self, peer: &Peer, target: Id, last: bool) -> Result<Traced, ClientError> {
        let to = resolve(&peer.addr)?;
        let thorough = matches!(self.codec, Codec::Native(_));
        let request = Request::Route {
            target,
            last,
            thorough,
        };
        let (req, bytes) = self.own(peer.vnode, request);
        let wait = self.timeout.min(Duration::from_millis(700));
        let told = self.exchange(to, &bytes, wait, |message| match message {
            Message::Own(own) if own.req == req => match own.body {
                Body::Reply(Reply::Route {
                    is_owner,
                    owners,
                    closer,
                }) => Some(Traced::Way(is_owner, owners, closer)),
                Body::Reply(_) => Some(Traced::Silent),
                Body::Request(_) => None,
            },
            _ => None,
        });
        match told {
            Err(ClientError::Silent(_)) if matches!(self.codec, Codec::Course) => {}
            Err(ClientError::Silent(_)) => return Ok(Traced::Silent),
            other => return other,
        }
        let from = Addr::from(self.local(to)?);
        let message = Message::Course(Course::Successor { id: target, from });
        let told = self.exchange(
            to,
            &self.codec.encode(&message),
            wait,
            |message| match message {
                Message::Course(Course::SuccessorRep { req_id, successor }) if req_id == target => {
                    Some(Traced::Plain(successor))
                }
                _ => None,
            },
        );
        match told {
            Err(ClientError::Silent(_)) => Ok(Traced::Silent),
            other => other,
        }
    }

    /// The address that a node's answer reaches us by.
    fn local(&self, to: SocketAddr) -> io::Result<SocketAddr> {
        let probe = UdpSocket::bind(any(to))?;
        probe.connect(to)?;
        let mut addr = probe.local_addr()?;
        addr.set_port(self.socket.local_addr()?.port());
        Ok(addr)
    }
}

enum Traced {
    Way(bool, Vec<Hop>, Vec<Hop>),
    Plain(Peer),
    Silent,
}

fn resolve(addr: &Addr) -> Result<SocketAddr, ClientError> {
    let host = addr.host();
    let mut to = first_ip(&host).ok_or(ClientError::Unresolved(host))?;
    to.set_port(addr.port());
    Ok(to)
}

fn socket_for(node: &Addr) -> Result<(SocketAddr, UdpSocket), ClientError> {
    let to = resolve(node)?;
    Ok((to, UdpSocket::bind(any(to))?))
}

/// Any address of the family of `to`, any port.
fn any(to: SocketAddr) -> SocketAddr {
    match to {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    }
}
