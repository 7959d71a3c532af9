//! The one place that commits, then acts, then feeds back.
//!
//! Owns the fleet, the store and the providers, on one thread. Everything else sends it inputs and
//! calls, and hears of events. It knows no rule: what is done and when is the fleet's to say.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the shell"
)]

use crate::clock::Clock;
use crate::fleet::Fleet;
use crate::fleet::commit::{Act, Commit, Deed, Event, ProviderError};
use crate::fleet::id::{FleetId, LbName, ServiceName, Term, Token};
use crate::fleet::input::{AgentNews, Input};
use crate::fleet::operate::{Command, Refusal};
use crate::fleet::time::{Moment, Seen};
use crate::http_client::Target;
use crate::lb_link;
use crate::proto::v1::{FromController, LameDuck, from_controller};
use crate::provider::Provider;
use crate::spec::{self, FleetSpec, ProviderKind, Report, ServiceSpec};
use crate::store::{Minute, Store, StoreError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};

/// From one step without a cause to the next.
const TICK: Duration = Duration::from_millis(250);
/// From one listing of a provider to the next.
const LIST: Duration = Duration::from_secs(1);
/// Inputs taken into one step.
const BATCH: usize = 4_096;
/// From one check of a server without an agent to the next.
const CHECK: Duration = Duration::from_secs(2);
/// From one try to use a database that failed to the next.
const REOPEN: Duration = Duration::from_secs(1);

/// Sessions of agents, by token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<Token, Numbered>>>);

/// The number of a session, and the way to its agent.
type Numbered = (u64, mpsc::Sender<FromController>);

impl Sessions {
    /// Registers a session; the number tells it from a later one of the same agent.
    pub(crate) fn open(&self, token: Token, number: u64, session: mpsc::Sender<FromController>) {
        if let Ok(mut sessions) = self.0.lock() {
            sessions.insert(token, (number, session));
        }
    }

    /// Forgets a session. `false`: a later one has taken its place.
    pub(crate) fn close(&self, token: &Token, number: u64) -> bool {
        let Ok(mut sessions) = self.0.lock() else {
            return false;
        };
        let is_it = sessions.get(token).is_some_and(|(it, _)| *it == number);
        if is_it {
            sessions.remove(token);
        }
        is_it
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().map_or(0, |it| it.len())
    }

    fn send(&self, token: &Token, message: FromController) {
        let session = self
            .0
            .lock()
            .ok()
            .and_then(|it| it.get(token).map(|(_, it)| it.clone()));
        if let Some(session) = session {
            // The next step says it again if it still matters.
            let _ = session.try_send(message);
        }
    }
}

/// What is asked of the shell from outside.
#[derive(Debug)]
pub(crate) enum Call {
    Read(Read, oneshot::Sender<Result<Value, Failure>>),
    Do(Command, String, oneshot::Sender<Result<Value, Failure>>),
    /// Read the specification again.
    Apply {
        force: bool,
        by: String,
        answer: oneshot::Sender<Result<Value, Failure>>,
    },
}

/// What can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Fleet,
    Services,
    Servers,
    Lbs,
    Holds,
    Events { after: u64, limit: u64 },
    Decisions { service: ServiceName, limit: u64 },
    Minutes { service: ServiceName, since: u64 },
    Metrics,
    Ready,
}

/// Why a call is not answered as hoped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    NotFound(String),
    Conflict(String),
    /// The specification is wrong, or would let too much go at once.
    Invalid(String),
    Unavailable(String),
}

/// What the parts of the shell share.
#[derive(Clone, Debug)]
pub(crate) struct Wires {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) calls: mpsc::Sender<Call>,
    pub(crate) events: broadcast::Sender<(u64, Event)>,
    pub(crate) sessions: Sessions,
    pub(crate) term: Arc<AtomicU64>,
    pub(crate) clock: Clock,
}

/// The controller at work.
pub(crate) struct Shell {
    pub(crate) spec_path: PathBuf,
    pub(crate) spec: FleetSpec,
    pub(crate) store: Box<dyn Store>,
    pub(crate) providers: BTreeMap<ProviderKind, Rc<dyn Provider>>,
    pub(crate) targets: BTreeMap<LbName, Target>,
    pub(crate) wires: Wires,
    pub(crate) fleet_id: FleetId,
    /// `None`: the database failed, and nothing is done until it is back.
    pub(crate) fleet: Option<Fleet>,
    pub(crate) reopen_at: Moment,
    pub(crate) check_at: Moment,
    pub(crate) pending: Vec<Input>,
    pub(crate) last_minute: u64,
    pub(crate) commits: u64,
    pub(crate) failed_commits: u64,
}

/// Why the shell stops.
#[derive(Debug)]
pub(crate) enum Stop {
    Asked,
    Superseded,
}

impl Shell {
    /// Loads the fleet from the store.
    pub(crate) fn load(&mut self) -> Result<(), StoreError> {
        let stored = self.store.load()?;
        let now = self.wires.clock.now();
        let lbs: Vec<LbName> = self.targets.keys().cloned().collect();
        let services = self.spec.services.clone();
        self.fleet = Some(Fleet::load(stored, services, lbs, now));
        Ok(())
    }

    /// Runs until a signal, or until another controller leads. Within a `LocalSet`.
    pub(crate) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut calls: mpsc::Receiver<Call>,
        mut stop: mpsc::Receiver<()>,
    ) -> Stop {
        self.watch_everything();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut is_urgent = false;
            tokio::select! {
                Some(input) = inputs.recv() => {
                    is_urgent |= is_urgent_input(&input);
                    self.pending.push(input);
                    while self.pending.len() < BATCH {
                        let Ok(input) = inputs.try_recv() else { break };
                        is_urgent |= is_urgent_input(&input);
                        self.pending.push(input);
                    }
                    is_urgent |= self.pending.len() >= BATCH;
                }
                Some(call) = calls.recv() => {
                    if let Some(stop) = self.answer(call) {
                        return stop;
                    }
                }
                _ = tick.tick() => {
                    self.pending.push(Input::Tick);
                    is_urgent = true;
                }
                _ = stop.recv() => return Stop::Asked,
            }
            if is_urgent && let Some(stop) = self.step() {
                return stop;
            }
        }
    }

    /// Asks the servers that no agent watches.
    fn check(&mut self, now: Moment) {
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

    fn step(&mut self) -> Option<Stop> {
        let now = self.wires.clock.now();
        self.check(now);
        let inputs = std::mem::take(&mut self.pending);
        let Some(fleet) = &mut self.fleet else {
            return self.reopen(now);
        };
        let commit = fleet.step(now, inputs);
        let stop = self.commit(commit).err();
        self.keep_minutes(now);
        stop
    }

    /// Stores a commit and carries out what it permits.
    fn commit(&mut self, commit: Commit) -> Result<(), Stop> {
        if commit.is_empty() {
            return Ok(());
        }
        let Some(fleet) = &self.fleet else {
            return Ok(());
        };
        let term = fleet.term();
        match self.store.commit(term, &commit) {
            Ok(receipt) => {
                self.commits += 1;
                self.wires.term.store(term.0, Ordering::Relaxed);
                for (seq, event) in (receipt.first_event..).zip(&commit.events) {
                    eprintln!("{}", line(event));
                    // Nothing listens, perhaps.
                    let _ = self.wires.events.send((seq, event.clone()));
                }
                for act in commit.permitted(receipt) {
                    self.carry_out(act);
                }
                Ok(())
            }
            Err(StoreError::Superseded) => Err(Stop::Superseded),
            Err(error) => {
                // The fleet is ahead of what is durable: it is dropped and loaded again.
                self.failed_commits += 1;
                eprintln!("lb-controller: nothing is done until the database is back: {error}");
                self.fleet = None;
                self.reopen_at = self.wires.clock.now().plus(REOPEN);
                Ok(())
            }
        }
    }

    fn reopen(&mut self, now: Moment) -> Option<Stop> {
        if now < self.reopen_at {
            return None;
        }
        self.reopen_at = now.plus(REOPEN);
        // An empty commit shows whether it can be written to, and whether it is still ours.
        match self
            .store
            .probe(Term(self.wires.term.load(Ordering::Relaxed)))
        {
            Err(StoreError::Superseded) => return Some(Stop::Superseded),
            Err(_) => return None,
            Ok(()) => {}
        }
        if self.load().is_ok() {
            eprintln!("lb-controller: the database is back");
        }
        None
    }

    fn keep_minutes(&mut self, now: Moment) {
        let minute = now.0 / 60_000;
        if minute == self.last_minute {
            return;
        }
        self.last_minute = minute;
        let Some(fleet) = &self.fleet else { return };
        let servers = fleet.servers_view(now);
        for service in fleet.services_view() {
            let of = servers.iter().filter(|it| it.service == service.name);
            let loads: Vec<f64> = of.filter_map(|it| it.load).collect();
            let load = (!loads.is_empty()).then(|| loads.iter().sum::<f64>() / loads.len() as f64);
            let minute = Minute {
                at: Moment(minute * 60_000),
                want: service.want as u64,
                serving: service.serving as u64,
                load,
            };
            // History is not worth stopping for.
            let _ = self.store.add_minute(&service.name, minute);
        }
    }

    /// Starts an act; its result comes back as an input.
    fn carry_out(&self, act: Act) {
        let inputs = self.wires.inputs.clone();
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
            }
        }
    }

    /// Listings, snapshots and checks, each in a task of its own.
    fn watch_everything(&self) {
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

    fn answer(&mut self, call: Call) -> Option<Stop> {
        match call {
            Call::Read(read, answer) => {
                let _ = answer.send(self.read(read));
            }
            Call::Do(command, by, answer) => {
                let now = self.wires.clock.now();
                let done = match &mut self.fleet {
                    None => Err(database_away()),
                    Some(fleet) => {
                        fleet
                            .command(now, command, &by)
                            .map_err(|refusal| match refusal {
                                Refusal::NotFound(text) => Failure::NotFound(text),
                                Refusal::Conflict(text) => Failure::Conflict(text),
                            })
                    }
                };
                match done {
                    Err(failure) => {
                        let _ = answer.send(Err(failure));
                    }
                    Ok((commit, text)) => {
                        let stop = self.commit(commit).err();
                        let is_stored = self.fleet.is_some() && stop.is_none();
                        let said = if is_stored {
                            Ok(json!({ "done": text }))
                        } else {
                            Err(database_away())
                        };
                        let _ = answer.send(said);
                        return stop;
                    }
                }
            }
            Call::Apply { force, by, answer } => {
                let _ = answer.send(self.apply(force, &by));
                self.pending.push(Input::Tick);
                return self.step();
            }
        }
        None
    }

    /// Reads the file again, and takes it if it is right and lets not too much go.
    fn apply(&mut self, force: bool, by: &str) -> Result<Value, Failure> {
        let new = spec::read(&self.spec_path)
            .map_err(|report: Report| Failure::Invalid(report.to_string()))?;
        let Some(fleet) = &mut self.fleet else {
            return Err(database_away());
        };
        if new.controller != self.spec.controller {
            let text = "[controller] has changed: that takes a restart, which cuts nothing";
            return Err(Failure::Conflict(text.to_owned()));
        }
        let pools = |services: &[ServiceSpec]| {
            let mut pools: Vec<_> = services.iter().filter_map(|it| it.pool.clone()).collect();
            pools.sort();
            pools.dedup();
            pools
        };
        if pools(&new.services)
            .iter()
            .any(|pool| !pools(&self.spec.services).contains(pool))
        {
            let text = "a pool was added: that takes a restart, which cuts nothing";
            return Err(Failure::Conflict(text.to_owned()));
        }
        if let (Some(objection), false) = (fleet.objection(&new.services), force) {
            return Err(Failure::Invalid(format!(
                "{objection}: apply it with force if that is meant"
            )));
        }
        fleet.respecify(new.services.clone());
        for provider in self.providers.values() {
            provider.respecify(&new.services);
        }
        eprintln!("lb-controller: {} applied ({by})", self.spec_path.display());
        self.spec = new;
        Ok(json!({ "done": "applied" }))
    }

    fn read(&mut self, read: Read) -> Result<Value, Failure> {
        let now = self.wires.clock.now();
        let stored = |error: StoreError| Failure::Unavailable(error.to_string());
        match read {
            Read::Events { after, limit } => {
                let events = self.store.events(after, limit).map_err(stored)?;
                let list: Vec<Value> = events
                    .iter()
                    .map(|(seq, event)| event_json(*seq, event))
                    .collect();
                return Ok(json!({ "events": list }));
            }
            Read::Decisions { service, limit } => {
                let decisions = self.store.decisions(&service, limit).map_err(stored)?;
                let list: Vec<Value> = decisions
                    .iter()
                    .map(|(at, it)| json!({ "at": at, "want": it.want, "reasons": it.reasons }))
                    .collect();
                return Ok(json!({ "decisions": list }));
            }
            Read::Minutes { service, since } => {
                let minutes = self
                    .store
                    .minutes(&service, Moment(since))
                    .map_err(stored)?;
                return Ok(json!({ "minutes": minutes }));
            }
            Read::Fleet
            | Read::Services
            | Read::Servers
            | Read::Lbs
            | Read::Holds
            | Read::Metrics
            | Read::Ready => {}
        }
        let Some(fleet) = &self.fleet else {
            return Err(database_away());
        };
        let (services, servers) = (fleet.services_view(), fleet.servers_view(now));
        Ok(match read {
            Read::Services => json!({ "services": services }),
            Read::Servers => json!({ "servers": servers }),
            Read::Lbs => json!({ "lbs": fleet.lbs_view(now) }),
            Read::Holds => json!({ "holds": fleet.holds_view() }),
            Read::Ready => json!({ "leader": true, "term": fleet.term() }),
            Read::Metrics => {
                let counts = crate::api::metrics::Counts {
                    term: fleet.term().0,
                    agents: self.wires.sessions.count(),
                    commits: self.commits,
                    failed_commits: self.failed_commits,
                };
                let (lbs, holds) = (fleet.lbs_view(now), fleet.holds_view());
                Value::String(crate::api::metrics::text(
                    &services, &servers, &lbs, holds, &counts,
                ))
            }
            Read::Fleet | Read::Events { .. } | Read::Decisions { .. } | Read::Minutes { .. } => {
                json!({
                    "fleet": fleet.id(),
                    "term": fleet.term(),
                    "now": now,
                    "agents": self.wires.sessions.count(),
                    "services": services,
                    "servers": servers,
                    "lbs": fleet.lbs_view(now),
                    "holds": fleet.holds_view(),
                })
            }
        })
    }
}

fn database_away() -> Failure {
    Failure::Unavailable("the database cannot be used now: nothing is done until it is back".into())
}

/// What is told at once; statuses wait for the next tick.
fn is_urgent_input(input: &Input) -> bool {
    match input {
        Input::Agent {
            news: AgentNews::Status { .. } | AgentNews::Load { .. } | AgentNews::Lost,
            ..
        } => false,
        Input::Tick
        | Input::Launched { .. }
        | Input::Stopped { .. }
        | Input::Adopted { .. }
        | Input::Listed { .. }
        | Input::ListingFailed { .. }
        | Input::Agent { .. }
        | Input::Checked { .. }
        | Input::Snapshot { .. }
        | Input::LbFailed { .. }
        | Input::Put { .. } => true,
    }
}

/// An event as the API shows it.
pub(crate) fn event_json(seq: u64, event: &Event) -> Value {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("seq".to_owned(), json!(seq));
    }
    value
}

/// An event as a line of the log.
fn line(event: &Event) -> String {
    let place = match (&event.service, event.server) {
        (Some(service), Some(server)) => format!(" {service}-{server}:"),
        (Some(service), None) => format!(" {service}:"),
        (None, _) => ":".to_owned(),
    };
    format!("lb-controller{place} {}", event.text)
}
