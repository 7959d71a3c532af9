//! Logarithms and powers to the base 2, to three digits.
//!
//! Each response takes one of each, and a pick that follows waits for both, so an octave has 512
//! steps and what is between two of them is rounded to one: a look into a table. With the exact
//! functions a pick and a settling take a fifth longer, with straight lines between the steps
//! a twelfth, to learn digits of what is known to two at best.

use std::f64::consts::LN_2;

/// How many bits number the steps of an octave.
const STEP_BITS: u32 = 9;
const STEPS: usize = 1 << STEP_BITS;
/// Bits of an `f32` that are fraction, and those of them that are within a step.
const FRACTION_BITS: u32 = 23;
const WITHIN_BITS: u32 = FRACTION_BITS - STEP_BITS;
const HALF_A_STEP: u32 = 1 << (WITHIN_BITS - 1);
const OCTAVE: f32 = (1_u32 << FRACTION_BITS) as f32;
const EXPONENT_BIAS: f64 = 127.0;
/// Added to a number it leaves, in the lowest bits of the sum, how many steps the number is.
const TO_STEPS: f32 = 1.5 * (1_u32 << WITHIN_BITS) as f32;

/// What the bits of a number, read as a count of octaves, are short of its logarithm. That is the
/// bias of the exponent, and how far the logarithm is above the chord between two powers of two.
#[allow(clippy::indexing_slicing, reason = "worked out by the compiler")]
static SHORT_OF_LOG: [f32; STEPS] = {
    let mut short = [0.0; STEPS];
    let mut step = 0;
    while step < STEPS {
        let chord = step as f64 / STEPS as f64;
        short[step] = (log2_of_step(step) - chord - EXPONENT_BIAS) as f32;
        step += 1;
    }
    short
};

/// The bits of 2 to the power of 0 to 1.
#[allow(clippy::indexing_slicing, reason = "worked out by the compiler")]
static POWERS: [u32; STEPS] = {
    let mut powers = [0; STEPS];
    let mut step = 0;
    while step < STEPS {
        powers[step] = (exp(LN_2 * step as f64 / STEPS as f64) as f32).to_bits();
        step += 1;
    }
    powers
};

/// The logarithm of a positive number.
#[inline]
pub(super) fn log2(number: f32) -> f32 {
    let bits = number.to_bits();
    let nearest = (bits + HALF_A_STEP) >> WITHIN_BITS;
    let short = SHORT_OF_LOG.get(nearest as usize % STEPS);
    bits.cast_signed() as f32 * OCTAVE.recip() + short.copied().unwrap_or_default()
}

/// 2 to the power of a number between -126 and 127.
#[inline]
pub(super) fn exp2(number: f32) -> f32 {
    let steps = (number + TO_STEPS).to_bits();
    let power = POWERS.get(steps as usize % STEPS);
    let exponent = steps >> STEP_BITS << FRACTION_BITS;
    f32::from_bits(power.copied().unwrap_or_default().wrapping_add(exponent))
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
    fn logarithms_are_right_to_three_digits() {
        for number in numbers() {
            let error = f64::from(log2(number as f32)) - number.log2();
            assert!(error.abs() < 4.5e-4, "{error} at {number}");
        }
    }

    #[test]
    fn powers_are_right_to_three_digits() {
        for n in -120_000..120_000 {
            let number = n as f32 / 1_000.0;
            let error = f64::from(exp2(number)) / f64::from(number).exp2() - 1.0;
            assert!(error.abs() < 7e-4, "{error} at {number}");
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
