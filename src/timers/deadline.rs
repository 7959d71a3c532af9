//! One owner's deadline, and what it has armed on the wheel for it.
//!
//! It never sees the wheel: it returns what to arm. Invariant: while a deadline is set, an entry
//! of the wheel comes out no later than the tick in which it is due; at most one entry of the
//! wheel is the one counted on, all others have been overtaken by an earlier one.

use super::tick_after;
use crate::time::Timestamp;
use std::time::Duration;

/// Time by which something has to have happened. [`Timestamp::NEVER`] while nothing is awaited.
///
/// Moving it later, which is what every event does, costs a store and a comparison. Only a
/// deadline that is earlier, by a tick or more, than what is armed asks for the wheel again. The
/// entry it overtakes stays there until its time comes, and is then recognised as idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    at: Timestamp,
    /// Time of the entry in the wheel that serves it; `NEVER` if there is none.
    armed_for: Timestamp,
}

/// The consequence, for its owner, of a key that came out of the wheel.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fired {
    /// The deadline is over. It is no longer set.
    Due,
    /// The deadline has been moved on since: arm the wheel at this instant.
    Rearm(Timestamp),
    /// Nothing to do: no deadline is set, or another entry will come out for it.
    Idle,
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

impl Deadline {
    /// Not set, nothing armed.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            at: Timestamp::NEVER,
            armed_for: Timestamp::NEVER,
        }
    }

    /// Returns when it is due; [`Timestamp::NEVER`] if it is not set.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// Sets or moves it. `Some(instant)`: the wheel must now be armed at that instant.
    #[must_use = "a deadline that is not armed when it asks to be never comes"]
    pub fn set(&mut self, at: Timestamp) -> Option<Timestamp> {
        self.at = at;
        self.wants_arming()
    }

    /// Moves it later by `by`, if it is set: what is armed comes out too soon and is armed again.
    pub fn postpone(&mut self, by: Duration) {
        if self.at != Timestamp::NEVER {
            self.at = self.at + by;
        }
    }

    /// Nothing is awaited any more. What is armed for it comes out idle, or serves the next.
    pub fn clear(&mut self) {
        self.at = Timestamp::NEVER;
    }

    /// The deadline of the owner's successor, which has the same key: an armed entry serves it as
    /// well, so that owners that come and go do not fill the wheel.
    #[must_use]
    pub const fn for_successor(&self) -> Self {
        Self {
            at: Timestamp::NEVER,
            armed_for: self.armed_for,
        }
    }

    /// The wheel handed the owner's key out. `now` is what the wheel was expired with.
    pub fn fired(&mut self, now: Timestamp) -> Fired {
        if self.armed_for <= now {
            self.armed_for = Timestamp::NEVER;
        }
        if self.at <= now {
            self.at = Timestamp::NEVER;
            return Fired::Due;
        }
        self.wants_arming().map_or(Fired::Idle, Fired::Rearm)
    }

    /// Ticks are compared, not instants: within a tick an earlier entry would come out with the
    /// one that is there.
    fn wants_arming(&mut self) -> Option<Timestamp> {
        let is_served = self.at >= self.armed_for;
        if is_served || tick_after(self.at) == tick_after(self.armed_for) {
            return None;
        }
        self.armed_for = self.at;
        Some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_postponed_deadline_comes_that_much_later_and_one_that_is_not_set_never() {
        let mut deadline = Deadline::new();
        deadline.postpone(Duration::from_secs(1));
        assert_eq!(deadline.at(), Timestamp::NEVER);
        assert_eq!(deadline.set(ms(1_000)), Some(ms(1_000)));
        deadline.postpone(Duration::from_millis(500));
        assert_eq!(deadline.fired(ms(1_400)), Fired::Rearm(ms(1_500)));
        assert_eq!(deadline.fired(ms(1_500)), Fired::Due);
    }

    #[test]
    fn a_deadline_that_only_moves_later_is_armed_once_and_then_for_the_rest() {
        let mut deadline = Deadline::new();
        assert_eq!(deadline.set(ms(1_000)), Some(ms(1_000)));
        assert_eq!(deadline.set(ms(1_500)), None);
        assert_eq!(deadline.set(ms(2_000)), None);
        assert_eq!(deadline.fired(ms(1_000)), Fired::Rearm(ms(2_000)));
        assert_eq!(deadline.fired(ms(2_000)), Fired::Due);
        assert_eq!(deadline.at(), Timestamp::NEVER);
        assert_eq!(deadline.fired(ms(2_001)), Fired::Idle);
    }

    #[test]
    fn earlier_deadline_is_armed_and_the_overtaken_entry_is_idle() {
        let mut deadline = Deadline::new();
        assert_eq!(deadline.set(ms(5_000)), Some(ms(5_000)));
        assert_eq!(deadline.set(ms(1_000)), Some(ms(1_000)));
        assert_eq!(deadline.fired(ms(1_000)), Fired::Due);
        assert_eq!(deadline.set(ms(9_000)), Some(ms(9_000)));
        assert_eq!(deadline.fired(ms(5_000)), Fired::Idle, "9,000 is armed");
        assert_eq!(deadline.fired(ms(9_000)), Fired::Due);
    }

    #[test]
    fn within_a_tick_nothing_is_armed_twice() {
        let mut deadline = Deadline::new();
        assert_eq!(deadline.set(ms(1_008)), Some(ms(1_008)));
        assert_eq!(deadline.set(ms(1_001)), None, "both come out at 1,008");
        assert_eq!(deadline.fired(ms(1_008)), Fired::Due);
    }

    #[test]
    fn a_cleared_deadline_is_idle_and_its_entry_serves_the_next() {
        let mut deadline = Deadline::new();
        assert_eq!(deadline.set(ms(1_000)), Some(ms(1_000)));
        deadline.clear();
        assert_eq!(deadline.set(ms(1_200)), None);
        deadline.clear();
        assert_eq!(deadline.fired(ms(1_000)), Fired::Idle);
        assert_eq!(deadline.set(ms(1_300)), Some(ms(1_300)));
    }

    #[test]
    fn armed_entry_serves_a_successor() {
        let mut first = Deadline::new();
        assert_eq!(first.set(ms(1_000)), Some(ms(1_000)));
        let mut second = first.for_successor();
        assert_eq!(second.at(), Timestamp::NEVER);
        assert_eq!(second.set(ms(1_900)), None);
        assert_eq!(second.fired(ms(1_000)), Fired::Rearm(ms(1_900)));
        let mut third = second.for_successor();
        assert_eq!(third.set(ms(1_200)), Some(ms(1_200)), "earlier than that");
        assert_eq!(third.fired(ms(1_200)), Fired::Due);
    }

    #[test]
    fn never_is_not_armed() {
        let mut deadline = Deadline::new();
        assert_eq!(deadline.set(Timestamp::NEVER), None);
        assert_eq!(deadline.fired(ms(1)), Fired::Idle);
    }
}
