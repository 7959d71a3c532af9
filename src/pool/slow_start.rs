//! The trial and the growing share of backends that have just come back.
//!
//! A backend on probation is due for a trial, and the next pick is it. Refused: waiting until the
//! strategy picks it. A strategy that prefers the fastest backend would leave it on probation for
//! as long as the others can carry the load.
//!
//! While a backend warms up, every pick in the pool earns it credit: its ordinary share of one
//! pick, times how far the ramp has come. A pick costs one credit, and a backend without it is
//! passed over. So its share grows linearly to the ordinary one, smoothly and under every
//! strategy, also those that would prefer a backend with nothing to do. It is passed over only for
//! a backend whose queue is not much longer than its own, though: under load, requests that wait
//! for the others would time out, and these be ejected next. Refused: admitting it
//! with a probability that grows. `least-connections` would choose the idle newcomer for nearly
//! every request, and so give it its full share after a quarter of the time.
//!
//! When no backend is coming back this costs one look at empty lists.

use crate::time::Timestamp;
use std::time::Duration;

/// Credit that can be saved up: more would make a burst after a pause.
const MAX_CREDIT: f64 = 2.0;

/// The height from which a ramp begins, as far as queues are compared.
const FIRST_STEP: f64 = 0.1;

/// One backend's growing share.
#[derive(Clone, Copy, Debug)]
struct Ramp {
    slot: usize,
    since: Timestamp,
    length: Duration,
    credit: f64,
}

/// The backends that come back.
#[derive(Debug, Default)]
pub(super) struct Ramps {
    /// Those on probation, by slot.
    trials: Vec<usize>,
    /// Those that warm up.
    ramps: Vec<Ramp>,
    /// One more than the place of each slot in `ramps`; 0 for none. A large pool may all warm up at
    /// once, and each pick looks here.
    places: Vec<u32>,
}

impl Ramp {
    /// Returns how far it has come, 0 to 1.
    fn height(&self, now: Timestamp) -> f64 {
        let gone = now.since(self.since).as_secs_f64();
        (gone / self.length.as_secs_f64().max(1e-9)).min(1.0)
    }
}

impl Ramps {
    pub(super) fn is_empty(&self) -> bool {
        self.trials.is_empty() && self.ramps.is_empty()
    }

    /// The backend in `slot` is on probation from now on.
    pub(super) fn try_out(&mut self, slot: usize) {
        self.end(slot);
        self.trials.push(slot);
    }

    /// Those on probation, whose trial is due or under way.
    pub(super) fn trials(&self) -> impl Iterator<Item = usize> {
        self.trials.iter().copied()
    }

    pub(super) fn begin(&mut self, slot: usize, since: Timestamp, length: Duration) {
        self.end(slot);
        self.ramps.push(Ramp {
            slot,
            since,
            length,
            credit: 0.0,
        });
        if slot >= self.places.len() {
            self.places.resize(slot + 1, 0);
        }
        self.note_place(self.ramps.len() - 1);
    }

    /// Notes where the ramp at `place` is.
    fn note_place(&mut self, place: usize) {
        if let Some(ramp) = self.ramps.get(place)
            && let Some(known) = self.places.get_mut(ramp.slot)
        {
            *known = place as u32 + 1;
        }
    }

    fn place(&self, slot: usize) -> Option<usize> {
        let place = self.places.get(slot)?.checked_sub(1)?;
        Some(place as usize)
    }

    pub(super) fn end(&mut self, slot: usize) {
        self.trials.retain(|trial| *trial != slot);
        if let Some(place) = self.place(slot) {
            self.ramps.swap_remove(place);
            if let Some(known) = self.places.get_mut(slot) {
                *known = 0;
            }
            self.note_place(place);
        }
    }

    /// A pick is made in the pool. `share_of` tells which share of the picks a slot ordinarily
    /// gets, 0 to 1.
    pub(super) fn earn(&mut self, share_of: impl Fn(usize) -> f64, now: Timestamp) {
        for ramp in &mut self.ramps {
            let earned = share_of(ramp.slot) * ramp.height(now);
            ramp.credit = (ramp.credit + earned).min(MAX_CREDIT);
        }
    }

    /// Returns whether the backend in `slot` may be picked now, as far as its ramp goes.
    pub(super) fn admits(&self, slot: usize) -> bool {
        let ramp = self.place(slot).and_then(|place| self.ramps.get(place));
        ramp.is_none_or(|ramp| ramp.credit >= 1.0)
    }

    /// Returns how far the ramp of the backend in `slot` has come, above 0; 1 if it has none.
    pub(super) fn height(&self, slot: usize, now: Timestamp) -> f64 {
        let ramp = self.ramps.iter().find(|ramp| ramp.slot == slot);
        ramp.map_or(1.0, |ramp| ramp.height(now).max(FIRST_STEP))
    }

    /// The backend in `slot` was picked.
    pub(super) fn spend(&mut self, slot: usize) {
        if let Some(place) = self.place(slot)
            && let Some(ramp) = self.ramps.get_mut(place)
        {
            ramp.credit = (ramp.credit - 1.0).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_linearly() {
        let mut ramps = Ramps::default();
        ramps.begin(3, Timestamp::ZERO, Duration::from_secs(10));
        let mut picked = [0; 10];
        // A thousand picks a second; the backend always is the first choice.
        for pick in 0..10_000_u64 {
            let now = Timestamp::ZERO + Duration::from_millis(pick);
            ramps.earn(|_| 0.25, now);
            if ramps.admits(3) {
                ramps.spend(3);
                picked[pick as usize / 1_000] += 1;
            }
        }
        for (second, picked) in picked.into_iter().enumerate() {
            let ideal = 250.0 * (second as f64 + 0.5) / 10.0;
            assert!(
                (f64::from(picked) - ideal).abs() < 3.0,
                "{second}: {picked}"
            );
        }
    }

    #[test]
    fn each_ramp_is_found_whichever_end() {
        let mut ramps = Ramps::default();
        let end = Timestamp::ZERO + Duration::from_secs(1);
        for slot in [7, 2, 9, 4] {
            ramps.begin(slot, Timestamp::ZERO, Duration::from_secs(1));
        }
        ramps.end(7);
        ramps.begin(2, Timestamp::ZERO, Duration::from_secs(1));
        ramps.earn(|slot| if slot == 4 { 1.0 } else { 0.1 }, end);
        let admitted: Vec<_> = (0..12).filter(|slot| !ramps.admits(*slot)).collect();
        assert_eq!(admitted, [2, 9]);
        ramps.spend(4);
        assert!(!ramps.admits(4));
        for slot in [4, 9, 2] {
            ramps.end(slot);
        }
        assert!(ramps.is_empty() && ramps.admits(2));
    }

    #[test]
    fn a_pause_does_not_end_in_a_burst() {
        let mut ramps = Ramps::default();
        ramps.begin(0, Timestamp::ZERO, Duration::from_secs(1));
        let end = Timestamp::ZERO + Duration::from_secs(1);
        for _ in 0..1_000 {
            ramps.earn(|_| 1.0, end);
        }
        ramps.spend(0);
        assert!(ramps.admits(0) && ramps.admits(7));
        ramps.spend(0);
        assert!(!ramps.admits(0));
        ramps.end(0);
        assert!(ramps.is_empty() && ramps.admits(0));
    }
}
