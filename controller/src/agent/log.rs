//! The log of a server: a file that it appends to itself, cut when it grows too large.

use crate::unit::RunDir;
use std::fs;

/// A log is copied aside and cut at this size: at most twice as much is kept.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Rotates the log if it is too large. The server has it open for appending, so that it goes on at
/// the new end; lines written between copy and cut are lost.
pub(super) fn rotate(dir: &RunDir) {
    let log = dir.log();
    if fs::metadata(&log).is_ok_and(|it| it.len() > LARGEST) {
        // Without room for a copy the log is cut all the same: a full disk stops servers.
        let old = log.with_extension("log.1");
        if fs::copy(&log, &old).is_err() {
            let _ = fs::remove_file(&old);
        }
        let file = fs::OpenOptions::new().write(true).open(&log);
        let _ = file.and_then(|file| file.set_len(0));
    }
}
