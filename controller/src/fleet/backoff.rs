//! How long a slot waits after its server died, and when it has died too often.

use super::time::Moment;
use std::time::Duration;

/// Longest wait between two starts of a slot.
const LONGEST: Duration = Duration::from_secs(300);
/// Deaths within [`WINDOW`] after which a slot is quarantined.
pub(crate) const CRASH_LOOP: usize = 5;
/// How far back deaths count.
pub(crate) const WINDOW: Duration = Duration::from_secs(600);
/// From one half-open try of a quarantined slot to the next.
pub(crate) const HALF_OPEN: Duration = Duration::from_secs(300);

/// Wait before the start that follows `deaths` deaths in a row: 0, 1, 2, 4 ... 300 s, each 20 %
/// more or less so that servers that died together do not come back together. `salt` decides how
/// much: the same for the same slot and incarnation, so that a restart changes nothing.
pub(crate) fn wait(deaths: usize, salt: u64) -> Duration {
    let Some(doublings) = deaths.checked_sub(2) else {
        return Duration::ZERO;
    };
    let doublings = u32::try_from(doublings.min(16)).unwrap_or(16);
    let plain = Duration::from_secs(1 << doublings).min(LONGEST);
    plain.mul_f64(0.8 + 0.4 * unit(salt))
}

/// Forgets deaths that are too old to count.
pub(crate) fn forget(deaths: &mut Vec<Moment>, now: Moment) {
    deaths.retain(|at| now.since(*at) < WINDOW);
}

/// SplitMix64: a well-mixed number for any salt.
pub(crate) fn mix(salt: u64) -> u64 {
    let mut z = salt.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number from 0 to 1.
fn unit(salt: u64) -> f64 {
    (mix(salt) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        assert_eq!(wait(0, 1), Duration::ZERO);
        assert_eq!(wait(1, 1), Duration::ZERO);
        for (deaths, seconds) in [(2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (30, 300.0)] {
            for salt in 0..100 {
                let waited = wait(deaths, salt).as_secs_f64();
                assert!(
                    (0.8 * seconds..=1.2 * seconds).contains(&waited),
                    "{deaths}: {waited}"
                );
            }
        }
    }

    #[test]
    fn jitter_differs_between_slots_and_repeats_for_one() {
        assert_eq!(wait(5, 42), wait(5, 42));
        assert_ne!(wait(5, 42), wait(5, 43));
    }

    #[test]
    fn old_deaths_are_forgotten() {
        let mut deaths = vec![Moment(0), Moment(1_000)];
        forget(&mut deaths, Moment(600_500));
        assert_eq!(deaths, [Moment(1_000)]);
    }
}
