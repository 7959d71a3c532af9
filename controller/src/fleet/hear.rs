//! Inputs into observations; conclusive facts into transitions.

use super::backoff;
use super::commit::{Deed, EventKind, LaunchResult, ProviderError};
use super::evidence::Vantage;
use super::id::{ServerId, ServiceName, Token};
use super::input::{AgentNews, Input, Listing, Unit};
use super::server::{Cause, Phase, Server, State};
use super::service::ROLLOUT_FAILURES;
use super::time::{Moment, Seen};
use super::turn::Turn;
use super::{Agent, Provider};
use crate::spec::ProviderKind;
use std::collections::BTreeMap;
use std::time::Duration;

/// A call to a provider that has not been answered after this long counts as lost.
pub(super) const LOST_CALL: Duration = Duration::from_secs(30);
/// From one try to have an agent take over a unit to the next.
const ADOPT_AGAIN: Duration = Duration::from_secs(3);

impl Turn<'_> {
    pub(super) fn hear(&mut self, input: Input) {
        match input {
            Input::Tick => {}
            Input::Launched {
                server,
                token,
                result,
            } => self.launched(server, &token, result),
            Input::Stopped {
                server,
                token,
                result,
            } => self.stopped(server, &token, result),
            Input::Adopted {
                server,
                token,
                result,
            } => {
                if let (Some(id), Err(error)) = (self.current(server, &token), result) {
                    let text = format!("no agent takes it over: {}", error.text());
                    self.server_event(id, EventKind::Adopted, text);
                }
            }
            Input::Listed { provider, listing } => self.listed(provider, listing),
            Input::ListingFailed { provider, error } => {
                let now = self.now;
                let provider = self.fleet.listings.entry(provider).or_default();
                let since = provider
                    .failing_since
                    .take()
                    .map_or(now, |(since, _)| since);
                provider.failing_since = Some((since, error));
            }
            Input::Agent { token, at, news } => self.agent(&token, at, news),
            Input::Checked { token, result } => {
                let asked_at = result.asked_at();
                if let (Some(id), Some(result)) =
                    (self.by_token(&token), result.after(Moment::default()))
                {
                    let evidence = self.fleet.evidence.entry(id).or_default();
                    evidence.check(Vantage::Remote, result, asked_at);
                }
            }
            Input::Snapshot { lb, pool, snapshot } => self.snapshot(&lb, &pool, snapshot),
            Input::LbFailed { lb, pool, why } => self.lb_failed(&lb, pool.as_ref(), why),
            Input::Put {
                lb,
                pool,
                asked_at,
                result,
            } => self.put(&lb, pool, asked_at, result),
        }
    }

    /// The server, if `token` is still its incarnation: answers about earlier ones are dropped.
    fn current(&self, id: ServerId, token: &Token) -> Option<ServerId> {
        self.server(id)
            .filter(|server| server.token == *token)
            .map(|server| server.id)
    }

    fn by_token(&self, token: &Token) -> Option<ServerId> {
        let servers = self.fleet.servers.values();
        let mut with_it = servers.filter(|it| it.token == *token && it.phase().may_exist());
        with_it.next().map(|server| server.id)
    }

    fn launched(&mut self, id: ServerId, token: &Token, result: LaunchResult) {
        let Some(id) = self.current(id, token) else {
            return;
        };
        self.asked(id).launch = None;
        let now = self.now;
        let Some(server) = self.server(id) else {
            return;
        };
        let State::Launching {
            tries,
            maybe,
            doomed,
            ..
        } = server.state
        else {
            return;
        };
        let again = |maybe, wait| State::Launching {
            tries,
            maybe,
            retry_at: now.plus(wait),
            doomed,
        };
        match result {
            LaunchResult::Launched { handle, address } => {
                self.edit(id, |server| {
                    server.handle = Some(handle);
                    server.address = address.or(server.address);
                });
                self.exists(id);
            }
            LaunchResult::Failed(ProviderError::AddressTaken(why)) => {
                if let Some(address) = server.address {
                    self.fleet.taken.insert(address, now);
                }
                self.goto(id, State::Backoff { until: now }, &why);
            }
            LaunchResult::Failed(
                error @ (ProviderError::Invalid(_) | ProviderError::Denied(_)),
            ) if !maybe => {
                let denied = matches!(error, ProviderError::Denied(_));
                self.failed_start(id);
                let why = error.text().to_owned();
                let retry_at = denied.then(|| now.plus(backoff::HALF_OPEN));
                self.goto(
                    id,
                    State::Quarantined {
                        why: why.clone(),
                        retry_at,
                    },
                    &why,
                );
            }
            LaunchResult::Failed(error) => {
                let unknown = matches!(error, ProviderError::Unknown(_));
                let wait = backoff::wait(tries as usize + 1, id.0).max(Duration::from_secs(1));
                self.goto(id, again(maybe || unknown, wait), "");
                let text = format!("launch failed: {}", error.text());
                self.server_event(id, EventKind::State, text);
            }
        }
    }

    /// A unit that was asked for is there.
    fn exists(&mut self, id: ServerId) {
        let doomed = self
            .server(id)
            .is_some_and(|it| matches!(it.state, State::Launching { doomed: true, .. }));
        if doomed {
            let why = "not wanted any more";
            self.goto(
                id,
                State::Terminating {
                    why: Cause::ScaleIn,
                },
                why,
            );
        } else {
            self.goto(id, State::Starting, "");
        }
    }

    fn stopped(&mut self, id: ServerId, token: &Token, result: Result<bool, ProviderError>) {
        let Some(id) = self.current(id, token) else {
            return;
        };
        if self
            .server(id)
            .is_none_or(|it| it.phase() != Phase::Terminating)
        {
            return;
        }
        match result {
            Ok(true) => self.confirmed_gone(id, "stopped"),
            Ok(false) => {}
            // Asked again once the time for a stop is over: see `call_stop`.
            Err(error) => {
                let text = format!("stop failed: {}", error.text());
                self.server_event(id, EventKind::State, text);
            }
        }
    }

    fn listed(&mut self, kind: ProviderKind, seen: Seen<Listing>) {
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

    fn agent(&mut self, token: &Token, at: Moment, news: AgentNews) {
        let Some(id) = self.by_token(token) else {
            return;
        };
        let is_load = matches!(news, AgentNews::Load { .. });
        let agent = self
            .fleet
            .agents
            .entry(token.clone())
            .or_insert_with(|| Agent {
                heard: at,
                is_connected: !is_load,
                load: None,
                reports_itself: false,
                check: None,
                idle_since: None,
                is_lame: false,
            });
        if !is_load {
            agent.heard = agent.heard.max(at);
            agent.is_connected = true;
        }
        match news {
            AgentNews::Hello {
                attempt,
                alone_starts,
            } => {
                agent.is_lame = false;
                self.counted_starts(id, attempt, alone_starts);
            }
            AgentNews::Status {
                load,
                check,
                connections,
            } => {
                // A status that was sent for another reason has none, and takes none away.
                if let Some(load) = load.filter(|_| !agent.reports_itself) {
                    agent.load = Some((load.clamp(0.0, 1.0), at));
                }
                match connections {
                    Some(0) => agent.idle_since = agent.idle_since.or(Some(at)),
                    Some(_) | None => agent.idle_since = None,
                }
                if let Some(check) = &check {
                    agent.check = Some(check.as_ref().err().cloned());
                    let evidence = self.fleet.evidence.entry(id).or_default();
                    evidence.check(Vantage::Beside, check, at);
                }
            }
            AgentNews::Load { load } => {
                agent.reports_itself = true;
                agent.load = Some((load.clamp(0.0, 1.0), at));
            }
            AgentNews::Exit { how } => self.died(id, &how),
            AgentNews::Lost => agent.is_connected = false,
        }
    }

    /// Takes over what an agent did while it was alone.
    fn counted_starts(&mut self, id: ServerId, attempt: u32, alone_starts: u32) {
        let Some(server) = self.server(id) else {
            return;
        };
        if attempt <= server.attempt {
            return;
        }
        let new = attempt
            .saturating_sub(server.attempt.max(1))
            .min(alone_starts);
        let now = self.now;
        self.edit(id, |server| {
            server.attempt = attempt;
            server.deaths.extend((0..new.min(5)).map(|_| now));
        });
        if new > 0 {
            let text = format!("its agent started it again while no controller led: {new} times");
            self.server_event(id, EventKind::State, text);
        }
    }

    /// A conclusive death. The unit still has to be confirmed gone.
    pub(super) fn died(&mut self, id: ServerId, how: &str) {
        let now = self.now;
        let Some(server) = self.server(id) else {
            return;
        };
        let why = match &server.state {
            State::Starting | State::Registering | State::Warming | State::Serving => Cause::Died,
            State::Draining { why, .. } => *why,
            State::Planned
            | State::Launching { .. }
            | State::Terminating { .. }
            | State::Backoff { .. }
            | State::Quarantined { .. }
            | State::Gone => return,
        };
        if why == Cause::Died {
            self.edit(id, |server| server.deaths.push(now));
            self.failed_start(id);
        }
        self.goto(id, State::Terminating { why }, how);
    }

    /// Counts a start that failed against the rollout that it belongs to.
    pub(super) fn failed_start(&mut self, id: ServerId) {
        let Some(server) = self.server(id).filter(|it| !it.served) else {
            return;
        };
        let (name, template) = (server.service.clone(), server.template.clone());
        let Some(service) = self.fleet.services.get(&name) else {
            return;
        };
        let Some(rollout) = &service.rollout else {
            return;
        };
        if rollout.template != template || rollout.proven || rollout.halted {
            return;
        }
        let halted = rollout.failed + 1 >= ROLLOUT_FAILURES;
        self.edit_service(&name, |service| {
            if let Some(rollout) = &mut service.rollout {
                rollout.failed += 1;
                rollout.halted = halted;
            }
        });
        if halted {
            let text = format!(
                "halted: {ROLLOUT_FAILURES} servers of template {template} failed before one \
                 served; the others stay as they are"
            );
            self.event(EventKind::Rollout, Some(&name), text);
        }
    }

    /// The unit of a terminating server is confirmed absent: the slot starts again, or is over.
    pub(super) fn confirmed_gone(&mut self, id: ServerId, how: &str) {
        let now = self.now;
        let Some(server) = self.server(id) else {
            return;
        };
        let State::Terminating { why } = server.state else {
            return;
        };
        let (name, token) = (server.service.clone(), server.token.clone());
        self.fleet.agents.remove(&token);
        let wanted = match why {
            Cause::Died | Cause::FailedStart | Cause::Restart => {
                self.fleet.specs.contains_key(&name)
            }
            Cause::Verdict => self.is_short(&name),
            Cause::ScaleIn | Cause::Rollout | Cause::Operator | Cause::Stale | Cause::Stopped => {
                false
            }
        };
        if !wanted {
            self.goto(id, State::Gone, how);
            return;
        }
        self.edit(id, |server| backoff::forget(&mut server.deaths, now));
        let Some(server) = self.server(id) else {
            return;
        };
        let deaths = server.deaths.len();
        if deaths >= backoff::CRASH_LOOP && why.is_failure() {
            let text = format!("{deaths} deaths in 10 minutes");
            let retry_at = Some(now.plus(backoff::HALF_OPEN));
            self.goto(
                id,
                State::Quarantined {
                    why: text.clone(),
                    retry_at,
                },
                &text,
            );
            return;
        }
        let salt = id.0 << 32 | u64::from(server.incarnation);
        let wait = if why.is_failure() {
            backoff::wait(deaths, salt)
        } else {
            Duration::ZERO
        };
        let text = format!("{how}; starts again in {:.1} s", wait.as_secs_f64());
        self.goto(
            id,
            State::Backoff {
                until: now.plus(wait),
            },
            &text,
        );
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
