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
    pub(crate) body: Vec<u8>,
}

const JSON: &str = "application/json";

impl Response {
    /// A value as JSON.
    pub(crate) fn json(status: u16, value: &impl Serialize) -> Self {
        // What is written here has string keys and no way to fail.
        let mut body = serde_json::to_vec(value).unwrap_or_default();
        body.push(b'\n');
        Self {
            status,
            content_type: JSON,
            lines: String::new(),
            body,
        }
    }

    /// Text of a kind.
    pub(crate) fn text(status: u16, content_type: &'static str, body: String) -> Self {
        Self {
            status,
            content_type,
            lines: String::new(),
            body: body.into_bytes(),
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

    /// The bytes to send. `keeps`: the connection carries another request; `is_for_head`: without
    /// the body.
    pub(crate) fn bytes(&self, keeps: bool, is_for_head: bool) -> Vec<u8> {
        let connection = if keeps { "keep-alive" } else { "close" };
        let mut bytes = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{}\
             Connection: {connection}\r\n\r\n",
            self.status,
            reason(self.status),
            self.content_type,
            self.body.len(),
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
