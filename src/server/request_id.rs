//! Names for requests that come without one.
//!
//! Owns how an `X-Request-Id` is made: a prefix that tells processes apart and a number that
//! tells requests apart, both in hexadecimal. Unique without asking anybody, and cheap: no
//! formatting machinery, no allocation, no clock. Same seed, same names.

use crate::balance::Rng;

/// Digits of the prefix, and of the number.
const HALF: usize = 16;
/// Bytes of a name.
pub(super) const REQUEST_ID_BYTES: usize = 2 * HALF;

/// Makes one name after another.
#[derive(Clone, Debug)]
pub struct RequestIds {
    prefix: u64,
    next: u64,
}

impl RequestIds {
    /// Names whose prefix follows from `seed`, numbered from 0.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            prefix: Rng::new(seed).next(),
            next: 0,
        }
    }

    /// The next name: 32 lower-case hexadecimal digits.
    pub(super) fn take(&mut self) -> [u8; REQUEST_ID_BYTES] {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let mut id = [0; REQUEST_ID_BYTES];
        let (prefix, rest) = id.split_at_mut(HALF);
        write_hex(self.prefix, prefix);
        write_hex(number, rest);
        id
    }
}

fn write_hex(number: u64, digits: &mut [u8]) {
    let mut left = number;
    for digit in digits.iter_mut().rev() {
        let nibble = (left & 15) as u8;
        *digit = if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' + nibble - 10
        };
        left >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_prefix_and_number_in_hex() {
        let mut ids = RequestIds {
            prefix: 0x0123_4567_89ab_cdef,
            next: 0xff,
        };
        assert_eq!(&ids.take(), b"0123456789abcdef00000000000000ff");
        assert_eq!(&ids.take(), b"0123456789abcdef0000000000000100");
    }

    #[test]
    fn seeds_tell_processes_apart_and_repeat() {
        assert_eq!(RequestIds::new(1).take(), RequestIds::new(1).take());
        assert_ne!(RequestIds::new(1).take(), RequestIds::new(2).take());
    }
}
