//! A reader of HTTP/1.1 that allows only what cannot be read in two ways.
//!
//! It shares no code with `lb`, and is as plain and as slow as can be. Where RFC 9112 leaves a
//! recipient a choice, this one returns [`Read::Doubtful`]; so every recipient reads all else
//! alike.

/// The result of reading a message at the front of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// All of it is there.
    Whole(Message),
    /// So far there is nothing wrong. The head, if it is there.
    Partial(Option<Message>),
    /// Two recipients could differ; the word says about what.
    Doubtful(&'static str),
}

/// A message, or as much of it as there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The three parts of the first line.
    pub start: [Vec<u8>; 3],
    /// Names in lower case, values without blanks around them.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// The framing of its body.
    pub framing: Framing,
    /// The content, without chunk framing; empty if it is not whole.
    pub content: Vec<u8>,
    /// Bytes it takes.
    pub len: usize,
}

/// The framing of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It ends with its head.
    None,
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl Message {
    /// The values of the fields called `name`.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let found = self
            .fields
            .iter()
            .filter(move |(key, _)| key == name.as_bytes());
        found.map(|(_, value)| &value[..])
    }

    /// The status, of a response.
    #[must_use]
    pub fn status(&self) -> u16 {
        let text = std::str::from_utf8(&self.start[1]).unwrap_or_default();
        text.parse().unwrap_or_default()
    }
}

/// Reads a request.
#[must_use]
pub fn request(input: &[u8]) -> Read {
    read(input, |head| {
        let [method, target, version] = &head.start;
        check(version == b"HTTP/1.1", "version")?;
        check(is_token(method), "method")?;
        check(
            target == b"*" || target.first() == Some(&b'/'),
            "target form",
        )?;
        check(
            target.iter().all(|byte| (b'!'..=b'~').contains(byte)),
            "target",
        )?;
        check(head.values("host").count() == 1, "host")?;
        Ok(framing(head)?.unwrap_or(Framing::None))
    })
}

/// Reads a response, to a `HEAD` or to something else.
#[must_use]
pub fn response(input: &[u8], is_to_head: bool) -> Read {
    read(input, |head| {
        let [version, status, reason] = &head.start;
        check(version == b"HTTP/1.1", "version")?;
        check(
            status.len() == 3 && status.iter().all(u8::is_ascii_digit),
            "status",
        )?;
        check((100..=999).contains(&head.status()), "status range")?;
        check(reason.iter().copied().all(is_text), "reason")?;
        let said = framing(head)?;
        Ok(match head.status() {
            100..=199 | 204 => {
                check(said.is_none(), "framing of what has no body")?;
                Framing::None
            }
            304 => Framing::None,
            _ if is_to_head => Framing::None,
            _ => said.unwrap_or(Framing::UntilClose),
        })
    })
}

/// The target for a server, when a proxy received `target` (RFC 9112, section 3.2.1).
#[must_use]
pub fn origin_form(method: &[u8], target: &[u8]) -> Vec<u8> {
    if target == b"*" || target.first() == Some(&b'/') {
        return target.to_vec();
    }
    let authority = target.windows(3).position(|at| at == b"://");
    let rest = authority.map_or(target, |at| &target[at + 3..]);
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    match path.map(|at| &rest[at..]) {
        None if method == b"OPTIONS" => b"*".to_vec(),
        None => b"/".to_vec(),
        Some(path) if path.starts_with(b"/") => path.to_vec(),
        Some(query) => [b"/", query].concat(),
    }
}

/// Reads a chunked body: its content and how many bytes it took.
pub fn chunked(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let mut content = Vec::new();
    let mut at = 0;
    loop {
        let Some(line) = line(&input[at..])? else {
            return Ok(None);
        };
        check(!line.is_empty() && line.len() <= 16, "chunk size")?;
        check(line.iter().all(u8::is_ascii_hexdigit), "chunk size")?;
        let digits = std::str::from_utf8(line).unwrap_or_default();
        let size = usize::from_str_radix(digits, 16).map_err(|_| "chunk size")?;
        at += line.len() + 2;
        if size == 0 {
            break;
        }
        let Some(end) = at.checked_add(size).filter(|end| *end + 2 <= input.len()) else {
            return Ok(None);
        };
        content.extend_from_slice(&input[at..end]);
        check(&input[end..end + 2] == b"\r\n", "end of chunk")?;
        at = end + 2;
    }
    while let Some(line) = line(&input[at..])? {
        at += line.len() + 2;
        if line.is_empty() {
            return Ok(Some((content, at)));
        }
        field(line)?;
    }
    Ok(None)
}

type Doubt = &'static str;

fn check(holds: bool, doubt: Doubt) -> Result<(), Doubt> {
    if holds { Ok(()) } else { Err(doubt) }
}

fn read(input: &[u8], judge: impl Fn(&Message) -> Result<Framing, Doubt>) -> Read {
    match try_read(input, judge) {
        Ok(read) => read,
        Err(doubt) => Read::Doubtful(doubt),
    }
}

fn try_read(
    input: &[u8],
    judge: impl Fn(&Message) -> Result<Framing, Doubt>,
) -> Result<Read, Doubt> {
    let Some(mut head) = head(input)? else {
        return Ok(Read::Partial(None));
    };
    head.framing = judge(&head)?;
    let rest = &input[head.len..];
    match head.framing {
        Framing::None => Ok(Read::Whole(head)),
        Framing::UntilClose => {
            head.content = rest.to_vec();
            head.len = input.len();
            Ok(Read::Whole(head))
        }
        Framing::Length(length) => {
            let length = usize::try_from(length).map_err(|_| "length")?;
            let Some(content) = rest.get(..length) else {
                return Ok(Read::Partial(Some(head)));
            };
            head.content = content.to_vec();
            head.len += length;
            Ok(Read::Whole(head))
        }
        Framing::Chunked => match chunked(rest)? {
            None => Ok(Read::Partial(Some(head))),
            Some((content, len)) => {
                head.content = content;
                head.len += len;
                Ok(Read::Whole(head))
            }
        },
    }
}

fn head(input: &[u8]) -> Result<Option<Message>, Doubt> {
    let Some(first) = line(input)? else {
        return Ok(None);
    };
    let mut words = first.splitn(3, |byte| *byte == b' ').map(<[u8]>::to_vec);
    let start = [words.next(), words.next(), words.next()].map(Option::unwrap_or_default);
    let mut head = Message {
        start,
        fields: Vec::new(),
        framing: Framing::None,
        content: Vec::new(),
        len: first.len() + 2,
    };
    while let Some(line) = line(&input[head.len..])? {
        head.len += line.len() + 2;
        if line.is_empty() {
            return Ok(Some(head));
        }
        head.fields.push(field(line)?);
    }
    Ok(None)
}

/// The line at the front, without its CRLF; `None` if it is not there to its end.
fn line(input: &[u8]) -> Result<Option<&[u8]>, Doubt> {
    let end = input.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    match end.map(|end| (end, input[end], input.get(end + 1))) {
        None | Some((_, b'\r', None)) => Ok(None),
        Some((end, b'\r', Some(b'\n'))) => Ok(Some(&input[..end])),
        Some(_) => Err("line end"),
    }
}

fn field(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Doubt> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or("colon")?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    check(is_token(name), "name")?;
    check(value.iter().copied().all(is_text), "value")?;
    Ok((name.to_ascii_lowercase(), value.trim_ascii().to_vec()))
}

/// The framing by the fields.
fn framing(head: &Message) -> Result<Option<Framing>, Doubt> {
    let lengths: Vec<&[u8]> = head.values("content-length").collect();
    let codings: Vec<&[u8]> = head.values("transfer-encoding").collect();
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(None),
        ([], [coding]) => {
            check(coding.eq_ignore_ascii_case(b"chunked"), "coding")?;
            Ok(Some(Framing::Chunked))
        }
        ([length], []) => {
            check(length.iter().all(u8::is_ascii_digit), "length")?;
            check(
                *length == b"0" || length.first() != Some(&b'0'),
                "plain length",
            )?;
            let text = std::str::from_utf8(length).unwrap_or_default();
            let bytes: i64 = text.parse().map_err(|_| "length")?;
            Ok(Some(Framing::Length(bytes.unsigned_abs())))
        }
        _ => Err("framing said twice"),
    }
}

fn is_token(text: &[u8]) -> bool {
    let is_mark = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || is_mark(*byte))
}

const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
