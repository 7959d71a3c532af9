//! Owns the writing of pickles: protocol 4 (PEP 3154) without frames and memo, which readers do not
//! need. What is written for a value can be put inside of any other pickle as it is, so stored
//! values are never read to be passed on; [`Writer::opcodes`] does it.

use crate::value::Value;
use num_bigint::BigInt;

/// The pickle of a value.
#[must_use]
pub fn to_vec(value: &Value) -> Vec<u8> {
    let mut pickle = Vec::new();
    Writer::pickle(&mut pickle, |w| w.value(value));
    pickle
}

/// What makes a value in any pickle: one without `PROTO` before and `STOP` behind it.
#[must_use]
pub fn to_opcodes(value: &Value) -> Vec<u8> {
    let mut opcodes = Vec::new();
    Writer { out: &mut opcodes }.value(value);
    opcodes
}

/// Writes one pickle, value by value.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    /// Appends a pickle to `out`; `write` writes one value.
    pub fn pickle(out: &mut Vec<u8>, write: impl FnOnce(&mut Writer<'_>)) {
        out.extend_from_slice(b"\x80\x04");
        write(&mut Writer { out });
        out.push(b'.');
    }

    /// A value of any type.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.none(),
            Value::Bool(flag) => self.bool(*flag),
            Value::Int(int) => self.int(*int),
            Value::Big(value) => self.big(value),
            Value::Float(float) => {
                self.out.push(b'G');
                self.out.extend_from_slice(&float.to_be_bytes());
            }
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::List(items) => self.list(items, Self::value),
            Value::Tuple(items) => self.tuple(items),
            Value::Dict(pairs) => self.dict(|w| {
                for (key, value) in pairs {
                    w.value(key);
                    w.value(value);
                }
            }),
        }
    }

    /// A value that [`to_opcodes`] has written.
    pub fn opcodes(&mut self, opcodes: &[u8]) {
        self.out.extend_from_slice(opcodes);
    }

    /// `None`.
    pub fn none(&mut self) {
        self.out.push(b'N');
    }

    /// `True` or `False`.
    pub fn bool(&mut self, flag: bool) {
        self.out.push(if flag { 0x88 } else { 0x89 });
    }

    /// An int.
    pub fn int(&mut self, int: i64) {
        if let Ok(byte) = u8::try_from(int) {
            self.out.extend_from_slice(&[b'K', byte]);
        } else if let Ok(short) = u16::try_from(int) {
            self.out.push(b'M');
            self.out.extend_from_slice(&short.to_le_bytes());
        } else if let Ok(int) = i32::try_from(int) {
            self.out.push(b'J');
            self.out.extend_from_slice(&int.to_le_bytes());
        } else {
            self.big(&int.into());
        }
    }

    /// An int that is not negative.
    pub fn unsigned(&mut self, number: u64) {
        match i64::try_from(number) {
            Ok(int) => self.int(int),
            Err(_) => self.big(&number.into()),
        }
    }

    fn big(&mut self, value: &BigInt) {
        self.sized([0x8a, 0x8b, 0x8b], &value.to_signed_bytes_le());
    }

    /// A str.
    pub fn text(&mut self, text: &str) {
        self.sized([0x8c, b'X', 0x8d], text.as_bytes());
    }

    /// A bytes object.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.sized([b'C', b'B', 0x8e], bytes);
    }

    /// A list; `write` writes each of `items`.
    pub fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.out.push(b']');
        if !items.is_empty() {
            self.out.push(b'(');
            items.iter().for_each(|item| write(self, item));
            self.out.push(b'e');
        }
    }

    /// A tuple of two: `first` and `second` write one value each.
    pub fn pair(&mut self, first: impl FnOnce(&mut Self), second: impl FnOnce(&mut Self)) {
        first(self);
        second(self);
        self.out.push(0x86);
    }

    fn tuple(&mut self, items: &[Value]) {
        let (mark, end) = match items.len() {
            0 => (false, b')'),
            1 => (false, 0x85),
            2 => (false, 0x86),
            3 => (false, 0x87),
            _ => (true, b't'),
        };
        if mark {
            self.out.push(b'(');
        }
        items.iter().for_each(|item| self.value(item));
        self.out.push(end);
    }

    /// A dictionary: `write` writes keys and values by turns, the keys by [`key`](Self::key).
    pub fn dict(&mut self, write: impl FnOnce(&mut Self)) {
        self.out.extend_from_slice(b"}(");
        write(self);
        self.out.push(b'u');
    }

    /// The key of the value that is written next.
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.text(key);
        self
    }

    /// Bytes with their length before them, by one of three opcodes: for lengths of 1, 4 and 8
    /// bytes.
    fn sized(&mut self, opcodes: [u8; 3], bytes: &[u8]) {
        let [short, usual, long] = opcodes;
        if let Ok(len) = u8::try_from(bytes.len()) {
            self.out.extend_from_slice(&[short, len]);
        } else if let Ok(len) = u32::try_from(bytes.len()) {
            self.out.push(usual);
            self.out.extend_from_slice(&len.to_le_bytes());
        } else {
            self.out.push(long);
            self.out
                .extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        }
        self.out.extend_from_slice(bytes);
    }
}
