//! A request to the admin interface, read whole: method, path, credentials, body.

use crate::error::Refusal;
use crate::http::{BodyLength, HeadLimits, HeadParser, Method, Parsed};

/// Bytes of a head.
const HEAD_LIMITS: HeadLimits = HeadLimits {
    max_bytes: 16 * 1024,
    max_fields: 64,
    max_target_bytes: 4 * 1024,
};

/// Bytes of a body: a set of 4,096 backends has about a million.
const MAX_BODY_BYTES: u64 = 4 << 20;

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The segments of the path, percent-decoded.
    pub(crate) path: Vec<String>,
    /// What follows the question mark, percent-decoded.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) host: String,
    pub(crate) origin: Option<String>,
    /// Whether a browser says that a page of another site asks.
    pub(crate) is_cross_site: bool,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) last_event_id: Option<String>,
    /// Whether it is a browser's, for a page.
    pub(crate) accepts_html: bool,
    /// Whether it wants metrics in the text format of before OpenMetrics.
    pub(crate) wants_plain_text: bool,
    /// The tags of what the client has already.
    pub(crate) if_none_match: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Whether the connection may carry another.
    pub(crate) persistent: bool,
}

impl Request {
    /// The value of a parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.query.iter();
        all.find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Why a request is not read: a status and words for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) status: u16,
    pub(crate) message: String,
}

/// What was found at the start of a connection's input.
#[derive(Debug)]
pub(crate) enum Found {
    /// A whole request, and how many bytes it took.
    Whole(Box<Request>, usize),
    /// Not all of one. `wants_continue`: the client waits to be told to go on.
    Partial { wants_continue: bool },
}

/// Reads the request at the start of `input`.
///
/// # Errors
/// It cannot be read; the connection is of no further use.
pub(crate) fn read(input: &[u8]) -> Result<Found, Unreadable> {
    let mut parser = HeadParser::new(HEAD_LIMITS);
    let head = match parser.request(input) {
        Ok(Parsed::Partial) => {
            return Ok(Found::Partial {
                wants_continue: false,
            });
        }
        Ok(Parsed::Complete(head)) => head,
        Err(refusal) => return Err(refused(refusal)),
    };
    let length = match head.body {
        BodyLength::None => 0,
        BodyLength::Length(length) if length > MAX_BODY_BYTES => {
            let message = format!("a body has at most {MAX_BODY_BYTES} bytes, not {length}");
            return Err(unreadable(413, message));
        }
        BodyLength::Length(length) => length as usize,
        BodyLength::Chunked | BodyLength::UntilClose => {
            return Err(unreadable(411, "send the body with a Content-Length"));
        }
    };
    let Some(body) = input.get(head.len..head.len + length) else {
        return Ok(Found::Partial {
            wants_continue: head.expects_continue,
        });
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let field = |name: &[u8]| parser.field(input, name).map(text);
    let target = text(head.target.of(input));
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let Some(path) = segments(path) else {
        return Err(unreadable(400, "the path is not valid"));
    };
    let accept = field(b"Accept").unwrap_or_default();
    let request = Request {
        method: head.method,
        path,
        query: parameters(query),
        host: text(head.host.of(input)),
        origin: field(b"Origin"),
        is_cross_site: field(b"Sec-Fetch-Site").is_some_and(|site| site == "cross-site"),
        authorization: field(b"Authorization"),
        content_type: field(b"Content-Type"),
        last_event_id: field(b"Last-Event-ID"),
        accepts_html: accept.contains("text/html"),
        wants_plain_text: accept.contains("text/plain") && !accept.contains("openmetrics"),
        if_none_match: field(b"If-None-Match"),
        body: body.to_vec(),
        persistent: head.persistent,
    };
    Ok(Found::Whole(Box::new(request), head.len + length))
}

fn unreadable(status: u16, message: impl Into<String>) -> Unreadable {
    Unreadable {
        status,
        message: message.into(),
    }
}

fn refused(refusal: Refusal) -> Unreadable {
    let status = match refusal.status() {
        // Chunks and the like are of clients that speak HTTP well.
        status @ 400..500 => status,
        _ => 400,
    };
    let reason = refusal.word().replace('_', " ");
    unreadable(status, format!("the request cannot be read: {reason}"))
}

/// The segments of a path; empty ones at its end do not count.
fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    path.split('/').map(decoded).collect()
}

fn parameters(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name)?, decoded(value)?))
    };
    pairs.filter_map(pair).collect()
}

/// Without percent-encoding (RFC 3986, section 2.1); `None` if it is not of UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first == b'%' {
            let (digits, others) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
            rest = others;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(input: &str) -> Request {
        match read(input.as_bytes()) {
            Ok(Found::Whole(request, used)) => {
                assert_eq!(used, input.len());
                *request
            }
            other => panic!("{input}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_when_it_is_whole() {
        let text = "PUT /v1/pools/default/sets/a%20b?force=1&x HTTP/1.1\r\nHost: localhost:9\r\n\
            Authorization: Bearer t\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        let request = whole(text);
        assert_eq!(request.path, ["v1", "pools", "default", "sets", "a b"]);
        assert_eq!(request.parameter("force"), Some("1"));
        assert_eq!(request.parameter("x"), Some(""));
        assert_eq!(request.host, "localhost:9");
        assert_eq!(request.body, b"{}");
        assert!(request.persistent && !request.is_cross_site);
        for cut in 0..text.len() {
            let part = &text.as_bytes()[..cut];
            assert!(matches!(read(part), Ok(Found::Partial { .. })), "{cut}");
        }
    }

    #[test]
    fn names_with_any_character_are_one_segment() {
        let request = whole("GET /v1/unix%3A%2Frun%2Fa.sock/ HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(request.path, ["v1", "unix:/run/a.sock"]);
        assert!(whole("GET / HTTP/1.1\r\nHost: x\r\n\r\n").path.is_empty());
        for bad in ["/%", "/%4", "/%+1", "/%ff"] {
            let text = format!("GET {bad} HTTP/1.1\r\nHost: x\r\n\r\n");
            let status = read(text.as_bytes()).map(|_| ()).unwrap_err().status;
            assert_eq!(status, 400, "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_a_status() {
        let status = |text: &str| read(text.as_bytes()).map(|_| ()).unwrap_err().status;
        assert_eq!(status("nonsense\r\n\r\n"), 400);
        let post = "POST /v1/pools HTTP/1.1\r\nHost: x\r\n";
        assert_eq!(
            status(&format!("{post}Content-Length: 99999999\r\n\r\n")),
            413
        );
        assert_eq!(
            status(&format!("{post}Transfer-Encoding: chunked\r\n\r\n")),
            411
        );
        let long = "x".repeat(20_000);
        assert_eq!(status(&format!("GET /{long} HTTP/1.1\r\n")), 414);
        let waits = format!("{post}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        let found = read(waits.as_bytes()).unwrap();
        assert!(matches!(
            found,
            Found::Partial {
                wants_continue: true
            }
        ));
    }
}
