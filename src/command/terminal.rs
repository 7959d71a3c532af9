//! The terminal that a command writes to.

use rustix::termios::tcgetwinsize;
use std::io::stdout;

/// Its columns; no limit if it is none.
pub(crate) fn width() -> usize {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => usize::MAX,
    }
}
