//! Chunked bodies: what passes, what is passed on of it, what does not pass.

use super::super::h1::chunked::MAX_EXTENSION_BYTES;
use super::super::h1::chunked::MAX_TRAILER_BYTES;
use super::super::{BadChunk, Body, BodyLength, Piece};

/// Returns the output for `input` when it arrives in `parts`, and the number of bytes used.
pub(super) fn relay<'a>(
    mut body: Body,
    parts: impl Iterator<Item = &'a [u8]>,
) -> Result<(Vec<u8>, usize), BadChunk> {
    let mut out = Vec::new();
    let mut used = 0;
    for part in parts {
        let mut rest = part;
        loop {
            let bytes = match body.next(rest)? {
                Piece::Forward(bytes) => {
                    out.extend_from_slice(&rest[..bytes]);
                    bytes
                }
                Piece::Skip(bytes) => bytes,
                Piece::Insert => {
                    out.extend_from_slice(body.insert());
                    continue;
                }
                Piece::NeedMore => {
                    assert!(rest.is_empty(), "needs more before it has used {rest:?}");
                    break;
                }
                Piece::End => break,
            };
            assert!(bytes > 0, "a piece of no bytes of {rest:?}");
            used += bytes;
            rest = &rest[bytes..];
        }
    }
    assert!(body.is_complete(), "not over");
    Ok((out, used))
}

/// Input, what is passed on as chunks, what is passed on as content.
pub(super) const GOOD: &[(&str, &str, &str)] = &[
    ("0\r\n\r\n", "0\r\n\r\n", ""),
    (
        "5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "hello",
    ),
    (
        "2\r\nhe\r\n003\r\nllo\r\n000\r\n\r\n",
        "2\r\nhe\r\n003\r\nllo\r\n000\r\n\r\n",
        "hello",
    ),
    (
        "A\r\n0123\r\n\r\n89\r\n0\r\n\r\n",
        "A\r\n0123\r\n\r\n89\r\n0\r\n\r\n",
        "0123\r\n\r\n89",
    ),
    (
        "5;a=b;c=\"d;\u{e9}\"\r\nhello\r\n0;x\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "hello",
    ),
    (
        "5 \t;a\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "hello",
    ),
    (
        "1\r\nx\r\n0\r\nA: b\r\nETag:\r\n\r\n",
        "1\r\nx\r\n0\r\nA: b\r\nETag:\r\n\r\n",
        "x",
    ),
];

pub(super) const BAD: &[(&str, &str, BadChunk)] = &[
    ("no size", "\r\nhello", BadChunk::Size),
    ("a sign", "+5\r\nhello", BadChunk::Size),
    ("a negative size", "-5\r\n", BadChunk::Size),
    ("0x", "0x5\r\nhello", BadChunk::Size),
    ("underscore", "1_0\r\n", BadChunk::Size),
    ("blank before the size", " 5\r\nhello", BadChunk::Size),
    ("blank after the size", "5 \r\nhello", BadChunk::Extension),
    ("a word after the size", "5 x\r\nhello", BadChunk::Extension),
    ("a size of 64 bits", "8000000000000000\r\n", BadChunk::Size),
    (
        "a size of 17 digits",
        "00000000000000005\r\n",
        BadChunk::Size,
    ),
    ("bare LF after the size", "5\nhello\r\n", BadChunk::LineEnd),
    ("bare CR after the size", "5\rhello\r\n", BadChunk::LineEnd),
    (
        "bare LF after an extension",
        "5;a\nhello\r\n",
        BadChunk::LineEnd,
    ),
    ("bare CR in an extension", "5;a\rb\r\n", BadChunk::LineEnd),
    ("NUL in an extension", "5;a\0\r\n", BadChunk::Extension),
    (
        "a chunk longer than its size",
        "2\r\nhello\r\n",
        BadChunk::LineEnd,
    ),
    (
        "bare LF after a chunk",
        "5\r\nhello\n0\r\n\r\n",
        BadChunk::LineEnd,
    ),
    ("CR CR after a chunk", "5\r\nhello\r\r", BadChunk::LineEnd),
    ("bare LF after the last chunk", "0\n\n", BadChunk::LineEnd),
    ("bare LF as the last line", "0\r\n\n", BadChunk::LineEnd),
    ("bare CR as the last line", "0\r\n\rX", BadChunk::LineEnd),
    (
        "a trailer without name",
        "0\r\n: a\r\n\r\n",
        BadChunk::Trailer,
    ),
    (
        "a trailer without colon",
        "0\r\nA\r\n\r\n",
        BadChunk::Trailer,
    ),
    (
        "a folded trailer",
        "0\r\nA: b\r\n c\r\n\r\n",
        BadChunk::Trailer,
    ),
    ("NUL in a trailer", "0\r\nA: \0\r\n\r\n", BadChunk::Trailer),
    (
        "bare LF after a trailer",
        "0\r\nA: b\n\r\n",
        BadChunk::LineEnd,
    ),
    (
        "bare CR in a trailer",
        "0\r\nA: b\rc\r\n\r\n",
        BadChunk::LineEnd,
    ),
    (
        "length as a trailer",
        "0\r\nContent-Length: 1\r\n\r\n",
        BadChunk::ForbiddenTrailer,
    ),
    (
        "coding as a trailer",
        "0\r\nA: b\r\ntransfer-encoding: x\r\n\r\n",
        BadChunk::ForbiddenTrailer,
    ),
    (
        "host as a trailer",
        "0\r\nHOST: x\r\n\r\n",
        BadChunk::ForbiddenTrailer,
    ),
    (
        "connection as a trailer",
        "0\r\nConnection: x\r\n\r\n",
        BadChunk::ForbiddenTrailer,
    ),
    (
        "the next request as a trailer",
        "0\r\nGET / HTTP/1.1\r\n",
        BadChunk::Trailer,
    ),
];

#[test]
fn well_formed_chunks_pass() {
    for (input, chunks, content) in GOOD {
        let longer = format!("{input}GET / HTTP/1.1\r\n");
        let whole = || std::iter::once(longer.as_bytes());
        let (out, used) = relay(Body::new(BodyLength::Chunked), whole()).unwrap();
        assert_eq!(
            (out, used),
            (chunks.as_bytes().to_vec(), input.len()),
            "{input:?}"
        );
        let (out, used) = relay(Body::unframed(BodyLength::Chunked), whole()).unwrap();
        assert_eq!(
            (out, used),
            (content.as_bytes().to_vec(), input.len()),
            "{input:?}"
        );
    }
}

#[test]
fn malformed_chunks_of_requests_are_refused() {
    for (rule, input, verdict) in BAD {
        let result = relay(
            Body::new(BodyLength::Chunked),
            std::iter::once(input.as_bytes()),
        );
        assert_eq!(result, Err(*verdict), "{rule}: {input:?}");
    }
}

/// Rule, what a backend sends, what the client is sent as chunks, the content.
pub(super) const CLEANED: &[(&str, &str, &str, &str)] = &[
    (
        "bare LF",
        "5\nhello\n0\n\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "hello",
    ),
    (
        "bare LF after an extension",
        "5;a\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "hello",
    ),
    (
        "blanks after a size",
        "5  \r\nhello\r\n0\t\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "hello",
    ),
    (
        "zeros before a size",
        "00000000000000000005\r\nhello\r\n00000000000000000000\r\n\r\n",
        "05\r\nhello\r\n0\r\n\r\n",
        "hello",
    ),
    (
        "control characters in an extension",
        "5;a\u{1}\0\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "hello",
    ),
    (
        "length as a trailer",
        "0\r\nContent-Length: 0\r\n\r\n",
        "0\r\n\r\n",
        "",
    ),
    (
        "forbidden trailers among others",
        "0\r\nA: 1\r\nConnection: close\r\nTE: x\r\n y\r\nB: 2\r\nset-cookie: c\r\n\r\n",
        "0\r\nA: 1\r\nB: 2\r\n\r\n",
        "",
    ),
    (
        "a trailer that means something in a request",
        "0\r\nX-Request-Id: 7\r\nX-Forwarded-For: 8\r\n\r\n",
        "0\r\nX-Request-Id: 7\r\nX-Forwarded-For: 8\r\n\r\n",
        "",
    ),
    (
        "long names",
        "0\r\nProxy-Authentication-Info: a\r\nProxy-Authentication-Info2: b\r\n\
         Proxy-Authentication-Inf: c\r\n\r\n",
        "0\r\nProxy-Authentication-Info2: b\r\nProxy-Authentication-Inf: c\r\n\r\n",
        "",
    ),
    (
        "a folded trailer",
        "0\r\nA: b\r\n\tc\n d\r\n\r\n",
        "0\r\nA: b\tc d\r\n\r\n",
        "",
    ),
    (
        "blanks before a colon",
        "0\r\nA \t: b\r\nAccess-Control-Allow-Origin-X : *\r\nTE : x\r\n\r\n",
        "0\r\nA: b\r\nAccess-Control-Allow-Origin-X: *\r\n\r\n",
        "",
    ),
    (
        "control characters in a trailer",
        "0\r\nA: b\u{1}c\0\r\n\r\n",
        "0\r\nA: bc\r\n\r\n",
        "",
    ),
    (
        "bare LF after a trailer",
        "0\nA: b\n\n",
        "0\r\nA: b\r\n\r\n",
        "",
    ),
];

/// Refused responses: a recipient could find another end.
pub(super) const BAD_OF_RESPONSE: &[(&str, &str, BadChunk)] = &[
    ("no size", "\r\nhello", BadChunk::Size),
    ("no size and bare LF", "\nhello", BadChunk::LineEnd),
    ("a sign", "+5\r\nhello", BadChunk::Size),
    ("0x", "0x5\r\nhello", BadChunk::Size),
    ("blank before the size", " 5\r\nhello", BadChunk::Size),
    ("a word after the size", "5 x\r\nhello", BadChunk::Extension),
    ("a size of 64 bits", "8000000000000000\r\n", BadChunk::Size),
    ("bare CR after the size", "5\rhello\r\n", BadChunk::LineEnd),
    ("bare CR in an extension", "5;a\rb\r\n", BadChunk::LineEnd),
    (
        "a chunk longer than its size",
        "2\r\nhello\r\n",
        BadChunk::LineEnd,
    ),
    ("CR CR after a chunk", "5\r\nhello\r\r", BadChunk::LineEnd),
    ("bare CR as the last line", "0\r\n\rX", BadChunk::LineEnd),
    (
        "a trailer without name",
        "0\r\n: a\r\n\r\n",
        BadChunk::Trailer,
    ),
    (
        "a trailer without colon",
        "0\r\nA\r\n\r\n",
        BadChunk::Trailer,
    ),
    ("a fold of nothing", "0\r\n a\r\n\r\n", BadChunk::Trailer),
    (
        "bare CR in a trailer",
        "0\r\nA: b\rc\r\n\r\n",
        BadChunk::LineEnd,
    ),
    (
        "a name that is none",
        "0\r\nA(: b\r\n\r\n",
        BadChunk::Trailer,
    ),
];

#[test]
fn chunks_of_responses_are_cleaned() {
    for (rule, input, chunks, content) in CLEANED {
        let longer = format!("{input}HTTP/1.1 200 OK\r\n");
        let whole = || std::iter::once(longer.as_bytes());
        let (out, used) = relay(Body::of_response(BodyLength::Chunked), whole()).unwrap();
        assert_eq!(String::from_utf8_lossy(&out), *chunks, "{rule}");
        assert_eq!(used, input.len(), "{rule}");
        let (out, used) = relay(Body::unframed(BodyLength::Chunked), whole()).unwrap();
        assert_eq!(String::from_utf8_lossy(&out), *content, "{rule}");
        assert_eq!(used, input.len(), "{rule}");
        // Of a request none of it is tolerated, but for an extension or a field that has a meaning.
        let as_request = relay(Body::new(BodyLength::Chunked), whole());
        assert!(as_request.is_err(), "{rule}");
    }
}

#[test]
fn ambiguous_chunks_of_responses_are_refused() {
    for (rule, input, verdict) in BAD_OF_RESPONSE {
        for body in [
            Body::of_response(BodyLength::Chunked),
            Body::unframed(BodyLength::Chunked),
        ] {
            let result = relay(body, std::iter::once(input.as_bytes()));
            assert_eq!(result, Err(*verdict), "{rule}: {input:?}");
        }
    }
}

#[test]
fn body_without_extensions_is_one_piece() {
    let input = b"5\r\nhello\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n";
    let mut body = Body::new(BodyLength::Chunked);
    assert_eq!(body.next(input), Ok(Piece::Forward(input.len())));
    assert_eq!(body.next(b"GET"), Ok(Piece::End));
}

#[test]
fn content_may_be_skipped_without_being_read() {
    let mut body = Body::new(BodyLength::Chunked);
    assert_eq!(body.remaining(), None);
    assert_eq!(body.next(b"ff\r\nab"), Ok(Piece::Forward(6)));
    assert_eq!(body.remaining(), Some(253));
    body.advance(250);
    assert_eq!(body.remaining(), Some(3));
    body.advance(3);
    assert_eq!(body.remaining(), None);
    assert_eq!(body.next(b"\r\n0\r\n\r\n"), Ok(Piece::Forward(7)));
    assert!(body.is_complete());
}

#[test]
fn largest_chunk_size_has_63_bits() {
    let mut body = Body::new(BodyLength::Chunked);
    assert_eq!(body.next(b"7fffffffffffffff\r\n"), Ok(Piece::Forward(18)));
    assert_eq!(body.remaining(), Some(i64::MAX as u64));
}

#[test]
fn extension_limit_is_exact() {
    let run = |bytes: usize| {
        let input = format!("0;{}\r\n\r\n", "x".repeat(bytes - 1));
        relay(
            Body::new(BodyLength::Chunked),
            std::iter::once(input.as_bytes()),
        )
    };
    let limit = MAX_EXTENSION_BYTES as usize;
    assert!(run(limit).is_ok());
    assert_eq!(run(limit + 1), Err(BadChunk::Extension));
}

#[test]
fn trailer_limit_is_exact() {
    let run = |bytes: usize| {
        let input = format!("0\r\nA:{}\r\n\r\n", "x".repeat(bytes - "A:\r\n\r\n".len()));
        relay(
            Body::new(BodyLength::Chunked),
            std::iter::once(input.as_bytes()),
        )
    };
    let limit = MAX_TRAILER_BYTES as usize;
    assert!(run(limit).is_ok());
    assert_eq!(run(limit + 1), Err(BadChunk::Trailer));
}
