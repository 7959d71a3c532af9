//! Progress of the runs: one line on stderr that is written over, on a terminal alone.

use std::io::{self, IsTerminal as _, Write as _};

/// Counts runs.
pub(super) struct Progress {
    done: usize,
    all: usize,
    shown: bool,
}

impl Progress {
    pub(super) fn new(all: usize) -> Self {
        Self {
            done: 0,
            all,
            shown: io::stderr().is_terminal(),
        }
    }

    /// One more run is done.
    pub(super) fn advance(&mut self, scenario: &str, strategy: &str) {
        self.done += 1;
        if self.shown {
            let (done, all) = (self.done, self.all);
            // \x1b[K clears the rest of a longer line. If stderr is closed, the line has no reader.
            let _ = write!(io::stderr(), "\r[{done}/{all}] {scenario} {strategy}\x1b[K");
        }
    }

    /// Leaves the line to others.
    pub(super) fn clear(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
