//! Which responses are not trusted and why; what is said of those that are.

use super::super::{BodyLength, Version};
use super::*;

/// Rule, input, verdict.
type Case = (&'static str, &'static str, BadResponse);

pub(super) const DISTRUSTED: &[Case] = &[
    (
        "CR in the reason",
        "HTTP/1.1 200 O\rK\r\n\r\n",
        BadResponse::LineEnd,
    ),
    (
        "two empty lines first",
        "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        BadResponse::Syntax,
    ),
    (
        "a blank line first",
        " \r\nHTTP/1.1 200 OK\r\n\r\n",
        BadResponse::Syntax,
    ),
    (
        "a CR first",
        "\rHTTP/1.1 200 OK\r\n\r\n",
        BadResponse::Syntax,
    ),
    (
        "a coding on the line after another",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip,\r\n chunked\r\n\r\n",
        BadResponse::TransferEncoding,
    ),
    (
        "two codings behind an empty one",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: , chunked, chunked\r\n\r\n",
        BadResponse::TransferEncoding,
    ),
    (
        "NUL in the reason",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        BadResponse::Syntax,
    ),
    (
        "four digits",
        "HTTP/1.1 2000 OK\r\n\r\n",
        BadResponse::Syntax,
    ),
    ("two digits", "HTTP/1.1 20 OK\r\n\r\n", BadResponse::Syntax),
    (
        "blank before the colon",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        BadResponse::Syntax,
    ),
    ("no status line", "<html>", BadResponse::Syntax),
    ("HTTP/0.9", "HTTP/0.9 200 OK\r\n\r\n", BadResponse::Version),
    (
        "bare CR in a value",
        "HTTP/1.1 200 OK\nA: b\rc\n\n",
        BadResponse::LineEnd,
    ),
    (
        "a fold of no field",
        "HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
        BadResponse::Syntax,
    ),
    (
        "a length folded into two",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\n",
        BadResponse::ContentLength,
    ),
    (
        "status below 100",
        "HTTP/1.1 099 OK\r\n\r\n",
        BadResponse::Status,
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

/// Rule, what a backend sends, what the client is sent.
pub(super) const REPAIRED: &[(&str, &str, &str)] = &[
    (
        "bare LF",
        "HTTP/1.1 200 OK\nA: b\nC:d\n\n",
        "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n",
    ),
    (
        "bare LF without fields",
        "HTTP/1.1 200\n\n",
        "HTTP/1.1 200 \r\n\r\n",
    ),
    (
        "a bare LF among CRLF",
        "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\n",
    ),
    (
        "blanks around the status",
        "HTTP/1.1  200  Very well \r\n\r\n",
        "HTTP/1.1 200 Very well\r\n\r\n",
    ),
    (
        "a folded line",
        "HTTP/1.1 200 OK\r\nA: b\r\n  c\n\td\r\nE: f\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b c d\r\nE: f\r\n\r\n",
    ),
    (
        "control characters",
        "HTTP/1.1 200 O\u{1}K\r\nA: b\u{7f}c\r\n\r\n",
        "HTTP/1.1 200 O K\r\nA: b c\r\n\r\n",
    ),
    (
        "HTTP/1.2",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ),
    (
        "HTTP/2.0 in lines",
        "HTTP/2.0 404 Not Found\r\nA: b\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n",
    ),
    (
        "no coding at all",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: \r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    ),
    (
        "empty members around the coding",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: , chunked ,\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    (
        "a coding on a folded line",
        "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    (
        "an empty line first",
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    ),
    (
        "an empty line of LF first",
        "\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ),
    (
        "a hop-by-hop field among bare LF",
        "HTTP/1.1 200 OK\nConnection: A\nA: b\nC: d\n\n",
        "HTTP/1.1 200 OK\r\nC: d\r\n\r\n",
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
fn responses_out_of_form_are_repaired() {
    for (rule, input, clean) in REPAIRED {
        let mut parser = HeadParser::new(HeadLimits::default());
        let longer = format!("{input}hello");
        let Ok(Parsed::Complete(head)) = parser.response(longer.as_bytes(), Method::Get) else {
            panic!("{rule}: {input:?} is refused");
        };
        assert_eq!(head.len, input.len(), "{rule}");
        let mut out = Vec::new();
        parser.write_response(&head, longer.as_bytes(), &Default::default(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), *clean, "{rule}");
        // The next one is read for itself.
        let next = b"HTTP/1.1 204 No Content\r\n\r\n";
        let Ok(Parsed::Complete(head)) = parser.response(next, Method::Get) else {
            panic!("after {rule}");
        };
        out.clear();
        parser.write_response(&head, next, &Default::default(), &mut out);
        assert_eq!(out, next, "after {rule}");
    }
}

/// RFC 9112, section 6.3: chunks override a length, and the connection is not trusted further.
#[test]
fn chunks_override_length_and_version() {
    for input in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1, 1\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let mut parser = HeadParser::new(HeadLimits::default());
        let Ok(Parsed::Complete(head)) = parser.response(input.as_bytes(), Method::Get) else {
            panic!("{input:?} is refused");
        };
        assert_eq!((head.body, head.persistent), (BodyLength::Chunked, false));
        let mut out = Vec::new();
        parser.write_response(&head, input.as_bytes(), &Default::default(), &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
    }
}

#[test]
fn unknown_classes_of_status_pass() {
    assert_eq!(trusted("HTTP/1.1 600 X\r\n\r\n", Method::Get).status, 600);
    assert_eq!(trusted("HTTP/1.1 999 X\r\n\r\n", Method::Get).status, 999);
}

#[test]
fn responses_may_nominate_many_fields() {
    let names: Vec<String> = (0..100).map(|n| format!("x{n}")).collect();
    let input = format!(
        "HTTP/1.1 200 OK\r\nConnection: {}\r\nX99: gone\r\nB: c\r\n\r\n",
        names.join(", ")
    );
    let mut parser = HeadParser::new(HeadLimits::default());
    let Ok(Parsed::Complete(head)) = parser.response(input.as_bytes(), Method::Get) else {
        panic!("refused");
    };
    let mut out = Vec::new();
    parser.write_response(&head, input.as_bytes(), &Default::default(), &mut out);
    assert_eq!(out, b"HTTP/1.1 200 OK\r\nB: c\r\n\r\n");
}

/// A field may be as long as the head: there is one limit, and it is a setting.
#[test]
fn field_may_be_as_long_as_the_head() {
    let limits = HeadLimits {
        max_bytes: 64 * 1024,
        ..HeadLimits::default()
    };
    let mut parser = HeadParser::new(limits);
    let long = "x".repeat(60_000);
    let response = format!("HTTP/1.1 200 {long}\r\n\r\n");
    assert!(parser.response(response.as_bytes(), Method::Get).is_ok());
    for name in ["Cookie", long.as_str()] {
        let value = if name == "Cookie" { long.as_str() } else { "" };
        let response = format!("HTTP/1.1 200 OK\r\n{name}: {value}\r\n\r\n");
        assert!(parser.response(response.as_bytes(), Method::Get).is_ok());
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n");
        let verdict = parser.request(request.as_bytes());
        assert!(matches!(verdict, Ok(Parsed::Complete(_))), "{verdict:?}");
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
