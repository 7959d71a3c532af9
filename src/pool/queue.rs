//! Exchanges that wait because every backend is at its limit.
//!
//! Late binding: a request that waits here goes to the backend that first has room, instead of
//! waiting behind others at one that was chosen too early. First come, first served, for all
//! clients alike. An exchange that ends before its turn (its client left, its time was up) stays in
//! line as an id that finds nothing and is passed over; such ids never outnumber those that wait by
//! much.
//!
//! With several workers each has a queue of its own, and free places are shared out by a
//! [`QueueMember`].

use crate::ids::ExchangeId;
use crate::shared::QueueMember;
use std::collections::VecDeque;

/// Ids of finished exchanges that may stay in line before it is tidied.
const STALE_KEPT: usize = 64;

/// The exchanges that wait at this worker.
#[derive(Debug, Default)]
pub(crate) struct WaitQueue {
    line: VecDeque<ExchangeId>,
    waiting: usize,
    /// Its part in sharing with the queues of other workers, if there are any.
    shared: Option<QueueMember>,
}

impl WaitQueue {
    /// Shares free places with the queues of other workers. It must be empty.
    pub(crate) fn share(&mut self, member: QueueMember) {
        self.shared = Some(member);
    }

    /// Exchanges that wait here.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// Returns how many exchanges wait, here and at other workers.
    pub(crate) fn waiting(&self) -> usize {
        let shared = self.shared.as_ref();
        shared.map_or(self.waiting, QueueMember::waiting_everywhere)
    }

    /// Returns whether nothing waits, here or at another worker.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0 && !self.others_wait()
    }

    fn others_wait(&self) -> bool {
        self.shared.as_ref().is_some_and(QueueMember::others_wait)
    }

    /// Returns whether there is nothing to do: nothing waits, nothing has left, and there are no
    /// other workers.
    pub(crate) fn is_unused(&self) -> bool {
        self.line.is_empty() && self.shared.is_none()
    }

    /// Joins the end of the line, if fewer than `limit` wait. Returns whether it did.
    /// `is_waiting` tells whether an id still stands for one that waits.
    pub(crate) fn join(
        &mut self,
        id: ExchangeId,
        limit: usize,
        is_waiting: impl Fn(ExchangeId) -> bool,
    ) -> bool {
        let is_in = match &mut self.shared {
            None => self.waiting < limit,
            Some(shared) => shared.join(limit),
        };
        if is_in {
            if self.line.len() > 2 * self.waiting + STALE_KEPT {
                self.line.retain(|id| is_waiting(*id));
            }
            self.line.push_back(id);
            self.waiting += 1;
        }
        is_in
    }

    /// One that waited was served or has gone; its id may still be in line.
    pub(crate) fn leave(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(shared) = &mut self.shared {
            shared.leave();
        }
    }

    /// One that waited got a place at a backend.
    pub(crate) fn served(&mut self) {
        self.leave();
        if let Some(shared) = &mut self.shared {
            shared.served();
        }
    }

    /// The worker looks for free places now: it need not be called for those there are.
    pub(crate) fn accept_call(&self) {
        if let Some(shared) = &self.shared {
            shared.accept_call();
        }
    }

    /// The exchange to serve next, unless nothing waits here or the next place is another worker's.
    pub(crate) fn first(&mut self, is_waiting: impl Fn(ExchangeId) -> bool) -> Option<ExchangeId> {
        if self.waiting == 0 {
            self.line.clear();
        }
        while let Some(id) = self.line.front()
            && !is_waiting(*id)
        {
            self.line.pop_front();
        }
        let first = self.line.front().copied()?;
        let yields = self.shared.as_ref().is_some_and(QueueMember::yields);
        (!yields).then_some(first)
    }

    /// The worker to wake, because exchanges wait there, it has not been called, and `has_room`
    /// says that there is a place.
    pub(crate) fn call(&mut self, has_room: impl FnOnce() -> bool) -> Option<usize> {
        let shared = self.shared.as_mut().filter(|shared| shared.others_wait())?;
        if has_room() { shared.call() } else { None }
    }
}

#[cfg(test)]
mod tests;
