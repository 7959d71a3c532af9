//! What a step of the rules results in: changes to store, and acts that may follow once they are.
//!
//! An [`Act`] can only be taken out of a [`Commit`], and only against the [`Receipt`] that a store
//! gives for it: an effect that nothing durable stands behind does not compile.

use super::id::{
    Handle, LbName, PoolName, Revision, ServerId, ServiceName, TemplateId, Term, Token,
};
use super::server::Server;
use super::service::Service;
use super::time::Moment;
use crate::scale::Decision;
use crate::spec::{ProviderKind, Request};
use crate::store::Receipt;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// One transaction and what it permits. Acts are private: see [`Commit::permitted`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Commit {
    pub(crate) changes: Vec<Change>,
    pub(crate) events: Vec<Event>,
    then: Vec<Act>,
}

impl Commit {
    pub(super) fn new(changes: Vec<Change>, events: Vec<Event>, then: Vec<Act>) -> Self {
        Self {
            changes,
            events,
            then,
        }
    }

    /// Nothing to store and nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.events.is_empty() && self.then.is_empty()
    }

    /// The acts, now that the store has taken the rest.
    pub(crate) fn permitted(self, _receipt: Receipt) -> Vec<Act> {
        self.then
    }
}

/// A write to the store. Rows are whole; their version says what they replace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Server(Server),
    /// The row is too old to be asked for.
    ForgetServer(ServerId),
    Service(Service),
    ForgetService(ServiceName),
    Pool(Pool),
    Term(Term),
    /// The number for the next slot.
    NextServer(ServerId),
    Decision(ServiceName, Moment, Decision),
}

/// The set of a pool, as it was last settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) name: PoolName,
    pub(crate) revision: Revision,
    pub(crate) backends: Vec<Backend>,
}

/// A backend of a set, in the words of lb's admin API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) weight: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) admit: Admit,
}

/// How lb admits a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Admit {
    /// By a trial request, then slow start.
    Trial,
    /// Known to serve: after a restart of lb it skips the slow start.
    Warm,
    /// Nothing new.
    Drain,
}

/// A side effect. Made by the rules alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Act(Deed);

impl Act {
    pub(super) fn new(deed: Deed) -> Self {
        Self(deed)
    }

    pub(crate) fn deed(&self) -> &Deed {
        &self.0
    }
}

/// What an act does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Deed {
    /// Idempotent by token: a repeat returns the handle of what is there already.
    Launch {
        server: ServerId,
        token: Token,
        template: TemplateId,
        provider: ProviderKind,
        request: Request,
    },
    /// Absent is success.
    Stop {
        server: ServerId,
        token: Token,
        provider: ProviderKind,
        handle: Option<Handle>,
        grace: Duration,
    },
    /// The unit lives and its agent does not: a new one takes it over.
    Adopt {
        server: ServerId,
        token: Token,
        provider: ProviderKind,
    },
    PutSet {
        lb: LbName,
        pool: Pool,
        term: Term,
        force: bool,
    },
    /// The agent makes its server look unwell to lbs that cannot be reached from here.
    LameDuck { token: Token, on: bool, term: Term },
}

/// One line of the fleet's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) at: Moment,
    pub(crate) kind: EventKind,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) service: Option<ServiceName>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) server: Option<ServerId>,
    pub(crate) text: String,
}

/// Kinds of events, for filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EventKind {
    /// A server or a service changed its state.
    State,
    /// Evidence against a server, or what came of it.
    Verdict,
    /// How many are wanted.
    Scale,
    Rollout,
    /// A unit that no row stood for.
    Adopted,
    Hold,
    Lb,
    Operator,
    /// Something stayed in a transitional state for too long.
    Overdue,
    /// A rule was broken: a defect of the controller.
    Defect,
}

/// The provider's answer to a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LaunchResult {
    Launched {
        handle: Handle,
        address: Option<SocketAddr>,
    },
    Failed(ProviderError),
}

/// Why a provider did not do as asked, by what that means for a repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProviderError {
    /// It did not happen; it may the next time.
    Transient(String),
    /// The address is in use by something else: the next one is tried at once.
    AddressTaken(String),
    /// The template cannot work.
    Invalid(String),
    Denied(String),
    /// It may have happened.
    Unknown(String),
}

impl ProviderError {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Transient(text)
            | Self::AddressTaken(text)
            | Self::Invalid(text)
            | Self::Denied(text)
            | Self::Unknown(text) => text,
        }
    }
}
