//! What is accepted can be written in every format, and reads back as the rules have it.

use lb_broker::codec::{
    Format, Message, Payload, read_message, read_value, write_message, write_value,
};
use lb_broker::value::Value;

/// An accepted value can be read back, and written in every format.
pub(crate) fn translate(payload: &Payload) {
    let value = payload.value().expect("an accepted value can be read back");
    for format in Format::ALL {
        let mut message = Vec::new();
        let delivery = Message::delivery("/t", Some(payload), false);
        write_message(format, &delivery, &mut message).expect("it can be written");
        let read = read_message(format, &message)
            .unwrap_or_else(|refusal| panic!("{refusal}: {}", message.escape_ascii()));
        let Value::Dict(fields) = read else {
            panic!("no dictionary")
        };
        let got = fields.iter().find(|(key, _)| *key == Value::text("value"));
        let got = &got.expect("a value").1;
        let carried = match payload {
            // Copied as it was written: numbers too large for a float, too.
            Payload::Json(_) => value.clone(),
            Payload::Pickle(_) => expected(&value, format),
        };
        assert!(same(got, &carried), "{format}: {got:?} is not {value:?}");
        // A value alone is the same.
        let mut alone = Vec::new();
        write_value(format, &value, &mut alone);
        let read = read_value(format, &alone, usize::MAX).expect("a value alone can be read");
        assert!(same(&read, &expected(&value, format)), "{format}");
    }
}

/// What is left of a value in a format: the rules of `PROTOCOL.md`, written once more.
fn expected(value: &Value, format: Format) -> Value {
    match (format, value) {
        (Format::Pickle, value) => value.clone(),
        (Format::Xml, Value::Bytes(_) | Value::Float(_)) => value.clone(),
        (_, value) => in_json(value),
    }
}

fn in_json(value: &Value) -> Value {
    use base64::Engine as _;
    match value {
        Value::Float(float) if !float.is_finite() => Value::Null,
        Value::Bytes(bytes) => Value::Text(base64::engine::general_purpose::STANDARD.encode(bytes)),
        Value::List(items) | Value::Tuple(items) => {
            Value::List(items.iter().map(in_json).collect())
        }
        Value::Dict(pairs) => {
            let key = |key: &Value| match in_json(key) {
                Value::Text(text) => text,
                other => {
                    let mut text = Vec::new();
                    write_value(Format::Json, &other, &mut text);
                    String::from_utf8(text).unwrap()
                }
            };
            Value::Dict(
                pairs
                    .iter()
                    .map(|(k, v)| (Value::Text(key(k)), in_json(v)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

/// Equality, with NaN equal to itself.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => {
            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
        }
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Dict(a), Value::Dict(b)) => {
            let is_same =
                |(a, b): (&(Value, Value), &(Value, Value))| same(&a.0, &b.0) && same(&a.1, &b.1);
            a.len() == b.len() && a.iter().zip(b).all(is_same)
        }
        (a, b) => a == b,
    }
}
