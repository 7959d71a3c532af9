//! Local replies: responses made here when no backend's can be given.

use crate::http::fields::write::{write_field, write_length};
use crate::http::forward::ConnectionOption;

/// A response made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalReply<'a> {
    /// The status, which also chooses the sentence.
    pub status: u16,
    /// The reason as in the access log, so that the two can be matched.
    pub word: &'a str,
    /// The `Connection` field for the client.
    pub connection: ConnectionOption,
    /// True if the request was `HEAD`, so that only the head is sent.
    pub is_for_head: bool,
    /// The line of `Date`, its CRLF included; nothing if empty.
    pub date: &'a [u8],
    /// Seconds after which to try again.
    pub retry_after: Option<u32>,
}

/// Appends `reply` to `out`, head and content.
pub fn write_local_reply(answer: &LocalReply<'_>, out: &mut Vec<u8>) {
    let LocalReply {
        status,
        word,
        connection,
        is_for_head,
        date,
        retry_after,
    } = *answer;
    let (reason, sentence) = text(status);
    let mut digits = itoa::Buffer::new();
    let status_text = digits.format(status);
    let page = [status_text, " ", reason, "\n", sentence, " (", word, ")\n"];

    for part in ["HTTP/1.1 ", status_text, " ", reason, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(date);
    write_field(b"Content-Type: ", b"text/plain; charset=utf-8", out);
    write_length(page.iter().map(|part| part.len() as u64).sum(), out);
    write_field(b"Cache-Control: ", b"no-store", out);
    if status == 405 {
        // The methods known to be served; others are sent to the backends all the same.
        write_field(
            b"Allow: ",
            b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            out,
        );
    }
    if let Some(seconds) = retry_after {
        let mut digits = itoa::Buffer::new();
        write_field(b"Retry-After: ", digits.format(seconds).as_bytes(), out);
    }
    out.extend_from_slice(connection.line());
    out.extend_from_slice(b"\r\n");
    if !is_for_head {
        for part in page {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// The page of a local reply: its status, and the reason for people and for the log.
#[must_use]
pub fn local_page(status: u16, word: &str) -> Vec<u8> {
    let (reason, sentence) = text(status);
    format!("{status} {reason}\n{sentence} ({word})\n").into_bytes()
}

/// The reason phrase of a status and a sentence for people.
const fn text(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("Bad Request", "The request is not well-formed HTTP/1.1."),
        401 => ("Unauthorized", "A user and a password are needed here."),
        403 => ("Forbidden", "This is not for you."),
        405 => ("Method Not Allowed", "This method is not served here."),
        408 => ("Request Timeout", "The request did not arrive in time."),
        413 => (
            "Content Too Large",
            "The request body is longer than is allowed here.",
        ),
        414 => (
            "URI Too Long",
            "The request target is longer than is allowed here.",
        ),
        417 => (
            "Expectation Failed",
            "The only expectation that can be met is 100-continue.",
        ),
        429 => (
            "Too Many Requests",
            "You have sent too many requests; try again later.",
        ),
        431 => (
            "Request Header Fields Too Large",
            "The request head has more bytes or fields than are allowed here.",
        ),
        501 => (
            "Not Implemented",
            "The request body is in a transfer coding not known here.",
        ),
        502 => (
            "Bad Gateway",
            "The server behind the balancer did not give a usable answer.",
        ),
        503 => (
            "Service Unavailable",
            "No server can take the request right now.",
        ),
        504 => (
            "Gateway Timeout",
            "The server behind the balancer did not respond in time.",
        ),
        505 => (
            "HTTP Version Not Supported",
            "The versions spoken here are HTTP/1.0 and HTTP/1.1.",
        ),
        508 => (
            "Loop Detected",
            "The request has come through this balancer before.",
        ),
        _ => (
            "Internal Proxy Error",
            "The balancer could not handle the request.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answer: LocalReply<'_>) -> String {
        let mut out = Vec::new();
        write_local_reply(&answer, &mut out);
        String::from_utf8(out).unwrap()
    }

    const BUSY: LocalReply<'static> = LocalReply {
        status: 503,
        word: "no_backend",
        connection: ConnectionOption::Implied,
        is_for_head: false,
        date: b"",
        retry_after: Some(2),
    };

    #[test]
    fn reply_has_reason_and_length() {
        let text = written(BUSY);
        let (head, page) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
            "{head}"
        );
        assert!(head.contains("\r\nRetry-After: 2"), "{head}");
        assert!(
            head.contains(&format!("\r\nContent-Length: {}\r\n", page.len())),
            "{head}"
        );
        assert!(page.ends_with("right now. (no_backend)\n"), "{page}");
    }

    #[test]
    fn reply_to_head_has_no_content() {
        let text = written(LocalReply {
            is_for_head: true,
            ..BUSY
        });
        assert!(written(BUSY).starts_with(&text), "{text}");
        assert!(text.ends_with("\r\n\r\n"));
    }

    #[test]
    fn each_status_has_its_own_reason_phrase() {
        for status in [
            400, 401, 403, 405, 408, 413, 414, 417, 429, 431, 501, 502, 503, 504, 505, 508,
        ] {
            assert_ne!(super::text(status).0, super::text(500).0, "{status}");
        }
    }

    #[test]
    fn reply_405_lists_allowed_methods() {
        let text = written(LocalReply {
            status: 405,
            connection: ConnectionOption::Close,
            retry_after: None,
            ..BUSY
        });
        assert!(text.contains("\r\nAllow: GET, HEAD, "), "{text}");
        assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
        assert!(!text.contains("Retry-After"), "{text}");
    }
}
