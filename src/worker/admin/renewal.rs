//! The admin interface goes on with another configuration, and asks for it.
//!
//! A reload reads files and resolves names, so it runs on a thread of its own: a request for one
//! waits until that thread has told how it ended.

use super::Admin;
use crate::config::{StrategySpec, Tokens};
use crate::control::conns::AdminConnId;
use crate::control::guard::Guard;
use crate::control::response::Response;
use crate::control::roster::Roster;
use crate::control::topology::Topology;
use crate::net::{Purpose, SharedSocket};
use crate::pool::PoolId;
use crate::time::Timestamp;
use crate::worker::reload::{ReloadAnswer, ReloadRequest, ReloadSender};
use serde_json::{Value, json};
use std::io;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

impl Admin {
    /// Goes on with these tokens and pools: of each, the name and whether it is new.
    pub(in crate::worker) fn renew(
        &mut self,
        tokens: Option<Tokens>,
        new: &[(PoolId, String)],
        leaving: &[PoolId],
    ) {
        self.guard = Guard { tokens };
        for id in leaving {
            if let Some((name, roster)) = self.rosters.get_mut(usize::from(id.number())) {
                *name = format!("{name}~{}", id.number());
                *roster = Roster::default();
            }
        }
        for (id, name) in new {
            let number = usize::from(id.number());
            let fresh = || (String::new(), Roster::default());
            if number >= self.rosters.len() {
                self.rosters.resize_with(number + 1, fresh);
            }
            if let Some(slot) = self.rosters.get_mut(number) {
                *slot = (name.clone(), Roster::default());
            }
        }
        self.keep();
    }

    /// Shares its listening sockets, for another process.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(in crate::worker) fn share(&self) -> io::Result<Vec<SharedSocket>> {
        let listeners = self.listeners.iter();
        listeners.map(|it| it.share(Purpose::Admin)).collect()
    }

    /// Shows these from now on.
    pub(in crate::worker) fn show(
        &mut self,
        strategies: Vec<(PoolId, StrategySpec)>,
        topology: Topology,
    ) {
        self.topology = topology;
        for (pool, spec) in strategies {
            let number = usize::from(pool.number());
            if number >= self.strategies.len() {
                self.strategies.resize(number + 1, spec.clone());
            }
            if let Some(known) = self.strategies.get_mut(number) {
                *known = spec;
            }
            // The pool picks by it now: after a restart, too.
            if let Some(roster) = self.roster_mut(pool) {
                roster.clear_strategy();
            }
        }
        self.keep();
    }

    /// Notes that a configuration was loaded, or refused.
    pub(in crate::worker) fn note_reload(
        &mut self,
        details: Value,
        wall: Duration,
        now: Timestamp,
    ) {
        self.add_event("reload", wall, details, now);
    }

    /// Asks for a reload. The response comes when it has ended; at once if there is none.
    pub(super) fn ask_reload(
        &self,
        id: AdminConnId,
        to: Option<&ReloadSender>,
    ) -> Option<Response> {
        let Some(to) = to else {
            return Some(no_file());
        };
        match to.try_send(ReloadRequest::Admin(id.0)) {
            Ok(()) => None,
            Err(TrySendError::Full(_)) => {
                let message = "too many reloads wait already";
                let busy = Response::error(503, "busy", message);
                Some(busy.with_field("Retry-After", "1"))
            }
            Err(TrySendError::Disconnected(_)) => {
                Some(Response::error(503, "stopping", "lb is stopping"))
            }
        }
    }

    /// Responds to the request on connection `id` with how the reload ended.
    pub(in crate::worker) fn reload_ended(
        &mut self,
        id: u64,
        ended: &ReloadAnswer,
        now: Timestamp,
    ) {
        let response = match ended {
            ReloadAnswer::Loaded {
                generation,
                changes,
            } => {
                let body = json!({ "config_generation": generation, "changes": changes });
                Response::json(200, &body)
            }
            ReloadAnswer::NoFile => no_file(),
            ReloadAnswer::Refused(errors) => {
                let message = "the configuration is refused, and the one before stays";
                Response::error_with(422, "refused", message, json!({ "errors": errors }))
            }
        };
        self.conns.respond(AdminConnId(id), &response, now);
        self.is_called = true;
    }
}

fn no_file() -> Response {
    let message = "lb runs without a configuration file: start it with --config FILE";
    Response::error(409, "no_file", message)
}
