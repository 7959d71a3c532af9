//! The events of the admin interface: what is noted for those who follow it, and kept over a restart.

use super::Admin;
use crate::control::journal::as_stream;
use crate::control::state;
use crate::control::view::Origin;
use crate::net::SystemNetwork;
use crate::pool::{Hold, PoolId, State, StateChange};
use crate::proxy::{AdminCommand, Proxy};
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

impl Admin {
    pub(super) fn add_event(&mut self, kind: &str, wall: Duration, details: Value, now: Timestamp) {
        let (seq, text) = self.journal.add(kind, wall, details);
        if self.conns.subscribers() > 0 {
            let event = as_stream(seq, text);
            self.conns.publish(event.as_bytes(), now);
        }
    }

    /// Notes changes in the lives of backends.
    pub(in crate::worker) fn note_changes(
        &mut self,
        changes: &[StateChange],
        proxy: &Proxy<SystemNetwork>,
        wall: Duration,
        now: Timestamp,
    ) {
        for change in changes {
            let pool = change.backend.pool();
            let name = proxy.pools().plain_name(change.backend, &change.name);
            let details = json!({
                "pool": self.pool_name(pool),
                "backend": name,
                "from": change.from.word(),
                "to": change.to.word(),
                "cause": change.cause.to_string(),
                "text": change.to_string(),
            });
            self.add_event("state", wall, details, now);
            if change.to == State::Removed
                && let Some(roster) = self.roster_mut(pool)
            {
                roster.forget(name);
            }
        }
    }

    /// Notes what was changed by `who`.
    pub(super) fn note_action(
        &mut self,
        pool: PoolId,
        who: &str,
        what: Value,
        wall: Duration,
        now: Timestamp,
    ) {
        let mut details = json!({ "pool": self.pool_name(pool), "who": who });
        if let (Some(all), Some(what)) = (details.as_object_mut(), what.as_object()) {
            all.extend(what.clone());
        }
        self.add_event("change", wall, details, now);
        self.keep();
    }

    /// Keeps the rosters over a restart, if they are to be kept.
    pub(super) fn keep(&mut self) {
        if let Some(file) = &self.state_file {
            // Of a pool that was removed nothing is kept.
            let pools = self.rosters.iter().filter(|(name, _)| !name.contains('~'));
            let kept = pools.map(|(name, roster)| (name.clone(), roster.kept().clone()));
            file.write(state::write(kept.collect()));
        }
    }

    /// Notes that discovery has added a backend.
    pub(in crate::worker) fn note_owner(&mut self, pool: PoolId, name: &str, owner: &str) {
        if let Some(roster) = self.roster_mut(pool) {
            roster.note_owner(name, owner);
        }
    }

    /// Notes a command of the library's handle, which is the operator's word too.
    pub(in crate::worker) fn note_command(
        &mut self,
        pool: PoolId,
        name: &str,
        command: AdminCommand,
        wall: Duration,
        now: Timestamp,
    ) {
        if let Some(roster) = self.roster_mut(pool) {
            // What a set decides is the set's, whoever asks; then only this change is made.
            let _ = roster.command(name, command);
        }
        let what = json!({ "backend": name, "what": describe(command) });
        self.note_action(pool, "handle", what, wall, now);
    }

    pub(super) fn origin(&self, wall: Duration) -> Origin<'_> {
        Origin {
            boot_id: &self.boot_id,
            seq: self.journal.last(),
            wall,
        }
    }
}

/// What a command does, in words.
pub(super) fn describe(command: AdminCommand) -> String {
    match command {
        AdminCommand::Drain => "drain".to_owned(),
        AdminCommand::Disable => "disable".to_owned(),
        AdminCommand::Enable => "enable".to_owned(),
        AdminCommand::Weight(weight) => format!("weight {weight}"),
        AdminCommand::MaxConnections(None) => "no max_in_flight".to_owned(),
        AdminCommand::MaxConnections(Some(max)) => format!("max_in_flight {max}"),
        AdminCommand::Hold(Some(Hold::Up)) => "health up".to_owned(),
        AdminCommand::Hold(Some(Hold::Down)) => "health down".to_owned(),
        AdminCommand::Hold(None) => "health auto".to_owned(),
        AdminCommand::Remove(drain) => format!("remove after {} s", drain.as_secs_f64()),
    }
}
