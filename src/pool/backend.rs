//! What is known of one backend besides its candidate, which the strategy sees.

use super::congestion::Congestion;
use super::failure_sources::FailedKeys;
use super::in_flight::Queue;
use super::latency_outlier::LatencyOutlier;
use super::outlier::OutlierDetector;
use super::{Cause, Hold, State};
use crate::strategy::{Candidate, Memory};
use crate::time::Timestamp;

/// The order is that of memory: the lines that each exchange needs come first.
#[repr(C, align(64))]
pub(super) struct Backend {
    pub(super) queue: Queue,
    /// Exchanges it is given at once, at most.
    pub(super) max_in_flight: u32,
    /// The same, as it was set; what is learned of the pool may hold it to fewer.
    pub(super) own_max: u32,
    pub(super) state: State,
    /// Of one worker; several see it in the shared row.
    pub(super) busy: Busy,
    /// True if it was said that it is not ejected because too many are.
    pub(super) is_spared: bool,
    /// True if the other workers keep it from being picked here: its trial is under way there, or a
    /// change of its state is on the way.
    pub(super) is_barred: bool,
    /// What the strategies of all workers have learned of it, as it was last seen.
    pub(super) memory: Memory,
    pub(super) evidence: Evidence,
    /// Whether it has had no room for a connection lately.
    pub(super) congestion: Option<Congestion>,
    /// The operator's word on how well it is. Of the worker that decides.
    pub(super) hold: Option<Hold>,
    pub(super) history: History,
}

/// What exchanges have shown of a backend.
#[derive(Default)]
#[repr(C)]
pub(super) struct Evidence {
    /// Outcomes of exchanges dispatched before are about the past, and no evidence.
    pub(super) judged_from: Timestamp,
    /// Duration of its last good response; zero before the first.
    pub(super) last_response_nanos: u64,
    pub(super) unreachable_in_a_row: u32,
    pub(super) outcomes: OutlierDetector,
    /// The keys of the last failures, if the strategy is keyed.
    pub(super) failed_keys: FailedKeys,
    pub(super) latency: LatencyOutlier,
}

impl Evidence {
    /// Forgets what outcomes and response times have shown.
    pub(super) fn forget(&mut self) {
        self.outcomes = OutlierDetector::default();
        self.latency = LatencyOutlier::default();
    }
}

/// For how long a backend has had something in flight.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Busy {
    since: Timestamp,
    nanos_before: u64,
}

impl Busy {
    /// It was idle until now.
    pub(super) const fn begin(&mut self, now: Timestamp) {
        self.since = now;
    }

    /// It is idle from now on.
    pub(super) const fn end(&mut self, now: Timestamp) {
        self.nanos_before += now.as_nanos().saturating_sub(self.since.as_nanos());
    }

    /// Time it was busy before it last began to be, in nanoseconds, and when that was.
    pub(super) const fn parts(self) -> (u64, Timestamp) {
        (self.nanos_before, self.since)
    }
}

/// Who a backend is, and what has become of it.
#[derive(Debug)]
pub(super) struct History {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) seated_at: Timestamp,
    /// Time and cause of its state.
    pub(super) changed: Option<(Timestamp, Cause)>,
    pub(super) ejections: u64,
}

impl History {
    /// It has come to another state.
    pub(super) fn note(&mut self, to: State, cause: Cause, now: Timestamp) {
        self.changed = Some((now, cause));
        self.ejections += u64::from(matches!(to, State::Ejected { .. }));
    }

    /// When it came to its state.
    pub(super) fn in_state_since(&self) -> Timestamp {
        self.changed.map_or(self.seated_at, |(at, _)| at)
    }
}

/// The first settings of a backend.
pub(super) struct Seat {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) weight: u32,
    pub(super) state: State,
    pub(super) at: Timestamp,
}

impl Seat {
    /// That of a backend which is at the address it is called by.
    pub(super) fn new(name: String, weight: u32, state: State, at: Timestamp) -> Self {
        Self {
            address: name.clone(),
            name,
            weight,
            state,
            at,
        }
    }
}

impl Backend {
    /// One that takes its seat. It is given at most `places` exchanges at once.
    pub(super) fn new(seat: Seat, places: u32) -> Self {
        Self {
            queue: Queue::default(),
            max_in_flight: places,
            own_max: u32::MAX,
            state: seat.state,
            busy: Busy::default(),
            is_spared: false,
            is_barred: false,
            memory: Memory::default(),
            evidence: Evidence::default(),
            congestion: None,
            hold: None,
            history: History {
                name: seat.name,
                address: seat.address,
                seated_at: seat.at,
                changed: None,
                ejections: 0,
            },
        }
    }

    /// Returns whether it may be picked, if it has room.
    pub(super) fn is_open(&self) -> bool {
        self.state.pickable() && !self.is_barred
    }

    /// Returns whether it is passed over for a moment, because it has no room for a connection.
    pub(super) const fn is_congested(&self) -> bool {
        self.max_in_flight == 0
    }

    /// Says in its candidate whether it may be picked.
    #[inline]
    pub(super) fn judge(&self, candidate: &mut Candidate) {
        let (is_open, has_room) = (self.is_open(), candidate.in_flight < self.max_in_flight);
        candidate.pickable = is_open && has_room;
        candidate.full = is_open && !has_room;
    }

    /// It has come to another state: what was held against it in the one before counts no more.
    pub(super) fn entered(&mut self, state: State, now: Timestamp) {
        self.is_spared = false;
        if state.is_out() {
            self.evidence.forget();
        }
        if let State::Ejected { .. } = state {
            self.evidence.judged_from = now;
        }
    }
}
