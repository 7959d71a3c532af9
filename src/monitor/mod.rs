//! Watching machines and services from the terminal: `lb ping` and `lb monitor`.
//!
//! Checks and their rhythm are those of the balancer: [`Checker`](crate::health::Checker).
//! [`Monitor`] runs one in a loop of its own and reports events.
//!
//! | file | owns |
//! |---|---|
//! | `monitor_loop` | the loop: sockets, clock, commands |
//! | `resolved` | from what the user wrote to what can be checked |
//! | `targets` | results in, events out |
//! | `target_health` | the state of one target, and its totals |
//! | [`event`](MonitorEvent) | events, and the line for each |
//! | [`report`](MonitorReport) | totals of all checks, and their table |

mod event;
mod monitor_loop;
mod report;
mod resolved;
mod target_health;
mod targets;

pub use event::{MonitorEvent, TargetEvent};
pub use report::{MonitorReport, TargetReport};

use crate::config::MonitorConfig;
use crate::net::{BindError, events, no_events};
use mio::Waker;
use monitor_loop::{MonitorCommand, MonitorLoop};
use resolved::resolve_targets;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

/// The state of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// No check has passed yet, and too few have failed.
    Unknown,
    /// Its checks pass.
    Up,
    /// Its checks fail.
    Down,
}

impl TargetState {
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

/// Checks targets in a loop of its own.
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
    monitor_loop: MonitorLoop,
    handle: MonitorHandle,
}

/// Reaches a monitor from any thread.
#[derive(Clone, Debug)]
pub struct MonitorHandle {
    commands: Sender<MonitorCommand>,
    waker: Arc<Waker>,
}

impl Monitor {
    /// Resolves the names and makes sure that the targets can be checked.
    ///
    /// # Errors
    /// A name has no address, or the system does not allow the checks; says what to do.
    pub fn new(config: &MonitorConfig) -> Result<Self, BindError> {
        let targets = resolve_targets(config)?;
        let (poll, waker) = events().map_err(no_events)?;
        let (sender, commands) = channel();
        let monitor_loop = MonitorLoop::new(poll, targets, config.plan(), commands);
        Ok(Self {
            monitor_loop: monitor_loop.map_err(no_events)?,
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

    /// Runs on this thread until every target was checked as often as it should be, or until
    /// [`MonitorHandle::stop`] or an error of `tell` ends it. Each event is given to `tell`, which
    /// delays the checks for as long as it takes.
    ///
    /// # Errors
    /// The system failed to report events.
    pub fn run(
        self,
        tell: impl FnMut(&MonitorEvent) -> io::Result<()>,
    ) -> io::Result<MonitorReport> {
        self.monitor_loop.run(tell)
    }
}

impl MonitorHandle {
    /// Ends the monitor. Returns at once.
    pub fn stop(&self) {
        self.send(MonitorCommand::Stop);
    }

    /// The state of all targets; `None` if the monitor has ended.
    #[must_use]
    pub fn report(&self) -> Option<MonitorReport> {
        let (sender, reply) = channel();
        self.send(MonitorCommand::Report(sender));
        reply.recv().ok()
    }

    fn send(&self, command: MonitorCommand) {
        // Fails if the monitor has ended.
        if self.commands.send(command).is_ok() {
            let _ = self.waker.wake();
        }
    }
}
