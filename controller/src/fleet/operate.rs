//! Commands of people.

use super::Fleet;
use super::commit::{Commit, EventKind};
use super::id::{ServerId, ServiceName};
use super::server::{Cause, Phase, State};
use super::time::Moment;
use super::turn::Turn;
use crate::spec::ServiceSpec;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub(crate) enum Command {
    /// So many servers.
    Scale {
        service: ServiceName,
        want: usize,
    },
    /// One more.
    Create {
        service: ServiceName,
    },
    /// This one goes: drained first, or at once with `now`. One fewer is wanted, unless that is
    /// below the minimum: then it is replaced.
    Remove {
        server: ServerId,
        now: bool,
    },
    /// Drained, stopped, started again.
    Restart {
        server: ServerId,
    },
    /// Takes a drain back.
    CancelDrain {
        server: ServerId,
    },
    /// Tries a quarantined server again.
    Retry {
        server: ServerId,
    },
    /// Nothing voluntary is done. `None`: every service.
    Pause {
        service: Option<ServiceName>,
        why: String,
    },
    Resume {
        service: Option<ServiceName>,
    },
    /// No server at all, whatever the bounds are.
    Stop {
        service: ServiceName,
    },
    Start {
        service: ServiceName,
    },
}

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound(String),
    /// It does not fit the state or the bounds.
    Conflict(String),
}

impl Fleet {
    /// Carries a command out, or says why not. Says in a sentence what happens now.
    pub(crate) fn command(
        &mut self,
        now: Moment,
        command: Command,
        by: &str,
    ) -> Result<(Commit, String), Refusal> {
        let mut turn = Turn::new(self, now);
        let answer = turn.operate(command, by)?;
        turn.settle();
        Ok((turn.finish(), answer))
    }

    /// Why a new specification is not taken without a second word: it would let most of what
    /// serves go at once.
    pub(crate) fn objection(&self, specs: &[ServiceSpec]) -> Option<String> {
        self.specs.values().find_map(|old| {
            let serving = self.serving(&old.name);
            let new = specs.iter().find(|spec| spec.name == old.name);
            let stays = new.map_or(0, |spec| {
                let want = self.services.get(&old.name).map_or(serving, |it| it.want);
                spec.bounds.clamp(want)
            });
            (serving >= 2 && stays * 2 < serving).then(|| {
                format!(
                    "service {} would go from {serving} servers to {stays}",
                    old.name
                )
            })
        })
    }

    fn serving(&self, name: &ServiceName) -> usize {
        let servers = self.servers.values().filter(|it| it.service == *name);
        servers.filter(|it| it.phase() == Phase::Serving).count()
    }
}

impl Turn<'_> {
    fn operate(&mut self, command: Command, by: &str) -> Result<String, Refusal> {
        match command {
            Command::Scale { service, want } => self.scale(&service, want, by),
            Command::Create { service } => {
                self.spec(&service)?;
                let want = self.fleet.services.get(&service).map_or(0, |it| it.want);
                self.scale(&service, want + 1, by)
            }
            Command::Remove { server, now } => self.remove(server, now, by),
            Command::Restart { server } => self.restart(server, by),
            Command::CancelDrain { server } => self.cancel(server, by),
            Command::Retry { server } => self.retry(server, by),
            Command::Pause { service, why } => self.pause(service, Some(why), by),
            Command::Resume { service } => self.pause(service, None, by),
            Command::Stop { service } => self.stop_or_start(&service, true, by),
            Command::Start { service } => self.stop_or_start(&service, false, by),
        }
    }

    fn spec(&self, name: &ServiceName) -> Result<ServiceSpec, Refusal> {
        let spec = self.fleet.specs.get(name).cloned();
        spec.ok_or_else(|| Refusal::NotFound(format!("there is no service {name}")))
    }

    fn living(&self, id: ServerId) -> Result<(ServiceName, Phase), Refusal> {
        let server = self
            .server(id)
            .filter(|server| server.phase() != Phase::Gone);
        server
            .map(|server| (server.service.clone(), server.phase()))
            .ok_or_else(|| Refusal::NotFound(format!("there is no server {id}")))
    }

    fn scale(&mut self, name: &ServiceName, want: usize, by: &str) -> Result<String, Refusal> {
        let spec = self.spec(name)?;
        let bounds = spec.bounds;
        if bounds.clamp(want) != want {
            return Err(Refusal::Conflict(format!(
                "{want} servers of {name} are outside its bounds, {} to {}",
                bounds.min, bounds.max
            )));
        }
        let before = self.fleet.services.get(name).map_or(0, |it| it.want);
        let (now, counts) = (self.now, self.counts(&spec, before));
        self.edit_service(name, |service| service.want = want);
        if let Some(scaler) = self.fleet.scalers.get_mut(name) {
            scaler.overrule(now, want, counts);
        }
        let text = format!("wants {want} instead of {before} ({by})");
        self.event(EventKind::Operator, Some(name), text);
        Ok(format!("{name} wants {want} servers"))
    }

    fn remove(&mut self, id: ServerId, at_once: bool, by: &str) -> Result<String, Refusal> {
        let (name, phase) = self.living(id)?;
        let counted = self.server(id).is_some_and(super::server::Server::counts);
        let spec = self.spec(&name).ok();
        let drain = spec
            .as_ref()
            .map_or(Duration::ZERO, |spec| spec.timing.drain);
        let service = self.fleet.services.get(&name);
        let (want, min) = (
            service.map_or(0, |it| it.want),
            spec.map_or(0, |it| it.bounds.min),
        );
        if counted && want > min {
            self.edit_service(&name, |service| service.want = want - 1);
            let now = self.now;
            if let (Some(spec), Some(_)) = (
                self.fleet.specs.get(&name).cloned(),
                self.fleet.scalers.get(&name),
            ) {
                let counts = self.counts(&spec, want);
                if let Some(scaler) = self.fleet.scalers.get_mut(&name) {
                    scaler.overrule(now, want - 1, counts);
                }
            }
        }
        self.leave(
            id,
            Cause::Operator,
            if at_once { Duration::ZERO } else { drain },
        );
        let how = if at_once { "now" } else { "after a drain" };
        self.server_event(id, EventKind::Operator, format!("removed {how} ({by})"));
        let kept = if counted && want > min {
            ""
        } else {
            "; it is replaced"
        };
        let from = phase.word();
        Ok(format!("server {id} ({from}) leaves {how}{kept}"))
    }

    fn restart(&mut self, id: ServerId, by: &str) -> Result<String, Refusal> {
        let (name, phase) = self.living(id)?;
        let drain = self.spec(&name)?.timing.drain;
        match phase {
            Phase::Starting | Phase::Registering | Phase::Warming | Phase::Serving => {
                self.server_event(id, EventKind::Operator, format!("restarted ({by})"));
                self.leave(id, Cause::Restart, drain);
                Ok(format!("server {id} is drained, stopped and started again"))
            }
            Phase::Planned
            | Phase::Launching
            | Phase::Draining
            | Phase::Terminating
            | Phase::Backoff
            | Phase::Quarantined
            | Phase::Gone => Err(Refusal::Conflict(format!(
                "server {id} is {}: there is nothing to restart",
                phase.word()
            ))),
        }
    }

    fn cancel(&mut self, id: ServerId, by: &str) -> Result<String, Refusal> {
        let (name, phase) = self.living(id)?;
        if phase != Phase::Draining {
            let text = format!("server {id} is {}, not draining", phase.word());
            return Err(Refusal::Conflict(text));
        }
        let spec = self.spec(&name)?;
        let want = self.fleet.services.get(&name).map_or(0, |it| it.want);
        if want < spec.bounds.max {
            self.edit_service(&name, |service| service.want = want + 1);
            let (now, counts) = (self.now, self.counts(&spec, want));
            if let Some(scaler) = self.fleet.scalers.get_mut(&name) {
                scaler.overrule(now, want + 1, counts);
            }
        }
        self.undrain(id, &format!("drain cancelled ({by})"));
        Ok(format!("server {id} serves again"))
    }

    fn retry(&mut self, id: ServerId, by: &str) -> Result<String, Refusal> {
        let (_, phase) = self.living(id)?;
        if phase != Phase::Quarantined {
            let text = format!("server {id} is {}, not quarantined", phase.word());
            return Err(Refusal::Conflict(text));
        }
        self.edit(id, |server| server.deaths.clear());
        if !self.renew(id) {
            return Err(Refusal::Conflict("no address is free for it".to_owned()));
        }
        self.goto(id, State::Planned, &format!("tried again ({by})"));
        Ok(format!("server {id} is started again"))
    }

    fn pause(
        &mut self,
        service: Option<ServiceName>,
        why: Option<String>,
        by: &str,
    ) -> Result<String, Refusal> {
        let names = match service {
            Some(name) => {
                self.spec(&name)?;
                vec![name]
            }
            None => self.fleet.services.keys().cloned().collect(),
        };
        let word = if why.is_some() { "paused" } else { "resumed" };
        for name in &names {
            self.edit_service(name, |service| service.paused = why.clone());
            let reason = why.as_ref().map_or(String::new(), |why| format!(": {why}"));
            self.event(
                EventKind::Operator,
                Some(name),
                format!("{word} ({by}){reason}"),
            );
        }
        let names: Vec<&str> = names.iter().map(ServiceName::as_str).collect();
        Ok(format!("{word}: {}", names.join(", ")))
    }

    fn stop_or_start(
        &mut self,
        name: &ServiceName,
        stopped: bool,
        by: &str,
    ) -> Result<String, Refusal> {
        self.spec(name)?;
        self.edit_service(name, |service| service.stopped = stopped);
        let word = if stopped { "stopped" } else { "started" };
        self.event(EventKind::Operator, Some(name), format!("{word} ({by})"));
        Ok(format!("service {name} is {word}"))
    }
}
