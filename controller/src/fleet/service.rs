//! The automaton of a service: derived from its servers, stored for readers.

use super::id::{ServiceName, TemplateId};
use super::server::{Phase, Server};
use super::time::Moment;
use crate::spec::{Check, Template};
use serde::{Deserialize, Serialize};

/// The row of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    pub(crate) name: ServiceName,
    pub(crate) health: Health,
    pub(crate) since: Moment,
    /// How many are wanted now, within the bounds of the specification.
    pub(crate) want: usize,
    /// The number of the specification that `want` was last set by.
    pub(crate) desired: usize,
    /// An operator's pause: nothing voluntary is done.
    pub(crate) paused: Option<String>,
    /// An operator's stop: none is wanted, whatever the bounds are.
    pub(crate) stopped: bool,
    pub(crate) rollout: Option<Rollout>,
    /// The last template of which a server has served.
    pub(crate) proven: Option<Proven>,
    /// What was spent of budgets that must survive a restart.
    pub(crate) verdicts: Vec<Moment>,
    pub(crate) scale_ins: Vec<Moment>,
    pub(crate) reaped: Vec<Moment>,
    pub(crate) version: u64,
}

/// A template on its way to replace another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rollout {
    pub(crate) template: TemplateId,
    pub(crate) started: Moment,
    /// Starts of new servers that failed before one served.
    pub(crate) failed: u32,
    /// One of the new ones has served.
    pub(crate) proven: bool,
    /// No new ones are tried; the old ones stay.
    pub(crate) halted: bool,
}

/// What a halted rollout goes back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proven {
    pub(crate) template: Template,
    pub(crate) check: Check,
}

/// New servers that may fail before a rollout is halted.
pub(crate) const ROLLOUT_FAILURES: u32 = 3;

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Health {
    /// None is wanted.
    Sleeping,
    /// A rollout is under way.
    Deploying,
    /// At least the minimum, and at least one, serve.
    Active,
    /// Some serve.
    Degraded,
    /// None serves, though some are wanted.
    Inactive,
    /// The rollout is halted, or every server is quarantined.
    Failing,
    /// By an operator.
    Stopped,
}

impl Health {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sleeping => "sleeping",
            Self::Deploying => "deploying",
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::Inactive => "inactive",
            Self::Failing => "failing",
            Self::Stopped => "stopped",
        }
    }
}

impl Service {
    pub(crate) fn new(name: ServiceName, want: usize, now: Moment) -> Self {
        Self {
            name,
            health: Health::Inactive,
            since: now,
            want,
            desired: want,
            paused: None,
            stopped: false,
            rollout: None,
            proven: None,
            verdicts: Vec::new(),
            scale_ins: Vec::new(),
            reaped: Vec::new(),
            version: 0,
        }
    }

    /// How many are wanted, an operator's stop included.
    pub(crate) fn wanted(&self) -> usize {
        if self.stopped { 0 } else { self.want }
    }

    /// The health that follows from `servers`, which are this service's.
    pub(crate) fn derive<'a>(
        &self,
        servers: impl Iterator<Item = &'a Server>,
        min: usize,
    ) -> Health {
        let (mut serving, mut live, mut quarantined) = (0, 0, 0);
        for server in servers {
            match server.phase() {
                Phase::Serving => serving += 1,
                Phase::Quarantined => quarantined += 1,
                Phase::Gone => continue,
                Phase::Planned
                | Phase::Launching
                | Phase::Starting
                | Phase::Registering
                | Phase::Warming
                | Phase::Draining
                | Phase::Terminating
                | Phase::Backoff => {}
            }
            live += 1;
        }
        let halted = self.rollout.as_ref().is_some_and(|rollout| rollout.halted);
        if self.stopped {
            Health::Stopped
        } else if halted || (quarantined > 0 && quarantined == live) {
            Health::Failing
        } else if self.want == 0 {
            Health::Sleeping
        } else if self.rollout.is_some() {
            Health::Deploying
        } else if serving >= min.max(1) {
            Health::Active
        } else if serving > 0 {
            Health::Degraded
        } else {
            Health::Inactive
        }
    }
}
