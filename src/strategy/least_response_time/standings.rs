//! What a pick reads of the backends, laid out for it: four side by side, each quantity in a
//! vector of its own, so that a formula is computed for four backends at a time.
//!
//! It is written when something is learned of one backend and read at every pick of all of them.
//! Seven digits are more than enough for costs that are estimates.

use crate::strategy::sample::BLOCK;
use wide::f32x4;

/// What a pick reads of four backends, beside their candidates.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Expected service times, in mean service times of the pool.
    pub(super) slowness: f32x4,
    /// What failures cost, in mean service times of the pool.
    pub(super) penalty: f32x4,
    /// How far each seems to serve in order of arrival, 0.3 to 1.
    pub(super) in_order: f32x4,
    /// While busy: since when the oldest request can have been in service. While idle: when it
    /// was last picked. Seconds on the clock.
    since_s: [f64; BLOCK],
}

impl Group {
    const NEW: Self = Self {
        slowness: f32x4::ONE,
        penalty: f32x4::ZERO,
        in_order: f32x4::ONE,
        since_s: [0.0; BLOCK],
    };

    /// How long ago `since_s` was.
    #[inline]
    pub(super) fn elapsed_s(&self, now_s: f64) -> f32x4 {
        f32x4::new(self.since_s.map(|since_s| (now_s - since_s) as f32))
    }

    /// How long ago it was for the backend in a slot, which is of this group. Never negative, though
    /// it may have been set by another worker, whose clock is a moment ahead.
    pub(super) fn elapsed_of(&self, slot: usize, now_s: f64) -> f32 {
        let since_s = self.since_s.get(slot % BLOCK);
        (now_s - since_s.copied().unwrap_or_default()).max(0.0) as f32
    }

    /// The expected service time of the backend in a slot.
    pub(super) fn slowness(&self, slot: usize) -> f32 {
        lane_of(&self.slowness, slot % BLOCK)
    }

    pub(super) fn set_score(&mut self, slot: usize, slowness: f32, penalty: f32) {
        set_lane(&mut self.slowness, slot, slowness);
        set_lane(&mut self.penalty, slot, penalty);
    }

    pub(super) fn set_order(&mut self, slot: usize, in_order: f32) {
        set_lane(&mut self.in_order, slot, in_order);
    }

    pub(super) fn set_since(&mut self, slot: usize, since_s: f64) {
        if let Some(own) = self.since_s.get_mut(slot % BLOCK) {
            *own = since_s;
        }
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

    /// Where a backend is: its group, and its place there.
    pub(super) fn place(&self, slot: usize) -> Option<(&Group, usize)> {
        Some((self.0.get(slot / BLOCK)?, slot % BLOCK))
    }

    /// The group that a backend is in.
    pub(super) fn group_mut(&mut self, slot: usize) -> Option<&mut Group> {
        self.0.get_mut(slot / BLOCK)
    }

    pub(super) fn set_since(&mut self, slot: usize, since_s: f64) {
        if let Some(group) = self.group_mut(slot) {
            group.set_since(slot, since_s);
        }
    }
}

/// One number of a vector; 0 where there is none.
pub(super) fn lane_of(vector: &f32x4, lane: usize) -> f32 {
    vector.as_array().get(lane).copied().unwrap_or_default()
}

/// Which lane is which, as masks.
const LANES: [f32x4; BLOCK] = {
    let [yes, no] = [f32::from_bits(u32::MAX), 0.0];
    [
        f32x4::new([yes, no, no, no]),
        f32x4::new([no, yes, no, no]),
        f32x4::new([no, no, yes, no]),
        f32x4::new([no, no, no, yes]),
    ]
};

/// Writes one number. The whole vector is stored, since a processor that is asked for a vector of
/// which a part is still on its way to memory has to wait until it is there.
#[inline]
fn set_lane(vector: &mut f32x4, slot: usize, number: f32) {
    if let Some(lane) = LANES.get(slot % BLOCK) {
        *vector = lane.bitselect(f32x4::splat(number), *vector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_worker_saw_a_moment_later_is_not_long_ago() {
        let mut group = Group::NEW;
        group.set_since(6, 2.000_005);
        assert_eq!(group.elapsed_of(6, 2.0), 0.0);
        assert_eq!(group.elapsed_of(6, 2.500_005), 0.5);
        assert_eq!(group.elapsed_of(5, 2.0), 2.0, "its neighbour's");
    }
}
