//! Messages to bytes and back: pickles of the course, or the compact native encoding.
//!
//! A decoder takes any bytes, allocates no more than a small multiple of their length, and
//! refuses what is not exactly a message. It knows neither nodes nor sockets.

mod course;
mod native;

pub use native::Key;

use std::fmt;

use lb_pickle::Refusal;

use crate::message::{Message, Own};

/// Bytes of a datagram of the course: its peers read no more.
pub const COURSE_DATAGRAM: usize = 1024;
/// Bytes of key and value of the course; together with the rest of any message that carries them,
/// they fit into [`COURSE_DATAGRAM`].
pub const COURSE_ITEM: usize = COURSE_DATAGRAM - 112;
/// Bytes of a native datagram: no larger than the smallest MTU of IPv6 (RFC 8200, section 5) less
/// the headers. What is longer goes by TCP.
pub const NATIVE_DATAGRAM: usize = 1280 - 40 - 8;
/// Bytes of a native message by TCP.
pub const NATIVE_FRAME: usize = NATIVE_ITEM + 4096;
/// Bytes of a native key and value.
pub const NATIVE_ITEM: usize = 1 << 20;

/// The reason that bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// Longer than any message.
    TooLong,
    /// Not a pickle of data.
    Pickle(Refusal),
    /// A pickle that has not the shape of its method.
    Shape,
    /// A method of others.
    Unknown,
    /// Not of the native encoding, or of another version.
    Native,
    /// The MAC is missing or wrong.
    Mac,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("too long"),
            Self::Pickle(refusal) => refusal.fmt(f),
            Self::Shape => f.write_str("arguments do not fit the method"),
            Self::Unknown => f.write_str("unknown method"),
            Self::Native => f.write_str("not a native message of this version"),
            Self::Mac => f.write_str("wrong or missing MAC"),
        }
    }
}

/// An encoding, with what it needs.
#[derive(Clone, Debug)]
pub enum Codec {
    /// Pickles, as the Python course has them.
    Course,
    /// postcard with a MAC if there is a key.
    Native(Option<Key>),
}

impl Codec {
    /// The bytes of a message.
    #[must_use]
    pub fn encode(&self, message: &Message) -> Vec<u8> {
        match (self, message) {
            (Self::Course, Message::Course(message)) => course::encode(message),
            (Self::Course, Message::Own(own)) => course::encode_own(&to_postcard(own)),
            (Self::Native(key), Message::Own(own)) => native::seal(&to_postcard(own), key.as_ref()),
            // Nobody reads pickles there, and no node of the native mode makes one.
            (Self::Native(_), Message::Course(_)) => Vec::new(),
        }
    }

    /// The message of a datagram, or of a frame by TCP.
    ///
    /// # Errors
    /// [`Reject`], if it is none.
    pub fn decode(&self, bytes: &[u8]) -> Result<Message, Reject> {
        match self {
            Self::Course if bytes.len() > COURSE_DATAGRAM => Err(Reject::TooLong),
            Self::Course => course::decode(bytes),
            Self::Native(_) if bytes.len() > NATIVE_FRAME => Err(Reject::TooLong),
            Self::Native(key) => {
                let own = from_postcard(native::open(bytes, key.as_ref())?);
                own.map(Message::Own).ok_or(Reject::Native)
            }
        }
    }

    /// The longest datagram.
    #[must_use]
    pub const fn max_datagram(&self) -> usize {
        match self {
            Self::Course => COURSE_DATAGRAM,
            Self::Native(_) => NATIVE_DATAGRAM,
        }
    }

    /// The most bytes that key and value may have together.
    #[must_use]
    pub const fn max_item(&self) -> usize {
        match self {
            Self::Course => COURSE_ITEM,
            Self::Native(_) => NATIVE_ITEM,
        }
    }
}

/// Messages of our own are plain data: encoding them into memory cannot fail.
fn to_postcard(own: &Own) -> Vec<u8> {
    postcard::to_allocvec(own).unwrap_or_default()
}

fn from_postcard(bytes: &[u8]) -> Option<Own> {
    match postcard::take_from_bytes(bytes) {
        Ok((own, [])) => Some(own),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
