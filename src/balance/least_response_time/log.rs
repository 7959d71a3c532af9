//! Logarithms and powers to the base 2, to five digits.
//!
//! Each response takes one of each, and the next pick waits for both, so they are read from tables
//! of 128 steps an octave with a straight line between two steps: a third of the time of the exact
//! functions. What they are of is known to two digits at best.

use std::f64::consts::LN_2;

/// How many bits number the steps of an octave.
const STEP_BITS: u32 = 7;
const STEPS: usize = 1 << STEP_BITS;
/// Bits of an `f64` that are fraction, and those of them that are within a step.
const FRACTION_BITS: u32 = 52;
const WITHIN_BITS: u32 = FRACTION_BITS - STEP_BITS;
const WITHIN: u64 = (1 << WITHIN_BITS) - 1;
const EXPONENT_BIAS: i64 = 1_023;
/// Added to a number it leaves, in the lowest bits of the sum, how many steps the number is.
const TO_STEPS: f64 = 1.5 * (1_u64 << WITHIN_BITS) as f64;

/// A straight piece of a curve.
#[derive(Clone, Copy)]
struct Piece {
    start: f64,
    slope: f64,
}

/// The logarithms of 1 to 2; the slope is for the bits within a step.
#[allow(clippy::indexing_slicing, reason = "worked out by the compiler")]
static LOGS: [Piece; STEPS] = {
    let mut pieces = [Piece {
        start: 0.0,
        slope: 0.0,
    }; STEPS];
    let mut step = 0;
    while step < STEPS {
        let start = log2_of_step(step);
        let slope = (log2_of_step(step + 1) - start) / (WITHIN + 1) as f64;
        pieces[step] = Piece { start, slope };
        step += 1;
    }
    pieces
};

/// 2 to the power of 0 to 1, by steps that a half is at most rounded to.
#[allow(clippy::indexing_slicing, reason = "worked out by the compiler")]
static POWERS: [Piece; STEPS] = {
    let mut pieces = [Piece {
        start: 0.0,
        slope: 0.0,
    }; STEPS];
    let mut step = 0;
    while step < STEPS {
        let start = exp(LN_2 * step as f64 / STEPS as f64);
        pieces[step] = Piece {
            start,
            slope: start * LN_2,
        };
        step += 1;
    }
    pieces
};

/// The logarithm of a positive number.
#[inline]
pub(super) fn log2(number: f64) -> f64 {
    let bits = number.to_bits();
    let exponent = (bits >> FRACTION_BITS).cast_signed() - EXPONENT_BIAS;
    let Some(piece) = LOGS.get((bits >> WITHIN_BITS) as usize % STEPS) else {
        return 0.0;
    };
    let within = (bits & WITHIN).cast_signed() as f64;
    exponent as f64 + piece.start + piece.slope * within
}

/// 2 to the power of a number between -1000 and 1000.
#[inline]
pub(super) fn exp2(number: f64) -> f64 {
    let steps = number + TO_STEPS;
    let rest = number - (steps - TO_STEPS);
    let steps = steps.to_bits();
    let Some(piece) = POWERS.get(steps as usize % STEPS) else {
        return 0.0;
    };
    let power = piece.start + piece.slope * rest;
    f64::from_bits(
        power
            .to_bits()
            .wrapping_add(steps >> STEP_BITS << FRACTION_BITS),
    )
}

/// The logarithm of the number at which a step of the octave above 1 begins.
const fn log2_of_step(step: usize) -> f64 {
    let number = 1.0 + step as f64 / STEPS as f64;
    // ln n = 2 artanh((n - 1) / (n + 1)), whose argument is at most a third.
    let argument = (number - 1.0) / (number + 1.0);
    let (mut power, mut sum, mut n) = (argument, 0.0, 1);
    while n < 40 {
        sum += power / n as f64;
        power *= argument * argument;
        n += 2;
    }
    2.0 * sum / LN_2
}

/// The exponential of a number between 0 and 1.
const fn exp(number: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1);
    while n < 20 {
        term *= number / n as f64;
        sum += term;
        n += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From a nanosecond to a century, and as much below one.
    fn numbers() -> impl Iterator<Item = f64> {
        (-60_000..60_000).map(|n| 2.0_f64.powf(f64::from(n) / 1_000.0))
    }

    #[test]
    fn logarithms_are_right_to_five_digits() {
        for number in numbers() {
            let error = log2(number) - number.log2();
            assert!(error.abs() < 1.2e-5, "{error} at {number}");
        }
    }

    #[test]
    fn powers_are_right_to_five_digits() {
        for exponent in numbers()
            .flat_map(|n| [n, -n])
            .filter(|n| n.abs() < 1_000.0)
        {
            let error = exp2(exponent) / exponent.exp2() - 1.0;
            assert!(error.abs() < 1e-5, "{error} at {exponent}");
        }
    }

    #[test]
    fn what_is_exact_stays_exact() {
        for power in -60..60 {
            assert_eq!(log2(f64::from(power).exp2()), f64::from(power));
            assert_eq!(exp2(f64::from(power)), f64::from(power).exp2());
        }
        assert_eq!(exp2(log2(1.0)), 1.0);
    }
}
