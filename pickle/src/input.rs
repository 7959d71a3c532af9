//! Owns the bytes of a pickle that are still to be read, and where in it they begin.

use crate::refusal::Refusal;

pub(crate) struct Input<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Input<'a> {
    pub(crate) const fn new(pickle: &'a [u8]) -> Self {
        Self {
            rest: pickle,
            len: pickle.len(),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Refusal> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let Some((first, rest)) = self.rest.split_first_chunk() else {
            return Err(self.refuse("cut short"));
        };
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Refusal> {
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.refuse("cut short"));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// The bytes up to a line feed, which is taken too.
    pub(crate) fn line(&mut self) -> Result<&'a [u8], Refusal> {
        let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') else {
            return Err(self.refuse("cut short"));
        };
        let line = self.take(end)?;
        self.take(1)?;
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The refusal of what was just read.
    pub(crate) const fn refuse(&self, reason: &'static str) -> Refusal {
        Refusal::Malformed {
            at: self.len - self.rest.len(),
            reason,
        }
    }
}
