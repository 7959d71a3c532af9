//! A change in the life of a backend, for people and programs.
//!
//! One value for each change, with why it came about and what it rests on; [`Display`] makes the
//! line for the log of it. What follows from a change is not known here.

use super::State;
use crate::health::CheckFailure;
use crate::heartbeat::Phi;
use crate::plural::Counted;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::fmt::{self, Display, Formatter};
use std::mem;
use std::time::Duration;

/// A backend went from one state to another, or was to and was spared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateChange {
    /// Time of the change, on the clock of the balancer.
    pub at: Timestamp,
    /// Which backend.
    pub backend: BackendId,
    /// The configured name of the backend.
    pub name: String,
    /// The state before.
    pub from: State,
    /// The state now. The same as `from`: it was to be ejected, but too many are already, and
    /// serving goes first.
    pub to: State,
    /// The cause.
    pub cause: Cause,
    /// True if no backend is left that may be picked. Requests then go to ejected ones.
    pub leaves_none: bool,
    /// Changes before this one that were not delivered, because the receiver was too slow.
    pub missed: u64,
}

/// The cause of a change of state, and the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// An exchange there ended well.
    Responded,
    /// No connection to it could be made, so many times in a row.
    Unreachable {
        /// Attempts in a row.
        count: u32,
    },
    /// Exchanges failed one after another.
    Failures {
        /// Failures in a row.
        count: u32,
        /// From the first of them to the last.
        within: Duration,
    },
    /// Too large a share of its recent exchanges failed, compared with the others'.
    FailureShare {
        /// Failed exchanges.
        failures: u32,
        /// All exchanges of the window.
        outcomes: u32,
    },
    /// It responds far more slowly than the others.
    Slow {
        /// Its median response time.
        median: Duration,
        /// The median response time of the others.
        others: Duration,
    },
    /// The one exchange that was risked on it failed.
    TrialFailed,
    /// It accepts and does not respond, and an active check confirmed it.
    Silent {
        /// Time the oldest exchange there has waited.
        waited: Duration,
    },
    /// Active checks failed, so many in a row.
    ChecksFailed {
        /// Checks in a row.
        count: u32,
        /// Failure of the last check.
        reason: CheckFailure,
    },
    /// Active checks passed, so many in a row.
    ChecksPassed {
        /// Checks in a row.
        count: u32,
    },
    /// Its heartbeats do not come any more.
    HeartbeatsMissing {
        /// Certainty that no other comes.
        phi: Phi,
        /// Since the last one.
        silence: Duration,
    },
    /// Its heartbeats say that the process behind it is dead.
    ProcessDead,
    /// Its heartbeats come again.
    HeartbeatsBack,
    /// Its heartbeats say that the process behind it is alive again.
    ProcessAlive,
    /// It was left alone for long enough.
    CooledDown,
    /// The queues of the others show no room for its share.
    Crowded,
    /// It has had its growing share for long enough.
    SlowStartEnded,
    /// It is to be removed when it has drained.
    Departs,
    /// Nothing is in flight there any more.
    Emptied,
    /// It was to be removed, and its time to drain is over.
    DrainTimeout {
        /// Exchanges that are cut off.
        in_flight: u32,
    },
    /// The operator said so.
    Operator,
}

impl Cause {
    /// Returns whether more than one exchange shows that clients get no response.
    #[must_use]
    pub const fn is_silence(self) -> bool {
        match self {
            Self::Silent { .. } => true,
            Self::HeartbeatsMissing { .. } | Self::ProcessDead => true,
            Self::HeartbeatsBack | Self::ProcessAlive => false,
            Self::ChecksFailed { reason, .. } => reason.is_silence(),
            Self::Unreachable { .. } | Self::Failures { .. } | Self::FailureShare { .. } => false,
            Self::Slow { .. } => false,
            Self::TrialFailed | Self::Responded | Self::ChecksPassed { .. } => false,
            Self::CooledDown | Self::SlowStartEnded | Self::Emptied | Self::Operator => false,
            Self::Crowded | Self::Departs | Self::DrainTimeout { .. } => false,
        }
    }
}

/// Changes kept until they are taken, once a turn: four of each backend, as when all are replaced.
const MAX_CHANGES: usize = 4 * crate::config::MAX_BACKENDS;

/// The changes that were not taken yet, in order.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    changes: Vec<StateChange>,
    /// Changes dropped since the last that was kept.
    missed: u64,
}

impl ChangeLog {
    /// Keeps a change, with the number of those dropped before it.
    pub(super) fn push(&mut self, change: impl FnOnce(u64) -> StateChange) {
        if self.changes.len() >= MAX_CHANGES {
            self.missed += 1;
        } else {
            self.changes.push(change(mem::take(&mut self.missed)));
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Takes all.
    pub(super) fn take(&mut self) -> Vec<StateChange> {
        mem::take(&mut self.changes)
    }
}

impl StateChange {
    /// The change of a backend `from` one state `to` another. Others are left in the pool, and no
    /// change before it was missed.
    #[must_use]
    pub fn new(at: Timestamp, backend: BackendId, from: State, to: State, cause: Cause) -> Self {
        Self {
            at,
            backend,
            name: String::new(),
            from,
            to,
            cause,
            leaves_none: false,
            missed: 0,
        }
    }

    /// Sets the configured name of the backend.
    #[must_use]
    pub fn with_name(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self
        }
    }

    /// Returns whether the backend was to be ejected and was not, because too many are already.
    #[must_use]
    pub fn is_spared(&self) -> bool {
        self.from == self.to
    }
}

/// As in `127.0.0.1:5001 healthy -> ejected: connect refused (3 in a row)`.
impl Display for StateChange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_spared() {
            return write!(
                f,
                "{} not ejected (max-ejected reached): {}",
                self.name, self.cause
            );
        }
        let (from, to) = (self.from.word(), self.to.word());
        write!(f, "{} {from} -> {to}: {}", self.name, self.cause)?;
        match self.leaves_none {
            true => write!(f, "; no backend is left, so ejected ones are tried"),
            false => Ok(()),
        }
    }
}

impl Display for Cause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Responded => write!(f, "it responded"),
            Self::Unreachable { count } => write!(f, "no connection ({count} in a row)"),
            Self::Failures { count, within } => {
                let seconds = within.as_secs_f64();
                write!(f, "exchanges failed ({count} in {seconds:.1} s)")
            }
            Self::FailureShare { failures, outcomes } => {
                write!(f, "exchanges fail too often ({failures} of {outcomes})")
            }
            Self::Slow { median, others } => {
                let (own, others) = (median.as_secs_f64(), others.as_secs_f64());
                write!(
                    f,
                    "it answers in {own:.2} s, the others in {others:.2} s (medians)"
                )
            }
            Self::TrialFailed => write!(f, "the trial failed"),
            Self::Silent { waited } => {
                let seconds = waited.as_secs_f64();
                write!(f, "it does not respond (oldest waits {seconds:.1} s)")
            }
            Self::ChecksFailed { count, reason } => {
                write!(f, "health check failed: {reason} ({count} in a row)")
            }
            Self::ChecksPassed { count } => write!(f, "health check passed ({count} in a row)"),
            Self::HeartbeatsMissing { phi, silence } => {
                let seconds = silence.as_secs_f64();
                write!(f, "no heartbeat for {seconds:.1} s (phi {phi})")
            }
            Self::ProcessDead => write!(f, "its process is dead, say its heartbeats"),
            Self::HeartbeatsBack => write!(f, "its heartbeats are back"),
            Self::ProcessAlive => write!(f, "its process is alive, say its heartbeats"),
            Self::CooledDown => write!(f, "cooldown over"),
            Self::Crowded => write!(f, "the others have no room for its share"),
            Self::SlowStartEnded => write!(f, "slow start over"),
            Self::Departs => write!(f, "it is to be removed"),
            Self::Emptied => write!(f, "nothing in flight any more"),
            Self::DrainTimeout { in_flight } => {
                let exchanges = Counted((*in_flight).into(), "exchange");
                write!(f, "drain timeout, {exchanges} cut off")
            }
            Self::Operator => write!(f, "by the operator"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line() {
        let (now, id) = (Timestamp::ZERO, BackendId::new(1, 0));
        let change = |to, cause| {
            StateChange::new(now, id, State::Healthy, to, cause).with_name("127.0.0.1:5001")
        };
        let within = Duration::from_millis(230);
        let failures = Cause::Failures { count: 5, within };
        assert_eq!(
            change(State::Draining, Cause::Operator).to_string(),
            "127.0.0.1:5001 healthy -> draining: by the operator"
        );
        assert_eq!(
            change(State::Healthy, failures).to_string(),
            "127.0.0.1:5001 not ejected (max-ejected reached): exchanges failed (5 in 0.2 s)"
        );
    }
}
