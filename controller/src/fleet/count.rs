//! How many servers there are and are to be; rollouts; and which one goes first.

use super::advance::VERDICT_DRAIN;
use super::budget;
use super::commit::{Change, Deed, EventKind};
use super::id::{ServerId, ServiceName, TemplateId, Token};
use super::server::{Cause, Phase, Server, State};
use super::service::{Proven, Rollout, Service};
use super::turn::Turn;
use crate::scale::{Counts, Decision};
use crate::spec::{Mode, ServiceSpec, Template};
use std::time::Duration;

/// From one decision of the scalers to the next.
const DECIDE_EVERY: Duration = Duration::from_secs(1);

impl Turn<'_> {
    pub(super) fn count(&mut self) {
        let decides = self.now.since(self.fleet.last_decision) >= DECIDE_EVERY;
        if decides {
            self.fleet.last_decision = self.now;
        }
        let specs: Vec<ServiceSpec> = self.fleet.specs.values().cloned().collect();
        for spec in &specs {
            self.follow_desired(spec);
            if decides {
                self.decide(spec);
            }
            self.roll(spec);
            self.fill(spec);
            self.shrink(spec);
        }
        self.retire_unspecified();
    }

    /// A new service, or a new number for one: what the specification says is wanted first.
    fn follow_desired(&mut self, spec: &ServiceSpec) {
        let (name, desired) = (&spec.name, spec.bounds.desired);
        match self.fleet.services.get(name) {
            None => self.insert_service(Service::new(name.clone(), desired, self.now)),
            Some(service) if service.desired != desired => {
                let before = service.want;
                self.edit_service(name, |service| {
                    (service.want, service.desired) = (desired, desired)
                });
                let text =
                    format!("wants {desired} instead of {before}: the specification says so");
                self.event(EventKind::Scale, Some(name), text);
            }
            Some(_) => {}
        }
    }

    /// How many are wanted, by the row of the service.
    pub(super) fn wanted(&self, name: &ServiceName) -> usize {
        self.fleet.services.get(name).map_or(0, Service::wanted)
    }

    fn have(&self, name: &ServiceName) -> usize {
        self.of(name).filter(|server| server.counts()).count()
    }

    pub(super) fn is_short(&self, name: &ServiceName) -> bool {
        self.fleet.specs.contains_key(name) && self.have(name) < self.wanted(name)
    }

    fn holds_growth(&self, name: &ServiceName) -> bool {
        self.fleet
            .holds
            .iter()
            .any(|hold| hold.covers(name) && hold.kind.forbids_growth())
    }

    fn holds_scale_in(&self, name: &ServiceName) -> bool {
        self.fleet
            .holds
            .iter()
            .any(|hold| hold.covers(name) && hold.kind.forbids_scale_in())
    }

    /// Asks the scaler, and follows it unless it only advises.
    fn decide(&mut self, spec: &ServiceSpec) {
        let name = &spec.name;
        let (now, want) = (
            self.now,
            self.fleet.services.get(name).map_or(0, |it| it.want),
        );
        let counts = self.counts(spec, want);
        let loads = self.loads(name);
        let may_shrink = !self.holds_scale_in(name);
        let Some(scaler) = self.fleet.scalers.get_mut(name) else {
            return;
        };
        scaler.observe_loads(now, &loads);
        let before = scaler.last().map(|decision| decision.want);
        let decision = scaler.decide(now, counts, may_shrink);
        let changed = before != Some(decision.want);
        let clamped = spec.bounds.clamp(decision.want);
        if changed {
            self.changes
                .push(Change::Decision(name.clone(), now, decision.clone()));
        }
        // Bounds hold even while the policy only advises.
        let next = match spec.mode {
            Mode::Live => clamped,
            Mode::Advise => {
                if changed && clamped != want {
                    let text = format!("advises {clamped} instead of {want}: {}", decision.why());
                    self.event(EventKind::Scale, Some(name), text);
                }
                spec.bounds.clamp(want)
            }
        };
        if next != want && !(next > want && self.holds_growth(name)) {
            self.set_want(name, next, &decision);
        }
    }

    fn set_want(&mut self, name: &ServiceName, want: usize, decision: &Decision) {
        let before = self.wanted(name);
        self.edit_service(name, |service| service.want = want);
        let text = format!("wants {want} instead of {before}: {}", decision.why());
        self.event(EventKind::Scale, Some(name), text);
    }

    pub(super) fn counts(&self, spec: &ServiceSpec, want: usize) -> Counts {
        let phases = |wanted: &[Phase]| {
            self.of(&spec.name)
                .filter(|it| it.counts() && wanted.contains(&it.phase()))
                .count()
        };
        let fixed = match &spec.template {
            Template::Fixed { addresses } => Some(addresses.len()),
            Template::Process { .. } | Template::Exec(_) => None,
        };
        Counts {
            serving: phases(&[Phase::Serving]),
            coming: phases(&[
                Phase::Planned,
                Phase::Launching,
                Phase::Starting,
                Phase::Registering,
                Phase::Warming,
            ]),
            want,
            min: spec.bounds.min,
            desired: fixed.unwrap_or(spec.bounds.desired),
            max: spec.bounds.max,
            is_rolling: self
                .fleet
                .services
                .get(&spec.name)
                .is_some_and(|it| it.rollout.is_some()),
        }
    }

    /// Loads that agents reported within three intervals, one for each server that serves.
    fn loads(&self, name: &ServiceName) -> Vec<Option<f64>> {
        const FRESH: Duration = Duration::from_secs(15);
        self.of(name)
            .filter(|server| server.phase() == Phase::Serving)
            .map(|server| {
                let (load, at) = self.fleet.agents.get(&server.token)?.load?;
                (self.now.since(at) <= FRESH).then_some(load)
            })
            .collect()
    }

    /// Begins, ends or gives up a rollout.
    fn roll(&mut self, spec: &ServiceSpec) {
        let template = spec.template_id();
        let others = self
            .of(&spec.name)
            .any(|it| it.counts() && it.template != template);
        let Some(service) = self.fleet.services.get(&spec.name) else {
            return;
        };
        match &service.rollout {
            None if others => {
                let rollout = Rollout {
                    template: template.clone(),
                    started: self.now,
                    failed: 0,
                    proven: false,
                    halted: false,
                };
                self.edit_service(&spec.name, |service| service.rollout = Some(rollout));
                self.event(
                    EventKind::Rollout,
                    Some(&spec.name),
                    format!("to template {template}"),
                );
            }
            Some(rollout) if rollout.template != template => {
                self.edit_service(&spec.name, |service| service.rollout = None);
                let text = "superseded by another template".to_owned();
                self.event(EventKind::Rollout, Some(&spec.name), text);
                self.roll(spec);
            }
            Some(rollout) if !others && !rollout.halted => {
                self.edit_service(&spec.name, |service| service.rollout = None);
                self.event(EventKind::Rollout, Some(&spec.name), "done".to_owned());
            }
            Some(_) | None => {}
        }
    }

    /// The specification that new servers of a service are made from: while a rollout is halted,
    /// the one that was proven before it.
    pub(super) fn template_for(&self, name: &ServiceName) -> Option<ServiceSpec> {
        let spec = self.fleet.specs.get(name)?;
        let service = self.fleet.services.get(name);
        let halted = service
            .and_then(|it| it.rollout.as_ref())
            .is_some_and(|it| it.halted);
        let proven = service.and_then(|it| it.proven.as_ref()).filter(|_| halted);
        let mut spec = spec.clone();
        if let Some(proven) = proven {
            spec.template = proven.template.clone();
            spec.check = proven.check.clone();
        }
        Some(spec)
    }

    /// A server of the template of the specification serves: what halted rollouts go back to.
    pub(super) fn prove(&mut self, name: &ServiceName, template: &TemplateId) {
        let Some(spec) = self.fleet.specs.get(name) else {
            return;
        };
        if spec.template_id() != *template {
            return;
        }
        let proven = Proven {
            template: spec.template.clone(),
            check: spec.check.clone(),
        };
        let known = self
            .fleet
            .services
            .get(name)
            .and_then(|it| it.proven.as_ref());
        if known != Some(&proven) {
            self.edit_service(name, |service| service.proven = Some(proven));
        }
    }

    /// Plans what is missing; takes back what is being drained first, since the cheapest server is
    /// one that still runs.
    fn fill(&mut self, spec: &ServiceSpec) {
        let name = &spec.name;
        let known = self
            .fleet
            .listings
            .get(&spec.provider())
            .is_some_and(|it| it.is_known());
        if !known
            || self
                .fleet
                .services
                .get(name)
                .is_some_and(|it| it.paused.is_some())
        {
            return;
        }
        let wanted = self.wanted(name);
        let goal = wanted + self.surge_now(spec);
        while self.have(name) < goal {
            if self.take_back(name) {
                continue;
            }
            if !self.plan(spec) {
                break;
            }
        }
    }

    /// One more than wanted while a rollout has old servers left to replace.
    fn surge_now(&self, spec: &ServiceSpec) -> usize {
        let service = self.fleet.services.get(&spec.name);
        let rollout = service.and_then(|service| service.rollout.as_ref());
        let rolls = rollout.is_some_and(|rollout| !rollout.halted) && self.wanted(&spec.name) > 0;
        if rolls && !spec.singleton {
            spec.surge.min(1)
        } else {
            0
        }
    }

    fn take_back(&mut self, name: &ServiceName) -> bool {
        let template = self.template_for(name).map(|spec| spec.template_id());
        let back = self
            .of(name)
            .find(|server| {
                let scaled_in = matches!(
                    server.state,
                    State::Draining {
                        why: Cause::ScaleIn,
                        ..
                    } | State::Launching { doomed: true, .. }
                );
                scaled_in && Some(&server.template) == template.as_ref()
            })
            .map(|server| (server.id, server.phase()));
        match back {
            Some((id, Phase::Draining)) => self.undrain(id, "wanted again"),
            Some((id, _)) => self.edit(id, |server| {
                if let State::Launching { doomed, .. } = &mut server.state {
                    *doomed = false;
                }
            }),
            None => return false,
        }
        true
    }

    pub(super) fn undrain(&mut self, id: ServerId, why: &str) {
        self.goto(id, State::Serving, why);
        self.lame_duck(id, false);
    }

    fn lame_duck(&mut self, id: ServerId, on: bool) {
        let Some(server) = self.server(id) else {
            return;
        };
        let (token, term) = (server.token.clone(), self.fleet.term);
        if let Some(agent) = self.fleet.agents.get_mut(&token) {
            (agent.is_lame, agent.idle_since) = (on, None);
            self.act(Deed::LameDuck { token, on, term });
        }
    }

    /// A new slot. `false` if there is no address for it.
    fn plan(&mut self, spec: &ServiceSpec) -> bool {
        let Some(spec) = self.template_for(&spec.name) else {
            return false;
        };
        let id = self.fleet.next_server;
        let Ok(address) = self.place(&spec, id, None) else {
            return false;
        };
        let Some(request) = spec.render(address) else {
            return false;
        };
        let id = self.next_server();
        let server = Server {
            id,
            service: spec.name.clone(),
            provider: spec.provider(),
            incarnation: 1,
            token: Token::of(&self.fleet.id, &spec.name, id, 1),
            handle: None,
            address,
            template: spec.template_id(),
            request: Some(request),
            state: State::Planned,
            since: self.now,
            deaths: Vec::new(),
            served: false,
            attempt: 0,
            version: 0,
        };
        self.insert(server, "planned".to_owned());
        true
    }

    /// Lets the surplus go, first what serves nothing.
    fn shrink(&mut self, spec: &ServiceSpec) {
        let name = &spec.name;
        self.drop_members(spec);
        let goal = self.wanted(name) + self.surge_now(spec);
        while self.have(name) > goal {
            let Some((id, costs)) = self.victim(name) else {
                break;
            };
            if !costs {
                self.leave(id, Cause::ScaleIn, spec.timing.drain);
                continue;
            }
            if self.is_reaping(id) {
                if !self.spend_reaping(name) {
                    break;
                }
            } else if !self.spend_scale_in(name) {
                break;
            }
            self.leave(id, Cause::ScaleIn, spec.timing.drain);
        }
        self.replace_old(spec);
    }

    /// Members of a fixed service that its list does not have any more.
    fn drop_members(&mut self, spec: &ServiceSpec) {
        let Template::Fixed { addresses } = &spec.template else {
            return;
        };
        let dropped: Vec<ServerId> = self
            .of(&spec.name)
            .filter(|server| server.counts())
            .filter(|server| server.address.is_none_or(|at| !addresses.contains(&at)))
            .map(|server| server.id)
            .collect();
        for id in dropped {
            self.leave(id, Cause::Stopped, spec.timing.drain);
        }
    }

    /// An adopted unit that never served under this database.
    fn is_reaping(&self, id: ServerId) -> bool {
        self.server(id)
            .is_some_and(|server| server.request.is_none())
    }

    fn spend_reaping(&mut self, name: &ServiceName) -> bool {
        let now = self.now;
        let held = self.holds_scale_in(name);
        let Some(service) = self.fleet.services.get(name) else {
            return false;
        };
        // An operator who stops a service has said so for every unit of it.
        if held || (!service.stopped && budget::REAPING.left(&service.reaped, now) == 0) {
            return false;
        }
        self.edit_service(name, |service| budget::spend(&mut service.reaped, now));
        true
    }

    fn spend_scale_in(&mut self, name: &ServiceName) -> bool {
        let now = self.now;
        let stopped = self.fleet.services.get(name).is_some_and(|it| it.stopped);
        let serving = self
            .of(name)
            .filter(|it| it.phase() == Phase::Serving)
            .count();
        let Some(service) = self.fleet.services.get(name) else {
            return false;
        };
        let left = budget::scale_in_left(serving, &service.scale_ins, now);
        if self.holds_scale_in(name) || (left == 0 && !stopped) {
            return false;
        }
        self.edit_service(name, |service| budget::spend(&mut service.scale_ins, now));
        true
    }

    /// Which server goes first, and whether that costs the service anything.
    fn victim(&self, name: &ServiceName) -> Option<(ServerId, bool)> {
        let template = self.fleet.specs.get(name)?.template_id();
        let key = |server: &Server| {
            let rank = match server.phase() {
                Phase::Quarantined => 0,
                Phase::Planned => 1,
                Phase::Backoff => 2,
                Phase::Launching => 3,
                Phase::Starting => 4,
                Phase::Registering => 5,
                Phase::Warming => 6,
                Phase::Serving => 7,
                Phase::Draining => 8,
                Phase::Terminating | Phase::Gone => return None,
            };
            let suspect = self
                .fleet
                .evidence
                .get(&server.id)
                .is_some_and(|it| it.suspicions(self.now).next().is_some());
            let (requests, tunnels) = self.under_way(server.id);
            let is_new = server.template == template;
            // Youngest last: its caches are cold.
            Some((
                rank,
                !suspect,
                is_new,
                tunnels,
                requests,
                std::cmp::Reverse(server.id),
            ))
        };
        let candidates = self.of(name).filter(|server| server.counts());
        let (_, server) = candidates
            .filter_map(|server| Some((key(server)?, server)))
            .min_by(|(a, _), (b, _)| a.cmp(b))?;
        let costs = match server.phase() {
            Phase::Registering | Phase::Warming | Phase::Serving => true,
            Phase::Planned
            | Phase::Launching
            | Phase::Starting
            | Phase::Draining
            | Phase::Terminating
            | Phase::Backoff
            | Phase::Quarantined
            | Phase::Gone => self.is_reaping(server.id),
        };
        Some((server.id, costs))
    }

    /// While a rollout is on: lets one old server go for each new one that serves, one at a time;
    /// new ones that never served go when it is halted.
    fn replace_old(&mut self, spec: &ServiceSpec) {
        let name = &spec.name;
        let Some(service) = self.fleet.services.get(name) else {
            return;
        };
        let Some(rollout) = service.rollout.clone() else {
            return;
        };
        if rollout.halted {
            let failed: Vec<ServerId> = self
                .of(name)
                .filter(|it| it.counts() && !it.served && it.template == rollout.template)
                .map(|server| server.id)
                .collect();
            for id in failed {
                self.leave(id, Cause::Rollout, spec.timing.drain);
            }
            return;
        }
        let goes = |server: &&Server| {
            matches!(
                server.state,
                State::Draining {
                    why: Cause::Rollout,
                    ..
                } | State::Terminating {
                    why: Cause::Rollout
                }
            )
        };
        if self.of(name).any(|server| goes(&server)) || self.holds_scale_in(name) {
            return;
        }
        let serving = self
            .of(name)
            .filter(|it| it.phase() == Phase::Serving)
            .count();
        let wanted = self.wanted(name);
        let surge = self.surge_now(spec);
        let old = self
            .of(name)
            .filter(|it| it.counts() && it.template != rollout.template)
            .min_by_key(|it| (it.phase() == Phase::Serving, it.id))
            .map(|server| (server.id, server.phase()));
        match old {
            // What does not serve costs nothing.
            Some((id, phase)) if phase != Phase::Serving => {
                self.leave(id, Cause::Rollout, spec.timing.drain);
            }
            Some((id, _)) if serving > wanted || surge == 0 => {
                self.leave(id, Cause::Rollout, spec.timing.drain);
            }
            Some(_) | None => {}
        }
    }

    /// Sends a server on its way out, by the shortest way that cuts nothing.
    pub(super) fn leave(&mut self, id: ServerId, why: Cause, drain: Duration) {
        let now = self.now;
        let Some(server) = self.server(id) else {
            return;
        };
        let has_pool = self
            .fleet
            .specs
            .get(&server.service)
            .map_or_else(|| !self.fleet.pools.is_empty(), |spec| spec.pool.is_some());
        match server.phase() {
            Phase::Planned | Phase::Backoff | Phase::Quarantined => {
                self.goto(id, State::Gone, why.word());
            }
            Phase::Launching => self.edit(id, |server| {
                if let State::Launching { doomed, .. } = &mut server.state {
                    *doomed = true;
                }
            }),
            Phase::Starting => self.goto(id, State::Terminating { why }, why.word()),
            Phase::Registering | Phase::Warming | Phase::Serving if has_pool => {
                let limit = if why == Cause::Verdict {
                    VERDICT_DRAIN
                } else {
                    drain
                };
                self.goto(
                    id,
                    State::Draining {
                        why,
                        deadline: now.plus(limit),
                    },
                    why.word(),
                );
                self.lame_duck(id, true);
            }
            Phase::Registering | Phase::Warming | Phase::Serving => {
                self.goto(id, State::Terminating { why }, why.word());
            }
            Phase::Draining => self.edit(id, |server| {
                if let State::Draining {
                    why: before,
                    deadline,
                } = &mut server.state
                {
                    (*before, *deadline) = (why, (*deadline).min(now.plus(drain)));
                }
            }),
            Phase::Terminating | Phase::Gone => {}
        }
    }

    /// Services that are not in the specification any more: retired within the budget of a
    /// scale-in, since it may have been a mistake.
    fn retire_unspecified(&mut self) {
        let ids: Vec<(ServerId, ServiceName, Phase)> = self
            .fleet
            .servers
            .values()
            .filter(|it| !self.fleet.specs.contains_key(&it.service) && it.counts())
            .map(|it| (it.id, it.service.clone(), it.phase()))
            .collect();
        for (id, name, phase) in ids {
            let costs = matches!(phase, Phase::Registering | Phase::Warming | Phase::Serving);
            if !costs || self.spend_scale_in(&name) {
                self.leave(id, Cause::Stopped, Duration::from_secs(300));
            }
        }
    }
}
