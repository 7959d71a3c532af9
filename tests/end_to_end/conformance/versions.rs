//! Every side gets HTTP/1.1 for any version it speaks, and never a feature its version lacks.

use super::stand::{Stand, Then};
use super::table::{PLAIN, Relayed, assert_relayed, closes, stays};

const OLD: &str = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";

/// A client of HTTP/1.0 that keeps its connection.
const OLD_KEPT: &str = "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";

#[test]
fn clients_that_speak_http_1_0() {
    const TABLE: &[Relayed] = &[
        Relayed {
            rule: "an HTTP/1.0 client is closed on",
            section: "9.3",
            asks: OLD,
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            then: Then::Closes,
            ..PLAIN
        },
        Relayed {
            rule: "an HTTP/1.0 client that asks for it stays",
            section: "9.3",
            asks: OLD_KEPT,
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
            ..PLAIN
        },
        Relayed {
            rule: "an HTTP/1.0 request without Host gets that of the backend",
            section: "3.2",
            asks: "GET / HTTP/1.0\r\nX: y\r\n\r\n",
            arrives: "GET / HTTP/1.1\r\nHost: {backend}\r\nX: y\r\nX-Forwarded-For: 127.0.0.1\r\n\
                      X-Forwarded-Proto: http\r\nX-Forwarded-Port: {port}\r\n\r\n",
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            then: Then::Closes,
            ..PLAIN
        },
        Relayed {
            rule: "an HTTP/1.0 request with a body",
            section: "6.3",
            asks: "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{id}\r\nhello",
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            then: Then::Closes,
            ..PLAIN
        },
        Relayed {
            rule: "chunks never go to an HTTP/1.0 client",
            section: "6.1",
            asks: OLD_KEPT,
            answers: stays(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3\r\nhel\r\n2;x\r\nlo\r\n0\r\nX: 1\r\n\r\n",
            ),
            receives: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
            then: Then::Closes,
            ..PLAIN
        },
        Relayed {
            rule: "an answer that ends by closing does so for an HTTP/1.0 client",
            section: "6.3",
            asks: OLD_KEPT,
            answers: closes("HTTP/1.1 200 OK\r\n\r\nhello"),
            receives: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
            then: Then::Closes,
            ..PLAIN
        },
        Relayed {
            rule: "interim answers never go to an HTTP/1.0 client",
            section: "9110 15.2",
            asks: OLD_KEPT,
            answers: stays(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ),
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
            ..PLAIN
        },
        Relayed {
            rule: "an HTTP/1.0 client cannot expect anything",
            section: "9110 10.1.1",
            asks: "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n{id}\r\nhi",
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            then: Then::Closes,
            ..PLAIN
        },
        Relayed {
            rule: "204 leaves an HTTP/1.0 client connected that asks for it",
            section: "9.3",
            asks: OLD_KEPT,
            answers: stays("HTTP/1.1 204 No Content\r\n\r\n"),
            receives: "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n",
            ..PLAIN
        },
    ];
    assert_relayed(&mut Stand::new(), TABLE);
}

#[test]
fn backends_that_speak_http_1_0() {
    const TABLE: &[Relayed] = &[
        Relayed {
            rule: "an HTTP/1.0 backend that closes",
            section: "2.5",
            answers: closes("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            ..PLAIN
        },
        Relayed {
            rule: "an HTTP/1.0 backend that keeps the connection",
            section: "9.3",
            answers: stays(
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            ),
            ..PLAIN
        },
        Relayed {
            rule: "an HTTP/1.0 backend that says no length",
            section: "6.3",
            answers: closes("HTTP/1.0 200 OK\r\n\r\nhello"),
            receives: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "HTTP/1.0 on both sides",
            section: "6.3",
            asks: OLD,
            answers: closes("HTTP/1.0 200 OK\r\n\r\nhello"),
            receives: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
            then: Then::Closes,
            ..PLAIN
        },
    ];
    assert_relayed(&mut Stand::new(), TABLE);
}
/// A backend that speaks HTTP/1.0 and does not say that it keeps the connection may close it.
#[test]
fn the_connection_of_an_http_1_0_backend_is_used_again_only_if_it_says_so() {
    for (line, connections) in [("", 2), ("Connection: keep-alive\r\n", 1)] {
        let head = format!("HTTP/1.0 200 OK\r\n{line}Content-Length: 2\r\n\r\nok").leak();
        let mut stand = Stand::new();
        stand.respond(stays(head));
        let mut client = stand.connect();
        for _ in 0..2 {
            assert_eq!(client.get("/").text(), "ok");
        }
        assert_eq!(stand.backend.connections(), connections, "{line:?}");
        stand.assert_sound(Some(client));
    }
}
