//! The far ends: what clients ask, and how backends answer.

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
    /// Whether `sent`, read by a strict reader, is this request.
    pub(crate) fn is(&self, sent: &Message) -> bool {
        self.is_called(&sent.start[0], &sent.start[1])
    }

    /// Whether a backend would know it by this method and target.
    pub(crate) fn is_called(&self, method: &[u8], target: &[u8]) -> bool {
        method == self.method && target == strict::origin_form(method, &self.target)
    }

    /// Whether it may be sent again although a backend may have seen it.
    pub(crate) fn is_idempotent(&self) -> bool {
        // RFC 9110, section 9.2.2.
        let known = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"];
        known.iter().any(|name| name.as_bytes() == self.method)
    }
}

/// How a backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// It answers each request as it should, and says to which.
    Good,
    /// It does, but sometimes sends another answer with it that nobody asked for.
    Forging,
    /// It answers with bytes of its own taste, at times of its own choice.
    Bad,
}

/// The answer that says which request it is to: always the same for the same request.
pub(crate) fn good_answer(request: &Message) -> Vec<u8> {
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
    let mut answer = format!("HTTP/1.1 200 OK\r\nX-Asked: {name}\r\n{framed}");
    if method == b"HEAD" {
        let end = answer.find("\r\n\r\n").map_or(answer.len(), |end| end + 4);
        answer.truncate(end);
    }
    answer.into_bytes()
}

/// What no client may ever see.
pub(crate) const FORGED: &[u8] =
    b"HTTP/1.1 200 OK\r\nX-Asked: FORGED /\r\nContent-Length: 6\r\n\r\nforged";

/// A backend at the far end of one connection.
#[derive(Debug, Default)]
pub(crate) struct Backend {
    /// How much of what it was sent has been read.
    read: usize,
    /// Whether what comes is no HTTP any more: it said so in a 101.
    is_tunnel: bool,
    /// The requests it has read.
    pub(crate) requests: Vec<Message>,
    /// The head of one that it has not got to its end.
    pub(crate) partial: Option<Message>,
}

impl Backend {
    /// Reads what the server has sent so far; what to answer.
    pub(crate) fn answer(&mut self, sent: &[u8], manners: Manners, random: &mut Random) -> Vec<u8> {
        let mut answers = Vec::new();
        while !self.is_tunnel {
            match strict::request(&sent[self.read..]) {
                Read::Whole(request) => {
                    self.read += request.len;
                    let answer = match manners {
                        Manners::Good => good_answer(&request),
                        Manners::Forging if random.one_in(3) => {
                            [&good_answer(&request), FORGED].concat()
                        }
                        Manners::Forging => good_answer(&request),
                        Manners::Bad => mutate::mutated(random, corpus::responses(), mutate::HTTP),
                    };
                    let wants_tunnel = request.values("upgrade").next().is_some();
                    self.is_tunnel = wants_tunnel && manners == Manners::Bad;
                    self.partial = None;
                    self.requests.push(request);
                    answers.extend(answer);
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
        answers
    }
}

/// The final answers in what a client was sent, read strictly. `is_over`: the connection has been
/// ended, in order.
pub(crate) fn answers(received: &[u8], asked: &[Asked], is_over: bool) -> Vec<Message> {
    let mut answers: Vec<Message> = Vec::new();
    let mut rest = received;
    while !rest.is_empty() {
        let is_to_head = asked
            .get(answers.len())
            .is_some_and(|a| a.method == b"HEAD");
        match strict::response(rest, is_to_head) {
            Read::Whole(answer) if answer.status() == 101 => break,
            Read::Whole(answer) => {
                rest = &rest[answer.len..];
                assert!(
                    answer.framing != Framing::UntilClose || says_close(&answer),
                    "an answer ends by closing and does not say so"
                );
                // A refusal does not know of a method that had not arrived when it was made.
                let is_refusal = answer.status() / 100 == 4 && says_close(&answer);
                if answer.status() >= 200 {
                    answers.push(answer);
                }
                if is_refusal && is_to_head {
                    break;
                }
            }
            Read::Partial(_) => {
                assert!(
                    !is_over || !answers.is_empty() || !asked.is_empty(),
                    "half an answer"
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
    answers
}

fn says_close(answer: &Message) -> bool {
    answer.values("connection").any(|value| value == b"close")
}
