//! Pickles of protocol 4 without a memo: `pickle.loads` of Python 3.4 and later reads them.
//!
//! Without a memo the pickle of a part can be copied into that of the whole, so stored values are
//! never decoded to be passed on; [`Writer::raw`] does it.

use super::Value;

/// The pickle of a value.
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.value(value);
    writer.finish()
}

/// Writes one pickle, opcode by opcode.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    const HEADER: [u8; 2] = [0x80, 4];

    /// A pickle that has nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: Self::HEADER.to_vec(),
        }
    }

    /// The complete pickle.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(b'.');
        self.bytes
    }

    /// What [`raw`](Self::raw) takes: the pickle of a value without its first and last bytes.
    #[must_use]
    pub fn fragment(value: &Value) -> Vec<u8> {
        let mut writer = Self { bytes: Vec::new() };
        writer.value(value);
        writer.bytes
    }

    /// The value whose [`fragment`](Self::fragment) this is.
    ///
    /// # Errors
    /// As of [`super::decode`].
    pub fn value_of(fragment: &[u8]) -> Result<Value, super::Refusal> {
        super::decode(&[&Self::HEADER, fragment, b"."].concat())
    }

    /// A [`fragment`](Self::fragment) as it is.
    pub fn raw(&mut self, fragment: &[u8]) {
        self.bytes.extend_from_slice(fragment);
    }

    /// A dict whose keys are str: `items` writes the values by way of [`key`](Self::key).
    pub fn dict(&mut self, items: impl FnOnce(&mut Self)) {
        self.bytes.extend(b"}(");
        items(self);
        self.bytes.push(b'u');
    }

    /// The key of the next item.
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.str(key);
        self
    }

    /// `None`
    pub fn none(&mut self) {
        self.bytes.push(b'N');
    }

    /// An int.
    pub fn int(&mut self, number: i64) {
        if let Ok(byte) = u8::try_from(number) {
            self.bytes.extend([b'K', byte]);
        } else if let Ok(short) = u16::try_from(number) {
            self.bytes.push(b'M');
            self.bytes.extend(short.to_le_bytes());
        } else if let Ok(word) = i32::try_from(number) {
            self.bytes.push(b'J');
            self.bytes.extend(word.to_le_bytes());
        } else {
            self.bytes.extend([0x8a, 8]);
            self.bytes.extend(number.to_le_bytes());
        }
    }

    /// A str.
    pub fn str(&mut self, text: &str) {
        self.sized(text.as_bytes(), [0x8c, b'X', 0x8d]);
    }

    /// A bytes object.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.sized(bytes, [b'C', b'B', 0x8e]);
    }

    /// A tuple of two: `first` and `second` write one value each.
    pub fn pair(&mut self, first: impl FnOnce(&mut Self), second: impl FnOnce(&mut Self)) {
        first(self);
        second(self);
        self.bytes.push(0x86);
    }

    fn sized(&mut self, bytes: &[u8], [tiny, normal, huge]: [u8; 3]) {
        if let Ok(len) = u8::try_from(bytes.len()) {
            self.bytes.extend([tiny, len]);
        } else if let Ok(len) = u32::try_from(bytes.len()) {
            self.bytes.push(normal);
            self.bytes.extend(len.to_le_bytes());
        } else {
            self.bytes.push(huge);
            self.bytes.extend((bytes.len() as u64).to_le_bytes());
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::None => self.none(),
            Value::Bool(value) => self.bytes.push(if *value { 0x88 } else { 0x89 }),
            Value::Int(number) => self.int(*number),
            Value::BigInt(number) => self.sized(&number.to_signed_bytes_le(), [0x8a, 0x8b, 0x8b]),
            Value::Float(number) => {
                self.bytes.push(b'G');
                self.bytes.extend(number.to_be_bytes());
            }
            Value::Str(text) => self.str(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::List(items) => {
                self.bytes.push(b']');
                self.items(items, b'e');
            }
            Value::Tuple(items) if items.is_empty() => self.bytes.push(b')'),
            Value::Tuple(items) => self.items(items, b't'),
            Value::Dict(items) => self.dict(|writer| {
                for (key, value) in items {
                    writer.value(key);
                    writer.value(value);
                }
            }),
        }
    }

    fn items(&mut self, items: &[Value], end: u8) {
        self.bytes.push(b'(');
        for item in items {
            self.value(item);
        }
        self.bytes.push(end);
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pickle::decode;
    use num_bigint::BigInt;

    fn samples() -> Vec<Value> {
        let big: BigInt = BigInt::from(1) << 70;
        vec![
            Value::None,
            Value::Bool(true),
            Value::Int(0),
            Value::Int(255),
            Value::Int(256),
            Value::Int(70_000),
            Value::Int(-1),
            Value::Int(i64::MIN),
            Value::BigInt(big.clone()),
            Value::BigInt(-big),
            Value::Float(-1.5),
            Value::Str("é".repeat(300)),
            Value::Bytes(vec![0, 255]),
            Value::List(vec![]),
            Value::Tuple(vec![]),
            Value::Tuple(vec![Value::Str("localhost".into()), Value::Int(5000)]),
            Value::Dict(vec![(
                Value::Str("k".into()),
                Value::List(vec![Value::None]),
            )]),
        ]
    }

    #[test]
    fn values_come_back() {
        for value in samples() {
            assert_eq!(decode(&encode(&value)), Ok(value.clone()));
            let fragment = Writer::fragment(&value);
            assert_eq!(Writer::value_of(&fragment), Ok(value));
        }
    }

    #[test]
    fn serde_pickle_reads_the_same() {
        for value in samples() {
            let read = serde_pickle::value_from_slice(&encode(&value), Default::default());
            assert!(read.is_ok(), "{value:?}: {read:?}");
        }
    }

    #[test]
    fn a_fragment_can_be_part_of_another_pickle() {
        let list = Value::List(vec![Value::Int(0), Value::Int(1), Value::Int(2)]);
        let mut writer = Writer::new();
        writer.dict(|w| w.key("value").raw(&Writer::fragment(&list)));
        let whole = decode(&writer.finish()).unwrap();
        assert_eq!(whole.get("value"), Some(&list));
    }
}
