//! Which requests are refused and why; what is said of those that are not.

use super::super::{BodyLength, Version};
use super::request_cases::{ACCEPTED, refused};
use super::*;

#[test]
fn ambiguous_requests_are_refused_with_the_right_reason() {
    for (name, input, verdict) in refused() {
        assert_eq!(parse(input.as_bytes()), Err(verdict), "{name}: {input:?}");
    }
}

#[test]
fn well_formed_requests_are_accepted() {
    for input in ACCEPTED {
        let head = accepted(input);
        let blank_line = input.trim_start().find("\r\n\r\n").unwrap() + 4;
        assert_eq!(
            head.len,
            input.len() - input.trim_start().len() + blank_line,
            "{input:?}"
        );
    }
}

#[test]
fn request_head_has_its_parts() {
    let input = "PUT /x?y HTTP/1.1\r\nHost: a.example:81 \r\nContent-Length: 3\r\n\r\nabcGET";
    let head = accepted(input);
    assert_eq!(head.len, input.len() - "abcGET".len());
    assert_eq!((head.method, head.version), (Method::Put, Version::Http11));
    assert_eq!(head.method_span.of(input.as_bytes()), b"PUT");
    assert_eq!(head.target.of(input.as_bytes()), b"/x?y");
    assert_eq!(head.host.of(input.as_bytes()), b"a.example:81");
    assert_eq!(head.body, BodyLength::Length(3));
    assert!(head.persistent && !head.expects_continue && !head.upgrade);
}

#[test]
fn absolute_form_overrides_host() {
    let input = "GET HTTP://b.example:8080?q HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(accepted(input).host.of(input.as_bytes()), b"b.example:8080");
}

#[test]
fn request_body_length_follows_the_rules() {
    let cases = [
        ("Content-Length: 0\r\n", BodyLength::None),
        ("Content-Length: 7\r\n", BodyLength::Length(7)),
        ("Content-Length: 007\r\n", BodyLength::Length(7)),
        ("Content-Length: 7, 7\r\n", BodyLength::Length(7)),
        (
            "Content-Length: 7\r\ncontent-length:7\r\n",
            BodyLength::Length(7),
        ),
        (
            "Content-Length: 9223372036854775807\r\n",
            BodyLength::Length(i64::MAX as u64),
        ),
        ("Transfer-Encoding: chunked\r\n", BodyLength::Chunked),
        ("transfer-encoding:\tCHUNKED \r\n", BodyLength::Chunked),
        ("", BodyLength::None),
    ];
    for (fields, body) in cases {
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(accepted(&input).body, body, "{fields:?}");
    }
}

#[test]
fn request_persistence_follows_version_and_connection() {
    let cases = [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: keep-alive, Close\r\n", false),
        (
            "1.1",
            "Connection: keep-alive\r\nConnection: close\r\n",
            false,
        ),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ];
    for (version, fields, persistent) in cases {
        let input = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(accepted(&input).persistent, persistent, "{input:?}");
    }
}

#[test]
fn expect_continue_needs_http_1_1_and_a_body() {
    let cases = [
        ("1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n", true),
        ("1.1", "Expect: 100-continue\r\n", false),
        (
            "1.0",
            "Expect: 100-continue\r\nContent-Length: 1\r\n",
            false,
        ),
        ("1.0", "Expect: anything\r\nContent-Length: 1\r\n", false),
    ];
    for (version, fields, expects) in cases {
        let input = format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(accepted(&input).expects_continue, expects, "{input:?}");
    }
}

#[test]
fn upgrade_needs_field_and_option() {
    let cases = [
        ("1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
        ("1.1", "Connection: Upgrade\r\n", false),
        ("1.1", "Upgrade: websocket\r\n", false),
        (
            "1.0",
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            false,
        ),
        ("1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n", false),
        (
            "1.1",
            "Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n",
            false,
        ),
        ("1.1", "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n", false),
        (
            "1.1",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n",
            true,
        ),
    ];
    for (version, fields, upgrade) in cases {
        let input = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(accepted(&input).upgrade, upgrade, "{input:?}");
    }
}

const TIGHT: HeadLimits = HeadLimits {
    max_bytes: 64,
    max_fields: 2,
    max_target_bytes: 8,
};

#[test]
fn each_limit_is_exact() {
    let cases = [
        (
            "8 bytes of target",
            "GET /1234567 HTTP/1.1\r\nHost: a\r\n\r\n",
            None,
        ),
        (
            "9 bytes",
            "GET /12345678 HTTP/1.1\r\nHost: a\r\n\r\n",
            Some(Refusal::TargetTooLong),
        ),
        (
            "9 bytes so far",
            "GET /12345678",
            Some(Refusal::TargetTooLong),
        ),
        ("2 fields", "GET / HTTP/1.1\r\nHost: a\r\nB:\r\n\r\n", None),
        (
            "3 fields",
            "GET / HTTP/1.1\r\nHost: a\r\nB:\r\nC:\r\n\r\n",
            Some(Refusal::HeadTooLarge),
        ),
        (
            "3 fields so far",
            "GET / HTTP/1.1\r\nA:\r\nB:\r\nC:\r\n",
            Some(Refusal::HeadTooLarge),
        ),
        (
            "64 bytes",
            "ABCDEFGHIJKLMNOPQRST / HTTP/1.1\r\nHost: 0123456789\r\nB: 345678\r\n\r\n",
            None,
        ),
        (
            "65 bytes",
            "ABCDEFGHIJKLMNOPQRST / HTTP/1.1\r\nHost: 0123456789\r\nB: 3456789\r\n\r\n",
            Some(Refusal::HeadTooLarge),
        ),
    ];
    for (case, input, refusal) in cases {
        let verdict = HeadParser::new(TIGHT).request(input.as_bytes());
        assert_eq!(
            verdict.err(),
            refusal,
            "{case}: {} bytes: {input:?}",
            input.len()
        );
    }
}

#[test]
fn endless_head_is_refused_at_the_limit() {
    let endless = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".repeat(9);
    let mut parser = HeadParser::new(TIGHT);
    assert_eq!(
        parser.request(&endless.as_bytes()[..63]),
        Ok(Parsed::Partial)
    );
    assert_eq!(
        parser.request(&endless.as_bytes()[..64]),
        Err(Refusal::HeadTooLarge)
    );
    assert_eq!(
        parser.request(endless.as_bytes()),
        Err(Refusal::HeadTooLarge)
    );
}

#[test]
fn limits_are_capped_by_the_table() {
    let limits = HeadLimits {
        max_fields: usize::MAX,
        max_bytes: usize::MAX,
        ..TIGHT
    };
    let head = |fields: usize| format!("GET / HTTP/1.0\r\n{}\r\n", "A:\r\n".repeat(fields));
    let mut parser = HeadParser::new(limits);
    assert!(matches!(
        parser.request(head(128).as_bytes()),
        Ok(Parsed::Complete(_))
    ));
    assert_eq!(
        parser.request(head(129).as_bytes()),
        Err(Refusal::HeadTooLarge)
    );
}

#[test]
fn connection_with_too_many_names_is_refused() {
    let head = |names: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: {}close\r\n\r\n",
            "x,".repeat(names)
        )
    };
    assert!(matches!(
        parse(head(32).as_bytes()),
        Ok(Parsed::Complete(_))
    ));
    assert_eq!(parse(head(33).as_bytes()), Err(Refusal::BadSyntax));
}

#[test]
fn fields_and_cookies_are_found() {
    let input = b"GET / HTTP/1.1\r\nHost: a\r\nX-Key: one \r\nx-key: two\r\n\
        Cookie: a=1; session=\"s1\" ;b\r\nCookie: session=s2; Session=S\r\n\r\n";
    let mut parser = HeadParser::new(HeadLimits::default());
    assert!(matches!(parser.request(input), Ok(Parsed::Complete(_))));
    assert_eq!(parser.field(input, b"X-KEY"), Some(&b"one"[..]));
    assert_eq!(parser.field(input, b"X-Keys"), None);
    assert_eq!(parser.cookie(input, b"session"), Some(&b"\"s1\""[..]));
    assert_eq!(parser.cookie(input, b"Session"), Some(&b"S"[..]));
    assert_eq!(parser.cookie(input, b"b"), None);
}

#[test]
fn idempotent_methods() {
    let cases = [
        ("GET", true),
        ("DELETE", true),
        ("POST", false),
        ("get", false),
    ];
    for (name, idempotent) in cases {
        assert_eq!(
            Method::of(name.as_bytes()).is_idempotent(),
            idempotent,
            "{name}"
        );
    }
}
