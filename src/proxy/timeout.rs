//! Whom an exchange waits for, since when, and whether a client sends its body fast enough.
//!
//! Pure bookkeeping: [`deadlines`](super::deadlines) turns it into timers. Invariant: only bytes
//! that move buy time. An event alone (a pipelined request, say, while the backend is silent)
//! leaves the end of the wait where it is.

use super::exchange::{Attempt, Exchange, Phase};
use crate::config::Timeouts;
use crate::error::Fault;
use crate::time::Timestamp;
use std::time::Duration;

/// How long a client may take to get going before its rate is measured.
const RATE_GRACE: Duration = Duration::from_secs(5);
/// What a rate is measured over: long enough that a lost packet does not matter.
const RATE_WINDOW: Duration = Duration::from_secs(5);

/// What an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitReason {
    /// A backend with room for one more exchange.
    Turn,
    /// The connection to the backend, which has a deadline of its own.
    Connection,
    /// More of the request body.
    Body,
    /// Room at the backend for what it is sent.
    BackendRoom,
    /// The head of the backend's answer.
    Answer,
    /// More of the backend's answer.
    Rest,
    /// Room at the client for what it is sent.
    ClientRoom,
    /// Either side of a tunnel.
    Tunnel,
}

impl WaitReason {
    /// What `exchange` waits for now.
    pub(super) fn of<Pipe>(exchange: &Exchange<Pipe>, is_connecting: bool) -> Self {
        let upload = &exchange.upload;
        if let Attempt::Queued = exchange.attempt {
            return Self::Turn;
        }
        match exchange.phase {
            Phase::LocalReply { .. } => Self::ClientRoom,
            Phase::Responding { .. } if exchange.download.has_pending() => Self::ClientRoom,
            Phase::Responding { .. } => Self::Rest,
            Phase::AwaitingHead | Phase::Tunnel { .. } if is_connecting => Self::Connection,
            Phase::Tunnel { .. } => Self::Tunnel,
            Phase::AwaitingHead if exchange.download.has_pending() => Self::ClientRoom,
            Phase::AwaitingHead if exchange.upload_stopped => Self::Answer,
            Phase::AwaitingHead if upload.has_pending() => Self::BackendRoom,
            Phase::AwaitingHead if upload.is_received() => Self::Answer,
            Phase::AwaitingHead => Self::Body,
        }
    }

    /// How long it is waited for; `None` if something else limits it.
    const fn timeout(self, timeouts: &Timeouts) -> Option<Duration> {
        match self {
            Self::Turn => Some(timeouts.queue),
            Self::Connection => None,
            Self::Body => Some(timeouts.body),
            Self::BackendRoom | Self::ClientRoom => Some(timeouts.write),
            Self::Answer => Some(timeouts.first_byte),
            Self::Rest => Some(timeouts.server),
            Self::Tunnel => Some(timeouts.tunnel),
        }
    }

    /// What it means that it did not come.
    pub(super) const fn fault(self) -> Fault {
        match self {
            Self::Turn => Fault::QueueTimeout,
            Self::Body | Self::ClientRoom | Self::Tunnel => Fault::ClientTimeout,
            Self::BackendRoom | Self::Answer | Self::Rest => Fault::BackendTimeout,
            Self::Connection => Fault::ConnectTimeout,
        }
    }
}

/// A wait under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeout {
    reason: WaitReason,
    /// Bytes the exchange had moved when the wait was last extended.
    moved: u64,
    until: Timestamp,
    rate: Option<Rate>,
}

/// A measurement of how fast a body comes in.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// When the grace or the window is over.
    ends_at: Timestamp,
    /// Bytes of the body received at the start of the window; `None` during the grace.
    from: Option<u64>,
}

/// What the end of a wait, or of a measurement, leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeoutStatus {
    /// The wait goes on; look again at this instant.
    Until(Timestamp),
    /// It was in vain.
    Expired(Fault),
}

impl Timeout {
    /// A wait that begins now. With `measured`, the rate of the body is watched.
    pub(super) fn begin(
        reason: WaitReason,
        moved: u64,
        timeouts: &Timeouts,
        measured: bool,
        now: Timestamp,
    ) -> Self {
        let mut wait = Self {
            reason,
            moved,
            until: Timestamp::NEVER,
            rate: None,
        };
        if measured && reason == WaitReason::Body {
            let ends_at = now + RATE_GRACE;
            wait.rate = Some(Rate {
                ends_at,
                from: None,
            });
        }
        wait.extend(moved, timeouts, now);
        wait
    }

    /// Whether this is a wait for `reason`.
    pub(super) fn is_for(&self, reason: WaitReason) -> bool {
        self.reason == reason
    }

    /// Whether bytes have moved since it was last extended.
    pub(super) const fn has_moved(&self, moved: u64) -> bool {
        self.moved != moved
    }

    /// Gives whoever is waited for his full time again.
    pub(super) fn extend(&mut self, moved: u64, timeouts: &Timeouts, now: Timestamp) {
        self.moved = moved;
        let timeout = self.reason.timeout(timeouts);
        self.until = timeout.map_or(Timestamp::NEVER, |timeout| now + timeout);
    }

    /// When it has to be looked at again.
    pub(super) fn next_look(&self) -> Timestamp {
        let measured = self.rate.map_or(Timestamp::NEVER, |rate| rate.ends_at);
        self.until.min(measured)
    }

    /// Looks at it, `received` being the bytes of the body that have come in so far and
    /// `least_rate` those that must come in each second.
    pub(super) fn look(&mut self, received: u64, least_rate: u64, now: Timestamp) -> TimeoutStatus {
        if now >= self.until {
            return TimeoutStatus::Expired(self.reason.fault());
        }
        if let Some(rate) = &mut self.rate
            && now >= rate.ends_at
        {
            let enough = least_rate.saturating_mul(RATE_WINDOW.as_secs());
            if rate.from.is_some_and(|from| received - from < enough) {
                return TimeoutStatus::Expired(self.reason.fault());
            }
            rate.from = Some(received);
            rate.ends_at = now + RATE_WINDOW;
        }
        TimeoutStatus::Until(self.next_look())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn timeouts() -> Timeouts {
        Timeouts {
            body: Duration::from_secs(7),
            ..Timeouts::default()
        }
    }

    #[test]
    fn a_wait_ends_when_its_time_is_over_and_bytes_extend_it() {
        let timeouts = timeouts();
        let mut wait = Timeout::begin(WaitReason::Body, 10, &timeouts, false, s(0));
        assert_eq!(wait.next_look(), s(7));
        assert!(!wait.has_moved(10) && wait.has_moved(11));
        wait.extend(11, &timeouts, s(5));
        assert_eq!(wait.look(0, 0, s(7)), TimeoutStatus::Until(s(12)));
        assert_eq!(
            wait.look(0, 0, s(12)),
            TimeoutStatus::Expired(Fault::ClientTimeout)
        );
    }

    #[test]
    fn each_wait_has_its_own_timeout_and_fault() {
        let of = |seconds| Duration::from_secs(seconds);
        let timeouts = Timeouts {
            body: of(1),
            write: of(2),
            first_byte: of(3),
            server: of(4),
            tunnel: of(5),
            queue: of(6),
            ..Timeouts::default()
        };
        for (reason, seconds, fault) in [
            (WaitReason::Turn, 6, Fault::QueueTimeout),
            (WaitReason::Body, 1, Fault::ClientTimeout),
            (WaitReason::ClientRoom, 2, Fault::ClientTimeout),
            (WaitReason::BackendRoom, 2, Fault::BackendTimeout),
            (WaitReason::Answer, 3, Fault::BackendTimeout),
            (WaitReason::Rest, 4, Fault::BackendTimeout),
            (WaitReason::Tunnel, 5, Fault::ClientTimeout),
        ] {
            let mut wait = Timeout::begin(reason, 0, &timeouts, true, s(0));
            let end = s(seconds);
            assert_eq!(wait.next_look(), end, "{reason:?}");
            assert_eq!(
                wait.look(0, 0, end),
                TimeoutStatus::Expired(fault),
                "{reason:?}"
            );
        }
        let connecting = Timeout::begin(WaitReason::Connection, 0, &timeouts, true, s(0));
        assert_eq!(connecting.next_look(), Timestamp::NEVER);
    }

    /// A client that sends `rate` bytes each second, one byte a second at least so that it is
    /// never idle. Returns when it is given up, within a minute.
    fn given_up_after(rate: u64, least_rate: u64) -> Option<u64> {
        let timeouts = timeouts();
        let mut wait = Timeout::begin(WaitReason::Body, 0, &timeouts, true, s(0));
        for second in 1..=60 {
            let received = second * rate;
            wait.extend(received, &timeouts, s(second));
            if s(second) >= wait.next_look()
                && let TimeoutStatus::Expired(fault) = wait.look(received, least_rate, s(second))
            {
                assert_eq!(fault, Fault::ClientTimeout);
                return Some(second);
            }
        }
        None
    }

    #[test]
    fn a_client_below_the_rate_is_given_up_after_grace_and_window() {
        assert_eq!(given_up_after(99, 100), Some(10));
        assert_eq!(given_up_after(100, 100), None);
    }

    #[test]
    fn a_client_that_slows_down_later_is_noticed_in_the_window_after() {
        let timeouts = timeouts();
        let mut wait = Timeout::begin(WaitReason::Body, 0, &timeouts, true, s(0));
        for second in [5, 10, 15] {
            wait.extend(second, &timeouts, s(second));
            let looked = wait.look(second * 1_000, 1_000, s(second));
            assert_eq!(looked, TimeoutStatus::Until(s(second + 5)));
        }
        wait.extend(20, &timeouts, s(20));
        assert_eq!(
            wait.look(15_001, 1_000, s(20)),
            TimeoutStatus::Expired(Fault::ClientTimeout)
        );
    }
}
