//! What is known of each name, and when it is looked up again.
//!
//! A name is looked up again when its records are no longer valid, up to half a second later so
//! that many names do not come at once. A look-up that fails, or finds that there is nothing, is
//! repeated after a second, then less and less often, and changes nothing until the hold time is
//! over. Of several kinds of records (IPv4, IPv6) one that fails keeps what it was.

use super::hosts::Hosts;
use super::lookup::{Lookup, Part, Result};
use super::resolver::{Answer, Resolver};
use super::wire::{Kind, Record};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// Addresses, or services, of a name that are used.
const MAX_RECORDS: usize = 64;
/// Look-ups under way at once.
const MAX_LOOKUPS: usize = 32;
/// The shortest time between two look-ups of a name.
const MIN_TTL: Duration = Duration::from_secs(1);
/// The longest.
const MAX_TTL: Duration = Duration::from_secs(3600);
/// A look-up is later than it could be by up to this.
const MAX_JITTER: Duration = Duration::from_millis(500);
/// The longest time until a failed look-up is repeated.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Time until a name that needed no server is looked up again.
const HOSTS_TTL: Duration = Duration::from_secs(10);

/// A name that is followed. It may be completed by a search list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Name {
    /// Of a host: its addresses are wanted.
    Host(String),
    /// Of a service (RFC 2782): its hosts and ports are wanted.
    Service(String),
}

/// A record of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Service {
    /// Hosts of the lowest priority are to be used, if there are any.
    pub(crate) priority: u16,
    /// Share among those of the same priority.
    pub(crate) weight: u16,
    pub(crate) port: u16,
    /// Its host, a full name without a final dot.
    pub(crate) target: String,
}

/// A name that fails, or recovers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameEvent {
    /// Why, and whether something is known that is held.
    Failed(Name, String, bool),
    Recovered(Name),
    /// It has more records than are used: how many.
    TooMany(Name, usize),
}

#[derive(Debug)]
struct State {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
    services: Vec<Service>,
    due: Timestamp,
    lookup: Option<Lookup>,
    /// Failed look-ups in a row.
    failures: u32,
    /// Since when no look-up has succeeded; what is held counts from then.
    failing_since: Option<Timestamp>,
    /// Whether a look-up has ended.
    is_settled: bool,
    has_too_many: bool,
}

/// All names that are followed.
#[derive(Debug)]
pub(crate) struct Names {
    all: BTreeMap<Name, State>,
    hosts: Hosts,
    /// Time for which what is known is held; `None`: without end.
    hold: Option<Duration>,
    random: fn() -> u64,
    events: Vec<NameEvent>,
    has_changed: bool,
}

impl Names {
    pub(crate) fn new(hold: Option<Duration>, random: fn() -> u64) -> Self {
        Self {
            all: BTreeMap::new(),
            hosts: Hosts::default(),
            hold,
            random,
            events: Vec::new(),
            has_changed: false,
        }
    }

    pub(crate) fn set_hosts(&mut self, hosts: Hosts) {
        self.hosts = hosts;
    }

    /// Follows these names and no others, besides the hosts of the services among them.
    pub(crate) fn follow(&mut self, names: &BTreeSet<Name>, now: Timestamp) {
        let targets = names.iter().filter_map(|name| self.all.get(name));
        let targets = targets.flat_map(|state| &state.services);
        let targets = targets.map(|service| Name::Host(format!("{}.", service.target)));
        let wanted: BTreeSet<Name> = names.iter().cloned().chain(targets).collect();
        self.all.retain(|name, _| wanted.contains(name));
        for name in wanted {
            self.all.entry(name).or_insert_with(|| State {
                v4: Vec::new(),
                v6: Vec::new(),
                services: Vec::new(),
                due: now,
                lookup: None,
                failures: 0,
                failing_since: None,
                is_settled: false,
                has_too_many: false,
            });
        }
    }

    /// The addresses of a host, of IPv4 first, each in ascending order.
    pub(crate) fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let state = self.all.get(&Name::Host(host.to_owned()));
        let all = state.map(|state| state.v4.iter().chain(&state.v6).copied());
        all.map(|all| all.take(MAX_RECORDS).collect())
            .unwrap_or_default()
    }

    /// The records of a service, in ascending order.
    pub(crate) fn services(&self, name: &str) -> &[Service] {
        let state = self.all.get(&Name::Service(name.to_owned()));
        state.map_or(&[], |state| state.services.as_slice())
    }

    /// Whether each of these names has been looked up, whatever came of it, and so have the hosts of
    /// services.
    pub(crate) fn are_settled<'a>(&self, names: impl IntoIterator<Item = &'a Name>) -> bool {
        let is_settled = |name: &Name| self.all.get(name).is_some_and(|it| it.is_settled);
        names.into_iter().all(|name| {
            let services = match name {
                Name::Host(_) => &[],
                Name::Service(service) => self.services(service),
            };
            let mut targets = services.iter();
            is_settled(name) && targets.all(|it| is_settled(&Name::Host(format!("{}.", it.target))))
        })
    }

    /// Takes the answers that have come, and begins the look-ups that are due.
    pub(crate) fn advance(&mut self, resolver: &mut Resolver, now: Timestamp) {
        while let Some((question, answer)) = resolver.next_answer() {
            let names: Vec<_> = self.all.keys().cloned().collect();
            for name in names {
                self.answered(&name, &question, &answer, resolver, now);
            }
        }
        self.let_go(now);
        self.start_due(resolver, now);
    }

    fn answered(
        &mut self,
        name: &Name,
        question: &super::wire::Question,
        answer: &Answer,
        resolver: &mut Resolver,
        now: Timestamp,
    ) {
        let Some(state) = self.all.get_mut(name) else {
            return;
        };
        let Some(lookup) = &mut state.lookup else {
            return;
        };
        if let Some(result) = lookup.answered(question, answer, resolver, now) {
            state.lookup = None;
            self.ended(name, result, now);
        }
    }

    fn start_due(&mut self, resolver: &mut Resolver, now: Timestamp) {
        let under_way = self.all.values().filter(|it| it.lookup.is_some()).count();
        let due = self.all.iter();
        let due = due.filter(|(_, state)| state.lookup.is_none() && state.due <= now);
        let room = MAX_LOOKUPS.saturating_sub(under_way);
        let due: Vec<_> = due.map(|(name, _)| name.clone()).take(room).collect();
        for name in due {
            let (text, kinds): (_, &'static [Kind]) = match &name {
                Name::Host(host) => (host, &[Kind::A, Kind::Aaaa]),
                Name::Service(service) => (service, &[Kind::Srv]),
            };
            if let Name::Host(host) = &name
                && let Some(found) = self.hosts.find(host)
            {
                self.known_without_server(&name, found, now);
                continue;
            }
            let lookup = Lookup::start(text, kinds, resolver, now);
            if let Some(state) = self.all.get_mut(&name) {
                state.lookup = Some(lookup);
            }
        }
    }

    fn known_without_server(&mut self, name: &Name, found: Vec<IpAddr>, now: Timestamp) {
        let records = |of: fn(&IpAddr) -> bool| {
            let of_kind = found.iter().copied().filter(of);
            Part::Found(of_kind.map(Record::Address).collect())
        };
        let parts = vec![
            (Kind::A, records(IpAddr::is_ipv4)),
            (Kind::Aaaa, records(IpAddr::is_ipv6)),
        ];
        self.ended(name, Result::Found(parts, HOSTS_TTL.as_secs() as u32), now);
    }

    /// A look-up has ended.
    fn ended(&mut self, name: &Name, result: Result, now: Timestamp) {
        let jitter = |time: Duration, random: u64| {
            let most = MAX_JITTER.min(time / 10).as_nanos() as u64;
            Duration::from_nanos(random % most.max(1))
        };
        let random = (self.random)();
        let Some(state) = self.all.get_mut(name) else {
            return;
        };
        state.is_settled = true;
        let problem = match result {
            Result::Found(parts, ttl) => {
                let ttl = Duration::from_secs(ttl.into()).clamp(MIN_TTL, MAX_TTL);
                state.due = now + ttl + jitter(ttl, random);
                let count = state.take(parts, &mut self.has_changed);
                let is_recovered = state.failing_since.take().is_some();
                state.failures = 0;
                if is_recovered {
                    self.events.push(NameEvent::Recovered(name.clone()));
                }
                if count > MAX_RECORDS && !state.has_too_many {
                    self.events.push(NameEvent::TooMany(name.clone(), count));
                }
                state.has_too_many = count > MAX_RECORDS;
                return;
            }
            Result::Nothing => "the servers know no such name".to_owned(),
            Result::Failed(problem) => problem,
        };
        let pause = MIN_TTL * 2_u32.saturating_pow(state.failures.min(5));
        let pause = pause.min(MAX_PAUSE);
        state.failures += 1;
        state.due = now + pause + jitter(pause, random);
        if state.failing_since.is_none() {
            state.failing_since = Some(now);
            let event = NameEvent::Failed(name.clone(), problem, state.is_known());
            self.events.push(event);
        }
    }

    /// Forgets what was held for long enough.
    fn let_go(&mut self, now: Timestamp) {
        let Some(hold) = self.hold else {
            return;
        };
        for state in self.all.values_mut() {
            let is_over = state.failing_since.is_some_and(|since| now >= since + hold);
            if is_over && state.is_known() {
                state.v4.clear();
                state.v6.clear();
                state.services.clear();
                self.has_changed = true;
            }
        }
    }

    /// When there is something to do.
    pub(crate) fn next_wakeup(&self) -> Timestamp {
        let under_way = self.all.values().filter(|it| it.lookup.is_some()).count();
        let mut next = Timestamp::NEVER;
        for state in self.all.values() {
            if state.lookup.is_none() && under_way < MAX_LOOKUPS {
                next = next.min(state.due);
            }
            if let (Some(hold), Some(since)) = (self.hold, state.failing_since)
                && state.is_known()
            {
                next = next.min(since + hold);
            }
        }
        next
    }

    /// Whether something is known of a name that was not the last time.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// What there is to tell.
    pub(crate) fn take_events(&mut self) -> Vec<NameEvent> {
        std::mem::take(&mut self.events)
    }
}

impl State {
    const fn is_known(&self) -> bool {
        !(self.v4.is_empty() && self.v6.is_empty() && self.services.is_empty())
    }

    /// Takes what was found. Returns how many records there are of the kind that has the most.
    fn take(&mut self, parts: Vec<(Kind, Part)>, has_changed: &mut bool) -> usize {
        let mut most = 0;
        for (kind, part) in parts {
            let records = match part {
                Part::Found(records) => records,
                Part::Nothing => Vec::new(),
                Part::Failed => continue,
            };
            most = most.max(records.len());
            let records = records.into_iter();
            match kind {
                Kind::A => replace(&mut self.v4, records.filter_map(ip), has_changed),
                Kind::Aaaa => replace(&mut self.v6, records.filter_map(ip), has_changed),
                Kind::Srv => replace(&mut self.services, records.filter_map(service), has_changed),
            }
        }
        most
    }
}

fn replace<T: Ord>(old: &mut Vec<T>, new: impl Iterator<Item = T>, has_changed: &mut bool) {
    let mut new: Vec<T> = new.collect();
    new.sort_unstable();
    new.dedup();
    new.truncate(MAX_RECORDS);
    if new != *old {
        *has_changed = true;
        *old = new;
    }
}

fn ip(record: Record) -> Option<IpAddr> {
    match record {
        Record::Address(ip) => Some(ip),
        Record::Service { .. } => None,
    }
}

fn service(record: Record) -> Option<Service> {
    match record {
        Record::Service {
            priority,
            weight,
            port,
            target,
        } => Some(Service {
            priority,
            weight,
            port,
            target,
        }),
        Record::Address(_) => None,
    }
}
