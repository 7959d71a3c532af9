//! Logarithm and exponential, to nine digits and without a call.
//!
//! Every response takes one of each. The C library's are exact to the last bit, which estimates
//! made of response times have no use for.

use std::f64::consts::{LN_2, LOG2_E, SQRT_2};

/// Bits of an `f64` below its exponent, and the exponent of 1.
const FRACTION_BITS: u32 = 52;
const BIAS: i64 = 1_023;

/// The natural logarithm of a positive, finite, normal number.
pub(super) fn ln(x: f64) -> f64 {
    let bits = x.to_bits().cast_signed();
    let exponent = (bits >> FRACTION_BITS) - BIAS;
    let mantissa = f64::from_bits((bits - (exponent << FRACTION_BITS)).cast_unsigned());
    // From [1, 2) to around 1, where the series converges soon.
    let (mantissa, exponent) = match mantissa > SQRT_2 {
        true => (0.5 * mantissa, exponent + 1),
        false => (mantissa, exponent),
    };
    // ln m = 2 artanh((m - 1) / (m + 1)), whose argument is below 0.172.
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let tt = t * t;
    let series = (1.0 + tt * (1.0 / 3.0)) + tt * tt * (0.2 + tt * (1.0 / 7.0 + tt * (1.0 / 9.0)));
    exponent as f64 * LN_2 + 2.0 * t * series
}

/// `e` to the power of `x`, which is cut to where the result is a normal number.
pub(super) fn exp(x: f64) -> f64 {
    /// Adding this leaves no room for a fraction: the sum is rounded.
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
    let octaves = x.clamp(-700.0, 700.0) * LOG2_E;
    let whole = (octaves + ROUND) - ROUND;
    let z = (octaves - whole) * LN_2;
    // Taylor's series, |z| at most ln(2) / 2, in pairs that the processor adds up side by side
    // (Estrin, 1960) rather than in one chain.
    let (zz, zzzz) = (z * z, z * z * (z * z));
    let low = (1.0 + z) + zz * (1.0 / 2.0 + z * (1.0 / 6.0));
    let middle = (1.0 / 24.0 + z * (1.0 / 120.0)) + zz * (1.0 / 720.0 + z * (1.0 / 5_040.0));
    let high = 1.0 / 40_320.0 + z * (1.0 / 362_880.0);
    let series = low + zzzz * (middle + zzzz * high);
    let power = (whole as i64 + BIAS) << FRACTION_BITS;
    series * f64::from_bits(power.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> impl Iterator<Item = f64> {
        (-40_000..=40_000).map(|n| f64::from(n) * 1e-3)
    }

    #[test]
    fn both_agree_with_the_exact_ones_to_nine_digits() {
        for x in samples() {
            let (near, exact) = (exp(x), x.exp());
            assert!(
                (near / exact - 1.0).abs() < 1e-9,
                "exp {x}: {near}, not {exact}"
            );
            assert!((ln(exact) - x).abs() < 1e-9, "ln {exact}: not {x}");
        }
    }

    #[test]
    fn nothing_is_learned_of_what_is_average() {
        assert_eq!((exp(0.0), ln(1.0)), (1.0, 0.0));
    }

    #[test]
    fn what_is_beyond_all_bounds_stays_a_number() {
        assert!(exp(f64::INFINITY).is_finite());
        assert!(exp(f64::NEG_INFINITY) > 0.0);
        assert!((ln(f64::MIN_POSITIVE) - f64::MIN_POSITIVE.ln()).abs() < 1e-6);
    }
}
