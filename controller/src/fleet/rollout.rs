//! Rollouts: a new template replaces an old one server by server, and halts when its servers fail.

use super::commit::EventKind;
use super::id::{ServerId, ServiceName, TemplateId};
use super::server::{Cause, Phase, Server, State};
use super::service::{Proven, Rollout};
use super::turn::Turn;
use crate::spec::ServiceSpec;

impl Turn<'_> {
    /// Begins, ends or gives up a rollout.
    pub(super) fn roll(&mut self, spec: &ServiceSpec) {
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

    /// One more than wanted while a rollout has old servers left to replace.
    pub(super) fn surge_now(&self, spec: &ServiceSpec) -> usize {
        let service = self.fleet.services.get(&spec.name);
        let rollout = service.and_then(|service| service.rollout.as_ref());
        let rolls = rollout.is_some_and(|rollout| !rollout.halted) && self.wanted(&spec.name) > 0;
        if rolls && !spec.singleton {
            spec.surge.min(1)
        } else {
            0
        }
    }

    /// While a rollout is on: lets one old server go for each new one that serves, one at a time;
    /// new ones that never served go when it is halted.
    pub(super) fn replace_old(&mut self, spec: &ServiceSpec) {
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
}
