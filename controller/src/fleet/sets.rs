//! What each lb is told, and what it says.
//!
//! The set of a pool follows from the rows of its servers; each change of it is a new revision,
//! stored before it is put. Every lb is brought to it by itself.

use super::commit::{Admit, Backend, Deed, EventKind, Pool};
use super::id::{LbName, PoolName, ServerId};
use super::input::{BackendState, PoolSnapshot, PutResult};
use super::server::{Cause, Server, State};
use super::time::{Moment, Seen};
use super::turn::Turn;
use super::{Fleet, Lb, LbPool};
use crate::scale::Sample;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An lb that has not answered for this long is not reachable: three snapshots.
pub(super) const REACHABLE: Duration = Duration::from_secs(3);
/// From one try to bring a set to an lb to the next.
const PUT_AGAIN: Duration = Duration::from_secs(1);
/// A put that has not been answered after this long counts as lost.
const LOST_PUT: Duration = Duration::from_secs(10);
/// An agent that saw no connection for this long shows that its server is empty.
const IDLE: Duration = Duration::from_secs(15);

impl Turn<'_> {
    /// Settles the sets and brings each lb up to date.
    pub(super) fn tell_lbs(&mut self) {
        if self.fleet.lbs.is_empty() {
            return;
        }
        let mut pools: BTreeSet<PoolName> = self.fleet.pools.keys().cloned().collect();
        pools.extend(
            self.fleet
                .specs
                .values()
                .filter_map(|spec| spec.pool.clone()),
        );
        for name in pools {
            let backends = self.backends_of(&name);
            let settled = self.fleet.pools.get(&name);
            if settled.is_none_or(|pool| pool.backends != backends) {
                self.set_backends(&name, backends);
            }
            self.put_where_needed(&name);
        }
    }

    fn backends_of(&self, pool: &PoolName) -> Vec<Backend> {
        let before: BTreeSet<&str> = self
            .fleet
            .pools
            .get(pool)
            .map(|pool| pool.backends.iter().map(|it| it.name.as_str()).collect())
            .unwrap_or_default();
        let mut backends: Vec<Backend> = self
            .fleet
            .servers
            .values()
            .filter_map(|server| {
                let spec = self.fleet.specs.get(&server.service);
                let name = server.backend_name();
                let was_there = before.contains(name.as_str());
                let in_pool = spec.is_some_and(|it| it.pool.as_ref() == Some(pool));
                if !in_pool && !was_there {
                    return None;
                }
                let admit = admit(server, was_there)?;
                let (weight, max_in_flight) =
                    spec.map_or((1, None), |spec| (spec.weight, spec.max_in_flight));
                Some(Backend {
                    name,
                    address: server.address?,
                    weight,
                    max_in_flight,
                    admit,
                })
            })
            .collect();
        backends.sort_by(|a, b| a.name.cmp(&b.name));
        backends
    }

    fn put_where_needed(&mut self, name: &PoolName) {
        let now = self.now;
        let Some(pool) = self.fleet.pools.get(name).cloned() else {
            return;
        };
        let lbs: Vec<LbName> = self.fleet.lbs.keys().cloned().collect();
        for lb in lbs {
            let Some(at) = self.fleet.lbs.get_mut(&lb) else {
                continue;
            };
            let at = at.pools.entry(name.clone()).or_default();
            let taken = at.taken.as_ref();
            let up_to_date = taken.is_some_and(|(_, _, taken)| taken.revision == pool.revision);
            let waits = at.putting.is_some_and(|since| now.since(since) < LOST_PUT);
            if up_to_date || waits || at.fenced || now < at.retry_at {
                continue;
            }
            let taken = taken.map(|(_, _, pool)| pool.clone());
            at.putting = Some(now);
            let force = taken.is_some_and(|taken| self.is_forced(&taken, &pool));
            let (pool, term) = (pool.clone(), self.fleet.term);
            self.act(Deed::PutSet {
                lb,
                pool,
                term,
                force,
            });
        }
    }

    /// All that an lb would lose by a set is conclusively dead, or an operator stopped it: the
    /// guard against empty pools must not keep the dead in.
    fn is_forced(&self, taken: &Pool, pool: &Pool) -> bool {
        let kept: BTreeSet<&str> = pool
            .backends
            .iter()
            .filter(|it| it.admit != Admit::Drain)
            .map(|it| it.name.as_str())
            .collect();
        let mut lost = taken
            .backends
            .iter()
            .filter(|it| it.admit != Admit::Drain && !kept.contains(it.name.as_str()))
            .peekable();
        lost.peek().is_some()
            && lost.all(|backend| {
                let servers = &self.fleet.servers;
                let server = servers
                    .values()
                    .find(|it| it.backend_name() == backend.name);
                server.is_none_or(|server| {
                    let stopped = self.fleet.services.get(&server.service);
                    stopped.is_some_and(|service| service.stopped)
                        || !server.phase().may_exist()
                        || matches!(server.state, State::Terminating { why: Cause::Died })
                })
            })
    }

    pub(super) fn put(&mut self, lb: &LbName, pool: Pool, asked_at: Moment, result: PutResult) {
        let now = self.now;
        let name = pool.name.clone();
        let Some(state) = self.fleet.lbs.get_mut(lb) else {
            return;
        };
        if !matches!(result, PutResult::Failed(_)) {
            state.answered = Some(state.answered.map_or(asked_at, |at| at.max(asked_at)));
        }
        let at = state.pools.entry(name.clone()).or_default();
        at.putting = None;
        at.retry_at = now.plus(PUT_AGAIN);
        match result {
            PutResult::Taken { boot_id } => {
                let was_refused = at.refused.take().is_some();
                at.fenced = false;
                at.retry_at = now;
                at.taken = Some((boot_id, asked_at, pool));
                if was_refused {
                    self.event(
                        EventKind::Lb,
                        None,
                        format!("{lb} takes the set of {name} again"),
                    );
                }
            }
            PutResult::TooFew(why) => {
                let is_new = at.refused.replace(why.clone()).is_none();
                if is_new {
                    let revision = pool.revision.0;
                    let text = format!("{lb} refuses set {revision} of {name}: {why}");
                    self.event(EventKind::Lb, None, text);
                }
            }
            PutResult::Fenced {
                other_fleet: true, ..
            } => {
                at.fenced = true;
                at.retry_at = now.plus(Duration::from_secs(30));
                let text = format!("{lb} has a set of {name} from another fleet: not touched");
                self.event(EventKind::Lb, None, text);
            }
            PutResult::Fenced {
                term,
                revision,
                other_fleet: false,
            } => {
                self.outran(&name, term, revision, lb);
            }
            PutResult::Failed(why) => self.lb_failed(lb, Some(&name), why),
        }
    }

    /// An lb has seen a later set than is stored here: the database is older than the fleet.
    fn outran(
        &mut self,
        name: &PoolName,
        term: Option<super::id::Term>,
        revision: Option<super::id::Revision>,
        lb: &LbName,
    ) {
        if let Some(term) = term.filter(|term| *term >= self.fleet.term) {
            let is_higher = term > self.fleet.term;
            if is_higher {
                self.fleet.term = super::id::Term(term.0 + 1);
                self.changes
                    .push(super::commit::Change::Term(self.fleet.term));
            }
            let ours = self.fleet.pools.get_mut(name);
            if let (false, Some(pool), Some(theirs)) = (is_higher, ours, revision) {
                pool.revision = pool.revision.max(super::id::Revision(theirs.0 + 1));
                self.touch_pool(name);
            }
        }
        let text = format!("{lb} knows a later set of {name} than this database: going past it");
        self.event(EventKind::Lb, None, text);
    }

    pub(super) fn lb_failed(&mut self, lb: &LbName, pool: Option<&PoolName>, why: String) {
        let now = self.now;
        let Some(state) = self.fleet.lbs.get_mut(lb) else {
            return;
        };
        if let Some(at) = pool.and_then(|pool| state.pools.get_mut(pool)) {
            at.putting = None;
            at.retry_at = now.plus(PUT_AGAIN);
        }
        let is_new = state.trouble.replace(why.clone()).is_none();
        if is_new {
            self.event(EventKind::Lb, None, format!("{lb} does not answer: {why}"));
        }
    }

    pub(super) fn snapshot(&mut self, lb: &LbName, name: &PoolName, seen: Seen<PoolSnapshot>) {
        let asked_at = seen.asked_at();
        let Some(state) = self.fleet.lbs.get_mut(lb) else {
            return;
        };
        let recovered = state.trouble.take().is_some();
        state.answered = Some(state.answered.map_or(asked_at, |at| at.max(asked_at)));
        let at = state.pools.entry(name.clone()).or_default();
        if at
            .snapshot
            .as_ref()
            .is_some_and(|before| before.asked_at() >= asked_at)
        {
            return;
        }
        let Some(new) = seen.after(Moment::default()) else {
            return;
        };
        let mut rebooted = false;
        if at
            .taken
            .as_ref()
            .is_some_and(|(boot_id, taken_at, _)| *boot_id != new.boot_id && asked_at >= *taken_at)
        {
            at.taken = None;
            at.retry_at = self.now;
            rebooted = true;
        }
        let answering = at.answering(new);
        let sample = at.sample(new, asked_at);
        at.snapshot = Some(seen);
        if recovered {
            self.event(EventKind::Lb, None, format!("{lb} answers again"));
        }
        if rebooted {
            self.event(
                EventKind::Lb,
                None,
                format!("{lb} was restarted: putting {name} again"),
            );
        }
        for backend in answering {
            let servers = self.fleet.servers.values();
            let id = servers
                .filter(|it| it.phase().may_exist())
                .find(|it| it.backend_name() == backend);
            if let Some(id) = id.map(|server| server.id) {
                self.fleet
                    .evidence
                    .entry(id)
                    .or_default()
                    .answered(asked_at);
            }
        }
        let Some(sample) = sample else { return };
        for (service, spec) in &self.fleet.specs {
            if spec.pool.as_ref() == Some(name)
                && let Some(scaler) = self.fleet.scalers.get_mut(service)
            {
                scaler.observe(lb.as_str(), asked_at, sample.clone());
            }
        }
    }

    /// Names of the lbs that answer now.
    pub(super) fn reachable(&self) -> impl Iterator<Item = (&LbName, &Lb)> {
        let now = self.now;
        self.fleet
            .lbs
            .iter()
            .filter(move |(_, lb)| lb.is_reachable(now))
    }

    /// Every lb that can be reached has taken a set with this server in it, and there is one.
    pub(super) fn is_registered(&self, server: &Server, pool: &PoolName) -> bool {
        let name = server.backend_name();
        let mut any = false;
        for (_, lb) in self.reachable() {
            let taken = lb.pools.get(pool).and_then(|at| at.taken.as_ref());
            if !taken.is_some_and(|(_, _, set)| set.backends.iter().any(|it| it.name == name)) {
                return false;
            }
            any = true;
        }
        any
    }

    /// How the lbs that can be reached see a backend, each by a snapshot that is fresh.
    pub(super) fn seen_as(&self, server: &Server, pool: &PoolName) -> Vec<(BackendState, String)> {
        let name = server.backend_name();
        let now = self.now;
        self.reachable()
            .filter_map(|(_, lb)| {
                let snapshot = lb
                    .pools
                    .get(pool)?
                    .snapshot
                    .as_ref()?
                    .fresh(now, REACHABLE)?;
                let view = snapshot.backends.get(&name)?;
                Some((view.state, view.cause.clone()))
            })
            .collect()
    }

    /// No lb has anything under way at this server, by snapshots asked for after the lb took a set
    /// that drains it; an lb that cannot be reached may be sending, unless the server's agent,
    /// which has made it look unwell, has seen no connection for a while.
    pub(super) fn is_empty(&self, server: &Server, pool: &PoolName) -> bool {
        let name = server.backend_name();
        let agent = self.fleet.agents.get(&server.token);
        let is_idle = agent.is_some_and(|agent| {
            let idle = agent
                .idle_since
                .is_some_and(|at| self.now.since(at) >= IDLE);
            agent.is_lame && idle && self.now.since(server.since) >= IDLE
        });
        self.fleet.lbs.values().all(|lb| {
            let emptied = lb.is_reachable(self.now)
                && lb.pools.get(pool).is_some_and(|at| at.has_emptied(&name));
            emptied || (!lb.is_reachable(self.now) && is_idle)
        })
    }

    /// Requests and tunnels at a server, over all lbs.
    pub(super) fn under_way(&self, id: ServerId) -> (u64, u64) {
        self.server(id)
            .map_or((0, 0), |server| self.fleet.under_way(server))
    }
}

impl Fleet {
    /// Requests and tunnels at a server, over all lbs.
    pub(super) fn under_way(&self, server: &Server) -> (u64, u64) {
        let name = server.backend_name();
        let views = self
            .lbs
            .values()
            .flat_map(|lb| lb.pools.values())
            .filter_map(|at| {
                at.snapshot
                    .as_ref()?
                    .after(Moment::default())?
                    .backends
                    .get(&name)
            });
        views.fold((0, 0), |(requests, tunnels), view| {
            (requests + view.in_flight, tunnels + view.tunnels)
        })
    }
}

impl Lb {
    pub(super) fn is_reachable(&self, now: Moment) -> bool {
        self.answered.is_some_and(|at| now.since(at) <= REACHABLE)
    }
}

impl LbPool {
    fn has_emptied(&self, name: &str) -> bool {
        let Some((boot_id, taken_at, set)) = &self.taken else {
            return false;
        };
        let drains = set.backends.iter().find(|it| it.name == name);
        if drains.is_some_and(|backend| backend.admit != Admit::Drain) {
            return false;
        }
        let snapshot = self
            .snapshot
            .as_ref()
            .and_then(|seen| seen.after(*taken_at));
        snapshot.is_some_and(|snapshot| {
            snapshot.boot_id == *boot_id
                && snapshot
                    .backends
                    .get(name)
                    .is_none_or(|it| it.in_flight + it.tunnels == 0)
        })
    }

    /// Backends that have answered since the snapshot before.
    fn answering(&mut self, new: &PoolSnapshot) -> Vec<String> {
        let responses: BTreeMap<String, u64> = new
            .backends
            .iter()
            .map(|(name, it)| (name.clone(), it.responses))
            .collect();
        let before = std::mem::replace(&mut self.responses, responses);
        let more = |(name, count): (&String, &u64)| {
            before
                .get(name)
                .is_some_and(|then| count > then)
                .then(|| name.clone())
        };
        self.responses.iter().filter_map(more).collect()
    }

    /// Traffic since the snapshot before, if that was of the same boot.
    fn sample(&self, new: &PoolSnapshot, asked_at: Moment) -> Option<Sample> {
        let before = self.snapshot.as_ref()?;
        let span = asked_at.since(before.asked_at());
        let old = before
            .after(Moment::default())
            .filter(|it| it.boot_id == new.boot_id)?;
        let mut sample = Sample {
            span,
            arrivals: new.arrivals.saturating_sub(old.arrivals) as f64,
            queued: new.queued as f64,
            ..Sample::default()
        };
        for (name, view) in &new.backends {
            let Some(then) = old.backends.get(name) else {
                continue;
            };
            sample.responses += view.responses.saturating_sub(then.responses) as f64;
            sample.response_seconds += (view.response_seconds - then.response_seconds).max(0.0);
            sample.busy_seconds += (view.busy_seconds - then.busy_seconds).max(0.0);
        }
        Some(sample)
    }
}

/// How a server stands in a set, if it does.
fn admit(server: &Server, was_there: bool) -> Option<Admit> {
    match &server.state {
        State::Registering | State::Warming => Some(Admit::Trial),
        State::Serving => Some(Admit::Warm),
        State::Draining { .. } => Some(Admit::Drain),
        // The dead leave at once; what is being stopped leaves once it is confirmed gone.
        State::Terminating { why: Cause::Died } => None,
        State::Terminating { .. } => was_there.then_some(Admit::Drain),
        State::Planned
        | State::Launching { .. }
        | State::Starting
        | State::Backoff { .. }
        | State::Quarantined { .. }
        | State::Gone => None,
    }
}
