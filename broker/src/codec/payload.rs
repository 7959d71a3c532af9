//! Owns a published value between its decoder and its encoders: bytes that have been checked.
//!
//! A value that came as JSON stays as it was written, so JSON to JSON is a copy, floats and all.
//! Every other one becomes a pickle of our own writing, which has no memo and can be put inside
//! another pickle as it is. Both are small, are accounted for by their length, and can be stored.

use super::json;
use crate::error::Refusal;
use crate::value::Value;
use bytes::Bytes;

/// The bytes of a value, in one of two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A checked JSON value, without space around it.
    Json(Bytes),
    /// Opcodes of a checked value, without `PROTO` before and `STOP` behind them.
    Pickle(Bytes),
}

impl Payload {
    /// The payload of a value.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        Self::Pickle(lb_pickle::to_opcodes(value).into())
    }

    /// Reads the value back.
    ///
    /// # Errors
    /// Only if the bytes were not made by this library.
    pub fn value(&self) -> Result<Value, Refusal> {
        match self {
            Self::Json(text) => json::read_value(text),
            Self::Pickle(opcodes) => Ok(lb_pickle::read_opcodes(opcodes)?),
        }
    }

    /// Bytes that keeping it takes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Json(bytes) | Self::Pickle(bytes) => bytes.len(),
        }
    }

    /// Never true: the shortest payload is `N`, one byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
