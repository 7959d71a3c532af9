//! Resolves the names of balancers again and again, on a thread of its own.
//!
//! A lookup may take seconds, for which no heartbeat should wait. A name that cannot be resolved
//! for now keeps its addresses. Addresses given as such are never looked up; without names there
//! is no thread.

use crate::address::{Host, HostPort};
use mio::Waker;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// The addresses of one balancer, by its place among all.
pub(super) type Resolved = (usize, Vec<SocketAddr>);

/// The near end of the thread, which ends with it.
#[derive(Debug)]
pub(super) struct Resolver {
    found: Receiver<Resolved>,
    _ends_thread: Sender<()>,
}

impl Resolver {
    /// Resolves the names among `targets` every `interval`. `waker` wakes the loop for new results.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start<E>(
        targets: &[HostPort],
        interval: Duration,
        resolve: impl Fn(&HostPort) -> Result<Vec<SocketAddr>, E> + Send + 'static,
        waker: Arc<Waker>,
    ) -> io::Result<Self> {
        let targets = targets.iter().cloned().enumerate();
        let is_name = |(_, target): &(usize, HostPort)| matches!(target.host(), Host::Name(_));
        let mut names: Vec<_> = targets
            .filter(is_name)
            .map(|(nth, target)| (nth, target, Vec::new()))
            .collect();
        let has_names = !names.is_empty();
        let (sender, found) = channel();
        let (ends_thread, end) = channel::<()>();
        let run = move || {
            while end.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                for (nth, target, known) in &mut names {
                    let Ok(mut addresses) = resolve(target) else {
                        continue;
                    };
                    addresses.sort_unstable();
                    if addresses.is_empty() || addresses == *known {
                        continue;
                    }
                    known.clone_from(&addresses);
                    if sender.send((*nth, addresses)).is_err() || waker.wake().is_err() {
                        return;
                    }
                }
            }
        };
        if has_names {
            let thread = thread::Builder::new().name("lb-resolve".to_owned());
            thread.spawn(run)?;
        }
        Ok(Self {
            found,
            _ends_thread: ends_thread,
        })
    }

    /// Takes the results since the last time.
    pub(super) fn take(&self) -> impl Iterator<Item = Resolved> {
        self.found.try_iter()
    }
}
