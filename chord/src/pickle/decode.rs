//! The pickle machine, for data only.
//!
//! Values are made in an arena and refer to each other by index, as a pickle's memo does, so that
//! a list may still grow after it was remembered. At the end the root is copied out, within
//! limits on nodes, depth and bytes: a pickle that refers to itself, or doubles itself by
//! reference, costs no more than the limits.

use std::collections::HashMap;
use std::fmt;

use num_bigint::BigInt;

use super::Value;

/// Values in the result, counted as often as they are referred to.
const MAX_NODES: usize = 4096;
const MAX_DEPTH: usize = 64;
/// Bytes of strings and numbers in the result.
const MAX_BYTES: usize = 65_536;
/// Digits of an int in text.
const MAX_DIGITS: usize = 4096;

/// The reason that a pickle was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It ends early, or says something that no pickle says.
    Malformed,
    /// It names or calls an object; the opcode.
    Object(u8),
    /// Data that has no place here, such as a set.
    Unsupported(u8),
    /// More values, deeper, or longer than is taken; or it contains itself.
    TooLarge,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("malformed pickle"),
            Self::Object(op) => write!(
                f,
                "pickle names or calls an object (opcode {})",
                op.escape_ascii()
            ),
            Self::Unsupported(op) => write!(f, "unsupported opcode {}", op.escape_ascii()),
            Self::TooLarge => f.write_str("too large, too deep, or contains itself"),
        }
    }
}

impl std::error::Error for Refusal {}

type Result<T> = std::result::Result<T, Refusal>;

/// A value in the arena.
#[derive(Clone, Copy)]
struct Ref(usize);

enum Slot {
    Atom(Value),
    List(Vec<Ref>),
    Tuple(Vec<Ref>),
    Dict(Vec<(Ref, Ref)>),
}

#[derive(Clone, Copy)]
enum Entry {
    Mark,
    Value(Ref),
}

/// Decodes one pickle that takes up all of `bytes`.
///
/// # Errors
/// A [`Refusal`]; nothing that the pickle says has any effect.
pub fn decode(bytes: &[u8]) -> Result<Value> {
    let mut machine = Machine {
        rest: bytes,
        arena: Vec::new(),
        stack: Vec::new(),
        memo: HashMap::new(),
    };
    let root = machine.run()?;
    let mut budget = Budget {
        nodes: MAX_NODES,
        bytes: MAX_BYTES,
    };
    machine.build(root, MAX_DEPTH, &mut budget)
}

struct Machine<'a> {
    rest: &'a [u8],
    arena: Vec<Slot>,
    stack: Vec<Entry>,
    memo: HashMap<u64, Ref>,
}

struct Budget {
    nodes: usize,
    bytes: usize,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Ref> {
        loop {
            let [op] = self.array()?;
            if op == b'.' {
                let root = self.pop()?;
                let is_all = self.stack.is_empty() && self.rest.is_empty();
                return if is_all {
                    Ok(root)
                } else {
                    Err(Refusal::Malformed)
                };
            }
            self.step(op)?;
        }
    }

    fn step(&mut self, op: u8) -> Result<()> {
        match op {
            0x80 => {
                let [version] = self.array()?;
                if version > 5 {
                    return Err(Refusal::Malformed);
                }
            }
            // A frame only says how much to read ahead.
            0x95 => drop(self.array::<8>()?),
            b'(' => self.stack.push(Entry::Mark),
            b'0' => drop(self.stack.pop().ok_or(Refusal::Malformed)?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(Entry::Value(top));
            }
            b'p' | b'q' | b'r' | 0x94 => self.remember(op)?,
            b'g' | b'h' | b'j' => self.recall(op)?,
            b']' | b'l' | b'a' | b'e' | b')' | b't' | 0x85..=0x87 | b'}' | b'd' | b's' | b'u' => {
                self.container(op)?;
            }
            b'c' | 0x93 | b'R' | b'i' | b'o' | b'b' | 0x81 | 0x92 | 0x82..=0x84 | b'P' | b'Q' => {
                return Err(Refusal::Object(op));
            }
            // Sets, and buffers from outside the pickle.
            0x8f..=0x91 | 0x96..=0x98 => return Err(Refusal::Unsupported(op)),
            _ => {
                let atom = self.atom(op)?;
                self.push(Slot::Atom(atom));
            }
        }
        Ok(())
    }

    fn remember(&mut self, op: u8) -> Result<()> {
        let index = match op {
            b'p' => self.decimal_index()?,
            b'q' => u64::from(u8::from_le_bytes(self.array()?)),
            b'r' => u64::from(u32::from_le_bytes(self.array()?)),
            _ => self.memo.len() as u64,
        };
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, op: u8) -> Result<()> {
        let index = match op {
            b'g' => self.decimal_index()?,
            b'h' => u64::from(u8::from_le_bytes(self.array()?)),
            _ => u64::from(u32::from_le_bytes(self.array()?)),
        };
        let found = *self.memo.get(&index).ok_or(Refusal::Malformed)?;
        self.stack.push(Entry::Value(found));
        Ok(())
    }

    fn container(&mut self, op: u8) -> Result<()> {
        match op {
            b']' => self.push(Slot::List(Vec::new())),
            b'}' => self.push(Slot::Dict(Vec::new())),
            b')' => self.push(Slot::Tuple(Vec::new())),
            b'l' | b't' => {
                let items = self.pop_mark()?;
                self.push(if op == b'l' {
                    Slot::List(items)
                } else {
                    Slot::Tuple(items)
                });
            }
            0x85..=0x87 => {
                let count = usize::from(op - 0x84);
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Slot::Tuple(items));
            }
            b'd' => {
                let items = pairs(&self.pop_mark()?)?;
                self.push(Slot::Dict(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_list(&[item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.extend_list(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend_dict(vec![(key, value)])?;
            }
            _ => {
                let items = pairs(&self.pop_mark()?)?;
                self.extend_dict(items)?;
            }
        }
        Ok(())
    }

    fn extend_list(&mut self, items: &[Ref]) -> Result<()> {
        let Ref(top) = self.top()?;
        match self.arena.get_mut(top) {
            Some(Slot::List(list)) => list.extend_from_slice(items),
            _ => return Err(Refusal::Malformed),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: Vec<(Ref, Ref)>) -> Result<()> {
        let Ref(top) = self.top()?;
        match self.arena.get_mut(top) {
            Some(Slot::Dict(dict)) => dict.extend(items),
            _ => return Err(Refusal::Malformed),
        }
        Ok(())
    }

    fn atom(&mut self, op: u8) -> Result<Value> {
        Ok(match op {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'I' => match self.line()? {
                b"00" => Value::Bool(false),
                b"01" => Value::Bool(true),
                digits => decimal(digits)?,
            },
            b'L' => {
                let digits = self.line()?;
                decimal(digits.strip_suffix(b"L").unwrap_or(digits))?
            }
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'K' => Value::Int(i64::from(u8::from_le_bytes(self.array()?))),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.array()?))),
            0x8a => {
                let bytes = self.sized::<1>()?;
                integer(BigInt::from_signed_bytes_le(bytes))
            }
            0x8b => {
                let bytes = self.sized::<4>()?;
                integer(BigInt::from_signed_bytes_le(bytes))
            }
            b'F' => Value::Float(
                text(self.line()?)?
                    .parse()
                    .map_err(|_| Refusal::Malformed)?,
            ),
            b'G' => Value::Float(f64::from_be_bytes(self.array()?)),
            b'V' => Value::Str(raw_unicode_escape(self.line()?)?),
            0x8c => Value::Str(text(self.sized::<1>()?)?.to_owned()),
            b'X' => Value::Str(text(self.sized::<4>()?)?.to_owned()),
            0x8d => Value::Str(text(self.sized::<8>()?)?.to_owned()),
            // Strings of Python 2, which Python 3 reads as ASCII.
            b'S' => Value::Str(quoted(self.line()?)?),
            b'U' => Value::Str(ascii(self.sized::<1>()?)?),
            b'T' => Value::Str(ascii(self.sized::<4>()?)?),
            b'C' => Value::Bytes(self.sized::<1>()?.to_vec()),
            b'B' => Value::Bytes(self.sized::<4>()?.to_vec()),
            0x8e => Value::Bytes(self.sized::<8>()?.to_vec()),
            _ => return Err(Refusal::Malformed),
        })
    }

    fn push(&mut self, slot: Slot) {
        self.stack.push(Entry::Value(Ref(self.arena.len())));
        self.arena.push(slot);
    }

    fn pop(&mut self) -> Result<Ref> {
        match self.stack.pop() {
            Some(Entry::Value(value)) => Ok(value),
            _ => Err(Refusal::Malformed),
        }
    }

    fn top(&self) -> Result<Ref> {
        match self.stack.last() {
            Some(Entry::Value(value)) => Ok(*value),
            _ => Err(Refusal::Malformed),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<Ref>> {
        let mut items = Vec::new();
        loop {
            match self.stack.pop() {
                Some(Entry::Value(value)) => items.push(value),
                Some(Entry::Mark) => break,
                None => return Err(Refusal::Malformed),
            }
        }
        items.reverse();
        Ok(items)
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Refusal::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Refusal::Malformed)
    }

    /// Bytes after their length, which has `N` bytes.
    fn sized<const N: usize>(&mut self) -> Result<&[u8]> {
        let mut len = [0; 8];
        let bytes = self.take(N)?;
        for (to, from) in len.iter_mut().zip(bytes) {
            *to = *from;
        }
        let len = usize::try_from(u64::from_le_bytes(len)).map_err(|_| Refusal::Malformed)?;
        self.take(len)
    }

    fn line(&mut self) -> Result<&[u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(end.ok_or(Refusal::Malformed)? + 1)?;
        Ok(line.strip_suffix(b"\n").unwrap_or(line))
    }

    fn decimal_index(&mut self) -> Result<u64> {
        text(self.line()?)?.parse().map_err(|_| Refusal::Malformed)
    }

    /// Copies a value out of the arena, within the budget.
    fn build(&self, Ref(at): Ref, depth: usize, budget: &mut Budget) -> Result<Value> {
        budget.nodes = budget.nodes.checked_sub(1).ok_or(Refusal::TooLarge)?;
        let depth = depth.checked_sub(1).ok_or(Refusal::TooLarge)?;
        let mut build = |items: &[Ref]| -> Result<Vec<Value>> {
            items
                .iter()
                .map(|item| self.build(*item, depth, budget))
                .collect()
        };
        Ok(match self.arena.get(at).ok_or(Refusal::Malformed)? {
            Slot::Atom(atom) => {
                let left = budget.bytes.checked_sub(size(atom));
                budget.bytes = left.ok_or(Refusal::TooLarge)?;
                atom.clone()
            }
            Slot::List(items) => Value::List(build(items)?),
            Slot::Tuple(items) => Value::Tuple(build(items)?),
            Slot::Dict(items) => {
                let mut built: Vec<(Value, Value)> = Vec::new();
                for (key, value) in items {
                    let (key, value) = match build(&[*key, *value])?.as_slice() {
                        [key, value] => (key.clone(), value.clone()),
                        _ => return Err(Refusal::Malformed),
                    };
                    if !is_hashable(&key) {
                        return Err(Refusal::Malformed);
                    }
                    // The last of equal keys counts, at the place of the first.
                    match built.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, old)) => *old = value,
                        None => built.push((key, value)),
                    }
                }
                Value::Dict(built)
            }
        })
    }
}

fn pairs(items: &[Ref]) -> Result<Vec<(Ref, Ref)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Refusal::Malformed);
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

fn is_hashable(value: &Value) -> bool {
    match value {
        Value::List(_) | Value::Dict(_) => false,
        Value::Tuple(items) => items.iter().all(is_hashable),
        _ => true,
    }
}

fn size(atom: &Value) -> usize {
    match atom {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::BigInt(number) => number.bits() as usize / 8,
        _ => 8,
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Refusal::Malformed)
}

fn ascii(bytes: &[u8]) -> Result<String> {
    if !bytes.is_ascii() {
        return Err(Refusal::Malformed);
    }
    Ok(text(bytes)?.to_owned())
}

fn integer(number: BigInt) -> Value {
    i64::try_from(&number).map_or(Value::BigInt(number), Value::Int)
}

fn decimal(digits: &[u8]) -> Result<Value> {
    if digits.len() > MAX_DIGITS {
        return Err(Refusal::TooLarge);
    }
    let number = BigInt::parse_bytes(digits, 10).ok_or(Refusal::Malformed)?;
    Ok(integer(number))
}

/// A line of protocol 0: Latin-1, with `\uXXXX` and `\UXXXXXXXX` for the rest.
fn raw_unicode_escape(line: &[u8]) -> Result<String> {
    let mut text = String::new();
    let mut rest = line;
    while let [first, tail @ ..] = rest {
        let digits = match (first, tail.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(*first));
                rest = tail;
                continue;
            }
        };
        let (code, after) = tail
            .get(1..)
            .and_then(|t| t.split_at_checked(digits))
            .ok_or(Refusal::Malformed)?;
        let code = self::text(code)?;
        let code = u32::from_str_radix(code, 16).map_err(|_| Refusal::Malformed)?;
        text.push(char::from_u32(code).ok_or(Refusal::Malformed)?);
        rest = after;
    }
    Ok(text)
}

/// A quoted string of Python 2, without escapes but those of quote and backslash.
fn quoted(line: &[u8]) -> Result<String> {
    let inner = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err(Refusal::Malformed),
    };
    let mut text = String::new();
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'r') => b'\r',
                Some(quote @ (b'\\' | b'\'' | b'"')) => *quote,
                _ => return Err(Refusal::Malformed),
            },
            byte if byte.is_ascii() => *byte,
            _ => return Err(Refusal::Malformed),
        };
        text.push(char::from(byte));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_refused_by_name_and_by_call() {
        // pickle.dumps of os.system, {1} in protocol 2, and a bytearray in protocol 5.
        assert_eq!(decode(b"cos\nsystem\n."), Err(Refusal::Object(b'c')));
        assert_eq!(
            decode(b"cos\nsystem\n(S'id'\ntR."),
            Err(Refusal::Object(b'c'))
        );
        assert_eq!(
            decode(b"\x80\x02c__builtin__\nset\nq\x00]q\x01K\x01a\x85q\x02Rq\x03."),
            Err(Refusal::Object(b'c'))
        );
        assert_eq!(
            decode(b"\x80\x05\x96\x00\x00\x00\x00\x00\x00\x00\x00."),
            Err(Refusal::Unsupported(0x96))
        );
        for op in [
            b'R', b'i', b'o', b'b', 0x81, 0x92, 0x82, 0x83, 0x84, b'P', b'Q', 0x93,
        ] {
            assert_eq!(decode(&[b'N', b'N', op, b'.']), Err(Refusal::Object(op)));
        }
    }

    #[test]
    fn a_pickle_that_contains_itself_is_refused() {
        // l = []; l.append(l)
        assert_eq!(decode(b"(lp0\ng0\na."), Err(Refusal::TooLarge));
        assert_eq!(decode(b"\x80\x04]\x94h\x00a."), Err(Refusal::TooLarge));
    }

    #[test]
    fn a_pickle_that_doubles_itself_is_refused_in_time() {
        let mut bytes = b"\x80\x02]q\x00".to_vec();
        for nth in 0_u8..200 {
            bytes.extend([b']', b'q', nth + 1, b'h', nth, b'a', b'h', nth, b'a']);
        }
        let keep = bytes.len();
        bytes.push(b'.');
        assert_eq!(decode(&bytes), Err(Refusal::Malformed), "values left over");
        bytes.truncate(keep);
        // All but the last are put away.
        let mut flat = b"\x80\x02]q\x00".to_vec();
        for nth in 0_u8..100 {
            flat.extend([b'0', b']', b'q', nth + 1, b'h', nth, b'a', b'h', nth, b'a']);
        }
        flat.push(b'.');
        assert_eq!(decode(&flat), Err(Refusal::TooLarge));
    }

    #[test]
    fn depth_and_length_are_limited() {
        let mut deep = vec![b']'; 500];
        deep.extend(vec![b'a'; 499]);
        deep.push(b'.');
        assert_eq!(decode(&deep), Err(Refusal::TooLarge));
        assert_eq!(decode(b"B\xff\xff\xff\xffx."), Err(Refusal::Malformed));
        assert_eq!(
            decode(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffx."),
            Err(Refusal::Malformed)
        );
        let long = [&b"L"[..], &vec![b'9'; 5000], b"L\n."].concat();
        assert_eq!(decode(&long), Err(Refusal::TooLarge));
    }

    #[test]
    fn what_ends_early_or_late_is_malformed() {
        for bytes in [
            &b""[..],
            b".",
            b"K\x01",
            b"K\x01.x",
            b"K\x01K\x01.",
            b"(.",
            b"\x80\x06N.",
            b"}]Ns.",
        ] {
            assert_eq!(decode(bytes), Err(Refusal::Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn texts_of_protocol_0() {
        let text = decode(b"V\\u20ac\\u005cx\xe9\np0\n.").unwrap();
        assert_eq!(text, Value::Str("€\\xé".to_owned()));
        assert_eq!(
            decode(b"S'a\\'b'\n.").unwrap(),
            Value::Str("a'b".to_owned())
        );
        assert_eq!(decode(b"I01\n.").unwrap(), Value::Bool(true));
        assert_eq!(decode(b"L-5L\n.").unwrap(), Value::Int(-5));
    }
}
