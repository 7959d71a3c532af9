//! Ambiguous requests are refused, and nothing of them reaches a backend.

use super::stand::Stand;
use super::table::{Refused, assert_refused};

/// Rows that are refused for one reason.
macro_rules! refused {
    ($status:literal $reason:literal: $($rule:literal $section:literal $asks:expr;)*) => {
        &[$(Refused {
            rule: $rule,
            section: $section,
            asks: $asks,
            status: $status,
            reason: $reason,
        }),*]
    };
}

/// A request with these field lines more.
macro_rules! with {
    ($lines:literal) => {
        concat!("POST / HTTP/1.1\r\nHost: a\r\n", $lines, "\r\n\r\n")
    };
}

/// A request with a chunked body, so far.
macro_rules! chunks {
    ($body:literal) => {
        concat!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            $body
        )
    };
}

pub(crate) use refused;

#[test]
fn line_ends_are_crlf_and_nothing_else() {
    const TABLE: &[Refused] = refused! { 400 "bad_line_end":
        "bare LF after the request line" "2.2" "GET / HTTP/1.1\nHost: a\r\n\r\n";
        "bare LF after a field" "2.2" "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n";
        "bare LF as the blank line" "2.2" "GET / HTTP/1.1\r\nHost: a\r\n\n";
        "bare LF everywhere" "2.2" "GET / HTTP/1.1\nHost: a\n\n";
        "bare LF before the request line" "2.2" "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
        "bare CR after the request line" "2.2" "GET / HTTP/1.1\rHost: a\r\n\r\n";
        "bare CR after a field" "2.2" "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n";
        "bare CR in a value" "9110 5.5" with!("X: b\rc");
        "CR CR LF" "2.2" "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n";
        "a request hidden behind bare LFs" "11.2"
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\n\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    };
    assert_refused(&mut Stand::new(), TABLE);
}

#[test]
fn fields_are_a_token_a_colon_and_a_value() {
    const TABLE: &[Refused] = refused! { 400 "bad_syntax":
        "NUL in a value" "9110 5.5" with!("X: b\0c");
        "DEL in a value" "9110 5.5" with!("X: b\x7fc");
        "a control character in a value" "9110 5.5" with!("X: b\x0bc");
        "NUL in a name" "5.1" with!("X\0Y: b");
        "a blank before the colon" "5.1" with!("X : b");
        "a tab before the colon" "5.1" with!("X\t: b");
        "a blank before the colon of Host" "5.1" "GET / HTTP/1.1\r\nHost : a\r\n\r\n";
        "a blank before the colon of Transfer-Encoding" "5.1" with!("Transfer-Encoding : chunked");
        "a blank before the colon of Content-Length" "5.1" with!("Content-Length : 5");
        "a blank in a name" "5.1" with!("X Y: b");
        "a name beyond ASCII" "5.1" with!("X\u{e9}: b");
        "an empty name" "5.1" with!(": b");
        "a line without colon" "5.1" with!("X");
        "a folded line" "5.2" with!("X: b\r\n c");
        "a line folded by a tab" "5.2" with!("X: b\r\n\tc");
        "a folded Transfer-Encoding" "5.2" with!("Transfer-Encoding:\r\n chunked");
        "a folded first line" "2.2" "GET / HTTP/1.1\r\n Host: a\r\n\r\n";
    };
    assert_refused(&mut Stand::new(), TABLE);
}

#[test]
fn the_request_line_is_three_words() {
    const TABLE: &[Refused] = refused! { 400 "bad_syntax":
        "two blanks before the target" "3" "GET  / HTTP/1.1\r\nHost: a\r\n\r\n";
        "two blanks before the version" "3" "GET /  HTTP/1.1\r\nHost: a\r\n\r\n";
        "a tab for a blank" "3" "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n";
        "a blank after the version" "3" "GET / HTTP/1.1 \r\nHost: a\r\n\r\n";
        "a blank in the target" "3.2" "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n";
        "NUL in the target" "3.2" "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n";
        "a fragment" "3.2" "GET /#top HTTP/1.1\r\nHost: a\r\n\r\n";
        "bytes beyond ASCII in the target" "3.2" "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n";
        "a target that is no path" "3.2.1" "GET index.html HTTP/1.1\r\nHost: a\r\n\r\n";
        "an authority without CONNECT" "3.2.3" "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n";
        "an asterisk without OPTIONS" "3.2.4" "GET * HTTP/1.1\r\nHost: a\r\n\r\n";
        "a user in a whole URI" "9110 4.2.4" "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n";
        "a method that is no token" "3.1" "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n";
        "no method" "3.1" " / HTTP/1.1\r\nHost: a\r\n\r\n";
        "a version in lower case" "2.3" "GET / http/1.1\r\nHost: a\r\n\r\n";
        "a version of two digits" "2.3" "GET / HTTP/1.10\r\nHost: a\r\n\r\n";
        "a version without point" "2.3" "GET / HTTP/11\r\nHost: a\r\n\r\n";
        "a TLS handshake" "3" "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03";
    };
    assert_refused(&mut Stand::new(), TABLE);
}

#[test]
fn a_request_has_one_well_formed_host() {
    const TABLE: &[Refused] = refused! { 400 "bad_host":
        "no Host" "3.2" "GET / HTTP/1.1\r\n\r\n";
        "no Host beside a whole URI" "3.2" "GET http://a/ HTTP/1.1\r\n\r\n";
        "two Hosts" "3.2" with!("Host: b");
        "the same Host twice" "3.2" with!("Host: a");
        "two Hosts in HTTP/1.0" "3.2" "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n";
        "two Hosts in one field" "3.2" "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n";
        "a Host with a path" "3.2" "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n";
        "a Host with a user" "3.2" "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n";
        "a Host with a word for a port" "3.2" "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n";
        "a Host with a port beyond 16 bits" "3.2" "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n";
        "a malformed Host beside a URI" "3.2" "GET http://a/ HTTP/1.1\r\nHost: @\r\n\r\n";
    };
    assert_refused(&mut Stand::new(), TABLE);
}

#[test]
fn body_length_is_given_once() {
    const TABLE: &[Refused] = refused! { 400 "bad_content_length":
        "a length and chunks" "6.3"
            with!("Content-Length: 5\r\nTransfer-Encoding: chunked");
        "chunks and a length" "6.3"
            with!("Transfer-Encoding: chunked\r\nContent-Length: 5");
        "chunks and a length of 0" "6.3"
            with!("Transfer-Encoding: chunked\r\nContent-Length: 0");
        "two lengths" "6.3" with!("Content-Length: 5\r\nContent-Length: 6");
        "two lengths in a list" "6.3" with!("Content-Length: 5, 6");
        "a length and nothing" "6.3" with!("Content-Length: 5,");
        "an empty length" "6.3" with!("Content-Length:");
        "a length with a sign" "9110 8.6" with!("Content-Length: +5");
        "a negative length" "9110 8.6" with!("Content-Length: -5");
        "a hexadecimal length" "9110 8.6" with!("Content-Length: 0x5");
        "a length with a point" "9110 8.6" with!("Content-Length: 5.0");
        "a length of two words" "9110 8.6" with!("Content-Length: 5 5");
        "a length that overflows 63 bits" "9110 8.6" with!("Content-Length: 9223372036854775808");
        "a length that overflows 64 bits" "9110 8.6" with!("Content-Length: 18446744073709551621");
    };
    assert_refused(&mut Stand::new(), TABLE);
}

#[test]
fn a_transfer_coding_is_chunked_once_and_last() {
    const MALFORMED: &[Refused] = refused! { 400 "bad_transfer_encoding":
        "chunked not last" "6.3" with!("Transfer-Encoding: chunked, gzip");
        "chunked twice" "6.1" with!("Transfer-Encoding: chunked, chunked");
        "chunked in two fields" "6.1"
            with!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked");
        "no chunked at all" "6.3" with!("Transfer-Encoding: identity");
        "identity after chunked" "6.3" with!("Transfer-Encoding: chunked, identity");
        "almost chunked" "6.3" with!("Transfer-Encoding: xchunked");
        "chunked in quotes" "7" with!("Transfer-Encoding: \"chunked\"");
        "chunked with a parameter" "7" with!("Transfer-Encoding: chunked;q=1");
        "an empty coding" "6.1" with!("Transfer-Encoding:");
        "chunked and nothing" "6.1" with!("Transfer-Encoding: chunked,");
        "chunks in HTTP/1.0" "6.1"
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    };
    const UNKNOWN: &[Refused] = refused! { 501 "unknown_transfer_coding":
        "a coding before chunked" "6.1" with!("Transfer-Encoding: gzip, chunked");
        "the same in two fields" "6.1"
            with!("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked");
    };
    let mut stand = Stand::new();
    assert_refused(&mut stand, MALFORMED);
    assert_refused(&mut stand, UNKNOWN);
}

#[test]
fn chunk_size_is_plain_digits() {
    // All of it arrives at once, so it is refused before a backend is picked.
    const TABLE: &[Refused] = refused! { 400 "bad_chunk":
        "a size with a sign" "7.1" chunks!("+5\r\nhello\r\n0\r\n\r\n");
        "a negative size" "7.1" chunks!("-5\r\nhello\r\n0\r\n\r\n");
        "a size with 0x" "7.1" chunks!("0x5\r\nhello\r\n0\r\n\r\n");
        "no size" "7.1" chunks!("\r\nhello\r\n0\r\n\r\n");
        "a size that is no number" "7.1" chunks!("five\r\nhello\r\n0\r\n\r\n");
        "a size with a digit separator" "7.1" chunks!("1_0\r\nhello\r\n0\r\n\r\n");
        "a blank before the size" "7.1" chunks!(" 5\r\nhello\r\n0\r\n\r\n");
        "a size that overflows 63 bits" "7.1" chunks!("8000000000000000\r\nhello");
        "a size that overflows 64 bits" "7.1" chunks!("10000000000000005\r\nhello\r\n0\r\n\r\n");
        "a size that wraps around 32 bits" "7.1" chunks!("fffffffffffffff5\r\nhello");
        "bare LF after the size" "7.1" chunks!("5\nhello\r\n0\r\n\r\n");
        "bare LF in an extension" "7.1.1" chunks!("5;a\nhello\r\n0\r\n\r\n");
        "bare CR in an extension" "7.1.1" chunks!("5;a\rb\r\nhello\r\n0\r\n\r\n");
        "NUL in an extension" "7.1.1" chunks!("5;a\0\r\nhello\r\n0\r\n\r\n");
        "a chunk longer than its size" "7.1" chunks!("2\r\nhello\r\n0\r\n\r\n");
        "a chunk shorter than its size" "7.1" chunks!("6\r\nhello\r\n0\r\n\r\n");
        "bare LF after a chunk" "7.1" chunks!("5\r\nhello\n0\r\n\r\n");
        "bare LF after the last chunk" "7.1" chunks!("0\n\r\n");
        "bare LF as the last line" "7.1" chunks!("0\r\n\n");
        "bare LF after a trailer" "7.1.2" chunks!("0\r\nX: b\n\r\n");
        "a folded trailer" "7.1.2" chunks!("0\r\nX: b\r\n c\r\n\r\n");
        "a request as a trailer" "7.1.2" chunks!("0\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n");
        "framing in a trailer" "9110 6.5.1" chunks!("0\r\nContent-Length: 5\r\n\r\n");
        "routing in a trailer" "9110 6.5.1" chunks!("0\r\nHost: b\r\n\r\n");
    };
    assert_refused(&mut Stand::new(), TABLE);
}

#[test]
fn other_protocols_get_400_or_505() {
    const OTHERS: &[Refused] = refused! { 400 "not_http1":
        "HTTP/0.9" "2.3" "GET /\r\n";
        "the preface of HTTP/2" "9113 3.4" "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    };
    const VERSIONS: &[Refused] = refused! { 505 "unsupported_version":
        "HTTP/2.0" "9110 15.6.6" "GET / HTTP/2.0\r\nHost: a\r\n\r\n";
        "HTTP/3.0" "9110 15.6.6" "GET / HTTP/3.0\r\nHost: a\r\n\r\n";
        "HTTP/0.9 in a request line" "9110 15.6.6" "GET / HTTP/0.9\r\nHost: a\r\n\r\n";
    };
    let mut stand = Stand::new();
    assert_refused(&mut stand, OTHERS);
    assert_refused(&mut stand, VERSIONS);
}

#[test]
fn unsupported_request_is_refused_with_its_own_status() {
    const METHODS: &[Refused] = refused! { 405 "connect_method":
        "CONNECT" "9110 9.3.6" "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n";
    };
    const EXPECTATIONS: &[Refused] = refused! { 417 "expectation_failed":
        "an unknown expectation" "9110 10.1.1" with!("Expect: 200-ok");
        "one of two unknown" "9110 10.1.1" with!("Expect: 100-continue\r\nExpect: x");
    };
    let mut stand = Stand::new();
    assert_refused(&mut stand, METHODS);
    assert_refused(&mut stand, EXPECTATIONS);
}

/// Bytes after a refusal on its connection are not read as a request.
#[test]
fn nothing_is_served_behind_a_refusal() {
    const TABLE: &[Refused] = refused! { 400 "bad_content_length":
        "a request behind a refused one" "9.3"
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n\
             GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    };
    assert_refused(&mut Stand::new(), TABLE);
}
