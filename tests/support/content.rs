//! Bulk content that can be made and checked piece by piece, at any size.
//!
//! Each byte follows from the seed and its place, so a byte that is lost, doubled or out of
//! place is found, and nothing has to be kept.

/// Bytes made at once.
const BLOCK_BYTES: usize = 8 * 1024;
const WORD_BYTES: usize = 8;

/// Makes the content of a seed from the start.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    seed: u64,
    next_block: u64,
    block: Vec<u8>,
    used: usize,
}

impl Content {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            next_block: 0,
            block: Vec::new(),
            used: 0,
        }
    }

    /// The next bytes, at least one and at most `max`.
    pub(crate) fn next(&mut self, max: usize) -> &[u8] {
        if self.used == self.block.len() {
            self.make_block();
        }
        let start = self.used;
        self.used = self.block.len().min(start + max);
        &self.block[start..self.used]
    }

    /// The first `count` bytes of a seed.
    pub(crate) fn first(seed: u64, count: usize) -> Vec<u8> {
        let mut content = Self::new(seed);
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            let more = content.next(count - bytes.len());
            bytes.extend_from_slice(more);
        }
        bytes
    }

    fn make_block(&mut self) {
        let first = self.next_block * (BLOCK_BYTES / WORD_BYTES) as u64;
        let words = (first..).take(BLOCK_BYTES / WORD_BYTES);
        self.block.clear();
        for word in words {
            let mixed = mix(self.seed.wrapping_add(word));
            self.block.extend_from_slice(&mixed.to_le_bytes());
        }
        self.next_block += 1;
        self.used = 0;
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn mix(n: u64) -> u64 {
    let z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Checks bytes against the content of a seed, as they come.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    expected: Content,
    matched: u64,
}

impl Matcher {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            expected: Content::new(seed),
            matched: 0,
        }
    }

    /// Takes the next bytes. Returns whether they are what they should be.
    #[must_use]
    pub(crate) fn check(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let expected = self.expected.next(bytes.len());
            let (piece, rest) = bytes.split_at(expected.len());
            if piece != expected {
                return false;
            }
            self.matched += piece.len() as u64;
            bytes = rest;
        }
        true
    }

    /// Bytes that were right so far.
    pub(crate) fn matched(&self) -> u64 {
        self.matched
    }
}
