//! The queues of several workers: how many exchanges wait over all, and which worker to wake for a
//! free place.
//!
//! Each worker has a queue of its own, first come, first served. A worker that frees a place while
//! exchanges wait elsewhere shares it out: it serves one of its own and leaves the next to another
//! worker, which it *calls*. A call wakes a loop.
//!
//! No place stays free while an exchange waits for it:
//! * a worker where one joins publishes that, and looks for a free place after that;
//! * a worker that frees a place looks after that whether others wait, and calls one of them.
//!
//! Both are sequentially consistent, so at least one of the two sees the other. A worker that is
//! called looks again, and passes a place it leaves free on by a call of its own. A call that was
//! not accepted yet is not repeated: the look that follows the acceptance comes after the reason
//! for the second call.
//!
//! Refused: one strict order over all queues. It takes the age of every queue's head in shared
//! memory, and saves a request no more than one place in line.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// State shared by the queues of all workers.
#[derive(Debug)]
pub struct SharedQueue {
    /// Exchanges that wait, over all.
    waiting: AtomicUsize,
    workers: Box<[WorkerQueue]>,
}

/// The queue of one worker, as the others see it.
#[derive(Debug, Default)]
#[repr(align(64))]
struct WorkerQueue {
    waiting: AtomicUsize,
    /// True if the worker was called and has not looked since.
    is_called: AtomicBool,
}

/// One worker's part.
#[derive(Debug)]
pub struct QueueMember {
    shared: Arc<SharedQueue>,
    worker: usize,
    /// Exchanges that wait here.
    waiting: usize,
    /// True if the next free place is left to another worker.
    owes_place: bool,
}

impl SharedQueue {
    /// The parts of `workers` workers, in their order.
    pub fn of(workers: usize) -> impl Iterator<Item = QueueMember> {
        let shared = Arc::new(Self {
            waiting: AtomicUsize::new(0),
            workers: (0..workers).map(|_| WorkerQueue::default()).collect(),
        });
        (0..workers).map(move |worker| QueueMember {
            shared: Arc::clone(&shared),
            worker,
            waiting: 0,
            owes_place: false,
        })
    }
}

impl QueueMember {
    /// Number of workers.
    pub(crate) fn workers(&self) -> usize {
        self.shared.workers.len()
    }

    /// Returns whether an exchange waits at another worker.
    pub(crate) fn others_wait(&self) -> bool {
        self.shared.waiting.load(SeqCst) > self.waiting
    }

    /// Exchanges that wait, over all workers.
    pub(crate) fn waiting_everywhere(&self) -> usize {
        self.shared.waiting.load(SeqCst)
    }

    /// Adds an exchange, if fewer than `limit` wait over all. Returns whether it did.
    pub(crate) fn join(&mut self, limit: usize) -> bool {
        let one_more = |waiting: usize| (waiting < limit).then_some(waiting + 1);
        let all = &self.shared.waiting;
        let is_in = all.fetch_update(SeqCst, SeqCst, one_more).is_ok();
        if is_in {
            self.set_waiting(self.waiting + 1);
        }
        is_in
    }

    /// Removes an exchange that was served or ended.
    pub(crate) fn leave(&mut self) {
        if self.waiting > 0 {
            self.set_waiting(self.waiting - 1);
            self.shared.waiting.fetch_sub(1, SeqCst);
        }
    }

    /// An exchange of this worker's queue got a place. Others that wait get the next.
    pub(crate) fn served(&mut self) {
        self.owes_place = true;
    }

    /// Returns whether the next free place is left to another worker.
    pub(crate) fn yields(&self) -> bool {
        self.owes_place && self.others_wait()
    }

    /// The worker is about to look for free places, called or not.
    pub(crate) fn accept_call(&self) {
        if let Some(own) = self.shared.workers.get(self.worker)
            && own.is_called.load(SeqCst)
        {
            own.is_called.store(false, SeqCst);
        }
    }

    /// Calls another worker where exchanges wait, for a place that is free: the next after this
    /// one that was not called yet. Returns which to wake.
    pub(crate) fn call(&mut self) -> Option<usize> {
        self.owes_place = false;
        let workers = self.workers();
        let others = (1..workers).map(|ahead| (self.worker + ahead) % workers);
        others
            .filter_map(|number| Some((number, self.shared.workers.get(number)?)))
            .find(|(_, worker)| {
                worker.waiting.load(SeqCst) > 0 && !worker.is_called.swap(true, SeqCst)
            })
            .map(|(number, _)| number)
    }

    fn set_waiting(&mut self, waiting: usize) {
        self.waiting = waiting;
        if let Some(own) = self.shared.workers.get(self.worker) {
            own.waiting.store(waiting, SeqCst);
        }
    }
}

impl Drop for QueueMember {
    /// Nothing waits at a worker that has ended.
    fn drop(&mut self) {
        let waiting = self.waiting;
        self.set_waiting(0);
        self.shared.waiting.fetch_sub(waiting, SeqCst);
    }
}
