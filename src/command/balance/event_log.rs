//! Tells people of backends that come and go, a line on stderr for each change of state, and of a
//! loop that stands still.
//!
//! A thread of its own writes, so that a stderr nobody reads holds nothing up. When very much
//! happens, lines are left out, and the next one says how many.

use crate::stderr::say;
use lb::clock::Clock;
use lb::heartbeat::HeartbeatEvent;
use lb::pool::{State, StateChange};
use lb::telemetry::Stall;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Lines in a second; more are counted instead.
const LINES_A_SECOND: u64 = 20;
/// How long after a flood the number of lines left out is told at the latest.
const QUIET: Duration = Duration::from_secs(1);

/// Begins to tell; ends with the balancer.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn tell(
    changes: Receiver<StateChange>,
    stalls: Receiver<Stall>,
) -> io::Result<JoinHandle<()>> {
    let tell = move || {
        let mut pace = Pace::default();
        let clock = Clock::start();
        let mut next_second = clock.now();
        loop {
            match changes.recv_timeout(QUIET) {
                Ok(change) => pace.lines(&change).iter().for_each(say),
                Err(RecvTimeoutError::Timeout) => pace.left_out().iter().for_each(say),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // Told a second late at most, and never more often.
            let now = clock.now();
            if now >= next_second {
                next_second = now + QUIET;
                stalled(stalls.try_iter()).iter().for_each(say);
            }
        }
        pace.left_out().iter().for_each(say);
        stalled(stalls.try_iter()).iter().for_each(say);
    };
    thread::Builder::new()
        .name("lb-events".to_owned())
        .spawn(tell)
}

/// Begins to tell of heartbeats; they limit themselves. Ends with the balancer.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn notify(heartbeat_events: Receiver<HeartbeatEvent>) -> io::Result<JoinHandle<()>> {
    let tell = move || {
        for notice in heartbeat_events {
            say(&format!("lb: {notice}"));
        }
    };
    thread::Builder::new()
        .name("lb-heartbeats".to_owned())
        .spawn(tell)
}

/// What to say of turns that took too long: the longest of them, and how many more there were.
fn stalled(stalls: impl Iterator<Item = Stall>) -> Option<String> {
    let mut count = 0;
    let longest = stalls
        .inspect(|_| count += 1)
        .max_by_key(|stall| stall.turn_time)?;
    Some(match count {
        1 => format!("lb: {longest}"),
        _ => format!("lb: {longest}; {} more turns took long", count - 1),
    })
}

/// How much has been said lately.
#[derive(Debug, Default)]
struct Pace {
    second: u64,
    said: u64,
    left_out: u64,
}

impl Pace {
    /// What to say of a change: nothing, its line, or that and how many were left out before.
    fn lines(&mut self, change: &StateChange) -> Vec<String> {
        if is_expected(change) {
            return Vec::new();
        }
        self.left_out += change.missed;
        let second = change.at.as_nanos() / 1_000_000_000;
        if second != self.second {
            (self.second, self.said) = (second, 0);
        }
        if self.said >= LINES_A_SECOND {
            self.left_out += 1;
            return Vec::new();
        }
        self.said += 1;
        let left_out = self.left_out();
        let line = format!("lb: {change}");
        left_out.into_iter().chain([line]).collect()
    }

    /// How many lines were left out, if any; they are then told.
    fn left_out(&mut self) -> Option<String> {
        let count = std::mem::take(&mut self.left_out);
        (count > 0).then(|| format!("lb: {count} more changes of state"))
    }
}

/// That a backend answers for the first time is no news.
fn is_expected(change: &StateChange) -> bool {
    change.from == State::Initial && change.to == State::Healthy
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb::pool::Cause;
    use lb::strategy::BackendId;
    use lb::telemetry::TurnPhase;
    use lb::time::Timestamp;

    fn change(millis: u64, from: State) -> StateChange {
        StateChange {
            at: Timestamp::from_nanos(millis * 1_000_000),
            backend: BackendId::new(0, 0),
            name: "a:1".into(),
            from,
            to: State::Healthy,
            cause: Cause::Answered,
            missed: 0,
        }
    }

    #[test]
    fn a_flood_is_counted_and_nothing_is_lost_silently() {
        let mut pace = Pace::default();
        assert!(pace.lines(&change(0, State::Initial)).is_empty());
        let said: Vec<_> = (0..30)
            .flat_map(|n| pace.lines(&change(n, State::Draining)))
            .collect();
        assert_eq!(said.len(), 20);
        assert_eq!(said[0], "lb: a:1 draining -> healthy: it answered");
        let later = pace.lines(&change(1_000, State::Draining));
        assert_eq!(later[0], "lb: 10 more changes of state");
        assert_eq!(later.len(), 2);
        assert_eq!(pace.left_out(), None);
    }

    #[test]
    fn of_several_stalls_the_longest_is_told() {
        let stall = |millis| Stall {
            turn_time: Duration::from_millis(millis),
            phase: TurnPhase::Accept,
            phase_time: Duration::from_millis(millis - 1),
        };
        let said = |stalls: &[u64]| stalled(stalls.iter().copied().map(stall));
        assert_eq!(said(&[]), None);
        let one = "lb: a turn took 60 ms, 59 ms of it in its accept phase";
        assert_eq!(said(&[60]).as_deref(), Some(one));
        let more = format!("{one}; 2 more turns took long");
        assert_eq!(said(&[55, 60, 50]), Some(more));
    }
}
