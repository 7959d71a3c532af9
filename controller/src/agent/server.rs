//! The server process: started, taken over, waited for, stopped.

use crate::spec::Request;
use crate::unit::{Identity, Order, RunDir, Started, children};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// A server that runs.
pub(super) struct Server {
    pub(super) started: Started,
    fd: AsyncFd<OwnedFd>,
    /// Started by this agent, and so its to reap.
    is_child: bool,
}

impl Server {
    /// Starts the command of `order`, with its output into the log of `dir`.
    pub(super) fn start(
        dir: &RunDir,
        order: &Order,
        attempt: u32,
        alone_starts: u32,
    ) -> Result<Self, String> {
        let Request::Process {
            command,
            environment,
            directory,
            ..
        } = &order.request
        else {
            return Err("only a process can be run".to_owned());
        };
        let [program, arguments @ ..] = command.as_slice() else {
            return Err("the command is empty".to_owned());
        };
        let log = OpenOptions::new().create(true).append(true).open(dir.log());
        let log = log.map_err(|error| format!("{}: {error}", dir.log().display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let mut builder = Command::new(program);
        // The token is the name by which a server can tell the controller that it is up.
        let token = order.token.as_str();
        builder
            .args(
                arguments
                    .iter()
                    .map(|argument| argument.replace("{token}", token)),
            )
            .envs(environment)
            .env("LB_TOKEN", token)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0);
        if let Some(directory) = directory {
            builder.current_dir(directory);
        }
        let child = builder
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        // It cannot be reaped by anything else, so the number is its own until it is.
        let process = Identity::of(child.id()).ok_or("the server was gone at once")?;
        let started = Started {
            process,
            attempt,
            alone_starts,
        };
        let server = Self::hold(started, true)?;
        if let Err(error) = dir.write_started(&server.started) {
            server.kill_now();
            return Err(format!("{}: {error}", dir.path().display()));
        }
        Ok(server)
    }

    /// Takes over a server that an agent before started, if it is still there.
    pub(super) fn take_over(started: Started) -> Option<Self> {
        Self::hold(started, false).ok()
    }

    fn hold(started: Started, is_child: bool) -> Result<Self, String> {
        let pid = i32::try_from(started.process.pid)
            .ok()
            .and_then(Pid::from_raw);
        let fd = if is_child {
            // Also if it has ended already: it is ours to reap.
            let flags = rustix::process::PidfdFlags::NONBLOCK;
            pid.and_then(|pid| rustix::process::pidfd_open(pid, flags).ok())
        } else {
            started.process.open()
        };
        let fd = fd.ok_or("the server is gone")?;
        // Owned here and never exchanged: what the replacement asks for by `unsafe` holds.
        #[allow(deprecated, reason = "unsafe code is denied in this workspace")]
        let fd = AsyncFd::with_interest(fd, tokio::io::Interest::READABLE)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            started,
            fd,
            is_child,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.started.process.pid
    }

    /// Waits until it has ended, and says how.
    pub(super) async fn ended(&self) -> String {
        // Readable is what a pidfd becomes at the end of its process.
        let _ = self.fd.readable().await;
        if !self.is_child {
            return "ended; its exit status went with the agent before".to_owned();
        }
        let status = waitid(
            WaitId::PidFd(self.fd.get_ref().as_fd()),
            WaitIdOptions::EXITED,
        );
        match status {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("exited with {code}"),
                (_, Some(signal)) => format!("killed by signal {signal}"),
                (None, None) => "ended".to_owned(),
            },
            Ok(None) | Err(_) => "ended".to_owned(),
        }
    }

    /// Asks it to end, waits for `grace`, and ends it.
    pub(super) async fn stop(&self, grace: Duration) {
        let stop = Signal::TERM;
        let _ = rustix::process::pidfd_send_signal(self.fd.get_ref(), stop);
        // A server that is stopped does not see a signal before it goes on.
        let _ = rustix::process::pidfd_send_signal(self.fd.get_ref(), Signal::CONT);
        if tokio::time::timeout(grace, self.fd.readable())
            .await
            .is_err()
        {
            self.kill_now();
            let _ = tokio::time::timeout(Duration::from_secs(5), self.fd.readable()).await;
        }
    }

    fn kill_now(&self) {
        let _ = rustix::process::pidfd_send_signal(self.fd.get_ref(), Signal::KILL);
    }
}

/// Ends what a server has left behind: its process group, and children that came to this agent,
/// which is their subreaper.
pub(super) fn sweep(leader: u32) {
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    for pid in children(std::process::id()) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    reap(None);
}

/// Reaps children that ended and that nothing waits for: all but the server.
pub(super) fn reap(server: Option<u32>) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    for pid in children(std::process::id())
        .into_iter()
        .filter(|pid| Some(*pid) != server)
    {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = waitid(WaitId::Pid(pid), options);
        }
    }
}
