//! Reloads: a balancer goes on with another configuration.
//!
//! Everything that takes long or can fail happens first, on a thread of its own: the file is read,
//! the difference is [planned](plan), names are resolved, addresses bound, the parts of each worker
//! made. If anything is wrong, the configuration in effect stays whole. Then each worker is sent
//! one command, which cannot fail: the first worker last, because what it decides about new pools
//! goes to the others.
//!
//! A pool that is removed stays until no exchange is in it in any worker; a look every second finds
//! out. None can come after every worker has taken the command.

mod certificates;
mod plan;
mod prepare;

use super::blueprint::Blueprint;
use super::build::asks_for_credentials;
use super::latecomers::Waiting;
use super::secured::renewed;
use crate::config::{Config, ConfigError};
use crate::ids::PoolId;
use crate::worker::{
    Command, Leftovers, Mailbox, ReloadAnswer, ReloadRequest, Untaken, WorkerReload,
};
use certificates::CERTIFICATES_PAUSE;
pub(super) use certificates::Seen;
use plan::{ListenerPlan, Present, plan};
use prepare::is_absent;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Time between two looks for pools that have emptied.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Time until a command is sent again that a loop had no room for.
const SEND_PAUSE: Duration = Duration::from_millis(5);

/// Where a balancer reads its configuration anew.
pub trait ReloadSource: Send {
    /// Reads and checks it. Returns the settings that differ from those in effect, one line each,
    /// beside it.
    ///
    /// # Errors
    /// All that is wrong with it, one line each.
    fn read(&mut self) -> Result<(Config, Vec<String>), Vec<String>>;

    /// A reload has ended, wherever it was asked for.
    fn ended(&mut self, outcome: &Result<Reloaded, ReloadError>);
}

/// What a reload has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Configurations loaded so far, that of the start included.
    pub generation: u64,
    /// What has changed, one line each. Empty if nothing has.
    pub changes: Vec<String>,
}

/// Why a reload has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReloadError {
    /// The configuration is wrong, or cannot be put in effect: for these reasons.
    Refused(Vec<String>),
    /// The balancer has no file to read.
    NoSource,
    /// Too many reloads wait already.
    Busy,
    /// The balancer does not run.
    Ended,
}

impl Display for ReloadError {
    /// A line for each reason.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reasons) => f.write_str(&reasons.join("\n")),
            Self::NoSource => f.write_str("there is no configuration file to read"),
            Self::Busy => f.write_str("too many reloads wait already"),
            Self::Ended => f.write_str("the balancer does not run"),
        }
    }
}

impl std::error::Error for ReloadError {}

impl Reloaded {
    /// What an answer says.
    pub(super) fn from_answer(answer: ReloadAnswer) -> Result<Self, ReloadError> {
        match answer {
            ReloadAnswer::Loaded {
                generation,
                changes,
            } => Ok(Self {
                generation,
                changes,
            }),
            ReloadAnswer::Refused(reasons) => Err(ReloadError::Refused(reasons)),
            ReloadAnswer::NoFile => Err(ReloadError::NoSource),
        }
    }
}

/// The thread that reloads, and what it knows.
pub(super) struct Reloader {
    pub(super) blueprint: Blueprint,
    pub(super) mailboxes: Arc<[Mailbox]>,
    pub(super) requests: Receiver<ReloadRequest>,
    pub(super) source: Option<Box<dyn ReloadSource>>,
    /// Backends whose names could not be resolved yet.
    pub(super) waiting: Waiting,
    pub(super) generation: u64,
    /// Pools that have left and in which exchanges still are.
    pub(super) leaving: Vec<PoolId>,
    pub(super) seen: Seen,
}

/// The balancer has ended.
struct HasEnded;

impl Reloader {
    /// Carries out reloads until the balancer ends.
    pub(super) fn run(mut self) {
        loop {
            let request = match self.look_pause() {
                None => self.requests.recv().map_err(|_| HasEnded),
                Some(pause) => match self.requests.recv_timeout(pause) {
                    Ok(request) => Ok(request),
                    Err(RecvTimeoutError::Timeout) => {
                        self.follow_certificates();
                        match self.vacate_pools() {
                            Ok(()) => continue,
                            Err(ended) => Err(ended),
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => Err(HasEnded),
                },
            };
            let served = request.and_then(|request| self.serve(request));
            if served.is_err() {
                return;
            }
        }
    }

    /// Time until the next look at what changes by itself: pools that empty, and certificates. `None`:
    /// there is nothing to look at.
    fn look_pause(&self) -> Option<Duration> {
        let has_certificates = self.blueprint.servers.iter().any(Option::is_some);
        match (self.leaving.is_empty(), has_certificates) {
            (false, _) => Some(LOOK_PAUSE),
            (true, true) => Some(CERTIFICATES_PAUSE),
            (true, false) => None,
        }
    }

    fn serve(&mut self, request: ReloadRequest) -> Result<(), HasEnded> {
        let (given, asked, reply) = match request {
            ReloadRequest::End => return Err(HasEnded),
            ReloadRequest::Admin(id) => (None, Some(id), None),
            ReloadRequest::Handle(config, reply) => (config, None, Some(reply)),
        };
        let outcome = match self.load(given.map(|config| *config)) {
            Ok(reloaded) => Ok(reloaded),
            Err(Failed::Ended) => return Err(HasEnded),
            Err(Failed::Refused(error)) => Err(error),
        };
        if let Some(source) = &mut self.source {
            source.ended(&outcome);
        }
        let answer = match &outcome {
            Ok(reloaded) => ReloadAnswer::Loaded {
                generation: reloaded.generation,
                changes: reloaded.changes.clone(),
            },
            Err(ReloadError::Refused(reasons)) => ReloadAnswer::Refused(reasons.clone()),
            Err(_) => ReloadAnswer::NoFile,
        };
        if let Some(first) = self.mailboxes.first() {
            send(first, Command::ReloadEnded(asked, Box::new(answer.clone())))?;
        }
        if let Some(reply) = reply {
            // The one who asked may have gone.
            let _ = reply.send(answer);
        }
        Ok(())
    }

    fn load(&mut self, given: Option<Config>) -> Result<Reloaded, Failed> {
        let (mut config, settings) = match given {
            Some(config) => (config, Vec::new()),
            None => {
                let source = self.source.as_mut();
                let source = source.ok_or(Failed::Refused(ReloadError::NoSource))?;
                source.read().map_err(Failed::refused)?
            }
        };
        let present = Present {
            config: &self.blueprint.declared,
            bound: &self.blueprint.bound,
            leaving: &self.leaving,
        };
        let plan = plan(&present, &mut config).map_err(|errors| Failed::refused(lines(&errors)))?;
        if asks_for_credentials(&config) && !self.blueprint.fixed.has_verifier {
            let reason =
                "a route asks for credentials, and none did at the start: needs an upgrade";
            return Err(Failed::refused(vec![reason.to_owned()]));
        }
        if self.blueprint.fixed.has_own_strategies && plan.has_new_pools() {
            let reason = "a pool cannot be added to a balancer with strategies of its user's own";
            return Err(Failed::refused(vec![reason.to_owned()]));
        }
        let prepared = self.prepare(config, &plan).map_err(Failed::refused)?;
        let problems = self.apply(prepared.workers)?;
        self.generation += 1;
        let certificates = renewed(&self.blueprint.servers, &prepared.blueprint.servers);
        self.blueprint = prepared.blueprint;
        self.leaving.extend(&plan.leaving);
        let blueprint = &self.blueprint;
        self.waiting
            .retain(|pool, backend| is_absent(blueprint, pool, backend));
        self.let_go(Leftovers {
            listeners: plan.closing.clone(),
            pools: Vec::new(),
        })?;
        let mut changes = plan.lines;
        let listeners = self.blueprint.bound.iter().zip(&plan.listeners);
        let new = listeners.filter(|(_, plan)| matches!(plan, ListenerPlan::New(_)));
        changes.extend(new.map(|(bound, _)| format!("listener {} added", bound.address)));
        changes.extend(certificates);
        changes.extend(settings);
        changes.extend(problems);
        Ok(Reloaded {
            generation: self.generation,
            changes,
        })
    }

    /// Has each worker go on, the first last. Returns what did not go as it should.
    fn apply(&self, workers: Vec<WorkerReload>) -> Result<Vec<String>, Failed> {
        let mut problems = Vec::new();
        for (mailbox, parts) in self.mailboxes.iter().zip(workers).rev() {
            let found = ask(mailbox, |reply| Command::Reload(Box::new(parts), reply))?;
            problems.extend(
                found
                    .into_iter()
                    .filter(|it| !problems.contains(it))
                    .collect::<Vec<_>>(),
            );
        }
        Ok(problems)
    }

    /// Lets go of pools in which no exchange is left.
    fn vacate_pools(&mut self) -> Result<(), HasEnded> {
        if self.leaving.is_empty() {
            return Ok(());
        }
        let mut in_use = vec![0; self.leaving.len()];
        for mailbox in self.mailboxes.iter() {
            let pools = self.leaving.clone();
            let counts = ask(mailbox, |reply| Command::CountExchanges(pools, reply))?;
            for (sum, count) in in_use.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        let counted = self.leaving.iter().copied().zip(in_use);
        let (empty, rest): (Vec<_>, Vec<_>) = counted.partition(|(_, count)| *count == 0);
        self.leaving = rest.into_iter().map(|(pool, _)| pool).collect();
        self.let_go(Leftovers {
            listeners: Vec::new(),
            pools: empty.into_iter().map(|(pool, _)| pool).collect(),
        })
    }

    fn let_go(&self, of: Leftovers) -> Result<(), HasEnded> {
        if of.listeners.is_empty() && of.pools.is_empty() {
            return Ok(());
        }
        for mailbox in self.mailboxes.iter() {
            let of = Box::new(of.clone());
            ask(mailbox, |reply| Command::LetGo(of, reply))?;
        }
        Ok(())
    }
}

/// Why a reload did not come to its end.
enum Failed {
    Refused(ReloadError),
    Ended,
}

impl Failed {
    fn refused(reasons: Vec<String>) -> Self {
        Self::Refused(ReloadError::Refused(reasons))
    }
}

impl From<HasEnded> for Failed {
    fn from(_: HasEnded) -> Self {
        Self::Ended
    }
}

fn lines(errors: &[ConfigError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// Sends a command to a loop, which may have to take others before.
fn send(to: &Mailbox, command: Command) -> Result<(), HasEnded> {
    let mut command = command;
    loop {
        match to.offer(command) {
            Ok(()) => return Ok(()),
            Err((Untaken::Ended, _)) => return Err(HasEnded),
            Err((Untaken::Full, back)) => {
                command = back;
                thread::park_timeout(SEND_PAUSE);
            }
        }
    }
}

/// Sends a command, and waits for its reply.
fn ask<T>(to: &Mailbox, command: impl FnOnce(Sender<T>) -> Command) -> Result<T, HasEnded> {
    let (reply, answer) = channel();
    send(to, command(reply))?;
    answer.recv().map_err(|_| HasEnded)
}
