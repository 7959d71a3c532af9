//! n-to-1: all requests to the first backend that may be picked, in configured order.
//!
//! *Use it* for a primary with standbys, or to find out what one backend can carry.
//! *Cost of a pick*: one look per backend before the first that may be picked.

use super::rating::rate_in_order;
use super::{BackendId, Candidate, Entry, KeyKind, Rating, Strategy};
use crate::time::Timestamp;

/// All requests to the first backend that may be picked.
#[derive(Clone, Copy, Debug, Default)]
pub struct NToOne;

impl NToOne {
    /// Its entry in the registry.
    pub const ENTRY: Entry = Entry {
        name: "n-to-1",
        aliases: &["N2One"],
        key: KeyKind::None,
        help: "a primary with standbys, or finding out what one backend can carry",
        cost: "O(1)",
        nanos: (55, 60),
        build: |_| Box::new(Self),
    };
}

impl Strategy for NToOne {
    fn name(&self) -> &'static str {
        Self::ENTRY.name
    }

    fn spreads(&self) -> bool {
        false
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        candidates.iter().find(|c| c.pickable).map(|c| c.id)
    }

    fn explain(&self, candidates: &[Candidate], _: u64, _: Timestamp) -> Vec<Rating> {
        let pickable = candidates.iter().filter(|c| c.pickable);
        let order: Vec<_> = pickable.map(|c| c.id).collect();
        rate_in_order(candidates, &order, |place, _| match place {
            Some(0) => "the first that may be picked: it gets everything".to_owned(),
            Some(place) => format!("stands by behind {place} others"),
            None => "passed over".to_owned(),
        })
    }
}
