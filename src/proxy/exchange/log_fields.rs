//! What the access log will say of a request in the client's own words.
//!
//! Owns one buffer from the pool with all of it, made only if there is a log. Knows nothing of
//! formats.

use crate::transport::{Buffer, Buffers};

/// Of a name that a client chose, so much is kept.
const MAX_ID_BYTES: usize = 128;

/// Name, method and target of a request, one behind the other.
#[derive(Debug)]
pub(crate) struct LogFields {
    bytes: Buffer,
    id_len: u32,
    method_len: u32,
}

impl LogFields {
    /// A copy of what is to be kept; `id` is empty if the request has no name.
    pub(super) fn new(id: &[u8], method: &[u8], target: &[u8], buffers: &mut Buffers) -> Self {
        let id = id.get(..MAX_ID_BYTES).unwrap_or(id);
        let mut bytes = buffers.take(id.len() + method.len() + target.len());
        for part in [id, method, target] {
            bytes.append(part);
        }
        Self {
            bytes,
            id_len: id.len() as u32,
            method_len: method.len() as u32,
        }
    }

    /// Name, method and target.
    pub(super) fn parts(&self) -> (&[u8], &[u8], &[u8]) {
        let bytes = self.bytes.pending();
        let (id, rest) = bytes
            .split_at_checked(self.id_len as usize)
            .unwrap_or_default();
        let (method, target) = rest
            .split_at_checked(self.method_len as usize)
            .unwrap_or_default();
        (id, method, target)
    }

    /// The buffer, to be given back.
    pub(super) fn into_buffer(self) -> Buffer {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_a_long_name_is_cut() {
        let buffers = &mut Buffers::default();
        let log_fields = LogFields::new(b"id", b"GET", b"/a", buffers);
        assert_eq!(log_fields.parts(), (&b"id"[..], &b"GET"[..], &b"/a"[..]));
        let log_fields = LogFields::new(b"", b"", b"", buffers);
        assert_eq!(log_fields.parts(), (&b""[..], &b""[..], &b""[..]));
        let long = [b'x'; MAX_ID_BYTES + 1];
        let log_fields = LogFields::new(&long, b"GET", b"/a", buffers);
        assert_eq!(log_fields.parts().0.len(), MAX_ID_BYTES);
        assert_eq!(log_fields.parts().2, b"/a");
    }
}
