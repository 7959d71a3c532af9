//! The one place that commits, then acts, then feeds back.
//!
//! Owns the fleet, the store and the providers, on one thread. Everything else sends it inputs and
//! calls, and hears of events. It knows no rule: what is done and when is the fleet's to say.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the shell"
)]

mod acts;
mod calls;
mod live;
mod sessions;

pub(crate) use calls::{Call, Failure, Read, event_json, uploads};
pub(crate) use live::Live;
pub(crate) use sessions::Sessions;

use crate::bus::Counters;
use crate::clock::Clock;
use crate::failpoint::{self, Side};
use crate::fleet::Fleet;
use crate::fleet::commit::{Commit, Event};
use crate::fleet::id::{FleetId, LbName, Term};
use crate::fleet::input::{AgentNews, Input};
use crate::fleet::time::Moment;
use crate::http_client::Target;
use crate::provider::Provider;
use crate::spec::{FleetSpec, ProviderKind};
use crate::store::{Minute, Store, StoreError};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

/// From one step without a cause to the next.
const TICK: Duration = Duration::from_millis(250);
/// Inputs taken into one step.
const BATCH: usize = 4_096;
/// From one try to use a database that failed to the next.
const REOPEN: Duration = Duration::from_secs(1);

/// What the parts of the shell share.
#[derive(Clone, Debug)]
pub(crate) struct Wires {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) calls: mpsc::Sender<Call>,
    pub(crate) events: broadcast::Sender<(u64, Event)>,
    /// How the fleet is, for pages: see [`Live`].
    pub(crate) live: broadcast::Sender<Arc<str>>,
    pub(crate) sessions: Sessions,
    pub(crate) term: Arc<AtomicU64>,
    pub(crate) clock: Clock,
    pub(crate) bus: Counters,
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
    pub(crate) live: Live,
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
        let mut fleet = Fleet::load(stored, services, lbs, now);
        if let Some(bus) = &self.spec.controller.bus {
            fleet.listen_to_bus(bus.silent);
        }
        self.fleet = Some(fleet);
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
        self.tell(now);
        stop
    }

    /// Tells pages what has changed.
    fn tell(&mut self, now: Moment) {
        match &self.fleet {
            Some(fleet) => self.live.tell(fleet, now, self.wires.sessions.count()),
            None => self.live.away(calls::AWAY),
        }
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
        failpoint::pass_commit(Side::Before, &commit);
        match self.store.commit(term, &commit) {
            Ok(receipt) => {
                failpoint::pass_commit(Side::After, &commit);
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
}

/// What is told at once; statuses wait for the next tick.
fn is_urgent_input(input: &Input) -> bool {
    match input {
        Input::Agent {
            news: AgentNews::Status { .. } | AgentNews::Load { .. } | AgentNews::Lost,
            ..
        }
        | Input::Bus(_) => false,
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

/// An event as a line of the log.
fn line(event: &Event) -> String {
    let place = match (&event.service, event.server) {
        (Some(service), Some(server)) => format!(" {service}-{server}:"),
        (Some(service), None) => format!(" {service}:"),
        (None, _) => ":".to_owned(),
    };
    format!("lb-controller{place} {}", event.text)
}
