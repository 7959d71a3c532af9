//! Owns the run of a pickle: stack, marks and memo, for opcodes that make data. Whatever names or
//! calls an object ends the run with a refusal; nothing is looked up, so nothing can be executed.

use super::opcode::Opcode;
use super::tree::{Object, Objects, Ref};
use crate::error::{Code, Refusal};
use crate::value::{MAX_DIGITS, Value, is_too_long};
use num_bigint::BigInt;
use std::collections::HashMap;

/// The newest protocol there is.
const MAX_PROTOCOL: u8 = 5;

pub(super) struct Machine<'a> {
    rest: &'a [u8],
    len: usize,
    objects: Objects<'a>,
    stack: Vec<Ref>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Ref>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(pickle: &'a [u8]) -> Self {
        Self {
            rest: pickle,
            len: pickle.len(),
            objects: Objects::default(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// Runs to `STOP`, which must be the last byte.
    pub(super) fn run(mut self, max_bytes: usize) -> Result<Value, Refusal> {
        loop {
            let opcode = Opcode::of(self.byte()?);
            if opcode == Opcode::Stop {
                if !self.rest.is_empty() {
                    return Err(self.refuse("bytes after STOP"));
                }
                return self.result(max_bytes);
            }
            self.step(opcode)?;
        }
    }

    /// Runs to the end of the bytes.
    pub(super) fn run_to_end(mut self, max_bytes: usize) -> Result<Value, Refusal> {
        while !self.rest.is_empty() {
            let opcode = Opcode::of(self.byte()?);
            self.step(opcode)?;
        }
        self.result(max_bytes)
    }

    fn result(mut self, max_bytes: usize) -> Result<Value, Refusal> {
        let root = self.pop()?;
        if !self.stack.is_empty() || !self.marks.is_empty() {
            return Err(self.refuse("more than one object is left"));
        }
        self.objects.expand(root, max_bytes)
    }

    fn step(&mut self, opcode: Opcode) -> Result<(), Refusal> {
        match opcode {
            Opcode::Proto => return self.protocol(),
            // The length of a frame is for readers that read ahead.
            Opcode::Frame => return self.take(8).map(drop),
            Opcode::Mark => self.marks.push(self.stack.len()),
            Opcode::Pop => return self.discard(),
            Opcode::PopMark => return self.since_mark().map(drop),
            Opcode::Dup => {
                let top = self.top()?;
                self.stack.push(top);
            }
            Opcode::None => self.push(Object::Null),
            Opcode::True => self.push(Object::Bool(true)),
            Opcode::False => self.push(Object::Bool(false)),
            Opcode::IntText
            | Opcode::LongText
            | Opcode::BinInt
            | Opcode::BinInt1
            | Opcode::BinInt2
            | Opcode::Long1
            | Opcode::Long4 => return self.integer(opcode),
            Opcode::FloatText => return self.float_text(),
            Opcode::BinFloat => {
                let float = f64::from_be_bytes(self.array()?);
                self.push(Object::Float(float));
            }
            Opcode::StringText | Opcode::UnicodeText => return self.text_line(opcode),
            Opcode::BinString
            | Opcode::ShortBinString
            | Opcode::BinUnicode
            | Opcode::ShortBinUnicode
            | Opcode::BinUnicode8 => return self.text(opcode),
            Opcode::BinBytes | Opcode::ShortBinBytes | Opcode::BinBytes8 => {
                let len = self.length(opcode)?;
                let bytes = self.take(len)?;
                self.push(Object::Bytes(bytes));
            }
            Opcode::EmptyList => self.push(Object::List(Vec::new())),
            Opcode::List => {
                let items = self.since_mark()?;
                self.push(Object::List(items));
            }
            Opcode::Append => {
                let item = self.pop()?;
                return self.fill_list([item]);
            }
            Opcode::Appends => {
                let items = self.since_mark()?;
                return self.fill_list(items);
            }
            Opcode::EmptyTuple
            | Opcode::Tuple
            | Opcode::Tuple1
            | Opcode::Tuple2
            | Opcode::Tuple3 => return self.tuple(opcode),
            Opcode::EmptyDict => self.push(Object::Dict(Vec::new())),
            Opcode::Dict => {
                let items = self.since_mark()?;
                self.check_pairs(&items)?;
                self.push(Object::Dict(items));
            }
            Opcode::SetItem => {
                let value = self.pop()?;
                let key = self.pop()?;
                return self.fill_dict(&[key, value]);
            }
            Opcode::SetItems => {
                let items = self.since_mark()?;
                return self.fill_dict(&items);
            }
            Opcode::PutText | Opcode::BinPut | Opcode::LongBinPut | Opcode::Memoize => {
                return self.put(opcode);
            }
            Opcode::GetText | Opcode::BinGet | Opcode::LongBinGet => return self.get(opcode),
            Opcode::Object(name) => {
                let text = format!("{name} names or calls an object; a pickle may hold data only");
                return Err(Refusal::new(Code::Unsupported, text));
            }
            Opcode::Type(name) => {
                let text = format!("a {name} is not carried; send a list or bytes");
                return Err(Refusal::new(Code::Unsupported, text));
            }
            Opcode::Stop | Opcode::Unknown => return Err(self.refuse("no opcode")),
        }
        Ok(())
    }

    fn protocol(&mut self) -> Result<(), Refusal> {
        match self.byte()? {
            0..=MAX_PROTOCOL => Ok(()),
            newer => Err(self.refuse(&format!("unknown protocol {newer}"))),
        }
    }

    fn integer(&mut self, opcode: Opcode) -> Result<(), Refusal> {
        let object = match opcode {
            Opcode::BinInt => Object::Int(i32::from_le_bytes(self.array()?).into()),
            Opcode::BinInt1 => Object::Int(self.byte()?.into()),
            Opcode::BinInt2 => Object::Int(u16::from_le_bytes(self.array()?).into()),
            Opcode::Long1 | Opcode::Long4 => {
                let len = self.length(opcode)?;
                let bytes = self.take(len)?;
                // The length comes first: making a number of a megabyte is work for nothing.
                if bytes.len() > MAX_DIGITS / 2 {
                    return Err(too_long());
                }
                big(BigInt::from_signed_bytes_le(bytes))?
            }
            _ => match (opcode, self.line()?) {
                (Opcode::IntText, b"00") => Object::Bool(false),
                (Opcode::IntText, b"01") => Object::Bool(true),
                (_, line) => {
                    let digits = line.strip_suffix(b"L").unwrap_or(line);
                    if digits.len() > MAX_DIGITS + 1 {
                        return Err(too_long());
                    }
                    let number = BigInt::parse_bytes(digits, 10);
                    big(number.ok_or_else(|| self.refuse("no integer"))?)?
                }
            },
        };
        self.push(object);
        Ok(())
    }

    fn float_text(&mut self) -> Result<(), Refusal> {
        let line = self.line()?;
        let text = std::str::from_utf8(line).ok().map(str::trim);
        let float = text.and_then(|text| text.parse().ok());
        let float = float.ok_or_else(|| self.refuse("no float"))?;
        self.push(Object::Float(float));
        Ok(())
    }

    /// Text with its length before it.
    fn text(&mut self, opcode: Opcode) -> Result<(), Refusal> {
        let len = self.length(opcode)?;
        let bytes = self.take(len)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|_| self.refuse("text is not UTF-8, or has half of a surrogate pair"))?;
        if matches!(opcode, Opcode::BinString | Opcode::ShortBinString) && !text.is_ascii() {
            return Err(self.refuse("a string of Python 2 is not ASCII"));
        }
        self.push(Object::Text(text));
        Ok(())
    }

    /// Text up to the end of the line: protocol 0.
    fn text_line(&mut self, opcode: Opcode) -> Result<(), Refusal> {
        let line = self.line()?;
        let text = match opcode {
            Opcode::UnicodeText => super::text_line::raw_unicode(line),
            _ => super::text_line::quoted(line),
        };
        let text = text.ok_or_else(|| self.refuse("no text"))?;
        self.push(Object::OwnText(text.into()));
        Ok(())
    }

    fn tuple(&mut self, opcode: Opcode) -> Result<(), Refusal> {
        let items = match opcode {
            Opcode::EmptyTuple => Vec::new(),
            Opcode::Tuple1 => self.last(1)?,
            Opcode::Tuple2 => self.last(2)?,
            Opcode::Tuple3 => self.last(3)?,
            _ => self.since_mark()?,
        };
        self.push(Object::Tuple(items.into()));
        Ok(())
    }

    fn fill_list(&mut self, items: impl IntoIterator<Item = Ref>) -> Result<(), Refusal> {
        let top = self.top()?;
        match self.objects.get_mut(top) {
            Some(Object::List(list)) => list.extend(items),
            _ => return Err(self.refuse("appends to no list")),
        }
        Ok(())
    }

    fn fill_dict(&mut self, items: &[Ref]) -> Result<(), Refusal> {
        self.check_pairs(items)?;
        let top = self.top()?;
        match self.objects.get_mut(top) {
            Some(Object::Dict(dict)) => dict.extend_from_slice(items),
            _ => return Err(self.refuse("sets items of no dictionary")),
        }
        Ok(())
    }

    fn check_pairs(&self, items: &[Ref]) -> Result<(), Refusal> {
        if items.len().is_multiple_of(2) {
            Ok(())
        } else {
            Err(self.refuse("a key without a value"))
        }
    }

    fn put(&mut self, opcode: Opcode) -> Result<(), Refusal> {
        let key = match opcode {
            Opcode::Memoize => u32::try_from(self.memo.len()).unwrap_or(u32::MAX),
            _ => self.memo_key(opcode)?,
        };
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn get(&mut self, opcode: Opcode) -> Result<(), Refusal> {
        let key = self.memo_key(opcode)?;
        let found = self.memo.get(&key).copied();
        let found = found.ok_or_else(|| self.refuse("nothing is remembered by that number"))?;
        self.stack.push(found);
        Ok(())
    }

    fn memo_key(&mut self, opcode: Opcode) -> Result<u32, Refusal> {
        match opcode {
            Opcode::BinPut | Opcode::BinGet => Ok(self.byte()?.into()),
            Opcode::LongBinPut | Opcode::LongBinGet => Ok(u32::from_le_bytes(self.array()?)),
            _ => {
                let line = std::str::from_utf8(self.line()?).ok();
                let key = line.and_then(|line| line.trim().parse().ok());
                key.ok_or_else(|| self.refuse("no number of the memo"))
            }
        }
    }

    /// The length that an opcode has before its bytes.
    fn length(&mut self, opcode: Opcode) -> Result<usize, Refusal> {
        let len = match opcode {
            Opcode::Long1
            | Opcode::ShortBinString
            | Opcode::ShortBinUnicode
            | Opcode::ShortBinBytes => self.byte()?.into(),
            Opcode::BinUnicode8 | Opcode::BinBytes8 => u64::from_le_bytes(self.array()?),
            _ => u32::from_le_bytes(self.array()?).into(),
        };
        usize::try_from(len).map_err(|_| self.refuse("cut short"))
    }

    fn byte(&mut self) -> Result<u8, Refusal> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let Some((first, rest)) = self.rest.split_first_chunk() else {
            return Err(self.refuse("cut short"));
        };
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Refusal> {
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.refuse("cut short"));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// The bytes up to a line feed, which is taken too.
    fn line(&mut self) -> Result<&'a [u8], Refusal> {
        let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') else {
            return Err(self.refuse("cut short"));
        };
        let line = self.take(end)?;
        self.take(1)?;
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn push(&mut self, object: Object<'a>) {
        let object = self.objects.add(object);
        self.stack.push(object);
    }

    /// The lowest height that may be popped to.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Ref, Refusal> {
        let above = self.stack.get(self.floor()..);
        let top = above.and_then(|above| above.last().copied());
        top.ok_or_else(|| self.refuse("the stack is empty"))
    }

    fn pop(&mut self) -> Result<Ref, Refusal> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// `POP` takes a mark, if that is on top.
    fn discard(&mut self) -> Result<(), Refusal> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn last(&mut self, count: usize) -> Result<Vec<Ref>, Refusal> {
        match self.stack.len().checked_sub(count) {
            Some(height) if height >= self.floor() => Ok(self.stack.split_off(height)),
            _ => Err(self.refuse("the stack is empty")),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<Ref>, Refusal> {
        let Some(height) = self.marks.pop() else {
            return Err(self.refuse("no mark"));
        };
        Ok(self.stack.split_off(height))
    }

    fn refuse(&self, reason: &str) -> Refusal {
        let at = self.len - self.rest.len();
        Refusal::malformed(format!("invalid pickle before byte {at}: {reason}"))
    }
}

fn big(value: BigInt) -> Result<Object<'static>, Refusal> {
    if is_too_long(&value) {
        return Err(too_long());
    }
    let small = i64::try_from(&value);
    Ok(small.map_or_else(|_| Object::Big(Box::new(value)), Object::Int))
}

fn too_long() -> Refusal {
    let text = format!("an integer has more than {MAX_DIGITS} digits");
    Refusal::new(Code::TooLarge, text)
}
