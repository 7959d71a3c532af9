//! A look at a part of a huge pool.
//!
//! Rules that compare backends look at each of them, which is the best that can be done and is
//! cheap for hundreds. Above [`SAMPLED_ABOVE`] they look at [`SAMPLE`] drawn at random instead:
//! the best of 64 is nearly the best of all, and a pick costs the same at 1,000 and at 10,000.

use super::{Candidate, Rng};

/// Pools larger than this are sampled.
pub(super) const SAMPLED_ABOVE: usize = 500;

/// How many are drawn, with repetition.
const SAMPLE: usize = 64;

/// Candidates drawn at random, pickable or not.
pub(super) fn sample<'a>(
    candidates: &'a [Candidate],
    rng: &'a mut Rng,
) -> impl Iterator<Item = &'a Candidate> {
    (0..SAMPLE).filter_map(move |_| candidates.get(rng.below(candidates.len())))
}
