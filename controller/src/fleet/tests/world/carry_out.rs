//! Carries acts out: launches and stops units, takes sets as lb would.

use super::{Running, World};
use crate::fleet::commit::{Act, Admit, Backend, Deed, LaunchResult, Pool, ProviderError};
use crate::fleet::id::{Handle, Term, Token};
use crate::fleet::input::{Input, PutResult};
use crate::fleet::server::Phase;
use crate::spec::Request;
use std::time::Duration;

impl World {
    pub(super) fn carry_out(&mut self, act: &Act) -> Option<Input> {
        match act.deed().clone() {
            Deed::Launch {
                server,
                token,
                request,
                ..
            } => {
                self.launch_calls += 1;
                let result = self.launch(&token, &request);
                Some(Input::Launched {
                    server,
                    token,
                    result,
                })
            }
            Deed::Stop { server, token, .. } => {
                let phase = self
                    .fleet
                    .servers
                    .get(&server)
                    .map(|it| (it.phase(), it.token.clone()));
                assert_eq!(phase, Some((Phase::Terminating, token.clone())), "I4");
                if let Some(unit) = self.units.remove(&token) {
                    self.cut += unit.in_flight;
                }
                Some(Input::Stopped {
                    server,
                    token,
                    result: Ok(true),
                })
            }
            Deed::Adopt { server, token, .. } => {
                if let Some(unit) = self.units.get_mut(&token) {
                    unit.has_agent = true;
                }
                Some(Input::Adopted {
                    server,
                    token,
                    result: Ok(()),
                })
            }
            Deed::PutSet { lb, pool, term, .. } => {
                let asked_at = self.now;
                let result = self.put(&pool, term);
                Some(Input::Put {
                    lb,
                    pool,
                    asked_at,
                    result,
                })
            }
            Deed::LameDuck { .. } => None,
        }
    }

    fn launch(&mut self, token: &Token, request: &Request) -> LaunchResult {
        let handle = Handle::new(format!("unit-{token}"));
        if !self.made.contains_key(token) && self.chance(self.faults.failed_launch) {
            return LaunchResult::Failed(ProviderError::Transient("no room".into()));
        }
        if let Some(unit) = self.units.get(token) {
            return LaunchResult::Launched {
                handle,
                address: unit.address,
            };
        }
        if self.made.contains_key(token) {
            // Idempotent by token: what it made is gone, and it makes nothing again.
            return LaunchResult::Launched {
                handle,
                address: request.address(),
            };
        }
        *self.made.entry(token.clone()).or_default() += 1;
        let start = Duration::from_millis(500 + self.below(2_000));
        let unit = Running {
            address: request.address(),
            ready_at: self.now.plus(start),
            is_alive: !self.broken,
            is_hung: false,
            has_agent: true,
            in_flight: 0,
        };
        self.units.insert(token.clone(), unit);
        LaunchResult::Launched {
            handle,
            address: request.address(),
        }
    }

    fn put(&mut self, pool: &Pool, term: Term) -> PutResult {
        if !self.lb.is_up {
            return PutResult::Failed("connection refused".into());
        }
        if let Some((known, set)) = &self.lb.set
            && (*known, set.revision) > (term, pool.revision)
        {
            let (term, revision) = (Some(*known), Some(set.revision));
            return PutResult::Fenced {
                term,
                revision,
                other_fleet: false,
            };
        }
        let picked = |pool: &Pool| {
            let kept = |it: &&Backend| it.admit != Admit::Drain;
            pool.backends.iter().filter(kept).count()
        };
        let before = self.lb.set.as_ref().map_or(0, |(_, set)| picked(set));
        if self.lb.guards && picked(pool) * 2 < before {
            return PutResult::TooFew(format!("{} of {before} would be left", picked(pool)));
        }
        for backend in &pool.backends {
            self.lb
                .known
                .entry(backend.name.clone())
                .or_insert(self.now);
        }
        self.lb.set = Some((term, pool.clone()));
        PutResult::Taken {
            boot_id: self.lb.boot.to_string(),
        }
    }
}
