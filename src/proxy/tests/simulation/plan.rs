//! Requests and responses, derived from the sender and the number, so that every peer knows them.

use super::noise::stretch;
use crate::strategy::Rng;

/// The framing of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Nothing,
    Length(usize),
    Chunked,
    UntilEnd,
}

/// One request and the response it is to get.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// A client, and the number of a request among its requests.
    pub(super) id: (usize, usize),
    pub(super) method: &'static str,
    pub(super) is_http_10: bool,
    pub(super) expects_continue: bool,
    pub(super) body: Framing,
    body_len: usize,
    pub(super) status: u16,
    pub(super) interims: usize,
    /// True if the response comes before the body of the request.
    pub(super) is_early: bool,
    /// True if the backend closes after it.
    pub(super) closes: bool,
    pub(super) response: Framing,
    response_len: usize,
    connection: &'static str,
    seed: u64,
}

impl Plan {
    pub(super) fn new(seed: u64, id: (usize, usize)) -> Self {
        let seed = seed ^ ((id.0 as u64) << 40) ^ ((id.1 as u64) << 52) ^ 0x5eed;
        let mut rng = Rng::new(seed);
        let method = ["GET", "GET", "HEAD", "POST", "PUT", "DELETE"][rng.below(6)];
        let is_http_10 = rng.below(6) == 0;
        let has_body = matches!(method, "POST" | "PUT");
        let (mut body, body_len) = any_framing(&mut rng, false, is_http_10);
        if !has_body {
            body = Framing::Nothing;
        }
        let status = [200, 200, 200, 200, 204, 304, 404, 500][rng.below(8)];
        let (mut response, response_len) = any_framing(&mut rng, true, false);
        if method == "HEAD" || matches!(status, 204 | 304) {
            response = Framing::Nothing;
        }
        let is_early = has_body && rng.below(5) == 0;
        Self {
            id,
            method,
            is_http_10,
            expects_continue: body != Framing::Nothing && !is_http_10 && rng.below(3) == 0,
            body,
            body_len: if body == Framing::Nothing {
                0
            } else {
                body_len
            },
            status,
            interims: [0, 0, 0, 1, 2][rng.below(5)],
            is_early,
            closes: response == Framing::UntilEnd || is_early || rng.below(6) == 0,
            response,
            response_len: if response == Framing::Nothing {
                0
            } else {
                response_len
            },
            connection: match (is_http_10, rng.below(8)) {
                (false, 0) => "Connection: close\r\n",
                (true, 0..=5) => "Connection: keep-alive\r\n",
                _ => "",
            },
            seed,
        }
    }

    /// Returns whether the client counts on its connection to go on afterwards.
    pub(super) fn is_persistent(&self) -> bool {
        match self.is_http_10 {
            true => self.connection.contains("keep-alive"),
            false => self.connection.is_empty(),
        }
    }

    /// Returns whether it may be sent to a backend more than once.
    pub(super) fn is_idempotent(&self) -> bool {
        self.method != "POST"
    }

    pub(super) fn request_head(&self) -> Vec<u8> {
        let version = if self.is_http_10 { "1.0" } else { "1.1" };
        let expect = if self.expects_continue {
            "Expect: 100-continue\r\n"
        } else {
            ""
        };
        let (client, number) = self.id;
        format!(
            "{} /{client}/{number} HTTP/{version}\r\nHost: x\r\n{}{expect}{}\r\n",
            self.method,
            self.connection,
            field(self.body),
        )
        .into_bytes()
    }

    pub(super) fn request_body(&self) -> Vec<u8> {
        self.framed(self.body, self.asks())
    }

    /// The response, as the backend frames it.
    pub(super) fn response_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..self.interims {
            out.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n");
        }
        let (client, number) = self.id;
        let close = if self.closes {
            "Connection: close\r\n"
        } else {
            ""
        };
        let head = format!(
            "HTTP/1.1 {} Some Reason\r\nX-Id: {client}/{number}\r\n{close}{}\r\n",
            self.status,
            field(self.response),
        );
        out.extend_from_slice(head.as_bytes());
        out.extend(self.framed(self.response, self.responses()));
        out
    }

    /// The content of the request.
    pub(super) fn asks(&self) -> &'static [u8] {
        stretch(self.seed ^ 1, self.body_len)
    }

    /// The content of the response.
    pub(super) fn responses(&self) -> &'static [u8] {
        stretch(self.seed ^ 2, self.response_len)
    }

    fn framed(&self, framing: Framing, content: &[u8]) -> Vec<u8> {
        if framing != Framing::Chunked {
            return content.to_vec();
        }
        let mut rng = Rng::new(self.seed);
        let mut out = Vec::new();
        let mut rest = content;
        while !rest.is_empty() {
            let (chunk, more) = rest.split_at(1 + rng.below(rest.len()));
            let extension = if rng.below(4) == 0 { ";x=y" } else { "" };
            out.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
            rest = more;
        }
        let trailer = if rng.below(4) == 0 {
            "X-Sum: 1\r\n"
        } else {
            ""
        };
        out.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
        out
    }
}

fn any_framing(rng: &mut Rng, is_response: bool, is_http_10: bool) -> (Framing, usize) {
    let len = match rng.below(16) {
        0 => 0,
        1..=13 => rng.below(300),
        14 => rng.below(20_000),
        _ => 60_000 + rng.below(100_000),
    };
    match rng.below(4) {
        0 | 1 if !is_http_10 => (Framing::Chunked, len),
        2 if is_response => (Framing::UntilEnd, len),
        _ => (Framing::Length(len), len),
    }
}

fn field(framing: Framing) -> String {
    match framing {
        Framing::Nothing | Framing::UntilEnd => String::new(),
        Framing::Length(len) => format!("Content-Length: {len}\r\n"),
        Framing::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
    }
}
