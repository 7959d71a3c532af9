//! Frames a body in chunks (RFC 9112, section 7.1).
//!
//! The content of a chunk is sent from where it lies; only the size line is made here, in place.
//! The end of one chunk and the start of the next are one piece, so that a chunk costs two parts of
//! a vectored write and not three.

/// `CRLF`, sixteen hex digits, `CRLF`.
const MAX_HEAD: usize = 20;

/// Makes the framing of a body of unknown length.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChunkedEncoder {
    is_begun: bool,
}

/// The bytes before the content of a chunk.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    text: [u8; MAX_HEAD],
    start: u8,
    end: u8,
}

impl ChunkHead {
    /// The bytes to send; none for a chunk of no bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text
            .get(usize::from(self.start)..usize::from(self.end))
            .unwrap_or_default()
    }
}

impl ChunkedEncoder {
    /// The framing before the next `length` bytes; none for no bytes, as an empty chunk would end
    /// the body.
    pub fn chunk(&mut self, length: usize) -> ChunkHead {
        let mut head = ChunkHead {
            text: [0; MAX_HEAD],
            start: 0,
            end: 0,
        };
        if length == 0 {
            return head;
        }
        let digits = (usize::BITS - length.leading_zeros()).div_ceil(4);
        let hex = (0..digits).rev().map(|place| {
            let digit = (length >> (4 * place) & 0xf) as u8;
            if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            }
        });
        let text = b"\r\n".iter().copied().chain(hex).chain(*b"\r\n");
        for (slot, byte) in head.text.iter_mut().zip(text) {
            *slot = byte;
        }
        head.start = if self.is_begun { 0 } else { 2 };
        head.end = digits as u8 + 4;
        self.is_begun = true;
        head
    }

    /// The framing after the last chunk.
    #[must_use]
    pub const fn finish(self) -> &'static [u8] {
        if self.is_begun {
            b"\r\n0\r\n\r\n"
        } else {
            b"0\r\n\r\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_framed_in_chunks() {
        let mut encoder = ChunkedEncoder::default();
        let mut sent = Vec::new();
        for part in [&b"hello"[..], b"", &[b'x'; 255]] {
            sent.extend_from_slice(encoder.chunk(part.len()).as_bytes());
            sent.extend_from_slice(part);
        }
        sent.extend_from_slice(encoder.finish());
        let expected = format!("5\r\nhello\r\nff\r\n{}\r\n0\r\n\r\n", "x".repeat(255));
        assert_eq!(sent, expected.as_bytes());
    }

    #[test]
    fn empty_body_is_the_last_chunk() {
        assert_eq!(ChunkedEncoder::default().finish(), b"0\r\n\r\n");
    }

    #[test]
    fn largest_chunk_head_fits() {
        let mut encoder = ChunkedEncoder::default();
        assert_eq!(encoder.chunk(1).as_bytes(), b"1\r\n");
        let head = encoder.chunk(usize::MAX);
        assert_eq!(
            head.as_bytes(),
            format!("\r\n{:x}\r\n", usize::MAX).as_bytes()
        );
    }
}
