//! A short run of every target, the same every time.

use lb_fuzz::Target;

fn run(target: Target, cases: u64) {
    for seed in 0..cases {
        let case = std::panic::catch_unwind(|| target.attack(seed));
        assert!(case.is_ok(), "{} --seed {seed}; see above", target.name());
    }
}

#[test]
fn heads() {
    run(Target::Head, 4_000);
}

#[test]
fn chunks() {
    run(Target::Chunks, 20_000);
}

#[test]
fn sessions() {
    run(Target::Session, 2_000);
}

#[test]
fn pickles() {
    run(Target::Pickle, 10_000);
}

/// Files of the corpus as they are, long ones too.
#[test]
fn hostile_pickles() {
    for pickle in lb_fuzz::corpus::pickles() {
        let read = lb_pickle::read(pickle, 1 << 16);
        let is_whole = read
            .as_ref()
            .is_ok_and(|value| value.get("method").is_some());
        let is_call = pickle.windows(6).any(|word| word == b"method");
        assert_eq!(is_whole, is_call, "{read:?}");
    }
}

#[test]
fn datagrams_of_the_course() {
    run(Target::Course, 10_000);
}

#[test]
fn native_datagrams() {
    run(Target::Native, 10_000);
}

#[test]
fn nodes_of_a_ring() {
    run(Target::Node, 300);
}
