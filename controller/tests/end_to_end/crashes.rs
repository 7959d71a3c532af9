//! The controller dies at named places of its commits and acts, and is started again: each launch
//! made one unit, each unit has a row, and the fleet is as wanted.

use super::support::{Fleet, is_alive, port_block, signal_to, web};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// Every place that a life passes, in which a server is planned and launched by one commit.
/// `LB_FAILPOINTS=all` passes all of them, else every other one.
const PLACES: [&str; 36] = [
    "before-launching",
    "after-launching",
    "after-launch",
    "before-launch",
    "within-directory",
    "before-starting",
    "within-order",
    "after-starting",
    "within-commit*3",
    "before-registering",
    "after-set",
    "after-registering",
    "before-put",
    "before-set",
    "after-put",
    "before-warming",
    "before-serving",
    "after-warming",
    "after-terminating",
    "after-serving",
    "before-stop",
    "before-terminating",
    "after-stop",
    "within-stop",
    "before-backoff",
    "after-backoff",
    "after-adopt",
    "before-adopt",
    "before-want*2",
    "after-want*2",
    "after-draining",
    "before-draining",
    "before-lame-duck",
    "after-lame-duck",
    "before-gone",
    "after-gone",
];

fn places() -> Vec<&'static str> {
    let all = std::env::var("LB_FAILPOINTS").is_ok_and(|it| it == "all");
    let step = if all { 1 } else { 2 };
    PLACES.into_iter().step_by(step).collect()
}

#[test]
fn a_crash_at_each_named_place_leaves_nothing_twice_and_nothing_behind() {
    let left = Mutex::new(places());
    assert!(left.lock().unwrap().len() >= 12);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(place) = { left.lock().unwrap().pop() } {
                    live_through(place);
                }
            });
        }
    });
}

/// A life that passes every place: fill, two deaths, an agent's death, one more, one fewer.
fn live_through(place: &'static str) {
    let name = format!("crash-{}", place.replace('*', "-"));
    let services = web(port_block(), "min = 1, desired = 2, max = 4", "");
    let mut fleet = Fleet::prepare(&name, None, "", &services);
    fleet.crash_at = Some(place);
    let mut life = Life {
        fleet,
        crashes: 0,
        place,
    };
    life.fleet.run();
    life.until("two serve", |it| it.serving() == 2);
    // The first death has no wait after it, the second has one.
    for _ in 0..2 {
        let (token, pid) = life.servers()[0].clone();
        signal_to(pid, "-KILL");
        life.until("the dead one is replaced", |it| {
            let pids = it.pids();
            it.serving() == 2 && pids.len() == 2 && pids.iter().all(|(new, _)| *new != token)
        });
    }
    let (token, _) = life.servers()[1].clone();
    let agent = life.fleet.agent_pid(&token).expect("has an agent");
    signal_to(agent, "-KILL");
    life.until("its server is adopted", |it| {
        it.agent_pid(&token)
            .is_some_and(|new| new != agent && is_alive(new))
    });
    for want in [3, 2] {
        let body = format!("{{\"want\":{want}}}");
        life.until("the word is taken", |it| {
            it.call("POST", "/v1/services/web/scale", &body).0 == 200
        });
        life.until("as many serve", |it| {
            it.serving() == want && it.lb.backends().len() == want
        });
    }
    life.until("nothing is left", |it| it.servers().len() == 2);
    assert_eq!(life.crashes, 1, "{place} was not passed");
    life.check();
}

struct Life {
    fleet: Fleet,
    crashes: u32,
    place: &'static str,
}

impl Life {
    /// Waits for `done`, and starts the controller again when it has died.
    fn until(&mut self, what: &str, done: impl Fn(&Fleet) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            if self.fleet.has_died() {
                self.crashes += 1;
                self.fleet.run();
            }
            if done(&self.fleet) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "crash at {}, not in time: {what}\n{:#}\n{}",
                self.place,
                self.fleet.get("/v1/fleet"),
                self.fleet.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Tokens and pids of the two that serve.
    fn servers(&mut self) -> Vec<(String, u32)> {
        self.until("both are listed", |it| it.pids().len() == 2);
        self.fleet.pids()
    }

    /// Each unit has a row, and each row one unit that lives.
    fn check(&self) {
        let rows: BTreeSet<String> = self
            .fleet
            .servers()
            .iter()
            .filter_map(|it| it["token"].as_str().map(str::to_owned))
            .collect();
        let runs = std::fs::read_dir(self.fleet.folder.join("fleet-state/run")).expect("runs");
        let living: Vec<(String, u32)> = runs
            .flatten()
            .filter_map(|it| it.file_name().into_string().ok())
            .filter_map(|token| Some((token.clone(), self.fleet.server_pid(&token)?)))
            .filter(|(_, pid)| is_alive(*pid))
            .collect();
        let tokens: BTreeSet<String> = living.iter().map(|(token, _)| token.clone()).collect();
        assert_eq!(tokens, rows, "crash at {}", self.place);
        let pids: BTreeSet<u32> = living.iter().map(|(_, pid)| *pid).collect();
        assert_eq!(pids.len(), 2, "crash at {}", self.place);
        // Two, two for the dead, one more: a launch that was made twice would be the sixth;
        // a token of which nothing became may be given up.
        let launches = self.fleet.launches();
        assert!(
            (5..=6).contains(&launches),
            "crash at {}: {launches} launches\n{}",
            self.place,
            self.fleet.log()
        );
    }
}
