//! Which of a target's addresses is tried first, and how much of a check's time it gets.
//!
//! An address that drops packets must not hide one that works, so an address that cannot be
//! connected to gets an equal share of the time, not all of it. The address that worked last
//! comes first and gets all of it: nothing else is faster, and if it dies, one check fails
//! before the others are tried. Nor may shares starve an address that is slow to connect: after a
//! check in which none connected in time, the next one gives all its time to a single address.
//!
//! Refused: racing several connections for one check (RFC 8305). It saves part of one check after
//! a failure, and needs several sockets and tokens per check.

use std::time::Duration;

/// The order of one target's addresses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AddressOrder {
    /// The address at which the next check begins.
    first: usize,
    /// True if that address gets all the time.
    is_focused: bool,
}

impl AddressOrder {
    /// The place of the address to try after `tried` others, of `count`; `None` after the last.
    pub(super) fn place(&self, tried: usize, count: usize) -> Option<usize> {
        (tried < count).then(|| (self.first + tried) % count)
    }

    /// Returns how long to wait for that address, if `left` is what remains of the check's time.
    pub(super) fn share(&self, tried: usize, count: usize, left: Duration) -> Duration {
        let untried = u32::try_from(count.saturating_sub(tried)).unwrap_or(u32::MAX);
        match self.is_focused {
            true => left,
            false => left / untried.max(1),
        }
    }

    /// The address at `place` could be connected to.
    pub(super) fn connected(&mut self, place: usize) {
        *self = Self {
            first: place,
            is_focused: true,
        };
    }

    /// The time of a check passed before any of `count` addresses was connected to.
    pub(super) fn timed_out(&mut self, count: usize) {
        if self.is_focused {
            self.first = (self.first + 1) % count.max(1);
        }
        self.is_focused = !self.is_focused;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn places(order: AddressOrder, count: usize) -> Vec<usize> {
        let places = (0..).map_while(|tried| order.place(tried, count));
        places.collect()
    }

    #[test]
    fn time_is_shared_until_an_address_has_connected() {
        let mut order = AddressOrder::default();
        assert_eq!(places(order, 3), [0, 1, 2]);
        assert_eq!(order.share(0, 3, SECOND), SECOND / 3);
        assert_eq!(order.share(2, 3, SECOND / 3), SECOND / 3, "the rest");
        order.connected(1);
        assert_eq!(places(order, 3), [1, 2, 0]);
        assert_eq!(order.share(0, 3, SECOND), SECOND);
        assert_eq!(places(order, 0), [0; 0]);
        assert_eq!(order.share(0, 0, SECOND), SECOND);
    }

    #[test]
    fn every_address_gets_all_the_time_in_turn_while_none_connects() {
        let mut order = AddressOrder::default();
        let mut alone = Vec::new();
        for _ in 0..6 {
            if order.share(0, 3, SECOND) == SECOND {
                alone.push(order.place(0, 3).unwrap());
            }
            order.timed_out(3);
        }
        assert_eq!(alone, [0, 1, 2]);
    }
}
