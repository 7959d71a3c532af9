//! Text for people on stderr: stdout is kept for the access log and for the output of commands.
//!
//! A thread of its own writes, so that a stderr that is not read blocks nothing: lines wait in a
//! bounded queue, further ones are dropped and counted, and the end of the process waits for the
//! queue no longer than [`FLUSH_TIMEOUT`]. Owns the exit codes and the form of a failure: one line
//! that begins with `lb: `.

use crate::cli::Complaints;
use lb::config::ConfigError;
use lb::internal::plural::Counted;
use lb::{BindError, BindErrorKind};
use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

/// Exit code: the command line cannot be understood or obeyed.
const USAGE: u8 = 2;
/// Exit code: the command could not start, or could not go on.
pub(crate) const FAILURE: u8 = 1;

/// Texts that wait to be written.
const QUEUE: usize = 1024;
/// Time for the texts that wait when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

static WRITER: OnceLock<Writer> = OnceLock::new();

/// The way to the thread that writes.
struct Writer {
    /// `None` if the thread cannot be started: texts are then written at once.
    queue: Option<SyncSender<Message>>,
    /// Texts dropped since the last that was queued.
    dropped: AtomicU64,
}

enum Message {
    Text(String),
    /// Asks for an empty message once all before it are written.
    Flush(SyncSender<()>),
}

/// Writes a line of text. Never blocks.
pub(crate) fn say(text: &impl Display) {
    WRITER.get_or_init(Writer::start).say(text.to_string());
}

/// Writes why a command failed, and returns the exit code.
pub(crate) fn fail(reason: &impl Display) -> ExitCode {
    say(&format_args!("lb: {reason}"));
    ExitCode::from(FAILURE)
}

/// Writes why a configuration cannot be used, and returns the exit code: 2 if the command line is
/// wrong by itself, 1 if a file or the system is at fault.
pub(crate) fn refuse(error: &ConfigError) -> ExitCode {
    fail_with_code(error, error.kind().is_usage())
}

/// Writes what is wrong with the command line or a configuration file, a line for each, and returns
/// the exit code.
pub(crate) fn refuse_all(complaints: &Complaints) -> ExitCode {
    for error in complaints.errors() {
        say(&format_args!("lb: {error}"));
    }
    ExitCode::from(match complaints.are_usage() {
        true => USAGE,
        false => FAILURE,
    })
}

/// Writes why a command cannot start, and returns the exit code: 1, or 2 if the command line names
/// `lb` itself as its backend.
pub(crate) fn refuse_start(error: &BindError) -> ExitCode {
    fail_with_code(error, error.kind() == BindErrorKind::OwnAddress)
}

fn fail_with_code(error: &impl Display, is_usage: bool) -> ExitCode {
    say(&format_args!("lb: {error}"));
    ExitCode::from(match is_usage {
        true => USAGE,
        false => FAILURE,
    })
}

/// Waits until all is written, but not for long.
pub(crate) fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush(FLUSH_TIMEOUT);
    }
}

impl Writer {
    fn start() -> Self {
        let (queue, messages) = sync_channel(QUEUE);
        let thread = thread::Builder::new().name("lb-stderr".to_owned());
        Self {
            queue: thread
                .spawn(move || write(&messages))
                .is_ok()
                .then_some(queue),
            dropped: AtomicU64::new(0),
        }
    }

    fn say(&self, mut text: String) {
        let Some(queue) = &self.queue else {
            return write_line(&text);
        };
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            text = {
                let messages = Counted(dropped, "message");
                format!("lb: {messages} dropped: stderr was not read\n{text}")
            };
        }
        if let Err(TrySendError::Full(_)) = queue.try_send(Message::Text(text)) {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }

    fn flush(&self, timeout: Duration) {
        let (done, wait) = sync_channel(1);
        // A full queue is not read: waiting longer would not help.
        if let Some(queue) = &self.queue
            && queue.try_send(Message::Flush(done)).is_ok()
        {
            let _ = wait.recv_timeout(timeout);
        }
    }
}

fn write(messages: &Receiver<Message>) {
    for message in messages {
        match message {
            Message::Text(text) => write_line(&text),
            Message::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}

fn write_line(text: &str) {
    // If stderr is closed, the text has no reader.
    let _ = writeln!(std::io::stderr(), "{text}");
}
