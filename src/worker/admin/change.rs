//! The requests that change a pool: checked whole before the first step, carried out, and noted.

use super::Admin;
use super::record::describe;
use crate::control::response::Response;
use crate::control::roster::{Order, Set};
use crate::control::route::refused;
use crate::pool::{NewBackend, PoolId, State};
use crate::proxy::{AdminCommand, BackendRef};
use crate::time::Timestamp;
use crate::worker::EventLoop;
use serde_json::json;

impl EventLoop {
    pub(super) fn add(
        &mut self,
        admin: &mut Admin,
        pool: PoolId,
        backend: NewBackend,
        now: Timestamp,
    ) -> Response {
        let (name, address) = (backend.name.clone(), backend.address.clone());
        match self.proxy.backends().add_backend(pool, backend, now) {
            Ok(_) => {
                let what = json!({ "backend": name, "address": address, "what": "add" });
                admin.note_action(pool, "admin", what, self.clock.wall(), now);
                Response::json(201, &json!({ "name": name, "address": address }))
            }
            Err(reason) => Response::error(409, "not_added", reason.to_string()),
        }
    }

    pub(super) fn command(
        &mut self,
        admin: &mut Admin,
        pool: PoolId,
        name: &str,
        command: AdminCommand,
        now: Timestamp,
    ) -> Response {
        let (Some(id), Some(roster)) = (
            self.proxy.pools().backend_id(pool, name),
            admin.roster_mut(pool),
        ) else {
            let message = format!("there is no backend {name}");
            return Response::error(404, "no_backend", message);
        };
        let order = match roster.command(name, command) {
            Ok(order) => order,
            Err(reason) => return refused(&reason),
        };
        self.proxy
            .backends()
            .execute(&BackendRef::Id(id), order, now);
        let what = json!({ "backend": name, "what": describe(command) });
        admin.note_action(pool, "admin", what, self.clock.wall(), now);
        let state = self
            .proxy
            .pools()
            .backend_state(id)
            .map_or("removed", State::word);
        let status = match command {
            AdminCommand::Remove(_) => 202,
            _ => 200,
        };
        Response::json(status, &json!({ "name": name, "state": state }))
    }

    pub(super) fn put_set(
        &mut self,
        admin: &mut Admin,
        pool: PoolId,
        owner: &str,
        set: Set,
        now: Timestamp,
    ) -> Response {
        let known = self.proxy.pools().known(pool);
        let (term, revision) = (set.term, set.revision);
        let Some(in_force) = admin.roster_mut(pool) else {
            return no_pool("");
        };
        let mut roster = in_force.clone();
        let orders = match roster.put(owner, set, &known) {
            Ok(orders) => orders,
            Err(reason) => return refused(&reason),
        };
        if let Err(reason) = self.check_additions(pool, &orders) {
            return reason;
        }
        let changes = orders.len();
        self.carry_out(pool, orders, now);
        let states = self.proxy.pools().states(pool).into_iter();
        let states = states.filter(|(name, _)| roster.owner(name) == Some(owner));
        let states: serde_json::Map<_, _> =
            states.map(|(name, state)| (name, json!(state))).collect();
        *in_force = roster;
        let what = json!({
            "what": "set", "term": term, "revision": revision, "changes": changes,
        });
        let who = format!("set {owner}");
        admin.note_action(pool, &who, what, self.clock.wall(), now);
        let taken = json!({
            "boot_id": admin.boot_id,
            "seq": admin.journal.last(),
            "term": term,
            "revision": revision,
            "changes": changes,
            "states": states,
        });
        Response::json(200, &taken)
    }

    /// Checks that all backends can be added, before the first is.
    fn check_additions(&mut self, pool: PoolId, orders: &[Order]) -> Result<(), Response> {
        let mut count = 0;
        for order in orders {
            let Order::Add(backend) = order else {
                continue;
            };
            count += 1;
            if let Err(reason) =
                self.proxy
                    .backends()
                    .check_rules(pool, &backend.address, &backend.addresses)
            {
                let message = format!("{}: {reason}", backend.name);
                return Err(crate::control::route::invalid(message));
            }
        }
        if count > self.proxy.pools().free_slots(pool) {
            let message = "too many backends: those that were removed are still letting go";
            return Err(Response::error(503, "no_slot", message).with_field("Retry-After", "1"));
        }
        Ok(())
    }

    /// Carries out orders that were checked.
    pub(in crate::worker) fn carry_out(
        &mut self,
        pool: PoolId,
        orders: Vec<Order>,
        now: Timestamp,
    ) {
        for order in orders {
            match order {
                // It was checked; what was not, such as kept sets over changed flags, is left out.
                Order::Add(backend) => {
                    let _ = self.proxy.backends().add_backend(pool, backend, now);
                }
                Order::Command(name, command) => {
                    if let Some(id) = self.proxy.pools().backend_id(pool, &name) {
                        self.proxy
                            .backends()
                            .execute(&BackendRef::Id(id), command, now);
                    }
                }
            }
        }
    }
}

pub(super) fn no_pool(name: &str) -> Response {
    Response::error(404, "no_pool", format!("there is no pool {name}"))
}
