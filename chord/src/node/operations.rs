//! Operations of clients that this node sees through: who asked, what for, and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::addr::{Addr, Peer};
use crate::message::{Bytes, Item};
use crate::output::Caller;
use crate::time::Timestamp;

const MAX_OPERATIONS: usize = 4096;

/// The client of an operation.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    /// Gets ACK or NACK.
    Course(Addr),
    /// Gets a reply of our own.
    Own(Caller),
}

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) client: Client,
    pub(crate) key: Arc<str>,
    /// What is put; none to get.
    pub(crate) value: Option<Bytes>,
    /// Nodes that may have the value, the next one last.
    pub(crate) holders: Vec<Peer>,
    /// Whether a holder answered that it has none.
    pub(crate) is_missing: bool,
    /// The newest value so far that may not be the newest of all.
    pub(crate) best: Option<Item>,
    /// Whether it waits to be tried again.
    is_resting: bool,
    deadline: Timestamp,
    due: Timestamp,
}

impl Operation {
    pub(crate) const fn new(
        client: Client,
        key: Arc<str>,
        value: Option<Bytes>,
        deadline: Timestamp,
    ) -> Self {
        Self {
            client,
            key,
            value,
            holders: Vec::new(),
            is_missing: false,
            best: None,
            is_resting: false,
            deadline,
            due: deadline,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Operations {
    operations: BTreeMap<u64, Operation>,
    due: BTreeSet<(Timestamp, u64)>,
    next: u64,
}

/// An operation whose time has come.
pub(crate) enum Due {
    /// To be tried again.
    Retry(u64),
    /// Over, without success.
    Over(Operation),
}

impl Operations {
    #[expect(
        clippy::result_large_err,
        reason = "the caller gets its operation back"
    )]
    pub(crate) fn add(&mut self, operation: Operation) -> Result<u64, Operation> {
        if self.operations.len() >= MAX_OPERATIONS {
            return Err(operation);
        }
        self.next += 1;
        self.due.insert((operation.due, self.next));
        self.operations.insert(self.next, operation);
        Ok(self.next)
    }

    pub(crate) fn get(&mut self, id: u64) -> Option<&mut Operation> {
        self.operations.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Operation> {
        let operation = self.operations.remove(&id)?;
        self.due.remove(&(operation.due, id));
        Some(operation)
    }

    /// Has an operation tried again at `at`, unless it is over by then.
    pub(crate) fn rest(&mut self, id: u64, at: Timestamp) {
        if let Some(operation) = self.operations.get_mut(&id) {
            self.due.remove(&(operation.due, id));
            operation.is_resting = true;
            operation.due = operation.deadline.min(at);
            self.due.insert((operation.due, id));
        }
    }

    pub(crate) fn next_deadline(&self) -> Timestamp {
        self.due.first().map_or(Timestamp::NEVER, |(at, _)| *at)
    }

    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Due> {
        let (at, id) = *self.due.first()?;
        if now < at {
            return None;
        }
        self.due.pop_first();
        let operation = self.operations.get_mut(&id)?;
        if !operation.is_resting || now >= operation.deadline {
            return self.operations.remove(&id).map(Due::Over);
        }
        operation.is_resting = false;
        operation.due = operation.deadline;
        self.due.insert((operation.due, id));
        Some(Due::Retry(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.operations.len()
    }
}
