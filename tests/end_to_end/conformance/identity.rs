//! The client's data in requests to backends, and the host of the request.

use super::stand::Stand;
use super::table::{PLAIN, Relayed, assert_relayed};

#[test]
fn client_is_named_and_target_is_in_origin_form() {
    const TABLE: &[Relayed] = &[
        Relayed {
            rule: "the client is added to X-Forwarded-For, in one line",
            section: "RFC 7239 7.4",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nX: y\r\n\
                   x-forwarded-for: 192.0.2.2\r\n\r\n",
            arrives: "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\
                      X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1\r\nX-Forwarded-Host: a\r\n\
                      X-Forwarded-Proto: http\r\nX-Forwarded-Port: {port}\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "host, protocol and port are not a client's to say",
            section: "RFC 7239 8.1",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: evil\r\n\
                   X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "Host is passed on as it came",
            section: "3.2",
            asks: "GET / HTTP/1.1\r\nX: y\r\nhost:  a \r\n\r\n",
            arrives: "GET / HTTP/1.1\r\nX: y\r\nhost:  a \r\n{id}\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "a whole URI is split into target and Host",
            section: "3.2.2",
            asks: "GET http://a/x?y HTTP/1.1\r\nX: y\r\nHost: other\r\n\r\n",
            arrives: "GET /x?y HTTP/1.1\r\nHost: a\r\nX: y\r\n{id}\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "a whole URI without path",
            section: "3.2.1",
            asks: "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "a whole URI with a query alone",
            section: "3.2.1",
            asks: "GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n",
            arrives: "GET /?q HTTP/1.1\r\nHost: a\r\n{id}\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "OPTIONS of a whole URI without path asks the server",
            section: "3.2.4",
            asks: "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
            arrives: "OPTIONS * HTTP/1.1\r\nHost: a\r\n{id}\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "OPTIONS of the server",
            section: "3.2.4",
            asks: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            arrives: "OPTIONS * HTTP/1.1\r\nHost: a\r\n{id}\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "a target is passed on as it came",
            section: "3.2",
            asks: "GET //x/../y%2f?z=%41|\" HTTP/1.1\r\nHost: a\r\n\r\n",
            arrives: "GET //x/../y%2f?z=%41|\" HTTP/1.1\r\nHost: a\r\n{id}\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "values are passed on as they came",
            section: "9110 5.5",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nX:  caf\u{e9}\t \r\nY:\r\nY: 2\r\n\r\n",
            arrives: "GET / HTTP/1.1\r\nHost: a\r\nX:  caf\u{e9}\t \r\nY:\r\nY: 2\r\n{id}\r\n",
            ..PLAIN
        },
    ];
    assert_relayed(&mut Stand::new(), TABLE);
}
