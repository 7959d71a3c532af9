//! Lives of simulated rings, the same every time. With `LB_CHORD_LIVES=N`, N more seeds of each kind.

#![allow(clippy::panic)] // in the helpers of tests too

use lb_chord::sim::scenario::{Plan, play};
use lb_chord::wire::Codec;

fn seeds(first: u64, few: u64) -> std::ops::Range<u64> {
    let more = std::env::var("LB_CHORD_LIVES").ok();
    first..first + more.and_then(|n| n.parse().ok()).unwrap_or(few)
}

fn live(plan: Plan) {
    let (seed, nodes) = (plan.seed, plan.nodes);
    match play(plan) {
        Ok(report) => println!("seed {seed}: {report}"),
        Err(broken) => panic!("seed {seed}, {nodes} nodes: {broken}"),
    }
}

#[test]
fn small_rings_of_the_course() {
    for seed in seeds(1, 4) {
        let nodes = 5 + seed as usize % 12;
        live(Plan::new(seed, nodes, Codec::Course));
    }
}

#[test]
fn native_rings() {
    for seed in seeds(100, 1) {
        live(Plan::new(seed, 40, Codec::Native(None)));
    }
}

#[test]
fn virtual_nodes() {
    for seed in seeds(200, 1) {
        let plan = Plan::new(seed, 10, Codec::Native(None));
        live(Plan { vnodes: 4, ..plan });
    }
}
