//! The time of turns: what holds the loop up is named.

use crate::support::{Backend, Client, Stopwatch};
use lb::Balancer;
use lb::config::Config;
use lb::strategy::{BackendId, Candidate, Strategy};
use lb::telemetry::{Snapshot, Stall, Summary, TurnPhase};
use lb::time::Timestamp;
use std::time::Duration;

/// Time of a pick: clearly a stall.
const PICK_TIME: Duration = Duration::from_millis(60);
/// Time limit of its report.
const SOON: Duration = Duration::from_secs(10);

/// Picks the first, after having held the loop up.
struct Slow;

impl Strategy for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        let watch = Stopwatch::start();
        while watch.elapsed() < PICK_TIME {
            std::hint::spin_loop();
        }
        Some(candidates.first()?.id)
    }
}

#[test]
fn stall_is_reported_with_its_phase() {
    let backend = Backend::echo();
    let mut config = Config::new([backend.address.to_string().parse().unwrap()]).unwrap();
    config
        .set_listeners(["127.0.0.1:0".parse().unwrap()])
        .unwrap();
    let balancer = Balancer::bind_with(&config, |_| Box::new(Slow)).unwrap();
    let running = balancer.spawn().unwrap();
    let stalls = running.handle().stalls();
    let before = running.snapshot().expect("it runs").turn_times;
    let before = before.map_or(0, |times| times.stalls);
    let mut client = Client::connect(running.addresses()[0]);
    assert_eq!(client.get("/").status, 200);
    // A busy machine may hold turns up elsewhere, too.
    let is_picking =
        |stall: &Stall| stall.phase == TurnPhase::Events && stall.phase_time >= PICK_TIME;
    let stall = std::iter::from_fn(|| stalls.recv_timeout(SOON).ok())
        .find(is_picking)
        .expect("a stall");
    assert!(stall.turn_time >= stall.phase_time, "{stall:?}");
    let snapshot = running.stop().unwrap().snapshot;
    let times = snapshot.turn_times.expect("turns");
    assert!(times.stalls > before, "{times:?}");
    assert!(times.longest.turn_time >= stall.turn_time, "{times:?}");
    assert!(snapshot_shows(&snapshot), "{snapshot:?}");
}

fn snapshot_shows(snapshot: &Snapshot) -> bool {
    let table = Summary(snapshot).to_string();
    table.lines().any(|line| {
        line.starts_with("turns        ") && line.contains(" of 50 ms or more; deadlines late by ")
    })
}
