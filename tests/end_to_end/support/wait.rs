//! Waiting: until a condition holds, or until a deadline says that it never will.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// After this, what is waited for is taken not to come. Far longer than anything takes that
/// works, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(2);
/// A value that has not grown for so long has stopped.
const STANDSTILL: Duration = Duration::from_millis(200);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(PAUSE);
    }
}

/// Watches for `span` that `condition` does not cease to hold. For what must *not* happen.
#[track_caller]
pub(crate) fn stays(what: &str, span: Duration, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < span {
        assert!(condition(), "no longer so: {what}");
        thread::sleep(PAUSE);
    }
}

/// Takes so long, as the work of a server does, or a measurement.
pub(crate) fn take(span: Duration) {
    thread::sleep(span);
}

/// Measures how long something took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Holds one thread until another opens it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        let (open, changed) = &*self.0;
        *open.lock().unwrap() = true;
        changed.notify_all();
    }

    /// Waits until it is open. Returns whether it was opened in time.
    pub(crate) fn wait(&self) -> bool {
        *self.wait_open()
    }

    /// The same, and shuts it again, for the next time.
    pub(crate) fn wait_and_shut(&self) -> bool {
        std::mem::take(&mut *self.wait_open())
    }

    fn wait_open(&self) -> MutexGuard<'_, bool> {
        let (open, changed) = &*self.0;
        let guard = open.lock().unwrap();
        let waited = changed.wait_timeout_while(guard, PATIENCE, |open| !*open);
        waited.unwrap().0
    }
}

/// Counts what one thread has done, for another to watch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until it has begun and no longer grows. Returns how far it came.
    pub(crate) fn until_it_stops(&self) -> u64 {
        let mut last = (self.get(), Stopwatch::start());
        until("it stops", || {
            let now = self.get();
            if now != last.0 {
                last = (now, Stopwatch::start());
            }
            now > 0 && last.1.elapsed() > STANDSTILL
        });
        last.0
    }
}
