//! Identifiers and the circle they lie on.
//!
//! Owns the arithmetic modulo 2^m and the two ways of hashing a text onto the circle; knows
//! nothing of nodes. An [`Id`] is always below 2^m of the [`Space`] that made it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

/// A point on the circle: an unsigned number of at most 160 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id {
    high: u32,
    low: u128,
}

impl Id {
    /// The point 0.
    pub const ZERO: Self = Self { high: 0, low: 0 };

    /// The point `number`.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self {
            high: 0,
            low: number,
        }
    }

    /// A big-endian number of 20 bytes, as SHA-1 gives it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        let (mut high, mut low) = (0_u32, 0_u128);
        for (nth, byte) in bytes.into_iter().enumerate() {
            if nth < 4 {
                high = high << 8 | u32::from(byte);
            } else {
                low = low << 8 | u128::from(byte);
            }
        }
        Self { high, low }
    }

    /// The number, if it is one of the 2^10 of the course.
    #[must_use]
    pub fn small(self) -> Option<u16> {
        if self.high == 0 {
            u16::try_from(self.low).ok()
        } else {
            None
        }
    }

    fn wrapping_add(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self.high.wrapping_add(other.high);
        Self {
            high: high.wrapping_add(u32::from(carry)),
            low,
        }
    }

    fn wrapping_sub(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let high = self.high.wrapping_sub(other.high);
        Self {
            high: high.wrapping_sub(u32::from(borrow)),
            low,
        }
    }

    /// The nearest `f64`, for charts.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.high) * 2_f64.powi(128) + self.low as f64
    }
}

/// Decimal up to 2^32, as the course prints its ids; 40 hexadecimal digits beyond.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.high == 0 && self.low <= u128::from(u32::MAX) {
            f.pad(&self.low.to_string())
        } else {
            f.pad(&format!("{:08x}{:032x}", self.high, self.low))
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether `id` lies in (begin, end], going round the circle. With `begin == end` that is
/// everywhere: the arc of a node alone is the whole circle.
#[must_use]
pub fn contains(begin: Id, end: Id, id: Id) -> bool {
    if begin < end {
        begin < id && id <= end
    } else {
        begin < id || id <= end
    }
}

/// Whether `id` lies in (begin, end), going round the circle; everywhere but at `begin` if both
/// are the same.
#[must_use]
pub fn strictly_between(begin: Id, end: Id, id: Id) -> bool {
    id != end && contains(begin, end, id)
}

/// How a text becomes an [`Id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    /// FNV-1a over the characters of the text, as the course does it.
    Fnv1a,
    Sha1,
}

/// A circle of 2^m points and the hash that spreads names over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    bits: u8,
    hash: Hash,
}

impl Space {
    /// The 1,024 points of the course, hashed with FNV-1a.
    pub const COURSE: Self = Self {
        bits: 10,
        hash: Hash::Fnv1a,
    };
    /// 160 bits of SHA-1, as in the paper.
    pub const NATIVE: Self = Self {
        bits: 160,
        hash: Hash::Sha1,
    };

    /// m: the fingers of a node are as many.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// The point of a text.
    #[must_use]
    pub fn hash(self, text: &str) -> Id {
        match self.hash {
            Hash::Fnv1a => self.reduce(Id::new(u128::from(fnv1a(text)))),
            Hash::Sha1 => Id::from_bytes(Sha1::digest(text.as_bytes()).into()),
        }
    }

    /// 2^`exponent` further round than `id`.
    #[must_use]
    pub fn further(self, id: Id, exponent: u8) -> Id {
        let step = match exponent {
            0..128 => Id::new(1 << exponent),
            128..160 => Id {
                high: 1 << (exponent - 128),
                low: 0,
            },
            _ => Id::ZERO,
        };
        self.reduce(id.wrapping_add(step))
    }

    /// The point before `id`.
    #[must_use]
    pub fn before(self, id: Id) -> Id {
        self.reduce(id.wrapping_sub(Id::new(1)))
    }

    /// How far it is from `from` round to `to`.
    #[must_use]
    pub fn distance(self, from: Id, to: Id) -> Id {
        self.reduce(to.wrapping_sub(from))
    }

    /// Whether `id` is a point of this circle.
    #[must_use]
    pub fn has(self, id: Id) -> bool {
        self.reduce(id) == id
    }

    fn reduce(self, id: Id) -> Id {
        match self.bits {
            0..128 => Id::new(id.low & ((1 << self.bits) - 1)),
            128..160 => Id {
                high: id.high & ((1 << (self.bits - 128)) - 1),
                low: id.low,
            },
            _ => id,
        }
    }
}

/// FNV-1a with 32 bits, a step for each character (not each byte): the course xors `ord(char)`.
/// Its product is never cut off, but the low bits do not depend on the high ones.
fn fnv1a(text: &str) -> u32 {
    text.chars().fold(2_166_136_261, |hash: u32, char| {
        (hash ^ u32::from(char)).wrapping_mul(16_777_619)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_course() {
        let ids = [
            (5000, 770),
            (5001, 959),
            (5002, 260),
            (5003, 257),
            (5004, 654),
            (4000, 581),
            (3000, 752),
            (6000, 895),
        ];
        for (port, id) in ids {
            let text = format!("('localhost', {port})");
            assert_eq!(Space::COURSE.hash(&text), Id::new(id), "{text}");
        }
        for (key, id) in [("A", 716), ("2", 981), ("10", 580), ("d", 115), ("f", 921)] {
            assert_eq!(Space::COURSE.hash(key), Id::new(id), "{key}");
        }
    }

    #[test]
    fn sha1_fills_160_bits() {
        let id = Space::NATIVE.hash("abc");
        assert_eq!(id.to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(Space::NATIVE.has(id) && !Space::COURSE.has(id));
    }

    #[test]
    fn contains_excludes_the_begin_and_includes_the_end() {
        let id = Id::new;
        for inside in [200, 300] {
            assert!(contains(id(100), id(300), id(inside)));
        }
        for outside in [100, 400, 0, 900] {
            assert!(!contains(id(100), id(300), id(outside)));
        }
        for inside in [900, 200, 300] {
            assert!(contains(id(800), id(300), id(inside)));
        }
        for outside in [700, 400] {
            assert!(!contains(id(800), id(300), id(outside)));
        }
        assert!(contains(id(5), id(5), id(5)) && contains(id(5), id(5), id(6)));
        assert!(!strictly_between(id(1), id(3), id(3)));
    }

    #[test]
    fn steps_and_distances_go_round() {
        let course = Space::COURSE;
        assert_eq!(course.further(Id::new(770), 8), Id::new(2));
        assert_eq!(course.distance(Id::new(770), Id::new(2)), Id::new(256));
        let top = Space::NATIVE.further(Id::ZERO, 159);
        assert_eq!(Space::NATIVE.further(top, 159), Id::ZERO);
        assert_eq!(Space::NATIVE.distance(top, Id::ZERO), top);
        let carry = Space::NATIVE.further(Id::new(u128::MAX), 0);
        assert_eq!(carry, Space::NATIVE.further(Id::ZERO, 128));
    }
}
