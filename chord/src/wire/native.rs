//! The envelope of the native encoding: two bytes of magic, the message, and 16 bytes of
//! HMAC-SHA-256 if there is a key (RFC 2104, truncated as its section 5 allows).
//!
//! A node with a key takes nothing without a MAC, a node without one nothing with it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Reject;

const OPEN: [u8; 2] = *b"c1";
const SIGNED: [u8; 2] = *b"C1";
const TAG_BYTES: usize = 16;

/// A shared secret.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// The secret of these bytes; none if there are fewer than 16.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        if secret.len() < 16 {
            return None;
        }
        Hmac::new_from_slice(secret).ok().map(Self)
    }

    fn over(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(bytes);
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

pub(super) fn seal(message: &[u8], key: Option<&Key>) -> Vec<u8> {
    let magic = if key.is_some() { SIGNED } else { OPEN };
    let mut bytes = [&magic, message].concat();
    if let Some(key) = key {
        let tag = key.over(&bytes).finalize().into_bytes();
        bytes.extend(tag.iter().take(TAG_BYTES));
    }
    bytes
}

pub(super) fn open<'a>(bytes: &'a [u8], key: Option<&Key>) -> Result<&'a [u8], Reject> {
    let Some(key) = key else {
        return match bytes.strip_prefix(&OPEN) {
            Some(message) => Ok(message),
            None if bytes.starts_with(&SIGNED) => Err(Reject::Mac),
            None => Err(Reject::Native),
        };
    };
    if bytes.starts_with(&OPEN) {
        return Err(Reject::Mac);
    }
    let (signed, tag) = bytes
        .split_last_chunk::<TAG_BYTES>()
        .ok_or(Reject::Native)?;
    let message = signed.strip_prefix(&SIGNED).ok_or(Reject::Native)?;
    key.over(signed)
        .verify_truncated_left(tag)
        .map_err(|_| Reject::Mac)?;
    Ok(message)
}
