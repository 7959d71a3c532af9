//! Names for requests that come without one.
//!
//! Owns how an `X-Request-Id` is made: a prefix that tells processes apart and a number that
//! tells requests apart, both in hexadecimal. Unique without coordination, and cheap: no formatting
//! machinery, no allocation, no clock. Same seed, same names.

use crate::strategy::Rng;

/// Digits of the prefix, and of the number.
const HALF: usize = 16;
/// Bytes of a name.
pub(super) const REQUEST_ID_BYTES: usize = 2 * HALF;

/// Makes one name after another.
#[derive(Clone, Debug)]
pub struct RequestIds {
    /// Kept as text: counting on in its last digit costs less than writing all of them anew.
    next: [u8; REQUEST_ID_BYTES],
}

impl RequestIds {
    /// Names whose prefix follows from `seed`, numbered from 0.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut next = [b'0'; REQUEST_ID_BYTES];
        let (prefix, _) = next.split_at_mut(HALF);
        write_hex(Rng::new(seed).next(), prefix);
        Self { next }
    }

    /// The next name: 32 lower-case hexadecimal digits.
    pub(super) fn take(&mut self) -> [u8; REQUEST_ID_BYTES] {
        let id = self.next;
        let (_, number) = self.next.split_at_mut(HALF);
        for digit in number.iter_mut().rev() {
            *digit = successor(*digit);
            if *digit != b'0' {
                break;
            }
        }
        id
    }
}

fn write_hex(number: u64, digits: &mut [u8]) {
    for (nth, digit) in digits.iter_mut().rev().enumerate() {
        let nibble = (number >> (4 * nth) & 15) as u8;
        *digit = if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' + nibble - 10
        };
    }
}

/// The digit after `digit`; 0 follows f.
const fn successor(digit: u8) -> u8 {
    match digit {
        b'9' => b'a',
        b'f' => b'0',
        digit => digit + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_prefix_and_number_in_hex() {
        let mut ids = RequestIds {
            next: *b"0123456789abcdef00000000000000fe",
        };
        assert_eq!(&ids.take(), b"0123456789abcdef00000000000000fe");
        assert_eq!(&ids.take(), b"0123456789abcdef00000000000000ff");
        assert_eq!(&ids.take(), b"0123456789abcdef0000000000000100");
        ids.next = *b"0123456789abcdef0000000000000009";
        assert_eq!(&ids.take(), b"0123456789abcdef0000000000000009");
        assert_eq!(&ids.take(), b"0123456789abcdef000000000000000a");
        ids.next = *b"0123456789abcdefffffffffffffffff";
        assert_eq!(&ids.take(), b"0123456789abcdefffffffffffffffff");
        assert_eq!(&ids.take(), b"0123456789abcdef0000000000000000");
    }

    #[test]
    fn a_prefix_is_in_hex() {
        let mut digits = [0; HALF];
        write_hex(0x0123_4567_89ab_cdef, &mut digits);
        assert_eq!(&digits, b"0123456789abcdef");
    }

    #[test]
    fn seeds_tell_processes_apart_and_repeat() {
        assert_eq!(RequestIds::new(1).take(), RequestIds::new(1).take());
        assert_ne!(RequestIds::new(1).take(), RequestIds::new(2).take());
    }
}
