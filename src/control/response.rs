//! A response of the admin interface, as bytes.

use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A response, without its connection fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    content_type: &'static str,
    /// More field lines, each with its CRLF.
    lines: String,
    /// How a client may keep it.
    cache: &'static str,
    pub(crate) body: Vec<u8>,
    /// A body that is part of the program; then `body` is empty.
    fixed: &'static [u8],
}

/// What is asked for a second time may be another.
const NO_STORE: &str = "no-store";
/// It may be kept, if lb says each time that it is still the same.
const NO_CACHE: &str = "no-cache";

const JSON: &str = "application/json";

impl Response {
    /// A value as JSON.
    pub(crate) fn json(status: u16, value: &impl Serialize) -> Self {
        // What is written here has string keys and no way to fail.
        let mut body = serde_json::to_vec(value).unwrap_or_default();
        body.push(b'\n');
        Self {
            content_type: JSON,
            body,
            ..Self::empty(status)
        }
    }

    fn empty(status: u16) -> Self {
        Self {
            status,
            content_type: "text/plain",
            lines: String::new(),
            cache: NO_STORE,
            body: Vec::new(),
            fixed: &[],
        }
    }

    /// Bytes that are part of the program, of a kind.
    pub(crate) fn fixed(content_type: &'static str, bytes: &'static [u8]) -> Self {
        Self {
            content_type,
            cache: NO_CACHE,
            fixed: bytes,
            ..Self::empty(200)
        }
    }

    /// The client has the same already.
    pub(crate) fn not_modified() -> Self {
        Self {
            cache: NO_CACHE,
            ..Self::empty(304)
        }
    }

    /// The body that is sent behind [`bytes`](Self::bytes); empty if that is all.
    pub(crate) const fn fixed_body(&self) -> &'static [u8] {
        self.fixed
    }

    /// Text of a kind.
    pub(crate) fn text(status: u16, content_type: &'static str, body: String) -> Self {
        Self {
            content_type,
            body: body.into_bytes(),
            ..Self::empty(status)
        }
    }

    /// An error: a word for programs, a sentence for people.
    pub(crate) fn error(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::error_with(status, code, message, json!({}))
    }

    /// An error that says more, in `details`, an object.
    pub(crate) fn error_with(
        status: u16,
        code: &str,
        message: impl Into<String>,
        mut details: Value,
    ) -> Self {
        if let Some(details) = details.as_object_mut() {
            let error = json!({ "code": code, "message": message.into() });
            details.insert("error".to_owned(), error);
        }
        Self::json(status, &details)
    }

    /// The same with one more field.
    pub(crate) fn with_field(mut self, name: &str, value: &str) -> Self {
        // Writing to a string cannot fail.
        let _ = write!(self.lines, "{name}: {value}\r\n");
        self
    }

    /// The bytes to send, without a [fixed](Self::fixed_body) body. `keeps`: the connection carries
    /// another request; `is_for_head`: without any body.
    pub(crate) fn bytes(&self, keeps: bool, is_for_head: bool) -> Vec<u8> {
        let connection = if keeps { "keep-alive" } else { "close" };
        // The length of a 304 would be that of the body it does not have (RFC 9110, section 8.6).
        let length = match self.status {
            304 => String::new(),
            _ => format!("Content-Length: {}\r\n", self.body.len() + self.fixed.len()),
        };
        let mut bytes = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\n{length}\
             Cache-Control: {}\r\nX-Content-Type-Options: nosniff\r\n{}\
             Connection: {connection}\r\n\r\n",
            self.status,
            reason(self.status),
            self.content_type,
            self.cache,
            self.lines,
        )
        .into_bytes();
        if !is_for_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_delimited_and_not_stored() {
        let response = Response::error(404, "no_pool", "there is no pool x");
        let text = String::from_utf8(response.bytes(true, false)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(head.contains("Cache-Control: no-store"));
        let value: Value = serde_json::from_str(body).unwrap();
        assert_eq!(value["error"]["message"], "there is no pool x");
        let head_only = response.with_field("Allow", "GET").bytes(false, true);
        let head_only = String::from_utf8(head_only).unwrap();
        assert!(
            head_only.ends_with("Allow: GET\r\nConnection: close\r\n\r\n"),
            "{head_only}"
        );
    }
}
