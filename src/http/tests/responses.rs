//! Which responses are not trusted and why; what is said of those that are.

use super::super::{BodyLength, Version};
use super::*;

/// Rule, input, verdict.
type Case = (&'static str, &'static str, BadResponse);

pub(super) const DISTRUSTED: &[Case] = &[
    (
        "bare LF after the status line",
        "HTTP/1.1 200 OK\nA: b\r\n\r\n",
        BadResponse::LineEnd,
    ),
    (
        "bare LF after a field",
        "HTTP/1.1 200 OK\r\nA: b\n\r\n",
        BadResponse::LineEnd,
    ),
    (
        "bare LF as blank line",
        "HTTP/1.1 200 OK\r\nA: b\r\n\n",
        BadResponse::LineEnd,
    ),
    (
        "bare LF without fields",
        "HTTP/1.1 200\n\n",
        BadResponse::LineEnd,
    ),
    (
        "CR in the reason",
        "HTTP/1.1 200 O\rK\r\n\r\n",
        BadResponse::LineEnd,
    ),
    (
        "an empty line first",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        BadResponse::Syntax,
    ),
    (
        "NUL in the reason",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        BadResponse::Syntax,
    ),
    (
        "two blanks before the status",
        "HTTP/1.1  200 OK\r\n\r\n",
        BadResponse::Syntax,
    ),
    (
        "four digits",
        "HTTP/1.1 2000 OK\r\n\r\n",
        BadResponse::Syntax,
    ),
    ("two digits", "HTTP/1.1 20 OK\r\n\r\n", BadResponse::Syntax),
    (
        "a folded line",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        BadResponse::Syntax,
    ),
    (
        "blank before the colon",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        BadResponse::Syntax,
    ),
    ("no status line", "<html>", BadResponse::Syntax),
    ("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", BadResponse::Version),
    (
        "status below 100",
        "HTTP/1.1 099 OK\r\n\r\n",
        BadResponse::Status,
    ),
    (
        "status above 599",
        "HTTP/1.1 600 OK\r\n\r\n",
        BadResponse::Status,
    ),
    (
        "length and chunks",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        BadResponse::ContentLength,
    ),
    (
        "two lengths",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        BadResponse::ContentLength,
    ),
    (
        "no length",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        BadResponse::ContentLength,
    ),
    (
        "an unknown coding",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        BadResponse::TransferEncoding,
    ),
    (
        "a coding without end",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        BadResponse::TransferEncoding,
    ),
    (
        "chunks in HTTP/1.0",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        BadResponse::TransferEncoding,
    ),
    (
        "101 to nothing",
        "HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n",
        BadResponse::Upgrade,
    ),
    (
        "101 by the way",
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n",
        BadResponse::Upgrade,
    ),
];

pub(super) const TRUSTED: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200\r\n\r\n",
    "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.0 404 Nicht gefunden: \u{fc}\r\nServer: x\r\n\r\n",
    "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x01\x02",
];

#[test]
fn unusable_responses_are_refused_with_the_right_reason() {
    for (rule, input, verdict) in DISTRUSTED {
        let result = parse_response(input.as_bytes(), Method::Get);
        assert_eq!(result, Err(*verdict), "{rule}: {input:?}");
    }
}

#[test]
fn well_formed_responses_are_accepted() {
    for input in TRUSTED {
        let head = trusted(input, Method::Get);
        assert_eq!(head.len, input.find("\r\n\r\n").unwrap() + 4, "{input:?}");
    }
}

#[test]
fn response_body_length_follows_the_rules() {
    let cases = [
        (
            Method::Get,
            "200",
            "Content-Length: 5\r\n",
            BodyLength::Length(5),
        ),
        (
            Method::Get,
            "200",
            "Content-Length: 0\r\n",
            BodyLength::None,
        ),
        (
            Method::Get,
            "200",
            "Transfer-Encoding: chunked\r\n",
            BodyLength::Chunked,
        ),
        (Method::Get, "200", "", BodyLength::UntilClose),
        (
            Method::Head,
            "200",
            "Content-Length: 5\r\n",
            BodyLength::None,
        ),
        (
            Method::Head,
            "200",
            "Transfer-Encoding: chunked\r\n",
            BodyLength::None,
        ),
        (
            Method::Get,
            "304",
            "Content-Length: 5\r\n",
            BodyLength::None,
        ),
        (Method::Get, "204", "", BodyLength::None),
        (
            Method::Get,
            "204",
            "Content-Length: 5\r\n",
            BodyLength::None,
        ),
        (Method::Get, "100", "", BodyLength::None),
    ];
    for (method, status, fields, body) in cases {
        let input = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
        assert_eq!(trusted(&input, method).body, body, "{method:?} {input:?}");
    }
}

#[test]
fn response_persistence_follows_version_and_connection() {
    let cases = [
        ("1.1 200", "Content-Length: 0\r\n", true),
        (
            "1.1 200",
            "Content-Length: 0\r\nConnection: close\r\n",
            false,
        ),
        ("1.1 200", "", false),
        ("1.0 200", "Content-Length: 0\r\n", false),
        (
            "1.0 200",
            "Content-Length: 0\r\nConnection: keep-alive\r\n",
            true,
        ),
        ("1.1 204", "", true),
        ("1.1 204", "Content-Length: 0\r\n", true),
        ("1.1 204", "Content-Length: 5\r\n", false),
        ("1.1 204", "Transfer-Encoding: chunked\r\n", false),
        ("1.1 304", "Content-Length: 5\r\n", true),
        ("1.1 101", "Connection: upgrade\r\nUpgrade: x\r\n", false),
    ];
    for (line, fields, persistent) in cases {
        let input = format!("HTTP/{line} X\r\n{fields}\r\n");
        assert_eq!(
            trusted(&input, Method::Get).persistent,
            persistent,
            "{input:?}"
        );
    }
}

#[test]
fn response_head_has_its_parts() {
    let head = trusted("HTTP/1.0 503 Later\r\n\r\n", Method::Get);
    assert_eq!(
        (head.status, head.version, head.upgrade),
        (503, Version::Http10, false)
    );
}
