//! Watching machines and services from the terminal: `lb ping` and `lb monitor`.
//!
//! The checks are those of the balancer, from [`health`](crate::health), and so is their rhythm.
//! [`Watch`] is the core: bytes and sockets are not its business, time is an argument. [`Monitor`]
//! is what users of the library see: the core in its loop.
//!
//! | file | owns |
//! |---|---|
//! | [`watch`](Watch) | when which target is checked |
//! | `watched` | how one target stands, and when that changes |
//! | [`event`](Event) | what is told, and the line for it |
//! | [`report`](Report) | what all checks came to, and the table of it |

mod event;
mod report;
mod watch;
mod watch_loop;
mod watch_target;
mod watched;

pub use event::{Event, News};
pub use report::{Report, TargetReport};
pub use watch::{Step, TargetId, Watch};

use crate::config::{ConfigError, MonitorConfig};
use crate::net::{events, no_events};
use mio::Waker;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use watch_loop::{WatchCommand, WatchLoop};
use watch_target::prepare_targets;

/// How a target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No check has passed yet, and not enough have failed.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Watches targets, in a loop of its own.
///
/// ```
/// use lb::config::{MonitorConfig, Plan, Target};
/// use lb::monitor::Monitor;
///
/// let service = Target::service("127.0.0.1:1".parse()?, None);
/// let plan = Plan { count: Some(1), ..Plan::default() };
/// let monitor = Monitor::new(&MonitorConfig::new(vec![service], plan)?)?;
/// let report = monitor.run(|event| {
///     println!("{event}");
///     Ok(())
/// })?;
/// assert_eq!(report.targets[0].checks, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Monitor {
    watch_loop: WatchLoop,
    handle: MonitorHandle,
}

/// Reaches a monitor from any thread.
#[derive(Clone, Debug)]
pub struct MonitorHandle {
    commands: Sender<WatchCommand>,
    waker: Arc<Waker>,
}

impl Monitor {
    /// Resolves the names and makes sure that the targets can be checked.
    ///
    /// # Errors
    /// A name has no address, or the system does not allow the checks; says what to do.
    pub fn new(config: &MonitorConfig) -> Result<Self, ConfigError> {
        let targets = prepare_targets(config)?;
        let (poll, waker) = events().map_err(|error| no_events(&error))?;
        let (sender, commands) = channel();
        let watch_loop = WatchLoop::new(poll, targets, *config.plan(), commands);
        Ok(Self {
            watch_loop: watch_loop.map_err(|error| no_events(&error))?,
            handle: MonitorHandle {
                commands: sender,
                waker: Arc::new(waker),
            },
        })
    }

    /// Reaches this monitor while it runs.
    #[must_use]
    pub fn handle(&self) -> MonitorHandle {
        self.handle.clone()
    }

    /// Watches on this thread until every target was checked as often as it should be, or until
    /// told to stop, by [`MonitorHandle::stop`] or by an error of `tell`. Whatever happens is
    /// given to `tell`, which holds the checks up as long as it takes.
    ///
    /// # Errors
    /// The system failed to report events.
    pub fn run(self, tell: impl FnMut(&Event) -> io::Result<()>) -> io::Result<Report> {
        self.watch_loop.run(tell)
    }
}

impl MonitorHandle {
    /// Tells the monitor to end. Returns at once.
    pub fn stop(&self) {
        self.send(WatchCommand::Stop);
    }

    /// How all targets stand; `None` if the monitor has ended.
    #[must_use]
    pub fn report(&self) -> Option<Report> {
        let (sender, reply) = channel();
        self.send(WatchCommand::Report(sender));
        reply.recv().ok()
    }

    fn send(&self, command: WatchCommand) {
        // Fails if the monitor has ended: then there is nobody to tell.
        if self.commands.send(command).is_ok() {
            let _ = self.waker.wake();
        }
    }
}
