//! A world for the rules: a provider, an lb and agents, in virtual time, with faults on demand.

mod carry_out;
mod invariants;
mod observe;

use super::super::backoff::mix;
use super::super::commit::Pool;
use super::super::id::{FleetId, LbName, PoolName, Term, Token};
use super::super::input::Input;
use super::super::operate::{Command, Refusal};
use super::super::server::Phase;
use super::super::time::Moment;
use super::super::{Fleet, Stored};
use crate::spec::ServiceSpec;
use crate::store::{Memory, Store};
use std::collections::{BTreeMap, VecDeque};
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
    /// For each crash that is planned, the occasions left before it since the one before, and
    /// whether acts are the occasions.
    plan: VecDeque<(u64, bool)>,
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
            plan: VecDeque::new(),
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

    /// One crash more, at the occasion of this number after the crash before.
    pub(super) fn crash_at(&mut self, nth: u64, at_act: bool) {
        self.plan.push_back((nth, at_act));
    }

    /// All crashes that were planned have come.
    pub(super) fn has_crashed(&self) -> bool {
        self.plan.is_empty()
    }

    fn planned(&mut self, act: bool) -> bool {
        match self.plan.front_mut() {
            Some((0, at_act)) if *at_act == act => {
                self.plan.pop_front();
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

    /// An agent dies; its server does not notice.
    pub(super) fn kill_agent(&mut self) {
        let mut watched = self.units.values_mut().filter(|unit| unit.has_agent);
        watched.next().expect("one is watched").has_agent = false;
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
