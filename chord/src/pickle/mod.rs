//! Pickles as data: what Python's `pickle.dumps` makes of None, bool, int, float, str, bytes,
//! list, tuple and dict, in protocols 0 to 5.
//!
//! A crate (`serde-pickle`) was tried first and is the reference of the tests. It calls what a
//! pickle names where it knows the name (sets, bytearrays), and copies each reference to the
//! memo, so that 200 bytes become a list of 2^60. Here whatever names or calls an object is
//! refused, and the size of the result is limited before it is built.

mod decode;
mod encode;

pub use decode::{Refusal, decode};
pub use encode::{Writer, encode};

use num_bigint::BigInt;

/// A Python value that is data.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// An int that fits into 64 bits.
    Int(i64),
    /// An int that does not.
    BigInt(BigInt),
    /// A float.
    Float(f64),
    /// A str; one with lone surrogates is refused.
    Str(String),
    /// A bytes object.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dict, in its order.
    Dict(Vec<(Value, Value)>),
}

impl Value {
    /// The value of a str key, if this is a dict that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(items) = self else { return None };
        let found = items.iter().find(|(k, _)| k.as_str() == Some(key));
        found.map(|(_, value)| value)
    }

    /// The text, if this is a str.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is an int of 64 bits; a bool is none.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }
}
