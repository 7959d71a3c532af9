//! The rules: which servers there are to be, what state each is in, and what is done next.
//!
//! [`Fleet::step`] takes the time and [`Input`]s and gives back a [`Commit`]: changes to store,
//! and the acts that may follow once they are stored. It reads no clock, opens no socket and knows
//! no SQL, so that a simulation can crash it between any commit and any act.
//!
//! It is level-triggered: each step compares what is wanted with what was last observed. A lost,
//! late or repeated input makes a step happen later, never a different one.
//!
//! | file | owns |
//! |---|---|
//! | `server`, `service` | the two automata and their rows |
//! | `turn` | one step: transitions, events, acts |
//! | `statuses` | what is heard over the status bus, and how far its silence can be trusted |
//! | `hear` | inputs into observations, conclusive facts into transitions |
//! | `advance` | the next step of each server |
//! | `count` | how many there are and are to be; rollouts; which goes first |
//! | `judge` | evidence into verdicts, holds |
//! | `sets` | what each lb is told |
//! | `operate` | commands of people |

pub(crate) mod advance;
pub(crate) mod backoff;
pub(crate) mod budget;
pub(crate) mod commit;
mod count;
mod deaths;
pub(crate) mod evidence;
mod hear;
pub(crate) mod hold;
pub(crate) mod id;
pub(crate) mod input;
mod judge;
mod leave;
mod listings;
pub(crate) mod operate;
mod rollout;
pub(crate) mod server;
pub(crate) mod service;
mod sets;
mod statuses;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod time;
mod turn;
pub(crate) mod view;

use commit::{Commit, Pool};
use evidence::Evidence;
use hold::Hold;
use id::{FleetId, LbName, PoolName, ServerId, ServiceName, Term, Token};
use input::{Input, Listing, PoolSnapshot};
use serde::{Deserialize, Serialize};
use server::Server;
use service::Service;
use statuses::Statuses;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use time::{Moment, Seen};
use turn::Turn;

use crate::scale::Scaler;
use crate::spec::{ProviderKind, ServiceSpec};

/// Everything that is stored, as it is loaded at a start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) fleet: FleetId,
    pub(crate) term: Term,
    pub(crate) next_server: ServerId,
    pub(crate) servers: Vec<Server>,
    pub(crate) services: Vec<Service>,
    pub(crate) pools: Vec<Pool>,
}

impl Stored {
    pub(crate) fn empty(fleet: FleetId) -> Self {
        Self {
            fleet,
            term: Term(0),
            next_server: ServerId(1),
            servers: Vec::new(),
            services: Vec::new(),
            pools: Vec::new(),
        }
    }
}

/// The fleet as the rules see it: rows that are stored, and observations that are not.
#[derive(Debug)]
pub(crate) struct Fleet {
    id: FleetId,
    term: Term,
    next_server: ServerId,
    specs: BTreeMap<ServiceName, ServiceSpec>,
    servers: BTreeMap<ServerId, Server>,
    services: BTreeMap<ServiceName, Service>,
    pools: BTreeMap<PoolName, Pool>,

    // Observations: gathered anew after a restart.
    lbs: BTreeMap<LbName, Lb>,
    agents: BTreeMap<Token, Agent>,
    listings: BTreeMap<ProviderKind, Provider>,
    evidence: BTreeMap<ServerId, Evidence>,
    asked: BTreeMap<ServerId, Asked>,
    scalers: BTreeMap<ServiceName, Scaler>,
    launches: BTreeMap<ServiceName, Vec<Moment>>,
    /// Addresses at which something foreign listens, and when that was seen.
    taken: BTreeMap<SocketAddr, Moment>,
    /// `None`: there is no status bus.
    statuses: Option<Statuses>,
    holds: Vec<Hold>,
    observing_since: Moment,
    last_step: Moment,
    last_decision: Moment,
}

/// An lb as it was last seen.
#[derive(Debug, Default)]
struct Lb {
    answered: Option<Moment>,
    trouble: Option<String>,
    pools: BTreeMap<PoolName, LbPool>,
}

/// One pool at one lb.
#[derive(Debug, Default)]
struct LbPool {
    /// The set that it took last, with the boot that took it and when.
    taken: Option<(String, Moment, Pool)>,
    snapshot: Option<Seen<PoolSnapshot>>,
    putting: Option<Moment>,
    retry_at: Moment,
    refused: Option<String>,
    fenced: bool,
    /// Responses of each backend in the snapshot before.
    responses: BTreeMap<String, u64>,
}

/// An agent as it was last heard.
#[derive(Clone, Debug)]
struct Agent {
    heard: Moment,
    is_connected: bool,
    load: Option<(f64, Moment)>,
    /// The server reports its load itself.
    reports_itself: bool,
    /// `None`: it has not checked yet. `Some(Some(why))`: its server does not answer.
    check: Option<Option<String>>,
    idle_since: Option<Moment>,
    is_lame: bool,
}

/// A provider as it was last heard.
#[derive(Debug, Default)]
struct Provider {
    listing: Option<Seen<Listing>>,
    /// Complete listings in a row that a token was missing from, each asked after the other.
    missing: BTreeMap<Token, u32>,
    failing_since: Option<(Moment, String)>,
    unknown: BTreeMap<Token, Moment>,
}

/// Acts on a server that are under way.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    launch: Option<Moment>,
    stop: Option<Moment>,
    adopt: Option<Moment>,
}

impl Fleet {
    /// The fleet from its rows; nothing is known of the world yet.
    pub(crate) fn load(
        stored: Stored,
        specs: impl IntoIterator<Item = ServiceSpec>,
        lbs: impl IntoIterator<Item = LbName>,
        now: Moment,
    ) -> Self {
        let mut fleet = Self {
            id: stored.fleet,
            term: stored.term,
            next_server: stored.next_server,
            specs: BTreeMap::new(),
            servers: stored
                .servers
                .into_iter()
                .map(|row| (row.id, row))
                .collect(),
            services: stored
                .services
                .into_iter()
                .map(|row| (row.name.clone(), row))
                .collect(),
            pools: stored
                .pools
                .into_iter()
                .map(|row| (row.name.clone(), row))
                .collect(),
            lbs: lbs.into_iter().map(|name| (name, Lb::default())).collect(),
            agents: BTreeMap::new(),
            listings: BTreeMap::new(),
            evidence: BTreeMap::new(),
            asked: BTreeMap::new(),
            scalers: BTreeMap::new(),
            launches: BTreeMap::new(),
            taken: BTreeMap::new(),
            statuses: None,
            holds: Vec::new(),
            observing_since: now,
            last_step: now,
            last_decision: now,
        };
        fleet.adjust_to(now);
        fleet.respecify(specs);
        fleet
    }

    /// Listens to a status bus, on which a server is suspected once it is silent for longer.
    pub(crate) fn listen_to_bus(&mut self, silent: Duration) {
        self.statuses = Some(Statuses::new(silent));
    }

    /// Deadlines of a clock that has since been set back are not waited for longer than they can
    /// take, and a call that was under way may have worked.
    fn adjust_to(&mut self, now: Moment) {
        use server::State;
        for server in self.servers.values_mut() {
            match &mut server.state {
                State::Launching {
                    tries,
                    maybe,
                    retry_at,
                    ..
                } => {
                    *maybe |= *tries > 0;
                    *retry_at = now;
                }
                State::Backoff { until } => {
                    *until = (*until).min(now.plus(backoff::HALF_OPEN.mul_f64(1.2)));
                }
                State::Draining { deadline, .. } => {
                    let longest = self
                        .specs
                        .get(&server.service)
                        .map(|spec| spec.timing.drain);
                    *deadline = (*deadline).min(now.plus(longest.unwrap_or(backoff::WINDOW)));
                }
                State::Quarantined {
                    retry_at: Some(at), ..
                } => {
                    *at = (*at).min(now.plus(backoff::HALF_OPEN));
                }
                State::Planned
                | State::Starting
                | State::Registering
                | State::Warming
                | State::Serving
                | State::Terminating { .. }
                | State::Quarantined { retry_at: None, .. }
                | State::Gone => {}
            }
            server.since = server.since.min(now);
        }
    }

    /// Takes a specification; what follows from it comes with the next step.
    pub(crate) fn respecify(&mut self, specs: impl IntoIterator<Item = ServiceSpec>) {
        self.specs = specs
            .into_iter()
            .map(|spec| (spec.name.clone(), spec))
            .collect();
        self.scalers.retain(|name, scaler| {
            self.specs
                .get(name)
                .is_some_and(|spec| spec.policy == *scaler.policy())
        });
        for (name, spec) in &self.specs {
            let scaler = || Scaler::new(spec.policy.clone());
            self.scalers.entry(name.clone()).or_insert_with(scaler);
        }
    }

    /// Takes what has happened and says what to store and then to do. If the store refuses, this
    /// fleet must be dropped and loaded again: it is ahead of what is durable.
    #[must_use]
    pub(crate) fn step(&mut self, now: Moment, inputs: impl IntoIterator<Item = Input>) -> Commit {
        let mut turn = Turn::new(self, now);
        for input in inputs {
            turn.hear(input);
        }
        turn.settle();
        turn.finish()
    }

    pub(crate) fn term(&self) -> Term {
        self.term
    }

    pub(crate) fn id(&self) -> &FleetId {
        &self.id
    }
}
