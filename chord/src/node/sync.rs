//! The queue of what is to be compared, pushed and pulled between holders of the same keys.

use std::collections::VecDeque;

use crate::addr::Peer;
use crate::message::Slice;

use super::store::Place;

/// Tasks at work at a time: a handover must not flood its receiver.
const MAX_AT_WORK: usize = 16;
/// Tasks that wait. What does not fit is found again by the next comparison.
const MAX_WAITING: usize = 65_536;

/// Something to do for the sake of equal replicas.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Task {
    /// Compare a slice with a peer.
    Compare {
        /// The peer.
        to: Peer,
        /// The slice.
        slice: Slice,
    },
    /// Send an entry to a peer; with `then_drop` it is dropped here once the peer has it.
    Push {
        /// The peer.
        to: Peer,
        /// The entry.
        place: Place,
        /// Whether it is out of place here.
        then_drop: bool,
    },
    /// Get an entry from a peer.
    Pull {
        /// The peer.
        to: Peer,
        /// The slice that it is in.
        slice: Slice,
        /// Its tag.
        tag: u64,
    },
    /// PUT an entry at a plain peer that owns it now.
    Put {
        /// The peer.
        to: Peer,
        /// The entry.
        place: Place,
    },
}

/// Whether what is here may be older than what replicas have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CatchUp {
    Done,
    /// The arc has grown, or is new.
    Needed,
    /// The replicas are being compared.
    Running,
}

#[derive(Debug)]
pub(crate) struct Sync {
    catch_up: CatchUp,
    /// Whether the successor takes this node for its predecessor, as far as it has told.
    is_acknowledged: bool,
    waiting: VecDeque<Task>,
    at_work: usize,
    /// Entries that could not be sent.
    pub(crate) unsent: usize,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            catch_up: CatchUp::Done,
            is_acknowledged: true,
            waiting: VecDeque::new(),
            at_work: 0,
            unsent: 0,
        }
    }
}

impl Sync {
    /// Has the replicas of our arc compared before what is here counts as the newest.
    pub(crate) const fn must_catch_up(&mut self) {
        self.catch_up = CatchUp::Needed;
    }

    /// The arc is new, and the successor has not said that it knows.
    pub(crate) const fn has_joined(&mut self) {
        self.is_acknowledged = false;
        self.must_catch_up();
    }

    /// The successor has said whether it takes this node for its predecessor. Whether replicas are
    /// to be compared because of that.
    pub(crate) fn acknowledged(&mut self, is_acknowledged: bool) -> bool {
        self.is_acknowledged = is_acknowledged;
        if !is_acknowledged {
            self.catch_up = CatchUp::Needed;
        }
        is_acknowledged && self.catch_up == CatchUp::Needed
    }

    /// All replicas are about to be compared. That does not count while the successor still takes
    /// writes to our arc.
    pub(crate) fn compares_all(&mut self) {
        if self.catch_up == CatchUp::Needed && self.is_acknowledged {
            self.catch_up = CatchUp::Running;
        }
    }

    /// Whether that is still going on.
    pub(crate) fn is_catching_up(&self) -> bool {
        match self.catch_up {
            CatchUp::Done => false,
            CatchUp::Needed => true,
            CatchUp::Running => !self.is_idle(),
        }
    }

    pub(crate) fn add(&mut self, task: Task) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(task);
        }
    }

    /// The next task, if another may be at work.
    pub(crate) fn next(&mut self) -> Option<Task> {
        if self.at_work >= MAX_AT_WORK {
            return None;
        }
        let task = self.waiting.pop_front()?;
        // Plain peers answer PUT without saying which: one at a time.
        if matches!(task, Task::Put { .. }) && self.at_work > 0 {
            self.waiting.push_front(task);
            return None;
        }
        Some(task)
    }

    pub(crate) const fn started(&mut self) {
        self.at_work += 1;
    }

    pub(crate) const fn done(&mut self) {
        self.at_work = self.at_work.saturating_sub(1);
    }

    /// A task's peer did not answer: what waits for it is dropped too.
    pub(crate) fn failed(&mut self, task: Task) {
        self.done();
        let peer = match &task {
            Task::Compare { to, .. }
            | Task::Push { to, .. }
            | Task::Pull { to, .. }
            | Task::Put { to, .. } => to.clone(),
        };
        let is_to = |task: &Task| match task {
            Task::Compare { to, .. }
            | Task::Push { to, .. }
            | Task::Pull { to, .. }
            | Task::Put { to, .. } => *to == peer,
        };
        let is_entry = |task: &Task| matches!(task, Task::Push { .. } | Task::Put { .. });
        self.unsent += usize::from(is_entry(&task));
        self.unsent += self
            .waiting
            .iter()
            .filter(|t| is_to(t) && is_entry(t))
            .count();
        self.waiting.retain(|task| !is_to(task));
    }

    /// Whether there is nothing to do, and nothing being done.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.at_work == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.at_work
    }
}
