//! The response head a client is sent.

use crate::http::fields::write::{copy_fields, write_length};
use crate::http::fields::{FieldKind, FieldTable};
use crate::http::forward::ConnectionOption;
use crate::http::forward::{HOP_BY_HOP, Reframe, ResponseRewrite};
use crate::http::head::{LengthField, ResponseHead};
use crate::http::version::Version;

const VERSION: &[u8] = b"HTTP/1.1";

pub(in crate::http) fn write_response(
    fields: &FieldTable,
    head: &ResponseHead,
    input: &[u8],
    rewrite: &ResponseRewrite<'_>,
    out: &mut Vec<u8>,
) {
    const ROOM_FOR_ADDITIONS: usize = 128;
    out.reserve(head.len + ROOM_FOR_ADDITIONS);
    let is_unframed = head.must_not_be_framed();
    let is_length_gone = is_unframed || rewrite.reframe == Reframe::Chunked;
    let is_coding_gone = is_unframed || rewrite.reframe != Reframe::Keep;
    let dropped = HOP_BY_HOP
        .with_if(
            rewrite.connection != ConnectionOption::Upgrade,
            FieldKind::Upgrade,
        )
        .with_if(is_coding_gone, FieldKind::TransferEncoding)
        .with_if(
            is_length_gone || head.length_field != LengthField::Kept,
            FieldKind::ContentLength,
        );

    let from = write_status_line(fields, head, input, out);
    copy_fields(fields, input, from, dropped, out);
    if let LengthField::Rewritten(length) = head.length_field
        && !is_length_gone
    {
        write_length(length, out);
    }
    if rewrite.reframe == Reframe::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if !fields.has(FieldKind::Date) {
        out.extend_from_slice(rewrite.date);
    }
    out.extend_from_slice(rewrite.line);
    out.extend_from_slice(rewrite.connection.line());
    out.extend_from_slice(b"\r\n");
}

/// Writes the part of the status line that cannot be copied; returns where to copy from. The
/// version is that of the balancer, and the blank after the status is due even without a reason.
fn write_status_line(
    fields: &FieldTable,
    head: &ResponseHead,
    input: &[u8],
    out: &mut Vec<u8>,
) -> usize {
    const SHORTEST: usize = b"HTTP/1.1 200\r\n".len();
    if fields.start() == SHORTEST {
        out.extend_from_slice(VERSION);
        out.extend_from_slice(input.get(VERSION.len()..SHORTEST - 2).unwrap_or_default());
        out.extend_from_slice(b" \r\n");
        return SHORTEST;
    }
    match head.version {
        Version::Http11 => 0,
        Version::Http10 => {
            out.extend_from_slice(VERSION);
            VERSION.len()
        }
    }
}
