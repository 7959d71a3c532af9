//! One step: collects transitions, events and acts, and closes them into a commit.

use super::commit::{Act, Backend, Change, Commit, Deed, Event, EventKind};
use super::id::{PoolName, ServerId, ServiceName};
use super::server::{Phase, Server, State};
use super::service::Service;
use super::time::Moment;
use super::{Asked, Fleet};
use std::collections::BTreeSet;
use std::time::Duration;

/// A row of a server that is gone is kept this long.
const KEEP_GONE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Rows of servers that are gone, per service: a crash loop must not fill memory and disk.
const MOST_GONE: usize = 200;

/// A step in progress.
pub(super) struct Turn<'a> {
    pub(super) fleet: &'a mut Fleet,
    pub(super) now: Moment,
    pub(super) changes: Vec<Change>,
    events: Vec<Event>,
    acts: Vec<Act>,
    servers: BTreeSet<ServerId>,
    services: BTreeSet<ServiceName>,
    pools: BTreeSet<PoolName>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(fleet: &'a mut Fleet, now: Moment) -> Self {
        Self {
            fleet,
            now,
            changes: Vec::new(),
            events: Vec::new(),
            acts: Vec::new(),
            servers: BTreeSet::new(),
            services: BTreeSet::new(),
            pools: BTreeSet::new(),
        }
    }

    /// What follows from everything that is known now.
    pub(super) fn settle(&mut self) {
        self.judge();
        self.count();
        self.advance();
        self.tell_lbs();
        self.derive_services();
        self.forget();
        self.fleet.last_step = self.now;
    }

    /// Closes the step.
    pub(super) fn finish(self) -> Commit {
        let Self {
            fleet,
            changes: mut all,
            events,
            acts,
            servers,
            services,
            pools,
            ..
        } = self;
        for id in servers {
            if let Some(server) = fleet.servers.get_mut(&id) {
                server.version += 1;
                all.push(Change::Server(server.clone()));
            }
        }
        for name in services {
            if let Some(service) = fleet.services.get_mut(&name) {
                service.version += 1;
                all.push(Change::Service(service.clone()));
            }
        }
        let pools = pools.iter().filter_map(|name| fleet.pools.get(name));
        all.extend(pools.map(|pool| Change::Pool(pool.clone())));
        Commit::new(all, events, acts)
    }

    /// Moves a server on, and says why. A transition that the table does not have is a defect: it
    /// is recorded and not made.
    pub(super) fn goto(&mut self, id: ServerId, state: State, why: &str) {
        let now = self.now;
        let Some(server) = self.fleet.servers.get_mut(&id) else {
            return;
        };
        let (from, to) = (server.phase(), state.phase());
        if from != to && !from.next().contains(&to) {
            debug_assert!(
                false,
                "{}: {} -> {}: {why}",
                server.name(),
                from.word(),
                to.word()
            );
            let text = format!("no way from {} to {}: {why}", from.word(), to.word());
            self.server_event(id, EventKind::Defect, text);
            return;
        }
        server.state = state;
        if from != to {
            server.since = now;
            let text = if why.is_empty() {
                format!("{} -> {}", from.word(), to.word())
            } else {
                format!("{} -> {}: {why}", from.word(), to.word())
            };
            self.server_event(id, EventKind::State, text);
        }
        if matches!(to, Phase::Gone | Phase::Backoff | Phase::Quarantined) {
            self.fleet.evidence.remove(&id);
            self.fleet.asked.remove(&id);
        }
        self.servers.insert(id);
    }

    /// Changes a row without moving the server on.
    pub(super) fn edit(&mut self, id: ServerId, change: impl FnOnce(&mut Server)) {
        if let Some(server) = self.fleet.servers.get_mut(&id) {
            change(server);
            self.servers.insert(id);
        }
    }

    pub(super) fn edit_service(&mut self, name: &ServiceName, change: impl FnOnce(&mut Service)) {
        if let Some(service) = self.fleet.services.get_mut(name) {
            change(service);
            self.services.insert(name.clone());
        }
    }

    pub(super) fn insert(&mut self, server: Server, text: String) {
        let id = server.id;
        self.fleet.servers.insert(id, server);
        self.servers.insert(id);
        self.server_event(id, EventKind::State, text);
    }

    pub(super) fn insert_service(&mut self, service: Service) {
        self.services.insert(service.name.clone());
        self.fleet.services.insert(service.name.clone(), service);
    }

    /// The number of the next slot, which no other will have.
    pub(super) fn next_server(&mut self) -> ServerId {
        let id = self.fleet.next_server;
        self.claim(id);
        id
    }

    /// No slot will be given this number, or one below it.
    pub(super) fn claim(&mut self, id: ServerId) {
        let next = ServerId(id.0 + 1);
        if next > self.fleet.next_server {
            self.fleet.next_server = next;
            self.changes.push(Change::NextServer(next));
        }
    }

    pub(super) fn set_backends(&mut self, name: &PoolName, backends: Vec<Backend>) {
        let pool = self
            .fleet
            .pools
            .entry(name.clone())
            .or_insert_with(|| super::commit::Pool {
                name: name.clone(),
                revision: super::id::Revision(0),
                backends: Vec::new(),
            });
        pool.revision.0 += 1;
        pool.backends = backends;
        self.pools.insert(name.clone());
    }

    pub(super) fn touch_pool(&mut self, name: &PoolName) {
        self.pools.insert(name.clone());
    }

    pub(super) fn act(&mut self, deed: Deed) {
        self.acts.push(Act::new(deed));
    }

    pub(super) fn event(&mut self, kind: EventKind, service: Option<&ServiceName>, text: String) {
        let (at, service) = (self.now, service.cloned());
        self.events.push(Event {
            at,
            kind,
            service,
            server: None,
            text,
        });
    }

    pub(super) fn server_event(&mut self, id: ServerId, kind: EventKind, text: String) {
        let service = self
            .fleet
            .servers
            .get(&id)
            .map(|server| server.service.clone());
        self.events.push(Event {
            at: self.now,
            kind,
            service,
            server: Some(id),
            text,
        });
    }

    pub(super) fn asked(&mut self, id: ServerId) -> &mut Asked {
        self.fleet.asked.entry(id).or_default()
    }

    pub(super) fn server(&self, id: ServerId) -> Option<&Server> {
        self.fleet.servers.get(&id)
    }

    /// Servers of a service, in the order of their slots.
    pub(super) fn of(&self, service: &ServiceName) -> impl Iterator<Item = &Server> {
        self.fleet
            .servers
            .values()
            .filter(move |server| server.service == *service)
    }

    pub(super) fn ids(&self) -> Vec<ServerId> {
        let living = self
            .fleet
            .servers
            .values()
            .filter(|it| it.phase() != Phase::Gone);
        living.map(|server| server.id).collect()
    }

    fn derive_services(&mut self) {
        let names: Vec<ServiceName> = self.fleet.services.keys().cloned().collect();
        for name in names {
            let min = self
                .fleet
                .specs
                .get(&name)
                .map_or(0, |spec| spec.bounds.min);
            let Some(service) = self.fleet.services.get(&name) else {
                continue;
            };
            let health = service.derive(self.of(&name), min);
            if health == service.health {
                continue;
            }
            let (before, now) = (service.health, self.now);
            self.edit_service(&name, |service| {
                (service.health, service.since) = (health, now)
            });
            let text = format!("{} -> {}", before.word(), health.word());
            self.event(EventKind::State, Some(&name), text);
        }
    }

    /// Drops rows that no late echo is expected of any more.
    fn forget(&mut self) {
        let mut gone: Vec<(Moment, ServerId)> = self
            .fleet
            .servers
            .values()
            .filter(|server| server.phase() == Phase::Gone)
            .map(|server| (server.since, server.id))
            .collect();
        gone.sort_unstable();
        let surplus = gone.len().saturating_sub(MOST_GONE);
        for (nth, (since, id)) in gone.into_iter().enumerate() {
            if nth < surplus || self.now.since(since) > KEEP_GONE {
                self.fleet.servers.remove(&id);
                self.fleet.asked.remove(&id);
                self.servers.remove(&id);
                self.changes.push(Change::ForgetServer(id));
            }
        }
        let stale: Vec<ServiceName> = self
            .fleet
            .services
            .keys()
            .filter(|name| !self.fleet.specs.contains_key(*name))
            .filter(|name| self.of(name).all(|server| server.phase() == Phase::Gone))
            .cloned()
            .collect();
        for name in stale {
            self.fleet.services.remove(&name);
            self.services.remove(&name);
            self.changes.push(Change::ForgetService(name));
        }
    }
}
