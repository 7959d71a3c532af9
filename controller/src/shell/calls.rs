//! What is read and asked from outside, over HTTP and gRPC.

use super::live::Live;
use super::{Shell, Stop};
use crate::fleet::commit::Event;
use crate::fleet::id::ServiceName;
use crate::fleet::input::Input;
use crate::fleet::operate::{Command, Refusal};
use crate::fleet::time::Moment;
use crate::provider::{Built, prepare};
use crate::spec::{self, FleetSpec, ServiceSpec};
use crate::store::StoreError;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;

/// What is asked of the shell from outside.
#[derive(Debug)]
pub(crate) enum Call {
    Read(Read, oneshot::Sender<Result<Value, Failure>>),
    Do(Command, String, oneshot::Sender<Result<Value, Failure>>),
    /// Read the specification again, and build what is to be built.
    Apply {
        force: bool,
        by: String,
        answer: oneshot::Sender<Result<Value, Failure>>,
    },
    /// Build an archive that was sent for a service, and take it over.
    Deploy {
        service: ServiceName,
        archive: PathBuf,
        by: String,
        answer: oneshot::Sender<Result<Value, Failure>>,
    },
    /// Take a specification whose images are built.
    Take {
        new: Box<FleetSpec>,
        built: Vec<Built>,
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
    Events {
        after: u64,
        limit: u64,
    },
    Decisions {
        service: ServiceName,
        limit: u64,
    },
    Minutes {
        service: ServiceName,
        since: u64,
    },
    Metrics,
    Ready,
    /// Everything that a page is told at first.
    Live,
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

impl Shell {
    pub(super) fn answer(&mut self, call: Call) -> Option<Stop> {
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
                        self.tell(now);
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
            Call::Apply { force, by, answer } => self.build(None, force, by, answer),
            Call::Deploy {
                service,
                archive,
                by,
                answer,
            } => self.build(Some((service, archive)), false, by, answer),
            Call::Take {
                new,
                built,
                force,
                by,
                answer,
            } => {
                let _ = answer.send(self.apply(*new, &built, force, &by));
                self.pending.push(Input::Tick);
                return self.step();
            }
        }
        None
    }

    /// Reads the file again and builds the images of its services, beside everything else; what is
    /// built comes back as a call. `sent` is an archive that is new for one of them.
    fn build(
        &self,
        sent: Option<(ServiceName, PathBuf)>,
        force: bool,
        by: String,
        answer: oneshot::Sender<Result<Value, Failure>>,
    ) {
        let mut new = match spec::read(&self.spec_path) {
            Ok(new) => Box::new(new),
            Err(report) => {
                let _ = answer.send(Err(Failure::Invalid(report.to_string())));
                return;
            }
        };
        let (calls, uploads) = (
            self.wires.calls.clone(),
            uploads(&self.spec.controller.state),
        );
        tokio::task::spawn_local(async move {
            match prepare(&mut new.services, &uploads, sent).await {
                Ok(built) => {
                    let take = Call::Take {
                        new,
                        built,
                        force,
                        by,
                        answer,
                    };
                    let _ = calls.send(take).await;
                }
                Err(why) => {
                    let _ = answer.send(Err(Failure::Invalid(why)));
                }
            }
        });
    }

    /// Takes a specification if it lets not too much go.
    fn apply(
        &mut self,
        new: FleetSpec,
        built: &[Built],
        force: bool,
        by: &str,
    ) -> Result<Value, Failure> {
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
        let logs: Vec<Value> = built
            .iter()
            .map(|it| json!({ "service": it.service, "image": it.image, "log": it.log }))
            .collect();
        if logs.is_empty() {
            return Ok(json!({ "done": "applied" }));
        }
        Ok(json!({ "done": "applied", "built": logs }))
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
            | Read::Ready
            | Read::Live => {}
        }
        let Some(fleet) = &self.fleet else {
            return Err(database_away());
        };
        if read == Read::Live {
            return Ok(Live::whole(fleet, now, self.wires.sessions.count()));
        }
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
                    statuses: self.spec.controller.bus.as_ref().map(|_| {
                        let read = |(kind, word)| (word, self.wires.bus.read(kind));
                        crate::bus::Kind::ALL.map(read).to_vec()
                    }),
                };
                let (lbs, holds) = (fleet.lbs_view(now), fleet.holds_view());
                Value::String(crate::api::metrics::text(
                    &services, &servers, &lbs, holds, &counts,
                ))
            }
            Read::Fleet
            | Read::Live
            | Read::Events { .. }
            | Read::Decisions { .. }
            | Read::Minutes { .. } => {
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

/// Why nothing is done while there is no fleet.
pub(super) const AWAY: &str = "the database cannot be used now: nothing is done until it is back";

/// Where archives that were sent are kept, one for each service.
pub(crate) fn uploads(state: &Path) -> PathBuf {
    state.join("uploads")
}

fn database_away() -> Failure {
    Failure::Unavailable(AWAY.to_owned())
}

/// An event as the API shows it.
pub(crate) fn event_json(seq: u64, event: &Event) -> Value {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("seq".to_owned(), json!(seq));
    }
    value
}
