//! A pool with backends that are found: what is wanted of it, and how the balancer comes there.

use super::{Handle, is_followed};
use crate::address::Address;
use crate::config::{BackendAddress, BackendSpec, Discover, Dns, Host, PoolConfig};
use crate::discovery::{
    Change, DiscoveryEvent, FileBackend, Membership, Name, Names, Outcome, Service, Wanted,
    read_backends,
};
use crate::ids::PoolId;
use crate::net::{FollowedFile, Look, has_route};
use crate::pool::Entrance;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Changes that wait for the first worker at most, so that others find room in its mailbox.
const CHANGES_AT_ONCE: usize = 64;
/// The greatest weight of a backend.
const MAX_WEIGHT: u32 = 256;

/// The owners of backends that are found.
const FILE: &str = "file";
const DNS: &str = "dns";

/// A pool with backends that are found.
#[derive(Debug)]
pub(super) struct FollowedPool {
    id: PoolId,
    name: String,
    discover: Discover,
    file: Option<FollowedList>,
    /// Backends of the configuration whose names are looked up again.
    named: Vec<BackendSpec>,
    /// Services whose hosts are backends.
    services: Vec<String>,
    membership: Membership,
    /// Whether all names have been looked up once and the file has said something. The backends
    /// that are found until then are the first of the pool: none is known to be better, and they
    /// have their whole share at once.
    has_begun: bool,
    /// Whether there may be changes that are not made yet.
    is_unfinished: bool,
}

/// A file of backends.
#[derive(Debug)]
struct FollowedList {
    file: FollowedFile,
    /// What it said last.
    says: Option<Vec<FileBackend>>,
    /// Why it cannot be followed.
    failure: Option<String>,
}

impl FollowedPool {
    /// What is to be followed of a pool, of which `present` are there with their addresses from the
    /// start; `None`: nothing.
    pub(super) fn of(
        id: PoolId,
        (dns, pool): (&Dns, &PoolConfig),
        present: &PoolConfig,
        addresses: &[Vec<Address>],
    ) -> Option<Self> {
        // Latecomers are added by others, when the system can resolve their names.
        let named = pool.backends().iter().filter(|spec| {
            let is_present = present.backends().contains(spec);
            is_present && spec.is_named() || is_followed(dns, pool.discover, spec)
        });
        let mut new = Self {
            id,
            name: pool.name().to_owned(),
            discover: pool.discover,
            file: pool.backends_file.clone().map(|path| FollowedList {
                file: FollowedFile::new(path),
                says: None,
                failure: None,
            }),
            named: named.cloned().collect(),
            services: pool.services.iter().map(ToString::to_string).collect(),
            membership: Membership::default(),
            has_begun: false,
            is_unfinished: false,
        };
        if new.file.is_none() && new.named.is_empty() && new.services.is_empty() {
            return None;
        }
        // The first generation of each slot, in the order of the configuration.
        let ids = (0..).map(|slot| BackendId::new(slot, 0).of_pool(id));
        for ((id, spec), addresses) in ids.zip(present.backends()).zip(addresses) {
            if host(spec).is_some() {
                new.membership
                    .adopt(id, wanted(spec, None, addresses.clone(), DNS));
            }
        }
        Some(new)
    }

    /// The file that is followed.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|list| list.file.path())
    }

    pub(super) const fn is_unfinished(&self) -> bool {
        self.is_unfinished
    }

    /// Something is known that was not before.
    pub(super) const fn plan_again(&mut self) {
        self.is_unfinished = true;
    }

    /// The names that matter to it.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> {
        let services = self.services.iter().cloned().map(Name::Service);
        let hosts = self.specs().filter_map(|(_, _, spec)| host(spec));
        services.chain(hosts.map(|(name, _)| Name::Host(name.to_owned())))
    }

    /// The backends that are written somewhere: owner, name and the rest.
    fn specs(&self) -> impl Iterator<Item = (&'static str, Option<&str>, &BackendSpec)> {
        let says = self.file.iter().flat_map(|list| &list.says).flatten();
        let says = says.map(|it| (FILE, it.name.as_deref(), &it.spec));
        self.named.iter().map(|spec| (DNS, None, spec)).chain(says)
    }

    /// Looks at the file. Returns what there is to tell.
    pub(super) fn look(&mut self, touched: bool) -> Option<DiscoveryEvent> {
        let list = self.file.as_mut()?;
        let said = match list.file.look(touched) {
            Look::Same => return None,
            Look::Failed(problem) => Err(problem),
            Look::Text(text) => read_backends(list.file.path(), &text),
        };
        let pool = self.name.clone();
        match said {
            Ok(says) => {
                list.says = Some(says);
                self.is_unfinished = true;
                let file = list.file.path().display().to_string();
                let recovered = list.failure.take().is_some();
                recovered.then_some(DiscoveryEvent::FileRecovered { pool, file })
            }
            Err(problem) if list.failure.as_ref() == Some(&problem) => None,
            Err(problem) => {
                list.failure = Some(problem.clone());
                Some(DiscoveryEvent::FileFailed { pool, problem })
            }
        }
    }

    /// Has the changes made that are wanted. Returns what there is to tell.
    pub(super) fn apply(
        &mut self,
        handle: &Handle,
        names: &Names,
        now: Timestamp,
    ) -> Vec<DiscoveryEvent> {
        self.membership.forget_departed(now);
        if !std::mem::take(&mut self.is_unfinished) {
            return Vec::new();
        }
        let wanted = self.wanted(names);
        let entrance = match self.has_begun {
            true => Entrance::Trial,
            false => Entrance::Warm,
        };
        let has_list = self.file.as_ref().is_none_or(|list| list.says.is_some());
        self.has_begun |= has_list && names.are_settled(&self.names().collect::<Vec<_>>());
        let plan = self.membership.plan(&wanted, entrance);
        let (mut told, mut tally) = (Vec::new(), Tally::default());
        for changes in plan.chunks(CHANGES_AT_ONCE) {
            let sent = changes.iter();
            let sent = sent.map(|(_, change)| handle.discovered(self.id, change.clone()));
            let sent: Vec<_> = sent.collect();
            for ((name, change), reply) in changes.iter().zip(sent) {
                let outcome = reply.ok().and_then(|reply| reply.recv().ok());
                let outcome = outcome.unwrap_or(Outcome::Busy);
                match outcome {
                    Outcome::Done(_) => tally.count(change),
                    Outcome::Gone | Outcome::Refused(_) | Outcome::Busy => {
                        self.is_unfinished = true;
                    }
                }
                if let Some(reason) = self.membership.settle(name, change, outcome, now) {
                    told.push(DiscoveryEvent::Refused {
                        pool: self.name.clone(),
                        backend: name.clone(),
                        reason,
                    });
                }
            }
        }
        self.membership.forget_refused(&wanted);
        told.extend(tally.told(&self.name));
        told
    }

    /// The backends that are wanted, each name once, as far as names have addresses.
    fn wanted(&self, names: &Names) -> Vec<Wanted> {
        let mut all = Vec::new();
        for (owner, name, spec) in self.specs() {
            match (host(spec), self.discover) {
                (None, _) => all.extend(fixed(spec).map(|at| wanted(spec, name, vec![at], owner))),
                (Some((host, port)), Discover::FirstAddress) => {
                    let found = sockets(names.addresses(host), port);
                    all.extend(self.of_host(spec, name, found, owner));
                }
                (Some((host, port)), Discover::AllAddresses) => {
                    let found = sockets(reachable(names.addresses(host)), port);
                    all.extend(found.into_iter().map(|at| each(spec, name, at, owner)));
                }
            }
        }
        for service in &self.services {
            all.extend(of_service(names, service));
        }
        let mut seen = HashSet::new();
        all.retain(|wanted| seen.insert(wanted.name.clone()));
        all
    }

    /// A backend with all addresses of its host. Those that are known keep their order, since
    /// servers give them in another one each time.
    fn of_host(
        &self,
        spec: &BackendSpec,
        name: Option<&str>,
        found: Vec<SocketAddr>,
        owner: &'static str,
    ) -> Option<Wanted> {
        let mut wanted = wanted(spec, name, Vec::new(), owner);
        let known = self.membership.known(&wanted.name);
        let known = known.map_or(&[][..], |known| known.addresses.as_slice());
        let found: Vec<_> = found.into_iter().map(Address::Tcp).collect();
        if found.is_empty() {
            // Nothing was found so far: what the system found at the start holds.
            wanted.addresses = known.to_vec();
        } else {
            let kept = known.iter().filter(|it| found.contains(it)).cloned();
            wanted.addresses = kept.collect();
            let new = found.into_iter().filter(|it| !known.contains(it));
            wanted.addresses.extend(new);
        }
        (!wanted.addresses.is_empty()).then_some(wanted)
    }
}

/// The name and port of a backend that is to be looked up.
fn host(spec: &BackendSpec) -> Option<(&str, u16)> {
    match &spec.address {
        BackendAddress::Tcp(at) => match at.host() {
            Host::Name(name) => Some((name, at.port())),
            Host::Ip(_) => None,
        },
        BackendAddress::Unix(_) => None,
    }
}

/// The address of a backend that needs no look-up.
fn fixed(spec: &BackendSpec) -> Option<Address> {
    match &spec.address {
        BackendAddress::Tcp(at) => at.socket_addr().map(Address::Tcp),
        BackendAddress::Unix(path) => Some(Address::Unix(path.clone())),
    }
}

fn sockets(ips: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let all = ips.into_iter().map(|ip| SocketAddr::new(ip, port));
    all.collect()
}

/// The addresses to which this machine knows a way; all, if it knows none to any.
fn reachable(all: Vec<IpAddr>) -> Vec<IpAddr> {
    let found: Vec<_> = all.iter().copied().filter(|ip| has_route(*ip)).collect();
    match found.is_empty() {
        true => all,
        false => found,
    }
}

/// A backend as it is written, at these addresses.
fn wanted(
    spec: &BackendSpec,
    name: Option<&str>,
    addresses: Vec<Address>,
    owner: &'static str,
) -> Wanted {
    let address = spec.address.to_string();
    Wanted {
        name: name.map_or_else(|| address.clone(), str::to_owned),
        address,
        addresses,
        weight: spec.weight.get().into(),
        max_connections: spec.max_connections,
        owner,
    }
}

/// The backend at one of the addresses of a host.
fn each(spec: &BackendSpec, name: Option<&str>, at: SocketAddr, owner: &'static str) -> Wanted {
    let name = match name {
        Some(name) => format!("{name}@{at}"),
        None => at.to_string(),
    };
    Wanted {
        name,
        address: at.to_string(),
        ..wanted(spec, None, vec![Address::Tcp(at)], owner)
    }
}

/// The backends of a service: the hosts of the lowest priority that has any.
fn of_service(names: &Names, service: &str) -> Vec<Wanted> {
    let services = names.services(service);
    let mut priorities: Vec<_> = services.iter().map(|it| it.priority).collect();
    priorities.dedup();
    for priority in priorities {
        let of_priority = services.iter().filter(|it| it.priority == priority);
        let of_priority: Vec<_> = of_priority.collect();
        let greatest = of_priority.iter().map(|it| it.weight).max().unwrap_or(0);
        let mut found = Vec::new();
        for service in of_priority {
            let addresses = names.addresses(&format!("{}.", service.target));
            for at in sockets(reachable(addresses), service.port) {
                found.push(Wanted {
                    name: at.to_string(),
                    address: at.to_string(),
                    addresses: vec![Address::Tcp(at)],
                    weight: weight(service, greatest),
                    max_connections: None,
                    owner: DNS,
                });
            }
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// The weight of a service, of 0 to 65,535, as one of 1 to 256 in proportion.
fn weight(service: &Service, greatest: u16) -> u32 {
    let (own, greatest) = (u32::from(service.weight), u32::from(greatest));
    let scaled = match greatest > MAX_WEIGHT {
        true => own * MAX_WEIGHT / greatest,
        false => own,
    };
    scaled.max(1)
}

/// How many changes were made.
#[derive(Debug, Default)]
struct Tally {
    added: usize,
    removed: usize,
    changed: usize,
}

impl Tally {
    fn count(&mut self, change: &Change) {
        match change {
            Change::Add(..) | Change::Keep(_) => self.added += 1,
            Change::Remove(_) => self.removed += 1,
            Change::Weigh(..) | Change::Limit(..) | Change::Move(..) => self.changed += 1,
        }
    }

    fn told(&self, pool: &str) -> Option<DiscoveryEvent> {
        let Self {
            added,
            removed,
            changed,
        } = *self;
        (added + removed + changed > 0).then(|| DiscoveryEvent::Changed {
            pool: pool.to_owned(),
            added,
            removed,
            changed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_in_proportion() {
        let weigh = |own, greatest| {
            let service = Service {
                priority: 0,
                weight: own,
                port: 80,
                target: "a".to_owned(),
            };
            weight(&service, greatest)
        };
        assert_eq!((weigh(0, 0), weigh(30, 60), weigh(0, 60)), (1, 30, 1));
        assert_eq!((weigh(65_535, 65_535), weigh(32_768, 65_535)), (256, 128));
        assert_eq!(weigh(1, 65_535), 1);
    }
}
