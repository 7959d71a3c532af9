//! How long the turns of the loop take, what held up the longest, and how late deadlines are.
//!
//! A loop on one thread serves everybody as fast as its longest turn lets it, so a turn that takes
//! long has to have a name: the [`TurnPhase`] most of it went to. [`Turns`] is told when a turn
//! begins, when a phase is over and when the turn is. It does not know what is done in a phase.
//! Invariant: it costs one entry of a histogram a turn, and no reading of a clock that the loop
//! would not make anyway but behind phases that had something to do.

use crate::time::Timestamp;
use hdrhistogram::Histogram;
use std::fmt;
use std::time::Duration;

/// A turn that takes this long is a stall, and is told of: clients notice it.
const STALL_NANOS: u64 = 50_000_000;

/// What is told apart: 2 significant digits, 1.2 ms from 1.3 ms.
const SIGNIFICANT_DIGITS: u8 = 2;

/// The longest time that is told from a longer one, in nanoseconds: a minute.
const MAX_NANOS: u64 = 60_000_000_000;

/// What a turn of the loop does, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TurnPhase {
    /// What the events of the system say is done, for all connections they are about.
    #[default]
    Events,
    /// Clients are accepted.
    Accept,
    /// Heartbeats are taken.
    Heartbeats,
    /// What other threads asked for is done.
    Commands,
    /// One of the phases with which the server ends a turn.
    Last(LastPhase),
    /// Lines of the access log are handed over, and changes told.
    Log,
}

/// What the server ends a turn with, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LastPhase {
    /// What let others have their turn first is gone on with.
    Yielded,
    /// Who has waited too long is dealt with.
    Deadlines,
    /// What time and outcomes did to the lives of backends is followed.
    Backends,
    /// Who waits for a backend is given what has become free.
    Queue,
    /// Connections are closed.
    Closing,
}

impl LastPhase {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Yielded,
        Self::Deadlines,
        Self::Backends,
        Self::Queue,
        Self::Closing,
    ];
}

impl TurnPhase {
    /// The phase in one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Accept => "accept",
            Self::Heartbeats => "heartbeats",
            Self::Commands => "commands",
            Self::Last(LastPhase::Yielded) => "yielded",
            Self::Last(LastPhase::Deadlines) => "deadlines",
            Self::Last(LastPhase::Backends) => "backends",
            Self::Last(LastPhase::Queue) => "queue",
            Self::Last(LastPhase::Closing) => "closing",
            Self::Log => "log",
        }
    }
}

/// A turn that took long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stall {
    /// How long the whole turn took.
    pub turn_time: Duration,
    /// What most of it went to.
    pub phase: TurnPhase,
    /// How much of it.
    pub phase_time: Duration,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [turn, phase] = [self.turn_time, self.phase_time].map(|time| time.as_millis());
        let word = self.phase.word();
        write!(
            f,
            "a turn took {turn} ms, {phase} ms of it in its {word} phase"
        )
    }
}

/// Times of the turns of one loop, and how late its deadlines were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnTimes {
    /// How many turns there were.
    pub turns: u64,
    /// Half of them took no longer; to two digits, as the others.
    pub p50: Duration,
    /// 99 % of them took no longer.
    pub p99: Duration,
    /// The longest, and what it went to.
    pub longest: Stall,
    /// How many of them were stalls: took 50 ms or more.
    pub stalls: u64,
    /// 99 % of the deadlines were dealt with no later than this after they were due.
    pub deadline_lag_p99: Duration,
    /// The latest was dealt with so much later.
    pub deadline_lag_max: Duration,
}

/// Watches the turns of one loop. Counts in nanoseconds: a [`Duration`] for each phase would cost
/// more than the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    began_at: Timestamp,
    /// When the last phase was over.
    marked_at: Timestamp,
    /// The phase of this turn that took longest so far, and how long.
    slowest: (TurnPhase, u64),
    /// Nothing longer has been seen; at first what is shown all the same.
    longest: Stall,
    /// From how long on a turn is looked at: as long as the longest, or a stall.
    notable_nanos: u64,
    stalls: u64,
    times: NanosHistogram,
    lags: NanosHistogram,
}

impl Turns {
    /// A turn begins.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.began_at = now;
        self.marked_at = now;
        self.slowest = (TurnPhase::Events, 0);
    }

    /// A phase is over. Phases that had nothing to do need not be marked.
    pub(crate) fn mark(&mut self, phase: TurnPhase, now: Timestamp) {
        let nanos = nanos_between(self.marked_at, now);
        self.marked_at = now;
        if nanos > self.slowest.1 {
            self.slowest = (phase, nanos);
        }
    }

    /// What was due at `due` is dealt with now.
    pub(crate) fn deadline(&mut self, due: Timestamp, now: Timestamp) {
        self.lags.record(nanos_between(due, now));
    }

    /// The turn is over. Returns what to tell of it, if it was a stall.
    pub(crate) fn end(&mut self, now: Timestamp) -> Option<Stall> {
        let nanos = nanos_between(self.began_at, now);
        self.times.record(nanos);
        if nanos < self.notable_nanos {
            return None;
        }
        self.note(nanos)
    }

    #[cold]
    fn note(&mut self, nanos: u64) -> Option<Stall> {
        let (phase, phase_nanos) = self.slowest;
        let stall = Stall {
            turn_time: Duration::from_nanos(nanos),
            phase,
            phase_time: Duration::from_nanos(phase_nanos),
        };
        if stall.turn_time > self.longest.turn_time {
            self.longest = stall;
        }
        self.notable_nanos = nanos.max(self.notable_nanos).min(STALL_NANOS);
        if nanos < STALL_NANOS {
            return None;
        }
        self.stalls += 1;
        Some(stall)
    }

    /// Adds all that `other` has seen.
    pub(crate) fn add(&mut self, other: &Self) {
        if other.longest.turn_time > self.longest.turn_time {
            self.longest = other.longest;
        }
        self.stalls += other.stalls;
        self.times.add(&other.times);
        self.lags.add(&other.lags);
    }

    /// What is shown; `None` before the end of the first turn.
    pub(crate) fn times(&self) -> Option<TurnTimes> {
        let times = self.times.0.as_ref()?;
        let lag = |nanos: fn(&Histogram<u64>) -> u64| {
            let nanos = self.lags.0.as_ref().map_or(0, nanos);
            Duration::from_nanos(nanos)
        };
        Some(TurnTimes {
            turns: times.len(),
            p50: Duration::from_nanos(times.value_at_quantile(0.50)),
            p99: Duration::from_nanos(times.value_at_quantile(0.99)),
            longest: self.longest,
            stalls: self.stalls,
            deadline_lag_p99: lag(|lags| lags.value_at_quantile(0.99)),
            deadline_lag_max: lag(Histogram::max),
        })
    }
}

/// Times up to a minute. Nothing is allocated before the first; then 30 KiB of address space, of
/// which only what is used becomes resident.
#[derive(Clone, Debug, Default)]
struct NanosHistogram(Option<Histogram<u64>>);

impl NanosHistogram {
    fn record(&mut self, nanos: u64) {
        if let Some(histogram) = self.allocated() {
            // Within the bounds, so it cannot fail.
            let _ = histogram.record(nanos.min(MAX_NANOS));
        }
    }

    fn add(&mut self, other: &Self) {
        if let Some(other) = &other.0
            && let Some(histogram) = self.allocated()
        {
            // Both have the same bounds.
            let _ = histogram.add(other);
        }
    }

    /// `None` only if histograms did not come with such bounds and digits.
    fn allocated(&mut self) -> Option<&mut Histogram<u64>> {
        if self.0.is_none() {
            self.0 = Histogram::new_with_bounds(1, MAX_NANOS, SIGNIFICANT_DIGITS).ok();
        }
        self.0.as_mut()
    }
}

fn nanos_between(earlier: Timestamp, later: Timestamp) -> u64 {
    later.as_nanos().saturating_sub(earlier.as_nanos())
}

#[cfg(test)]
mod tests;
