//! A hashed timer wheel: what is armed waits in the slot of its tick.
//!
//! It owns keys and the ticks they are armed for. It does not know what a key stands for or
//! whether its owner still lives: nothing is ever removed, entries come out when their time has
//! come (G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 6).
//! Invariant: an entry armed for an instant is handed out by the first [`expire`](Wheel::expire)
//! at or after the tick that follows it: never early, late by less than one tick, never lost.

use super::occupancy::{Occupancy, SLOTS};
use super::{tick_after, tick_begins, tick_begun};
use crate::time::Timestamp;
use slab::Slab;

/// Ends a slot's list: no entry has this index.
const NIL: usize = usize::MAX;

/// Hands keys out when the instants they were armed for have passed, at a resolution of 16 ms.
///
/// A lap is 4,096 slots, 65.5 s: longer than the default timeouts, so that an entry is usually
/// visited once. One that is further off stays in its slot for as many laps as it needs.
/// Memory is 33 KiB plus the most entries that ever waited at once; the entries of all slots
/// share one store, so a slot that was crowded once holds on to nothing.
#[derive(Debug)]
pub struct Wheel<K: Copy> {
    /// The last tick that was expired. No entry waits for it or an earlier one.
    expired: u64,
    /// The instant until which nothing can come out: asked for in every turn of a loop, and changed
    /// by few. Finding it anew costs a request 80 instructions.
    next_wakeup: Option<Timestamp>,
    /// The first entry of each slot, or [`NIL`].
    heads: Box<[usize]>,
    occupied: Occupancy,
    entries: Slab<Entry<K>>,
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    tick: u64,
    /// The next entry in the same slot, or [`NIL`].
    next: usize,
}

impl<K: Copy> Wheel<K> {
    /// An empty wheel that stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            expired: tick_begun(now),
            next_wakeup: None,
            heads: vec![NIL; SLOTS].into_boxed_slice(),
            occupied: Occupancy::new(),
            entries: Slab::new(),
        }
    }

    /// Returns the number of waiting entries, stale ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Has `key` handed out once `at` has passed; with the next tick if it has already passed.
    /// [`Timestamp::NEVER`] arms nothing.
    ///
    /// Constant time. A key may wait any number of times: see [`Deadline`](super::Deadline) for
    /// how an owner keeps that to one.
    pub fn arm(&mut self, key: K, at: Timestamp) {
        if at == Timestamp::NEVER {
            return;
        }
        let tick = tick_after(at).max(self.expired + 1);
        let slot = slot_of(tick);
        if let Some(head) = self.heads.get_mut(slot) {
            let next = *head;
            *head = self.entries.insert(Entry { key, tick, next });
            self.occupied.insert(slot);
            self.find_next_wakeup();
        }
    }

    /// The instant until which nothing can come out; `None` while nothing waits.
    ///
    /// An entry that is more than a lap ahead may make it too early by whole laps: expiring then
    /// hands nothing out and moves the wheel on. Constant time.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.next_wakeup
    }

    fn find_next_wakeup(&mut self) {
        let next = self.next_occupied();
        self.next_wakeup = next.map(|(tick, _)| tick_begins(tick));
    }

    /// Moves every key whose instant has passed at `now` into `due`, slot by slot in the order of
    /// time; within a slot the order says nothing. `due` is not cleared. A `now` that is earlier
    /// than before does nothing.
    ///
    /// Costs the slots that hold anything among those passed, and their entries. A clock that
    /// jumps by hours costs one lap.
    pub fn expire(&mut self, now: Timestamp, due: &mut Vec<K>) {
        if !self.is_behind(now) {
            return;
        }
        let begun = tick_begun(now);
        let lap_end = self.expired + SLOTS as u64;
        let last = begun.min(lap_end);
        while let Some((tick, slot)) = self.next_occupied().filter(|(tick, _)| *tick <= last) {
            self.expire_slot(slot, begun, due);
            self.expired = tick;
        }
        self.expired = begun;
        self.find_next_wakeup();
    }

    /// Returns whether a tick has begun since it last expired: [`expire`](Self::expire) has nothing
    /// to do before.
    #[must_use]
    pub fn is_behind(&self, now: Timestamp) -> bool {
        tick_begun(now) > self.expired
    }

    /// The first slot after the last expired tick that holds anything, and its tick in this lap.
    fn next_occupied(&self) -> Option<(u64, usize)> {
        let start = self.expired + 1;
        let slot = self.occupied.first_from(slot_of(start))?;
        let ahead = (slot + SLOTS - slot_of(start)) % SLOTS;
        Some((start + ahead as u64, slot))
    }

    /// Hands out the entries of `slot` armed for `begun` or earlier, and keeps the others for a
    /// later lap.
    fn expire_slot(&mut self, slot: usize, begun: u64, due: &mut Vec<K>) {
        let Some(head) = self.heads.get_mut(slot) else {
            return;
        };
        let mut index = *head;
        *head = NIL;
        while let Some(entry) = self.entries.get_mut(index) {
            let next = entry.next;
            if entry.tick <= begun {
                due.push(entry.key);
                self.entries.try_remove(index);
            } else {
                entry.next = *head;
                *head = index;
            }
            index = next;
        }
        if *head == NIL {
            self.occupied.remove(slot);
        }
    }
}

/// The slot in which entries for `tick` wait.
const fn slot_of(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests;
