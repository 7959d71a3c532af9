//! A store in memory: for simulations, and the model that others are compared with.

use super::{MOST_DECISIONS, MOST_EVENTS, MOST_MINUTES, Minute, Receipt, Store, StoreError};
use crate::fleet::Stored;
use crate::fleet::commit::{Change, Commit, Event};
use crate::fleet::id::{FleetId, ServiceName, Term};
use crate::fleet::time::Moment;
use crate::scale::Decision;
use std::collections::{BTreeMap, VecDeque};

/// Rows in vectors.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    stored: Stored,
    events: VecDeque<(u64, Event)>,
    next_event: u64,
    decisions: VecDeque<(ServiceName, Moment, Decision)>,
    minutes: BTreeMap<ServiceName, VecDeque<Minute>>,
}

/// The version of a new row, and how that of the old one is read.
type Version<T> = (u64, fn(&T) -> u64);

impl Memory {
    pub(crate) fn new(fleet: FleetId) -> Self {
        Self {
            stored: Stored::empty(fleet),
            events: VecDeque::new(),
            next_event: 1,
            decisions: VecDeque::new(),
            minutes: BTreeMap::new(),
        }
    }

    /// Replaces the row with the same key, or adds it. `version` of it must be one more.
    fn put<T: Clone>(
        rows: &mut Vec<T>,
        row: &T,
        is_same: impl Fn(&T) -> bool,
        version: Option<Version<T>>,
    ) -> Result<(), StoreError> {
        let at = rows.iter().position(is_same);
        let before = at.and_then(|at| rows.get(at));
        if let Some((new, version)) = version {
            let old = before.map_or(0, version);
            if new != old + 1 {
                return Err(StoreError::Conflict(format!(
                    "version {new} does not follow {old}"
                )));
            }
        }
        match at.and_then(|at| rows.get_mut(at)) {
            Some(old) => *old = row.clone(),
            None => rows.push(row.clone()),
        }
        Ok(())
    }

    fn apply(&mut self, change: &Change) -> Result<(), StoreError> {
        let stored = &mut self.stored;
        match change {
            Change::Server(row) => Self::put(
                &mut stored.servers,
                row,
                |it| it.id == row.id,
                Some((row.version, |it| it.version)),
            )?,
            Change::Service(row) => Self::put(
                &mut stored.services,
                row,
                |it| it.name == row.name,
                Some((row.version, |it| it.version)),
            )?,
            Change::Pool(row) => {
                Self::put(&mut stored.pools, row, |it| it.name == row.name, None)?;
            }
            Change::ForgetServer(id) => stored.servers.retain(|it| it.id != *id),
            Change::ForgetService(name) => stored.services.retain(|it| it.name != *name),
            Change::Term(term) => stored.term = *term,
            Change::NextServer(id) => stored.next_server = *id,
            Change::Decision(service, at, decision) => {
                self.decisions
                    .push_back((service.clone(), *at, decision.clone()));
                if self.decisions.len() as u64 > MOST_DECISIONS {
                    self.decisions.pop_front();
                }
            }
        }
        Ok(())
    }
}

impl Store for Memory {
    fn load(&mut self) -> Result<Stored, StoreError> {
        Ok(self.stored.clone())
    }

    fn lead(&mut self, _holder: &str) -> Result<Term, StoreError> {
        self.stored.term.0 += 1;
        Ok(self.stored.term)
    }

    fn commit(&mut self, term: Term, commit: &Commit) -> Result<Receipt, StoreError> {
        // A commit may raise its own term.
        if term < self.stored.term {
            return Err(StoreError::Superseded);
        }
        let before = self.stored.clone();
        for change in &commit.changes {
            if let Err(error) = self.apply(change) {
                self.stored = before;
                return Err(error);
            }
        }
        let first_event = self.next_event;
        for event in &commit.events {
            self.events.push_back((self.next_event, event.clone()));
            self.next_event += 1;
        }
        while self.events.len() as u64 > MOST_EVENTS {
            self.events.pop_front();
        }
        Ok(Receipt {
            first_event,
            _private: (),
        })
    }

    fn probe(&mut self, term: Term) -> Result<(), StoreError> {
        if term < self.stored.term {
            Err(StoreError::Superseded)
        } else {
            Ok(())
        }
    }

    fn events(&mut self, after: u64, limit: u64) -> Result<Vec<(u64, Event)>, StoreError> {
        let newer: Vec<_> = self
            .events
            .iter()
            .filter(|(at, _)| *at > after)
            .cloned()
            .collect();
        let skipped = newer
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(newer.into_iter().skip(skipped).collect())
    }

    fn decisions(
        &mut self,
        service: &ServiceName,
        limit: u64,
    ) -> Result<Vec<(Moment, Decision)>, StoreError> {
        let of = self
            .decisions
            .iter()
            .rev()
            .filter(|(name, ..)| name == service);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(of
            .take(limit)
            .map(|(_, at, decision)| (*at, decision.clone()))
            .collect())
    }

    fn add_minute(&mut self, service: &ServiceName, minute: Minute) -> Result<(), StoreError> {
        let minutes = self.minutes.entry(service.clone()).or_default();
        minutes.retain(|it| it.at != minute.at);
        minutes.push_back(minute);
        while minutes.len() as u64 > MOST_MINUTES {
            minutes.pop_front();
        }
        Ok(())
    }

    fn minutes(&mut self, service: &ServiceName, since: Moment) -> Result<Vec<Minute>, StoreError> {
        let all = self.minutes.get(service);
        Ok(all.map_or_else(Vec::new, |all| {
            all.iter()
                .filter(|minute| minute.at >= since)
                .copied()
                .collect()
        }))
    }
}
