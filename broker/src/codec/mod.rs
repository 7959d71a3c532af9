//! Owns the way from bytes to messages and back, in three formats. Knows nothing of connections,
//! topics or rights. Decoders never panic, and use memory in proportion to the frame.
//!
//! ```text
//! frame -> read (json | xml | pickle) -> Fields -> Request        Payload: the value, as it came
//! Message -> write (json | xml | pickle) -> frame               or as a pickle; see `payload`
//! ```

mod fields;
pub(crate) mod json;
mod message;
mod payload;
pub(crate) mod pickle;
mod request;
pub(crate) mod xml;

pub use message::{Children, Message, Scalar, SubscriberEntry};
pub use payload::Payload;
pub use request::{Body, Request};

use crate::error::Refusal;
use crate::value::Value;
use lb_pickle::Writer;
use std::fmt;

/// A serialization that a connection announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// RFC 8259.
    Json,
    /// XML 1.0, without a document type.
    Xml,
    /// Python's pickle, protocols 0 to 5, data only.
    Pickle,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Json, Self::Xml, Self::Pickle];

    /// The name in announcements and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Pickle => "pickle",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The place in tables with an entry for each format.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Json => 0,
            Self::Xml => 1,
            Self::Pickle => 2,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads one message of a client. `max_value_bytes` bounds the value as it is kept.
///
/// # Errors
/// A refusal with the reason; the frame has no effect.
pub fn read_request(
    format: Format,
    frame: &[u8],
    max_value_bytes: usize,
) -> Result<Request, Refusal> {
    match format {
        Format::Json => json::read_request(frame, max_value_bytes),
        Format::Xml => xml::read_request(frame, max_value_bytes),
        Format::Pickle => pickle::read_request(frame, max_value_bytes),
    }
}

/// Appends a message to `out`, without the length prefix.
///
/// # Errors
/// [`Code::Malformed`](crate::error::Code::Malformed) if the payload cannot be read back, which
/// only a damaged data directory can lead to.
pub fn write_message(
    format: Format,
    message: &Message<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match format {
        Format::Json => json::write_message(message, out),
        Format::Xml => xml::write_message(message, out),
        Format::Pickle => pickle::write_message(message, out),
    }
}

/// Reads any message into a dictionary of its fields, as a client does with those of the broker.
/// Attributes of XML are text.
///
/// # Errors
/// As [`read_request`].
pub fn read_message(format: Format, frame: &[u8]) -> Result<Value, Refusal> {
    match format {
        Format::Json => json::read_value(frame),
        Format::Xml => xml::read_message(frame),
        // A broker's pickles share nothing, so they expand to no more than their bytes.
        Format::Pickle => Ok(lb_pickle::read_message(frame, frame.len())?),
    }
}

/// Reads a value alone, without a message around it, as the command line and tests give it.
///
/// # Errors
/// As [`read_request`].
pub fn read_value(format: Format, bytes: &[u8], max_bytes: usize) -> Result<Value, Refusal> {
    match format {
        Format::Json => json::read_value(bytes),
        Format::Xml => xml::read_value(bytes),
        Format::Pickle => Ok(lb_pickle::read(bytes, max_bytes)?),
    }
}

/// Appends a value alone, the inverse of [`read_value`].
pub fn write_value(format: Format, value: &Value, out: &mut Vec<u8>) {
    match format {
        Format::Json => json::write_value(value, out),
        Format::Xml => xml::write_value(value, out),
        Format::Pickle => Writer::pickle(out, |w| w.value(value)),
    }
}
