use super::*;
use crate::strategy::Rng;
use std::sync::Barrier;
use std::thread;

const THREADS: u64 = 4;
const ROUNDS: usize = 20_000;

/// Threads take and give back places at a few backends as fast as they can.
fn hammer(most: u32, check: impl Fn(u32) + Sync) -> SharedLoad {
    let shared_load = SharedLoad::new();
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let (shared_load, start, check) = (&shared_load, &start, &check);
            scope.spawn(move || {
                let mut rng = Rng::new(seed);
                let mut held = Vec::new();
                start.wait();
                for _ in 0..ROUNDS {
                    let row = shared_load.row(rng.below(3)).unwrap();
                    if let Ok(ahead) = row.enter(most) {
                        check(ahead + 1);
                        row.picked(shared_load.next_pick(), ahead, Timestamp::from_nanos(7));
                        held.push(row);
                    }
                    if rng.below(3) == 0 {
                        held.drain(..)
                            .for_each(|row| check(row.leave(Timestamp::ZERO)));
                    }
                }
                held.drain(..)
                    .for_each(|row| check(row.leave(Timestamp::ZERO)));
            });
        }
    });
    shared_load
}

#[test]
fn a_limit_is_never_exceeded_and_every_place_comes_back() {
    let shared_load = hammer(2, |taken| assert!(taken <= 2, "{taken} of 2"));
    assert!((0..3).all(|slot| shared_load.row(slot).unwrap().in_flight() == 0));
    assert!(shared_load.row(MAX_ROWS - 1).is_some());
    assert!(shared_load.row(MAX_ROWS).is_none());
}

#[test]
fn without_a_limit_every_place_is_got_and_comes_back() {
    let shared_load = hammer(u32::MAX, |_| {});
    assert!((0..3).all(|slot| shared_load.row(slot).unwrap().in_flight() == 0));
    let picks = THREADS * ROUNDS as u64;
    assert_eq!(
        shared_load.next_pick(),
        FIRST_PICK + picks,
        "each pick has its number"
    );
}

#[test]
fn one_of_many_gets_the_trial() {
    let row = BackendLoad::default();
    for _ in 0..100 {
        let winners = thread::scope(|scope| {
            let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| row.begin_trial())).collect();
            let won = racers.into_iter().map(|racer| racer.join().unwrap());
            won.filter(|won| *won).count()
        });
        assert_eq!(winners, 1);
        assert!(row.is_on_trial());
        row.end_trial();
    }
}

#[test]
fn an_admission_reads_as_it_was_written() {
    let row = BackendLoad::default();
    assert_eq!(row.admission(), Admission::Open);
    for admission in [Admission::Closed, Admission::InNeed, Admission::Open] {
        row.admit(admission);
        assert_eq!(row.admission(), admission);
    }
}

#[test]
fn row_takes_one_cache_line_of_its_own() {
    assert_eq!(
        (size_of::<BackendLoad>(), align_of::<BackendLoad>()),
        (64, 64)
    );
}

#[test]
fn memory_is_taken_for_the_rows_that_were_asked_for() {
    let load = SharedLoad::new();
    let made = |load: &SharedLoad| load.blocks.iter().filter(|it| it.get().is_some()).count();
    assert_eq!(made(&load), 0);
    assert_eq!(load.rows_from(3).len(), FIRST_BLOCK - 3);
    assert_eq!(made(&load), 1);
    let ends = [
        (16, 16),
        (31, 1),
        (32, 32),
        (100, 28),
        (2_048, 2_048),
        (4_095, 1),
        (4_096, 0),
    ];
    for (slot, rows) in ends {
        assert_eq!(load.rows_from(slot).len(), rows, "{slot}");
    }
    assert!(load.rows_from(usize::MAX).is_empty());
    let rows: std::collections::HashSet<_> = (0..MAX_ROWS)
        .map(|slot| std::ptr::from_ref(load.row(slot).unwrap()))
        .collect();
    assert_eq!(rows.len(), MAX_ROWS, "each slot has a row of its own");
}

#[test]
fn what_is_learned_is_forgotten_with_the_backend() {
    let load = SharedLoad::new();
    let row = load.row(5).unwrap();
    assert_eq!(row.memory().recall(), Memory::default());
    row.memory().remember(Memory([1, 2]));
    load.memory().remember(Memory([3, 4]));
    assert_eq!(row.memory().recall(), Memory([1, 2]));
    row.renew();
    assert_eq!(row.memory().recall(), Memory::default());
    assert_eq!(load.memory().recall(), Memory([3, 4]));
}

#[test]
fn the_table_of_idle_backends_follows_the_rows() {
    let load = SharedLoad::new();
    assert_eq!(load.idle(), [0; IDLE_WORDS], "none was ever busy");
    load.note_idle(3, true);
    load.note_idle(64 * IDLE_WORDS - 1, true);
    load.note_idle(64 * IDLE_WORDS, true);
    assert_eq!(
        load.idle(),
        [1 << 3, 0, 0, 1 << 63],
        "beyond it nothing is said"
    );
    load.row(3).unwrap().enter(u32::MAX).unwrap();
    // Another worker was faster than the one that says so.
    load.note_idle(3, true);
    assert_eq!(load.idle(), [0, 0, 0, 1 << 63]);
    load.row(3).unwrap().leave(Timestamp::ZERO);
    load.note_idle(3, false);
    assert_eq!(load.idle(), [1 << 3, 0, 0, 1 << 63]);
}
