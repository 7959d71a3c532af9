//! Certainty that a sender has fallen silent, as a number that grows with the silence.
//!
//! The accrual failure detector of Hayashibara, Défago, Yared and Katayama ("The φ Accrual Failure
//! Detector", SRDS 2004): φ is minus the decimal logarithm of the probability that a heartbeat is
//! still to come after so long a silence, by what the gaps before were like. A φ of 6 is wrong
//! once in a million gaps. So the same threshold suits a quiet network and a jittery one.
//!
//! The paper takes the gaps for normal. On a network that loses, they are not: a loss is a gap of
//! two intervals, and a handful of losses makes the spread so wide, or so narrow if they are rare,
//! that φ is wrong by orders of magnitude. But messages say when they were sent, which tells how
//! many are missing between two that came. So jitter and loss are learned apart: the window holds
//! gaps without what was lost, and the silence is explained by every number of losses `k`:
//!
//! ```text
//! P(silence > t) = sum over k of (1 - p) p^k Q((t - (k + 1) mean) / deviation)
//! ```
//!
//! with `p` the share that is lost and `Q` the upper tail of the normal distribution. Until there
//! are gaps, the announced interval stands for them. Knows neither clocks nor thresholds.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Gaps remembered.
const WINDOW: usize = 100;
/// Prior gaps: this number, of one interval, with this deviation.
const PRIOR_GAPS: f64 = 8.0;
const PRIOR_DEVIATION: f64 = 0.25;
/// The least deviation, in intervals: on a quiet network a hiccup of a process is no finding.
const MIN_DEVIATION: f64 = 0.1;
/// The longest gap that is learned from, in intervals: what is longer is a pause of our own or of
/// the sender, not the network's jitter.
const LONGEST_GAP: f64 = 4.0;
/// Part of the messages counted for the share of losses that is forgotten with each.
const FORGETTING: f64 = 1.0 / 500.0;
/// Prior losses: so many of so many.
const PRIOR_LOST: f64 = 0.2;
const PRIOR_SENT: f64 = 100.0;
/// Losses in a row that are thought of; more are too unlikely to matter.
const MAX_LOSSES: u32 = 24;

/// A suspicion: 1 is wrong one time in ten, 2 one in a hundred. In hundredths, up to 99.99.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phi(u16);

impl Phi {
    /// The greatest.
    const MAX: u16 = 9_999;

    /// A suspicion of `tenths`, for thresholds.
    #[must_use]
    pub const fn from_tenths(tenths: u16) -> Self {
        Self(tenths * 10)
    }

    /// The suspicion if what is seen has this probability.
    fn of(probability: f64) -> Self {
        let phi = -probability.max(f64::MIN_POSITIVE).log10();
        Self((phi * 100.0).clamp(0.0, f64::from(Self::MAX)) as u16)
    }
}

/// With one decimal.
impl Display for Phi {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", f64::from(self.0) / 100.0)
    }
}

/// Statistics of the gaps between one sender's messages. All in announced intervals.
#[derive(Clone, Debug)]
pub struct Accrual {
    interval: Duration,
    gaps: VecDeque<f32>,
    sent: f64,
    lost: f64,
}

impl Accrual {
    /// Nothing is known but the interval that was announced.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            gaps: VecDeque::new(),
            sent: 0.0,
            lost: 0.0,
        }
    }

    /// The announced interval.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// A message came `gap` after the last one that came, `steps` intervals after it was sent:
    /// all between them are lost.
    pub fn arrived(&mut self, gap: Duration, steps: u32) {
        let lost = f64::from(steps.max(1) - 1);
        let mut gap = self.in_intervals(gap);
        if lost > 0.0 {
            gap -= lost * self.mean_and_deviation().0;
        }
        if gap <= LONGEST_GAP {
            self.learn(gap.max(0.0));
        }
        self.sent += 1.0 + lost - self.sent * FORGETTING;
        self.lost += lost - self.lost * FORGETTING;
    }

    fn learn(&mut self, gap: f64) {
        if self.gaps.len() >= WINDOW {
            self.gaps.pop_front();
        }
        self.gaps.push_back(gap as f32);
    }

    /// Returns how sure it is that nothing will come after this silence.
    #[must_use]
    pub fn phi(&self, silence: Duration) -> Phi {
        let (mean, deviation) = self.mean_and_deviation();
        let silence = self.in_intervals(silence);
        let share_lost = (self.lost + PRIOR_LOST) / (self.sent + PRIOR_SENT);
        let (mut later, mut weight) = (0.0, 1.0);
        for arrival in 1..=MAX_LOSSES {
            let expected = f64::from(arrival) * mean;
            later += weight * (1.0 - share_lost) * upper_tail((silence - expected) / deviation);
            weight *= share_lost;
        }
        Phi::of(later + weight)
    }

    fn in_intervals(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.interval.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn mean_and_deviation(&self) -> (f64, f64) {
        let gaps = || self.gaps.iter().map(|gap| f64::from(*gap));
        let count = self.gaps.len() as f64 + PRIOR_GAPS;
        let mean = (gaps().sum::<f64>() + PRIOR_GAPS) / count;
        let squares: f64 = gaps().map(|gap| (gap - mean).powi(2)).sum();
        let prior = PRIOR_GAPS * PRIOR_DEVIATION.powi(2);
        let deviation = ((squares + prior) / count).sqrt();
        (mean, deviation.max(MIN_DEVIATION))
    }
}

/// The upper tail of the normal distribution, to half a percent: P. O. Börjesson and C.-E.
/// Sundberg, "Simple approximations of the error function Q(x)", IEEE Trans. Communications, 1979.
fn upper_tail(z: f64) -> f64 {
    const A: f64 = 0.344;
    const B: f64 = 5.334;
    const ROOT_OF_TWO_PI: f64 = 2.506_628_274_631;
    if z < 0.0 {
        return 1.0 - upper_tail(-z);
    }
    let slope = (1.0 - A) * z + A * (z * z + B).sqrt();
    (-z * z / 2.0).exp() / (slope * ROOT_OF_TWO_PI)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// After `count` gaps of one second.
    fn steady(count: usize) -> Accrual {
        let mut accrual = Accrual::new(SECOND);
        for _ in 0..count {
            accrual.arrived(SECOND, 1);
        }
        accrual
    }

    #[test]
    fn the_tail_is_that_of_the_tables() {
        for (z, table) in [
            (0.0, 0.5),
            (1.0, 0.158_655),
            (3.0, 1.349_9e-3),
            (5.0, 2.866_5e-7),
            (-2.0, 0.977_250),
        ] {
            let off = upper_tail(z) / table - 1.0;
            assert!(off.abs() < 0.005, "{z}: {off}");
        }
    }

    #[test]
    fn suspicion_grows_with_silence_and_has_an_end() {
        for accrual in [Accrual::new(SECOND), steady(500)] {
            let phis: Vec<Phi> = (0..100)
                .map(|n| accrual.phi(seconds(f64::from(n) / 4.0)))
                .collect();
            assert!(phis.is_sorted(), "{phis:?}");
            assert_eq!(phis[0].to_string(), "0.0");
            assert!(accrual.phi(Duration::MAX) <= Phi(Phi::MAX));
        }
    }

    #[test]
    fn the_announced_interval_counts_until_there_are_gaps() {
        let fast = Accrual::new(seconds(0.1)).phi(SECOND);
        let slow = Accrual::new(seconds(10.0)).phi(SECOND);
        assert!(fast > Phi::from_tenths(90) && slow < Phi::from_tenths(1));
    }

    #[test]
    fn jitter_widens_and_only_jitter() {
        let (mut jittery, mut losing) = (steady(0), steady(0));
        for n in 0..200 {
            jittery.arrived(seconds(if n % 2 == 0 { 0.5 } else { 1.5 }), 1);
            let steps = if n % 10 == 0 { 2 } else { 1 };
            losing.arrived(SECOND * steps, steps);
        }
        let (_, wide) = jittery.mean_and_deviation();
        let (mean, narrow) = losing.mean_and_deviation();
        assert!(wide > 0.45, "{wide}");
        assert!(
            narrow < 0.11 && (mean - 1.0).abs() < 0.01,
            "{mean} {narrow}"
        );
    }

    #[test]
    fn losses_are_learned_and_then_forgiven() {
        let mut losing = steady(0);
        for n in 0..400 {
            let steps = if n % 10 == 0 { 2 } else { 1 };
            losing.arrived(SECOND * steps, steps);
        }
        let silence = seconds(2.5);
        let (lossless, lossy) = (steady(400).phi(silence), losing.phi(silence));
        // Two in a row are lost once in 100 x 1.1^2 here: a φ of 2.1.
        assert!(lossy < Phi::from_tenths(25), "{lossy}");
        assert!(lossless > Phi::from_tenths(50), "{lossless}");
    }

    #[test]
    fn pause_is_no_sample_of_the_network() {
        let mut paused = steady(20);
        paused.arrived(seconds(60.0), 1);
        let expected = steady(20).mean_and_deviation();
        assert_eq!(paused.mean_and_deviation(), expected);
    }
}
