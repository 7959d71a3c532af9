//! The end of a body, marked on both sides so that neither can be wrong about it.

use super::stand::{Stand, Then};
use super::table::{PLAIN, Relayed, assert_relayed, breaks, closes, stays};

#[test]
fn request_bodies_keep_their_framing() {
    const TABLE: &[Relayed] = &[
        PLAIN,
        Relayed {
            rule: "a body of known length",
            section: "6.2",
            asks: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{id}\r\nhello",
            ..PLAIN
        },
        Relayed {
            rule: "a body of no bytes",
            section: "6.2",
            asks: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{id}\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "a length said twice is said once",
            section: "6.3",
            asks: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{id}\r\nhello",
            ..PLAIN
        },
        Relayed {
            rule: "a list of the same length is said once",
            section: "6.3",
            asks: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{id}\r\nhello",
            ..PLAIN
        },
        Relayed {
            rule: "a length with zeros in front is said plainly",
            section: "9110 8.6",
            asks: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\nhello",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{id}\r\nhello",
            ..PLAIN
        },
        Relayed {
            rule: "chunks",
            section: "7.1",
            asks: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n0\r\n\r\n",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{id}\r\n\
                      5\r\nhello\r\n0\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "extensions of chunks are dropped",
            section: "7.1.1",
            asks: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5;a=b;c=\"d\"\r\nhello\r\n0;last\r\n\r\n",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{id}\r\n\
                      5\r\nhello\r\n0\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "trailers pass",
            section: "7.1.2",
            asks: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{id}\r\n\
                      5\r\nhello\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "the name of the coding in any case, said plainly to the backend",
            section: "7",
            asks: "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{id}\r\n0\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "a GET with a body",
            section: "9110 9.3.1",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            arrives: "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{id}\r\nhello",
            ..PLAIN
        },
        Relayed {
            rule: "empty lines before a request",
            section: "2.2",
            asks: "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "an unknown method",
            section: "9110 9.1",
            asks: "BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
            arrives: "BREW / HTTP/1.1\r\nHost: a\r\n{id}\r\n",
            ..PLAIN
        },
    ];
    assert_relayed(&mut Stand::new(), TABLE);
}

#[test]
fn response_bodies_end_where_they_end() {
    const TABLE: &[Relayed] = &[
        Relayed {
            rule: "chunks of an answer, without extensions, with trailers",
            section: "7.1",
            answers: stays(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n\
                 5;a=b\r\nhello\r\n0\r\nX: 1\r\n\r\n",
            ),
            receives: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n\
                       5\r\nhello\r\n0\r\nX: 1\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "an answer that ends by closing goes to a client that stays",
            section: "6.3",
            answers: closes("HTTP/1.1 200 OK\r\n\r\nhello"),
            receives: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5\r\nhello\r\n0\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "an answer of no bytes that ends by closing",
            section: "6.3",
            answers: closes("HTTP/1.1 200 OK\r\n\r\n"),
            receives: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "a repeated length of an answer is said once",
            section: "6.3",
            answers: stays("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"),
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ..PLAIN
        },
        Relayed {
            rule: "an answer without reason phrase",
            section: "4",
            answers: stays("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"),
            receives: "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
            ..PLAIN
        },
        Relayed {
            rule: "an error is an answer like any other",
            section: "9110 15",
            answers: stays("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno"),
            receives: "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno",
            ..PLAIN
        },
        Relayed {
            rule: "a client that asks for it is closed on",
            section: "9.6",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            then: Then::Closes,
            ..PLAIN
        },
        Relayed {
            rule: "a backend that closes does not make the client's connection close",
            section: "9.6",
            answers: closes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"),
            ..PLAIN
        },
        Relayed {
            rule: "bytes after a response are dropped",
            section: "9.2",
            answers: stays(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
                 HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
            ),
            ..PLAIN
        },
    ];
    assert_relayed(&mut Stand::new(), TABLE);
}

#[test]
fn responses_without_a_body_have_none() {
    const TABLE: &[Relayed] = &[
        Relayed {
            rule: "HEAD with a length",
            section: "6.3",
            asks: "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            arrives: "HEAD / HTTP/1.1\r\nHost: a\r\n{id}\r\n",
            answers: stays("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "HEAD with chunks",
            section: "6.3",
            asks: "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            arrives: "HEAD / HTTP/1.1\r\nHost: a\r\n{id}\r\n",
            answers: stays("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            receives: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "HEAD without framing",
            section: "6.3",
            asks: "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            arrives: "HEAD / HTTP/1.1\r\nHost: a\r\n{id}\r\n",
            answers: stays("HTTP/1.1 200 OK\r\n\r\n"),
            receives: "HTTP/1.1 200 OK\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "204",
            section: "9110 15.3.5",
            answers: stays("HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"),
            receives: "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "204 that says it has a body loses the claim and the body",
            section: "9110 8.6",
            answers: stays("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
            receives: "HTTP/1.1 204 No Content\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "304 with the length of what it stands for",
            section: "9110 15.4.5",
            answers: stays("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n"),
            receives: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "304 without framing",
            section: "9110 15.4.5",
            answers: stays("HTTP/1.1 304 Not Modified\r\n\r\n"),
            receives: "HTTP/1.1 304 Not Modified\r\n\r\n",
            ..PLAIN
        },
    ];
    assert_relayed(&mut Stand::new(), TABLE);
}

#[test]
fn interim_responses_pass_in_any_number() {
    const TABLE: &[Relayed] = &[
        Relayed {
            rule: "103",
            section: "RFC 8297 2",
            answers: stays(
                "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ),
            receives: "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
                       HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ..PLAIN
        },
        Relayed {
            rule: "unsolicited 100",
            section: "9110 15.2.1",
            answers: stays(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ),
            receives: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ..PLAIN
        },
        Relayed {
            rule: "several of several kinds",
            section: "9110 15.2",
            answers: stays(
                "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
                 HTTP/1.1 199 Soon\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ),
            receives: "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
                       HTTP/1.1 199 Soon\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n\
                       HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ..PLAIN
        },
        Relayed {
            rule: "an interim answer has no framing",
            section: "9110 8.6",
            answers: stays(
                "HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ),
            receives: "HTTP/1.1 103 Early Hints\r\n\r\n\
                       HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ..PLAIN
        },
    ];
    assert_relayed(&mut Stand::new(), TABLE);
}

/// The client must not take a part for the whole.
#[test]
fn broken_off_response_does_not_end_in_order() {
    const TABLE: &[Relayed] = &[
        Relayed {
            rule: "less than the length that was said",
            section: "8",
            answers: closes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            then: Then::Closes,
            ..PLAIN
        },
        Relayed {
            rule: "between chunks",
            section: "8",
            answers: closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
            receives: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            then: Then::Closes,
            ..PLAIN
        },
        Relayed {
            rule: "within a chunk",
            section: "8",
            answers: closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello"),
            receives: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello",
            then: Then::Closes,
            ..PLAIN
        },
        Relayed {
            rule: "after the last chunk, before the end of the trailers",
            section: "8",
            answers: closes(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n",
            ),
            // A line that might be folded is not ended before the next byte.
            receives: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1",
            then: Then::Closes,
            ..PLAIN
        },
    ];
    let mut stand = Stand::new();
    assert_relayed(&mut stand, TABLE);
    // A reset may overtake what was sent before it, so only the end is certain.
    stand.respond(breaks("HTTP/1.1 200 OK\r\n\r\nhello"));
    let mut client = stand.connect();
    let broken = client.get_broken("/");
    assert_ne!(broken.end, crate::support::End::Silent);
    stand.assert_sound(None);
}
