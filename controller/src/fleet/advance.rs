//! The next step of each server: what its state, its deadlines and what is known of it allow.

use super::budget;
use super::commit::{Deed, EventKind};
use super::hear::LOST_CALL;
use super::id::{PoolName, ServerId, ServiceName, Token};
use super::input::BackendState;
use super::server::{Cause, Phase, Server, State};
use super::time::Moment;
use super::turn::Turn;
use crate::spec::{Check, ServiceSpec, Template};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Something foreign that listens at an address is believed to for this long.
const TAKEN: Duration = Duration::from_secs(60);
/// A server that cannot be checked is ready after this long.
const UNASKED: Duration = Duration::from_secs(1);
/// A server that lb has had no request for is taken to serve after this long.
const UNTRIED: Duration = Duration::from_secs(5);
/// A server that is to be replaced answers nothing anyway.
pub(super) const VERDICT_DRAIN: Duration = Duration::from_secs(10);

impl Turn<'_> {
    pub(super) fn advance(&mut self) {
        for id in self.ids() {
            // A server may pass several states in one step; each is in the history.
            let mut before = None;
            while let Some(phase) = self.server(id).map(Server::phase) {
                if before == Some(phase) {
                    break;
                }
                before = Some(phase);
                self.advance_one(id);
            }
            self.overdue(id);
        }
    }

    fn advance_one(&mut self, id: ServerId) {
        let now = self.now;
        let Some(server) = self.server(id) else {
            return;
        };
        match server.state {
            State::Planned => self.launch_if_allowed(id),
            State::Launching { .. } => self.call_launch(id),
            State::Starting => self.starting(id),
            State::Registering | State::Warming => self.registering(id),
            State::Serving | State::Gone => {}
            State::Draining { why, deadline } => self.draining(id, why, deadline),
            State::Terminating { .. } => self.call_stop(id),
            State::Backoff { until } => {
                if now >= until {
                    self.launch_if_allowed(id);
                }
            }
            State::Quarantined { retry_at, .. } => {
                if retry_at.is_some_and(|at| now >= at) && self.renew(id) {
                    self.goto(id, State::Planned, "one more try");
                }
            }
        }
    }

    /// Asks for a unit if the number of units, the budget and the provider allow it.
    fn launch_if_allowed(&mut self, id: ServerId) {
        let now = self.now;
        let Some(server) = self.server(id) else {
            return;
        };
        let (name, phase) = (server.service.clone(), server.phase());
        if !self.may_launch(&name) {
            return;
        }
        let is_renewed = phase == Phase::Backoff || !self.is_rendered(id);
        if is_renewed && !self.renew(id) {
            return;
        }
        self.fleet.launches.entry(name).or_default().push(now);
        let state = State::Launching {
            tries: 0,
            maybe: false,
            retry_at: now,
            doomed: false,
        };
        self.goto(id, state, "");
        self.call_launch(id);
    }

    /// The stored request is of the template that is wanted now. Nothing was asked yet, so a new
    /// one may replace it.
    fn is_rendered(&self, id: ServerId) -> bool {
        let Some(server) = self.server(id) else {
            return false;
        };
        let free = server
            .address
            .is_none_or(|at| !self.fleet.taken.contains_key(&at));
        let template = self
            .template_for(&server.service)
            .map(|spec| spec.template_id());
        free && server.request.is_some() && template.as_ref() == Some(&server.template)
    }

    pub(super) fn may_launch(&mut self, name: &ServiceName) -> bool {
        let now = self.now;
        let Some(spec) = self.fleet.specs.get(name) else {
            return false;
        };
        let (most, kind) = (spec.most_units(), spec.provider());
        let Some(provider) = self.fleet.listings.get(&kind) else {
            return false;
        };
        // Units that this database does not know must be found before new ones are made.
        if !provider.is_known() {
            return false;
        }
        let failing = provider.failing_since.is_some();
        let units = self
            .of(name)
            .filter(|server| server.phase().may_exist())
            .count();
        let want = self.wanted(name);
        let budget = if failing {
            budget::Budget::new(1, 30)
        } else {
            budget::launches(want)
        };
        let spent = self.fleet.launches.entry(name.clone()).or_default();
        spent.retain(|at| now.since(*at) < budget.window);
        units < most && budget.left(spent, now) > 0
    }

    /// Gives the slot its next incarnation: a new token and a request of the template that is
    /// wanted now. `false` if no address is free.
    pub(super) fn renew(&mut self, id: ServerId) -> bool {
        let Some(server) = self.server(id) else {
            return false;
        };
        let Some(spec) = self.template_for(&server.service) else {
            return false;
        };
        // A server that served comes back where it was; one that did not tries elsewhere.
        let keep = server.address.filter(|_| server.served);
        let address = match self.place(&spec, id, keep) {
            Ok(address) => address,
            Err(()) => return false,
        };
        let Some(request) = spec.render(address) else {
            return false;
        };
        let template = spec.template_id();
        let fleet = self.fleet.id.clone();
        self.edit(id, |server| {
            server.incarnation += 1;
            server.token = Token::of(&fleet, &server.service, server.id, server.incarnation);
            server.handle = None;
            server.address = address;
            server.request = Some(request);
            server.template = template;
            server.served = false;
            server.attempt = 0;
        });
        true
    }

    /// A free address for a server of `spec`: `keep` if that is free, else the next one.
    /// `Ok(None)`: it needs none.
    pub(super) fn place(
        &mut self,
        spec: &ServiceSpec,
        id: ServerId,
        keep: Option<SocketAddr>,
    ) -> Result<Option<SocketAddr>, ()> {
        let now = self.now;
        self.fleet.taken.retain(|_, at| now.since(*at) < TAKEN);
        let used: BTreeSet<SocketAddr> = self
            .fleet
            .servers
            .values()
            .filter(|server| server.id != id)
            .filter(|server| !matches!(server.phase(), Phase::Gone | Phase::Quarantined))
            .filter_map(|server| server.address)
            .collect();
        let is_free = |at: &SocketAddr| !used.contains(at) && !self.fleet.taken.contains_key(at);
        match &spec.template {
            Template::Process { ports: None, .. } | Template::Docker(_) | Template::Exec(_) => {
                Ok(None)
            }
            Template::Process {
                ports: Some(range),
                host,
                ..
            } => {
                let is_ours = |at: &SocketAddr| {
                    at.ip() == *host && (range.first..=range.last).contains(&at.port())
                };
                if let Some(keep) = keep.filter(|at| is_ours(at) && is_free(at)) {
                    return Ok(Some(keep));
                }
                let ports = range.first..=range.last;
                let current = self.server(id).and_then(|server| server.address);
                let mut free = ports
                    .map(|port| SocketAddr::new(*host, port))
                    .filter(|at| is_free(at));
                let first = free.next();
                // The address of the start that failed comes last.
                match first {
                    Some(at) if Some(at) == current => Ok(free.next().or(Some(at))),
                    Some(at) => Ok(Some(at)),
                    None => Err(()),
                }
            }
            Template::Fixed { addresses } => {
                let keep = keep.filter(|at| addresses.contains(at) && is_free(at));
                keep.or_else(|| addresses.iter().copied().find(is_free))
                    .map(Some)
                    .ok_or(())
            }
        }
    }

    /// Calls the provider, or calls it again: the token makes a repeat harmless.
    fn call_launch(&mut self, id: ServerId) {
        let now = self.now;
        let Some(server) = self.server(id) else {
            return;
        };
        let State::Launching {
            tries,
            maybe,
            retry_at,
            doomed,
        } = server.state
        else {
            return;
        };
        let (token, provider) = (server.token.clone(), server.provider);
        let template = server.template.clone();
        let Some(request) = server.request.clone() else {
            return;
        };
        let asked = self.asked(id).launch;
        if asked.is_some_and(|at| now.since(at) < LOST_CALL) || now < retry_at {
            return;
        }
        if doomed && tries == 0 {
            self.goto(id, State::Gone, "not wanted any more");
            return;
        }
        let lost = asked.is_some();
        let tries = tries.saturating_add(1);
        let state = State::Launching {
            tries,
            maybe: maybe || lost,
            retry_at,
            doomed,
        };
        self.goto(id, state, "");
        self.asked(id).launch = Some(now);
        self.act(Deed::Launch {
            server: id,
            token,
            template,
            provider,
            request,
        });
    }

    fn starting(&mut self, id: ServerId) {
        let Some(server) = self.server(id) else {
            return;
        };
        let Some(spec) = self.fleet.specs.get(&server.service) else {
            return;
        };
        let (since, limit) = (server.since, spec.timing.start);
        let connected = self
            .fleet
            .agents
            .get(&server.token)
            .is_some_and(|agent| agent.is_connected);
        let passed = self
            .fleet
            .evidence
            .get(&id)
            .is_some_and(|it| it.has_passed_after(since));
        // Nothing can be asked of it: it is ready if it does not end at once.
        let lasts = connected && self.now.since(since) >= UNASKED;
        let ready = passed || (lasts && spec.check == Check::None);
        if ready {
            self.goto(id, State::Registering, "");
        } else if self.now.since(since) >= limit {
            let text = format!("not ready within {} s", limit.as_secs());
            self.fail_start(id, &text);
        }
    }

    /// A start that came to nothing: the unit is stopped, and the slot starts again later.
    fn fail_start(&mut self, id: ServerId, why: &str) {
        let now = self.now;
        self.edit(id, |server| server.deaths.push(now));
        self.failed_start(id);
        self.goto(
            id,
            State::Terminating {
                why: Cause::FailedStart,
            },
            why,
        );
    }

    fn registering(&mut self, id: ServerId) {
        let Some(server) = self.server(id) else {
            return;
        };
        let Some(spec) = self.fleet.specs.get(&server.service) else {
            return;
        };
        let (pool, limit, since) = (spec.pool.clone(), spec.timing.start, server.since);
        let phase = server.phase();
        let Some(pool) = pool else {
            let next = if phase == Phase::Registering {
                State::Warming
            } else {
                State::Serving
            };
            self.goto(id, next, "");
            self.has_served(id);
            return;
        };
        if phase == Phase::Registering {
            if self.is_registered(server, &pool) {
                self.goto(id, State::Warming, "");
            }
            return;
        }
        let views = self.seen_as(server, &pool);
        let healthy = views
            .iter()
            .filter(|(state, _)| *state == BackendState::Healthy)
            .count();
        if healthy > 0 && healthy * 2 >= views.len() {
            self.goto(id, State::Serving, "");
            self.has_served(id);
            return;
        }
        // Without traffic there is no trial: the server's own word has to do.
        let untried = views.iter().all(|(state, _)| *state == BackendState::Trial);
        let passed = self.fleet.evidence.get(&id);
        let passed = passed.is_some_and(|it| it.has_passed_after(since));
        if untried && passed && !views.is_empty() && self.now.since(since) >= UNTRIED {
            self.goto(id, State::Serving, "no request came to try it with");
            self.has_served(id);
            return;
        }
        // Taken out by an operator, or not seen at all: no fault of the server.
        let is_out = views.iter().any(|(state, _)| *state == BackendState::Out);
        if self.now.since(since) >= limit && !views.is_empty() && !is_out {
            let cause = views.first().map_or("", |(_, cause)| cause.as_str());
            let text = format!("failed its trial for {} s: {cause}", limit.as_secs());
            self.fail_start(id, &text);
        }
    }

    fn has_served(&mut self, id: ServerId) {
        let Some(server) = self.server(id).filter(|it| it.phase() == Phase::Serving) else {
            return;
        };
        let (name, template) = (server.service.clone(), server.template.clone());
        self.edit(id, |server| server.served = true);
        let rollout = self
            .fleet
            .services
            .get(&name)
            .and_then(|it| it.rollout.as_ref());
        if rollout.is_some_and(|it| it.template == template && !it.proven) {
            self.edit_service(&name, |service| {
                if let Some(rollout) = &mut service.rollout {
                    rollout.proven = true;
                }
            });
        }
        self.prove(&name, &template);
    }

    fn draining(&mut self, id: ServerId, why: Cause, deadline: Moment) {
        let Some(server) = self.server(id) else {
            return;
        };
        let pool = self
            .fleet
            .specs
            .get(&server.service)
            .and_then(|spec| spec.pool.clone());
        let pool = pool.or_else(|| self.pool_with(server));
        let refused = pool.as_ref().is_some_and(|pool| self.is_refused(pool));
        if pool.is_none_or(|pool| self.is_empty(server, &pool)) {
            self.goto(id, State::Terminating { why }, "empty");
        } else if self.now >= deadline && !(refused && why.is_voluntary()) {
            let (requests, tunnels) = self.under_way(id);
            let text = format!("deadline: {requests} requests and {tunnels} tunnels are cut");
            self.goto(id, State::Terminating { why }, &text);
        }
    }

    /// An lb that can be reached refuses the set of a pool: it goes on sending to servers that it
    /// was not allowed to lose.
    fn is_refused(&self, pool: &PoolName) -> bool {
        let refuses =
            |(_, lb): (_, &super::Lb)| lb.pools.get(pool).is_some_and(|at| at.refused.is_some());
        self.reachable().any(refuses)
    }

    /// The pool whose set has this server, when its service is not in the specification any more.
    fn pool_with(&self, server: &Server) -> Option<PoolName> {
        let name = server.backend_name();
        let mut pools = self.fleet.pools.values();
        pools
            .find(|pool| pool.backends.iter().any(|it| it.name == name))
            .map(|it| it.name.clone())
    }

    fn call_stop(&mut self, id: ServerId) {
        let now = self.now;
        let Some(server) = self.server(id) else {
            return;
        };
        let (token, provider) = (server.token.clone(), server.provider);
        let (handle, service) = (server.handle.clone(), server.service.clone());
        let spec = self.fleet.specs.get(&service);
        let grace = spec.map_or(Duration::from_secs(10), |spec| spec.timing.stop_grace);
        let again = grace + Duration::from_secs(5);
        let asked = self.asked(id).stop;
        if asked.is_some_and(|at| now.since(at) < again) {
            return;
        }
        self.asked(id).stop = Some(now);
        self.act(Deed::Stop {
            server: id,
            token,
            provider,
            handle,
            grace,
        });
    }

    /// Says once a minute that a server stays in a state that it should only pass.
    fn overdue(&mut self, id: ServerId) {
        const MINUTE: u128 = 60_000;
        let Some(server) = self.server(id) else {
            return;
        };
        let limit = match server.phase() {
            Phase::Launching | Phase::Terminating => 1,
            Phase::Registering => 2,
            Phase::Planned
            | Phase::Starting
            | Phase::Warming
            | Phase::Serving
            | Phase::Draining
            | Phase::Backoff
            | Phase::Quarantined
            | Phase::Gone => return,
        };
        let minutes = self.now.since(server.since).as_millis() / MINUTE;
        let before = self.fleet.last_step.since(server.since).as_millis() / MINUTE;
        if minutes > before && minutes >= limit {
            let text = format!("{} for {minutes} min", server.phase().word());
            self.server_event(id, EventKind::Overdue, text);
        }
    }
}
