//! Pi by the Leibniz series, and the time a server pretends it takes.
//!
//! Owns the precision, its limits and the arithmetic; knows nothing of HTTP. A `Precision` is
//! always between 1 and [`Precision::MAX`] terms. An empty sum is 0, which is no Pi at all, so
//! 0 terms is refused rather than answered.

use std::f64::consts::PI;
use std::time::{Duration, Instant};

/// How many terms of the series to add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Precision(u32);

impl Precision {
    /// The most terms one request may ask for: 100 seconds at 1 ms a term.
    pub(crate) const MAX: u32 = 100_000;

    /// Reads decimal digits alone; `None` for signs, blanks, 0 and what is beyond the maximum.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let terms = text.parse().ok()?;
        (1..=Self::MAX).contains(&terms).then_some(Self(terms))
    }

    pub(crate) fn terms(self) -> u32 {
        self.0
    }
}

/// A computed Pi and what it took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) precision: Precision,
    pub(crate) pi: f64,
    /// Time spent working on it; waiting for a free worker is not part of it.
    pub(crate) took: Duration,
}

impl Estimate {
    pub(crate) fn took_ms(&self) -> f64 {
        self.took.as_secs_f64() * 1000.0
    }
}

/// Adds up the terms and takes `term_cost` for each of them.
///
/// The cost is waited out in one piece towards an absolute deadline: a wait per term would add
/// the timer's slack `terms` times. Waiting, not spinning, so that many demo servers on one
/// machine do not fight over its cores: their capacity is then what the flag says.
pub(crate) fn compute(precision: Precision, term_cost: Duration) -> Estimate {
    let started = Instant::now();
    let pi = leibniz(precision);
    let deadline = started + term_cost * precision.terms();
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        if left.is_zero() {
            break;
        }
        std::thread::sleep(left);
    }
    Estimate {
        precision,
        pi,
        took: started.elapsed(),
    }
}

/// 4 - 4/3 + 4/5 - 4/7 ..., from the front; off by less than 1/terms, but for rounding.
fn leibniz(precision: Precision) -> f64 {
    (0..precision.terms())
        .map(|k| {
            let term = 4.0 / f64::from(2 * k + 1);
            if k % 2 == 0 { term } else { -term }
        })
        .sum()
}

/// Splits a printed number after the leading characters it shares with Pi.
pub(crate) fn split_correct(printed: &str) -> (&str, &str) {
    let exact = PI.to_string();
    let shared = printed
        .bytes()
        .zip(exact.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    // A prefix shared with ASCII text always ends at a character.
    printed.split_at_checked(shared).unwrap_or((printed, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn precision(terms: u32) -> Precision {
        Precision::parse(&terms.to_string()).unwrap()
    }

    #[test]
    fn a_hundred_terms_give_the_known_value() {
        assert!(leibniz(precision(100)).to_string().starts_with("3.13159"));
        assert_eq!(leibniz(precision(1)), 4.0);
    }

    #[test]
    fn the_error_is_below_one_by_terms() {
        for terms in [1, 2, 3, 10, 99, 100, 1000, 12_345, Precision::MAX] {
            let error = (leibniz(precision(terms)) - PI).abs();
            assert!(
                error < 1.0 / f64::from(terms) + 1e-12,
                "{terms} terms are off by {error}"
            );
        }
    }

    #[test]
    fn a_precision_is_digits_within_the_limits() {
        assert_eq!(Precision::parse("1").map(Precision::terms), Some(1));
        assert_eq!(
            Precision::parse("100000").map(Precision::terms),
            Some(100_000)
        );
        assert_eq!(Precision::parse("007").map(Precision::terms), Some(7));
        for wrong in [
            "",
            "0",
            "100001",
            "-1",
            "+1",
            " 1",
            "1.5",
            "1e3",
            "\u{664}",
            "99999999999",
        ] {
            assert_eq!(Precision::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_term_takes_its_time() {
        let estimate = compute(precision(20), Duration::from_millis(1));
        assert!(
            estimate.took >= Duration::from_millis(20),
            "took {:?}",
            estimate.took
        );
        assert!((estimate.took_ms() - estimate.took.as_secs_f64() * 1e3).abs() < 1e-9);
    }

    #[test]
    fn digits_are_correct_up_to_the_first_wrong_one() {
        assert_eq!(
            split_correct("3.1315929035585537"),
            ("3.1", "315929035585537")
        );
        assert_eq!(split_correct("4"), ("", "4"));
        assert_eq!(split_correct(&PI.to_string()), ("3.141592653589793", ""));
    }
}
