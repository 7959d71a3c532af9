//! The wire format of a heartbeat: one datagram over UDP, one frame over TCP (see [`FrameReader`]).
//!
//! Version 1, numbers with the most significant byte first:
//!
//! | offset | bytes | what |
//! |---:|---:|---|
//! | 0 | 4 | `LBHB` |
//! | 4 | 1 | version: 1 |
//! | 5 | 1 | process: 0 none is watched, 1 alive, 2 dead |
//! | 6 | 2 | load in ten-thousandths, 0 to 10,000; 65,535 if not known |
//! | 8 | 4 | interval in milliseconds, 100 to 60,000 |
//! | 12 | 8 | sent at: microseconds since the Unix epoch, greater than in any before |
//! | 20 | 1 | length of the name, 1 to 64 |
//! | 21 | n | name: visible ASCII |
//! | 21 + n | 2 | length of the address, up to 300; 0: the name stands for it |
//! | 23 + n | a | address: `HOST:PORT` or `unix:PATH`, as in `--backends` |
//! | 23 + n + a | 32 | HMAC-SHA-256 of all bytes before, if there is a key |
//!
//! Nothing may follow. Over UDP a sender repeats each datagram, as it is, [`REPEATS`] times spread
//! over the interval, so that a lost one is not missed; over TCP it is sent once, behind its
//! length in two bytes.
//!
//! With a key, the tag is checked before anything behind the version is looked at. Without one a
//! tag is passed over, so that senders can be given the key before the balancer is.
//!
//! [`FrameReader`]: super::FrameReader

use super::key::TAG_BYTES;
use super::message::{Heartbeat, INTERVALS, Load, ProcessState, SenderName};
use super::{HeartbeatKey, HeartbeatRefusal};
use std::time::Duration;

/// Number of copies of each datagram.
pub const REPEATS: u32 = 3;
/// The longest message, its tag included.
pub const MAX_BYTES: usize = 23 + SenderName::MAX_BYTES + MAX_ADDRESS_BYTES + TAG_BYTES;

/// Longer than any name with a port, and any path of a socket.
const MAX_ADDRESS_BYTES: usize = 300;
const MAGIC: &[u8] = b"LBHB";
const VERSION: u8 = 1;
const UNKNOWN_LOAD: u16 = u16::MAX;

impl Heartbeat {
    /// The bytes of it, signed if there is a key.
    #[must_use]
    pub fn encode(&self, key: Option<&HeartbeatKey>) -> Vec<u8> {
        let address = self.address.as_ref().map(ToString::to_string);
        let address = address.as_deref().unwrap_or_default();
        let name = self.name.as_str();
        let load = self.load.map_or(UNKNOWN_LOAD, Load::ten_thousandths);
        let mut bytes = Vec::with_capacity(MAX_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.push(process_code(self.process));
        bytes.extend_from_slice(&load.to_be_bytes());
        bytes.extend_from_slice(&(self.interval.as_millis() as u32).to_be_bytes());
        bytes.extend_from_slice(&(self.sent_at.as_micros() as u64).to_be_bytes());
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&(address.len() as u16).to_be_bytes());
        bytes.extend_from_slice(address.as_bytes());
        if let Some(key) = key {
            let tag = key.tag(&bytes);
            bytes.extend_from_slice(&tag);
        }
        bytes
    }

    /// Reads the bytes of one heartbeat.
    ///
    /// # Errors
    /// They are none, or, with a `key`, none that was signed with it.
    pub fn decode(bytes: &[u8], key: Option<&HeartbeatKey>) -> Result<Self, HeartbeatRefusal> {
        if bytes.len() > MAX_BYTES {
            return Err(HeartbeatRefusal::Malformed);
        }
        match bytes.strip_prefix(MAGIC).and_then(<[u8]>::first) {
            Some(&VERSION) => {}
            Some(_) => return Err(HeartbeatRefusal::Version),
            None => return Err(HeartbeatRefusal::Malformed),
        }
        match key {
            Some(key) => body(verified(bytes, key)?, false),
            None => body(bytes, true),
        }
        .ok_or(HeartbeatRefusal::Malformed)
    }
}

/// The part of the message that was signed.
fn verified<'a>(bytes: &'a [u8], key: &HeartbeatKey) -> Result<&'a [u8], HeartbeatRefusal> {
    let at = bytes.len().checked_sub(TAG_BYTES);
    let Some((signed, tag)) = at.and_then(|at| bytes.split_at_checked(at)) else {
        return Err(HeartbeatRefusal::Untagged);
    };
    if key.verifies(signed, tag) {
        Ok(signed)
    } else if body(bytes, false).is_some() {
        // All of it is a message, so there is no tag at its end.
        Err(HeartbeatRefusal::Untagged)
    } else {
        Err(HeartbeatRefusal::WrongTag)
    }
}

/// Returns the part between the version and the tag, which `may_follow`.
fn body(bytes: &[u8], may_follow: bool) -> Option<Heartbeat> {
    let mut rest = Rest(bytes.get(MAGIC.len() + 1..)?);
    let process = process_of(rest.number::<1>()? as u8)?;
    let load = match rest.number::<2>()? as u16 {
        UNKNOWN_LOAD => None,
        number => Some(Load::from_ten_thousandths(number)?),
    };
    let interval = Duration::from_millis(rest.number::<4>()?);
    let sent_at = Duration::from_micros(rest.number::<8>()?);
    let name_bytes = rest.number::<1>()? as usize;
    let name = SenderName::new(rest.text(name_bytes)?)?;
    let address_bytes = rest.number::<2>()? as usize;
    let address = match rest.text(address_bytes)? {
        "" => None,
        text => Some(text.parse().ok()?),
    };
    let has_ended = rest.0.is_empty() || (may_follow && rest.0.len() == TAG_BYTES);
    (has_ended && INTERVALS.contains(&interval)).then_some(Heartbeat {
        name,
        address,
        interval,
        load,
        process,
        sent_at,
    })
}

/// The part still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of `N` bytes, 8 at most.
    fn number<const N: usize>(&mut self) -> Option<u64> {
        let bytes = self.bytes(N)?.iter();
        Some(bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    fn text(&mut self, count: usize) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(count)?).ok()
    }
}

const fn process_code(process: Option<ProcessState>) -> u8 {
    match process {
        None => 0,
        Some(ProcessState::Alive) => 1,
        Some(ProcessState::Dead) => 2,
    }
}

const fn process_of(code: u8) -> Option<Option<ProcessState>> {
    match code {
        0 => Some(None),
        1 => Some(Some(ProcessState::Alive)),
        2 => Some(Some(ProcessState::Dead)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
