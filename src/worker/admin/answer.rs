//! Answers requests: finds out what each asks for, and hands it to what it is for.

use super::Admin;
use super::change::no_pool;
use crate::control::conns::{AdminConnId, Feed, MAX_CONNS};
use crate::control::journal::as_stream;
use crate::control::response::Response;
use crate::control::route::{Call, PoolCall, Shown, route};
use crate::net::StateFile;
use crate::pool::PoolId;
use crate::proxy::AdminCommand;
use crate::telemetry::TurnPhase;
use crate::time::Timestamp;
use crate::worker::EventLoop;
use serde_json::json;

/// Requests taken in one turn.
const REQUESTS_PER_TURN: usize = 4;
/// Streams of events at once.
const MAX_SUBSCRIBERS: usize = 64;

impl EventLoop {
    /// Runs the phase.
    pub(in crate::worker) fn administer(&mut self, now: Timestamp) -> Timestamp {
        let is_due = |admin: &Admin| admin.due() <= now;
        if !self.admin.as_deref().is_some_and(is_due) {
            return now;
        }
        let Some(mut admin) = self.admin.take() else {
            return now;
        };
        admin.is_called = false;
        admin.accept(now);
        admin.conns.expire(now);
        let mut left = REQUESTS_PER_TURN;
        // Each look is at one connection, so their number bounds it.
        for _ in 0..MAX_CONNS {
            if left == 0 || !admin.conns.has_unread() {
                break;
            }
            let Some((id, request)) = admin.conns.next_request(&mut admin.scratch, now) else {
                continue;
            };
            left -= 1;
            let access = admin.guard.check(&request);
            match access.and_then(|access| route(&request, access)) {
                Ok(call) => self.answer(&mut admin, id, call, now),
                Err(response) => admin.conns.respond(id, &response, now),
            }
        }
        self.gather(&mut admin, now);
        admin.look_at_what_if(now);
        if let Some(failure) = admin.state_file.as_ref().and_then(StateFile::take_failure) {
            let details = json!({ "message": failure });
            admin.add_event("state_file", self.clock.wall(), details, now);
        }
        self.admin = Some(admin);
        self.mark(TurnPhase::Control)
    }

    fn answer(&mut self, admin: &mut Admin, id: AdminConnId, call: Call, now: Timestamp) {
        let response = match call {
            Call::Show(shown) => return admin.waiting.push((id, shown)),
            Call::Events(after) => {
                return subscribe(admin, id, after, Feed::Events, "", now);
            }
            Call::Health => Response::text(200, "text/plain", "ok\n".to_owned()),
            Call::Index => index(),
            Call::Page(page, known) => page.response(known.as_deref()),
            Call::Listeners => {
                Response::json(200, &json!({ "listeners": admin.topology.listeners }))
            }
            Call::Access(access) => Response::json(200, &json!({ "access": access.word() })),
            Call::Routes => Response::json(200, &json!({ "routes": admin.topology.routes })),
            Call::Reload => match admin.ask_reload(id, self.reloads.as_ref()) {
                Some(response) => response,
                None => return,
            },
            Call::Of(name, call) => match (self.proxy.pools().pool_id(&name), call) {
                (None, _) => no_pool(&name),
                (Some(_), PoolCall::Show) => {
                    return admin.waiting.push((id, Shown::Pool(name)));
                }
                (Some(pool), PoolCall::WhatIf(otherwise)) => {
                    match self.suppose(admin, id, pool, otherwise, now) {
                        Ok(()) => return,
                        Err(response) => response,
                    }
                }
                (Some(pool), PoolCall::Explain(question)) => {
                    match self.explanation(pool, question) {
                        Ok(shown) => return admin.waiting.push((id, shown)),
                        Err(response) => response,
                    }
                }
                (Some(pool), call) => self.answer_of_pool(admin, pool, call, now),
            },
        };
        admin.conns.respond(id, &response, now);
    }

    fn answer_of_pool(
        &mut self,
        admin: &mut Admin,
        pool: PoolId,
        call: PoolCall,
        now: Timestamp,
    ) -> Response {
        let Some(roster) = admin.roster_mut(pool) else {
            return no_pool("");
        };
        match call {
            // They wait for what all workers say.
            PoolCall::Show | PoolCall::Explain(_) | PoolCall::WhatIf(_) => no_pool(""),
            PoolCall::Strategy(spec, text) => self.set_strategy(admin, pool, spec, text, now),
            PoolCall::ClearLearned => self.clear_learned(admin, pool, now),
            PoolCall::Set(owner) => match roster.set(&owner) {
                Some(set) => Response::json(200, set),
                None => no_set(&owner),
            },
            PoolCall::PutSet(owner, set) => self.put_set(admin, pool, &owner, set, now),
            PoolCall::Add(backend) => self.add(admin, pool, backend, now),
            PoolCall::Command(name, command) => self.command(admin, pool, &name, command, now),
            PoolCall::ClearWeight(name) => {
                let Some(weight) = roster.weight_of_set(&name) else {
                    let message = format!("{name} is of no set, whose weight it could have again");
                    return crate::control::route::invalid(message);
                };
                let response = self.command(admin, pool, &name, AdminCommand::Weight(weight), now);
                if let Some(roster) = admin.roster_mut(pool) {
                    roster.clear_weight(&name);
                }
                admin.keep();
                response
            }
        }
    }
}

/// Begins a stream of events. One of figures begins with `figures`.
pub(super) fn subscribe(
    admin: &mut Admin,
    id: AdminConnId,
    after: Option<u64>,
    feed: Feed,
    figures: &str,
    now: Timestamp,
) {
    if admin.conns.subscribers() >= MAX_SUBSCRIBERS {
        let message = format!("{MAX_SUBSCRIBERS} streams of events are open already");
        let response = Response::error(503, "busy", message).with_field("Retry-After", "5");
        return admin.conns.respond(id, &response, now);
    }
    let mut start = ": events of lb\n\n".to_owned();
    if let Some(seq) = after {
        let (is_cut, events) = admin.journal.after(seq);
        if is_cut {
            start.push_str("event: cut\ndata: {}\n\n");
        }
        for (seq, text) in events {
            start.push_str(&as_stream(seq, text));
        }
    }
    start.push_str(figures);
    admin.conns.stream(id, feed, start.as_bytes(), now);
}

fn no_set(owner: &str) -> Response {
    Response::error(404, "no_set", format!("{owner} has declared no set"))
}

fn index() -> Response {
    Response::json(
        200,
        &json!({
            "lb": env!("CARGO_PKG_VERSION"),
            "paths": [
                "GET /healthz",
                "GET /readyz",
                "GET /metrics",
                "GET /v1/status",
                "GET /v1/listeners",
                "GET /v1/routes",
                "GET /v1/workers",
                "GET /v1/access",
                "GET /v1/pools",
                "GET, PUT /v1/pools/{pool}",
                "GET /v1/pools/{pool}/explain?key=KEY&backend=NAME",
                "POST /v1/pools/{pool}/what-if",
                "POST /v1/pools/{pool}/clear-learned",
                "POST /v1/pools/{pool}/backends",
                "DELETE /v1/pools/{pool}/backends/{name}?drain=SECONDS",
                "POST /v1/pools/{pool}/backends/{name}/drain|undrain|disable|enable",
                "PUT /v1/pools/{pool}/backends/{name}/weight|max_in_flight|health",
                "GET, PUT /v1/pools/{pool}/sets/{owner}",
                "GET /v1/events",
                "GET /v1/live",
                "POST /v1/reload",
            ],
        }),
    )
}
