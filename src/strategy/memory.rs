//! What a strategy has learned, as workers that share a pool exchange it.

/// What is learned of one backend, or of a pool, in a form that only the strategy that wrote it can read. The
/// default says nothing.
///
/// Two words, so that it fits beside what else workers share in one cache line. They are written one
/// after the other, without a lock: now and then the halves are of two writers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory(pub [u64; 2]);
