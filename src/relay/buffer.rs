//! Buffers for bytes that have to wait, and the pool they come from.
//!
//! Most bytes never wait: they are read into the loop's scratch buffer and written from there.
//! A [`Buffer`] holds what is left over: part of a head, a request that may have to be sent
//! again, what a slow peer did not take yet. It is taken from [`Buffers`] when that happens and
//! given back as soon as it is drained, so that an idle connection holds none.

/// Capacity of the buffers most waits need: a head and a small body.
const SMALL_BYTES: usize = 4 * 1024;
/// Largest capacity that is kept for reuse: a full read and the head that went before it.
const LARGE_BYTES: usize = 96 * 1024;
/// Small buffers kept for reuse, at most: 16 MiB.
const SMALL_KEPT: usize = 4096;
/// Large buffers kept for reuse, at most: 6 MiB.
const LARGE_KEPT: usize = 64;

/// Bytes in waiting: appended at the end, consumed from the front.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// The bytes not consumed yet.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Whether everything has been consumed.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.start >= self.bytes.len()
    }

    /// Takes `count` bytes off the front; they stay in memory until [`Buffers::give`].
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
    }

    /// Makes all bytes pending again, as if none had been consumed.
    pub fn rewind(&mut self) {
        self.start = 0;
    }

    /// Adds bytes at the end. Room of consumed bytes is used first where that avoids growing.
    pub fn append(&mut self, more: &[u8]) {
        if self.is_drained() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > 0 && self.bytes.len() + more.len() > self.bytes.capacity() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    /// The whole of it, to append to with something that writes into a vector. Nothing may have
    /// been consumed yet.
    pub fn as_vec_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

/// Recycles buffers, last used first, so that the next one is still in the cache.
#[derive(Debug, Default)]
pub struct Buffers {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    lent: usize,
}

impl Buffers {
    /// An empty buffer that holds `expected` bytes without growing.
    pub fn take(&mut self, expected: usize) -> Buffer {
        self.lent += 1;
        let kept = if expected <= SMALL_BYTES {
            self.small.pop()
        } else {
            self.large.pop()
        };
        let bytes = kept.unwrap_or_else(|| Vec::with_capacity(expected.max(SMALL_BYTES)));
        Buffer { bytes, start: 0 }
    }

    /// A buffer holding a copy of `bytes`.
    pub fn take_with(&mut self, bytes: &[u8]) -> Buffer {
        let mut buffer = self.take(bytes.len());
        buffer.append(bytes);
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&mut self, buffer: Buffer) {
        self.lent = self.lent.saturating_sub(1);
        let mut bytes = buffer.bytes;
        bytes.clear();
        let (list, kept) = match bytes.capacity() {
            SMALL_BYTES => (&mut self.small, SMALL_KEPT),
            capacity if capacity > SMALL_BYTES && capacity <= LARGE_BYTES => {
                (&mut self.large, LARGE_KEPT)
            }
            _ => return,
        };
        if list.len() < kept {
            list.push(bytes);
        }
    }

    /// Takes a buffer back if there is one.
    pub fn give_some(&mut self, buffer: Option<Buffer>) {
        if let Some(buffer) = buffer {
            self.give(buffer);
        }
    }

    /// Buffers taken and not given back.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.lent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rewound_buffer_has_everything_again() {
        let mut buffers = Buffers::default();
        let mut buffer = buffers.take_with(b"hello");
        buffer.consume(3);
        assert_eq!(buffer.pending(), b"lo");
        buffer.rewind();
        assert_eq!(buffer.pending(), b"hello");
    }

    #[test]
    fn a_stream_through_a_buffer_does_not_make_it_grow() {
        let mut buffers = Buffers::default();
        let mut buffer = buffers.take(SMALL_BYTES);
        buffer.append(&[1; 1000]);
        for _ in 0..1000 {
            buffer.append(&[2; 1000]);
            buffer.consume(1000);
        }
        assert_eq!(buffer.pending().len(), 1000);
        assert_eq!(buffer.bytes.capacity(), SMALL_BYTES);
    }

    #[test]
    fn buffers_come_back_empty_and_are_counted() {
        let mut buffers = Buffers::default();
        let buffer = buffers.take_with(b"secret");
        assert_eq!(buffers.lent(), 1);
        buffers.give(buffer);
        assert_eq!(buffers.lent(), 0);
        assert!(buffers.take(10).is_drained());
    }

    #[test]
    fn oversized_buffers_are_not_kept() {
        let mut buffers = Buffers::default();
        let mut buffer = buffers.take(10);
        buffer.append(&vec![0; LARGE_BYTES * 2]);
        buffers.give(buffer);
        assert!(buffers.small.is_empty() && buffers.large.is_empty());
    }
}
