//! From the bytes of a request to the key of a pick.
//!
//! FNV-1a with a final mix: no state, no table, the same number in every process and on every
//! machine, so that balancers in front of the same backends send a key to the same one. It does
//! not resist a client who chooses keys that collide; bounded loads do, by spilling over.

use super::rng::mix;

/// The key for `bytes`: what a hashing strategy is given, and where a backend's name puts it.
#[must_use]
pub fn key_of(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = bytes.iter().fold(OFFSET, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    mix(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_never_change_between_versions() {
        assert_eq!(key_of(b""), mix(0xcbf2_9ce4_8422_2325));
        assert_eq!(key_of(b"a"), mix(0xaf63_dc4c_8601_ec8c));
    }

    #[test]
    fn near_names_are_far_apart() {
        let high_bytes: HashSet<u8> = (0..256)
            .map(|port| (key_of(format!("10.0.0.1:{port}").as_bytes()) >> 56) as u8)
            .collect();
        assert!(high_bytes.len() > 140, "{} of 256", high_bytes.len());
    }
}
