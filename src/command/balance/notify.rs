//! Tells a service manager how lb is: sd_notify(3), a datagram to the socket that `NOTIFY_SOCKET`
//! names. Without one, nothing is sent. A manager that does not read holds nothing up.
//!
//! A process that another has taken the place of is silent: the manager would take its word for that
//! of the one it watches.

use lb::Handle;
use rustix::time::{ClockId, clock_gettime};
use std::env;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use std::{io, process, thread};

/// The way to a service manager, if there is one.
#[derive(Clone, Debug)]
pub(super) struct Notifier(Option<Arc<Manager>>);

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// Whether another process is lb by now.
    has_successor: AtomicBool,
}

impl Notifier {
    /// The one that the environment names.
    pub(super) fn from_environment() -> Self {
        let name = env::var("NOTIFY_SOCKET").ok();
        let open = |name: String| -> io::Result<_> {
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name)?,
                None => SocketAddr::from_pathname(&name)?,
            };
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok(Arc::new(Manager {
                socket,
                address,
                has_successor: AtomicBool::new(false),
            }))
        };
        Self(name.and_then(|name| open(name).ok()))
    }

    /// lb serves, as this process.
    pub(super) fn ready(&self) {
        self.send(&format!("READY=1\nMAINPID={}\n", process::id()));
    }

    /// lb reads its configuration; [`ready`](Self::ready) follows.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"));
    }

    /// lb stops.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1\n");
    }

    /// Another process is lb from now on. This one says no more.
    pub(super) fn succeeded_by(&self, pid: u32) {
        self.send(&format!("MAINPID={pid}\n"));
        if let Some(manager) = &self.0 {
            manager.has_successor.store(true, SeqCst);
        }
    }

    fn send(&self, state: &str) {
        let Some(manager) = &self.0 else {
            return;
        };
        if !manager.has_successor.load(SeqCst) {
            // A manager that is gone, or does not read, learns nothing.
            let _ = manager
                .socket
                .send_to_addr(state.as_bytes(), &manager.address);
        }
    }

    /// Says at half the interval that the manager asks for that all loops turn, until the sender of
    /// `ended` is gone. Each is asked before: one that hangs is not covered up.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn keep_watchdog(&self, balancer: Handle, ended: Receiver<()>) -> io::Result<()> {
        let Some(interval) = watchdog_interval().filter(|_| self.0.is_some()) else {
            return Ok(());
        };
        let notifier = self.clone();
        let run = move || {
            while ended.recv_timeout(interval / 2) == Err(RecvTimeoutError::Timeout) {
                if balancer.is_turning() {
                    notifier.send("WATCHDOG=1\n");
                }
            }
        };
        let thread = thread::Builder::new().name("lb-watchdog".to_owned());
        thread.spawn(run).map(drop)
    }
}

/// The time after which the manager takes this process for dead, if it watches it
/// (sd_watchdog_enabled(3)).
fn watchdog_interval() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process::id()));
    let micros = number("WATCHDOG_USEC").filter(|micros| *micros > 0 && is_ours);
    micros.map(Duration::from_micros)
}
