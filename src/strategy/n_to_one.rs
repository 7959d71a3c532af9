//! n-to-1: everything to the first backend that may be picked, in configured order.
//!
//! *Use it* for a primary with standbys, or to find out what one backend can carry.
//! *Cost of a pick*: one look per backend before the first that may be picked.

use super::{BackendId, Candidate, Strategy};
use crate::time::Timestamp;

/// Everything to the first backend that may be picked.
#[derive(Clone, Copy, Debug, Default)]
pub struct NToOne;

impl Strategy for NToOne {
    fn name(&self) -> &'static str {
        "n-to-1"
    }

    fn spreads(&self) -> bool {
        false
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        candidates.iter().find(|c| c.pickable).map(|c| c.id)
    }
}
