use super::*;
use crate::ids::{ExchangeTag, Table};
use crate::pool::Backends;
use crate::shared::{SharedLoad, SharedQueue};
use crate::strategy::{LeastConnections, Outcome};
use crate::time::Timestamp;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

const NO_LIMIT: usize = usize::MAX;

const fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

#[test]
fn exchanges_that_left_are_passed_over() {
    let mut ids = Table::<ExchangeTag, ()>::new();
    let (a, b, c) = (ids.insert(()), ids.insert(()), ids.insert(()));
    let gone = RefCell::new(Vec::new());
    let waits = |id| !gone.borrow().contains(&id);
    let mut queue = WaitQueue::default();
    for id in [a, b, c] {
        assert!(queue.join(id, 3, waits));
    }
    assert!(!queue.join(a, 3, waits), "it is full");
    gone.borrow_mut().push(a);
    queue.leave();
    assert_eq!(queue.first(waits), Some(b));
    assert_eq!(queue.len(), 2);
}

#[test]
fn the_line_does_not_grow_with_exchanges_that_left() {
    let mut ids = Table::<ExchangeTag, ()>::new();
    let mut queue = WaitQueue::default();
    for _ in 0..10_000 {
        queue.join(ids.insert(()), NO_LIMIT, |_| false);
        queue.leave();
    }
    assert!(queue.line.len() <= STALE_KEPT + 2, "{}", queue.line.len());
    assert!(queue.is_empty());
}

fn shared(workers: usize) -> Vec<WaitQueue> {
    let queue = |line| {
        let mut queue = WaitQueue::default();
        queue.share(line);
        queue
    };
    SharedQueue::of(workers).map(queue).collect()
}

#[test]
fn places_are_shared_out_among_workers() {
    let mut ids = Table::<ExchangeTag, ()>::new();
    let [mut left, mut right] = shared(2).try_into().unwrap();
    let waits = |_| true;
    let [first, second, third] = [ids.insert(()), ids.insert(()), ids.insert(())];
    assert!(right.join(third, 3, waits));
    assert!(!left.is_empty(), "an exchange that comes now waits as well");
    assert!(left.join(first, 3, waits) && left.join(second, 3, waits));
    assert!(!left.join(ids.insert(()), 3, waits), "full over all");
    assert_eq!(left.first(waits), Some(first), "one of its own first");
    left.served();
    assert_eq!(
        left.first(|id| id != first),
        None,
        "the next is the other's"
    );
    assert_eq!(left.call(|| false), None, "there is no place");
    assert_eq!(left.call(|| true), Some(1));
    assert_eq!(left.call(|| true), None, "it was called already");
    assert_eq!(
        left.first(|id| id != first),
        Some(second),
        "then its own again"
    );
    right.accept_call();
    assert_eq!(right.first(waits), Some(third));
    right.served();
    assert_eq!(right.first(waits), None);
    assert_eq!(right.call(|| true), Some(0), "the call is passed on");
    left.accept_call();
    assert_eq!(left.first(|id| id != first), Some(second));
}

#[test]
fn worker_is_not_called_for_exchanges_that_left_or_when_it_has_ended() {
    for has_ended in [false, true] {
        let mut ids = Table::<ExchangeTag, ()>::new();
        let [mut left, mut right] = shared(2).try_into().unwrap();
        right.join(ids.insert(()), 3, |_| true);
        let [first, second] = [ids.insert(()), ids.insert(())];
        left.join(first, 3, |_| true);
        left.join(second, 3, |_| true);
        left.served();
        assert_eq!(left.first(|id| id != first), None);
        match has_ended {
            true => drop(right),
            false => right.leave(),
        }
        assert_eq!(left.first(|id| id != first), Some(second));
        assert_eq!(left.call(|| true), None);
    }
}

/// One worker frees every place and never runs out of exchanges of its own: the others together get
/// nearly as many places as it does, and each its part.
#[test]
fn a_busy_worker_does_not_starve_the_others() {
    let mut ids = Table::<ExchangeTag, ()>::new();
    let mut queues = shared(3);
    for queue in &mut queues {
        for _ in 0..100 {
            assert!(queue.join(ids.insert(()), NO_LIMIT, |_| true));
        }
    }
    let mut served = [0; 3];
    for _ in 0..90 {
        // A place is free at worker 0; it is taken by whichever worker the calls lead to.
        let (mut worker, mut calls) = (0, 0);
        loop {
            let queue = &mut queues[worker];
            queue.accept_call();
            if queue.first(|_| true).is_some() {
                queue.line.pop_front();
                queue.served();
                served[worker] += 1;
                break;
            }
            worker = queue.call(|| true).expect("a place would stay free");
            calls += 1;
            assert!(calls <= 3, "calls go round");
        }
    }
    assert!(
        served[0] <= 60 && served.iter().all(|count| *count >= 10),
        "{served:?}"
    );
}

/// A worker as far as waiting goes: it serves its exchanges as it can, and sleeps otherwise.
struct Sleeper {
    queue: WaitQueue,
    pool: Backends,
    woken: Receiver<()>,
    others: Vec<Sender<()>>,
    clock: Arc<AtomicU64>,
}

/// Exchanges of each worker.
const EXCHANGES: usize = 3_000;
/// No worker sleeps longer if nothing is forgotten.
const PATIENCE: Duration = Duration::from_secs(10);

impl Sleeper {
    fn now(&self) -> Timestamp {
        at(self.clock.fetch_add(1, SeqCst))
    }

    fn work(mut self) {
        let mut ids = Table::<ExchangeTag, ()>::new();
        let (mut to_come, mut served) = (EXCHANGES, 0);
        let mut held = Vec::new();
        while served < EXCHANGES {
            // One comes each turn, and one that was served before is over.
            if to_come > 0 {
                to_come -= 1;
                assert!(self.queue.join(ids.insert(()), NO_LIMIT, |_| true));
            }
            for lease in held.drain(..) {
                let now = self.now();
                self.pool.settle(lease, Outcome::Inconclusive, now);
                served += 1;
            }
            self.queue.accept_call();
            while let Some(id) = self.queue.first(|id| ids.get(id).is_some()) {
                let now = self.now();
                let Some(lease) = self.pool.pick(0, &[], now) else {
                    break;
                };
                held.push(lease);
                ids.remove(id);
                self.queue.served();
            }
            if let Some(other) = self.queue.call(|| self.pool.has_room()) {
                // A worker that has nothing left to do may be gone.
                let _ = self.others[other].send(());
            }
            if held.is_empty() && to_come == 0 && served < EXCHANGES {
                self.woken.recv_timeout(PATIENCE).expect("a call was lost");
            }
        }
    }
}

/// Two places and three workers: most wait most of the time, and none is forgotten.
#[test]
fn no_call_is_lost() {
    let pool = || {
        let backends = (0..2).map(|n| (format!("s{n}"), 1));
        let mut pool = Backends::new(backends, LeastConnections::ENTRY.spec().build(1), 1);
        let ids: Vec<_> = pool.candidates().iter().map(|c| c.id).collect();
        for id in ids {
            pool.set_max_in_flight(id, 1);
        }
        pool
    };
    let shared_load = Arc::new(SharedLoad::new());
    let (others, woken): (Vec<_>, Vec<_>) = (0..3).map(|_| channel()).unzip();
    let clock = Arc::new(AtomicU64::new(1));
    let sleepers = shared(3).into_iter().zip(woken).enumerate();
    thread::scope(|scope| {
        for (worker, (queue, woken)) in sleepers {
            let mut pool = pool();
            pool.share(Arc::clone(&shared_load), worker);
            let sleeper = Sleeper {
                queue,
                pool,
                woken,
                others: others.clone(),
                clock: Arc::clone(&clock),
            };
            scope.spawn(|| sleeper.work());
        }
    });
}
