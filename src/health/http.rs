//! The check by requesting a page.
//!
//! Owns one request, and whether its response passes: its status, and text that its body must
//! contain. The response is read by the parser and the limits that traffic uses: interim
//! responses are passed over, chunks are decoded. It is read no further than needed to decide,
//! and no further than [`MAX_BODY_BYTES`] of content and [`MAX_INTERIM`] interim responses.

use super::kind::{CheckRequest, CheckTransport, KindEntry};
use super::{Check, CheckFailure, CheckResult};
use crate::http::{BadResponse, Body, HeadParser, Method, Parsed, Piece, ResponseHead};
use memchr::memmem;

pub(super) const KIND: KindEntry = KindEntry {
    name: "http",
    about: "requests a page; also sees a server that hangs or reports that it is unwell",
    transport: CheckTransport::Connection,
    detects_hangs: true,
    begin: |request| Box::new(HttpCheck::new(request)),
};

/// Content of a body that is searched.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Interim responses ahead of the final one.
const MAX_INTERIM: u32 = 32;

#[derive(Debug)]
struct HttpCheck {
    request: Vec<u8>,
    sent: usize,
    expect_status: u16,
    expect_body: Option<Vec<u8>>,
    parser: HeadParser,
    progress: Progress,
}

/// Progress of the response.
#[derive(Debug)]
enum Progress {
    /// Bytes of a head that is not complete, after so many interim responses.
    Head { bytes: Vec<u8>, interim: u32 },
    /// The content of the body so far, as much of it as can still match.
    Body { framing: Body, content: Vec<u8> },
}

impl HttpCheck {
    fn new(check: &CheckRequest<'_>) -> Self {
        let settings = check.settings;
        let http = &settings.http;
        // A path is no host (RFC 9110, section 7.2).
        let own = check.address.tcp().map_or("localhost", |_| check.name);
        let host = settings.host.as_deref().unwrap_or(own);
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: lb-health\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n",
            http.path
        );
        Self {
            request: [&settings.preamble, request.as_bytes()].concat(),
            sent: 0,
            expect_status: http.expect_status,
            expect_body: http.expect_body.clone().map(String::into_bytes),
            parser: HeadParser::new(settings.head_limits),
            progress: Progress::Head {
                bytes: Vec::new(),
                interim: 0,
            },
        }
    }

    /// Reads on in the head; returns the bytes behind the final one, and its meaning.
    fn read_head(&mut self, more: &[u8]) -> Result<Option<(ResponseHead, Vec<u8>)>, BadResponse> {
        let Progress::Head { bytes, interim } = &mut self.progress else {
            return Ok(None);
        };
        bytes.extend_from_slice(more);
        loop {
            let head = match self.parser.response(bytes, Method::Get)? {
                Parsed::Partial => return Ok(None),
                Parsed::Complete(head) => head,
            };
            bytes.drain(..head.len);
            if head.status >= 200 || head.upgrade {
                return Ok(Some((head, std::mem::take(bytes))));
            }
            *interim += 1;
            if *interim > MAX_INTERIM {
                return Err(BadResponse::Status);
            }
        }
    }

    /// Adds to the content of the body and searches it.
    fn read_body(&mut self, mut input: &[u8]) -> Option<CheckResult> {
        let Progress::Body { framing, content } = &mut self.progress else {
            return None;
        };
        let text = self.expect_body.as_deref()?;
        loop {
            let used = match framing.next(input) {
                Err(bad) => return Some(Err(CheckFailure::BadResponse(bad.into()))),
                Ok(Piece::End) => return Some(Err(CheckFailure::Body)),
                Ok(Piece::NeedMore) => return None,
                Ok(Piece::Skip(count)) => count,
                // Framing alone is inserted, and none of it is looked at.
                Ok(Piece::Insert) => {
                    framing.insert();
                    0
                }
                Ok(Piece::Forward(count)) => {
                    let piece = input.get(..count).unwrap_or_default();
                    // Only an occurrence that ends in the new piece can be new.
                    let from = content.len().saturating_sub(text.len());
                    let room = MAX_BODY_BYTES - content.len();
                    content.extend(piece.iter().take(room));
                    let new = content.get(from..).unwrap_or_default();
                    if memmem::find(new, text).is_some() {
                        return Some(Ok(()));
                    }
                    if content.len() >= MAX_BODY_BYTES {
                        return Some(Err(CheckFailure::Body));
                    }
                    count
                }
            };
            input = input.get(used..).unwrap_or_default();
        }
    }
}

impl Check for HttpCheck {
    fn to_send(&self) -> &[u8] {
        self.request.get(self.sent..).unwrap_or_default()
    }

    fn sent(&mut self, count: usize) {
        self.sent += count;
    }

    fn received(&mut self, bytes: &[u8]) -> Option<CheckResult> {
        if let Progress::Body { .. } = self.progress {
            return self.read_body(bytes);
        }
        let (head, rest) = match self.read_head(bytes) {
            Err(bad) => return Some(Err(CheckFailure::BadResponse(bad))),
            Ok(None) => return None,
            Ok(Some(complete)) => complete,
        };
        if head.status != self.expect_status {
            return Some(Err(CheckFailure::Status(head.status)));
        }
        if self.expect_body.as_deref().is_none_or(<[u8]>::is_empty) {
            return Some(Ok(()));
        }
        self.progress = Progress::Body {
            framing: Body::unframed(head.body),
            content: Vec::new(),
        };
        self.read_body(&rest)
    }

    fn ended(&mut self) -> CheckResult {
        Err(match &self.progress {
            Progress::Body {
                framing: Body::UntilClose,
                ..
            } => CheckFailure::Body,
            Progress::Head { .. } | Progress::Body { .. } => CheckFailure::BrokenOff,
        })
    }
}

#[cfg(test)]
mod tests;
