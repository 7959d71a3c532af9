//! The load of each backend over all workers: a row of atomics for each slot a backend can have.
//!
//! Every worker keeps candidates of its own, and picks from them; here they learn what the others
//! have in flight, and what their strategies have learned. There is a row for as many backends as a
//! pool may have, so that one that is added later has its row; memory is taken only for those that
//! were asked for, a kilobyte for the first sixteen. A row fills one cache line, so that workers at
//! different backends do not disturb each other, and reading an unchanged row costs no more than
//! reading memory of one's own.
//!
//! Invariant: a place is taken and given back by one atomic operation each, so a limit is never
//! exceeded, not even for a moment. The rest of a row is for comparing backends: it may be read
//! while it is being written, and is then a few nanoseconds old in part.

use crate::strategy::{Candidate, Memory};
use crate::time::Timestamp;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};

/// Picks are numbered from here, so that the numbers below order those never picked.
pub(crate) const FIRST_PICK: u64 = 1 << 32;

/// Rows a table has at most: 64 bytes each.
pub(crate) const MAX_ROWS: usize = 4096;
/// Rows of the first block. Each further block doubles the table.
const FIRST_BLOCK: usize = 16;
const BLOCKS: usize = 9;
const _: () = assert!(FIRST_BLOCK << (BLOCKS - 1) == MAX_ROWS);
/// Words of the table of idle backends, as many as the line of the pool has room for.
pub(crate) const IDLE_WORDS: usize = 4;

/// The rows of all backends.
#[derive(Debug)]
pub struct SharedLoad {
    /// Made when a row of them is first asked for.
    blocks: [OnceLock<Box<[BackendLoad]>>; BLOCKS],
    /// Workers that share it.
    workers: AtomicUsize,
    pool: PoolRow,
    findings: Findings,
}

/// What every exchange of any worker changes, in a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct PoolRow {
    /// The number of the next pick.
    picks: AtomicU64,
    /// What the workers' strategies have learned of the pool.
    memory: SharedMemory,
    /// How often what was learned was forgotten: the number of the strategy that all learn for.
    era: AtomicU32,
    /// Which backends are idle, a bit for each of the first slots.
    idle: [AtomicU64; IDLE_WORDS],
}

/// A [`Memory`] that workers write, each as often as it likes.
#[derive(Debug, Default)]
pub(crate) struct SharedMemory([AtomicU64; 2]);

impl SharedMemory {
    /// Returns what was written last.
    pub(crate) fn recall(&self) -> Memory {
        let [first, second] = &self.0;
        Memory([first.load(Relaxed), second.load(Relaxed)])
    }

    /// Replaces it.
    pub(crate) fn remember(&self, memory: Memory) {
        for (word, new) in self.0.iter().zip(memory.0) {
            word.store(new, Relaxed);
        }
    }
}

/// What a worker makes of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Too little is known.
    Unknown,
    /// Backends work on one request after the other.
    Serial,
    /// They work on several at once.
    Parallel,
}

/// What workers say of the pool, a bit for each; written seldom.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Findings {
    serial: AtomicU64,
    parallel: AtomicU64,
}

/// Which exchanges a backend may be given, as the first worker has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Admission {
    /// Any.
    Open,
    /// Only those that have no other.
    InNeed,
    /// None: the operator said so.
    Closed,
}

/// The row of one backend.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct BackendLoad {
    in_flight: AtomicU32,
    /// An [`Admission`].
    admission: AtomicU8,
    /// True if the one exchange that is risked on it is under way.
    trial: AtomicBool,
    /// The number of the pick that chose it last; 0 before the first.
    last_pick: AtomicU64,
    last_picked_at: AtomicU64,
    /// 0 before the first.
    last_completed_at: AtomicU64,
    /// Time at which it last went from idle to busy.
    busy_since: AtomicU64,
    /// Time it was busy before, in nanoseconds.
    busy_nanos: AtomicU64,
    /// What the workers' strategies have learned of it.
    memory: SharedMemory,
}

impl Default for SharedLoad {
    fn default() -> Self {
        Self::new()
    }
}

impl SharedLoad {
    /// A table that shows nothing in flight at any slot.
    #[must_use]
    pub fn new() -> Self {
        Self {
            blocks: [const { OnceLock::new() }; BLOCKS],
            workers: AtomicUsize::new(0),
            pool: PoolRow {
                picks: AtomicU64::new(FIRST_PICK),
                memory: SharedMemory::default(),
                era: AtomicU32::new(0),
                idle: [const { AtomicU64::new(0) }; IDLE_WORDS],
            },
            findings: Findings::default(),
        }
    }

    /// One more worker shares it.
    pub(crate) fn join(&self) {
        self.workers.fetch_add(1, SeqCst);
    }

    /// Workers that share it.
    pub(crate) fn workers(&self) -> usize {
        self.workers.load(SeqCst)
    }

    /// The row of a slot; `None` if it is [`MAX_ROWS`] or above.
    #[inline]
    pub(crate) fn row(&self, slot: usize) -> Option<&BackendLoad> {
        self.rows_from(slot).first()
    }

    /// The row of a slot and those that follow it, as far as they are in one block; none if the
    /// slot is [`MAX_ROWS`] or above.
    #[inline]
    pub(crate) fn rows_from(&self, slot: usize) -> &[BackendLoad] {
        let number = usize::BITS - (slot / FIRST_BLOCK).leading_zeros();
        let begin = match number {
            0 => 0,
            _ => FIRST_BLOCK << (number - 1),
        };
        let block = self.blocks.get(number as usize).map(|block| {
            let make = || (0..begin.max(FIRST_BLOCK)).map(|_| BackendLoad::default());
            block.get_or_init(|| make().collect())
        });
        let rows = block.and_then(|rows| rows.get(slot - begin..));
        rows.unwrap_or_default()
    }

    /// Numbers a pick.
    pub(crate) fn next_pick(&self) -> u64 {
        self.pool.picks.fetch_add(1, Relaxed)
    }

    /// Says in the table of idle backends how the one in `slot` is. Two workers may do so at the same
    /// time in the wrong order; so each looks once more at the row.
    pub(crate) fn note_idle(&self, slot: usize, mut is_idle: bool) {
        let (Some(word), Some(row)) = (self.pool.idle.get(slot / 64), self.row(slot)) else {
            return;
        };
        let bit = 1 << (slot % 64);
        for _ in 0..2 {
            match is_idle {
                true => word.fetch_or(bit, SeqCst),
                false => word.fetch_and(!bit, SeqCst),
            };
            let is_idle_now = row.in_flight() == 0;
            if is_idle_now == is_idle {
                break;
            }
            is_idle = is_idle_now;
        }
    }

    /// The backends that are idle, 64 a word.
    pub(crate) fn idle(&self) -> [u64; IDLE_WORDS] {
        let mut words = [0; IDLE_WORDS];
        for (word, bits) in words.iter_mut().zip(&self.pool.idle) {
            *word = bits.load(Relaxed);
        }
        words
    }

    /// What is learned of the pool.
    pub(crate) const fn memory(&self) -> &SharedMemory {
        &self.pool.memory
    }
}

/// Eras: what was learned for one strategy is nothing to the next.
impl SharedLoad {
    /// The strategy that all learn for.
    pub(crate) fn era(&self) -> u32 {
        self.pool.era.load(Relaxed)
    }

    /// Begins an era. What those of the one before learn is kept out from now on.
    pub(crate) fn begin_era(&self, era: u32) {
        self.pool.era.store(era, SeqCst);
    }
}

/// Whether backends work on one exchange after the other.
impl SharedLoad {
    /// A worker says what it finds. Those above 64 share a bit with others, and may be overruled.
    pub(crate) fn say(&self, worker: usize, finding: Finding) {
        let bit = 1 << (worker % 64);
        let mark = |bits: &AtomicU64, is_said: bool| match is_said {
            true => bits.fetch_or(bit, SeqCst),
            false => bits.fetch_and(!bit, SeqCst),
        };
        mark(&self.findings.parallel, finding == Finding::Parallel);
        mark(&self.findings.serial, finding == Finding::Serial);
    }

    /// Returns whether a worker finds that the pool is serial, and none that it is not.
    pub(crate) fn is_serial(&self) -> bool {
        self.findings.serial.load(Relaxed) != 0 && self.findings.parallel.load(Relaxed) == 0
    }
}

/// Places at a backend.
impl BackendLoad {
    /// Takes a place, if fewer than `most` are taken. Returns how many were.
    ///
    /// # Errors
    /// All are taken: how many.
    pub(crate) fn enter(&self, most: u32) -> Result<u32, u32> {
        if most == u32::MAX {
            return Ok(self.in_flight.fetch_add(1, SeqCst));
        }
        let one_more = |taken: u32| (taken < most).then_some(taken + 1);
        self.in_flight.fetch_update(SeqCst, SeqCst, one_more)
    }

    /// Gives a place back. Returns how many are still taken.
    pub(crate) fn leave(&self, now: Timestamp) -> u32 {
        let since = self.busy_since.load(Relaxed);
        let left = self.in_flight.fetch_sub(1, SeqCst).saturating_sub(1);
        if left == 0 {
            let busy = now.as_nanos().saturating_sub(since);
            self.busy_nanos.fetch_add(busy, Relaxed);
        }
        left
    }

    /// Time it was busy until `now`, and since when it is, if it is.
    pub(crate) fn busy(&self) -> (u64, Timestamp) {
        let since = Timestamp::from_nanos(self.busy_since.load(Relaxed));
        (self.busy_nanos.load(Relaxed), since)
    }

    /// Returns how many places are taken.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(SeqCst)
    }

    /// Notes that a pick took the place after `ahead` others.
    pub(crate) fn picked(&self, number: u64, ahead: u32, now: Timestamp) {
        self.last_pick.store(number, Relaxed);
        self.last_picked_at.store(now.as_nanos(), Relaxed);
        if ahead == 0 {
            self.busy_since.store(now.as_nanos(), Relaxed);
        }
    }

    /// Notes that an exchange was completed.
    pub(crate) fn completed(&self, now: Timestamp) {
        self.last_completed_at.fetch_max(now.as_nanos(), Relaxed);
    }

    /// Makes a candidate say what the row says.
    pub(crate) fn show(&self, candidate: &mut Candidate) {
        candidate.in_flight = self.in_flight();
        let last_pick = self.last_pick.load(Relaxed);
        if last_pick != 0 {
            candidate.last_pick = last_pick;
            candidate.last_picked_at = Timestamp::from_nanos(self.last_picked_at.load(Relaxed));
        }
        let completed = self.last_completed_at.load(Relaxed);
        candidate.last_completed_at = (completed != 0).then(|| Timestamp::from_nanos(completed));
        candidate.oldest_dispatched_at = self.oldest(candidate.in_flight);
    }

    /// Returns the dispatch time of the oldest of `in_flight` exchanges, as far as it is known: the
    /// time at which the backend became busy. It matters since when the oldest can have been in
    /// service, the later of its dispatch and the last completion. That is the same from either: an
    /// exchange that was dispatched after the backend became busy is the oldest only once those
    /// before it are complete.
    pub(crate) fn oldest(&self, in_flight: u32) -> Option<Timestamp> {
        (in_flight > 0).then(|| Timestamp::from_nanos(self.busy_since.load(Relaxed)))
    }
}

/// The eligibility of a backend, and what is learned of it.
impl BackendLoad {
    /// What is learned of it.
    pub(crate) const fn memory(&self) -> &SharedMemory {
        &self.memory
    }

    /// Makes the row that of a new backend. For the first worker, when nothing in any worker refers
    /// to the last one.
    pub(crate) fn renew(&self) {
        self.trial.store(false, SeqCst);
        self.last_pick.store(0, Relaxed);
        self.last_picked_at.store(0, Relaxed);
        self.last_completed_at.store(0, Relaxed);
        self.busy_nanos.store(0, Relaxed);
        self.memory.remember(Memory::default());
        self.admit(Admission::Open);
    }

    /// The admission, as the first worker set it.
    pub(crate) fn admission(&self) -> Admission {
        match self.admission.load(SeqCst) {
            0 => Admission::Open,
            1 => Admission::InNeed,
            _ => Admission::Closed,
        }
    }

    /// Sets the admission. For the first worker.
    pub(crate) fn admit(&self, admission: Admission) {
        self.admission.store(admission as u8, SeqCst);
    }

    /// Returns whether the one exchange that is risked on the backend is under way.
    pub(crate) fn is_on_trial(&self) -> bool {
        self.trial.load(Relaxed)
    }

    /// Makes an exchange the one that is risked. Returns whether there was none.
    pub(crate) fn begin_trial(&self) -> bool {
        !self.trial.swap(true, SeqCst)
    }

    /// Ends the trial.
    pub(crate) fn end_trial(&self) {
        self.trial.store(false, SeqCst);
    }
}

#[cfg(test)]
mod tests;
