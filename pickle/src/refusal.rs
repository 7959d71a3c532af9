//! Owns the reasons that a pickle is refused. They are plain data: refusing costs no memory.

use crate::value::{MAX_DEPTH, MAX_DIGITS};
use std::fmt;

/// The reason that a pickle was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It ends early, or says something that no pickle says.
    Malformed {
        /// The byte before which the fault was found.
        at: usize,
        /// The fault.
        reason: &'static str,
    },
    /// A key of a dictionary that Python could not hash.
    Unhashable,
    /// It names or calls an object; the name of the opcode.
    Object(&'static str),
    /// A type that is data but not carried, such as a set; its name.
    Type(&'static str),
    /// An integer of more than [`MAX_DIGITS`].
    TooLong,
    /// More than [`MAX_DEPTH`] containers inside each other, or one that contains itself.
    TooDeep,
    /// More bytes than the reader allows, counted as they would be written.
    TooLarge {
        /// Bytes counted before reading stopped.
        bytes: usize,
        /// Bytes allowed.
        max_bytes: usize,
    },
}

impl Refusal {
    /// Reports a pickle that may be valid but passes a limit.
    #[must_use]
    pub const fn is_limit(&self) -> bool {
        matches!(self, Self::TooLong | Self::TooDeep | Self::TooLarge { .. })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { at, reason } => {
                write!(f, "invalid pickle before byte {at}: {reason}")
            }
            Self::Unhashable => f.write_str("a key of a dictionary is a list or a dictionary"),
            Self::Object(name) => {
                write!(
                    f,
                    "{name} names or calls an object; a pickle may hold data only"
                )
            }
            Self::Type(name) => write!(f, "a {name} is not carried; send a list or bytes"),
            Self::TooLong => write!(f, "an integer has more than {MAX_DIGITS} digits"),
            Self::TooDeep => write!(
                f,
                "the value contains itself, or is more than {MAX_DEPTH} levels deep"
            ),
            Self::TooLarge { bytes, max_bytes } => write!(
                f,
                "the value takes {bytes} bytes, at most {max_bytes} are allowed"
            ),
        }
    }
}

impl std::error::Error for Refusal {}
