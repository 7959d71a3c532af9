//! Writes log lines without ever making the loop wait.
//!
//! Standard output may be a pipe nobody reads. So a thread of its own writes, the loop hands over
//! what it has once a turn, and when the writer is too far behind, lines are dropped and counted:
//! serving goes before logging, but nothing is lost silently. Several loops share the one thread;
//! each hands over whole lines.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// Batches the writer may be behind.
const QUEUE_BATCHES: usize = 64;
/// Bytes held while the queue is full.
const HELD_BYTES: usize = 4 * 1024 * 1024;
/// How long the end of the process waits for the last lines to be written.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

/// A loop's end of the log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    queue: SyncSender<Vec<u8>>,
    held: Vec<u8>,
    dropped_lines: u64,
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Log {
    queue: SyncSender<Vec<u8>>,
    /// Disconnected when the thread is done.
    done: Receiver<()>,
}

impl Log {
    /// Starts to write to standard output.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn to_stdout() -> io::Result<Self> {
        Self::to(io::stdout())
    }

    fn to(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, batches) = sync_channel::<Vec<u8>>(QUEUE_BATCHES);
        let (running, done) = channel::<()>();
        thread::Builder::new()
            .name("lb-log".to_owned())
            .spawn(move || {
                let _running = running;
                // Ends when the loop's end is gone, or when nobody reads any more.
                while let Ok(batch) = batches.recv() {
                    if out.write_all(&batch).and_then(|()| out.flush()).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { queue, done })
    }

    /// An end for one more loop.
    pub(crate) fn writer(&self) -> LogWriter {
        LogWriter {
            queue: self.queue.clone(),
            held: Vec::new(),
            dropped_lines: 0,
        }
    }

    /// Waits until all that the loops handed over is out, once these have ended; but not for
    /// ever: nobody may be reading.
    pub(crate) fn finish(self) {
        drop(self.queue);
        // Ends with a disconnect as soon as everything is out.
        let _ = self.done.recv_timeout(FINISH_TIMEOUT);
    }
}

impl LogWriter {
    /// Hands lines over.
    pub(crate) fn write(&mut self, mut lines: Vec<u8>) {
        if !self.held.is_empty() {
            if self.held.len() + lines.len() > HELD_BYTES {
                self.dropped_lines += memchr::memchr_iter(b'\n', &lines).count() as u64;
                lines.clear();
            }
            self.held.append(&mut lines);
            lines = std::mem::take(&mut self.held);
        }
        if lines.is_empty() {
            return;
        }
        match self.queue.try_send(lines) {
            Ok(()) => {}
            Err(TrySendError::Full(lines)) => self.held = lines,
            Err(TrySendError::Disconnected(lines)) => {
                self.dropped_lines += memchr::memchr_iter(b'\n', &lines).count() as u64;
            }
        }
    }

    /// Hands over what is left. Returns how many lines could not be written.
    pub(crate) fn finish(mut self) -> u64 {
        self.write(Vec::new());
        self.dropped_lines + memchr::memchr_iter(b'\n', &self.held).count() as u64
    }
}
