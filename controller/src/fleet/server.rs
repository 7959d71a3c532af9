//! The automaton of a server: its states, which may follow which, and the row that is stored.

use super::id::{Handle, ServerId, ServiceName, TemplateId, Token};
use super::input::Subject;
use super::time::Moment;
use crate::spec::{ProviderKind, Request};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Where a server is in its life. A state is stored before anything that depends on it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum State {
    /// Wanted; token and request are stored. Nothing was asked of a provider.
    Planned,
    /// The provider was asked, or may have been.
    Launching {
        /// Calls made with this token.
        tries: u32,
        /// A call may have worked although no answer says so: the token must not be given up.
        maybe: bool,
        retry_at: Moment,
        /// Not wanted any more: stopped as soon as there is a handle.
        doomed: bool,
    },
    /// There is a unit, and it is not ready yet.
    Starting,
    /// Ready, with an address; being made known to lbs.
    Registering,
    /// Every reachable lb has it; their own trial and slow start run.
    Warming,
    Serving,
    /// Gets nothing new; can be taken back.
    Draining {
        why: Cause,
        deadline: Moment,
    },
    /// No way back: the unit is being stopped.
    Terminating {
        why: Cause,
    },
    /// The incarnation is confirmed gone; the slot waits for its next start.
    Backoff {
        until: Moment,
    },
    /// Not started again before an operator, a new template or a half-open try.
    Quarantined {
        why: String,
        retry_at: Option<Moment>,
    },
    /// Over. The row is kept for a while, so that a late echo of its token is recognised.
    Gone,
}

/// Why a server leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    /// Its process ended, or the provider says so.
    Died,
    /// Two vantage points agree that it hangs.
    Verdict,
    /// Not ready in time, or failed its trial.
    FailedStart,
    ScaleIn,
    Rollout,
    Operator,
    /// An operator's restart: the slot starts again.
    Restart,
    /// A unit of an earlier incarnation that turned up late.
    Stale,
    /// The service was stopped or is not in the specification any more.
    Stopped,
}

impl Cause {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Died => "died",
            Self::Verdict => "verdict",
            Self::FailedStart => "failed start",
            Self::ScaleIn => "scale-in",
            Self::Rollout => "rollout",
            Self::Operator => "operator",
            Self::Restart => "restart",
            Self::Stale => "stale incarnation",
            Self::Stopped => "service stopped",
        }
    }

    /// Whether the slot starts again once the unit is gone.
    pub(crate) fn starts_again(self) -> bool {
        match self {
            Self::Died | Self::Verdict | Self::FailedStart | Self::Restart => true,
            Self::ScaleIn | Self::Rollout | Self::Operator | Self::Stale | Self::Stopped => false,
        }
    }

    /// Whether it can wait: nothing is wrong with the server, and no person asked.
    pub(crate) fn is_voluntary(self) -> bool {
        match self {
            Self::ScaleIn | Self::Rollout | Self::Stopped => true,
            Self::Died
            | Self::Verdict
            | Self::FailedStart
            | Self::Operator
            | Self::Restart
            | Self::Stale => false,
        }
    }

    /// Whether it counts as a death in the crash-loop budget.
    pub(crate) fn is_failure(self) -> bool {
        match self {
            Self::Died | Self::Verdict | Self::FailedStart => true,
            Self::ScaleIn
            | Self::Rollout
            | Self::Operator
            | Self::Restart
            | Self::Stale
            | Self::Stopped => false,
        }
    }
}

/// A state without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    Planned,
    Launching,
    Starting,
    Registering,
    Warming,
    Serving,
    Draining,
    Terminating,
    Backoff,
    Quarantined,
    Gone,
}

impl Phase {
    pub(crate) const ALL: [Phase; 11] = [
        Self::Planned,
        Self::Launching,
        Self::Starting,
        Self::Registering,
        Self::Warming,
        Self::Serving,
        Self::Draining,
        Self::Terminating,
        Self::Backoff,
        Self::Quarantined,
        Self::Gone,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Launching => "launching",
            Self::Starting => "starting",
            Self::Registering => "registering",
            Self::Warming => "warming",
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Terminating => "terminating",
            Self::Backoff => "backoff",
            Self::Quarantined => "quarantined",
            Self::Gone => "gone",
        }
    }

    /// Whether a unit may exist at the provider.
    pub(crate) fn may_exist(self) -> bool {
        match self {
            Self::Launching
            | Self::Starting
            | Self::Registering
            | Self::Warming
            | Self::Serving
            | Self::Draining
            | Self::Terminating => true,
            Self::Planned | Self::Backoff | Self::Quarantined | Self::Gone => false,
        }
    }

    /// The transition table: every state that may follow this one.
    pub(crate) fn next(self) -> &'static [Phase] {
        use Phase::*;
        match self {
            Planned => &[Launching, Quarantined, Gone],
            Launching => &[Launching, Starting, Terminating, Backoff, Quarantined, Gone],
            Starting => &[Registering, Terminating],
            Registering => &[Warming, Draining, Terminating],
            Warming => &[Serving, Draining, Terminating],
            // Back to warming: no lb calls it healthy, and nothing says that it is dead.
            Serving => &[Warming, Draining, Terminating],
            Draining => &[Serving, Terminating],
            Terminating => &[Backoff, Quarantined, Gone],
            Backoff => &[Launching, Quarantined, Gone],
            Quarantined => &[Planned, Gone],
            // A late echo of its token: the unit is stopped.
            Gone => &[Terminating],
        }
    }
}

impl State {
    pub(crate) fn phase(&self) -> Phase {
        match self {
            Self::Planned => Phase::Planned,
            Self::Launching { .. } => Phase::Launching,
            Self::Starting => Phase::Starting,
            Self::Registering => Phase::Registering,
            Self::Warming => Phase::Warming,
            Self::Serving => Phase::Serving,
            Self::Draining { .. } => Phase::Draining,
            Self::Terminating { .. } => Phase::Terminating,
            Self::Backoff { .. } => Phase::Backoff,
            Self::Quarantined { .. } => Phase::Quarantined,
            Self::Gone => Phase::Gone,
        }
    }
}

/// The row of a server, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) id: ServerId,
    pub(crate) service: ServiceName,
    pub(crate) provider: ProviderKind,
    pub(crate) incarnation: u32,
    pub(crate) token: Token,
    pub(crate) handle: Option<Handle>,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) template: TemplateId,
    /// `None` for a unit that was adopted: it was not launched from here.
    pub(crate) request: Option<Request>,
    #[serde(flatten)]
    pub(crate) state: State,
    pub(crate) since: Moment,
    /// Deaths that still count in the crash-loop budget.
    pub(crate) deaths: Vec<Moment>,
    /// Served at least once since it was launched.
    pub(crate) served: bool,
    /// Starts of its process under this token, as its agent counts them.
    pub(crate) attempt: u32,
    /// Grows with each change of the row; a write expects the one before.
    pub(crate) version: u64,
}

impl Server {
    pub(crate) fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// The name of this incarnation as a backend of lb: a server that was started again at the
    /// same address is another backend.
    pub(crate) fn backend_name(&self) -> String {
        format!("{}-{}.{}", self.service, self.id, self.incarnation)
    }

    /// What it is called on a status bus.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let mut names = vec![Subject::Name(self.token.to_string())];
        names.extend(self.handle.as_ref().map(|it| Subject::Name(it.to_string())));
        names.extend(self.address.map(|it| Subject::Ip(it.ip())));
        names
    }

    /// Short name for people.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.service, self.id)
    }

    /// Counts towards the number wanted: it serves, will serve, or waits to start again.
    pub(crate) fn counts(&self) -> bool {
        match &self.state {
            State::Launching { doomed, .. } => !doomed,
            State::Planned
            | State::Starting
            | State::Registering
            | State::Warming
            | State::Serving
            | State::Backoff { .. }
            | State::Quarantined { .. } => true,
            // The replacement of a server that hangs starts while it is still being drained.
            State::Terminating { why } | State::Draining { why, .. } => {
                why.starts_again() && *why != Cause::Verdict
            }
            State::Gone => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_reached_and_only_gone_may_be_an_end() {
        for phase in Phase::ALL {
            let reached = Phase::ALL.iter().any(|from| from.next().contains(&phase));
            assert!(reached || phase == Phase::Planned, "{}", phase.word());
            assert!(!phase.next().is_empty(), "{}", phase.word());
        }
    }

    #[test]
    fn there_is_no_way_back_from_terminating() {
        for phase in Phase::Terminating.next() {
            assert!(!phase.may_exist(), "{}", phase.word());
        }
    }

    #[test]
    fn only_a_unit_that_never_was_is_given_up_without_a_stop() {
        for phase in [
            Phase::Starting,
            Phase::Registering,
            Phase::Warming,
            Phase::Serving,
        ] {
            for next in phase.next() {
                assert!(next.may_exist(), "{} -> {}", phase.word(), next.word());
            }
        }
    }
}
