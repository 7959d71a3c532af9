//! A budget for the memory of buffers, shared by all event loops of a process.
//!
//! It counts what buffers have room for, lent or kept for reuse, and refuses nothing itself: new
//! requests are shed while it is exceeded, buffers that come back are freed, and reads are short. What
//! is under way goes on, so the budget can be exceeded by the little that the present exchanges still
//! need.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The budget, and how much of it is used. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Arc<Account>);

#[derive(Debug, Default)]
struct Account {
    used: AtomicUsize,
    limit: AtomicUsize,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::of(usize::MAX)
    }
}

impl MemoryBudget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn of(limit: usize) -> Self {
        Self(Arc::new(Account {
            used: AtomicUsize::default(),
            limit: AtomicUsize::new(limit),
        }))
    }

    /// Returns whether more is used than the budget allows.
    #[inline]
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.used() > self.limit()
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be in use.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Allows another number of bytes.
    pub fn set_limit(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Relaxed);
    }
}

/// The part of a budget that one buffer uses; it is given back with the value.
#[derive(Debug)]
pub(super) struct MemoryShare {
    bytes: usize,
    account: Arc<Account>,
}

impl MemoryShare {
    pub(super) fn new(bytes: usize, of: &MemoryBudget) -> Self {
        of.0.used.fetch_add(bytes, Ordering::Relaxed);
        Self {
            bytes,
            account: Arc::clone(&of.0),
        }
    }

    /// The buffer has room for so many bytes now.
    #[inline]
    pub(super) fn resize(&mut self, bytes: usize) {
        if bytes != self.bytes {
            // Adding the difference, which wraps where it is negative, is right either way.
            let difference = bytes.wrapping_sub(self.bytes);
            self.account.used.fetch_add(difference, Ordering::Relaxed);
            self.bytes = bytes;
        }
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_grow_shrink_and_are_given_back() {
        let budget = MemoryBudget::of(100);
        let mut one = MemoryShare::new(60, &budget);
        let two = MemoryShare::new(40, &budget.clone());
        assert!(!budget.is_exceeded());
        one.resize(61);
        assert!(budget.is_exceeded());
        budget.clone().set_limit(101);
        assert!(!budget.is_exceeded());
        one.resize(10);
        assert_eq!(budget.used(), 50);
        drop((one, two));
        assert_eq!(budget.used(), 0);
    }
}
