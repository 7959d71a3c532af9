//! Crashes at every commit and every act, and random faults over a thousand seeds.

use super::super::backoff::mix;
use super::super::server::Phase;
use super::service;
use super::world::{Faults, World};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Seeds of a run; `LB_SEEDS` asks for more, `ci.sh` for a thousand.
fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("LB_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok());
    0..count.unwrap_or(60)
}

fn converged(world: &mut World, want: usize, what: &str) {
    let serving = world.serving();
    if serving != want {
        let history = world.history();
        panic!("{serving} of {want} serve: {what}\n{history}");
    }
    world.check_at_rest();
}

#[test]
fn random_faults_keep_the_invariants_and_converge() {
    let mut crashes = 0;
    for seed in seeds() {
        let mut world = World::new(seed, vec![service("web", 1, 3, 4)]);
        world.faults = Faults {
            crash_before_commit: 30,
            crash_before_act: 30,
            lost_result: 50,
            failed_launch: 50,
            death: 4,
            agent_death: 4,
            late: 50,
            incomplete_listing: 100,
            lb_restart: 4,
        };
        world.run(MINUTE);
        // A death in the crash-loop budget takes its time; what is being proved is convergence.
        world.faults = Faults::default();
        for server in world.fleet.servers.values_mut() {
            server.deaths.clear();
        }
        let quarantined: Vec<_> = world
            .fleet
            .servers
            .values()
            .filter(|it| it.phase() == Phase::Quarantined)
            .map(|it| it.id)
            .collect();
        for server in quarantined {
            let command = super::super::operate::Command::Retry { server };
            let (commit, _) = world
                .fleet
                .command(world.now, command, "test")
                .expect("is tried");
            use crate::store::Store;
            world
                .store
                .commit(world.fleet.term(), &commit)
                .expect("is stored");
        }
        world.run(MINUTE);
        converged(&mut world, 3, &format!("seed {seed}"));
        crashes += world.crashes;
    }
    if seeds().end >= 100 {
        assert!(crashes > seeds().end, "only {crashes} crashes");
    }
}

/// A life: fill, a death, an agent's death, one more, one fewer, a rollout. `false`: it was over
/// before all planned crashes came.
fn live(mut world: World, what: &str) -> bool {
    world.run(Duration::from_secs(20));
    world.kill_one();
    world.run(Duration::from_secs(10));
    world.kill_agent();
    world.run(Duration::from_secs(10));
    world.scale(3);
    world.run(Duration::from_secs(20));
    world.scale(2);
    world.run(Duration::from_secs(30));
    let mut next = service("web", 1, 2, 3);
    next.check = crate::spec::Check::Http("/ping".into());
    world.respecify(vec![next]);
    world.run(Duration::from_secs(90));
    converged(&mut world, 2, what);
    world.has_crashed()
}

/// Crashes exactly once, at the nth occasion, for every n that a life reaches.
#[test]
fn a_crash_at_every_commit_and_act_of_a_life_changes_nothing() {
    for at_act in [false, true] {
        let mut nth = 0;
        loop {
            let mut world = World::new(7, vec![service("web", 1, 2, 3)]);
            world.crash_at(nth, at_act);
            if !live(world, &format!("crash {nth}, at act: {at_act}")) {
                break;
            }
            nth += 1;
        }
        assert!(nth > 15, "a life has only {nth} crash points");
    }
}

/// Other lives for other seeds, each with a crash at a commit and at an act of its own.
#[test]
fn crashes_anywhere_in_lives_of_many_seeds_change_nothing() {
    let mut crashed = 0;
    for seed in seeds() {
        let mut world = World::new(seed, vec![service("web", 1, 2, 3)]);
        let (first, second) = (mix(seed) % 20, mix(seed ^ 1) % 20);
        world.crash_at(first, seed.is_multiple_of(2));
        world.crash_at(second, seed.is_multiple_of(3));
        let what = format!("seed {seed}, crashes {first} and {second}");
        crashed += u64::from(live(world, &what));
    }
    assert!(crashed * 2 > seeds().end, "only {crashed} had both crashes");
}

/// Every pair of crashes of a short life: the second may come while the first is being put right.
#[test]
fn a_crash_after_a_crash_at_every_pair_of_places_changes_nothing() {
    // A prime distance: all kinds of pairs are among those of the short form.
    let step = if seeds().end >= 1_000 { 1 } else { 17 };
    let places = |at: u64| (at / 2, at.is_multiple_of(2));
    let mut pairs = 0;
    for pair in (0..40 * 40).step_by(step) {
        let mut world = World::new(11, vec![service("web", 1, 1, 2)]);
        let ((first, at_act), (second, then_at_act)) = (places(pair / 40), places(pair % 40));
        world.crash_at(first, at_act);
        world.crash_at(second, then_at_act);
        world.run(Duration::from_secs(20));
        world.kill_one();
        world.run(Duration::from_secs(15));
        world.scale(2);
        world.run(Duration::from_secs(15));
        world.scale(1);
        world.run(MINUTE);
        converged(&mut world, 1, &format!("crashes of pair {pair}"));
        pairs += u64::from(world.has_crashed());
    }
    assert!(pairs >= 20, "only {pairs} pairs were reached");
}
