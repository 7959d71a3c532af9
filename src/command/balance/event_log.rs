//! The event log: a line on stderr, with the time, for each change of state of a backend, each
//! stall of a loop, and each failure to write the access log.
//!
//! A thread of its own writes, so that a stderr that is not read holds nothing up. In a flood,
//! lines are left out, and the next one says how many.

use crate::stderr::say;
use lb::Balancer;
use lb::heartbeat::HeartbeatEvent;
use lb::internal::clock::Clock;
use lb::internal::plural::Counted;
use lb::internal::telemetry::WallTime;
use lb::life_cycle::{State, StateChange};
use lb::telemetry::Stall;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Changes of state in a second that get a line; more are counted instead.
const LINES_A_SECOND: u64 = 20;
/// Time after a flood at which the number of lines left out is written at the latest.
const QUIET: Duration = Duration::from_secs(1);

/// Starts the event log; it ends with the balancer.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn start(balancer: &mut Balancer) -> io::Result<JoinHandle<()>> {
    let refused = balancer.refused_latecomers();
    let balancer = balancer.handle();
    let (changes, stalls) = (balancer.events(), balancer.stalls());
    let limits = balancer.limit_changes();
    let access_log = balancer.access_log_events();
    let discovery = balancer.discovery_events();
    let run = move || {
        let mut lines = Lines::start();
        let mut pace = Pace::default();
        let mut next_second = lines.clock.now();
        loop {
            match changes.recv_timeout(QUIET) {
                Ok(change) => lines.write_all(pace.lines(&change)),
                Err(RecvTimeoutError::Timeout) => lines.write_all(pace.left_out()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // A second late at most, and never more often.
            let now = lines.clock.now();
            if now >= next_second {
                next_second = now + QUIET;
                lines.write_all(stalled(stalls.try_iter()));
                lines.write_all(limits.try_iter().map(|change| change.to_string()));
                lines.write_all(access_log.try_iter().map(|event| event.to_string()));
                lines.write_all(refused.try_iter().map(|one| format!("warning: {one}")));
                lines.write_all(discovery.try_iter().map(|event| event.to_string()));
            }
        }
        lines.write_all(pace.left_out());
        lines.write_all(stalled(stalls.try_iter()));
        lines.write_all(limits.try_iter().map(|change| change.to_string()));
        lines.write_all(access_log.try_iter().map(|event| event.to_string()));
        lines.write_all(discovery.try_iter().map(|event| event.to_string()));
    };
    thread::Builder::new()
        .name("lb-events".to_owned())
        .spawn(run)
}

/// Starts the log of heartbeat events, which limit themselves; it ends with the balancer.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn start_heartbeats(events: Receiver<HeartbeatEvent>) -> io::Result<JoinHandle<()>> {
    let run = move || {
        let mut lines = Lines::start();
        lines.write_all(events.iter().map(|event| event.to_string()));
    };
    thread::Builder::new()
        .name("lb-heartbeats".to_owned())
        .spawn(run)
}

/// Lines with the time.
pub(super) struct Lines {
    clock: Clock,
    time: WallTime,
}

impl Lines {
    pub(super) fn start() -> Self {
        Self {
            clock: Clock::start(),
            time: WallTime::default(),
        }
    }

    pub(super) fn write_all(&mut self, events: impl IntoIterator<Item = String>) {
        for event in events {
            let time = self.time.format(self.clock.wall());
            say(&format!("{time} lb: {event}"));
        }
    }
}

/// The line for stalls: the longest of them, and how many more there were.
fn stalled(stalls: impl Iterator<Item = Stall>) -> Option<String> {
    let mut count = 0;
    let longest = stalls
        .inspect(|_| count += 1)
        .max_by_key(|stall| stall.turn_time)?;
    Some(match count {
        1 => longest.to_string(),
        _ => format!("{longest}; {} took long", Counted(count - 1, "more turn")),
    })
}

/// Counts the lines of the present second.
#[derive(Debug, Default)]
struct Pace {
    second: u64,
    written: u64,
    left_out: u64,
}

impl Pace {
    /// The lines for a change: none, its own, or that and the number left out before.
    fn lines(&mut self, change: &StateChange) -> Vec<String> {
        if is_expected(change) {
            return Vec::new();
        }
        self.left_out += change.missed;
        let second = change.at.as_nanos() / 1_000_000_000;
        if second != self.second {
            (self.second, self.written) = (second, 0);
        }
        if self.written >= LINES_A_SECOND {
            self.left_out += 1;
            return Vec::new();
        }
        self.written += 1;
        let left_out = self.left_out();
        let line = change.to_string();
        left_out.into_iter().chain([line]).collect()
    }

    /// The line for those left out since the last call, if any were.
    fn left_out(&mut self) -> Option<String> {
        let count = std::mem::take(&mut self.left_out);
        (count > 0).then(|| format!("{} of state", Counted(count, "more change")))
    }
}

/// Returns whether a change is routine: the first response of a backend.
fn is_expected(change: &StateChange) -> bool {
    change.from == State::Initial && change.to == State::Healthy
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb::life_cycle::Cause;
    use lb::strategy::BackendId;
    use lb::telemetry::TurnPhase;
    use lb::time::Timestamp;

    fn change(millis: u64, from: State) -> StateChange {
        let (at, id) = (
            Timestamp::from_nanos(millis * 1_000_000),
            BackendId::new(0, 0),
        );
        StateChange::new(at, id, from, State::Healthy, Cause::Responded).with_name("a:1")
    }

    #[test]
    fn lines_left_out_of_a_flood_are_counted() {
        let mut pace = Pace::default();
        assert!(pace.lines(&change(0, State::Initial)).is_empty());
        let said: Vec<_> = (0..30)
            .flat_map(|n| pace.lines(&change(n, State::Draining)))
            .collect();
        assert_eq!(said.len(), 20);
        assert_eq!(said[0], "a:1 draining -> healthy: it responded");
        let later = pace.lines(&change(1_000, State::Draining));
        assert_eq!(later[0], "10 more changes of state");
        assert_eq!(later.len(), 2);
        assert_eq!(pace.left_out(), None);
    }

    #[test]
    fn of_several_stalls_the_longest_is_shown() {
        let stall = |millis| {
            let mut stall = Stall::default();
            stall.turn_time = Duration::from_millis(millis);
            stall.phase = TurnPhase::Accept;
            stall.phase_time = Duration::from_millis(millis - 1);
            stall
        };
        let said = |stalls: &[u64]| stalled(stalls.iter().copied().map(stall));
        assert_eq!(said(&[]), None);
        let one = "a turn took 60 ms, 59 ms of it in its accept phase";
        assert_eq!(said(&[60]).as_deref(), Some(one));
        let more = format!("{one}; 2 more turns took long");
        assert_eq!(said(&[55, 60, 50]), Some(more));
    }
}
