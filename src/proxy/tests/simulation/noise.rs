//! Bytes that follow from their position, so that no copy of what was sent is needed.

use crate::strategy::Rng;
use std::sync::LazyLock;

const LEN: usize = 1 << 20;
/// The longest stretch that is ever read.
const LONGEST: usize = 1 << 18;

static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut rng = Rng::new(1);
    let words = (0..LEN / 8).map(|_| rng.next().to_le_bytes());
    words.flatten().collect()
});

/// The `len` bytes that belong to `seed`.
pub(super) fn stretch(seed: u64, len: usize) -> &'static [u8] {
    assert!(len <= LONGEST);
    let start = Rng::new(seed).below(LEN - LONGEST);
    &NOISE[start..start + len]
}

/// Checks that `bytes` are what comes in `whole` after the first `seen`, and counts them.
pub(super) fn check(bytes: &[u8], whole: &[u8], seen: &mut usize) {
    let expected = whole[*seen..].get(..bytes.len());
    let expected = expected.expect("no more than was sent");
    assert!(
        bytes == expected,
        "other bytes than were sent, after {seen}"
    );
    *seen += bytes.len();
}
