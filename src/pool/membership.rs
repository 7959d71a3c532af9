//! Joining a pool: backends that are added while exchanges are under way.
//!
//! A backend that is added comes through probation and slow start, unless it is [warm](Entrance).
//! How one leaves is known in [`departures`](super::departures). With several workers the first
//! decides, and gives the slots: the others follow by [`Admitted`] and
//! [`StateChange`](super::StateChange), in the order of the decisions.

use super::backend::Seat;
use super::life_cycle::FIRST_COOLDOWN;
use super::selection::Selection;
use super::{ConnectSpec, Moved, Pool, Relocated, State};
use crate::address::Address;
use crate::config::MAX_BACKENDS;
use crate::ids::BackendConnId;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

/// The state in which an added backend begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entrance {
    /// On probation: one exchange at a time, then a growing share.
    #[default]
    Trial,
    /// With its whole share at once: it is known to be well.
    Warm,
}

/// A backend to be added to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBackend {
    /// Its name, which no other backend of the pool has.
    pub name: String,
    /// Its address as people write it.
    pub address: String,
    /// Its addresses: at least one. All are tried.
    pub addresses: Vec<Address>,
    /// Its share relative to the others, 1 to 256.
    pub weight: u32,
    /// Exchanges it is given at once, at least one; `None` for the default of the pool.
    pub max_in_flight: Option<u32>,
    /// The state in which it begins.
    pub entrance: Entrance,
}

/// A backend that the first worker has added, for the others.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The id it was given.
    pub id: BackendId,
    /// Its settings.
    pub backend: Arc<NewBackend>,
}

/// The reason why a backend was not added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAdded {
    /// Another backend of the pool has the name.
    NameTaken(String),
    /// The pool has as many backends as it may: [`MAX_BACKENDS`].
    TooMany,
    /// lb itself listens at the address.
    OwnAddress(String),
    /// The pool is no more in the configuration.
    PoolLeaves,
    /// A UNIX socket cannot be pinged, as the pool's health checks do.
    CannotBePinged(String),
}

impl Display for NotAdded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken(name) => write!(
                f,
                "there is a backend {name} already; remove it first, or choose another name"
            ),
            Self::TooMany => write!(f, "a pool has at most {MAX_BACKENDS} backends"),
            Self::OwnAddress(address) => {
                write!(f, "{address}: lb itself listens there; name another server")
            }
            Self::PoolLeaves => write!(f, "the pool is no more in the configuration"),
            Self::CannotBePinged(address) => write!(
                f,
                "{address} is a UNIX socket, which cannot be pinged; check health by tcp or http"
            ),
        }
    }
}

impl std::error::Error for NotAdded {}

/// Joining.
impl Selection {
    /// Adds a backend, and says under which id. For the first worker.
    ///
    /// # Errors
    /// The name is taken, or there are too many backends.
    pub(super) fn admit(
        &mut self,
        backend: &NewBackend,
        now: Timestamp,
    ) -> Result<BackendId, NotAdded> {
        if self.members.find(&backend.name).is_some() {
            return Err(NotAdded::NameTaken(backend.name.clone()));
        }
        let id = self.members.next_id();
        if id.slot() >= MAX_BACKENDS {
            return Err(NotAdded::TooMany);
        }
        if let Some(row) = self.row(id.slot()) {
            row.renew();
        }
        self.follow_admission(id, backend, now);
        Ok(id)
    }

    /// Adds a backend under the id that the first worker gave it.
    pub(super) fn follow_admission(&mut self, id: BackendId, backend: &NewBackend, now: Timestamp) {
        let state = match backend.entrance {
            Entrance::Trial => State::on_probation(FIRST_COOLDOWN),
            Entrance::Warm => State::Initial,
        };
        let seat = Seat {
            name: backend.name.clone(),
            address: backend.address.clone(),
            weight: backend.weight,
            state,
            at: now,
        };
        self.seat(id, seat);
    }
}

/// Settings of a backend beside its place among the others.
impl Pool {
    /// Adds a backend, and says under which id.
    ///
    /// # Errors
    /// The name is taken, or there are too many backends.
    pub(crate) fn admit(
        &mut self,
        backend: &NewBackend,
        now: Timestamp,
    ) -> Result<BackendId, NotAdded> {
        let id = self.backends.selection.admit(backend, now)?;
        self.equip(id, backend);
        Ok(id)
    }

    /// Adds a backend that the first worker has added.
    pub(crate) fn follow_admission(&mut self, admitted: &Admitted, now: Timestamp) {
        let Admitted { id, backend } = admitted;
        self.backends.selection.follow_admission(*id, backend, now);
        self.equip(*id, backend);
    }

    /// Gives a backend other addresses. The one in use stays first, if it is among them.
    pub(crate) fn move_backend(&mut self, moved: &Moved) -> Relocated {
        let Moved {
            backend,
            address,
            addresses,
        } = moved;
        if !self.backends.selection.members.readdress(*backend, address) {
            return Relocated::Unknown;
        }
        let preferred = usize::from(self.connect.preferred(*backend));
        let in_use = self.connect.addresses(*backend).get(preferred);
        let place = in_use.and_then(|in_use| addresses.iter().position(|it| it == in_use));
        self.connect.place(*backend, addresses.clone());
        match place {
            Some(place) => {
                self.connect.prefer(*backend, place);
                Relocated::Stays
            }
            None => Relocated::Left(self.idle.of(*backend)),
        }
    }

    fn equip(&mut self, id: BackendId, backend: &NewBackend) {
        self.connect.place(id, backend.addresses.clone());
        self.limit(id, backend.max_in_flight);
        if let Some(affinity) = &mut self.affinity {
            affinity.bind(id, &backend.name);
        }
    }

    /// Gives a backend at most so many exchanges at once; `None`: as many as the pool's default.
    /// Returns whether there is such a backend.
    pub(crate) fn limit(&mut self, backend: BackendId, max: Option<u32>) -> bool {
        let default = self.limits.backend_max_in_flight.unwrap_or(u32::MAX);
        self.backends
            .set_max_in_flight(backend, max.unwrap_or(default))
    }

    /// Forgets what belongs to a backend that was removed. Returns its idle connections, to be
    /// closed.
    pub(crate) fn forget(&mut self, backend: BackendId) -> Vec<BackendConnId> {
        if let Some(affinity) = &mut self.affinity {
            affinity.unbind(backend);
        }
        self.idle.of(backend)
    }
}

impl ConnectSpec {
    /// Sets the addresses of a backend.
    pub(super) fn place(&mut self, backend: BackendId, addresses: Vec<Address>) {
        let slot = backend.slot();
        if slot >= self.addresses.len() {
            self.addresses.resize_with(slot + 1, Vec::new);
        }
        if let Some(of_backend) = self.addresses.get_mut(slot) {
            *of_backend = addresses;
        }
        self.prefer(backend, 0);
    }
}
