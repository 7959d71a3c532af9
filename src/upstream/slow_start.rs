//! The growing share of backends that have just come back.
//!
//! While a backend warms up, every pick in the pool earns it credit: its ordinary share of one
//! pick, times how far the ramp has come. A pick costs one credit, and a backend without it is
//! passed over. So its share grows linearly to the ordinary one, smoothly and under every
//! strategy, also those that would prefer a backend with nothing to do. Refused: admitting it
//! with a probability that grows. `least-connections` would choose the idle newcomer for nearly
//! every request, and so give it its full share after a quarter of the time.
//!
//! When nobody warms up this costs one look at an empty list.

use crate::time::Timestamp;
use std::time::Duration;

/// Credit that can be saved up: more would make a burst after a pause.
const MOST_CREDIT: f64 = 2.0;

/// One backend's growing share.
#[derive(Clone, Copy, Debug)]
struct Ramp {
    slot: usize,
    since: Timestamp,
    length: Duration,
    credit: f64,
}

/// The backends that warm up.
#[derive(Debug, Default)]
pub(super) struct Ramps(Vec<Ramp>);

impl Ramp {
    /// How far it has come, 0 to 1.
    fn height(&self, now: Timestamp) -> f64 {
        let gone = now.since(self.since).as_secs_f64();
        (gone / self.length.as_secs_f64().max(1e-9)).min(1.0)
    }
}

impl Ramps {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn begin(&mut self, slot: usize, since: Timestamp, length: Duration) {
        self.end(slot);
        self.0.push(Ramp {
            slot,
            since,
            length,
            credit: 0.0,
        });
    }

    pub(super) fn end(&mut self, slot: usize) {
        self.0.retain(|ramp| ramp.slot != slot);
    }

    /// A pick is made in the pool. `share_of` tells which share of the picks a slot ordinarily
    /// gets, 0 to 1.
    pub(super) fn earn(&mut self, share_of: impl Fn(usize) -> f64, now: Timestamp) {
        for ramp in &mut self.0 {
            let earned = share_of(ramp.slot) * ramp.height(now);
            ramp.credit = (ramp.credit + earned).min(MOST_CREDIT);
        }
    }

    /// Whether the backend in `slot` may be picked now, as far as its ramp goes.
    pub(super) fn admits(&self, slot: usize) -> bool {
        let mut ramps = self.0.iter();
        ramps.all(|ramp| ramp.slot != slot || ramp.credit >= 1.0)
    }

    /// The backend in `slot` was picked.
    pub(super) fn spend(&mut self, slot: usize) {
        if let Some(ramp) = self.0.iter_mut().find(|ramp| ramp.slot == slot) {
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
