//! Buffers for bytes that have to wait, and the pool they come from.
//!
//! Most bytes never wait: they are read into the loop's scratch buffer and written from there. A
//! [`Buffer`] holds what is left over: part of a head, a request that may have to be sent again,
//! bytes that a slow peer did not take yet. It is taken from [`Buffers`] when that happens and
//! given back as soon as it is drained, so that an idle connection holds none.

use super::memory::{MemoryBudget, MemoryShare};

/// Capacity of the buffers most waits need: a head. Every request has one until its response, so
/// this decides how many pages of memory thousands of them are spread over.
const HEAD_BYTES: usize = 1024;
/// Capacity of those that the others need: a long head, or one with a small body.
const SMALL_BYTES: usize = 4 * 1024;
/// Largest capacity that is kept for reuse: a full read and the head that went before it.
const LARGE_BYTES: usize = 96 * 1024;
/// Buffers of each of these two sizes kept for reuse: 16 MiB each, if all heads have grown.
const SMALL_KEPT: usize = 4096;
/// Large buffers kept for reuse, at most: 6 MiB.
const LARGE_KEPT: usize = 64;

/// Bytes in waiting: appended at the end, consumed from the front.
///
/// One pointer wide, as each connection may hold one and each exchange several, and mostly they
/// hold none.
#[derive(Debug)]
pub struct Buffer(Box<Waiting>);

#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    start: usize,
    memory: MemoryShare,
}

impl Buffer {
    /// The bytes not consumed yet.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        self.0.bytes.get(self.0.start..).unwrap_or_default()
    }

    /// All bytes, those consumed included.
    #[must_use]
    pub fn all(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Returns whether everything has been consumed.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.0.start >= self.0.bytes.len()
    }

    /// Takes `count` bytes off the front; they stay in memory until [`Buffers::give`].
    pub fn consume(&mut self, count: usize) {
        self.0.start = self.0.start.saturating_add(count).min(self.0.bytes.len());
    }

    /// Makes all bytes pending again, as if none had been consumed.
    pub fn rewind(&mut self) {
        self.0.start = 0;
    }

    /// Adds bytes at the end. Room of consumed bytes is used first where that avoids growing.
    pub fn append(&mut self, more: &[u8]) {
        if self.is_drained() {
            self.0.bytes.clear();
            self.0.start = 0;
        } else if self.0.start > 0 && self.0.bytes.len() + more.len() > self.0.bytes.capacity() {
            self.0.bytes.drain(..self.0.start);
            self.0.start = 0;
        }
        self.0.bytes.extend_from_slice(more);
        self.0.memory.resize(self.0.bytes.capacity());
    }

    /// The whole of it, to append to with something that writes into a vector. Nothing may have
    /// been consumed yet.
    pub fn as_vec_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0.bytes
    }
}

/// Recycles buffers, last used first, so that the next one is still in the cache.
#[derive(Debug, Default)]
pub struct Buffers {
    heads: Vec<Buffer>,
    small: Vec<Buffer>,
    large: Vec<Buffer>,
    lent: usize,
    memory: MemoryBudget,
}

impl Buffers {
    /// Counts what it makes from now on in `memory`. Before anything is lent.
    pub fn count_in(&mut self, memory: MemoryBudget) {
        self.memory = memory;
    }

    /// Returns whether buffers take more memory than they should.
    #[inline]
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.memory.is_exceeded()
    }

    /// An empty buffer that holds `expected` bytes without growing.
    pub fn take(&mut self, expected: usize) -> Buffer {
        self.lent += 1;
        let (list, least) = if expected <= HEAD_BYTES {
            (&mut self.heads, HEAD_BYTES)
        } else if expected <= SMALL_BYTES {
            (&mut self.small, SMALL_BYTES)
        } else {
            (&mut self.large, expected)
        };
        list.pop().unwrap_or_else(|| {
            let bytes = Vec::with_capacity(least);
            let memory = MemoryShare::new(bytes.capacity(), &self.memory);
            Buffer(Box::new(Waiting {
                bytes,
                start: 0,
                memory,
            }))
        })
    }

    /// A buffer holding a copy of `bytes`.
    pub fn take_with(&mut self, bytes: &[u8]) -> Buffer {
        let mut buffer = self.take(bytes.len());
        buffer.append(bytes);
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&mut self, mut buffer: Buffer) {
        self.lent = self.lent.saturating_sub(1);
        let waiting = &mut *buffer.0;
        waiting.bytes.clear();
        waiting.start = 0;
        waiting.memory.resize(waiting.bytes.capacity());
        if self.memory.is_exceeded() {
            return;
        }
        let (list, kept) = match waiting.bytes.capacity() {
            // One that has grown is as good as it was, but for the room it takes.
            HEAD_BYTES..SMALL_BYTES => (&mut self.heads, SMALL_KEPT),
            SMALL_BYTES => (&mut self.small, SMALL_KEPT),
            capacity if capacity > SMALL_BYTES && capacity <= LARGE_BYTES => {
                (&mut self.large, LARGE_KEPT)
            }
            _ => return,
        };
        if list.len() < kept {
            list.push(buffer);
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
    fn rewound_buffer_has_all_bytes_again() {
        let mut buffers = Buffers::default();
        let mut buffer = buffers.take_with(b"hello");
        buffer.consume(3);
        assert_eq!(buffer.pending(), b"lo");
        buffer.rewind();
        assert_eq!(buffer.pending(), b"hello");
    }

    #[test]
    fn streaming_through_a_buffer_does_not_grow_it() {
        let mut buffers = Buffers::default();
        let mut buffer = buffers.take(SMALL_BYTES);
        buffer.append(&[1; 1000]);
        for _ in 0..1000 {
            buffer.append(&[2; 1000]);
            buffer.consume(1000);
        }
        assert_eq!(buffer.pending().len(), 1000);
        assert_eq!(buffer.0.bytes.capacity(), SMALL_BYTES);
    }

    #[test]
    fn returned_buffers_are_empty_and_counted() {
        let mut buffers = Buffers::default();
        let buffer = buffers.take_with(b"secret");
        assert_eq!(buffers.lent(), 1);
        buffers.give(buffer);
        assert_eq!(buffers.lent(), 0);
        assert!(buffers.take(10).is_drained());
    }

    #[test]
    fn memory_is_counted_and_not_kept_while_it_is_short() {
        let memory = MemoryBudget::of(10_000);
        let mut buffers = Buffers::default();
        buffers.count_in(memory.clone());
        let mut one = buffers.take(10);
        assert_eq!(memory.used(), HEAD_BYTES);
        one.append(&[1; 5_000]);
        assert!(memory.used() >= 5_000 && !buffers.is_short());
        let two = buffers.take(9_000);
        assert!(buffers.is_short());
        buffers.give(two);
        assert!(!buffers.is_short());
        buffers.give(one);
        assert!(memory.used() >= 5_000, "kept for reuse");
        drop(buffers);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn oversized_buffers_are_not_kept() {
        let mut buffers = Buffers::default();
        let mut buffer = buffers.take(10);
        buffer.append(&vec![0; LARGE_BYTES * 2]);
        buffers.give(buffer);
        let lists = [&buffers.heads, &buffers.small, &buffers.large];
        assert!(lists.iter().all(|list| list.is_empty()));
    }

    #[test]
    fn buffer_has_the_expected_room_and_is_reused() {
        let mut buffers = Buffers::default();
        for expected in [0, HEAD_BYTES, HEAD_BYTES + 1, SMALL_BYTES, SMALL_BYTES + 1] {
            let mut buffer = buffers.take(expected);
            let room = buffer.as_vec_mut().capacity();
            let at = buffer.as_vec_mut().as_ptr();
            assert!((expected..=expected + SMALL_BYTES).contains(&room));
            buffers.give(buffer);
            assert_eq!(buffers.take(expected).as_vec_mut().as_ptr(), at);
        }
    }
}
