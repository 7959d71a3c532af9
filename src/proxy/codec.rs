//! The HTTP/1.1 codec of a loop: parser, request ids, and the buffer that heads are written to.

use super::request_id::RequestIds;
use crate::http::{DateLine, HeadParser, ResponseHead, ResponseRewrite};
use crate::route::Credentials;
use crate::time::Timestamp;

/// Shared by all exchanges of a loop, lent for one call at a time.
#[derive(Debug)]
pub(super) struct Codec {
    pub(super) parser: HeadParser,
    /// Names requests that come without an id; `None`: they are not named.
    pub(super) request_ids: Option<RequestIds>,
    /// The response head being written.
    pub(super) head_out: Vec<u8>,
    /// Credentials of the request that was read last, if it waits until they are verified.
    pub(super) unverified: Option<Credentials>,
    /// True while a request is read that has waited for that.
    pub(super) is_again: bool,
    /// The `Date` of responses that come without.
    pub(super) date: DateLine,
}

impl Codec {
    /// Writes the head of a final response that was parsed from `input`, with the `Date` at `now`
    /// if it comes without one.
    pub(super) fn write_dated(
        &mut self,
        head: &ResponseHead,
        input: &[u8],
        rewrite: &ResponseRewrite<'_>,
        now: Timestamp,
    ) -> &mut Vec<u8> {
        let date = self.date.at(now);
        self.head_out.clear();
        let rewrite = ResponseRewrite { date, ..*rewrite };
        self.parser
            .write_response(head, input, &rewrite, &mut self.head_out);
        &mut self.head_out
    }

    /// Writes the head of a response that was parsed from `input`.
    pub(super) fn write_response(
        &mut self,
        head: &ResponseHead,
        input: &[u8],
        rewrite: &ResponseRewrite<'_>,
    ) -> &mut Vec<u8> {
        self.head_out.clear();
        self.parser
            .write_response(head, input, rewrite, &mut self.head_out);
        &mut self.head_out
    }
}
