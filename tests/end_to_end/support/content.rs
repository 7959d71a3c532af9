//! Bulk content that can be made and checked piece by piece, at any size.
//!
//! Noise, in blocks that bear their number: a byte that is lost, doubled, changed or out of place
//! is found without a copy of the whole.

/// Bytes of a block.
const BLOCK_BYTES: usize = 64 * 1024;
/// Bytes of its number, at its start.
const STAMP_BYTES: usize = 8;

/// Makes the content from its start.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    block: Vec<u8>,
    next_number: u64,
    used: usize,
}

impl Default for Content {
    fn default() -> Self {
        let words = (0..(BLOCK_BYTES / 8) as u64).map(mix);
        Self {
            block: words.flat_map(u64::to_le_bytes).collect(),
            next_number: 0,
            used: BLOCK_BYTES,
        }
    }
}

impl Content {
    /// The first `count` bytes, at once.
    pub(crate) fn first(count: usize) -> Vec<u8> {
        let mut content = Self::default();
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            bytes.extend_from_slice(content.next(count - bytes.len()));
        }
        bytes
    }

    /// The next bytes, at least one and at most `max`.
    pub(crate) fn next(&mut self, max: usize) -> &[u8] {
        if self.used == BLOCK_BYTES {
            self.block[..STAMP_BYTES].copy_from_slice(&self.next_number.to_be_bytes());
            self.next_number += 1;
            self.used = 0;
        }
        let start = self.used;
        self.used = BLOCK_BYTES.min(start + max);
        &self.block[start..self.used]
    }
}

/// Noise of a number: SplitMix64 (Steele, Lea, Flood 2014).
fn mix(n: u64) -> u64 {
    let z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Checks bytes against the content, as they come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matcher {
    expected: Content,
    matched: u64,
}

impl Matcher {
    /// Takes the next bytes, which must be what they should be.
    #[track_caller]
    pub(crate) fn check(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let expected = self.expected.next(bytes.len());
            let (piece, rest) = bytes.split_at(expected.len());
            assert!(piece == expected, "wrong soon after byte {}", self.matched);
            self.matched += piece.len() as u64;
            bytes = rest;
        }
    }

    /// Bytes that were right so far.
    pub(crate) fn matched(&self) -> u64 {
        self.matched
    }
}
