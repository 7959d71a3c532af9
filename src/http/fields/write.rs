//! Copying the fields of a head, but for those that must not travel.

use crate::http::fields::{FieldTable, KindSet};
use crate::http::syntax::trim;

/// Appends to `out` the bytes between `from` and the blank line, without the fields of the kinds in
/// `dropped`. The rest is copied byte for byte, in runs as long as possible.
pub(in crate::http) fn copy_fields(
    fields: &FieldTable,
    input: &[u8],
    from: usize,
    dropped: KindSet,
    out: &mut Vec<u8>,
) {
    if !fields.has_any(dropped) {
        out.extend_from_slice(input.get(from..fields.end()).unwrap_or_default());
        return;
    }
    let mut run = Some(from);
    for field in fields.iter() {
        let start = field.name.start();
        match (run, dropped.contains(field.kind)) {
            (Some(from), true) => {
                out.extend_from_slice(input.get(from..start).unwrap_or_default());
                run = None;
            }
            (None, false) => run = Some(start),
            (Some(_), false) | (None, true) => {}
        }
    }
    if let Some(from) = run {
        out.extend_from_slice(input.get(from..fields.end()).unwrap_or_default());
    }
}

/// Appends one field line; `start` is its name with colon and blank. Inlined, so that a start known
/// at compile time is stored and not copied.
#[inline(always)]
pub(in crate::http) fn write_field(start: &[u8], value: &[u8], out: &mut Vec<u8>) {
    for part in [start, value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Appends a `Content-Length` line.
pub(in crate::http) fn write_length(length: u64, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    write_field(b"Content-Length: ", digits.format(length).as_bytes(), out);
}

/// Appends `values` as one comma-separated list, each followed by a comma; empty ones left out.
pub(in crate::http) fn write_members<'i>(
    values: impl Iterator<Item = &'i [u8]>,
    out: &mut Vec<u8>,
) {
    for value in values.map(trim).filter(|value| !value.is_empty()) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
}
