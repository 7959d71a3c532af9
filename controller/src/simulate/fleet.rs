//! A policy in the real rules: the same steps, commits and acts as in the shell, against a provider
//! and an lb in virtual time.

use super::arrivals::{SECONDS, Scenario, oracle};
use super::models::{Model, account};
use super::queue::{Queue, Worker};
use super::random::Random;
use super::{LATE_SECONDS, Outcome, SERVICE_SECONDS, Setting};
use crate::fleet::Fleet;
use crate::fleet::commit::{Act, Admit, Deed, LaunchResult, Pool, ProviderError};
use crate::fleet::id::{FleetId, Handle, LbName, PoolName, ServiceName, Token};
use crate::fleet::input::{
    AgentNews, BackendState, BackendView, Input, Listing, PoolSnapshot, PutResult, Unit,
};
use crate::fleet::time::{Moment, Seen};
use crate::scale::{Policy, Tracking, UTILISATION};
use crate::spec::{Bounds, Check, Mode, PortRange, ProviderKind, ServiceSpec, Template, Timing};
use crate::store::{Memory, Store};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Seconds before the requests come: the fleet fills and has observed.
const WARM_UP: u64 = 400;
/// When virtual time begins.
const EPOCH: u64 = 1_000_000_000;

struct World {
    fleet: Fleet,
    store: Memory,
    now: Moment,
    units: BTreeMap<Token, (SocketAddr, f64)>,
    set: Option<Pool>,
    queue: Queue,
    random: Random,
    launch: f64,
    failed_launches: u64,
    cut: u64,
}

fn spec(model: Model, desired: usize) -> ServiceSpec {
    let floors = Vec::new();
    ServiceSpec {
        name: ServiceName::new("simulated"),
        template: Template::Process {
            command: vec!["{port}".to_owned()],
            environment: BTreeMap::new(),
            directory: None,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: Some(PortRange {
                first: 1_000,
                last: 9_999,
            }),
        },
        check: Check::Tcp,
        pool: Some(PoolName::new("simulated")),
        weight: 1,
        max_in_flight: Some(1),
        bounds: Bounds {
            min: 1,
            desired,
            max: 400,
        },
        surge: 1,
        singleton: false,
        policy: match model {
            Model::MeanLoad => Policy::MeanLoad {
                threshold: 0.6,
                floors,
            },
            Model::Tracking(_) | Model::Hpa(_) | Model::Aws => Policy::Tracking {
                settings: Tracking {
                    concurrency: 1.0,
                    service_seconds: None,
                    utilisation: match model {
                        Model::Tracking(utilisation) => utilisation,
                        Model::MeanLoad | Model::Hpa(_) | Model::Aws => UTILISATION,
                    },
                },
                floors,
            },
        },
        mode: Mode::Live,
        timing: Timing {
            start: Duration::from_secs(600),
            ..Timing::default()
        },
    }
}

pub(super) fn run(model: Model, scenario: &Scenario, setting: Setting) -> Outcome {
    let first = oracle(
        scenario.rate(0.0) * setting.factor,
        SERVICE_SECONDS,
        LATE_SECONDS,
    ) + 1;
    let desired = if model == Model::MeanLoad {
        1
    } else {
        first as usize
    };
    let now = Moment(EPOCH);
    let mut store = Memory::new(FleetId::new("sim"));
    let _ = store.lead("simulation");
    let Ok(stored) = store.load() else {
        return Outcome::default();
    };
    let mut world = World {
        fleet: Fleet::load(stored, [spec(model, desired)], [LbName::new("lb")], now),
        store,
        now,
        units: BTreeMap::new(),
        set: None,
        queue: Queue::new(setting.seed),
        random: Random::new(setting.seed ^ 0xf1ee7),
        launch: setting.launch,
        failed_launches: setting.failed_launches,
        cut: 0,
    };
    let mut outcome = Outcome::default();
    let mut before = None;
    for second in 0..WARM_UP + SECONDS {
        world.now = Moment(EPOCH + second * 1_000);
        let Some(at) = second.checked_sub(WARM_UP) else {
            // The rate of the beginning, so that what is measured is known when it counts.
            world
                .queue
                .run_until(second as f64, &START, scenario.rate(0.0) * setting.factor);
            world.step();
            continue;
        };
        if at == 0 {
            (world.queue.arrivals, world.queue.late) = (0, 0);
        }
        // The queue runs on its own time, which began with the warm-up.
        world
            .queue
            .run_shifted(second as f64, WARM_UP as f64, scenario, setting.factor);
        world.step();
        let want = world.fleet.services_view().first().map(|it| it.want);
        outcome.changes += u64::from(before.is_some() && want != before);
        before = want;
        account(
            &mut outcome,
            scenario,
            setting,
            at + 1,
            world.units.len() as u64,
        );
    }
    (outcome.requests, outcome.late) = (world.queue.arrivals, world.queue.late);
    outcome.cut = world.cut;
    outcome
}

/// One request a second, to be multiplied.
static START: Scenario = Scenario::constant();

impl World {
    fn step(&mut self) {
        let mut inputs = self.observe();
        for _ in 0..20 {
            let commit = self.fleet.step(self.now, std::mem::take(&mut inputs));
            if commit.is_empty() {
                return;
            }
            let Ok(receipt) = self.store.commit(self.fleet.term(), &commit) else {
                return;
            };
            let acts = commit.permitted(receipt);
            inputs = acts.iter().filter_map(|act| self.carry_out(act)).collect();
            if inputs.is_empty() {
                return;
            }
        }
    }

    fn seconds(&self) -> f64 {
        (self.now.0 - EPOCH) as f64 / 1_000.0
    }

    fn observe(&mut self) -> Vec<Input> {
        let (now, seconds) = (self.now, self.seconds());
        let mut inputs = vec![Input::Tick];
        let utilisation = self.queue.utilisation();
        let mut items = Vec::new();
        for (token, (address, ready_at)) in &self.units {
            items.push(Unit {
                token: token.clone(),
                handle: Handle::new(token.as_str()),
                address: Some(*address),
                template: None,
                alive: Ok(()),
                has_agent: true,
                wrong: None,
            });
            let answers = *ready_at <= seconds;
            let check = Some(if answers {
                Ok(())
            } else {
                Err("starting".to_owned())
            });
            let load = answers.then_some(utilisation);
            let news = AgentNews::Status {
                load,
                check,
                connections: None,
            };
            inputs.push(Input::Agent {
                token: token.clone(),
                at: now,
                news,
            });
        }
        let listing = Seen::new(
            Listing {
                items,
                complete: true,
                proof: 1,
            },
            now,
        );
        inputs.push(Input::Listed {
            provider: ProviderKind::Process,
            listing,
        });
        let (lb, pool) = (LbName::new("lb"), PoolName::new("simulated"));
        inputs.push(Input::Snapshot {
            lb,
            pool,
            snapshot: Seen::new(self.snapshot(), now),
        });
        inputs
    }

    fn snapshot(&self) -> PoolSnapshot {
        let view = |worker: &Worker| BackendView {
            state: if worker.drains {
                BackendState::Out
            } else {
                BackendState::Healthy
            },
            in_flight: u64::from(worker.is_busy()),
            responses: worker.responses,
            response_seconds: worker.busy_seconds,
            busy_seconds: worker.busy_seconds,
            ..BackendView::default()
        };
        let backends = self
            .queue
            .workers
            .iter()
            .map(|(name, it)| (name.clone(), view(it)));
        PoolSnapshot {
            boot_id: "boot".to_owned(),
            arrivals: self.queue.total_arrivals,
            shed: 0,
            queued: self.queue.waiting(),
            backends: backends.collect(),
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
                let address = request.address()?;
                let fails = self.random.unit() * 1_000.0 < self.failed_launches as f64;
                let result = if fails && !self.units.contains_key(&token) {
                    LaunchResult::Failed(ProviderError::Transient("no capacity".to_owned()))
                } else {
                    let ready_at = self.seconds() + self.random.log_normal(self.launch);
                    self.units
                        .entry(token.clone())
                        .or_insert((address, ready_at));
                    let handle = Handle::new(token.as_str());
                    LaunchResult::Launched {
                        handle,
                        address: Some(address),
                    }
                };
                Some(Input::Launched {
                    server,
                    token,
                    result,
                })
            }
            Deed::Stop { server, token, .. } => {
                self.units.remove(&token);
                Some(Input::Stopped {
                    server,
                    token,
                    result: Ok(true),
                })
            }
            Deed::Adopt { server, token, .. } => Some(Input::Adopted {
                server,
                token,
                result: Ok(()),
            }),
            Deed::PutSet { lb, pool, .. } => {
                self.put(&pool);
                let result = PutResult::Taken {
                    boot_id: "boot".to_owned(),
                };
                Some(Input::Put {
                    lb,
                    pool,
                    asked_at: self.now,
                    result,
                })
            }
            Deed::LameDuck { .. } => None,
        }
    }

    /// The set becomes the workers of the queue.
    fn put(&mut self, pool: &Pool) {
        let workers = &mut self.queue.workers;
        for backend in &pool.backends {
            let worker = workers.entry(backend.name.clone()).or_default();
            worker.drains = backend.admit == Admit::Drain;
        }
        let stays = |name: &String| pool.backends.iter().any(|it| it.name == *name);
        self.cut += workers
            .iter()
            .filter(|(name, it)| !stays(name) && it.is_busy())
            .count() as u64;
        workers.retain(|name, _| stays(name));
        self.set = Some(pool.clone());
    }
}
