//! Upgrades: another process, of the binary that is at the same path now, takes the place of this
//! one without a gap.
//!
//! It is started with the same arguments and inherits the listening sockets. When it says that it
//! serves, this process stops as by a signal: it accepts no more and finishes what is open. If the
//! other fails, or says nothing for too long, this one goes on as if nothing had happened.

use super::notify::Notifier;
use crate::command::pid_file;
use crate::stderr::say;
use lb::{Handle, Sockets};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, PipeReader, Read as _, pipe};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, thread};

/// Time for the other process to serve: its names may take a while to resolve.
const PATIENCE_SECONDS: i64 = 60;

/// Starts upgrades, one at a time.
#[derive(Clone)]
pub(super) struct Upgrader {
    balancer: Handle,
    notifier: Notifier,
    pid_file: Option<PathBuf>,
    is_busy: Arc<AtomicBool>,
    /// The process that is starting.
    starting: Arc<Mutex<Starting>>,
}

/// A process that is to take the place of this one.
#[derive(Debug, Default)]
enum Starting {
    #[default]
    None,
    Process(Pid),
    /// None is to start any more: this process stops.
    Never,
}

impl Upgrader {
    pub(super) fn new(balancer: Handle, notifier: Notifier, pid_file: Option<PathBuf>) -> Self {
        Self {
            balancer,
            notifier,
            pid_file,
            is_busy: Arc::default(),
            starting: Arc::default(),
        }
    }

    /// This process stops: another that does not serve yet must not go on in its place.
    pub(super) fn give_up(&self) {
        let mut starting = self.starting();
        if let Starting::Process(pid) = *starting {
            // It was not waited for, so that the number is still its own.
            let _ = kill_process(pid, Signal::TERM);
        }
        *starting = Starting::Never;
    }

    fn starting(&self) -> MutexGuard<'_, Starting> {
        self.starting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an upgrade, on a thread of its own. `stop` is called when the other process serves.
    pub(super) fn begin(&self, stop: impl FnOnce() + Send + 'static) {
        if self.is_busy.swap(true, SeqCst) {
            return say(&"lb: an upgrade is under way already");
        }
        let upgrader = self.clone();
        let run = move || match upgrader.succeed() {
            Ok(pid) => {
                say(&format_args!(
                    "lb: upgraded: process {pid} serves; this one finishes what is open"
                ));
                upgrader.notifier.succeeded_by(pid);
                stop();
            }
            Err(reason) => upgrader.failed(&reason),
        };
        let thread = thread::Builder::new().name("lb-upgrade".to_owned());
        if let Err(error) = thread.spawn(run) {
            self.failed(&format!("no thread can be started: {error}"));
        }
    }

    fn failed(&self, reason: &str) {
        let stops = matches!(*self.starting(), Starting::Never);
        if let Some(path) = self.pid_file.as_deref().filter(|_| !stops) {
            pid_file::restore(path);
        }
        self.is_busy.store(false, SeqCst);
        say(&format_args!(
            "lb: upgrade failed: {reason}; this process goes on"
        ));
    }

    /// Starts the other process. Returns its number when it serves.
    fn succeed(&self) -> Result<u32, String> {
        let sockets = self.balancer.share_sockets();
        let sockets = sockets.map_err(|error| format!("sockets cannot be shared: {error}"))?;
        let mut args = env::args_os();
        let program = args.next().ok_or("lb does not know its own path")?;
        let started =
            |error: io::Error| format!("{} cannot be started: {error}", program.display());
        let (reader, writer) = pipe().map_err(started)?;
        let mut command = Command::new(&program);
        command.args(args);
        let passed = sockets.pass_to(&mut command, &writer).map_err(started)?;
        let child = self.start(&mut command).map_err(started)?;
        drop((passed, writer));
        let mut ready = Readiness::of(child, reader);
        let is_ready = ready.wait(PATIENCE_SECONDS);
        let mut starting = self.starting();
        let was_given_up = matches!(*starting, Starting::Never);
        if !was_given_up {
            *starting = Starting::None;
        }
        drop(starting);
        match is_ready && !was_given_up {
            true => Ok(ready.child.id()),
            false => Err(ready.failure(PATIENCE_SECONDS)),
        }
    }

    /// Starts the other process, unless this one stops.
    fn start(&self, command: &mut Command) -> io::Result<Child> {
        let mut starting = self.starting();
        if matches!(*starting, Starting::Never) {
            return Err(io::Error::other("this process stops"));
        }
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        *starting = pid.map_or(Starting::None, Starting::Process);
        Ok(child)
    }
}

/// A process that was started, and the pipe by which it says that it serves.
struct Readiness {
    child: Child,
    from: PipeReader,
    /// Whether it may still say so: it has said nothing, and not closed the pipe.
    is_silent: bool,
}

impl Readiness {
    const fn of(child: Child, from: PipeReader) -> Self {
        Self {
            child,
            from,
            is_silent: true,
        }
    }

    /// Waits so long for it. Returns whether it serves.
    fn wait(&mut self, seconds: i64) -> bool {
        let patience = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let mut from = [PollFd::new(&self.from, PollFlags::IN)];
        let has_spoken = retry_on_intr(|| poll(&mut from, Some(&patience)));
        if has_spoken == Ok(0) {
            return false;
        }
        self.is_silent = false;
        let mut said = [0; 64];
        let count = self.from.read(&mut said).unwrap_or(0);
        said.get(..count).is_some_and(Sockets::is_ready)
    }

    /// Ends it, for it does not serve. Returns why, in words.
    fn failure(&mut self, seconds: i64) -> String {
        // One that has ended keeps its exit status.
        let _ = self.child.kill();
        let ended = self.child.wait().map(|status| status.to_string());
        let ended = ended.unwrap_or_else(|error| error.to_string());
        match self.is_silent {
            true => format!("the new process did not serve within {seconds} s"),
            false => format!("the new process ended before it served ({ended})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn outcome(script: &str, seconds: i64) -> Result<(), String> {
        let (reader, writer) = pipe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::from(writer));
        let child = command.spawn().unwrap();
        drop(command);
        let mut ready = Readiness::of(child, reader);
        match ready.wait(seconds) {
            true => ready.child.wait().map(drop).map_err(|it| it.to_string()),
            false => Err(ready.failure(seconds)),
        }
    }

    #[test]
    fn a_process_that_says_so_is_ready() {
        assert!(outcome("echo ready", 60).is_ok());
    }

    #[test]
    fn a_process_that_ends_is_not() {
        let said = outcome("exit 3", 60).unwrap_err();
        assert!(
            said.contains("ended before it served (exit status: 3)"),
            "{said}"
        );
        assert!(outcome("echo nonsense", 60).is_err());
    }

    #[test]
    fn a_process_that_says_nothing_is_ended() {
        let said = outcome("exec sleep 1000", 0).unwrap_err();
        assert_eq!(said, "the new process did not serve within 0 s");
    }
}
