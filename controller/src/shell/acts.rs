//! Acts carried out and sources watched, each in a task of its own; results come back as inputs.

use super::Shell;
use crate::failpoint::{self, Side};
use crate::fleet::commit::{Act, Deed, ProviderError};
use crate::fleet::input::Input;
use crate::fleet::time::{Moment, Seen};
use crate::lb_link;
use crate::proto::v1::{FromController, LameDuck, from_controller};
use std::rc::Rc;
use std::time::Duration;

/// From one listing of a provider to the next.
const LIST: Duration = Duration::from_secs(1);
/// From one check of a server without an agent to the next.
const CHECK: Duration = Duration::from_secs(2);

impl Shell {
    /// Starts an act; its result comes back as an input.
    pub(super) fn carry_out(&self, act: Act) {
        let inputs = self.wires.inputs.clone();
        let name = failpoint::act(act.deed());
        failpoint::pass(Side::Before, name);
        match act.deed().clone() {
            Deed::Launch {
                server,
                token,
                template,
                provider,
                request,
            } => {
                let Some(provider) = self.providers.get(&provider).cloned() else {
                    return;
                };
                tokio::task::spawn_local(async move {
                    let result = provider.launch(&token, &template, &request).await;
                    failpoint::pass(Side::After, name);
                    let _ = inputs
                        .send(Input::Launched {
                            server,
                            token,
                            result,
                        })
                        .await;
                });
            }
            Deed::Stop {
                server,
                token,
                provider,
                handle,
                grace,
            } => {
                let Some(provider) = self.providers.get(&provider).cloned() else {
                    return;
                };
                tokio::task::spawn_local(async move {
                    let result = provider.stop(&token, handle.as_ref(), grace).await;
                    failpoint::pass(Side::After, name);
                    let _ = inputs
                        .send(Input::Stopped {
                            server,
                            token,
                            result,
                        })
                        .await;
                });
            }
            Deed::Adopt {
                server,
                token,
                provider,
            } => {
                let Some(provider) = self.providers.get(&provider).cloned() else {
                    return;
                };
                tokio::task::spawn_local(async move {
                    let result: Result<(), ProviderError> = provider.adopt(&token).await;
                    failpoint::pass(Side::After, name);
                    let _ = inputs
                        .send(Input::Adopted {
                            server,
                            token,
                            result,
                        })
                        .await;
                });
            }
            Deed::PutSet {
                lb,
                pool,
                term,
                force,
            } => {
                let Some(target) = self.targets.get(&lb).cloned() else {
                    return;
                };
                let (fleet, clock) = (self.fleet_id.clone(), self.wires.clock);
                tokio::task::spawn_local(async move {
                    let asked_at = clock.now();
                    let result = lb_link::put(&target, &fleet, &pool, term, force).await;
                    failpoint::pass(Side::After, name);
                    let _ = inputs
                        .send(Input::Put {
                            lb,
                            pool,
                            asked_at,
                            result,
                        })
                        .await;
                });
            }
            Deed::LameDuck { token, on, term } => {
                let kind = from_controller::Kind::LameDuck(LameDuck { term: term.0, on });
                self.wires
                    .sessions
                    .send(&token, FromController { kind: Some(kind) });
                failpoint::pass(Side::After, name);
            }
        }
    }

    /// Listings, snapshots and checks, each in a task of its own.
    pub(super) fn watch_everything(&self) {
        for (kind, provider) in &self.providers {
            let (kind, provider) = (*kind, Rc::clone(provider));
            let (inputs, clock) = (self.wires.inputs.clone(), self.wires.clock);
            tokio::task::spawn_local(async move {
                loop {
                    let asked_at = clock.now();
                    let input = match provider.list().await {
                        Ok(listing) => Input::Listed {
                            provider: kind,
                            listing: Seen::new(listing, asked_at),
                        },
                        Err(error) => Input::ListingFailed {
                            provider: kind,
                            error,
                        },
                    };
                    if inputs.send(input).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(LIST).await;
                }
            });
        }
        #[cfg(feature = "kafka")]
        if let Some(bus) = self.spec.controller.bus.clone() {
            let wires = self.wires.clone();
            let watch = crate::bus::watch(bus, wires.clock, wires.inputs, wires.bus);
            tokio::task::spawn_local(watch);
        }
        let mut pools: Vec<_> = self
            .spec
            .services
            .iter()
            .filter_map(|it| it.pool.clone())
            .collect();
        pools.sort();
        pools.dedup();
        for (lb, target) in &self.targets {
            for pool in &pools {
                let watch = lb_link::watch(
                    lb.clone(),
                    target.clone(),
                    pool.clone(),
                    self.wires.clock,
                    self.wires.inputs.clone(),
                );
                tokio::task::spawn_local(watch);
            }
        }
    }

    /// Asks the servers that no agent watches.
    pub(super) fn check(&mut self, now: Moment) {
        if now < self.check_at {
            return;
        }
        self.check_at = now.plus(CHECK);
        let Some(fleet) = &self.fleet else { return };
        for (token, address, how) in fleet.to_check() {
            let (inputs, clock) = (self.wires.inputs.clone(), self.wires.clock);
            tokio::task::spawn_local(async move {
                let asked_at = clock.now();
                let result = crate::check::check(&how, Some(address))
                    .await
                    .unwrap_or(Ok(()));
                let result = Seen::new(result, asked_at);
                let _ = inputs.send(Input::Checked { token, result }).await;
            });
        }
    }
}
