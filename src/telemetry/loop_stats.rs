//! Statistics of one event loop: how long its turns take, which phase made the longest slow, and
//! how late deadlines fire.
//!
//! A loop on one thread serves everything as fast as its longest turn lets it, so each stall names
//! the [`TurnPhase`] that took most of it. The loop owns its [`LoopStats`] and feeds it: a turn
//! begins, a phase ends, the turn ends. What is done in a phase is not known here.
//! Invariant: a turn costs one histogram entry, and no clock reading beyond those of the loop.

mod nanos_histogram;

use crate::time::Timestamp;
use nanos_histogram::NanosHistogram;
use std::fmt;
use std::time::Duration;

/// A turn this long is a stall and is reported: clients notice it.
const STALL_NANOS: u64 = 50_000_000;

/// The phases of a turn, in the order in which the loop runs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TurnPhase {
    /// Commands and messages from other threads.
    Control,
    /// Accepting client connections.
    Accept,
    /// Readiness events of the system, for all sockets they name.
    #[default]
    Events,
    /// Reading heartbeats.
    Heartbeats,
    /// Work that yielded in an earlier phase or turn.
    Resume,
    /// Deadlines that have passed.
    Expire,
    /// Life cycle of the backends: checks, ejections, slow start.
    Health,
    /// Dispatching queued requests to backends with room.
    Queue,
    /// Closing connections.
    Close,
    /// Handing over access log lines, and notifying subscribers.
    Log,
}

impl TurnPhase {
    /// The phase in one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Accept => "accept",
            Self::Events => "events",
            Self::Resume => "resume",
            Self::Expire => "expire",
            Self::Heartbeats => "heartbeats",
            Self::Health => "health",
            Self::Queue => "queue",
            Self::Close => "close",
            Self::Log => "log",
        }
    }
}

/// A turn that took long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stall {
    /// Length of the whole turn.
    pub turn_time: Duration,
    /// The phase that took most of it.
    pub phase: TurnPhase,
    /// Length of that phase.
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

/// Turn times and deadline lag of one loop, or of several together; exact to two digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnTimes {
    /// Number of turns.
    pub turns: u64,
    /// Median turn time.
    pub p50: Duration,
    /// 99th percentile of turn times.
    pub p99: Duration,
    /// The longest turn, with the phase that took most of it.
    pub longest: Stall,
    /// Turns of 50 ms or more.
    pub stalls: u64,
    /// 99th percentile of how late a deadline fired.
    pub deadline_lag_p99: Duration,
    /// The latest a deadline fired.
    pub deadline_lag_max: Duration,
}

/// Collects the statistics of one loop. Counts in nanoseconds: a [`Duration`] for each phase would
/// cost more than the rest.
#[derive(Clone, Debug, Default)]
pub struct LoopStats {
    turn_began_at: Timestamp,
    /// End of the last phase.
    phase_ended_at: Timestamp,
    /// The longest phase of this turn so far, and its nanoseconds.
    slowest: (TurnPhase, u64),
    longest: Stall,
    /// Turns shorter than this are only counted: as long as the longest, or a stall.
    notable_nanos: u64,
    stalls: u64,
    turn_times: NanosHistogram,
    deadline_lags: NanosHistogram,
}

impl LoopStats {
    /// Begins a turn.
    pub fn begin_turn(&mut self, now: Timestamp) {
        self.turn_began_at = now;
        self.phase_ended_at = now;
        self.slowest = (TurnPhase::Events, 0);
    }

    /// Ends a phase. Phases that had nothing to do may be left out.
    pub fn end_phase(&mut self, phase: TurnPhase, now: Timestamp) {
        let nanos = nanos_between(self.phase_ended_at, now);
        self.phase_ended_at = now;
        if nanos > self.slowest.1 {
            self.slowest = (phase, nanos);
        }
    }

    /// Counts a deadline that was due at `due` and fires now.
    pub fn deadline(&mut self, due: Timestamp, now: Timestamp) {
        self.deadline_lags.record(nanos_between(due, now));
    }

    /// Ends the turn. Returns the stall to report, if it was one.
    pub fn end_turn(&mut self, now: Timestamp) -> Option<Stall> {
        let nanos = nanos_between(self.turn_began_at, now);
        self.turn_times.record(nanos);
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

    /// Adds the statistics of another loop.
    pub fn add(&mut self, other: &Self) {
        if other.longest.turn_time > self.longest.turn_time {
            self.longest = other.longest;
        }
        self.stalls += other.stalls;
        self.turn_times.add(&other.turn_times);
        self.deadline_lags.add(&other.deadline_lags);
    }

    /// The report of everything collected; `None` before the end of the first turn.
    #[must_use]
    pub fn report(&self) -> Option<TurnTimes> {
        let (times, lags) = (&self.turn_times, &self.deadline_lags);
        (times.len() > 0).then(|| TurnTimes {
            turns: times.len(),
            p50: times.quantile(0.50),
            p99: times.quantile(0.99),
            longest: self.longest,
            stalls: self.stalls,
            deadline_lag_p99: lags.quantile(0.99),
            deadline_lag_max: lags.max(),
        })
    }
}

fn nanos_between(earlier: Timestamp, later: Timestamp) -> u64 {
    later.as_nanos().saturating_sub(earlier.as_nanos())
}

#[cfg(test)]
mod tests;
