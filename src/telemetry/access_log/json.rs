//! A line for programs: one JSON object (RFC 8259).
//!
//! Invariant: the object is valid for all bytes. Valid UTF-8 stays as it is; each other byte
//! becomes the code point of its value, `\u0080` to `\u00FF`.

use super::line_format::{LineFormat, hex};

/// A JSON object on a line of its own.
pub(super) struct Json<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Json<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    fn escape(&mut self, byte: u8) {
        self.out.extend_from_slice(b"\\u00");
        self.out.extend(hex(byte));
    }

    fn escaped_char_bytes(&mut self, valid: &str) {
        for byte in valid.bytes() {
            match byte {
                b'"' | b'\\' => self.out.extend([b'\\', byte]),
                _ if byte.is_ascii_control() => self.escape(byte),
                _ => self.out.push(byte),
            }
        }
    }
}

impl LineFormat for Json<'_> {
    fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    fn key(&mut self, key: &'static str) {
        self.out
            .extend_from_slice(if self.is_empty { b"\"" } else { b",\"" });
        self.is_empty = false;
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn absent(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    fn word_mark(&mut self) {
        self.out.push(b'"');
    }

    fn escaped(&mut self, bytes: &[u8]) {
        if bytes.iter().copied().all(is_plain) {
            self.out.extend_from_slice(bytes);
            return;
        }
        for chunk in bytes.utf8_chunks() {
            self.escaped_char_bytes(chunk.valid());
            for &byte in chunk.invalid() {
                self.escape(byte);
            }
        }
    }

    fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }
}

/// Returns whether a byte stands for itself, in every context.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}
