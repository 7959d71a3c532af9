//! Mean and percentiles.

use serde::{Deserialize, Serialize};

/// The spread of some numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The 1st percentile.
    pub p1: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of these; all 0 if there is none.
    #[must_use]
    pub fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        // The nearest rank.
        let rank = |share: f64| {
            let nth = (share * numbers.len() as f64).ceil() as usize;
            numbers.get(nth.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Self {
            mean: numbers.iter().sum::<f64>() / numbers.len().max(1) as f64,
            p1: rank(0.01),
            p99: rank(0.99),
            max: rank(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let spread = Spread::of((1..=200).rev().map(f64::from).collect());
        let (p1, p99) = (spread.p1, spread.p99);
        assert_eq!(
            (spread.mean, p1, p99, spread.max),
            (100.5, 2.0, 198.0, 200.0)
        );
        assert_eq!(Spread::of(vec![]), Spread::default());
    }
}
