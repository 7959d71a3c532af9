//! Requests and what becomes of them, by name.

use crate::error::Refusal;

/// Rule, where it is written (RFC 9112 unless said), input.
type Case = (&'static str, &'static str, &'static str);

/// Inputs that are refused for one reason.
struct Refused {
    verdict: Refusal,
    /// Whole inputs.
    heads: &'static [Case],
    /// Fields that follow an acceptable request line and `Host`.
    fields: &'static [Case],
}

/// Name, input and verdict of every request that is refused.
pub(super) fn refused() -> impl Iterator<Item = (String, String, Refusal)> {
    REFUSED.iter().flat_map(
        |Refused {
             verdict,
             heads,
             fields,
         }| {
            let heads = heads
                .iter()
                .map(|(rule, section, head)| (rule, section, (*head).to_owned()));
            let fields = fields.iter().map(|(rule, section, fields)| {
                (
                    rule,
                    section,
                    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"),
                )
            });
            heads
                .chain(fields)
                .map(|(rule, section, input)| (format!("{rule} ({section})"), input, *verdict))
        },
    )
}

const REFUSED: &[Refused] = &[
    Refused {
        verdict: Refusal::BadLineEnd,
        heads: &[
            (
                "bare LF after the request line",
                "2.2",
                "GET / HTTP/1.1\nHost: a\r\n\r\n",
            ),
            (
                "bare LF after a field",
                "2.2",
                "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
            ),
            (
                "bare LF as blank line",
                "2.2",
                "GET / HTTP/1.1\r\nHost: a\r\n\n",
            ),
            (
                "bare LF before and as blank line",
                "2.2",
                "GET / HTTP/1.1\r\nHost: a\n\n",
            ),
            (
                "bare LF after an empty value",
                "2.2",
                "GET / HTTP/1.1\r\nHost: a\r\nX:\n\r\n",
            ),
            ("bare LF without fields", "2.2", "GET / HTTP/1.0\n\n"),
            (
                "bare LF before the request line",
                "2.2",
                "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "bare CR after the request line",
                "2.2",
                "GET / HTTP/1.1\rHost: a\r\n\r\n",
            ),
            ("CR CR LF", "2.2", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
        ],
        fields: &[("bare CR in a value", "2.2", "X: b\rc")],
    },
    Refused {
        verdict: Refusal::BadSyntax,
        heads: &[
            (
                "five empty lines first",
                "2.2",
                "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "white space before the first field",
                "2.2",
                "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            ),
            (
                "two blanks before the target",
                "3",
                "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "two blanks before the version",
                "3",
                "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "tab instead of blank",
                "3",
                "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "blank after the version",
                "3",
                "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            ),
            ("no method", "3.1", " / HTTP/1.1\r\nHost: a\r\n\r\n"),
            (
                "a method that is no token",
                "3.1",
                "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "a TLS handshake",
                "3.1",
                "\x16\x03\x01\x02\x00\x01\x00\x01\u{7c}\x03",
            ),
            (
                "NUL in the target",
                "3.2",
                "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "DEL in the target",
                "3.2",
                "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "beyond ASCII in the target",
                "3.2",
                "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            ("a fragment", "3.2", "GET /#top HTTP/1.1\r\nHost: a\r\n\r\n"),
            (
                "a path without slash",
                "3.2.1",
                "GET index.html HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "a URI of another scheme",
                "3.2.2",
                "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "a URI without host",
                "3.2.2",
                "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "a URI with user",
                "9110 4.2.4",
                "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "an authority without CONNECT",
                "3.2.3",
                "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "asterisk without OPTIONS",
                "3.2.4",
                "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "lower-case http",
                "2.3",
                "GET / http/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                "a version of two digits",
                "2.3",
                "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
            ),
            (
                "another protocol",
                "2.3",
                "GET / RTSP/1.0\r\nHost: a\r\n\r\n",
            ),
            (
                "blank before the colon",
                "5.1",
                "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            ),
        ],
        fields: &[
            ("tab before the colon", "5.1", "X\t: b"),
            ("blank in a name", "5.1", "X Y: b"),
            ("an empty name", "5.1", ": b"),
            ("a line without colon", "5.1", "X"),
            ("NUL in a value", "9110 5.5", "X: b\0c"),
            ("DEL in a value", "9110 5.5", "X: b\x7f"),
            ("vertical tab in a value", "9110 5.5", "X: \x0bb"),
            ("a folded line", "5.2", "X: b\r\n c"),
        ],
    },
    Refused {
        verdict: Refusal::ConnectMethod,
        heads: &[(
            "CONNECT",
            "9110 9.3.6",
            "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        fields: &[],
    },
    Refused {
        verdict: Refusal::NotHttp1,
        heads: &[
            ("HTTP/0.9", "2.3", "GET /\r\n"),
            (
                "the preface of HTTP/2",
                "9113 3.4",
                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            ),
        ],
        fields: &[],
    },
    Refused {
        verdict: Refusal::UnsupportedVersion,
        heads: &[
            (
                "HTTP/2 in a request line",
                "2.3",
                "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            ),
            (
                "HTTP/0.9 in a request line",
                "2.3",
                "GET / HTTP/0.9\r\n\r\n",
            ),
            ("HTTP/1.2", "2.3", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        ],
        fields: &[],
    },
    Refused {
        verdict: Refusal::BadHost,
        heads: &[
            ("no Host", "3.2", "GET / HTTP/1.1\r\n\r\n"),
            (
                "no Host beside a whole URI",
                "3.2",
                "GET http://a/ HTTP/1.1\r\n\r\n",
            ),
            (
                "two Hosts",
                "3.2",
                "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            ),
            (
                "two Hosts in HTTP/1.0",
                "3.2",
                "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            ),
            (
                "a Host with a path",
                "3.2",
                "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            ),
            (
                "a Host of two words",
                "3.2",
                "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            ),
            (
                "a Host with a word for port",
                "3.2",
                "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n",
            ),
            (
                "a malformed Host beside a URI",
                "3.2",
                "GET http://a/ HTTP/1.1\r\nHost: @\r\n\r\n",
            ),
        ],
        fields: &[],
    },
    Refused {
        verdict: Refusal::BadContentLength,
        heads: &[],
        fields: &[
            (
                "Content-Length and chunks",
                "6.3",
                "Content-Length: 5\r\nTransfer-Encoding: chunked",
            ),
            (
                "chunks and Content-Length",
                "6.3",
                "Transfer-Encoding: chunked\r\nContent-Length: 0",
            ),
            (
                "two lengths",
                "6.3",
                "Content-Length: 5\r\nContent-Length: 6",
            ),
            ("two lengths in a list", "6.3", "Content-Length: 5, 6"),
            ("a length with sign", "6.3", "Content-Length: +5"),
            ("a negative length", "6.3", "Content-Length: -5"),
            ("a hexadecimal length", "6.3", "Content-Length: 0x5"),
            ("an empty length", "6.3", "Content-Length: "),
            ("a length and nothing", "6.3", "Content-Length: 5,"),
            (
                "a length of 64 bits",
                "6.3",
                "Content-Length: 9223372036854775808",
            ),
            (
                "a length beyond 64 bits",
                "6.3",
                "Content-Length: 18446744073709551621",
            ),
        ],
    },
    Refused {
        verdict: Refusal::UnknownTransferCoding,
        heads: &[],
        fields: &[
            (
                "a coding before chunked",
                "6.1",
                "Transfer-Encoding: gzip, chunked",
            ),
            (
                "the same in two fields",
                "6.1",
                "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
            ),
        ],
    },
    Refused {
        verdict: Refusal::BadTransferEncoding,
        heads: &[(
            "chunks in HTTP/1.0",
            "6.1",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        )],
        fields: &[
            (
                "chunked not last",
                "6.3",
                "Transfer-Encoding: chunked, gzip",
            ),
            (
                "chunked twice",
                "6.1",
                "Transfer-Encoding: chunked, chunked",
            ),
            (
                "chunked in two fields",
                "6.1",
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            ),
            ("no chunked at all", "6.3", "Transfer-Encoding: identity"),
            ("almost chunked", "6.3", "Transfer-Encoding: xchunked"),
            (
                "chunked with a parameter",
                "7",
                "Transfer-Encoding: chunked;q=1",
            ),
            ("an empty coding", "6.1", "Transfer-Encoding:"),
            ("chunked and nothing", "6.1", "Transfer-Encoding: chunked,"),
        ],
    },
    Refused {
        verdict: Refusal::ExpectationFailed,
        heads: &[],
        fields: &[
            ("an unknown expectation", "9110 10.1.1", "Expect: 200-ok"),
            (
                "one of two expectations unknown",
                "9110 10.1.1",
                "Expect: 100-continue\r\nExpect: x",
            ),
        ],
    },
];

/// Requests that may be passed on.
pub(super) const ACCEPTED: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET /a?b=c|d%20\"e HTTP/1.1\r\nHost:a:80\r\nX-Empty:\r\nX-Blank:  \t \r\n\r\n",
    "GET http://b.example/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
    "BREW /pot HTTP/1.1\r\nhost: a\r\nX: caf\u{e9} \tau lait\t\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
];
