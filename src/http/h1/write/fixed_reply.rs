//! Replies that routes make: redirects and fixed responses.

use crate::http::fields::write::write_length;
use crate::http::forward::ConnectionOption;

/// A reply whose fields and content were written before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedReply<'a> {
    /// The status, 200 to 599.
    pub status: u16,
    /// Field lines, each with its CRLF.
    pub fields: &'a [u8],
    /// The content.
    pub body: &'a [u8],
}

/// Appends `reply` to `out`, without its content if it `is_for_head`. `date` is the line of that
/// field, or empty.
pub fn write_fixed_reply(
    reply: &FixedReply<'_>,
    connection: ConnectionOption,
    is_for_head: bool,
    date: &[u8],
    out: &mut Vec<u8>,
) {
    let mut digits = itoa::Buffer::new();
    for part in [
        "HTTP/1.1 ",
        digits.format(reply.status),
        " ",
        reason(reply.status),
        "\r\n",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(date);
    out.extend_from_slice(reply.fields);
    // RFC 9110, section 8.6: these have no content, and say no length of it.
    if !matches!(reply.status, 204 | 304) {
        write_length(reply.body.len() as u64, out);
    }
    out.extend_from_slice(connection.line());
    out.extend_from_slice(b"\r\n");
    if !is_for_head {
        out.extend_from_slice(reply.body);
    }
}

/// The reason phrase of the statuses that are likely; others have none (RFC 9112, section 4).
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        410 => "Gone",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: FixedReply<'_>, is_for_head: bool) -> String {
        let mut out = Vec::new();
        let connection = ConnectionOption::Implied;
        write_fixed_reply(&reply, connection, is_for_head, b"", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_reply_has_its_fields_and_its_length() {
        let reply = FixedReply {
            status: 503,
            fields: b"Retry-After: 60\r\n",
            body: b"soon\n",
        };
        let head =
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(written(reply, false), format!("{head}soon\n"));
        assert_eq!(written(reply, true), head);
    }

    #[test]
    fn no_content_has_no_length() {
        let reply = FixedReply {
            status: 204,
            fields: b"",
            body: b"",
        };
        assert_eq!(written(reply, false), "HTTP/1.1 204 No Content\r\n\r\n");
    }
}
