//! Inputs into observations; conclusive facts into transitions.

use super::Agent;
use super::backoff;
use super::commit::{EventKind, LaunchResult, ProviderError};
use super::evidence::Vantage;
use super::id::{ServerId, Token};
use super::input::{AgentNews, BusNews, Input};
use super::server::{Cause, Phase, State};
use super::time::Moment;
use super::turn::Turn;
use std::time::Duration;

/// A call to a provider that has not been answered after this long counts as lost.
pub(super) const LOST_CALL: Duration = Duration::from_secs(30);
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
            Input::Bus(news) => self.bus(news),
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
    pub(super) fn current(&self, id: ServerId, token: &Token) -> Option<ServerId> {
        self.server(id)
            .filter(|server| server.token == *token)
            .map(|server| server.id)
    }

    pub(super) fn by_token(&self, token: &Token) -> Option<ServerId> {
        // Its own slot, as a rule; a late unit of an earlier incarnation has another.
        let slot = token.parse(&self.fleet.id).map(|(_, slot, _)| slot);
        let own = slot.and_then(|slot| self.server(slot));
        if let Some(own) = own.filter(|it| it.token == *token && it.phase().may_exist()) {
            return Some(own.id);
        }
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
    pub(super) fn exists(&mut self, id: ServerId) {
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

    fn bus(&mut self, news: BusNews) {
        let Some(statuses) = &mut self.fleet.statuses else {
            return;
        };
        match news {
            BusNews::Read { part, of, at } => statuses.read(&part, of, at),
            BusNews::Failed { part, why, at } => statuses.failed(&part, why, at),
            BusNews::Gone { part } => statuses.gone(&part),
            BusNews::Status {
                subject,
                part,
                at,
                load,
                check,
            } => {
                let servers = self.fleet.servers.values();
                let tokens: Vec<Token> = servers
                    .filter(|it| it.phase().may_exist() && it.subjects().contains(&subject))
                    .map(|it| it.token.clone())
                    .collect();
                // What no server stands for is not kept: anybody can write to a bus.
                if !tokens.is_empty()
                    && let Some(statuses) = &mut self.fleet.statuses
                {
                    statuses.heard(subject, &part, at);
                }
                for token in tokens {
                    let news = AgentNews::Status {
                        load,
                        check: check.clone(),
                        connections: None,
                    };
                    self.agent(&token, at, news);
                }
            }
        }
    }

    pub(super) fn agent(&mut self, token: &Token, at: Moment, news: AgentNews) {
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
}
