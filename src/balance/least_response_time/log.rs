//! Logarithms and powers to the base 2, to five digits.
//!
//! Each response takes one of each, and a pick that follows waits for both, so they are read from
//! tables of 128 steps an octave with a straight line between two steps. With the exact functions
//! a pick and a settling take a fifth longer, to learn digits of what is known to two at best.

use std::f64::consts::LN_2;

/// How many bits number the steps of an octave.
const STEP_BITS: u32 = 7;
const STEPS: usize = 1 << STEP_BITS;
/// Bits of an `f32` that are fraction, and those of them that are within a step.
const FRACTION_BITS: u32 = 23;
const WITHIN_BITS: u32 = FRACTION_BITS - STEP_BITS;
const WITHIN: u32 = (1 << WITHIN_BITS) - 1;
const EXPONENT_BIAS: i32 = 127;
/// Added to a number it leaves, in the lowest bits of the sum, how many steps the number is.
const TO_STEPS: f32 = 1.5 * (1_u32 << WITHIN_BITS) as f32;

/// A straight piece of a curve.
#[derive(Clone, Copy)]
struct Piece {
    start: f32,
    slope: f32,
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
        pieces[step] = Piece {
            start: start as f32,
            slope: slope as f32,
        };
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
            start: start as f32,
            slope: (start * LN_2) as f32,
        };
        step += 1;
    }
    pieces
};

/// The logarithm of a positive number.
#[inline]
pub(super) fn log2(number: f32) -> f32 {
    let bits = number.to_bits();
    let exponent = (bits >> FRACTION_BITS).cast_signed() - EXPONENT_BIAS;
    let Some(piece) = LOGS.get((bits >> WITHIN_BITS) as usize % STEPS) else {
        return 0.0;
    };
    let within = (bits & WITHIN) as f32;
    exponent as f32 + piece.start + piece.slope * within
}

/// 2 to the power of a number between -126 and 127.
#[inline]
pub(super) fn exp2(number: f32) -> f32 {
    let steps = number + TO_STEPS;
    let rest = number - (steps - TO_STEPS);
    let steps = steps.to_bits();
    let Some(piece) = POWERS.get(steps as usize % STEPS) else {
        return 0.0;
    };
    let power = piece.start + piece.slope * rest;
    f32::from_bits(
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

    /// From a billionth of a nanosecond to a century.
    fn numbers() -> impl Iterator<Item = f64> {
        (-30_000..62_000).map(|n| (f64::from(n) / 1_000.0).exp2())
    }

    #[test]
    fn logarithms_are_right_to_five_digits() {
        for number in numbers() {
            let error = f64::from(log2(number as f32)) - number.log2();
            assert!(error.abs() < 1.5e-5, "{error} at {number}");
        }
    }

    #[test]
    fn powers_are_right_to_five_digits() {
        for n in -120_000..120_000 {
            let number = n as f32 / 1_000.0;
            let error = f64::from(exp2(number)) / f64::from(number).exp2() - 1.0;
            assert!(error.abs() < 1e-5, "{error} at {number}");
        }
    }

    #[test]
    fn what_is_exact_stays_exact() {
        for power in -60..60 {
            let number = power as f32;
            assert_eq!(log2(number.exp2()), number);
            assert_eq!(exp2(number), number.exp2());
        }
    }
}
