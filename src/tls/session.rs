//! One TLS session without its connection: records in, plaintext and records out.
//!
//! Wraps the unbuffered interface of rustls, and is the only place that walks its states, so that
//! ciphertext and plaintext lie where the caller wants them. Owns no buffer: an idle session is its
//! keys. Refuses to know sockets and when to read.
//!
//! The library bounds what a peer may make it do: one key update answered at a time and 32 in a row,
//! no renegotiation, four warnings, records without content in a row.

use super::{Facts, Version};
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{CommonState, Error, HandshakeKind, ProtocolVersion};
use std::fmt::{self, Debug, Formatter};
use std::mem;

/// Content of one record at most (RFC 8446, section 5.1).
pub(super) const MAX_RECORD_CONTENT: usize = 16 * 1024;
/// Bytes that one record adds to its content at most: header, nonce or content type, tag
/// (RFC 5246 with AES-GCM, RFC 8446).
const RECORD_OVERHEAD: usize = 32;
/// Bytes of a key update that goes ahead of data.
const KEY_UPDATE_BYTES: usize = 64;

/// One side of a TLS session.
pub struct Session {
    side: Side,
    /// True if the peer has said that it sends no more.
    has_ended: bool,
    /// True if that was said to the peer.
    is_finished: bool,
}

#[allow(
    clippy::large_enum_variant,
    reason = "a session is in a box of its own"
)]
enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

impl Debug for Session {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("facts", &self.facts())
            .field("has_ended", &self.has_ended)
            .field("is_finished", &self.is_finished)
            .finish_non_exhaustive()
    }
}

/// What the session is to send when it may.
#[derive(Clone, Copy)]
enum Order<'a> {
    Nothing,
    Data(&'a [u8]),
    CloseNotify,
}

/// What came of one state of the library.
enum Step {
    /// There may be another.
    Next,
    /// It waits for more of the peer.
    Blocked,
    Failed(Error),
}

impl From<UnbufferedServerConnection> for Session {
    fn from(conn: UnbufferedServerConnection) -> Self {
        Self::of(Side::Server(conn))
    }
}

impl From<UnbufferedClientConnection> for Session {
    fn from(conn: UnbufferedClientConnection) -> Self {
        Self::of(Side::Client(conn))
    }
}

impl Session {
    const fn of(side: Side) -> Self {
        Self {
            side,
            has_ended: false,
            is_finished: false,
        }
    }

    fn common(&self) -> &CommonState {
        match &self.side {
            Side::Server(conn) => conn,
            Side::Client(conn) => conn,
        }
    }

    /// What the handshake has agreed on.
    pub(super) fn facts(&self) -> Facts<'_> {
        let common = self.common();
        let certificates = common.peer_certificates();
        Facts {
            version: common.protocol_version().and_then(|version| match version {
                ProtocolVersion::TLSv1_2 => Some(Version::Tls12),
                ProtocolVersion::TLSv1_3 => Some(Version::Tls13),
                _ => None,
            }),
            is_resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
            peer_certificate: certificates.and_then(<[_]>::first).map(AsRef::as_ref),
        }
    }

    /// Returns whether the handshake is over, on both sides.
    pub(super) fn is_established(&self) -> bool {
        !self.common().is_handshaking()
    }

    /// Returns whether the peer has said that it sends no more (`close_notify`).
    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Processes the whole records at the front of `input`: content goes to `content` piece by
    /// piece, what is to be sent to the end of `out`. Returns how much of `input` is done with; the
    /// rest is to be kept, unchanged, in front of what comes next.
    ///
    /// # Errors
    /// The peer broke the protocol, or is not who it should be. The alert that tells it so is in
    /// `out`.
    pub(super) fn receive(
        &mut self,
        input: &mut [u8],
        content: &mut impl FnMut(&[u8]),
        out: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        let mut used = 0;
        match self.run(Order::Nothing, input, &mut used, content, out) {
            Ok(()) => Ok(used),
            Err(error) => {
                // What waits to be sent comes before another look at the input.
                while self.common().wants_write() {
                    self.step(&mut Order::Nothing, input, &mut used, content, out);
                }
                Err(error)
            }
        }
    }

    /// Seals `content` into records at the end of `out`. `held` is the start of a record that has
    /// not arrived as a whole.
    ///
    /// # Errors
    /// The session is not established, or its keys are used up.
    pub(super) fn seal(
        &mut self,
        content: &[u8],
        held: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.send(Order::Data(content), held, out)
    }

    /// Tells the peer that nothing more comes (`close_notify`), once.
    ///
    /// # Errors
    /// As those of [`seal`](Self::seal).
    pub(super) fn finish(&mut self, held: &mut [u8], out: &mut Vec<u8>) -> Result<(), Error> {
        if mem::replace(&mut self.is_finished, true) {
            return Ok(());
        }
        self.send(Order::CloseNotify, held, out)
    }

    fn send(&mut self, order: Order<'_>, held: &mut [u8], out: &mut Vec<u8>) -> Result<(), Error> {
        // All whole records were processed as they came, so there is no content.
        self.run(order, held, &mut 0, &mut |_: &[u8]| {}, out)
    }

    /// Goes through the states until the peer has to send more.
    fn run(
        &mut self,
        mut order: Order<'_>,
        input: &mut [u8],
        used: &mut usize,
        content: &mut impl FnMut(&[u8]),
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        loop {
            match self.step(&mut order, input, used, content, out) {
                Step::Next => {}
                Step::Blocked => return Ok(()),
                Step::Failed(error) => return Err(error),
            }
        }
    }

    /// Goes through one state.
    fn step(
        &mut self,
        order: &mut Order<'_>,
        input: &mut [u8],
        used: &mut usize,
        content: &mut impl FnMut(&[u8]),
        out: &mut Vec<u8>,
    ) -> Step {
        let rest = input.get_mut(*used..).unwrap_or_default();
        let mut calls = Calls {
            order,
            content,
            out,
            has_ended: &mut self.has_ended,
        };
        let (discard, step) = match &mut self.side {
            Side::Server(conn) => calls.take(conn.process_tls_records(rest)),
            Side::Client(conn) => calls.take(conn.process_tls_records(rest)),
        };
        *used += discard;
        step
    }
}

/// What a state of the library may make use of.
struct Calls<'a, 'o, C> {
    order: &'a mut Order<'o>,
    content: &'a mut C,
    out: &'a mut Vec<u8>,
    has_ended: &'a mut bool,
}

impl<C: FnMut(&[u8])> Calls<'_, '_, C> {
    /// Does what a state asks for. Returns how many bytes of the input are done with.
    fn take<Data>(&mut self, status: UnbufferedStatus<'_, '_, Data>) -> (usize, Step) {
        let mut discard = status.discard;
        let state = match status.state {
            Ok(state) => state,
            Err(error) => return (discard, Step::Failed(error)),
        };
        let step = match state {
            ConnectionState::ReadTraffic(mut traffic) => loop {
                match traffic.next_record() {
                    None => break Step::Next,
                    Some(Err(error)) => break Step::Failed(error),
                    Some(Ok(record)) => {
                        discard += record.discard;
                        if !record.payload.is_empty() {
                            (self.content)(record.payload);
                        }
                    }
                }
            },
            ConnectionState::EncodeTlsData(mut data) => encode(self.out, |into| data.encode(into)),
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Step::Next
            }
            ConnectionState::WriteTraffic(mut traffic) => self.write(&mut traffic),
            ConnectionState::PeerClosed => {
                *self.has_ended = true;
                Step::Next
            }
            ConnectionState::BlockedHandshake => match self.order {
                Order::Nothing => Step::Blocked,
                Order::Data(_) | Order::CloseNotify => Step::Failed(Error::HandshakeNotComplete),
            },
            ConnectionState::Closed => match self.order {
                Order::Nothing | Order::CloseNotify => Step::Blocked,
                Order::Data(_) => Step::Failed(general("data after the end")),
            },
            // It is not allowed.
            ConnectionState::ReadEarlyData(_) => Step::Failed(general("early data")),
            _ => Step::Failed(general("unknown state")),
        };
        (discard, step)
    }

    /// Sends what was ordered.
    fn write<Data>(&mut self, traffic: &mut WriteTraffic<'_, Data>) -> Step {
        let written = match mem::replace(self.order, Order::Nothing) {
            Order::Nothing => return Step::Blocked,
            Order::Data(content) => {
                let records = content.len().div_ceil(MAX_RECORD_CONTENT);
                let most = content.len() + records * RECORD_OVERHEAD + KEY_UPDATE_BYTES;
                with_room(self.out, most, |into| traffic.encrypt(content, into))
            }
            Order::CloseNotify => with_room(self.out, KEY_UPDATE_BYTES, |into| {
                traffic.queue_close_notify(into)
            }),
        };
        match written {
            // Keys may be renewed by a message of their own.
            Ok(()) => Step::Next,
            Err(EncryptError::EncryptExhausted) => Step::Failed(Error::EncryptError),
            Err(EncryptError::InsufficientSize(_)) => Step::Failed(general("no room to seal")),
        }
    }
}

fn general(what: &str) -> Error {
    Error::General(what.to_owned())
}

/// Appends to `out` what `write` writes, of which it knows the size.
fn encode(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> Step {
    let most = match write(&mut []) {
        Ok(_) => return Step::Next,
        Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
            required_size
        }
        Err(EncodeError::AlreadyEncoded) => return Step::Failed(general("encoded twice")),
    };
    match with_room(out, most, write) {
        Ok(()) => Step::Next,
        Err(error) => Step::Failed(Error::General(error.to_string())),
    }
}

/// Appends to `out` what `write` writes into at most this much room.
fn with_room<E>(
    out: &mut Vec<u8>,
    most: usize,
    write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
) -> Result<(), E> {
    let start = out.len();
    out.resize(start + most, 0);
    let written = write(out.get_mut(start..).unwrap_or_default());
    out.truncate(start + *written.as_ref().unwrap_or(&0));
    written.map(drop)
}
