//! Owns what other threads tell the loop: a queue, and the waker that ends its wait.

use crate::rights::AccessRules;
use mio::{Registry, Token, Waker};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Something another thread has to say.
#[derive(Debug)]
pub enum Notice {
    /// A batch is stored, or not and why.
    Stored(Result<(), String>),
    /// New rules for connections to come.
    Rules(AccessRules),
    /// Stop.
    Stop,
}

/// Tells the loop, from any thread.
#[derive(Clone, Debug)]
pub struct Notifier {
    sender: Sender<Notice>,
    waker: Arc<Waker>,
}

impl Notifier {
    /// Tells the loop; without effect if that has ended.
    pub fn tell(&self, notice: Notice) {
        // Either can only fail when the loop is gone.
        let _ = self.sender.send(notice);
        let _ = self.waker.wake();
    }
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct Notices {
    receiver: Receiver<Notice>,
    notifier: Notifier,
}

impl Notices {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let waker = Arc::new(Waker::new(registry, token)?);
        let notifier = Notifier { sender, waker };
        Ok(Self { receiver, notifier })
    }

    pub(super) fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    pub(super) fn next(&self) -> Option<Notice> {
        self.receiver.try_recv().ok()
    }
}
