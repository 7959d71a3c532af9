//! One line of waiting exchanges over several workers.
//!
//! Each worker has a queue of its own; the lines tell it how many wait over all, and since when
//! the first of each other queue has waited. Whoever has waited longest goes first, at whichever
//! worker: another finds that out, leaves the free place to it, and *calls* it. A call wakes a loop.
//!
//! No place stays free while somebody waits for it:
//! * who joins makes that known, and looks for a free place after that;
//! * who frees a place looks after that whether others wait, and calls the first of them.
//!
//! All of these are sequentially consistent, so at least one of the two sees the other. A worker
//! that is called looks again; when it leaves a place to another, or nobody waits there any more,
//! it passes the call on to the first in line. Calls only go to whoever has waited longest, so they
//! cannot go round in a circle. A call that is not answered yet is not repeated: the look that
//! follows the answer comes after whatever the second was to tell.

use crate::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

/// What is known of the queues of all workers.
#[derive(Debug)]
pub struct SharedQueue {
    /// Exchanges that wait, over all.
    waiting: AtomicUsize,
    heads: Box<[Head]>,
}

/// The first exchange in the queue of one worker.
#[derive(Debug)]
#[repr(align(64))]
struct Head {
    /// Since when it waits; [`Timestamp::NEVER`] if nobody does.
    since: AtomicU64,
    /// Whether its worker was called and has not looked since.
    is_called: AtomicBool,
}

/// One worker's part.
#[derive(Debug)]
pub struct QueueMember {
    lines: Arc<SharedQueue>,
    worker: usize,
    /// Exchanges that wait here.
    waiting: usize,
    /// As in the head.
    since: Timestamp,
}

impl SharedQueue {
    /// The parts of so many workers, in their order.
    pub fn of(workers: usize) -> impl Iterator<Item = QueueMember> {
        let head = |_| Head {
            since: AtomicU64::new(Timestamp::NEVER.as_nanos()),
            is_called: AtomicBool::new(false),
        };
        let lines = Arc::new(Self {
            waiting: AtomicUsize::new(0),
            heads: (0..workers).map(head).collect(),
        });
        (0..workers).map(move |worker| QueueMember {
            lines: Arc::clone(&lines),
            worker,
            waiting: 0,
            since: Timestamp::NEVER,
        })
    }
}

impl QueueMember {
    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.lines.heads.len()
    }

    /// Whether anybody waits at another worker.
    pub(crate) fn others_wait(&self) -> bool {
        self.lines.waiting.load(SeqCst) > self.waiting
    }

    /// One more waits here, if fewer than `limit` do over all. Returns whether it does.
    pub(crate) fn join(&mut self, limit: usize) -> bool {
        let one_more = |waiting: usize| (waiting < limit).then_some(waiting + 1);
        let waiting = &self.lines.waiting;
        let is_in = waiting.fetch_update(SeqCst, SeqCst, one_more).is_ok();
        self.waiting += usize::from(is_in);
        is_in
    }

    /// One that waited here does no more.
    pub(crate) fn leave(&mut self) {
        if self.waiting > 0 {
            self.waiting -= 1;
            self.lines.waiting.fetch_sub(1, SeqCst);
        }
        if self.waiting == 0 {
            self.show(None);
        }
    }

    /// Makes known since when the first in the queue waits; `None`: it is empty.
    pub(crate) fn show(&mut self, since: Option<Timestamp>) {
        let since = since.unwrap_or(Timestamp::NEVER);
        if since != self.since {
            self.since = since;
            if let Some(own) = self.lines.heads.get(self.worker) {
                own.since.store(since.as_nanos(), SeqCst);
            }
        }
    }

    /// The worker looks for free places now, whether it was called or not.
    pub(crate) fn answer(&self) {
        if let Some(own) = self.lines.heads.get(self.worker)
            && own.is_called.load(SeqCst)
        {
            own.is_called.store(false, SeqCst);
        }
    }

    /// The worker where somebody has waited longer than the first in the queue here.
    pub(crate) fn ahead(&self) -> Option<usize> {
        let heads = self.lines.heads.iter().enumerate();
        let since = heads.map(|(worker, head)| (head.since.load(SeqCst), worker));
        let (since, worker) = since.min()?;
        (since != Timestamp::NEVER.as_nanos() && worker != self.worker).then_some(worker)
    }

    /// Calls a worker. Returns whether it has to be woken for that.
    pub(crate) fn call(&self, worker: usize) -> bool {
        let head = self.lines.heads.get(worker);
        head.is_some_and(|head| !head.is_called.swap(true, SeqCst))
    }
}

impl Drop for QueueMember {
    /// Nobody waits for a worker that is gone.
    fn drop(&mut self) {
        self.show(None);
        self.lines.waiting.fetch_sub(self.waiting, SeqCst);
    }
}
