//! Writes pickles of protocol 4 (PEP 3154) without frames and memo, which readers do not need: what
//! is written for a value can be put inside of any other pickle.

use crate::value::Value;
use num_bigint::BigInt;

/// Appends a whole pickle.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) {
    start(out);
    write_opcodes(value, out);
    stop(out);
}

pub(super) fn start(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\x80\x04");
}

pub(super) fn stop(out: &mut Vec<u8>) {
    out.push(b'.');
}

/// Appends what makes a value.
pub(crate) fn write_opcodes(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'N'),
        Value::Bool(is_set) => flag(*is_set, out),
        Value::Int(int) => integer(*int, out),
        Value::Big(value) => big(value, out),
        Value::Float(float) => {
            out.push(b'G');
            out.extend_from_slice(&float.to_be_bytes());
        }
        Value::Text(value) => text(value, out),
        Value::Bytes(value) => sized([b'C', b'B', 0x8e], value, out),
        Value::List(items) => list(items, out, write_opcodes),
        Value::Tuple(items) => tuple(items, out),
        Value::Dict(pairs) => {
            open_dict(out);
            for (key, value) in pairs {
                write_opcodes(key, out);
                write_opcodes(value, out);
            }
            close_dict(out);
        }
    }
}

pub(super) fn flag(is_set: bool, out: &mut Vec<u8>) {
    out.push(if is_set { 0x88 } else { 0x89 });
}

pub(super) fn text(text: &str, out: &mut Vec<u8>) {
    sized([0x8c, b'X', 0x8d], text.as_bytes(), out);
}

pub(super) fn number(number: u64, out: &mut Vec<u8>) {
    match i64::try_from(number) {
        Ok(int) => integer(int, out),
        Err(_) => big(&number.into(), out),
    }
}

fn integer(int: i64, out: &mut Vec<u8>) {
    if let Ok(byte) = u8::try_from(int) {
        out.extend_from_slice(&[b'K', byte]);
    } else if let Ok(short) = u16::try_from(int) {
        out.push(b'M');
        out.extend_from_slice(&short.to_le_bytes());
    } else if let Ok(int) = i32::try_from(int) {
        out.push(b'J');
        out.extend_from_slice(&int.to_le_bytes());
    } else {
        big(&int.into(), out);
    }
}

fn big(value: &BigInt, out: &mut Vec<u8>) {
    let bytes = value.to_signed_bytes_le();
    sized([0x8a, 0x8b, 0x8b], &bytes, out);
}

/// Bytes with their length before them, by one of three opcodes: for lengths of 1, 4 and 8 bytes.
fn sized(opcodes: [u8; 3], bytes: &[u8], out: &mut Vec<u8>) {
    let [short, usual, long] = opcodes;
    if let Ok(len) = u8::try_from(bytes.len()) {
        out.extend_from_slice(&[short, len]);
    } else if let Ok(len) = u32::try_from(bytes.len()) {
        out.push(usual);
        out.extend_from_slice(&len.to_le_bytes());
    } else {
        out.push(long);
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    }
    out.extend_from_slice(bytes);
}

pub(super) fn list<T>(items: &[T], out: &mut Vec<u8>, mut write: impl FnMut(&T, &mut Vec<u8>)) {
    out.push(b']');
    if !items.is_empty() {
        out.push(b'(');
        items.iter().for_each(|item| write(item, out));
        out.push(b'e');
    }
}

fn tuple(items: &[Value], out: &mut Vec<u8>) {
    let (mark, end) = match items.len() {
        0 => (false, b')'),
        1 => (false, 0x85),
        2 => (false, 0x86),
        3 => (false, 0x87),
        _ => (true, b't'),
    };
    if mark {
        out.push(b'(');
    }
    items.iter().for_each(|item| write_opcodes(item, out));
    out.push(end);
}

pub(super) fn open_dict(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}(");
}

pub(super) fn close_dict(out: &mut Vec<u8>) {
    out.push(b'u');
}
