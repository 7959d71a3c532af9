//! Owns the messages of a connection that speaks pickle, as dictionaries. The pickles themselves
//! are those of `lb_pickle`: data only, protocols 0 to 5 in, protocol 4 out.

use super::fields::{Field, Fields};
use super::json::bad_id;
use super::{Children, Message, Payload, Request, Scalar, SubscriberEntry};
use crate::error::{Code, Refusal};
use crate::value::Value;
use lb_pickle::Writer;
use std::borrow::Cow;

impl From<lb_pickle::Refusal> for Refusal {
    fn from(refusal: lb_pickle::Refusal) -> Self {
        let code = match refusal {
            lb_pickle::Refusal::Object(_) | lb_pickle::Refusal::Type(_) => Code::Unsupported,
            refusal if refusal.is_limit() => Code::TooLarge,
            _ => Code::Malformed,
        };
        Self::new(code, refusal.to_string())
    }
}

/// Reads a dictionary with the field `method`.
pub(crate) fn read_request(frame: &[u8], max_value_bytes: usize) -> Result<Request, Refusal> {
    // The topic and the names of fields come on top of the value.
    let value = lb_pickle::read_message(frame, max_value_bytes.saturating_add(frame.len()))?;
    let Value::Dict(pairs) = value else {
        return Err(Refusal::malformed("a message is a dictionary"));
    };
    let mut fields = Fields::default();
    for (key, value) in pairs {
        let Value::Text(name) = key else {
            return Err(Refusal::malformed("a name of a field is a str"));
        };
        set_field(&mut fields, &name, value, max_value_bytes)?;
    }
    fields.request()
}

fn set_field(
    fields: &mut Fields,
    name: &str,
    value: Value,
    max_value_bytes: usize,
) -> Result<(), Refusal> {
    match (Field::named(name)?, value) {
        (Field::Value, value) => fields.set_value(Payload::of(&value), max_value_bytes)?,
        (Field::Method, Value::Text(text)) => fields.set_method(&text)?,
        (Field::Topic, Value::Text(text)) => fields.topic = Some(text),
        (Field::Id, Value::Int(id)) => fields.id = Some(u64::try_from(id).map_err(|_| bad_id())?),
        (Field::Id, _) => return Err(bad_id()),
        (Field::Retain, Value::Bool(flag)) => fields.retain = Some(flag),
        (Field::RetainSubtree, Value::Bool(flag)) => fields.retain_subtree = Some(flag),
        (Field::Method | Field::Topic, _) => {
            return Err(Refusal::malformed(format!("{name:?} is a str")));
        }
        (Field::Retain | Field::RetainSubtree, _) => {
            return Err(Refusal::malformed(format!("{name:?} is a bool")));
        }
    }
    Ok(())
}

/// Appends a dictionary with the field `method`.
pub(crate) fn write_message(message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    // Read first: once the writing has begun it cannot fail.
    let value = match message.children {
        Children::Value(payload) => Some(opcodes(payload)?),
        _ => None,
    };
    Writer::pickle(out, |w| {
        w.dict(|w| write_fields(message, value.as_deref(), w))
    });
    Ok(())
}

fn opcodes(payload: &Payload) -> Result<Cow<'_, [u8]>, Refusal> {
    Ok(match payload {
        Payload::Pickle(opcodes) => Cow::Borrowed(opcodes),
        Payload::Json(_) => Cow::Owned(lb_pickle::to_opcodes(&payload.value()?)),
    })
}

fn write_fields(message: &Message<'_>, value: Option<&[u8]>, w: &mut Writer<'_>) {
    w.key("method").text(message.method);
    for (name, scalar) in &message.scalars {
        match scalar {
            Scalar::Text(text) => w.key(name).text(text),
            Scalar::Number(number) => w.key(name).unsigned(*number),
            Scalar::Flag(flag) => w.key(name).bool(*flag),
        }
    }
    if let Some(value) = value {
        w.key("value").opcodes(value);
    }
    match message.children {
        Children::None | Children::Value(_) => {}
        Children::Topics(topics) => w.key("topics").list(topics, |w, topic| w.text(topic)),
        Children::Subscribers(entries) => w.key("subscribers").list(entries, write_entry),
    }
}

fn write_entry(w: &mut Writer<'_>, entry: &SubscriberEntry) {
    w.dict(|w| {
        w.key("client").text(&entry.client);
        w.key("format").text(entry.format.name());
        w.key("topic").text(&entry.topic);
    });
}
