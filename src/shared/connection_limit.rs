//! The limit of connections over all workers, and which worker serves a new one.
//!
//! The system spreads new connections over the listeners of the workers by a hash of their
//! addresses: evenly on the whole, and unevenly where it matters, among few that last. So a worker
//! that has clearly more open than another hands on what it accepts. Nearly equal workers do not:
//! handing on costs a wake-up, and gains nothing where connections come and go.
//!
//! Invariant: a connection counts from before it is accepted until it is closed, so there are
//! never more than allowed. A worker that does not accept because of that is woken by the worker
//! that closes one: it publishes that it waits and looks again after that, and the other counts
//! down and looks for workers that wait after that; one of them sees the other.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// A worker hands on only if another has fewer open by more than this...
const SLACK: usize = 2;
/// ...and by more than this part of what the other has.
const SLACK_PART: usize = 8;

/// The connections of all workers.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    max: usize,
    open: AtomicUsize,
    shares: Box<[Share]>,
}

/// The connections of one worker.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Share {
    open: AtomicUsize,
    /// True if it would accept if fewer were open.
    waits: AtomicBool,
}

impl ConnectionLimit {
    /// At most `max` connections over so many workers.
    pub(crate) fn new(max: usize, workers: usize) -> Self {
        Self {
            max,
            open: AtomicUsize::new(0),
            shares: (0..workers).map(|_| Share::default()).collect(),
        }
    }

    /// Returns whether one more may be opened. If not, the worker will be woken when it may.
    pub(crate) fn has_room(&self, worker: usize) -> bool {
        let has_room = || self.open.load(SeqCst) < self.max;
        if has_room() {
            return true;
        }
        if let Some(share) = self.shares.get(worker) {
            share.waits.store(true, SeqCst);
        }
        has_room()
    }

    /// Counts one that is about to be accepted, if one more may be open.
    pub(crate) fn reserve(&self) -> bool {
        let one_more = |open: usize| (open < self.max).then_some(open + 1);
        self.open.fetch_update(SeqCst, SeqCst, one_more).is_ok()
    }

    /// Says which worker serves the one that `worker` has accepted: itself, unless it has clearly
    /// more than another. It then counts there.
    pub(crate) fn place(&self, worker: usize) -> usize {
        let open = |share: &Share| share.open.load(SeqCst);
        let shares = self.shares.iter().map(open).zip(0..);
        let own = self.shares.get(worker).map_or(0, open);
        let chosen = match shares.min() {
            Some((least, other)) if own > least + SLACK + least / SLACK_PART => other,
            _ => worker,
        };
        if let Some(share) = self.shares.get(chosen) {
            share.open.fetch_add(1, SeqCst);
        }
        chosen
    }

    /// Moves a connection that [`place`](Self::place) gave to `other` back to `worker`, which has
    /// to serve it itself.
    pub(crate) fn keep(&self, other: usize, worker: usize) {
        if let (Some(other), Some(own)) = (self.shares.get(other), self.shares.get(worker)) {
            other.open.fetch_sub(1, SeqCst);
            own.open.fetch_add(1, SeqCst);
        }
    }

    /// So many that counted at `worker` are closed. Returns the workers to be woken for that.
    pub(crate) fn closed(&self, worker: usize, count: usize) -> impl Iterator<Item = usize> {
        if let Some(share) = self.shares.get(worker) {
            share.open.fetch_sub(count, SeqCst);
        }
        self.released(count)
    }

    /// So many that were reserved did not come. Returns the workers to be woken for that.
    pub(crate) fn released(&self, count: usize) -> impl Iterator<Item = usize> {
        self.open.fetch_sub(count, SeqCst);
        let waited = |share: &Share| share.waits.load(SeqCst) && share.waits.swap(false, SeqCst);
        let shares = self.shares.iter().enumerate();
        shares.filter_map(move |(worker, share)| waited(share).then_some(worker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Rng;
    use std::sync::Barrier;
    use std::thread;

    fn accept(connection_limit: &ConnectionLimit, worker: usize) -> usize {
        assert!(connection_limit.reserve());
        connection_limit.place(worker)
    }

    #[test]
    fn similarly_loaded_workers_keep_what_they_accept() {
        let connection_limit = ConnectionLimit::new(1_000, 2);
        for _ in 0..100 {
            for worker in [0, 1] {
                assert_eq!(accept(&connection_limit, worker), worker);
            }
        }
        for nth in 1..=14 {
            assert_eq!(
                accept(&connection_limit, 0),
                0,
                "{nth} more than the other's 100"
            );
        }
        connection_limit.place(0);
        assert_eq!(accept(&connection_limit, 0), 1, "an eighth more, and two");
    }

    #[test]
    fn a_worker_that_accepts_all_hands_half_of_them_on() {
        for workers in [2, 3, 8] {
            let connection_limit = ConnectionLimit::new(1_000, workers);
            let mut counts = vec![0_usize; workers];
            for _ in 0..100 {
                counts[accept(&connection_limit, 0)] += 1;
            }
            let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
            assert!(spread <= 2 + 100 / workers / 8 + 1, "{counts:?}");
        }
    }

    #[test]
    fn a_worker_that_waits_for_room_is_woken_once() {
        let connection_limit = ConnectionLimit::new(1, 2);
        accept(&connection_limit, 0);
        assert!(!connection_limit.reserve() && !connection_limit.has_room(1));
        assert_eq!(connection_limit.closed(0, 1).collect::<Vec<_>>(), [1]);
        assert!(connection_limit.has_room(1) && connection_limit.reserve());
        assert_eq!(connection_limit.released(1).count(), 0);
    }

    #[test]
    fn there_are_never_more_than_allowed() {
        const MAX: usize = 5;
        let connection_limit = ConnectionLimit::new(MAX, 4);
        let open = AtomicUsize::new(0);
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for worker in 0..4 {
                let (connection_limit, open, start) = (&connection_limit, &open, &start);
                scope.spawn(move || {
                    let mut rng = Rng::new(worker as u64);
                    start.wait();
                    for _ in 0..20_000 {
                        if connection_limit.reserve() {
                            assert!(open.fetch_add(1, SeqCst) < MAX);
                            let place = connection_limit.place(worker);
                            (0..rng.below(8)).for_each(|_| std::hint::spin_loop());
                            open.fetch_sub(1, SeqCst);
                            connection_limit.closed(place, 1).for_each(drop);
                        }
                    }
                });
            }
        });
        assert_eq!(connection_limit.open.load(SeqCst), 0);
        assert!(
            connection_limit
                .shares
                .iter()
                .all(|s| s.open.load(SeqCst) == 0)
        );
    }
}
