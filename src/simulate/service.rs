//! The work of a request.
//!
//! Work is in seconds of a worker of speed 1. Each kind is a distribution with a mean, by which
//! loads are reckoned.

use super::chance::Chance;
use super::scenario::positive;
use serde::Deserialize;

/// A distribution of service times.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Service {
    /// Always the same. Milliseconds.
    Constant {
        /// The service time.
        ms: f64,
    },
    /// Memoryless. Milliseconds.
    Exponential {
        /// On average.
        mean_ms: f64,
    },
    /// Many short ones and a few long ones. Milliseconds.
    Bimodal {
        /// Service time of most requests.
        short_ms: f64,
        /// Service time of the others.
        long_ms: f64,
        /// The share of the others, 0 to 1.
        long_share: f64,
    },
    /// The logarithm is normal: a heavy tail. Milliseconds.
    Lognormal {
        /// On average.
        mean_ms: f64,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
    },
    /// Pi with a number of terms that is equally likely up to a largest one.
    Pi {
        /// The largest number of terms.
        terms: u32,
        /// Service time of each term. Milliseconds.
        term_ms: f64,
    },
}

impl Service {
    /// The mean, in seconds.
    pub(super) fn mean_s(&self) -> f64 {
        1e-3 * match *self {
            Self::Constant { ms } => ms,
            Self::Exponential { mean_ms } | Self::Lognormal { mean_ms, .. } => mean_ms,
            Self::Bimodal {
                short_ms,
                long_ms,
                long_share,
            } => short_ms + long_share * (long_ms - short_ms),
            Self::Pi { terms, term_ms } => 0.5 * (f64::from(terms) + 1.0) * term_ms,
        }
    }

    /// One service time, in seconds.
    pub(super) fn draw_s(&self, chance: &mut Chance) -> f64 {
        1e-3 * match *self {
            Self::Constant { ms } => ms,
            Self::Exponential { mean_ms } => chance.exponential(mean_ms),
            Self::Bimodal {
                short_ms,
                long_ms,
                long_share,
            } => match chance.unit() < long_share {
                true => long_ms,
                false => short_ms,
            },
            // The mean of exp(mu + sigma * normal) is exp(mu + sigma^2 / 2).
            Self::Lognormal { mean_ms, sigma } => {
                mean_ms * (sigma * chance.normal() - 0.5 * sigma * sigma).exp()
            }
            Self::Pi { terms, term_ms } => (f64::from(terms) * chance.unit()).ceil() * term_ms,
        }
    }

    pub(super) fn is_valid(&self) -> bool {
        match *self {
            Self::Constant { ms } => positive(ms),
            Self::Exponential { mean_ms } => positive(mean_ms),
            Self::Bimodal {
                short_ms,
                long_ms,
                long_share,
            } => positive(short_ms) && positive(long_ms) && (0.0..=1.0).contains(&long_share),
            Self::Lognormal { mean_ms, sigma } => positive(mean_ms) && (0.0..=5.0).contains(&sigma),
            Self::Pi { terms, term_ms } => terms > 0 && positive(term_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_the_draws() {
        for service in [
            Service::Constant { ms: 20.0 },
            Service::Exponential { mean_ms: 20.0 },
            Service::Bimodal {
                short_ms: 10.0,
                long_ms: 200.0,
                long_share: 0.05,
            },
            Service::Lognormal {
                mean_ms: 20.0,
                sigma: 1.0,
            },
            Service::Pi {
                terms: 200,
                term_ms: 0.2,
            },
        ] {
            let mut chance = Chance::new(5);
            let draws = 200_000;
            let sum: f64 = (0..draws).map(|_| service.draw_s(&mut chance)).sum();
            let ratio = sum / f64::from(draws) / service.mean_s();
            assert!((0.98..1.02).contains(&ratio), "{service:?}: {ratio}");
            assert!(service.is_valid());
        }
    }

    #[test]
    fn nonsense_is_not_valid() {
        assert!(!Service::Constant { ms: 0.0 }.is_valid());
        assert!(!Service::Exponential { mean_ms: f64::NAN }.is_valid());
        let bimodal = Service::Bimodal {
            short_ms: 1.0,
            long_ms: 2.0,
            long_share: 1.5,
        };
        assert!(!bimodal.is_valid());
    }
}
