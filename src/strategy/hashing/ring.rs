//! The ring: every backend owns the arcs before its points.
//!
//! Karger et al., "Consistent Hashing and Random Trees" (1997), with ketama's 160 points a weight.
//! A removed backend moves its own keys only, each to the next point on the ring; shares are even
//! within some 8 % for a backend of weight 1.

use super::Placement;
use crate::strategy::{Candidate, Rng};

/// Points of a backend of weight 1.
const POINTS_PER_WEIGHT: u64 = 160;
/// Points on the ring at most (16 MiB); heavier pools get fewer points per weight.
const MAX_POINTS: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    hash: u64,
    slot: u32,
}

/// A ring of points, in the order of their hashes.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    points: Vec<Point>,
}

impl Placement for Ring {
    const COST: &'static str = "O(log n)";
    const NANOS: (u32, u32) = (95, 340);

    fn place(&mut self, candidates: &[Candidate]) {
        self.points.clear();
        let live = candidates.iter().filter(|c| c.live);
        let weight: u64 = live.clone().map(|c| u64::from(c.weight)).sum();
        let per_weight = POINTS_PER_WEIGHT.min(MAX_POINTS / weight.max(1)).max(1);
        for candidate in live {
            // The points are a stream of numbers that begins at the backend's name: with another
            // weight, it has more of them or fewer, and the others stay where they are.
            let mut stream = Rng::new(candidate.identity);
            let slot = candidate.id.slot() as u32;
            let points = (0..per_weight * u64::from(candidate.weight)).map(|_| Point {
                hash: stream.next(),
                slot,
            });
            self.points.extend(points);
        }
        self.points.sort_unstable();
    }

    fn walk(&self, hash: u64) -> impl Iterator<Item = usize> + Clone {
        let at = self.points.partition_point(|point| point.hash < hash);
        let (before, from) = self.points.split_at_checked(at).unwrap_or_default();
        from.iter().chain(before).map(|point| point.slot as usize)
    }
}
