//! Ids with generations, and the tables they index.
//!
//! An [`Id`] names the value that was inserted, not the slot: once the slot is reused, the old id
//! finds nothing, so a late event cannot reach a successor.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::num::NonZeroU32;

/// Bits of a generation. Generations wrap around after this many insertions.
const GENERATION_BITS: u32 = 29;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

/// Names an entry of a `Table`. `Tag` keeps the ids of different tables apart.
pub struct Id<Tag> {
    slot: u32,
    generation: NonZeroU32,
    tag: PhantomData<fn() -> Tag>,
}

/// Names a pool. The same in every worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(u16);

impl PoolId {
    /// The only pool of a balancer that has one.
    pub const FIRST: Self = Self(0);

    /// The pool that comes after `number` others in the configuration.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Returns how many pools come before it.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// Tags the ids of client connections.
#[derive(Debug)]
pub enum ClientConnTag {}
/// Tags the ids of backend connections.
#[derive(Debug)]
pub enum BackendConnTag {}
/// Tags the ids of exchanges.
#[derive(Debug)]
pub enum ExchangeTag {}

/// Names a client connection.
pub type ClientConnId = Id<ClientConnTag>;
/// Names a backend connection.
pub type BackendConnId = Id<BackendConnTag>;
/// Names an exchange.
pub type ExchangeId = Id<ExchangeTag>;

impl<Tag> Id<Tag> {
    const fn new(slot: u32, generation: NonZeroU32) -> Self {
        Self {
            slot,
            generation,
            tag: PhantomData,
        }
    }

    /// The slot, which is reused under another generation.
    pub(crate) const fn slot(self) -> usize {
        self.slot as usize
    }

    /// Packs the id into 61 bits.
    pub(crate) fn to_bits(self) -> u64 {
        (u64::from(self.generation.get()) << 32) | u64::from(self.slot)
    }

    /// Unpacks [`to_bits`](Self::to_bits).
    pub(crate) fn from_bits(bits: u64) -> Self {
        let generation = (bits >> 32) as u32 & GENERATION_MASK;
        Self::new(
            bits as u32,
            NonZeroU32::new(generation).unwrap_or(NonZeroU32::MIN),
        )
    }
}

impl<Tag> Clone for Id<Tag> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<Tag> Copy for Id<Tag> {}
impl<Tag> PartialEq for Id<Tag> {
    fn eq(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}
impl<Tag> Eq for Id<Tag> {}
impl<Tag> Hash for Id<Tag> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_bits().hash(state);
    }
}
impl<Tag> fmt::Debug for Id<Tag> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// Values under [`Id`]s. A slab in which a value is dropped where it is: an exchange is large, and
/// moving it out to drop it would cost 1 % of a request.
#[derive(Debug)]
pub(crate) struct Table<Tag, T> {
    slots: Vec<Slot<T>>,
    /// Vacant slots; the one used last is reused first.
    vacant: Vec<u32>,
    last_generation: u32,
    tag: PhantomData<fn() -> Tag>,
}

/// Begins with a cache line, so that a value whose hot fields come first has them in that line:
/// with thousands of connections each line comes from memory.
#[derive(Debug)]
#[repr(C, align(64))]
struct Slot<T> {
    /// That of the value, or of the last one.
    generation: NonZeroU32,
    value: Option<T>,
}

impl<Tag, T> Table<Tag, T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            vacant: Vec::new(),
            last_generation: 0,
            tag: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> Id<Tag> {
        let next = (self.last_generation + 1) & GENERATION_MASK;
        let generation = NonZeroU32::new(next).unwrap_or(NonZeroU32::MIN);
        self.last_generation = generation.get();
        let slot = self.vacant.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(slot as usize) {
            Some(vacant) => {
                vacant.generation = generation;
                vacant.value = Some(value);
            }
            None => self.slots.push(Slot {
                generation,
                value: Some(value),
            }),
        }
        Id::new(slot, generation)
    }

    #[inline]
    pub(crate) fn get(&self, id: Id<Tag>) -> Option<&T> {
        let slot = self.slots.get(id.slot())?;
        match slot.generation == id.generation {
            true => slot.value.as_ref(),
            false => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: Id<Tag>) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.slot())?;
        match slot.generation == id.generation {
            true => slot.value.as_mut(),
            false => None,
        }
    }

    /// Drops an entry. Returns whether there was one.
    pub(crate) fn remove(&mut self, id: Id<Tag>) -> bool {
        let Some(slot) = self.slots.get_mut(id.slot()) else {
            return false;
        };
        let is_here = slot.generation == id.generation && slot.value.is_some();
        if is_here {
            slot.value = None;
            self.vacant.push(id.slot);
        }
        is_here
    }

    /// The entry that has this slot now.
    pub(crate) fn occupant(&self, slot: usize) -> Option<Id<Tag>> {
        let occupant = self.slots.get(slot)?;
        occupant.value.as_ref()?;
        Some(Id::new(slot as u32, occupant.generation))
    }

    pub(crate) const fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// All ids, in slot order, as of now.
    pub(crate) fn ids(&self) -> Vec<Id<Tag>> {
        self.iter().map(|(id, _)| id).collect()
    }

    /// All entries, in slot order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id<Tag>, &T)> {
        let slots = (0..).zip(&self.slots);
        slots.filter_map(|(slot, entry)| {
            let value = entry.value.as_ref()?;
            Some((Id::new(slot, entry.generation), value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    enum Anything {}

    #[test]
    fn an_old_id_does_not_find_the_successor() {
        let mut table = Table::<Anything, _>::new();
        let first = table.insert("first");
        assert!(table.remove(first));
        let second = table.insert("second");
        assert_eq!(first.slot(), second.slot());
        assert_eq!(table.get(first), None);
        assert!(!table.remove(first));
        assert_eq!(table.get(second), Some(&"second"));
        assert_eq!(table.occupant(first.slot()), Some(second));
    }

    #[test]
    fn slots_are_reused_and_counted() {
        let mut table = Table::<Anything, _>::new();
        let ids = [1, 2, 3].map(|value| table.insert(value));
        assert!(table.remove(ids[1]) && !table.remove(ids[1]));
        assert_eq!((table.len(), table.ids()), (2, vec![ids[0], ids[2]]));
        assert_eq!(table.occupant(ids[1].slot()), None);
        assert_eq!(table.insert(4).slot(), ids[1].slot());
        assert_eq!(table.iter().map(|(_, value)| *value).sum::<i32>(), 8);
    }

    #[test]
    fn a_generation_is_never_zero_and_survives_packing() {
        let mut table = Table::<Anything, _>::new();
        table.last_generation = GENERATION_MASK - 1;
        for _ in 0..3 {
            let id = table.insert(());
            assert_eq!(Id::from_bits(id.to_bits()), id);
            assert!(id.to_bits() < 1 << 61);
        }
    }
}
