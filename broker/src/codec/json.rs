//! Owns JSON (RFC 8259): requests are objects, values are copied as they were written.
//!
//! `jiter` reads: it keeps integers of any size up to 4,300 digits, bounds the depth and hands out
//! slices. serde_json would need its `arbitrary_precision`, which would change it for every other
//! member of the workspace. Strings and floats are written by serde_json.
//!
//! Carried by convention: bytes as Base64 text, tuples as arrays, NaN and infinities as null, keys
//! that are no text as their JSON text.

use super::fields::{Field, Fields};
use super::{Children, Message, Payload, Request, Scalar};
use crate::error::Refusal;
use crate::value::{MAX_DEPTH, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiter::{Jiter, JiterError, JsonValue, NumberInt};
use std::borrow::Cow;

/// Reads `{"method": ..., ...}`.
pub(crate) fn read_request(frame: &[u8], max_value_bytes: usize) -> Result<Request, Refusal> {
    // Skipping a value checks its grammar and not its encoding.
    check_utf8(frame)?;
    let mut jiter = Jiter::new(frame);
    let mut fields = Fields::default();
    let mut key = jiter.next_object().map_err(|e| refusal(&e))?;
    while let Some(name) = key {
        let field = Field::named(name)?;
        read_field(&mut jiter, field, &mut fields, max_value_bytes)?;
        key = jiter.next_key().map_err(|e| refusal(&e))?;
    }
    jiter.finish().map_err(|e| refusal(&e))?;
    fields.request()
}

fn read_field(
    jiter: &mut Jiter<'_>,
    field: Field,
    fields: &mut Fields,
    max_value_bytes: usize,
) -> Result<(), Refusal> {
    match field {
        Field::Method => fields.set_method(jiter.next_str().map_err(|e| refusal(&e))?)?,
        Field::Topic => fields.topic = Some(jiter.next_str().map_err(|e| refusal(&e))?.to_owned()),
        Field::Retain => fields.retain = Some(jiter.next_bool().map_err(|e| refusal(&e))?),
        Field::RetainSubtree => {
            fields.retain_subtree = Some(jiter.next_bool().map_err(|e| refusal(&e))?);
        }
        Field::Id => match jiter.next_int().map_err(|e| refusal(&e))? {
            NumberInt::Int(id) => fields.id = Some(u64::try_from(id).map_err(|_| bad_id())?),
            NumberInt::BigInt(_) => return Err(bad_id()),
        },
        Field::Value => {
            let peek = jiter.peek().map_err(|e| refusal(&e))?;
            let start = jiter.current_index();
            jiter.known_skip(peek).map_err(|e| refusal(&e))?;
            let raw = jiter.slice_to_current(start);
            check_depth(raw)?;
            let raw = Bytes::copy_from_slice(raw);
            fields.set_value(Payload::Json(raw), max_value_bytes)?;
        }
    }
    Ok(())
}

/// The refusal of an id.
pub(crate) fn bad_id() -> Refusal {
    Refusal::malformed("\"id\" is an integer from 0 to 2^63 - 1")
}

fn check_utf8(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes)
        .map_err(|e| Refusal::malformed(format!("invalid UTF-8 at byte {}", e.valid_up_to())))
}

/// Refuses a checked value that is deeper than all formats carry: the limit of the reader counts
/// other things too.
pub(crate) fn check_depth(value: &[u8]) -> Result<(), Refusal> {
    let opening = |byte: &&u8| matches!(byte, b'[' | b'{');
    // Few values have so many brackets; counting them is quick.
    if value.len() <= 2 * MAX_DEPTH || value.iter().filter(opening).count() <= MAX_DEPTH {
        return Ok(());
    }
    let (mut depth, mut is_text, mut is_escaped) = (0, false, false);
    for byte in value {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => depth += 1,
            b']' | b'}' if !is_text => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(lb_pickle::Refusal::TooDeep.into());
        }
    }
    Ok(())
}

fn refusal(error: &JiterError) -> Refusal {
    Refusal::malformed(format!(
        "invalid JSON at byte {}: {}",
        error.index, error.error_type
    ))
}

/// Reads a value alone.
pub(crate) fn read_value(text: &[u8]) -> Result<Value, Refusal> {
    let value = JsonValue::parse(text, false).map_err(|e| {
        Refusal::malformed(format!(
            "invalid JSON at byte {}: {}",
            e.index, e.error_type
        ))
    })?;
    Ok(convert(&value))
}

fn convert(value: &JsonValue<'_>) -> Value {
    match value {
        JsonValue::Null => Value::Null,
        JsonValue::Bool(flag) => Value::Bool(*flag),
        JsonValue::Int(int) => Value::Int(*int),
        JsonValue::BigInt(big) => Value::integer(big.clone()),
        JsonValue::Float(float) => Value::Float(*float),
        JsonValue::Str(text) => Value::text(text.as_ref()),
        JsonValue::Array(items) => Value::List(items.iter().map(convert).collect()),
        JsonValue::Object(pairs) => {
            let pair =
                |(key, value): &(Cow<'_, str>, _)| (Value::text(key.as_ref()), convert(value));
            Value::Dict(pairs.iter().map(pair).collect())
        }
    }
}

/// Appends `{"method": ..., ...}`.
pub(crate) fn write_message(message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.extend_from_slice(b"{\"method\":");
    write_text(message.method, out);
    for (name, scalar) in &message.scalars {
        write_name(name, out);
        match scalar {
            Scalar::Text(text) => write_text(text, out),
            Scalar::Number(number) => write_plain(number, out),
            Scalar::Flag(flag) => write_plain(flag, out),
        }
    }
    match message.children {
        Children::None => {}
        Children::Value(payload) => {
            write_name("value", out);
            write_payload(payload, out)?;
        }
        Children::Topics(topics) => {
            write_name("topics", out);
            write_plain(&topics, out);
        }
        Children::Subscribers(entries) => {
            write_name("subscribers", out);
            write_sequence(entries, out, |entry, out| {
                out.extend_from_slice(b"{\"client\":");
                write_text(&entry.client, out);
                write_name("format", out);
                write_text(entry.format.name(), out);
                write_name("topic", out);
                write_text(&entry.topic, out);
                out.push(b'}');
            });
        }
    }
    out.push(b'}');
    Ok(())
}

/// Appends a payload as a JSON value.
pub(crate) fn write_payload(payload: &Payload, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match payload {
        Payload::Json(text) => out.extend_from_slice(text),
        Payload::Pickle(_) => write_value(&payload.value()?, out),
    }
    Ok(())
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write_text(name, out);
    out.push(b':');
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_plain(&text, out);
}

/// Writes anything that serde_json cannot fail on.
fn write_plain<T: serde::Serialize>(value: &T, out: &mut Vec<u8>) {
    // Writing to memory does not fail, nor does writing text and numbers.
    let _ = serde_json::to_writer(out, value);
}

fn write_sequence<T>(items: &[T], out: &mut Vec<u8>, mut write: impl FnMut(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

/// Appends a value as JSON.
pub(crate) fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(flag) => write_plain(flag, out),
        Value::Int(int) => write_plain(int, out),
        Value::Big(big) => out.extend_from_slice(big.to_string().as_bytes()),
        // serde_json writes NaN and infinities as null.
        Value::Float(float) => write_plain(float, out),
        Value::Text(text) => write_text(text, out),
        Value::Bytes(bytes) => write_text(&STANDARD.encode(bytes), out),
        Value::List(items) | Value::Tuple(items) => write_sequence(items, out, write_value),
        Value::Dict(pairs) => {
            out.push(b'{');
            for (nth, (key, value)) in pairs.iter().enumerate() {
                if nth > 0 {
                    out.push(b',');
                }
                write_key(key, out);
                out.push(b':');
                write_value(value, out);
            }
            out.push(b'}');
        }
    }
}

/// A key that is no text becomes its JSON text, as `json.dumps` has it for numbers.
fn write_key(key: &Value, out: &mut Vec<u8>) {
    match key {
        Value::Text(_) | Value::Bytes(_) => write_value(key, out),
        _ => {
            let mut text = Vec::new();
            write_value(key, &mut text);
            write_text(&String::from_utf8_lossy(&text), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_that_of_brackets_outside_of_text() {
        let nested = |depth: usize, inner: &str| {
            let (lists, ends) = ("[".repeat(depth), "]".repeat(depth));
            format!("{lists}{inner}{ends}")
        };
        for (depth, inner) in [
            (MAX_DEPTH, ""),
            (MAX_DEPTH, r#""[\"[{""#),
            (MAX_DEPTH - 1, "{},[],{}"),
            (1, &"[],".repeat(300)),
        ] {
            assert_eq!(
                check_depth(nested(depth, inner).as_bytes()),
                Ok(()),
                "{inner}"
            );
        }
        for (depth, inner) in [(MAX_DEPTH + 1, ""), (MAX_DEPTH, r#""\\\\",{}"#)] {
            let refusal = check_depth(nested(depth, inner).as_bytes()).unwrap_err();
            assert_eq!(refusal.code, crate::error::Code::TooLarge, "{inner}");
        }
    }
}
