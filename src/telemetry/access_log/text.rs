//! A line for people: `key=value`, separated by single spaces.
//!
//! Invariant: no value holds a space, a quote, a control or a byte that is not ASCII, so a line
//! splits at its spaces and looks on a terminal like what it is.

use super::line_format::{LineFormat, hex};

/// A line of text.
pub(super) struct Text<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Text<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            is_empty: true,
        }
    }
}

impl LineFormat for Text<'_> {
    fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    fn key(&mut self, key: &'static str) {
        if !self.is_empty {
            self.out.push(b' ');
        }
        self.is_empty = false;
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b'=');
    }

    fn absent(&mut self) {
        self.out.push(b'-');
    }

    fn word_mark(&mut self) {}

    fn escaped(&mut self, bytes: &[u8]) {
        if bytes.iter().copied().all(is_plain) {
            self.out.extend_from_slice(bytes);
            return;
        }
        for &byte in bytes {
            if is_plain(byte) {
                self.out.push(byte);
            } else {
                self.out.extend_from_slice(b"\\x");
                self.out.extend(hex(byte));
            }
        }
    }

    fn end(self) {
        self.out.push(b'\n');
    }
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}
