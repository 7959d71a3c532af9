//! Connections with generations.
//!
//! An [`Id`] names what was put in, not the place: when the place has a new tenant, the old id
//! finds nothing. So an event that comes late cannot hit a successor. A tenant may leave something
//! to the next: a timer that is armed already.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::mem;

/// Generations wrap around after this many insertions.
const GENERATION_BITS: u32 = 29;

/// Names an entry of an [`Arena`]. `Tag` keeps the ids of different arenas apart.
pub struct Id<Tag> {
    index: u32,
    generation: u32,
    of: PhantomData<fn() -> Tag>,
}

/// Tags the ids of client connections.
#[derive(Debug)]
pub enum OfClientConn {}
/// Tags the ids of connections to backends.
#[derive(Debug)]
pub enum OfBackendConn {}
/// Tags the ids of exchanges.
#[derive(Debug)]
pub enum OfExchange {}
/// Tags the ids of those who check backends.
#[derive(Debug)]
pub enum OfChecker {}

/// Tags the ids of connections that bring heartbeats.
#[derive(Debug)]
pub enum OfHeartbeatConn {}

/// Names a client connection.
pub type ClientConnId = Id<OfClientConn>;
/// Names a connection to a backend.
pub type BackendConnId = Id<OfBackendConn>;
/// Names an exchange.
pub type ExchangeId = Id<OfExchange>;
/// Names who checks a backend.
pub type CheckerId = Id<OfChecker>;
/// Names a connection that brings heartbeats.
pub type HeartbeatConnId = Id<OfHeartbeatConn>;

impl<Tag> Id<Tag> {
    /// Packs the id into 61 bits.
    pub(crate) fn to_bits(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.index)
    }

    /// Unpacks what [`to_bits`](Self::to_bits) packed.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self {
            index: (bits & u64::from(u32::MAX)) as u32,
            generation: (bits >> 32) as u32 & mask(),
            of: PhantomData,
        }
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
        write!(f, "{}.{}", self.index, self.generation)
    }
}

const fn mask() -> u32 {
    (1 << GENERATION_BITS) - 1
}

/// Entries that stay where they are for their whole life, each of which leaves an `L` to the next
/// in its slot.
///
/// Like a slab, but that an entry is dropped where it is: an exchange is large, and moving it out
/// in order to drop it would cost more than finding it.
#[derive(Debug)]
pub(crate) struct Arena<Tag, T, L = ()> {
    slots: Vec<Slot<T, L>>,
    /// The vacant slots; the one used last is used next.
    vacant: Vec<u32>,
    generation: u32,
    of: PhantomData<fn() -> Tag>,
}

/// Begins with a line of the cache, so that a tenant that has its first things first has them all
/// in one: with thousands of connections each line comes from memory.
#[derive(Debug)]
#[repr(C, align(64))]
struct Slot<T, L> {
    /// Of the tenant, or of the last one.
    generation: u32,
    place: Place<T, L>,
}

#[derive(Debug)]
enum Place<T, L> {
    Taken(T),
    Vacant(L),
}

impl<Tag, T, L: Default> Arena<Tag, T, L> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            vacant: Vec::new(),
            generation: 0,
            of: PhantomData,
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Id<Tag> {
        self.insert_after(|_| value)
    }

    /// The same with what the last tenant of the slot left.
    pub(crate) fn insert_after(&mut self, value: impl FnOnce(L) -> T) -> Id<Tag> {
        self.generation = self.generation.wrapping_add(1) & mask();
        let generation = self.generation;
        let vacant = self.vacant.pop();
        let index = vacant.unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(index as usize) {
            Some(slot) => {
                slot.generation = generation;
                let left = match &mut slot.place {
                    Place::Vacant(left) => mem::take(left),
                    Place::Taken(_) => L::default(),
                };
                slot.place = Place::Taken(value(left));
            }
            None => self.slots.push(Slot {
                generation,
                place: Place::Taken(value(L::default())),
            }),
        }
        Id {
            index,
            generation,
            of: PhantomData,
        }
    }

    pub(crate) fn get(&self, id: Id<Tag>) -> Option<&T> {
        match self.slots.get(id.index as usize) {
            Some(Slot {
                generation,
                place: Place::Taken(value),
            }) if *generation == id.generation => Some(value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, id: Id<Tag>) -> Option<&mut T> {
        match self.slots.get_mut(id.index as usize) {
            Some(Slot {
                generation,
                place: Place::Taken(value),
            }) if *generation == id.generation => Some(value),
            _ => None,
        }
    }

    /// Drops an entry. Returns whether there was one.
    pub(crate) fn remove(&mut self, id: Id<Tag>) -> bool {
        self.remove_leaving(id, |_| L::default())
    }

    /// The same; `left` is for the next tenant.
    pub(crate) fn remove_leaving(&mut self, id: Id<Tag>, left: impl FnOnce(&T) -> L) -> bool {
        match self.slots.get_mut(id.index as usize) {
            Some(Slot { generation, place }) if *generation == id.generation => {
                let Place::Taken(value) = place else {
                    return false;
                };
                *place = Place::Vacant(left(value));
                self.vacant.push(id.index);
                true
            }
            _ => false,
        }
    }

    /// Who has the slot now that was given to `id`.
    ///
    /// # Errors
    /// Nobody; what the last tenant left.
    pub(crate) fn successor(&mut self, id: Id<Tag>) -> Result<Id<Tag>, Option<&mut L>> {
        let slot = self.slots.get_mut(id.index as usize).ok_or(None)?;
        match &mut slot.place {
            Place::Vacant(left) => Err(Some(left)),
            Place::Taken(_) => Ok(Id {
                generation: slot.generation,
                ..id
            }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// All ids, in slot order, as of now.
    pub(crate) fn ids(&self) -> Vec<Id<Tag>> {
        let slots = (0..).zip(&self.slots);
        let taken = slots.filter(|(_, slot)| matches!(slot.place, Place::Taken(_)));
        let ids = taken.map(|(index, slot)| Id {
            index,
            generation: slot.generation,
            of: PhantomData,
        });
        ids.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_id_does_not_find_the_successor() {
        let mut arena = Arena::<OfClientConn, _>::new();
        let first = arena.insert("first");
        assert!(arena.remove(first));
        let second = arena.insert("second");
        assert_eq!(first.index, second.index);
        assert_eq!(arena.get(first), None);
        assert!(!arena.remove(first));
        assert_eq!(arena.get(second), Some(&"second"));
    }

    #[test]
    fn slots_are_used_again_and_counted() {
        let mut arena = Arena::<OfClientConn, _>::new();
        let ids = [(); 3].map(|()| arena.insert(()));
        assert!(arena.remove(ids[1]) && !arena.remove(ids[1]));
        assert_eq!((arena.len(), arena.ids().len()), (2, 2));
        assert_eq!(arena.ids(), [ids[0], ids[2]]);
        assert_eq!(arena.insert(()).index, ids[1].index);
        assert_eq!((arena.len(), arena.slots.len()), (3, 3));
    }

    #[test]
    fn a_tenant_leaves_something_to_the_next() {
        let mut arena = Arena::<OfClientConn, u32, u32>::new();
        let first = arena.insert_after(|left| left + 1);
        assert_eq!(arena.get(first), Some(&1), "nothing was left");
        assert_eq!(arena.successor(first), Ok(first));
        assert!(arena.remove_leaving(first, |value| value * 10));
        assert_eq!(arena.successor(first), Err(Some(&mut 10)));
        let second = arena.insert_after(|left| left + 1);
        assert_eq!(arena.get(second), Some(&11));
        assert_eq!(arena.successor(first), Ok(second));
    }

    #[test]
    fn an_id_survives_packing() {
        let mut arena = Arena::<OfClientConn, _>::new();
        arena.insert(1);
        let id = arena.insert(2);
        assert_eq!(Id::from_bits(id.to_bits()), id);
        assert!(id.to_bits() < 1 << 61);
    }
}
