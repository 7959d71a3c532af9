//! HTTP/1.1 messages, read by their framing and by nothing more clever.

use super::wire::{End, Wire};

/// A request or a response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) start: String,
    /// Names in lower case, values trimmed, in the order in which they came.
    pub(crate) fields: Vec<(String, String)>,
    /// The content, without chunk framing.
    pub(crate) body: Vec<u8>,
}

/// A response, and the interim ones that came before it.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) message: Message,
    pub(crate) interim: Vec<Message>,
}

/// A message that did not come to its end.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    /// The end of the bytes.
    pub(crate) end: End,
    /// The head, and what came of the body; `None` if not even the head was whole.
    pub(crate) part: Option<Message>,
}

impl Message {
    fn parse(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self {
            start,
            fields,
            body: Vec::new(),
        }
    }

    /// The value of the first field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The word at this place of the first line.
    pub(crate) fn word(&self, nth: usize) -> &str {
        self.start.split(' ').nth(nth).unwrap_or_default()
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.field("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    pub(crate) fn content_length(&self) -> Option<usize> {
        self.field("content-length")?.parse().ok()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Response {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.message.field(name)
    }

    pub(crate) fn text(&self) -> String {
        self.message.text()
    }
}

impl Wire {
    /// Reads a request; `None` if the peer is done.
    pub(crate) fn read_request(&mut self) -> Option<Message> {
        let mut request = self.read_head().ok()?;
        self.read_request_body(&mut request).ok()?;
        Some(request)
    }

    /// Reads what follows a request head.
    pub(crate) fn read_request_body(&mut self, request: &mut Message) -> Result<(), End> {
        if request.is_chunked() {
            return self.read_chunks(&mut request.body);
        }
        let length = request.content_length().unwrap_or(0);
        self.read_exact(length, &mut request.body)
    }

    /// Reads a head, or the end.
    pub(crate) fn read_head(&mut self) -> Result<Message, End> {
        Ok(Message::parse(&self.read_through(b"\r\n\r\n")?))
    }

    /// Reads the final response to a request of this `method`.
    pub(crate) fn read_response(&mut self, method: &str) -> Result<Response, Broken> {
        let mut interim = Vec::new();
        loop {
            let head = self.read_head();
            let mut message = head.map_err(|end| Broken { end, part: None })?;
            let status = message.word(1).parse().expect("a status");
            if (100..200).contains(&status) && status != 101 {
                interim.push(message);
                continue;
            }
            let has_body = method != "HEAD" && !matches!(status, 101 | 204 | 304);
            if has_body && let Err(end) = self.read_response_body(&mut message) {
                let part = Some(message);
                return Err(Broken { end, part });
            }
            return Ok(Response {
                status,
                message,
                interim,
            });
        }
    }

    fn read_response_body(&mut self, response: &mut Message) -> Result<(), End> {
        if response.is_chunked() {
            return self.read_chunks(&mut response.body);
        }
        if let Some(length) = response.content_length() {
            return self.read_exact(length, &mut response.body);
        }
        let (body, end) = self.read_to_end();
        response.body = body;
        if end == End::Closed { Ok(()) } else { Err(end) }
    }

    /// Reads chunks to the last one and the trailer section.
    fn read_chunks(&mut self, body: &mut Vec<u8>) -> Result<(), End> {
        while let size @ 1.. = self.read_chunk_size()? {
            self.read_exact(size, body)?;
            assert_eq!(self.read_through(b"\r\n")?, b"\r\n", "after a chunk");
        }
        while self.read_through(b"\r\n")? != b"\r\n" {}
        Ok(())
    }

    pub(crate) fn read_chunk_size(&mut self) -> Result<usize, End> {
        let line = self.read_through(b"\r\n")?;
        let text = String::from_utf8_lossy(&line);
        let digits = text.trim_end().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(digits, 16);
        Ok(size.unwrap_or_else(|_| panic!("not a chunk size: {text:?}")))
    }
}
