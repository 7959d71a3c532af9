//! The wheel against a list of everything that was armed.

use super::super::TICK_NANOS;
use super::super::{Deadline, Fired};
use super::*;
use std::collections::BTreeSet;

const LAP_NANOS: u64 = SLOTS as u64 * TICK_NANOS;

const fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn expired<K: Copy>(wheel: &mut Wheel<K>, now: Timestamp) -> Vec<K> {
    let mut due = Vec::new();
    wheel.expire(now, &mut due);
    due
}

/// A small generator (xorshift64*), so that a seed is all it takes to repeat a run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % bound
    }

    /// Mostly steps of a loop's turn, now and then a pause of seconds, rarely one of laps.
    fn step_nanos(&mut self) -> u64 {
        match self.below(100) {
            0 => self.below(5 * LAP_NANOS),
            1..10 => self.below(3_000_000_000),
            10..20 => TICK_NANOS,
            _ => self.below(2 * TICK_NANOS),
        }
    }

    /// Timeouts from nothing at all to several laps.
    fn timeout_nanos(&mut self) -> u64 {
        match self.below(10) {
            0 => 0,
            1 => self.below(4 * LAP_NANOS),
            2 => LAP_NANOS - TICK_NANOS + self.below(2 * TICK_NANOS),
            3..6 => self.below(3) * TICK_NANOS,
            _ => self.below(10_000_000_000),
        }
    }
}

#[test]
fn a_key_comes_out_with_the_first_tick_at_or_after_its_instant() {
    let mut wheel = Wheel::new(Timestamp::ZERO);
    wheel.arm('a', at(TICK_NANOS));
    wheel.arm('b', at(TICK_NANOS + 1));
    assert_eq!(wheel.next_wakeup(), Some(at(TICK_NANOS)));
    assert_eq!(expired(&mut wheel, at(TICK_NANOS - 1)), []);
    assert_eq!(expired(&mut wheel, at(TICK_NANOS)), ['a']);
    assert_eq!(wheel.next_wakeup(), Some(at(2 * TICK_NANOS)));
    assert_eq!(expired(&mut wheel, at(2 * TICK_NANOS - 1)), []);
    assert_eq!(expired(&mut wheel, at(2 * TICK_NANOS)), ['b']);
    assert_eq!(wheel.next_wakeup(), None);
    assert!(wheel.is_empty());
}

#[test]
fn an_instant_that_has_passed_comes_out_with_the_next_tick() {
    let now = at(1_000 * TICK_NANOS);
    let mut wheel = Wheel::new(now);
    wheel.arm((), Timestamp::ZERO);
    assert_eq!(wheel.next_wakeup(), Some(at(1_001 * TICK_NANOS)));
    assert_eq!(expired(&mut wheel, now).len(), 0);
    assert_eq!(expired(&mut wheel, at(1_001 * TICK_NANOS)).len(), 1);
}

#[test]
fn entry_laps_away_waits_for_its_own_lap() {
    let mut wheel = Wheel::new(Timestamp::ZERO);
    let due = at(3 * LAP_NANOS + TICK_NANOS);
    wheel.arm((), due);
    let mut wakeups = 0;
    while let Some(wakeup) = wheel.next_wakeup() {
        wakeups += 1;
        let handed_out = expired(&mut wheel, wakeup).len();
        assert_eq!(handed_out == 1, wakeup == due, "woken at {wakeup:?}");
    }
    assert_eq!(wakeups, 4, "one a lap");
}

#[test]
fn never_is_not_armed_and_the_last_instants_overflow_nothing() {
    let mut wheel = Wheel::new(at(u64::MAX - LAP_NANOS));
    wheel.arm('n', Timestamp::NEVER);
    assert!(wheel.is_empty());
    wheel.arm('l', at(u64::MAX - 2));
    assert!(wheel.next_wakeup().is_some());
    assert_eq!(expired(&mut wheel, at(u64::MAX - TICK_NANOS)), []);
    assert_eq!(wheel.next_wakeup(), Some(Timestamp::NEVER));
}

#[test]
fn a_clock_that_steps_back_does_nothing() {
    let mut wheel = Wheel::new(at(10 * TICK_NANOS));
    wheel.arm('a', at(11 * TICK_NANOS));
    assert_eq!(expired(&mut wheel, Timestamp::ZERO), []);
    assert_eq!(expired(&mut wheel, at(11 * TICK_NANOS)), ['a']);
}

#[test]
fn a_slot_that_was_crowded_leaves_its_room_to_the_others() {
    let mut wheel = Wheel::new(Timestamp::ZERO);
    let mut due = Vec::new();
    for tick in 1..=SLOTS as u64 {
        for key in 0..100 {
            wheel.arm(key, at(tick * TICK_NANOS));
        }
        wheel.expire(at(tick * TICK_NANOS), &mut due);
        assert_eq!(due.len(), 100);
        due.clear();
    }
    assert!(
        wheel.entries.capacity() < 256,
        "{}",
        wheel.entries.capacity()
    );
}

/// Every entry comes out once, at the first expiry at or after its tick, in the order of ticks.
#[test]
fn nothing_is_early_late_or_lost() {
    for seed in 1..=40 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut now = at(random.below(LAP_NANOS));
        let mut wheel = Wheel::new(now);
        let mut waiting: BTreeSet<(u64, u64)> = BTreeSet::new();
        let mut last_expiry = now;
        for step in 0..2_000 {
            now = at(now.as_nanos() + random.step_nanos());
            let armed_at = at(now.as_nanos() + random.timeout_nanos());
            wheel.arm((armed_at, step), armed_at);
            let floor = tick_begun(last_expiry) + 1;
            waiting.insert((tick_after(armed_at).max(floor), step));
            if random.below(2) == 0 {
                continue;
            }
            let wakeup = wheel.next_wakeup().map(|at| at <= now);
            let due = expired(&mut wheel, now);
            last_expiry = now;
            assert!(due.is_empty() || wakeup == Some(true), "woken too late");
            assert!(due.iter().all(|(armed_at, _)| *armed_at <= now), "early");
            let later = waiting.split_off(&(tick_begun(now) + 1, 0));
            let handed_out: BTreeSet<u64> = due.iter().map(|(_, step)| *step).collect();
            let expected: BTreeSet<u64> = waiting.iter().map(|(_, step)| *step).collect();
            assert_eq!(handed_out, expected, "at {now:?}");
            assert_eq!(due.len(), handed_out.len(), "handed out twice");
            waiting = later;
            assert_eq!(wheel.len(), waiting.len());
        }
    }
}

/// Woken exactly at the wheel's next time, each owner's deadline ends within a tick of its instant,
/// whatever was set and cleared before; and stale entries do not pile up.
#[test]
fn lazily_armed_deadlines_end_on_time() {
    const OWNERS: usize = 8;
    for seed in 1..=40 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut wheel = Wheel::new(Timestamp::ZERO);
        let mut deadlines = [Deadline::new(); OWNERS];
        let mut expected = [Timestamp::NEVER; OWNERS];
        let mut now = Timestamp::ZERO;
        for _ in 0..5_000 {
            let owner = random.below(OWNERS as u64) as usize;
            if random.below(10) == 0 {
                deadlines[owner].clear();
                expected[owner] = Timestamp::NEVER;
            } else {
                let due = at(now.as_nanos() + 1 + random.timeout_nanos());
                expected[owner] = due;
                if let Some(at) = deadlines[owner].set(due) {
                    wheel.arm(owner, at);
                }
            }
            let event_at = at(now.as_nanos() + random.below(4 * TICK_NANOS));
            while let Some(wakeup) = wheel.next_wakeup().filter(|wakeup| *wakeup <= event_at) {
                now = now.max(wakeup);
                for owner in expired(&mut wheel, now) {
                    match deadlines[owner].fired(now) {
                        Fired::Due => {
                            assert!(expected[owner] <= now, "early");
                            expected[owner] = Timestamp::NEVER;
                        }
                        Fired::Rearm(at) => wheel.arm(owner, at),
                        Fired::Idle => {}
                    }
                }
                let overdue = expected
                    .iter()
                    .filter(|due| tick_after(**due) <= tick_begun(now));
                assert_eq!(overdue.count(), 0, "late at {now:?}");
            }
            now = event_at;
            assert!(wheel.len() < 40 * OWNERS, "{} entries", wheel.len());
        }
    }
}

/// The worst owner: each deadline earlier than the one before. It costs one entry a tick.
#[test]
fn a_deadline_moved_earlier_and_earlier_arms_once_a_tick() {
    let mut wheel = Wheel::new(Timestamp::ZERO);
    let mut deadline = Deadline::new();
    for millis in (1..=1_000).rev() {
        if let Some(at) = deadline.set(at(millis * 1_000_000)) {
            wheel.arm((), at);
        }
    }
    assert_eq!(wheel.len(), 63, "the ticks in a second");
}
