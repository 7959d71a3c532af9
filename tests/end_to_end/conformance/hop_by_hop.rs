//! Hop-by-hop fields go no further, and nothing else is lost (RFC 9110, section 7.6.1).

use super::stand::{Stand, Then};
use super::table::{PLAIN, Relayed, assert_relayed, stays};

#[test]
fn fields_for_one_hop_are_not_sent_on() {
    const TABLE: &[Relayed] = &[
        Relayed {
            rule: "Connection, and what it names",
            section: "9110 7.6.1",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nConnection: x-hop, X-None\r\n\
                   X-Far: 2\r\nx-hop: 3\r\n\r\n",
            arrives: "GET / HTTP/1.1\r\nHost: a\r\nX-Far: 2\r\n{id}\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "what several Connection fields name",
            section: "9110 7.6.1",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-One\r\nX-One: 1\r\n\
                   Connection: ,X-Two ,\r\nX-Two: 2\r\nX-Far: 3\r\n\r\n",
            arrives: "GET / HTTP/1.1\r\nHost: a\r\nX-Far: 3\r\n{id}\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "those that are for one hop by themselves",
            section: "9110 7.6.1",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\n\
                   TE: gzip\r\nUpgrade: x\r\nProxy-Authorization: Basic eDp5\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "TE keeps trailers and nothing else",
            section: "9110 10.1.4",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers, gzip;q=0.5\r\nConnection: TE\r\n\r\n",
            arrives: "GET / HTTP/1.1\r\nHost: a\r\n{id}TE: trailers\r\nConnection: TE\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "Authorization is for the backend",
            section: "9110 11.6.2",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eDp5\r\n\r\n",
            arrives: "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eDp5\r\n{id}\r\n",
            ..PLAIN
        },
    ];
    assert_relayed(&mut Stand::new(), TABLE);
}

/// A client must not be able to take away what the backend frames, routes or decides by.
#[test]
fn connection_cannot_name_end_to_end_fields() {
    const TABLE: &[Relayed] = &[
        Relayed {
            rule: "Content-Length named by Connection",
            section: "9110 7.6.1",
            asks: "POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\n\
                   Content-Length: 5\r\n\r\nhello",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{id}\r\nhello",
            ..PLAIN
        },
        Relayed {
            rule: "Transfer-Encoding named by Connection",
            section: "9110 7.6.1",
            asks: "POST / HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\n\
                   Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            arrives: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{id}\r\n\
                      5\r\nhello\r\n0\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "Host named by Connection",
            section: "9110 7.6.1",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nConnection: Host\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "what we say of the client, named by Connection",
            section: "9110 7.6.1",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Forwarded-For, close\r\n\r\n",
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            then: Then::Closes,
            ..PLAIN
        },
        Relayed {
            rule: "credentials and cookies named by Connection",
            section: "9110 7.6.1",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nConnection: Authorization, Cookie\r\n\
                   Authorization: Basic eDp5\r\nCookie: x=y\r\n\r\n",
            arrives: "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eDp5\r\nCookie: x=y\r\n\
                      {id}\r\n",
            ..PLAIN
        },
    ];
    assert_relayed(&mut Stand::new(), TABLE);
}

#[test]
fn hop_by_hop_fields_of_a_response_are_not_sent_on() {
    const TABLE: &[Relayed] = &[
        Relayed {
            rule: "Connection of an answer, and what it names",
            section: "9110 7.6.1",
            answers: stays(
                "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Far: 2\r\n\
                 Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: x\r\n\
                 Proxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nok",
            ),
            receives: "HTTP/1.1 200 OK\r\nX-Far: 2\r\nContent-Length: 2\r\n\r\nok",
            ..PLAIN
        },
        Relayed {
            rule: "Content-Length of an answer named by Connection",
            section: "9110 7.6.1",
            answers: stays(
                "HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 2\r\n\r\nok",
            ),
            ..PLAIN
        },
        Relayed {
            rule: "a challenge of the backend passes",
            section: "9110 11.6.1",
            answers: stays(
                "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno",
            ),
            receives: "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno",
            ..PLAIN
        },
    ];
    assert_relayed(&mut Stand::new(), TABLE);
}
