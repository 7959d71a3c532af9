//! What outlives a restart, behind one trait.
//!
//! A [`Store`] takes commits whole or not at all, under the term of the leader that made them, and
//! gives a [`Receipt`] without which no act can be carried out. It knows rows and not rules.

mod memory;
mod migrations;
mod sqlite;
#[cfg(test)]
mod tests;

pub(crate) use memory::Memory;
pub(crate) use sqlite::Sqlite;

use crate::fleet::Stored;
use crate::fleet::commit::{Commit, Event};
use crate::fleet::id::{ServiceName, Term};
use crate::fleet::time::Moment;
use crate::scale::Decision;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Events kept.
pub(crate) const MOST_EVENTS: u64 = 100_000;
/// Decisions kept.
pub(crate) const MOST_DECISIONS: u64 = 20_000;
/// Minutes of load history kept for each service: 15 days.
pub(crate) const MOST_MINUTES: u64 = 15 * 24 * 60;

/// Proof that a commit is durable. Only a store makes one.
#[derive(Debug)]
pub(crate) struct Receipt {
    /// The number of the first event of the commit.
    pub(crate) first_event: u64,
    _private: (),
}

/// Why a store did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// Another leader has taken over: this one must stop acting.
    Superseded,
    /// A row is not as this leader left it.
    Conflict(String),
    /// The database cannot be used now: full, locked, gone.
    Unavailable(String),
    /// The database cannot be used by this version.
    Unsuitable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superseded => f.write_str("another controller leads"),
            Self::Conflict(text) | Self::Unavailable(text) | Self::Unsuitable(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for StoreError {}

/// One minute of a service, for looking back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Minute {
    /// Its beginning.
    pub(crate) at: Moment,
    pub(crate) want: u64,
    pub(crate) serving: u64,
    /// Mean of the loads that agents reported, if any did.
    pub(crate) load: Option<f64>,
}

/// The database of a fleet.
pub(crate) trait Store {
    /// Everything that the rules start from.
    fn load(&mut self) -> Result<Stored, StoreError>;

    /// Takes the leadership: the term before plus one. The leader before is superseded.
    fn lead(&mut self, holder: &str) -> Result<Term, StoreError>;

    /// Stores a commit made under `term`, whole or not at all. Rows must be as the commit expects
    /// them: one version back.
    fn commit(&mut self, term: Term, commit: &Commit) -> Result<Receipt, StoreError>;

    /// Whether the database can be written to, and `term` still leads.
    fn probe(&mut self, term: Term) -> Result<(), StoreError>;

    /// Events with a number greater than `after`, the oldest first; of more than `limit`, the
    /// newest.
    fn events(&mut self, after: u64, limit: u64) -> Result<Vec<(u64, Event)>, StoreError>;

    /// The newest decisions about a service, the newest first.
    fn decisions(
        &mut self,
        service: &ServiceName,
        limit: u64,
    ) -> Result<Vec<(Moment, Decision)>, StoreError>;

    fn add_minute(&mut self, service: &ServiceName, minute: Minute) -> Result<(), StoreError>;

    /// The minutes of a service since `since`, the oldest first.
    fn minutes(&mut self, service: &ServiceName, since: Moment) -> Result<Vec<Minute>, StoreError>;
}
