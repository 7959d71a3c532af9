//! Requests that may be retried, and those that never are (RFC 9110, section 9.2.2).

use super::stand::{Stand, Then, sings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A backend that hangs up on the first request that comes on a used connection, unanswered.
fn hangs_up_once(reads: bool) -> Stand {
    let is_angry = Arc::new(AtomicBool::new(false));
    Stand::scripted(move |wire| {
        if is_angry.swap(false, Ordering::SeqCst) {
            // The request has been sent, and perhaps been read.
            wire.peek(1);
            if reads {
                wire.read_request();
            }
            return Then::Closes;
        }
        let Some(request) = wire.read_request() else {
            return Then::Closes;
        };
        if request.word(1) == "/last" {
            is_angry.store(true, Ordering::SeqCst);
        }
        wire.send(match request.word(0) {
            "HEAD" => OK.trim_end_matches("ok"),
            _ => OK,
        });
        Then::Stays
    })
}

#[test]
fn idempotent_request_survives_the_end_of_a_pooled_connection() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        for reads in [false, true] {
            let mut stand = hangs_up_once(reads);
            let mut client = stand.connect();
            assert_eq!(client.get("/last").text(), "ok");
            client.send(format!("{method} /again HTTP/1.1\r\nHost: a\r\n\r\n"));
            let answer = client.read_response(method).expect("an answer");
            assert_eq!(answer.status, 200, "{method}");
            sings(&mut client).unwrap();
            stand.assert_sound(Some(client));
        }
    }
}

#[test]
fn a_post_is_never_sent_twice() {
    for method in ["POST", "PATCH", "BREW"] {
        let mut stand = hangs_up_once(true);
        let mut client = stand.connect();
        assert_eq!(client.get("/last").text(), "ok");
        client.send(format!(
            "{method} /once HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
        ));
        assert_eq!(client.receive().status, 502, "{method}");
        assert_eq!(stand.backend.times_received("/once"), 1, "{method}");
        sings(&mut client).unwrap();
        stand.assert_sound(Some(client));
    }
}
