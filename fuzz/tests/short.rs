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
