//! Finds the first error of a head, in the order of its bytes.
//!
//! The tokeniser is fast, but it neither reports where it stopped nor checks limits or bare LFs.
//! When it objects, when it wants more than a limit allows, or when a cheap check fails, this slow
//! scanner reads the same bytes with the strict grammar and names the first error. As that depends
//! on the first offending byte alone, a head that trickles in gets the same verdict as a whole one.

use crate::http::error::ParseError;
use crate::http::limits::HeadLimits;
use crate::http::syntax::{is_target, is_token, is_value};

/// Empty lines tolerated before a request line (RFC 9112, section 2.2).
const MAX_EMPTY_LINES: usize = 4;

/// The start line of a head.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) enum StartLine {
    /// `method SP target SP version`, perhaps after empty lines.
    Request,
    /// `version SP status [SP reason]`.
    Status,
}

/// The first error in the part of a head that starts `input`, if it has one.
pub(in crate::http) fn first_flaw(
    input: &[u8],
    start: StartLine,
    limits: HeadLimits,
) -> Option<ParseError> {
    let mut scan = Scan {
        rest: input,
        limits,
    };
    let verdict = match start {
        StartLine::Request => scan.request_line(),
        StartLine::Status => scan.status_line(),
    };
    match verdict.and_then(|()| scan.fields()) {
        Ok(()) | Err(Stop::InputEnded) => None,
        Err(Stop::ParseError(parse_error)) => Some(parse_error),
    }
}

/// The reason why a scan did not reach the end of the head.
enum Stop {
    InputEnded,
    ParseError(ParseError),
}

impl From<ParseError> for Stop {
    fn from(parse_error: ParseError) -> Self {
        Self::ParseError(parse_error)
    }
}

struct Scan<'a> {
    rest: &'a [u8],
    limits: HeadLimits,
}

impl<'a> Scan<'a> {
    fn next(&mut self) -> Result<u8, Stop> {
        let (&byte, rest) = self.rest.split_first().ok_or(Stop::InputEnded)?;
        self.rest = rest;
        Ok(byte)
    }

    /// The rest of a line end whose first byte has been read.
    fn line_end(&mut self, first: u8) -> Result<(), Stop> {
        if first == b'\r' && self.next()? == b'\n' {
            Ok(())
        } else {
            Err(ParseError::LineEnd.into())
        }
    }

    fn request_line(&mut self) -> Result<(), Stop> {
        let first = self.empty_lines()?;
        let method = self.method(first)?;
        self.target()?;
        self.version(method)?;
        let end = self.next()?;
        match end {
            b'\r' | b'\n' => self.line_end(end),
            _ => Err(ParseError::Syntax.into()),
        }
    }

    /// Passes empty lines; returns the first byte of the line that is not.
    fn empty_lines(&mut self) -> Result<u8, Stop> {
        for _ in 0..=MAX_EMPTY_LINES {
            let byte = self.next()?;
            if !matches!(byte, b'\r' | b'\n') {
                return Ok(byte);
            }
            self.line_end(byte)?;
        }
        Err(ParseError::Syntax.into())
    }

    fn method(&mut self, first: u8) -> Result<&'a [u8], Stop> {
        let from = self.rest;
        let mut byte = first;
        let mut more = 0;
        while is_token(byte) {
            byte = self.next()?;
            more += 1;
        }
        match (byte, more) {
            (b' ', 1..) => Ok(from.get(..more - 1).unwrap_or_default()),
            _ => Err(ParseError::Syntax.into()),
        }
    }

    fn target(&mut self) -> Result<(), Stop> {
        for length in 0.. {
            match self.next()? {
                byte if is_target(byte) => {
                    if length >= self.limits.max_target_bytes {
                        return Err(ParseError::TargetTooLong.into());
                    }
                }
                b' ' if length > 0 => return Ok(()),
                // A line that ends after the target is a request of HTTP/0.9.
                b'\r' | b'\n' if length > 0 => return Err(ParseError::NotHttp1.into()),
                _ => return Err(ParseError::Syntax.into()),
            }
        }
        Ok(())
    }

    /// `method_tail` is the method without its first letter, as the preface of HTTP/2 begins
    /// with a line that says `PRI * HTTP/2.0` (RFC 9113, section 3.4).
    fn version(&mut self, method_tail: &[u8]) -> Result<(), Stop> {
        for expected in *b"HTTP/" {
            if self.next()? != expected {
                return Err(ParseError::Syntax.into());
            }
        }
        match self.next()? {
            b'1' => {}
            b'2' if method_tail == b"RI" => return Err(ParseError::NotHttp1.into()),
            b'0'..=b'9' => return Err(ParseError::Version.into()),
            _ => return Err(ParseError::Syntax.into()),
        }
        if self.next()? != b'.' {
            return Err(ParseError::Syntax.into());
        }
        match self.next()? {
            b'0' | b'1' => Ok(()),
            b'2'..=b'9' => Err(ParseError::Version.into()),
            _ => Err(ParseError::Syntax.into()),
        }
    }

    fn status_line(&mut self) -> Result<(), Stop> {
        self.version(b"")?;
        if self.next()? != b' ' {
            return Err(ParseError::Syntax.into());
        }
        for _ in 0..3 {
            if !self.next()?.is_ascii_digit() {
                return Err(ParseError::Syntax.into());
            }
        }
        match self.next()? {
            b' ' => self.text(),
            end @ (b'\r' | b'\n') => self.line_end(end),
            _ => Err(ParseError::Syntax.into()),
        }
    }

    /// The rest of a line made of value bytes.
    fn text(&mut self) -> Result<(), Stop> {
        loop {
            match self.next()? {
                byte if is_value(byte) => {}
                end @ (b'\r' | b'\n') => return self.line_end(end),
                _ => return Err(ParseError::Syntax.into()),
            }
        }
    }

    fn fields(&mut self) -> Result<(), Stop> {
        for count in 0.. {
            let first = self.next()?;
            if matches!(first, b'\r' | b'\n') {
                return self.line_end(first);
            }
            self.name(first)?;
            self.text()?;
            if count >= self.limits.max_fields {
                return Err(ParseError::TooLarge.into());
            }
        }
        Ok(())
    }

    /// A field name and its colon.
    fn name(&mut self, first: u8) -> Result<(), Stop> {
        let mut byte = first;
        let mut is_first = true;
        while byte != b':' || is_first {
            if !is_token(byte) {
                return Err(ParseError::Syntax.into());
            }
            is_first = false;
            byte = self.next()?;
        }
        Ok(())
    }
}
