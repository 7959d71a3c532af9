//! A balancer on threads of its own.

use super::{Ended, Handle, finished};
use crate::pool::StateChange;
use crate::telemetry::Snapshot;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

/// A balancer on threads of its own.
#[derive(Debug)]
pub struct Running {
    pub(super) thread: JoinHandle<io::Result<Ended>>,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) handle: Handle,
}

impl Running {
    /// The TCP addresses clients connect to.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Reaches the balancer from any thread.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Returns how the balancer is; `None` if it has ended.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.handle.snapshot()
    }

    /// Subscribes to changes of state of the backends, as [`Handle::events`].
    #[must_use]
    pub fn events(&self) -> Receiver<StateChange> {
        self.handle.events()
    }

    /// Stops the balancer and waits until it has ended.
    ///
    /// # Errors
    /// The system failed to report events, or a thread panicked.
    pub fn stop(self) -> io::Result<Ended> {
        self.handle.stop();
        finished(self.thread)
    }
}
