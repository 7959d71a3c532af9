//! The secret that heartbeats are signed with, and the tag it makes.
//!
//! HMAC-SHA-256 (RFC 2104) over all the bytes of a message. Tags are compared in constant time,
//! and the secret is in no debug output.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::{self, Debug, Formatter};

/// Bytes of a tag.
pub(super) const TAG_BYTES: usize = 32;
/// The shortest key: 128 bits, if its bytes are random.
const MIN_BYTES: usize = 16;

/// A secret that the balancer and its senders share.
#[derive(Clone, PartialEq, Eq)]
pub struct HeartbeatKey(Vec<u8>);

impl HeartbeatKey {
    /// A key of at least 16 bytes; `None` if there are fewer.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        (secret.len() >= MIN_BYTES).then(|| Self(secret.to_vec()))
    }

    /// The tag of `bytes`.
    pub(super) fn tag(&self, bytes: &[u8]) -> [u8; TAG_BYTES] {
        let mac = self.mac(bytes);
        mac.map_or([0; TAG_BYTES], |mac| mac.finalize().into_bytes().into())
    }

    /// Returns whether `tag` is the tag of `bytes`.
    pub(super) fn verifies(&self, bytes: &[u8], tag: &[u8]) -> bool {
        let mac = self.mac(bytes);
        mac.is_some_and(|mac| mac.verify_slice(tag).is_ok())
    }

    /// A key of any length is taken: `None` does not occur, and would verify nothing.
    fn mac(&self, bytes: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(bytes);
        Some(mac)
    }
}

impl Debug for HeartbeatKey {
    /// Keeps the secret.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "HeartbeatKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_long_and_stays_secret() {
        assert!(HeartbeatKey::new(b"fifteen bytes..").is_none());
        let key = HeartbeatKey::new(b"sixteen bytes...").unwrap();
        assert!(!format!("{key:?}").contains("sixteen"));
    }

    #[test]
    fn known_tag() {
        // RFC 4231, section 4.2.
        let tag = HeartbeatKey::new(&[0x0b; 20]).unwrap().tag(b"Hi There");
        assert_eq!(tag[..4], [0xb0, 0x34, 0x4c, 0x61]);
        assert_eq!(tag[28..], [0x2e, 0x32, 0xcf, 0xf7]);
    }

    #[test]
    fn only_the_whole_tag_of_the_same_bytes_verifies() {
        let key = HeartbeatKey::new(&[7; 32]).unwrap();
        let tag = key.tag(b"bytes");
        assert!(key.verifies(b"bytes", &tag));
        assert!(!key.verifies(b"bytes.", &tag));
        assert!(!key.verifies(b"bytes", &tag[..31]));
        assert!(
            !HeartbeatKey::new(&[8; 32])
                .unwrap()
                .verifies(b"bytes", &tag)
        );
    }
}
