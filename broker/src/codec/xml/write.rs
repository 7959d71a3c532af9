//! Writes replies and values.

use super::read::is_forbidden;
use crate::codec::{Children, Message, Payload, Scalar, json};
use crate::error::Refusal;
use crate::value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Write as _;

/// Appends `<method name="...">...</method>`.
pub(crate) fn write_message(message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.push(b'<');
    out.extend_from_slice(message.method.as_bytes());
    for (name, scalar) in &message.scalars {
        match scalar {
            Scalar::Text(text) => write_attribute(name, text, out),
            Scalar::Number(number) => write_attribute(name, &number.to_string(), out),
            Scalar::Flag(flag) => write_attribute(name, if *flag { "true" } else { "false" }, out),
        }
    }
    if matches!(message.children, Children::None) {
        out.extend_from_slice(b"/>");
        return Ok(());
    }
    out.push(b'>');
    write_children(message.children, out)?;
    out.extend_from_slice(b"</");
    out.extend_from_slice(message.method.as_bytes());
    out.push(b'>');
    Ok(())
}

fn write_children(children: Children<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match children {
        Children::None => {}
        Children::Value(payload) => write_payload(payload, out)?,
        Children::Topics(topics) => {
            for topic in topics {
                write_element("topic", None, topic, out);
            }
        }
        Children::Subscribers(entries) => {
            for entry in entries {
                out.extend_from_slice(b"<subscriber");
                write_attribute("client", &entry.client, out);
                write_attribute("format", entry.format.name(), out);
                write_attribute("topic", &entry.topic, out);
                out.extend_from_slice(b"/>");
            }
        }
    }
    Ok(())
}

/// JSON containers are written as they came; everything else goes by its value.
fn write_payload(payload: &Payload, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match payload {
        Payload::Json(text) if matches!(text.first(), Some(b'[' | b'{')) => {
            write_json(text, out);
        }
        Payload::Json(_) | Payload::Pickle(_) => write_value(&payload.value()?, out),
    }
    Ok(())
}

/// Appends `<value type="...">...</value>`.
pub(crate) fn write_value(value: &Value, out: &mut Vec<u8>) {
    let mut write = |kind, text: &str| write_element("value", kind, text, out);
    match value {
        Value::Null => write(Some("null"), ""),
        Value::Bool(flag) => write(Some("bool"), if *flag { "true" } else { "false" }),
        Value::Int(int) => write(Some("int"), &int.to_string()),
        Value::Big(big) => write(Some("int"), &big.to_string()),
        Value::Float(float) => write(Some("float"), &float_text(*float)),
        Value::Text(text) if !text.contains(is_forbidden) => write(None, text),
        Value::Bytes(bytes) => write(Some("base64"), &STANDARD.encode(bytes)),
        Value::Text(_) | Value::List(_) | Value::Tuple(_) | Value::Dict(_) => {
            write_as_json(value, out);
        }
    }
}

fn write_as_json(value: &Value, out: &mut Vec<u8>) {
    let mut text = Vec::new();
    json::write_value(value, &mut text);
    write_json(&text, out);
}

/// JSON text may hold two characters that XML does not have, inside of strings: they are escaped.
fn write_json(text: &[u8], out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(text);
    if text.contains(is_forbidden) {
        let text = text
            .replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff");
        write_element("value", Some("json"), &text, out);
    } else {
        write_element("value", Some("json"), &text, out);
    }
}

/// As Python's `float()` reads it, and `repr` writes it but for exponents.
fn float_text(float: f64) -> String {
    if float.is_nan() {
        "nan".to_owned()
    } else if float.is_infinite() {
        if float > 0.0 { "inf" } else { "-inf" }.to_owned()
    } else {
        format!("{float:?}")
    }
}

fn write_element(name: &str, kind: Option<&str>, text: &str, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    if let Some(kind) = kind {
        write_attribute("type", kind, out);
    }
    out.push(b'>');
    write_escaped(text, out);
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

fn write_attribute(name: &str, text: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    write_escaped(text, out);
    out.push(b'"');
}

/// Text that reads back as it is, in elements and attributes: readers turn a carriage return into
/// a line feed unless it is a reference (section 2.11), and JSON text carries what XML has no
/// character for as escapes.
fn write_escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.find(['<', '>', '&', '"', '\'', '\r']) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut chars = special.chars();
        match chars.next() {
            Some('<') => out.extend_from_slice(b"&lt;"),
            Some('>') => out.extend_from_slice(b"&gt;"),
            Some('&') => out.extend_from_slice(b"&amp;"),
            Some(c) => {
                // Writing to memory does not fail.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}
