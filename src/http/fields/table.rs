//! The table of the fields of one head.
//!
//! Owns where each field lies and its kind; the bytes stay with the caller. Allocated once for each
//! loop and reused for every head.

use crate::http::fields::{FieldKind, KindSet};
use crate::http::limits::MAX_FIELDS;
use crate::http::span::Span;

/// One field line.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Field {
    pub(in crate::http) kind: FieldKind,
    /// The name, which is also where the line starts.
    pub(in crate::http) name: Span,
    /// The value, blanks at its ends left out.
    pub(in crate::http) value: Span,
}

/// The fields of the head parsed last. Allocated once and reused for every head.
#[derive(Debug)]
pub(in crate::http) struct FieldTable {
    fields: Vec<Field>,
    kinds: KindSet,
    /// Offset of the blank line that ends the head.
    end: usize,
}

impl FieldTable {
    pub(in crate::http) fn new() -> Self {
        Self {
            fields: Vec::with_capacity(MAX_FIELDS),
            kinds: KindSet::default(),
            end: 0,
        }
    }

    /// Takes over the fields that the tokeniser found in `head`, which ends with a blank line,
    /// and shows those that concern an intermediary to `see`, with their values.
    ///
    /// Returns whether all its lines end with CRLF: the tokeniser lets a bare LF pass, but a line
    /// must begin right after CRLF.
    #[inline]
    pub(in crate::http) fn record(
        &mut self,
        head: &[u8],
        raw: &[httparse::Header<'_>],
        mut see: impl FnMut(Field, &[u8]),
    ) -> bool {
        self.fields.clear();
        self.kinds = KindSet::default();
        self.end = head.len().saturating_sub(2);
        let mut sound = head.ends_with(b"\r\n\r\n");
        for header in raw {
            let name = Span::locate(header.name.as_bytes(), head);
            let kind = FieldKind::of(header.name.as_bytes());
            let start = name.start();
            sound &= head.get(start.wrapping_sub(2)..start) == Some(b"\r\n");
            let field = Field {
                kind,
                name,
                value: Span::locate(header.value, head),
            };
            self.kinds = self.kinds.with(kind);
            self.fields.push(field);
            if kind.has_meaning() {
                see(field, header.value);
            }
        }
        sound
    }

    pub(in crate::http) fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.fields.iter()
    }

    /// The values of the fields of one kind, in order.
    pub(in crate::http) fn values<'i>(
        &self,
        kind: FieldKind,
        input: &'i [u8],
    ) -> impl DoubleEndedIterator<Item = &'i [u8]> {
        self.fields
            .iter()
            .filter(move |f| f.kind == kind)
            .map(move |f| f.value.of(input))
    }

    /// Returns whether the fields of this kind are written in the one way that every recipient
    /// reads: one blank after the colon and none at the end. A tab there, which RFC 9110 allows,
    /// has made servers miss the field (section 5.6.3).
    pub(in crate::http) fn are_plain(&self, kind: FieldKind, input: &[u8]) -> bool {
        let fields = self.fields.iter().filter(|field| field.kind == kind);
        fields.into_iter().all(|field| {
            let (name, value) = (field.name, field.value);
            input.get(name.end()..value.start()) == Some(b": ")
                && input
                    .get(value.end()..)
                    .is_some_and(|rest| rest.starts_with(b"\r\n"))
        })
    }

    /// Makes the field called `name` one that is meant for this hop alone, wherever it occurs,
    /// unless it is of a kind that has its own rules.
    pub(in crate::http) fn nominate(&mut self, name: &[u8], input: &[u8]) {
        for field in &mut self.fields {
            let is_it =
                field.kind == FieldKind::Other && field.name.of(input).eq_ignore_ascii_case(name);
            if is_it {
                field.kind = FieldKind::Nominated;
                self.kinds = self.kinds.with(FieldKind::Nominated);
            }
        }
    }

    /// Returns whether there is a field of this kind.
    pub(in crate::http) fn has(&self, kind: FieldKind) -> bool {
        self.kinds.contains(kind)
    }

    /// Returns whether there is a field of one of these kinds.
    pub(in crate::http) fn has_any(&self, kinds: KindSet) -> bool {
        self.kinds.meets(kinds)
    }

    /// Offset where the first field line starts, or the blank line if there is none.
    pub(in crate::http) fn start(&self) -> usize {
        self.fields
            .first()
            .map_or(self.end, |field| field.name.start())
    }

    /// Offset of the blank line.
    pub(in crate::http) fn end(&self) -> usize {
        self.end
    }
}
