//! What a pick reads of the backends, laid out for it: eight side by side, each quantity in a
//! [`Row`] of its own.
//!
//! It is written when something is learned of one backend and read at every pick of all of them.

use super::history::Score;
use super::row::Row;
use crate::balance::sample::BLOCK;

/// What a pick reads of eight backends, beside their candidates.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Expected service times, in mean service times of the pool, and their reciprocals.
    pub(super) slowness: Row,
    pub(super) per_slowness: Row,
    /// What failures cost, in mean service times of the pool.
    pub(super) penalty: Row,
    /// How far each seems to serve in order of arrival, 0.3 to 1.
    pub(super) in_order: Row,
    /// Requests below which its trial is not over: none once it was heard from.
    pub(super) trial_below: Row,
    /// While busy: since when the oldest request can have been in service. While idle: when it
    /// was last picked. Seconds on the clock.
    since_s: [f64; BLOCK],
}

impl Group {
    const NEW: Self = Self {
        slowness: Row::all(1.0),
        per_slowness: Row::all(1.0),
        penalty: Row::all(0.0),
        in_order: Row::all(1.0),
        trial_below: Row::all(0.0),
        since_s: [0.0; BLOCK],
    };

    /// How long ago `since_s` was.
    pub(super) fn elapsed_s(&self, now_s: f64) -> Row {
        Row::from(self.since_s.map(|since_s| (now_s - since_s) as f32))
    }
}

/// What a pick reads, by slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Standings(Vec<Group>);

impl Standings {
    /// Makes room for so many backends.
    pub(super) fn make_room(&mut self, backends: usize) {
        self.0.resize(backends.div_ceil(BLOCK), Group::NEW);
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.0
    }

    pub(super) fn group_of(&self, slot: usize) -> Option<(&Group, usize)> {
        Some((self.0.get(slot / BLOCK)?, slot % BLOCK))
    }

    pub(super) fn per_slowness(&self, slot: usize) -> f32 {
        let place = self.group_of(slot);
        place
            .and_then(|(group, lane)| group.per_slowness.get(lane))
            .unwrap_or(1.0)
    }

    pub(super) fn set_score(&mut self, slot: usize, score: &Score) {
        if let Some(group) = self.0.get_mut(slot / BLOCK) {
            let lane = slot % BLOCK;
            group.slowness.set(lane, score.slowness);
            group.per_slowness.set(lane, score.slowness.recip());
            group.penalty.set(lane, score.penalty);
            group.in_order.set(lane, score.in_order);
            let trial_below = if score.heard { 0.0 } else { f32::MAX };
            group.trial_below.set(lane, trial_below);
        }
    }

    pub(super) fn set_since(&mut self, slot: usize, since_s: f64) {
        let group = self.0.get_mut(slot / BLOCK);
        if let Some(own) = group.and_then(|group| group.since_s.get_mut(slot % BLOCK)) {
            *own = since_s;
        }
    }
}
