//! Reading messages as an endpoint does that has never heard of the server's own parser.

use super::plan::Framing;
use std::collections::VecDeque;

/// Something that was read.
#[derive(Debug)]
pub(super) enum Part {
    /// A whole head. [`Reader::begin_body`] must follow.
    Head(String),
    /// Content, at least one byte.
    Content(Vec<u8>),
    /// The message is over.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailer,
    UntilEnd,
}

/// Reads one message after another.
#[derive(Debug)]
pub(super) struct Reader {
    input: VecDeque<u8>,
    state: State,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            input: VecDeque::new(),
            state: State::Head,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
    }

    /// Returns whether it is between two messages and nothing of the next has come.
    pub(super) fn is_at_rest(&self) -> bool {
        self.state == State::Head && self.input.is_empty()
    }

    /// Returns whether the end of the connection is the end of the message.
    pub(super) fn ends_with_connection(&self) -> bool {
        self.state == State::UntilEnd
    }

    pub(super) fn begin_body(&mut self, framing: Framing) {
        assert_eq!(self.state, State::Head);
        self.state = match framing {
            Framing::Nothing => State::Length(0),
            Framing::Length(bytes) => State::Length(bytes),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilEnd => State::UntilEnd,
        };
    }

    /// The next part, if all of it has come.
    pub(super) fn next(&mut self) -> Option<Part> {
        loop {
            match self.state {
                State::Head => return self.head().map(Part::Head),
                State::Length(0) => {
                    self.state = State::Head;
                    return Some(Part::End);
                }
                State::Length(left) => {
                    let content = self.content(left)?;
                    self.state = State::Length(left - content.len());
                    return Some(Part::Content(content));
                }
                State::ChunkSize => {
                    let line = self.line()?;
                    let digits = line.split(';').next().unwrap();
                    self.state = match usize::from_str_radix(digits, 16).expect("a chunk size") {
                        0 => State::Trailer,
                        size => State::Chunk(size),
                    };
                }
                State::Chunk(0) => self.state = State::ChunkEnd,
                State::Chunk(left) => {
                    let content = self.content(left)?;
                    self.state = State::Chunk(left - content.len());
                    return Some(Part::Content(content));
                }
                State::ChunkEnd => {
                    assert_eq!(self.line()?, "", "after a chunk");
                    self.state = State::ChunkSize;
                }
                State::Trailer => {
                    if self.line()?.is_empty() {
                        self.state = State::Head;
                        return Some(Part::End);
                    }
                }
                State::UntilEnd => return self.content(usize::MAX).map(Part::Content),
            }
        }
    }

    fn content(&mut self, most: usize) -> Option<Vec<u8>> {
        let count = most.min(self.input.len());
        let content = self.input.make_contiguous()[..count].to_vec();
        self.input.drain(..count);
        (count > 0).then_some(content)
    }

    fn line(&mut self) -> Option<String> {
        let end = self
            .input
            .make_contiguous()
            .windows(2)
            .position(|pair| pair == b"\r\n")?;
        let line: Vec<u8> = self.input.drain(..end + 2).take(end).collect();
        Some(String::from_utf8(line).expect("text"))
    }

    fn head(&mut self) -> Option<String> {
        let input = self.input.make_contiguous();
        let end = input.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let head: Vec<u8> = self.input.drain(..end).collect();
        Some(String::from_utf8(head).expect("text"))
    }
}

/// The value of a field in a head.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1);
    lines.find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// Returns how the body that a head announces ends, `otherwise` if it does not say.
pub(super) fn framing(head: &str, otherwise: Framing) -> Framing {
    match (
        field(head, "transfer-encoding"),
        field(head, "content-length"),
    ) {
        (Some(coding), None) => {
            assert_eq!(coding, "chunked");
            Framing::Chunked
        }
        (None, Some(length)) => Framing::Length(length.parse().expect("a length")),
        (None, None) => otherwise,
        (Some(_), Some(_)) => panic!("framed twice: {head}"),
    }
}
