//! What the rules are told.

use super::commit::{LaunchResult, Pool, ProviderError};
use super::id::{Handle, LbName, PoolName, Revision, ServerId, TemplateId, Term, Token};
use super::time::{Moment, Seen};
use crate::spec::ProviderKind;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// Time has passed: at least once a second.
    Tick,
    Launched {
        server: ServerId,
        token: Token,
        result: LaunchResult,
    },
    /// `Ok(true)`: the unit is confirmed absent. `Ok(false)`: asked to go; a listing will tell.
    Stopped {
        server: ServerId,
        token: Token,
        result: Result<bool, ProviderError>,
    },
    Adopted {
        server: ServerId,
        token: Token,
        result: Result<(), ProviderError>,
    },
    Listed {
        provider: ProviderKind,
        listing: Seen<Listing>,
    },
    ListingFailed {
        provider: ProviderKind,
        error: String,
    },
    Agent {
        token: Token,
        at: Moment,
        news: AgentNews,
    },
    /// What comes over the status bus.
    Bus(BusNews),
    /// The controller's own check of a server without an agent.
    Checked {
        token: Token,
        result: Seen<Result<(), String>>,
    },
    Snapshot {
        lb: LbName,
        pool: PoolName,
        snapshot: Seen<PoolSnapshot>,
    },
    LbFailed {
        lb: LbName,
        pool: Option<PoolName>,
        why: String,
    },
    Put {
        lb: LbName,
        pool: Pool,
        asked_at: Moment,
        result: PutResult,
    },
}

/// Units of this fleet at a provider.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Listing {
    pub(crate) items: Vec<Unit>,
    /// Nothing was left out: what is not in it is absent.
    pub(crate) complete: bool,
    /// Complete listings in a row that prove a unit absent.
    pub(crate) proof: u32,
}

/// A unit as its provider describes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unit {
    pub(crate) token: Token,
    pub(crate) handle: Handle,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) template: Option<TemplateId>,
    /// `Err`: it has ended, and how.
    pub(crate) alive: Result<(), String>,
    /// An agent looks after it.
    pub(crate) has_agent: bool,
    /// It lives, and the provider sees that something is wrong with it.
    pub(crate) wrong: Option<String>,
}

/// What comes from an agent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AgentNews {
    /// A session begins. `alone_starts` were decided on while no controller led.
    Hello { attempt: u32, alone_starts: u32 },
    Status {
        load: Option<f64>,
        /// `Some(Err)`: its server does not answer, and why.
        check: Option<Result<(), String>>,
        connections: Option<u32>,
    },
    /// A load that the server itself reports, which counts for more than what an agent measures.
    Load { load: f64 },
    /// Its server ended.
    Exit { how: String },
    /// The session broke.
    Lost,
}

/// What servers call themselves on the status bus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A token, or the provider's name for the unit.
    Name(String),
    /// All servers at this address.
    Ip(IpAddr),
}

/// What comes over the status bus, which is read in parts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BusNews {
    Status {
        subject: Subject,
        part: String,
        at: Moment,
        load: Option<f64>,
        check: Option<Result<(), String>>,
    },
    /// A part was read up to its end; `of` alone speaks in it.
    Read {
        part: String,
        of: Option<Subject>,
        at: Moment,
    },
    /// A part cannot be read.
    Failed {
        part: String,
        why: String,
        at: Moment,
    },
    /// A part does not exist any more.
    Gone { part: String },
}

/// One pool as one lb shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PoolSnapshot {
    pub(crate) boot_id: String,
    /// Arrivals since the boot, shed and queued ones included.
    pub(crate) arrivals: u64,
    pub(crate) shed: u64,
    pub(crate) queued: u64,
    pub(crate) backends: BTreeMap<String, BackendView>,
}

/// One backend of a snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BackendView {
    pub(crate) state: BackendState,
    pub(crate) cause: String,
    pub(crate) in_flight: u64,
    pub(crate) tunnels: u64,
    pub(crate) responses: u64,
    /// Sum of the durations of its responses since the boot.
    pub(crate) response_seconds: f64,
    /// Time since the boot with at least one request in flight.
    pub(crate) busy_seconds: f64,
}

/// The life cycle of a backend, as far as the rules tell its states apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BackendState {
    /// Initial, on trial or in probation.
    #[default]
    Trial,
    /// Picked, if with a share that still grows.
    Healthy,
    Ejected,
    /// Drained or disabled, by a set or by an operator.
    Out,
}

/// lb's answer to a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PutResult {
    Taken {
        boot_id: String,
    },
    /// An older (term, revision) than what is there, or another fleet's.
    Fenced {
        term: Option<Term>,
        revision: Option<Revision>,
        other_fleet: bool,
    },
    /// Less than half of the pickable backends would be left.
    TooFew(String),
    Failed(String),
}
