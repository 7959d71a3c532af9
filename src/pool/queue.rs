//! Exchanges that wait because every backend is at its limit.
//!
//! Late binding: a request that waits here goes to whichever backend is free first, instead of
//! waiting behind others at one that was chosen too early. First come, first served, whoever the
//! client is. An exchange that is over before its turn (its client left, its time was up) stays
//! in the line as an id that finds nothing and is passed over; such ids never outnumber those
//! that wait by much.
//!
//! With several workers the queues of all are one [`QueueMember`].

use crate::ids::ExchangeId;
use crate::shared::QueueMember;
use crate::time::Timestamp;
use std::collections::VecDeque;

/// Ids of finished exchanges that may stay in the line before it is tidied.
const STALE_KEPT: usize = 64;

/// Those who wait here.
#[derive(Debug, Default)]
pub(crate) struct WaitQueue {
    /// Who waits, and since when.
    line: VecDeque<(ExchangeId, Timestamp)>,
    waiting: usize,
    /// What it has to do with the queues of other workers, if there are any.
    shared: Option<QueueMember>,
}

impl WaitQueue {
    /// Makes it part of a line over several workers. It must be empty.
    pub(crate) fn share(&mut self, line: QueueMember) {
        self.shared = Some(line);
    }

    /// How many wait here.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nobody waits, here or at another worker.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0 && !self.shared.as_ref().is_some_and(QueueMember::others_wait)
    }

    /// Whether there is nothing to see to: nobody waits, nobody has left, and there are no others.
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
        now: Timestamp,
    ) -> bool {
        let is_in = match &mut self.shared {
            None => self.waiting < limit,
            Some(line) => line.join(limit),
        };
        if is_in {
            if self.line.len() > 2 * self.waiting + STALE_KEPT {
                self.line.retain(|(id, _)| is_waiting(*id));
            }
            self.line.push_back((id, now));
            self.waiting += 1;
        }
        is_in
    }

    /// One that waited is served or gone; its id may still be in the line.
    pub(crate) fn leave(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(line) = &mut self.shared {
            line.leave();
        }
    }

    /// The worker looks for free places now: it need not be called for those there are.
    pub(crate) fn answer_call(&self) {
        if let Some(line) = &self.shared {
            line.answer();
        }
    }

    /// Who has waited longest, unless that is somebody at another worker.
    pub(crate) fn first(&mut self, is_waiting: impl Fn(ExchangeId) -> bool) -> Option<ExchangeId> {
        if self.waiting == 0 {
            self.line.clear();
        }
        while let Some((id, _)) = self.line.front()
            && !is_waiting(*id)
        {
            self.line.pop_front();
        }
        let first = self.line.front().copied();
        if let Some(line) = &mut self.shared {
            line.show(first.map(|(_, since)| since));
            line.ahead().is_none().then_some(())?;
        }
        first.map(|(id, _)| id)
    }

    /// The worker to wake, because somebody there goes first, has not been called, and
    /// `has_room` says that there is a place.
    pub(crate) fn call(&self, has_room: impl FnOnce() -> bool) -> Option<usize> {
        let line = self.shared.as_ref().filter(|line| line.others_wait())?;
        let worker = line.ahead()?;
        (has_room() && line.call(worker)).then_some(worker)
    }
}

#[cfg(test)]
mod tests;
