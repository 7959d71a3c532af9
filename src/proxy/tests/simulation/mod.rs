//! Thousands of made-up sessions, each decided by its seed, against a model of what is legal.
//!
//! Peers act at random between the events and turns of the proxy: they cut what they send
//! anywhere, read slowly, and in a *storm* also break off, refuse, fall silent, lie and lose time.
//! In a *calm* no peer is at fault, so every byte must arrive. Each receiver checks each byte
//! against what it can have been sent. The proxy is checked after each turn, and holds nothing when
//! all connections are gone.
//!
//! A failure prints its seed. `LB_SIM_SEEDS=N` runs seeds 0 to N of each kind, `LB_SIM_SEEDS=A..B`
//! those from A to B.

mod backend;
mod chaos;
mod client;
mod noise;
mod plan;
mod reader;
mod tunnel;
mod weather;
mod web;

use super::invariants;
use super::setup::Setup;
use super::stage::Stage;
use super::wire::End;
use super::world::{Dial, WireId};
use crate::config::Mode;
use crate::strategy::Rng;
use std::ops::Range;
use std::thread;
use weather::Weather;

/// Names the seed that a panic is about.
struct Announced(&'static str, u64);

impl Drop for Announced {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self(kind, seed) = *self;
            eprintln!(
                "{kind}: seed {seed}; LB_SIM_SEEDS={seed}..{} repeats it",
                seed + 1
            );
        }
    }
}

fn for_seeds(kind: &'static str, usual: u64, mut run: impl FnMut(u64)) {
    for seed in seeds(usual) {
        let _announced = Announced(kind, seed);
        run(seed);
    }
}

fn seeds(usual: u64) -> Range<u64> {
    let Ok(asked) = std::env::var("LB_SIM_SEEDS") else {
        return 0..usual;
    };
    let number = |text: &str| text.parse().expect("LB_SIM_SEEDS is N or A..B");
    match asked.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&asked),
    }
}

#[test]
fn web_in_a_calm() {
    for_seeds("web_in_a_calm", 300, |seed| web::run(seed, Weather::Calm));
}

#[test]
fn web_in_a_storm() {
    for_seeds("web_in_a_storm", 1200, |seed| {
        web::run(seed, Weather::Storm)
    });
}

#[test]
fn tunnels_in_a_calm() {
    for_seeds("tunnels_in_a_calm", 300, |seed| {
        tunnel::run(seed, Weather::Calm)
    });
}

#[test]
fn tunnels_in_a_storm() {
    for_seeds("tunnels_in_a_storm", 800, |seed| {
        tunnel::run(seed, Weather::Storm)
    });
}
