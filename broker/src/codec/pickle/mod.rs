//! Owns Python's pickle as a carrier of data: protocols 0 to 5 in, protocol 4 out.
//!
//! serde-pickle was tried first. It gives integers beyond 64 bits only by way of its own value type,
//! which expands shared lists without a limit: nine lines of Python make it take all memory. It
//! also resolves some globals where this broker must refuse all. So the machine is ours, and
//! serde-pickle is what the tests compare it with.

mod machine;
mod opcode;
mod text_line;
mod tree;
mod write;

pub(crate) use write::{write, write_opcodes};

use super::fields::{Field, Fields};
use super::json::bad_id;
use super::{Children, Message, Payload, Request, Scalar, SubscriberEntry};
use crate::error::Refusal;
use crate::value::Value;
use machine::Machine;

/// Reads a pickle. `max_bytes` bounds what shared objects expand to.
pub(crate) fn read(pickle: &[u8], max_bytes: usize) -> Result<Value, Refusal> {
    Machine::new(pickle).run(max_bytes)
}

/// Reads the opcodes of a [`Payload`].
pub(crate) fn read_opcodes(opcodes: &[u8]) -> Result<Value, Refusal> {
    // Nothing is shared in them, so they expand to no more than their bytes.
    Machine::new(opcodes).run_to_end(opcodes.len())
}

/// Reads a dictionary with the field `method`.
pub(crate) fn read_request(frame: &[u8], max_value_bytes: usize) -> Result<Request, Refusal> {
    // The topic and the names of fields come on top of the value.
    let value = read(frame, max_value_bytes.saturating_add(frame.len()))?;
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
    write::start(out);
    write::open_dict(out);
    write::text("method", out);
    write::text(message.method, out);
    for (name, scalar) in &message.scalars {
        write::text(name, out);
        match scalar {
            Scalar::Text(text) => write::text(text, out),
            Scalar::Number(number) => write::number(*number, out),
            Scalar::Flag(flag) => write::flag(*flag, out),
        }
    }
    match message.children {
        Children::None => {}
        Children::Value(payload) => {
            write::text("value", out);
            write_payload(payload, out)?;
        }
        Children::Topics(topics) => {
            write::text("topics", out);
            write::list(topics, out, |topic, out| write::text(topic, out));
        }
        Children::Subscribers(entries) => {
            write::text("subscribers", out);
            write::list(entries, out, write_entry);
        }
    }
    write::close_dict(out);
    write::stop(out);
    Ok(())
}

fn write_entry(entry: &SubscriberEntry, out: &mut Vec<u8>) {
    write::open_dict(out);
    let fields = [
        ("client", entry.client.as_str()),
        ("format", entry.format.name()),
        ("topic", entry.topic.as_str()),
    ];
    for (name, text) in fields {
        write::text(name, out);
        write::text(text, out);
    }
    write::close_dict(out);
}

fn write_payload(payload: &Payload, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match payload {
        Payload::Pickle(opcodes) => out.extend_from_slice(opcodes),
        Payload::Json(_) => write_opcodes(&payload.value()?, out),
    }
    Ok(())
}
