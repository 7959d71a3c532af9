//! Backends whose names could not be resolved at the start: they join when they can be.
//!
//! A thread of its own looks the names up, because that blocks. It tries again after a second, then
//! less and less often, until all have joined or the balancer has ended.

use super::{AdminError, Handle};
use crate::address::Address;
use crate::config::BackendSpec;
use crate::ids::PoolId;
use crate::net::BindError;
use crate::pool::Entrance;
use crate::worker::PoolRef;
use std::fmt::{self, Display, Formatter};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time until the names are looked up again for the first time; twice as long each time after that.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest time between two look-ups.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// A backend whose name could not be resolved when the balancer was bound. It joins when that
/// succeeds.
#[derive(Debug)]
pub struct Latecomer {
    pub(super) pool: PoolId,
    pub(super) backend: BackendSpec,
    pub(super) error: BindError,
}

impl Latecomer {
    /// The backend.
    #[must_use]
    pub const fn backend(&self) -> &BackendSpec {
        &self.backend
    }

    /// Why it takes no part yet.
    #[must_use]
    pub const fn error(&self) -> &BindError {
        &self.error
    }
}

impl Display for Latecomer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}; it joins when the name can be resolved", self.error)
    }
}

/// A backend that may not join, though its name could be resolved: lb itself listens there, say.
#[derive(Debug)]
pub struct RefusedLatecomer {
    backend: BackendSpec,
    error: AdminError,
}

impl RefusedLatecomer {
    /// The backend.
    #[must_use]
    pub const fn backend(&self) -> &BackendSpec {
        &self.backend
    }

    /// Why it may not join.
    #[must_use]
    pub const fn error(&self) -> &AdminError {
        &self.error
    }
}

impl Display for RefusedLatecomer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { backend, error } = self;
        write!(f, "backend {} may not join: {error}", backend.address)
    }
}

/// Backends that wait for their names to be resolved, and those that have joined since. A reload may
/// take some back.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<Mutex<Lists>>);

#[derive(Debug, Default)]
struct Lists {
    late: Vec<(PoolId, BackendSpec)>,
    /// Those that are not part of the configuration in effect yet, with their addresses.
    joined: Vec<(PoolId, BackendSpec, Vec<Address>)>,
}

impl Waiting {
    pub(super) fn new(late: Vec<(PoolId, BackendSpec)>) -> Self {
        let joined = Vec::new();
        Self(Arc::new(Mutex::new(Lists { late, joined })))
    }

    /// A thread that panicked has left whole what it had.
    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().late.is_empty()
    }

    /// The addresses of a backend that has joined.
    pub(super) fn addresses(&self, pool: PoolId, backend: &BackendSpec) -> Option<Vec<Address>> {
        let lists = self.lock();
        let mut joined = lists.joined.iter();
        let found = joined.find(|(at, it, _)| *at == pool && it.address == backend.address);
        found.map(|(_, _, addresses)| addresses.clone())
    }

    /// Leaves out those that are not to be kept: they are in effect, or not wanted any more.
    pub(super) fn retain(&self, keep: impl Fn(PoolId, &BackendSpec) -> bool) {
        let mut lists = self.lock();
        lists.late.retain(|(pool, it)| keep(*pool, it));
        lists.joined.retain(|(pool, it, _)| keep(*pool, it));
    }
}

/// Looks up the names of `waiting` by `resolve` until all have joined or the sender of `ended` is
/// gone. A backend that may not join is left out and told to `refused`.
pub(super) fn admit(
    handle: &Handle,
    waiting: &Waiting,
    ended: &Receiver<()>,
    first_pause: Duration,
    mut resolve: impl FnMut(&BackendSpec) -> Result<Vec<Address>, BindError>,
    mut refused: impl FnMut(RefusedLatecomer),
) {
    let mut pause = first_pause;
    while !waiting.is_empty() {
        if ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        pause = (pause * 2).min(MAX_PAUSE);
        // Nothing is locked while a name is looked up, which may take long.
        let names = waiting.lock().late.clone();
        for late in names {
            let Ok(addresses) = resolve(&late.1) else {
                continue;
            };
            let mut lists = waiting.lock();
            let Some(index) = lists.late.iter().position(|it| *it == late) else {
                continue;
            };
            let (pool, backend) = &late;
            match handle.add_at(
                PoolRef::Id(*pool),
                backend,
                addresses.clone(),
                None,
                Entrance::Trial,
            ) {
                Err(AdminError::Busy) => continue,
                Ok(_) => lists.joined.push((*pool, backend.clone(), addresses)),
                Err(AdminError::Ended) => {}
                Err(error) => {
                    let backend = backend.clone();
                    refused(RefusedLatecomer { backend, error });
                }
            }
            lists.late.remove(index);
        }
    }
}

/// As [`admit`], with the names looked up by the system.
pub(super) fn admit_resolved(
    handle: &Handle,
    waiting: &Waiting,
    ended: &Receiver<()>,
    refused: Option<&Sender<RefusedLatecomer>>,
) {
    let resolve = |backend: &BackendSpec| crate::net::resolve(&backend.address);
    let tell = |one| {
        if let Some(refused) = refused {
            // Nobody may listen any more.
            let _ = refused.send(one);
        }
    };
    admit(handle, waiting, ended, FIRST_PAUSE, resolve, tell);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::Balancer;
    use crate::config::Config;
    use crate::net::BindErrorKind;
    use std::sync::mpsc::channel;

    const PAUSE: Duration = Duration::from_millis(1);

    #[test]
    fn a_backend_joins_when_its_name_is_resolved() {
        let mut config = Config::new(["127.0.0.1:1".parse().unwrap()]).unwrap();
        config
            .set_listeners(["127.0.0.1:0".parse().unwrap()])
            .unwrap();
        let running = Balancer::bind(&config).unwrap().spawn().unwrap();
        let mut failures = 3;
        let resolve = |_: &BackendSpec| {
            failures -= 1;
            match failures {
                0 => Ok(vec![Address::Tcp("127.0.0.1:2".parse().unwrap())]),
                _ => Err(BindError::new(BindErrorKind::Unresolved, "no", "wait")),
            }
        };
        let (_end, ended) = channel();
        let late: BackendSpec = "late.example:2=7".parse().unwrap();
        let waiting = Waiting::new(vec![(PoolId::FIRST, late.clone())]);
        assert_eq!(waiting.addresses(PoolId::FIRST, &late), None);
        admit(
            &running.handle(),
            &waiting,
            &ended,
            PAUSE,
            resolve,
            |refused| panic!("{refused}"),
        );
        let at = vec![Address::Tcp("127.0.0.1:2".parse().unwrap())];
        assert_eq!(waiting.addresses(PoolId::FIRST, &late), Some(at));
        waiting.retain(|_, _| false);
        assert_eq!(waiting.addresses(PoolId::FIRST, &late), None, "in effect");
        let snapshot = running.stop().unwrap().snapshot;
        let names: Vec<_> = snapshot.backends.iter().map(|it| it.name.clone()).collect();
        assert_eq!(names, ["127.0.0.1:1", "late.example:2"]);
    }

    #[test]
    fn a_backend_that_may_not_join_is_told() {
        let mut config = Config::new(["127.0.0.1:1".parse().unwrap()]).unwrap();
        config
            .set_listeners(["127.0.0.1:0".parse().unwrap()])
            .unwrap();
        let running = Balancer::bind(&config).unwrap().spawn().unwrap();
        let own = Address::Tcp(running.addresses()[0]);
        let other = Address::Tcp("127.0.0.1:2".parse().unwrap());
        let resolve = |backend: &BackendSpec| match backend.address.to_string().as_str() {
            "own.example:2" => Ok(vec![own.clone()]),
            _ => Ok(vec![other.clone()]),
        };
        let (_end, ended) = channel();
        let late = ["own.example:2", "127.0.0.1:1", "late.example:2"];
        let late = late.map(|name| (PoolId::FIRST, name.parse().unwrap()));
        let mut told = Vec::new();
        let refused = |one: RefusedLatecomer| told.push(one.to_string());
        admit(
            &running.handle(),
            &Waiting::new(late.into()),
            &ended,
            PAUSE,
            resolve,
            refused,
        );
        running.stop().unwrap();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with("backend own.example:2 may not join: ")
                && told[0].ends_with("lb itself listens there; name another server"),
            "{told:?}"
        );
        assert!(
            told[1].contains("there is a backend 127.0.0.1:1 already"),
            "{told:?}"
        );
    }

    #[test]
    fn waiting_ends_with_the_balancer() {
        let mut config = Config::new(["127.0.0.1:1".parse().unwrap()]).unwrap();
        config
            .set_listeners(["127.0.0.1:0".parse().unwrap()])
            .unwrap();
        let handle = Balancer::bind(&config).unwrap().handle();
        let (end, ended) = channel();
        drop(end);
        let late: BackendSpec = "late.example:2".parse().unwrap();
        let never = |_: &BackendSpec| panic!("it is not looked up any more");
        admit(
            &handle,
            &Waiting::new(vec![(PoolId::FIRST, late)]),
            &ended,
            MAX_PAUSE,
            never,
            |refused| panic!("{refused}"),
        );
    }
}
