//! A limit on the requests of a route that are under way at once, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Requests at once.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    max: u32,
    count: Arc<AtomicU32>,
}

/// The place of one request, given back when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Slot(Arc<AtomicU32>);

impl ConcurrencyLimit {
    /// At most `max` at once.
    #[must_use]
    pub fn new(max: u32) -> Self {
        Self {
            max,
            count: Arc::default(),
        }
    }

    /// A place for one more, if there is room.
    pub fn enter(&self) -> Option<Slot> {
        let one_more = |count: u32| (count < self.max).then_some(count + 1);
        // The count guards nothing but itself.
        let order = Ordering::Relaxed;
        let entered = self.count.fetch_update(order, order, one_more);
        entered.ok().map(|_| Slot(Arc::clone(&self.count)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Limits are alike by what is set, not by what is under way.
impl PartialEq for ConcurrencyLimit {
    fn eq(&self, other: &Self) -> bool {
        self.max == other.max
    }
}

impl Eq for ConcurrencyLimit {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_request_has_ended() {
        let limit = ConcurrencyLimit::new(2);
        let first = limit.enter().unwrap();
        let _second = limit.enter().unwrap();
        assert!(limit.enter().is_none());
        drop(first);
        let _third = limit.enter().unwrap();
        assert!(limit.enter().is_none());
    }

    #[test]
    fn threads_never_have_more_than_the_limit() {
        let limit = ConcurrencyLimit::new(3);
        let most = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        if let Some(slot) = limit.enter() {
                            most.fetch_max(limit.count.load(Ordering::Relaxed), Ordering::Relaxed);
                            drop(slot);
                        }
                    }
                });
            }
        });
        assert!(most.into_inner() <= 3);
        assert_eq!(limit.count.load(Ordering::Relaxed), 0);
    }
}
