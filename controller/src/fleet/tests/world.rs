//! A world for the rules: a provider, an lb and agents, in virtual time, with faults on demand.

use super::super::backoff::mix;
use super::super::commit::{Act, Admit, Deed, LaunchResult, Pool, ProviderError};
use super::super::id::{FleetId, Handle, LbName, PoolName, Term, Token};
use super::super::input::{
    AgentNews, BackendState, BackendView, Input, Listing, PoolSnapshot, PutResult, Unit,
};
use super::super::operate::{Command, Refusal};
use super::super::server::Phase;
use super::super::time::{Moment, Seen};
use super::super::{Fleet, Stored};
use crate::spec::{ProviderKind, Request, ServiceSpec};
use crate::store::{Memory, Store};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) const STEP: u64 = 250;

/// A unit at the provider.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) address: Option<SocketAddr>,
    pub(super) ready_at: Moment,
    pub(super) is_alive: bool,
    pub(super) is_hung: bool,
    pub(super) has_agent: bool,
    /// Requests under way, which end by themselves.
    pub(super) in_flight: u64,
}

/// What can go wrong, as chances in 1,000 for each occasion.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) crash_before_commit: u64,
    pub(super) crash_before_act: u64,
    pub(super) lost_result: u64,
    pub(super) failed_launch: u64,
    pub(super) death: u64,
    pub(super) agent_death: u64,
    pub(super) late: u64,
    pub(super) incomplete_listing: u64,
    pub(super) lb_restart: u64,
}

/// The lb.
#[derive(Debug)]
pub(super) struct FakeLb {
    pub(super) boot: u64,
    pub(super) set: Option<(Term, Pool)>,
    pub(super) is_up: bool,
    /// Refuses sets that leave less than half of what was there.
    pub(super) guards: bool,
    /// When a backend was first in a set of this boot.
    pub(super) known: BTreeMap<String, Moment>,
}

pub(super) struct World {
    pub(super) now: Moment,
    pub(super) store: Memory,
    pub(super) fleet: Fleet,
    pub(super) specs: Vec<ServiceSpec>,
    pub(super) units: BTreeMap<Token, Running>,
    /// Units made for each token, ever: I1.
    pub(super) made: BTreeMap<Token, u32>,
    pub(super) lb: FakeLb,
    pub(super) faults: Faults,
    pub(super) down_until: Moment,
    pub(super) crashes: u64,
    pub(super) launch_calls: u64,
    /// New units of these addresses die at once.
    pub(super) broken: bool,
    /// No request comes, so lb has nothing to try a server with.
    pub(super) is_idle: bool,
    pub(super) cut: u64,
    late: Vec<(Moment, Input)>,
    /// Occasions left before the one crash that is planned, and whether acts are the occasions.
    plan: Option<(u64, bool)>,
    random: u64,
    seed: u64,
}

fn lb_name() -> LbName {
    LbName::new("lb")
}

pub(super) fn pool_name() -> PoolName {
    PoolName::new("default")
}

impl World {
    pub(super) fn new(seed: u64, specs: Vec<ServiceSpec>) -> Self {
        let id = FleetId::new("f1ee7");
        let mut store = Memory::new(id.clone());
        store.lead("world").expect("leads");
        let now = Moment(1_000_000);
        let stored = store.load().expect("rows");
        Self {
            now,
            fleet: Fleet::load(stored, specs.clone(), [lb_name()], now),
            store,
            specs,
            units: BTreeMap::new(),
            made: BTreeMap::new(),
            lb: FakeLb {
                boot: 1,
                set: None,
                is_up: true,
                guards: false,
                known: BTreeMap::new(),
            },
            faults: Faults::default(),
            down_until: Moment(0),
            crashes: 0,
            launch_calls: 0,
            broken: false,
            is_idle: false,
            cut: 0,
            late: Vec::new(),
            plan: None,
            random: seed,
            seed,
        }
    }

    pub(super) fn chance(&mut self, in_thousand: u64) -> bool {
        self.random = self.random.wrapping_add(1);
        in_thousand > 0 && mix(self.random ^ (self.seed << 20)) % 1_000 < in_thousand
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(1);
        mix(self.random ^ (self.seed << 20)) % limit.max(1)
    }

    /// One crash, at the occasion of this number.
    pub(super) fn crash_at(&mut self, nth: u64, at_act: bool) {
        self.plan = Some((nth, at_act));
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.crashes > 0
    }

    fn planned(&mut self, act: bool) -> bool {
        match &mut self.plan {
            Some((0, at_act)) if *at_act == act => {
                self.plan = None;
                true
            }
            Some((left, at_act)) if *at_act == act => {
                *left -= 1;
                false
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn command(&mut self, command: Command) -> Result<String, Refusal> {
        let (commit, answer) = self.fleet.command(self.now, command, "test")?;
        let receipt = self
            .store
            .commit(self.fleet.term(), &commit)
            .expect("is stored");
        let acts = commit.permitted(receipt);
        let inputs = acts.iter().filter_map(|act| self.carry_out(act)).collect();
        self.feed(inputs);
        Ok(answer)
    }

    pub(super) fn scale(&mut self, want: usize) {
        let service = self.specs[0].name.clone();
        self.command(Command::Scale { service, want })
            .expect("within its bounds");
    }

    pub(super) fn kill_one(&mut self) {
        let mut living = self.units.values_mut().filter(|unit| unit.is_alive);
        living.next().expect("one lives").is_alive = false;
    }

    /// The controller dies and starts again after a while, from what is stored.
    pub(super) fn crash(&mut self) {
        self.crashes += 1;
        self.late.clear();
        self.down_until = self.now.plus(Duration::from_millis(self.below(8_000)));
        self.restart();
    }

    pub(super) fn restart(&mut self) {
        self.store.lead("world").expect("leads");
        let stored: Stored = self.store.load().expect("rows");
        let at = self.down_until.max(self.now);
        self.fleet = Fleet::load(stored, self.specs.clone(), [lb_name()], at);
    }

    pub(super) fn respecify(&mut self, specs: Vec<ServiceSpec>) {
        self.fleet.respecify(specs.clone());
        self.specs = specs;
    }

    pub(super) fn run(&mut self, span: Duration) {
        let until = self.now.plus(span);
        while self.now < until {
            self.turn();
        }
    }

    /// A quarter of a second.
    pub(super) fn turn(&mut self) {
        self.now = Moment(self.now.0 + STEP);
        self.live();
        if self.now < self.down_until {
            return;
        }
        let mut inputs = self.observations();
        let due: Vec<Input> = {
            let now = self.now;
            let (due, later) = self.late.drain(..).partition(|(at, _)| *at <= now);
            self.late = later;
            due.into_iter()
                .map(|(_, input): (Moment, Input)| input)
                .collect()
        };
        inputs.extend(due);
        self.feed(inputs);
        self.check();
    }

    /// Feeds inputs, and what follows from the acts, until nothing follows.
    pub(super) fn feed(&mut self, mut inputs: Vec<Input>) {
        for _ in 0..20 {
            let commit = self.fleet.step(self.now, std::mem::take(&mut inputs));
            if commit.is_empty() {
                return;
            }
            if self.planned(false) || self.chance(self.faults.crash_before_commit) {
                return self.crash();
            }
            let receipt = self
                .store
                .commit(self.fleet.term(), &commit)
                .expect("is stored");
            for act in commit.permitted(receipt) {
                if self.planned(true) || self.chance(self.faults.crash_before_act) {
                    return self.crash();
                }
                if let Some(input) = self.carry_out(&act) {
                    if self.chance(self.faults.lost_result) {
                        continue;
                    }
                    if self.chance(self.faults.late) {
                        let at = self.now.plus(Duration::from_millis(self.below(6_000)));
                        self.late.push((at, input));
                        continue;
                    }
                    inputs.push(input);
                }
            }
            if inputs.is_empty() {
                return;
            }
        }
    }

    /// Servers come up, answer, and die.
    fn live(&mut self) {
        let tokens: Vec<Token> = self.units.keys().cloned().collect();
        for token in tokens {
            let dies = self.chance(self.faults.death);
            let orphaned = self.chance(self.faults.agent_death);
            let done = self.chance(300);
            if let Some(unit) = self.units.get_mut(&token) {
                unit.is_alive &= !dies;
                unit.has_agent &= !orphaned;
                if done && !unit.is_hung {
                    unit.in_flight = unit.in_flight.saturating_sub(1);
                }
            }
        }
        if self.chance(self.faults.lb_restart) {
            self.lb.boot += 1;
            self.lb.known.clear();
        }
    }

    fn observations(&mut self) -> Vec<Input> {
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

    fn carry_out(&mut self, act: &Act) -> Option<Input> {
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
            let kept = |it: &&super::super::commit::Backend| it.admit != Admit::Drain;
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

    /// I1, I2 and I6, which must hold at every moment; I4 is held where units are stopped.
    pub(super) fn check(&self) {
        for (token, made) in &self.made {
            assert!(
                *made <= 1,
                "I1: {token} made {made} units, seed {}",
                self.seed
            );
        }
        let mut slots = BTreeMap::new();
        for token in self
            .units
            .iter()
            .filter(|(_, unit)| unit.is_alive)
            .map(|(token, _)| token)
        {
            let rows = self.fleet.servers.values();
            let row = rows
                .filter(|it| it.token == *token)
                .find(|it| it.phase().may_exist());
            if row.is_none_or(|it| it.phase() != Phase::Terminating) {
                let slot = token.parse(&self.fleet.id).map(|(_, slot, _)| slot);
                let more = slots.insert(slot, token.clone());
                assert!(
                    more.is_none(),
                    "I2: {token} and {more:?}, seed {}",
                    self.seed
                );
            }
        }
        for spec in &self.specs {
            let units = self
                .fleet
                .servers
                .values()
                .filter(|it| it.service == spec.name && it.phase().may_exist())
                .count();
            assert!(
                units <= spec.most_units(),
                "I6: {units} units, seed {}",
                self.seed
            );
        }
    }

    /// Every unit has a row: I3, once things have come to rest.
    pub(super) fn check_at_rest(&self) {
        for token in self
            .units
            .iter()
            .filter(|(_, unit)| unit.is_alive)
            .map(|(token, _)| token)
        {
            let rows = self.fleet.servers.values();
            let known = rows
                .filter(|it| it.phase().may_exist())
                .any(|it| it.token == *token);
            assert!(known, "I3: {token} has no row, seed {}", self.seed);
        }
    }

    pub(super) fn serving(&self) -> usize {
        self.fleet
            .servers
            .values()
            .filter(|it| it.phase() == Phase::Serving)
            .count()
    }

    pub(super) fn history(&mut self) -> String {
        let events = self.store.events(0, 10_000).expect("events");
        let line = |(_, event): (u64, super::super::commit::Event)| {
            format!(
                "{} {:?} {:?} {}\n",
                event.at,
                event.kind,
                event.server.map(|it| it.0),
                event.text
            )
        };
        events.into_iter().map(line).collect()
    }
}
