//! Responses that are out of form but have one meaning: they are passed on in a clean form.

use super::stand::Stand;
use super::table::{PLAIN, Relayed, assert_relayed, stays};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

/// A row whose backend sends `bytes`.
const fn cleaned(
    rule: &'static str,
    section: &'static str,
    bytes: &'static str,
    receives: &'static str,
) -> Relayed {
    Relayed {
        rule,
        section,
        answers: stays(bytes),
        receives,
        ..PLAIN
    }
}

#[test]
fn responses_with_one_meaning_are_passed_in_clean_form() {
    let table = [
        cleaned(
            "bare LF",
            "2.2",
            "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            OK,
        ),
        cleaned(
            "bare LF after a field",
            "2.2",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok",
            OK,
        ),
        cleaned(
            "a folded line",
            "5.2",
            "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nX: y z\r\nContent-Length: 2\r\n\r\nok",
        ),
        cleaned(
            "an empty line first",
            "2.2",
            "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            OK,
        ),
        cleaned(
            "empty members around the coding",
            "9110 5.6.1",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: , chunked,\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            CHUNKS,
        ),
        cleaned(
            "a coding on a folded line",
            "5.2",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            CHUNKS,
        ),
        cleaned(
            "HTTP/2.0 before lines",
            "9110 2.5",
            "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            OK,
        ),
        cleaned(
            "a status beyond 599",
            "9110 15",
            "HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nok",
        ),
        cleaned(
            "a length and chunks",
            "6.3",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\n\r\n",
            CHUNKS,
        ),
        cleaned(
            "chunks in HTTP/1.0",
            "6.1",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            CHUNKS,
        ),
        cleaned(
            "bare LF in chunks",
            "7.1",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 ;x\nok\n0\n\n",
            CHUNKS,
        ),
        cleaned(
            "a length as a trailer",
            "9110 6.5.1",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nContent-Length: 0\r\n\r\n",
            CHUNKS,
        ),
        cleaned(
            "other trailers that are no trailers",
            "9110 6.5.1",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nConnection: close\r\nTE: x\r\nHost: b\r\n\r\n",
            CHUNKS,
        ),
        cleaned(
            "a trailer that is one",
            "7.1.2",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nX-Request-Id: 7\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nX-Request-Id: 7\r\n\r\n",
        ),
    ];
    assert_relayed(&mut Stand::new(), &table);
}
