//! Holds, and evidence into verdicts.

use super::budget;
use super::commit::EventKind;
use super::evidence::Vantage;
use super::hold::{Hold, HoldKind};
use super::id::{ServerId, ServiceName};
use super::input::BackendState;
use super::server::{Cause, Phase, Server};
use super::sets::REACHABLE;
use super::statuses::Silence;
use super::time::Moment;
use super::turn::Turn;
use std::time::Duration;

/// How long a fresh or stalled controller only watches.
const OBSERVING: Duration = Duration::from_secs(15);
/// A gap between two steps after which everything known counts as old.
const PAUSE: Duration = Duration::from_secs(5);
/// An agent that has not been heard for three intervals is silent.
const SILENT: Duration = Duration::from_secs(15);
/// A provider that fails for this long is held.
const FAILING: Duration = Duration::from_secs(10);
/// Lines about a verdict that the budget forbids come this often.
const TELL_EVERY_MS: u64 = 30_000;

impl Turn<'_> {
    pub(super) fn judge(&mut self) {
        if self.now.since(self.fleet.last_step) > PAUSE {
            self.fleet.observing_since = self.now;
        }
        self.gather();
        self.hold();
        self.decide_verdicts();
    }

    /// Opinions that follow from what several sources say together, or do not say.
    fn gather(&mut self) {
        let now = self.now;
        for id in self.ids() {
            let Some(server) = self.server(id) else {
                continue;
            };
            if !matches!(
                server.phase(),
                Phase::Warming | Phase::Serving | Phase::Draining
            ) {
                continue;
            }
            let silence = self.silence(server);
            let traffic = self.traffic(server);
            let evidence = self.fleet.evidence.entry(id).or_default();
            if let Some(silence) = silence {
                evidence.hear(Vantage::Agent, silence, now);
            }
            if let Some(traffic) = traffic {
                evidence.hear(Vantage::Traffic, traffic, now);
            }
        }
    }

    /// `None`: nothing can be said. `Some(None)`: it is heard.
    fn silence(&self, server: &Server) -> Option<Option<String>> {
        if !server.provider.has_agents() {
            return self.silence_on_bus(server);
        }
        let heard = self
            .fleet
            .agents
            .get(&server.token)
            .map(|agent| agent.heard);
        let since = heard.unwrap_or(self.fleet.observing_since.max(server.since));
        let silent = self.now.since(since);
        Some((silent > SILENT).then(|| format!("agent silent for {} s", silent.as_secs())))
    }

    /// The same of a server that has no session and speaks over the bus.
    fn silence_on_bus(&self, server: &Server) -> Option<Option<String>> {
        let statuses = self.fleet.statuses.as_ref()?;
        let floor = self.fleet.observing_since.max(server.since);
        match statuses.silence(&server.subjects(), self.now, floor) {
            Silence::Unknown | Silence::Within(_) => Some(None),
            Silence::TooLong(silent) => {
                let text = format!("no status on the bus for {} s", silent.as_secs());
                Some(Some(text))
            }
        }
    }

    /// Every lb that can be reached has ejected it.
    fn traffic(&self, server: &Server) -> Option<Option<String>> {
        let pool = self.fleet.specs.get(&server.service)?.pool.as_ref()?;
        let views = self.seen_as(server, pool);
        let (_, cause) = views.first()?;
        let ejected = views
            .iter()
            .all(|(state, _)| *state == BackendState::Ejected);
        Some(ejected.then(|| format!("ejected by lb ({cause})")))
    }

    fn hold(&mut self) {
        let mut holds = Vec::new();
        self.hold_while_observing(&mut holds);
        self.hold_when_cut_off(&mut holds);
        self.hold_by_provider(&mut holds);
        self.hold_by_bus(&mut holds);
        self.hold_by_lb(&mut holds);
        for service in self.fleet.services.values() {
            if let Some(why) = &service.paused {
                holds.push(self.new_hold(HoldKind::Operator, Some(&service.name), why.clone()));
            }
        }
        let before = std::mem::take(&mut self.fleet.holds);
        let same = |a: &Hold, b: &Hold| a.kind == b.kind && a.service == b.service;
        for hold in &mut holds {
            match before.iter().find(|it| same(it, hold)) {
                Some(known) => hold.since = known.since,
                None => {
                    let text = format!("{} begins: {}", hold.kind.word(), hold.why);
                    self.event(EventKind::Hold, hold.service.clone().as_ref(), text);
                }
            }
        }
        for over in before
            .iter()
            .filter(|it| !holds.iter().any(|hold| same(it, hold)))
        {
            let text = format!("{} ends", over.kind.word());
            self.event(EventKind::Hold, over.service.as_ref(), text);
        }
        self.fleet.holds = holds;
    }

    fn new_hold(&self, kind: HoldKind, service: Option<&ServiceName>, why: String) -> Hold {
        Hold {
            kind,
            service: service.cloned(),
            since: self.now,
            why,
        }
    }

    /// Until the time is up and every source has been heard once, or is known not to answer.
    fn hold_while_observing(&self, holds: &mut Vec<Hold>) {
        let since = self.fleet.observing_since;
        let early = self.now.since(since) < OBSERVING;
        let unheard_provider = self.fleet.specs.values().any(|spec| {
            let provider = self.fleet.listings.get(&spec.provider());
            provider.is_none_or(|it| {
                let asked_at = it.listing.as_ref().map(|listing| listing.asked_at());
                it.failing_since.is_none() && asked_at.is_none_or(|at| at < since)
            })
        });
        // An lb is asked about pools alone: without any there is nothing to wait for.
        let has_pools = self.fleet.specs.values().any(|spec| spec.pool.is_some());
        let unheard_lb = has_pools
            && self
                .fleet
                .lbs
                .values()
                .any(|lb| lb.trouble.is_none() && lb.answered.is_none_or(|at| at < since));
        let unheard_bus = self
            .fleet
            .statuses
            .as_ref()
            .is_some_and(|it| !it.is_known_since(since));
        if early || unheard_provider || unheard_lb || unheard_bus {
            let why = if early {
                "the controller just started or stood still"
            } else {
                "not every source has been heard"
            };
            holds.push(self.new_hold(HoldKind::Observing, None, why.to_owned()));
        }
    }

    fn hold_when_cut_off(&self, holds: &mut Vec<Hold>) {
        let serving: Vec<&Server> = self
            .fleet
            .servers
            .values()
            .filter(|it| it.phase() == Phase::Serving && self.silence(it).is_some())
            .collect();
        let silent = serving
            .iter()
            .filter(|it| self.silence(it).flatten().is_some())
            .count();
        if silent >= 2 && silent * 10 > serving.len() * 3 {
            let why = format!("{silent} of {} servers are silent", serving.len());
            holds.push(self.new_hold(HoldKind::CutOff, None, why));
        }
    }

    fn hold_by_provider(&self, holds: &mut Vec<Hold>) {
        for spec in self.fleet.specs.values() {
            let provider = self.fleet.listings.get(&spec.provider());
            let Some((since, why)) = provider.and_then(|it| it.failing_since.clone()) else {
                continue;
            };
            if self.now.since(since) >= FAILING {
                let why = format!("{} fails: {why}", spec.provider().word());
                holds.push(self.new_hold(HoldKind::Provider, Some(&spec.name), why));
            }
        }
    }

    /// Loads are old while the bus cannot be read. What it does not say counts for nothing anyway.
    fn hold_by_bus(&self, holds: &mut Vec<Hold>) {
        let statuses = self.fleet.statuses.as_ref();
        if let Some(why) = statuses.and_then(|it| it.trouble(self.now)) {
            holds.push(self.new_hold(HoldKind::Stale, None, why));
        }
    }

    fn hold_by_lb(&self, holds: &mut Vec<Hold>) {
        for spec in self.fleet.specs.values() {
            let Some(pool) = &spec.pool else { continue };
            for (name, lb) in &self.fleet.lbs {
                let at = lb.pools.get(pool);
                if at.is_some_and(|at| at.fenced) {
                    let why = format!("{name} has a set of {pool} from another fleet");
                    holds.push(self.new_hold(HoldKind::Fenced, Some(&spec.name), why));
                } else if !lb.is_reachable(self.now) {
                    let why = format!("{name} has not answered for {} s", REACHABLE.as_secs());
                    holds.push(self.new_hold(HoldKind::Stale, Some(&spec.name), why));
                }
            }
        }
        holds.sort_by(|a, b| (a.kind, &a.service).cmp(&(b.kind, &b.service)));
        holds.dedup_by(|a, b| a.kind == b.kind && a.service == b.service);
    }

    fn decide_verdicts(&mut self) {
        let cut_off = self
            .fleet
            .holds
            .iter()
            .any(|hold| hold.kind == HoldKind::CutOff);
        for id in self.ids() {
            let Some(server) = self.server(id) else {
                continue;
            };
            if !matches!(server.phase(), Phase::Warming | Phase::Serving) {
                continue;
            }
            let Some(spec) = self.fleet.specs.get(&server.service) else {
                continue;
            };
            let (hang_after, launches) = (spec.timing.hang_after, spec.provider().launches());
            let drain = spec.timing.drain;
            let name = server.service.clone();
            let Some(evidence) = self.fleet.evidence.get(&id) else {
                continue;
            };
            let Some(text) = evidence.verdict(self.now, hang_after, !cut_off) else {
                continue;
            };
            match self.refusal(&name, launches) {
                Some(refusal) => {
                    if self.now.0 / TELL_EVERY_MS != self.fleet.last_step.0 / TELL_EVERY_MS {
                        let text = format!("not replaced ({refusal}): {text}");
                        self.server_event(id, EventKind::Verdict, text);
                    }
                }
                None => self.sentence(id, &name, &text, drain),
            }
        }
    }

    /// Why a verdict is not acted on, if it is not.
    fn refusal(&self, name: &ServiceName, launches: bool) -> Option<String> {
        if !launches {
            return Some("a fixed server cannot be replaced".to_owned());
        }
        let held = |hold: &&Hold| hold.covers(name) && hold.kind.forbids_verdicts();
        if let Some(hold) = self.fleet.holds.iter().find(held) {
            return Some(format!("hold {}", hold.kind.word()));
        }
        let want = self.wanted(name);
        let spent = self
            .fleet
            .services
            .get(name)
            .map(|it| it.verdicts.as_slice());
        if budget::verdicts(want)
            .iter()
            .any(|it| it.left(spent.unwrap_or_default(), self.now) == 0)
        {
            return Some("verdict budget".to_owned());
        }
        let in_service = self
            .of(name)
            .filter(|it| it.phase() == Phase::Serving)
            .count();
        if in_service.saturating_sub(1) < want / 2 {
            return Some(format!(
                "{in_service} of {want} serve, and half of them must"
            ));
        }
        None
    }

    fn sentence(&mut self, id: ServerId, name: &ServiceName, text: &str, drain: Duration) {
        let now: Moment = self.now;
        self.edit_service(name, |service| budget::spend(&mut service.verdicts, now));
        self.edit(id, |server| server.deaths.push(now));
        self.server_event(id, EventKind::Verdict, format!("hangs: {text}"));
        self.leave(id, Cause::Verdict, drain);
    }
}
