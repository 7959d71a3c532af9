//! A table of things by name, looked up by a hash that was made while the name was read.
//!
//! Open addressing, at most half full. Refused: the standard library's table, which hashes a second
//! time and calls a function to compare a few bytes: together a hundred instructions a look-up.

use super::words::{are_same, hash_of};

/// Things by name.
#[derive(Debug)]
pub(super) struct Names<T> {
    /// The place of each entry, from 1 up; 0: none. As many as a power of two.
    slots: Box<[u32]>,
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    hash: u64,
    name: Box<[u8]>,
    value: T,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            slots: Box::default(),
            entries: Vec::new(),
        }
    }
}

impl<T> Names<T> {
    #[inline(always)]
    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The thing of a name that has this hash.
    #[inline(always)]
    pub(super) fn get(&self, name: &[u8], hash: u64) -> Option<&T> {
        self.find(name, hash).map(|entry| &entry.value)
    }

    /// Nearly always the first place is the right one, or is empty.
    #[inline(always)]
    fn find(&self, name: &[u8], hash: u64) -> Option<&Entry<T>> {
        let mask = self.slots.len().checked_sub(1)?;
        let at = first_slot(hash);
        let place = self.slots.get(at & mask)?.checked_sub(1)?;
        let entry = self.entries.get(place as usize)?;
        match entry.hash == hash && are_same(&entry.name, name) {
            true => Some(entry),
            false => self.find_further(name, hash, at),
        }
    }

    #[cold]
    fn find_further(&self, name: &[u8], hash: u64, mut at: usize) -> Option<&Entry<T>> {
        loop {
            at = at.wrapping_add(1);
            let mask = self.slots.len().checked_sub(1)?;
            let place = self.slots.get(at & mask)?.checked_sub(1)?;
            let entry = self.entries.get(place as usize)?;
            if entry.hash == hash && are_same(&entry.name, name) {
                return Some(entry);
            }
        }
    }

    /// The thing of a name, made if it is not there.
    pub(super) fn entry(&mut self, name: &[u8], make: impl FnOnce() -> T) -> Option<&mut T> {
        let hash = hash_of(name);
        let is_it = |entry: &Entry<T>| entry.hash == hash && *entry.name == *name;
        let known = match self.find(name, hash) {
            Some(_) => self.entries.iter().position(is_it),
            None => None,
        };
        let nth = known.unwrap_or_else(|| {
            self.entries.push(Entry {
                hash,
                name: name.into(),
                value: make(),
            });
            self.arrange();
            self.entries.len() - 1
        });
        self.entries.get_mut(nth).map(|entry| &mut entry.value)
    }

    /// Gives the last entry its slot, or all of them new ones if there are too few.
    fn arrange(&mut self) {
        let (wanted, from) = (self.entries.len() * 2, self.entries.len() - 1);
        let from = match wanted > self.slots.len() {
            true => {
                self.slots = vec![0; wanted.next_power_of_two()].into();
                0
            }
            false => from,
        };
        let mask = self.slots.len() - 1;
        for (nth, entry) in self.entries.iter().enumerate().skip(from) {
            let places = (0..=mask).map(|step| first_slot(entry.hash).wrapping_add(step) & mask);
            for place in places {
                if let Some(slot) = self.slots.get_mut(place)
                    && *slot == 0
                {
                    *slot = nth as u32 + 1;
                    break;
                }
            }
        }
    }
}

/// Where a name is looked for first, but for the number of slots.
#[inline(always)]
const fn first_slot(hash: u64) -> usize {
    hash.rotate_left(24) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_and_nothing_else() {
        let mut names = Names::default();
        assert!(names.get(b"a", hash_of(b"a")).is_none());
        let name = |number: usize| format!("name-{number}").repeat(1 + number % 3);
        for number in 0..3_000 {
            *names.entry(name(number).as_bytes(), || 0).unwrap() += number;
        }
        for number in 0..3_000 {
            *names.entry(name(number).as_bytes(), || 0).unwrap() += 1;
        }
        assert_eq!(names.entries.len(), 3_000);
        for number in 0..6_000 {
            let name = name(number);
            let found = names.get(name.as_bytes(), hash_of(name.as_bytes()));
            let expected = (number < 3_000).then_some(number + 1);
            assert_eq!(found.copied(), expected);
        }
        // Another name with the same hash is another name.
        assert!(names.get(b"another", hash_of(name(1).as_bytes())).is_none());
    }
}
