//! The near end of the discovery thread: its events, and its end.

use crate::discovery::DiscoveryEvent;
use mio::Waker;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex};

/// What the thread and the balancer share.
#[derive(Debug)]
pub(crate) struct DiscoveryLink {
    is_stopped: AtomicBool,
    waker: Waker,
    subscribers: Mutex<Vec<SyncSender<DiscoveryEvent>>>,
}

impl DiscoveryLink {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            is_stopped: AtomicBool::new(false),
            waker,
            subscribers: Mutex::default(),
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(SeqCst)
    }

    /// Sends the events from now on; those that find the channel full are left out.
    pub(crate) fn subscribe(&self, events: SyncSender<DiscoveryEvent>) {
        if let Ok(mut subscribers) = self.subscribers.lock() {
            subscribers.push(events);
        }
    }

    pub(super) fn tell(&self, event: &DiscoveryEvent) {
        if let Ok(mut subscribers) = self.subscribers.lock() {
            subscribers.retain(|events| {
                let sent = events.try_send(event.clone());
                !matches!(sent, Err(TrySendError::Disconnected(_)))
            });
        }
    }

    /// Has the channels of events end.
    pub(super) fn hang_up(&self) {
        if let Ok(mut subscribers) = self.subscribers.lock() {
            subscribers.clear();
        }
    }
}

/// Ends the thread with the balancer.
#[derive(Debug)]
pub(crate) struct EndDiscovery(Arc<DiscoveryLink>);

impl EndDiscovery {
    pub(super) fn of(link: &Arc<DiscoveryLink>) -> Self {
        Self(Arc::clone(link))
    }
}

impl Drop for EndDiscovery {
    fn drop(&mut self) {
        self.0.is_stopped.store(true, SeqCst);
        let _ = self.0.waker.wake();
    }
}
