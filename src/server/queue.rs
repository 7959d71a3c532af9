//! Exchanges that wait because every backend is at its limit.
//!
//! Late binding: a request that waits here goes to whichever backend is free first, instead of
//! waiting behind others at one that was chosen too early. First come, first served, whoever the
//! client is. An exchange that is over before its turn (its client left, its time was up) stays
//! in the line as an id that finds nothing and is passed over; such ids never outnumber those
//! that wait by much.

use super::arena::ExchangeId;
use std::collections::VecDeque;

/// Ids of finished exchanges that may stay in the line before it is tidied.
const STALE_KEPT: usize = 64;

/// The line.
#[derive(Debug, Default)]
pub(super) struct Queue {
    line: VecDeque<ExchangeId>,
    waiting: usize,
}

impl Queue {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Joins the end of the line. `is_waiting` tells whether an id still stands for one that
    /// waits.
    pub(super) fn join(&mut self, id: ExchangeId, is_waiting: impl Fn(ExchangeId) -> bool) {
        if self.line.len() > 2 * self.waiting + STALE_KEPT {
            self.line.retain(|id| is_waiting(*id));
        }
        self.line.push_back(id);
        self.waiting += 1;
    }

    /// One that waited is served or gone; its id may still be in the line.
    pub(super) fn leave(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Who has waited longest.
    pub(super) fn first(&mut self, is_waiting: impl Fn(ExchangeId) -> bool) -> Option<ExchangeId> {
        while let Some(id) = self.line.front() {
            if is_waiting(*id) {
                return Some(*id);
            }
            self.line.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::arena::{Arena, OfExchange};
    use std::cell::RefCell;

    #[test]
    fn those_who_left_are_passed_over() {
        let mut ids = Arena::<OfExchange, ()>::new();
        let (a, b, c) = (ids.insert(()), ids.insert(()), ids.insert(()));
        let gone = RefCell::new(Vec::new());
        let waits = |id| !gone.borrow().contains(&id);
        let mut queue = Queue::default();
        for id in [a, b, c] {
            queue.join(id, waits);
        }
        gone.borrow_mut().push(a);
        queue.leave();
        assert_eq!(queue.first(waits), Some(b));
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn the_line_does_not_grow_with_those_who_left() {
        let mut ids = Arena::<OfExchange, ()>::new();
        let mut queue = Queue::default();
        for _ in 0..10_000 {
            queue.join(ids.insert(()), |_| false);
            queue.leave();
        }
        assert!(queue.line.len() <= STALE_KEPT + 2, "{}", queue.line.len());
        assert!(queue.is_empty());
    }
}
