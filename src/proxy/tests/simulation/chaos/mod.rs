//! Ten minutes in the life of a pool in which everything goes wrong, in a few seconds.
//!
//! [`Machine`]s are killed, hang, lose their network, fall ill and come back; the operator
//! drains, disables and weighs them; and [`Caller`]s send requests all the time. The [`Ledger`]
//! knows the fate of each request and whether it was justified: one that fails although the rule
//! for retries allowed to save it is a failure of the test. The [`Shadow`] knows what is in flight
//! at each machine and which ones are ejected, from what can be seen from outside.
//!
//! Time jumps from one event to the next, so nothing happens a moment too late or too soon.

mod caller;
mod ledger;
mod machine;
mod shadow;
mod speech;
mod stories;

use super::super::super::AdminCommand;
use super::super::setup::Setup;
use super::super::stage::{Stage, backend};
use super::invariants;
use super::{Rng, for_seeds};
use crate::config::{CheckKind, Mode};
use crate::pool::{Entrance, NewBackend, PoolId};
use crate::strategy::StrategySpec;
use crate::strategy::{
    LeastConnections, LeastResponseTime, NToOne, Random, RoundRobin, TwoChoices,
};
use crate::time::Timestamp;
use caller::Caller;
use ledger::Ledger;
use machine::{Condition, Machine};
use shadow::Shadow;
use std::time::Duration;

const MACHINES: usize = 4;
const CALLERS: usize = 5;
/// Duration of the trouble.
const LENGTH: Duration = Duration::from_secs(600);
/// Duration of the calm afterwards: a cooldown of 30 s, its trial, the slow start.
const CONVALESCENCE: Duration = Duration::from_secs(60);
/// Of all backends, in percent, that may be ejected for their responses.
const MAX_EJECTED: u8 = 50;

/// Names a request: its caller, and its number among that caller's.
type RequestId = (usize, usize);

#[test]
fn chaos() {
    for_seeds("chaos", 2, |seed| {
        let mut chaos = Chaos::new(seed);
        chaos.go_wrong();
        chaos.heal();
        chaos.leave();
    });
}

struct Chaos {
    stage: Stage,
    rng: Rng,
    machines: Vec<Machine>,
    callers: Vec<Caller>,
    ledger: Ledger,
    shadow: Shadow,
    /// Wires known so far.
    known: usize,
    next_mishap: Timestamp,
}

/// The story so far; shown if it ends badly.
fn tell(now: Timestamp, what: &str) {
    eprintln!("{:9.3} s  {what}", now.as_nanos() as f64 / 1e9);
}

fn millis(rng: &mut Rng, from: usize, to: usize) -> Duration {
    Duration::from_millis((from + rng.below(to - from)) as u64)
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let kinds = [
            LeastResponseTime::ENTRY.spec(),
            RoundRobin::ENTRY.spec(),
            LeastConnections::ENTRY.spec(),
            NToOne::ENTRY.spec(),
            Random::ENTRY.spec(),
            TwoChoices::ENTRY.spec(),
        ];
        let kind = kinds[seed as usize % kinds.len()].clone();
        let check = [CheckKind::HTTP, CheckKind::HTTP, CheckKind::TCP][rng.below(3)];
        let mut chaos = Self::calm(kind, check, Duration::from_secs(10), rng);
        chaos.next_mishap = chaos.stage.now + Duration::from_secs(1);
        chaos
    }

    /// One in which nothing happens by itself.
    fn calm(strategy: StrategySpec, check: CheckKind, slow_start: Duration, mut rng: Rng) -> Self {
        let mut setup = Setup::new(Mode::Http, MACHINES);
        setup.seed = rng.next();
        setup.strategy = strategy;
        setup.health.check = Some(check);
        setup.ejection.slow_start = slow_start;
        setup.ejection.max_ejected_percent = MAX_EJECTED;
        setup.timeouts.first_byte = ledger::FIRST_BYTE_TIMEOUT;
        let ledger = Ledger::new(check, setup.limits.max_retries);
        let stage = setup.raise();
        let now = stage.now;
        Self {
            machines: (0..MACHINES).map(|n| Machine::new(n, now)).collect(),
            callers: (0..CALLERS).map(|n| Caller::new(n, now)).collect(),
            ledger,
            shadow: Shadow::new(),
            known: 0,
            next_mishap: Timestamp::NEVER,
            rng,
            stage,
        }
    }

    fn go_wrong(&mut self) {
        let end = self.stage.now + LENGTH;
        while self.stage.now < end {
            self.pass();
            if self.stage.now >= self.next_mishap {
                self.next_mishap = self.stage.now + millis(&mut self.rng, 0, 6_000);
                self.mishap();
            }
            self.live();
        }
    }

    /// Ends all trouble: every machine takes part again, and no request may fail.
    fn heal(&mut self) {
        self.next_mishap = Timestamp::NEVER;
        for number in 0..MACHINES {
            self.become_of(number, Condition::Well);
            self.take_back(number);
        }
        self.live_for(CONVALESCENCE);
        let spreads = self
            .stage
            .proxy
            .traffic
            .pools
            .first()
            .backends
            .strategy()
            .spreads();
        self.shadow.check_all_are_healthy(spreads);
        self.ledger.check_it_was_worth_it();
    }

    fn live_for(&mut self, span: Duration) {
        let end = self.stage.now + span;
        while self.stage.now < end {
            self.pass();
            self.live();
        }
    }

    /// Moves time to the next event.
    fn pass(&mut self) {
        let machines = self.machines.iter().map(Machine::due);
        let callers = self.callers.iter().map(Caller::due);
        let others = [
            Some(self.next_mishap),
            Some(self.stage.proxy.next_wakeup()),
            machines.min(),
            callers.min(),
        ];
        let next = others
            .into_iter()
            .flatten()
            .min()
            .expect("something is due");
        self.stage.now = self.stage.now.max(next);
    }

    /// Does all that is due, and all that follows from it at this moment.
    fn live(&mut self) {
        for machine in &mut self.machines {
            machine.act(&self.stage, &mut self.ledger);
        }
        for caller in &mut self.callers {
            if let Some((id, is_post)) = caller.ask(&mut self.stage, &mut self.rng) {
                self.ledger
                    .open(id, is_post, &self.machines, self.stage.now);
            }
        }
        self.stage.run();
        for line in self.stage.log().lines() {
            if !line.contains("reason=ok") {
                tell(self.stage.now, line);
            }
        }
        self.look();
        self.shadow.check(&mut self.stage, &self.machines);
    }

    /// Lets every peer look at what the proxy has done.
    fn look(&mut self) {
        let dialled = self.stage.world.borrow().dialled_since(&mut self.known);
        for (wire, address) in dialled {
            let number = usize::from(address.port() - backend(0).port());
            self.machines[number].accept(wire);
        }
        for machine in &mut self.machines {
            machine.listen(&self.stage, &mut self.rng, &mut self.ledger);
        }
        for caller in &mut self.callers {
            if let Some((id, ending)) = caller.listen(&self.stage, &mut self.rng) {
                self.ledger
                    .close(id, &ending, &self.machines, self.stage.now);
            }
        }
    }
}

/// Kinds of trouble.
impl Chaos {
    fn mishap(&mut self) {
        let number = self.rng.below(MACHINES);
        match self.rng.below(40) {
            0 => (0..MACHINES).for_each(|number| self.become_of(number, Condition::Dead)),
            1 => (0..MACHINES).for_each(|number| self.become_of(number, Condition::Hung)),
            2..=4 => (0..MACHINES).for_each(|number| self.become_of(number, Condition::Well)),
            5..=9 => self.operate(number),
            _ => {
                let next = match self.machines[number].condition() {
                    Condition::Well => self.trouble(),
                    _ if self.rng.below(4) > 0 => Condition::Well,
                    _ => self.trouble(),
                };
                self.become_of(number, next);
            }
        }
    }

    fn trouble(&mut self) -> Condition {
        match self.rng.below(9) {
            0..=2 => Condition::Dead,
            3..=5 => Condition::Hung,
            6 => Condition::Unplugged,
            7 => Condition::Sick {
                passes_checks: true,
            },
            _ => Condition::Sick {
                passes_checks: false,
            },
        }
    }

    fn become_of(&mut self, number: usize, condition: Condition) {
        let now = self.stage.now;
        tell(now, &format!("machine {number} becomes {condition:?}"));
        self.machines[number].become_of(condition, &self.stage, &mut self.rng, now);
    }

    fn operate(&mut self, number: usize) {
        let unwanted = self
            .machines
            .iter()
            .position(|machine| !machine.is_wanted());
        let weight = 1 + self.rng.below(8) as u32;
        let drain = millis(&mut self.rng, 0, 3_000);
        match (self.rng.below(6), unwanted) {
            (4.., None) => self.order(number, AdminCommand::Remove(drain)),
            (0, _) => self.order(number, AdminCommand::Weight(weight)),
            (1, None) => self.order(number, AdminCommand::Drain),
            (1, Some(_)) | (2, None) => self.order(number, AdminCommand::Disable),
            (2.., Some(unwanted)) => self.take_back(unwanted),
            (3.., None) => {}
        }
    }

    /// A machine is wanted again, whether it drains, is disabled, or was removed.
    fn take_back(&mut self, number: usize) {
        let (now, address) = (self.stage.now, backend(number));
        let name = address.to_string();
        let pool = self.stage.proxy.traffic.pools.first();
        if pool.backends.find(&name).is_some() {
            return self.order(number, AdminCommand::Enable);
        }
        tell(now, &format!("machine {number} is added"));
        let added = NewBackend {
            address: name.clone(),
            name,
            addresses: vec![address.into()],
            weight: 1,
            max_in_flight: None,
            entrance: Entrance::Trial,
        };
        let proxy = &mut self.stage.proxy;
        let id = proxy
            .backends()
            .add_backend(PoolId::FIRST, added, now)
            .unwrap();
        let state = proxy.traffic.pools.first().backends.state(id).unwrap();
        self.shadow.added(number, state);
        self.machines[number].ordered(AdminCommand::Enable, now);
    }

    fn order(&mut self, number: usize, order: AdminCommand) {
        let now = self.stage.now;
        let name = backend(number).to_string();
        if self
            .stage
            .proxy
            .traffic
            .pools
            .first()
            .backends
            .find(&name)
            .is_none()
        {
            return assert!(self.machines[number].is_to_go(), "it was not removed");
        }
        tell(now, &format!("machine {number}: {order:?}"));
        self.machines[number].ordered(order, now);
        let proxy = &mut self.stage.proxy;
        assert!(
            proxy
                .backends()
                .execute(&name.as_str().into(), order, now)
                .is_some()
        );
    }

    /// The callers go, and hours pass. Nothing may be left of anything.
    fn leave(mut self) {
        for caller in &mut self.callers {
            caller.leave(&self.stage);
        }
        for number in 0..MACHINES {
            self.become_of(number, Condition::Dead);
            self.order(number, AdminCommand::Remove(Duration::from_secs(1)));
        }
        for _ in 0..6 {
            self.stage.run();
            self.stage.seconds(600);
        }
        invariants::check_empty(&self.stage.proxy);
        invariants::check_vacant(&self.stage.proxy);
    }
}
