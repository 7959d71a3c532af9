//! What the sources report: agents, the provider's listing, the snapshot of lb.

use super::{Running, World, lb_name, pool_name};
use crate::fleet::commit::Admit;
use crate::fleet::id::{Handle, Token};
use crate::fleet::input::{
    AgentNews, BackendState, BackendView, Input, Listing, PoolSnapshot, Unit,
};
use crate::fleet::time::Seen;
use crate::spec::ProviderKind;
use std::time::Duration;

impl World {
    pub(super) fn observations(&mut self) -> Vec<Input> {
        let now = self.now;
        let mut inputs = vec![Input::Tick];
        for (token, unit) in &self.units {
            if !unit.has_agent {
                continue;
            }
            if !unit.is_alive {
                let news = AgentNews::Exit {
                    how: "exited with 1".into(),
                };
                inputs.push(Input::Agent {
                    token: token.clone(),
                    at: now,
                    news,
                });
                continue;
            }
            let answers = unit.ready_at <= now && !unit.is_hung;
            let check = Some(if answers {
                Ok(())
            } else {
                Err("no answer".to_owned())
            });
            let news = AgentNews::Status {
                load: Some(0.5),
                check,
                connections: Some(0),
            };
            inputs.push(Input::Agent {
                token: token.clone(),
                at: now,
                news,
            });
        }
        if self.now.0.is_multiple_of(1_000) {
            inputs.push(self.listing());
            if self.lb.is_up {
                inputs.push(self.snapshot());
            } else {
                let why = "connection refused".to_owned();
                inputs.push(Input::LbFailed {
                    lb: lb_name(),
                    pool: None,
                    why,
                });
            }
        }
        inputs
    }

    fn listing(&mut self) -> Input {
        let complete = !self.chance(self.faults.incomplete_listing);
        let mut items = Vec::new();
        let units: Vec<(Token, Running)> = self
            .units
            .iter()
            .map(|(token, unit)| (token.clone(), unit.clone()))
            .collect();
        for (token, unit) in units {
            if !complete && self.chance(500) {
                continue;
            }
            items.push(Unit {
                handle: Handle::new(format!("unit-{token}")),
                token,
                address: unit.address,
                template: None,
                alive: if unit.is_alive {
                    Ok(())
                } else {
                    Err("exited with 1".into())
                },
                has_agent: unit.has_agent,
                wrong: None,
            });
        }
        let listing = Seen::new(
            Listing {
                items,
                complete,
                proof: 1,
            },
            self.now,
        );
        Input::Listed {
            provider: ProviderKind::Process,
            listing,
        }
    }

    fn snapshot(&self) -> Input {
        let mut snapshot = PoolSnapshot {
            boot_id: self.lb.boot.to_string(),
            ..PoolSnapshot::default()
        };
        let backends = self.lb.set.iter().flat_map(|(_, pool)| &pool.backends);
        for backend in backends {
            let at = |it: &&Running| it.address == Some(backend.address);
            let living = self.units.values().filter(at).find(|it| it.is_alive);
            let unit = living.or_else(|| self.units.values().find(at));
            let answers =
                unit.is_some_and(|it| it.is_alive && !it.is_hung && it.ready_at <= self.now);
            let known = self
                .lb
                .known
                .get(&backend.name)
                .copied()
                .unwrap_or(self.now);
            let state = if backend.admit == Admit::Drain {
                BackendState::Out
            } else if !answers {
                BackendState::Ejected
            } else if self.is_idle || self.now.since(known) < Duration::from_secs(1) {
                BackendState::Trial
            } else {
                BackendState::Healthy
            };
            let view = BackendView {
                state,
                cause: "silence".into(),
                in_flight: unit.map_or(0, |it| it.in_flight),
                responses: if answers { self.now.0 } else { 0 },
                ..BackendView::default()
            };
            snapshot.backends.insert(backend.name.clone(), view);
        }
        let snapshot = Seen::new(snapshot, self.now);
        Input::Snapshot {
            lb: lb_name(),
            pool: pool_name(),
            snapshot,
        }
    }
}
