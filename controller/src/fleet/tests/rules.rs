//! One rule at a time, in a world without faults.

use super::super::id::{FleetId, LbName};
use super::super::input::{Input, Listing};
use super::super::operate::{Command, Refusal};
use super::super::server::{Cause, Phase, State};
use super::super::time::{Moment, Seen};
use super::super::{Fleet, Stored};
use super::service;
use super::world::World;
use crate::scale::Policy;
use crate::spec::{Check, Mode, ProviderKind};
use crate::store::Store;
use std::time::Duration;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A fleet of so many, come to rest.
fn settled(min: usize, desired: usize, max: usize) -> World {
    let mut world = World::new(1, vec![service("web", min, desired, max)]);
    world.run(seconds(30));
    assert_eq!(world.serving(), desired, "{}", world.history());
    world
}

fn phases(world: &World) -> Vec<Phase> {
    world
        .fleet
        .servers
        .values()
        .map(super::super::server::Server::phase)
        .collect()
}

#[test]
fn a_dead_server_is_launched_again_at_once_and_the_others_are_left_alone() {
    let mut world = settled(1, 4, 6);
    let before = world.made.len();
    world.kill_one();
    world.run(seconds(1));
    assert_eq!(world.made.len(), before + 1, "{}", world.history());
    world.run(seconds(5));
    assert_eq!(world.serving(), 4);
    assert_eq!(world.made.len(), before + 1);
}

#[test]
fn a_server_without_traffic_serves_by_its_own_word() {
    let mut world = World::new(1, vec![service("web", 1, 2, 3)]);
    world.is_idle = true;
    world.run(seconds(30));
    assert_eq!(world.serving(), 2, "{}", world.history());
    world.run(seconds(120));
    assert_eq!(world.made.len(), 2, "none is replaced: {}", world.history());
}

#[test]
fn a_server_that_dies_at_every_start_is_quarantined_after_five() {
    let mut world = settled(1, 2, 3);
    world.broken = true;
    let before = world.made.len();
    world.kill_one();
    world.run(seconds(60));
    assert_eq!(world.made.len(), before + 4, "{}", world.history());
    assert!(phases(&world).contains(&Phase::Quarantined));
    assert_eq!(world.serving(), 1, "the other is untouched");
    world.run(seconds(220));
    assert_eq!(world.made.len(), before + 4, "no try before five minutes");
    world.broken = false;
    world.run(seconds(60));
    assert_eq!(world.serving(), 2, "{}", world.history());
}

#[test]
fn a_hung_server_is_replaced_by_two_vantage_points_after_ten_seconds() {
    let mut world = settled(1, 4, 6);
    world.units.values_mut().next().expect("one").is_hung = true;
    world.run(seconds(9));
    assert_eq!(world.made.len(), 4, "too early");
    world.run(seconds(6));
    assert_eq!(world.made.len(), 5, "{}", world.history());
    world.run(seconds(15));
    assert_eq!(world.serving(), 4);
    let history = world.history();
    assert!(
        history.contains("hangs: traffic: ejected by lb (silence); beside: no answer"),
        "{history}"
    );
}

#[test]
fn a_stop_of_five_seconds_changes_nothing() {
    let mut world = settled(1, 4, 6);
    let token = world.units.keys().next().expect("one").clone();
    world.units.get_mut(&token).expect("it").is_hung = true;
    world.run(seconds(5));
    world.units.get_mut(&token).expect("it").is_hung = false;
    world.run(seconds(30));
    assert_eq!((world.made.len(), world.serving()), (4, 4));
}

#[test]
fn never_below_half_by_verdict() {
    let mut world = settled(1, 4, 4);
    for unit in world.units.values_mut() {
        unit.is_hung = true;
    }
    world.run(seconds(120));
    let launched = world.made.len() - 4;
    assert!(launched <= 2, "{launched} replaced\n{}", world.history());
    assert!(world.history().contains("not replaced"));
}

#[test]
fn a_start_that_is_never_ready_is_ended_and_never_put_into_a_set() {
    let mut world = World::new(1, vec![service("web", 1, 1, 2)]);
    world.run(seconds(1));
    world
        .units
        .values_mut()
        .for_each(|unit| unit.ready_at = super::super::time::Moment(u64::MAX));
    let first = world.units.keys().next().expect("one").clone();
    world.run(seconds(55));
    let set = &world.lb.set.as_ref().expect("a set").1.backends;
    assert!(set.is_empty(), "{set:?}");
    world.run(seconds(20));
    assert!(!world.units.contains_key(&first));
    assert!(world.history().contains("not ready within 60 s"));
    assert_eq!(world.serving(), 1);
}

#[test]
fn scale_in_waits_for_requests_and_stays_within_its_budget() {
    let mut world = settled(1, 8, 10);
    for unit in world.units.values_mut() {
        unit.in_flight = 3;
        unit.is_hung = false;
    }
    world.scale(2);
    world.run(seconds(5));
    let draining = phases(&world)
        .into_iter()
        .filter(|it| !matches!(it, Phase::Serving))
        .count();
    assert_eq!(draining, 2, "a quarter a minute\n{}", world.history());
    world.run(seconds(300));
    assert_eq!(world.serving(), 2, "{}", world.history());
    assert_eq!(world.cut, 0, "I5");
}

#[test]
fn a_drain_that_outlasts_its_deadline_is_cut_and_told() {
    let mut world = settled(1, 2, 3);
    for unit in world.units.values_mut() {
        (unit.in_flight, unit.is_hung) = (5, false);
    }
    let server = *world.fleet.servers.keys().next().expect("one");
    world
        .command(Command::Remove { server, now: true })
        .expect("goes");
    world.run(seconds(2));
    assert!(world.history().contains("deadline:"), "{}", world.history());
}

#[test]
fn a_want_that_rises_again_takes_back_the_server_that_drains() {
    let mut world = settled(1, 4, 6);
    for unit in world.units.values_mut() {
        unit.in_flight = 1_000;
    }
    world.scale(3);
    world.run(seconds(5));
    assert!(phases(&world).contains(&Phase::Draining));
    world.scale(4);
    world.run(seconds(5));
    assert_eq!(
        (world.serving(), world.made.len()),
        (4, 4),
        "{}",
        world.history()
    );
}

#[test]
fn a_removed_server_is_replaced_at_the_minimum_and_not_above_it() {
    let mut world = settled(2, 3, 4);
    let server = *world.fleet.servers.keys().next().expect("one");
    world
        .command(Command::Remove { server, now: false })
        .expect("goes");
    world.run(seconds(60));
    assert_eq!((world.serving(), world.made.len()), (2, 3));
    let server = *world.fleet.servers.keys().last().expect("one");
    let answer = world
        .command(Command::Remove { server, now: false })
        .expect("goes");
    assert!(answer.contains("replaced"), "{answer}");
    world.run(seconds(60));
    assert_eq!((world.serving(), world.made.len()), (2, 4));
}

#[test]
fn scaling_outside_the_bounds_is_refused() {
    let mut world = settled(2, 3, 4);
    let service = world.specs[0].name.clone();
    for want in [0, 1, 5] {
        let refused = world.command(Command::Scale {
            service: service.clone(),
            want,
        });
        assert!(matches!(refused, Err(Refusal::Conflict(_))), "{want}");
    }
}

#[test]
fn a_restart_keeps_the_slot_and_makes_a_new_incarnation() {
    let mut world = settled(1, 2, 3);
    let server = *world.fleet.servers.keys().next().expect("one");
    world
        .command(Command::Restart { server })
        .expect("restarts");
    world.run(seconds(30));
    let row = &world.fleet.servers[&server];
    assert_eq!(
        (row.phase(), row.incarnation, row.deaths.len()),
        (Phase::Serving, 2, 0)
    );
    assert_eq!(world.fleet.servers.len(), 2);
}

#[test]
fn a_rollout_replaces_one_by_one_and_never_serves_less() {
    let mut world = settled(1, 3, 3);
    let mut next = service("web", 1, 3, 3);
    next.check = Check::Http("/ping".into());
    world.respecify(vec![next.clone()]);
    for _ in 0..480 {
        world.turn();
        assert!(world.serving() >= 3, "{}", world.history());
    }
    assert_eq!(world.serving(), 3);
    let template = next.template_id();
    let old = world
        .fleet
        .servers
        .values()
        .filter(|it| it.counts() && it.template != template);
    assert_eq!(old.count(), 0, "{}", world.history());
}

#[test]
fn a_rollout_that_fails_is_halted_after_three_and_the_old_ones_serve() {
    let mut world = settled(1, 3, 4);
    let old = world.specs[0].template_id();
    world.broken = true;
    let mut next = service("web", 1, 3, 4);
    next.check = Check::Http("/ping".into());
    world.respecify(vec![next]);
    world.run(seconds(120));
    assert_eq!(
        (world.serving(), world.made.len()),
        (3, 6),
        "{}",
        world.history()
    );
    assert!(world.history().contains("halted"));
    // One of the old dies meanwhile: it comes back as it was.
    world.broken = false;
    world.kill_one();
    world.run(seconds(30));
    assert_eq!(world.serving(), 3);
    assert!(
        world
            .fleet
            .servers
            .values()
            .filter(|it| it.counts())
            .all(|it| it.template == old)
    );
}

#[test]
fn a_singleton_never_runs_twice() {
    let mut spec = service("web", 1, 1, 1);
    spec.singleton = true;
    let mut world = World::new(1, vec![spec.clone()]);
    world.run(seconds(20));
    spec.check = Check::Http("/ping".into());
    world.respecify(vec![spec]);
    for _ in 0..400 {
        world.turn();
        assert!(world.units.values().filter(|unit| unit.is_alive).count() <= 1);
    }
    assert_eq!(
        (world.serving(), world.made.len()),
        (1, 2),
        "{}",
        world.history()
    );
}

#[test]
fn units_that_no_row_stands_for_are_adopted_and_go_one_by_one() {
    let mut world = settled(1, 2, 6);
    let before = world.store.clone();
    world.scale(6);
    world.run(seconds(30));
    assert_eq!(world.serving(), 6);
    // A backup of the database is put in place.
    world.store = before;
    world.down_until = world.now;
    world.restart();
    world.run(seconds(60));
    assert_eq!(
        world.made.len(),
        6,
        "nothing was made twice\n{}",
        world.history()
    );
    assert!(
        world.units.len() >= 5,
        "reaped in bulk\n{}",
        world.history()
    );
    world.check_at_rest();
    world.run(seconds(1_500));
    assert!(world.units.len() < 5, "{}", world.history());
}

#[test]
fn an_lb_that_restarts_is_given_its_set_again() {
    let mut world = settled(1, 2, 3);
    world.lb.boot += 1;
    world.lb.set = None;
    world.lb.known.clear();
    world.run(seconds(2));
    assert_eq!(
        world.lb.set.as_ref().map(|(_, set)| set.backends.len()),
        Some(2)
    );
}

#[test]
fn while_an_lb_is_away_nothing_is_scaled_in_and_the_dead_are_replaced() {
    let mut world = settled(1, 4, 6);
    world.lb.is_up = false;
    world.run(seconds(10));
    world.scale(2);
    world.kill_one();
    world.run(seconds(30));
    assert!(
        world.units.values().filter(|unit| unit.is_alive).count() >= 3,
        "{}",
        world.history()
    );
    world.lb.is_up = true;
    world.run(seconds(180));
    assert_eq!(world.serving(), 2, "{}", world.history());
}

#[test]
fn a_pause_holds_everything_but_what_was_begun() {
    let mut world = settled(1, 3, 6);
    world
        .command(Command::Pause {
            service: None,
            why: "work on the disks".into(),
        })
        .expect("holds");
    world.scale(5);
    world.run(seconds(30));
    assert_eq!(world.made.len(), 3, "{}", world.history());
    world
        .command(Command::Resume { service: None })
        .expect("goes on");
    world.run(seconds(30));
    assert_eq!(world.serving(), 5);
}

#[test]
fn advice_changes_nothing_and_is_the_decision_that_live_would_follow() {
    let floors = Vec::new();
    let mut spec = service("web", 1, 4, 8);
    spec.policy = Policy::MeanLoad {
        threshold: 0.4,
        floors,
    };
    let name = spec.name.clone();
    let decisions = |world: &mut World| {
        let mut all = world.store.decisions(&name, 100).expect("decisions");
        all.reverse();
        all
    };
    let mut live = World::new(3, vec![spec.clone()]);
    live.run(seconds(40));
    let live = decisions(&mut live);
    spec.mode = Mode::Advise;
    let mut world = World::new(3, vec![spec]);
    world.run(seconds(40));
    assert_eq!(world.serving(), 4);
    assert!(
        world.history().contains("advises 5 instead of 4"),
        "{}",
        world.history()
    );
    let advised = decisions(&mut world);
    // The same until the advice would have been followed.
    let first = advised
        .iter()
        .position(|(_, it)| it.want == 5)
        .expect("advises");
    assert_eq!(advised[..=first], live[..=first]);
    assert_eq!(
        advised.len(),
        first + 1,
        "repeated advice is no new decision"
    );
    assert!(live.last().expect("decides").1.want > 5);
}

#[test]
fn a_service_that_leaves_the_specification_is_retired() {
    let mut world = settled(1, 2, 3);
    world.respecify(Vec::new());
    world.run(seconds(400));
    assert!(world.units.is_empty(), "{}", world.history());
    assert!(world.fleet.services.is_empty());
}

#[test]
fn an_address_that_is_taken_leads_to_the_next_one() {
    use super::super::commit::{LaunchResult, ProviderError};
    use super::super::input::Input;
    let mut world = World::new(1, vec![service("web", 1, 1, 2)]);
    world.run(seconds(2));
    let row = world.fleet.servers.values().next().expect("one").clone();
    let mut world = World::new(1, vec![service("web", 1, 1, 2)]);
    world.faults.lost_result = 1_000;
    world.run(seconds(1));
    let error = ProviderError::AddressTaken("port 5000 is held by nginx (pid 7)".into());
    let result = LaunchResult::Failed(error);
    world.units.clear();
    world.faults.lost_result = 0;
    world.feed(vec![Input::Launched {
        server: row.id,
        token: row.token,
        result,
    }]);
    let now = world.fleet.servers.values().next().expect("one");
    assert!(!matches!(now.state, State::Quarantined { .. }));
    assert_eq!(
        now.address.map(|it| it.port()),
        Some(5001),
        "{}",
        world.history()
    );
}

#[test]
fn servers_that_an_lb_was_not_allowed_to_lose_are_not_ended() {
    let mut world = settled(1, 4, 6);
    world.lb.guards = true;
    // Everything is scaled in at once, by a service that was stopped without the lb being forced.
    for server in world.fleet.servers.keys().copied().collect::<Vec<_>>() {
        let (drains, now) = (
            State::Draining {
                why: Cause::ScaleIn,
                deadline: world.now.plus(seconds(10)),
            },
            world.now,
        );
        let row = world.fleet.servers.get_mut(&server).expect("is there");
        (row.state, row.since) = (drains, now);
    }
    world.specs[0].bounds.min = 0;
    world.respecify(world.specs.clone());
    world
        .fleet
        .services
        .values_mut()
        .for_each(|service| service.want = 0);
    for unit in world.units.values_mut() {
        unit.in_flight = 1_000_000;
    }
    world.run(seconds(30));
    assert_eq!(world.units.len(), 4, "{}", world.history());
    assert_eq!(world.cut, 0);
}

#[test]
fn an_lb_without_a_pool_is_not_waited_for() {
    let mut spec = service("web", 0, 0, 1);
    spec.pool = None;
    let stored = Stored::empty(FleetId::new("f1ee7"));
    let mut fleet = Fleet::load(stored, [spec], [LbName::new("lb")], Moment(1_000));
    let mut held = Vec::new();
    for second in 1..=20 {
        let now = Moment(second * 1_000);
        let listing = Listing {
            items: Vec::new(),
            complete: true,
            proof: 1,
        };
        let listed = Input::Listed {
            provider: ProviderKind::Process,
            listing: Seen::new(listing, now),
        };
        let _ = fleet.step(now, [listed]);
        held.push(!fleet.holds_view().is_empty());
    }
    assert!(held[5], "it observes first");
    assert!(!held[19], "{:?}", fleet.holds_view());
}
