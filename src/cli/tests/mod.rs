//! Command lines as a user would write them, and what becomes of them.

mod help;
mod mistakes;
mod settings;

use super::{Complaints, Invocation, Order, read};
use std::ffi::OsString;

/// Reads what a shell would make of `line`, which has no quotes.
pub(super) fn read_line(line: &str) -> Result<Invocation, Complaints> {
    read(line.split_whitespace().map(OsString::from))
}

fn ordered(line: &str) -> Order {
    match read_line(line) {
        Ok(Invocation::Balance(order)) => *order,
        other => panic!("{line}: {other:?}"),
    }
}

pub(super) fn complaint(line: &str) -> String {
    read_line(line).unwrap_err().to_string()
}

pub(super) fn page(line: &str) -> String {
    match read_line(line) {
        Ok(Invocation::Show(page)) => page.to_string(),
        other => panic!("{line}: {other:?}"),
    }
}
