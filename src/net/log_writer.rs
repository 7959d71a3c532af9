//! Writes the access log without ever making a loop wait.
//!
//! It may go to a pipe without a reader, a file on a full disk, or a syslog that hangs. So a thread of its own
//! writes, each loop hands over its lines once a turn, and when the writer is too far behind, lines
//! are dropped. When a write fails, the rest of the batch is dropped and the next batch is tried
//! again: a full disk is emptied some day. A line that was torn by the failure is closed by a line
//! feed first, so that it spoils no other.
//!
//! Invariant: every line handed over is written or counted as dropped.

use super::log_file::LogFile;
use super::syslog::Syslog;
use super::{BindError, BindErrorKind, no_events};
use crate::config::LogTarget;
use crate::telemetry::{AccessLogEvent, AccessLogStats};
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Batches the writer may be behind.
const QUEUE_BATCHES: usize = 64;
/// Bytes held by a loop while the queue is full.
const HELD_BYTES: usize = 4 * 1024 * 1024;
/// Time the end of the process waits for the last lines to be written.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

/// A loop's end of the log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    queue: SyncSender<Vec<u8>>,
    held: Vec<u8>,
    status: Arc<LogStatus>,
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Log {
    queue: SyncSender<Vec<u8>>,
    /// Disconnected when the thread is done.
    done: Receiver<()>,
    status: Arc<LogStatus>,
}

/// The state of the writer, for all threads to see.
#[derive(Debug, Default)]
pub(crate) struct LogStatus {
    /// Lines handed over and neither written nor dropped yet.
    pending: AtomicU64,
    dropped: AtomicU64,
    write_errors: AtomicU64,
    subscribers: Mutex<Vec<SyncSender<AccessLogEvent>>>,
}

impl LogStatus {
    pub(crate) fn stats(&self) -> AccessLogStats {
        AccessLogStats {
            lines_dropped: self.dropped.load(Relaxed),
            write_errors: self.write_errors.load(Relaxed),
        }
    }

    /// Sends the events from now on; those that find the channel full are left out.
    pub(crate) fn subscribe(&self, events: SyncSender<AccessLogEvent>) {
        if let Ok(mut subscribers) = self.subscribers.lock() {
            subscribers.push(events);
        }
    }

    fn notify(&self, event: &AccessLogEvent) {
        if let Ok(mut subscribers) = self.subscribers.lock() {
            subscribers.retain(|events| {
                let sent = events.try_send(event.clone());
                !matches!(sent, Err(TrySendError::Disconnected(_)))
            });
        }
    }

    fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Relaxed);
    }
}

impl Log {
    /// Starts to write.
    ///
    /// # Errors
    /// The thread cannot be started, standard output is closed, the file cannot be written to, or the
    /// name of a server cannot be resolved.
    pub(crate) fn open(target: &LogTarget) -> Result<Self, BindError> {
        let refused = |error: BindError| error.with_flag("--access-log-to").with_value(target);
        match target {
            // Not through the standard library's buffer, which would keep what failed to be written
            // and could not say how much that was.
            LogTarget::Stdout => io::stdout()
                .as_fd()
                .try_clone_to_owned()
                .and_then(|stdout| Self::to(Unbuffered(File::from(stdout))))
                .map_err(no_events),
            LogTarget::File(path) => {
                let file = LogFile::open(path.clone()).map_err(|error| {
                    let problem = format!("cannot be written to: {error}");
                    let remedy = "name a file in a directory that lb may write to";
                    let error =
                        BindError::new(BindErrorKind::System, problem, remedy).with_source(error);
                    refused(error)
                })?;
                Self::to(file).map_err(no_events)
            }
            LogTarget::Syslog(address) => {
                let syslog = Syslog::open(address).map_err(refused)?;
                Self::to(syslog).map_err(no_events)
            }
        }
    }

    fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, batches) = sync_channel::<Vec<u8>>(QUEUE_BATCHES);
        let (running, done) = channel::<()>();
        let status = Arc::new(LogStatus::default());
        let mut writer = BatchWriter::new(out, Arc::clone(&status));
        thread::Builder::new()
            .name("lb-log".to_owned())
            .spawn(move || {
                let _running = running;
                // Ends when all loops have.
                batches.iter().for_each(|batch| writer.write(&batch));
            })?;
        Ok(Self {
            queue,
            done,
            status,
        })
    }

    /// An end for one more loop.
    pub(crate) fn writer(&self) -> LogWriter {
        LogWriter {
            queue: self.queue.clone(),
            held: Vec::new(),
            status: Arc::clone(&self.status),
        }
    }

    /// Returns how the writing goes.
    pub(crate) fn status(&self) -> &Arc<LogStatus> {
        &self.status
    }

    /// Waits until everything is written that the loops handed over before they ended; 2 s at
    /// most, since there may be no reader. What is not written then is dropped.
    pub(crate) fn finish(self) -> AccessLogStats {
        drop(self.queue);
        // Ends with a disconnect as soon as everything is out.
        let _ = self.done.recv_timeout(FINISH_TIMEOUT);
        if let Ok(mut subscribers) = self.status.subscribers.lock() {
            subscribers.clear();
        }
        let AccessLogStats {
            lines_dropped,
            write_errors,
        } = self.status.stats();
        AccessLogStats {
            lines_dropped: lines_dropped + self.status.pending.load(Relaxed),
            write_errors,
        }
    }
}

impl LogWriter {
    /// Hands lines over.
    pub(crate) fn write(&mut self, mut lines: Vec<u8>) {
        if !self.held.is_empty() {
            if self.held.len() + lines.len() > HELD_BYTES {
                self.status.drop_lines(count_lines(&lines));
                lines.clear();
            }
            self.held.append(&mut lines);
            lines = std::mem::take(&mut self.held);
        }
        if lines.is_empty() {
            return;
        }
        let count = count_lines(&lines);
        self.status.pending.fetch_add(count, Relaxed);
        if let Err(error) = self.queue.try_send(lines) {
            self.status.pending.fetch_sub(count, Relaxed);
            match error {
                TrySendError::Full(lines) => self.held = lines,
                TrySendError::Disconnected(_) => self.status.drop_lines(count),
            }
        }
    }

    /// Counts of all loops together.
    pub(crate) fn stats(&self) -> AccessLogStats {
        self.status.stats()
    }

    /// Hands over what is left; what finds no place is dropped.
    pub(crate) fn finish(mut self) {
        self.write(Vec::new());
        self.status.drop_lines(count_lines(&self.held));
    }
}

fn count_lines(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

/// Writes batches of whole lines; survives errors.
struct BatchWriter<W> {
    out: W,
    status: Arc<LogStatus>,
    /// True if the last byte written was not the end of a line.
    is_torn: bool,
    /// Lines dropped since writing began to fail; `None` while it works.
    dropped_while_failing: Option<u64>,
}

impl<W: Write> BatchWriter<W> {
    const fn new(out: W, status: Arc<LogStatus>) -> Self {
        Self {
            out,
            status,
            is_torn: false,
            dropped_while_failing: None,
        }
    }

    fn write(&mut self, batch: &[u8]) {
        let mut rest = batch;
        let result = self
            .close_torn_line()
            .and_then(|()| self.write_all(&mut rest));
        match result {
            Ok(()) => self.recovered(),
            Err(error) => self.failed(&error, count_lines(rest)),
        }
        self.status.pending.fetch_sub(count_lines(batch), Relaxed);
    }

    fn close_torn_line(&mut self) -> io::Result<()> {
        match self.is_torn {
            true => self.write_all(&mut &b"\n"[..]),
            false => Ok(()),
        }
    }

    /// Writes as much of `rest` as can be, and leaves what cannot.
    fn write_all(&mut self, rest: &mut &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            let written = match self.out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let (done, left) = rest.split_at_checked(written).unwrap_or_default();
            self.is_torn = done.last() != Some(&b'\n');
            *rest = left;
        }
        Ok(())
    }

    fn failed(&mut self, error: &io::Error, lines: u64) {
        self.status.write_errors.fetch_add(1, Relaxed);
        self.status.drop_lines(lines);
        match &mut self.dropped_while_failing {
            Some(dropped) => *dropped += lines,
            None => {
                self.dropped_while_failing = Some(lines);
                self.status.notify(&AccessLogEvent::Failing {
                    error: error.to_string(),
                });
            }
        }
    }

    fn recovered(&mut self) {
        if let Some(lines_dropped) = self.dropped_while_failing.take() {
            self.status
                .notify(&AccessLogEvent::Recovered { lines_dropped });
        }
    }
}

/// A file that is written without a buffer, and waited for if its owner made it non-blocking.
struct Unbuffered(File);

impl Write for Unbuffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
                }
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
