//! The far ends: requests of clients, and responses of backends.

use crate::random::Random;
use crate::strict::{self, Framing, Message, Read};
use crate::{corpus, mutate};
use lb::internal::http::{Body, BodyLength, HeadLimits, HeadParser, Parsed, Piece, Version};

/// A request that a stream of bytes holds, as `lb` is to understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: Vec<u8>,
    /// The target as it came.
    pub(crate) target: Vec<u8>,
    /// `None` if the body is not there to its end.
    pub(crate) content: Option<Vec<u8>>,
    pub(crate) is_http_10: bool,
}

/// The requests in `stream`, up to where it ends or cannot be understood.
pub(crate) fn asked(stream: &[u8]) -> Vec<Asked> {
    let mut parser = HeadParser::new(HeadLimits::default());
    let mut requests = Vec::new();
    let mut rest = stream;
    while let Ok(Parsed::Complete(head)) = parser.request(rest) {
        let followed = content(head.body, &rest[head.len..]);
        let (content, len) = followed.map_or((None, 0), |(content, len)| (Some(content), len));
        let is_last = content.is_none() || !head.persistent;
        requests.push(Asked {
            method: head.method_span.of(rest).to_vec(),
            target: head.target.of(rest).to_vec(),
            content,
            is_http_10: head.version == Version::Http10,
        });
        if is_last {
            break;
        }
        rest = &rest[head.len + len..];
    }
    requests
}

fn content(length: BodyLength, input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Body::unframed(length);
    let mut content = Vec::new();
    let mut used = 0;
    loop {
        match body.next(&input[used..]).ok()? {
            Piece::Forward(count) => {
                content.extend_from_slice(&input[used..used + count]);
                used += count;
            }
            Piece::Skip(count) => used += count,
            // Nothing of the content.
            Piece::Insert => {
                body.insert();
            }
            Piece::NeedMore => return None,
            Piece::End => return Some((content, used)),
        }
    }
}

impl Asked {
    /// Returns whether `sent`, read by a strict reader, is this request.
    pub(crate) fn is(&self, sent: &Message) -> bool {
        self.is_called(&sent.start[0], &sent.start[1])
    }

    /// Returns whether a backend would know it by this method and target.
    pub(crate) fn is_called(&self, method: &[u8], target: &[u8]) -> bool {
        method == self.method && target == strict::origin_form(method, &self.target)
    }

    /// Returns whether it may be sent again although a backend may have seen it.
    pub(crate) fn is_idempotent(&self) -> bool {
        // RFC 9110, section 9.2.2.
        let known = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"];
        known.iter().any(|name| name.as_bytes() == self.method)
    }
}

/// The behaviour of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// It responds to each request as it should, and names the request.
    Good,
    /// It does, but sometimes sends another response unsolicited.
    Forging,
    /// It sends random bytes at random times.
    Bad,
}

/// The response that names its request: always the same for the same request.
pub(crate) fn good_response(request: &Message) -> Vec<u8> {
    let [method, target, _] = &request.start;
    let text = String::from_utf8_lossy;
    let name = format!("{} {}", text(method), text(target));
    let body = format!("{name} {}", request.content.len());
    let framed = match target.len() % 2 {
        0 => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        _ => format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x};x\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ),
    };
    let mut response = format!("HTTP/1.1 200 OK\r\nX-Asked: {name}\r\n{framed}");
    if method == b"HEAD" {
        let end = response
            .find("\r\n\r\n")
            .map_or(response.len(), |end| end + 4);
        response.truncate(end);
    }
    response.into_bytes()
}

/// Bytes no client may ever see.
pub(crate) const FORGED: &[u8] =
    b"HTTP/1.1 200 OK\r\nX-Asked: FORGED /\r\nContent-Length: 6\r\n\r\nforged";

/// A backend at the far end of one connection.
#[derive(Debug, Default)]
pub(crate) struct Backend {
    /// Number of received bytes that have been read.
    read: usize,
    /// True if it has switched to another protocol by a 101.
    is_tunnel: bool,
    /// The requests it has read.
    pub(crate) requests: Vec<Message>,
    /// The head of one that it has not got to its end.
    pub(crate) partial: Option<Message>,
}

impl Backend {
    /// Reads the bytes of the proxy so far; returns the bytes to send.
    pub(crate) fn response(
        &mut self,
        sent: &[u8],
        manners: Manners,
        random: &mut Random,
    ) -> Vec<u8> {
        let mut responses = Vec::new();
        while !self.is_tunnel {
            match strict::request(&sent[self.read..]) {
                Read::Whole(request) => {
                    self.read += request.len;
                    let response = match manners {
                        Manners::Good => good_response(&request),
                        Manners::Forging if random.one_in(3) => {
                            [&good_response(&request), FORGED].concat()
                        }
                        Manners::Forging => good_response(&request),
                        Manners::Bad => mutate::mutated(random, corpus::responses(), mutate::HTTP),
                    };
                    let wants_tunnel = request.values("upgrade").next().is_some();
                    self.is_tunnel = wants_tunnel && manners == Manners::Bad;
                    self.partial = None;
                    self.requests.push(request);
                    responses.extend(response);
                }
                Read::Partial(head) => {
                    self.partial = head;
                    break;
                }
                Read::Doubtful(doubt) => {
                    panic!(
                        "a backend was sent what is doubtful, {doubt}: {}",
                        sent.escape_ascii()
                    )
                }
            }
        }
        responses
    }
}

/// The final responses in the bytes for a client, read strictly. `is_over`: the connection has been
/// ended, in order.
pub(crate) fn responses(received: &[u8], asked: &[Asked], is_over: bool) -> Vec<Message> {
    let mut responses: Vec<Message> = Vec::new();
    let mut rest = received;
    while !rest.is_empty() {
        let is_to_head = asked
            .get(responses.len())
            .is_some_and(|a| a.method == b"HEAD");
        match strict::response(rest, is_to_head) {
            Read::Whole(response) if response.status() == 101 => break,
            Read::Whole(response) => {
                rest = &rest[response.len..];
                assert!(
                    response.framing != Framing::UntilClose || says_close(&response),
                    "an response ends by closing and does not say so"
                );
                // A refusal does not know of a method that had not arrived when it was made.
                let is_refusal = response.status() / 100 == 4 && says_close(&response);
                if response.status() >= 200 {
                    responses.push(response);
                }
                if is_refusal && is_to_head {
                    break;
                }
            }
            Read::Partial(_) => {
                assert!(
                    !is_over || !responses.is_empty() || !asked.is_empty(),
                    "half an response"
                );
                break;
            }
            Read::Doubtful(doubt) => {
                panic!(
                    "a client was sent what is doubtful, {doubt}: {}",
                    received.escape_ascii()
                )
            }
        }
    }
    responses
}

fn says_close(response: &Message) -> bool {
    response.values("connection").any(|value| value == b"close")
}
