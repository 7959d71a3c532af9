//! The tokens of a head, in one pass.
//!
//! Takes what the grammar of [`scan`](super::scan) takes and nothing else, but for how long and how
//! many things may be. It does not say what is wrong where it stops: naming the flaw is for the
//! scanner.
//!
//! Most bytes of a head are of the most usual kind, so they are passed sixteen at a time: the
//! compiler makes vector instructions of [`run_length`], as nothing there branches on one byte. What
//! ends such a run is looked at alone.

use super::Version;
use super::request::RequestLine;
use super::response::StatusLine;
use super::span::Span;
use super::syntax::{is_target, is_token, is_value, trim};

/// Bytes looked at together: what fits the registers that every 64-bit machine has.
const BLOCK: usize = 16;

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Well-formed so far, and not complete.
    InputEnded,
    /// Not well-formed.
    Malformed,
}

/// A field line: its name, and its value without the blanks around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldLine<'i> {
    pub(super) name: &'i [u8],
    pub(super) value: &'i [u8],
}

/// Reads tokens from the front of an input. After an error nothing more may be read.
pub(super) struct Tokens<'i> {
    input: &'i [u8],
    rest: &'i [u8],
}

impl<'i> Tokens<'i> {
    pub(super) const fn new(input: &'i [u8]) -> Self {
        Self { input, rest: input }
    }

    /// How many bytes have been read.
    pub(super) const fn read(&self) -> usize {
        self.input.len() - self.rest.len()
    }

    /// Where a token lies in the input.
    pub(super) fn locate(&self, token: &'i [u8]) -> Span {
        Span::locate(token, self.input)
    }

    /// `method SP target SP version CRLF`, perhaps after empty lines.
    #[inline]
    pub(super) fn request_line(&mut self) -> Result<RequestLine, Stop> {
        while let Some(rest) = self.rest.strip_prefix(b"\r\n") {
            self.rest = rest;
        }
        let method = self.take(name_length(self.rest));
        if method.is_empty() {
            self.expect(b"\r\n")?;
            return Err(Stop::Malformed);
        }
        self.expect(b" ")?;
        let target = self.take(target_length(self.rest));
        if target.is_empty() && !self.rest.is_empty() {
            return Err(Stop::Malformed);
        }
        self.expect(b" ")?;
        let version = self.version()?;
        self.expect(b"\r\n")?;
        Ok(RequestLine {
            method: self.locate(method),
            target: self.locate(target),
            version,
        })
    }

    /// `version SP status [SP reason] CRLF`.
    #[inline]
    pub(super) fn status_line(&mut self) -> Result<StatusLine, Stop> {
        let version = self.version()?;
        self.expect(b" ")?;
        let mut status = 0;
        for _ in 0..3 {
            let digit = self.next()?;
            if !digit.is_ascii_digit() {
                return Err(Stop::Malformed);
            }
            status = status * 10 + u16::from(digit - b'0');
        }
        if self.rest.first() == Some(&b' ') {
            self.take(value_length(self.rest));
        }
        self.expect(b"\r\n")?;
        Ok(StatusLine { status, version })
    }

    /// `name ":" value CRLF`; `None`: the head is over.
    #[inline]
    pub(super) fn field(&mut self) -> Result<Option<FieldLine<'i>>, Stop> {
        let name = self.take(name_length(self.rest));
        if name.is_empty() {
            self.expect(b"\r\n")?;
            return Ok(None);
        }
        self.expect(b":")?;
        let value = trim(self.take(value_length(self.rest)));
        self.expect(b"\r\n")?;
        Ok(Some(FieldLine { name, value }))
    }

    #[inline]
    fn next(&mut self) -> Result<u8, Stop> {
        let (byte, rest) = self.rest.split_first().ok_or(Stop::InputEnded)?;
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    fn version(&mut self) -> Result<Version, Stop> {
        self.expect(b"HTTP/1.")?;
        match self.next()? {
            b'0' => Ok(Version::Http10),
            b'1' => Ok(Version::Http11),
            _ => Err(Stop::Malformed),
        }
    }

    #[inline]
    fn expect<const LEN: usize>(&mut self, expected: &[u8; LEN]) -> Result<(), Stop> {
        if let Some(rest) = self.rest.strip_prefix(expected) {
            self.rest = rest;
            return Ok(());
        }
        Err(match expected.starts_with(self.rest) {
            true => Stop::InputEnded,
            false => Stop::Malformed,
        })
    }

    /// Passes so many bytes.
    #[inline]
    fn take(&mut self, count: usize) -> &'i [u8] {
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or_default();
        self.rest = rest;
        taken
    }
}

fn name_length(bytes: &[u8]) -> usize {
    run_length(bytes, is_usual_in_name, is_token)
}

fn value_length(bytes: &[u8]) -> usize {
    run_length(bytes, is_usual_in_value, is_value)
}

fn target_length(bytes: &[u8]) -> usize {
    run_length(bytes, is_usual_in_target, is_target)
}

/// How many bytes at the front are `allowed`. All that are `usual` must be, too.
#[inline]
fn run_length(bytes: &[u8], usual: impl Fn(u8) -> bool, allowed: impl Fn(u8) -> bool) -> usize {
    let mut length = 0;
    for block in bytes.as_chunks::<BLOCK>().0 {
        let mut others = [0; BLOCK];
        for (other, &byte) in others.iter_mut().zip(block) {
            *other = if usual(byte) { 0 } else { u8::MAX };
        }
        let is_end = others.iter().fold(0, |some, other| some | other) > 0;
        if is_end {
            length += (u128::from_le_bytes(others).trailing_zeros() / u8::BITS) as usize;
            break;
        }
        length += BLOCK;
    }
    let rest = bytes.get(length..).unwrap_or_default();
    length + rest.iter().take_while(|byte| allowed(**byte)).count()
}

/// Letters, digits and hyphens: all of nearly every name.
const fn is_usual_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | (byte == b'-')
}

/// All but the tab.
const fn is_usual_in_value(byte: u8) -> bool {
    (byte >= b' ') & (byte != 0x7f)
}

const fn is_usual_in_target(byte: u8) -> bool {
    (byte >= b'!') & (byte <= b'~') & (byte != b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_allowed() {
        for byte in 0..=u8::MAX {
            assert!(is_token(byte) || !is_usual_in_name(byte), "{byte}");
            assert!(is_value(byte) || !is_usual_in_value(byte), "{byte}");
            assert!(is_target(byte) || !is_usual_in_target(byte), "{byte}");
        }
    }

    /// Each byte at each place of a block and beyond it.
    #[test]
    fn a_run_ends_before_the_first_byte_that_is_not_allowed() {
        for byte in 0..=u8::MAX {
            for place in 0..2 * BLOCK + 3 {
                let mut input = [b'a'; 3 * BLOCK];
                input[place] = byte;
                let end = if is_token(byte) { input.len() } else { place };
                assert_eq!(name_length(&input), end, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn blanks_around_a_value_are_left_out() {
        for (line, expected) in [
            ("a:b\r\n", "b"),
            ("a: b c\t \r\n", "b c"),
            ("a: \t\r\n", ""),
            ("a:\r\n", ""),
        ] {
            let field = FieldLine {
                name: b"a",
                value: expected.as_bytes(),
            };
            let read = Tokens::new(line.as_bytes()).field();
            assert_eq!(read, Ok(Some(field)), "{line:?}");
        }
    }
}
