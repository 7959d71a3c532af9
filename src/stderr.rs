//! Text for people on stderr: stdout is kept for the access log and for what was asked for.
//!
//! Owns the exit codes and the form of a failure: one line that begins with `lb: `.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

/// Exit code: the command line cannot be understood or obeyed.
pub(crate) const USAGE: u8 = 2;
/// Exit code: the command could not start, or could not go on.
pub(crate) const FAILURE: u8 = 1;

/// Writes a line of text.
pub(crate) fn say(text: &impl Display) {
    // If stderr is closed, the text has no reader.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes why the command failed, and returns the exit code.
pub(crate) fn fail(code: u8, reason: &impl Display) -> ExitCode {
    say(&format_args!("lb: {reason}"));
    ExitCode::from(code)
}
