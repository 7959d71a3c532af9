//! Bytes looked at eight at a time: a host or a path is found in its normal form, and a name in it is
//! hashed, in a few instructions a word instead of several a byte.
//!
//! Words are little-endian: the first byte is the lowest. The last is filled up with zeros. A mask
//! has the highest bit of each byte set that is meant.

/// The bytes of a word.
pub(super) const BYTES: usize = size_of::<u64>();
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Fewer than eight bytes.
#[inline(always)]
pub(super) fn short(bytes: &[u8]) -> u64 {
    let byte = |at: usize| bytes.get(at).map_or(0, |byte| u64::from(*byte));
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(low), Some(high)) => {
            // They overlap, and where they do they are equal.
            let (low, high) = (u32::from_le_bytes(*low), u32::from_le_bytes(*high));
            u64::from(low) | u64::from(high) << (8 * (bytes.len() & 3))
        }
        // So are these.
        _ => match bytes.len().checked_sub(1) {
            Some(last) => {
                let middle = bytes.len() / 2;
                byte(0) | byte(middle) << (8 * middle) | byte(last) << (8 * last)
            }
            None => 0,
        },
    }
}

/// The bytes of `word` that are `byte`. The first is right; one behind it may be wrong, if it differs
/// from `byte` in its lowest bit and the one in front of it is right.
#[inline(always)]
pub(super) const fn equal(word: u64, byte: u8) -> u64 {
    let other = word ^ (LOW * byte as u64);
    other.wrapping_sub(LOW) & !other & HIGH
}

/// The bytes of `word` from `@` to `_`: capital letters, and what is between them and the small ones.
#[inline(always)]
pub(super) const fn capitals(word: u64) -> u64 {
    // Bit 6 without bit 5.
    (word << 1) & !(word << 2) & HIGH
}

/// The place of the first byte in a mask that is not 0.
#[inline(always)]
pub(super) const fn first(mask: u64) -> usize {
    mask.trailing_zeros() as usize / 8
}

/// The segment of a path in front of the first slash, or all of it: where it ends, if there is a slash,
/// and its hash.
#[inline(always)]
pub(super) fn segment(path: &[u8]) -> (Option<usize>, u64) {
    let (word, is_all) = match path.first_chunk() {
        Some(chunk) => (u64::from_le_bytes(*chunk), false),
        None => (short(path), true),
    };
    let slash = equal(word, b'/');
    if slash != 0 {
        let end = first(slash);
        let before = word & ((1 << (8 * end)) - 1);
        return (Some(end), short_hash(before));
    }
    if is_all {
        return (None, short_hash(word));
    }
    let end = path.iter().skip(BYTES).position(|&byte| byte == b'/');
    let end = end.map(|end| BYTES + end);
    let segment = path.get(..end.unwrap_or(path.len())).unwrap_or(path);
    (end, hash_of(segment))
}

/// The hash of a name. No key is needed: only names of the configuration are kept by it, and a
/// request looks one up. Its highest bits are the best ones.
#[inline(always)]
pub(super) fn hash_of(name: &[u8]) -> u64 {
    let Some(last) = name.last_chunk() else {
        return short_hash(short(name));
    };
    // Each word is multiplied and folded, as wyhash does; the last may overlap the one before it.
    let (chunks, _) = name.as_chunks();
    let mut hash = 0;
    for chunk in chunks {
        hash = fold(hash ^ u64::from_le_bytes(*chunk));
    }
    fold(hash ^ u64::from_le_bytes(*last))
}

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of fewer than eight bytes: no others have the same, as the factor is odd.
#[inline(always)]
const fn short_hash(word: u64) -> u64 {
    word.wrapping_mul(FACTOR)
}

#[inline(always)]
const fn fold(word: u64) -> u64 {
    let product = word as u128 * FACTOR as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Whether two names with the same hash are the same. Most are short: a call would cost more.
#[inline(always)]
pub(super) fn are_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (one.first_chunk::<BYTES>(), other.first_chunk::<BYTES>()) {
        (Some(first), Some(other_first)) => {
            let is_end_same = one.last_chunk::<BYTES>() == other.last_chunk::<BYTES>();
            first == other_first && is_end_same && (one.len() <= 2 * BYTES || one == other)
        }
        // See `short_hash`.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Rng;
    use std::collections::HashSet;

    #[test]
    fn every_byte_of_every_length_counts() {
        let mut rng = Rng::new(7);
        for length in 0..40 {
            let bytes: Vec<u8> = (0..length).map(|_| 1 + rng.below(255) as u8).collect();
            if length < BYTES {
                let word = short(&bytes).to_le_bytes();
                assert_eq!(word[..length], bytes);
                assert!(word[length..].iter().all(|&byte| byte == 0));
            }
            assert!(are_same(&bytes, &bytes.clone()));
            for at in 0..length {
                let mut other = bytes.clone();
                other[at] ^= 0x80;
                assert!(
                    length < BYTES || !are_same(&bytes, &other),
                    "{at} of {length}"
                );
                assert_ne!(hash_of(&bytes), hash_of(&other), "{at} of {length}");
                assert!(!are_same(&bytes, &bytes[..at]));
            }
        }
    }

    #[test]
    fn segments_end_at_slashes_and_have_hashes_of_their_own() {
        let mut rng = Rng::new(9);
        for _ in 0..20_000 {
            let letters = b"ab.0/";
            let letter = |rng: &mut Rng| letters[rng.below(letters.len())];
            let path: Vec<u8> = (0..rng.below(24)).map(|_| letter(&mut rng)).collect();
            let end = path.iter().position(|&byte| byte == b'/');
            let alone = &path[..end.unwrap_or(path.len())];
            assert_eq!(segment(&path), (end, hash_of(alone)), "{path:?}");
        }
    }

    #[test]
    fn the_first_byte_that_is_meant_is_found() {
        let mut rng = Rng::new(8);
        for _ in 0..100_000 {
            let bytes = [(); BYTES].map(|()| b"/.@A_`z0\x00\xff\xaf"[rng.below(11)]);
            let word = u64::from_le_bytes(bytes);
            let capital = bytes.iter().position(|byte| byte & 0x60 == 0x40);
            assert_eq!(
                (capitals(word) != 0).then(|| first(capitals(word))),
                capital,
                "{bytes:?}"
            );
            let place = |byte| bytes.iter().position(|own| *own == byte);
            let found = |mask: u64| (mask != 0).then(|| first(mask));
            for byte in *b"/.A" {
                assert_eq!(found(equal(word, byte)), place(byte), "{bytes:?}");
            }
        }
    }

    #[test]
    fn names_of_ten_thousand_sites_have_hashes_of_their_own() {
        let mut low = HashSet::new();
        for number in 0..10_000 {
            let name = format!("site-{number}.example.com");
            low.insert((hash_of(name.as_bytes()) >> 48) as u16);
        }
        // Thrown at random they would hit 9,270 of 65,536.
        assert!(low.len() > 9_000, "{}", low.len());
    }
}
