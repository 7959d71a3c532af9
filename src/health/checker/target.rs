//! One target of a checker, and how far its present check has come.

use crate::address::Address;
use crate::error::{is_local_shortage, is_without_room};
use crate::health::CheckTarget;
use crate::health::address_order::AddressOrder;
use crate::health::check_attempt::CheckAttempt;
use crate::health::kind::CheckRequest;
use crate::health::schedule::CheckSchedule;
use crate::strategy::Rng;
use crate::time::Timestamp;
use crate::timers::Deadline;
use crate::transport::Transport;
use std::io;

#[derive(Debug)]
pub(super) struct Target<K, T> {
    pub(super) key: K,
    pub(super) spec: CheckTarget,
    pub(super) schedule: CheckSchedule,
    pub(super) order: AddressOrder,
    pub(super) nonces: Rng,
    pub(super) sequence: u16,
    pub(super) phase: Phase<T>,
    pub(super) deadline: Deadline,
    /// The earliest moment of the next check.
    pub(super) soonest: Timestamp,
}

#[derive(Debug)]
pub(super) enum Phase<T> {
    /// The next check begins at the deadline.
    Resting,
    /// A check is to begin.
    Due,
    /// A check waits for a socket.
    Opening(Progress),
    /// There was none at this moment; the check asks again at the deadline.
    Short(Progress, Shortage),
    /// A check has one.
    Open(Progress, CheckAttempt<T>),
}

/// What a socket was not to be had for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortage {
    /// This process or machine has no room for another. That says nothing of the target.
    Own,
    /// The target accepts no further connection, as one does whose backlog is full.
    Target,
}

impl Shortage {
    /// The shortage that an error of opening a socket tells of, if it does.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        match error {
            error if is_without_room(error) => Some(Self::Target),
            error if is_local_shortage(error) => Some(Self::Own),
            _ => None,
        }
    }
}

/// Progress of a check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) started_at: Timestamp,
    /// Addresses that were tried in vain.
    pub(super) tried: usize,
}

impl<K, T: Transport> Target<K, T> {
    /// A target that has not been checked. `seed` decides what its checks send.
    pub(super) fn new(key: K, spec: CheckTarget, schedule: CheckSchedule, seed: u64) -> Self {
        Self {
            key,
            spec,
            schedule,
            order: AddressOrder::default(),
            nonces: Rng::new(!seed),
            sequence: 0,
            phase: Phase::Resting,
            deadline: Deadline::new(),
            soonest: Timestamp::ZERO,
        }
    }

    /// The address to try after `tried` others, and its place among all.
    pub(super) fn address(&self, tried: usize) -> Option<(usize, &Address)> {
        let place = self.order.place(tried, self.spec.addresses.len())?;
        Some((place, self.spec.addresses.get(place)?))
    }

    /// The check under way, if there is one.
    pub(super) fn progress(&self) -> Option<Progress> {
        match &self.phase {
            Phase::Opening(progress) | Phase::Short(progress, _) | Phase::Open(progress, _) => {
                Some(*progress)
            }
            Phase::Resting | Phase::Due => None,
        }
    }

    /// Begins the check on a socket to the address at hand. `None` if there is none.
    pub(super) fn attempt(&mut self, progress: Progress, io: T) -> Option<CheckAttempt<T>> {
        let nonce = self.nonces.next();
        let (_, address) = self.address(progress.tried)?;
        let settings = &self.spec.settings;
        let check = settings.kind.begin(&CheckRequest {
            settings,
            name: &self.spec.name,
            address,
            sequence: self.sequence,
            nonce,
        });
        Some(CheckAttempt::new(io, check, settings.kind.transport()))
    }
}
