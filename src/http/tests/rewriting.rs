//! The response heads that are sent in place of those that came.

use super::super::{ConnectionOption, Reframe, ResponseRewrite};
use super::*;

fn rewritten(input: &str, rewrite: ResponseRewrite<'_>) -> String {
    let mut parser = HeadParser::new(HeadLimits::default());
    let Ok(Parsed::Complete(head)) = parser.response(input.as_bytes(), Method::Get) else {
        panic!("not trusted: {input:?}");
    };
    let mut out = Vec::new();
    parser.write_response(&head, input.as_bytes(), &rewrite, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn response_is_copied_without_hop_by_hop_fields() {
    let input = "HTTP/1.1 200 Fine, \u{fc}\r\nConnection: close, X-Mine\r\nA: b\r\nX-Mine: 1\r\n\
        Keep-Alive: 5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi";
    let output = "HTTP/1.1 200 Fine, \u{fc}\r\nA: b\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(rewritten(input, ResponseRewrite::default()), output);
}

#[test]
fn status_line_has_our_version() {
    let cases = [
        ("HTTP/1.0 200 OK", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200", "HTTP/1.1 200 "),
        ("HTTP/1.0 200", "HTTP/1.1 200 "),
        ("HTTP/1.1 200 ", "HTTP/1.1 200 "),
    ];
    for (came, line) in cases {
        let rewrite = ResponseRewrite::default();
        assert_eq!(
            rewritten(&format!("{came}\r\n\r\n"), rewrite),
            format!("{line}\r\n\r\n")
        );
        let with_field = rewritten(&format!("{came}\r\nA: b\r\n\r\n"), rewrite);
        assert_eq!(with_field, format!("{line}\r\nA: b\r\n\r\n"));
    }
}

#[test]
fn response_is_reframed() {
    let plain = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n";
    let reframe = |reframe| ResponseRewrite {
        reframe,
        ..ResponseRewrite::default()
    };
    assert_eq!(rewritten(plain, reframe(Reframe::Chunked)), chunked);
    assert_eq!(rewritten(chunked, reframe(Reframe::Chunked)), chunked);
    assert_eq!(rewritten(chunked, reframe(Reframe::Keep)), chunked);
    assert_eq!(rewritten(chunked, reframe(Reframe::Identity)), plain);
}

#[test]
fn framing_fields_are_dropped_from_1xx_and_204() {
    let input = "HTTP/1.1 204 X\r\nContent-Length: 0, 0\r\n\r\n";
    assert_eq!(
        rewritten(input, ResponseRewrite::default()),
        "HTTP/1.1 204 X\r\n\r\n"
    );
    let input = "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(
        rewritten(input, ResponseRewrite::default()),
        "HTTP/1.1 204 X\r\n\r\n"
    );
}

#[test]
fn connection_field_matches_the_option() {
    let input = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    let cases = [
        (ConnectionOption::Implied, ""),
        (ConnectionOption::Close, "Connection: close\r\n"),
        (ConnectionOption::KeepAlive, "Connection: keep-alive\r\n"),
        (
            ConnectionOption::Upgrade,
            "Upgrade: websocket\r\nConnection: Upgrade\r\n",
        ),
    ];
    for (connection, lines) in cases {
        let rewrite = ResponseRewrite {
            connection,
            ..ResponseRewrite::default()
        };
        assert_eq!(
            rewritten(input, rewrite),
            format!("HTTP/1.1 101 X\r\n{lines}\r\n")
        );
    }
}

#[test]
fn response_without_date_gets_one() {
    let date = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let written = |input: &str| {
        let mut parser = HeadParser::new(HeadLimits::default());
        let Ok(Parsed::Complete(head)) = parser.response(input.as_bytes(), Method::Get) else {
            panic!("{input:?}");
        };
        let rewrite = ResponseRewrite {
            date,
            ..ResponseRewrite::default()
        };
        let mut out = Vec::new();
        parser.write_response(&head, input.as_bytes(), &rewrite, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        written("HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nA: b\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    );
    for own in [
        "HTTP/1.1 200 OK\r\nDATE: Mon, 07 Nov 1994 08:49:37 GMT\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nA: b\r\ndate: x\r\nC: d\r\n\r\n",
    ] {
        assert_eq!(written(own), own);
    }
}
