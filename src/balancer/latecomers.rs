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
use std::fmt::{self, Display, Formatter};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
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

/// Looks up the names of `waiting` by `resolve` until all have joined or the sender of `ended` is
/// gone. A backend that may not join, because an operator has added it meanwhile, is left out.
pub(super) fn admit(
    handle: &Handle,
    mut waiting: Vec<(PoolId, BackendSpec)>,
    ended: &Receiver<()>,
    first_pause: Duration,
    mut resolve: impl FnMut(&BackendSpec) -> Result<Vec<Address>, BindError>,
) {
    let mut pause = first_pause;
    while !waiting.is_empty() {
        if ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        pause = (pause * 2).min(MAX_PAUSE);
        waiting.retain(|(pool, backend)| match resolve(backend) {
            Err(_) => true,
            Ok(addresses) => {
                let added = handle.add_at(*pool, backend, addresses, None, Entrance::Trial);
                matches!(added, Err(AdminError::Busy))
            }
        });
    }
}

/// As [`admit`], with the names looked up by the system.
pub(super) fn admit_resolved(
    handle: &Handle,
    waiting: Vec<(PoolId, BackendSpec)>,
    ended: &Receiver<()>,
) {
    let resolve = |backend: &BackendSpec| crate::net::resolve(&backend.address);
    admit(handle, waiting, ended, FIRST_PAUSE, resolve);
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
        admit(
            &running.handle(),
            vec![(PoolId::FIRST, late)],
            &ended,
            PAUSE,
            resolve,
        );
        let snapshot = running.stop().unwrap().snapshot;
        let names: Vec<_> = snapshot.backends.iter().map(|it| it.name.clone()).collect();
        assert_eq!(names, ["127.0.0.1:1", "late.example:2"]);
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
            vec![(PoolId::FIRST, late)],
            &ended,
            MAX_PAUSE,
            never,
        );
    }
}
