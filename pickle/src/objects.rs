//! Owns the objects that a pickle makes while it runs, and their expansion into a [`Value`].
//!
//! Objects are kept once and refer to each other by number, as Python's do, so a list that is
//! filled after it was put into another is right, and a pickle that shares objects takes no more
//! memory than its bytes. The expansion, where sharing and cycles would become endless, is bounded
//! in depth and bytes.

use crate::refusal::Refusal;
use crate::value::Value;
use num_bigint::BigInt;

/// An object, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ref(u32);

/// An object. Text and bytes stay in the frame where they can.
#[derive(Debug)]
pub(crate) enum Object<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Big(Box<BigInt>),
    Float(f64),
    Text(&'a str),
    OwnText(Box<str>),
    Bytes(&'a [u8]),
    List(Vec<Ref>),
    Tuple(Box<[Ref]>),
    /// Keys and values by turns.
    Dict(Vec<Ref>),
}

/// All objects of a pickle.
#[derive(Debug, Default)]
pub(crate) struct Objects<'a>(Vec<Object<'a>>);

impl<'a> Objects<'a> {
    /// Adds an object. A frame of 4 GiB would be needed to run out of numbers.
    pub(crate) fn add(&mut self, object: Object<'a>) -> Ref {
        let nth = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.push(object);
        Ref(nth)
    }

    pub(crate) fn get(&self, which: Ref) -> Option<&Object<'a>> {
        self.0.get(which.0 as usize)
    }

    pub(crate) fn get_mut(&mut self, which: Ref) -> Option<&mut Object<'a>> {
        self.0.get_mut(which.0 as usize)
    }

    /// The value of `root`, of at most `max_bytes` counted as it would be written, and `max_depth`
    /// containers inside each other.
    pub(crate) fn expand(
        &self,
        root: Ref,
        max_bytes: usize,
        max_depth: usize,
    ) -> Result<Value, Refusal> {
        Expansion {
            objects: self,
            bytes: 0,
            max_bytes,
        }
        .value(root, max_depth)
    }
}

struct Expansion<'a> {
    objects: &'a Objects<'a>,
    bytes: usize,
    max_bytes: usize,
}

impl Expansion<'_> {
    /// `depth` is how many containers there may still be inside each other.
    fn value(&mut self, which: Ref, depth: usize) -> Result<Value, Refusal> {
        // Every object takes a byte at least, so this bounds their number too.
        self.count(1)?;
        Ok(match self.objects.get(which) {
            None | Some(Object::Null) => Value::Null,
            Some(Object::Bool(flag)) => Value::Bool(*flag),
            Some(Object::Int(int)) => Value::Int(*int),
            Some(Object::Big(big)) => {
                self.count(big.bits() as usize / 8)?;
                Value::Big(big.clone())
            }
            Some(Object::Float(float)) => Value::Float(*float),
            Some(Object::Text(text)) => self.text(text)?,
            Some(Object::OwnText(text)) => self.text(text)?,
            Some(Object::Bytes(bytes)) => {
                self.count(bytes.len())?;
                Value::Bytes(bytes.to_vec())
            }
            Some(Object::List(items)) => Value::List(self.items(items, depth)?),
            Some(Object::Tuple(items)) => Value::Tuple(self.items(items, depth)?),
            Some(Object::Dict(items)) => self.dict(items, depth)?,
        })
    }

    fn text(&mut self, text: &str) -> Result<Value, Refusal> {
        self.count(text.len())?;
        Ok(Value::text(text))
    }

    fn items(&mut self, items: &[Ref], depth: usize) -> Result<Vec<Value>, Refusal> {
        let depth = deeper(depth)?;
        items.iter().map(|item| self.value(*item, depth)).collect()
    }

    fn dict(&mut self, items: &[Ref], depth: usize) -> Result<Value, Refusal> {
        let depth = deeper(depth)?;
        let mut pairs = Vec::with_capacity(items.len() / 2);
        for pair in items.chunks_exact(2) {
            if let [key, value] = pair {
                let key = self.value(*key, depth)?;
                if !is_hashable(&key) {
                    return Err(Refusal::Unhashable);
                }
                pairs.push((key, self.value(*value, depth)?));
            }
        }
        Ok(Value::Dict(pairs))
    }

    fn count(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.max_bytes {
            return Err(Refusal::TooLarge {
                bytes: self.bytes,
                max_bytes: self.max_bytes,
            });
        }
        Ok(())
    }
}

fn deeper(depth: usize) -> Result<usize, Refusal> {
    depth.checked_sub(1).ok_or(Refusal::TooDeep)
}

fn is_hashable(key: &Value) -> bool {
    match key {
        Value::List(_) | Value::Dict(_) => false,
        Value::Tuple(items) => items.iter().all(is_hashable),
        _ => true,
    }
}
