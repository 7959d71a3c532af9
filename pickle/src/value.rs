//! Owns the values that a pickle can hold without naming an object, and their limits.

use num_bigint::{BigInt, BigUint};
use std::cmp::Ordering;
use std::sync::LazyLock;

/// Containers inside containers. Python's readers stop at about 1,000, and a tree this deep is
/// safe to walk by recursion.
pub const MAX_DEPTH: usize = 200;

/// Decimal digits of an integer: what CPython converts without being asked to (its
/// `int_max_str_digits`). More would make the conversion between bases a way to keep a reader busy.
pub const MAX_DIGITS: usize = 4300;

/// A Python value that is data. Its names are those of formats in general, since it is what others
/// are translated from and to.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`, `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of the usual size.
    Int(i64),
    /// An integer beyond that, of at most [`MAX_DIGITS`].
    Big(Box<BigInt>),
    /// A float; NaN and infinities too.
    Float(f64),
    /// A str; one with half of a surrogate pair is refused.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// Keys and values in the order they were written. Of equal keys the last one counts.
    Dict(Vec<(Value, Value)>),
}

impl Value {
    /// The smallest form of an integer.
    #[must_use]
    pub fn integer(value: BigInt) -> Self {
        i64::try_from(&value).map_or_else(|_| Self::Big(Box::new(value)), Self::Int)
    }

    /// Text, from anything that is text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The value of a key that is text, if this is a dictionary that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(pairs) = self else { return None };
        let found = pairs.iter().rfind(|(k, _)| k.as_text() == Some(key));
        found.map(|(_, value)| value)
    }

    /// The text, if this is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is an integer of the usual size; a truth value is none.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }
}

/// The bits of 10^4300, the smallest integer with more than [`MAX_DIGITS`].
const MAX_BITS: u64 = 14_285;

/// Reports an integer to have more digits than are carried. Counts bits, which costs no conversion,
/// but for the few integers with just as many as the limit.
#[must_use]
pub(crate) fn is_too_long(value: &BigInt) -> bool {
    static LIMIT: LazyLock<BigUint> = LazyLock::new(|| BigUint::from(10_u8).pow(MAX_DIGITS as u32));
    match value.bits().cmp(&MAX_BITS) {
        Ordering::Less => false,
        Ordering::Equal => value.magnitude() >= &*LIMIT,
        Ordering::Greater => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_keys_counts() {
        let pair = |key: &str, value| (Value::text(key), Value::Int(value));
        let dict = Value::Dict(vec![pair("a", 1), pair("b", 2), pair("a", 3)]);
        assert_eq!(dict.get("a").and_then(Value::as_int), Some(3));
        assert_eq!(dict.get("c"), None);
        assert_eq!(Value::Bool(true).as_int(), None);
    }

    #[test]
    fn integers_are_carried_up_to_the_last_digit() {
        let longest: BigInt = "9".repeat(MAX_DIGITS).parse().unwrap();
        let shortest: BigInt = format!("1{}", "0".repeat(MAX_DIGITS)).parse().unwrap();
        assert_eq!((longest.bits(), shortest.bits()), (MAX_BITS, MAX_BITS));
        assert!(!is_too_long(&longest) && !is_too_long(&-longest));
        assert!(is_too_long(&shortest) && is_too_long(&-shortest));
    }
}
