//! Which slots of the wheel hold anything: a bitmap of two levels.
//!
//! It knows nothing of time. Invariant: a bit of `summary` is set exactly if its word is not
//! zero, so the next occupied slot is found in three steps however empty the wheel is.

/// Bits in a word, and words under the summary.
const WORD_BITS: usize = u64::BITS as usize;

/// Number of slots.
pub(super) const SLOTS: usize = WORD_BITS * WORD_BITS;

/// A set of slots, each below [`SLOTS`].
#[derive(Debug)]
pub(super) struct Occupancy {
    summary: u64,
    words: [u64; WORD_BITS],
}

impl Occupancy {
    /// The empty set.
    pub(super) const fn new() -> Self {
        Self {
            summary: 0,
            words: [0; WORD_BITS],
        }
    }

    /// Adds `slot`.
    pub(super) fn insert(&mut self, slot: usize) {
        if let Some(word) = self.words.get_mut(slot / WORD_BITS) {
            *word |= 1 << (slot % WORD_BITS);
            self.summary |= 1 << (slot / WORD_BITS);
        }
    }

    /// Removes `slot`.
    pub(super) fn remove(&mut self, slot: usize) {
        if let Some(word) = self.words.get_mut(slot / WORD_BITS) {
            *word &= !(1 << (slot % WORD_BITS));
            if *word == 0 {
                self.summary &= !(1 << (slot / WORD_BITS));
            }
        }
    }

    /// The first slot in the set at or after `start`, going round past the last slot.
    pub(super) fn first_from(&self, start: usize) -> Option<usize> {
        let word = start / WORD_BITS;
        let not_before = u64::MAX << (start % WORD_BITS);
        self.first_in(word, not_before)
            .or_else(|| {
                let words_after = self.summary & (u64::MAX << word) & !(1 << word);
                self.first_in(lowest(words_after)?, u64::MAX)
            })
            .or_else(|| self.first_in(lowest(self.summary)?, u64::MAX))
    }

    /// The first slot of `word` among those in `mask`.
    fn first_in(&self, word: usize, mask: u64) -> Option<usize> {
        let bit = lowest(self.words.get(word)? & mask)?;
        Some(word * WORD_BITS + bit)
    }
}

/// The lowest bit that is set.
fn lowest(bits: u64) -> Option<usize> {
    (bits != 0).then(|| bits.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_set_has_no_first() {
        let mut set = Occupancy::new();
        assert_eq!(set.first_from(0), None);
        set.insert(70);
        set.remove(70);
        assert_eq!(set.first_from(0), None);
        assert_eq!(set.first_from(70), None);
    }

    #[test]
    fn one_slot_is_found_from_every_start() {
        for slot in [0, 1, 63, 64, 65, 2_047, SLOTS - 64, SLOTS - 1] {
            let mut set = Occupancy::new();
            set.insert(slot);
            for start in 0..SLOTS {
                assert_eq!(set.first_from(start), Some(slot), "from {start}");
            }
        }
    }

    #[test]
    fn the_nearest_ahead_wins_and_the_search_goes_round() {
        let mut set = Occupancy::new();
        for slot in [5, 9, 200, 4_000] {
            set.insert(slot);
        }
        let found = [0, 5, 6, 10, 201, 4_000, 4_001, SLOTS - 1].map(|start| set.first_from(start));
        assert_eq!(
            found,
            [5, 5, 9, 200, 4_000, 4_000, 5, 5].map(Some),
            "each start finds the next slot ahead"
        );
    }
}
