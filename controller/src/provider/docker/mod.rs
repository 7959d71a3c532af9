//! Servers as containers of Docker engines.
//!
//! The name of a container is its token, so that a second create of the same token is refused and
//! finds the first. Each incarnation is a new container: a clean exit code, and logs of its own.
//! What there is comes from a listing each second and not from the engine's events, which can only
//! make sooner what a listing must confirm anyway: the engine drops them on a broken connection and
//! replays but the last 256.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is shell: it speaks to engines"
)]

mod archive;
mod build;
mod container;
mod engine;

pub(crate) use archive::pack;
pub(crate) use build::{Built, MAX_ARCHIVE, prepare};

use super::{Call, Provider};
use crate::fleet::commit::{LaunchResult, ProviderError};
use crate::fleet::id::{FleetId, Handle, TemplateId, Token};
use crate::fleet::input::{Listing, Unit};
use crate::spec::{DockerTemplate, EngineUrl, Request, ServiceSpec, Template};
use container::{Inspected, Listed, create, label, launch_error, start_error};
use engine::{Trouble, call};
use hyper::Method;
use serde_json::json;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Time limit of one call.
const LIMIT: Duration = Duration::from_secs(20);
/// A listing is wanted each second.
const LISTING: Duration = Duration::from_secs(5);
/// Complete listings in a row that prove a container absent.
const PROOF: u32 = 2;
/// Containers that have ended are kept for looking at their logs, so many on each engine.
const KEPT: usize = 10;

/// Ends that are remembered, so that no container is inspected twice.
const REMEMBERED: usize = 1_000;

/// The provider.
#[derive(Debug)]
pub(crate) struct Docker {
    fleet: FleetId,
    engines: RefCell<BTreeSet<EngineUrl>>,
    /// Launches that are under way from here: nobody else finishes them.
    launching: RefCell<BTreeSet<Token>>,
    /// How containers ended, which never changes, and when.
    ended: RefCell<BTreeMap<String, (String, String)>>,
}

impl Docker {
    /// With the requests of units that exist.
    pub(crate) fn new(fleet: FleetId, requests: impl IntoIterator<Item = Request>) -> Self {
        let engines = requests.into_iter().filter_map(|request| match request {
            Request::Docker(template) => Some(template.engine),
            Request::Process { .. } | Request::Exec(_) | Request::Fixed { .. } => None,
        });
        Self {
            fleet,
            engines: RefCell::new(engines.collect()),
            launching: RefCell::default(),
            ended: RefCell::default(),
        }
    }

    async fn start(
        &self,
        token: &Token,
        template: &TemplateId,
        wanted: &DockerTemplate,
    ) -> Result<(Handle, Option<SocketAddr>), ProviderError> {
        let engine = &wanted.engine;
        let body = create(&self.fleet, token, template, wanted);
        let path = format!("/containers/create?name={token}");
        match call(engine, Method::POST, &path, Some(&body), LIMIT).await {
            Ok(_) => {}
            // The name is taken: by an earlier call of this launch, or by something foreign.
            Err(Trouble::Refused(409, _)) => {
                let there = self
                    .inspect(engine, token.as_str())
                    .await
                    .map_err(launch_error)?;
                if there.config.labels.get(label::FLEET) != Some(&self.fleet.to_string()) {
                    let text = format!("{engine}: {token} is a container of something else");
                    return Err(ProviderError::Invalid(text));
                }
                if there.state.status != "created" {
                    return Ok(described(&there, wanted.port));
                }
            }
            Err(trouble) => return Err(launch_error(trouble)),
        }
        if let Err(trouble) = self.run(engine, token.as_str()).await {
            let error = start_error(trouble);
            if !matches!(error, ProviderError::Unknown(_)) {
                // Nothing runs; the name is given back, so that nothing is left of this call.
                let removed = self.remove(engine, token.as_str()).await;
                removed.map_err(|trouble| ProviderError::Unknown(trouble.to_string()))?;
            }
            return Err(error);
        }
        let there = self.inspect(engine, token.as_str()).await;
        let there = there.map_err(|trouble| ProviderError::Unknown(trouble.to_string()))?;
        Ok(described(&there, wanted.port))
    }

    async fn inspect(&self, engine: &EngineUrl, name: &str) -> Result<Inspected, Trouble> {
        let path = format!("/containers/{name}/json");
        let answer = call(engine, Method::GET, &path, None, LIMIT).await?;
        serde_json::from_value(answer).map_err(|error| Trouble::Lost(format!("{engine}: {error}")))
    }

    /// Starts a container that is there; one that runs is left alone.
    async fn run(&self, engine: &EngineUrl, name: &str) -> Result<(), Trouble> {
        let path = format!("/containers/{name}/start");
        let started = call(engine, Method::POST, &path, None, LIMIT).await;
        started.map(|_| ())
    }

    /// Removes a container, whatever it does. Absent is success.
    async fn remove(&self, engine: &EngineUrl, name: &str) -> Result<(), Trouble> {
        let path = format!("/containers/{name}?force=true&v=true");
        match call(engine, Method::DELETE, &path, None, LIMIT).await {
            Ok(_) | Err(Trouble::Refused(404, _)) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    async fn listing(&self) -> Result<Listing, String> {
        let engines: Vec<EngineUrl> = self.engines.borrow().iter().cloned().collect();
        let mut listing = Listing {
            items: Vec::new(),
            complete: true,
            proof: PROOF,
        };
        let mut trouble = None;
        let mut answered = engines.is_empty();
        for engine in &engines {
            match self.list_engine(engine).await {
                Ok(units) => {
                    listing.items.extend(units);
                    answered = true;
                }
                // Nothing is known of its containers; those of the others are as they are.
                Err(error) => trouble = Some(error.to_string()),
            }
        }
        match trouble {
            Some(error) if !answered => Err(error),
            Some(_) => {
                listing.complete = false;
                Ok(listing)
            }
            None => Ok(listing),
        }
    }

    async fn list_engine(&self, engine: &EngineUrl) -> Result<Vec<Unit>, Trouble> {
        let filters = json!({ "label": [format!("{}={}", label::FLEET, self.fleet)] });
        let filters = percent(&filters.to_string());
        let path = format!("/containers/json?all=true&filters={filters}");
        let answer = call(engine, Method::GET, &path, None, LISTING).await?;
        let listed: Vec<Listed> = serde_json::from_value(answer)
            .map_err(|error| Trouble::Lost(format!("{engine}: {error}")))?;
        let mut units = Vec::new();
        let mut over = Vec::new();
        for container in listed {
            let Some(token) = container.token() else {
                continue;
            };
            if token.parse(&self.fleet).is_none() || container.state == "removing" {
                continue;
            }
            let mut alive = Ok(());
            if container.state == "created" {
                if self.launching.borrow().contains(&token) {
                    continue;
                }
                // A launch that broke off between its two calls.
                if let Err(trouble) = self.run(engine, &container.id).await {
                    alive = Err(format!("could not be started: {trouble}"));
                }
            }
            if container.has_ended() {
                let (how, at) = match self.end_of(engine, &container.id).await {
                    Ok(end) => end,
                    // Removed since it was listed.
                    Err(Trouble::Refused(404, _)) => continue,
                    Err(trouble) => return Err(trouble),
                };
                over.push((at, container.id.clone()));
                alive = Err(how);
            }
            units.push(unit(&container, token, alive));
        }
        self.clear(engine, over).await;
        Ok(units)
    }

    /// How a container ended, and when, as the engine writes it.
    async fn end_of(&self, engine: &EngineUrl, id: &str) -> Result<(String, String), Trouble> {
        if let Some(known) = self.ended.borrow().get(id) {
            return Ok(known.clone());
        }
        let there = self.inspect(engine, id).await?;
        let end = (there.end(), there.state.finished_at.clone());
        let mut known = self.ended.borrow_mut();
        if known.len() >= REMEMBERED {
            // Those that others removed are never asked for again; the rest is read anew.
            known.clear();
        }
        known.insert(id.to_owned(), end.clone());
        Ok(end)
    }

    /// Removes the oldest of those that have ended.
    async fn clear(&self, engine: &EngineUrl, mut over: Vec<(String, String)>) {
        over.sort();
        let surplus = over.len().saturating_sub(KEPT);
        for (_, id) in over.into_iter().take(surplus) {
            // Tried again with the next listing.
            if self.remove(engine, &id).await.is_ok() {
                self.ended.borrow_mut().remove(&id);
            }
        }
    }

    /// Stops and removes a container wherever it is.
    async fn end(
        &self,
        token: &Token,
        handle: Option<&Handle>,
        grace: Duration,
    ) -> Result<bool, ProviderError> {
        let name = handle.map_or(token.as_str(), Handle::as_str);
        let seconds = grace.as_secs_f64().ceil();
        let engines: Vec<EngineUrl> = self.engines.borrow().iter().cloned().collect();
        let mut unknown = None;
        for engine in &engines {
            let path = format!("/containers/{name}/stop?t={seconds}");
            let limit = grace + LIMIT;
            match call(engine, Method::POST, &path, None, limit).await {
                Ok(_) => {}
                Err(Trouble::Refused(404, _)) => continue,
                Err(Trouble::Unreachable(text)) => {
                    unknown = Some(text);
                    continue;
                }
                // A paused one, for instance, cannot be asked nicely.
                Err(_) => {}
            }
            let removed = self.remove(engine, name).await;
            return removed
                .map(|()| true)
                .map_err(|trouble| ProviderError::Transient(trouble.to_string()));
        }
        match unknown {
            Some(text) => Err(ProviderError::Transient(text)),
            None => Ok(true),
        }
    }
}

impl Provider for Docker {
    fn respecify(&self, services: &[ServiceSpec]) {
        let mut engines = self.engines.borrow_mut();
        for service in services {
            if let Template::Docker(template) = &service.template {
                engines.insert(template.engine.clone());
            }
        }
    }

    fn launch<'a>(
        &'a self,
        token: &'a Token,
        template: &'a TemplateId,
        request: &'a Request,
    ) -> Call<'a, LaunchResult> {
        Box::pin(async move {
            let Request::Docker(wanted) = request else {
                let text = "provider docker runs containers".to_owned();
                return LaunchResult::Failed(ProviderError::Invalid(text));
            };
            self.launching.borrow_mut().insert(token.clone());
            let started = self.start(token, template, wanted).await;
            self.launching.borrow_mut().remove(token);
            match started {
                Ok((handle, address)) => LaunchResult::Launched { handle, address },
                Err(error) => LaunchResult::Failed(error),
            }
        })
    }

    fn list(&self) -> Call<'_, Result<Listing, String>> {
        Box::pin(self.listing())
    }

    fn stop<'a>(
        &'a self,
        token: &'a Token,
        handle: Option<&'a Handle>,
        grace: Duration,
    ) -> Call<'a, Result<bool, ProviderError>> {
        Box::pin(self.end(token, handle, grace))
    }

    fn adopt<'a>(&'a self, _token: &'a Token) -> Call<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
}

/// The name that people know a container by: the first digits of its id.
fn handle(id: &str) -> Handle {
    Handle::new(id.get(..12).unwrap_or(id))
}

fn described(there: &Inspected, port: u16) -> (Handle, Option<SocketAddr>) {
    let address = there.ip().map(|ip| SocketAddr::new(ip, port));
    (handle(&there.id), address)
}

fn unit(container: &Listed, token: Token, alive: Result<(), String>) -> Unit {
    let label = |name| container.labels.get(name);
    let port = label(label::PORT).and_then(|port| port.parse().ok());
    Unit {
        token,
        handle: handle(&container.id),
        address: container
            .ip()
            .zip(port)
            .map(|(ip, port)| SocketAddr::new(ip, port)),
        template: label(label::TEMPLATE).map(TemplateId::new),
        alive,
        has_agent: false,
        wrong: container.wrong().map(str::to_owned),
    }
}

/// Percent-encodes a value of a query.
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(percent(r#"{"a":"b=c"}"#), "%7B%22a%22%3A%22b%3Dc%22%7D");
    }
}
