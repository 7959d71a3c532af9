//! What providers list: units that are there, that are missing, and that no row stands for.

use super::Provider;
use super::commit::{Deed, EventKind};
use super::evidence::Vantage;
use super::id::{ServerId, ServiceName, Token};
use super::input::{Listing, Unit};
use super::server::{Cause, Phase, Server, State};
use super::time::{Moment, Seen};
use super::turn::Turn;
use crate::spec::ProviderKind;
use std::collections::BTreeMap;
use std::time::Duration;

/// From one try to have an agent take over a unit to the next.
const ADOPT_AGAIN: Duration = Duration::from_secs(3);

impl Turn<'_> {
    pub(super) fn listed(&mut self, kind: ProviderKind, seen: Seen<Listing>) {
        let asked_at = seen.asked_at();
        let provider = self.fleet.listings.entry(kind).or_default();
        if provider
            .listing
            .as_ref()
            .is_some_and(|before| before.asked_at() >= asked_at)
        {
            return;
        }
        provider.failing_since = None;
        provider.listing = Some(seen.clone());
        let Some(listing) = seen.after(Moment::default()) else {
            return;
        };
        let items: BTreeMap<&Token, &Unit> = listing
            .items
            .iter()
            .map(|unit| (&unit.token, unit))
            .collect();
        for id in self.ids() {
            let Some(server) = self.server(id) else {
                continue;
            };
            if server.provider != kind || !server.phase().may_exist() {
                continue;
            }
            let token = server.token.clone();
            match items.get(&token) {
                Some(unit) => self.present(id, unit),
                None if listing.complete => self.missing(id, kind, asked_at, listing.proof),
                None => {}
            }
        }
        for unit in listing.items.iter().filter(|unit| unit.alive.is_ok()) {
            if self.by_token(&unit.token).is_none() {
                self.unclaimed(kind, unit);
            }
        }
        if let Some(provider) = self.fleet.listings.get_mut(&kind) {
            provider
                .unknown
                .retain(|token, _| items.contains_key(token));
        }
    }

    /// A unit of ours is in a listing.
    fn present(&mut self, id: ServerId, unit: &Unit) {
        let now = self.now;
        let Some(server) = self.server(id) else {
            return;
        };
        let (phase, kind) = (server.phase(), server.provider);
        if let Some(provider) = self.fleet.listings.get_mut(&kind) {
            provider.missing.remove(&unit.token);
        }
        if phase == Phase::Launching {
            let (handle, address) = (unit.handle.clone(), unit.address);
            self.edit(id, |server| {
                server.handle = Some(handle);
                server.address = address.or(server.address);
            });
            self.exists(id);
        }
        // Some providers know the address only once the unit runs.
        if let (None, Some(address)) = (self.server(id).and_then(|it| it.address), unit.address) {
            self.edit(id, |server| server.address = Some(address));
        }
        if let Err(how) = &unit.alive {
            self.died(id, how);
            self.confirmed_gone(id, how);
            return;
        }
        let evidence = self.fleet.evidence.entry(id).or_default();
        evidence.hear(Vantage::Provider, unit.wrong.clone(), now);
        let wants_agent = kind.has_agents() && !unit.has_agent;
        let asked = self.asked(id).adopt;
        if wants_agent
            && matches!(
                phase,
                Phase::Starting
                    | Phase::Registering
                    | Phase::Warming
                    | Phase::Serving
                    | Phase::Draining
            )
            && asked.is_none_or(|at| now.since(at) > ADOPT_AGAIN)
        {
            self.asked(id).adopt = Some(now);
            let text = "its agent is gone; a new one takes it over".to_owned();
            self.server_event(id, EventKind::Adopted, text);
            let token = unit.token.clone();
            self.act(Deed::Adopt {
                server: id,
                token,
                provider: kind,
            });
        }
    }

    /// A complete listing lacks a unit: conclusive once enough of them do, each asked for after
    /// the server came to its state.
    fn missing(&mut self, id: ServerId, kind: ProviderKind, asked_at: Moment, proof: u32) {
        let Some(server) = self.server(id) else {
            return;
        };
        // A launch that no listing shows is repeated, with the same token.
        if server.phase() == Phase::Launching || asked_at <= server.since {
            return;
        }
        let token = server.token.clone();
        let Some(provider) = self.fleet.listings.get_mut(&kind) else {
            return;
        };
        let count = provider.missing.entry(token.clone()).or_default();
        *count += 1;
        if *count < proof {
            return;
        }
        provider.missing.remove(&token);
        self.died(id, "its provider does not list it any more");
        self.confirmed_gone(id, "not listed any more");
    }

    /// A unit of this fleet that no living row stands for.
    fn unclaimed(&mut self, kind: ProviderKind, unit: &Unit) {
        let of_gone = self
            .fleet
            .servers
            .values()
            .find(|it| it.token == unit.token && it.phase() == Phase::Gone)
            .map(|server| server.id);
        if let Some(id) = of_gone {
            self.goto(
                id,
                State::Terminating { why: Cause::Stale },
                "its unit turned up late",
            );
            return;
        }
        let Some((service, slot, incarnation)) = unit.token.parse(&self.fleet.id) else {
            self.report_unknown(kind, unit, "its token cannot be read");
            return;
        };
        let row = self.server(slot).filter(|row| row.service == service);
        let planned = row.filter(|it| it.phase() == Phase::Planned && it.token == unit.token);
        if let Some(id) = planned.map(|server| server.id) {
            // Planned in a database that was restored; launched in the one before.
            let state = State::Launching {
                tries: 1,
                maybe: true,
                retry_at: self.now,
                doomed: false,
            };
            self.goto(id, state, "its unit is there already");
            self.present(id, unit);
            return;
        }
        let stale = row.is_some_and(|row| row.incarnation >= incarnation);
        if !stale && !self.fleet.specs.contains_key(&service) {
            self.report_unknown(kind, unit, "its service is not in the specification");
            return;
        }
        self.adopt(kind, unit, service, slot, incarnation, stale);
    }

    fn adopt(
        &mut self,
        kind: ProviderKind,
        unit: &Unit,
        service: ServiceName,
        slot: ServerId,
        incarnation: u32,
        stale: bool,
    ) {
        let id = if self.fleet.servers.contains_key(&slot) {
            self.next_server()
        } else {
            slot
        };
        self.claim(id);
        let state = if stale {
            State::Terminating { why: Cause::Stale }
        } else {
            State::Starting
        };
        let template = self
            .fleet
            .specs
            .get(&service)
            .map(|spec| spec.template_id());
        let Some(template) = unit.template.clone().or(template) else {
            self.report_unknown(kind, unit, "its service is not in the specification");
            return;
        };
        let server = Server {
            id,
            service,
            provider: kind,
            incarnation,
            token: unit.token.clone(),
            handle: Some(unit.handle.clone()),
            address: unit.address,
            template,
            request: None,
            state,
            since: self.now,
            deaths: Vec::new(),
            served: false,
            attempt: 0,
            version: 0,
        };
        let text = if stale {
            format!(
                "{} of an earlier incarnation turned up: stopping it",
                unit.token
            )
        } else {
            format!("{} runs and no row stands for it: adopted", unit.token)
        };
        self.insert(server, text.clone());
        self.server_event(id, EventKind::Adopted, text);
    }

    fn report_unknown(&mut self, kind: ProviderKind, unit: &Unit, why: &str) {
        let now = self.now;
        let provider = self.fleet.listings.entry(kind).or_default();
        if provider.unknown.insert(unit.token.clone(), now).is_none() {
            let text = format!("{} runs and is left alone: {why}", unit.token);
            self.event(EventKind::Adopted, None, text);
        }
    }
}

impl Provider {
    /// A complete listing was seen: what is not in the rows and runs is known.
    pub(super) fn is_known(&self) -> bool {
        let complete = |seen: &Seen<Listing>| {
            seen.after(Moment::default())
                .is_some_and(|listing| listing.complete)
        };
        self.listing.as_ref().is_some_and(complete)
    }
}
