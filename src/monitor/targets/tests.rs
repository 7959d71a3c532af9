use super::*;
use crate::health::script::{Host, START, Script};
use crate::health::{CheckKind, CheckSettings, CheckTarget, Checker};
use crate::monitor::TargetState;
use crate::monitor::monitor_loop::timing;
use std::net::SocketAddr;
use std::sync::Arc;

const TOOK: Duration = Duration::from_millis(3);
const WELL: Host = Host::Accepts(TOOK, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
const SICK: Host = Host::Accepts(TOOK, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");

/// Targets, their checker, a clock moved by hand, and all events.
struct Stage {
    targets: Targets,
    script: Script<TargetId>,
    told: Vec<String>,
    timeouts: usize,
}

fn plan() -> Plan {
    Plan {
        interval: Duration::from_millis(1_000),
        timeout: Duration::from_millis(500),
        rise: 2,
        fall: 3,
        count: None,
    }
}

fn counted(count: u64) -> Plan {
    Plan {
        count: Some(count),
        ..plan()
    }
}

impl Stage {
    /// Targets that are checked by page, each at a port of its number.
    fn new(names: &[&str], plan: Plan) -> Self {
        let mut checker = Checker::new(START);
        let mut first = START;
        for (nth, name) in names.iter().enumerate() {
            let address = SocketAddr::from(([10, 0, 0, 1], nth as u16));
            let target = CheckTarget {
                name: (*name).to_owned(),
                addresses: vec![address.into()],
                settings: Arc::new(CheckSettings::new(CheckKind::HTTP)),
                timing: timing(&plan),
            };
            checker.add_at(TargetId(nth), target, 7 ^ nth as u64, first);
            first = first + plan.interval / names.len() as u32;
        }
        Self {
            targets: Targets::new(names.iter().copied(), &plan),
            script: Script::new(checker),
            told: Vec::new(),
            timeouts: 0,
        }
    }

    /// Lives for `time`, or until all checks are done. `host` says how a target behaves.
    fn live(&mut self, time: Duration, host: impl Fn(u16) -> Host) {
        let end = self.script.now + time;
        while self.script.now < end && !self.targets.are_done() {
            for finished in self.script.step(&host) {
                self.timeouts += usize::from(finished.result.is_err());
                if self.targets.checked(&finished) {
                    self.script.checker.remove(finished.id);
                }
            }
            let events = self.targets.take_events().into_iter();
            self.told
                .extend(events.map(|e| format!("{} {}", e.target, e.kind)));
        }
    }

    fn changes(&self) -> Vec<&str> {
        let told = self.told.iter().map(String::as_str);
        told.filter(|line| !line.contains(" check ")).collect()
    }

    fn report(&self) -> MonitorReport {
        self.targets.report(self.script.now)
    }

    /// Returns when each check began, since the start.
    fn begun(&self) -> Vec<Duration> {
        let opened = self.script.opened.iter();
        opened.map(|(_, _, at)| at.since(START)).collect()
    }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn a_target_that_responds_is_up_and_checked_once_an_interval() {
    let mut stage = Stage::new(&["a"], plan());
    stage.live(secs(10), |_| WELL);
    assert_eq!(stage.told[..2], ["a check 1: 3.00 ms", "a is up"]);
    assert_eq!(stage.changes(), ["a is up"]);
    let begun = stage.begun();
    assert!((9..=12).contains(&begun.len()), "{begun:?}");
    assert!(begun[0] < Duration::from_millis(20), "at once");
    let report = stage.report();
    assert!(report.all_up());
    let target = &report.targets[0];
    assert_eq!(target.checks, target.passed);
    assert_eq!(target.times.map(|times| times.min), Some(TOOK));
    assert_eq!((target.outages, target.down_time), (0, Duration::ZERO));
}

#[test]
fn it_goes_down_and_comes_back() {
    let mut stage = Stage::new(&["a"], plan());
    stage.live(secs(3), |_| WELL);
    stage.live(secs(4), |_| Host::Drops);
    let before = stage.begun().len();
    assert!(stage.changes()[1].starts_with("a is down: no response in time (3 in a row, "));
    assert!(stage.report().targets[0].down_time > secs(2), "until now");
    stage.live(secs(3), |_| WELL);
    let begun = stage.begun();
    let [first, second, ..] = begun[before..] else {
        panic!("it is checked");
    };
    assert!(second - first < Duration::from_millis(300), "faster");
    let changes = stage.changes();
    assert!(
        changes[2].starts_with("a is up again, after "),
        "{changes:?}"
    );
    assert_eq!(changes.len(), 3);
    let report = stage.report();
    let target = &report.targets[0];
    assert_eq!((target.outages, target.state), (1, TargetState::Up));
    let lost = target.checks - target.passed;
    assert_eq!(lost as usize, stage.timeouts);
    assert!(target.down_time > secs(2) && target.down_time < secs(6));
}

#[test]
fn one_lost_response_is_no_outage() {
    let mut stage = Stage::new(&["a"], plan());
    stage.live(secs(2), |_| WELL);
    for _ in 0..3 {
        let before = stage.timeouts;
        while stage.timeouts == before {
            stage.live(Duration::from_millis(1), |_| Host::Drops);
        }
        stage.live(secs(2), |_| WELL);
    }
    assert_eq!(stage.changes(), ["a is up"]);
    assert_eq!(stage.report().targets[0].outages, 0);
    let lost = "a check 4: no response in time".to_owned();
    assert!(stage.told.contains(&lost), "{:?}", stage.told);
}

#[test]
fn a_target_that_never_responds_is_down_from_the_start() {
    let mut stage = Stage::new(&["a"], counted(3));
    stage.live(secs(60), |_| Host::Drops);
    assert!(stage.targets.are_done());
    assert!(stage.changes()[0].starts_with("a is down: no response in time (3 in a row, "));
    assert!(!stage.report().all_up());
}

#[test]
fn too_few_failures_leave_it_unknown_and_not_up() {
    let mut stage = Stage::new(&["a"], counted(2));
    stage.live(secs(60), |_| SICK);
    assert_eq!(stage.changes(), [""; 0]);
    assert_eq!(stage.report().targets[0].state, TargetState::Unknown);
    assert!(!stage.report().all_up());
}

#[test]
fn each_is_checked_as_often_as_it_should_be() {
    let names = ["a", "b", "c"];
    let mut stage = Stage::new(&names, counted(5));
    let host = |port| match port {
        1 => Host::Drops,
        _ => WELL,
    };
    stage.live(secs(60), host);
    assert!(stage.targets.are_done());
    let report = stage.report();
    for (target, name) in report.targets.iter().zip(names) {
        assert_eq!((target.name.as_str(), target.checks), (name, 5));
    }
    assert_eq!(stage.begun().len(), 15);
}

#[test]
fn the_first_checks_are_spread() {
    let names: Vec<String> = (0..100).map(|nth| nth.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut stage = Stage::new(&names, plan());
    stage.live(Duration::from_millis(500), |_| WELL);
    let begun = stage.begun().len();
    assert!((45..=55).contains(&begun), "{begun}");
}

#[test]
fn a_response_that_comes_too_late_is_none() {
    let timeout = Duration::from_millis(2);
    let mut stage = Stage::new(
        &["a"],
        Plan {
            timeout,
            ..counted(1)
        },
    );
    stage.live(secs(1), |_| WELL);
    assert_eq!(stage.told, ["a check 1: no response in time"]);
}

#[test]
fn events_tell_the_time_of_the_wall() {
    let mut stage = Stage::new(&["a"], plan());
    stage.targets.set_wall_clock(secs(1_000_000), START);
    let mut events = Vec::new();
    while events.is_empty() {
        for finished in stage.script.step(|_| WELL) {
            stage.targets.checked(&finished);
            events = stage.targets.take_events();
        }
    }
    let after = stage.script.now.since(START);
    assert_eq!(events[0].wall, secs(1_000_000) + after);
    assert_eq!(events[1].kind, TargetEvent::Up);
}
