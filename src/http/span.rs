//! The position of a part of a head.
//!
//! A head keeps offsets instead of slices, so that it is `Copy` and outlives no borrow of the
//! buffer it came from. A span read against a shorter buffer gives nothing rather than a panic.

/// A range of bytes of the input that a head was parsed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The bytes from `start` up to `end`. Heads are far shorter than 4 GiB: see `HeadLimits`.
    pub(in crate::http) const fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// Returns where `part`, a subslice of `input`, lies in it.
    pub(in crate::http) fn locate(part: &[u8], input: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(input.as_ptr().addr());
        Self::new(start, start.wrapping_add(part.len()))
    }

    /// The bytes it names; empty if `input` is too short to be what was parsed.
    #[must_use]
    pub fn of(self, input: &[u8]) -> &[u8] {
        input.get(self.start()..self.end()).unwrap_or_default()
    }

    /// Offset of the first byte.
    #[must_use]
    pub const fn start(self) -> usize {
        self.start as usize
    }

    /// Offset after the last byte.
    #[must_use]
    pub const fn end(self) -> usize {
        self.end as usize
    }

    /// Returns whether it names no bytes.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }
}
