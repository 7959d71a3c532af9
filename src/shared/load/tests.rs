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
