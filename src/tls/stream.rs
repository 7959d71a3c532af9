//! TLS over a [`Transport`]: plaintext on one side, records on the other.
//!
//! Keeps the contract of a transport as it stands. Every whole record that was read is opened at
//! once; what does not fit into the caller's buffer waits, and so does the start of a record. A
//! batch of records that the connection takes in part waits too, and counts as taken but for its
//! last byte: so the caller comes back when there is room, and a message is not taken to be sent
//! while a part of it is here. An idle connection holds none of these.
//!
//! An end of the connection without `close_notify` is an error, as it may be an attacker's doing
//! (RFC 8446, section 6.1): what ends where the connection ends is then cut short, and what has a
//! length is whole all the same.

use super::session::Session;
use super::vault::{Contents, MAX_HELD_BYTES, READ_BYTES, SEAL_BYTES, Vault};
use super::{Facts, Handshake};
use crate::transport::{Buffer, Transport};
use std::io::{self, IoSlice};

/// Reads in one call that bring records and nothing for the caller: handshake flights, key updates.
/// More is a flood. Those that bring no whole record are bounded by what is held.
const MAX_EMPTY_READS: usize = 64;
/// The least that is read at once, however little is asked for.
const MIN_READ_BYTES: usize = 4 * 1024;

/// The TLS of one connection.
#[derive(Debug)]
pub struct TlsStream {
    session: Session,
    vault: Vault,
    /// The start of a record, or of a handshake message.
    held: Option<Buffer>,
    /// Content that was received and not asked for yet.
    opened: Option<Buffer>,
    /// Records that the connection has not taken.
    out: Option<Buffer>,
    /// True if the first byte that is sent next is the last of those records.
    owes_byte: bool,
    /// True if the last read took all it asked for: there may be more.
    may_have_more: bool,
    /// True until the first bytes are processed, which may have been read before.
    is_fresh: bool,
    has_received: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Working,
    /// The peer broke the protocol; nothing that it sends is opened any more. The session is not to be
    /// called again, as it refers to what was held.
    Failed,
}

impl TlsStream {
    /// A session on a connection of which `received` was read already.
    pub fn new(session: Session, vault: &Vault, received: &[u8]) -> Self {
        let held = match received {
            [] => None,
            bytes => Some(vault.open().buffers.take_with(bytes)),
        };
        Self {
            session,
            vault: vault.clone(),
            held,
            opened: None,
            out: None,
            owes_byte: false,
            may_have_more: false,
            is_fresh: true,
            has_received: !received.is_empty(),
            state: State::Working,
        }
    }

    /// What the handshake has agreed on.
    pub fn facts(&self) -> Facts<'_> {
        self.session.facts()
    }

    /// Goes on with the handshake as far as it can without waiting.
    ///
    /// # Errors
    /// The connection failed or ended, or the peer broke the protocol; the peer has been told.
    pub fn handshake<T: Transport>(&mut self, io: &mut T) -> io::Result<Handshake> {
        if self.state == State::Failed {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut empty_reads = 0;
        while empty_reads < MAX_EMPTY_READS {
            if !self.flush(io)? {
                return Ok(Handshake::UnderWay);
            }
            if self.session.is_established() {
                return Ok(Handshake::Done);
            }
            match self.take_in(io, &mut []) {
                Ok(Taken::End) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Taken::Part) => {}
                Ok(Taken::Content(_)) => empty_reads += 1,
                Err(error) if is_passing(&error) => return Ok(Handshake::UnderWay),
                Err(error) => return Err(error),
            }
        }
        Err(self.fail(io::ErrorKind::InvalidData.into()))
    }

    /// Returns whether anything has come of the peer.
    pub fn has_received(&self) -> bool {
        self.has_received
    }

    /// Returns whether a read may bring more, although the last one did not fill its buffer.
    pub fn holds_more(&self) -> bool {
        self.opened.is_some() || self.may_have_more || self.session.has_ended()
    }

    /// Reads content.
    ///
    /// # Errors
    /// Those of the connection; its end without `close_notify`; a broken protocol.
    pub fn recv<T: Transport>(&mut self, io: &mut T, into: &mut [u8]) -> io::Result<usize> {
        if self.state == State::Failed {
            return io.recv(into);
        }
        let mut empty_reads = 0;
        while empty_reads < MAX_EMPTY_READS {
            if self.opened.is_some() {
                return Ok(self.take_opened(into));
            }
            if self.session.has_ended() {
                return Ok(0);
            }
            match self.take_in(io, into)? {
                Taken::End => return Err(io::ErrorKind::UnexpectedEof.into()),
                Taken::Part => {}
                Taken::Content(0) => empty_reads += 1,
                Taken::Content(count) => return Ok(count),
            }
        }
        Err(self.fail(io::ErrorKind::InvalidData.into()))
    }

    /// Takes what waits to be asked for.
    fn take_opened(&mut self, into: &mut [u8]) -> usize {
        let Some(opened) = &mut self.opened else {
            return 0;
        };
        let count = copy(opened.pending(), into);
        opened.consume(count);
        if opened.is_drained() {
            let opened = self.opened.take();
            self.vault.open().buffers.give_some(opened);
        }
        count
    }

    /// Reads once and opens the records that are whole. Content goes to `into`, what has no room
    /// there waits in `opened`.
    fn take_in<T: Transport>(&mut self, io: &mut T, into: &mut [u8]) -> io::Result<Taken> {
        let mut contents = self.vault.open();
        let Contents {
            incoming,
            sealed,
            buffers,
            ..
        } = &mut *contents;
        let held = match &self.held {
            Some(held) => copy(held.pending(), incoming),
            None => 0,
        };
        let mut end = held;
        if !std::mem::take(&mut self.is_fresh) {
            // Content is shorter than its records: what is read has room there.
            let room = into.len().saturating_sub(held);
            let asked = room.clamp(MIN_READ_BYTES, READ_BYTES);
            let read = io.recv(incoming.get_mut(held..held + asked).unwrap_or_default())?;
            if read == 0 {
                self.may_have_more = false;
                return Ok(Taken::End);
            }
            self.may_have_more = read == asked;
            self.has_received = true;
            end += read;
        }
        let input = incoming.get_mut(..end).unwrap_or_default();
        let (mut count, opened) = (0, &mut self.opened);
        sealed.clear();
        let received = self.session.receive(
            input,
            &mut |content| {
                let taken = match opened {
                    None => copy(content, into.get_mut(count..).unwrap_or_default()),
                    Some(_) => 0,
                };
                count += taken;
                let rest = content.get(taken..).unwrap_or_default();
                match opened {
                    _ if rest.is_empty() => {}
                    Some(opened) => opened.append(rest),
                    None => *opened = Some(buffers.take_with(rest)),
                }
            },
            sealed,
        );
        if !sealed.is_empty() {
            match &mut self.out {
                Some(out) => out.append(sealed),
                None => self.out = Some(buffers.take_with(sealed)),
            }
        }
        let used = *received.as_ref().unwrap_or(&end);
        let rest = incoming.get(used..end).unwrap_or_default();
        buffers.give_some(self.held.take());
        let is_too_long = rest.len() > MAX_HELD_BYTES;
        if !rest.is_empty() && !is_too_long {
            self.held = Some(buffers.take_with(rest));
        }
        drop(contents);
        // What the session has to say goes at once if it can. A failure shows by reading.
        let _ = self.flush(io);
        match received {
            Ok(0) if !is_too_long => Ok(Taken::Part),
            Ok(_) if !is_too_long => Ok(Taken::Content(count)),
            Ok(_) => Err(self.fail(io::ErrorKind::InvalidData.into())),
            Err(error) => Err(self.fail(io::Error::new(io::ErrorKind::InvalidData, error))),
        }
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        self.state = State::Failed;
        self.may_have_more = false;
        self.give_back();
        error
    }

    /// Writes records that wait. Returns whether none is left.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn flush<T: Transport>(&mut self, io: &mut T) -> io::Result<bool> {
        let Some(out) = &mut self.out else {
            return Ok(true);
        };
        match io.send(&[IoSlice::new(out.pending())]) {
            Ok(count) => out.consume(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if !out.is_drained() {
            return Ok(false);
        }
        let out = self.out.take();
        self.vault.open().buffers.give_some(out);
        Ok(true)
    }

    /// Seals and writes `parts`; as the last ones, with `close_notify` behind them.
    ///
    /// # Errors
    /// Those of the connection; the session is not established or has failed.
    pub fn send<T: Transport>(
        &mut self,
        io: &mut T,
        parts: &[IoSlice<'_>],
        is_last: bool,
    ) -> io::Result<usize> {
        if self.state == State::Failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !self.flush(io)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let mut taken = usize::from(std::mem::take(&mut self.owes_byte)).min(total);
        while taken < total {
            let count = self.send_batch(io, parts, taken, is_last)?;
            taken += count;
            if self.out.is_some() {
                self.owes_byte = true;
                return match taken - 1 {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    count => Ok(count),
                };
            }
        }
        Ok(taken)
    }

    /// Seals and writes as much as goes into one batch, behind what was `taken` already.
    fn send_batch<T: Transport>(
        &mut self,
        io: &mut T,
        parts: &[IoSlice<'_>],
        taken: usize,
        is_last: bool,
    ) -> io::Result<usize> {
        let mut contents = self.vault.open();
        let Contents {
            sealed,
            gathered,
            buffers,
            ..
        } = &mut *contents;
        let content = gather(parts, taken, gathered);
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let ends = is_last && taken + content.len() == total;
        sealed.clear();
        let held = match &mut self.held {
            Some(held) => held.as_vec_mut().as_mut_slice(),
            None => &mut [],
        };
        let mut result = self.session.seal(content, held, sealed);
        if ends && result.is_ok() {
            result = self.session.finish(held, sealed);
        }
        result.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let count = content.len();
        let records = [IoSlice::new(sealed)];
        let sent = match ends {
            true => io.send_last(&records),
            false => io.send(&records),
        };
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) if is_passing(&error) => 0,
            Err(error) => return Err(error),
        };
        if let Some(rest) = sealed.get(sent..).filter(|rest| !rest.is_empty()) {
            self.out = Some(buffers.take_with(rest));
        }
        Ok(count)
    }

    /// Says that nothing more comes, as far as there is room to say so. What the connection has not
    /// taken until now is lost.
    pub fn finish<T: Transport>(&mut self, io: &mut T) {
        if self.state == State::Working && self.session.is_established() {
            let mut contents = self.vault.open();
            let Contents {
                sealed, buffers, ..
            } = &mut *contents;
            sealed.clear();
            let held = match &mut self.held {
                Some(held) => held.as_vec_mut().as_mut_slice(),
                None => &mut [],
            };
            // Keys that are used up leave the end to the connection.
            let _ = self.session.finish(held, sealed);
            if !sealed.is_empty() {
                match &mut self.out {
                    Some(out) => out.append(sealed),
                    None => self.out = Some(buffers.take_with(sealed)),
                }
            }
        }
        if let Some(out) = &self.out {
            // The end of the connection follows, by which a failure shows.
            let _ = io.send_last(&[IoSlice::new(out.pending())]);
            let out = self.out.take();
            self.vault.open().buffers.give_some(out);
        }
    }

    /// Opens nothing more that the peer sends: what is read from now on is to be discarded.
    pub fn abandon(&mut self) {
        self.state = State::Failed;
        self.may_have_more = false;
        self.give_back();
    }

    /// Gives back the buffers of what was received.
    fn give_back(&mut self) {
        let (held, opened) = (self.held.take(), self.opened.take());
        let mut contents = self.vault.open();
        contents.buffers.give_some(held);
        contents.buffers.give_some(opened);
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        self.give_back();
        let out = self.out.take();
        self.vault.open().buffers.give_some(out);
    }
}

/// What a read has brought.
enum Taken {
    /// No whole record.
    Part,
    /// Records with so many bytes of content, possibly none.
    Content(usize),
    /// The connection has ended.
    End,
}

/// Returns whether an error means no more than to try again.
fn is_passing(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::WouldBlock || kind == io::ErrorKind::Interrupted
}

/// Copies what fits. Returns how much that is.
fn copy(from: &[u8], into: &mut [u8]) -> usize {
    let count = from.len().min(into.len());
    if let (Some(from), Some(into)) = (from.get(..count), into.get_mut(..count)) {
        into.copy_from_slice(from);
    }
    count
}

/// A batch of `parts` behind the first `skip` bytes, in one piece: where it lies, if it is the whole
/// of one part, else gathered.
fn gather<'a>(parts: &'a [IoSlice<'_>], mut skip: usize, gathered: &'a mut Vec<u8>) -> &'a [u8] {
    gathered.clear();
    for (index, part) in parts.iter().enumerate() {
        let Some(rest) = part.get(skip..).filter(|rest| !rest.is_empty()) else {
            skip -= part.len();
            continue;
        };
        skip = 0;
        let room = SEAL_BYTES - gathered.len();
        let rest = rest.get(..room.min(rest.len())).unwrap_or_default();
        let is_alone = index + 1 == parts.len() || rest.len() == room;
        if gathered.is_empty() && is_alone {
            return rest;
        }
        gathered.extend_from_slice(rest);
        if rest.len() == room {
            break;
        }
    }
    gathered
}
