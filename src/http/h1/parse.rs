//! Reads heads.
//!
//! Owns the tokeniser and the table of the fields it found. Knows the form of a head; its meaning
//! is that of `semantics` and `head`.
//!
//! httparse finds the tokens, with vector instructions and without copying. It tolerates more than
//! an intermediary may, which is checked here: cheaply for every head, in the one walk in which
//! fields are classified, kept and understood, and by the strict scanner for those that fail the
//! cheap check. The tokens land in an uninitialised array on the stack, as clearing room for 128 of
//! them would cost more than parsing.
//!
//! Refused: reading tokens by the scanner's grammar in that same walk. It saves 500 instructions of
//! a request and 1,000 of a browser's, for a tokeniser of our own beside one that many keep.

use crate::error::Refusal;
use crate::http::error::{BadResponse, ParseError};
use crate::http::fields::{self, FieldKind, FieldTable};
use crate::http::forward::{self, Forward, ForwardPolicy, Peer, ResponseRewrite};
use crate::http::h1::repair::{Repair, repair};
use crate::http::h1::scan::{StartLine, first_flaw};
use crate::http::h1::write;
use crate::http::head::{Parsed, RequestHead, RequestLine, ResponseHead, StatusLine, is_clean};
use crate::http::limits::{HeadLimits, MAX_FIELDS};
use crate::http::method::Method;
use crate::http::semantics::{HeadSemantics, MAX_NOMINATIONS, MAX_RESPONSE_NOMINATIONS};
use crate::http::span::Span;
use crate::http::version::Version;
use std::mem::MaybeUninit;
use std::net::IpAddr;

/// Room for the tokens of one head.
type Slots<'i> = [MaybeUninit<httparse::Header<'i>>; MAX_FIELDS];

/// Reads heads, and writes those to send in their place.
///
/// One is owned by the loop and reused for every head: it remembers where the fields of the head
/// it read last lie. [`write_request`](Self::write_request), [`field`](Self::field) and the like
/// refer to that head and need the very input it was read from; an input kept for later is parsed
/// again.
#[derive(Debug)]
pub struct HeadParser {
    limits: HeadLimits,
    fields: FieldTable,
    /// The clean form of the response head read last, if that came in another.
    clean: Vec<u8>,
}

impl HeadParser {
    /// A parser of heads within `limits`.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            limits: limits.capped(),
            fields: FieldTable::new(),
            clean: Vec::new(),
        }
    }

    /// Reads the request head at the start of `input`, which may go on after it.
    ///
    /// # Errors
    /// The first thing wrong with it, in the order of its bytes; then what is wrong with it as
    /// a whole. A head that arrives in parts gets the verdict it would have got whole.
    pub fn request(&mut self, input: &[u8]) -> Result<Parsed<RequestHead>, Refusal> {
        let input = self.limits.window(input);
        let mut slots: Slots<'_> = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let slots = slots.get_mut(..self.limits.max_fields).unwrap_or_default();
        let mut raw = httparse::Request::new(&mut []);
        let status = raw.parse_with_uninit_headers(input, slots);
        let Some(len) = self.progress(status, input, StartLine::Request)? else {
            return Ok(Parsed::Partial);
        };
        let head = input.get(..len).unwrap_or(input);
        let line = RequestLine {
            method: Span::locate(raw.method.unwrap_or_default().as_bytes(), head),
            target: Span::locate(raw.path.unwrap_or_default().as_bytes(), head),
            version: version(raw.version),
        };
        let target = line.target.of(head);
        let mut semantics = HeadSemantics::default();
        let sound = self.record(head, raw.headers, &mut semantics)
            & (line.method.start() == 0)
            & (target.len() <= self.limits.max_target_bytes)
            & is_clean(target);
        if !sound {
            self.examine(head, StartLine::Request)?;
        }
        semantics.nominate::<MAX_NOMINATIONS>(&mut self.fields, head)?;
        RequestHead::judge(len, line, &semantics, head)
    }

    /// Reads the response head at the start of `input`, which responds a request made with
    /// `request_method`. A head that is out of form but has one meaning is read in its clean form,
    /// and written so by [`write_response`](Self::write_response): see [`http`](crate::http).
    ///
    /// # Errors
    /// The first thing wrong with it, as [`request`](Self::request) does.
    pub fn response(
        &mut self,
        input: &[u8],
        request_method: Method,
    ) -> Result<Parsed<ResponseHead>, BadResponse> {
        match self.strict_response(input, request_method) {
            Err(error) if error.may_be_repaired() => self.repaired(input, request_method, error),
            verdict => verdict,
        }
    }

    /// Reads a response head that is not in form; `error` is what is wrong with it.
    #[cold]
    fn repaired(
        &mut self,
        input: &[u8],
        request_method: Method,
        error: BadResponse,
    ) -> Result<Parsed<ResponseHead>, BadResponse> {
        let input = self.limits.window(input);
        let mut clean = std::mem::take(&mut self.clean);
        let repair = repair(input, &mut clean);
        let verdict = match repair {
            Repair::Beyond => Err(error),
            Repair::Partial if input.len() < self.limits.max_bytes => Ok(Parsed::Partial),
            Repair::Partial => Err(BadResponse::HeadTooLarge),
            Repair::Complete { len } => match self.strict_response(&clean, request_method) {
                Ok(Parsed::Complete(head)) => Ok(Parsed::Complete(ResponseHead {
                    len,
                    is_repaired: true,
                    ..head
                })),
                // What was mended is not all that is wrong.
                Ok(Parsed::Partial) => Err(error),
                Err(error) => Err(error),
            },
        };
        self.clean = clean;
        verdict
    }

    fn strict_response(
        &mut self,
        input: &[u8],
        request_method: Method,
    ) -> Result<Parsed<ResponseHead>, BadResponse> {
        let input = self.limits.window(input);
        let mut slots: Slots<'_> = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let slots = slots.get_mut(..self.limits.max_fields).unwrap_or_default();
        let mut raw = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut raw, input, slots);
        let Some(len) = self.progress(status, input, StartLine::Status)? else {
            return Ok(Parsed::Partial);
        };
        let head = input.get(..len).unwrap_or(input);
        let mut semantics = HeadSemantics::default();
        let sound = self.record(head, raw.headers, &mut semantics) & head.starts_with(b"HTTP/");
        if !sound {
            self.examine(head, StartLine::Status)?;
        }
        semantics.nominate::<MAX_RESPONSE_NOMINATIONS>(&mut self.fields, head)?;
        let line = StatusLine {
            status: raw.code.unwrap_or_default(),
            version: version(raw.version),
        };
        ResponseHead::judge(len, line, &semantics, request_method)
    }

    /// Appends to `out` the head to send to a backend for the request read last, from `input`.
    #[inline]
    pub fn write_request(
        &self,
        head: &RequestHead,
        input: &[u8],
        forward: &Forward<'_>,
        out: &mut Vec<u8>,
    ) {
        write::write_request(&self.fields, head, input, forward, out);
    }

    /// Appends to `out` the head to send to the client for the response read last, from `input`.
    pub fn write_response(
        &self,
        head: &ResponseHead,
        input: &[u8],
        rewrite: &ResponseRewrite<'_>,
        out: &mut Vec<u8>,
    ) {
        let input = if head.is_repaired { &self.clean } else { input };
        write::write_response(&self.fields, head, input, rewrite, out);
    }

    /// The value of the first field called `name` (in any case) in the head read last.
    #[must_use]
    pub fn field<'i>(&self, input: &'i [u8], name: &[u8]) -> Option<&'i [u8]> {
        fields::field(&self.fields, input, name)
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
        fields::cookie(&self.fields, input, name)
    }

    /// The client of the request read last, which came from a trusted proxy, as far as trusted
    /// proxies vouch for it.
    #[must_use]
    pub fn client(&self, input: &[u8], is_trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
        forward::client(&self.fields, input, is_trusted)
    }

    /// Returns whether the client of the request read last, which came from `peer`, came by https.
    #[must_use]
    pub fn is_https(&self, input: &[u8], peer: Peer, policy: &ForwardPolicy) -> bool {
        policy.is_https(peer, &self.fields, input)
    }

    /// Returns whether the request read last has come through here before, by the loop token of
    /// `policy`. Costs nothing without `CDN-Loop` (RFC 8586).
    #[must_use]
    pub fn is_looping(&self, input: &[u8], policy: &ForwardPolicy) -> bool {
        self.fields.has(FieldKind::CdnLoop) && {
            let mut values = self.fields.values(FieldKind::CdnLoop, input);
            values.any(|value| policy.is_own_loop(value))
        }
    }

    /// Takes over the fields that the tokeniser found, adds what they say to `semantics`, and
    /// returns whether they look sound. They are added in place: moving them costs more than
    /// gathering them.
    #[inline]
    fn record(
        &mut self,
        head: &[u8],
        raw: &[httparse::Header<'_>],
        semantics: &mut HeadSemantics,
    ) -> bool {
        let see = |field, value: &[u8]| semantics.add(field, value);
        self.fields.record(head, raw, see)
    }

    /// Returns how long the head is, if the tokeniser saw its end; `None` if more may come.
    fn progress(
        &self,
        status: httparse::Result<usize>,
        input: &[u8],
        start: StartLine,
    ) -> Result<Option<usize>, ParseError> {
        match status {
            Ok(httparse::Status::Complete(len)) => Ok(Some(len)),
            Ok(httparse::Status::Partial) => {
                if input.len() > self.limits.smallest() {
                    self.examine(input, start)?;
                }
                if input.len() < self.limits.max_bytes {
                    Ok(None)
                } else {
                    Err(ParseError::TooLarge)
                }
            }
            Err(_) => self.examine(input, start).and(Err(ParseError::Syntax)),
        }
    }

    /// Looks at `input` as strictly as can be.
    #[cold]
    fn examine(&self, input: &[u8], start: StartLine) -> Result<(), ParseError> {
        first_flaw(input, start, self.limits).map_or(Ok(()), Err)
    }
}

/// The tokeniser knows no other versions than these two.
fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) {
        Version::Http10
    } else {
        Version::Http11
    }
}
