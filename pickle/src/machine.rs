//! Owns the run of a pickle: stack, marks and memo, for opcodes that make data. Whatever names or
//! calls an object ends the run with a refusal; nothing is looked up, so nothing can be executed.

use crate::atom;
use crate::input::Input;
use crate::objects::{Object, Objects, Ref};
use crate::opcode::Opcode;
use crate::refusal::Refusal;
use crate::value::{MAX_DEPTH, Value};
use std::collections::HashMap;

/// The newest protocol there is.
const MAX_PROTOCOL: u8 = 5;

pub(crate) struct Machine<'a> {
    input: Input<'a>,
    objects: Objects<'a>,
    stack: Vec<Ref>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Ref>,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(pickle: &'a [u8]) -> Self {
        Self {
            input: Input::new(pickle),
            objects: Objects::default(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// Runs to `STOP`, which must be the last byte.
    pub(crate) fn run(mut self, max_bytes: usize, max_depth: usize) -> Result<Value, Refusal> {
        loop {
            let opcode = Opcode::of(self.input.byte()?);
            if opcode == Opcode::Stop {
                if !self.input.is_empty() {
                    return Err(self.input.refuse("bytes after STOP"));
                }
                return self.result(max_bytes, max_depth);
            }
            self.step(opcode)?;
        }
    }

    /// Runs to the end of the bytes.
    pub(crate) fn run_to_end(mut self, max_bytes: usize) -> Result<Value, Refusal> {
        while !self.input.is_empty() {
            let opcode = Opcode::of(self.input.byte()?);
            self.step(opcode)?;
        }
        self.result(max_bytes, MAX_DEPTH)
    }

    fn result(mut self, max_bytes: usize, max_depth: usize) -> Result<Value, Refusal> {
        let root = self.pop()?;
        if !self.stack.is_empty() || !self.marks.is_empty() {
            return Err(self.input.refuse("more than one object is left"));
        }
        self.objects.expand(root, max_bytes, max_depth)
    }

    fn step(&mut self, opcode: Opcode) -> Result<(), Refusal> {
        match opcode {
            Opcode::Proto => return self.protocol(),
            // The length of a frame is for readers that read ahead.
            Opcode::Frame => return self.input.take(8).map(drop),
            Opcode::Mark => self.marks.push(self.stack.len()),
            Opcode::Pop => return self.discard(),
            Opcode::PopMark => return self.since_mark().map(drop),
            Opcode::Dup => {
                let top = self.top()?;
                self.stack.push(top);
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
            Opcode::Object(name) => return Err(Refusal::Object(name)),
            Opcode::Type(name) => return Err(Refusal::Type(name)),
            Opcode::Stop | Opcode::Unknown => return Err(self.input.refuse("no opcode")),
            _ => {
                let atom = atom::read(opcode, &mut self.input)?;
                self.push(atom);
            }
        }
        Ok(())
    }

    fn protocol(&mut self) -> Result<(), Refusal> {
        match self.input.byte()? {
            0..=MAX_PROTOCOL => Ok(()),
            _ => Err(self.input.refuse("unknown protocol")),
        }
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
            _ => return Err(self.input.refuse("appends to no list")),
        }
        Ok(())
    }

    fn fill_dict(&mut self, items: &[Ref]) -> Result<(), Refusal> {
        self.check_pairs(items)?;
        let top = self.top()?;
        match self.objects.get_mut(top) {
            Some(Object::Dict(dict)) => dict.extend_from_slice(items),
            _ => return Err(self.input.refuse("sets items of no dictionary")),
        }
        Ok(())
    }

    fn check_pairs(&self, items: &[Ref]) -> Result<(), Refusal> {
        if items.len().is_multiple_of(2) {
            Ok(())
        } else {
            Err(self.input.refuse("a key without a value"))
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
        let found =
            found.ok_or_else(|| self.input.refuse("nothing is remembered by that number"))?;
        self.stack.push(found);
        Ok(())
    }

    fn memo_key(&mut self, opcode: Opcode) -> Result<u32, Refusal> {
        match opcode {
            Opcode::BinPut | Opcode::BinGet => Ok(self.input.byte()?.into()),
            Opcode::LongBinPut | Opcode::LongBinGet => Ok(u32::from_le_bytes(self.input.array()?)),
            _ => {
                let line = std::str::from_utf8(self.input.line()?).ok();
                let key = line.and_then(|line| line.trim().parse().ok());
                key.ok_or_else(|| self.input.refuse("no number of the memo"))
            }
        }
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
        top.ok_or_else(|| self.input.refuse("the stack is empty"))
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
            _ => Err(self.input.refuse("the stack is empty")),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<Ref>, Refusal> {
        let Some(height) = self.marks.pop() else {
            return Err(self.input.refuse("no mark"));
        };
        Ok(self.stack.split_off(height))
    }
}
