//! Which server leaves when there are too many, at what pace, and how it leaves.

use super::advance::VERDICT_DRAIN;
use super::budget;
use super::id::{ServerId, ServiceName};
use super::server::{Cause, Phase, Server, State};
use super::turn::Turn;
use crate::spec::{ServiceSpec, Template};
use std::time::Duration;

impl Turn<'_> {
    /// Lets the surplus go, first what serves nothing.
    pub(super) fn shrink(&mut self, spec: &ServiceSpec) {
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
    pub(super) fn retire_unspecified(&mut self) {
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
