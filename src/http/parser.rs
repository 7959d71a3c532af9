//! Reading heads.
//!
//! Owns the limits and the table of the fields that were found. Knows what may be a head at all;
//! what a request or a response means is `request` and `response`.
//!
//! `tokens` reads a head that is well-formed, in one pass and without copying. One that is not, or
//! passes a limit, is looked at again by the scanner, which names the first flaw.
//!
//! Refused: httparse, which tolerates what an intermediary may not, so that its tokens have to be
//! checked and classified in a second pass. This costs half as much.

use super::facts::Facts;
use super::fields::{FieldKind, FieldTable};
use super::flaw::{BadResponse, Flaw};
use super::forward::{self, Forward};
use super::limits::HeadLimits;
use super::lookup;
use super::method::Method;
use super::request::RequestHead;
use super::response::ResponseHead;
use super::rewrite::{self, ResponseRewrite};
use super::scan::{StartLine, first_flaw};
use super::tokens::{Stop, Tokens};
use crate::error::Refusal;

/// What a parser makes of the bytes it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// All of it is there.
    Complete(T),
    /// Well-formed so far, and more is needed.
    Partial,
}

/// Reads heads, and writes those to send in their place.
///
/// One is owned by the loop and reused for every head: it remembers where the fields of the head
/// it read last lie. [`write_request`](Self::write_request), [`field`](Self::field) and the like
/// speak of that head and need the very input it was read from; whoever kept an input for later
/// parses it again.
#[derive(Debug)]
pub struct HeadParser {
    limits: HeadLimits,
    fields: FieldTable,
}

impl HeadParser {
    /// A parser of heads within `limits`.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            limits: limits.capped(),
            fields: FieldTable::new(),
        }
    }

    /// Reads the request head at the start of `input`, which may go on after it.
    ///
    /// # Errors
    /// The first thing wrong with it, in the order of its bytes; then what is wrong with it as
    /// a whole. A head that arrives in parts gets the verdict it would have got whole.
    pub fn request(&mut self, input: &[u8]) -> Result<Parsed<RequestHead>, Refusal> {
        let input = self.limits.window(input);
        let mut tokens = Tokens::new(input);
        let mut facts = Facts::default();
        let read = tokens
            .request_line()
            .and_then(|line| self.read_fields(&mut tokens, &mut facts).map(|()| line));
        let Some(line) = self.progress(read, input, StartLine::Request)? else {
            return Ok(Parsed::Partial);
        };
        let head = input.get(..tokens.read()).unwrap_or(input);
        let target = line.target.of(head);
        if line.method.start() > 0 || target.len() > self.limits.max_target_bytes {
            self.examine(head, StartLine::Request)?;
        }
        facts.nominate(&mut self.fields, head)?;
        RequestHead::judge(head.len(), line, &facts, head)
    }

    /// Reads the response head at the start of `input`, which answers a request made with
    /// `request_method`.
    ///
    /// # Errors
    /// The first thing wrong with it, as [`request`](Self::request) does.
    pub fn response(
        &mut self,
        input: &[u8],
        request_method: Method,
    ) -> Result<Parsed<ResponseHead>, BadResponse> {
        let input = self.limits.window(input);
        let mut tokens = Tokens::new(input);
        let mut facts = Facts::default();
        let read = tokens
            .status_line()
            .and_then(|line| self.read_fields(&mut tokens, &mut facts).map(|()| line));
        let Some(line) = self.progress(read, input, StartLine::Status)? else {
            return Ok(Parsed::Partial);
        };
        let head = input.get(..tokens.read()).unwrap_or(input);
        if self.fields.start() > self.limits.max_field_bytes.saturating_add(2) {
            self.examine(head, StartLine::Status)?;
        }
        facts.nominate(&mut self.fields, head)?;
        ResponseHead::judge(head.len(), line, &facts, request_method)
    }

    /// Appends to `out` the head to send to a backend for the request read last, from `input`.
    pub fn write_request(
        &self,
        head: &RequestHead,
        input: &[u8],
        forward: &Forward<'_>,
        out: &mut Vec<u8>,
    ) {
        forward::write_request(&self.fields, head, input, forward, out);
    }

    /// Appends to `out` the head to send to the client for the response read last, from `input`.
    pub fn write_response(
        &self,
        head: &ResponseHead,
        input: &[u8],
        rewrite: &ResponseRewrite<'_>,
        out: &mut Vec<u8>,
    ) {
        rewrite::write_response(&self.fields, head, input, rewrite, out);
    }

    /// The value of the first field called `name` (in any case) in the head read last.
    #[must_use]
    pub fn field<'i>(&self, input: &'i [u8], name: &[u8]) -> Option<&'i [u8]> {
        lookup::field(&self.fields, input, name)
    }

    /// The `X-Request-Id` of the request read last. Costs nothing if there is none.
    #[must_use]
    pub fn request_id<'i>(&self, input: &'i [u8]) -> Option<&'i [u8]> {
        if !self.fields.has(FieldKind::XRequestId) {
            return None;
        }
        self.fields.values(FieldKind::XRequestId, input).next()
    }

    /// The value of the first cookie called `name` in the request read last.
    #[must_use]
    pub fn cookie<'i>(&self, input: &'i [u8], name: &[u8]) -> Option<&'i [u8]> {
        lookup::cookie(&self.fields, input, name)
    }

    /// Reads the fields of a head, and adds what they say to `facts`: moving facts costs more than
    /// gathering them.
    #[inline]
    fn read_fields(&mut self, tokens: &mut Tokens<'_>, facts: &mut Facts) -> Result<(), Stop> {
        let see = |field, value: &[u8]| facts.add(field, value);
        self.fields.read(tokens, self.limits, see)
    }

    /// The start line, if the head was read to its end; `None` if more may come.
    #[inline]
    fn progress<Line>(
        &self,
        read: Result<Line, Stop>,
        input: &[u8],
        start: StartLine,
    ) -> Result<Option<Line>, Flaw> {
        match read {
            Ok(line) => Ok(Some(line)),
            Err(Stop::InputEnded) => {
                if input.len() > self.limits.smallest() {
                    self.examine(input, start)?;
                }
                if input.len() < self.limits.max_bytes {
                    Ok(None)
                } else {
                    Err(Flaw::TooLarge)
                }
            }
            Err(Stop::Malformed) => self.examine(input, start).and(Err(Flaw::Syntax)),
        }
    }

    /// Looks at `input` as strictly as can be.
    #[cold]
    fn examine(&self, input: &[u8], start: StartLine) -> Result<(), Flaw> {
        first_flaw(input, start, self.limits).map_or(Ok(()), Err)
    }
}
