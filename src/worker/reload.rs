//! A loop goes on with another configuration, which another thread has read, checked and bound.
//!
//! One command brings everything, and is carried out between two turns. Connections that other
//! workers have handed on before come first, as they may be for a listener that is removed. The
//! first worker then makes the changes to backends, which the others follow by messages.

use super::event_loop::EventLoop;
use crate::config::{Config, StrategySpec, Tokens};
use crate::control::topology::Topology;
use crate::heartbeat::HeartbeatKey;
use crate::net::Listener;
use crate::pool::{NewBackend, PoolId};
use crate::proxy::{AdminCommand, BackendRef, Renewal};
use crate::time::Timestamp;
use serde_json::json;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::mpsc::{Sender, SyncSender};
use std::time::Duration;

/// Asks for a reload.
pub(crate) type ReloadSender = SyncSender<ReloadRequest>;

/// Where a reload was asked for, which is where its end is told.
#[derive(Debug)]
pub(crate) enum ReloadRequest {
    /// On the connection of the admin interface with this number.
    Admin(u64),
    /// By a handle: with this configuration, or the one of the file.
    Handle(Option<Box<Config>>, Sender<ReloadAnswer>),
    /// Nowhere: the balancer ends, and reloads no more.
    End,
}

/// How a reload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReloadAnswer {
    /// It is loaded.
    Loaded {
        generation: u64,
        /// What has changed, one line each.
        changes: Vec<String>,
    },
    /// Nothing has changed, for these reasons.
    Refused(Vec<String>),
    /// There is no file to read.
    NoFile,
}

/// What a worker goes on with.
pub(crate) struct WorkerReload {
    pub(crate) renewal: Renewal,
    /// Sockets that are new here.
    pub(crate) listeners: Vec<Listener>,
    pub(crate) shutdown_timeout: Duration,
    /// For the first worker alone.
    pub(crate) first: Option<FirstReload>,
}

/// What the first worker does for all.
pub(crate) struct FirstReload {
    pub(crate) backends: Vec<(PoolId, BackendChange)>,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) heartbeat_key: Option<HeartbeatKey>,
    /// The names of the pools that are new.
    pub(crate) new_pools: Vec<(PoolId, String)>,
    /// Of the pools that are new or have another strategy than before.
    pub(crate) strategies: Vec<(PoolId, StrategySpec)>,
    pub(crate) topology: Topology,
}

/// A change to a backend of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BackendChange {
    Add(NewBackend),
    Remove(String),
    Weight(String, u32),
    MaxConnections(String, Option<NonZeroU32>),
}

impl fmt::Debug for WorkerReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerReload").finish_non_exhaustive()
    }
}

/// Listeners and pools that nothing refers to any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leftovers {
    /// By number.
    pub(crate) listeners: Vec<u16>,
    pub(crate) pools: Vec<PoolId>,
}

impl EventLoop {
    /// Goes on with another configuration. Returns what did not go as it should, one line each.
    pub(super) fn reload(&mut self, new: WorkerReload, now: Timestamp) -> Vec<String> {
        // What was sent before the command may be of listeners that it removes.
        while self.take_messages(now) {}
        let mut problems = Vec::new();
        for number in &new.renewal.closing {
            self.accept_last(*number, now);
        }
        for listener in new.listeners {
            let address = listener.address().to_string();
            let registry = self.poll.registry();
            if let Err(error) = self.arrivals.add(listener, registry) {
                problems.push(format!("{address} cannot be listened on: {error}"));
            }
        }
        let leaving = new.renewal.leaving.clone();
        self.proxy.renew(new.renewal, now);
        self.shutdown.set_timeout(new.shutdown_timeout);
        if let Some(first) = new.first {
            self.proxy.set_heartbeat_key(first.heartbeat_key);
            if let Some(admin) = &mut self.admin {
                admin.renew(first.tokens, &first.new_pools, &leaving);
                admin.show(first.strategies, first.topology);
            }
            for (pool, change) in first.backends {
                let problem = self.change_backend(pool, change, now);
                problems.extend(problem);
            }
        }
        problems
    }

    /// Changes a backend. Returns why that is not done, if it is not.
    fn change_backend(
        &mut self,
        pool: PoolId,
        change: BackendChange,
        now: Timestamp,
    ) -> Option<String> {
        match change {
            BackendChange::Add(backend) => return self.add_configured(pool, backend, now),
            BackendChange::Remove(name) => {
                self.command_configured(pool, &name, AdminCommand::Remove(Duration::MAX), now);
            }
            BackendChange::Weight(name, weight) => {
                self.command_configured(pool, &name, AdminCommand::Weight(weight), now);
            }
            BackendChange::MaxConnections(name, max) => {
                self.command_configured(pool, &name, AdminCommand::MaxConnections(max), now);
            }
        }
        None
    }

    /// One that drains to be removed is kept instead.
    fn add_configured(
        &mut self,
        pool: PoolId,
        backend: NewBackend,
        now: Timestamp,
    ) -> Option<String> {
        let name = backend.name.clone();
        if self.proxy.pools().is_departing(pool, &name) {
            let max = backend.max_in_flight.and_then(NonZeroU32::new);
            for command in [
                AdminCommand::Enable,
                AdminCommand::Weight(backend.weight),
                AdminCommand::MaxConnections(max),
            ] {
                self.command_configured(pool, &name, command, now);
            }
            return None;
        }
        let added = self.proxy.backends().add_backend(pool, backend, now);
        added.err().map(|reason| format!("{name}: {reason}"))
    }

    /// A backend that is gone needs no command.
    fn command_configured(
        &mut self,
        pool: PoolId,
        name: &str,
        command: AdminCommand,
        now: Timestamp,
    ) {
        if let Some(id) = self.proxy.pools().backend_id(pool, name) {
            self.proxy
                .backends()
                .execute(&BackendRef::Id(id), command, now);
        }
    }

    /// A reload has ended: tells those who follow events, and the one who asked on connection
    /// `asked`. For the first worker.
    pub(super) fn reload_ended(
        &mut self,
        asked: Option<u64>,
        ended: &ReloadAnswer,
        now: Timestamp,
    ) {
        let wall = self.clock.wall();
        let Some(admin) = &mut self.admin else {
            return;
        };
        let details = match ended {
            ReloadAnswer::Loaded {
                generation,
                changes,
            } => json!({ "what": "loaded", "config_generation": generation, "changes": changes }),
            ReloadAnswer::NoFile => return,
            ReloadAnswer::Refused(errors) => json!({ "what": "refused", "errors": errors }),
        };
        admin.note_reload(details, wall, now);
        if let Some(id) = asked {
            admin.reload_ended(id, ended, now);
        }
    }

    /// Lets go of what nothing refers to any more.
    pub(super) fn let_go(&mut self, of: &Leftovers, now: Timestamp) {
        while self.take_messages(now) {}
        self.proxy.drop_listeners(&of.listeners);
        self.proxy.vacate(&of.pools);
    }
}
