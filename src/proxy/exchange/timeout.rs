//! Tracks what an exchange waits for, its timeout, and the minimum body rate.
//!
//! Pure bookkeeping. Invariant: only bytes that move extend a timeout. An event alone (a pipelined
//! request, say, while the backend is silent) does not. Interim responses are no progress of the
//! request: they extend nothing but their own delivery to the client, however many there are.

use super::applied::timeouts;
use super::state::{Attempt, Exchange, Phase};
use super::step::{ExchangeIo, is_connecting};
use crate::config::Timeouts;
use crate::error::Fault;
use crate::proxy::network::Network;
use crate::time::Timestamp;
use std::time::Duration;

/// Time for which the body rate of a client is not judged at first.
const RATE_GRACE: Duration = Duration::from_secs(5);
/// Window over which a rate is measured: long enough that a lost packet does not matter.
const RATE_WINDOW: Duration = Duration::from_secs(5);
/// Silence after which the rest of a request that was responded to early is given up.
const REST_TIMEOUT: Duration = Duration::from_secs(5);

/// The reason for a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitReason {
    /// A backend with room for one more exchange.
    Queue,
    /// The connection to the backend, which has a deadline of its own.
    Connect,
    /// More of the request body.
    RequestBody,
    /// Room at the backend for the request.
    BackendRoom,
    /// The head of the response.
    ResponseHead,
    /// More of the response body.
    ResponseBody,
    /// Room at the client for the response.
    ClientRoom,
    /// The rest of a request that was responded to early, or room for it at the backend.
    Rest,
    /// Either side of a tunnel.
    Tunnel,
}

impl WaitReason {
    /// Returns the reason why `exchange` waits now.
    fn of<Pipe>(exchange: &Exchange<Pipe>, is_connecting: bool) -> Self {
        let upload = &exchange.upload;
        if let Attempt::Queued = exchange.attempt {
            return Self::Queue;
        }
        match exchange.phase {
            Phase::LocalReply { .. } => Self::ClientRoom,
            Phase::Responding { .. } if exchange.response_sent => Self::Rest,
            Phase::Responding { .. } if exchange.download.has_pending() => Self::ClientRoom,
            Phase::Responding { .. } => Self::ResponseBody,
            Phase::AwaitingHead | Phase::Tunnel { .. } if is_connecting => Self::Connect,
            Phase::Tunnel { .. } => Self::Tunnel,
            Phase::AwaitingHead if exchange.download.has_pending() => Self::ClientRoom,
            Phase::AwaitingHead if exchange.upload_stopped => Self::ResponseHead,
            Phase::AwaitingHead if upload.has_pending() && exchange.backend().is_some() => {
                Self::BackendRoom
            }
            Phase::AwaitingHead if upload.is_received() => Self::ResponseHead,
            // RFC 9110, section 10.1.1: the client waits for the backend's word.
            Phase::AwaitingHead if exchange.request.awaits_continue && upload.received() == 0 => {
                Self::ResponseHead
            }
            Phase::AwaitingHead => Self::RequestBody,
        }
    }

    /// Returns whether progress is that of the request alone.
    const fn is_of_request(self) -> bool {
        matches!(
            self,
            Self::ResponseHead | Self::RequestBody | Self::BackendRoom
        )
    }

    /// The time limit; `None` if something else limits it.
    const fn limit(self, timeouts: &Timeouts) -> Option<Duration> {
        match self {
            Self::Queue => Some(timeouts.queue),
            Self::Connect => None,
            Self::RequestBody => Some(timeouts.body),
            Self::BackendRoom | Self::ClientRoom => Some(timeouts.write),
            Self::ResponseHead => Some(timeouts.first_byte),
            Self::ResponseBody => Some(timeouts.server),
            Self::Rest => Some(REST_TIMEOUT),
            Self::Tunnel => Some(timeouts.tunnel),
        }
    }

    /// The fault when it does not come in time.
    const fn fault(self) -> Fault {
        match self {
            Self::Queue => Fault::QueueTimeout,
            Self::RequestBody | Self::ClientRoom | Self::Rest | Self::Tunnel => {
                Fault::ClientTimeout
            }
            Self::BackendRoom | Self::ResponseHead | Self::ResponseBody => Fault::BackendTimeout,
            Self::Connect => Fault::ConnectTimeout,
        }
    }
}

/// The wait under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeout {
    reason: WaitReason,
    /// Bytes the exchange had moved when the wait was last extended.
    moved: u64,
    until: Timestamp,
    aside: Aside,
}

/// What is watched besides a wait.
#[derive(Clone, Copy, Debug)]
enum Aside {
    Nothing,
    /// How fast the body comes in.
    Rate(Rate),
    /// The wait for the response head, up to this time, which the delivery of an interim response
    /// interrupts.
    Head(Timestamp),
}

/// A measurement of how fast a body comes in.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// End of the grace period or of the window.
    ends_at: Timestamp,
    /// Bytes of the body received at the start of the window; `None` during the grace.
    from: Option<u64>,
}

/// The consequence of a wait, or of a measurement, that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeoutStatus {
    /// The wait goes on; look again at this instant.
    Until(Timestamp),
    /// It is over.
    Expired(Fault),
}

impl<Pipe> Exchange<Pipe> {
    /// Restarts the timeout if the exchange waits for something else than before, and extends it if
    /// bytes have moved. Returns when it has to be looked at, if that has changed.
    pub(crate) fn renew_timeout<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &ExchangeIo<'_, N>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let reason = WaitReason::of(self, is_connecting(io));
        let moved = match reason.is_of_request() {
            true => self.uploaded(),
            false => self.moved(),
        };
        let is_same = |timeout: &Timeout| timeout.reason == reason && timeout.moved == moved;
        if self.timeout.as_ref().is_some_and(is_same) {
            return None;
        }
        let listener = &io.client.listener;
        let timeouts = timeouts(listener, self.applied.as_deref(), self.pool);
        let min_body_rate = listener.limits.min_body_rate.unwrap_or(0);
        let timeout = match &mut self.timeout {
            Some(timeout) if timeout.reason == reason => {
                timeout.extend(moved, timeouts, now);
                timeout
            }
            timeout => {
                let begun = Timeout::begin(reason, moved, timeouts, min_body_rate > 0, now);
                let begun = match timeout {
                    Some(before) => begun.after(before),
                    None => begun,
                };
                timeout.insert(begun)
            }
        };
        Some(timeout.next_look())
    }

    /// Judges the timeout, which may be over. `None` if nothing is waited for.
    pub(crate) fn check_timeout(
        &mut self,
        min_body_rate: u64,
        now: Timestamp,
    ) -> Option<TimeoutStatus> {
        let received = self.upload.received();
        let status = self.timeout.as_mut()?.look(received, min_body_rate, now);
        if let TimeoutStatus::Expired(_) = status {
            // What follows, a local reply for instance, is a wait of its own.
            self.timeout = None;
        }
        Some(status)
    }
}

impl Timeout {
    /// A wait that begins now. With `measured`, the rate of the body is watched.
    fn begin(
        reason: WaitReason,
        moved: u64,
        timeouts: &Timeouts,
        measured: bool,
        now: Timestamp,
    ) -> Self {
        let mut timeout = Self {
            reason,
            moved,
            until: Timestamp::NEVER,
            aside: Aside::Nothing,
        };
        if measured && reason == WaitReason::RequestBody {
            let ends_at = now + RATE_GRACE;
            timeout.aside = Aside::Rate(Rate {
                ends_at,
                from: None,
            });
        }
        timeout.extend(moved, timeouts, now);
        timeout
    }

    /// Keeps the end of a wait for the response head, over the delivery of an interim response.
    fn after(mut self, before: &Self) -> Self {
        match (before.reason, self.reason, before.aside) {
            (WaitReason::ResponseHead, WaitReason::ClientRoom, _) => {
                self.aside = Aside::Head(before.until);
            }
            (WaitReason::ClientRoom, WaitReason::ResponseHead, Aside::Head(until)) => {
                self.until = until;
            }
            _ => {}
        }
        self
    }

    /// Restarts the time limit.
    fn extend(&mut self, moved: u64, timeouts: &Timeouts, now: Timestamp) {
        self.moved = moved;
        let limit = self.reason.limit(timeouts);
        self.until = limit.map_or(Timestamp::NEVER, |limit| now + limit);
    }

    /// Moves its end, and that of a measurement, later by `by`.
    pub(crate) fn postpone(&mut self, by: Duration) {
        if self.until != Timestamp::NEVER {
            self.until = self.until + by;
        }
        match &mut self.aside {
            Aside::Nothing => {}
            Aside::Rate(rate) => rate.ends_at = rate.ends_at + by,
            Aside::Head(until) => *until = *until + by,
        }
    }

    /// Returns when it has to be looked at again.
    fn next_look(&self) -> Timestamp {
        match self.aside {
            Aside::Rate(rate) => self.until.min(rate.ends_at),
            Aside::Nothing | Aside::Head(_) => self.until,
        }
    }

    /// Looks at it, `received` being the bytes of the body that have come in so far and `min_rate`
    /// those that must come in each second.
    fn look(&mut self, received: u64, min_rate: u64, now: Timestamp) -> TimeoutStatus {
        if now >= self.until {
            return TimeoutStatus::Expired(self.reason.fault());
        }
        if let Aside::Rate(rate) = &mut self.aside
            && now >= rate.ends_at
        {
            let enough = min_rate.saturating_mul(RATE_WINDOW.as_secs());
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
        let mut timeout = Timeout::begin(WaitReason::RequestBody, 10, &timeouts, false, s(0));
        assert_eq!(timeout.next_look(), s(7));
        timeout.extend(11, &timeouts, s(5));
        assert_eq!(timeout.look(0, 0, s(7)), TimeoutStatus::Until(s(12)));
        assert_eq!(
            timeout.look(0, 0, s(12)),
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
            (WaitReason::Queue, 6, Fault::QueueTimeout),
            (WaitReason::RequestBody, 1, Fault::ClientTimeout),
            (WaitReason::ClientRoom, 2, Fault::ClientTimeout),
            (WaitReason::BackendRoom, 2, Fault::BackendTimeout),
            (WaitReason::ResponseHead, 3, Fault::BackendTimeout),
            (WaitReason::ResponseBody, 4, Fault::BackendTimeout),
            (WaitReason::Tunnel, 5, Fault::ClientTimeout),
        ] {
            let mut timeout = Timeout::begin(reason, 0, &timeouts, true, s(0));
            let end = s(seconds);
            assert_eq!(timeout.next_look(), end, "{reason:?}");
            assert_eq!(
                timeout.look(0, 0, end),
                TimeoutStatus::Expired(fault),
                "{reason:?}"
            );
        }
        let connecting = Timeout::begin(WaitReason::Connect, 0, &timeouts, true, s(0));
        assert_eq!(connecting.next_look(), Timestamp::NEVER);
    }

    /// A client that sends `rate` bytes each second, one byte a second at least so that it is
    /// never idle. Returns when it is given up, within a minute.
    fn given_up_after(rate: u64, min_rate: u64) -> Option<u64> {
        let timeouts = timeouts();
        let mut timeout = Timeout::begin(WaitReason::RequestBody, 0, &timeouts, true, s(0));
        for second in 1..=60 {
            let received = second * rate;
            timeout.extend(received, &timeouts, s(second));
            if s(second) >= timeout.next_look()
                && let TimeoutStatus::Expired(fault) = timeout.look(received, min_rate, s(second))
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
        let mut timeout = Timeout::begin(WaitReason::RequestBody, 0, &timeouts, true, s(0));
        for second in [5, 10, 15] {
            timeout.extend(second, &timeouts, s(second));
            let looked = timeout.look(second * 1_000, 1_000, s(second));
            assert_eq!(looked, TimeoutStatus::Until(s(second + 5)));
        }
        timeout.extend(20, &timeouts, s(20));
        assert_eq!(
            timeout.look(15_001, 1_000, s(20)),
            TimeoutStatus::Expired(Fault::ClientTimeout)
        );
    }
}
