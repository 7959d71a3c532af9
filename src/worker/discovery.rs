//! Changes of backends that discovery has planned, in the first worker.

use super::event_loop::EventLoop;
use crate::discovery::{Change, Outcome};
use crate::pool::{Moved, NotAdded, PoolId};
use crate::proxy::{AdminCommand, BackendRef};
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::time::Duration;

/// Time to drain for a backend that is not found any more.
const DRAIN: Duration = Duration::from_secs(300);

impl EventLoop {
    /// Makes a change. Returns what became of it.
    pub(super) fn follow_discovery(
        &mut self,
        pool: PoolId,
        change: Change,
        now: Timestamp,
    ) -> Outcome {
        match change {
            Change::Add(backend, owner) => {
                let name = backend.name.clone();
                let added = self.proxy.backends().add_backend(pool, backend, now);
                if let (Some(admin), Ok(_)) = (&mut self.admin, &added) {
                    admin.note_owner(pool, &name, owner);
                }
                added.map_or_else(refused, Outcome::Done)
            }
            Change::Keep(id) => self.command_found(id, AdminCommand::Enable, now),
            Change::Remove(id) => self.command_found(id, AdminCommand::Remove(DRAIN), now),
            Change::Weigh(id, weight) => self.command_found(id, AdminCommand::Weight(weight), now),
            Change::Limit(id, max) => {
                self.command_found(id, AdminCommand::MaxConnections(max), now)
            }
            Change::Move(backend, address, addresses) => {
                let moved = Moved {
                    backend,
                    address,
                    addresses,
                };
                match self.proxy.backends().move_backend(moved, now) {
                    Ok(true) => Outcome::Done(backend),
                    Ok(false) => Outcome::Gone,
                    Err(reason) => refused(reason),
                }
            }
        }
    }

    fn command_found(&mut self, id: BackendId, command: AdminCommand, now: Timestamp) -> Outcome {
        let found = self
            .proxy
            .backends()
            .execute(&BackendRef::Id(id), command, now);
        found.map_or(Outcome::Gone, Outcome::Done)
    }
}

fn refused(reason: NotAdded) -> Outcome {
    Outcome::Refused(reason.to_string())
}
