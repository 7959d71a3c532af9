//! How many servers there are and are to be.

use super::commit::{Change, Deed, EventKind};
use super::id::{ServerId, ServiceName, Token};
use super::server::{Cause, Phase, Server, State};
use super::service::Service;
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

    pub(super) fn have(&self, name: &ServiceName) -> usize {
        self.of(name).filter(|server| server.counts()).count()
    }

    pub(super) fn is_short(&self, name: &ServiceName) -> bool {
        self.fleet.specs.contains_key(name) && self.have(name) < self.wanted(name)
    }

    pub(super) fn holds_growth(&self, name: &ServiceName) -> bool {
        self.fleet
            .holds
            .iter()
            .any(|hold| hold.covers(name) && hold.kind.forbids_growth())
    }

    pub(super) fn holds_scale_in(&self, name: &ServiceName) -> bool {
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
            Template::Process { .. } | Template::Docker(_) | Template::Exec(_) => None,
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

    /// Plans what is missing; takes back what is being drained first, since the cheapest server is
    /// one that still runs.
    pub(super) fn fill(&mut self, spec: &ServiceSpec) {
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

    pub(super) fn lame_duck(&mut self, id: ServerId, on: bool) {
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
    pub(super) fn plan(&mut self, spec: &ServiceSpec) -> bool {
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
}
