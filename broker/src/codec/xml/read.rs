//! Reads requests and values. Strict: one root element, known attributes, one `value` with nothing
//! but text inside.

use crate::codec::fields::{Field, Fields};
use crate::codec::{Payload, Request, json};
use crate::error::{Code, Refusal};
use crate::value::{MAX_DIGITS, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lb_pickle::BigInt;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

/// Reads `<method topic="..."><value>...</value></method>`.
pub(crate) fn read_request(frame: &[u8], max_value_bytes: usize) -> Result<Request, Refusal> {
    let mut document = Document::new(frame)?;
    let mut fields = Fields::default();
    let root = document.root()?;
    fields.set_method(root.start.name().0)?;
    for (name, text) in attributes(&root.start)? {
        set_field(&mut fields, &name, text)?;
    }
    if !root.is_empty
        && let Some(value) = document.value_in_root()?
    {
        fields.set_value(payload(&value), max_value_bytes)?;
    }
    document.end()?;
    fields.request()
}

/// Reads `<value type="...">...</value>`.
pub(crate) fn read_value(bytes: &[u8]) -> Result<Value, Refusal> {
    let mut document = Document::new(bytes)?;
    let root = document.root()?;
    let value = document.value(&root)?;
    document.end()?;
    Ok(value)
}

/// Reads any message: attributes, a value, and lists of topics or subscribers.
pub(crate) fn read_message(frame: &[u8]) -> Result<Value, Refusal> {
    let mut document = Document::new(frame)?;
    let root = document.root()?;
    let name = root.start.name().0.to_owned();
    let mut fields = vec![(Value::text("method"), Value::Text(name.clone()))];
    fields.extend(text_fields(&root.start)?);
    if !root.is_empty {
        let children = document.children()?;
        fields.extend(children.value.map(|value| (Value::text("value"), value)));
        match name.as_str() {
            "topics" => fields.push((Value::text("topics"), Value::List(children.topics))),
            "subscribers" => {
                fields.push((
                    Value::text("subscribers"),
                    Value::List(children.subscribers),
                ));
            }
            _ => {}
        }
    }
    document.end()?;
    Ok(Value::Dict(fields))
}

/// What may be inside of a message of the broker.
#[derive(Default)]
struct Contents {
    value: Option<Value>,
    topics: Vec<Value>,
    subscribers: Vec<Value>,
}

fn text_fields(start: &BytesStart<'_>) -> Result<Vec<(Value, Value)>, Refusal> {
    let pairs = attributes(start)?.into_iter();
    Ok(pairs
        .map(|(name, text)| (Value::Text(name), Value::Text(text)))
        .collect())
}

fn set_field(fields: &mut Fields, name: &str, text: String) -> Result<(), Refusal> {
    match Field::named(name)? {
        Field::Topic => fields.topic = Some(text),
        Field::Id => fields.id = Some(text.parse().map_err(|_| json::bad_id())?),
        Field::Retain => fields.retain = Some(flag(name, &text)?),
        Field::RetainSubtree => fields.retain_subtree = Some(flag(name, &text)?),
        Field::Method | Field::Value => {
            return Err(Refusal::malformed(format!("{name:?} is no attribute")));
        }
    }
    if fields.id.is_some_and(|id| id > i64::MAX as u64) {
        return Err(json::bad_id());
    }
    Ok(())
}

fn flag(name: &str, text: &str) -> Result<bool, Refusal> {
    text.parse()
        .map_err(|_| Refusal::malformed(format!("{name:?} is \"true\" or \"false\"")))
}

/// Text and numbers are kept as JSON, as JSON readers are the most.
fn payload(value: &Value) -> Payload {
    match value {
        Value::Text(_) | Value::Int(_) | Value::Big(_) | Value::Bool(_) | Value::Null => {
            let mut text = Vec::new();
            json::write_value(value, &mut text);
            Payload::Json(Bytes::from(text))
        }
        other => Payload::of(other),
    }
}

/// The start tag of an element.
struct Element<'a> {
    start: BytesStart<'a>,
    is_empty: bool,
}

/// A document that is read from the front.
struct Document<'a> {
    reader: Reader<&'a [u8]>,
}

impl<'a> Document<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(bytes).map_err(|e| {
            Refusal::malformed(format!("invalid UTF-8 at byte {}", e.valid_up_to()))
        })?;
        if let Some(at) = text.find(is_forbidden) {
            return Err(Refusal::malformed(format!("no XML character at byte {at}")));
        }
        Ok(Self {
            reader: Reader::from_str(text),
        })
    }

    /// The next event that matters: comments, declarations and instructions do not.
    fn next(&mut self) -> Result<Event<'a>, Refusal> {
        loop {
            match self.reader.read_event() {
                Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_)) => {}
                Ok(Event::DocType(_)) => {
                    let text = "a document type is not allowed";
                    return Err(Refusal::new(Code::Unsupported, text));
                }
                Ok(event) => return Ok(event),
                Err(error) => {
                    let at = self.reader.error_position();
                    return Err(Refusal::malformed(format!(
                        "invalid XML at byte {at}: {error}"
                    )));
                }
            }
        }
    }

    /// The next event between elements, where only white space may be.
    fn next_element(&mut self) -> Result<Event<'a>, Refusal> {
        loop {
            match self.next()? {
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                event => return Ok(event),
            }
        }
    }

    fn root(&mut self) -> Result<Element<'a>, Refusal> {
        match self.next_element()? {
            Event::Start(start) => Ok(Element {
                start,
                is_empty: false,
            }),
            Event::Empty(start) => Ok(Element {
                start,
                is_empty: true,
            }),
            _ => Err(Refusal::malformed("a message is one element")),
        }
    }

    /// The value inside the root, and the end of the root.
    fn value_in_root(&mut self) -> Result<Option<Value>, Refusal> {
        let mut value = None;
        while let Some(element) = self.next_child()? {
            if value.is_some() {
                return Err(Refusal::malformed("a message has one <value>"));
            }
            value = Some(self.value(&element)?);
        }
        Ok(value)
    }

    /// The children of a message of the broker, up to its end.
    fn children(&mut self) -> Result<Contents, Refusal> {
        let mut contents = Contents::default();
        while let Some(child) = self.next_child()? {
            match (child.start.name().0, child.is_empty) {
                ("topic", false) => contents.topics.push(Value::Text(self.text()?)),
                ("subscriber", true) => {
                    contents
                        .subscribers
                        .push(Value::Dict(text_fields(&child.start)?));
                }
                _ => contents.value = Some(self.value(&child)?),
            }
        }
        Ok(contents)
    }

    /// The next element inside the root; None at the end of the root.
    fn next_child(&mut self) -> Result<Option<Element<'a>>, Refusal> {
        let (start, is_empty) = match self.next_element()? {
            Event::End(_) => return Ok(None),
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            _ => return Err(Refusal::malformed("text belongs into <value>")),
        };
        Ok(Some(Element { start, is_empty }))
    }

    /// Reads a `value` element to its end.
    fn value(&mut self, element: &Element<'_>) -> Result<Value, Refusal> {
        if element.start.name().0 != "value" {
            return Err(Refusal::malformed("the only child of a message is <value>"));
        }
        let mut kind = None;
        for (name, text) in attributes(&element.start)? {
            match name.as_str() {
                "type" => kind = Some(text),
                _ => return Err(Refusal::malformed("a value has no attribute but \"type\"")),
            }
        }
        let text = if element.is_empty {
            String::new()
        } else {
            self.text()?
        };
        typed(kind.as_deref(), text)
    }

    /// The text up to the end tag.
    fn text(&mut self) -> Result<String, Refusal> {
        let mut whole = String::new();
        loop {
            match self.next()? {
                Event::Text(text) => whole.push_str(&text.xml10_content()),
                Event::CData(text) => whole.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => push_reference(&mut whole, &reference)?,
                Event::End(_) => return Ok(whole),
                _ => return Err(Refusal::malformed("a value has no elements inside")),
            }
        }
    }

    fn end(&mut self) -> Result<(), Refusal> {
        match self.next_element()? {
            Event::Eof => Ok(()),
            _ => Err(Refusal::malformed("nothing may come after the message")),
        }
    }
}

/// Characters that XML 1.0 does not have, not even as a reference (section 2.2).
pub(super) fn is_forbidden(c: char) -> bool {
    (c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r' | '\x7f'))
        || matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn push_reference(whole: &mut String, reference: &BytesRef<'_>) -> Result<(), Refusal> {
    let refuse =
        || Refusal::malformed("an unknown reference: only lt, gt, amp, apos, quot and characters");
    match reference.resolve_char_ref() {
        Ok(Some(c)) if !is_forbidden(c) => whole.push(c),
        Ok(None) => {
            let name = reference.xml10_content();
            whole.push_str(resolve_predefined_entity(&name).ok_or_else(refuse)?);
        }
        Ok(Some(_)) | Err(_) => return Err(refuse()),
    }
    Ok(())
}

fn attributes(start: &BytesStart<'_>) -> Result<Vec<(String, String)>, Refusal> {
    let mut found = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| Refusal::malformed(format!("invalid XML: {e}")))?;
        let text = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|e| Refusal::malformed(format!("invalid XML: {e}")))?;
        if text.contains(is_forbidden) {
            return Err(Refusal::malformed("an attribute has no XML characters"));
        }
        found.push((attribute.key.0.to_owned(), text.into_owned()));
    }
    Ok(found)
}

/// The value that a text of this type stands for.
fn typed(kind: Option<&str>, text: String) -> Result<Value, Refusal> {
    let refuse = |kind: &str| {
        Err(Refusal::malformed(format!(
            "the text of the value is no {kind}"
        )))
    };
    match kind {
        None | Some("str") => Ok(Value::Text(text)),
        Some("int") => integer(&text).map_or_else(|| refuse("int"), Ok),
        Some("float") => text
            .trim()
            .parse()
            .map_or_else(|_| refuse("float"), |f| Ok(Value::Float(f))),
        Some("bool") => text
            .trim()
            .parse()
            .map_or_else(|_| refuse("bool"), |b| Ok(Value::Bool(b))),
        Some("null") if text.is_empty() => Ok(Value::Null),
        Some("null") => refuse("null"),
        Some("json") => {
            let value = json::read_value(text.as_bytes())?;
            json::check_depth(text.as_bytes())?;
            Ok(value)
        }
        Some("base64") => STANDARD
            .decode(text.trim())
            .map_or_else(|_| refuse("base64"), |bytes| Ok(Value::Bytes(bytes))),
        Some(_) => Err(Refusal::malformed(
            "the type of a value is str, int, float, bool, null, json or base64",
        )),
    }
}

fn integer(text: &str) -> Option<Value> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    // The length comes first: converting many digits takes time in the square of their number.
    if digits.len() > MAX_DIGITS || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    text.parse::<BigInt>().ok().map(Value::integer)
}
