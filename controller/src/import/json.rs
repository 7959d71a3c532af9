//! JSON with the place of every value, for messages that point at it.

use crate::spec::Problem;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::Range;

/// A value of a file, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    source: &'a str,
    raw: &'a RawValue,
}

impl<'a> Value<'a> {
    /// Reads a whole file.
    ///
    /// # Errors
    /// It is no JSON: where and why.
    pub(super) fn read(source: &'a str) -> Result<Self, Problem> {
        let raw = serde_json::from_str(source).map_err(|error| {
            let lines = source.split_inclusive('\n').take(error.line().max(1) - 1);
            let line: usize = lines.map(str::len).sum();
            let at = (line + error.column().max(1) - 1).min(source.len());
            let text = error.to_string();
            let why = text.split(" at line").next().unwrap_or_default();
            Problem::at(at..at, format!("no JSON: {why}"))
        })?;
        Ok(Self { source, raw })
    }

    /// Bytes of the file that this value is.
    pub(super) fn span(self) -> Range<usize> {
        // The raw text is a part of the source, so the difference is its place in it.
        let at = (self.raw.get().as_ptr() as usize).saturating_sub(self.source.as_ptr() as usize);
        at..at + self.raw.get().len()
    }

    pub(super) fn wrong(self, text: impl Into<String>) -> Problem {
        Problem::at(self.span(), text)
    }

    fn of<T: Deserialize<'a>>(self) -> Option<T> {
        serde_json::from_str(self.raw.get()).ok()
    }

    fn with(self, raw: &'a RawValue) -> Self {
        let source = self.source;
        Self { source, raw }
    }

    /// The entries of an object, by name.
    pub(super) fn object(self) -> Option<BTreeMap<String, Value<'a>>> {
        let entries: BTreeMap<String, &RawValue> = self.of()?;
        let with_place = |(name, raw)| (name, self.with(raw));
        Some(entries.into_iter().map(with_place).collect())
    }

    pub(super) fn list(self) -> Option<Vec<Value<'a>>> {
        let items: Vec<&RawValue> = self.of()?;
        Some(items.into_iter().map(|raw| self.with(raw)).collect())
    }

    pub(super) fn text(self) -> Option<String> {
        self.of()
    }

    /// A whole number, also one that is written as a string.
    pub(super) fn number(self) -> Option<u64> {
        self.of().or_else(|| self.text()?.trim().parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_place() {
        let source = "{\n  \"a\": [1, \"zwei\"],\n  \"b\": {\"c\": \"7\"}\n}";
        let file = Value::read(source).expect("is JSON");
        let entries = file.object().expect("is an object");
        let list = entries["a"].list().expect("is a list");
        assert_eq!(&source[list[1].span()], "\"zwei\"");
        let c = entries["b"].object().expect("is an object")["c"];
        assert_eq!((&source[c.span()], c.number()), ("\"7\"", Some(7)));
        assert!(file.list().is_none() && file.text().is_none());
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        let problem = Value::read("{\n  \"a\": ,\n}").expect_err("is none");
        let at = problem.span.expect("has a place").start;
        assert_eq!(at, "{\n  \"a\": ".len());
    }
}
